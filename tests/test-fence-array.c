/* SPDX-License-Identifier: MIT */
/* test-fence-array.c - one fence for all, or for any, of several */
#include <errno.h>
#include <limits.h>
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

/* Making */

static void new_array_is_as_asked_for(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence **vector = malloc(sizeof(*vector));
	struct dma_fence_array *array;

	(void)state;
	vector[0] = &mock->base;
	array = dma_fence_array_create(1, vector, 77, UINT32_MAX, ALL);
	assert_non_null(array);
	assert_int_equal(array->base.context, 77);
	assert_true(array->base.seqno == UINT32_MAX);
	assert_int_equal(array->base.refcount, 1);
	assert_int_equal(array->num_fences, 1);
	assert_ptr_equal(array->fences, vector);
	assert_string_equal(array->base.ops->get_driver_name(&array->base),
			    "dma_fence_array");
	assert_string_equal(array->base.ops->get_timeline_name(&array->base),
			    "unbound");
	assert_true(dma_fence_is_array(&array->base));
	assert_true(dma_fence_is_container(&array->base));
	assert_false(dma_fence_is_chain(&array->base));
	assert_ptr_equal(to_dma_fence_array(&array->base), array);
	/* The reference of the vector is the array's now. */
	assert_int_equal(refs_of(&mock->base), 1);
	dma_fence_put(&array->base);
	assert_int_equal(mock_fences_live(), 0);
}

static void only_an_array_is_one(void **state)
{
	struct mock_fence *mock = mock_fence_new();

	(void)state;
	assert_null(to_dma_fence_array(NULL));
	assert_null(to_dma_fence_array(&mock->base));
	assert_false(dma_fence_is_container(&mock->base));
	dma_fence_put(&mock->base);
}

/* INV-ARRAY-1 */
static void create_without_members_warns_and_takes_nothing(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *vector[] = { &mock->base };

	(void)state;
	assert_null(dma_fence_array_create(0, vector, 1, 1, ALL));
	assert_warned("dma_fence_array_create: no members");
	assert_null(dma_fence_array_create(1, NULL, 1, 1, ALL));
	assert_warned("dma_fence_array_create: no members");
	assert_int_equal(refs_of(&mock->base), 1);
	dma_fence_put(&mock->base);
}

static struct dma_fence *array_of_none(bool any)
{
	struct dma_fence_array *array = dma_fence_array_alloc(0);

	assert_non_null(array);
	dma_fence_array_init(array, 0, NULL, 1, 1, any);
	assert_warned("dma_fence_array_init: no members");
	assert_null(dma_fence_array_first(&array->base));
	assert_null(dma_fence_array_next(&array->base, 0));
	return &array->base;
}

/* INV-ARRAY-1 */
static void all_of_none_warns_and_is_done(void **state)
{
	struct dma_fence *array = array_of_none(ALL);

	(void)state;
	assert_true(dma_fence_is_signaled(array));
	dma_fence_put(array);
	array = array_of_none(ALL);
	assert_int_equal(dma_fence_wait(array, false), 0);
	dma_fence_put(array);
}

/* INV-ARRAY-1 */
static void any_of_none_warns_and_is_never_done(void **state)
{
	struct dma_fence *array = array_of_none(ANY);

	(void)state;
	assert_false(dma_fence_is_signaled(array));
	assert_int_equal(dma_fence_wait_timeout(array, false, 0), 0);
	assert_false(dma_fence_is_signaled(array));
	assert_int_equal(dma_fence_signal(array), 0);
	dma_fence_put(array);
}

/* INV-ARRAY-2 */
static void member_that_is_a_container_warns_and_works(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *inner = array_over(&mock, 1, ALL);
	struct dma_fence *node = node_over(NULL, &mock->base, 1);
	struct dma_fence **vector = calloc(2, sizeof(*vector));
	struct dma_fence_array *outer;

	(void)state;
	vector[0] = inner;
	vector[1] = node;
	outer = dma_fence_array_create(2, vector, 1, 1, ALL);
	assert_int_equal(warns_seen(), 2);
	assert_non_null(strstr(warns_last(), "dma_fence_array_init: member 1"));
	dma_fence_enable_sw_signaling(&outer->base);
	assert_false(dma_fence_is_signaled(&outer->base));
	finish_with(mock, -EIO);
	assert_true(is_marked(&outer->base));
	assert_int_equal(dma_fence_get_status(&outer->base), -EIO);
	dma_fence_put(&outer->base);
	dma_fence_put(&mock->base);
}

