/* SPDX-License-Identifier: MIT */
/* test-resv-wait.c - asking a reservation what is pending, waiting for it */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "actor.h"
#include "fenced.h"
#include "leaks.h"
#include "mock-fence.h"
#include "warns.h"

#define MS INT64_C(1000000)
#define FOREVER INT64_MAX

/* Asking */

static void nothing_is_pending_on_an_empty_one(void **state)
{
	struct dma_fence *fence = (struct dma_fence *)&resv;
	struct dma_fence **fences = &fence;
	unsigned int nr = 1;

	(void)state;
	assert_true(dma_resv_test_signaled(&resv, DMA_RESV_USAGE_BOOKKEEP));
	assert_int_equal(dma_resv_get_fences(&resv, DMA_RESV_USAGE_BOOKKEEP,
					     &nr, &fences), 0);
	assert_int_equal(nr, 0);
	assert_null(fences);
	assert_int_equal(dma_resv_get_singleton(&resv, DMA_RESV_USAGE_BOOKKEEP,
						&fence), 0);
	assert_null(fence);
}

static void fence_is_pending_until_it_is_signalled(void **state)
{
	enum dma_resv_usage usage = usage_of(state);
	struct mock_fence *fence = added(usage);

	assert_false(dma_resv_test_signaled(&resv, usage));
	dma_fence_signal(&fence->base);
	assert_true(dma_resv_test_signaled(&resv, usage));
	finish(fence);
}

static void fence_counts_for_its_usage_and_those_after(void **state)
{
	enum dma_resv_usage usage = usage_of(state);
	struct mock_fence *fence = added(usage);
	struct dma_fence *single, **fences;
	unsigned int i, nr, expected;

	for (i = 0; i < NR_USAGES; i++) {
		expected = usages[i] >= usage;
		assert_int_equal(dma_resv_test_signaled(&resv, usages[i]),
				 !expected);
		assert_int_equal(dma_resv_get_fences(&resv, usages[i], &nr,
						     &fences), 0);
		assert_int_equal(nr, expected);
		if (nr)
			dma_fence_put(fences[0]);
		free(fences);
		assert_int_equal(dma_resv_get_singleton(&resv, usages[i],
							&single), 0);
		assert_ptr_equal(single, expected ? &fence->base : NULL);
		dma_fence_put(single);
		assert_int_equal(dma_resv_wait_timeout(&resv, usages[i], false,
						       0), !expected);
	}
	finish(fence);
}

static void get_fences_gives_references(void **state)
{
	enum dma_resv_usage usage = usage_of(state);
	struct mock_fence *fence = added(usage);
	struct mock_fence *done = added(DMA_RESV_USAGE_KERNEL);
	struct dma_fence **fences;
	unsigned int nr;

	dma_fence_signal(&done->base);
	assert_int_equal(dma_resv_get_fences(&resv, usage, &nr, &fences), 0);
	assert_int_equal(nr, 1);
	assert_ptr_equal(fences[0], &fence->base);
	assert_int_equal(fence_refs(fence), 3);
	assert_int_equal(fence_refs(done), 2);
	dma_fence_put(fences[0]);
	free(fences);
	finish(fence);
	finish(done);
}

static void get_fences_gets_many(void **state)
{
	struct mock_fence *mocks[40];
	struct dma_fence **fences;
	unsigned int i, nr;

	(void)state;
	for (i = 0; i < 40; i++)
		mocks[i] = added(usages[i % NR_USAGES]);
	assert_int_equal(dma_resv_get_fences(&resv, DMA_RESV_USAGE_BOOKKEEP,
					     &nr, &fences), 0);
	assert_int_equal(nr, 40);
	for (i = 0; i < 40; i++) {
		assert_ptr_equal(fences[i], &mocks[i]->base);
		dma_fence_put(fences[i]);
	}
	free(fences);
	finish_all(mocks, 40);
}

/* One fence for all */

static void singleton_of_one_is_itself(void **state)
{
	enum dma_resv_usage usage = usage_of(state);
	struct mock_fence *fence = added(usage);
	struct dma_fence *single;

	assert_int_equal(dma_resv_get_singleton(&resv, usage, &single), 0);
	assert_ptr_equal(single, &fence->base);
	assert_int_equal(fence_refs(fence), 3);
	dma_fence_put(single);
	finish(fence);
}

