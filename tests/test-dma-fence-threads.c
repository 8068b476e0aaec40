/* SPDX-License-Identifier: MIT */
/*
 * test-dma-fence-threads.c - fences signalled by several threads at once
 *
 * Run under the thread sanitizer, which sees what the assertions cannot.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "crowd.h"
#include "fence/lookup.h"
#include "leaks.h"
#include "mock-fence.h"
#include "rounds.h"
#include "waiter.h"

/* Two and one in turn. */
#define NR_CONTEXTS (NR_THREADS * NR_ROUNDS * 3 / 2)

/* The stub, and timelines */

struct stubs {
	struct dma_fence *of[NR_THREADS];
	int64_t timestamp[NR_THREADS];
};

static void stub_get(struct crowd *crowd, unsigned int me)
{
	struct stubs *stubs = crowd->data;

	stubs->of[me] = dma_fence_get_stub();
	HOLDS(crowd, dma_fence_get_status(stubs->of[me]) == 1);
	stubs->timestamp[me] = dma_fence_timestamp(stubs->of[me]);
	crowd_meet(crowd);
	HOLDS(crowd, stubs->of[me] == stubs->of[0]);
	HOLDS(crowd, stubs->timestamp[me] == stubs->timestamp[0]);
	dma_fence_put(stubs->of[me]);
}

/* The first test of the program: nobody has asked for it before. */
static void first_stub_is_made_once(void **state)
{
	struct stubs stubs;
	struct crowd crowd = { .run = stub_get, .data = &stubs };

	(void)state;
	crowd_check(&crowd, NR_THREADS);
}

struct contexts {
	uint64_t first;
	unsigned char taken[NR_CONTEXTS];	/* atomic */
};

static void contexts_take(struct crowd *crowd, unsigned int me)
{
	struct contexts *contexts = crowd->data;
	unsigned int i, j, nr;
	uint64_t at;

	for (i = 0; i < NR_ROUNDS; i++) {
		nr = 1 + (i + me) % 2;
		at = dma_fence_context_alloc(nr) - contexts->first;
		for (j = 0; j < nr; j++) {
			HOLDS(crowd, at + j < NR_CONTEXTS);
			HOLDS(crowd, !__atomic_fetch_add(
				&contexts->taken[at + j], 1,
				__ATOMIC_RELAXED));
		}
	}
}

static void no_context_is_given_out_twice(void **state)
{
	static struct contexts contexts;
	struct crowd crowd = { .run = contexts_take, .data = &contexts };

	(void)state;
	memset(&contexts, 0, sizeof(contexts));
	contexts.first = dma_fence_context_alloc(1) + 1;
	crowd_check(&crowd, NR_THREADS);
	assert_int_equal(dma_fence_context_alloc(1),
			 contexts.first + NR_CONTEXTS);
}

/* References */

static void get_and_put(struct crowd *crowd, unsigned int me)
{
	struct round *round = crowd->data;
	unsigned int i, j;

	for (i = 0; i < NR_ROUNDS; i++) {
		round_begin(crowd, me);
		dma_fence_get(round->fence);
		for (j = 0; j < 10; j++) {
			HOLDS(crowd, dma_fence_get_rcu(round->fence) ==
				     round->fence);
			dma_fence_put(round->fence);
		}
		/* Before the last one goes, all have theirs. */
		crowd_meet(crowd);
		dma_fence_put(round->fence);
		if (me == 0)
			dma_fence_put(round->fence);
		crowd_meet(crowd);
		HOLDS(crowd, mock_fences_live() == 0);
		crowd_meet(crowd);
	}
}

/* INV-F-D7 */
static void racing_puts_free_once(void **state)
{
	(void)state;
	rounds_check(get_and_put, NR_THREADS);
}

/* A place where others put fences */

struct place {
	struct dma_fence *fence;	/* atomic; with a reference */
	unsigned int nr_readers;	/* atomic: those at work */
	unsigned int nr_writers;
	pthread_mutex_t lock;		/* of the fences */
};

/* Put new ones there, and drop what was there, as long as somebody reads. */
static void place_write(struct place *place, unsigned int me)
{
	struct dma_fence *fence, *old;
	uint64_t seqno = 1;

	while (__atomic_load_n(&place->nr_readers, __ATOMIC_ACQUIRE)) {
		fence = NULL;
		if (seqno % 8)
			fence = &mock_fence_at(&place->lock, me, seqno)->base;
		old = __atomic_exchange_n(&place->fence, fence,
					  __ATOMIC_ACQ_REL);
		dma_fence_put(old);
		seqno++;
	}
}

