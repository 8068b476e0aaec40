/* SPDX-License-Identifier: MIT */
/* walk.h - bytes played as API calls, against a model of what must hold */
#ifndef TESTS_WALK_H
#define TESTS_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One step is so many bytes: what to do, to which buffer, and how. */
#define WALK_STEP 3

/* What a walk came across. */
struct walk_result {
	unsigned int steps;		/* that did something */
	unsigned int releases;
	unsigned int closes;		/* descriptions found by dispatch */
	char fault[160];		/* "" when everything held */
};

/*
 * Play @len bytes on an empty library; ends with dropping everything. False
 * when something did not hold, which leaves the library as it is then.
 */
bool walk_play(const uint8_t *bytes, size_t len, struct walk_result *result);

#endif
