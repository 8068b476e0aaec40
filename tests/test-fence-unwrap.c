/* SPDX-License-Identifier: MIT */
/* test-fence-unwrap.c - the plain fences in arrays and chains, and merging */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "containers.h"
#include "inject.h"
#include "leaks.h"
#include "mock-fence.h"
#include "warns.h"

#define NR 6

/* Of the test that runs, each with a timeline and a reference of its own. */
static struct mock_fence *mocks[NR];

static int mocks_setup(void **state)
{
	unsigned int i;
	int ret = leaks_setup(state);

	for (i = 0; i < NR; i++)
		mocks[i] = mock_fence_new();
	return ret;
}

/* Every reference that a test took was given back. */
static int mocks_teardown(void **state)
{
	unsigned int i;
	int bad = 0;

	for (i = 0; i < NR; i++) {
		bad |= refs_of(&mocks[i]->base) != 1;
		dma_fence_put(&mocks[i]->base);
	}
	return leaks_teardown(state) | bad;
}

#define MOCKS_TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, mocks_setup, mocks_teardown)

static struct dma_fence *plain(unsigned int i)
{
	return &mocks[i]->base;
}

/* Unwrapping @head visits these, in this order; drops @head. */
static void visits(struct dma_fence *head, unsigned int nr,
		   struct dma_fence *const *expected)
{
	struct dma_fence_unwrap cursor;
	struct dma_fence *fence;
	unsigned int i = 0;

	dma_fence_unwrap_for_each(fence, &cursor, head) {
		assert_true(i < nr);
		assert_ptr_equal(fence, expected[i++]);
	}
	assert_int_equal(i, nr);
	assert_null(cursor.chain);
	dma_fence_put(head);
}

#define VISITS(head, ...)                                                     \
	do {                                                                  \
		struct dma_fence *const expected_[] = { __VA_ARGS__ };        \
		visits(head, sizeof(expected_) / sizeof(expected_[0]),        \
		       expected_);                                            \
	} while (0)

/* A node over an array of which nobody else has a reference. */
static struct dma_fence *node_of_array(struct dma_fence *prev,
				       struct dma_fence *array, uint64_t seqno)
{
	struct dma_fence *node = node_over(prev, array, seqno);

	dma_fence_put(array);
	return node;
}

/* Walking */

static void nothing_in_nothing(void **state)
{
	(void)state;
	visits(NULL, 0, NULL);
}

static void plain_fence_contains_itself(void **state)
{
	(void)state;
	VISITS(dma_fence_get(plain(0)), plain(0));
	finish_with(mocks[0], 0);
	VISITS(dma_fence_get(plain(0)), plain(0));
}

/* 9.3 sanitycheck */
static void chain_around_an_array_is_made_and_dropped(void **state)
{
	struct dma_fence *node = node_of_array(NULL, array_over(mocks, 1, ALL),
					       1);

	(void)state;
	dma_fence_enable_sw_signaling(plain(0));
	assert_int_equal(refs_of(plain(0)), 2);
	dma_fence_put(node);
	assert_int_equal(refs_of(plain(0)), 1);
}

/* 9.3 unwrap_array */
static void array_contains_its_members_done_or_not(void **state)
{
	(void)state;
	VISITS(array_over(mocks, 2, ALL), plain(0), plain(1));
	finish_with(mocks[0], 0);
	VISITS(array_over(mocks, 2, ANY), plain(0), plain(1));
}

/* 9.3 unwrap_chain */
static void chain_contains_its_fence_and_a_plain_one_before(void **state)
{
	(void)state;
	VISITS(node_over(dma_fence_get(plain(0)), plain(1), 1), plain(1),
	       plain(0));
}

/* 9.3 unwrap_chain_array */
static void chain_around_an_array_contains_the_members(void **state)
{
	(void)state;
	VISITS(node_of_array(NULL, array_over(mocks, 2, ALL), 1), plain(0),
	       plain(1));
}

