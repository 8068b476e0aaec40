/* SPDX-License-Identifier: MIT */
/*
 * epoll.c - buffers in epoll sets
 *
 * The kernel refuses to watch a memfd. What is put into the program's set
 * instead is a copy of the buffer's proxy (poll-proxy.c), which is always the
 * same one for the same number of an fd. So the set itself knows whether it has
 * the buffer, and the kernel answers all that there is to say about it.
 *
 * A buffer that is ready wakes who waits whenever it is asked, so that to the
 * kernel EPOLLET makes no difference: an edge is told again and again.
 */
#include "handlers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "answer.h"
#include "files.h"
#include "log.h"
#include "poll-proxy.h"
#include "run.h"
#include "target.h"

/* What a buffer never says, however it is asked */
#define EVENTS_NEVER (EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | \
		      EPOLLWRBAND | EPOLLMSG | EPOLLRDHUP)

static const char *op_name(int op)
{
	switch (op) {
	case EPOLL_CTL_ADD:
		return "EPOLL_CTL_ADD";
	case EPOLL_CTL_MOD:
		return "EPOLL_CTL_MOD";
	case EPOLL_CTL_DEL:
		return "EPOLL_CTL_DEL";
	default:
		return "?";
	}
}

static void decode(struct call *call, const struct epoll_event *event)
{
	int op = (int)call->args[1];

	call->name = "epoll_ctl";
	if (!options.log)
		return;
	snprintf(call->detail, sizeof(call->detail),
		 "epoll_ctl(%d, %s, %d, {events=%#x})", (int)call->args[0],
		 op_name(op), (int)call->args[2], event->events);
}

static int ctl(int set, int op, int fd, struct epoll_event *event)
{
	/* With it, what is not allowed is an error of the kernel. */
	if (!(event->events & EPOLLEXCLUSIVE))
		event->events &= ~(uint32_t)EVENTS_NEVER;
	event->events &= ~(uint32_t)EPOLLET;
	return epoll_ctl(set, op, fd, event) ? -errno : 0;
}

static int buffer_ctl(struct call *call, struct file *file, int set,
		      struct epoll_event *event)
{
	struct poll_proxy *proxy;
	int ret = poll_proxy_get(file, &proxy);
	int fd;

	if (ret)
		return -ENOMEM;
	fd = poll_proxy_entry(proxy, (int)call->args[2]);
	ret = fd < 0 ? fd : ctl(set, (int)call->args[1], fd, event);
	poll_proxy_put(proxy);
	return ret;
}

/* Where the set cannot be had, the kernel answers as for a memfd. */
static void answer(struct call *call, struct file *file,
		   struct epoll_event *event)
{
	int set = target_fd_get(call->tid, (int)call->args[0]);
	int ret = set;

	if (set < 0 && set != -EBADF) {
		log_line("%d: epoll_ctl: its epoll set cannot be had (%s), so "
			 "there is no buffer in it", call->tid,
			 strerrordesc_np(-set));
		return;
	}
	/* A timeline cannot be polled. */
	if (set >= 0 && file->kind == FILE_TIMELINE)
		ret = -EPERM;
	else if (set >= 0)
		ret = buffer_ctl(call, file, set, event);
	if (set >= 0)
		close(set);
	call_return(call, ret);
}

void epoll_handle(struct call *call)
{
	struct epoll_event event = { 0 };
	struct file file;

	if (file_of(call->tid, (int)call->args[2], &file))
		return;
	if (file.kind == FILE_BUFFER || file.kind == FILE_TIMELINE) {
		int ret = 0;

		if ((int)call->args[1] != EPOLL_CTL_DEL)
			ret = target_read(call->tid, &event, call->args[3],
					  sizeof(event));
		decode(call, &event);
		if (ret)
			call_return(call, ret);
		else
			answer(call, &file, &event);
	}
	file_put(&file);
}
