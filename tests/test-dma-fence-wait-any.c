/* SPDX-License-Identifier: MIT */
/* test-dma-fence-wait-any.c - waiting for any of several fences */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-fence.h"
#include "polling.h"
#include "waiter.h"
#include "warns.h"

#define MS INT64_C(1000000)
#define HOUR (3600 * 1000 * MS)
#define FOREVER INT64_MAX

#define NR_FENCES 5
#define NR_MANY 1000
#define UNTOUCHED 12345

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* INV-FENCE-4 */
static void any_of_nothing_is_einval(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *fence = &mock->base;
	uint32_t idx = UNTOUCHED;

	(void)state;
	assert_int_equal(dma_fence_wait_any_timeout(NULL, 1, true, 1, &idx),
			 -EINVAL);
	assert_warned("dma_fence_wait_any_timeout");
	assert_int_equal(dma_fence_wait_any_timeout(&fence, 0, true, 1, &idx),
			 -EINVAL);
	assert_warned("dma_fence_wait_any_timeout");
	assert_int_equal(dma_fence_wait_any_timeout(&fence, 1, true, -1, &idx),
			 -EINVAL);
	assert_warned("dma_fence_wait_any_timeout");
	assert_int_equal(idx, UNTOUCHED);
	assert_int_equal(mock->nr_enable, 0);
	dma_fence_put(fence);
}

static void any_with_zero_timeout_asks_in_order(void **state)
{
	struct mock_fence *mocks[NR_FENCES];
	struct dma_fence *fences[NR_FENCES];
	uint32_t idx = UNTOUCHED;

	(void)state;
	mock_fences_make(mocks, fences, NR_FENCES);
	assert_int_equal(dma_fence_wait_any_timeout(fences, NR_FENCES, true, 0,
						    &idx), 0);
	assert_int_equal(idx, UNTOUCHED);
	dma_fence_signal(fences[3]);
	assert_int_equal(dma_fence_wait_any_timeout(fences, NR_FENCES, true, 0,
						    &idx), 1);
	assert_int_equal(idx, 3);
	/* A full query: the op is asked, nothing is enabled. */
	mocks[1]->done = true;
	assert_int_equal(dma_fence_wait_any_timeout(fences, NR_FENCES, true, 0,
						    &idx), 1);
	assert_int_equal(idx, 1);
	assert_int_equal(dma_fence_wait_any_timeout(fences, NR_FENCES, true, 0,
						    NULL), 1);
	assert_int_equal(mocks[0]->nr_enable, 0);
	assert_int_equal(dma_fence_signal(fences[1]), -EINVAL);
	mock_fences_put(fences, NR_FENCES);
}

static void any_signalled_at_entry_gives_the_timeout_back(void **state)
{
	struct mock_fence *mocks[NR_FENCES];
	struct dma_fence *fences[NR_FENCES];
	uint32_t idx = UNTOUCHED;

	(void)state;
	mock_fences_make(mocks, fences, NR_FENCES);
	dma_fence_signal(fences[2]);
	assert_int_equal(dma_fence_wait_any_timeout(fences, NR_FENCES, false,
						    777, &idx), 777);
	assert_int_equal(idx, 2);
	assert_true(dma_fence_wait_any_timeout(fences, NR_FENCES, false,
					       FOREVER, NULL) == FOREVER);
	/* Enabling turns up another one before it. */
	mocks[1] = mock_fence_new();
	mocks[1]->refuse_enable = true;
	dma_fence_put(fences[1]);
	fences[1] = &mocks[1]->base;
	assert_int_equal(dma_fence_wait_any_timeout(fences, NR_FENCES, false,
						    777, &idx), 777);
	assert_int_equal(idx, 1);
	assert_int_equal(mocks[0]->nr_enable, 1);
	assert_int_equal(mocks[4]->nr_enable, 0);
	mock_fences_put(fences, NR_FENCES);
}

static void any_sleeper_is_told_which_and_what_is_left(void **state)
{
	struct mock_fence *mocks[NR_FENCES];
	struct dma_fence *fences[NR_FENCES];
	uint32_t i;

	(void)state;
	for (i = 0; i < NR_FENCES; i++) {
		struct waiter waiter = {
			.fences = fences,
			.count = NR_FENCES,
			.intr = i % 2,
			.timeout = i % 3 ? HOUR : FOREVER,
		};

		mock_fences_make(mocks, fences, NR_FENCES);
		waiter_start(&waiter);
		waiter_asleep(&waiter);
		dma_fence_signal(fences[i]);
		assert_true(waiter_join(&waiter) > 0);
		assert_true(waiter.ret <= waiter.timeout);
		assert_int_equal(waiter.idx, i);
		assert_int_equal(mocks[0]->nr_enable, 1);
		mock_fences_put(fences, NR_FENCES);
	}
}