static void chain_of_arrays_contains_all_newest_first(void **state)
{
	struct dma_fence *node;

	(void)state;
	node = array_over(mocks, 2, ALL);	/* before the first node */
	node = node_of_array(node, array_over(mocks + 2, 2, ALL), 1);
	node = node_over(node, plain(4), 2);
	node = node_of_array(node, array_over(mocks + 4, 2, ALL), 3);
	VISITS(node, plain(4), plain(5), plain(4), plain(2), plain(3), plain(0),
	       plain(1));
}

static void done_nodes_are_passed_over_but_not_the_first(void **state)
{
	struct dma_fence *node = NULL;
	unsigned int i;

	(void)state;
	for (i = 0; i < 4; i++)
		node = node_over(node, plain(i), i + 1);
	finish_with(mocks[3], 0);
	finish_with(mocks[1], 0);
	VISITS(node, plain(3), plain(2), plain(0));
}

static struct dma_fence *array_of_none(void)
{
	struct dma_fence_array *array = dma_fence_array_alloc(0);

	assert_non_null(array);
	dma_fence_array_init(array, 0, NULL, 1, 1, ANY);
	assert_warned("dma_fence_array_init");
	return &array->base;
}

static void array_without_members_ends_nothing(void **state)
{
	struct dma_fence *node;

	(void)state;
	visits(array_of_none(), 0, NULL);
	node = node_over(NULL, plain(0), 1);
	node = node_of_array(node, array_of_none(), 2);
	node = node_over(node, plain(1), 3);
	node = node_of_array(node, array_of_none(), 4);
	VISITS(node, plain(1), plain(0));
}

static void array_in_an_array_is_not_opened(void **state)
{
	struct dma_fence *inner = array_over(mocks, 2, ALL);
	struct dma_fence **vector = calloc(2, sizeof(*vector));
	struct dma_fence_array *outer;

	(void)state;
	vector[0] = dma_fence_get(inner);
	vector[1] = dma_fence_get(plain(2));
	outer = dma_fence_array_create(2, vector, 1, 1, ALL);
	assert_warned("dma_fence_array_init");
	VISITS(&outer->base, inner, plain(2));
	dma_fence_put(inner);
}

static void loop_that_is_left_early_has_a_reference_on_the_node(void **state)
{
	struct dma_fence *old = node_over(NULL, plain(0), 1);
	struct dma_fence *node = node_over(dma_fence_get(old), plain(1), 2);
	struct dma_fence_unwrap cursor;
	struct dma_fence *fence;

	(void)state;
	dma_fence_unwrap_for_each(fence, &cursor, node)
		if (fence == plain(0))
			break;
	assert_ptr_equal(cursor.chain, old);
	assert_int_equal(refs_of(old), 3);
	assert_int_equal(refs_of(node), 1);
	assert_int_equal(refs_of(plain(0)), 2);
	dma_fence_put(cursor.chain);
	dma_fence_put(node);
	dma_fence_put(old);
}

/* Merging */

/* 9.3 unwrap_merge */
static void merge_of_two_contains_both(void **state)
{
	struct dma_fence *merged = dma_fence_unwrap_merge(plain(0), plain(1));
	uint64_t next = dma_fence_context_alloc(1);

	(void)state;
	assert_true(dma_fence_is_array(merged));
	assert_int_equal(merged->seqno, 1);
	assert_int_equal(merged->context, next - 1);
	assert_false(dma_fence_is_signaled(merged));
	finish_with(mocks[0], 0);
	assert_false(dma_fence_is_signaled(merged));
	VISITS(merged, plain(0), plain(1));
}

/* 9.3 unwrap_merge_complex */
static void merge_of_merges_contains_each_once(void **state)
{
	struct dma_fence *stub = dma_fence_get_stub();
	struct dma_fence *there = dma_fence_unwrap_merge(plain(0), plain(1));
	struct dma_fence *back = dma_fence_unwrap_merge(plain(1), plain(0));
	struct dma_fence *all = dma_fence_unwrap_merge(there, back, stub);

	(void)state;
	VISITS(there, plain(0), plain(1));
	VISITS(back, plain(0), plain(1));
	VISITS(all, plain(0), plain(1));
	dma_fence_put(stub);
}

