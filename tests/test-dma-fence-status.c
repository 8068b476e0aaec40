/* SPDX-License-Identifier: MIT */
/* test-dma-fence-status.c - asking fences how far they are */

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-fence.h"
#include "warns.h"

#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

static bool has_flag(const struct dma_fence *fence, unsigned int bit)
{
	return __atomic_load_n(&fence->flags, __ATOMIC_ACQUIRE) & (1UL << bit);
}

static unsigned int refs(const struct dma_fence *fence)
{
	return __atomic_load_n(&fence->refcount, __ATOMIC_RELAXED);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static const char *any_name(struct dma_fence *fence)
{
	(void)fence;
	return "any";
}

/* Before and after */

struct order {
	uint64_t a, b;
	bool later;	/* a after b */
};

static void order_check(const struct dma_fence_ops *ops,
			const struct order *order)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct dma_fence a, b;

	dma_fence_init(&a, ops, &lock, 5, order->a);
	dma_fence_init(&b, ops, &lock, 5, order->b);
	assert_int_equal(dma_fence_is_later(&a, &b), order->later);
	assert_int_equal(dma_fence_is_later_or_same(&a, &b), order->later);
	assert_true(dma_fence_is_later_or_same(&a, &a));
	assert_false(dma_fence_is_later(&a, &a));
	assert_ptr_equal(dma_fence_later(&a, &b), order->later ? &a : &b);
	pthread_mutex_destroy(&lock);
}

static void numbers_wrap_at_32_bits(void **state)
{
	static const struct order orders[] = {
		{ 2, 1, true }, { 1, 2, false }, { 1, 1, false },
		{ 0, UINT32_MAX, true }, { UINT32_MAX, 0, false },
		{ 0x80000000, 1, true }, { 1, 0x80000000, false },
		{ 0x7fffffff, 0, true }, { 0x80000000, 0, false },
		/* What is above does not count. */
		{ 1, UINT64_C(1) << 32, true },
		{ UINT64_C(5) << 32, 1, false },
	};
	const struct dma_fence_ops ops = {
		.get_driver_name = any_name,
		.get_timeline_name = any_name,
	};
	size_t i;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(orders); i++)
		order_check(&ops, &orders[i]);
}

static void numbers_of_64_bits_do_not_wrap(void **state)
{
	static const struct order orders[] = {
		{ 2, 1, true }, { 1, 2, false }, { 1, 1, false },
		{ 0, UINT32_MAX, false }, { UINT32_MAX, 0, true },
		{ UINT64_C(1) << 32, 1, true }, { 1, UINT64_C(1) << 32, false },
		{ UINT64_MAX, 0, true }, { 0, UINT64_MAX, false },
	};
	const struct dma_fence_ops ops = {
		.use_64bit_seqno = true,
		.get_driver_name = any_name,
		.get_timeline_name = any_name,
	};
	size_t i;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(orders); i++)
		order_check(&ops, &orders[i]);
}

/* INV-FENCE-10, INV-FENCE-11 */
static void fences_of_two_timelines_have_no_order(void **state)
{
	struct mock_fence *a = mock_fence_new();
	struct mock_fence *b = mock_fence_new();

	(void)state;
	assert_false(dma_fence_is_later(&b->base, &a->base));
	assert_warned("dma_fence_is_later");
	assert_false(dma_fence_is_later_or_same(&b->base, &a->base));
	assert_int_equal(warns_seen(), 1);
	assert_null(dma_fence_later(&a->base, &b->base));
	assert_warned("dma_fence_later");
	assert_true(dma_fence_is_later_or_same(&a->base, &a->base));
	assert_no_warning();
	dma_fence_put(&a->base);
	dma_fence_put(&b->base);
}