static void place_read(struct crowd *crowd, struct place *place)
{
	struct dma_fence *fence;
	unsigned int i;

	for (i = 0; i < 10 * NR_ROUNDS; i++) {
		fence = dma_fence_get_rcu_safe(&place->fence);
		if (!fence)
			continue;
		HOLDS(crowd, fence->context < place->nr_writers);
		HOLDS(crowd, fence->seqno % 8);
		HOLDS(crowd, fence->ops == &mock_fence_ops);
		HOLDS(crowd, !dma_fence_is_signaled(fence) || i % 2 == 0);
		dma_fence_put(fence);
	}
	__atomic_fetch_sub(&place->nr_readers, 1, __ATOMIC_RELEASE);
}

static void place_write_or_read(struct crowd *crowd, unsigned int me)
{
	struct place *place = crowd->data;

	if (me < place->nr_writers)
		place_write(place, me);
	else
		place_read(crowd, place);
}

/* Freeing waits for lookups that began before it, and for no others. */

struct freeing {
	struct dma_fence base;		/* first */
	pthread_mutex_t lock;
};

static pid_t freeing_tid;		/* atomic: the thread that frees one */
static bool freed;			/* atomic */

static void freeing_release(struct dma_fence *fence)
{
	__atomic_store_n(&freeing_tid, gettid(), __ATOMIC_RELEASE);
	dma_fence_free(fence);
	__atomic_store_n(&freed, true, __ATOMIC_RELEASE);
}

static const char *freeing_name(struct dma_fence *fence)
{
	(void)fence;
	return "freeing";
}

static void *freeing_main(void *data)
{
	static const struct dma_fence_ops ops = {
		.get_driver_name = freeing_name,
		.get_timeline_name = freeing_name,
		.release = freeing_release,
	};
	struct freeing *freeing = malloc(sizeof(*freeing));

	if (!freeing)
		abort();
	pthread_mutex_init(&freeing->lock, NULL);
	dma_fence_init(&freeing->base, &ops, &freeing->lock, 1, 1);
	dma_fence_put(&freeing->base);
	return data;
}

static void freeing_waits_for_earlier_lookups_only(void **state)
{
	unsigned int earlier = lookup_begin();
	unsigned int later;
	pthread_t thread;
	pid_t tid;
	int i;

	(void)state;
	freeing_tid = 0;
	freed = false;
	assert_int_equal(pthread_create(&thread, NULL, freeing_main, NULL), 0);
	while (!(tid = __atomic_load_n(&freeing_tid, __ATOMIC_ACQUIRE)))
		sched_yield();
	for (i = 0; i < 10; i++) {
		while (!__atomic_load_n(&freed, __ATOMIC_ACQUIRE) &&
		       !thread_is_blocked(tid))
			sched_yield();
		assert_false(__atomic_load_n(&freed, __ATOMIC_ACQUIRE));
	}
	later = lookup_begin();
	lookup_end(earlier);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(freed);
	lookup_end(later);
}

/* The memory of a replaced fence is freed at once, but not under a reader. */
static void safe_get_races_with_replacement_and_free(void **state)
{
	unsigned int nr_writers;

	(void)state;
	for (nr_writers = 1; nr_writers < NR_THREADS; nr_writers++) {
		struct place place = {
			.nr_writers = nr_writers,
			.nr_readers = NR_THREADS - nr_writers,
			.lock = PTHREAD_MUTEX_INITIALIZER,
		};
		struct crowd crowd = {
			.run = place_write_or_read,
			.data = &place,
		};

		crowd_check(&crowd, NR_THREADS);
		dma_fence_put(place.fence);
		assert_int_equal(mock_fences_live(), 0);
		pthread_mutex_destroy(&place.lock);
	}
}

/* Signalling */

static void all_signal(struct crowd *crowd, unsigned int me)
{
	struct round *round = crowd->data;
	int64_t timestamp;
	unsigned int i, j;
	int ret;

	for (i = 0; i < NR_ROUNDS; i++) {
		round_begin(crowd, me);
		if (me == 0)
			for (j = 0; j < NR_CALLBACKS; j++)
				dma_fence_add_callback(round->fence,
						       &round->counts[j].cb,
						       count_cb_run);
		crowd_meet(crowd);
		ret = signal_somehow(round->fence, i + me);
		HOLDS(crowd, ret == 0 || ret == -EINVAL);
		if (!ret)
			__atomic_fetch_add(&round->winners, 1,
					   __ATOMIC_RELAXED);
		timestamp = dma_fence_timestamp(round->fence);
		crowd_meet(crowd);
		HOLDS(crowd, round->winners == 1);
		HOLDS(crowd, dma_fence_timestamp(round->fence) == timestamp);
		for (j = 0; j < NR_CALLBACKS; j++)
			HOLDS(crowd, round->counts[j].ran == 1 && (!j ||
				     round->counts[j].place ==
				     round->counts[j - 1].place + 1));
		round_end(crowd, me);
	}
}

