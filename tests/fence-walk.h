/* SPDX-License-Identifier: MIT */
/* fence-walk.h - bytes played as calls on reservations, against a model */
#ifndef TESTS_FENCE_WALK_H
#define TESTS_FENCE_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One step is so many bytes: what, on which reservation, which fence, how. */
#define FENCE_WALK_STEP 4

/* What a walk came across. */
struct fence_walk_result {
	unsigned int steps;		/* that did something */
	unsigned int replaced;		/* fences that gave their place */
	unsigned int grown;		/* fences dropped to make room */
	unsigned int bugs;		/* additions without room */
	unsigned int restarts;		/* walks that began again */
	unsigned int polls;		/* callbacks of polls that fired */
	char fault[160];		/* "" when everything held */
};

/*
 * Play @len bytes; ends with dropping everything. False when something did not
 * hold, which leaves the library as it is then.
 */
bool fence_walk_play(const uint8_t *bytes, size_t len,
		     struct fence_walk_result *result);

#endif