static void singleton_of_several_is_done_with_all(void **state)
{
	struct mock_fence *fences[3];
	struct dma_fence *single;
	uint64_t context;
	unsigned int i;

	(void)state;
	for (i = 0; i < 3; i++)
		fences[i] = added(usages[i]);
	context = dma_fence_context_alloc(1);
	assert_int_equal(dma_resv_get_singleton(&resv, DMA_RESV_USAGE_READ,
						&single), 0);
	assert_true(dma_fence_is_array(single));
	assert_true(single->context > context);
	assert_int_equal(single->seqno, 1);
	for (i = 0; i < 3; i++) {
		assert_ptr_equal(dma_fence_array_next(single, i),
				 &fences[i]->base);
		assert_int_equal(fence_refs(fences[i]), 3);
		assert_false(dma_fence_is_signaled(single));
		dma_fence_signal(&fences[i]->base);
	}
	assert_true(dma_fence_is_signaled(single));
	dma_fence_put(single);
	finish_all(fences, 3);
}

static void singletons_are_of_different_timelines(void **state)
{
	struct mock_fence *fences[2];
	struct dma_fence *first, *second;

	(void)state;
	fences[0] = added(DMA_RESV_USAGE_READ);
	fences[1] = added(DMA_RESV_USAGE_READ);
	assert_int_equal(dma_resv_get_singleton(&resv, DMA_RESV_USAGE_READ,
						&first), 0);
	assert_int_equal(dma_resv_get_singleton(&resv, DMA_RESV_USAGE_READ,
						&second), 0);
	assert_true(first->context != second->context);
	dma_fence_put(first);
	dma_fence_put(second);
	finish_all(fences, 2);
}

/* Waiting */

static int64_t wait_for(enum dma_resv_usage usage, int64_t timeout)
{
	return dma_resv_wait_timeout(&resv, usage, true, timeout);
}

static void wait_for_nothing_leaves_the_time(void **state)
{
	struct mock_fence *done = added(DMA_RESV_USAGE_KERNEL);

	(void)state;
	dma_fence_signal(&done->base);
	assert_int_equal(wait_for(DMA_RESV_USAGE_BOOKKEEP, 0), 1);
	assert_int_equal(wait_for(DMA_RESV_USAGE_BOOKKEEP, 5), 5);
	assert_true(wait_for(DMA_RESV_USAGE_BOOKKEEP, FOREVER) == FOREVER);
	finish(done);
	resv_renew();
	assert_int_equal(wait_for(DMA_RESV_USAGE_BOOKKEEP, 0), 1);
	assert_int_equal(wait_for(DMA_RESV_USAGE_BOOKKEEP, 5), 5);
}

static void wait_without_time_asks_each(void **state)
{
	struct mock_fence *fences[3];
	unsigned int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		fences[i] = added(DMA_RESV_USAGE_READ);
		fences[i]->refuse_enable = i < 2;
	}
	assert_int_equal(wait_for(DMA_RESV_USAGE_WRITE, 0), 1);
	assert_int_equal(fences[0]->nr_enable, 0);
	assert_int_equal(wait_for(DMA_RESV_USAGE_READ, 0), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(fences[i]->nr_enable, 1);
	assert_true(fence_is_marked(&fences[1]->base));
	dma_fence_signal(&fences[2]->base);
	assert_int_equal(wait_for(DMA_RESV_USAGE_READ, 0), 1);
	finish_all(fences, 3);
}

static void wait_for_fences_that_end_when_asked_takes_no_time(void **state)
{
	struct mock_fence *fences[3];
	unsigned int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		fences[i] = added(usages[i]);
		fences[i]->refuse_enable = true;
	}
	assert_int_equal(wait_for(DMA_RESV_USAGE_READ, 0), 1);
	assert_true(dma_resv_test_signaled(&resv, DMA_RESV_USAGE_READ));
	finish_all(fences, 3);
}

static void wait_ends_with_the_time(void **state)
{
	struct mock_fence *done = added(DMA_RESV_USAGE_READ);
	struct mock_fence *pending = added(DMA_RESV_USAGE_READ);

	(void)state;
	done->refuse_enable = true;
	assert_int_equal(wait_for(DMA_RESV_USAGE_READ, MS), 0);
	assert_int_equal(pending->nr_enable, 1);
	finish(done);
	finish(pending);
}

static int64_t wait_forever(void *data)
{
	return wait_for(*(enum dma_resv_usage *)data, FOREVER);
}