static void merge_of_one_is_that_fence(void **state)
{
	struct dma_fence *array = array_over(mocks, 2, ANY);
	struct dma_fence *merged;

	(void)state;
	merged = dma_fence_unwrap_merge(plain(0));
	assert_ptr_equal(merged, plain(0));
	dma_fence_put(merged);
	merged = dma_fence_unwrap_merge(plain(0), plain(0), NULL);
	assert_ptr_equal(merged, plain(0));
	dma_fence_put(merged);
	/* Of one that is left: not the container it was in. */
	finish_with(mocks[1], 0);
	merged = dma_fence_unwrap_merge(array, plain(1));
	assert_ptr_equal(merged, plain(0));
	dma_fence_put(merged);
	dma_fence_put(array);
}

static void done_stub_check(struct dma_fence *merged, int64_t timestamp)
{
	assert_non_null(merged);
	assert_true(dma_fence_is_signaled(merged));
	assert_false(dma_fence_is_container(merged));
	assert_int_equal(dma_fence_get_status(merged), 1);
	assert_int_equal(merged->context, 0);
	assert_int_equal(dma_fence_timestamp(merged), timestamp);
	dma_fence_put(merged);
}

static void merge_of_nothing_was_done_at_0(void **state)
{
	struct dma_fence *none[] = { NULL, NULL };

	(void)state;
	done_stub_check(dmabuf_fence_merge(0, NULL), 0);
	done_stub_check(dmabuf_fence_merge(2, none), 0);
}

static void merge_of_done_ones_has_the_latest_time(void **state)
{
	struct dma_fence *array = array_over(mocks, 3, ALL);

	(void)state;
	dma_fence_set_error(plain(0), -EIO);
	dma_fence_signal_timestamp(plain(0), 3000);
	dma_fence_signal_timestamp(plain(1), 5000);
	dma_fence_signal_timestamp(plain(2), 4000);
	dma_fence_signal_timestamp(plain(3), 1000);
	done_stub_check(dma_fence_unwrap_merge(plain(0), plain(3)), 3000);
	done_stub_check(dma_fence_unwrap_merge(plain(3), array), 5000);
	done_stub_check(dma_fence_unwrap_merge(plain(3)), 1000);
	dma_fence_put(array);
}

static void merge_leaves_out_what_is_done(void **state)
{
	(void)state;
	finish_with(mocks[1], 0);
	mocks[3]->done = true;
	VISITS(dma_fence_unwrap_merge(plain(0), plain(1), plain(2), plain(3)),
	       plain(0), plain(2));
}

/* The members are sorted by timeline, whatever the order of arguments. */
static void merge_sorts_by_timeline(void **state)
{
	struct dma_fence *reversed[NR];
	unsigned int i;

	(void)state;
	for (i = 0; i < NR; i++)
		reversed[i] = plain(NR - 1 - i);
	VISITS(dmabuf_fence_merge(NR, reversed), plain(0), plain(1), plain(2),
	       plain(3), plain(4), plain(5));
}

/* INV-F-D8 */
static void merge_keeps_the_latest_of_each_timeline(void **state)
{
	static const uint64_t seqnos[] = { 5, 9, 7, 9 };
	uint64_t context = dma_fence_context_alloc(2);
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct mock_fence *a[4], *b[4];
	unsigned int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		a[i] = mock_fence_at(&lock, context, seqnos[i]);
		b[i] = mock_fence_at(&lock, context + 1, seqnos[3 - i] + 1);
	}
	VISITS(dma_fence_unwrap_merge(&b[1]->base, &a[0]->base, &a[1]->base,
				      &b[3]->base, &a[2]->base, &b[2]->base),
	       &a[1]->base, &b[2]->base);
	/* One timeline: no array at all. */
	VISITS(dma_fence_unwrap_merge(&a[0]->base, &a[2]->base), &a[2]->base);
	VISITS(dma_fence_unwrap_merge(&a[2]->base, &a[0]->base), &a[2]->base);
	/* Two fences of one number: either. */
	dma_fence_put(dma_fence_unwrap_merge(&a[1]->base, &a[3]->base));
	for (i = 0; i < 4; i++) {
		assert_int_equal(refs_of(&a[i]->base), 1);
		assert_int_equal(refs_of(&b[i]->base), 1);
		dma_fence_put(&a[i]->base);
		dma_fence_put(&b[i]->base);
	}
}

