/* SPDX-License-Identifier: MIT */
/* handle.h - the file behind a buffer's fds, and the inode it is known by */
#ifndef LIB_BUFFER_HANDLE_H
#define LIB_BUFFER_HANDLE_H

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "buffer/buffer.h"

/*
 * One fd handed out, with all its copies and mappings in whatever process:
 * together they keep a lock on one byte of the inode. Holds one reference on
 * the buffer.
 */
struct description {
	LIST_ENTRY(description) link;
	struct buffer *buffer;
	off_t byte;
};

LIST_HEAD(description_list, description);

struct inode_id {
	dev_t dev;
	ino_t ino;
};

enum handle_kind {
	HANDLE_PAGES,	/* the exporter's memfd */
	HANDLE_OPAQUE,	/* a memfd of ours without pages */
	HANDLE_IMPORT,	/* a duplicate of an fd from elsewhere, ours */
	HANDLE_VIEW,	/* a memfd of the exporter's that shows parts */
};

/* (c) constant; the rest under the registry's lock */
struct handle {
	struct buffer *buffer;		/* (c) */
	enum handle_kind kind;		/* (c) */
	struct inode_id id;		/* (c) */
	size_t block;			/* (c) bytes in a page of the file */
	int fd;				/* kept description; see handle_kind */
	bool indexed;
	LIST_ENTRY(handle) by_inode;	/* of a view: in buffer.views */
	struct description_list descriptions;

	/* watch.c */
	int watch;			/* inotify's number, -1 without */
	RB_ENTRY(handle) by_watch;
	bool suspect;			/* something was closed: look again */
	bool explained;			/* a closed description was found */
	unsigned int step;		/* how often it was looked at */
	int64_t due_ns;			/* CLOCK_MONOTONIC: next look */
	TAILQ_ENTRY(handle) suspects;
};

/* "/proc/self/fd/N" */
#define FD_PATH_MAX 32
void fd_path(char path[FD_PATH_MAX], int fd);

/* The buffer's handle, or NULL while it has none. */
struct handle *handle_peek(struct buffer *buffer);

/* The buffer's handle, made now if it has none. */
int handle_of(struct buffer *buffer, struct handle **ret_handle);

/*
 * Give @buffer, which is nobody else's yet, a handle whose fds are copies of
 * @fd, which the handle has then; on failure it stays the caller's. -EBUSY when
 * there is a buffer for the inode.
 */
int handle_adopt(struct buffer *buffer, int fd);

/* What an fd of whatever file is known by. Waits for no server. */
int inode_id_read(int fd, struct inode_id *ret_id);

/* The buffer of an inode, with a reference, or NULL. */
struct dma_buf *handle_lookup(const struct inode_id *id);

/* @fd goes to the handle; it is closed on failure, if it is ours. */
struct handle *handle_alloc(struct buffer *buffer, enum handle_kind kind,
			    int fd);

/* 0: @handle is the buffer's now, or was. -EEXIST: another one is. */
int handle_publish_locked(struct handle *handle);
void handle_unpublish_locked(struct handle *handle);

/* Map pages through a description of its own; fills @addr with MAP_FIXED. */
int handle_map(struct handle *handle, void *addr, size_t length, int prot,
	       int flags, off_t offset);

/*
 * An fd of a memfd that @buffer is made of, and that may be part of others: a
 * reference on @buffer, though the inode is not what @buffer is known by. @fd
 * is the exporter's until the release. The new fd, or -errno.
 */
int handle_view_fd(struct buffer *buffer, int fd, int flags);

/* The views of a buffer that ends. */
void handle_views_free(struct buffer *buffer);

/* Close the handle's fd, if it is ours. Also as handle_free() does it. */
void handle_close_locked(struct handle *handle);
void handle_free(struct handle *handle);

/* In a forked child: the parent keeps track of the fds, we do not. */
void handle_fork_child_locked(struct handle *handle);

#endif
