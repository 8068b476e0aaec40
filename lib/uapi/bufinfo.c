/* SPDX-License-Identifier: MIT */
/*
 * bufinfo.c - all buffers of the process, as text
 *
 * First all of them are given a reference, under the registry's lock; then they
 * are described one by one, into memory. What locks are held there is for the
 * buffer's own fields: the text goes out, and the references go back, without.
 */
#include <dmabuf/uapi.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include <dmabuf/dmabuf.h>

#include "buffer/buffer.h"
#include "buffer/fork.h"
#include "buffer/handle.h"
#include "buffer/registry.h"

/* Of a file's mode, as Linux prints it: every buffer's, and by access mode. */
#define MODE_ANY 0x80004u
#define MODE_READ 1u
#define MODE_WRITE 2u

struct snapshot {
	struct dma_buf **buffers;
	size_t nr;		/* may be more than there is room for */
	size_t room;
};

/* Registry's lock: what snapshot_add_locked() adds to. */
static struct snapshot *taking;

static void snapshot_add_locked(struct buffer *buffer)
{
	/* Under the lock none loses its last one; who has none is going. */
	if (!dmabuf_refcount(&buffer->base))
		return;
	if (taking->nr < taking->room) {
		get_dma_buf(&buffer->base);
		taking->buffers[taking->nr] = &buffer->base;
	}
	taking->nr++;
}

static void snapshot_put(struct snapshot *snapshot)
{
	size_t nr = snapshot->nr < snapshot->room ? snapshot->nr :
						    snapshot->room;

	while (nr--)
		dma_buf_put(snapshot->buffers[nr]);
	free(snapshot->buffers);
}

static void snapshot_fill(struct snapshot *snapshot)
{
	snapshot->nr = 0;
	registry_lock();
	taking = snapshot;
	registry_each_buffer_locked(snapshot_add_locked);
	registry_unlock();
}

static int snapshot_take(struct snapshot *snapshot)
{
	*snapshot = (struct snapshot){ .room = dmabuf_live_buffers() };
	for (;;) {
		snapshot->buffers = calloc(snapshot->room + 1,
					   sizeof(*snapshot->buffers));
		if (!snapshot->buffers)
			return -ENOMEM;
		snapshot_fill(snapshot);
		if (snapshot->nr <= snapshot->room)
			return 0;
		/* More were made meanwhile. */
		snapshot_put(snapshot);
		snapshot->room = snapshot->nr;
	}
}

/* One buffer */

static unsigned int mode_of(const struct buffer *buffer)
{
	switch (buffer->flags & O_ACCMODE) {
	case O_RDONLY:
		return MODE_ANY | MODE_READ;
	case O_WRONLY:
		return MODE_ANY | MODE_WRITE;
	default:
		return MODE_ANY | MODE_READ | MODE_WRITE;
	}
}

/* None until the first fd is made. */
static uintmax_t inode_of(struct buffer *buffer)
{
	const struct handle *handle = handle_peek(buffer);

	return handle ? handle->id.ino : 0;
}

static void head_print(struct buffer *buffer, FILE *out)
{
	const struct dma_buf *dmabuf = &buffer->base;

	fprintf(out, "%08zu\t%08x\t%08x\t%08u\t%s\t%08ju\t",
		dmabuf->size, (unsigned int)buffer->flags, mode_of(buffer),
		dmabuf_refcount(dmabuf) - 1,
		dmabuf->exp_name ? dmabuf->exp_name : "", inode_of(buffer));
}

static void fences_print(struct dma_resv *resv, FILE *out)
{
	if (dma_resv_held(resv)) {
		dma_resv_describe(resv, out);
	} else if (dma_resv_trylock(resv)) {
		dma_resv_describe(resv, out);
		dma_resv_unlock(resv);
	} else {
		fprintf(out, "\tfences: busy\n");
	}
}

/* Either lock is enough for the list, and this one is held for a moment. */
static void rest_print(struct buffer *buffer, FILE *out)
{
	struct dma_buf *dmabuf = &buffer->base;
	struct dma_buf_attachment *attach;
	unsigned int nr = 0;

	buffer_lock(buffer, "dmabuf_bufinfo");
	fprintf(out, "%s\n", dmabuf->name ? dmabuf->name : "<none>");
	buffer_unlock(buffer);
	fences_print(dmabuf->resv, out);
	fprintf(out, "\tAttached Devices:\n");
	buffer_lock(buffer, "dmabuf_bufinfo");
	dmabuf_for_each_attachment(attach, dmabuf) {
		fprintf(out, "\t%s\n", dev_name(attach->dev));
		nr++;
	}
	buffer_unlock(buffer);
	fprintf(out, "Total %u devices attached\n\n", nr);
}

static void snapshot_print(const struct snapshot *snapshot, FILE *out)
{
	uintmax_t total = 0;
	size_t i;

	fprintf(out, "\nDma-buf Objects:\n%-8s\t%-8s\t%-8s\t%-8s\t%s\t%-8s\t%s\n",
		"size", "flags", "mode", "count", "exp_name", "ino", "name");
	for (i = 0; i < snapshot->nr; i++) {
		head_print(buffer_of(snapshot->buffers[i]), out);
		rest_print(buffer_of(snapshot->buffers[i]), out);
		total += snapshot->buffers[i]->size;
	}
	fprintf(out, "\nTotal %zu objects, %ju bytes\n", snapshot->nr, total);
}

static int snapshot_text(const struct snapshot *snapshot, char **ret_text,
			 size_t *ret_len)
{
	FILE *out = open_memstream(ret_text, ret_len);
	bool failed;

	if (!out)
		return -ENOMEM;
	snapshot_print(snapshot, out);
	failed = ferror(out);
	if (!fclose(out) && !failed)
		return 0;
	free(*ret_text);
	return -ENOMEM;
}

int dmabuf_bufinfo(FILE *file)
{
	struct snapshot snapshot;
	char *text = NULL;
	size_t len;
	int ret;

	buffer_fork_check();
	ret = snapshot_take(&snapshot);
	if (ret)
		return ret;
	ret = snapshot_text(&snapshot, &text, &len);
	snapshot_put(&snapshot);
	if (ret)
		return ret;
	if (fwrite(text, 1, len, file) != len)
		ret = -EIO;
	free(text);
	return ret;
}