struct chained_cb {
	struct dma_fence_cb cb;		/* first */
	struct dma_fence *first;
};

static void signal_first(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	(void)fence;
	dma_fence_signal(((struct chained_cb *)cb)->first);
}

/* Two at once: before the sleeper hears of the later, the first is done. */
static void any_sleeper_is_told_the_lowest_of_two(void **state)
{
	struct mock_fence *mocks[NR_FENCES];
	struct dma_fence *fences[NR_FENCES];
	struct chained_cb chained;
	struct waiter waiter = {
		.fences = fences,
		.count = NR_FENCES,
		.timeout = HOUR,
	};

	(void)state;
	mock_fences_make(mocks, fences, NR_FENCES);
	chained.first = fences[1];
	assert_int_equal(dma_fence_add_callback(fences[3], &chained.cb,
						signal_first), 0);
	waiter_start(&waiter);
	waiter_asleep(&waiter);
	dma_fence_signal(fences[3]);
	assert_true(waiter_join(&waiter) > 0);
	assert_int_equal(waiter.idx, 1);
	mock_fences_put(fences, NR_FENCES);
}

static void any_timeout_is_0_and_not_before_its_time(void **state)
{
	struct mock_fence *mocks[NR_FENCES];
	struct dma_fence *fences[NR_FENCES];
	uint32_t idx = UNTOUCHED;
	int64_t begin;

	(void)state;
	mock_fences_make(mocks, fences, NR_FENCES);
	begin = now_ns();
	assert_int_equal(dma_fence_wait_any_timeout(fences, NR_FENCES, true,
						    3 * MS, &idx), 0);
	assert_true(now_ns() - begin >= 3 * MS);
	assert_int_equal(idx, UNTOUCHED);
	mock_fences_put(fences, NR_FENCES);
}

static void any_of_many_fences(void **state)
{
	static struct mock_fence *mocks[NR_MANY];
	static struct dma_fence *fences[NR_MANY];
	struct waiter waiter = {
		.fences = fences,
		.count = NR_MANY,
		.timeout = FOREVER,
	};

	(void)state;
	mock_fences_make(mocks, fences, NR_MANY);
	waiter_start(&waiter);
	waiter_asleep(&waiter);
	dma_fence_signal(fences[NR_MANY - 1]);
	assert_true(waiter_join(&waiter) > 0);
	assert_int_equal(waiter.idx, NR_MANY - 1);
	mock_fences_put(fences, NR_MANY);
}

static void any_may_have_a_fence_twice(void **state)
{
	struct mock_fence *mocks[2];
	struct dma_fence *fences[3];
	struct waiter waiter = {
		.fences = fences,
		.count = 3,
		.timeout = FOREVER,
	};

	(void)state;
	mock_fences_make(mocks, fences, 2);
	fences[2] = fences[1];
	waiter_start(&waiter);
	waiter_asleep(&waiter);
	dma_fence_signal(fences[2]);
	assert_true(waiter_join(&waiter) > 0);
	assert_int_equal(waiter.idx, 1);
	mock_fences_put(fences, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(any_of_nothing_is_einval),
		LEAK_TEST(any_with_zero_timeout_asks_in_order),
		LEAK_TEST(any_signalled_at_entry_gives_the_timeout_back),
		LEAK_TEST(any_sleeper_is_told_which_and_what_is_left),
		LEAK_TEST(any_sleeper_is_told_the_lowest_of_two),
		LEAK_TEST(any_timeout_is_0_and_not_before_its_time),
		LEAK_TEST(any_of_many_fences),
		LEAK_TEST(any_may_have_a_fence_twice),
	};
	int bad = 0;

	bad |= cmocka_run_group_tests_name("dma_fence/wait_any", tests,
					   leaks_group_setup, NULL);
	bad |= cmocka_run_group_tests_name("dma_fence/wait_any, polling", tests,
					   polling_setup, polling_teardown);
	return bad != 0;
}
