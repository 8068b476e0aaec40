/* SPDX-License-Identifier: MIT */
/* test-resv-ww.c - threads that take several reservations each */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "actor.h"
#include "leaks.h"
#include "warns.h"

#define NR_OBJS 3
#define NR_PARTIES 4

static struct dma_resv objs[NR_OBJS];

/* A thread with a context. The first party is the eldest. */
struct party {
	struct actor actor;
	struct ww_acquire_ctx ctx;
	struct dma_resv *obj;		/* what it does something with */
	unsigned int place;		/* in the order of getting objs[0] */
};

static struct party parties[NR_PARTIES];
static unsigned int nr_places;		/* objs[0] */

static struct party *const eldest = &parties[0];
static struct party *const elder = &parties[1];
static struct party *const younger = &parties[2];
static struct party *const youngest = &parties[3];

/* What a party can be told to do */

static int64_t do_init(void *data)
{
	ww_acquire_init(&((struct party *)data)->ctx, &reservation_ww_class);
	return 0;
}

static int64_t do_fini(void *data)
{
	ww_acquire_fini(&((struct party *)data)->ctx);
	return 0;
}

static int64_t do_lock(void *data)
{
	struct party *party = data;

	return dma_resv_lock(party->obj, &party->ctx);
}

static int64_t do_lock_intr(void *data)
{
	struct party *party = data;

	return dma_resv_lock_interruptible(party->obj, &party->ctx);
}

static int64_t do_lock_plain(void *data)
{
	return dma_resv_lock(((struct party *)data)->obj, NULL);
}

static int64_t do_lock_plain_intr(void *data)
{
	return dma_resv_lock_interruptible(((struct party *)data)->obj, NULL);
}

static int64_t do_lock_slow(void *data)
{
	struct party *party = data;

	dma_resv_lock_slow(party->obj, &party->ctx);
	return 0;
}

static int64_t do_lock_slow_intr(void *data)
{
	struct party *party = data;

	return dma_resv_lock_slow_interruptible(party->obj, &party->ctx);
}

static int64_t do_unlock(void *data)
{
	dma_resv_unlock(((struct party *)data)->obj);
	return 0;
}

/* Take it, note which turn that was, and give it back. */
static int64_t do_turn(void *data)
{
	struct party *party = data;
	int ret = dma_resv_lock(party->obj, &party->ctx);

	if (ret)
		return ret;
	party->place = ++nr_places;
	dma_resv_unlock(party->obj);
	return 0;
}

static void start(struct party *party, actor_fn fn, unsigned int obj)
{
	actor_end(&party->actor);
	party->obj = &objs[obj];
	actor_begin(&party->actor, fn, party);
}

static int64_t play(struct party *party, actor_fn fn, unsigned int obj)
{
	start(party, fn, obj);
	return actor_end(&party->actor);
}

static int64_t result_of(struct party *party)
{
	return actor_end(&party->actor);
}

/* Threads, each with a context, in the order of age. */
static void parties_begin(void)
{
	int i;

	for (i = 0; i < NR_PARTIES; i++) {
		actor_start(&parties[i].actor);
		play(&parties[i], do_init, 0);
	}
}

static void parties_end(void)
{
	int i;

	for (i = 0; i < NR_PARTIES; i++) {
		play(&parties[i], do_fini, 0);
		actor_stop(&parties[i].actor);
	}
}

static int begin(void **state)
{
	int i;

	if (leaks_setup(state))
		return -1;
	for (i = 0; i < NR_OBJS; i++)
		dma_resv_init(&objs[i]);
	parties_begin();
	return 0;
}

static int end(void **state)
{
	int i;

	parties_end();
	for (i = 0; i < NR_OBJS; i++)
		dma_resv_fini(&objs[i]);
	return leaks_teardown(state);
}

static unsigned int nr_waiting(struct dma_resv *obj)
{
	const struct dmabuf_list *at;
	unsigned int nr = 0;

	pthread_mutex_lock(&obj->guard);
	for (at = obj->waiters.next; at != &obj->waiters; at = at->next)
		nr++;
	pthread_mutex_unlock(&obj->guard);
	return nr;
}

/* Until so many threads stand in the queue of an object. */
static void until_waiting(unsigned int obj, unsigned int nr)
{
	while (nr_waiting(&objs[obj]) != nr)
		sched_yield();
}

