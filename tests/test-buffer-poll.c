/* SPDX-License-Identifier: MIT */
/* test-buffer-poll.c - asking whether a buffer is ready, and being told */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "actor.h"
#include "assert-bug.h"
#include "attached.h"
#include "fenced.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "mock-fence.h"

static struct mock_fence *pending(struct dma_buf *dmabuf,
				  enum dma_resv_usage usage)
{
	struct mock_fence *fence = mock_fence_new();

	add_to(dmabuf->resv, fence, usage);
	return fence;
}

static bool event_in(int ms)
{
	struct pollfd event = { .fd = dmabuf_event_fd(), .events = POLLIN };

	return poll(&event, 1, ms) == 1;
}

/* The event fd is readable, and dispatching makes it quiet. */
static void event_take(void)
{
	assert_true(event_in(10000));
	assert_int_equal(dmabuf_dispatch(), 0);
	assert_false(event_in(0));
}

#define BOTH (POLLIN | POLLOUT)

/* Questions */

static void poll_without_a_buffer_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(dma_buf_poll(NULL, POLLIN), POLLERR);
	assert_int_equal(dma_buf_poll(NULL, 0), POLLERR);
}

static void poll_for_other_events_asks_nobody(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = pending(dmabuf, DMA_RESV_USAGE_KERNEL);

	(void)state;
	assert_int_equal(dma_buf_poll(dmabuf, POLLPRI | POLLERR | POLLHUP), 0);
	assert_int_equal(dma_buf_poll(dmabuf, 0), 0);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	assert_int_equal(fence->nr_enable, 0);
	stage_end("release");
	finish(fence);
}

static void idle_buffer_is_ready_for_both(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);

	(void)state;
	assert_int_equal(dma_buf_poll(dmabuf, POLLIN), POLLIN);
	assert_int_equal(dma_buf_poll(dmabuf, POLLOUT), POLLOUT);
	assert_int_equal(dma_buf_poll(dmabuf, BOTH | POLLPRI), BOTH);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	assert_int_equal(dmabuf->cb_in.active, 0);
	assert_int_equal(dmabuf->cb_out.active, 0);
	stage_end("release");
}

/* What a fence of this usage leaves ready. */
static short ready_beside(enum dma_resv_usage usage)
{
	switch (usage) {
	case DMA_RESV_USAGE_READ:
		return POLLIN;
	case DMA_RESV_USAGE_BOOKKEEP:
		return BOTH;
	default:
		return 0;
	}
}

static void pending_fence_is_in_the_way(void **state)
{
	static const short questions[] = { POLLIN, POLLOUT, BOTH };
	enum dma_resv_usage usage = usage_of(state);
	struct dma_buf *dmabuf;
	struct mock_fence *fence;
	unsigned int i;
	short ready, armed;

	for (i = 0; i < 3; i++) {
		dmabuf = stage_begin(0);
		fence = pending(dmabuf, usage);
		ready = questions[i] & ready_beside(usage);
		armed = questions[i] & ~ready;
		assert_int_equal(dma_buf_poll(dmabuf, questions[i]), ready);
		assert_int_equal(dmabuf->cb_in.active, armed & POLLIN);
		assert_int_equal(dmabuf->cb_out.active, armed & POLLOUT);
		assert_int_equal(fence->nr_enable, armed != 0);
		assert_int_equal(dmabuf_refcount(dmabuf),
				 1 + !!(armed & POLLIN) + !!(armed & POLLOUT));
		dma_fence_signal(&fence->base);
		assert_int_equal(dmabuf_refcount(dmabuf), 1);
		assert_int_equal(dma_buf_poll(dmabuf, questions[i]),
				 questions[i]);
		stage_end("release");
		finish(fence);
		if (armed)
			event_take();
	}
}

static void signalled_fence_is_not_in_the_way(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = pending(dmabuf, usage_of(state));

	dma_fence_signal(&fence->base);
	assert_int_equal(dma_buf_poll(dmabuf, BOTH), BOTH);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	stage_end("release");
	finish(fence);
}

static void fence_that_ends_when_asked_is_not_in_the_way(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = mock_fence_new();

	fence->refuse_enable = true;
	add_to(dmabuf->resv, fence, usage_of(state));
	assert_int_equal(dma_buf_poll(dmabuf, BOTH), BOTH);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	assert_int_equal(fence_refs(fence), 2);
	stage_end("release");
	finish(fence);
}

static void do_poll(void *dmabuf)
{
	dma_buf_poll(dmabuf, POLLIN);
}

