/* SPDX-License-Identifier: MIT */
/* epoll.h - buffers in epoll sets */
#ifndef DMABUF_RUN_EPOLL_H
#define DMABUF_RUN_EPOLL_H

#include "run.h"

/* An epoll_ctl(2): answered, or left to the kernel. */
void epoll_handle(struct call *call);

#endif
