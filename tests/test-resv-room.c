/* SPDX-License-Identifier: MIT */
/* test-resv-room.c - room for fences, reserved so that adding cannot fail */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "assert-bug.h"
#include "fenced.h"
#include "leaks.h"
#include "mock-fence.h"
#include "warns.h"

static void reservation_begins_and_ends_empty(void **state)
{
	struct dma_resv obj;

	(void)state;
	dma_resv_init(&obj);
	assert_int_equal(dma_resv_lock(&obj, NULL), 0);
	dma_resv_unlock(&obj);
	assert_true(dma_resv_test_signaled(&obj, DMA_RESV_USAGE_BOOKKEEP));
	dma_resv_fini(&obj);
}

/* INV-RESV-1 */
static void room_for_none_is_einval(void **state)
{
	(void)state;
	dma_resv_lock(&resv, NULL);
	assert_int_equal(dma_resv_reserve_fences(&resv, 0), -EINVAL);
	assert_warned("WARN: dma_resv_reserve_fences: ");
	dma_resv_unlock(&resv);
}

/* Add @nr fences of as many timelines, with the lock held; they are kept. */
static void add_many(struct mock_fence **fences, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		fences[i] = mock_fence_new();
		dma_resv_add_fence(&resv, &fences[i]->base,
				   DMA_RESV_USAGE_READ);
	}
}

static void reserved_room_is_there_for_as_many(void **state)
{
	struct mock_fence *fences[40];
	struct on on[NR_ON_MAX];

	(void)state;
	dma_resv_lock(&resv, NULL);
	assert_int_equal(dma_resv_reserve_fences(&resv, 5), 0);
	add_many(fences, 5);
	assert_int_equal(dma_resv_reserve_fences(&resv, 35), 0);
	add_many(fences + 5, 35);
	assert_int_equal(on_resv_held(&resv, on), 40);
	assert_ptr_equal(on[39].fence, &fences[39]->base);
	dma_resv_unlock(&resv);
	finish_all(fences, 40);
}

/* Room is counted from the fences that are there now. */
static void room_is_not_used_up_by_what_was_there(void **state)
{
	struct mock_fence *fences[12];
	struct on on[NR_ON_MAX];
	unsigned int i;

	(void)state;
	dma_resv_lock(&resv, NULL);
	for (i = 0; i < 4; i++) {
		assert_int_equal(dma_resv_reserve_fences(&resv, 3), 0);
		add_many(fences + i * 3, 3);
	}
	assert_int_equal(on_resv_held(&resv, on), 12);
	dma_resv_unlock(&resv);
	finish_all(fences, 12);
}

static void reserving_less_keeps_the_room(void **state)
{
	struct mock_fence *fences[9];

	(void)state;
	dma_resv_lock(&resv, NULL);
	assert_int_equal(dma_resv_reserve_fences(&resv, 9), 0);
	assert_int_equal(dma_resv_reserve_fences(&resv, 1), 0);
	add_many(fences, 9);
	dma_resv_unlock(&resv);
	finish_all(fences, 9);
}

struct adding {
	struct mock_fence *fences[NR_ON_MAX];
	unsigned int nr;
};

static void do_add_more(void *data)
{
	struct adding *adding = data;

	while (adding->nr < NR_ON_MAX) {
		adding->fences[adding->nr] = mock_fence_new();
		dma_resv_add_fence(&resv,
				   &adding->fences[adding->nr++]->base,
				   DMA_RESV_USAGE_WRITE);
	}
}

/* Add until there is a BUG, which leaves @resv as it was. */
static unsigned int add_until_bug(struct adding *adding)
{
	struct on on[NR_ON_MAX];
	unsigned int before, fitted;

	before = on_resv_held(&resv, on);
	adding->nr = 0;
	assert_bug_caught(do_add_more, adding, "BUG: dma_resv_add_fence: ");
	assert_true(dma_resv_held(&resv));
	fitted = on_resv_held(&resv, on) - before;
	assert_int_equal(adding->nr, fitted + 1);
	assert_int_equal(fence_refs(adding->fences[fitted]), 1);
	return fitted;
}

/* INV-RESV-3 */
static void more_fences_than_room_is_a_bug(void **state)
{
	struct mock_fence *one;
	struct adding adding;

	(void)state;
	dma_resv_lock(&resv, NULL);
	assert_int_equal(dma_resv_reserve_fences(&resv, 1), 0);
	assert_true(add_until_bug(&adding) >= 1);
	assert_int_equal(dma_resv_reserve_fences(&resv, 1), 0);
	add_many(&one, 1);
	dma_resv_unlock(&resv);
	finish_all(adding.fences, adding.nr);
	finish(one);
}