static void poll_under_the_reservation_is_a_bug(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);

	(void)state;
	dma_resv_lock(dmabuf->resv, NULL);
	assert_bug_caught(do_poll, dmabuf, "BUG: dma_buf_poll: ");
	dma_resv_unlock(dmabuf->resv);
	assert_int_equal(dma_buf_poll(dmabuf, POLLIN), POLLIN);
	stage_end("release");
}

/* Being told */

static void event_fd_tells_of_the_fence(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = pending(dmabuf, DMA_RESV_USAGE_WRITE);

	(void)state;
	assert_int_equal(dma_buf_poll(dmabuf, POLLIN), 0);
	assert_int_equal(dmabuf_dispatch(), 0);
	assert_false(event_in(0));
	dma_fence_signal(&fence->base);
	event_take();
	assert_int_equal(dma_buf_poll(dmabuf, POLLIN), POLLIN);
	stage_end("release");
	finish(fence);
}

static void fence_that_nobody_polls_for_is_no_event(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = pending(dmabuf, DMA_RESV_USAGE_READ);

	(void)state;
	assert_int_equal(dma_buf_poll(dmabuf, POLLIN), POLLIN);
	dma_fence_signal(&fence->base);
	assert_false(event_in(0));
	stage_end("release");
	finish(fence);
}

/* The reaper has dispatched: it released another buffer. */
static void reaper_has_a_turn(void)
{
	struct dma_buf *dmabuf;
	int fd;

	assert_int_equal(dmabuf_memfd_export(4096, O_RDWR, &dmabuf), 0);
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
	while (dmabuf_live_buffers() > 1)
		sched_yield();
}

/* The reaper's dispatch is not that of those who poll. */
static void reaper_takes_no_event_of_a_poll(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = pending(dmabuf, DMA_RESV_USAGE_WRITE);

	(void)state;
	assert_int_equal(dmabuf_reaper_start(), 0);
	assert_int_equal(dma_buf_poll(dmabuf, POLLIN), 0);
	dma_fence_signal(&fence->base);
	reaper_has_a_turn();
	dmabuf_reaper_stop();
	assert_true(event_in(10000));
	assert_int_equal(dma_buf_poll(dmabuf, POLLIN), POLLIN);
	event_take();
	stage_end("release");
	finish(fence);
}

static int64_t do_signal(void *fence)
{
	return dma_fence_signal(fence);
}

/*
 * Each direction has a callback, and the other thread makes the second while
 * the first is dispatched already: the fd need not be quiet then.
 */
static void event_comes_from_another_thread(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = pending(dmabuf, DMA_RESV_USAGE_WRITE);
	struct actor other;

	(void)state;
	actor_start(&other);
	assert_int_equal(dma_buf_poll(dmabuf, BOTH), 0);
	actor_begin(&other, do_signal, &fence->base);
	while (dma_buf_poll(dmabuf, BOTH) != BOTH) {
		assert_true(event_in(10000));
		assert_int_equal(dmabuf_dispatch(), 0);
	}
	actor_stop(&other);
	dmabuf_dispatch();
	stage_end("release");
	finish(fence);
}

static void direction_has_one_callback_for_all_that_ask(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = pending(dmabuf, DMA_RESV_USAGE_READ);
	unsigned int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		assert_int_equal(dma_buf_poll(dmabuf, POLLOUT), 0);
		assert_int_equal(dmabuf_refcount(dmabuf), 2);
		assert_int_equal(fence_refs(fence), 3);
	}
	assert_int_equal(fence->nr_enable, 1);
	dma_fence_signal(&fence->base);
	assert_int_equal(fence_refs(fence), 2);
	event_take();
	stage_end("release");
	finish(fence);
}

/* The callback sits on one fence: the next question moves it on. */
static void several_fences_take_several_rounds(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fences[3];
	unsigned int i;

	(void)state;
	for (i = 0; i < 3; i++)
		fences[i] = pending(dmabuf, usages[i]);
	for (i = 0; i < 3; i++) {
		assert_int_equal(dma_buf_poll(dmabuf, POLLOUT), 0);
		assert_int_equal(fences[i]->nr_enable, 1);
		if (i < 2)
			assert_int_equal(fences[i + 1]->nr_enable, 0);
		dma_fence_signal(&fences[i]->base);
		event_take();
	}
	assert_int_equal(dma_buf_poll(dmabuf, POLLOUT), POLLOUT);
	stage_end("release");
	finish_all(fences, 3);
}