static void later_of_two_is_none_when_it_is_signalled(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct mock_fence *a = mock_fence_at(&lock, 5, 1);
	struct mock_fence *b = mock_fence_at(&lock, 5, 2);

	(void)state;
	assert_ptr_equal(dma_fence_later(&a->base, &b->base), &b->base);
	dma_fence_signal(&a->base);
	assert_ptr_equal(dma_fence_later(&a->base, &b->base), &b->base);
	assert_ptr_equal(dma_fence_later(&b->base, &a->base), &b->base);
	/* It is asked as in every query. */
	b->done = true;
	assert_null(dma_fence_later(&a->base, &b->base));
	assert_null(dma_fence_later(&b->base, &a->base));
	assert_true(has_flag(&b->base, DMA_FENCE_FLAG_SIGNALED_BIT));
	assert_int_equal(refs(&b->base), 1);
	dma_fence_put(&a->base);
	dma_fence_put(&b->base);
	pthread_mutex_destroy(&lock);
}

/* How far */

static void queries_ask_the_op_and_signal_what_is_done(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *fence = &mock->base;

	(void)state;
	assert_false(dma_fence_is_signaled(fence));
	assert_int_equal(dma_fence_get_status(fence), 0);
	assert_int_equal(mock->nr_signaled, 2);
	assert_false(has_flag(fence, DMA_FENCE_FLAG_SIGNALED_BIT));
	mock->done = true;
	assert_true(dma_fence_is_signaled(fence));
	assert_true(has_flag(fence, DMA_FENCE_FLAG_SIGNALED_BIT));
	assert_true(has_flag(fence, DMA_FENCE_FLAG_TIMESTAMP_BIT));
	assert_int_equal(mock->nr_signaled, 3);
	assert_int_equal(dma_fence_get_status(fence), 1);
	assert_int_equal(mock->nr_signaled, 3);
	assert_int_equal(mock->nr_enable, 0);
	assert_int_equal(dma_fence_signal(fence), -EINVAL);
	dma_fence_put(fence);
}

static void locked_queries_do_the_same_under_the_lock(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *fence = &mock->base;

	(void)state;
	pthread_mutex_lock(&mock->lock);
	assert_false(dma_fence_is_signaled_locked(fence));
	assert_int_equal(dma_fence_get_status_locked(fence), 0);
	mock->done = true;
	assert_int_equal(dma_fence_get_status_locked(fence), 1);
	assert_true(dma_fence_is_signaled_locked(fence));
	assert_int_equal(pthread_mutex_trylock(&mock->lock), EBUSY);
	pthread_mutex_unlock(&mock->lock);
	assert_int_equal(mock->nr_signaled, 3);
	assert_int_equal(mock->nr_enable, 0);
	dma_fence_put(fence);
}

static void signalled_fence_is_asked_without_a_lock(void **state)
{
	struct mock_fence *mock = mock_fence_new();

	(void)state;
	dma_fence_signal(&mock->base);
	pthread_mutex_lock(&mock->lock);
	assert_true(dma_fence_is_signaled(&mock->base));
	assert_int_equal(dma_fence_get_status(&mock->base), 1);
	assert_int_equal(mock->nr_signaled, 0);
	pthread_mutex_unlock(&mock->lock);
	dma_fence_put(&mock->base);
}

/* The op may say why it is done. */
static bool done_with_an_error(struct dma_fence *fence)
{
	dma_fence_set_error(fence, -ENODATA);
	return true;
}

static void op_that_says_done_may_set_the_error(void **state)
{
	const struct dma_fence_ops ops = {
		.get_driver_name = any_name,
		.get_timeline_name = any_name,
		.signaled = done_with_an_error,
	};
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct dma_fence fence;

	(void)state;
	dma_fence_init(&fence, &ops, &lock, 1, 1);
	assert_int_equal(dma_fence_get_status(&fence), -ENODATA);
	dma_fence_init(&fence, &ops, &lock, 1, 1);
	assert_true(dma_fence_is_signaled(&fence));
	assert_int_equal(dma_fence_get_status(&fence), -ENODATA);
	pthread_mutex_destroy(&lock);
}

/* Errors */

