/* SPDX-License-Identifier: MIT */
/* sync-file.h - fds that are made before it is known what they stand for */
#ifndef LIB_SYNC_SYNC_FILE_H
#define LIB_SYNC_SYNC_FILE_H

#include <linux/sync_file.h>

#include <dmabuf/sync-file.h>

#include "sync/signaller.h"

/* The file behind @fd, with a reference on its fence; errors as proxy_get(). */
int sync_file_look(int fd, struct sync_file *ret_file);

/* Its fence alone; ERR_PTR. */
struct dma_fence *sync_file_fence(int fd);

/* How many plain fences there are in it now; a chain may lose some. */
unsigned int count_leaves(struct dma_fence *fence);

/*
 * Name, status and number of fences, and with @leaves a record each: there is
 * room for as many as count_leaves() said.
 */
void sync_file_describe(struct sync_file *file, struct sync_file_info *info,
			struct sync_fence_info *leaves);

/* What may fail goes in the kernel's order: the fd first, memory last. */
struct fd_reservation {
	struct signaller *signaller;	/* NULL: no memory, to be said later */
	int fd;
};

/* -EMFILE, -ENFILE. */
int fd_reserve(struct fd_reservation *reservation);

void fd_unreserve(struct fd_reservation *reservation);

/*
 * The fd is that of @fence (NULL: there was no memory for it), whose reference
 * goes; it is named @name, or NULL. The fd, or -ENOMEM; @reservation is used.
 */
int fd_install(struct fd_reservation *reservation, struct dma_fence *fence,
	       const char *name);

#endif