static void callback_stays_though_another_fence_ends(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *first = pending(dmabuf, DMA_RESV_USAGE_WRITE);
	struct mock_fence *second = pending(dmabuf, DMA_RESV_USAGE_WRITE);

	(void)state;
	assert_int_equal(dma_buf_poll(dmabuf, POLLIN), 0);
	dma_fence_signal(&second->base);
	assert_false(event_in(0));
	assert_int_equal(dma_buf_poll(dmabuf, POLLIN), 0);
	dma_fence_signal(&first->base);
	event_take();
	assert_int_equal(dma_buf_poll(dmabuf, POLLIN), POLLIN);
	stage_end("release");
	finish(first);
	finish(second);
}

/* Also when that fence is on the reservation no more. */
static void armed_direction_is_not_ready_until_its_fence_ends(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *old = pending(dmabuf, DMA_RESV_USAGE_WRITE);
	struct mock_fence *done = mock_fence_new();

	(void)state;
	dma_fence_signal(&done->base);
	assert_int_equal(dma_buf_poll(dmabuf, POLLIN), 0);
	dma_resv_lock(dmabuf->resv, NULL);
	dma_resv_replace_fences(dmabuf->resv, old->base.context, &done->base,
				DMA_RESV_USAGE_WRITE);
	dma_resv_unlock(dmabuf->resv);
	assert_int_equal(dma_buf_poll(dmabuf, BOTH), POLLOUT);
	dma_fence_signal(&old->base);
	event_take();
	assert_int_equal(dma_buf_poll(dmabuf, BOTH), BOTH);
	stage_end("release");
	finish(old);
	finish(done);
}

static void directions_wait_for_different_fences(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *reads = pending(dmabuf, DMA_RESV_USAGE_READ);
	struct mock_fence *writes = pending(dmabuf, DMA_RESV_USAGE_WRITE);

	(void)state;
	assert_int_equal(dma_buf_poll(dmabuf, BOTH), 0);
	assert_int_equal(dmabuf_refcount(dmabuf), 3);
	dma_fence_signal(&writes->base);
	event_take();
	assert_int_equal(dmabuf_refcount(dmabuf), 2);
	assert_int_equal(dma_buf_poll(dmabuf, BOTH), POLLIN);
	dma_fence_signal(&reads->base);
	event_take();
	assert_int_equal(dma_buf_poll(dmabuf, BOTH), BOTH);
	stage_end("release");
	finish(reads);
	finish(writes);
}

static void failed_work_is_done_for_a_poll(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = pending(dmabuf, DMA_RESV_USAGE_WRITE);

	(void)state;
	assert_int_equal(dma_buf_poll(dmabuf, BOTH), 0);
	dma_fence_set_error(&fence->base, -1);
	dma_fence_signal(&fence->base);
	event_take();
	assert_int_equal(dma_buf_poll(dmabuf, BOTH), BOTH);
	stage_end("release");
	finish(fence);
}

static void buffers_with_one_reservation_poll_each(void **state)
{
	struct mock mocks[2];
	struct mock_fence *fence = added(DMA_RESV_USAGE_WRITE);
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		mock_init(&mocks[i], 4096, 0);
		mocks[i].info.resv = &resv;
		mock_export_inited(&mocks[i]);
		assert_int_equal(dma_buf_poll(mocks[i].dmabuf, POLLIN), 0);
	}
	assert_int_equal(fence_refs(fence), 4);
	dma_fence_signal(&fence->base);
	event_take();
	for (i = 0; i < 2; i++) {
		assert_int_equal(dma_buf_poll(mocks[i].dmabuf, POLLIN), POLLIN);
		dma_buf_put(mocks[i].dmabuf);
	}
	finish(fence);
}

/* The reference of an armed callback */

static void armed_poll_keeps_the_buffer(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = pending(dmabuf, DMA_RESV_USAGE_WRITE);

	(void)state;
	assert_int_equal(dma_buf_poll(dmabuf, BOTH), 0);
	dma_buf_put(dmabuf);
	assert_log(&mock, "");
	assert_int_equal(dmabuf_refcount(dmabuf), 2);
	finish(fence);
	assert_log(&mock, "release");
	dmabuf_device_destroy(dev);
	event_take();
}

static void hook_no_fence_lock(struct mock *m, enum mock_op op,
			       struct dma_buf_attachment *attach)
{
	struct mock_fence *fence = m->hook_data;

