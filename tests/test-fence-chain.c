/* SPDX-License-Identifier: MIT */
/* test-fence-chain.c - one fence for everything up to a point of a timeline */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "containers.h"
#include "inject.h"
#include "leaks.h"
#include "mock-fence.h"
#include "warns.h"

#define NR_LONG 4096

/* Making */

static void new_node_is_as_asked_for(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *node = node_over(NULL, &mock->base, 77);
	struct dma_fence_chain *chain = to_dma_fence_chain(node);

	(void)state;
	assert_ptr_equal(&chain->base, node);
	assert_ptr_equal(chain->fence, &mock->base);
	assert_null(chain->prev);
	assert_int_equal(chain->prev_seqno, 0);
	assert_int_equal(node->seqno, 77);
	assert_int_equal(refs_of(node), 1);
	assert_true(node->ops->use_64bit_seqno);
	assert_string_equal(node->ops->get_driver_name(node),
			    "dma_fence_chain");
	assert_string_equal(node->ops->get_timeline_name(node), "unbound");
	assert_true(dma_fence_is_chain(node));
	assert_true(dma_fence_is_container(node));
	assert_false(dma_fence_is_array(node));
	assert_ptr_equal(dma_fence_chain_contained(node), &mock->base);
	assert_ptr_equal(dma_fence_chain_contained(&mock->base), &mock->base);
	assert_null(dma_fence_chain_contained(NULL));
	assert_null(to_dma_fence_chain(&mock->base));
	assert_null(to_dma_fence_chain(NULL));
	dma_fence_put(node);
	dma_fence_put(&mock->base);
}

static void numbers_follow_those_of_the_older_node(void **state)
{
	static const struct {
		uint64_t prev, seqno, expected;
		bool same_context;
	} rows[] = {
		{ 1, 2, 2, true },
		{ 7, 1000, 1000, true },
		{ 7, 7, 7, false },
		{ 7, 6, 7, false },
		{ 7, 0, 7, false },
		{ UINT32_MAX, 1ull << 32, 1ull << 32, true },
		{ 1ull << 32, 1, 1ull << 32, false },
		{ UINT64_MAX, 1, UINT64_MAX, false },
	};
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *node, *prev;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		prev = node_over(NULL, &mock->base, rows[i].prev);
		node = node_over(prev, &mock->base, rows[i].seqno);
		assert_true(node->seqno == rows[i].expected);
		assert_int_equal(node->context == prev->context,
				 rows[i].same_context);
		assert_true(to_dma_fence_chain(node)->prev_seqno ==
			    (rows[i].same_context ? rows[i].prev : 0));
		dma_fence_put(node);
	}
	assert_int_equal(refs_of(&mock->base), 1);
	dma_fence_put(&mock->base);
}

static void node_after_a_plain_fence_begins_a_timeline(void **state)
{
	struct mock_fence *old = mock_fence_new();
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *node = node_over(dma_fence_get(&old->base),
					   &mock->base, 5);

	(void)state;
	assert_int_equal(node->seqno, 5);
	assert_int_equal(to_dma_fence_chain(node)->prev_seqno, 0);
	assert_true(node->context != old->base.context);
	assert_true(node->context != mock->base.context);
	assert_int_equal(refs_of(&old->base), 2);
	dma_fence_put(node);
	assert_int_equal(refs_of(&old->base), 1);
	dma_fence_put(&old->base);
	dma_fence_put(&mock->base);
}

/* INV-CHAIN-1 */
static void chain_in_a_chain_warns_and_works(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *inner = node_over(NULL, &mock->base, 1);
	struct dma_fence *outer = node_over(NULL, inner, 1);

	(void)state;
	assert_warned("dma_fence_chain_init");
	dma_fence_enable_sw_signaling(outer);
	assert_false(dma_fence_is_signaled(outer));
	finish_with(mock, 0);
	assert_true(is_marked(outer));
	dma_fence_put(outer);
	dma_fence_put(inner);
	dma_fence_put(&mock->base);
}

static void node_that_was_not_set_up_is_freed(void **state)
{
	(void)state;
	dma_fence_chain_free(dma_fence_chain_alloc());
	dma_fence_chain_free(NULL);
}

static void node_without_memory_is_null(void **state)
{
	(void)state;
	inject_arm(1);
	assert_null(dma_fence_chain_alloc());
	inject_disarm();
	assert_non_null(inject_failed());
}

/* Being done */

