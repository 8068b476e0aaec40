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
#include <stdio.h>
#include <stdlib.h>
#include <bsd/stdlib.h>

#include <cmocka.h>

#include "leaks.h"
#include "sanitized.h"
#include "walk.h"

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

static void walk_fill(uint8_t *bytes, size_t len, uint64_t *state)
{
	while (len--)
		*bytes++ = next_byte(state);
}

static void random_walks_hold(void **unused)
{
	static uint8_t bytes[NR_STEPS * WALK_STEP];
	struct walk_result result, sum = { 0 };
	uint64_t state = seed;
	int i;

	(void)unused;
	for (i = 0; i < NR_WALKS; i++) {
		walk_fill(bytes, sizeof(bytes), &state);
		if (!walk_play(bytes, sizeof(bytes), &result))
			fail_msg("seed %llu, walk %d, step %u: %s",
				 (unsigned long long)seed, i, result.steps,
				 result.fault);
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
	uint8_t bytes[16 * WALK_STEP];
	struct walk_result result;
	uint64_t state = ~seed;
	int i;

	(void)unused;
	for (i = 0; i < NR_WALKS; i++) {
		walk_fill(bytes, sizeof(bytes), &state);
		if (!walk_play(bytes, sizeof(bytes), &result))
			fail_msg("seed %llu, short walk %d, step %u: %s",
				 (unsigned long long)seed, i, result.steps,
				 result.fault);
	}
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

	seed_choose();
	return cmocka_run_group_tests_name("walk", tests, leaks_group_setup,
					   NULL) != 0;
}
