/* SPDX-License-Identifier: MIT */
/* buffer-sync.h - the fences of a buffer, taken out and put in without an fd */
#ifndef LIB_SYNC_BUFFER_SYNC_H
#define LIB_SYNC_BUFFER_SYNC_H

#include <linux/dma-buf.h>

#include <dmabuf/dma-buf.h>

/* DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE or both; otherwise -EINVAL. */
int sync_flags_check(uint32_t flags);

/*
 * Whom a reader or a writer waits for, as one fence, with a reference; a
 * signalled one for nobody. -ENOMEM.
 */
int buffer_pending(struct dma_buf *dmabuf, uint32_t flags,
		   struct dma_fence **ret_fence);

/* Its plain fences are those of a reader or a writer from now on. -ENOMEM. */
int buffer_add_fence(struct dma_buf *dmabuf, uint32_t flags,
		     struct dma_fence *fence);

#endif