/* It stands in the queue then, as one of @nr. */
static void queue(struct party *party, actor_fn fn, unsigned int obj,
		  unsigned int nr)
{
	start(party, fn, obj);
	until_waiting(obj, nr);
}

/* Wait-die: elders wait, those who are younger die. */

static void younger_gets_edeadlk(void **state)
{
	(void)state;
	assert_int_equal(play(elder, do_lock, 0), 0);
	assert_int_equal(play(younger, do_lock, 1), 0);
	assert_int_equal(play(younger, do_lock, 0), -EDEADLK);
	assert_int_equal(play(younger, do_lock_intr, 0), -EDEADLK);
	assert_int_equal(nr_waiting(&objs[0]), 0);
	assert_int_equal(younger->ctx.acquired, 1);
	assert_ptr_equal(dma_resv_locking_ctx(&objs[0]), &elder->ctx);
	play(younger, do_unlock, 1);
	play(elder, do_unlock, 0);
}

static void elder_waits_and_younger_takes_the_slow_way(void **state)
{
	(void)state;
	assert_int_equal(play(elder, do_lock, 0), 0);
	assert_int_equal(play(younger, do_lock, 1), 0);
	queue(elder, do_lock, 1, 1);
	assert_int_equal(play(younger, do_lock, 0), -EDEADLK);
	assert_true(actor_is_busy(&elder->actor));
	play(younger, do_unlock, 1);
	assert_int_equal(result_of(elder), 0);
	queue(younger, do_lock_slow, 0, 1);
	play(elder, do_unlock, 1);
	assert_true(actor_is_busy(&younger->actor));
	play(elder, do_unlock, 0);
	assert_int_equal(result_of(younger), 0);
	assert_int_equal(play(younger, do_lock, 1), 0);
	assert_int_equal(younger->ctx.acquired, 2);
	play(younger, do_unlock, 0);
	play(younger, do_unlock, 1);
}

/* It may block for ever then, and so it warns. But it takes it, or waits. */
static void slow_way_waits_though_others_are_held(void **state)
{
	(void)state;
	assert_int_equal(play(elder, do_lock, 0), 0);
	assert_int_equal(play(younger, do_lock, 1), 0);
	queue(younger, do_lock_slow, 0, 1);
	assert_warned("WARN: dma_resv_lock_slow: ");
	play(elder, do_unlock, 0);
	result_of(younger);
	assert_ptr_equal(objs[0].ctx, &younger->ctx);
	play(younger, do_unlock, 0);
	play(younger, do_unlock, 1);
}

/* Who waits without a result cannot be told that it shall give way. */
static void slow_way_is_not_refused_when_an_elder_comes(void **state)
{
	(void)state;
	assert_int_equal(play(younger, do_lock, 1), 0);
	dma_resv_lock(&objs[0], NULL);
	queue(younger, do_lock_slow, 0, 1);
	assert_warned("WARN: dma_resv_lock_slow: ");
	queue(elder, do_lock, 0, 2);
	assert_true(actor_is_busy(&younger->actor));
	dma_resv_unlock(&objs[0]);
	assert_int_equal(result_of(elder), 0);
	play(elder, do_unlock, 0);
	result_of(younger);
	assert_ptr_equal(objs[0].ctx, &younger->ctx);
	assert_int_equal(younger->ctx.acquired, 2);
	play(younger, do_unlock, 0);
	play(younger, do_unlock, 1);
}

static void younger_that_holds_nothing_waits(void **state)
{
	(void)state;
	assert_int_equal(play(elder, do_lock, 0), 0);
	queue(younger, do_lock, 0, 1);
	play(elder, do_unlock, 0);
	assert_int_equal(result_of(younger), 0);
	play(younger, do_unlock, 0);
}

static void nobody_dies_of_an_owner_without_context(void **state)
{
	(void)state;
	assert_int_equal(play(younger, do_lock, 1), 0);
	dma_resv_lock(&objs[0], NULL);
	queue(younger, do_lock, 0, 1);
	dma_resv_unlock(&objs[0]);
	assert_int_equal(result_of(younger), 0);
	play(younger, do_unlock, 0);
	play(younger, do_unlock, 1);
}

