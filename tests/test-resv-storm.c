/* SPDX-License-Identifier: MIT */
/*
 * test-resv-storm.c - threads that take several reservations at a time
 *
 * Run under the thread sanitizer, which sees what the assertions cannot.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "crowd.h"
#include "fenced.h"
#include "leaks.h"
#include "mock-fence.h"

#define NR_ROUNDS 2000
#define NR_OBJS 6

/* The order in which a thread takes the objects. */
static void shuffle(unsigned int order[NR_OBJS], uint32_t *state)
{
	unsigned int i, k, swap;

	for (i = 0; i < NR_OBJS; i++)
		order[i] = i;
	for (i = NR_OBJS - 1; i > 0; i--) {
		k = dice(state) % (i + 1);
		swap = order[i];
		order[i] = order[k];
		order[k] = swap;
	}
}

struct storm {
	struct dma_resv objs[NR_OBJS];
	unsigned int counts[NR_OBJS];	/* with that object held */
	unsigned int sums[NR_THREADS + 1];	/* a thread's own */
	struct timeline lines[NR_THREADS + 1];
};

static void storm_init(struct storm *storm)
{
	unsigned int i;

	memset(storm, 0, sizeof(*storm));
	for (i = 0; i < NR_OBJS; i++)
		dma_resv_init(&storm->objs[i]);
	for (i = 0; i <= NR_THREADS; i++)
		timeline_init(&storm->lines[i]);
}

/* Nothing was lost: every count of every thread is there. */
static void storm_check(struct storm *storm)
{
	unsigned int i, counted = 0, sum = 0;

	for (i = 0; i < NR_OBJS; i++) {
		assert_false(dma_resv_is_locked(&storm->objs[i]));
		counted += storm->counts[i];
		dma_resv_fini(&storm->objs[i]);
	}
	for (i = 0; i <= NR_THREADS; i++) {
		sum += storm->sums[i];
		timeline_fini(&storm->lines[i]);
	}
	assert_true(sum > 0);
	assert_int_equal(counted, sum);
}

static void storm_of(struct storm *storm,
		     void (*run)(struct crowd *crowd, unsigned int me),
		     unsigned int nr_threads)
{
	struct crowd crowd = { .run = run, .data = storm };

	storm_init(storm);
	crowd_check(&crowd, nr_threads);
	storm_check(storm);
}

static void unlock_all(struct storm *storm, const unsigned int *order,
		       unsigned int nr)
{
	while (nr)
		dma_resv_unlock(&storm->objs[order[--nr]]);
}

/*
 * Take the first @nr of @order. After -EDEADLK the one that was refused comes
 * first, by the slow way.
 */
static void lock_all(struct crowd *crowd, struct ww_acquire_ctx *ctx,
		     unsigned int *order, unsigned int nr)
{
	struct storm *storm = crowd->data;
	unsigned int i = 0, refused;
	int ret;

	while (i < nr) {
		ret = dma_resv_lock(&storm->objs[order[i]], ctx);
		if (!ret) {
			i++;
			continue;
		}
		HOLDS(crowd, ret == -EDEADLK);
		HOLDS(crowd, i > 0);
		unlock_all(storm, order, i);
		refused = order[i];
		memmove(order + 1, order, i * sizeof(*order));
		order[0] = refused;
		dma_resv_lock_slow(&storm->objs[refused], ctx);
		i = 1;
	}
	HOLDS(crowd, ctx->acquired == nr);
}

static void count(struct storm *storm, const unsigned int *order,
		  unsigned int nr, unsigned int me)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		storm->counts[order[i]]++;
	storm->sums[me] += nr;
}

static void storm_run(struct crowd *crowd, unsigned int me)
{
	struct storm *storm = crowd->data;
	uint32_t state = me + 1;
	unsigned int order[NR_OBJS];
	struct ww_acquire_ctx ctx;
	unsigned int i, nr;

	for (i = 0; i < NR_ROUNDS; i++) {
		shuffle(order, &state);
		nr = 1 + dice(&state) % NR_OBJS;
		ww_acquire_init(&ctx, &reservation_ww_class);
		lock_all(crowd, &ctx, order, nr);
		ww_acquire_done(&ctx);
		count(storm, order, nr, me);
		unlock_all(storm, order, nr);
		ww_acquire_fini(&ctx);
	}
}

static void storm_of_contexts_ends(void **state)
{
	struct storm storm;

	(void)state;
	storm_of(&storm, storm_run, NR_THREADS);
}

/* Everybody wants all, in two opposite orders. */
static void opposite_run(struct crowd *crowd, unsigned int me)
{
	struct storm *storm = crowd->data;
	unsigned int order[NR_OBJS];
	struct ww_acquire_ctx ctx;
	unsigned int i, k;

	for (i = 0; i < NR_ROUNDS; i++) {
		for (k = 0; k < NR_OBJS; k++)
			order[k] = me % 2 ? k : NR_OBJS - 1 - k;
		ww_acquire_init(&ctx, &reservation_ww_class);
		lock_all(crowd, &ctx, order, NR_OBJS);
		count(storm, order, NR_OBJS, me);
		unlock_all(storm, order, NR_OBJS);
		ww_acquire_fini(&ctx);
	}
}

static void opposite_orders_end(void **state)
{
	struct storm storm;

	(void)state;
	storm_of(&storm, opposite_run, NR_THREADS);
	assert_int_equal(storm.counts[0], NR_THREADS * NR_ROUNDS);
}

