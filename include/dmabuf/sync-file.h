/* SPDX-License-Identifier: MIT */
/* sync-file.h - a fence as a file descriptor */
#ifndef DMABUF_SYNC_FILE_H
#define DMABUF_SYNC_FILE_H

#include <dmabuf/dma-fence.h>
#include <dmabuf/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The fd turns readable when the fence is signalled, for every process that
 * has a copy, by poll(2), select(2) and epoll(7), with the library or without.
 * When the process that made it dies before, it turns readable too, and the
 * fence has failed with -EOWNERDEAD. Nobody reads from it: whoever does takes
 * the answer away from the others.
 */

/**
 * struct sync_file - a fence on its way to an fd
 * @fence: has a reference
 * @user_name: as given by a merge, or ""
 */
struct sync_file {
	struct dma_fence *fence;
	char user_name[32];
};

/**
 * sync_file_create() - wrap a fence
 * @fence: takes a reference
 *
 * Return: to be given to dmabuf_sync_file_install() or
 * dmabuf_sync_file_destroy(); NULL without memory.
 */
DMABUF_API struct sync_file *sync_file_create(struct dma_fence *fence);

/**
 * sync_file_get_name() - its name
 * @sync_file: file
 * @buf: gets the name; for one without, DRIVER-TIMELINECONTEXT-SEQNO
 * @len: bytes, with the end; a longer name is cut
 *
 * Return: @buf.
 */
DMABUF_API char *sync_file_get_name(struct sync_file *sync_file, char *buf,
				    int len);

/**
 * dmabuf_sync_file_install() - make an fd of it
 * @sync_file: on success it belongs to the fd
 * @flags: O_CLOEXEC or 0; other bits are ignored
 *
 * Signalling is enabled. The fd and all its copies share the fence, and have a
 * reference on it. That their last one was closed is noticed by
 * dmabuf_dispatch(), by the signalling, or when more are made.
 *
 * Differs from the kernel: takes fd and file in one step; signalling is enabled
 * before somebody polls.
 * Return: the fd; -EMFILE, -ENFILE, -ENOMEM.
 */
DMABUF_API int dmabuf_sync_file_install(struct sync_file *sync_file, int flags);

/** dmabuf_sync_file_destroy() - end one that was not installed, or NULL */
DMABUF_API void dmabuf_sync_file_destroy(struct sync_file *sync_file);

/**
 * sync_file_get_fence() - the fence behind an fd
 * @fd: any copy of an fd of this or of another process; stays the caller's
 *
 * A fence of this process comes back as the same object. One of another gives a
 * proxy: it is asked about, waited for, merged, added to reservations and made
 * fds of like any other; its callbacks run in dmabuf_dispatch(), or in any
 * thread that begins to wait for a fence later.
 *
 * Return: with a reference; NULL when @fd is not open, or something else, and
 * without memory or fds for a proxy.
 */
DMABUF_API struct dma_fence *sync_file_get_fence(int fd);

#ifdef __cplusplus
}
#endif

#endif
