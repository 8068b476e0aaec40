/* SPDX-License-Identifier: MIT */
/* buffer.c - buffers of the row's subject, and memfds to make some of */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

size_t buffer_size(void)
{
	return BUFFER_PAGES * page_size();
}

int heap_open(void)
{
	return must(open(the_subject->path, O_RDWR | O_CLOEXEC), "open(%s)",
		    the_subject->path);
}

int udmabuf_open(void)
{
	return must(open(devices.udmabuf_path, O_RDWR | O_CLOEXEC),
		    "open(%s)", devices.udmabuf_path);
}

static int heap_buffer(const char *path, size_t length, int mode)
{
	struct dma_heap_allocation_data data = {
		.len = length, .fd_flags = O_CLOEXEC | mode,
	};
	int heap;

	heap = must(open(path, O_RDWR | O_CLOEXEC), "open(%s)", path);
	must(ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data),
	     "ioctl(heap, DMA_HEAP_IOCTL_ALLOC, {len=%zu, fd_flags=%#x})",
	     length, O_CLOEXEC | mode);
	close(heap);
	return (int)data.fd;
}

/* Each page carries its number, and nothing can be cut off. */
int sealed_memfd(size_t pages)
{
	unsigned char *addr;
	int memfd;

	memfd = must(memfd_create("compliance",
				  MFD_CLOEXEC | MFD_ALLOW_SEALING),
		     "memfd_create(MFD_ALLOW_SEALING)");
	must(ftruncate(memfd, pages * page_size()), "ftruncate(memfd, %zu)",
	     pages * page_size());
	must(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK),
	     "fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK)");
	addr = buffer_map(memfd, pages);
	number_pages(addr, pages, 0);
	munmap(addr, pages * page_size());
	return memfd;
}

int udmabuf_make(int memfd, size_t offset_pages, size_t pages)
{
	struct udmabuf_create create = {
		.memfd = memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.offset = offset_pages * page_size(),
		.size = pages * page_size(),
	};
	int device = udmabuf_open(), buf;

	buf = must(ioctl(device, UDMABUF_CREATE, &create),
		   "ioctl(udmabuf, UDMABUF_CREATE, {offset=%llu, size=%llu})",
		   (unsigned long long)create.offset,
		   (unsigned long long)create.size);
	close(device);
	return buf;
}

/* In bytes; as the parameter says, in MiB, if it can be read. */
unsigned long long udmabuf_size_limit(void)
{
	unsigned long long mebibytes = 64;
	FILE *file;

	file = fopen("/sys/module/udmabuf/parameters/size_limit_mb", "r");
	if (file) {
		if (fscanf(file, "%llu", &mebibytes) != 1)
			mebibytes = 64;
		fclose(file);
	}
	return mebibytes << 20;
}

/* Of zeroes. */
static int udmabuf_buffer(size_t pages)
{
	int memfd, buf;

	memfd = must(memfd_create("compliance",
				  MFD_CLOEXEC | MFD_ALLOW_SEALING),
		     "memfd_create(MFD_ALLOW_SEALING)");
	must(ftruncate(memfd, pages * page_size()), "ftruncate(memfd, %zu)",
	     pages * page_size());
	must(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK),
	     "fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK)");
	buf = udmabuf_make(memfd, 0, pages);
	close(memfd);
	return buf;
}

int buffer_of(const struct subject *subject, size_t pages)
{
	if (subject->is_udmabuf)
		return udmabuf_buffer(pages);
	return heap_buffer(subject->path, pages * page_size(), O_RDWR);
}

int buffer(void)
{
	return buffer_of(the_subject, BUFFER_PAGES);
}

/* udmabuf has one mode only. */
int buffer_with_mode(int mode)
{
	return heap_buffer(the_subject->path, buffer_size(), mode);
}

unsigned char *buffer_map(int fd, size_t pages)
{
	size_t size = pages * page_size();

	return expect_map(0, mmap(NULL, size, PROT_READ | PROT_WRITE,
				  MAP_SHARED, fd, 0),
			  "mmap(%zu, PROT_READ | PROT_WRITE, MAP_SHARED, 0)",
			  size);
}

/* A buffer of three pages that carry the numbers 10, 11 and 12. */
int numbered_buffer(void)
{
	unsigned char *addr;
	int buf = buffer();

	addr = buffer_map(buf, BUFFER_PAGES);
	number_pages(addr, BUFFER_PAGES, 10);
	munmap(addr, buffer_size());
	return buf;
}

bool is_system_heap(void)
{
	return !the_subject->is_udmabuf &&
	       !strcmp(the_subject->name, "system");
}

/* By the names that such heaps have; others may be of any kind. */
bool is_contiguous_heap(void)
{
	const char *name = the_subject->name;

	return !the_subject->is_udmabuf &&
	       (strstr(name, "cma") || !strcmp(name, "reserved") ||
		!strcmp(name, "contiguous"));
}
