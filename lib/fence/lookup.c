/* SPDX-License-Identifier: MIT */
/*
 * lookup.c - looking at fences that others may be about to free
 *
 * Time goes in rounds. A lookup is counted in the round in which it began; who
 * frees begins a new round, and waits for those of the old one, so that lookups
 * that go on beginning do not hold it up. Counting is of two rounds at most:
 * the next change of rounds waits for the end of this one.
 *
 * All of this, the replacing of the pointer and the last put are in one order
 * (seq_cst): a lookup that is not waited for began after the replacing.
 */
#include "fence/lookup.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/fork.h"
#include "fence/futex.h"

#define NAP_NS 50000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t current;	/* atomic; changed under lock */
static uint32_t counts[2];	/* atomic; of even rounds, and of odd ones */

static void lookups_fork_child(bool locked)
{
	(void)locked;
	pthread_mutex_init(&lock, NULL);
	counts[0] = 0;
	counts[1] = 0;
}

static struct fork_hook hook = { .child = lookups_fork_child };

unsigned int lookup_begin(void)
{
	uint32_t begun;

	fork_check(&hook);
	for (;;) {
		begun = __atomic_load_n(&current, __ATOMIC_SEQ_CST);
		__atomic_fetch_add(&counts[begun & 1], 1, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&current, __ATOMIC_SEQ_CST) == begun)
			return begun & 1;
		/* Counted too late for those who wait. */
		__atomic_fetch_sub(&counts[begun & 1], 1, __ATOMIC_SEQ_CST);
	}
}

void lookup_end(unsigned int lookup)
{
	__atomic_fetch_sub(&counts[lookup], 1, __ATOMIC_SEQ_CST);
}

static uint32_t count_of(uint32_t begun)
{
	return __atomic_load_n(&counts[begun & 1], __ATOMIC_SEQ_CST);
}

void lookups_wait(void)
{
	uint32_t old, count;

	if (!count_of(0) && !count_of(1))
		return;
	fork_check(&hook);
	pthread_mutex_lock(&lock);
	old = __atomic_fetch_add(&current, 1, __ATOMIC_SEQ_CST);
	/* A nap, and no spinning: the other may have to run for it. */
	while ((count = count_of(old)))
		futex_wait(&counts[old & 1], count, true, now_ns() + NAP_NS);
	pthread_mutex_unlock(&lock);
}
