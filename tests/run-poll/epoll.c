/* SPDX-License-Identifier: MIT */
/* epoll.c - buffers in epoll sets */
#include "waiting.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BOTH (EPOLLIN | EPOLLOUT)
#define DATA 0x123456789abcdefULL

static int set_new(void)
{
	int set = epoll_create1(EPOLL_CLOEXEC);

	CHECK(set >= 0);
	return set;
}

static int ctl(int set, int op, int fd, unsigned int events)
{
	struct epoll_event event = { .events = events, .data.u64 = DATA };

	return epoll_ctl(set, op, fd, &event);
}

static int set_of(int fd, unsigned int events)
{
	int set = set_new();

	CHECK(!ctl(set, EPOLL_CTL_ADD, fd, events));
	return set;
}

/* The events of the one fd that is ready; 0: none is */
static unsigned int told_for(int set, int timeout_ms)
{
	struct epoll_event events[2];
	int nr = epoll_wait(set, events, 2, timeout_ms);

	CHECK(nr >= 0 && nr < 2);
	CHECK(!nr || events[0].data.u64 == DATA);
	return nr ? events[0].events : 0;
}

static unsigned int told(int set)
{
	return told_for(set, 0);
}

static void wait_in_set(struct waiter *waiter)
{
	waiter->result = (int)told_for(waiter->fd, -1);
}

static void sets_follow_the_fences(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_READ);
	int set = set_of(pending.buffer, BOTH);

	CHECK(told(set) == EPOLLIN);
	pending_add(&pending, DMA_BUF_SYNC_WRITE, 2);
	CHECK(!told(set));
	pending_step(&pending);
	CHECK(!told_for(set, 20));
	pending_step(&pending);
	CHECK(told(set) == BOTH);
	CHECK(told(set) == BOTH);
	close(set);
	pending_close(&pending);
}

/* And what is added when all is done is told of at once. */
static void fences_wake(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	int set = set_of(pending.buffer, EPOLLIN);
	struct waiter waiters[2];

	waiter_start(&waiters[0], wait_in_set, set, 0, SYS_epoll_wait);
	pending_step(&pending);
	waiter_end(&waiters[0]);
	CHECK(waiters[0].result == EPOLLIN);
	pending_add(&pending, DMA_BUF_SYNC_WRITE, 2);
	waiter_start(&waiters[1], wait_in_set, set, 0, SYS_epoll_wait);
	close(pending.timeline);
	waiter_end(&waiters[1]);
	CHECK(waiters[1].result == EPOLLIN);
	close(set);
	close(pending.buffer);
}

static void beside_others_and_inside_others(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	int set = set_of(pending.buffer, EPOLLIN);
	int outer = set_of(set, EPOLLIN);
	int sockets[2];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	CHECK(!ctl(set, EPOLL_CTL_ADD, sockets[0], EPOLLIN));
	CHECK(!told(set) && !told(outer) && !poll_now(outer, POLLIN));
	CHECK(write(sockets[1], "", 1) == 1);
	CHECK(told(set) == EPOLLIN);
	CHECK(read(sockets[0], &(char){ 0 }, 1) == 1);
	CHECK(!told(set) && !told(outer));
	pending_step(&pending);
	CHECK(told(set) == EPOLLIN && told(outer) == EPOLLIN);
	CHECK(poll_now(set, POLLIN) == POLLIN);
	close(sockets[0]);
	close(sockets[1]);
	close(outer);
	close(set);
	pending_close(&pending);
}

void case_epolls(void)
{
	int buffer = buffer_new();
	int set = set_of(buffer, BOTH);

	CHECK(told(set) == BOTH);
	close(set);
	set = set_of(buffer, EPOLLPRI | EPOLLRDNORM | EPOLLWRNORM | EPOLLRDHUP);
	CHECK(!told_for(set, 20));
	close(set);
	close(buffer);
	sets_follow_the_fences();
	fences_wake();
	beside_others_and_inside_others();
}

/* Changes */

static void once_is_once(int buffer)
{
	int set = set_of(buffer, EPOLLIN | EPOLLONESHOT);

	CHECK(told(set) == EPOLLIN);
	CHECK(!told(set));
	CHECK(!ctl(set, EPOLL_CTL_MOD, buffer, EPOLLOUT | EPOLLONESHOT));
	CHECK(told(set) == EPOLLOUT);
	CHECK(!told(set));
	close(set);
}

/* A buffer that is ready says so whenever it is asked. */
static void edges_are_told_again(int buffer)
{
	int set = set_of(buffer, EPOLLIN | EPOLLET);

	CHECK(told(set) == EPOLLIN);
	CHECK(told(set) == EPOLLIN);
	close(set);
}

static void exclusive_ones_do_not_change(int buffer)
{
	int set = set_of(buffer, EPOLLIN | EPOLLEXCLUSIVE);

	CHECK(told(set) == EPOLLIN);
	CHECK(ctl(set, EPOLL_CTL_MOD, buffer, EPOLLIN) == -1 &&
	      errno == EINVAL);
	CHECK(!ctl(set, EPOLL_CTL_DEL, buffer, 0));
	CHECK(ctl(set, EPOLL_CTL_ADD, buffer,
		  EPOLLIN | EPOLLRDHUP | EPOLLEXCLUSIVE) == -1 &&
	      errno == EINVAL);
	close(set);
}

