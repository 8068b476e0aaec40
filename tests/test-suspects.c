/* SPDX-License-Identifier: MIT */
/*
 * test-suspects.c - how long a close is looked for
 *
 * Here time is the test's: it stands still until the test moves it, and the
 * library's timer only tells whether it is armed. A description whose lock goes
 * without a close is one whose lock goes after the event.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "process.h"
#include "udmabufs.h"

/* More than the ten seconds or so after which a suspect is given up. */
#define SECONDS_ENOUGH 100

#define SECOND_NS INT64_C(1000000000)
#define POLL_NS INT64_C(100000000)	/* between two looks without inotify */

static int64_t seconds = 1000;
static int64_t due_ns;		/* 0: the timer is not armed */

/* In place of the C library's. */

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (clock != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, clock, ts);
	*ts = (struct timespec){ .tv_sec = seconds };
	return 0;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *new_value,
		    struct itimerspec *old_value)
{
	(void)fd;
	(void)flags;
	(void)old_value;
	due_ns = new_value->it_value.tv_sec * SECOND_NS +
		 new_value->it_value.tv_nsec;
	return 0;
}

/* The kernel has no inotify instance left for us: it says so, or we do. */
static bool inotify_refused;

int inotify_init1(int flags)
{
	int fd = -1;

	if (!inotify_refused)
		fd = (int)syscall(SYS_inotify_init1, flags);
	else
		errno = EMFILE;
	inotify_refused = fd < 0;
	return fd;
}

static bool armed(void)
{
	return due_ns;
}

/* The lock goes soon after the close, by the machine's own time. */
static void found_until_refs(const struct dma_buf *dmabuf, unsigned int nr)
{
	while (dmabuf_refcount(dmabuf) > nr) {
		assert_true(dmabuf_dispatch() >= 0);
		sched_yield();
	}
	assert_int_equal(dmabuf_refcount(dmabuf), nr);
}

/* Dispatch once a second; nothing is found, and the next look is to come. */
static void seconds_pass(unsigned int nr)
{
	while (nr--) {
		seconds++;
		assert_int_equal(dmabuf_dispatch(), 0);
		assert_true(!armed() || due_ns > seconds * SECOND_NS);
	}
}

static void byte_unlock(int fd)
{
	struct flock all = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	assert_int_equal(fcntl(fd, F_OFD_SETLK, &all), 0);
}

/* A buffer with two fds out, of which one was found closed. */
static struct dma_buf *one_of_two_found(int *ret_left)
{
	struct dma_buf *dmabuf = memfd_export(PAGE, O_RDWR);
	int fd;

	get_dma_buf(dmabuf);
	get_dma_buf(dmabuf);
	fd = fd_of(dmabuf);
	*ret_left = fd_of(dmabuf);
	assert_false(armed());
	close(fd);
	found_until_refs(dmabuf, 2);
	assert_true(armed());
	return dmabuf;
}

/* The same event may have told of two closes. */
static void found_close_is_followed_by_looks_for_a_second_one(void **state)
{
	int fd;
	struct dma_buf *dmabuf = one_of_two_found(&fd);

	(void)state;
	/* Looks that come before their time do not count. */
	nothing_closed();
	seconds_pass(5);
	assert_true(armed());
	byte_unlock(fd);
	assert_int_equal(dmabuf_dispatch(), 1);
	assert_false(armed());
	close(fd);
	dma_buf_put(dmabuf);
}

static void found_close_is_looked_after_for_a_while_only(void **state)
{
	int fd;
	struct dma_buf *dmabuf = one_of_two_found(&fd);

	(void)state;
	seconds_pass(SECONDS_ENOUGH);
	assert_false(armed());
	close(fd);
	found_until_refs(dmabuf, 1);
	assert_false(armed());
	dma_buf_put(dmabuf);
}

