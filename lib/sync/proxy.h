/* SPDX-License-Identifier: MIT */
/* proxy.h - fences that another process signals */
#ifndef LIB_SYNC_PROXY_H
#define LIB_SYNC_PROXY_H

#include <stdbool.h>

#include <dmabuf/dma-fence.h>

/*
 * The fence of a sync file that is not one of this process's own, with a
 * reference; the same one for all copies of the fd while it lives. ERR_PTR:
 * -ENOTTY when @fd is something else; -EBADF, -EMFILE, -ENFILE, -ENOMEM.
 */
struct dma_fence *proxy_get(int fd);

bool fence_is_proxy(const struct dma_fence *fence);

/* The fd it looks at; stays the proxy's. */
int proxy_fd(struct dma_fence *fence);

#endif
