/* SPDX-License-Identifier: MIT */
/*
 * device.c - buffers that are dma-bufs of the kernel
 *
 * One of the kernel's devices is asked for a dma-buf, and its fd is imported as
 * any fd from elsewhere is (buffer/import.c): real drivers take the copies of
 * it that are handed out.
 */
#include "exporter/device.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "buffer/import.h"

#define HEAP_FOLDER "/dev/dma_heap/"

/* An fd of the kernel from one of its devices, or -errno. */

static int kernel_heap_fd(const char *name, size_t size, int mode)
{
	struct dma_heap_allocation_data data = {
		.len = size,
		.fd_flags = (uint32_t)mode | O_CLOEXEC,
	};
	char path[sizeof(HEAP_FOLDER) + NAME_MAX];
	int heap;
	int ret;

	snprintf(path, sizeof(path), HEAP_FOLDER "%s", name);
	heap = open(path, O_RDONLY | O_CLOEXEC);
	if (heap < 0)
		return -errno;
	ret = ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) ? -errno : (int)data.fd;
	close(heap);
	return ret;
}

/* The pages are the buffer's afterwards: the memfd can go. */
static int udmabuf_fd(int device, size_t size)
{
	struct udmabuf_create create = {
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = size,
	};
	int memfd;
	int ret;

	memfd = memfd_create("udmabuf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memfd < 0)
		return -errno;
	create.memfd = (uint32_t)memfd;
	if (ftruncate(memfd, (off_t)size) ||
	    fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK)) {
		ret = -errno;
	} else {
		ret = ioctl(device, UDMABUF_CREATE, &create);
		if (ret < 0)
			ret = -errno;
	}
	close(memfd);
	return ret;
}

static int kernel_udmabuf_fd(size_t size)
{
	int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	int ret;

	if (device < 0)
		return -errno;
	ret = udmabuf_fd(device, size);
	close(device);
	return ret;
}

static int fd_import(int fd, const char *exp_name, struct dma_buf **ret_dmabuf)
{
	int ret;

	if (fd < 0)
		return fd;
	ret = import_kernel(fd, exp_name, ret_dmabuf);
	close(fd);
	return ret;
}

int device_heap_alloc(const char *name, size_t size, int mode,
		      struct dma_buf **ret_dmabuf)
{
	return fd_import(kernel_heap_fd(name, size, mode), name, ret_dmabuf);
}

int device_udmabuf_alloc(size_t size, int mode, struct dma_buf **ret_dmabuf)
{
	/* It makes no others. */
	if (mode != O_RDWR)
		return -EOPNOTSUPP;
	return fd_import(kernel_udmabuf_fd(size), "udmabuf", ret_dmabuf);
}
