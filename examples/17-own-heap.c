/* SPDX-License-Identifier: MIT */
/* 17-own-heap.c - a heap of one's own, for programs that do not know of it */
/*
 * Shows an exporter that any program can allocate from: built as a shared object,
 * and given to dmabuf-run --heap own=PATH, it is /dev/dma_heap/own. This one
 * counts what is out, and lends no more than four buffers at a time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <dmabuf/dmabuf.h>

#define BUFFERS_MAX 4

static int buffers;	/* atomic */

/* The memfd is the memory: the library hands out fds of it. */
static int own_backing_fd(struct dma_buf *dmabuf)
{
	return (int)(intptr_t)dmabuf->priv;
}

static int own_mmap(struct dma_buf *dmabuf, void *addr, size_t length, int prot,
		    int flags, off_t offset)
{
	void *view = mmap(addr, length, prot, flags | MAP_FIXED,
			  own_backing_fd(dmabuf), offset);

	return view == MAP_FAILED ? -errno : 0;
}

/* No device is ever attached here; a real heap has more to do. */
static struct sg_table *own_map(struct dma_buf_attachment *attach,
				enum dma_data_direction dir)
{
	(void)attach;
	(void)dir;
	return ERR_PTR(-ENODEV);
}

static void own_unmap(struct dma_buf_attachment *attach, struct sg_table *table,
		      enum dma_data_direction dir)
{
	(void)attach;
	(void)table;
	(void)dir;
}

static void own_release(struct dma_buf *dmabuf)
{
	close(own_backing_fd(dmabuf));
	__atomic_fetch_sub(&buffers, 1, __ATOMIC_RELAXED);
}

static const struct dma_buf_ops own_ops = {
	.map_dma_buf = own_map,
	.unmap_dma_buf = own_unmap,
	.release = own_release,
	.mmap = own_mmap,
	.backing_fd = own_backing_fd,
};

static struct dma_buf *own_export(struct dma_heap *heap, int memfd, size_t size,
				  uint32_t fd_flags)
{
	const struct dma_buf_export_info info = {
		.exp_name = dma_heap_get_name(heap),
		.ops = &own_ops,
		.size = size,
		.flags = (int)fd_flags,
		.priv = (void *)(intptr_t)memfd,
	};

	return dma_buf_export(&info);
}

static struct dma_buf *own_allocate(struct dma_heap *heap, unsigned long len,
				    uint32_t fd_flags, uint64_t heap_flags)
{
	struct dma_buf *dmabuf = ERR_PTR(-ENOMEM);
	int memfd;

	(void)heap_flags;
	if (__atomic_fetch_add(&buffers, 1, __ATOMIC_RELAXED) >= BUFFERS_MAX)
		goto err_count;
	memfd = memfd_create("dmabuf:own", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memfd < 0)
		goto err_count;
	if (!ftruncate(memfd, (off_t)len))
		dmabuf = own_export(heap, memfd, len, fd_flags);
	if (!IS_ERR(dmabuf))
		return dmabuf;
	close(memfd);
err_count:
	__atomic_fetch_sub(&buffers, 1, __ATOMIC_RELAXED);
	return dmabuf;
}

static const struct dma_heap_ops own_heap_ops = { .allocate = own_allocate };

struct dma_heap *dmabuf_run_heap(const char *name)
{
	const struct dma_heap_export_info info = {
		.name = name,
		.ops = &own_heap_ops,
	};

	return dma_heap_add(&info);
}
