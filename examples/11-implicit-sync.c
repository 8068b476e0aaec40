/* SPDX-License-Identifier: MIT */
/* 11-implicit-sync.c - the buffer itself knows whom to wait for */
/*
 * Shows implicit synchronisation: a writer leaves its fence in the buffer's
 * reservation, and a reader who knows nothing of the writer waits for it.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <dmabuf/dmabuf.h>
#include <linux/dma-buf.h>

static struct dmabuf_sw_sync *engine;
static char *pixels;

static void check(const char *what, int ok)
{
	printf("%-60s %s\n", what, ok ? "yes" : "NO");
	if (!ok)
		exit(1);
}

/* Work of the engine's, which ends at @value of its timeline. */
static void submit(struct dma_buf *dmabuf, uint32_t value, uint32_t usage)
{
	struct dma_fence *fence = dmabuf_sw_sync_fence(engine, value);
	int fd = IS_ERR(fence) ? -1 : dmabuf_sync_file_fd(fence, O_CLOEXEC);

	if (fd < 0 || dma_buf_import_sync_file(dmabuf, usage, fd))
		exit(1);
	close(fd);
	dma_fence_put(fence);
}

static void *write_picture(void *data)
{
	(void)data;
	strcpy(pixels, "picture");
	dmabuf_sw_sync_inc(engine, 1);
	return NULL;
}

static int readable(int fd)
{
	return poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, 0);
}

int main(void)
{
	struct dma_buf *dmabuf;
	pthread_t thread;
	int fd;

	if (dmabuf_sw_sync_create("engine", &engine) ||
	    dmabuf_memfd_export(4096, O_RDWR, &dmabuf))
		return 1;
	pixels = dma_buf_vmap(dmabuf);
	check("nobody uses the buffer: read it, write to it",
	      dma_buf_poll(dmabuf, POLLIN | POLLOUT) == (POLLIN | POLLOUT));
	submit(dmabuf, 1, DMA_BUF_SYNC_WRITE);
	check("a writer: neither", !dma_buf_poll(dmabuf, POLLIN | POLLOUT));
	fd = dma_buf_export_sync_file(dmabuf, DMA_BUF_SYNC_READ);
	check("whom a reader waits for, as an fd: pending",
	      fd >= 0 && !readable(fd));

	if (pthread_create(&thread, NULL, write_picture, NULL) ||
	    dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE))
		return 1;
	check("begin_cpu_access has waited: the picture is there",
	      !strcmp(pixels, "picture"));
	dma_buf_end_cpu_access(dmabuf, DMA_FROM_DEVICE);
	pthread_join(thread, NULL);
	check("and the fd is readable", readable(fd) == 1);

	submit(dmabuf, 2, DMA_BUF_SYNC_READ);
	check("a reader: others may read, nobody may write",
	      dma_buf_poll(dmabuf, POLLIN | POLLOUT) == POLLIN);
	close(fd);
	dma_buf_vunmap(dmabuf, pixels);
	dmabuf_sw_sync_destroy(engine);
	dma_buf_put(dmabuf);
	return dmabuf_dispatch() < 0 || dmabuf_live_buffers();
}
