/* SPDX-License-Identifier: MIT */
/* udmabufs.c - memfds whose pages have numbers, and buffers out of them */
#include "udmabufs.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "process.h"

void number_set(void *addr, unsigned int number)
{
	char *last = (char *)addr + PAGE - sizeof(number);

	memcpy(addr, &number, sizeof(number));
	memcpy(last, &number, sizeof(number));
}

unsigned int number_at(const void *addr)
{
	const char *last = (const char *)addr + PAGE - sizeof(unsigned int);
	unsigned int number;

	memcpy(&number, addr, sizeof(number));
	return memcmp(last, &number, sizeof(number)) ? UINT_MAX : number;
}

unsigned int number_in(int fd, unsigned int page)
{
	char copy[PAGE];

	assert_int_equal(pread(fd, copy, PAGE, (off_t)(page * PAGE)), PAGE);
	return number_at(copy);
}

void pages_number(int fd, unsigned int nr, unsigned int first)
{
	char *addr = mmap(NULL, nr * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			  fd, 0);
	unsigned int i;

	assert_ptr_not_equal(addr, MAP_FAILED);
	for (i = 0; i < nr; i++)
		number_set(addr + i * PAGE, first + i);
	munmap(addr, nr * PAGE);
}

int numbered_memfd(unsigned int nr, unsigned int first)
{
	int fd = memfd_make("numbered", nr * PAGE, F_SEAL_SHRINK);

	pages_number(fd, nr, first);
	return fd;
}

struct dmabuf_udmabuf_range range_of(int fd, unsigned int first,
				     unsigned int nr)
{
	return (struct dmabuf_udmabuf_range){
		.fd = fd,
		.offset = first * PAGE,
		.size = nr * PAGE,
	};
}

struct dma_buf *udmabuf_of(const struct dmabuf_udmabuf_range *ranges,
			   size_t nr)
{
	struct dma_buf *dmabuf;

	assert_int_equal(dmabuf_udmabuf_export(ranges, nr, &dmabuf), 0);
	return dmabuf;
}

struct dma_buf *udmabuf_plain(unsigned int nr)
{
	int fd = numbered_memfd(nr, 0);
	struct dmabuf_udmabuf_range range = range_of(fd, 0, nr);
	struct dma_buf *dmabuf = udmabuf_of(&range, 1);

	close(fd);
	return dmabuf;
}

int udmabuf_error(const struct dmabuf_udmabuf_range *ranges, size_t nr)
{
	struct dma_buf *untouched = (struct dma_buf *)(uintptr_t)1;
	struct dma_buf *dmabuf = untouched;
	unsigned int fds = nr_fds();
	int ret;

	ret = dmabuf_udmabuf_export(ranges, nr, &dmabuf);
	assert_true(ret < 0);
	assert_ptr_equal(dmabuf, untouched);
	assert_int_equal(nr_fds(), fds);
	assert_int_equal(dmabuf_live_buffers(), 0);
	return ret;
}

unsigned int nr_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int nr = 0;

	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}
