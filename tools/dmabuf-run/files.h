/* SPDX-License-Identifier: MIT */
/* files.h - what an fd of the program is */
#ifndef DMABUF_RUN_FILES_H
#define DMABUF_RUN_FILES_H

#include <sys/stat.h>
#include <sys/types.h>

#include <dmabuf/dmabuf.h>

struct device_node;
struct timeline;

enum file_kind {
	FILE_OTHER,		/* not ours */
	FILE_BUFFER,
	FILE_SYNC,
	FILE_TIMELINE,		/* an open sw_sync */
	FILE_DEVICE,		/* of nodes.c */
};

struct file {
	enum file_kind kind;
	struct stat st;
	struct dma_buf *dmabuf;		/* with a reference */
	struct sync_file sync;		/* with a reference on its fence */
	struct timeline *timeline;	/* with a reference */
	const struct device_node *node;
};

/* 0 or -errno; of FILE_OTHER too. Given back to file_put(). */
int file_of(pid_t tid, int fd, struct file *ret_file);
void file_put(struct file *file);

/*
 * How a buffer's fd was opened: fcntl(2)'s flags, as from a kernel; or -errno
 */
int file_flags(pid_t tid, int fd, const struct file *file);

/* A sync file that was made for the program, before it gets there. */
int files_add_sync(int fd);

#endif
