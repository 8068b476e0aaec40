/* SPDX-License-Identifier: MIT */
/*
 * handlers.h - who answers which call, see notify.c
 *
 * Whoever does not end the call lets it go on to the kernel.
 */
#ifndef DMABUF_RUN_HANDLERS_H
#define DMABUF_RUN_HANDLERS_H

#include "call.h"

/* What the library asks for a call: caller.c */
extern const struct dmabuf_caller_ops caller_ops;

void ioctl_handle(struct call *call);		/* ioctls.c */
void mmap_handle(struct call *call);		/* mmap.c */
void memfd_handle(struct call *call);		/* memfd.c */
void epoll_handle(struct call *call);		/* epoll.c: epoll_ctl(2) */

/* False: no such call, or not about a file that they answer for. */
bool rows_handle(struct call *call);		/* rows.c: fds in the range */
bool poll_handle(struct call *call);		/* poll.c: poll(2), select(2) */
bool paths_handle(struct call *call);		/* paths.c: in trap mode */

#endif
