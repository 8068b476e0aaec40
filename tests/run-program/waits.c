/* SPDX-License-Identifier: MIT */
/* waits.c - a SYNC that waits for a fence, and what may come in between */
#include "client.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct pending {
	int buffer, timeline, fence;
};

static struct pending pending_new(void)
{
	struct pending pending = { buffer_new(), timeline_new(), -1 };

	pending.fence = timeline_fence(pending.timeline, 1);
	fence_import(pending.buffer, pending.fence, DMA_BUF_SYNC_WRITE);
	return pending;
}

static int sync_begin(int fd)
{
	struct dma_buf_sync sync = {
		.flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ,
	};

	return ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) ? errno : 0;
}

/* Until the thread is stopped in the call: /proc tells which one that is. */
static void wait_for_ioctl(pid_t pid, pid_t tid)
{
	const struct timespec pause = { 0, 1000000 };
	char path[64], line[64];
	long nr = -1;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	while (nr != SYS_ioctl) {
		FILE *file = fopen(path, "r");

		CHECK(file);
		if (!fgets(line, sizeof(line), file) ||
		    sscanf(line, "%ld", &nr) != 1)
			nr = -1;
		fclose(file);
		nanosleep(&pause, NULL);
	}
}

struct waiter {
	pthread_t thread;
	int fd, result;
	pid_t tid;	/* atomic */
};

static void *waiter_run(void *data)
{
	struct waiter *waiter = data;

	__atomic_store_n(&waiter->tid, gettid(), __ATOMIC_RELEASE);
	waiter->result = sync_begin(waiter->fd);
	return NULL;
}

static void waiter_start(struct waiter *waiter, int fd)
{
	*waiter = (struct waiter){ .fd = fd };
	CHECK(!pthread_create(&waiter->thread, NULL, waiter_run, waiter));
	while (!__atomic_load_n(&waiter->tid, __ATOMIC_ACQUIRE))
		sched_yield();
	wait_for_ioctl(getpid(), waiter->tid);
}

static int waiter_end(struct waiter *waiter)
{
	CHECK(!pthread_join(waiter->thread, NULL));
	return waiter->result;
}

/* While one thread waits all others are answered. */
void case_waits(void)
{
	struct pending pending = pending_new();
	struct waiter waiters[4];
	int i;

	for (i = 0; i < 4; i++)
		waiter_start(&waiters[i], pending.buffer);
	CHECK(!life());
	timeline_inc(pending.timeline, 1);
	for (i = 0; i < 4; i++)
		CHECK(waiter_end(&waiters[i]) == 0);
}

static void no_op(int signal)
{
	(void)signal;
}

void case_wait_interrupted(void)
{
	const struct sigaction action = { .sa_handler = no_op };
	struct pending pending = pending_new();
	struct waiter waiter;

	CHECK(!sigaction(SIGUSR1, &action, NULL));
	waiter_start(&waiter, pending.buffer);
	CHECK(!pthread_kill(waiter.thread, SIGUSR1));
	CHECK(waiter_end(&waiter) == EINTR);
	timeline_inc(pending.timeline, 1);
	CHECK(!sync_begin(pending.buffer));
}

void case_wait_killed(void)
{
	struct pending pending = pending_new();
	int status, i;

	for (i = 0; i < 20; i++) {
		pid_t child = fork();

		CHECK(child >= 0);
		if (!child)
			_exit(sync_begin(pending.buffer));
		wait_for_ioctl(child, child);
		CHECK(!kill(child, SIGKILL));
		CHECK(waitpid(child, &status, 0) == child);
		CHECK(WIFSIGNALED(status));
	}
	timeline_inc(pending.timeline, 1);
	CHECK(!sync_begin(pending.buffer));
}

/* The owner of the timeline is gone: its fences fail, and nobody waits on. */
void case_timeline_dies(void)
{
	int buffer = buffer_new();
	struct waiter waiter;
	int ready[2], go[2];
	char byte = 0;
	pid_t child;

	CHECK(!pipe(ready) && !pipe(go));
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		int timeline = timeline_new();

		fence_import(buffer, timeline_fence(timeline, 1),
			     DMA_BUF_SYNC_WRITE);
		CHECK(write(ready[1], &byte, 1) == 1);
		CHECK(read(go[0], &byte, 1) == 1);
		_exit(0);
	}
	CHECK(read(ready[0], &byte, 1) == 1);
	waiter_start(&waiter, buffer);
	CHECK(write(go[1], &byte, 1) == 1);
	CHECK(waiter_end(&waiter) == 0);
	CHECK(waitpid(child, NULL, 0) == child);
}
