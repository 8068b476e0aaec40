/* SPDX-License-Identifier: MIT */
/* select.c - select(2) and pselect(2) of buffers with fences */
#include "waiting.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

/* glibc has no call of its own for the old one, where there is one. */
static int old_select(int nr, fd_set *in, fd_set *out, fd_set *ex,
		      struct timeval *timeout)
{
#ifdef __NR_select
	return (int)syscall(SYS_select, nr, in, out, ex, timeout);
#else
	return select(nr, in, out, ex, timeout);
#endif
}

static fd_set set_of(int fd)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return set;
}

/* How many bits; which of the three, as 1, 2, 4 */
static int ask(int fd, int *ret_sets)
{
	fd_set in = set_of(fd), out = set_of(fd), ex = set_of(fd);
	struct timeval now = { 0, 0 };
	int nr = old_select(fd + 1, &in, &out, &ex, &now);

	*ret_sets = (FD_ISSET(fd, &in) ? 1 : 0) |
		    (FD_ISSET(fd, &out) ? 2 : 0) | (FD_ISSET(fd, &ex) ? 4 : 0);
	return nr;
}

static void select_in(struct waiter *waiter)
{
	fd_set in = set_of(waiter->fd);

	waiter->result = old_select(waiter->fd + 1, &in, NULL, NULL, NULL);
	waiter->error = FD_ISSET(waiter->fd, &in);
}

static void pselect_out(struct waiter *waiter)
{
	fd_set out = set_of(waiter->fd);

	waiter->result = pselect(waiter->fd + 1, NULL, &out, NULL, NULL, NULL);
	waiter->error = FD_ISSET(waiter->fd, &out);
}

static void sets_follow_the_fences(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	int sets;

	CHECK(!ask(pending.buffer, &sets) && !sets);
	pending_step(&pending);
	CHECK(ask(pending.buffer, &sets) == 2 && sets == 3);
	pending_add(&pending, DMA_BUF_SYNC_READ, 2);
	CHECK(ask(pending.buffer, &sets) == 1 && sets == 1);
	pending_close(&pending);
}

static void fences_wake(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	struct waiter waiters[2];
	int i;

	waiter_start(&waiters[0], select_in, pending.buffer, 0, SYS_select);
	waiter_start(&waiters[1], pselect_out, pending.buffer, 0,
		     SYS_pselect6);
	pending_step(&pending);
	for (i = 0; i < 2; i++) {
		waiter_end(&waiters[i]);
		CHECK(waiters[i].result == 1 && waiters[i].error);
	}
	pending_close(&pending);
}

static void what_is_left_is_told(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_READ);
	fd_set in = set_of(pending.buffer), out = in;
	struct timeval long_time = { 100, 1500000 };
	struct timeval short_time = { 0, 20000 };

	CHECK(old_select(pending.buffer + 1, &in, &out, NULL, &long_time) == 1);
	CHECK(long_time.tv_sec <= 101 && long_time.tv_usec < 1000000);
	CHECK(FD_ISSET(pending.buffer, &in) && !FD_ISSET(pending.buffer, &out));
	out = in;
	CHECK(!old_select(pending.buffer + 1, NULL, &out, NULL, &short_time));
	CHECK(!short_time.tv_sec && !short_time.tv_usec);
	CHECK(!FD_ISSET(pending.buffer, &out));
	pending_close(&pending);
}

void case_selects(void)
{
	sets_follow_the_fences();
	fences_wake();
	what_is_left_is_told();
}

void case_select_others(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	fd_set in = set_of(pending.buffer), out = set_of(pending.buffer);
	int pipes[2];

	CHECK(!pipe(pipes));
	FD_SET(pipes[0], &in);
	FD_SET(pipes[1], &out);
	CHECK(select(FD_SETSIZE, &in, &out, NULL, NULL) == 1);
	CHECK(FD_ISSET(pipes[1], &out) && !FD_ISSET(pipes[0], &in));
	CHECK(!FD_ISSET(pending.buffer, &in) &&
	      !FD_ISSET(pending.buffer, &out));
	/* What ended and what has to be read are readable, all the same. */
	FD_SET(pipes[0], &in);
	FD_SET(pending.buffer, &in);
	close(pipes[1]);
	CHECK(select(FD_SETSIZE, &in, NULL, NULL, NULL) == 1);
	CHECK(FD_ISSET(pipes[0], &in));
	/* A closed one is an error, and the set is as it was. */
	close(pipes[0]);
	FD_SET(pending.buffer, &in);
	CHECK(select(FD_SETSIZE, &in, NULL, NULL, NULL) == -1 &&
	      errno == EBADF);
	CHECK(FD_ISSET(pipes[0], &in) && FD_ISSET(pending.buffer, &in));
	/* Past the number that is given nothing is looked at. */
	FD_CLR(pipes[0], &in);
	FD_SET(0, &in);
	CHECK(select(0, &in, NULL, NULL, &(struct timeval){ 0, 0 }) == 0);
	CHECK(FD_ISSET(pending.buffer, &in));
	pending_close(&pending);
}

/* To the table of fds: what is behind the set is not looked at. */
static void numbers_are_cut_down(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct timeval now = { 0, 0 };
	fd_set *in;

	CHECK(pages != MAP_FAILED && !mprotect(pages + page, page, PROT_NONE));
	in = (fd_set *)(void *)(pages + page) - 1;
	FD_SET(pending.buffer, in);
	CHECK(!old_select(1 << 20, in, NULL, NULL, &now));
	CHECK(!FD_ISSET(pending.buffer, in));
	pending_step(&pending);
	FD_SET(pending.buffer, in);
	CHECK(old_select(1 << 20, in, NULL, NULL, &now) == 1);
	munmap(pages, 2 * page);
	pending_close(&pending);
}

/* What a library that makes the other call of it does not hand on */
static void old_times_are_checked(int nr, fd_set *in)
{
#ifdef __NR_select
	struct timeval endless = { INT64_MAX, 1000000 };

	CHECK(old_select(nr, in, NULL, NULL, &endless) == -1 &&
	      errno == EINVAL);
	CHECK(old_select(nr, in, NULL, NULL, (struct timeval *)8) == -1 &&
	      errno == EFAULT);
#else
	(void)nr;
	(void)in;
#endif
}

void case_select_wrong(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	fd_set in = set_of(pending.buffer);
	struct timeval wrong = { 0, -1 };
	struct timespec too_much = { 0, 1000000000 };
	struct timeval now = { 0, 0 };
	int nr = pending.buffer + 1;
	unsigned long packed[2] = { 8, 8 };

	CHECK(old_select(-1, &in, NULL, NULL, NULL) == -1 && errno == EINVAL);
	CHECK(old_select(nr, &in, NULL, NULL, &wrong) == -1 && errno == EINVAL);
	CHECK(old_select(nr, (fd_set *)8, NULL, NULL, &now) == -1 &&
	      errno == EFAULT);
	old_times_are_checked(nr, &in);
	CHECK(syscall(SYS_pselect6, nr, &in, NULL, NULL, &too_much, NULL) ==
		      -1 && errno == EINVAL);
	CHECK(syscall(SYS_pselect6, nr, &in, NULL, NULL, NULL, 8) == -1 &&
	      errno == EFAULT);
	CHECK(syscall(SYS_pselect6, nr, &in, NULL, NULL, NULL, packed) == -1 &&
	      errno == EFAULT);
	packed[1] = 4;
	CHECK(syscall(SYS_pselect6, nr, &in, NULL, NULL, NULL, packed) == -1 &&
	      errno == EINVAL);
	pending_close(&pending);
	numbers_are_cut_down();
}
