/* SPDX-License-Identifier: MIT */
/* waits.c - a SYNC that waits for a fence, and what may come in between */
#include "client.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
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

static int sync_with(int fd, __u64 flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) ? errno : 0;
}

static int sync_begin(int fd)
{
	return sync_with(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
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
	/* What is wrong is no reason to wait, nor is an end. */
	CHECK(sync_with(pending.buffer, 0) == EINVAL);
	CHECK(sync_with(pending.buffer, 8 | DMA_BUF_SYNC_READ) == EINVAL);
	CHECK(!sync_with(pending.buffer, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ));
	timeline_inc(pending.timeline, 1);
	for (i = 0; i < 4; i++)
		CHECK(waiter_end(&waiters[i]) == 0);
}

/* bufinfo's count of the one buffer that there is */
static int buffer_count(void)
{
	FILE *file = fopen("/sys/kernel/debug/dma_buf/bufinfo", "r");
	char line[256];
	int count = -1;

	CHECK(file);
	while (count < 0 && fgets(line, sizeof(line), file))
		sscanf(line, "%*d %*x %*x %d system", &count);
	fclose(file);
	return count;
}

/* Who has waited is counted no more when the call returns. */
void case_wait_counted(void)
{
	struct waiter waiters[4];
	int buffer = buffer_new();
	int timeline = timeline_new();
	unsigned int turn;
	int fence, i;

	for (turn = 1; turn <= 100; turn++) {
		fence = timeline_fence(timeline, turn);
		fence_import(buffer, fence, DMA_BUF_SYNC_WRITE);
		close(fence);
		for (i = 0; i < 4; i++)
			waiter_start(&waiters[i], buffer);
		timeline_inc(timeline, 1);
		for (i = 0; i < 4; i++)
			CHECK(waiter_end(&waiters[i]) == 0);
		CHECK(buffer_count() == 1);
	}
}

static int handled;	/* atomic */

static void count(int signal)
{
	(void)signal;
	__atomic_fetch_add(&handled, 1, __ATOMIC_RELEASE);
}

void case_wait_interrupted(void)
{
	const struct sigaction action = { .sa_handler = count };
	struct pending pending = pending_new();
	struct waiter waiter;

	CHECK(!sigaction(SIGUSR1, &action, NULL));
	waiter_start(&waiter, pending.buffer);
	CHECK(!pthread_kill(waiter.thread, SIGUSR1));
	CHECK(waiter_end(&waiter) == EINTR);
	timeline_inc(pending.timeline, 1);
	CHECK(!sync_begin(pending.buffer));
}

/* A handler that wants calls to go on runs in between, and they do. */
void case_wait_restarted(void)
{
	const struct sigaction action = {
		.sa_handler = count,
		.sa_flags = SA_RESTART,
	};
	struct pending pending = pending_new();
	struct waiter waiter;

	CHECK(!sigaction(SIGUSR1, &action, NULL));
	waiter_start(&waiter, pending.buffer);
	CHECK(!pthread_kill(waiter.thread, SIGUSR1));
	while (!__atomic_load_n(&handled, __ATOMIC_ACQUIRE))
		sched_yield();
	timeline_inc(pending.timeline, 1);
	CHECK(waiter_end(&waiter) == 0);
}

#define NR_BEGINNERS 8
#define NR_CHANGES 50000

/* A thread that begins over and over, until it is told to end */
struct beginner {
	pthread_t thread;
	int fd;
	struct dma_buf_sync *sync;
	bool end;	/* atomic */
};

static void *beginner_run(void *data)
{
	struct beginner *beginner = data;

	while (!__atomic_load_n(&beginner->end, __ATOMIC_ACQUIRE))
		ioctl(beginner->fd, DMA_BUF_IOCTL_SYNC, beginner->sync);
	return NULL;
}

/* It may be in a call that waits. */
static void beginner_end(struct beginner *beginner)
{
	const struct timespec pause = { 0, 1000000 };

	__atomic_store_n(&beginner->end, true, __ATOMIC_RELEASE);
	while (pthread_tryjoin_np(beginner->thread, NULL)) {
		pthread_kill(beginner->thread, SIGUSR1);
		nanosleep(&pause, NULL);
	}
}

/* Whatever becomes of an argument meanwhile, others are answered. */
void case_argument_changes(void)
{
	const struct sigaction action = { .sa_handler = count };
	struct pending pending = pending_new();
	struct beginner beginners[NR_BEGINNERS];
	struct dma_buf_sync *sync = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i;

	CHECK(sync != MAP_FAILED);
	CHECK(!sigaction(SIGUSR1, &action, NULL));
	sync->flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ;
	for (i = 0; i < NR_BEGINNERS; i++) {
		beginners[i] = (struct beginner){ .fd = pending.buffer,
						  .sync = sync };
		CHECK(!pthread_create(&beginners[i].thread, NULL, beginner_run,
				      &beginners[i]));
	}
	for (i = 0; i < NR_CHANGES; i++) {
		mprotect(sync, 4096, PROT_NONE);
		pthread_kill(beginners[i % NR_BEGINNERS].thread, SIGUSR1);
		mprotect(sync, 4096, PROT_READ | PROT_WRITE);
	}
	CHECK(!life());
	for (i = 0; i < NR_BEGINNERS; i++)
		beginner_end(&beginners[i]);
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
