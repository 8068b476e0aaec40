/* SPDX-License-Identifier: MIT */
/*
 * test-fence-chain-threads.c - chains that several threads are at
 *
 * Run under the thread sanitizer, which sees what the assertions cannot.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "containers.h"
#include "crowd.h"
#include "leaks.h"
#include "mock-fence.h"
#include "waiter.h"

#define NR_LONG 4096
#define NR_FINDS 20000
#define NR_FIND_ROUNDS 4
#define NR_ROUNDS 200
#define NR_NODES 64

/* Each thread has numbers of its own, the same in each run. */
static unsigned int next_random(unsigned int *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void chain_start(struct crowd *crowd, struct chained *c, unsigned int nr)
{
	memset(crowd, 0, sizeof(*crowd));
	chained_init(c, nr, 1);
	crowd->data = c;
}

/* Waiting on a long chain */

static void wait_on_the_newest(unsigned int (*nth)(struct chained *c,
						   unsigned int i))
{
	struct waiter waiter = { .timeout = INT64_MAX };
	struct chained c;
	unsigned int i;

	chained_init(&c, NR_LONG, 1);
	chained_enable(&c);
	waiter.fence = c.nodes[c.nr - 1];
	waiter_start(&waiter);
	waiter_asleep(&waiter);
	for (i = 0; i < c.nr; i++) {
		assert_false(waiter_done(&waiter));
		finish_with(c.fences[nth(&c, i)], 0);
	}
	assert_true(waiter_join(&waiter) > 0);
	for (i = 0; i < c.nr; i++)
		assert_true(is_marked(c.nodes[i]));
	chained_fini(&c);
}

static unsigned int forward(struct chained *c, unsigned int i)
{
	(void)c;
	return i;
}

static unsigned int backward(struct chained *c, unsigned int i)
{
	return c->nr - 1 - i;
}

/* An odd number is coprime to a power of two: each place comes once. */
static unsigned int scattered(struct chained *c, unsigned int i)
{
	return i * 1217 % c->nr;
}

/* 9.2 wait_forward */
static void wait_ends_when_all_are_signalled_oldest_first(void **state)
{
	(void)state;
	wait_on_the_newest(forward);
}

/* 9.2 wait_backward */
static void wait_ends_when_all_are_signalled_newest_first(void **state)
{
	(void)state;
	wait_on_the_newest(backward);
}

/* 9.2 wait_random */
static void wait_ends_when_all_are_signalled_in_no_order(void **state)
{
	(void)state;
	wait_on_the_newest(scattered);
}

/* Finding */

/* What is found with the very number asked for finds itself again. */
static void find_once(struct crowd *crowd, struct chained *c, uint64_t seqno)
{
	struct dma_fence *fence = dma_fence_get(c->nodes[c->nr - 1]);
	struct dma_fence *first;

	HOLDS(crowd, dma_fence_chain_find_seqno(&fence, seqno) == 0);
	first = fence;
	if (fence && fence->seqno == seqno) {
		HOLDS(crowd, dma_fence_chain_find_seqno(&fence, seqno) == 0);
		HOLDS(crowd, fence == first);
	}
	dma_fence_put(fence);
}

static bool is_time_up(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > start->tv_sec + 1;
}

static void find_at_random(struct crowd *crowd, unsigned int me)
{
	struct chained *c = crowd->data;
	struct timespec start;
	unsigned int seed = me;
	unsigned int i;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; i < NR_FINDS && !is_time_up(&start); i++) {
		find_once(crowd, c, 1 + next_random(&seed) % c->nr);
		dma_fence_signal(
			&c->fences[next_random(&seed) % c->nr]->base);
	}
}

/* 9.2 find_race */
static void points_are_found_while_fences_signal(void **state)
{
	struct crowd crowd;
	struct chained c;
	unsigned int round;

	(void)state;
	for (round = 0; round < NR_FIND_ROUNDS; round++) {
		chain_start(&crowd, &c, NR_LONG);
		chained_enable(&c);
		crowd.run = find_at_random;
		crowd_check(&crowd, NR_THREADS);
		chained_fini(&c);
	}
}

/* All at once */

struct storm {
	struct chained chained;
	struct count_cb counts[NR_THREADS][NR_NODES];
	bool added[NR_THREADS][NR_NODES];
};

static void storm_ask(struct crowd *crowd, struct dma_fence *node)
{
	struct dma_fence_unwrap cursor;
	struct dma_fence *fence;

	if (dma_fence_is_signaled(node))
		dma_fence_chain_for_each(fence, node)
			HOLDS(crowd, dma_fence_is_signaled(
				      dma_fence_chain_contained(fence)));
	dma_fence_unwrap_for_each(fence, &cursor, node)
		HOLDS(crowd, fence->context != node->context);
}

static void storm_merge(struct crowd *crowd, struct dma_fence *a,
			struct dma_fence *b)
{
	struct dma_fence *merged = dma_fence_unwrap_merge(a, b);

	HOLDS(crowd, merged);
	dma_fence_put(merged);
}

/* One thread signals a quarter, in a scattered order, between all the rest. */
static void storm_run(struct crowd *crowd, unsigned int me)
{
	struct storm *storm = crowd->data;
	struct chained *c = &storm->chained;
	unsigned int seed = me;
	unsigned int i, at;

	for (i = 0; i < NR_NODES; i++) {
		at = (i * 17 + me * 5) % NR_NODES;
		storm->added[me][at] = !dma_fence_add_callback(
			c->nodes[at], &storm->counts[me][at].cb, count_cb_run);
		if (at % NR_THREADS == me)
			dma_fence_signal(&c->fences[at]->base);
		storm_ask(crowd, c->nodes[next_random(&seed) % NR_NODES]);
		if (i % 8 == me)
			storm_merge(crowd, c->nodes[at],
				    c->nodes[next_random(&seed) % NR_NODES]);
	}
	dma_fence_wait(c->nodes[next_random(&seed) % NR_NODES], false);
}

