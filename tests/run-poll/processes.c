/* SPDX-License-Identifier: MIT */
/* processes.c - several processes that wait for the same fences */
#include "waiting.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What came through a socket has the lowest number there is. */
static void child(int socket, bool with_epoll)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = fd_receive(socket);
	int set;

	if (!with_epoll)
		_exit(poll_for(fd, POLLIN, -1) != POLLIN);
	set = epoll_create1(0);
	CHECK(!epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	CHECK(epoll_wait(set, &event, 1, -1) == 1 && event.events == EPOLLIN);
	_exit(0);
}

static void passed_ones_wait_too(bool with_epoll)
{
	struct pending pending;
	int sockets[2], status;
	pid_t pid;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		child(sockets[1], with_epoll);
	pending = pending_new(DMA_BUF_SYNC_WRITE);
	fd_send(sockets[0], pending.buffer);
	wait_for_call(pid, pid, with_epoll ? SYS_epoll_wait : SYS_poll);
	pending_step(&pending);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
	close(sockets[0]);
	close(sockets[1]);
	pending_close(&pending);
}

void case_processes(void)
{
	passed_ones_wait_too(false);
	passed_ones_wait_too(true);
}

/* What the one that answers has open, or runs */
static unsigned int supervisor_has(const char *what)
{
	unsigned int nr = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/%s", getppid(), what);
	dir = opendir(path);
	CHECK(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static void wait_until_it_has(const char *what, unsigned int nr)
{
	const struct timespec pause = { 0, 1000000 };

	while (supervisor_has(what) > nr)
		nanosleep(&pause, NULL);
}

#define NR 10

/* Nobody is left who waits for them, and no copy of what they waited for. */
void case_killed(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	unsigned int fds = supervisor_has("fd");
	unsigned int tasks = supervisor_has("task");
	struct pollfd pollfds[2] = { { pending.buffer, POLLIN, 0 } };
	int pipes[2], status, i;
	pid_t pids[NR];
	char byte;

	CHECK(!pipe(pipes));
	pollfds[1] = (struct pollfd){ pipes[1], POLLIN, 0 };
	for (i = 0; i < NR; i++) {
		pids[i] = fork();
		CHECK(pids[i] >= 0);
		if (!pids[i])
			_exit(poll(pollfds, 2, -1) + 100);
		wait_for_call(pids[i], pids[i], SYS_poll);
	}
	CHECK(supervisor_has("task") > tasks);
	for (i = 0; i < NR; i++) {
		CHECK(!kill(pids[i], SIGKILL));
		CHECK(waitpid(pids[i], &status, 0) == pids[i]);
		CHECK(WIFSIGNALED(status));
	}
	wait_until_it_has("task", tasks);
	wait_until_it_has("fd", fds);
	/* No copy of the writing end is left. */
	close(pipes[1]);
	CHECK(read(pipes[0], &byte, 1) == 0);
	close(pipes[0]);
	pending_close(&pending);
}
