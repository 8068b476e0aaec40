/* SPDX-License-Identifier: MIT */
/* bench-fence.c - what the benchmarks of fences have in common */
#include "bench-fence.h"

#include <stdio.h>
#include <stdlib.h>

void bench_need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "benchmark: %s failed\n", what);
	exit(1);
}

static const char *name(struct dma_fence *fence)
{
	(void)fence;
	return "bench";
}

static const struct dma_fence_ops ops = {
	.get_driver_name = name,
	.get_timeline_name = name,
};

struct dma_fence *bench_fence_new(struct bench_line *line)
{
	struct dma_fence *fence = malloc(sizeof(*fence));

	bench_need(fence != NULL, "malloc");
	if (!line->context)
		line->context = dma_fence_context_alloc(1);
	dma_fence_init(fence, &ops, &line->lock, line->context, ++line->seqno);
	return fence;
}
