/* SPDX-License-Identifier: MIT */
/* poll.c - poll(2) and ppoll(2) of buffers with fences */
#include "waiting.h"

#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BOTH (POLLIN | POLLOUT)

static void a_writer_keeps_all_away(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);

	CHECK(!poll_now(pending.buffer, BOTH));
	CHECK(!poll_now(pending.buffer, POLLIN));
	CHECK(!poll_for(pending.buffer, POLLOUT, 20));
	pending_step(&pending);
	CHECK(poll_now(pending.buffer, BOTH) == BOTH);
	pending_close(&pending);
}

static void a_reader_keeps_writers_away(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_READ);

	CHECK(poll_now(pending.buffer, BOTH) == POLLIN);
	CHECK(!poll_now(pending.buffer, POLLOUT));
	CHECK(poll_for(pending.buffer, POLLIN, -1) == POLLIN);
	pending_step(&pending);
	CHECK(poll_now(pending.buffer, BOTH) == BOTH);
	pending_close(&pending);
}

static void all_fences_count(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_READ);
	struct waiter reader, writer;

	pending_add(&pending, DMA_BUF_SYNC_WRITE, 2);
	pending_add(&pending, DMA_BUF_SYNC_READ, 3);
	waiter_start(&reader, waiter_poll, pending.buffer, POLLIN, SYS_poll);
	waiter_start(&writer, waiter_poll, pending.buffer, POLLOUT, SYS_poll);
	pending_step(&pending);
	CHECK(!poll_for(pending.buffer, BOTH, 20));
	pending_step(&pending);
	waiter_end(&reader);
	CHECK(reader.result == POLLIN);
	CHECK(poll_now(pending.buffer, BOTH) == POLLIN);
	pending_step(&pending);
	waiter_end(&writer);
	CHECK(writer.result == POLLOUT);
	pending_close(&pending);
}

/* Another fence comes while somebody waits. */
static void a_fence_that_comes_later_counts(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	struct waiter waiter;

	waiter_start(&waiter, waiter_poll, pending.buffer, BOTH, SYS_poll);
	pending_add(&pending, DMA_BUF_SYNC_READ, 2);
	pending_step(&pending);
	waiter_end(&waiter);
	CHECK(waiter.result == POLLIN);
	pending_close(&pending);
}

static void nothing_else_is_ever_said(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	int others = POLLRDNORM | POLLWRNORM | POLLPRI | POLLRDHUP;

	CHECK(!poll_now(pending.buffer, 0));
	CHECK(!poll_now(pending.buffer, others));
	pending_step(&pending);
	CHECK(!poll_now(pending.buffer, 0));
	CHECK(!poll_for(pending.buffer, others, 20));
	CHECK(poll_now(pending.buffer, POLLIN | others) == POLLIN);
	pending_close(&pending);
}

static void sync_files_are_only_read(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	int fence = timeline_fence(pending.timeline, 2);
	struct waiter waiter;

	CHECK(!poll_now(fence, BOTH | POLLRDNORM));
	waiter_start(&waiter, waiter_poll, fence, BOTH, SYS_poll);
	pending_step(&pending);
	CHECK(!poll_now(fence, BOTH));
	pending_step(&pending);
	waiter_end(&waiter);
	CHECK(waiter.result == POLLIN);
	CHECK(!poll_now(fence, POLLOUT));
	CHECK(poll_now(fence, BOTH | POLLRDNORM) == POLLIN);
	close(fence);
	pending_close(&pending);
}

/* A copy at any number, and a timeline that is closed */
static void copies_and_closed_timelines(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	int copy = dup2(pending.buffer, 200);
	struct waiter waiter;

	CHECK(copy == 200);
	CHECK(!poll_now(copy, BOTH));
	waiter_start(&waiter, waiter_poll, copy, POLLIN, SYS_poll);
	close(pending.timeline);
	waiter_end(&waiter);
	CHECK(waiter.result == POLLIN);
	close(copy);
	close(pending.buffer);
}

void case_polls(void)
{
	int buffer = buffer_new();

	CHECK(poll_now(buffer, BOTH) == BOTH);
	close(buffer);
	a_writer_keeps_all_away();
	a_reader_keeps_writers_away();
	all_fences_count();
	a_fence_that_comes_later_counts();
	nothing_else_is_ever_said();
	sync_files_are_only_read();
	copies_and_closed_timelines();
}

/* Other fds in the set */

static int closed_number(void)
{
	int fd = dup(0);

	CHECK(fd >= 0);
	close(fd);
	return fd;
}

