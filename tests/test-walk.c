/* SPDX-License-Identifier: MIT */
/*
 * test-walk.c - thousands of random API calls against a model
 *
 * Prints the seed; DMABUF_WALK_SEED=<number> plays it again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "leaks.h"
#include "sanitized.h"
#include "seed.h"
#include "walk.h"

#define NR_WALKS 300
#define NR_STEPS 1000

static uint64_t seed;

static void walk_play_one(unsigned int nr_steps, uint64_t *state,
			  struct walk_result *result)
{
	static uint8_t bytes[NR_STEPS * WALK_STEP];
	size_t len = nr_steps * WALK_STEP;

	seed_fill(bytes, len, state);
	if (!walk_play(bytes, len, result))
		fail_msg("seed %llu, a walk of %u steps, step %u: %s",
			 (unsigned long long)seed, nr_steps, result->steps,
			 result->fault);
}

static void random_walks_hold(void **unused)
{
	struct walk_result result, sum = { 0 };
	uint64_t state = seed;
	int i;

	(void)unused;
	for (i = 0; i < NR_WALKS; i++) {
		walk_play_one(NR_STEPS, &state, &result);
		sum.steps += result.steps;
		sum.releases += result.releases;
		sum.closes += result.closes;
	}
	print_message("%d walks, %u steps, %u releases, %u closes noticed\n",
		      NR_WALKS, sum.steps, sum.releases, sum.closes);
	assert_true(sum.releases && sum.closes);
}

static void short_walks_hold(void **unused)
{
	struct walk_result result;
	uint64_t state = ~seed;
	int i;

	(void)unused;
	for (i = 0; i < NR_WALKS; i++)
		walk_play_one(16, &state, &result);
}

static void valgrind_say(void)
{
	if (under_valgrind())
		print_message("valgrind does not know mremap(2) with an old "
			      "size of 0: no dma_buf_mmap() of anon buffers\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(random_walks_hold),
		LEAK_TEST(short_walks_hold),
	};

	seed = seed_choose();
	valgrind_say();
	return cmocka_run_group_tests_name("walk", tests, leaks_group_setup,
					   NULL) != 0;
}
