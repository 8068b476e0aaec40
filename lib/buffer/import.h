/* SPDX-License-Identifier: MIT */
/* import.h - buffers whose memory came as an fd */
#ifndef LIB_BUFFER_IMPORT_H
#define LIB_BUFFER_IMPORT_H

#include <dmabuf/dma-buf.h>

/* What dma_buf_get() returns for an fd that is no buffer of this process. */
struct dma_buf *import_ours(int fd);

/* In a forked child: the fd is closed, so that only the parent keeps it. */
void import_fork_child(struct dma_buf *dmabuf);

#endif
