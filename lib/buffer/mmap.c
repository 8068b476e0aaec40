/* SPDX-License-Identifier: MIT */
/*
 * mmap.c - mapping pages of a buffer into this process
 *
 * Addresses are reserved first, then filled: by the exporter, and for a
 * page-backed buffer by a view of the backing through a description of its own,
 * whose end tells that the mapping is gone.
 */
#include <dmabuf/dma-buf.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "base/report.h"
#include "buffer/buffer.h"
#include "buffer/fork.h"
#include "buffer/handle.h"
#include "memory/pages.h"

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif

/* Flags that choose neither the address nor the memory. */
#define FLAGS_TAKEN (MAP_TYPE | MAP_POPULATE | MAP_NONBLOCK | MAP_LOCKED | \
		     MAP_NORESERVE)

struct range {
	size_t length;	/* whole pages */
	off_t offset;
};

static int range_check(size_t length, off_t offset, struct range *range)
{
	off_t end;

	if (offset < 0 || offset % (off_t)page_size())
		return -EINVAL;
	if (!length)
		return -EINVAL;
	if (!round_up(length, page_size(), &range->length))
		return -ENOMEM;
	if (__builtin_add_overflow(offset, range->length, &end))
		return -EOVERFLOW;
	range->offset = offset;
	return 0;
}

static int access_check(const struct buffer *buffer, int prot, int flags)
{
	int type = flags & MAP_TYPE;
	int mode = buffer->flags & O_ACCMODE;

	if (type == MAP_SHARED_VALIDATE && (flags & ~FLAGS_TAKEN))
		return -EOPNOTSUPP;
	if (type != MAP_SHARED && type != MAP_PRIVATE &&
	    type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (flags & ~FLAGS_TAKEN)
		return -EINVAL;
	if ((prot & PROT_WRITE) && type != MAP_PRIVATE && mode == O_RDONLY)
		return -EACCES;
	return mode == O_WRONLY ? -EACCES : 0;
}

static int bounds_check(const struct dma_buf *dmabuf, const struct range *range)
{
	size_t nr_pages = dmabuf->size / page_size();
	size_t first;

	if (!dmabuf->ops->mmap || !size_of_off(range->offset, &first))
		return -EINVAL;
	first /= page_size();
	if (first > nr_pages || range->length / page_size() > nr_pages - first)
		return -EINVAL;
	return 0;
}

struct reservation {
	void *addr;
	size_t length;
};

static void reservation_drop(void *lock)
{
	const struct reservation *reservation = lock;

	munmap(reservation->addr, reservation->length);
}

static int exporter_mmap(struct dma_buf *dmabuf,
			 struct reservation *reservation,
			 const struct range *range, int prot, int flags)
{
	struct frame frame;
	int ret;

	frame_enter(&frame, reservation_drop, reservation);
	ret = dmabuf->ops->mmap(dmabuf, reservation->addr, range->length, prot,
				flags, range->offset);
	frame.drop = NULL;
	frame_leave(&frame);
	return op_result(ret, "dma_buf_mmap", "mmap");
}

static void *range_map(struct buffer *buffer, struct handle *handle,
		       const struct range *range, int prot, int flags)
{
	size_t block = handle ? handle->block : page_size();
	size_t align = buffer->block > block ? buffer->block : block;
	struct reservation reserved;
	int ret;

	if (!round_up(range->length, block, &reserved.length))
		return ERR_PTR(-ENOMEM);
	reserved.addr = addresses_reserve(reserved.length, align);
	if (IS_ERR(reserved.addr))
		return reserved.addr;
	ret = exporter_mmap(&buffer->base, &reserved, range, prot, flags);
	if (!ret && handle && handle->kind == HANDLE_PAGES)
		ret = handle_map(handle, reserved.addr, range->length, prot,
				 flags, range->offset);
	if (!ret)
		return reserved.addr;
	munmap(reserved.addr, reserved.length);
	return ERR_PTR(ret);
}

/* The buffer's handle where it matters for mapping, else NULL. */
static int mapping_handle(struct buffer *buffer, struct handle **ret_handle)
{
	if (buffer->base.ops->backing_fd)
		return handle_of(buffer, ret_handle);
	*ret_handle = handle_peek(buffer);
	return 0;
}

void *dma_buf_mmap(struct dma_buf *dmabuf, size_t length, int prot, int flags,
		   off_t offset)
{
	struct handle *handle;
	struct range range;
	int ret;

	if (!dmabuf) {
		report_warn(__func__, "no buffer");
		return ERR_PTR(-EINVAL);
	}
	buffer_fork_check();
	ret = range_check(length, offset, &range);
	if (!ret)
		ret = access_check(buffer_of(dmabuf), prot, flags);
	if (!ret)
		ret = bounds_check(dmabuf, &range);
	if (!ret)
		ret = mapping_handle(buffer_of(dmabuf), &handle);
	if (ret)
		return ERR_PTR(ret);
	return range_map(buffer_of(dmabuf), handle, &range, prot, flags);
}
