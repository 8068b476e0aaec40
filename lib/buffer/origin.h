/* SPDX-License-Identifier: MIT */
/* origin.h - what an fd from elsewhere is, and whether it is safe to use */
#ifndef LIB_BUFFER_ORIGIN_H
#define LIB_BUFFER_ORIGIN_H

#include <stdbool.h>

#define ORIGIN_NAME_SIZE 64	/* longer names are cut */

struct origin {
	bool kernel;	/* a dma-buf of the kernel, and no memfd */
	int seals;	/* 0 for the kernel's */
	char exp_name[ORIGIN_NAME_SIZE];
};

/*
 * Ask no server and wait for nobody, whatever @fd is. 0; -EBADF when it is not
 * open; -EINVAL when it is something else; another -errno.
 */

/* What dma_buf_get() knows: buffers of the library, and of the kernel. */
int origin_of_buffer(int fd, struct origin *origin);

/* A memfd of anybody; also -EPERM: it may shrink, or get holes. */
int origin_of_memfd(int fd, struct origin *origin);

#endif