/* INV-F-D1, INV-F-D2, INV-F-D3 */
static void one_of_racing_signals_wins(void **state)
{
	(void)state;
	rounds_check(all_signal, NR_THREADS);
}

static void add_remove_and_signal(struct crowd *crowd, unsigned int me)
{
	struct round *round = crowd->data;
	unsigned int i, j;

	for (i = 0; i < NR_ROUNDS; i++) {
		round_begin(crowd, me);
		if (me == 0) {
			for (j = 0; j < i % 20; j++)
				sched_yield();
			HOLDS(crowd, !signal_somehow(round->fence, i));
		} else {
			for (j = 0; j < 20; j++)
				add_and_remove(crowd, round->fence, j % 3);
		}
		round_end(crowd, me);
	}
}

/* INV-F-D1, INV-F-D11 */
static void callback_runs_or_is_removed_never_both(void **state)
{
	(void)state;
	rounds_check(add_remove_and_signal, NR_THREADS);
}

struct slow_cb {
	struct dma_fence_cb cb;		/* first */
	struct crowd *crowd;
	bool finished;
};

static void slow_run(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct slow_cb *slow = (struct slow_cb *)cb;
	int i;

	(void)fence;
	crowd_meet(slow->crowd);
	for (i = 0; i < 100; i++)
		sched_yield();
	slow->finished = true;
}

static void remove_while_it_runs(struct crowd *crowd, unsigned int me)
{
	struct round *round = crowd->data;
	static struct slow_cb slow;	/* changes hands at the barriers */
	unsigned int i;

	for (i = 0; i < NR_ROUNDS / 10; i++) {
		round_begin(crowd, me);
		if (me == 0) {
			slow = (struct slow_cb){ .crowd = crowd };
			dma_fence_add_callback(round->fence, &slow.cb,
					       slow_run);
			HOLDS(crowd, !dma_fence_signal(round->fence));
		} else {
			crowd_meet(crowd);
			HOLDS(crowd, !dma_fence_remove_callback(round->fence,
								&slow.cb));
			HOLDS(crowd, slow.finished);
		}
		round_end(crowd, me);
	}
}

/* INV-F-D11: nor is it running */
static void remove_waits_for_a_callback_that_runs(void **state)
{
	(void)state;
	rounds_check(remove_while_it_runs, 2);
}

/* Too late: blocked by the lock, under which it is signalled meanwhile */

struct late {
	int64_t (*call)(struct late *late);
	struct dma_fence *fence;
	struct count_cb count;
	int64_t ret;
	pid_t tid;			/* atomic */
};

static int64_t late_signal(struct late *late)
{
	return dma_fence_signal(late->fence);
}

static int64_t late_timestamp(struct late *late)
{
	return dma_fence_signal_timestamp(late->fence, 2000);
}

static int64_t late_add(struct late *late)
{
	return dma_fence_add_callback(late->fence, &late->count.cb,
				      count_cb_run);
}

static int64_t late_enable(struct late *late)
{
	dma_fence_enable_sw_signaling(late->fence);
	return 0;
}

static int64_t late_wait(struct late *late)
{
	return dma_fence_wait_timeout(late->fence, false, 777);
}

static int64_t late_default_wait(struct late *late)
{
	return dma_fence_default_wait(late->fence, false, 777);
}

static int64_t late_wait_any(struct late *late)
{
	return dma_fence_wait_any_timeout(&late->fence, 1, false, 777, NULL);
}

static void *late_main(void *data)
{
	struct late *late = data;

	__atomic_store_n(&late->tid, gettid(), __ATOMIC_RELEASE);
	late->ret = late->call(late);
	return NULL;
}

static void late_check(int64_t (*call)(struct late *late), int64_t ret)
{
	struct mock_fence *mock = mock_fence_new();
	struct late late = { .call = call, .fence = &mock->base };
	pthread_t thread;
	pid_t tid;

	pthread_mutex_lock(&mock->lock);
	assert_int_equal(pthread_create(&thread, NULL, late_main, &late), 0);
	do {
		tid = __atomic_load_n(&late.tid, __ATOMIC_ACQUIRE);
	} while (!tid || !thread_is_blocked(tid));
	assert_int_equal(dma_fence_signal_timestamp_locked(&mock->base, 1000),
			 0);
	pthread_mutex_unlock(&mock->lock);
	pthread_join(thread, NULL);
	assert_int_equal(late.ret, ret);
	assert_int_equal(dma_fence_timestamp(&mock->base), 1000);
	assert_int_equal(late.count.ran, 0);
	assert_int_equal(mock->nr_enable, 0);
	dma_fence_put(&mock->base);
}