static void array_without_memory_is_null(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *vector[] = { &mock->base };

	(void)state;
	inject_arm(1);
	assert_null(dma_fence_array_create(1, vector, 1, 1, ALL));
	inject_disarm();
	assert_non_null(inject_failed());
	inject_arm(1);
	assert_null(dma_fence_array_alloc(1));
	inject_disarm();
	assert_non_null(inject_failed());
	assert_null(dma_fence_array_alloc(UINT_MAX));
	assert_int_equal(refs_of(&mock->base), 1);
	dma_fence_put(&mock->base);
}

static void array_that_was_not_set_up_is_freed(void **state)
{
	(void)state;
	free(dma_fence_array_alloc(5));
}

/* Being done */

/* The orders in which three members may be signalled. */
static const unsigned int orders[][GROUP_NR] = {
	{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 },
	{ 2, 1, 0 },
};
#define NR_ORDERS (sizeof(orders) / sizeof(orders[0]))

static void one_signalled(struct group *g, unsigned int member, bool done)
{
	assert_int_equal(dma_fence_get_status(g->array), 0);
	finish_with(g->members[member], 0);
	assert_int_equal(dma_fence_is_signaled(g->array), done);
}

static void all_of_is_done_with_the_last_member(void **state)
{
	struct group g;
	unsigned int i;

	(void)state;
	for (i = 0; i < 2 * NR_ORDERS; i++) {
		group_begin(&g, ALL);
		if (i % 2)
			dma_fence_enable_sw_signaling(g.array);
		one_signalled(&g, orders[i / 2][0], false);
		one_signalled(&g, orders[i / 2][1], false);
		one_signalled(&g, orders[i / 2][2], true);
		assert_int_equal(dma_fence_get_status(g.array), 1);
		group_end(&g);
	}
}

static void any_of_is_done_with_the_first_member(void **state)
{
	struct group g;
	unsigned int i;

	(void)state;
	for (i = 0; i < 2 * GROUP_NR; i++) {
		group_begin(&g, ANY);
		if (i % 2)
			dma_fence_enable_sw_signaling(g.array);
		one_signalled(&g, i / 2, true);
		assert_int_equal(dma_fence_get_status(g.array), 1);
		group_end(&g);
	}
}

static void only_waiting_enables_the_members(void **state)
{
	struct group g;
	unsigned int i;

	(void)state;
	group_begin(&g, ALL);
	assert_false(dma_fence_is_signaled(g.array));
	assert_int_equal(dma_fence_get_status(g.array), 0);
	for (i = 0; i < GROUP_NR; i++)
		assert_int_equal(g.members[i]->nr_enable, 0);
	assert_int_equal(dma_fence_wait_timeout(g.array, false, 0), 0);
	assert_int_equal(dma_fence_wait_timeout(g.array, false, 1), 0);
	for (i = 0; i < GROUP_NR; i++)
		assert_int_equal(g.members[i]->nr_enable, 1);
	group_end(&g);
}

static void signalled_members_let_a_callback_come_too_late(void **state)
{
	struct count_cb count = { .ran = 0 };
	struct group g;
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		group_begin(&g, i ? ANY : ALL);
		finish_with(g.members[1], 0);
		if (!i) {
			finish_with(g.members[0], 0);
			finish_with(g.members[2], 0);
		}
		assert_int_equal(dma_fence_add_callback(g.array, &count.cb,
							count_cb_run),
				 -ENOENT);
		assert_true(is_marked(g.array));
		group_end(&g);
	}
	assert_int_equal(count.ran, 0);
}

static void callback_runs_when_the_array_is_done(void **state)
{
	struct count_cb count = { .ran = 0 };
	struct group g;

	(void)state;
	group_begin(&g, ALL);
	assert_int_equal(dma_fence_add_callback(g.array, &count.cb,
						count_cb_run), 0);
	finish_with(g.members[2], 0);
	finish_with(g.members[0], 0);
	assert_int_equal(count.ran, 0);
	finish_with(g.members[1], 0);
	assert_int_equal(count.ran, 1);
	assert_true(is_marked(g.array));
	group_end(&g);
}

/* Members that are done by what their op says, which nobody signalled. */
static void query_asks_members_that_nobody_waits_for(void **state)
{
	struct group g;

	(void)state;
	group_begin(&g, ANY);
	g.members[1]->done = true;
	assert_true(dma_fence_is_signaled(g.array));
	assert_true(is_marked(&g.members[1]->base));
	assert_false(is_marked(&g.members[0]->base));
	group_end(&g);
}

