/* SPDX-License-Identifier: MIT */
/*
 * test-fence-array-threads.c - arrays whose members signal in several threads
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

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "containers.h"
#include "crowd.h"
#include "leaks.h"
#include "mock-fence.h"

#define NR_ROUNDS 2000

/* A member for each thread; some fail, with an error of their own. */
struct squad {
	struct mock_fence *members[NR_THREADS];
	struct dma_fence *array;
	struct count_cb counts[NR_THREADS];
	bool added[NR_THREADS];
	int status[NR_THREADS];
	bool any;
	bool drop;		/* the array, while the members signal */
};

static const int errors[NR_THREADS] = { -EIO, 0, -EPIPE, -ENOENT };

static void squad_begin(struct squad *squad, unsigned int round)
{
	unsigned int i;

	memset(squad, 0, sizeof(*squad));
	squad->any = round % 2;
	for (i = 0; i < NR_THREADS; i++) {
		squad->members[i] = mock_fence_new();
		if (errors[i])
			dma_fence_set_error(&squad->members[i]->base,
					    errors[i]);
	}
	squad->array = array_over(squad->members, NR_THREADS, squad->any);
}

static void squad_end(struct squad *squad)
{
	unsigned int i;

	for (i = 0; i < NR_THREADS; i++) {
		assert_int_equal(refs_of(&squad->members[i]->base),
				 squad->drop ? 1 : 2);
		dma_fence_put(&squad->members[i]->base);
	}
	if (!squad->drop)
		dma_fence_put(squad->array);
	assert_int_equal(mock_fences_live(), 0);
}

/* Once known, the status does not change; that of any-of comes early. */
static void status_ask(struct crowd *crowd, struct squad *squad,
		       unsigned int me)
{
	int status = dma_fence_get_status(squad->array);

	if (squad->status[me])
		HOLDS(crowd, status == squad->status[me]);
	squad->status[me] = status;
}

static void squad_run(struct crowd *crowd, unsigned int me)
{
	struct squad *squad = crowd->data;

	status_ask(crowd, squad, me);
	/* In half of the rounds nobody waits before the members signal. */
	if (me == 3)
		squad->added[me] = !dma_fence_add_callback(
			squad->array, &squad->counts[me].cb, count_cb_run);
	if (me == 2) {
		pthread_mutex_lock(&squad->members[me]->lock);
		dma_fence_signal_locked(&squad->members[me]->base);
		pthread_mutex_unlock(&squad->members[me]->lock);
	} else {
		dma_fence_signal(&squad->members[me]->base);
	}
	status_ask(crowd, squad, me);
	if (me == 1)
		dma_fence_wait(squad->array, false);
	status_ask(crowd, squad, me);
	crowd_meet(crowd);
	status_ask(crowd, squad, me);
}

static bool is_an_error(int status)
{
	unsigned int i;

	for (i = 0; i < NR_THREADS; i++)
		if (errors[i] && status == errors[i])
			return true;
	return false;
}

static void status_is_one_for_all_threads(void **state)
{
	struct crowd crowd = { .run = squad_run };
	struct squad squad;
	unsigned int round, i;
	int status;

	(void)state;
	crowd.data = &squad;
	for (round = 0; round < NR_ROUNDS; round++) {
		squad_begin(&squad, round);
		crowd_check(&crowd, NR_THREADS);
		status = dma_fence_get_status(squad.array);
		assert_true(is_an_error(status) ||
			    (squad.any && status == 1));
		for (i = 0; i < NR_THREADS; i++)
			assert_int_equal(squad.status[i], status);
		/* The callback may be left to a thread of the library. */
		pthread_mutex_lock(squad.array->lock);
		pthread_mutex_unlock(squad.array->lock);
		assert_int_equal(squad.counts[3].ran, squad.added[3]);
		while (refs_of(squad.array) > 1)
			sched_yield();
		squad_end(&squad);
	}
}

/* Nobody waits: threads ask while the members turn up done. */
static void ask_run(struct crowd *crowd, unsigned int me)
{
	struct squad *squad = crowd->data;

	status_ask(crowd, squad, me);
	__atomic_store_n(&squad->members[me]->done, true, __ATOMIC_RELEASE);
	status_ask(crowd, squad, me);
	crowd_meet(crowd);
	status_ask(crowd, squad, me);
}

static void status_that_is_only_asked_for_is_one(void **state)
{
	struct crowd crowd = { .run = ask_run };
	struct squad squad;
	unsigned int round, i;

	(void)state;
	crowd.data = &squad;
	for (round = 0; round < NR_ROUNDS; round++) {
		squad_begin(&squad, round);
		crowd_check(&crowd, NR_THREADS);
		for (i = 0; i < NR_THREADS; i++) {
			assert_int_equal(squad.status[i], squad.status[0]);
			assert_int_equal(squad.members[i]->nr_enable, 0);
			dma_fence_signal(&squad.members[i]->base);
		}
		/* All: the first in the array. */
		if (!squad.any)
			assert_int_equal(squad.status[0], errors[0]);
		squad_end(&squad);
	}
}

static void drop_run(struct crowd *crowd, unsigned int me)
{
	struct squad *squad = crowd->data;

	(void)crowd;
	if (!me)
		dma_fence_put(squad->array);
	dma_fence_signal(&squad->members[me]->base);
}

/* INV-F-D7: whoever is the last ends the array. */
static void array_ends_with_the_last_of_all_threads(void **state)
{
	struct crowd crowd = { .run = drop_run };
	struct squad squad;
	unsigned int round;

	(void)state;
	crowd.data = &squad;
	for (round = 0; round < NR_ROUNDS; round++) {
		squad_begin(&squad, round);
		squad.drop = true;
		if (round % 4 < 3)
			dma_fence_enable_sw_signaling(squad.array);
		crowd_check(&crowd, NR_THREADS);
		squad_end(&squad);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(status_is_one_for_all_threads),
		LEAK_TEST(status_that_is_only_asked_for_is_one),
		LEAK_TEST(array_ends_with_the_last_of_all_threads),
	};

	return cmocka_run_group_tests_name("dma_fence_array/threads", tests,
					   leaks_group_setup, NULL) != 0;
}
