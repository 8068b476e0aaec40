/* SPDX-License-Identifier: MIT */
/* mock-exporter.c - an exporter that logs its calls and fails on demand */
#include "mock-exporter.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <bsd/string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const op_names[MOCK_NR_OPS] = {
	[MOCK_OP_ATTACH] = "attach",
	[MOCK_OP_DETACH] = "detach",
	[MOCK_OP_PIN] = "pin",
	[MOCK_OP_UNPIN] = "unpin",
	[MOCK_OP_MAP] = "map",
	[MOCK_OP_UNMAP] = "unmap",
	[MOCK_OP_RELEASE] = "release",
	[MOCK_OP_BEGIN] = "begin",
	[MOCK_OP_END] = "end",
	[MOCK_OP_MMAP] = "mmap",
	[MOCK_OP_VMAP] = "vmap",
	[MOCK_OP_VUNMAP] = "vunmap",
	[MOCK_OP_BACKING_FD] = "backing_fd",
	[MOCK_OP_MOVE_NOTIFY] = "move_notify",
};

static void log_append_locked(struct mock *mock, const char *word)
{
	static const char more[] = " ...";

	if (strlen(mock->log) + 1 + strlen(word) + sizeof(more) >
	    sizeof(mock->log)) {
		if (!strstr(mock->log, more))
			strlcat(mock->log, more, sizeof(mock->log));
		return;
	}
	if (mock->log[0])
		strlcat(mock->log, " ", sizeof(mock->log));
	strlcat(mock->log, word, sizeof(mock->log));
}

/* True when the call shall fail, with what it returns. */
static bool op_called(struct mock *mock, enum mock_op op,
		      struct dma_buf_attachment *attach, long *ret)
{
	bool fail = false;

	pthread_mutex_lock(&mock->log_lock);
	log_append_locked(mock, op_names[op]);
	mock->calls[op]++;
	if (mock->fail_at[op] && !--mock->fail_at[op]) {
		fail = true;
		*ret = mock->fail_ret[op];
	}
	pthread_mutex_unlock(&mock->log_lock);
	if (mock->hook)
		mock->hook(mock, op, attach);
	return fail;
}

static int mock_attach(struct dma_buf *dmabuf,
		       struct dma_buf_attachment *attach)
{
	long ret = 0;

	op_called(dmabuf->priv, MOCK_OP_ATTACH, attach, &ret);
	return (int)ret;
}

static void mock_detach(struct dma_buf *dmabuf,
			struct dma_buf_attachment *attach)
{
	long ret;

	op_called(dmabuf->priv, MOCK_OP_DETACH, attach, &ret);
}

static int mock_pin(struct dma_buf_attachment *attach)
{
	long ret = 0;

	op_called(attach->dmabuf->priv, MOCK_OP_PIN, attach, &ret);
	return (int)ret;
}

static void mock_unpin(struct dma_buf_attachment *attach)
{
	long ret;

	op_called(attach->dmabuf->priv, MOCK_OP_UNPIN, attach, &ret);
}

static int table_make(struct mock *mock, struct device *dev,
		      enum dma_data_direction dir, struct sg_table **ret_table)
{
	struct sg_table *table = malloc(sizeof(*table));
	int ret;

	if (!table)
		return -ENOMEM;
	ret = dmabuf_pages_sg_table(&mock->pages, dma_get_max_seg_size(dev),
				    table);
	if (ret)
		goto err_table;
	ret = dma_map_sgtable(dev, table, dir, 0);
	if (ret)
		goto err_entries;
	*ret_table = table;
	return 0;

err_entries:
	sg_free_table(table);
err_table:
	free(table);
	return ret;
}

static struct sg_table *mock_map(struct dma_buf_attachment *attach,
				 enum dma_data_direction dir)
{
	struct mock *mock = attach->dmabuf->priv;
	struct sg_table *table = NULL;
	long ret;

	mock->dir = dir;
	if (op_called(mock, MOCK_OP_MAP, attach, &ret))
		return (struct sg_table *)ret;
	ret = table_make(mock, attach->dev, dir, &table);
	return ret ? ERR_PTR(ret) : table;
}

static void mock_unmap(struct dma_buf_attachment *attach,
		       struct sg_table *table, enum dma_data_direction dir)
{
	struct mock *mock = attach->dmabuf->priv;
	long ret;

	mock->dir = dir;
	op_called(mock, MOCK_OP_UNMAP, attach, &ret);
	dma_unmap_sgtable(attach->dev, table, dir, 0);
	sg_free_table(table);
	free(table);
}

static void mock_release(struct dma_buf *dmabuf)
{
	struct mock *mock = dmabuf->priv;
	long ret;

	op_called(mock, MOCK_OP_RELEASE, NULL, &ret);
	mock_fini(mock);
}

static int mock_begin(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	struct mock *mock = dmabuf->priv;
	long ret = 0;

	mock->dir = dir;
	op_called(mock, MOCK_OP_BEGIN, NULL, &ret);
	return (int)ret;
}

