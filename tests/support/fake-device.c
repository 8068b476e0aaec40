/* SPDX-License-Identifier: MIT */
/* fake-device.c - devices of the kernel that give dma-bufs */
#include "fake-device.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

#define FAKE_LINK "/memfd:fake"
#define FDINFO "/proc/self/fdinfo/"

/* In place of sys/ioctl.h, where the types differ from one libc to another. */
int ioctl(int fd, unsigned long request, ...);

struct fake_node node;

const char *const fake_heap[] = { "heap:fake", NULL };
const char *const fake_udmabuf[] = { "udmabuf", NULL };

static int fake_memory(size_t size, int flags)
{
	char path[32];
	int memory, fd;

	memory = (int)syscall(SYS_memfd_create, "fake", MFD_CLOEXEC);
	if (memory < 0 || syscall(SYS_ftruncate, memory, size))
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags);
	close(memory);
	return fd;
}

static int fake_alloc(struct dma_heap_allocation_data *data)
{
	int fd;

	node.len = data->len;
	node.fd_flags = data->fd_flags;
	if (node.alloc_errno) {
		errno = node.alloc_errno;
		return -1;
	}
	fd = fake_memory(data->len, (int)data->fd_flags);
	data->fd = (uint32_t)fd;
	return fd < 0 ? -1 : 0;
}

static int fake_create(const struct udmabuf_create *create)
{
	node.len = create->size;
	node.seals = (int)syscall(SYS_fcntl, create->memfd, F_GET_SEALS);
	if (node.alloc_errno) {
		errno = node.alloc_errno;
		return -1;
	}
	return (int)syscall(SYS_fcntl, create->memfd, F_DUPFD_CLOEXEC, 0);
}

static int fake_sync(const struct dma_buf_sync *sync)
{
	int err = node.sync_errnos[node.sync_tries++];

	if (err) {
		errno = err;
		return -1;
	}
	node.sync_tries = 0;
	node.syncs++;
	node.sync_flags = sync->flags;
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	switch (request) {
	case DMA_HEAP_IOCTL_ALLOC:
		return fake_alloc(arg);
	case UDMABUF_CREATE:
		return fake_create(arg);
	case DMA_BUF_IOCTL_SYNC:
		return fake_sync(arg);
	}
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

/* Is it the memory of the heap? */
static bool is_fake(const char *link)
{
	return !strncmp(link, FAKE_LINK, strlen(FAKE_LINK));
}

ssize_t readlink(const char *restrict path, char *restrict link, size_t size)
{
	ssize_t len = syscall(SYS_readlinkat, AT_FDCWD, path, link, size);
	const char *text = node.link;

	if (!text && len >= (ssize_t)strlen(FAKE_LINK) && is_fake(link))
		text = "/dmabuf:";
	if (!text)
		return len;
	memcpy(link, text, strlen(text));
	return (ssize_t)strlen(text);
}

/* A file with what fdinfo says, or -1: it is none of ours. */
static int fake_fdinfo(const char *path)
{
	char fd_path[32], link[64] = "", text[160];
	int fd;

	if (strncmp(path, FDINFO, strlen(FDINFO)))
		return -1;
	snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%s",
		 path + strlen(FDINFO));
	syscall(SYS_readlinkat, AT_FDCWD, fd_path, link, sizeof(link) - 1);
	if (!is_fake(link))
		return -1;
	snprintf(text, sizeof(text), "%s", node.fdinfo ? node.fdinfo :
		 "pos:\t0\nflags:\t02\nmnt_id:\t1\nino:\t1\nsize:\t4096\n"
		 "count:\t1\nexp_name:\tfake\nname:\tsomething\n");
	fd = (int)syscall(SYS_memfd_create, "fdinfo", MFD_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0 ||
	    lseek(fd, 0, SEEK_SET))
		abort();
	return fd;
}

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;
	int fd;

	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	fd = fake_fdinfo(path);
	if (fd >= 0)
		return fd;
	if (!strcmp(path, "/dev/dma_heap/fake") ||
	    !strcmp(path, "/dev/udmabuf")) {
		path = "/";
		flags = O_PATH | O_CLOEXEC;
	}
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

struct dma_buf *heap_buffer(size_t size, unsigned int mode)
{
	struct dma_buf *dmabuf;

	memset(&node, 0, sizeof(node));
	assert_int_equal(dmabuf_alloc(size, mode, fake_heap, &dmabuf), 0);
	return dmabuf;
}

int kernel_fd(size_t size, int mode)
{
	int fd;

	memset(&node, 0, sizeof(node));
	fd = fake_memory(size, mode | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}
