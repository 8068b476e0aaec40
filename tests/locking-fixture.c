/* SPDX-License-Identifier: MIT */
/* locking-fixture.c - a mock exporter that tells what ran, and buffers of it */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "locking.h"

const char *const op_names[NR_OPS] = {
	"attach", "detach", "pin", "unpin", "map_dma_buf", "unmap_dma_buf",
	"release", "begin_cpu_access", "end_cpu_access", "mmap", "vmap",
	"vunmap", "backing_fd", "move_notify", "allocate",
};

unsigned int op_log;
enum op op_fails = NR_OPS;

enum op hook_op = NR_OPS;
void (*hook)(struct dma_buf *dmabuf);

static int op_run(enum op op, struct dma_buf *dmabuf)
{
	void (*run)(struct dma_buf *) = hook;

	op_log |= 1u << op;
	if (op == hook_op && run) {
		hook = NULL;
		run(dmabuf);
	}
	return op == op_fails ? -EIO : 0;
}

static int mock_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	(void)attach;
	return op_run(OP_ATTACH, dmabuf);
}

static void mock_detach(struct dma_buf *dmabuf,
			struct dma_buf_attachment *attach)
{
	(void)attach;
	op_run(OP_DETACH, dmabuf);
}

static int mock_pin(struct dma_buf_attachment *attach)
{
	return op_run(OP_PIN, attach->dmabuf);
}

static void mock_unpin(struct dma_buf_attachment *attach)
{
	op_run(OP_UNPIN, attach->dmabuf);
}

static struct sg_table *mock_map(struct dma_buf_attachment *attach,
				 enum dma_data_direction dir)
{
	struct sg_table *table;
	int ret = op_run(OP_MAP, attach->dmabuf);

	(void)dir;
	if (ret)
		return ERR_PTR(ret);
	table = malloc(sizeof(*table));
	assert_non_null(table);
	assert_int_equal(sg_alloc_table(table, 1, GFP_KERNEL), 0);
	return table;
}

static void mock_unmap(struct dma_buf_attachment *attach,
		       struct sg_table *table, enum dma_data_direction dir)
{
	(void)dir;
	op_run(OP_UNMAP, attach->dmabuf);
	sg_free_table(table);
	free(table);
}

static void mock_release(struct dma_buf *dmabuf)
{
	int *fd = dmabuf->priv;

	op_run(OP_RELEASE, dmabuf);
	close(*fd);
	free(fd);
}

static int mock_begin(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	(void)dir;
	return op_run(OP_BEGIN, dmabuf);
}

static int mock_end(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	(void)dir;
	return op_run(OP_END, dmabuf);
}

static int mock_mmap(struct dma_buf *dmabuf, void *addr, size_t length,
		     int prot, int flags, off_t offset)
{
	(void)addr, (void)length, (void)prot, (void)flags, (void)offset;
	return op_run(OP_MMAP, dmabuf);
}

static void *mock_vmap(struct dma_buf *dmabuf)
{
	op_run(OP_VMAP, dmabuf);
	return dmabuf->priv;
}

static void mock_vunmap(struct dma_buf *dmabuf, void *vaddr)
{
	(void)vaddr;
	op_run(OP_VUNMAP, dmabuf);
}

static int mock_backing_fd(struct dma_buf *dmabuf)
{
	const int *fd = dmabuf->priv;

	op_run(OP_BACKING, dmabuf);
	return *fd;
}

static void mock_move_notify(struct dma_buf_attachment *attach)
{
	op_run(OP_MOVE, attach->dmabuf);
}

#define MOCK_OPS \
	.attach = mock_attach, .detach = mock_detach, \
	.map_dma_buf = mock_map, .unmap_dma_buf = mock_unmap, \
	.release = mock_release, .begin_cpu_access = mock_begin, \
	.end_cpu_access = mock_end, .mmap = mock_mmap, .vmap = mock_vmap, \
	.vunmap = mock_vunmap, .backing_fd = mock_backing_fd

const struct dma_buf_ops static_ops = { MOCK_OPS };
const struct dma_buf_ops dynamic_ops = {
	MOCK_OPS, .pin = mock_pin, .unpin = mock_unpin,
};
const struct dma_buf_attach_ops importer_ops = {
	.move_notify = mock_move_notify,
};

struct dma_buf *mock_export(const struct dma_buf_ops *ops)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;
	int *fd = malloc(sizeof(*fd));

	assert_non_null(fd);
	*fd = memfd_create("dmabuf:mock", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(*fd >= 0 && !ftruncate(*fd, SIZE));
	info.ops = ops;
	info.size = SIZE;
	info.flags = O_RDWR;
	info.priv = fd;
	dmabuf = dma_buf_export(&info);
	assert_false(IS_ERR(dmabuf));
	return dmabuf;
}