static void same_member_twice_counts_twice(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct mock_fence *members[] = { mock, mock };
	struct dma_fence *array = array_over(members, 2, ALL);

	(void)state;
	dma_fence_enable_sw_signaling(array);
	assert_false(dma_fence_is_signaled(array));
	finish_with(mock, 0);
	assert_true(is_marked(array));
	dma_fence_put(array);
	dma_fence_put(&mock->base);
}

/* Deadlines and looking inside */

static void deadline_goes_to_each_member(void **state)
{
	struct group g;

	(void)state;
	group_begin(&g, ALL);
	finish_with(g.members[1], 0);
	dma_fence_set_deadline(g.array, 12345);
	assert_int_equal(g.members[0]->nr_deadline, 1);
	assert_int_equal(g.members[0]->deadline, 12345);
	assert_int_equal(g.members[1]->nr_deadline, 0);
	assert_int_equal(g.members[2]->deadline, 12345);
	group_end(&g);
}

static void members_are_found_in_order(void **state)
{
	struct dma_fence *fence;
	struct group g;
	unsigned int i;

	(void)state;
	group_begin(&g, ALL);
	dma_fence_array_for_each(fence, i, g.array)
		assert_ptr_equal(fence, &g.members[i]->base);
	assert_int_equal(i, GROUP_NR);
	assert_ptr_equal(dma_fence_array_first(g.array), &g.members[0]->base);
	assert_ptr_equal(dma_fence_array_next(g.array, 2),
			 &g.members[2]->base);
	assert_null(dma_fence_array_next(g.array, 3));
	assert_null(dma_fence_array_next(g.array, UINT_MAX));
	group_end(&g);
}

static void plain_fence_is_its_own_only_member(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *fence;
	unsigned int i;

	(void)state;
	assert_null(dma_fence_array_first(NULL));
	assert_null(dma_fence_array_next(NULL, 0));
	assert_ptr_equal(dma_fence_array_first(&mock->base), &mock->base);
	assert_null(dma_fence_array_next(&mock->base, 0));
	dma_fence_array_for_each(fence, i, &mock->base)
		assert_ptr_equal(fence, &mock->base);
	assert_int_equal(i, 1);
	dma_fence_put(&mock->base);
}

static void context_matches_when_all_members_have_it(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct mock_fence *members[] = {
		mock_fence_at(&lock, 77, 1), mock_fence_at(&lock, 77, 2),
		mock_fence_at(&lock, 78, 1),
	};
	struct dma_fence *same = array_over(members, 2, ALL);
	struct dma_fence *mixed = array_over(members, 3, ALL);
	unsigned int i;

	(void)state;
	assert_true(dma_fence_match_context(&members[0]->base, 77));
	assert_false(dma_fence_match_context(&members[0]->base, 78));
	assert_true(dma_fence_match_context(same, 77));
	assert_false(dma_fence_match_context(same, same->context));
	assert_false(dma_fence_match_context(mixed, 77));
	assert_false(dma_fence_match_context(mixed, 78));
	dma_fence_put(same);
	dma_fence_put(mixed);
	for (i = 0; i < 3; i++)
		dma_fence_put(&members[i]->base);
	assert_int_equal(mock_fences_live(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(new_array_is_as_asked_for),
		LEAK_TEST(only_an_array_is_one),
		LEAK_TEST(create_without_members_warns_and_takes_nothing),
		LEAK_TEST(all_of_none_warns_and_is_done),
		LEAK_TEST(any_of_none_warns_and_is_never_done),
		LEAK_TEST(member_that_is_a_container_warns_and_works),
		LEAK_TEST(array_without_memory_is_null),
		LEAK_TEST(array_that_was_not_set_up_is_freed),
		LEAK_TEST(all_of_is_done_with_the_last_member),
		LEAK_TEST(any_of_is_done_with_the_first_member),
		LEAK_TEST(only_waiting_enables_the_members),
		LEAK_TEST(signalled_members_let_a_callback_come_too_late),
		LEAK_TEST(callback_runs_when_the_array_is_done),
		LEAK_TEST(query_asks_members_that_nobody_waits_for),
		LEAK_TEST(same_member_twice_counts_twice),
		LEAK_TEST(deadline_goes_to_each_member),
		LEAK_TEST(members_are_found_in_order),
		LEAK_TEST(plain_fence_is_its_own_only_member),
		LEAK_TEST(context_matches_when_all_members_have_it),
	};

	return cmocka_run_group_tests_name("dma_fence_array", tests,
					   leaks_group_setup, NULL) != 0;
}
