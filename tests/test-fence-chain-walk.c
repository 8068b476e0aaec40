/* SPDX-License-Identifier: MIT */
/* test-fence-chain-walk.c - going through a chain, and finding points in it */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "containers.h"
#include "leaks.h"
#include "mock-fence.h"

/* Walking */

static struct dma_fence *prev_of(struct dma_fence *node)
{
	return to_dma_fence_chain(node)->prev;
}

static void walk_goes_to_the_next_older_node(void **state)
{
	struct dma_fence *fence;
	struct chained c;

	(void)state;
	chained_init(&c, 3, 1);
	fence = dma_fence_chain_walk(dma_fence_get(c.nodes[2]));
	assert_ptr_equal(fence, c.nodes[1]);
	assert_int_equal(refs_of(c.nodes[2]), 1);
	assert_int_equal(refs_of(c.nodes[1]), 3);
	fence = dma_fence_chain_walk(fence);
	assert_ptr_equal(fence, c.nodes[0]);
	assert_int_equal(refs_of(c.nodes[1]), 2);
	assert_null(dma_fence_chain_walk(fence));
	assert_int_equal(refs_of(c.nodes[0]), 2);
	chained_fini(&c);
}

static void walk_ends_at_a_plain_fence_and_at_nothing(void **state)
{
	struct mock_fence *mock = mock_fence_new();

	(void)state;
	assert_null(dma_fence_chain_walk(NULL));
	assert_null(dma_fence_chain_walk(dma_fence_get(&mock->base)));
	assert_int_equal(refs_of(&mock->base), 1);
	dma_fence_put(&mock->base);
}

static void walk_cuts_out_nodes_whose_fence_is_done(void **state)
{
	struct dma_fence *fence;
	struct chained c;

	(void)state;
	chained_init(&c, 4, 1);
	finish_with(c.fences[1], 0);
	c.fences[2]->done = true;
	fence = dma_fence_chain_walk(dma_fence_get(c.nodes[3]));
	assert_ptr_equal(fence, c.nodes[0]);
	assert_ptr_equal(prev_of(c.nodes[3]), c.nodes[0]);
	assert_int_equal(refs_of(c.nodes[2]), 1);
	/* A node that is cut out is still whole. */
	assert_ptr_equal(prev_of(c.nodes[2]), c.nodes[1]);
	dma_fence_put(fence);
	finish_with(c.fences[0], 0);
	assert_null(dma_fence_chain_walk(dma_fence_get(c.nodes[3])));
	assert_null(prev_of(c.nodes[3]));
	chained_fini(&c);
}

static void walk_drops_a_plain_fence_that_is_done(void **state)
{
	struct mock_fence *old = mock_fence_new();
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *node = node_over(dma_fence_get(&old->base),
					   &mock->base, 1);
	struct dma_fence *fence;

	(void)state;
	fence = dma_fence_chain_walk(dma_fence_get(node));
	assert_ptr_equal(fence, &old->base);
	dma_fence_put(fence);
	finish_with(old, 0);
	assert_null(dma_fence_chain_walk(dma_fence_get(node)));
	assert_null(prev_of(node));
	assert_int_equal(refs_of(&old->base), 1);
	dma_fence_put(node);
	dma_fence_put(&old->base);
	dma_fence_put(&mock->base);
}

static void walk_with_the_last_reference_frees_the_node(void **state)
{
	struct mock_fence *mocks[] = { mock_fence_new(), mock_fence_new() };
	struct dma_fence *old = node_over(NULL, &mocks[0]->base, 1);
	struct dma_fence *node = node_over(old, &mocks[1]->base, 2);

	(void)state;
	assert_ptr_equal(dma_fence_chain_walk(node), old);
	assert_int_equal(refs_of(&mocks[1]->base), 1);
	assert_int_equal(refs_of(old), 1);
	dma_fence_put(old);
	dma_fence_put(&mocks[0]->base);
	dma_fence_put(&mocks[1]->base);
}