/* INV-F-D8 */
static void merge_compares_numbers_modulo_2_to_the_32(void **state)
{
	uint64_t context = dma_fence_context_alloc(1);
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct mock_fence *before = mock_fence_at(&lock, context, UINT32_MAX);
	struct mock_fence *after = mock_fence_at(&lock, context, 1);

	(void)state;
	VISITS(dma_fence_unwrap_merge(&after->base, &before->base),
	       &after->base);
	dma_fence_put(&before->base);
	dma_fence_put(&after->base);
}

/* INV-F-D8: many at once, against a count of what must be left. */
static void merge_of_thousands_keeps_one_of_each_timeline(void **state)
{
	enum { NR_LINES = 37, NR_FENCES = 5000 };
	uint64_t context = dma_fence_context_alloc(NR_LINES);
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct dma_fence **fences = calloc(NR_FENCES, sizeof(*fences));
	struct dma_fence_unwrap cursor;
	struct dma_fence *merged, *fence;
	uint64_t latest[NR_LINES] = { 0 };
	unsigned int i, line;

	(void)state;
	srandom(1);
	for (i = 0; i < NR_FENCES; i++) {
		line = (unsigned int)random() % NR_LINES;
		fences[i] = &mock_fence_at(&lock, context + line,
					   1 + (unsigned int)random() % 1000)
				     ->base;
		if (latest[line] < fences[i]->seqno)
			latest[line] = fences[i]->seqno;
	}
	merged = dmabuf_fence_merge(NR_FENCES, fences);
	line = 0;
	dma_fence_unwrap_for_each(fence, &cursor, merged) {
		assert_int_equal(fence->context, context + line);
		assert_int_equal(fence->seqno, latest[line++]);
	}
	assert_int_equal(line, NR_LINES);
	dma_fence_put(merged);
	for (i = 0; i < NR_FENCES; i++)
		dma_fence_put(fences[i]);
	free(fences);
}

static void merge_takes_chains_and_arrays_apart(void **state)
{
	struct dma_fence *node = node_over(NULL, plain(3), 1);
	struct dma_fence *array = array_over(mocks, 2, ALL);

	(void)state;
	node = node_of_array(node, array_over(mocks + 1, 2, ALL), 2);
	VISITS(dma_fence_unwrap_merge(node, array, plain(4)), plain(0),
	       plain(1), plain(2), plain(3), plain(4));
	dma_fence_put(node);
	dma_fence_put(array);
}

static void merge_is_done_when_all_are(void **state)
{
	struct dma_fence *merged = dma_fence_unwrap_merge(plain(0), plain(1));

	(void)state;
	finish_with(mocks[1], -EIO);
	assert_int_equal(dma_fence_get_status(merged), 0);
	finish_with(mocks[0], 0);
	assert_int_equal(dma_fence_get_status(merged), -EIO);
	dma_fence_put(merged);
}

/* Signals another mock while it is asked, as a second thread might. */
static bool sly_signaled(struct dma_fence *fence)
{
	struct mock_fence *sly = (struct mock_fence *)fence;

	if (++sly->nr_signaled == 2) {
		dma_fence_signal_timestamp(plain(0), 7000);
		dma_fence_signal_timestamp(plain(1), 6000);
		sly->done = true;
	}
	return sly->done;
}

