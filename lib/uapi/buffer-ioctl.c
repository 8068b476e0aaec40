/* SPDX-License-Identifier: MIT */
/* buffer-ioctl.c - ioctl(2) on a buffer's fd */
#include <dmabuf/uapi.h>

#include <errno.h>
#include <linux/dma-buf.h>
#include <string.h>

#include "base/report.h"
#include "base/util.h"
#include "sync/buffer-sync.h"
#include "sync/sync-file.h"
#include "uapi/caller.h"

/* SYNC */

static int sync_direction(uint64_t flags, enum dma_data_direction *ret_dir)
{
	if (flags & ~(uint64_t)DMA_BUF_SYNC_VALID_FLAGS_MASK)
		return -EINVAL;
	switch (flags & DMA_BUF_SYNC_RW) {
	case DMA_BUF_SYNC_READ:
		*ret_dir = DMA_FROM_DEVICE;
		return 0;
	case DMA_BUF_SYNC_WRITE:
		*ret_dir = DMA_TO_DEVICE;
		return 0;
	case DMA_BUF_SYNC_RW:
		*ret_dir = DMA_BIDIRECTIONAL;
		return 0;
	default:
		return -EINVAL;
	}
}

static long buffer_sync(struct dma_buf *dmabuf, uint64_t arg,
			struct dmabuf_caller *caller)
{
	enum dma_data_direction dir;
	struct dma_buf_sync sync;
	int ret = caller_read(caller, &sync, arg, sizeof(sync));

	if (!ret)
		ret = sync_direction(sync.flags, &dir);
	if (ret)
		return ret;
	if (sync.flags & DMA_BUF_SYNC_END)
		return dma_buf_end_cpu_access(dmabuf, dir);
	return dma_buf_begin_cpu_access(dmabuf, dir);
}

/* SET_NAME */

/* The page behind the end of a string need not be there. */
static int name_read(char name[DMA_BUF_NAME_LEN], uint64_t arg,
		     struct dmabuf_caller *caller)
{
	size_t first = page_size() - arg % page_size();
	int ret;

	if (first > DMA_BUF_NAME_LEN)
		first = DMA_BUF_NAME_LEN;
	ret = caller_read(caller, name, arg, first);
	if (ret || memchr(name, '\0', first))
		return ret;
	ret = caller_read(caller, name + first, arg + first,
			  DMA_BUF_NAME_LEN - first);
	if (ret)
		return ret;
	return memchr(name, '\0', DMA_BUF_NAME_LEN) ? 0 : -EINVAL;
}

static long set_name(struct dma_buf *dmabuf, uint64_t arg,
		     struct dmabuf_caller *caller)
{
	char name[DMA_BUF_NAME_LEN];
	int ret = name_read(name, arg, caller);

	return ret ? ret : dma_buf_set_name(dmabuf, name);
}

/* Sync files */

static long export_sync_file(struct dma_buf *dmabuf, uint64_t arg,
			     struct dmabuf_caller *caller)
{
	struct dma_buf_export_sync_file data;
	const struct answer answer = { caller, arg, &data, sizeof(data) };
	struct fd_reservation reservation;
	struct dma_fence *fence = NULL;
	int ret = caller_read(caller, &data, arg, sizeof(data));

	if (!ret)
		ret = sync_flags_check(data.flags);
	if (!ret)
		ret = answer_reserve(caller, &reservation);
	if (ret)
		return ret;
	ret = buffer_pending(dmabuf, data.flags, &fence);
	if (ret) {
		fd_unreserve(&reservation);
		return ret;
	}
	return answer_fence(&answer, &reservation, fence, NULL, &data.fd);
}

static long import_sync_file(struct dma_buf *dmabuf, uint64_t arg,
			     struct dmabuf_caller *caller)
{
	struct dma_buf_import_sync_file data;
	struct sync_file file;
	int ret = caller_read(caller, &data, arg, sizeof(data));

	if (!ret)
		ret = sync_flags_check(data.flags);
	if (ret)
		return ret;
	ret = caller_sync_file(caller, data.fd, &file);
	if (ret)
		return ret == -EBADF || ret == -ENOTTY ? -EINVAL : ret;
	ret = buffer_add_fence(dmabuf, data.flags, file.fence);
	dma_fence_put(file.fence);
	return ret;
}

long dmabuf_buffer_ioctl(struct dma_buf *dmabuf, unsigned int cmd, uint64_t arg,
			 struct dmabuf_caller *caller)
{
	if (!dmabuf) {
		report_warn(__func__, "no buffer");
		return -EINVAL;
	}
	switch (cmd) {
	case DMA_BUF_IOCTL_SYNC:
		return buffer_sync(dmabuf, arg, caller);
	/* DMA_BUF_SET_NAME is the one or the other. */
	case (unsigned int)DMA_BUF_SET_NAME_A:
	case (unsigned int)DMA_BUF_SET_NAME_B:
		return set_name(dmabuf, arg, caller);
	case DMA_BUF_IOCTL_EXPORT_SYNC_FILE:
		return export_sync_file(dmabuf, arg, caller);
	case DMA_BUF_IOCTL_IMPORT_SYNC_FILE:
		return import_sync_file(dmabuf, arg, caller);
	default:
		return -ENOTTY;
	}
}
