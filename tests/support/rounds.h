/* SPDX-License-Identifier: MIT */
/* rounds.h - crowds that do the same to a new fence again and again */
#ifndef TESTS_ROUNDS_H
#define TESTS_ROUNDS_H

#include "crowd.h"
#include "mock-fence.h"

#define NR_ROUNDS 1000
#define NR_CALLBACKS 8

/* The data of the crowd: one fence a round. */
struct round {
	struct mock_fence *mock;
	struct dma_fence *fence;	/* the same */
	struct count_cb counts[NR_CALLBACKS];
	unsigned int winners;		/* atomic */
	int payload;			/* written before it is signalled */
};

/* @nr threads run @run, in which there is no fault. */
void rounds_check(void (*run)(struct crowd *crowd, unsigned int me),
		  unsigned int nr);

/* All threads meet; the first one makes the fence, and drops it. */
void round_begin(struct crowd *crowd, unsigned int me);
void round_end(struct crowd *crowd, unsigned int me);

/* In one of the ways that there are; what it returned. */
int signal_somehow(struct dma_fence *fence, unsigned int how);

/*
 * A callback on the stack of the calling thread, for as long as it yields
 * @keep times: it runs or is removed.
 */
void add_and_remove(struct crowd *crowd, struct dma_fence *fence,
		    unsigned int keep);

/* The next number; @seed is not 0. */
uint64_t random_next(uint64_t *seed);

#endif
