/* SPDX-License-Identifier: MIT */
/* test-sync-process.c - sync files across processes, some of which die */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-fence.h"
#include "process.h"
#include "sync-fds.h"

/*
 * A producer, in a child: sends an fd, then moves its timeline on at every turn
 * it gets, and says so. It lives until its socket is closed, or it is killed.
 */
struct producer {
	uint32_t value;		/* of the point; 0: done already */
	int error;		/* set before the first turn; 0: none */
};

static int produce(int sock, void *data)
{
	const struct producer *how = data;
	struct dmabuf_sw_sync *timeline;
	struct dma_fence *fence;
	int fd;

	PEER_CHECK(!dmabuf_sw_sync_create("producer", &timeline));
	fence = dmabuf_sw_sync_fence(timeline, how->value);
	PEER_CHECK(!IS_ERR(fence));
	fd = dmabuf_sync_file_fd(fence, O_CLOEXEC);
	PEER_CHECK(fd >= 0 && fd_send(sock, fd));
	close(fd);
	if (how->error)
		dma_fence_set_error(fence, how->error);
	while (turn_take(sock)) {
		dmabuf_sw_sync_inc(timeline, 1);
		/* The time at which it was signalled, for who wants it. */
		if (dma_fence_is_signaled(fence))
			PEER_CHECK(write(sock, &fence->timestamp,
					 sizeof(fence->timestamp)) > 0);
		PEER_CHECK(turn_give(sock));
	}
	dma_fence_put(fence);
	dmabuf_sw_sync_destroy(timeline);
	return 0;
}

/* Returns the fd that it sends. */
static int producer_start(struct peer *peer, struct producer *how)
{
	int fd;

	peer_start(peer, produce, how);
	fd = fd_recv(peer->sock);
	assert_true(fd >= 0);
	return fd;
}

/* When @signals, the time at which it did. */
static int64_t producer_step(struct peer *peer, bool signals)
{
	int64_t timestamp = 0;

	assert_true(turn_give(peer->sock));
	if (signals)
		assert_int_equal(read(peer->sock, &timestamp,
				      sizeof(timestamp)), sizeof(timestamp));
	assert_true(turn_take(peer->sock));
	return timestamp;
}

