/* SPDX-License-Identifier: MIT */
/* 13-pass-a-fence.c - a fence for a process without the library */
/*
 * Shows that a sync file is an fd like others: a process that calls nothing of
 * the library waits with poll(2), and recv(2) tells it how the work ended, or
 * that who was to do it has died.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dmabuf/dmabuf.h>

static void check(const char *what, int ok)
{
	printf("%-60s %s\n", what, ok ? "yes" : "NO");
	if (!ok)
		exit(1);
}

/* One byte over the socket; a copy of @fd travels beside it. */
static int pass(int sock, int fd, int sending)
{
	union { char room[CMSG_SPACE(sizeof(int))]; struct cmsghdr head; } ctl =
		{ "" };
	struct iovec iov = { (char[1]){ 0 }, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &ctl,
			      .msg_controllen = sizeof(ctl) };

	ctl.head.cmsg_level = SOL_SOCKET;
	ctl.head.cmsg_type = SCM_RIGHTS;
	ctl.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&ctl.head), &fd, sizeof(int));
	if ((sending ? sendmsg(sock, &msg, MSG_NOSIGNAL) :
		       recvmsg(sock, &msg, MSG_CMSG_CLOEXEC)) != 1)
		exit(1);
	memcpy(&fd, CMSG_DATA(&ctl.head), sizeof(int));
	return fd;
}

/* The process without the library. */
static int watch(int sock)
{
	struct { int32_t status; uint32_t zero; int64_t time_ns; } record;
	struct pollfd fence = { .events = POLLIN };

	fence.fd = pass(sock, -1, 0);
	check("a fence came, and is pending", poll(&fence, 1, 0) == 0);
	check("the painter goes on", write(sock, "", 1) == 1);
	check("we wait: it turns readable", poll(&fence, 1, -1) == 1);
	check("there is a record, with status 1: done",
	      recv(fence.fd, &record, sizeof(record), MSG_PEEK) ==
	      sizeof(record) && record.status == 1);
	check("a look takes nothing away", poll(&fence, 1, 0) == 1);
	close(fence.fd);

	fence.fd = pass(sock, -1, 0);
	check("another fence came, and is pending", poll(&fence, 1, 0) == 0);
	check("its painter dies", write(sock, "", 1) == 1);
	check("we wait: it hangs up", poll(&fence, 1, -1) == 1 &&
	      (fence.revents & POLLHUP));
	check("there is no record: it will never be done",
	      recv(fence.fd, &record, sizeof(record), MSG_PEEK) == 0);
	return close(fence.fd);
}

static int paint(int sock, bool dies)
{
	struct dmabuf_sw_sync *timeline;
	struct dma_fence *fence;
	char byte;
	int fd;

	if (dmabuf_sw_sync_create("painter", &timeline))
		return 1;
	fence = dmabuf_sw_sync_fence(timeline, 1);
	fd = IS_ERR(fence) ? -1 : dmabuf_sync_file_fd(fence, O_CLOEXEC);
	if (fd < 0)
		return 1;
	pass(sock, fd, 1);
	close(fd);			/* the watcher has its copy */
	if (read(sock, &byte, 1) != 1)
		return 1;
	if (dies)
		raise(SIGKILL);
	dmabuf_sw_sync_inc(timeline, 1);
	dma_fence_put(fence);
	dmabuf_sw_sync_destroy(timeline);
	return 0;
}

int main(void)
{
	int sock[2], status;
	pid_t watcher, painter;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sock))
		return 1;
	watcher = fork();
	if (watcher < 0)
		return 1;
	close(sock[watcher ? 1 : 0]);
	if (!watcher)
		return watch(sock[1]);
	if (paint(sock[0], false))
		return 1;
	painter = fork();
	if (!painter)
		return paint(sock[0], true);
	if (waitpid(painter, &status, 0) != painter || !WIFSIGNALED(status))
		return 1;
	return waitpid(watcher, &status, 0) != watcher || status;
}
