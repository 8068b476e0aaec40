/* SPDX-License-Identifier: MIT */
/* waiting.c - buffers with fences, and threads that wait for them */
#include "waiting.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void pending_add(const struct pending *pending, unsigned int flags,
		 unsigned int value)
{
	int fence = timeline_fence(pending->timeline, value);

	fence_import(pending->buffer, fence, flags);
	close(fence);
}

struct pending pending_new(unsigned int flags)
{
	struct pending pending = { buffer_new(), timeline_new() };

	pending_add(&pending, flags, 1);
	return pending;
}

void pending_step(const struct pending *pending)
{
	timeline_inc(pending->timeline, 1);
}

void pending_close(const struct pending *pending)
{
	close(pending->buffer);
	close(pending->timeline);
}

int poll_for(int fd, int events, int timeout_ms)
{
	struct pollfd pollfd = { .fd = fd, .events = (short)events };
	int nr = poll(&pollfd, 1, timeout_ms);

	CHECK(nr == (pollfd.revents != 0));
	return pollfd.revents;
}

int poll_now(int fd, int events)
{
	return poll_for(fd, events, 0);
}

#define CALL_NONE (-1)	/* it runs */
#define CALL_GONE (-2)

/* The first word of /proc/PID/task/TID/syscall */
static long call_of(pid_t pid, pid_t tid)
{
	char path[64], line[64];
	FILE *file;
	long nr;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	file = fopen(path, "r");
	if (!file)
		return CALL_GONE;
	if (!fgets(line, sizeof(line), file) || sscanf(line, "%ld", &nr) != 1)
		nr = CALL_NONE;
	fclose(file);
	return nr;
}

bool has_thread_in(pid_t pid, long nr)
{
	struct dirent *entry;
	bool found = false;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	CHECK(dir);
	while (!found && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			found = call_of(pid, atoi(entry->d_name)) == nr;
	closedir(dir);
	return found;
}

void wait_for_call(pid_t pid, pid_t tid, long nr)
{
	const struct timespec pause = { 0, 1000000 };
	long now;

	/* Somebody else may have seen it there, and let it go on and end. */
	while ((now = call_of(pid, tid)) != nr && now != CALL_GONE)
		nanosleep(&pause, NULL);
}

static void *waiter_run(void *data)
{
	struct waiter *waiter = data;

	__atomic_store_n(&waiter->tid, gettid(), __ATOMIC_RELEASE);
	waiter->run(waiter);
	__atomic_store_n(&waiter->done, true, __ATOMIC_RELEASE);
	return NULL;
}

void waiter_start(struct waiter *waiter, void (*run)(struct waiter *waiter),
		  int fd, int events, long nr)
{
	*waiter = (struct waiter){ .run = run, .fd = fd, .events = events };
	CHECK(!pthread_create(&waiter->thread, NULL, waiter_run, waiter));
	while (!__atomic_load_n(&waiter->tid, __ATOMIC_ACQUIRE))
		sched_yield();
	wait_for_call(getpid(), waiter->tid, nr);
}

void waiter_end(struct waiter *waiter)
{
	CHECK(!pthread_join(waiter->thread, NULL));
}

void waiter_poll(struct waiter *waiter)
{
	struct pollfd pollfd = {
		.fd = waiter->fd,
		.events = (short)waiter->events,
	};

	waiter->result = poll(&pollfd, 1, -1) < 0 ? -1 : pollfd.revents;
	waiter->error = errno;
}