void case_epoll_changes(void)
{
	int buffer = buffer_new();
	int set = set_of(buffer, EPOLLIN);

	CHECK(!ctl(set, EPOLL_CTL_MOD, buffer, EPOLLOUT));
	CHECK(told(set) == EPOLLOUT);
	CHECK(!epoll_ctl(set, EPOLL_CTL_DEL, buffer, NULL));
	CHECK(!told(set));
	CHECK(!ctl(set, EPOLL_CTL_ADD, buffer, BOTH));
	CHECK(told(set) == BOTH);
	close(set);
	once_is_once(buffer);
	edges_are_told_again(buffer);
	exclusive_ones_do_not_change(buffer);
	close(buffer);
}

void case_epoll_wrong(void)
{
	int buffer = buffer_new();
	int set = set_of(buffer, EPOLLIN);
	int other = set_new();

	CHECK(ctl(set, EPOLL_CTL_ADD, buffer, EPOLLIN) == -1 &&
	      errno == EEXIST);
	CHECK(ctl(other, EPOLL_CTL_MOD, buffer, EPOLLIN) == -1 &&
	      errno == ENOENT);
	CHECK(ctl(other, EPOLL_CTL_DEL, buffer, 0) == -1 && errno == ENOENT);
	CHECK(ctl(set, 77, buffer, EPOLLIN) == -1 && errno == EINVAL);
	CHECK(ctl(-1, EPOLL_CTL_ADD, buffer, EPOLLIN) == -1 && errno == EBADF);
	CHECK(ctl(9999, EPOLL_CTL_ADD, buffer, EPOLLIN) == -1 &&
	      errno == EBADF);
	CHECK(ctl(0, EPOLL_CTL_ADD, buffer, EPOLLIN) == -1 && errno == EINVAL);
	CHECK(ctl(buffer, EPOLL_CTL_ADD, buffer, EPOLLIN) == -1 &&
	      errno == EINVAL);
	CHECK(epoll_ctl(other, EPOLL_CTL_ADD, buffer, (void *)8) == -1 &&
	      errno == EFAULT);
	CHECK(epoll_ctl(-1, EPOLL_CTL_ADD, buffer, (void *)8) == -1 &&
	      errno == EFAULT);
	CHECK(told(set) == EPOLLIN && !told(other));
	close(buffer);
	CHECK(ctl(set, EPOLL_CTL_DEL, buffer, 0) == -1 && errno == EBADF);
	close(set);
	close(other);
}

/* Closing */

/* A set is left by a buffer when its last fd was found closed. */
static void wait_until_empty(int set)
{
	while (told(set))
		sched_yield();
}

static void copies_keep_it(void)
{
	int buffer = buffer_new();
	int copy = dup2(buffer, 300);
	int set = set_of(buffer, EPOLLIN);

	CHECK(copy == 300);
	close(buffer);
	CHECK(told_for(set, 20) == EPOLLIN);
	close(copy);
	wait_until_empty(set);
	close(set);
}

static void a_new_buffer_with_the_number_is_new(void)
{
	int buffer = buffer_new();
	int copy = dup(buffer);
	int set = set_of(buffer, EPOLLIN);
	int next = buffer_new();

	CHECK(dup2(next, buffer) == buffer);
	CHECK(ctl(set, EPOLL_CTL_MOD, buffer, EPOLLOUT) == -1 &&
	      errno == ENOENT);
	CHECK(told(set) == EPOLLIN);
	close(copy);
	wait_until_empty(set);
	CHECK(!ctl(set, EPOLL_CTL_ADD, buffer, EPOLLOUT));
	CHECK(told(set) == EPOLLOUT);
	close(next);
	close(buffer);
	close(set);
}

static void two_numbers_are_two(void)
{
	struct epoll_event events[3];
	int buffer = buffer_new();
	int copy = dup(buffer);
	int set = set_of(buffer, EPOLLIN);

	CHECK(!ctl(set, EPOLL_CTL_ADD, copy, EPOLLIN));
	CHECK(epoll_wait(set, events, 3, 0) == 2);
	CHECK(!ctl(set, EPOLL_CTL_DEL, buffer, 0));
	CHECK(told(set) == EPOLLIN);
	close(set);
	close(copy);
	close(buffer);
}

/* A set of the same number is another set. */
static void sets_come_and_go(void)
{
	int buffer = buffer_new();
	int i, set;

	for (i = 0; i < 2000; i++) {
		set = set_of(buffer, EPOLLIN);
		CHECK(told(set) == EPOLLIN);
		close(set);
	}
	close(buffer);
}

void case_epoll_closes(void)
{
	copies_keep_it();
	a_new_buffer_with_the_number_is_new();
	two_numbers_are_two();
	sets_come_and_go();
}

/* Sets that processes share */

void case_epoll_shared(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	int set = set_of(pending.buffer, EPOLLIN);
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		CHECK(ctl(set, EPOLL_CTL_ADD, pending.buffer, EPOLLIN) == -1 &&
		      errno == EEXIST);
		CHECK(!ctl(set, EPOLL_CTL_MOD, pending.buffer, EPOLLOUT));
		CHECK(told_for(set, -1) == EPOLLOUT);
		_exit(0);
	}
	wait_for_call(pid, pid, SYS_epoll_wait);
	pending_step(&pending);
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	CHECK(told(set) == EPOLLOUT);
	close(set);
	pending_close(&pending);
}
