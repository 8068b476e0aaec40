/* SPDX-License-Identifier: MIT */
/* test-dma-fence-signal.c - signalling fences, and asking for it */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "held.h"
#include "leaks.h"
#include "mock-fence.h"
#include "warns.h"

static bool is_signaled(const struct dma_fence *fence)
{
	return fence->flags & (1UL << DMA_FENCE_FLAG_SIGNALED_BIT);
}

static bool is_enabled(const struct dma_fence *fence)
{
	return fence->flags & (1UL << DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT);
}

static void add(struct dma_fence *fence, struct count_cb *count)
{
	*count = (struct count_cb){ .ran = 0 };
	assert_int_equal(dma_fence_add_callback(fence, &count->cb,
						count_cb_run), 0);
}

/* Signalling */

/* INV-F-D3 */
static void second_signal_is_einval_and_changes_nothing(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *fence = &mock->base;
	struct count_cb count;

	(void)state;
	add(fence, &count);
	dma_fence_set_error(fence, -EIO);
	assert_int_equal(dma_fence_signal_timestamp(fence, 1000), 0);
	assert_int_equal(count.ran, 1);
	assert_int_equal(dma_fence_signal(fence), -EINVAL);
	assert_int_equal(dma_fence_signal_timestamp(fence, 2000), -EINVAL);
	pthread_mutex_lock(&mock->lock);
	assert_int_equal(dma_fence_signal_locked(fence), -EINVAL);
	assert_int_equal(dma_fence_signal_timestamp_locked(fence, 3000),
			 -EINVAL);
	pthread_mutex_unlock(&mock->lock);
	assert_int_equal(dma_fence_timestamp(fence), 1000);
	assert_int_equal(dma_fence_get_status(fence), -EIO);
	assert_int_equal(count.ran, 1);
	dma_fence_put(fence);
}

static void signal_of_null_is_einval(void **state)
{
	(void)state;
	assert_int_equal(dma_fence_signal(NULL), -EINVAL);
	assert_int_equal(dma_fence_signal_timestamp(NULL, 1), -EINVAL);
	assert_no_warning();
}

static void locked_signals_leave_the_lock_to_the_caller(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct mock_fence *a = mock_fence_at(&lock, 5, 1);
	struct mock_fence *b = mock_fence_at(&lock, 5, 2);
	struct count_cb counts[2];

	(void)state;
	add(&a->base, &counts[0]);
	add(&b->base, &counts[1]);
	pthread_mutex_lock(&lock);
	assert_int_equal(dma_fence_signal_locked(&a->base), 0);
	assert_int_equal(counts[0].ran, 1);
	assert_int_equal(pthread_mutex_trylock(&lock), EBUSY);
	assert_int_equal(dma_fence_signal_timestamp_locked(&b->base, 7), 0);
	assert_int_equal(counts[1].ran, 1);
	assert_int_equal(pthread_mutex_trylock(&lock), EBUSY);
	pthread_mutex_unlock(&lock);
	assert_int_equal(dma_fence_timestamp(&b->base), 7);
	dma_fence_put(&a->base);
	dma_fence_put(&b->base);
	pthread_mutex_destroy(&lock);
}

/* INV-FENCE-13 */
static void locked_signals_without_the_lock_warn_and_go_on(void **state)
{
	struct mock_fence *a = mock_fence_new();
	struct mock_fence *b = mock_fence_new();
	struct count_cb counts[2];

	(void)state;
	add(&a->base, &counts[0]);
	add(&b->base, &counts[1]);
	assert_int_equal(dma_fence_signal_locked(&a->base), 0);
	assert_warned("dma_fence_signal_locked");
	assert_int_equal(dma_fence_signal_timestamp_locked(&b->base, 7), 0);
	assert_warned("dma_fence_signal_timestamp_locked");
	assert_int_equal(counts[0].ran, 1);
	assert_int_equal(counts[1].ran, 1);
	assert_false(mutex_is_held(&a->lock));
	assert_false(mutex_is_held(&b->lock));
	dma_fence_put(&a->base);
	dma_fence_put(&b->base);
}

/* INV-FENCE-13 */
static void locked_queries_without_the_lock_warn_and_go_on(void **state)
{
	struct mock_fence *mock = mock_fence_new();

	(void)state;
	assert_false(dma_fence_is_signaled_locked(&mock->base));
	assert_warned("dma_fence_is_signaled_locked");
	assert_int_equal(dma_fence_get_status_locked(&mock->base), 0);
	assert_int_equal(warns_seen(), 1);
	mock->done = true;
	assert_true(dma_fence_is_signaled_locked(&mock->base));
	assert_true(warns_seen() > 0);
	assert_false(mutex_is_held(&mock->lock));
	dma_fence_put(&mock->base);
}

/* The enable step */

