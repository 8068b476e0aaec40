/* SPDX-License-Identifier: MIT */
/*
 * test-dma-fence-cancel.c - threads that are cancelled at a fence
 *
 * Nothing that happens at one is a cancellation point: in the middle are locks
 * held, and callbacks on the stack.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "attached.h"
#include "fenced.h"
#include "held.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "mock-fence.h"
#include "polling.h"
#include "waiter.h"

/* A thread that is cancelled before it signals, and hears of it afterwards. */
struct signaller {
	struct dma_fence *fence;
	bool through;
};

static void *signal_with_a_cancel_pending(void *data)
{
	struct signaller *signaller = data;

	pthread_cancel(pthread_self());
	dma_fence_signal(signaller->fence);
	signaller->through = true;
	pthread_testcancel();
	return NULL;
}

/* What hangs on the fence by now is told, and nothing is left locked. */
static void signal_and_be_cancelled(struct mock_fence *fence)
{
	struct signaller signaller = { .fence = &fence->base };
	struct count_cb last = { .ran = 0 };
	pthread_t thread;
	void *ret;

	assert_int_equal(dma_fence_add_callback(&fence->base, &last.cb,
						count_cb_run), 0);
	assert_int_equal(pthread_create(&thread, NULL,
					signal_with_a_cancel_pending,
					&signaller), 0);
	assert_int_equal(pthread_join(thread, &ret), 0);
	assert_ptr_equal(ret, PTHREAD_CANCELED);
	assert_false(mutex_is_held(&fence->lock));
	assert_true(signaller.through);
	assert_int_equal(last.ran, 1);
}

static void cancelled_signaller_wakes_a_waiter(void **state)
{
	struct mock_fence *fence = mock_fence_new();
	struct waiter waiter = { .fence = &fence->base, .timeout = INT64_MAX };

	(void)state;
	waiter_start(&waiter);
	waiter_asleep(&waiter);
	signal_and_be_cancelled(fence);
	assert_true(waiter_join(&waiter) > 0);
	dma_fence_put(&fence->base);
}

static void cancelled_signaller_wakes_who_waits_for_any(void **state)
{
	struct mock_fence *mocks[2];
	struct dma_fence *fences[2];
	struct waiter waiter = {
		.fences = fences,
		.count = 2,
		.timeout = INT64_MAX,
	};

	(void)state;
	mock_fences_make(mocks, fences, 2);
	waiter_start(&waiter);
	waiter_asleep(&waiter);
	signal_and_be_cancelled(mocks[1]);
	assert_true(waiter_join(&waiter) > 0);
	assert_int_equal(waiter.idx, 1);
	mock_fences_put(fences, 2);
}

static void cancelled_signaller_tells_a_poll(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = mock_fence_new();
	struct pollfd event = { .fd = dmabuf_event_fd(), .events = POLLIN };

	(void)state;
	add_to(dmabuf->resv, fence, DMA_RESV_USAGE_WRITE);
	assert_int_equal(dma_buf_poll(dmabuf, POLLIN), 0);
	signal_and_be_cancelled(fence);
	assert_int_equal(poll(&event, 1, 10000), 1);
	assert_int_equal(dmabuf_dispatch(), 0);
	assert_int_equal(dma_buf_poll(dmabuf, POLLIN), POLLIN);
	stage_end("release");
	finish(fence);
}

static void cancelled_signaller_tells_a_sync_file(void **state)
{
	struct mock_fence *fence = mock_fence_new();
	struct pollfd file = { .events = POLLIN };

	(void)state;
	file.fd = dmabuf_sync_file_fd(&fence->base, O_CLOEXEC);
	assert_true(file.fd >= 0);
	signal_and_be_cancelled(fence);
	assert_int_equal(poll(&file, 1, 10000), 1);
	close(file.fd);
	dmabuf_dispatch();
	dma_fence_put(&fence->base);
}

/* It sleeps on: nobody may call into a stack that is gone. */
static void cancelled_waiter_waits_to_the_end(void **state)
{
	struct mock_fence *fence = mock_fence_new();
	struct waiter waiter = { .fence = &fence->base, .timeout = INT64_MAX };

	(void)state;
	waiter_start(&waiter);
	waiter_asleep(&waiter);
	assert_int_equal(pthread_cancel(waiter.thread), 0);
	signal_and_be_cancelled(fence);
	assert_true(waiter_join(&waiter) > 0);
	assert_true(waiter_done(&waiter));
	mock_fences_put((struct dma_fence *[]){ &fence->base }, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(cancelled_signaller_wakes_a_waiter),
		LEAK_TEST(cancelled_signaller_wakes_who_waits_for_any),
		LEAK_TEST(cancelled_signaller_tells_a_poll),
		LEAK_TEST(cancelled_signaller_tells_a_sync_file),
		LEAK_TEST(cancelled_waiter_waits_to_the_end),
	};
	int bad = 0;

	bad |= cmocka_run_group_tests_name("dma_fence/cancel", tests,
					   leaks_group_setup, NULL);
	bad |= cmocka_run_group_tests_name("dma_fence/cancel, polling", tests,
					   polling_setup, polling_teardown);
	return bad != 0;
}
