/* SPDX-License-Identifier: MIT */
/*
 * test-fence-chain-long.c - a chain of a million nodes, on a small stack
 *
 * INV-F-D6: one frame for each node would not fit by far.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "containers.h"
#include "leaks.h"
#include "sanitized.h"
#include "waiter.h"

#define KIB ((size_t)1024)

/* What the fences of the chain are in: none of them is an allocation. */
static struct {
	unsigned int nr;
	struct dma_fence *fences;
	unsigned int *order;		/* in which they are signalled */
	struct dma_fence *head;
	unsigned int nr_released;	/* atomic */
	unsigned int faults;
} lot;

static pthread_mutex_t line_lock = PTHREAD_MUTEX_INITIALIZER;

/* A failed assertion would leave the thread by longjmp(3). */
#define HOLDS(condition)                                                 \
	do {                                                             \
		if (condition)                                           \
			break;                                           \
		lot.faults++;                                            \
		print_error("%s:%d: not so: %s\n", __FILE__, __LINE__,   \
			    #condition);                                 \
	} while (0)

static const char *lot_name(struct dma_fence *fence)
{
	(void)fence;
	return "lot";
}

static void lot_release(struct dma_fence *fence)
{
	(void)fence;
	__atomic_fetch_add(&lot.nr_released, 1, __ATOMIC_RELAXED);
}

static const struct dma_fence_ops lot_ops = {
	.get_driver_name = lot_name,
	.get_timeline_name = lot_name,
	.release = lot_release,
};

/* The fences' first reference is the test's; the head alone is held. */
static void lot_build(bool enable_each)
{
	uint64_t context = dma_fence_context_alloc(1);
	struct dma_fence *fence;
	struct dma_fence_chain *chain;
	unsigned int i;

	lot.head = NULL;
	lot.nr_released = 0;
	for (i = 0; i < lot.nr; i++) {
		fence = &lot.fences[i];
		dma_fence_init(fence, &lot_ops, &line_lock, context, i + 1);
		chain = dma_fence_chain_alloc();
		if (!chain)
			abort();
		dma_fence_chain_init(chain, lot.head, dma_fence_get(fence),
				     i + 1);
		lot.head = &chain->base;
		if (enable_each)
			dma_fence_enable_sw_signaling(lot.head);
	}
}

static void lot_drop_fences(void)
{
	unsigned int i;

	HOLDS(lot.nr_released == 0);
	for (i = 0; i < lot.nr; i++)
		dma_fence_put(&lot.fences[i]);
}

static unsigned int forward(unsigned int i)
{
	return i;
}

static unsigned int backward(unsigned int i)
{
	return lot.nr - 1 - i;
}

/* The oldest, then the newest, and so on to the middle. */
static unsigned int from_both_ends(unsigned int i)
{
	return i % 2 ? lot.nr - 1 - i / 2 : i / 2;
}

static unsigned int shuffled(unsigned int i)
{
	return lot.order[i];
}

static void signal_all(unsigned int (*nth)(unsigned int i))
{
	unsigned int i;

	for (i = 0; i < lot.nr; i++) {
		HOLDS(!is_marked(lot.head));
		dma_fence_signal(&lot.fences[nth(i)]);
	}
}

/* What runs on the small stack */

static void release_at_once(void)
{
	lot_build(false);
	lot_drop_fences();
	HOLDS(lot.nr_released == 0);
	dma_fence_put(lot.head);
	HOLDS(lot.nr_released == lot.nr);
}

/* Nobody waits; the query collects. */
static void collect_by_asking(void)
{
	lot_build(false);
	signal_all(forward);
	HOLDS(to_dma_fence_chain(lot.head)->prev);
	HOLDS(dma_fence_is_signaled(lot.head));
	HOLDS(!to_dma_fence_chain(lot.head)->prev);
	lot_drop_fences();
	HOLDS(lot.nr_released == lot.nr - 1);
	dma_fence_put(lot.head);
	HOLDS(lot.nr_released == lot.nr);
}

static void walk_all(void)
{
	struct dma_fence_unwrap cursor;
	struct dma_fence *fence;
	unsigned int nr = 0;
	unsigned int i;

	lot_build(false);
	dma_fence_chain_for_each(fence, lot.head)
		HOLDS(fence->seqno == lot.nr - nr++);
	HOLDS(nr == lot.nr);
	dma_fence_unwrap_for_each(fence, &cursor, lot.head)
		HOLDS(fence->seqno == nr--);
	HOLDS(nr == 0);
	/* Every second one is done. */
	for (i = 0; i < lot.nr; i += 2)
		dma_fence_signal(&lot.fences[i]);
	dma_fence_chain_for_each(fence, lot.head)
		nr++;
	HOLDS(nr == lot.nr / 2);
	lot_drop_fences();
	HOLDS(lot.nr_released == lot.nr - nr);
	dma_fence_put(lot.head);
	HOLDS(lot.nr_released == lot.nr);
}

static void find_the_oldest(void)
{
	struct dma_fence *fence;

	lot_build(false);
	fence = dma_fence_get(lot.head);
	HOLDS(dma_fence_chain_find_seqno(&fence, 1) == 0);
	HOLDS(fence && fence->seqno == 1);
	dma_fence_put(lot.head);
	/* This one ends it all: the others have gone. */
	lot_drop_fences();
	HOLDS(lot.nr_released == lot.nr - 1);
	dma_fence_put(fence);
	HOLDS(lot.nr_released == lot.nr);
}

/* All fences are of one timeline: the latest of them is left. */
static void merge_all(void)
{
	struct dma_fence *merged;

	lot_build(false);
	merged = dma_fence_unwrap_merge(lot.head, &lot.fences[0]);
	HOLDS(merged == &lot.fences[lot.nr - 1]);
	dma_fence_put(merged);
	dma_fence_set_deadline(lot.head, 1);
	lot_drop_fences();
	dma_fence_put(lot.head);
	HOLDS(lot.nr_released == lot.nr);
}

/* A thread waits for the head. */
static void wait_for_all(bool enable_each, unsigned int (*nth)(unsigned int i))
{
	struct waiter waiter = { .timeout = INT64_MAX };

	lot_build(enable_each);
	waiter.fence = lot.head;
	waiter_start(&waiter);
	waiter_asleep(&waiter);
	signal_all(nth);
	HOLDS(waiter_join(&waiter) > 0);
	HOLDS(is_marked(lot.head));
	lot_drop_fences();
	dma_fence_put(lot.head);
	HOLDS(lot.nr_released == lot.nr);
}

static void wait_forward(void)
{
	wait_for_all(false, forward);
}

static void wait_backward(void)
{
	wait_for_all(false, backward);
	wait_for_all(true, backward);
}

static void wait_from_both_ends(void)
{
	wait_for_all(true, from_both_ends);
}

static void wait_shuffled(void)
{
	wait_for_all(false, shuffled);
	wait_for_all(true, shuffled);
}

/* The nodes have nobody but their callbacks: the last signal ends them. */
static void drop_before_signalling(void)
{
	unsigned int i;

	lot_build(true);
	dma_fence_put(lot.head);
	for (i = lot.nr; i--;)
		dma_fence_signal(&lot.fences[i]);
	lot_drop_fences();
	HOLDS(lot.nr_released == lot.nr);

	lot_build(false);
	dma_fence_enable_sw_signaling(lot.head);
	dma_fence_put(lot.head);
	for (i = 0; i < lot.nr; i++)
		dma_fence_signal(&lot.fences[i]);
	lot_drop_fences();
	HOLDS(lot.nr_released == lot.nr);
}

static void *small_main(void *data)
{
	void (**run)(void) = data;

	(*run)();
	return NULL;
}

static void on_a_small_stack(void (*run)(void))
{
	pthread_attr_t attr;
	pthread_t thread;

	lot.faults = 0;
	assert_int_equal(pthread_attr_init(&attr), 0);
	/* Watched code has larger frames. */
	assert_int_equal(pthread_attr_setstacksize(&attr,
			 (is_sanitized() ? 256 : 64) * KIB), 0);
	assert_int_equal(pthread_create(&thread, &attr, small_main, &run), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
	assert_int_equal(lot.faults, 0);
}

#define LONG_TEST(name, run)                 \
	static void name(void **state)       \
	{                                    \
		(void)state;                 \
		on_a_small_stack(run);       \
	}

LONG_TEST(long_chain_is_released, release_at_once)
LONG_TEST(long_chain_is_collected_by_a_query, collect_by_asking)
LONG_TEST(long_chain_is_walked, walk_all)
LONG_TEST(long_chain_has_its_oldest_node_found, find_the_oldest)
LONG_TEST(long_chain_is_merged, merge_all)
LONG_TEST(long_chain_is_waited_for_oldest_first, wait_forward)
LONG_TEST(long_chain_is_waited_for_newest_first, wait_backward)
LONG_TEST(long_chain_is_waited_for_from_both_ends, wait_from_both_ends)
LONG_TEST(long_chain_is_waited_for_in_no_order, wait_shuffled)
LONG_TEST(long_chain_ends_with_the_last_signal, drop_before_signalling)

static int lot_setup(void **state)
{
	unsigned int i, other, at;

	/* Watched, it takes a hundred times as long. */
	lot.nr = is_sanitized() || under_valgrind() ? 100000 : 1000000;
	lot.fences = calloc(lot.nr, sizeof(*lot.fences));
	lot.order = calloc(lot.nr, sizeof(*lot.order));
	if (!lot.fences || !lot.order)
		return 1;
	srandom(1);
	for (i = 0; i < lot.nr; i++) {
		other = (unsigned int)random() % (i + 1);
		at = lot.order[other];
		lot.order[other] = i;
		lot.order[i] = other == i ? i : at;
	}
	return leaks_group_setup(state);
}

static int lot_teardown(void **state)
{
	(void)state;
	free(lot.fences);
	free(lot.order);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(long_chain_is_released),
		LEAK_TEST(long_chain_is_collected_by_a_query),
		LEAK_TEST(long_chain_is_walked),
		LEAK_TEST(long_chain_has_its_oldest_node_found),
		LEAK_TEST(long_chain_is_merged),
		LEAK_TEST(long_chain_is_waited_for_oldest_first),
		LEAK_TEST(long_chain_is_waited_for_newest_first),
		LEAK_TEST(long_chain_is_waited_for_from_both_ends),
		LEAK_TEST(long_chain_is_waited_for_in_no_order),
		LEAK_TEST(long_chain_ends_with_the_last_signal),
	};

	return cmocka_run_group_tests_name("dma_fence_chain/long", tests,
					   lot_setup, lot_teardown) != 0;
}
