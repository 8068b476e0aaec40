/* SPDX-License-Identifier: MIT */
/* dma-heap.h - named places to allocate buffers from */
#ifndef DMABUF_DMA_HEAP_H
#define DMABUF_DMA_HEAP_H

#include <stddef.h>
#include <stdint.h>

#include <dmabuf/dma-buf.h>
#include <dmabuf/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A heap lives until the program ends; there is no way to remove one. Two are
 * there from the start:
 *
 * "system"	pages in blocks of 1 MiB, 64 KiB and 4 KiB, never a larger
 *		one after a smaller one: importers get a list of several entries
 * "contiguous"	one block
 *
 * Their buffers are those of dmabuf_memfd_export() otherwise. Private mappings
 * are -EINVAL, but for a single page of "system". Mapping one of "contiguous"
 * for a device fails with -ENOMEM only. More than the machine has is -ENOMEM.
 *
 * Differs from the kernel: an attachment that is mapped twice gets two tables.
 */
struct dma_heap;

/**
 * struct dma_heap_ops - what makes a heap
 * @allocate: mandatory. A new buffer of @len bytes, whole pages and not 0, with
 *	zero memory and one reference, which goes to the caller; or
 *	ERR_PTR(-errno), which the caller of the allocation gets unchanged;
 *	NULL becomes -ENOMEM. @fd_flags: O_RDONLY, O_WRONLY or O_RDWR, and
 *	O_CLOEXEC, nothing else: for &dma_buf_export_info.flags. @heap_flags: 0
 *	so far. No lock is held, and it may block.
 */
struct dma_heap_ops {
	struct dma_buf *(*allocate)(struct dma_heap *heap, unsigned long len,
				    uint32_t fd_flags, uint64_t heap_flags);
};

/**
 * struct dma_heap_export_info - a heap to add
 * @name: what it is found by; not copied, so it must stay
 * @ops: constant, must stay
 * @priv: for dma_heap_get_drvdata()
 */
struct dma_heap_export_info {
	const char *name;
	const struct dma_heap_ops *ops;
	void *priv;
};

/**
 * dma_heap_add() - make a heap known
 * @exp_info: description; read during the call only
 *
 * Differs from the kernel: there is no device node; a name that is taken is
 * always -EINVAL; without @exp_info it is -EINVAL with a warning.
 *
 * In the order of the checks:
 * Return: the heap; ERR_PTR(-EINVAL) with a warning without a name, with an
 * empty one, and without ops or their allocate; -ENOMEM; -EBUSY when there are
 * 128; -EINVAL with a warning when there is one of that name.
 * (dma_heap_add(), Linux 6.12)
 */
DMABUF_API struct dma_heap *
dma_heap_add(const struct dma_heap_export_info *exp_info);

/**
 * dma_heap_find() - the heap of a name
 * @name: compared byte by byte; NULL finds nothing
 *
 * Differs from the kernel: 6.12 has no such function.
 * Return: the heap, for good; NULL.
 */
DMABUF_API struct dma_heap *dma_heap_find(const char *name);

/** dma_heap_get_drvdata() - what was given as &dma_heap_export_info.priv */
DMABUF_API void *dma_heap_get_drvdata(struct dma_heap *heap);

/** dma_heap_get_name() - the name; not to be freed */
DMABUF_API const char *dma_heap_get_name(struct dma_heap *heap);

/**
 * dma_heap_buffer_alloc() - a buffer from a heap
 * @heap: heap
 * @len: bytes, rounded up to pages
 * @fd_flags: O_RDONLY, O_WRONLY or O_RDWR, which become the access mode of the
 *	buffer's fds; and O_CLOEXEC. O_ACCMODE, neither to be read nor
 *	written, counts as O_WRONLY, which cannot be mapped either
 * @heap_flags: 0
 *
 * Context: no lock held. May block.
 * Differs from the kernel: returns the buffer, not an fd (dma_buf_fd() makes
 * one, dmabuf_heap_ioctl() does all in one step); checks the flags itself.
 *
 * In the order of the checks:
 * Return: the buffer, with one reference; ERR_PTR(-EINVAL) with a warning
 * without @heap; ERR_PTR(-EINVAL) for other flags, and when @len is 0 or cannot
 * be rounded up; what the heap's allocate returned.
 * (dma_heap_ioctl_allocate() and dma_heap_buffer_alloc(), Linux 6.12)
 */
DMABUF_API struct dma_buf *dma_heap_buffer_alloc(struct dma_heap *heap,
						 size_t len, uint32_t fd_flags,
						 uint64_t heap_flags);

enum dmabuf_heap_kind {
	DMABUF_HEAP_SYSTEM,		/* as the heap "system" */
	DMABUF_HEAP_CONTIGUOUS,		/* as the heap "contiguous" */
};

/**
 * dmabuf_heap_add() - one more heap of a kind that the library has
 * @name: copied
 * @kind: kind
 * @ret_heap: the heap
 *
 * Return: 0; -EINVAL for another kind; -ENOMEM; the errors of dma_heap_add().
 */
DMABUF_API int dmabuf_heap_add(const char *name, enum dmabuf_heap_kind kind,
			       struct dma_heap **ret_heap);

/**
 * dmabuf_heap_next() - walk through all heaps, the newest first
 * @heap: the one before; NULL for the first
 *
 * Return: NULL after the last one.
 */
DMABUF_API struct dma_heap *dmabuf_heap_next(struct dma_heap *heap);

/**
 * dmabuf_run_heap() - what a shared object for dmabuf-run(1) --heap defines
 * @name: of the heap, as the user wants it; stays
 *
 * Return: what dma_heap_add() returned.
 */
DMABUF_ENTRY struct dma_heap *dmabuf_run_heap(const char *name);

#ifdef __cplusplus
}
#endif

#endif
