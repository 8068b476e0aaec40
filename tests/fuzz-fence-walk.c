/* SPDX-License-Identifier: MIT */
/* fuzz-fence-walk.c - libFuzzer looks for calls that break fence-walk.c */
#include <stdio.h>
#include <stdlib.h>

#include <dmabuf/dmabuf.h>

#include "fence-walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct fence_walk_result result;

	if (fence_walk_play(bytes, len, &result))
		return 0;
	fprintf(stderr, "fuzz-fence-walk: step %u: %s\n", result.steps,
		result.fault);
	abort();
}
