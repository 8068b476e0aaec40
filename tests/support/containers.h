/* SPDX-License-Identifier: MIT */
/* containers.h - arrays and chains to test with, and where they signal */
#ifndef TESTS_CONTAINERS_H
#define TESTS_CONTAINERS_H

#include <pthread.h>
#include <stdbool.h>

#include <dmabuf/dmabuf.h>

#include "mock-fence.h"

/* Kinds of arrays: done with all members, or with any. */
#define ALL false
#define ANY true

/* Over mocks, on each of which it takes a reference of its own. */
struct dma_fence *array_over(struct mock_fence *const *members, unsigned int nr,
			     bool any);

#define GROUP_NR 3

/* An array over mocks, on each of which the test has a reference too. */
struct group {
	struct mock_fence *members[GROUP_NR];
	struct dma_fence *array;
};

void group_begin(struct group *group, bool any);

/* Signals what is not, and drops all. */
void group_end(struct group *group);

/* As array_over(), a node; the reference on @prev, which may be NULL, goes. */
struct dma_fence *node_over(struct dma_fence *prev, struct dma_fence *fence,
			    uint64_t seqno);

/* A chain of @nr nodes, oldest first. */
struct chained {
	unsigned int nr;
	struct mock_fence **fences;	/* with a reference on each */
	struct dma_fence **nodes;	/* likewise */
};

/* The numbers are @step, 2 * @step and so on. */
void chained_init(struct chained *chained, unsigned int nr, unsigned int step);
void chained_enable(struct chained *chained);

/* Drop what is there, done or not. */
void chained_fini(struct chained *chained);

/* Signalled, without asking it: nobody is made to look. */
bool is_marked(const struct dma_fence *fence);
unsigned int refs_of(const struct dma_fence *fence);

/* Signal it, with this error unless 0. */
void finish_with(struct mock_fence *fence, int error);

/* A callback on a container that wants the lock of a member. */
struct probe {
	struct dma_fence_cb cb;		/* first */
	pthread_mutex_t *lock;
	pthread_t adder;
	bool ran;			/* atomic */
	bool got_it;
};

void probe_add(struct probe *probe, struct dma_fence *fence,
	       pthread_mutex_t *lock);

/* @fence is signalled: the callback has run, and no lock was in its way. */
void probe_check(struct probe *probe, struct dma_fence *fence);

#endif