static void kill_and_wait(struct peer *peer)
{
	int status;

	kill(peer->pid, SIGKILL);
	status = peer_wait(peer);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static struct producer at_1 = { .value = 1 };
static struct producer at_2 = { .value = 2 };
static struct producer at_0 = { .value = 0 };
static struct producer failing = { .value = 1, .error = -EIO };

/* A fence of another process */

static void a_foreign_fence_is_asked_about(void **state)
{
	struct peer peer;
	int fd = producer_start(&peer, &at_2);
	struct dma_fence *fence = fence_of(fd);
	char text[32];
	int64_t when;

	(void)state;
	assert_int_equal(dma_fence_get_status(fence), 0);
	assert_string_equal(fence->ops->get_driver_name(fence), "sync_file");
	snprintf(text, sizeof(text), "pid %d", peer.pid);
	assert_string_equal(fence->ops->get_timeline_name(fence), text);
	assert_int_equal(fence->seqno, 1);
	producer_step(&peer, false);
	assert_false(dma_fence_is_signaled(fence));
	when = producer_step(&peer, true);
	assert_int_equal(dma_fence_get_status(fence), 1);
	assert_int_equal(dma_fence_timestamp(fence), when);
	assert_int_equal(events_of(fd), POLLIN);
	dma_fence_put(fence);
	close(fd);
	peer_join(&peer);
}

/* Who asks with the lock held gets the same answer. */
static void a_foreign_fence_is_asked_with_its_lock_held(void **state)
{
	struct peer peer;
	int fd = producer_start(&peer, &at_1);
	struct dma_fence *fence = fence_of(fd);
	int64_t when;

	(void)state;
	pthread_mutex_lock(fence->lock);
	assert_false(dma_fence_is_signaled_locked(fence));
	pthread_mutex_unlock(fence->lock);
	when = producer_step(&peer, true);
	pthread_mutex_lock(fence->lock);
	assert_true(dma_fence_is_signaled_locked(fence));
	/* And still has it. */
	assert_int_equal(pthread_mutex_trylock(fence->lock), EBUSY);
	assert_int_equal(pthread_mutex_unlock(fence->lock), 0);
	assert_int_equal(dma_fence_timestamp(fence), when);
	dma_fence_put(fence);
	close(fd);
	peer_join(&peer);
}

static void a_foreign_fence_that_was_done_is_done(void **state)
{
	struct peer peer;
	int fd = producer_start(&peer, &at_0);
	struct dma_fence *fence = fence_of(fd);

	(void)state;
	assert_int_equal(dma_fence_get_status(fence), 1);
	assert_int_equal(status_of(fd), 1);
	dma_fence_put(fence);
	close(fd);
	peer_join(&peer);
}

static void a_foreign_error_gets_here(void **state)
{
	struct peer peer;
	int fd = producer_start(&peer, &failing);
	struct dma_fence *fence = fence_of(fd);

	(void)state;
	assert_int_equal(dma_fence_get_status(fence), 0);
	producer_step(&peer, true);
	assert_int_equal(dma_fence_wait(fence, false), 0);
	assert_int_equal(dma_fence_get_status(fence), -EIO);
	assert_int_equal(status_of(fd), -EIO);
	dma_fence_put(fence);
	close(fd);
	peer_join(&peer);
}

static void two_imports_are_one_fence_while_it_lives(void **state)
{
	struct peer peer;
	int fd = producer_start(&peer, &at_1);
	int copy = dup(fd);
	struct dma_fence *first = fence_of(fd);
	struct dma_fence *second = fence_of(copy);

	(void)state;
	assert_ptr_equal(first, second);
	assert_int_equal(first->refcount, 2);
	dma_fence_put(first);
	dma_fence_put(second);
	first = fence_of(copy);
	assert_int_equal(first->refcount, 1);
	dma_fence_put(first);
	close(fd);
	close(copy);
	peer_join(&peer);
}

/* It has a copy of its own. */
static void a_foreign_fence_outlives_the_fd_it_came_by(void **state)
{
	struct peer peer;
	int fd = producer_start(&peer, &at_1);
	struct dma_fence *fence = fence_of(fd);

	(void)state;
	close(fd);
	producer_step(&peer, true);
	assert_int_equal(dma_fence_get_status(fence), 1);
	dma_fence_put(fence);
	peer_join(&peer);
}

/* Being told */

static void callbacks_run_in_dispatch(void **state)
{
	struct pollfd event = { .fd = dmabuf_event_fd(), .events = POLLIN };
	struct count_cb cb = { 0 };
	struct peer peer;
	int fd = producer_start(&peer, &at_1);
	struct dma_fence *fence = fence_of(fd);
	int64_t when;

	(void)state;
	assert_int_equal(dma_fence_add_callback(fence, &cb.cb, count_cb_run),
			 0);
	when = producer_step(&peer, true);
	while (!cb.ran) {
		assert_int_equal(poll(&event, 1, 10000), 1);
		dmabuf_dispatch();
	}
	assert_int_equal(dma_fence_timestamp(fence), when);
	/* What has been seen is not told again. */
	assert_int_equal(poll(&event, 1, 0), 0);
	dma_fence_put(fence);
	close(fd);
	peer_join(&peer);
}

static void removed_callbacks_do_not_run(void **state)
{
	struct count_cb cb = { 0 };
	struct peer peer;
	int fd = producer_start(&peer, &at_1);
	struct dma_fence *fence = fence_of(fd);

	(void)state;
	dma_fence_add_callback(fence, &cb.cb, count_cb_run);
	assert_true(dma_fence_remove_callback(fence, &cb.cb));
	producer_step(&peer, true);
	dmabuf_dispatch();
	assert_true(dma_fence_is_signaled(fence));
	assert_int_equal(cb.ran, 0);
	dma_fence_put(fence);
	close(fd);
	peer_join(&peer);
}

/* A callback drops the last reference: of the proxy too. */
struct last_cb {
	struct dma_fence_cb cb;
	struct dma_fence *fence;
	bool ran;
};

static void note_it_ran(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct last_cb *last = (struct last_cb *)cb;

	(void)fence;
	last->ran = true;
}

static void waits_see_a_foreign_fence(void **state)
{
	struct peer peer;
	int fd = producer_start(&peer, &at_2);
	struct dma_fence *fence = fence_of(fd);

	(void)state;
	assert_int_equal(dma_fence_wait_timeout(fence, false, 0), 0);
	assert_int_equal(dma_fence_wait_timeout(fence, false, 1000000), 0);
	producer_step(&peer, false);
	/* It answers while this one sleeps. */
	assert_true(turn_give(peer.sock));
	assert_int_equal(dma_fence_wait(fence, false), 0);
	assert_int_equal(dma_fence_get_status(fence), 1);
	assert_true(dma_fence_wait_timeout(fence, false, 0) > 0);
	dma_fence_put(fence);
	close(fd);
	kill_and_wait(&peer);
}

static void a_wait_for_any_sees_the_foreign_one(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *fences[2] = { &mock->base };
	struct peer peer;
	int fd = producer_start(&peer, &at_1);
	uint32_t idx = 7;

	(void)state;
	fences[1] = fence_of(fd);
	assert_true(turn_give(peer.sock));
	assert_true(dma_fence_wait_any_timeout(fences, 2, false, INT64_MAX,
					       &idx) > 0);
	assert_int_equal(idx, 1);
	dma_fence_put(fences[1]);
	dma_fence_put(&mock->base);
	close(fd);
	kill_and_wait(&peer);
}

/* Nobody looks at the member but who waits for the array. */
static void a_wait_for_a_merge_sees_its_foreign_member(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct peer peer;
	int foreign = producer_start(&peer, &at_1);
	int own = sync_fd(&mock->base);
	int merged = merge_fds(own, foreign);
	struct dma_fence *fence = fence_of(merged);

	(void)state;
	assert_int_equal(leaves_of(merged), 2);
	assert_int_equal(events_of(merged), 0);
	dma_fence_signal(&mock->base);
	assert_int_equal(dma_fence_get_status(fence), 0);
	assert_true(turn_give(peer.sock));
	assert_int_equal(dma_fence_wait(fence, false), 0);
	assert_int_equal(events_of(merged), POLLIN);
	dma_fence_put(fence);
	close(merged);
	close(own);
	close(foreign);
	dmabuf_dispatch();
	dma_fence_put(&mock->base);
	kill_and_wait(&peer);
}

static void a_foreign_fence_keeps_a_buffer_busy(void **state)
{
	struct dma_buf *dmabuf = memfd_export(4096, O_RDWR);
	struct peer peer;
	int fd = producer_start(&peer, &at_1);

	(void)state;
	assert_int_equal(dma_buf_import_sync_file(dmabuf, DMA_BUF_SYNC_WRITE,
						  fd), 0);
	close(fd);
	assert_false(dma_resv_test_signaled(dmabuf->resv,
					    DMA_RESV_USAGE_WRITE));
	assert_true(turn_give(peer.sock));
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	assert_true(dma_resv_test_signaled(dmabuf->resv, DMA_RESV_USAGE_WRITE));
	dma_buf_put(dmabuf);
	kill_and_wait(&peer);
}

/* A producer that dies */

static void a_waiter_gets_to_know_of_the_death(void **state)
{
	struct peer peer;
	int fd = producer_start(&peer, &at_1);
	struct dma_fence *fence = fence_of(fd);

	(void)state;
	assert_int_equal(kill(peer.pid, SIGKILL), 0);
	assert_int_equal(dma_fence_wait(fence, false), 0);
	assert_int_equal(dma_fence_get_status(fence), -EOWNERDEAD);
	assert_true(dma_fence_timestamp(fence) > 0);
	assert_true(events_of(fd) & POLLIN);
	dma_fence_put(fence);
	close(fd);
	peer_wait(&peer);
}

static void a_callback_gets_to_know_of_the_death(void **state)
{
	struct pollfd event = { .fd = dmabuf_event_fd(), .events = POLLIN };
	struct last_cb last = { 0 };
	struct peer peer;
	int fd = producer_start(&peer, &at_1);
	struct dma_fence *fence = fence_of(fd);

	(void)state;
	dma_fence_add_callback(fence, &last.cb, note_it_ran);
	kill_and_wait(&peer);
	while (!last.ran) {
		assert_int_equal(poll(&event, 1, 10000), 1);
		dmabuf_dispatch();
	}
	assert_int_equal(dma_fence_get_status(fence), -EOWNERDEAD);
	dma_fence_put(fence);
	close(fd);
}

static void death_is_found_by_who_asks_later(void **state)
{
	struct peer peer;
	int fd = producer_start(&peer, &at_1);
	struct dma_fence *fence;

	(void)state;
	kill_and_wait(&peer);
	assert_int_equal(status_of(fd), -EOWNERDEAD);
	fence = fence_of(fd);
	assert_int_equal(dma_fence_get_status(fence), -EOWNERDEAD);
	dma_fence_put(fence);
	close(fd);
}

static void death_after_the_signal_changes_nothing(void **state)
{
	struct peer peer;
	int fd = producer_start(&peer, &at_1);
	int64_t when = producer_step(&peer, true);
	struct dma_fence *fence;

	(void)state;
	kill_and_wait(&peer);
	fence = fence_of(fd);
	assert_int_equal(dma_fence_get_status(fence), 1);
	assert_int_equal(dma_fence_timestamp(fence), when);
	dma_fence_put(fence);
	close(fd);
}

static void death_fails_a_merge(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct peer peer;
	int foreign = producer_start(&peer, &at_1);
	int own = sync_fd(&mock->base);
	int merged = merge_fds(own, foreign);
	struct dma_fence *fence = fence_of(merged);

	(void)state;
	assert_int_equal(kill(peer.pid, SIGKILL), 0);
	dma_fence_signal(&mock->base);
	assert_int_equal(dma_fence_wait(fence, false), 0);
	assert_int_equal(dma_fence_get_status(fence), -EOWNERDEAD);
	dma_fence_put(fence);
	close(merged);
	close(own);
	close(foreign);
	dmabuf_dispatch();
	dma_fence_put(&mock->base);
	peer_wait(&peer);
}

/* A consumer that dies */

static int take_an_fd_and_hold_it(int sock, void *data)
{
	int fd = fd_recv(sock);
	struct dma_fence *fence = sync_file_get_fence(fd);

	(void)data;
	PEER_CHECK(fd >= 0 && fence);
	PEER_CHECK(!dma_fence_is_signaled(fence));
	PEER_CHECK(turn_give(sock));
	/* Killed here. */
	dma_fence_wait(fence, false);
	return 1;
}

static void the_death_of_a_consumer_gives_the_fence_back(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct peer peer;
	int fd;

	(void)state;
	peer_start(&peer, take_an_fd_and_hold_it, NULL);
	fd = sync_fd(&mock->base);
	assert_true(fd_send(peer.sock, fd));
	close(fd);
	assert_true(turn_take(peer.sock));
	dmabuf_dispatch();
	assert_int_equal(mock->base.refcount, 2);
	kill_and_wait(&peer);
	dmabuf_dispatch();
	assert_int_equal(mock->base.refcount, 1);
	assert_int_equal(dma_fence_signal(&mock->base), 0);
	dma_fence_put(&mock->base);
}

/* Passing on */

/* Passes what it gets to the next one, as a fence or as an fd; waits to die. */
struct hop {
	int next;
	bool as_fence;
};

static int hop_pass_on(int sock, void *data)
{
	const struct hop *hop = data;
	int fd = fd_recv(sock);
	struct dma_fence *fence;

	PEER_CHECK(fd >= 0);
	if (hop->as_fence) {
		fence = sync_file_get_fence(fd);
		PEER_CHECK(fence);
		close(fd);
		fd = dmabuf_sync_file_fd(fence, O_CLOEXEC);
		PEER_CHECK(fd >= 0);
		dma_fence_put(fence);
	}
	PEER_CHECK(fd_send(hop->next, fd));
	turn_take(sock);
	return 1;
}

static int wait_for_what_comes(int sock, void *data)
{
	int wanted = *(int *)data;
	int fd = fd_recv(sock);
	struct dma_fence *fence = sync_file_get_fence(fd);

	PEER_CHECK(fd >= 0 && fence);
	PEER_CHECK(turn_give(sock));
	PEER_CHECK(dma_fence_wait(fence, false) == 0);
	PEER_CHECK(dma_fence_get_status(fence) == wanted);
	dma_fence_put(fence);
	close(fd);
	return 0;
}

/* Through a middleman who is dead by the time it is signalled. */
static void passed_on_twice(bool as_fence)
{
	struct mock_fence *mock = mock_fence_new();
	struct hop hop = { .as_fence = as_fence };
	struct peer last, middle;
	int wanted = 1;
	int fd;

	peer_start(&last, wait_for_what_comes, &wanted);
	hop.next = last.sock;
	peer_start(&middle, hop_pass_on, &hop);
	fd = sync_fd(&mock->base);
	assert_true(fd_send(middle.sock, fd));
	close(fd);
	assert_true(turn_take(last.sock));
	kill_and_wait(&middle);
	dmabuf_dispatch();
	assert_int_equal(mock->base.refcount, 2);
	dma_fence_signal(&mock->base);
	peer_join(&last);
	dmabuf_dispatch();
	assert_int_equal(mock->base.refcount, 1);
	dma_fence_put(&mock->base);
}

static void an_fd_is_passed_on_twice(void **state)
{
	(void)state;
	passed_on_twice(false);
}

static void a_fence_is_passed_on_twice(void **state)
{
	(void)state;
	passed_on_twice(true);
}

static void an_fd_comes_home(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct hop hop = { .as_fence = true };
	struct dma_fence *fence;
	struct peer middle;
	int pair[2];
	int fd;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				    pair), 0);
	hop.next = pair[1];
	peer_start(&middle, hop_pass_on, &hop);
	fd = sync_fd(&mock->base);
	assert_true(fd_send(middle.sock, fd));
	close(fd);
	fd = fd_recv(pair[0]);
	fence = fence_of(fd);
	assert_ptr_equal(fence, &mock->base);
	dma_fence_put(fence);
	close(fd);
	close(pair[0]);
	close(pair[1]);
	kill_and_wait(&middle);
	dmabuf_dispatch();
	assert_int_equal(mock->base.refcount, 1);
	dma_fence_put(&mock->base);
}

