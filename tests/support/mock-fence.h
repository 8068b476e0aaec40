/* SPDX-License-Identifier: MIT */
/* mock-fence.h - fences that count what is asked of them */
#ifndef MOCK_FENCE_H
#define MOCK_FENCE_H

#include <pthread.h>
#include <stdbool.h>

#include <dmabuf/dma-fence.h>

/* Each on a timeline of its own, unless made with mock_fence_at(). */
struct mock_fence {
	struct dma_fence base;		/* first */
	pthread_mutex_t lock;		/* base.lock, of one made alone */
	/* What the ops answer; set before they can be asked. */
	bool refuse_enable;		/* enable_signaling says false */
	bool done;			/* signaled says true; atomic */
	int error_on_enable;		/* of one that refuses */
	/* What was asked; atomic. */
	unsigned int nr_enable;
	unsigned int nr_signaled;
	unsigned int nr_deadline;
	int64_t deadline;		/* the last one */
};

/*
 * All optional ops but wait; the names are "mock" and "line", number 7 is
 * "no. 7" on a timeline "before no. 7".
 */
extern const struct dma_fence_ops mock_fence_ops;

/* With one reference. The last put frees it, and counts. */
struct mock_fence *mock_fence_new(void);

/* On a timeline of the caller's: its lock outlives the fence. */
struct mock_fence *mock_fence_at(pthread_mutex_t *lock, uint64_t context,
				 uint64_t seqno);

/* @nr of them; and their references put, with no callback left on any. */
void mock_fences_make(struct mock_fence **mocks, struct dma_fence **fences,
		      unsigned int nr);
void mock_fences_put(struct dma_fence **fences, unsigned int nr);

/* One with the two mandatory ops only. Nobody counts it: free(3) ends it. */
struct dma_fence *plain_fence_new(void);

/* Mocks not yet freed. */
unsigned int mock_fences_live(void);

/*
 * Wait until @nr are left; false after ten seconds with more of them. A
 * LEAK_TEST does it in its teardown, with the number that there was before.
 */
bool mock_fences_wait(unsigned int nr);

/* A callback that counts, and remembers when it ran among others. */
struct count_cb {
	struct dma_fence_cb cb;		/* first */
	unsigned int ran;		/* atomic */
	unsigned int place;		/* order over all count_cbs, from 1 */
};

void count_cb_run(struct dma_fence *fence, struct dma_fence_cb *cb);

#endif