/* Those that are signalled between the passes are left out. */
static void merge_survives_signals_between_the_passes(void **state)
{
	struct dma_fence_ops sly_ops = mock_fence_ops;
	struct mock_fence *sly = mock_fence_new();
	struct dma_fence *merged;

	(void)state;
	sly_ops.signaled = sly_signaled;
	sly->base.ops = &sly_ops;
	merged = dma_fence_unwrap_merge(&sly->base, plain(0), plain(1));
	assert_true(is_marked(merged));
	/* Its own time is now, and later. */
	assert_true(dma_fence_timestamp(merged) ==
		    dma_fence_timestamp(&sly->base));
	dma_fence_put(merged);
	sly->base.ops = &mock_fence_ops;
	dma_fence_put(&sly->base);

	sly = mock_fence_new();
	sly->base.ops = &sly_ops;
	merged = dma_fence_unwrap_merge(plain(2), &sly->base);
	assert_ptr_equal(merged, plain(2));
	dma_fence_put(merged);
	sly->base.ops = &mock_fence_ops;
	dma_fence_put(&sly->base);
}

/* INV-F-D7 */
static void merge_without_memory_is_null_and_keeps_nothing(void **state)
{
	struct dma_fence *array = array_over(mocks, 3, ALL);
	struct dma_fence *merged = NULL;
	unsigned int nth;
	unsigned int i;

	(void)state;
	for (nth = 1; !merged; nth++) {
		inject_arm(nth);
		merged = dma_fence_unwrap_merge(array, plain(1), plain(4));
		inject_disarm();
		assert_true(merged || inject_failed());
		for (i = 0; !merged && i < NR; i++)
			assert_int_equal(refs_of(plain(i)), i < 3 ? 2 : 1);
	}
	/* The vector, the array; that is all. */
	assert_int_equal(nth, 4);
	VISITS(merged, plain(0), plain(1), plain(2), plain(4));

	for (i = 0; i < 5; i++)
		finish_with(mocks[i], 0);
	inject_arm(1);
	merged = dma_fence_unwrap_merge(array, plain(4));
	inject_disarm();
	assert_non_null(inject_failed());
	assert_null(merged);
	/* One that is left needs no memory. */
	inject_arm(1);
	merged = dma_fence_unwrap_merge(array, plain(5));
	inject_disarm();
	assert_ptr_equal(merged, plain(5));
	dma_fence_put(merged);
	dma_fence_put(array);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOCKS_TEST(nothing_in_nothing),
		MOCKS_TEST(plain_fence_contains_itself),
		MOCKS_TEST(chain_around_an_array_is_made_and_dropped),
		MOCKS_TEST(array_contains_its_members_done_or_not),
		MOCKS_TEST(chain_contains_its_fence_and_a_plain_one_before),
		MOCKS_TEST(chain_around_an_array_contains_the_members),
		MOCKS_TEST(chain_of_arrays_contains_all_newest_first),
		MOCKS_TEST(done_nodes_are_passed_over_but_not_the_first),
		MOCKS_TEST(array_without_members_ends_nothing),
		MOCKS_TEST(array_in_an_array_is_not_opened),
		MOCKS_TEST(loop_that_is_left_early_has_a_reference_on_the_node),
		MOCKS_TEST(merge_of_two_contains_both),
		MOCKS_TEST(merge_of_merges_contains_each_once),
		MOCKS_TEST(merge_of_one_is_that_fence),
		MOCKS_TEST(merge_of_nothing_was_done_at_0),
		MOCKS_TEST(merge_of_done_ones_has_the_latest_time),
		MOCKS_TEST(merge_leaves_out_what_is_done),
		MOCKS_TEST(merge_sorts_by_timeline),
		MOCKS_TEST(merge_keeps_the_latest_of_each_timeline),
		MOCKS_TEST(merge_compares_numbers_modulo_2_to_the_32),
		MOCKS_TEST(merge_of_thousands_keeps_one_of_each_timeline),
		MOCKS_TEST(merge_takes_chains_and_arrays_apart),
		MOCKS_TEST(merge_is_done_when_all_are),
		MOCKS_TEST(merge_survives_signals_between_the_passes),
		MOCKS_TEST(merge_without_memory_is_null_and_keeps_nothing),
	};

	return cmocka_run_group_tests_name("dma_fence_unwrap", tests,
					   leaks_group_setup, NULL) != 0;
}
