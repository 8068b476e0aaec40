/* SPDX-License-Identifier: MIT */
/* crowd.h - threads that run the same function, starting together */
#ifndef TESTS_CROWD_H
#define TESTS_CROWD_H

#include <pthread.h>

#include <dmabuf/dmabuf.h>

/* How many there are in most crowds; one more fits. */
#define NR_THREADS 4

struct mock;

/*
 * Threads meet at barriers, and note what went wrong instead of asserting: a
 * failed assertion belongs to the thread of the test.
 */
struct crowd {
	void (*run)(struct crowd *crowd, unsigned int me);
	pthread_barrier_t barrier;
	unsigned int nr;
	unsigned int faults;		/* atomic */
	struct dma_buf *dmabuf;
	struct mock *mock;
	void *data;
};

/* Run @nr threads until all have ended. */
void crowd_run(struct crowd *crowd, unsigned int nr);

/* crowd_run(), in which nobody found fault. */
void crowd_check(struct crowd *crowd, unsigned int nr);

/* In a thread: wait for all the others. */
void crowd_meet(struct crowd *crowd);

/* What must hold in a thread. */
#define HOLDS(crowd, condition)                                              \
	do {                                                                 \
		if (condition)                                               \
			break;                                               \
		__atomic_fetch_add(&(crowd)->faults, 1, __ATOMIC_RELAXED);   \
		print_error("%s:%d: not so: %s\n", __FILE__, __LINE__,       \
			    #condition);                                     \
	} while (0)

#endif
