/* SPDX-License-Identifier: MIT */
/* waiter.h - a thread that waits for fences */
#ifndef TESTS_WAITER_H
#define TESTS_WAITER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <dmabuf/dma-fence.h>

struct waiter {
	/* What is asked; set before it starts. */
	struct dma_fence **fences;	/* NULL: @fence alone */
	uint32_t count;
	struct dma_fence *fence;
	bool intr;
	int64_t timeout;
	/* The answer, of a joined one. */
	int64_t ret;
	uint32_t idx;			/* left as it is without an answer */
	/* Its own */
	pthread_t thread;
	pid_t tid;			/* atomic; 0: it does not run yet */
	bool done;			/* atomic */
};

/* Is the thread blocked, if only by a lock? As the kernel sees it. */
bool thread_is_blocked(pid_t tid);

void waiter_start(struct waiter *waiter);

/* Wait until it sleeps. What is asked for is pending until then. */
void waiter_asleep(struct waiter *waiter);

/* Has it come back? */
bool waiter_done(const struct waiter *waiter);

/* Wait until it has. The answer. */
int64_t waiter_join(struct waiter *waiter);

#endif
