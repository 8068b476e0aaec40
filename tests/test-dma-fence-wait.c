/* SPDX-License-Identifier: MIT */
/* test-dma-fence-wait.c - waiting for a fence */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-fence.h"
#include "polling.h"
#include "sanitized.h"
#include "waiter.h"
#include "warns.h"

#define MS INT64_C(1000000)
#define HOUR (3600 * 1000 * MS)
#define FOREVER INT64_MAX

#define NR_WAITERS 8

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* One fence */

/* INV-FENCE-3 */
static void negative_timeout_is_einval(void **state)
{
	struct mock_fence *mock = mock_fence_new();

	(void)state;
	assert_int_equal(dma_fence_wait_timeout(&mock->base, true, -1),
			 -EINVAL);
	assert_warned("dma_fence_wait_timeout");
	assert_int_equal(dma_fence_wait_timeout(&mock->base, false, INT64_MIN),
			 -EINVAL);
	assert_warned("dma_fence_wait_timeout");
	assert_int_equal(mock->nr_enable, 0);
	dma_fence_signal(&mock->base);
	assert_int_equal(dma_fence_wait_timeout(&mock->base, true, -1),
			 -EINVAL);
	assert_warned("dma_fence_wait_timeout");
	dma_fence_put(&mock->base);
}

static void signalled_at_entry_gives_the_timeout_back(void **state)
{
	struct dma_fence *fence = &mock_fence_new()->base;

	(void)state;
	dma_fence_signal(fence);
	assert_int_equal(dma_fence_wait_timeout(fence, false, 0), 1);
	assert_int_equal(dma_fence_wait_timeout(fence, true, 1), 1);
	assert_int_equal(dma_fence_wait_timeout(fence, true, 777), 777);
	assert_true(dma_fence_wait_timeout(fence, false, FOREVER) == FOREVER);
	assert_int_equal(dma_fence_default_wait(fence, false, 0), 1);
	assert_int_equal(dma_fence_default_wait(fence, false, 777), 777);
	assert_int_equal(dma_fence_wait(fence, false), 0);
	assert_int_equal(dma_fence_wait(fence, true), 0);
	dma_fence_put(fence);
}

/* An error does not change the answer: it is done. */
static void failed_fence_is_signalled_too(void **state)
{
	struct dma_fence *fence = &mock_fence_new()->base;

	(void)state;
	dma_fence_set_error(fence, -EIO);
	dma_fence_signal(fence);
	assert_int_equal(dma_fence_wait_timeout(fence, false, 777), 777);
	assert_int_equal(dma_fence_wait(fence, false), 0);
	dma_fence_put(fence);
}

static void refused_enabling_is_signalled_at_entry(void **state)
{
	static const int64_t timeouts[] = { 0, 1, 777 };
	struct mock_fence *mock;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		mock = mock_fence_new();
		mock->refuse_enable = true;
		assert_int_equal(dma_fence_wait_timeout(&mock->base, true,
							timeouts[i]),
				 timeouts[i] ? timeouts[i] : 1);
		assert_int_equal(mock->nr_enable, 1);
		dma_fence_put(&mock->base);
	}
}

static void zero_timeout_asks_and_enables(void **state)
{
	struct mock_fence *mock = mock_fence_new();

	(void)state;
	assert_int_equal(dma_fence_wait_timeout(&mock->base, true, 0), 0);
	assert_int_equal(mock->nr_enable, 1);
	assert_int_equal(dma_fence_wait_timeout(&mock->base, false, 0), 0);
	assert_int_equal(dma_fence_default_wait(&mock->base, false, 0), 0);
	assert_int_equal(mock->nr_enable, 1);
	dma_fence_put(&mock->base);
}

static void timeout_is_0_and_not_before_its_time(void **state)
{
	static const int64_t timeouts[] = { 1, MS / 10, 3 * MS };
	struct dma_fence *fence = &mock_fence_new()->base;
	int64_t begin;
	size_t i;

	(void)state;
	for (i = 0; i < 6; i++) {
		begin = now_ns();
		assert_int_equal(dma_fence_wait_timeout(fence, i % 2,
							timeouts[i / 2]), 0);
		assert_true(now_ns() - begin >= timeouts[i / 2]);
	}
	assert_int_equal(dma_fence_get_status(fence), 0);
	dma_fence_put(fence);
}