/* INV-RESV-4 */
static void adding_without_room_is_a_bug(void **state)
{
	struct adding adding;

	(void)state;
	dma_resv_lock(&resv, NULL);
	assert_int_equal(add_until_bug(&adding), 0);
	dma_resv_unlock(&resv);
	finish_all(adding.fences, adding.nr);
	assert_resv_empty();
}

static void room_is_gone_after_unlock(void **state)
{
	struct mock_fence *one = added(DMA_RESV_USAGE_READ);
	struct adding adding;

	(void)state;
	dma_resv_lock(&resv, NULL);
	assert_int_equal(dma_resv_reserve_fences(&resv, 3), 0);
	dma_resv_unlock(&resv);
	dma_resv_lock(&resv, NULL);
	assert_int_equal(add_until_bug(&adding), 0);
	dma_resv_unlock(&resv);
	finish_all(adding.fences, adding.nr);
	finish(one);
}

static void reset_drops_the_room(void **state)
{
	struct mock_fence *one;
	struct adding adding;

	(void)state;
	dma_resv_lock(&resv, NULL);
	dma_resv_reset_max_fences(&resv);
	assert_int_equal(dma_resv_reserve_fences(&resv, 3), 0);
	add_many(&one, 1);
	dma_resv_reset_max_fences(&resv);
	assert_int_equal(add_until_bug(&adding), 0);
	dma_resv_unlock(&resv);
	finish_all(adding.fences, adding.nr);
	finish(one);
}

/* INV-F-D9 */
static void growing_keeps_what_is_pending(void **state)
{
	struct mock_fence *fences[16];
	struct on on[NR_ON_MAX];
	unsigned int i, nr;

	(void)state;
	dma_resv_lock(&resv, NULL);
	assert_int_equal(dma_resv_reserve_fences(&resv, 16), 0);
	add_many(fences, 16);
	for (i = 0; i < 16; i += 2)
		dma_fence_signal(&fences[i]->base);
	assert_int_equal(dma_resv_reserve_fences(&resv, 50), 0);
	nr = on_resv_held(&resv, on);
	assert_int_equal(nr, 8);
	for (i = 0; i < nr; i++)
		assert_false(fence_is_marked(on[i].fence));
	for (i = 0; i < 16; i++)
		assert_int_equal(fence_refs(fences[i]), 1 + i % 2);
	dma_resv_unlock(&resv);
	finish_all(fences, 16);
}

/* Not even where a fence of the source was left out. */
static void copy_brings_no_room(void **state)
{
	struct mock_fence *done = mock_fence_new();
	struct mock_fence *pending = mock_fence_new();
	struct dma_resv src;
	struct adding adding;

	(void)state;
	dma_resv_init(&src);
	add_to(&src, pending, DMA_RESV_USAGE_READ);
	add_to(&src, done, DMA_RESV_USAGE_READ);
	dma_fence_signal(&done->base);
	dma_resv_lock(&resv, NULL);
	assert_int_equal(dma_resv_reserve_fences(&resv, 3), 0);
	assert_int_equal(dma_resv_copy_fences(&resv, &src), 0);
	assert_int_equal(add_until_bug(&adding), 0);
	dma_resv_unlock(&resv);
	finish_all(adding.fences, adding.nr);
	dma_resv_fini(&src);
	finish(done);
	finish(pending);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FENCED_TEST(reservation_begins_and_ends_empty),
		FENCED_TEST(room_for_none_is_einval),
		FENCED_TEST(reserved_room_is_there_for_as_many),
		FENCED_TEST(room_is_not_used_up_by_what_was_there),
		FENCED_TEST(reserving_less_keeps_the_room),
		FENCED_TEST(more_fences_than_room_is_a_bug),
		FENCED_TEST(adding_without_room_is_a_bug),
		FENCED_TEST(room_is_gone_after_unlock),
		FENCED_TEST(reset_drops_the_room),
		FENCED_TEST(growing_keeps_what_is_pending),
		FENCED_TEST(copy_brings_no_room),
	};

	return cmocka_run_group_tests_name("dma_resv/room", tests,
					   leaks_group_setup, NULL) != 0;
}
