/* SPDX-License-Identifier: MIT */
/* buffer-sync.c - the fences of a buffer, taken out and put in as sync files */
#include "sync/buffer-sync.h"

#include <errno.h>

#include <dmabuf/dmabuf.h>

#include "base/report.h"
#include "sync/sync-file.h"

int sync_flags_check(uint32_t flags)
{
	if (!flags || (flags & ~(uint32_t)DMA_BUF_SYNC_RW))
		return -EINVAL;
	return 0;
}

static int check(struct dma_buf *dmabuf, uint32_t flags, const char *function)
{
	if (!dmabuf) {
		report_warn(function, "no buffer");
		return -EINVAL;
	}
	return sync_flags_check(flags);
}

int buffer_pending(struct dma_buf *dmabuf, uint32_t flags,
		   struct dma_fence **ret_fence)
{
	int ret = dma_resv_get_singleton(dmabuf->resv,
					 dma_resv_usage_rw(flags &
							   DMA_BUF_SYNC_WRITE),
					 ret_fence);

	if (!ret && !*ret_fence)
		*ret_fence = dma_fence_get_stub();
	return ret;
}

int dma_buf_export_sync_file(struct dma_buf *dmabuf, uint32_t flags)
{
	struct fd_reservation reservation;
	struct dma_fence *fence = NULL;
	int ret;

	ret = check(dmabuf, flags, __func__);
	if (ret)
		return ret;
	ret = fd_reserve(&reservation);
	if (ret)
		return ret;
	ret = buffer_pending(dmabuf, flags, &fence);
	if (!ret)
		return fd_install(&reservation, fence, NULL);
	fd_unreserve(&reservation);
	return ret;
}

static int add_leaves(struct dma_resv *resv, struct dma_fence *fence,
		      enum dma_resv_usage usage)
{
	struct dma_fence_unwrap cursor;
	struct dma_fence *leaf;
	unsigned int nr = count_leaves(fence);
	int ret;

	if (!nr)
		return 0;
	dma_resv_lock(resv, NULL);
	ret = dma_resv_reserve_fences(resv, nr);
	if (!ret)
		dma_fence_unwrap_for_each(leaf, &cursor, fence)
			dma_resv_add_fence(resv, leaf, usage);
	dma_resv_unlock(resv);
	return ret;
}

int buffer_add_fence(struct dma_buf *dmabuf, uint32_t flags,
		     struct dma_fence *fence)
{
	return add_leaves(dmabuf->resv, fence, flags & DMA_BUF_SYNC_WRITE ?
						       DMA_RESV_USAGE_WRITE :
						       DMA_RESV_USAGE_READ);
}

int dma_buf_import_sync_file(struct dma_buf *dmabuf, uint32_t flags, int fd)
{
	struct dma_fence *fence;
	int ret;

	ret = check(dmabuf, flags, __func__);
	if (ret)
		return ret;
	fence = sync_file_fence(fd);
	if (fence == ERR_PTR(-EBADF) || fence == ERR_PTR(-ENOTTY))
		return -EINVAL;
	if (IS_ERR(fence))
		return (int)PTR_ERR(fence);
	ret = buffer_add_fence(dmabuf, flags, fence);
	dma_fence_put(fence);
	return ret;
}