/* Also one whose end no clock can show. */
static void sleeper_is_told_what_is_left(void **state)
{
	static const int64_t timeouts[] = { HOUR, FOREVER, FOREVER - 1 };
	size_t i;

	(void)state;
	for (i = 0; i < 6; i++) {
		struct waiter waiter = {
			.fence = &mock_fence_new()->base,
			.intr = i % 2,
			.timeout = timeouts[i / 2],
		};

		waiter_start(&waiter);
		waiter_asleep(&waiter);
		assert_false(waiter_done(&waiter));
		dma_fence_signal(waiter.fence);
		assert_true(waiter_join(&waiter) > 0);
		assert_true(waiter.ret <= waiter.timeout);
		/* Under valgrind what is blocked may not sleep yet. */
		if (waiter.timeout == HOUR && !under_valgrind())
			assert_true(waiter.ret < HOUR);
		dma_fence_put(waiter.fence);
	}
}

static void all_sleepers_wake(void **state)
{
	struct dma_fence *fence = &mock_fence_new()->base;
	struct waiter waiters[NR_WAITERS];
	size_t i;

	(void)state;
	for (i = 0; i < NR_WAITERS; i++) {
		waiters[i] = (struct waiter){
			.fence = fence,
			.timeout = i % 4 ? HOUR : FOREVER,
		};
		if (i % 2) {
			waiters[i].fences = &waiters[i].fence;
			waiters[i].count = 1;
		}
		waiter_start(&waiters[i]);
	}
	for (i = 0; i < NR_WAITERS; i++)
		waiter_asleep(&waiters[i]);
	pthread_mutex_lock(fence->lock);
	dma_fence_signal_locked(fence);
	pthread_mutex_unlock(fence->lock);
	for (i = 0; i < NR_WAITERS; i++)
		assert_true(waiter_join(&waiters[i]) > 0);
	dma_fence_put(fence);
}

/* One sleeper's time is up, the other sleeps on. */
static void sleepers_do_not_wake_each_other(void **state)
{
	struct dma_fence *fence = &mock_fence_new()->base;
	struct waiter waiter = { .fence = fence, .timeout = FOREVER };

	(void)state;
	waiter_start(&waiter);
	waiter_asleep(&waiter);
	assert_int_equal(dma_fence_wait_timeout(fence, false, MS), 0);
	waiter_asleep(&waiter);
	assert_false(waiter_done(&waiter));
	dma_fence_signal(fence);
	assert_true(waiter_join(&waiter) > 0);
	dma_fence_put(fence);
}

/* Wait ops */

struct own_wait {
	struct dma_fence base;		/* first */
	pthread_mutex_t lock;
	int64_t ret;			/* what it answers */
	bool asks_default;
	unsigned int nr;
	bool intr;
	int64_t timeout;
};

static int64_t own_wait(struct dma_fence *fence, bool intr, int64_t timeout)
{
	struct own_wait *own = (struct own_wait *)fence;

	assert_int_equal(pthread_mutex_trylock(&own->lock), 0);
	pthread_mutex_unlock(&own->lock);
	assert_true(fence->flags & 1UL << DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT);
	own->nr++;
	own->intr = intr;
	own->timeout = timeout;
	if (own->asks_default)
		return dma_fence_default_wait(fence, intr, timeout);
	return own->ret;
}

static const char *any_name(struct dma_fence *fence)
{
	(void)fence;
	return "any";
}

static const struct dma_fence_ops own_wait_ops = {
	.get_driver_name = any_name,
	.get_timeline_name = any_name,
	.wait = own_wait,
};

static void own_wait_init(struct own_wait *own)
{
	memset(own, 0, sizeof(*own));
	pthread_mutex_init(&own->lock, NULL);
	dma_fence_init(&own->base, &own_wait_ops, &own->lock, 1, 1);
}

