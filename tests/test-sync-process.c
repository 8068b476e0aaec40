/* SPDX-License-Identifier: MIT */
/* test-sync-process.c - fences of other processes, some of which die */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

/* A producer, and its fence here */
struct foreign {
	struct peer peer;
	int fd;
	struct dma_fence *fence;
};

static struct foreign foreign_begin(struct producer *how)
{
	struct foreign foreign;

	foreign.fd = producer_start(&foreign.peer, how);
	foreign.fence = fence_of(foreign.fd);
	return foreign;
}

static void foreign_drop(struct foreign *foreign)
{
	dma_fence_put(foreign->fence);
	close(foreign->fd);
}

static void foreign_end(struct foreign *foreign)
{
	foreign_drop(foreign);
	peer_join(&foreign->peer);
}

/* Where nobody has read what it answered. */
static void foreign_kill(struct foreign *foreign)
{
	foreign_drop(foreign);
	peer_kill(&foreign->peer);
}

static struct producer at_1 = { .value = 1 };
static struct producer at_2 = { .value = 2 };
static struct producer at_0 = { .value = 0 };
static struct producer failing = { .value = 1, .error = -EIO };

/* A fence of another process */

static void a_foreign_fence_is_asked_about(void **state)
{
	struct foreign it = foreign_begin(&at_2);
	char text[32];
	int64_t when;

	(void)state;
	assert_int_equal(dma_fence_get_status(it.fence), 0);
	assert_string_equal(it.fence->ops->get_driver_name(it.fence),
			    "sync_file");
	snprintf(text, sizeof(text), "pid %d", it.peer.pid);
	assert_string_equal(it.fence->ops->get_timeline_name(it.fence), text);
	assert_int_equal(it.fence->seqno, 1);
	producer_step(&it.peer, false);
	assert_false(dma_fence_is_signaled(it.fence));
	when = producer_step(&it.peer, true);
	assert_int_equal(dma_fence_get_status(it.fence), 1);
	assert_int_equal(dma_fence_timestamp(it.fence), when);
	assert_int_equal(events_of(it.fd), POLLIN);
	foreign_end(&it);
}

/* Who asks with the lock held gets the same answer. */
static void a_foreign_fence_is_asked_with_its_lock_held(void **state)
{
	struct foreign it = foreign_begin(&at_1);
	int64_t when;

	(void)state;
	pthread_mutex_lock(it.fence->lock);
	assert_false(dma_fence_is_signaled_locked(it.fence));
	pthread_mutex_unlock(it.fence->lock);
	when = producer_step(&it.peer, true);
	pthread_mutex_lock(it.fence->lock);
	assert_true(dma_fence_is_signaled_locked(it.fence));
	/* And still has it. */
	assert_int_equal(pthread_mutex_trylock(it.fence->lock), EBUSY);
	assert_int_equal(pthread_mutex_unlock(it.fence->lock), 0);
	assert_int_equal(dma_fence_timestamp(it.fence), when);
	foreign_end(&it);
}

static void a_foreign_fence_that_was_done_is_done(void **state)
{
	struct foreign it = foreign_begin(&at_0);

	(void)state;
	assert_int_equal(dma_fence_get_status(it.fence), 1);
	assert_int_equal(status_of(it.fd), 1);
	foreign_end(&it);
}

static void a_foreign_error_gets_here(void **state)
{
	struct foreign it = foreign_begin(&failing);

	(void)state;
	assert_int_equal(dma_fence_get_status(it.fence), 0);
	producer_step(&it.peer, true);
	assert_int_equal(dma_fence_wait(it.fence, false), 0);
	assert_int_equal(dma_fence_get_status(it.fence), -EIO);
	assert_int_equal(status_of(it.fd), -EIO);
	foreign_end(&it);
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
	struct foreign it = foreign_begin(&at_1);

	(void)state;
	close(it.fd);
	producer_step(&it.peer, true);
	assert_int_equal(dma_fence_get_status(it.fence), 1);
	dma_fence_put(it.fence);
	peer_join(&it.peer);
}

/* Being told */

static void dispatch_until_ran(const struct count_cb *cb)
{
	struct pollfd event = { .fd = dmabuf_event_fd(), .events = POLLIN };

	while (!cb->ran) {
		assert_int_equal(poll(&event, 1, 10000), 1);
		dmabuf_dispatch();
	}
}

static void callbacks_run_in_dispatch(void **state)
{
	struct pollfd event = { .fd = dmabuf_event_fd(), .events = POLLIN };
	struct count_cb cb = { 0 };
	struct foreign it = foreign_begin(&at_1);
	int64_t when;

	(void)state;
	assert_int_equal(dma_fence_add_callback(it.fence, &cb.cb, count_cb_run),
			 0);
	when = producer_step(&it.peer, true);
	dispatch_until_ran(&cb);
	assert_int_equal(dma_fence_timestamp(it.fence), when);
	/* What has been seen is not told again. */
	assert_int_equal(poll(&event, 1, 0), 0);
	foreign_end(&it);
}