/* INV-F-D4 */
static void enabling_asks_the_op_once(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *fence = &mock->base;
	struct count_cb count;

	(void)state;
	assert_false(is_enabled(fence));
	dma_fence_enable_sw_signaling(fence);
	assert_true(is_enabled(fence));
	assert_false(is_signaled(fence));
	assert_int_equal(mock->nr_enable, 1);
	dma_fence_enable_sw_signaling(fence);
	add(fence, &count);
	assert_int_equal(dma_fence_wait_timeout(fence, false, 0), 0);
	assert_int_equal(dma_fence_wait_timeout(fence, false, 1000), 0);
	assert_int_equal(mock->nr_enable, 1);
	dma_fence_signal(fence);
	dma_fence_enable_sw_signaling(fence);
	assert_int_equal(mock->nr_enable, 1);
	dma_fence_put(fence);
}

/* INV-F-D4 */
static void signalled_fence_is_never_enabled(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *fence = &mock->base;
	struct count_cb count = { .ran = 0 };

	(void)state;
	dma_fence_signal(fence);
	dma_fence_enable_sw_signaling(fence);
	assert_int_equal(dma_fence_add_callback(fence, &count.cb,
						count_cb_run), -ENOENT);
	assert_int_equal(dma_fence_wait_timeout(fence, false, 0), 1);
	assert_int_equal(mock->nr_enable, 0);
	dma_fence_put(fence);
}

static void fence_without_enable_op_is_pending_when_enabled(void **state)
{
	struct dma_fence *fence = plain_fence_new();
	struct count_cb count;

	(void)state;
	dma_fence_enable_sw_signaling(fence);
	assert_true(is_enabled(fence));
	assert_false(is_signaled(fence));
	add(fence, &count);
	dma_fence_signal(fence);
	assert_int_equal(count.ran, 1);
	dma_fence_put(fence);
}

static void refused_enabling_signals(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *fence = &mock->base;

	(void)state;
	mock->refuse_enable = true;
	dma_fence_enable_sw_signaling(fence);
	assert_true(is_signaled(fence));
	assert_int_equal(dma_fence_get_status(fence), 1);
	assert_int_equal(mock->nr_enable, 1);
	assert_int_equal(mock->nr_signaled, 0);
	dma_fence_put(fence);
}

static void refused_enabling_may_set_the_error(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct count_cb count = { .ran = 0 };

	(void)state;
	mock->refuse_enable = true;
	mock->error_on_enable = -EIO;
	assert_int_equal(dma_fence_add_callback(&mock->base, &count.cb,
						count_cb_run), -ENOENT);
	assert_int_equal(count.ran, 0);
	assert_int_equal(dma_fence_get_status(&mock->base), -EIO);
	assert_int_equal(dma_fence_signal(&mock->base), -EINVAL);
	assert_int_equal(count.ran, 0);
	dma_fence_put(&mock->base);
}

static unsigned int nr_enabled;		/* of the thread of the tests */

static bool enable_lock_try(struct dma_fence *fence)
{
	nr_enabled++;
	assert_int_equal(pthread_mutex_trylock(fence->lock), EBUSY);
	assert_false(is_signaled(fence));
	/* The hardware was done in this moment. */
	if (nr_enabled > 1)
		assert_int_equal(dma_fence_signal_locked(fence), 0);
	return true;
}

static const char *any_name(struct dma_fence *fence)
{
	(void)fence;
	return "any";
}

static void enable_op_runs_under_the_lock_and_may_signal(void **state)
{
	const struct dma_fence_ops ops = {
		.get_driver_name = any_name,
		.get_timeline_name = any_name,
		.enable_signaling = enable_lock_try,
	};
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct count_cb count = { .ran = 0 };
	struct dma_fence fences[2];

	(void)state;
	nr_enabled = 0;
	dma_fence_init(&fences[0], &ops, &lock, 1, 1);
	dma_fence_init(&fences[1], &ops, &lock, 1, 2);
	dma_fence_enable_sw_signaling(&fences[0]);
	assert_int_equal(dma_fence_get_status(&fences[0]), 0);
	assert_int_equal(dma_fence_add_callback(&fences[1], &count.cb,
						count_cb_run), -ENOENT);
	assert_int_equal(dma_fence_get_status(&fences[1]), 1);
	assert_int_equal(count.ran, 0);
	assert_int_equal(nr_enabled, 2);
	pthread_mutex_destroy(&lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(second_signal_is_einval_and_changes_nothing),
		LEAK_TEST(signal_of_null_is_einval),
		LEAK_TEST(locked_signals_leave_the_lock_to_the_caller),
		LEAK_TEST(locked_signals_without_the_lock_warn_and_go_on),
		LEAK_TEST(locked_queries_without_the_lock_warn_and_go_on),
		LEAK_TEST(enabling_asks_the_op_once),
		LEAK_TEST(signalled_fence_is_never_enabled),
		LEAK_TEST(fence_without_enable_op_is_pending_when_enabled),
		LEAK_TEST(refused_enabling_signals),
		LEAK_TEST(refused_enabling_may_set_the_error),
		LEAK_TEST(enable_op_runs_under_the_lock_and_may_signal),
	};

	return cmocka_run_group_tests_name("dma_fence/signal", tests,
					   leaks_group_setup, NULL) != 0;
}
