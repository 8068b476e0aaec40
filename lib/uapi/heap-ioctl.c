/* SPDX-License-Identifier: MIT */
/*
 * heap-ioctl.c - ioctl(2) on a heap's device
 *
 * The command is known by its number alone. Its size is that of the caller's
 * structure, whichever version he was built with: what he does not have, or
 * does not write, reads as zero; what the library does not know stays.
 */
#include <dmabuf/uapi.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <stdlib.h>

#include "uapi/caller.h"

/* Larger arguments are given memory of their own. */
#define SMALL_MAX 128

static struct dma_buf *buffer_alloc(struct dma_heap *heap,
				    const struct dma_heap_allocation_data *data)
{
	size_t len;

	if (data->fd)
		return ERR_PTR(-EINVAL);
	/* What no size_t holds is too long in the order of the checks. */
	if (__builtin_add_overflow(data->len, 0, &len))
		len = SIZE_MAX;
	return dma_heap_buffer_alloc(heap, len, data->fd_flags,
				     data->heap_flags);
}

/* The fd takes the reference. */
static long buffer_give(struct dma_buf *dmabuf, const struct answer *answer)
{
	struct dma_heap_allocation_data *data = answer->data;
	int fd = caller_fd_room(answer->caller);

	if (!fd)
		fd = answer_try(answer);
	if (!fd)
		fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (fd >= 0)
		return answer_fd(answer, fd, (int)(data->fd_flags & O_CLOEXEC),
				 &data->fd);
	dma_buf_put(dmabuf);
	return fd;
}

static long alloc_from(struct dma_heap *heap, const struct answer *answer,
		       size_t in_size)
{
	int ret = caller_read(answer->caller, answer->data, answer->arg,
			      in_size);
	struct dma_buf *dmabuf;

	if (ret)
		return ret;
	dmabuf = buffer_alloc(heap, answer->data);
	return IS_ERR(dmabuf) ? PTR_ERR(dmabuf) : buffer_give(dmabuf, answer);
}

long dmabuf_heap_ioctl(struct dma_heap *heap, unsigned int cmd, uint64_t arg,
		       struct dmabuf_caller *caller)
{
	size_t size = _IOC_SIZE(cmd);
	union {
		struct dma_heap_allocation_data data;
		char bytes[SMALL_MAX];
	} small = { .bytes = "" };
	struct answer answer = {
		.caller = caller,
		.arg = arg,
		.data = &small,
		.size = _IOC_DIR(cmd) & _IOC_READ ? size : 0,
	};
	long ret;

	if (_IOC_NR(cmd) != _IOC_NR(DMA_HEAP_IOCTL_ALLOC))
		return -EINVAL;
	if (size > sizeof(small))
		answer.data = calloc(1, size);
	if (!answer.data)
		return -ENOMEM;
	ret = alloc_from(heap, &answer,
			 _IOC_DIR(cmd) & _IOC_WRITE ? size : 0);
	if (answer.data != &small)
		free(answer.data);
	return ret;
}