static int64_t wait_deaf(void *data)
{
	return dma_resv_wait_timeout(&resv, *(enum dma_resv_usage *)data, false,
				     FOREVER);
}

/* Somebody has begun to wait for it. */
static void until_enabled(struct mock_fence *fence)
{
	while (!__atomic_load_n(&fence->nr_enable, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void wait_takes_one_after_the_other(void **state)
{
	enum dma_resv_usage usage = usage_of(state);
	struct mock_fence *fences[2];
	struct actor other;

	fences[0] = added(usage);
	fences[1] = added(usage);
	actor_start(&other);
	actor_begin(&other, wait_forever, &usage);
	until_enabled(fences[0]);
	assert_true(actor_is_busy(&other));
	dma_fence_signal(&fences[0]->base);
	until_enabled(fences[1]);
	assert_true(actor_is_busy(&other));
	dma_fence_signal(&fences[1]->base);
	assert_true(actor_end(&other) > 0);
	actor_stop(&other);
	finish_all(fences, 2);
}

static void wait_goes_on_with_what_is_added_meanwhile(void **state)
{
	enum dma_resv_usage usage = DMA_RESV_USAGE_READ;
	struct mock_fence *old = timeline_next(&line);
	struct mock_fence *new = timeline_next(&line);
	struct mock_fence *strange = added(usage);
	struct actor other;

	(void)state;
	add_to(&resv, old, usage);
	actor_start(&other);
	actor_begin(&other, wait_forever, &usage);
	until_enabled(strange);
	add_to(&resv, new, usage);
	dma_fence_signal(&strange->base);
	until_enabled(new);
	assert_int_equal(old->nr_enable, 0);
	dma_fence_signal(&new->base);
	assert_true(actor_end(&other) > 0);
	actor_stop(&other);
	finish(old);
	finish(new);
	finish(strange);
}

/* A fence with a wait of its own, which answers what it is told to. */
struct own_wait {
	struct dma_fence base;		/* first */
	pthread_mutex_t lock;
	int64_t result;
	int64_t timeout;		/* of the question; -1: there was none */
};

static const char *own_name(struct dma_fence *fence)
{
	(void)fence;
	return "own";
}

static int64_t own_wait(struct dma_fence *fence, bool intr, int64_t timeout)
{
	struct own_wait *own = (struct own_wait *)fence;

	(void)intr;
	own->timeout = timeout;
	return own->result;
}

static const struct dma_fence_ops own_ops = {
	.get_driver_name = own_name,
	.get_timeline_name = own_name,
	.wait = own_wait,
};

static struct own_wait *own_added(int64_t result)
{
	struct own_wait *own = calloc(1, sizeof(*own));

	assert_non_null(own);
	pthread_mutex_init(&own->lock, NULL);
	dma_fence_init(&own->base, &own_ops, &own->lock,
		       dma_fence_context_alloc(1), 1);
	own->result = result;
	own->timeout = -1;
	dma_resv_lock(&resv, NULL);
	assert_int_equal(dma_resv_reserve_fences(&resv, 1), 0);
	dma_resv_add_fence(&resv, &own->base, DMA_RESV_USAGE_READ);
	dma_resv_unlock(&resv);
	return own;
}

/* Three fences, of which the second answers @result. */
static void own_waits(int64_t timeout, int64_t result, int64_t expected,
		      const int64_t timeouts[3])
{
	struct own_wait *owns[3];
	int i;

	owns[0] = own_added(40);
	owns[1] = own_added(result);
	owns[2] = own_added(7);
	assert_int_equal(wait_for(DMA_RESV_USAGE_READ, timeout), expected);
	for (i = 0; i < 3; i++) {
		assert_int_equal(owns[i]->timeout, timeouts[i]);
		dma_fence_put(&owns[i]->base);
	}
	resv_renew();
}

static void time_that_is_left_goes_to_the_next(void **state)
{
	(void)state;
	own_waits(100, 20, 7, (int64_t[]){ 100, 40, 20 });
	own_waits(0, 20, 7, (int64_t[]){ 0, 0, 0 });
}

static void wait_stops_where_one_does_not_end(void **state)
{
	(void)state;
	own_waits(100, 0, 0, (int64_t[]){ 100, 40, -1 });
	own_waits(100, -EINTR, -EINTR, (int64_t[]){ 100, 40, -1 });
	own_waits(0, 0, 0, (int64_t[]){ 0, 0, -1 });
}

static void wait_with_the_lock_held_is_allowed(void **state)
{
	struct mock_fence *fence = added(DMA_RESV_USAGE_READ);

	(void)state;
	fence->refuse_enable = true;
	dma_resv_lock(&resv, NULL);
	assert_true(wait_for(DMA_RESV_USAGE_READ, FOREVER) > 0);
	dma_resv_unlock(&resv);
	finish(fence);
}

static void wait_is_interrupted(void **state)
{
	enum dma_resv_usage usage = usage_of(state);
	struct mock_fence *fence = added(usage);
	struct actor other;

	actor_start(&other);
	actor_begin(&other, wait_forever, &usage);
	assert_int_equal(actor_interrupt(&other), -EINTR);
	assert_int_equal(fence_refs(fence), 2);
	actor_stop(&other);
	finish(fence);
}

static int64_t signal_it(void *fence)
{
	return dma_fence_signal(fence);
}

static void wait_that_is_deaf_is_not_interrupted(void **state)
{
	enum dma_resv_usage usage = DMA_RESV_USAGE_READ;
	struct mock_fence *fence = added(usage);
	struct actor waiter, signaller;

	(void)state;
	actor_start(&waiter);
	actor_start(&signaller);
	actor_begin(&waiter, wait_deaf, &usage);
	until_enabled(fence);
	actor_begin(&signaller, signal_it, &fence->base);
	assert_true(actor_interrupt(&waiter) > 0);
	actor_stop(&waiter);
	actor_stop(&signaller);
	finish(fence);
}

static void error_of_a_fence_does_not_show_in_a_wait(void **state)
{
	struct mock_fence *fence = added(DMA_RESV_USAGE_READ);

	(void)state;
	fence->refuse_enable = true;
	fence->error_on_enable = -EIO;
	assert_int_equal(wait_for(DMA_RESV_USAGE_READ, 7 * MS) > 0, 1);
	assert_int_equal(dma_fence_get_status(&fence->base), -EIO);
	finish(fence);
}

/* Deadlines */

static void deadline_reaches_what_is_pending(void **state)
{
	enum dma_resv_usage usage = usage_of(state);
	struct mock_fence *fences[NR_USAGES], *done;
	unsigned int i;

	for (i = 0; i < NR_USAGES; i++)
		fences[i] = added(usages[i]);
	done = added(usage);
	dma_fence_signal(&done->base);
	dma_resv_set_deadline(&resv, usage, 12345);
	for (i = 0; i < NR_USAGES; i++) {
		assert_int_equal(fences[i]->nr_deadline, usages[i] <= usage);
		if (usages[i] <= usage)
			assert_int_equal(fences[i]->deadline, 12345);
	}
	assert_int_equal(done->nr_deadline, 0);
	finish_all(fences, NR_USAGES);
	finish(done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FENCED_TEST(nothing_is_pending_on_an_empty_one),
		USAGE_TESTS(fence_is_pending_until_it_is_signalled),
		USAGE_TESTS(fence_counts_for_its_usage_and_those_after),
		USAGE_TESTS(get_fences_gives_references),
		FENCED_TEST(get_fences_gets_many),
		USAGE_TESTS(singleton_of_one_is_itself),
		FENCED_TEST(singleton_of_several_is_done_with_all),
		FENCED_TEST(singletons_are_of_different_timelines),
		FENCED_TEST(wait_for_nothing_leaves_the_time),
		FENCED_TEST(wait_without_time_asks_each),
		FENCED_TEST(
			wait_for_fences_that_end_when_asked_takes_no_time),
		FENCED_TEST(wait_ends_with_the_time),
		USAGE_TESTS(wait_takes_one_after_the_other),
		FENCED_TEST(wait_goes_on_with_what_is_added_meanwhile),
		FENCED_TEST(time_that_is_left_goes_to_the_next),
		FENCED_TEST(wait_stops_where_one_does_not_end),
		FENCED_TEST(wait_with_the_lock_held_is_allowed),
		USAGE_TESTS(wait_is_interrupted),
		FENCED_TEST(wait_that_is_deaf_is_not_interrupted),
		FENCED_TEST(error_of_a_fence_does_not_show_in_a_wait),
		USAGE_TESTS(deadline_reaches_what_is_pending),
	};

	return cmocka_run_group_tests_name("dma_resv/wait", tests,
					   leaks_group_setup, NULL) != 0;
}
