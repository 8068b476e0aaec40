/* SPDX-License-Identifier: MIT */
/* watch.h - noticing that fds handed out were closed */
#ifndef LIB_BUFFER_WATCH_H
#define LIB_BUFFER_WATCH_H

#include "buffer/handle.h"

/* Watch the handle's inode, if nobody does yet: before an fd gets out. */
int watch_add_locked(struct handle *handle);

/* No fd of the handle is out any more. */
void watch_remove_locked(struct handle *handle);

/*
 * Who was not ready at a dma_buf_poll() may ask again: dmabuf_event_fd() tells.
 * Takes no lock.
 */
void watch_kick(void);

/*
 * For the reaper, who asks nobody and so leaves that to others: the fd without
 * the kicks, and the dispatch.
 */
int watch_fd(void);
int watch_dispatch(void);

/* In a forked child: an inherited inotify fd steals the parent's events. */
void watch_fork_child_locked(void);

#endif