static int mock_end(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	struct mock *mock = dmabuf->priv;
	long ret = 0;

	mock->dir = dir;
	op_called(mock, MOCK_OP_END, NULL, &ret);
	return (int)ret;
}

static int mock_mmap(struct dma_buf *dmabuf, void *addr, size_t length,
		     int prot, int flags, off_t offset)
{
	struct mock *mock = dmabuf->priv;
	long ret;

	if (op_called(mock, MOCK_OP_MMAP, NULL, &ret))
		return (int)ret;
	return mmap(addr, length, prot, flags | MAP_FIXED, mock->fd, offset) ==
			       MAP_FAILED ?
		       -errno :
		       0;
}

static void *mock_vmap(struct dma_buf *dmabuf)
{
	struct mock *mock = dmabuf->priv;
	long ret;

	if (op_called(mock, MOCK_OP_VMAP, NULL, &ret))
		return (void *)ret;
	return mock->addr;
}

static void mock_vunmap(struct dma_buf *dmabuf, void *vaddr)
{
	struct mock *mock = dmabuf->priv;
	long ret;

	op_called(mock, MOCK_OP_VUNMAP, NULL, &ret);
	assert_ptr_equal(vaddr, mock->addr);
}

static int mock_backing_fd(struct dma_buf *dmabuf)
{
	struct mock *mock = dmabuf->priv;
	long ret;

	if (op_called(mock, MOCK_OP_BACKING_FD, NULL, &ret))
		return (int)ret;
	return mock->fd;
}

static void mock_move_notify(struct dma_buf_attachment *attach)
{
	long ret;

	op_called(attach->importer_priv, MOCK_OP_MOVE_NOTIFY, attach, &ret);
}

const struct dma_buf_attach_ops mock_importer = {
	.move_notify = mock_move_notify,
};

static void ops_fill(struct dma_buf_ops *ops, unsigned int options)
{
	ops->map_dma_buf = mock_map;
	ops->unmap_dma_buf = mock_unmap;
	ops->release = mock_release;
	ops->cache_sgt_mapping = options & MOCK_CACHED;
	if (options & MOCK_DYNAMIC) {
		ops->pin = mock_pin;
		ops->unpin = mock_unpin;
	}
	if (options & MOCK_PAGES)
		ops->backing_fd = mock_backing_fd;
	if (options & MOCK_BARE)
		return;
	ops->attach = mock_attach;
	ops->detach = mock_detach;
	ops->begin_cpu_access = mock_begin;
	ops->end_cpu_access = mock_end;
	ops->mmap = mock_mmap;
	ops->vmap = mock_vmap;
	ops->vunmap = mock_vunmap;
}

void mock_init(struct mock *mock, size_t size, unsigned int options)
{
	memset(mock, 0, sizeof(*mock));
	pthread_mutex_init(&mock->log_lock, NULL);
	ops_fill(&mock->ops, options);
	mock->info.exp_name = "mock";
	mock->info.ops = &mock->ops;
	mock->info.size = size;
	mock->info.flags = O_RDWR;
	mock->info.priv = mock;
	mock->fd = memfd_create("dmabuf:mock", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(mock->fd >= 0);
	assert_int_equal(ftruncate(mock->fd, (off_t)size), 0);
	assert_int_equal(dmabuf_pages_init_memfd(&mock->pages, mock->fd, 0,
						 size), 0);
	mock->addr = mock->pages.addr;
}

void mock_fini(struct mock *mock)
{
	dmabuf_pages_fini(&mock->pages);
	close(mock->fd);
	mock->fd = -1;
	mock->dmabuf = NULL;
}

struct dma_buf *mock_export_inited(struct mock *mock)
{
	mock->dmabuf = dma_buf_export(&mock->info);
	assert_false(IS_ERR_OR_NULL(mock->dmabuf));
	return mock->dmabuf;
}

struct dma_buf *mock_export(struct mock *mock, size_t size,
			    unsigned int options)
{
	mock_init(mock, size, options);
	return mock_export_inited(mock);
}

void mock_fail(struct mock *mock, enum mock_op op, unsigned int nth, long ret)
{
	pthread_mutex_lock(&mock->log_lock);
	mock->fail_at[op] = nth;
	mock->fail_ret[op] = ret;
	pthread_mutex_unlock(&mock->log_lock);
}

unsigned int mock_calls(struct mock *mock, enum mock_op op)
{
	unsigned int nr;

	pthread_mutex_lock(&mock->log_lock);
	nr = mock->calls[op];
	pthread_mutex_unlock(&mock->log_lock);
	return nr;
}

void mock_log_check(struct mock *mock, const char *log, const char *file,
		    int line)
{
	char was[sizeof(mock->log)];

	pthread_mutex_lock(&mock->log_lock);
	strlcpy(was, mock->log, sizeof(was));
	mock->log[0] = '\0';
	pthread_mutex_unlock(&mock->log_lock);
	_assert_string_equal(was, log, file, line);
}

struct device *device_new(void)
{
	const struct dmabuf_device_info info = { .name = "test" };
	struct device *dev;

	assert_int_equal(dmabuf_device_create(&info, &dev), 0);
	return dev;
}
