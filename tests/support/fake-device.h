/* SPDX-License-Identifier: MIT */
/*
 * fake-device.h - devices of the kernel that give dma-bufs
 *
 * A program with fake-device.c has its own open(2), ioctl(2) and readlink(2),
 * which know /dev/udmabuf and the heap "fake". The memory behind them is a
 * memfd, of which /proc says what it says of a dma-buf. Everything else goes to
 * the kernel.
 */
#ifndef TESTS_SUPPORT_FAKE_DEVICE_H
#define TESTS_SUPPORT_FAKE_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include <dmabuf/dmabuf.h>

/* What the devices were asked, and what they answer. */
struct fake_node {
	uint64_t len;
	uint32_t fd_flags;
	int alloc_errno;	/* 0: it succeeds */
	int seals;		/* of the memfd that came */
	unsigned int syncs;
	uint64_t sync_flags;	/* of the last one */
	int sync_errnos[4];	/* of the next ones, until a 0 */
	unsigned int sync_tries;
	const char *link;	/* of every fd; NULL: what it has */
	const char *fdinfo;	/* in place of what a dma-buf has; NULL: that */
};

extern struct fake_node node;

/* Lists for dmabuf_alloc() */
extern const char *const fake_heap[];
extern const char *const fake_udmabuf[];

/* A buffer of the heap "fake", with a node that is new. */
struct dma_buf *heap_buffer(size_t size, unsigned int mode);

/* A dma-buf of the heap "fake", of which the library does not know. */
int kernel_fd(size_t size, int mode);

#endif