/* INV-F-D1, INV-F-D3, INV-F-D4 */
static void who_was_blocked_by_the_signalling_comes_too_late(void **state)
{
	(void)state;
	late_check(late_signal, -EINVAL);
	late_check(late_timestamp, -EINVAL);
	late_check(late_add, -ENOENT);
	late_check(late_enable, 0);
	late_check(late_wait, 777);
	late_check(late_default_wait, 777);
	late_check(late_wait_any, 777);
}

/* Enabling */

static void all_enable(struct crowd *crowd, unsigned int me)
{
	struct round *round = crowd->data;
	unsigned int i;

	for (i = 0; i < NR_ROUNDS; i++) {
		round_begin(crowd, me);
		if (me == 0)
			dma_fence_enable_sw_signaling(round->fence);
		else if (me == 1)
			dma_fence_add_callback(round->fence,
					       &round->counts[0].cb,
					       count_cb_run);
		else if (me == 2)
			dma_fence_wait_timeout(round->fence, false, 0);
		else
			dma_fence_wait_any_timeout(&round->fence, 1, false, 1,
						   NULL);
		crowd_meet(crowd);
		HOLDS(crowd, round->mock->nr_enable == 1);
		crowd_meet(crowd);
		dma_fence_signal(round->fence);
		round_end(crowd, me);
	}
}

/* INV-F-D4 */
static void racing_enablers_ask_the_op_once(void **state)
{
	(void)state;
	rounds_check(all_enable, NR_THREADS);
}

/* An op that minds being asked of a signalled fence. */

struct strict {
	struct dma_fence base;		/* first */
	pthread_mutex_t lock;
	unsigned int nr_enable;		/* lock */
	unsigned int faults;		/* lock */
};

static bool strict_enable(struct dma_fence *fence)
{
	struct strict *strict = (struct strict *)fence;

	strict->faults += strict->nr_enable++ ||
			  __atomic_load_n(&fence->flags, __ATOMIC_RELAXED) &
			  1UL << DMA_FENCE_FLAG_SIGNALED_BIT;
	return true;
}

static const char *strict_name(struct dma_fence *fence)
{
	(void)fence;
	return "strict";
}

static void strict_stays(struct dma_fence *fence)
{
	(void)fence;
}

static const struct dma_fence_ops strict_ops = {
	.get_driver_name = strict_name,
	.get_timeline_name = strict_name,
	.enable_signaling = strict_enable,
	.release = strict_stays,
};

static void enable_or_signal(struct crowd *crowd, unsigned int me)
{
	struct strict *strict = crowd->data;
	struct dma_fence *fence = &strict->base;
	unsigned int i;

	for (i = 0; i < 10 * NR_ROUNDS; i++) {
		if (me == 0) {
			dma_fence_init(fence, &strict_ops, &strict->lock, 1,
				       1);
			strict->nr_enable = 0;
		}
		crowd_meet(crowd);
		if (me == i % NR_THREADS)
			dma_fence_signal(fence);
		else
			dma_fence_enable_sw_signaling(fence);
		crowd_meet(crowd);
	}
}

/* INV-F-D4 */
static void signalled_fence_is_not_enabled_any_more(void **state)
{
	struct strict strict = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct crowd crowd = { .run = enable_or_signal, .data = &strict };

	(void)state;
	crowd_check(&crowd, NR_THREADS);
	assert_int_equal(strict.faults, 0);
	dma_fence_put(&strict.base);
	pthread_mutex_destroy(&strict.lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(first_stub_is_made_once),
		LEAK_TEST(no_context_is_given_out_twice),
		LEAK_TEST(racing_puts_free_once),
		LEAK_TEST(freeing_waits_for_earlier_lookups_only),
		LEAK_TEST(safe_get_races_with_replacement_and_free),
		LEAK_TEST(one_of_racing_signals_wins),
		LEAK_TEST(callback_runs_or_is_removed_never_both),
		LEAK_TEST(remove_waits_for_a_callback_that_runs),
		LEAK_TEST(who_was_blocked_by_the_signalling_comes_too_late),
		LEAK_TEST(racing_enablers_ask_the_op_once),
		LEAK_TEST(signalled_fence_is_not_enabled_any_more),
	};

	return cmocka_run_group_tests_name("dma_fence/threads", tests,
					   leaks_group_setup, NULL) != 0;
}