static struct dma_buf *mock_allocate(struct dma_heap *heap, unsigned long len,
				     uint32_t fd_flags, uint64_t heap_flags)
{
	int ret = op_run(OP_ALLOCATE, buffer);

	(void)heap, (void)len, (void)fd_flags, (void)heap_flags;
	return ret ? ERR_PTR(ret) : mock_export(buffer->ops);
}

const struct dma_heap_ops mock_heap_ops = { .allocate = mock_allocate };

struct dma_heap *mock_heap(void)
{
	const struct dma_heap_export_info info = {
		"mock", &mock_heap_ops, NULL
	};
	struct dma_heap *heap = dma_heap_find("mock");

	if (!heap)
		heap = dma_heap_add(&info);
	assert_false(IS_ERR(heap));
	return heap;
}

/* The fixture */

struct dma_buf *buffer;
struct dma_buf *udmabuf;
int udmabuf_memfd;
struct device *dev;
struct set sets[2], *set;
int buffer_fd;
void *view;
unsigned int vmaps;
int nr_closed;

static void set_init(struct set *self, const struct dma_buf_ops *ops)
{
	memset(self, 0, sizeof(*self));
	self->fixed = dma_buf_attach(buffer, dev);
	self->moving = dma_buf_dynamic_attach(buffer, dev, &importer_ops, NULL);
	assert_false(IS_ERR(self->fixed) || IS_ERR(self->moving));
	self->table = dma_buf_map_attachment_unlocked(self->moving,
						      DMA_BIDIRECTIONAL);
	assert_false(IS_ERR(self->table));
	self->victim = mock_export(ops);
}

static void set_fini(struct set *self)
{
	if (self->table)
		dma_buf_unmap_attachment_unlocked(self->moving, self->table,
						  DMA_BIDIRECTIONAL);
	if (self->mapped)
		dma_buf_unmap_attachment_unlocked(self->moving, self->mapped,
						  DMA_BIDIRECTIONAL);
	if (self->made)
		dma_buf_detach(buffer, self->made);
	if (self->fixed)
		dma_buf_detach(buffer, self->fixed);
	dma_buf_detach(buffer, self->moving);
	if (self->victim)
		dma_buf_put(self->victim);
	if (self->exported)
		dma_buf_put(self->exported);
	while (self->refs--)
		dma_buf_put(buffer);
}

static void udmabuf_init(void)
{
	struct dmabuf_udmabuf_range range = { .size = SIZE };

	udmabuf_memfd = memfd_create("pages", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(udmabuf_memfd >= 0 && !ftruncate(udmabuf_memfd, SIZE));
	assert_int_equal(fcntl(udmabuf_memfd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	range.fd = udmabuf_memfd;
	assert_int_equal(dmabuf_udmabuf_export(&range, 1, &udmabuf), 0);
}

void fixture_init(const struct dma_buf_ops *ops, bool vmapped)
{
	const struct dmabuf_device_info info = { 0 };

	assert_int_equal(dmabuf_device_create(&info, &dev), 0);
	buffer = mock_export(ops);
	udmabuf_init();
	buffer_fd = -1;
	view = MAP_FAILED;
	vmaps = 0;
	nr_closed = 0;
	set_init(&sets[0], ops);
	set_init(&sets[1], ops);
	set = &sets[0];
	if (vmapped)
		vmaps = dma_buf_vmap(buffer) != NULL;
	op_log = 0;
}

/* Until dispatch has told of every fd and mapping that went */
static void fds_fini(void)
{
	int ret;

	if (buffer_fd >= 0)
		nr_closed += !close(buffer_fd);
	if (view != MAP_FAILED)
		nr_closed += !munmap(view, SIZE);
	while (nr_closed > 0) {
		ret = dmabuf_dispatch();
		assert_true(ret >= 0);
		nr_closed -= ret;
	}
}

void fixture_fini(void)
{
	fds_fini();
	while (vmaps--)
		dma_buf_vunmap(buffer, buffer->vmap_ptr);
	set_fini(&sets[0]);
	set_fini(&sets[1]);
	dma_buf_put(buffer);
	dma_buf_put(udmabuf);
	close(udmabuf_memfd);
	dmabuf_device_destroy(dev);
	assert_int_equal(dmabuf_live_buffers(), 0);
}