static void others_are_told_as_ever(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	int pipes[2], sockets[2];
	struct pollfd fds[6];

	CHECK(!pipe(pipes));
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	fds[0] = (struct pollfd){ pending.buffer, BOTH, 0x7f };
	fds[1] = (struct pollfd){ pipes[0], POLLIN, 0 };
	fds[2] = (struct pollfd){ pipes[1], POLLOUT, 0 };
	fds[3] = (struct pollfd){ sockets[0], BOTH, 0 };
	fds[4] = (struct pollfd){ -1, BOTH, 0x7f };
	fds[5] = (struct pollfd){ closed_number(), BOTH, 0 };
	CHECK(poll(fds, 6, -1) == 3);
	CHECK(!fds[0].revents && !fds[1].revents && !fds[4].revents);
	CHECK(fds[2].revents == POLLOUT && fds[3].revents == POLLOUT);
	CHECK(fds[5].revents == POLLNVAL);
	CHECK(fds[0].fd == pending.buffer && fds[0].events == BOTH);
	close(pipes[1]);
	CHECK(poll(fds, 2, -1) == 1);
	CHECK(fds[1].revents == POLLHUP);
	close(pipes[0]);
	close(sockets[0]);
	close(sockets[1]);
	pending_close(&pending);
}

static void poll_two(struct waiter *waiter)
{
	struct pollfd fds[2] = {
		{ waiter->fd, POLLIN, 0 },
		{ waiter->events, POLLIN, 0 },
	};

	waiter->result = ppoll(fds, 2, NULL, NULL);
	waiter->error = fds[0].revents << 8 | fds[1].revents;
}

static void whichever_comes_first_wakes(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	struct waiter waiter;
	int pipes[2];

	CHECK(!pipe(pipes));
	waiter_start(&waiter, poll_two, pending.buffer, pipes[0], SYS_ppoll);
	CHECK(write(pipes[1], "", 1) == 1);
	waiter_end(&waiter);
	CHECK(waiter.result == 1 && waiter.error == POLLIN);
	CHECK(read(pipes[0], &(char){ 0 }, 1) == 1);
	waiter_start(&waiter, poll_two, pending.buffer, pipes[0], SYS_ppoll);
	pending_step(&pending);
	waiter_end(&waiter);
	CHECK(waiter.result == 1 && waiter.error == POLLIN << 8);
	close(pipes[0]);
	close(pipes[1]);
	pending_close(&pending);
}

void case_poll_others(void)
{
	others_are_told_as_ever();
	whichever_comes_first_wakes();
}

/* Wrong arguments */

/* As poll(2) is made here, of what a compiler does not like, at once */
static int poll_of(void *fds, unsigned long nr)
{
#ifdef __NR_poll
	return (int)syscall(SYS_poll, fds, nr, 0);
#else
	const struct timespec now = { 0 };

	return (int)syscall(SYS_ppoll, fds, nr, &now, NULL, 8);
#endif
}

void case_poll_wrong(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	struct pollfd fds[2] = {
		{ pending.buffer, POLLIN, 0 }, { -1, 0, 0 },
	};
	struct timespec wrong[] = { { -1, 0 }, { 0, -1 }, { 0, 1000000000 } };
	struct timespec soon = { 0, 1 };
	struct pollfd *hidden = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE |
				     MAP_ANONYMOUS, -1, 0);
	struct rlimit limit;
	sigset_t mask;
	size_t i;

	for (i = 0; i < 3; i++)
		CHECK(ppoll(fds, 1, &wrong[i], NULL) == -1 && errno == EINVAL);
	sigemptyset(&mask);
	CHECK(syscall(SYS_ppoll, fds, 1, &soon, &mask, 7) == -1 &&
	      errno == EINVAL);
	CHECK(syscall(SYS_ppoll, fds, 1, &soon, 8, 8) == -1 &&
	      errno == EFAULT);
	CHECK(poll_of((void *)8, 1) == -1 && errno == EFAULT);
	CHECK(!getrlimit(RLIMIT_NOFILE, &limit));
	CHECK(poll_of(fds, limit.rlim_cur + 1) == -1 && errno == EINVAL);
	CHECK(poll_of(fds, UINT32_MAX) == -1 && errno == EINVAL);
	/* What it cannot tell; the zeroes are fds. */
	CHECK(hidden != MAP_FAILED);
	CHECK(dup2(pending.buffer, 0) == 0);
	CHECK(poll_of(hidden, 1) == -1 && errno == EFAULT);
	munmap(hidden, 4096);
	/* It is not the worse for it. */
	CHECK(!poll(fds, 2, 0));
	pending_step(&pending);
	CHECK(poll(fds, 2, -1) == 1);
	pending_close(&pending);
}

/* Many at once */

#define NR 100

void case_poll_many(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	static struct waiter waiters[NR];
	int i;

	for (i = 0; i < NR; i++)
		waiter_start(&waiters[i], waiter_poll, pending.buffer,
			     i % 2 ? POLLIN : POLLOUT, SYS_poll);
	pending_step(&pending);
	for (i = 0; i < NR; i++) {
		waiter_end(&waiters[i]);
		CHECK(waiters[i].result == (i % 2 ? POLLIN : POLLOUT));
	}
	pending_close(&pending);
}