/* 9.2 sanitycheck */
static void node_is_done_with_its_fence(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *node = node_over(NULL, &mock->base, 1);

	(void)state;
	dma_fence_enable_sw_signaling(node);
	assert_false(dma_fence_is_signaled(node));
	finish_with(mock, 0);
	assert_true(is_marked(node));
	dma_fence_put(node);
	dma_fence_put(&mock->base);
}

/* 9.2 signal_forward */
static void forward_each_node_is_done_at_once(void **state)
{
	struct chained c;
	unsigned int i;

	(void)state;
	chained_init(&c, NR_LONG, 1);
	chained_enable(&c);
	for (i = 0; i < c.nr; i++) {
		finish_with(c.fences[i], 0);
		assert_true(is_marked(c.nodes[i]));
		if (i + 1 < c.nr)
			assert_false(dma_fence_is_signaled(c.nodes[i + 1]));
	}
	chained_fini(&c);
}

/* 9.2 signal_backward */
static void backward_all_nodes_are_done_at_the_end(void **state)
{
	struct chained c;
	unsigned int i;

	(void)state;
	chained_init(&c, NR_LONG, 1);
	chained_enable(&c);
	for (i = c.nr; --i;) {
		finish_with(c.fences[i], 0);
		assert_false(dma_fence_is_signaled(c.nodes[i]));
	}
	finish_with(c.fences[0], 0);
	for (i = 0; i < c.nr; i++)
		assert_true(is_marked(c.nodes[i]));
	chained_fini(&c);
}

/* Nobody waits: what a query says, in both orders. */
static void query_asks_all_older_fences(void **state)
{
	struct chained c;

	(void)state;
	chained_init(&c, 3, 1);
	c.fences[2]->done = true;
	assert_false(dma_fence_is_signaled(c.nodes[2]));
	c.fences[0]->done = true;
	assert_true(dma_fence_is_signaled(c.nodes[0]));
	assert_false(dma_fence_is_signaled(c.nodes[1]));
	assert_false(dma_fence_is_signaled(c.nodes[2]));
	c.fences[1]->done = true;
	assert_true(dma_fence_is_signaled(c.nodes[2]));
	assert_true(dma_fence_is_signaled(c.nodes[1]));
	assert_int_equal(c.fences[0]->nr_enable, 0);
	assert_int_equal(c.fences[1]->nr_enable, 0);
	assert_int_equal(c.fences[2]->nr_enable, 0);
	chained_fini(&c);
}

/* One fence of the chain is waited for at a time, the newest first. */
static void waiting_enables_one_fence_after_the_other(void **state)
{
	struct chained c;

	(void)state;
	chained_init(&c, 3, 1);
	dma_fence_enable_sw_signaling(c.nodes[2]);
	assert_int_equal(c.fences[2]->nr_enable, 1);
	assert_int_equal(c.fences[1]->nr_enable, 0);
	assert_int_equal(refs_of(c.nodes[2]), 2);
	finish_with(c.fences[2], 0);
	assert_int_equal(c.fences[1]->nr_enable, 1);
	assert_int_equal(c.fences[0]->nr_enable, 0);
	assert_int_equal(refs_of(c.nodes[2]), 2);
	finish_with(c.fences[1], 0);
	assert_int_equal(c.fences[0]->nr_enable, 1);
	finish_with(c.fences[0], 0);
	assert_true(is_marked(c.nodes[2]));
	assert_int_equal(refs_of(c.nodes[2]), 1);
	assert_false(is_marked(c.nodes[1]));
	chained_fini(&c);
}

