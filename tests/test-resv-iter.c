/* SPDX-License-Identifier: MIT */
/* test-resv-iter.c - walking over the fences of a reservation */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "fenced.h"
#include "leaks.h"
#include "mock-fence.h"
#include "warns.h"

/* With the lock */

static unsigned int locked_walk(enum dma_resv_usage usage)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	unsigned int nr = 0;

	dma_resv_lock(&resv, NULL);
	dma_resv_for_each_fence(&cursor, &resv, usage, fence) {
		assert_true(dma_resv_iter_usage(&cursor) <= usage);
		assert_int_equal(dma_resv_iter_is_restarted(&cursor), nr == 0);
		nr++;
	}
	dma_resv_unlock(&resv);
	return nr;
}

static void locked_walk_finds_a_fence_with_its_usage(void **state)
{
	enum dma_resv_usage usage = usage_of(state);
	struct mock_fence *fence = added(usage);
	struct dma_resv_iter cursor;
	struct dma_fence *found;
	unsigned int nr = 0;

	dma_resv_lock(&resv, NULL);
	dma_resv_for_each_fence(&cursor, &resv, usage, found) {
		assert_ptr_equal(found, &fence->base);
		assert_int_equal(dma_resv_iter_usage(&cursor), usage);
		assert_true(dma_resv_iter_is_restarted(&cursor));
		nr++;
	}
	dma_resv_unlock(&resv);
	assert_int_equal(nr, 1);
	assert_int_equal(fence_refs(fence), 2);
	finish(fence);
}

static void locked_walk_shows_what_is_done_too(void **state)
{
	struct mock_fence *fence = added(DMA_RESV_USAGE_READ);

	(void)state;
	dma_fence_signal(&fence->base);
	assert_int_equal(locked_walk(DMA_RESV_USAGE_READ), 1);
	finish(fence);
}

/* Adds one of each usage. */
static void add_each(struct mock_fence *fences[NR_USAGES])
{
	unsigned int i;

	for (i = 0; i < NR_USAGES; i++)
		fences[i] = added(usages[NR_USAGES - 1 - i]);
}

static void walk_finds_the_usages_before_it_too(void **state)
{
	struct mock_fence *fences[NR_USAGES];
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	unsigned int i, nr;

	(void)state;
	add_each(fences);
	for (i = 0; i < NR_USAGES; i++) {
		assert_int_equal(locked_walk(usages[i]), i + 1);
		nr = 0;
		dma_resv_iter_begin(&cursor, &resv, usages[i]);
		dma_resv_for_each_fence_unlocked(&cursor, fence) {
			assert_true(dma_resv_iter_usage(&cursor) <= usages[i]);
			nr++;
		}
		dma_resv_iter_end(&cursor);
		assert_int_equal(nr, i + 1);
	}
	finish_all(fences, NR_USAGES);
}

