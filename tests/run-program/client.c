/* SPDX-License-Identifier: MIT */
/* client.c - what programs do with dma-buf devices, by the uAPI alone */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct create_fence {
	__u32 value;
	char name[32];
	__s32 fence;
};

#define SW_SYNC_IOC_CREATE_FENCE _IOWR('W', 0, struct create_fence)
#define SW_SYNC_IOC_INC _IOW('W', 1, __u32)

void check(int ok, const char *what, const char *file, int line)
{
	if (ok)
		return;
	fprintf(stderr, "%s:%d: not so: %s (%s)\n", file, line, what,
		strerror(errno));
	_exit(1);
}

int heap_open(void)
{
	int fd = RETRY(open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC));

	CHECK(fd >= 0);
	return fd;
}

int buffer_new(void)
{
	struct dma_heap_allocation_data data = {
		.len = 10000,
		.fd_flags = O_RDWR,
	};
	int heap = heap_open();

	CHECK(!ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data));
	close(heap);
	return (int)data.fd;
}

char *buffer_map(int fd)
{
	char *view = RETRY((char *)mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
					MAP_SHARED, fd, 0));

	CHECK(view != MAP_FAILED);
	return view;
}

static int sync_once(int fd, __u64 flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync);
}

void buffer_sync(int fd, __u64 flags)
{
	CHECK(!RETRY(sync_once(fd, flags)));
}

int timeline_new(void)
{
	int fd = open("/sys/kernel/debug/sync/sw_sync", O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

int timeline_fence(int timeline, unsigned int value)
{
	struct create_fence data = { .value = value };

	CHECK(!ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE, &data));
	return data.fence;
}

void timeline_inc(int timeline, unsigned int count)
{
	__u32 by = count;

	CHECK(!ioctl(timeline, SW_SYNC_IOC_INC, &by));
}

void fence_import(int buffer, int fence, unsigned int flags)
{
	struct dma_buf_import_sync_file data = { .flags = flags, .fd = fence };

	CHECK(!ioctl(buffer, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &data));
}

unsigned int buffers_listed(void)
{
	FILE *file = fopen("/sys/kernel/debug/dma_buf/bufinfo", "r");
	unsigned int nr = 0;
	char line[256];

	CHECK(file);
	while (fgets(line, sizeof(line), file))
		nr += line[0] == '0' && strstr(line, "system") != NULL;
	fclose(file);
	return nr;
}

/* Also what is wrong is tried, as programs do it. */
int life(void)
{
	struct dma_heap_allocation_data data = {
		.len = 10000,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int heap = heap_open();
	char *view;
	int fd;

	if (RETRY(ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data)))
		return -1;
	close(heap);
	fd = (int)data.fd;
	view = buffer_map(fd);
	CHECK(!view[0] && !view[SIZE - 1]);
	buffer_sync(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE);
	memset(view, 0x5a, SIZE);
	buffer_sync(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE);
	CHECK(RETRY(sync_once(fd, 0)) && errno == EINVAL);
	CHECK(RETRY(lseek(fd, 0, SEEK_END)) == SIZE);
	CHECK(view[0] == 0x5a && view[SIZE - 1] == 0x5a);
	munmap(view, SIZE);
	return close(fd);
}

void fd_send(int to, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec data = { "", 1 };
	struct msghdr msg = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	CHECK(sendmsg(to, &msg, 0) == 1);
}

int fd_receive(int from)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec data = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	CHECK(recvmsg(from, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}
