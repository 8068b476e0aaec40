/* SPDX-License-Identifier: MIT */
/* test-dma-fence-order.c - who comes to a fence while another is at it */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-fence.h"
#include "waiter.h"

/*
 * Another thread, that is started from inside an op or callback: until the
 * fence's lock stops it, or, should it not, until it is through.
 */
static void waiter_meets_the_lock(struct waiter *waiter)
{
	pid_t tid;

	waiter_start(waiter);
	while (!waiter_done(waiter)) {
		tid = __atomic_load_n(&waiter->tid, __ATOMIC_ACQUIRE);
		if (tid && thread_is_blocked(tid))
			return;
		sched_yield();
	}
}

/* Enabling */

static struct waiter waiter;		/* of the test that runs */
static bool enabled;			/* enable_signaling is over; atomic */
static bool waited_early;		/* atomic */

static bool enable_with_a_waiter(struct dma_fence *fence)
{
	waiter.fence = fence;
	waiter_meets_the_lock(&waiter);
	__atomic_store_n(&enabled, true, __ATOMIC_RELEASE);
	return false;
}

static int64_t wait_after_enabling(struct dma_fence *fence, bool intr,
				   int64_t timeout)
{
	if (!__atomic_load_n(&enabled, __ATOMIC_ACQUIRE))
		__atomic_store_n(&waited_early, true, __ATOMIC_RELAXED);
	return dma_fence_default_wait(fence, intr, timeout);
}

/* One thread enables; the other one comes to wait meanwhile. */
static void wait_beside_enabling(struct dma_fence_ops *ops, int64_t timeout)
{
	struct mock_fence *mock = mock_fence_new();

	ops->enable_signaling = enable_with_a_waiter;
	mock->base.ops = ops;
	waiter = (struct waiter){ .timeout = timeout };
	enabled = false;
	waited_early = false;
	dma_fence_enable_sw_signaling(&mock->base);
	assert_true(waiter_join(&waiter) > 0);
	assert_int_equal(dma_fence_get_status(&mock->base), 1);
	dma_fence_put(&mock->base);
}

static void wait_without_time_hears_what_enabling_says(void **state)
{
	struct dma_fence_ops ops = mock_fence_ops;

	(void)state;
	wait_beside_enabling(&ops, 0);
}

static void wait_op_comes_after_enabling(void **state)
{
	struct dma_fence_ops ops = mock_fence_ops;

	(void)state;
	ops.wait = wait_after_enabling;
	wait_beside_enabling(&ops, 5);
	assert_false(waited_early);
}

/* Signalling */

struct late {
	struct dma_fence_cb cb;		/* first */
	pthread_t thread;
	pid_t tid;			/* atomic; 0: it does not run yet */
	bool done;			/* atomic */
	struct dma_fence *fence;
	bool over;			/* the callback is; atomic */
	bool saw_it_over;
	int ret;
};

static void *signal_late(void *data)
{
	struct late *late = data;

	__atomic_store_n(&late->tid, gettid(), __ATOMIC_RELEASE);
	late->ret = dma_fence_signal(late->fence);
	late->saw_it_over = __atomic_load_n(&late->over, __ATOMIC_ACQUIRE);
	__atomic_store_n(&late->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void be_signalled_late(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct late *late = (struct late *)cb;
	pid_t tid;

	(void)fence;
	assert_int_equal(pthread_create(&late->thread, NULL, signal_late,
					late), 0);
	while (!__atomic_load_n(&late->done, __ATOMIC_ACQUIRE)) {
		tid = __atomic_load_n(&late->tid, __ATOMIC_ACQUIRE);
		if (tid && thread_is_blocked(tid))
			break;
		sched_yield();
	}
	__atomic_store_n(&late->over, true, __ATOMIC_RELEASE);
}

/* After dma_fence_signal(), whatever it says, no callback runs any more. */
static void late_signal_comes_back_when_callbacks_are_over(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct late late = { .fence = &mock->base };

	(void)state;
	assert_int_equal(dma_fence_add_callback(&mock->base, &late.cb,
						be_signalled_late), 0);
	assert_int_equal(dma_fence_signal(&mock->base), 0);
	assert_int_equal(pthread_join(late.thread, NULL), 0);
	assert_int_equal(late.ret, -EINVAL);
	assert_true(late.saw_it_over);
	dma_fence_put(&mock->base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(wait_without_time_hears_what_enabling_says),
		LEAK_TEST(wait_op_comes_after_enabling),
		LEAK_TEST(late_signal_comes_back_when_callbacks_are_over),
	};

	return cmocka_run_group_tests_name("dma_fence/order", tests,
					   leaks_group_setup, NULL) != 0;
}
