/* SPDX-License-Identifier: MIT */
/* bench-fence.h - what the benchmarks of fences have in common */
#ifndef TESTS_SUPPORT_BENCH_FENCE_H
#define TESTS_SUPPORT_BENCH_FENCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <dmabuf/dma-fence.h>

/* A step of the set-up failed: there is nothing to measure. */
void bench_need(bool ok, const char *what);

/* All zero but the lock: a timeline on which nothing was made yet. */
struct bench_line {
	pthread_mutex_t lock;
	uint64_t context;
	uint64_t seqno;
};

#define BENCH_LINE_INIT { .lock = PTHREAD_MUTEX_INITIALIZER }

/* The next fence, of the smallest kind: the two names, and no other op. */
struct dma_fence *bench_fence_new(struct bench_line *line);

#endif
