/* SPDX-License-Identifier: MIT */
/* seed.h - random bytes that can be had again */
#ifndef TESTS_SEED_H
#define TESTS_SEED_H

#include <stddef.h>
#include <stdint.h>

/* From DMABUF_WALK_SEED, or a new one, which is printed. Not 0, nor ~0. */
uint64_t seed_choose(void);

/* The same bytes from the same @state everywhere. */
void seed_fill(uint8_t *bytes, size_t len, uint64_t *state);

#endif