static void loop_visits_the_head_and_what_is_pending(void **state)
{
	const unsigned int visited[] = { 4, 3, 1, 0 };
	struct dma_fence *iter;
	struct chained c;
	unsigned int i = 0;

	(void)state;
	chained_init(&c, 5, 1);
	finish_with(c.fences[4], 0);
	finish_with(c.fences[2], 0);
	dma_fence_chain_for_each(iter, c.nodes[4])
		assert_ptr_equal(iter, c.nodes[visited[i++]]);
	assert_int_equal(i, 4);
	dma_fence_chain_for_each(iter, NULL)
		fail_msg("nothing is visited");
	chained_fini(&c);
}

static void loop_that_is_left_early_has_one_reference(void **state)
{
	struct dma_fence *iter;
	struct chained c;

	(void)state;
	chained_init(&c, 3, 1);
	dma_fence_chain_for_each(iter, c.nodes[2])
		if (iter == c.nodes[1])
			break;
	assert_int_equal(refs_of(c.nodes[1]), 3);
	assert_int_equal(refs_of(c.nodes[2]), 1);
	dma_fence_put(iter);
	chained_fini(&c);
}

/* Finding */

/* What is found from a node: the index, -1 for NULL, -2 for -EINVAL. */
static int found(struct chained *c, unsigned int from, uint64_t seqno)
{
	struct dma_fence *fence = dma_fence_get(c->nodes[from]);
	int ret = dma_fence_chain_find_seqno(&fence, seqno);
	unsigned int i = 0;

	if (ret) {
		assert_int_equal(ret, -EINVAL);
		assert_ptr_equal(fence, c->nodes[from]);
	}
	dma_fence_put(fence);
	if (ret)
		return -2;
	if (!fence)
		return -1;
	while (c->nodes[i] != fence)
		assert_true(++i < c->nr);
	return (int)i;
}

/* 9.2 find_seqno */
static void point_is_found_from_each_node(void **state)
{
	struct dma_fence *fence = NULL;
	struct chained c;
	unsigned int i;

	(void)state;
	assert_int_equal(dma_fence_chain_find_seqno(&fence, 0), 0);
	assert_null(fence);
	assert_int_equal(dma_fence_chain_find_seqno(&fence, 1), -EINVAL);
	chained_init(&c, 64, 1);
	chained_enable(&c);
	assert_int_equal(found(&c, 63, 0), 63);
	/* Node i has the number i + 1. */
	for (i = 0; i < 64; i++) {
		assert_int_equal(found(&c, 63, i + 1), i);
		assert_int_equal(found(&c, i, i + 1), i);
		assert_int_equal(found(&c, i, i + 2), -2);
		assert_int_equal(found(&c, i, i), i ? i - 1 : 0);
	}
	for (i = 0; i < 64; i++)
		assert_int_equal(refs_of(c.nodes[i]),
				 1 + 1 + (i + 1 < 64));
	chained_fini(&c);
}

static void plain_fence_has_no_points(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *fence = &mock->base;

	(void)state;
	assert_int_equal(dma_fence_chain_find_seqno(&fence, 1), -EINVAL);
	assert_ptr_equal(fence, &mock->base);
	assert_int_equal(dma_fence_chain_find_seqno(&fence, 0), 0);
	assert_ptr_equal(fence, &mock->base);
	assert_int_equal(refs_of(fence), 1);
	dma_fence_put(fence);
}

/* 9.2 find_signaled */
static void point_that_is_done_is_the_node_or_nothing(void **state)
{
	struct chained c;
	int index;

	(void)state;
	chained_init(&c, 2, 1);
	chained_enable(&c);
	finish_with(c.fences[0], 0);
	index = found(&c, 1, 1);
	assert_true(index == -1 || index == 0);
	assert_int_equal(found(&c, 1, 2), 1);
	chained_fini(&c);
}

/* 9.2 find_out_of_order */
static void older_node_stands_for_one_that_was_collected(void **state)
{
	struct chained c;

	(void)state;
	chained_init(&c, 3, 1);
	chained_enable(&c);
	finish_with(c.fences[1], 0);
	assert_int_equal(found(&c, 2, 2), 0);
	assert_int_equal(found(&c, 2, 1), 0);
	assert_int_equal(found(&c, 2, 3), 2);
	chained_fini(&c);
}

