/* SPDX-License-Identifier: MIT */
/* import.h - buffers whose memory came as an fd */
#ifndef LIB_BUFFER_IMPORT_H
#define LIB_BUFFER_IMPORT_H

#include <stdbool.h>

#include <dmabuf/dma-buf.h>

/* What dma_buf_get() returns for an fd that is no buffer of this process. */
struct dma_buf *import_buffer(int fd);

/*
 * A buffer on a dma-buf that a device of the kernel gave. @fd stays the
 * caller's, who knows what it is. 0 or -errno.
 */
int import_kernel(int fd, const char *exp_name, struct dma_buf **ret_dmabuf);

/* Is its fd the kernel's own, which has ioctls of its own? */
bool import_is_kernel(const struct dma_buf *dmabuf);

/* In a forked child: the fd is closed, so that only the parent keeps it. */
void import_fork_child(struct dma_buf *dmabuf);

#endif