static void error_is_hidden_until_it_is_signalled(void **state)
{
	static const int errors[] = { -1, -EIO, -4095 };
	size_t i;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(errors); i++) {
		struct mock_fence *mock = mock_fence_new();
		struct dma_fence *fence = &mock->base;

		dma_fence_set_error(fence, errors[i]);
		assert_int_equal(dma_fence_get_status(fence), 0);
		assert_int_equal(dma_fence_signal(fence), 0);
		assert_int_equal(dma_fence_get_status(fence), errors[i]);
		pthread_mutex_lock(&mock->lock);
		assert_int_equal(dma_fence_get_status_locked(fence), errors[i]);
		pthread_mutex_unlock(&mock->lock);
		assert_true(dma_fence_is_signaled(fence));
		dma_fence_put(fence);
	}
}

static void last_error_before_signalling_counts(void **state)
{
	struct dma_fence *fence = &mock_fence_new()->base;

	(void)state;
	dma_fence_set_error(fence, -EIO);
	dma_fence_set_error(fence, -ENODEV);
	dma_fence_signal(fence);
	assert_int_equal(dma_fence_get_status(fence), -ENODEV);
	dma_fence_put(fence);
}

/* INV-FENCE-8 */
static void error_after_signalling_warns_and_changes_nothing(void **state)
{
	struct dma_fence *good = &mock_fence_new()->base;
	struct dma_fence *bad = &mock_fence_new()->base;

	(void)state;
	dma_fence_signal(good);
	dma_fence_set_error(good, -EIO);
	assert_warned("dma_fence_set_error");
	assert_int_equal(dma_fence_get_status(good), 1);
	dma_fence_set_error(bad, -ENODEV);
	dma_fence_signal(bad);
	dma_fence_set_error(bad, -EIO);
	assert_warned("dma_fence_set_error");
	assert_int_equal(dma_fence_get_status(bad), -ENODEV);
	dma_fence_put(good);
	dma_fence_put(bad);
}

/* INV-FENCE-9 */
static void error_that_is_no_errno_warns_and_changes_nothing(void **state)
{
	static const int errors[] = {
		0, 1, EIO, -4096, -5000, INT_MIN, INT_MAX,
	};
	struct dma_fence *fence = &mock_fence_new()->base;
	size_t i;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(errors); i++) {
		dma_fence_set_error(fence, errors[i]);
		assert_warned("dma_fence_set_error");
		assert_int_equal(fence->error, 0);
	}
	dma_fence_set_error(fence, -EIO);
	dma_fence_set_error(fence, 0);
	assert_warned("dma_fence_set_error");
	dma_fence_signal(fence);
	assert_int_equal(dma_fence_get_status(fence), -EIO);
	dma_fence_put(fence);
}

/* Times */

static void timestamp_is_when_it_was_signalled(void **state)
{
	struct dma_fence *fence = &mock_fence_new()->base;
	int64_t before, after;

	(void)state;
	before = now_ns();
	dma_fence_signal(fence);
	after = now_ns();
	assert_true(dma_fence_timestamp(fence) >= before);
	assert_true(dma_fence_timestamp(fence) <= after);
	dma_fence_put(fence);
}

/* Long ago, never so far, and before the clock began */
static void timestamp_may_be_told(void **state)
{
	static const int64_t times[] = { 1, 0, -1, INT64_MAX, INT64_MIN };
	size_t i;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(times); i++) {
		struct mock_fence *mock = mock_fence_new();
		struct mock_fence *other = mock_fence_new();

		assert_int_equal(dma_fence_signal_timestamp(&mock->base,
							    times[i]), 0);
		assert_true(dma_fence_timestamp(&mock->base) == times[i]);
		pthread_mutex_lock(&other->lock);
		assert_int_equal(dma_fence_signal_timestamp_locked(&other->base,
								   times[i]),
				 0);
		pthread_mutex_unlock(&other->lock);
		assert_true(dma_fence_timestamp(&other->base) == times[i]);
		assert_true(has_flag(&mock->base,
				     DMA_FENCE_FLAG_TIMESTAMP_BIT));
		dma_fence_put(&mock->base);
		dma_fence_put(&other->base);
	}
}