/* 9.2 find_gap */
static void point_in_a_gap_is_the_next_one(void **state)
{
	struct chained c;
	unsigned int i;

	(void)state;
	chained_init(&c, 64, 2);
	chained_enable(&c);
	for (i = 0; i < 64; i++) {
		assert_int_equal(found(&c, 63, 2 * i + 1), i);
		assert_int_equal(found(&c, 63, 2 * i + 2), i);
	}
	assert_int_equal(found(&c, 63, 129), -2);
	chained_fini(&c);
}

/* Older than the timeline: covers all points of it. */
static void oldest_covers(struct dma_fence *newest, struct dma_fence *expected)
{
	struct dma_fence *fence = dma_fence_get(newest);

	assert_int_equal(dma_fence_chain_find_seqno(&fence, 5), 0);
	assert_ptr_equal(fence, expected);
	dma_fence_put(fence);
}

static void search_ends_where_the_timeline_does(void **state)
{
	/* The third begins a timeline: it gets the number of the second. */
	static const uint64_t seqnos[] = { 8, 10, 9, 11 };
	struct mock_fence *old = mock_fence_new();
	struct mock_fence *mocks[4];
	struct dma_fence *nodes[4];
	struct dma_fence *prev = &old->base;
	unsigned int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		mocks[i] = mock_fence_new();
		nodes[i] = node_over(dma_fence_get(prev), &mocks[i]->base,
				     seqnos[i]);
		prev = nodes[i];
	}
	assert_true(nodes[0]->context == nodes[1]->context);
	assert_true(nodes[1]->context != nodes[2]->context);
	assert_true(nodes[2]->context == nodes[3]->context);
	oldest_covers(nodes[3], nodes[2]);
	/* Its first node is collected: the older timeline is next. */
	finish_with(mocks[2], 0);
	oldest_covers(nodes[3], nodes[1]);
	finish_with(mocks[1], 0);
	oldest_covers(nodes[3], nodes[0]);
	finish_with(mocks[0], 0);
	oldest_covers(nodes[3], &old->base);
	finish_with(old, 0);
	oldest_covers(nodes[3], NULL);
	for (i = 0; i < 4; i++) {
		dma_fence_put(nodes[i]);
		dma_fence_put(&mocks[i]->base);
	}
	dma_fence_put(&old->base);
}

static void search_takes_over_the_last_reference(void **state)
{
	struct mock_fence *mocks[] = { mock_fence_new(), mock_fence_new() };
	struct dma_fence *old = node_over(NULL, &mocks[0]->base, 1);
	struct dma_fence *fence = node_over(old, &mocks[1]->base, 2);

	(void)state;
	assert_int_equal(dma_fence_chain_find_seqno(&fence, 1), 0);
	assert_ptr_equal(fence, old);
	assert_int_equal(refs_of(old), 1);
	assert_int_equal(refs_of(&mocks[1]->base), 1);
	dma_fence_put(fence);
	dma_fence_put(&mocks[0]->base);
	dma_fence_put(&mocks[1]->base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(walk_goes_to_the_next_older_node),
		LEAK_TEST(walk_ends_at_a_plain_fence_and_at_nothing),
		LEAK_TEST(walk_cuts_out_nodes_whose_fence_is_done),
		LEAK_TEST(walk_drops_a_plain_fence_that_is_done),
		LEAK_TEST(walk_with_the_last_reference_frees_the_node),
		LEAK_TEST(loop_visits_the_head_and_what_is_pending),
		LEAK_TEST(loop_that_is_left_early_has_one_reference),
		LEAK_TEST(point_is_found_from_each_node),
		LEAK_TEST(plain_fence_has_no_points),
		LEAK_TEST(point_that_is_done_is_the_node_or_nothing),
		LEAK_TEST(older_node_stands_for_one_that_was_collected),
		LEAK_TEST(point_in_a_gap_is_the_next_one),
		LEAK_TEST(search_ends_where_the_timeline_does),
		LEAK_TEST(search_takes_over_the_last_reference),
	};

	return cmocka_run_group_tests_name("dma_fence_chain/walk", tests,
					   leaks_group_setup, NULL) != 0;
}