static void wait_op_answers_for_the_fence(void **state)
{
	static const int64_t answers[] = { 5, 0, -EINTR, -ETIME, -EIO };
	struct own_wait own;
	size_t i;

	(void)state;
	own_wait_init(&own);
	for (i = 0; i < 5; i++) {
		own.ret = answers[i];
		assert_int_equal(dma_fence_wait_timeout(&own.base, true, 9),
				 answers[i]);
		assert_true(own.intr);
		assert_int_equal(own.timeout, 9);
		assert_int_equal(dma_fence_wait_timeout(&own.base, false, 0),
				 answers[i]);
		assert_false(own.intr);
		assert_int_equal(own.timeout, 0);
		/* Without an end there is nothing left to tell. */
		assert_int_equal(dma_fence_wait(&own.base, false),
				 answers[i] < 0 ? answers[i] : 0);
		assert_true(own.timeout == FOREVER);
	}
	assert_int_equal(own.nr, 15);
	pthread_mutex_destroy(&own.lock);
}

/* INV-FENCE-3 */
static void wait_op_is_asked_unless_the_timeout_is_wrong(void **state)
{
	struct own_wait own;

	(void)state;
	own_wait_init(&own);
	assert_int_equal(dma_fence_wait_timeout(&own.base, true, -1), -EINVAL);
	assert_warned("dma_fence_wait_timeout");
	assert_int_equal(own.nr, 0);
	dma_fence_signal(&own.base);
	own.ret = 4;
	own.base.flags |= 1UL << DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT;
	assert_int_equal(dma_fence_wait_timeout(&own.base, true, 0), 4);
	assert_int_equal(own.nr, 1);
	pthread_mutex_destroy(&own.lock);
}

static void wait_op_may_use_the_default(void **state)
{
	struct own_wait own;
	struct waiter waiter = { .fence = &own.base, .timeout = HOUR };

	(void)state;
	own_wait_init(&own);
	own.asks_default = true;
	assert_int_equal(dma_fence_wait_timeout(&own.base, false, 1), 0);
	waiter_start(&waiter);
	waiter_asleep(&waiter);
	dma_fence_signal(&own.base);
	assert_true(waiter_join(&waiter) > 0);
	assert_int_equal(dma_fence_wait_timeout(&own.base, false, 8), 8);
	pthread_mutex_destroy(&own.lock);
}

static void wait_for_any_does_not_ask_the_op(void **state)
{
	struct own_wait own;
	struct dma_fence *fence = &own.base;

	(void)state;
	own_wait_init(&own);
	assert_int_equal(dma_fence_wait_any_timeout(&fence, 1, false, MS,
						    NULL), 0);
	dma_fence_signal(fence);
	assert_int_equal(dma_fence_wait_any_timeout(&fence, 1, false, MS,
						    NULL), MS);
	assert_int_equal(own.nr, 0);
	pthread_mutex_destroy(&own.lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(negative_timeout_is_einval),
		LEAK_TEST(signalled_at_entry_gives_the_timeout_back),
		LEAK_TEST(failed_fence_is_signalled_too),
		LEAK_TEST(refused_enabling_is_signalled_at_entry),
		LEAK_TEST(zero_timeout_asks_and_enables),
		LEAK_TEST(timeout_is_0_and_not_before_its_time),
		LEAK_TEST(sleeper_is_told_what_is_left),
		LEAK_TEST(all_sleepers_wake),
		LEAK_TEST(sleepers_do_not_wake_each_other),
		LEAK_TEST(wait_op_answers_for_the_fence),
		LEAK_TEST(wait_op_is_asked_unless_the_timeout_is_wrong),
		LEAK_TEST(wait_op_may_use_the_default),
		LEAK_TEST(wait_for_any_does_not_ask_the_op),
	};
	int bad = 0;

	bad |= cmocka_run_group_tests_name("dma_fence/wait", tests,
					   leaks_group_setup, NULL);
	bad |= cmocka_run_group_tests_name("dma_fence/wait, polling", tests,
					   polling_setup, polling_teardown);
	return bad != 0;
}
