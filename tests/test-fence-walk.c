/* SPDX-License-Identifier: MIT */
/*
 * test-fence-walk.c - thousands of random calls on reservations, and a model
 *
 * Prints the seed; DMABUF_WALK_SEED=<number> plays it again. INV-F-D9,
 * INV-F-D10: what the model says of each addition.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <bsd/stdlib.h>

#include <cmocka.h>

#include "fence-walk.h"
#include "leaks.h"

#define NR_WALKS 300
#define NR_STEPS 1000

static uint64_t seed;

/* xorshift64*: the same walk from the same seed everywhere. */
static uint8_t next_byte(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint8_t)(*state * 0x2545f4914f6cdd1d >> 56);
}

static void walk_play_one(unsigned int nr_steps, uint64_t *state,
			  struct fence_walk_result *result)
{
	static uint8_t bytes[NR_STEPS * FENCE_WALK_STEP];
	size_t i, len = nr_steps * FENCE_WALK_STEP;

	for (i = 0; i < len; i++)
		bytes[i] = next_byte(state);
	if (!fence_walk_play(bytes, len, result))
		fail_msg("seed %llu, a walk of %u steps, step %u: %s",
			 (unsigned long long)seed, nr_steps, result->steps,
			 result->fault);
}

static void random_walks_hold(void **unused)
{
	struct fence_walk_result result, sum = { 0 };
	uint64_t state = seed;
	int i;

	(void)unused;
	for (i = 0; i < NR_WALKS; i++) {
		walk_play_one(NR_STEPS, &state, &result);
		sum.steps += result.steps;
		sum.replaced += result.replaced;
		sum.grown += result.grown;
		sum.bugs += result.bugs;
		sum.restarts += result.restarts;
		sum.polls += result.polls;
	}
	print_message("%d walks, %u steps, %u fences replaced, %u left behind, "
		      "%u BUGs, %u restarts, %u polls fired\n", NR_WALKS,
		      sum.steps, sum.replaced, sum.grown, sum.bugs,
		      sum.restarts, sum.polls);
	assert_true(sum.replaced && sum.grown && sum.bugs && sum.restarts &&
		    sum.polls);
}

static void short_walks_hold(void **unused)
{
	struct fence_walk_result result;
	uint64_t state = ~seed;
	int i;

	(void)unused;
	for (i = 0; i < NR_WALKS; i++)
		walk_play_one(24, &state, &result);
}

static void seed_choose(void)
{
	const char *text = getenv("DMABUF_WALK_SEED");

	if (text)
		seed = strtoull(text, NULL, 0);
	else
		seed = arc4random();
	/* 0 is the one state that never changes. */
	if (!seed || !~seed)
		seed = 1;
	print_message("DMABUF_WALK_SEED=%llu\n", (unsigned long long)seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(random_walks_hold),
		LEAK_TEST(short_walks_hold),
	};

	seed_choose();
	return cmocka_run_group_tests_name("fence_walk", tests,
					   leaks_group_setup, NULL) != 0;
}
