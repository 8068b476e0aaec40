/* SPDX-License-Identifier: MIT */
/*
 * test-dma-fence-threads-wait.c - fences that several threads ask and wait for
 *
 * Run under the thread sanitizer, which sees what the assertions cannot.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "crowd.h"
#include "leaks.h"
#include "mock-fence.h"
#include "polling.h"
#include "rounds.h"

#define NR_FENCES 12
#define NR_TURNS (10 * NR_ROUNDS)
#define MS INT64_C(1000000)
#define HOUR (3600 * 1000 * MS)

/* Who is told sees what was done before */

static void wait_somehow(struct dma_fence *fence, unsigned int how)
{
	switch (how % 6) {
	case 0:
		while (!dma_fence_is_signaled(fence))
			sched_yield();
		break;
	case 1:
		while (!dma_fence_get_status(fence))
			sched_yield();
		break;
	case 2:
		dma_fence_wait(fence, false);
		break;
	case 3:
		while (dma_fence_wait_timeout(fence, true, MS / 10) <= 0)
			continue;
		break;
	case 4:
		dma_fence_wait_any_timeout(&fence, 1, true, HOUR, NULL);
		break;
	default:
		while (!dma_fence_wait_any_timeout(&fence, 1, true, 0, NULL)) {
			dma_fence_set_deadline(fence, 1);
			sched_yield();
		}
		break;
	}
}

static void work_and_wait(struct crowd *crowd, unsigned int me)
{
	struct round *round = crowd->data;
	unsigned int i, j;

	for (i = 0; i < NR_ROUNDS; i++) {
		round_begin(crowd, me);
		if (me == 0) {
			for (j = 0; j < i % 10; j++)
				sched_yield();
			round->payload = 42;
			if (i % 2)
				dma_fence_set_error(round->fence, -EIO);
			dma_fence_signal_timestamp(round->fence, i);
		} else {
			wait_somehow(round->fence, i + me);
			HOLDS(crowd, round->payload == 42);
			HOLDS(crowd, dma_fence_get_status(round->fence) ==
				     (i % 2 ? -EIO : 1));
			HOLDS(crowd, dma_fence_timestamp(round->fence) == i);
		}
		round_end(crowd, me);
	}
}

static void what_was_done_before_signalling_is_seen(void **state)
{
	(void)state;
	rounds_check(work_and_wait, NR_THREADS);
}

/* The op says so by itself, and whoever asks first signals. */
static void done_by_the_op(struct crowd *crowd, unsigned int me)
{
	struct round *round = crowd->data;
	unsigned int i;

	for (i = 0; i < NR_ROUNDS; i++) {
		round_begin(crowd, me);
		dma_fence_add_callback(round->fence, &round->counts[me].cb,
				       count_cb_run);
		crowd_meet(crowd);
		if (me == 0) {
			round->payload = 42;
			__atomic_store_n(&round->mock->done, true,
					 __ATOMIC_RELEASE);
		}
		while (!dma_fence_is_signaled(round->fence))
			sched_yield();
		HOLDS(crowd, dma_fence_is_signaled(round->fence));
		HOLDS(crowd, dma_fence_get_status(round->fence) == 1);
		HOLDS(crowd, round->payload == 42);
		crowd_meet(crowd);
		HOLDS(crowd, round->counts[me].ran == 1);
		HOLDS(crowd, dma_fence_signal(round->fence) == -EINVAL);
		round_end(crowd, me);
	}
}

/* INV-F-D1 */
static void racing_queries_of_a_done_fence_signal_once(void **state)
{
	(void)state;
	rounds_check(done_by_the_op, NR_THREADS);
}

/* Everything at once */

static void storm_step(struct crowd *crowd, struct round *round,
		       unsigned int what)
{
	struct dma_fence *fence = round->fence;

	switch (what % 6) {
	case 0:
		add_and_remove(crowd, round->fence, 0);
		break;
	case 1:
		HOLDS(crowd, dma_fence_wait_timeout(fence, true, 0) >= 0);
		break;
	case 2:
		HOLDS(crowd, dma_fence_get_status(fence) >= 0);
		break;
	case 3:
		HOLDS(crowd, dma_fence_wait_timeout(fence, false, 1000) >= 0);
		break;
	case 4:
		dma_fence_put(dma_fence_get(fence));
		dma_fence_enable_sw_signaling(fence);
		break;
	default:
		HOLDS(crowd, dma_fence_wait_any_timeout(&fence, 1, false, 1000,
							NULL) >= 0);
		break;
	}
}

static void storm(struct crowd *crowd, unsigned int me)
{
	struct round *round = crowd->data;
	uint64_t seed = me + 1;
	unsigned int i, j;

	for (i = 0; i < NR_ROUNDS; i++) {
		round_begin(crowd, me);
		for (j = 0; j < 12; j++) {
			storm_step(crowd, round,
				   (unsigned int)random_next(&seed));
			if (me == i % NR_THREADS && j == i % 12)
				HOLDS(crowd, !signal_somehow(round->fence, i));
		}
		crowd_meet(crowd);
		HOLDS(crowd, dma_fence_get_status(round->fence) == 1);
		HOLDS(crowd, round->mock->nr_enable <= 1);
		round_end(crowd, me);
	}
}