static void walk_over_nothing_ends_at_once(void **state)
{
	struct dma_resv_iter cursor;

	(void)state;
	assert_int_equal(locked_walk(DMA_RESV_USAGE_BOOKKEEP), 0);
	dma_resv_iter_begin(&cursor, &resv, DMA_RESV_USAGE_BOOKKEEP);
	assert_null(dma_resv_iter_first_unlocked(&cursor));
	dma_resv_iter_end(&cursor);
	dma_resv_iter_begin(&cursor, &resv, DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_iter_end(&cursor);
}

static void locked_walk_may_be_left_early(void **state)
{
	struct mock_fence *fences[NR_USAGES];
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	(void)state;
	add_each(fences);
	dma_resv_lock(&resv, NULL);
	dma_resv_for_each_fence(&cursor, &resv, DMA_RESV_USAGE_BOOKKEEP, fence)
		break;
	dma_resv_unlock(&resv);
	assert_ptr_equal(fence, &fences[0]->base);
	assert_int_equal(fence_refs(fences[0]), 2);
	finish_all(fences, NR_USAGES);
}

/* INV-RESV-5 */
static void locked_walk_without_the_lock_warns(void **state)
{
	struct mock_fence *fences[NR_USAGES];
	struct dma_resv_iter cursor;

	(void)state;
	add_each(fences);
	dma_resv_iter_begin(&cursor, &resv, DMA_RESV_USAGE_READ);
	assert_non_null(dma_resv_iter_first(&cursor));
	assert_warned("WARN: dma_resv_iter_first: ");
	assert_non_null(dma_resv_iter_next(&cursor));
	assert_warned("WARN: dma_resv_iter_next: ");
	finish_all(fences, NR_USAGES);
}

/* Without the lock */

/* The walk is after its first fence; its idea of where it is gets lost. */
static void cursor_spoil(struct dma_resv_iter *cursor)
{
	memset(&cursor->fences, 0xa5, sizeof(cursor->fences));
}

static void unlocked_walk_begins_again(void **state)
{
	enum dma_resv_usage usage = usage_of(state);
	struct mock_fence *fence = added(usage);
	struct dma_resv_iter cursor;

	dma_resv_iter_begin(&cursor, &resv, usage);
	assert_ptr_equal(dma_resv_iter_first_unlocked(&cursor), &fence->base);
	assert_true(dma_resv_iter_is_restarted(&cursor));
	assert_int_equal(dma_resv_iter_usage(&cursor), usage);
	assert_int_equal(fence_refs(fence), 3);
	cursor_spoil(&cursor);
	assert_ptr_equal(dma_resv_iter_next_unlocked(&cursor), &fence->base);
	assert_true(dma_resv_iter_is_restarted(&cursor));
	assert_int_equal(fence_refs(fence), 3);
	assert_null(dma_resv_iter_next_unlocked(&cursor));
	dma_resv_iter_end(&cursor);
	assert_int_equal(fence_refs(fence), 2);
	finish(fence);
}

static void unlocked_walk_leaves_out_what_is_done(void **state)
{
	struct mock_fence *fences[NR_USAGES];
	struct dma_resv_iter cursor;

	(void)state;
	add_each(fences);
	dma_fence_signal(&fences[0]->base);
	__atomic_store_n(&fences[2]->done, true, __ATOMIC_RELAXED);
	dma_resv_iter_begin(&cursor, &resv, DMA_RESV_USAGE_BOOKKEEP);
	assert_ptr_equal(dma_resv_iter_first_unlocked(&cursor),
			 &fences[1]->base);
	assert_true(dma_resv_iter_is_restarted(&cursor));
	assert_ptr_equal(dma_resv_iter_next_unlocked(&cursor),
			 &fences[3]->base);
	assert_false(dma_resv_iter_is_restarted(&cursor));
	assert_null(dma_resv_iter_next_unlocked(&cursor));
	dma_resv_iter_end(&cursor);
	finish_all(fences, NR_USAGES);
}

static void unlocked_walk_left_early_is_ended(void **state)
{
	struct mock_fence *fence = added(DMA_RESV_USAGE_READ);
	struct dma_resv_iter cursor;

	(void)state;
	dma_resv_iter_begin(&cursor, &resv, DMA_RESV_USAGE_READ);
	assert_non_null(dma_resv_iter_first_unlocked(&cursor));
	dma_resv_iter_end(&cursor);
	assert_int_equal(fence_refs(fence), 2);
	finish(fence);
}

static void unlocked_walk_keeps_its_fence_alive(void **state)
{
	struct mock_fence *fence = added(DMA_RESV_USAGE_READ);
	struct dma_resv_iter cursor;
	struct dma_fence *found;

	(void)state;
	dma_resv_iter_begin(&cursor, &resv, DMA_RESV_USAGE_READ);
	found = dma_resv_iter_first_unlocked(&cursor);
	finish(fence);
	resv_renew();
	assert_int_equal(mock_fences_live(), 1);
	assert_true(dma_fence_is_signaled(found));
	assert_null(dma_resv_iter_next_unlocked(&cursor));
	dma_resv_iter_end(&cursor);
	assert_int_equal(mock_fences_live(), 0);
}

/* INV-F-D9: what was there all the time is seen, whatever else happens. */
static void unlocked_walk_follows_a_new_vector(void **state)
{
	struct mock_fence *first = added(DMA_RESV_USAGE_READ);
	struct mock_fence *second = added(DMA_RESV_USAGE_READ);
	struct dma_resv_iter cursor;

	(void)state;
	dma_resv_iter_begin(&cursor, &resv, DMA_RESV_USAGE_READ);
	assert_ptr_equal(dma_resv_iter_first_unlocked(&cursor), &first->base);
	dma_fence_signal(&first->base);
	dma_resv_lock(&resv, NULL);
	assert_int_equal(dma_resv_reserve_fences(&resv, NR_ON_MAX), 0);
	dma_resv_unlock(&resv);
	assert_ptr_equal(dma_resv_iter_next_unlocked(&cursor), &second->base);
	assert_true(dma_resv_iter_is_restarted(&cursor));
	assert_null(dma_resv_iter_next_unlocked(&cursor));
	dma_resv_iter_end(&cursor);
	finish(first);
	finish(second);
}

static void copy_from(struct dma_resv *src)
{
	dma_resv_lock(&resv, NULL);
	assert_int_equal(dma_resv_copy_fences(&resv, src), 0);
	dma_resv_unlock(&resv);
}

/* The second new vector is likely to be where the first one was. */
static void unlocked_walk_knows_a_vector_by_more_than_its_place(void **state)
{
	struct mock_fence *fence = mock_fence_new();
	struct dma_resv_iter cursor;
	struct dma_resv src;

	(void)state;
	dma_resv_init(&src);
	add_to(&src, fence, DMA_RESV_USAGE_READ);
	copy_from(&src);
	dma_resv_iter_begin(&cursor, &resv, DMA_RESV_USAGE_READ);
	assert_ptr_equal(dma_resv_iter_first_unlocked(&cursor), &fence->base);
	copy_from(&src);
	copy_from(&src);
	assert_ptr_equal(dma_resv_iter_next_unlocked(&cursor), &fence->base);
	assert_true(dma_resv_iter_is_restarted(&cursor));
	dma_resv_iter_end(&cursor);
	dma_resv_fini(&src);
	finish(fence);
}

static void unlocked_walk_sees_a_place_taken_ahead(void **state)
{
	struct mock_fence *strange = added(DMA_RESV_USAGE_READ);
	struct mock_fence *old = timeline_next(&line);
	struct mock_fence *new = timeline_next(&line);
	struct dma_resv_iter cursor;

	(void)state;
	add_to(&resv, old, DMA_RESV_USAGE_READ);
	dma_resv_iter_begin(&cursor, &resv, DMA_RESV_USAGE_READ);
	assert_ptr_equal(dma_resv_iter_first_unlocked(&cursor),
			 &strange->base);
	dma_resv_lock(&resv, NULL);
	dma_resv_add_fence(&resv, &new->base, DMA_RESV_USAGE_WRITE);
	dma_resv_unlock(&resv);
	assert_ptr_equal(dma_resv_iter_next_unlocked(&cursor), &new->base);
	assert_int_equal(dma_resv_iter_usage(&cursor), DMA_RESV_USAGE_WRITE);
	assert_false(dma_resv_iter_is_restarted(&cursor));
	assert_null(dma_resv_iter_next_unlocked(&cursor));
	dma_resv_iter_end(&cursor);
	finish(strange);
	finish(old);
	finish(new);
}

static void unlocked_walk_works_with_the_lock_held(void **state)
{
	struct mock_fence *fence = added(DMA_RESV_USAGE_READ);
	struct dma_resv_iter cursor;

	(void)state;
	dma_resv_lock(&resv, NULL);
	dma_resv_iter_begin(&cursor, &resv, DMA_RESV_USAGE_READ);
	assert_ptr_equal(dma_resv_iter_first_unlocked(&cursor), &fence->base);
	assert_null(dma_resv_iter_next_unlocked(&cursor));
	dma_resv_iter_end(&cursor);
	dma_resv_unlock(&resv);
	finish(fence);
}

/* As text */

static void described_check(const char *text, const char *word,
			    unsigned int nr_lines)
{
	unsigned int lines = 0;
	const char *at;

	for (at = text; *at; at++)
		lines += *at == '\n';
	assert_int_equal(lines, nr_lines);
	assert_int_equal(strstr(text, word) != NULL, nr_lines != 0);
}

static void description_has_a_line_for_it(void **state)
{
	static const char *const words[] = { "kernel", "write", "read", "" };
	enum dma_resv_usage usage = usage_of(state);
	struct mock_fence *fence = added(usage);
	bool shown = usage <= DMA_RESV_USAGE_READ;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	dma_resv_lock(&resv, NULL);
	dma_resv_describe(&resv, out);
	dma_fence_signal(&fence->base);
	dma_resv_unlock(&resv);
	fflush(out);
	described_check(text, shown ? words[usage] : "mock", shown);
	described_check(text, "mock", shown);
	rewind(out);
	dma_resv_lock(&resv, NULL);
	dma_resv_describe(&resv, out);
	dma_resv_unlock(&resv);
	fclose(out);
	described_check(text, "line", shown);
	free(text);
	finish(fence);
}

/* INV-RESV-5 */
static void description_without_the_lock_warns(void **state)
{
	struct mock_fence *fence = added(DMA_RESV_USAGE_READ);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	dma_resv_describe(&resv, out);
	fclose(out);
	assert_true(warns_seen() >= 1);
	described_check(text, "read", 1);
	free(text);
	finish(fence);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		USAGE_TESTS(locked_walk_finds_a_fence_with_its_usage),
		FENCED_TEST(locked_walk_shows_what_is_done_too),
		FENCED_TEST(walk_finds_the_usages_before_it_too),
		FENCED_TEST(walk_over_nothing_ends_at_once),
		FENCED_TEST(locked_walk_may_be_left_early),
		FENCED_TEST(locked_walk_without_the_lock_warns),
		USAGE_TESTS(unlocked_walk_begins_again),
		FENCED_TEST(unlocked_walk_leaves_out_what_is_done),
		FENCED_TEST(unlocked_walk_left_early_is_ended),
		FENCED_TEST(unlocked_walk_keeps_its_fence_alive),
		FENCED_TEST(unlocked_walk_follows_a_new_vector),
		FENCED_TEST(
			unlocked_walk_knows_a_vector_by_more_than_its_place),
		FENCED_TEST(unlocked_walk_sees_a_place_taken_ahead),
		FENCED_TEST(unlocked_walk_works_with_the_lock_held),
		USAGE_TESTS(description_has_a_line_for_it),
		FENCED_TEST(description_without_the_lock_warns),
	};

	return cmocka_run_group_tests_name("dma_resv/iter", tests,
					   leaks_group_setup, NULL) != 0;
}
