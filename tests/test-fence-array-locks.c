/* SPDX-License-Identifier: MIT */
/* test-fence-array-locks.c - where an array is signalled, and where it ends */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "assert-bug.h"
#include "containers.h"
#include "leaks.h"
#include "mock-fence.h"

/* Outside the locks of members */

/* Then the first member decides, and the probe wants its lock. */
static void all_but_the_first(struct group *g, bool any, struct probe *probe)
{
	group_begin(g, any);
	probe_add(probe, g->array, &g->members[0]->lock);
	if (!any) {
		finish_with(g->members[1], 0);
		finish_with(g->members[2], 0);
	}
}

/* INV-F-D5 */
static void array_is_signalled_after_the_lock_of_a_member(void **state)
{
	struct probe probe;
	struct group g;
	unsigned int any;

	(void)state;
	for (any = 0; any < 2; any++) {
		all_but_the_first(&g, any, &probe);
		dma_fence_signal_timestamp(&g.members[0]->base, 1);
		probe_check(&probe, g.array);
		group_end(&g);
	}
}

/* INV-F-D5 */
static void array_is_signalled_outside_a_lock_held_by_the_caller(void **state)
{
	struct probe probe;
	struct group g;
	unsigned int any;

	(void)state;
	for (any = 0; any < 2; any++) {
		all_but_the_first(&g, any, &probe);
		pthread_mutex_lock(&g.members[0]->lock);
		dma_fence_signal_locked(&g.members[0]->base);
		pthread_mutex_unlock(&g.members[0]->lock);
		assert_int_equal(dma_fence_wait(g.array, false), 0);
		probe_check(&probe, g.array);
		group_end(&g);
	}
}

/* Looks at the array when the members are done, with the lock of one held. */
struct look {
	struct dma_fence_cb cb;		/* first */
	struct dma_fence *array;
	bool was_marked;
	bool was_signalled;
};

static void look_run(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct look *look = (struct look *)cb;

	(void)fence;
	look->was_marked = is_marked(look->array);
	/* dma_fence_is_signaled() would signal it, and take its lock. */
	look->was_signalled = look->array->ops->signaled(look->array);
}

/* INV-F-D5; the member's callbacks run in the order of adding. */
static void query_is_exact_before_the_array_is_signalled(void **state)
{
	struct look look = { .was_marked = true };
	struct group g;

	(void)state;
	group_begin(&g, ALL);
	look.array = g.array;
	dma_fence_enable_sw_signaling(g.array);
	dma_fence_add_callback(&g.members[2]->base, &look.cb, look_run);
	finish_with(g.members[0], 0);
	finish_with(g.members[1], 0);
	finish_with(g.members[2], 0);
	assert_false(look.was_marked);
	assert_true(look.was_signalled);
	group_end(&g);
}

/*
 * A query under the caller's lock finds a member done and signals it, while
 * another array waits for that member.
 */
static void query_with_the_lock_held_signals_no_array_under_it(void **state)
{
	struct dma_fence *asked;
	struct probe probe;
	struct group g;

	(void)state;
	group_begin(&g, ANY);
	asked = array_over(g.members, GROUP_NR, ANY);
	probe_add(&probe, g.array, asked->lock);
	g.members[1]->done = true;
	pthread_mutex_lock(asked->lock);
	assert_int_equal(dma_fence_get_status_locked(asked), 1);
	pthread_mutex_unlock(asked->lock);
	assert_int_equal(dma_fence_wait(g.array, false), 0);
	probe_check(&probe, g.array);
	dma_fence_put(asked);
	group_end(&g);
}

/* A timeline whose fences take its lock when they end, as timelines do. */
struct line {
	pthread_mutex_t lock;
	unsigned int released;		/* atomic */
	bool in_the_way;
	pthread_t signaller;
};

struct line_fence {
	struct dma_fence base;		/* first */
	struct line *line;
};

static const char *line_name(struct dma_fence *fence)
{
	(void)fence;
	return "line";
}

static void line_release(struct dma_fence *fence)
{
	struct line *line = ((struct line_fence *)fence)->line;

	int ret;

	/* A thread of the library gets it when the test unlocks. */
	if (pthread_equal(pthread_self(), line->signaller))
		ret = pthread_mutex_trylock(&line->lock);
	else
		ret = pthread_mutex_lock(&line->lock);
	if (ret)
		line->in_the_way = true;
	else
		pthread_mutex_unlock(&line->lock);
	dma_fence_free(fence);
	__atomic_fetch_add(&line->released, 1, __ATOMIC_RELEASE);
}

static const struct dma_fence_ops line_ops = {
	.get_driver_name = line_name,
	.get_timeline_name = line_name,
	.release = line_release,
};

static struct dma_fence *line_fence(struct line *line, uint64_t seqno)
{
	struct line_fence *fence = calloc(1, sizeof(*fence));

	assert_non_null(fence);
	dma_fence_init(&fence->base, &line_ops, &line->lock, 1, seqno);
	fence->line = line;
	return &fence->base;
}

