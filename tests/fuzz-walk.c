/* SPDX-License-Identifier: MIT */
/* fuzz-walk.c - libFuzzer looks for API calls that break the model of walk.c */
#include <stdio.h>
#include <stdlib.h>

#include <dmabuf/dmabuf.h>

#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct walk_result result;

	if (walk_play(bytes, len, &result))
		return 0;
	fprintf(stderr, "fuzz-walk: step %u: %s\n", result.steps, result.fault);
	abort();
}