/* INV-F-D1, INV-F-D3, INV-F-D4, INV-F-D11 */
static void storm_on_one_fence(void **state)
{
	(void)state;
	rounds_check(storm, NR_THREADS);
}

/* Any of many */

struct many {
	pthread_mutex_t lock;		/* of a timeline */
	struct dma_fence *fences[NR_FENCES];
	uint64_t seed;			/* of the signalling thread */
};

static void many_make(struct many *many, uint64_t first)
{
	unsigned int i;

	for (i = 0; i < NR_FENCES; i++)
		many->fences[i] = &mock_fence_at(&many->lock, 9,
						 first + i)->base;
}

/* All of them, beginning somewhere; now and then two at once. */
static void many_signal(struct many *many)
{
	unsigned int at = (unsigned int)(random_next(&many->seed) % NR_FENCES);
	unsigned int i;

	for (i = 0; i < NR_FENCES; i++) {
		dma_fence_signal(many->fences[(at + i) % NR_FENCES]);
		if (random_next(&many->seed) % 2)
			sched_yield();
	}
}

static void many_wait(struct crowd *crowd, struct many *many, unsigned int me)
{
	struct dma_fence **fences = many->fences + me;
	uint32_t count = NR_FENCES - 2 * me;
	uint32_t idx = UINT32_MAX;

	HOLDS(crowd, dma_fence_wait_any_timeout(fences, count, false,
						INT64_MAX, &idx) > 0);
	HOLDS(crowd, idx < count);
	HOLDS(crowd, dma_fence_get_status(fences[idx]) == 1);
	while (count--)
		HOLDS(crowd, dma_fence_wait(fences[count], false) == 0);
}

static void many_run(struct crowd *crowd, unsigned int me)
{
	struct many *many = crowd->data;
	unsigned int i, j;

	for (i = 0; i < NR_ROUNDS; i++) {
		if (me == 0)
			many_make(many, i * NR_FENCES);
		crowd_meet(crowd);
		if (me == 0)
			many_signal(many);
		else
			many_wait(crowd, many, me);
		crowd_meet(crowd);
		for (j = me; j < NR_FENCES; j += NR_THREADS)
			dma_fence_put(many->fences[j]);
		crowd_meet(crowd);
	}
}

static void many_threads_wait_for_any_of_many(void **state)
{
	struct many many = { .lock = PTHREAD_MUTEX_INITIALIZER, .seed = 7 };
	struct crowd crowd = { .run = many_run, .data = &many };

	(void)state;
	crowd_check(&crowd, NR_THREADS);
	pthread_mutex_destroy(&many.lock);
}

/* Turns: a fence from each to the other, as the next one is wanted. */

struct turns {
	struct dma_fence *fences[NR_TURNS];
	unsigned int value;		/* whose turn it is may touch it */
};

static void turns_run(struct crowd *crowd, unsigned int me)
{
	struct turns *turns = crowd->data;
	unsigned int i;

	for (i = me; i < NR_TURNS; i += 2) {
		if (i % 4 < 2)
			HOLDS(crowd, !i || !dma_fence_wait(turns->fences[i - 1],
							   i % 2));
		else
			HOLDS(crowd, dma_fence_wait_any_timeout(
				&turns->fences[i - 1], 1, i % 2, INT64_MAX,
				NULL) > 0);
		HOLDS(crowd, turns->value == i);
		turns->value++;
		dma_fence_signal(turns->fences[i]);
	}
}

static void two_threads_take_turns(void **state)
{
	struct turns turns = { .value = 0 };
	struct crowd crowd = { .run = turns_run, .data = &turns };
	unsigned int i;

	(void)state;
	for (i = 0; i < NR_TURNS; i++)
		turns.fences[i] = &mock_fence_new()->base;
	crowd_check(&crowd, 2);
	assert_int_equal(turns.value, NR_TURNS);
	for (i = 0; i < NR_TURNS; i++)
		dma_fence_put(turns.fences[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(what_was_done_before_signalling_is_seen),
		LEAK_TEST(racing_queries_of_a_done_fence_signal_once),
		LEAK_TEST(storm_on_one_fence),
		LEAK_TEST(many_threads_wait_for_any_of_many),
		LEAK_TEST(two_threads_take_turns),
	};
	int bad = 0;

	bad |= cmocka_run_group_tests_name("dma_fence/threads_wait", tests,
					   leaks_group_setup, NULL);
	bad |= cmocka_run_group_tests_name("dma_fence/threads_wait, polling",
					   tests, polling_setup,
					   polling_teardown);
	return bad != 0;
}
