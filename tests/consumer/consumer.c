/* SPDX-License-Identifier: MIT */
/* consumer.c - a buffer that others can map, in twenty lines */
#include <dmabuf/dmabuf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
	struct dma_buf *dmabuf;
	if (dmabuf_memfd_export(4096, O_RDWR, &dmabuf))
		return 1;
	char *text = dma_buf_vmap(dmabuf);
	if (IS_ERR_OR_NULL(text))
		return 1;
	strcpy(text, "hello");
	dma_buf_vunmap(dmabuf, text);
	int fd = dma_buf_fd(dmabuf, O_CLOEXEC);	/* our reference goes with it */
	printf("fd %d: whoever maps it reads hello\n", fd);
	close(fd);				/* the last copy */
	return dmabuf_dispatch() != 1 || dmabuf_live_buffers() != 0;
}
