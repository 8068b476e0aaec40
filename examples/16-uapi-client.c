/* SPDX-License-Identifier: MIT */
/* 16-uapi-client.c - a program that knows the kernel's interface, and nothing else */
/*
 * Shows what needs no library: a buffer from a heap, mapped, written between the
 * two halves of a SYNC, and named. Where the machine has no heap, run it under
 * dmabuf-run: it cannot tell the difference.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>

static void check(const char *what, int ok)
{
	printf("%-50s %s\n", what, ok ? "yes" : "NO");
	if (!ok)
		exit(1);
}

static int sync_buffer(int fd, __u64 flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync);
}

int main(int argc, char **argv)
{
	struct dma_heap_allocation_data data = {
		.len = 10000,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	char path[128];
	char *text;
	int heap, fd;

	snprintf(path, sizeof(path), "/dev/dma_heap/%s",
		 argc > 1 ? argv[1] : "system");
	heap = open(path, O_RDWR | O_CLOEXEC);
	if (heap < 0 && errno == ENOENT) {
		printf("no %s here: try dmabuf-run %s\n", path, argv[0]);
		return 0;
	}
	check("the heap opens", heap >= 0);
	check("it gives a buffer", !ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data));
	close(heap);
	fd = (int)data.fd;
	check("of three pages", lseek(fd, 0, SEEK_END) == 12288);
	text = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check("which are mapped", text != MAP_FAILED);
	check("and written to, inside a SYNC",
	      !sync_buffer(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE) &&
	      strcpy(text, "hello") &&
	      !sync_buffer(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE));
	check("a SYNC that is neither read nor write is refused",
	      sync_buffer(fd, DMA_BUF_SYNC_START) && errno == EINVAL);
	check("a fourth page is refused",
	      mmap(NULL, 16384, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED &&
	      errno == EINVAL);
	check("the buffer gets a name", !ioctl(fd, DMA_BUF_SET_NAME, "frame"));
	munmap(text, 12288);
	close(fd);
	return 0;
}