static void each_event_has_to_be_explained_anew(void **state)
{
	int fd;
	struct dma_buf *dmabuf = one_of_two_found(&fd);

	(void)state;
	seconds_pass(SECONDS_ENOUGH);
	assert_false(armed());
	close(fd_reopen(fd, O_RDWR));
	seconds_pass(SECONDS_ENOUGH);
	assert_true(armed());
	close(fd);
	found_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

static void each_event_is_looked_after_anew(void **state)
{
	struct dma_buf *dmabuf = memfd_export(PAGE, O_RDWR);
	int one, two;

	(void)state;
	get_dma_buf(dmabuf);
	get_dma_buf(dmabuf);
	one = fd_of(dmabuf);
	two = fd_of(dmabuf);
	close(fd_reopen(one, O_RDWR));
	seconds_pass(SECONDS_ENOUGH);
	close(one);
	found_until_refs(dmabuf, 2);
	seconds_pass(5);
	byte_unlock(two);
	assert_int_equal(dmabuf_dispatch(), 1);
	close(two);
	dma_buf_put(dmabuf);
}

/* Two buffers with a view of one memfd each; that of the first was closed. */
struct neighbours {
	struct dma_buf *found;
	struct dma_buf *other;
	int view;	/* of the other one */
};

static struct neighbours neighbours_make(void)
{
	int fd = numbered_memfd(1, 0);
	struct dmabuf_udmabuf_range range = range_of(fd, 0, 1);
	struct neighbours both = {
		.found = udmabuf_of(&range, 1),
		.other = udmabuf_of(&range, 1),
	};
	int view = dmabuf_udmabuf_view_fd(both.found, 0);

	both.view = dmabuf_udmabuf_view_fd(both.other, 0);
	assert_true(view >= 0 && both.view >= 0);
	close(fd);
	assert_false(armed());
	close(view);
	found_until_refs(both.found, 1);
	assert_true(armed());
	return both;
}

static void neighbours_end(const struct neighbours *both)
{
	close(both->view);
	dma_buf_put(both->found);
	found_until_refs(both->other, 1);
	assert_false(armed());
	dma_buf_put(both->other);
}

static void event_of_one_inode_is_looked_after_in_each_buffer(void **state)
{
	struct neighbours both = neighbours_make();

	(void)state;
	seconds_pass(5);
	assert_true(armed());
	byte_unlock(both.view);
	assert_int_equal(dmabuf_dispatch(), 1);
	assert_false(armed());
	neighbours_end(&both);
}

static void close_found_explains_the_event_to_each_buffer(void **state)
{
	struct neighbours both = neighbours_make();

	(void)state;
	seconds_pass(SECONDS_ENOUGH);
	assert_false(armed());
	neighbours_end(&both);
}

/* Somebody closed the memfd, or a close is still to be seen. */
static void event_that_nothing_explains_is_looked_after_for_ever(void **state)
{
	struct dma_buf *dmabuf = memfd_export(PAGE, O_RDWR);
	int fd;

	(void)state;
	get_dma_buf(dmabuf);
	fd = fd_of(dmabuf);
	close(fd_reopen(fd, O_RDWR));
	seconds_pass(SECONDS_ENOUGH);
	assert_int_equal(due_ns, (seconds + 1) * SECOND_NS);
	byte_unlock(fd);
	assert_int_equal(dmabuf_dispatch(), 1);
	assert_false(armed());
	close(fd);
	dma_buf_put(dmabuf);
}

/* As one event each, read at once. */
static void closes_of_several_buffers_are_found_by_one_look(void **state)
{
	struct dma_buf *dmabufs[5];
	int fds[5];
	int i;

	(void)state;
	for (i = 0; i < 5; i++) {
		dmabufs[i] = memfd_export(PAGE, O_RDWR);
		get_dma_buf(dmabufs[i]);
		fds[i] = fd_of(dmabufs[i]);
	}
	for (i = 0; i < 5; i++)
		close(fds[i]);
	for (i = 0; i < 5; i++) {
		found_until_refs(dmabufs[i], 1);
		dma_buf_put(dmabufs[i]);
	}
}

/* Nobody watches the memfd then. */
static void close_without_an_fd_out_is_no_event(void **state)
{
	struct pollfd events = { dmabuf_event_fd(), POLLIN, 0 };
	struct backing backing;
	struct dma_buf *dmabuf = backing_export(&backing, PAGE, O_RDWR);

	(void)state;
	get_dma_buf(dmabuf);
	close(fd_of(dmabuf));
	found_until_refs(dmabuf, 1);
	nothing_closed();
	assert_int_equal(poll(&events, 1, 0), 0);
	close(fd_reopen(backing.fd, O_RDWR));
	assert_int_equal(poll(&events, 1, 0), 0);
	dma_buf_put(dmabuf);
}

static int child_without_inotify(int sock, void *data)
{
	struct flock all = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
	struct dma_buf *dmabuf;
	int fd, i;

	(void)sock;
	(void)data;
	inotify_refused = true;
	PEER_CHECK(!dmabuf_memfd_export(PAGE, O_RDWR, &dmabuf));
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	PEER_CHECK(fd >= 0);
	for (i = 0; i < SECONDS_ENOUGH; i++) {
		PEER_CHECK(due_ns == seconds * SECOND_NS + POLL_NS);
		seconds++;
		PEER_CHECK(!dmabuf_dispatch());
	}
	PEER_CHECK(!fcntl(fd, F_OFD_SETLK, &all));
	PEER_CHECK(dmabuf_dispatch() == 1);
	PEER_CHECK(!armed());
	return 0;
}

static void without_inotify_fds_are_looked_at_all_the_time(void **state)
{
	struct peer peer;

	(void)state;
	peer_start(&peer, child_without_inotify, NULL);
	peer_join(&peer);
}

/* In the same moment as in the parent, so that both are due alike. */
static int child_has_a_suspect(int sock, void *data)
{
	struct dma_buf *dmabuf;
	char path[32];
	int fd;

	(void)sock;
	(void)data;
	due_ns = 0;
	PEER_CHECK(!dmabuf_memfd_export(PAGE, O_RDWR, &dmabuf));
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	PEER_CHECK(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	PEER_CHECK(!close(open(path, O_RDWR | O_CLOEXEC)));
	PEER_CHECK(!dmabuf_dispatch());
	PEER_CHECK(armed());
	return 0;
}

static void forked_child_arms_a_timer_of_its_own(void **state)
{
	struct dma_buf *dmabuf = memfd_export(PAGE, O_RDWR);
	struct peer peer;
	int fd;

	(void)state;
	get_dma_buf(dmabuf);
	fd = fd_of(dmabuf);
	close(fd_reopen(fd, O_RDWR));
	assert_int_equal(dmabuf_dispatch(), 0);
	assert_true(armed());
	peer_start(&peer, child_has_a_suspect, NULL);
	peer_join(&peer);
	close(fd);
	found_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(found_close_is_followed_by_looks_for_a_second_one),
		LEAK_TEST(found_close_is_looked_after_for_a_while_only),
		LEAK_TEST(each_event_has_to_be_explained_anew),
		LEAK_TEST(each_event_is_looked_after_anew),
		LEAK_TEST(event_of_one_inode_is_looked_after_in_each_buffer),
		LEAK_TEST(close_found_explains_the_event_to_each_buffer),
		LEAK_TEST(event_that_nothing_explains_is_looked_after_for_ever),
		LEAK_TEST(closes_of_several_buffers_are_found_by_one_look),
		LEAK_TEST(close_without_an_fd_out_is_no_event),
		LEAK_TEST(without_inotify_fds_are_looked_at_all_the_time),
		LEAK_TEST(forked_child_arms_a_timer_of_its_own),
	};

	/* The library keeps the instance that it takes here. */
	dmabuf_event_fd();
	if (inotify_refused) {
		print_message("skipped: this user has no inotify instance left\n");
		return 77;
	}
	/* A close that goes unnoticed is a failure, not a hang. */
	alarm(100);
	return cmocka_run_group_tests_name("dma_buf/suspects", tests,
					   leaks_group_setup, NULL) != 0;
}
