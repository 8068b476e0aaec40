/* SPDX-License-Identifier: MIT */
/* poll-proxy.h - sockets that are ready when buffers are */
#ifndef DMABUF_RUN_POLL_PROXY_H
#define DMABUF_RUN_POLL_PROXY_H

#include "files.h"

struct poll_proxy;

/*
 * That of a buffer on which the caller has a reference, until poll_proxy_put().
 * 0; -EMFILE, -ENFILE, -ENOMEM.
 */
int poll_proxy_get(struct file *file, struct poll_proxy **ret_proxy);
void poll_proxy_put(struct poll_proxy *proxy);

/* To be polled for POLLIN and POLLOUT; the proxy's own. */
int poll_proxy_fd(const struct poll_proxy *proxy);

/* Which of the two are ready; never one without the other that goes with it. */
short poll_proxy_ready(struct poll_proxy *proxy);

/*
 * A copy of that fd which stands for number @number of the program in all its
 * epoll sets. The proxy's own, until the program has no fd of the buffer any
 * more: closing it takes it out of the sets. Or -errno.
 */
int poll_proxy_entry(struct poll_proxy *proxy, int number);

/* Fences were added, or have signalled: before the call that did it returns. */
void polls_refresh(void);

/* dmabuf_dispatch(), and what follows from it */
int polls_dispatch(void);

/* A call is over, in the thread that takes them. */
void polls_settle(void);

/* file_of() for what can wait: buffers, sync files */
int poll_file_of(pid_t tid, int fd, struct file *ret_file);

/* What poll(2) of a buffer with these fences returns, without waiting */
short buffer_ready(struct dma_buf *dmabuf, short events);

#endif
