/* SPDX-License-Identifier: MIT */
/* seed.c - random bytes that can be had again */
#include "seed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <bsd/stdlib.h>

#include <cmocka.h>

uint64_t seed_choose(void)
{
	const char *text = getenv("DMABUF_WALK_SEED");
	uint64_t seed;

	if (text)
		seed = strtoull(text, NULL, 0);
	else
		seed = arc4random();
	/* 0 is the one state that never changes; ~seed is one, too. */
	if (!seed || !~seed)
		seed = 1;
	print_message("DMABUF_WALK_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

/* xorshift64* */
static uint8_t next_byte(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint8_t)(*state * 0x2545f4914f6cdd1d >> 56);
}

void seed_fill(uint8_t *bytes, size_t len, uint64_t *state)
{
	while (len--)
		*bytes++ = next_byte(state);
}
