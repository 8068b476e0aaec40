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

#include <cmocka.h>

#include "fence-walk.h"
#include "leaks.h"
#include "seed.h"

#define NR_WALKS 300
#define NR_STEPS 1000

static uint64_t seed;

static void walk_play_one(unsigned int nr_steps, uint64_t *state,
			  struct fence_walk_result *result)
{
	static uint8_t bytes[NR_STEPS * FENCE_WALK_STEP];
	size_t len = nr_steps * FENCE_WALK_STEP;

	seed_fill(bytes, len, state);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(random_walks_hold),
		LEAK_TEST(short_walks_hold),
	};

	seed = seed_choose();
	return cmocka_run_group_tests_name("fence_walk", tests,
					   leaks_group_setup, NULL) != 0;
}