/* Older nodes that are waited for tell the newer ones, in this order too. */
static void older_nodes_that_are_waited_for_tell(void **state)
{
	struct count_cb counts[3] = { { .ran = 0 } };
	struct chained c;
	unsigned int i;

	(void)state;
	chained_init(&c, 3, 1);
	for (i = 0; i < 3; i++)
		assert_int_equal(dma_fence_add_callback(c.nodes[i],
							&counts[i].cb,
							count_cb_run), 0);
	finish_with(c.fences[2], 0);
	finish_with(c.fences[1], 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(counts[i].ran, 0);
	finish_with(c.fences[0], 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(counts[i].ran, 1);
	assert_true(counts[0].place < counts[1].place);
	assert_true(counts[1].place < counts[2].place);
	chained_fini(&c);
}

/* Somebody signals a node by hand: that says nothing about its fence. */
static void older_node_signalled_by_hand_is_not_believed(void **state)
{
	struct chained c;

	(void)state;
	chained_init(&c, 3, 1);
	chained_enable(&c);
	finish_with(c.fences[2], 0);
	dma_fence_signal(c.nodes[1]);
	assert_false(dma_fence_is_signaled(c.nodes[2]));
	finish_with(c.fences[0], 0);
	assert_false(dma_fence_is_signaled(c.nodes[2]));
	finish_with(c.fences[1], 0);
	assert_true(is_marked(c.nodes[2]));
	chained_fini(&c);
}

static void done_chain_lets_a_callback_come_too_late(void **state)
{
	struct count_cb count = { .ran = 0 };
	struct chained c;

	(void)state;
	chained_init(&c, 2, 1);
	finish_with(c.fences[1], 0);
	finish_with(c.fences[0], 0);
	assert_int_equal(dma_fence_add_callback(c.nodes[1], &count.cb,
						count_cb_run), -ENOENT);
	assert_true(is_marked(c.nodes[1]));
	assert_int_equal(count.ran, 0);
	chained_fini(&c);
}

static void array_in_a_chain_is_waited_for(void **state)
{
	struct mock_fence *mocks[] = { mock_fence_new(), mock_fence_new() };
	struct dma_fence *array = array_over(mocks, 2, false);
	struct dma_fence *node = node_over(NULL, array, 1);

	(void)state;
	dma_fence_put(array);
	dma_fence_enable_sw_signaling(node);
	finish_with(mocks[0], 0);
	assert_false(dma_fence_is_signaled(node));
	finish_with(mocks[1], 0);
	assert_true(is_marked(node));
	dma_fence_put(node);
	dma_fence_put(&mocks[0]->base);
	dma_fence_put(&mocks[1]->base);
}

static void plain_fence_before_a_chain_is_waited_for(void **state)
{
	struct mock_fence *old = mock_fence_new();
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *node = node_over(dma_fence_get(&old->base),
					   &mock->base, 1);

	(void)state;
	dma_fence_enable_sw_signaling(node);
	finish_with(mock, 0);
	assert_false(dma_fence_is_signaled(node));
	assert_int_equal(old->nr_enable, 1);
	finish_with(old, 0);
	assert_true(is_marked(node));
	dma_fence_put(node);
	dma_fence_put(&old->base);
	dma_fence_put(&mock->base);
}

static void error_stays_with_the_fence_inside(void **state)
{
	struct chained c;

	(void)state;
	chained_init(&c, 2, 1);
	dma_fence_enable_sw_signaling(c.nodes[1]);
	finish_with(c.fences[0], -EIO);
	finish_with(c.fences[1], -EPIPE);
	assert_int_equal(dma_fence_get_status(c.nodes[0]), 1);
	assert_int_equal(dma_fence_get_status(c.nodes[1]), 1);
	chained_fini(&c);
}

/* Outside the locks of what it is made of */

/* INV-F-D5 */
static void node_is_signalled_after_the_lock_of_its_fence(void **state)
{
	struct probe probes[2];
	struct chained c;

	(void)state;
	chained_init(&c, 2, 1);
	probe_add(&probes[0], c.nodes[1], &c.fences[0]->lock);
	probe_add(&probes[1], c.nodes[1], &c.fences[1]->lock);
	finish_with(c.fences[1], 0);
	finish_with(c.fences[0], 0);
	probe_check(&probes[0], c.nodes[1]);
	probe_check(&probes[1], c.nodes[1]);
	chained_fini(&c);
}

/* INV-F-D5: a newer node hangs on an older one here. */
static void node_is_signalled_after_the_lock_of_an_older_node(void **state)
{
	struct probe probe;
	struct chained c;

	(void)state;
	chained_init(&c, 2, 1);
	chained_enable(&c);
	probe_add(&probe, c.nodes[1], c.nodes[0]->lock);
	finish_with(c.fences[1], 0);
	finish_with(c.fences[0], 0);
	probe_check(&probe, c.nodes[1]);
	chained_fini(&c);
}

/* INV-F-D5 */
static void node_is_signalled_outside_a_lock_held_by_the_caller(void **state)
{
	struct probe probe;
	struct chained c;

	(void)state;
	chained_init(&c, 2, 1);
	probe_add(&probe, c.nodes[1], &c.fences[0]->lock);
	finish_with(c.fences[1], 0);
	pthread_mutex_lock(&c.fences[0]->lock);
	dma_fence_signal_locked(&c.fences[0]->base);
	pthread_mutex_unlock(&c.fences[0]->lock);
	assert_int_equal(dma_fence_wait(c.nodes[1], false), 0);
	probe_check(&probe, c.nodes[1]);
	chained_fini(&c);
}

/*
 * A query of a node that is waited for, with its lock held, finds its fence
 * done: what waits for that signals the node, and takes the lock.
 */
static void query_with_the_lock_held_does_not_signal_under_it(void **state)
{
	struct chained c;

	(void)state;
	chained_init(&c, 1, 1);
	dma_fence_enable_sw_signaling(c.nodes[0]);
	c.fences[0]->done = true;
	pthread_mutex_lock(c.nodes[0]->lock);
	assert_true(dma_fence_is_signaled_locked(c.nodes[0]));
	assert_int_equal(dma_fence_get_status_locked(c.nodes[0]), 1);
	pthread_mutex_unlock(c.nodes[0]->lock);
	chained_fini(&c);
}

/* References */

static void node_lives_until_its_fence_has_told(void **state)
{
	struct chained c;
	unsigned int i;

	(void)state;
	chained_init(&c, 2, 1);
	dma_fence_enable_sw_signaling(c.nodes[1]);
	for (i = 0; i < 2; i++) {
		dma_fence_put(c.nodes[i]);
		assert_int_equal(refs_of(&c.fences[i]->base), 2);
	}
	for (i = 2; i--;) {
		finish_with(c.fences[i], 0);
		dma_fence_put(&c.fences[i]->base);
	}
	assert_int_equal(mock_fences_live(), 0);
	free(c.fences);
	free(c.nodes);
}

/* INV-F-D6 in small: to the first node that somebody else has. */
static void release_ends_at_a_node_of_somebody_else(void **state)
{
	struct chained c;
	unsigned int i;

	(void)state;
	chained_init(&c, 8, 1);
	for (i = 8; --i > 3;)
		dma_fence_put(c.nodes[i - 1]);
	assert_int_equal(refs_of(c.nodes[2]), 2);
	dma_fence_put(c.nodes[7]);
	assert_int_equal(refs_of(c.nodes[2]), 1);
	for (i = 0; i < 8; i++)
		assert_int_equal(refs_of(&c.fences[i]->base), i < 3 ? 2 : 1);
	c.nr = 3;
	for (i = 3; i < 8; i++)
		dma_fence_put(&c.fences[i]->base);
	chained_fini(&c);
}

static void deadline_goes_to_what_is_linked(void **state)
{
	struct mock_fence *old = mock_fence_new();
	struct chained c;

	(void)state;
	chained_init(&c, 3, 1);
	to_dma_fence_chain(c.nodes[0])->prev = &old->base;
	finish_with(c.fences[1], 0);
	dma_fence_set_deadline(c.nodes[2], 12345);
	assert_int_equal(old->deadline, 12345);
	assert_int_equal(c.fences[0]->deadline, 12345);
	assert_int_equal(c.fences[1]->nr_deadline, 0);
	assert_int_equal(c.fences[2]->deadline, 12345);
	/* The done one is cut out, the others are linked. */
	assert_ptr_equal(to_dma_fence_chain(c.nodes[2])->prev, c.nodes[0]);
	chained_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(new_node_is_as_asked_for),
		LEAK_TEST(numbers_follow_those_of_the_older_node),
		LEAK_TEST(node_after_a_plain_fence_begins_a_timeline),
		LEAK_TEST(chain_in_a_chain_warns_and_works),
		LEAK_TEST(node_that_was_not_set_up_is_freed),
		LEAK_TEST(node_without_memory_is_null),
		LEAK_TEST(node_is_done_with_its_fence),
		LEAK_TEST(forward_each_node_is_done_at_once),
		LEAK_TEST(backward_all_nodes_are_done_at_the_end),
		LEAK_TEST(query_asks_all_older_fences),
		LEAK_TEST(waiting_enables_one_fence_after_the_other),
		LEAK_TEST(older_nodes_that_are_waited_for_tell),
		LEAK_TEST(older_node_signalled_by_hand_is_not_believed),
		LEAK_TEST(done_chain_lets_a_callback_come_too_late),
		LEAK_TEST(array_in_a_chain_is_waited_for),
		LEAK_TEST(plain_fence_before_a_chain_is_waited_for),
		LEAK_TEST(error_stays_with_the_fence_inside),
		LEAK_TEST(node_is_signalled_after_the_lock_of_its_fence),
		LEAK_TEST(node_is_signalled_after_the_lock_of_an_older_node),
		LEAK_TEST(node_is_signalled_outside_a_lock_held_by_the_caller),
		LEAK_TEST(query_with_the_lock_held_does_not_signal_under_it),
		LEAK_TEST(node_lives_until_its_fence_has_told),
		LEAK_TEST(release_ends_at_a_node_of_somebody_else),
		LEAK_TEST(deadline_goes_to_what_is_linked),
	};

	return cmocka_run_group_tests_name("dma_fence_chain", tests,
					   leaks_group_setup, NULL) != 0;
}
