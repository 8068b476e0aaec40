/* SPDX-License-Identifier: MIT */
/*
 * view.c - fds of memfds that a buffer is made of
 *
 * A view holds the buffer as the buffer's own fds do, but the inode is not what
 * the buffer is known by: as many buffers as like have a view of the same one.
 */
#include "buffer/handle.h"

#include <errno.h>

#include "buffer/description.h"
#include "buffer/fork.h"
#include "buffer/registry.h"

static struct handle *view_find_locked(struct buffer *buffer, int fd)
{
	struct handle *view;

	LIST_FOREACH(view, &buffer->views, by_inode)
		if (view->fd == fd)
			break;
	return view;
}

/* Adds @spare, unless there is one already. */
static struct handle *view_publish(struct buffer *buffer, int fd,
				   struct handle *spare)
{
	struct handle *view;

	registry_lock();
	view = view_find_locked(buffer, fd);
	if (!view && spare) {
		LIST_INSERT_HEAD(&buffer->views, spare, by_inode);
		view = spare;
	}
	registry_unlock();
	return view;
}

static int view_of(struct buffer *buffer, int fd, struct handle **ret_view)
{
	struct handle *view = view_publish(buffer, fd, NULL);
	struct handle *spare;

	if (!view) {
		spare = handle_alloc(buffer, HANDLE_VIEW, fd);
		if (!spare)
			return -ENOMEM;
		view = view_publish(buffer, fd, spare);
		if (view != spare)
			handle_free(spare);
	}
	*ret_view = view;
	return 0;
}

int handle_view_fd(struct buffer *buffer, int fd, int flags)
{
	struct description *description;
	struct handle *view;
	int view_fd;
	int ret;

	buffer_fork_check();
	ret = view_of(buffer, fd, &view);
	if (ret)
		return ret;
	view_fd = description_open(view, flags, &description);
	if (view_fd >= 0)
		get_dma_buf(&buffer->base);
	return view_fd;
}

void handle_views_free(struct buffer *buffer)
{
	struct handle *view;

	while ((view = LIST_FIRST(&buffer->views))) {
		LIST_REMOVE(view, by_inode);
		handle_free(view);
	}
}