/* A name is of one file: this one is a pair, and needs this process. */
static void a_named_copy_of_a_foreign_fence_is_told_by_this_process(void **state)
{
	struct peer peer;
	int foreign = producer_start(&peer, &at_1);
	int named = merge_fds(foreign, foreign);
	int unnamed = dmabuf_sync_file_merge(NULL, foreign, foreign);
	struct dma_fence *fences[3];
	unsigned int i;

	(void)state;
	fences[0] = fence_of(foreign);
	fences[1] = fence_of(named);
	fences[2] = fence_of(unnamed);
	for (i = 0; i < 3; i++)
		assert_ptr_equal(fences[i], fences[0]);
	assert_true(turn_give(peer.sock));
	assert_true(wait_readable(unnamed));
	assert_int_equal(dma_fence_wait(fences[0], false), 0);
	assert_int_equal(events_of(named), POLLIN);
	for (i = 0; i < 3; i++)
		dma_fence_put(fences[i]);
	close(foreign);
	close(named);
	close(unnamed);
	kill_and_wait(&peer);
	dmabuf_dispatch();
}

/* Programs without the library */

static bool epoll_waits(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	return !epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) &&
	       epoll_wait(epoll, &event, 1, 10000) == 1 &&
	       event.events == EPOLLIN;
}