static void waiter_without_context_waits_for_anybody(void **state)
{
	(void)state;
	assert_int_equal(play(younger, do_lock, 0), 0);
	queue(elder, do_lock_plain, 0, 1);
	play(younger, do_unlock, 0);
	assert_int_equal(result_of(elder), 0);
	assert_null(objs[0].ctx);
	play(elder, do_unlock, 0);
}

static void waiters_get_it_in_the_order_of_age(void **state)
{
	static const unsigned int orders[][NR_PARTIES] = {
		{ 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 2, 0, 3, 1 },
	};
	unsigned int i, k;

	(void)state;
	for (k = 0; k < sizeof(orders) / sizeof(*orders); k++) {
		nr_places = 0;
		dma_resv_lock(&objs[0], NULL);
		for (i = 0; i < NR_PARTIES; i++) {
			queue(&parties[orders[k][i]], do_turn, 0, i + 1);
		}
		dma_resv_unlock(&objs[0]);
		for (i = 0; i < NR_PARTIES; i++) {
			assert_int_equal(result_of(&parties[i]), 0);
			assert_int_equal(parties[i].place, i + 1);
		}
	}
}

/* An elder that waits is to have it first. */
static void younger_dies_of_a_waiter_in_front(void **state)
{
	(void)state;
	assert_int_equal(play(younger, do_lock, 1), 0);
	dma_resv_lock(&objs[0], NULL);
	queue(elder, do_lock, 0, 1);
	assert_int_equal(play(younger, do_lock, 0), -EDEADLK);
	play(younger, do_unlock, 1);
	dma_resv_unlock(&objs[0]);
	assert_int_equal(result_of(elder), 0);
	play(elder, do_unlock, 0);
}

/* The owner is younger than both: the waiter in front is why it dies. */
static void younger_dies_of_a_waiter_though_it_is_elder_than_the_owner(
	void **state)
{
	(void)state;
	assert_int_equal(play(youngest, do_lock, 0), 0);
	assert_int_equal(play(younger, do_lock, 1), 0);
	queue(elder, do_lock, 0, 1);
	assert_int_equal(play(younger, do_lock, 0), -EDEADLK);
	play(younger, do_unlock, 1);
	play(youngest, do_unlock, 0);
	assert_int_equal(result_of(elder), 0);
	play(elder, do_unlock, 0);
}

static void waiter_dies_when_an_elder_comes(void **state)
{
	(void)state;
	assert_int_equal(play(younger, do_lock, 1), 0);
	dma_resv_lock(&objs[0], NULL);
	queue(younger, do_lock, 0, 1);
	start(elder, do_lock, 0);
	assert_int_equal(result_of(younger), -EDEADLK);
	until_waiting(0, 1);
	assert_int_equal(younger->ctx.acquired, 1);
	play(younger, do_unlock, 1);
	dma_resv_unlock(&objs[0]);
	assert_int_equal(result_of(elder), 0);
	play(elder, do_unlock, 0);
}

static void waiter_that_holds_nothing_lets_an_elder_pass(void **state)
{
	(void)state;
	nr_places = 0;
	dma_resv_lock(&objs[0], NULL);
	queue(younger, do_turn, 0, 1);
	queue(elder, do_turn, 0, 2);
	dma_resv_unlock(&objs[0]);
	assert_int_equal(result_of(elder), 0);
	assert_int_equal(result_of(younger), 0);
	assert_int_equal(elder->place, 1);
	assert_int_equal(younger->place, 2);
}

static void waiter_for_the_youngest_dies_when_an_elder_comes(void **state)
{
	(void)state;
	assert_int_equal(play(youngest, do_lock, 0), 0);
	assert_int_equal(play(younger, do_lock, 1), 0);
	queue(younger, do_lock, 0, 1);
	start(eldest, do_lock, 0);
	assert_int_equal(result_of(younger), -EDEADLK);
	play(younger, do_unlock, 1);
	play(youngest, do_unlock, 0);
	assert_int_equal(result_of(eldest), 0);
	play(eldest, do_unlock, 0);
}