/* INV-F-D1, on nodes: each callback that was accepted runs once. */
static void storm_leaves_every_node_done_and_told(void **state)
{
	struct storm *storm = calloc(1, sizeof(*storm));
	unsigned int round, i, j;
	struct crowd crowd;

	(void)state;
	assert_non_null(storm);
	for (round = 0; round < NR_ROUNDS / 2; round++) {
		memset(storm, 0, sizeof(*storm));
		chain_start(&crowd, &storm->chained, NR_NODES);
		crowd.data = storm;
		crowd.run = storm_run;
		crowd_check(&crowd, NR_THREADS);
		for (j = 0; j < NR_NODES; j++) {
			assert_true(is_marked(storm->chained.nodes[j]));
			for (i = 0; i < NR_THREADS; i++)
				assert_int_equal(storm->counts[i][j].ran,
						 storm->added[i][j]);
		}
		chained_fini(&storm->chained);
	}
	free(storm);
}

/* Releasing */

/* Every thread drops every NR_THREADSth node, and its walk of the head. */
static void release_run(struct crowd *crowd, unsigned int me)
{
	struct chained *c = crowd->data;
	struct dma_fence *iter = dma_fence_get(c->nodes[c->nr - 1]);
	unsigned int i;

	crowd_meet(crowd);
	for (i = 0; i < c->nr; i++) {
		if (i % NR_THREADS == me) {
			dma_fence_put(c->nodes[i]);
			dma_fence_signal(&c->fences[i]->base);
		}
		if (iter)
			iter = dma_fence_chain_walk(iter);
	}
	dma_fence_put(iter);
}

/* INV-F-D7 */
static void chain_is_released_by_all_at_once(void **state)
{
	struct crowd crowd;
	struct chained c;
	unsigned int round, i;

	(void)state;
	for (round = 0; round < NR_ROUNDS; round++) {
		chain_start(&crowd, &c, NR_NODES);
		if (round % 2)
			chained_enable(&c);
		crowd.run = release_run;
		crowd_check(&crowd, NR_THREADS);
		for (i = 0; i < c.nr; i++) {
			assert_int_equal(refs_of(&c.fences[i]->base), 1);
			dma_fence_put(&c.fences[i]->base);
		}
		free(c.fences);
		free(c.nodes);
	}
	assert_int_equal(mock_fences_live(), 0);
}

/* A timeline that grows at one end, and is read and collected at the other. */

struct growing {
	pthread_mutex_t lock;
	struct dma_fence *head;		/* lock */
	struct mock_fence *fences[NR_LONG];
};

static struct dma_fence *head_get(struct growing *growing)
{
	struct dma_fence *head;

	pthread_mutex_lock(&growing->lock);
	head = dma_fence_get(growing->head);
	pthread_mutex_unlock(&growing->lock);
	return head;
}

static void grow(struct growing *growing, unsigned int i)
{
	growing->fences[i] = mock_fence_new();
	pthread_mutex_lock(&growing->lock);
	growing->head = node_over(growing->head, &growing->fences[i]->base,
				  i + 1);
	pthread_mutex_unlock(&growing->lock);
}

/* The first grows and signals, a little later; the others look. */
static void grow_run(struct crowd *crowd, unsigned int me)
{
	const unsigned int lag = 16;
	struct growing *growing = crowd->data;
	struct dma_fence *head;
	unsigned int seed = me;
	unsigned int i;

	for (i = 0; i < NR_LONG; i++) {
		if (!me) {
			grow(growing, i);
			if (i >= lag)
				dma_fence_signal(
					&growing->fences[i - lag]->base);
			continue;
		}
		head = head_get(growing);
		if (!head)
			continue;
		if (next_random(&seed) % 16)
			storm_ask(crowd, head);
		else
			dma_fence_enable_sw_signaling(head);
		dma_fence_put(head);
	}
	for (i = NR_LONG - lag; !me && i < NR_LONG; i++)
		dma_fence_signal(&growing->fences[i]->base);
	head = head_get(growing);
	if (head)
		dma_fence_wait(head, false);
	dma_fence_put(head);
}

static void chain_is_read_while_it_grows(void **state)
{
	struct growing *growing = calloc(1, sizeof(*growing));
	struct crowd crowd = { .run = grow_run, .data = growing };
	unsigned int i;

	(void)state;
	assert_non_null(growing);
	pthread_mutex_init(&growing->lock, NULL);
	crowd_check(&crowd, NR_THREADS);
	assert_true(dma_fence_is_signaled(growing->head));
	dma_fence_put(growing->head);
	for (i = 0; i < NR_LONG; i++)
		dma_fence_put(&growing->fences[i]->base);
	pthread_mutex_destroy(&growing->lock);
	free(growing);
	assert_int_equal(mock_fences_live(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(wait_ends_when_all_are_signalled_oldest_first),
		LEAK_TEST(wait_ends_when_all_are_signalled_newest_first),
		LEAK_TEST(wait_ends_when_all_are_signalled_in_no_order),
		LEAK_TEST(points_are_found_while_fences_signal),
		LEAK_TEST(storm_leaves_every_node_done_and_told),
		LEAK_TEST(chain_is_released_by_all_at_once),
		LEAK_TEST(chain_is_read_while_it_grows),
	};

	return cmocka_run_group_tests_name("dma_fence_chain/threads", tests,
					   leaks_group_setup, NULL) != 0;
}