static bool select_waits(int fd)
{
	struct timeval limit = { .tv_sec = 10 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return select(fd + 1, &set, NULL, NULL, &limit) == 1;
}

static bool poll_waits(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return poll(&pollfd, 1, 10000) == 1 && pollfd.revents == POLLIN;
}

static int wait_without_the_library(int sock, void *data)
{
	bool (*waits)(int fd) = *(bool (**)(int fd))data;
	int fd = fd_recv(sock);

	PEER_CHECK(fd >= 0 && !events_of(fd));
	PEER_CHECK(turn_give(sock));
	PEER_CHECK(waits(fd));
	PEER_CHECK(waits(fd));
	return 0;
}

static void programs_without_the_library_wait_too(void **state)
{
	static bool (*const waits[])(int fd) = {
		poll_waits, select_waits, epoll_waits,
	};
	struct mock_fence *mock = mock_fence_new();
	struct peer peers[3];
	unsigned int i;
	int fd;

	(void)state;
	for (i = 0; i < 3; i++)
		peer_start(&peers[i], wait_without_the_library,
			   (void *)&waits[i]);
	fd = sync_fd(&mock->base);
	for (i = 0; i < 3; i++) {
		assert_true(fd_send(peers[i].sock, fd));
		assert_true(turn_take(peers[i].sock));
	}
	close(fd);
	dma_fence_signal(&mock->base);
	for (i = 0; i < 3; i++)
		peer_join(&peers[i]);
	dmabuf_dispatch();
	dma_fence_put(&mock->base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(a_foreign_fence_is_asked_about),
		LEAK_TEST(a_foreign_fence_is_asked_with_its_lock_held),
		LEAK_TEST(a_foreign_fence_that_was_done_is_done),
		LEAK_TEST(a_foreign_error_gets_here),
		LEAK_TEST(two_imports_are_one_fence_while_it_lives),
		LEAK_TEST(a_foreign_fence_outlives_the_fd_it_came_by),
		LEAK_TEST(callbacks_run_in_dispatch),
		LEAK_TEST(removed_callbacks_do_not_run),
		LEAK_TEST(waits_see_a_foreign_fence),
		LEAK_TEST(a_wait_for_any_sees_the_foreign_one),
		LEAK_TEST(a_wait_for_a_merge_sees_its_foreign_member),
		LEAK_TEST(a_foreign_fence_keeps_a_buffer_busy),
		LEAK_TEST(a_waiter_gets_to_know_of_the_death),
		LEAK_TEST(a_callback_gets_to_know_of_the_death),
		LEAK_TEST(death_is_found_by_who_asks_later),
		LEAK_TEST(death_after_the_signal_changes_nothing),
		LEAK_TEST(death_fails_a_merge),
		LEAK_TEST(the_death_of_a_consumer_gives_the_fence_back),
		LEAK_TEST(an_fd_is_passed_on_twice),
		LEAK_TEST(a_fence_is_passed_on_twice),
		LEAK_TEST(an_fd_comes_home),
		LEAK_TEST(a_named_copy_of_a_foreign_fence_is_told_by_this_process),
		LEAK_TEST(programs_without_the_library_wait_too),
	};

	return cmocka_run_group_tests_name("sync/processes", tests,
					   leaks_group_setup, NULL) != 0;
}