/* INV-FENCE-12 */
static void timestamp_of_a_pending_fence_warns_and_is_now(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	int64_t before, told;

	(void)state;
	before = now_ns();
	told = dma_fence_timestamp(&mock->base);
	assert_warned("dma_fence_timestamp");
	assert_true(told >= before && told <= now_ns());
	assert_false(has_flag(&mock->base, DMA_FENCE_FLAG_SIGNALED_BIT));
	dma_fence_put(&mock->base);
}

/* Deadlines */

static void deadline_reaches_the_op_while_it_is_pending(void **state)
{
	struct mock_fence *mock = mock_fence_new();

	(void)state;
	dma_fence_set_deadline(&mock->base, 1234);
	assert_int_equal(mock->nr_deadline, 1);
	assert_int_equal(mock->deadline, 1234);
	/* The earliest is the op's business; so is one that has passed. */
	dma_fence_set_deadline(&mock->base, 5678);
	dma_fence_set_deadline(&mock->base, -1);
	assert_int_equal(mock->nr_deadline, 3);
	assert_true(mock->deadline == -1);
	assert_int_equal(mock->nr_enable, 0);
	dma_fence_signal(&mock->base);
	dma_fence_set_deadline(&mock->base, 1);
	assert_int_equal(mock->nr_deadline, 3);
	dma_fence_put(&mock->base);
}

static void deadline_without_an_op_is_nothing(void **state)
{
	struct dma_fence *fence = plain_fence_new();

	(void)state;
	dma_fence_set_deadline(fence, 1234);
	assert_int_equal(dma_fence_get_status(fence), 0);
	dma_fence_put(fence);
}

static unsigned int nr_asked;	/* of the thread of the tests */

static void deadline_lock_try(struct dma_fence *fence, int64_t deadline)
{
	(void)deadline;
	assert_int_equal(pthread_mutex_trylock(fence->lock), 0);
	pthread_mutex_unlock(fence->lock);
	nr_asked++;
}

static void deadline_op_runs_without_the_lock(void **state)
{
	const struct dma_fence_ops ops = {
		.get_driver_name = any_name,
		.get_timeline_name = any_name,
		.set_deadline = deadline_lock_try,
	};
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct dma_fence fence;

	(void)state;
	nr_asked = 0;
	dma_fence_init(&fence, &ops, &lock, 1, 1);
	dma_fence_set_deadline(&fence, 1);
	assert_int_equal(nr_asked, 1);
	pthread_mutex_destroy(&lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(numbers_wrap_at_32_bits),
		LEAK_TEST(numbers_of_64_bits_do_not_wrap),
		LEAK_TEST(fences_of_two_timelines_have_no_order),
		LEAK_TEST(later_of_two_is_none_when_it_is_signalled),
		LEAK_TEST(queries_ask_the_op_and_signal_what_is_done),
		LEAK_TEST(locked_queries_do_the_same_under_the_lock),
		LEAK_TEST(signalled_fence_is_asked_without_a_lock),
		LEAK_TEST(op_that_says_done_may_set_the_error),
		LEAK_TEST(error_is_hidden_until_it_is_signalled),
		LEAK_TEST(last_error_before_signalling_counts),
		LEAK_TEST(error_after_signalling_warns_and_changes_nothing),
		LEAK_TEST(error_that_is_no_errno_warns_and_changes_nothing),
		LEAK_TEST(timestamp_is_when_it_was_signalled),
		LEAK_TEST(timestamp_may_be_told),
		LEAK_TEST(timestamp_of_a_pending_fence_warns_and_is_now),
		LEAK_TEST(deadline_reaches_the_op_while_it_is_pending),
		LEAK_TEST(deadline_without_an_op_is_nothing),
		LEAK_TEST(deadline_op_runs_without_the_lock),
	};

	return cmocka_run_group_tests_name("dma_fence/status", tests,
					   leaks_group_setup, NULL) != 0;
}