/* Round in a ring: everybody holds one and wants the next. */
static void ring_is_broken_by_age(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < NR_OBJS; i++)
		assert_int_equal(play(&parties[i], do_lock, i), 0);
	/* 0 wants 1's, 1 wants 2's, and 2 wants 0's: the youngest dies. */
	queue(&parties[0], do_lock, 1, 1);
	queue(&parties[1], do_lock, 2, 1);
	assert_int_equal(play(&parties[2], do_lock, 0), -EDEADLK);
	play(&parties[2], do_unlock, 2);
	assert_int_equal(result_of(&parties[1]), 0);
	play(&parties[1], do_unlock, 2);
	play(&parties[1], do_unlock, 1);
	assert_int_equal(result_of(&parties[0]), 0);
	play(&parties[0], do_unlock, 1);
	play(&parties[0], do_unlock, 0);
}

static void trylock_fails_while_it_is_held(void **state)
{
	(void)state;
	assert_int_equal(play(elder, do_lock, 0), 0);
	assert_false(dma_resv_trylock(&objs[0]));
	assert_true(dma_resv_trylock(&objs[1]));
	play(elder, do_unlock, 0);
	dma_resv_unlock(&objs[1]);
}

/* Interrupted */

static void waits_are_interrupted(void **state)
{
	static const actor_fn fns[] = {
		do_lock_intr, do_lock_plain_intr, do_lock_slow_intr,
	};
	unsigned int i;

	(void)state;
	dma_resv_lock(&objs[0], NULL);
	for (i = 0; i < sizeof(fns) / sizeof(*fns); i++) {
		queue(younger, fns[i], 0, 1);
		assert_int_equal(actor_interrupt(&younger->actor), -EINTR);
		assert_int_equal(nr_waiting(&objs[0]), 0);
		assert_int_equal(younger->ctx.acquired, 0);
	}
	dma_resv_unlock(&objs[0]);
	assert_int_equal(play(younger, do_lock, 0), 0);
	play(younger, do_unlock, 0);
}

static void deaf_waits_are_not_interrupted(void **state)
{
	static const actor_fn fns[] = { do_lock, do_lock_plain, do_lock_slow };
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(fns) / sizeof(*fns); i++) {
		assert_int_equal(play(elder, do_lock, 0), 0);
		queue(younger, fns[i], 0, 1);
		start(elder, do_unlock, 0);
		assert_int_equal(actor_interrupt(&younger->actor), 0);
		play(younger, do_unlock, 0);
	}
}

static void others_get_on_when_a_waiter_is_interrupted(void **state)
{
	(void)state;
	dma_resv_lock(&objs[0], NULL);
	queue(elder, do_lock_intr, 0, 1);
	queue(younger, do_lock, 0, 2);
	assert_int_equal(actor_interrupt(&elder->actor), -EINTR);
	assert_int_equal(nr_waiting(&objs[0]), 1);
	dma_resv_unlock(&objs[0]);
	assert_int_equal(result_of(younger), 0);
	play(younger, do_unlock, 0);
}

#define WW_TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WW_TEST(younger_gets_edeadlk),
		WW_TEST(elder_waits_and_younger_takes_the_slow_way),
		WW_TEST(slow_way_waits_though_others_are_held),
		WW_TEST(slow_way_is_not_refused_when_an_elder_comes),
		WW_TEST(younger_that_holds_nothing_waits),
		WW_TEST(nobody_dies_of_an_owner_without_context),
		WW_TEST(waiter_without_context_waits_for_anybody),
		WW_TEST(waiters_get_it_in_the_order_of_age),
		WW_TEST(younger_dies_of_a_waiter_in_front),
		WW_TEST(
	younger_dies_of_a_waiter_though_it_is_elder_than_the_owner),
		WW_TEST(waiter_dies_when_an_elder_comes),
		WW_TEST(waiter_that_holds_nothing_lets_an_elder_pass),
		WW_TEST(waiter_for_the_youngest_dies_when_an_elder_comes),
		WW_TEST(ring_is_broken_by_age),
		WW_TEST(trylock_fails_while_it_is_held),
		WW_TEST(waits_are_interrupted),
		WW_TEST(deaf_waits_are_not_interrupted),
		WW_TEST(others_get_on_when_a_waiter_is_interrupted),
	};

	return cmocka_run_group_tests_name("dma_resv/ww", tests,
					   leaks_group_setup, NULL) != 0;
}