static void removed_callbacks_do_not_run(void **state)
{
	struct count_cb cb = { 0 };
	struct foreign it = foreign_begin(&at_1);

	(void)state;
	dma_fence_add_callback(it.fence, &cb.cb, count_cb_run);
	assert_true(dma_fence_remove_callback(it.fence, &cb.cb));
	producer_step(&it.peer, true);
	dmabuf_dispatch();
	assert_true(dma_fence_is_signaled(it.fence));
	assert_int_equal(cb.ran, 0);
	foreign_end(&it);
}

static void waits_see_a_foreign_fence(void **state)
{
	struct foreign it = foreign_begin(&at_2);

	(void)state;
	assert_int_equal(dma_fence_wait_timeout(it.fence, false, 0), 0);
	assert_int_equal(dma_fence_wait_timeout(it.fence, false, 1000000), 0);
	producer_step(&it.peer, false);
	/* It answers while this one sleeps. */
	assert_true(turn_give(it.peer.sock));
	assert_int_equal(dma_fence_wait(it.fence, false), 0);
	assert_int_equal(dma_fence_get_status(it.fence), 1);
	assert_true(dma_fence_wait_timeout(it.fence, false, 0) > 0);
	foreign_kill(&it);
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
	peer_kill(&peer);
}

/* One fence of a producer's and one of this process */
struct merge {
	struct peer peer;
	struct mock_fence *own;
	int fds[2];			/* of the foreign one, and of @own */
	int fd;
	struct dma_fence *fence;
};

static struct merge merge_begin(struct producer *how)
{
	struct merge merge = { .own = mock_fence_new() };

	merge.fds[0] = producer_start(&merge.peer, how);
	merge.fds[1] = sync_fd(&merge.own->base);
	merge.fd = merge_fds(merge.fds[1], merge.fds[0]);
	merge.fence = fence_of(merge.fd);
	return merge;
}

static void merge_drop(struct merge *merge)
{
	dma_fence_put(merge->fence);
	close(merge->fd);
	close(merge->fds[0]);
	close(merge->fds[1]);
	dmabuf_dispatch();
	dma_fence_put(&merge->own->base);
}

/* Nobody looks at the member but who waits for the array. */
static void a_wait_for_a_merge_sees_its_foreign_member(void **state)
{
	struct merge it = merge_begin(&at_1);

	(void)state;
	assert_int_equal(leaves_of(it.fd), 2);
	assert_int_equal(events_of(it.fd), 0);
	dma_fence_signal(&it.own->base);
	assert_int_equal(dma_fence_get_status(it.fence), 0);
	assert_true(turn_give(it.peer.sock));
	assert_int_equal(dma_fence_wait(it.fence, false), 0);
	assert_int_equal(events_of(it.fd), POLLIN);
	merge_drop(&it);
	peer_kill(&it.peer);
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
	peer_kill(&peer);
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
	peer_kill(&peer);
	dmabuf_dispatch();
}

/* A producer that dies */

static void a_waiter_gets_to_know_of_the_death(void **state)
{
	struct foreign it = foreign_begin(&at_1);

	(void)state;
	assert_int_equal(kill(it.peer.pid, SIGKILL), 0);
	assert_int_equal(dma_fence_wait(it.fence, false), 0);
	assert_int_equal(dma_fence_get_status(it.fence), -EOWNERDEAD);
	assert_true(dma_fence_timestamp(it.fence) > 0);
	assert_true(events_of(it.fd) & POLLIN);
	foreign_drop(&it);
	peer_wait(&it.peer);
}

static void a_callback_gets_to_know_of_the_death(void **state)
{
	struct count_cb cb = { 0 };
	struct foreign it = foreign_begin(&at_1);

	(void)state;
	dma_fence_add_callback(it.fence, &cb.cb, count_cb_run);
	peer_kill(&it.peer);
	dispatch_until_ran(&cb);
	assert_int_equal(dma_fence_get_status(it.fence), -EOWNERDEAD);
	foreign_drop(&it);
}

static void death_is_found_by_who_asks_later(void **state)
{
	struct peer peer;
	int fd = producer_start(&peer, &at_1);
	struct dma_fence *fence;

	(void)state;
	peer_kill(&peer);
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
	peer_kill(&peer);
	fence = fence_of(fd);
	assert_int_equal(dma_fence_get_status(fence), 1);
	assert_int_equal(dma_fence_timestamp(fence), when);
	dma_fence_put(fence);
	close(fd);
}

static void death_fails_a_merge(void **state)
{
	struct merge it = merge_begin(&at_1);

	(void)state;
	assert_int_equal(kill(it.peer.pid, SIGKILL), 0);
	dma_fence_signal(&it.own->base);
	assert_int_equal(dma_fence_wait(it.fence, false), 0);
	assert_int_equal(dma_fence_get_status(it.fence), -EOWNERDEAD);
	merge_drop(&it);
	peer_wait(&it.peer);
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
		LEAK_TEST(a_named_copy_of_a_foreign_fence_is_told_by_this_process),
		LEAK_TEST(a_waiter_gets_to_know_of_the_death),
		LEAK_TEST(a_callback_gets_to_know_of_the_death),
		LEAK_TEST(death_is_found_by_who_asks_later),
		LEAK_TEST(death_after_the_signal_changes_nothing),
		LEAK_TEST(death_fails_a_merge),
	};

	return cmocka_run_group_tests_name("sync/processes", tests,
					   leaks_group_setup, NULL) != 0;
}
