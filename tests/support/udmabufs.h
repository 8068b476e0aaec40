/* SPDX-License-Identifier: MIT */
/* udmabufs.h - memfds whose pages have numbers, and buffers out of them */
#ifndef TESTS_UDMABUFS_H
#define TESTS_UDMABUFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dmabuf/dmabuf.h>

#define PAGE ((size_t)4096)

/*
 * A sealed memfd of @nr pages. Each has its number, counted from @first, in its
 * first and in its last bytes.
 */
int numbered_memfd(unsigned int nr, unsigned int first);

/* The same on an fd; past huge pages it goes by mmap(2). */
void pages_number(int fd, unsigned int nr, unsigned int first);

/* @nr pages from page @first on */
struct dmabuf_udmabuf_range range_of(int fd, unsigned int first,
				     unsigned int nr);

/* The number of the page at @addr; UINT_MAX when it has two. */
unsigned int number_at(const void *addr);

/* And of a page of the file. */
unsigned int number_in(int fd, unsigned int page);
void number_set(void *addr, unsigned int number);

/* dmabuf_udmabuf_export(), which must succeed. */
struct dma_buf *udmabuf_of(const struct dmabuf_udmabuf_range *ranges,
			   size_t nr);

/* Of one range of whole pages of a new memfd, whose fd is closed. */
struct dma_buf *udmabuf_plain(unsigned int nr);

/* The result, which is an error, and nothing was returned. */
int udmabuf_error(const struct dmabuf_udmabuf_range *ranges, size_t nr);

/* How many fds this process has open. */
unsigned int nr_fds(void);

#endif
