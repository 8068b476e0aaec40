/* SPDX-License-Identifier: MIT */
/* 03-share-an-fd.c - one buffer in two processes */
/*
 * Shows that an fd carries the buffer to another process, which sees the same
 * memory, and that the buffer lives until the last copy of the fd is closed.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dmabuf/dmabuf.h>

static void check(const char *what, int ok)
{
	printf("%-52s %s\n", what, ok ? "yes" : "NO");
	if (!ok)
		exit(1);
}

/* One byte over the socket; a copy of @fd, unless NULL, travels beside it. */
static void pass(int sock, int *fd, int sending)
{
	union { char room[CMSG_SPACE(sizeof(int))]; struct cmsghdr head; } ctl =
		{ "" };
	struct iovec iov = { (char[1]){ 0 }, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd) {
		msg.msg_control = &ctl;
		msg.msg_controllen = sizeof(ctl);
		ctl.head.cmsg_level = SOL_SOCKET;
		ctl.head.cmsg_type = SCM_RIGHTS;
		ctl.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&ctl.head), fd, sizeof(int));
	}
	if ((sending ? sendmsg(sock, &msg, MSG_NOSIGNAL) :
		       recvmsg(sock, &msg, MSG_CMSG_CLOEXEC)) != 1)
		exit(1);
	if (fd)
		memcpy(fd, CMSG_DATA(&ctl.head), sizeof(int));
}

static int importer(int sock)
{
	struct dma_buf *dmabuf;
	char *text;
	int fd = -1;

	pass(sock, &fd, 0);
	dmabuf = dma_buf_get(fd);
	text = IS_ERR(dmabuf) ? NULL : dma_buf_vmap(dmabuf);
	if (IS_ERR_OR_NULL(text) || strcmp(text, "ping"))
		return 1;
	strcpy(text, "pong");
	pass(sock, NULL, 1);
	pass(sock, NULL, 0);		/* the exporter has looked */
	dma_buf_vunmap(dmabuf, text);
	dma_buf_put(dmabuf);
	return close(fd);		/* the last copy */
}

static void exporter(int sock)
{
	struct pollfd pfd = { .fd = dmabuf_event_fd(), .events = POLLIN };
	struct dma_buf *dmabuf;
	char *text;
	int fd;

	check("exported", !dmabuf_memfd_export(4096, O_RDWR, &dmabuf));
	text = dma_buf_vmap(dmabuf);
	check("mapped", !IS_ERR_OR_NULL(text));
	strcpy(text, "ping");
	get_dma_buf(dmabuf);		/* ours; the fd takes the first one */
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	check("fd at hand", fd >= 0);
	pass(sock, &fd, 1);
	pass(sock, NULL, 0);
	check("the other wrote into the same memory", !strcmp(text, "pong"));
	dma_buf_vunmap(dmabuf, text);
	dma_buf_put(dmabuf);
	close(fd);
	dmabuf_dispatch();
	check("after our put and close the buffer lives", dmabuf_live_buffers());
	pass(sock, NULL, 1);
	while (dmabuf_live_buffers() && poll(&pfd, 1, -1) == 1)
		dmabuf_dispatch();
	check("after the last close, there, it is released here",
	      !dmabuf_live_buffers());
}

int main(void)
{
	int sock[2], status;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sock))
		return 1;
	child = fork();
	if (child < 0)
		return 1;
	close(sock[child ? 1 : 0]);
	if (!child)
		return importer(sock[1]);
	exporter(sock[0]);
	return waitpid(child, &status, 0) != child || status;
}