/* Threads without a context take one at a time, or try. */
static void single_run(struct crowd *crowd, unsigned int me)
{
	struct storm *storm = crowd->data;
	uint32_t state = me + 1;
	unsigned int i, at;

	for (i = 0; i < NR_ROUNDS; i++) {
		at = dice(&state) % NR_OBJS;
		if (i % 2)
			dma_resv_lock(&storm->objs[at], NULL);
		else if (!dma_resv_trylock(&storm->objs[at]))
			continue;
		count(storm, &at, 1, me);
		dma_resv_unlock(&storm->objs[at]);
	}
}

static void mixed_run(struct crowd *crowd, unsigned int me)
{
	if (me % 2)
		storm_run(crowd, me);
	else
		single_run(crowd, me);
}

static void storm_with_and_without_contexts_ends(void **state)
{
	struct storm storm;

	(void)state;
	storm_of(&storm, mixed_run, NR_THREADS);
}

/* The last thread interrupts the others until they are through. */

static pthread_t targets[NR_THREADS];
static unsigned int nr_ended;		/* atomic */

static void hear(int signal)
{
	(void)signal;
}

/* Like lock_all(), but an interruption gives all back. */
static int lock_all_intr(struct storm *storm, struct ww_acquire_ctx *ctx,
			 unsigned int *order, unsigned int nr)
{
	unsigned int i, refused;
	int ret;

	for (i = 0; i < nr; i++) {
		ret = dma_resv_lock_interruptible(&storm->objs[order[i]], ctx);
		if (!ret)
			continue;
		unlock_all(storm, order, i);
		if (ret != -EDEADLK)
			return ret;
		refused = order[i];
		memmove(order + 1, order, i * sizeof(*order));
		order[0] = refused;
		ret = dma_resv_lock_slow_interruptible(&storm->objs[refused],
						       ctx);
		if (ret)
			return ret;
		i = 0;
	}
	return 0;
}

static void intr_round(struct crowd *crowd, unsigned int me, uint32_t *state)
{
	struct storm *storm = crowd->data;
	unsigned int order[NR_OBJS];
	struct ww_acquire_ctx ctx;
	unsigned int nr;
	int ret;

	shuffle(order, state);
	nr = 1 + dice(state) % NR_OBJS;
	ww_acquire_init(&ctx, &reservation_ww_class);
	ret = lock_all_intr(storm, &ctx, order, nr);
	HOLDS(crowd, !ret || ret == -EINTR);
	HOLDS(crowd, ctx.acquired == (ret ? 0 : nr));
	if (!ret) {
		count(storm, order, nr, me);
		unlock_all(storm, order, nr);
	}
	ww_acquire_fini(&ctx);
}

static void intr_run(struct crowd *crowd, unsigned int me)
{
	uint32_t state = me + 1;
	unsigned int i;

	if (me < NR_THREADS)
		targets[me] = pthread_self();
	crowd_meet(crowd);
	if (me < NR_THREADS) {
		for (i = 0; i < NR_ROUNDS; i++)
			intr_round(crowd, me, &state);
		__atomic_fetch_add(&nr_ended, 1, __ATOMIC_RELAXED);
	} else {
		while (__atomic_load_n(&nr_ended, __ATOMIC_RELAXED) <
		       NR_THREADS)
			pthread_kill(targets[dice(&state) % NR_THREADS],
				     SIGUSR1);
	}
	crowd_meet(crowd);
}

static void storm_of_interruptions_ends(void **state)
{
	struct sigaction action = { .sa_handler = hear }, old;
	struct storm storm;

	(void)state;
	nr_ended = 0;
	sigemptyset(&action.sa_mask);
	sigaction(SIGUSR1, &action, &old);
	storm_of(&storm, intr_run, NR_THREADS + 1);
	sigaction(SIGUSR1, &old, NULL);
}

/* Jobs, as drivers submit them: a fence on each of several objects, which ends
 * when those before it have. */
static void job_run(struct crowd *crowd, unsigned int me)
{
	struct storm *storm = crowd->data;
	struct mock_fence *job, *before = NULL;
	uint32_t state = me + 1;
	unsigned int order[NR_OBJS];
	struct ww_acquire_ctx ctx;
	unsigned int i, k, nr;

	for (i = 0; i < NR_ROUNDS; i++) {
		shuffle(order, &state);
		nr = 1 + dice(&state) % NR_OBJS;
		job = timeline_next(&storm->lines[me]);
		ww_acquire_init(&ctx, &reservation_ww_class);
		lock_all(crowd, &ctx, order, nr);
		for (k = 0; k < nr; k++) {
			HOLDS(crowd, !dma_resv_reserve_fences(
					     &storm->objs[order[k]], 1));
			dma_resv_add_fence(&storm->objs[order[k]], &job->base,
					   usages[dice(&state) % NR_USAGES]);
			HOLDS(crowd, !dma_resv_test_signaled(
					     &storm->objs[order[k]],
					     DMA_RESV_USAGE_BOOKKEEP));
		}
		count(storm, order, nr, me);
		unlock_all(storm, order, nr);
		ww_acquire_fini(&ctx);
		if (before)
			finish(before);
		before = job;
	}
	finish(before);
	crowd_meet(crowd);
	for (i = 0; i < NR_OBJS; i++)
		HOLDS(crowd, dma_resv_wait_timeout(&storm->objs[i],
						   DMA_RESV_USAGE_BOOKKEEP,
						   false, INT64_MAX) > 0);
}

static void storm_of_jobs_ends(void **state)
{
	struct storm storm;

	(void)state;
	storm_of(&storm, job_run, NR_THREADS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(storm_of_contexts_ends),
		LEAK_TEST(opposite_orders_end),
		LEAK_TEST(storm_with_and_without_contexts_ends),
		LEAK_TEST(storm_of_interruptions_ends),
		LEAK_TEST(storm_of_jobs_ends),
	};

	return cmocka_run_group_tests_name("dma_resv/storm", tests,
					   leaks_group_setup, NULL) != 0;
}