	(void)op;
	(void)attach;
	if (pthread_mutex_trylock(&fence->lock))
		m->hook_data = NULL;
	else
		pthread_mutex_unlock(&fence->lock);
}

static void release_by_a_fence_runs_outside_its_lock(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = pending(dmabuf, DMA_RESV_USAGE_WRITE);

	(void)state;
	mock.hook = hook_no_fence_lock;
	mock.hook_data = fence;
	assert_int_equal(dma_buf_poll(dmabuf, POLLIN), 0);
	dma_buf_put(dmabuf);
	dma_fence_signal(&fence->base);
	assert_log(&mock, "release");
	assert_ptr_equal(mock.hook_data, fence);
	finish(fence);
	dmabuf_device_destroy(dev);
	event_take();
}

static void release_by_a_fence_waits_for_the_reservation(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = pending(dmabuf, DMA_RESV_USAGE_WRITE);

	(void)state;
	assert_int_equal(dma_buf_poll(dmabuf, POLLIN), 0);
	dma_buf_put(dmabuf);
	dma_resv_lock(&resv, NULL);
	dma_fence_signal(&fence->base);
	assert_log(&mock, "");
	dma_resv_unlock(&resv);
	assert_log(&mock, "release");
	dmabuf_device_destroy(dev);
	finish(fence);
	event_take();
}

/* Who signals with the lock held gives it back later: a thread releases. */
static void release_by_a_locked_signal_comes_soon(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = pending(dmabuf, DMA_RESV_USAGE_WRITE);

	(void)state;
	assert_int_equal(dma_buf_poll(dmabuf, POLLIN), 0);
	dma_buf_put(dmabuf);
	pthread_mutex_lock(&fence->lock);
	assert_int_equal(dma_fence_signal_locked(&fence->base), 0);
	pthread_mutex_unlock(&fence->lock);
	while (dmabuf_live_buffers())
		sched_yield();
	assert_log(&mock, "release");
	dmabuf_device_destroy(dev);
	finish(fence);
	event_take();
}

/* INV-REL-2 */

static void do_put(void *dmabuf)
{
	dma_buf_put(dmabuf);
}

static void put_is_a_bug_while(struct dma_buf *dmabuf, short *active,
			       short event)
{
	*active = event;
	assert_bug_caught(do_put, dmabuf, "BUG: dma_buf_put: ");
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	assert_log(&mock, "");
	*active = 0;
}

static void last_put_while_a_poll_waits_is_a_bug(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);

	(void)state;
	put_is_a_bug_while(dmabuf, &dmabuf->cb_in.active, POLLIN);
	put_is_a_bug_while(dmabuf, &dmabuf->cb_out.active, POLLOUT);
	assert_int_equal(dma_buf_poll(dmabuf, BOTH), BOTH);
	stage_end("release");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FENCED_TEST(poll_without_a_buffer_is_an_error),
		FENCED_TEST(poll_for_other_events_asks_nobody),
		FENCED_TEST(idle_buffer_is_ready_for_both),
		USAGE_TESTS(pending_fence_is_in_the_way),
		USAGE_TESTS(signalled_fence_is_not_in_the_way),
		USAGE_TESTS(fence_that_ends_when_asked_is_not_in_the_way),
		FENCED_TEST(poll_under_the_reservation_is_a_bug),
		FENCED_TEST(event_fd_tells_of_the_fence),
		FENCED_TEST(fence_that_nobody_polls_for_is_no_event),
		FENCED_TEST(reaper_takes_no_event_of_a_poll),
		FENCED_TEST(event_comes_from_another_thread),
		FENCED_TEST(direction_has_one_callback_for_all_that_ask),
		FENCED_TEST(several_fences_take_several_rounds),
		FENCED_TEST(callback_stays_though_another_fence_ends),
		FENCED_TEST(
			armed_direction_is_not_ready_until_its_fence_ends),
		FENCED_TEST(directions_wait_for_different_fences),
		FENCED_TEST(failed_work_is_done_for_a_poll),
		FENCED_TEST(buffers_with_one_reservation_poll_each),
		FENCED_TEST(armed_poll_keeps_the_buffer),
		FENCED_TEST(release_by_a_fence_runs_outside_its_lock),
		FENCED_TEST(release_by_a_fence_waits_for_the_reservation),
		FENCED_TEST(release_by_a_locked_signal_comes_soon),
		FENCED_TEST(last_put_while_a_poll_waits_is_a_bug),
	};

	return cmocka_run_group_tests_name("dma_buf/poll", tests,
					   leaks_group_setup, NULL) != 0;
}