/* An any-of whose last member signals when nobody else has the array. */
static struct dma_fence *line_begin(struct line *line)
{
	struct dma_fence **vector = calloc(2, sizeof(*vector));
	struct dma_fence_array *array;
	struct dma_fence *last;

	*line = (struct line){ .signaller = pthread_self() };
	pthread_mutex_init(&line->lock, NULL);
	vector[0] = line_fence(line, 1);
	vector[1] = line_fence(line, 2);
	last = dma_fence_get(vector[1]);
	array = dma_fence_array_create(2, vector, 1, 1, ANY);
	assert_non_null(array);
	dma_fence_enable_sw_signaling(&array->base);
	dma_fence_signal(vector[0]);
	assert_true(is_marked(&array->base));
	dma_fence_put(&array->base);
	assert_int_equal(line->released, 0);
	return last;
}

static void array_ends_outside_the_lock_of_its_last_member(void **state)
{
	struct dma_fence *last;
	struct line line;

	(void)state;
	last = line_begin(&line);
	dma_fence_signal(last);
	assert_false(line.in_the_way);
	assert_int_equal(line.released, 1);
	dma_fence_put(last);
	assert_int_equal(line.released, 2);

	last = line_begin(&line);
	pthread_mutex_lock(&line.lock);
	dma_fence_signal_locked(last);
	pthread_mutex_unlock(&line.lock);
	dma_fence_put(last);
	while (__atomic_load_n(&line.released, __ATOMIC_ACQUIRE) < 2)
		sched_yield();
	assert_false(line.in_the_way);
}

/* A BUG in a callback, whose handler leaves by longjmp(3) */

static void make_a_bug(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	(void)cb;
	dma_fence_init(fence, fence->ops, NULL, 1, 1);
}

static void do_signal(void *fence)
{
	dma_fence_signal(fence);
}

static void array_left_by_a_bug_is_signalled_by_dispatch(void **state)
{
	struct count_cb count = { .ran = 0 };
	struct dma_fence_cb bug;
	struct group g;

	(void)state;
	group_begin(&g, ANY);
	assert_int_equal(dma_fence_add_callback(g.array, &count.cb,
						count_cb_run), 0);
	/* Behind the array's, on the same member. */
	assert_int_equal(dma_fence_add_callback(&g.members[0]->base, &bug,
						make_a_bug), 0);
	assert_bug_caught(do_signal, &g.members[0]->base,
			  "BUG: dma_fence_init: ");
	assert_true(dmabuf_dispatch() >= 0);
	assert_true(is_marked(g.array));
	assert_int_equal(count.ran, 1);
	group_end(&g);
}

/* References */

static void array_lives_until_its_members_have_told(void **state)
{
	struct group g;
	unsigned int i;

	(void)state;
	group_begin(&g, ALL);
	dma_fence_enable_sw_signaling(g.array);
	dma_fence_put(g.array);
	for (i = 0; i < GROUP_NR; i++) {
		finish_with(g.members[i], 0);
		dma_fence_put(&g.members[i]->base);
	}
	assert_int_equal(mock_fences_live(), 0);
}

static void array_that_nobody_waited_for_ends_at_once(void **state)
{
	struct group g;
	unsigned int i;

	(void)state;
	group_begin(&g, ALL);
	assert_false(dma_fence_is_signaled(g.array));
	dma_fence_put(g.array);
	for (i = 0; i < GROUP_NR; i++) {
		assert_int_equal(refs_of(&g.members[i]->base), 1);
		dma_fence_put(&g.members[i]->base);
	}
	assert_int_equal(mock_fences_live(), 0);
}

/* A callback and a reference for each member that is not done. */
static void references_are_those_of_the_callbacks(void **state)
{
	struct group g;

	(void)state;
	group_begin(&g, ALL);
	finish_with(g.members[0], 0);
	dma_fence_enable_sw_signaling(g.array);
	assert_int_equal(refs_of(g.array), 1 + 2);
	finish_with(g.members[1], 0);
	assert_int_equal(refs_of(g.array), 1 + 1);
	finish_with(g.members[2], 0);
	assert_int_equal(refs_of(g.array), 1);
	group_end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(array_is_signalled_after_the_lock_of_a_member),
		LEAK_TEST(array_is_signalled_outside_a_lock_held_by_the_caller),
		LEAK_TEST(query_is_exact_before_the_array_is_signalled),
		LEAK_TEST(query_with_the_lock_held_signals_no_array_under_it),
		LEAK_TEST(array_ends_outside_the_lock_of_its_last_member),
		LEAK_TEST(array_left_by_a_bug_is_signalled_by_dispatch),
		LEAK_TEST(array_lives_until_its_members_have_told),
		LEAK_TEST(array_that_nobody_waited_for_ends_at_once),
		LEAK_TEST(references_are_those_of_the_callbacks),
	};

	return cmocka_run_group_tests_name("dma_fence_array/locks", tests,
					   leaks_group_setup, NULL) != 0;
}
