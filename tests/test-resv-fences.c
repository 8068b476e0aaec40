/* SPDX-License-Identifier: MIT */
/* test-resv-fences.c - fences on a reservation: adding, replacing, copying */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "actor.h"
#include "fenced.h"
#include "leaks.h"
#include "mock-fence.h"
#include "warns.h"

static void add(struct mock_fence *fence, enum dma_resv_usage usage)
{
	add_to(&resv, fence, usage);
}

/* Usages */

static void usages_are_in_order(void **state)
{
	(void)state;
	assert_true(DMA_RESV_USAGE_KERNEL < DMA_RESV_USAGE_WRITE);
	assert_true(DMA_RESV_USAGE_WRITE < DMA_RESV_USAGE_READ);
	assert_true(DMA_RESV_USAGE_READ < DMA_RESV_USAGE_BOOKKEEP);
	assert_int_equal(dma_resv_usage_rw(true), DMA_RESV_USAGE_READ);
	assert_int_equal(dma_resv_usage_rw(false), DMA_RESV_USAGE_WRITE);
}

/* Adding */

static int64_t is_idle(void *obj)
{
	return dma_resv_test_signaled(obj, DMA_RESV_USAGE_WRITE);
}

static void added_fence_is_seen_at_once(void **state)
{
	struct mock_fence *fence = mock_fence_new();
	struct actor other;

	(void)state;
	actor_start(&other);
	dma_resv_lock(&resv, NULL);
	assert_int_equal(dma_resv_reserve_fences(&resv, 1), 0);
	assert_true(actor_do(&other, is_idle, &resv));
	dma_resv_add_fence(&resv, &fence->base, DMA_RESV_USAGE_WRITE);
	assert_false(actor_do(&other, is_idle, &resv));
	dma_resv_unlock(&resv);
	actor_stop(&other);
	finish(fence);
}

static void reservation_takes_a_reference(void **state)
{
	struct mock_fence *fence = mock_fence_new();

	(void)state;
	add(fence, DMA_RESV_USAGE_WRITE);
	assert_int_equal(fence_refs(fence), 2);
	dma_fence_put(&fence->base);
	assert_on_resv(ON(fence, WRITE));
}

static void adding_does_not_enable_signaling(void **state)
{
	struct mock_fence *fence = added(DMA_RESV_USAGE_READ);

	(void)state;
	assert_false(dma_resv_test_signaled(&resv, DMA_RESV_USAGE_READ));
	assert_int_equal(fence->nr_enable, 0);
	finish(fence);
}

static void signalled_fence_gives_its_place(void **state)
{
	struct mock_fence *done = added(DMA_RESV_USAGE_KERNEL);
	struct mock_fence *pending = added(DMA_RESV_USAGE_KERNEL);
	struct mock_fence *next = mock_fence_new();

	(void)state;
	dma_fence_signal(&done->base);
	add(next, DMA_RESV_USAGE_BOOKKEEP);
	assert_on_resv(ON(next, BOOKKEEP), ON(pending, KERNEL));
	assert_int_equal(fence_refs(done), 1);
	finish(done);
	finish(pending);
	finish(next);
}

/* The op says so; nobody has signalled it. */
static void fence_that_is_done_gives_its_place(void **state)
{
	struct mock_fence *done = added(DMA_RESV_USAGE_WRITE);
	struct mock_fence *next = mock_fence_new();

	(void)state;
	__atomic_store_n(&done->done, true, __ATOMIC_RELAXED);
	add(next, DMA_RESV_USAGE_READ);
	assert_on_resv(ON(next, READ));
	assert_int_equal(fence_refs(done), 1);
	finish(done);
	finish(next);
}

/* What replaces what, on one timeline: the older one is there already. */
static void later_fence_takes_the_place_of(enum dma_resv_usage old_usage,
					   enum dma_resv_usage new_usage)
{
	struct mock_fence *old, *new;
	struct on on[NR_ON_MAX];
	unsigned int nr;

	old = timeline_next(&line);
	new = timeline_next(&line);
	add(old, old_usage);
	add(new, new_usage);
	nr = on_resv(&resv, on);
	assert_int_equal(nr, old_usage >= new_usage ? 1 : 2);
	assert_ptr_equal(on[nr - 1].fence, &new->base);
	assert_int_equal(on[nr - 1].usage, new_usage);
	assert_int_equal(fence_refs(old), nr);
	assert_int_equal(fence_refs(new), 2);
	finish(old);
	finish(new);
	resv_renew();
}

/* INV-F-D9, INV-F-D10 */
static void later_fence_replaces_the_same_usage_and_weaker_ones(void **state)
{
	unsigned int old, new;

	(void)state;
	for (old = 0; old < NR_USAGES; old++)
		for (new = 0; new < NR_USAGES; new++)
			later_fence_takes_the_place_of(usages[old],
						       usages[new]);
}

/* INV-F-D9 */
static void earlier_fence_replaces_nothing(void **state)
{
	struct mock_fence *first, *second;

	(void)state;
	first = timeline_next(&line);
	second = timeline_next(&line);
	add(second, DMA_RESV_USAGE_READ);
	add(first, DMA_RESV_USAGE_READ);
	assert_on_resv(ON(second, READ), ON(first, READ));
	finish(first);
	finish(second);
}

static void same_fence_again_replaces_itself(void **state)
{
	struct mock_fence *fence = added(DMA_RESV_USAGE_READ);

	(void)state;
	add(fence, DMA_RESV_USAGE_READ);
	assert_on_resv(ON(fence, READ));
	add(fence, DMA_RESV_USAGE_WRITE);
	assert_on_resv(ON(fence, WRITE));
	/* It is not demoted. */
	add(fence, DMA_RESV_USAGE_READ);
	assert_on_resv(ON(fence, WRITE), ON(fence, READ));
	assert_int_equal(fence_refs(fence), 3);
	finish(fence);
}

static void one_entry_is_replaced_at_a_time(void **state)
{
	struct mock_fence *fences[3];

	(void)state;
	fences[0] = timeline_next(&line);
	fences[1] = timeline_next(&line);
	fences[2] = timeline_next(&line);
	add(fences[0], DMA_RESV_USAGE_WRITE);
	add(fences[1], DMA_RESV_USAGE_READ);
	add(fences[2], DMA_RESV_USAGE_WRITE);
	assert_on_resv(ON(fences[2], WRITE), ON(fences[1], READ));
	finish_all(fences, 3);
}

/* Of an earlier one and one that is done, the one in front goes. */
static void first_entry_that_fits_is_replaced(void **state)
{
	struct mock_fence *strange = added(DMA_RESV_USAGE_READ);
	struct mock_fence *old, *done, *new;

	(void)state;
	old = timeline_next(&line);
	new = timeline_next(&line);
	add(old, DMA_RESV_USAGE_READ);
	done = added(DMA_RESV_USAGE_READ);
	dma_fence_signal(&done->base);
	add(new, DMA_RESV_USAGE_READ);
	assert_on_resv(ON(strange, READ), ON(new, READ), ON(done, READ));
	finish(strange);
	finish(old);
	finish(done);
	finish(new);
}

/* No room is needed for what takes a place. */
static void replacing_needs_no_room(void **state)
{
	struct mock_fence *done = added(DMA_RESV_USAGE_READ);
	struct mock_fence *next = mock_fence_new();

	(void)state;
	dma_fence_signal(&done->base);
	dma_resv_lock(&resv, NULL);
	dma_resv_add_fence(&resv, &next->base, DMA_RESV_USAGE_READ);
	dma_resv_unlock(&resv);
	assert_on_resv(ON(next, READ));
	finish(done);
	finish(next);
}

static struct dma_fence *array_of_one(struct mock_fence *fence)
{
	struct dma_fence **members = malloc(sizeof(*members));
	struct dma_fence_array *array;

	assert_non_null(members);
	members[0] = dma_fence_get(&fence->base);
	array = dma_fence_array_create(1, members, dma_fence_context_alloc(1),
				       1, false);
	assert_non_null(array);
	return &array->base;
}

/* INV-RESV-2 */
static void adding_a_container_warns(void **state)
{
	struct mock_fence *fence = mock_fence_new();
	struct dma_fence *array = array_of_one(fence);
	struct on on[NR_ON_MAX];

	(void)state;
	dma_resv_lock(&resv, NULL);
	assert_int_equal(dma_resv_reserve_fences(&resv, 1), 0);
	dma_resv_add_fence(&resv, array, DMA_RESV_USAGE_READ);
	dma_resv_unlock(&resv);
	assert_warned("WARN: dma_resv_add_fence: ");
	assert_int_equal(on_resv(&resv, on), 1);
	assert_ptr_equal(on[0].fence, array);
	dma_fence_put(array);
	finish(fence);
}

static void fini_puts_what_is_pending(void **state)
{
	struct mock_fence *pending = added(DMA_RESV_USAGE_WRITE);
	struct mock_fence *done = added(DMA_RESV_USAGE_READ);

	(void)state;
	dma_fence_signal(&done->base);
	dma_resv_fini(&resv);
	assert_int_equal(fence_refs(pending), 1);
	assert_int_equal(fence_refs(done), 1);
	assert_false(fence_is_marked(&pending->base));
	finish(pending);
	finish(done);
	dma_resv_init(&resv);
}

/* Replacing */

static void replace(uint64_t context, struct mock_fence *fence,
		    enum dma_resv_usage usage)
{
	dma_resv_lock(&resv, NULL);
	dma_resv_replace_fences(&resv, context, &fence->base, usage);
	dma_resv_unlock(&resv);
}

static void replace_takes_all_of_a_timeline(void **state)
{
	struct mock_fence *other = added(DMA_RESV_USAGE_READ);
	struct mock_fence *now = mock_fence_new();
	struct mock_fence *fences[2];

	(void)state;
	fences[0] = timeline_next(&line);
	fences[1] = timeline_next(&line);
	add(fences[1], DMA_RESV_USAGE_KERNEL);
	add(fences[0], DMA_RESV_USAGE_BOOKKEEP);
	dma_fence_signal(&fences[0]->base);
	replace(line.context, now, DMA_RESV_USAGE_WRITE);
	assert_on_resv(ON(other, READ), ON(now, WRITE), ON(now, WRITE));
	assert_int_equal(fence_refs(now), 3);
	assert_int_equal(fence_refs(fences[0]), 1);
	assert_int_equal(fence_refs(fences[1]), 1);
	finish_all(fences, 2);
	finish(other);
	finish(now);
}

static void replace_of_an_unknown_timeline_does_nothing(void **state)
{
	struct mock_fence *there = added(DMA_RESV_USAGE_READ);
	struct mock_fence *now = mock_fence_new();

	(void)state;
	replace(now->base.context, now, DMA_RESV_USAGE_READ);
	assert_on_resv(ON(there, READ));
	assert_int_equal(fence_refs(now), 1);
	finish(there);
	finish(now);
	resv_renew();
	now = mock_fence_new();
	replace(now->base.context, now, DMA_RESV_USAGE_READ);
	assert_resv_empty();
	finish(now);
}

/* Copying */

static int copy_from(struct dma_resv *src)
{
	int ret;

	dma_resv_lock(&resv, NULL);
	ret = dma_resv_copy_fences(&resv, src);
	dma_resv_unlock(&resv);
	return ret;
}

static void copy_takes_what_is_pending(void **state)
{
	struct mock_fence *old = added(DMA_RESV_USAGE_KERNEL);
	struct mock_fence *fences[NR_USAGES];
	struct dma_resv src;
	struct on on[NR_ON_MAX];
	unsigned int i;

	(void)state;
	dma_resv_init(&src);
	for (i = 0; i < NR_USAGES; i++) {
		fences[i] = mock_fence_new();
		add_to(&src, fences[i], usages[i]);
	}
	dma_fence_signal(&fences[1]->base);
	assert_int_equal(copy_from(&src), 0);
	assert_int_equal(fence_refs(old), 1);
	assert_on_resv(ON(fences[0], KERNEL), ON(fences[2], READ),
		       ON(fences[3], BOOKKEEP));
	assert_int_equal(fence_refs(fences[0]), 3);
	assert_int_equal(fence_refs(fences[1]), 2);
	assert_int_equal(on_resv(&src, on), NR_USAGES);
	dma_resv_fini(&src);
	finish_all(fences, NR_USAGES);
	finish(old);
}

static void copy_of_nothing_leaves_nothing(void **state)
{
	struct mock_fence *old = added(DMA_RESV_USAGE_READ);
	struct mock_fence *done = mock_fence_new();
	struct dma_resv src;

	(void)state;
	dma_resv_init(&src);
	assert_int_equal(copy_from(&src), 0);
	assert_resv_empty();
	assert_int_equal(fence_refs(old), 1);
	add_to(&src, done, DMA_RESV_USAGE_READ);
	add(old, DMA_RESV_USAGE_READ);
	dma_fence_signal(&done->base);
	assert_int_equal(copy_from(&src), 0);
	assert_resv_empty();
	dma_resv_fini(&src);
	finish(old);
	finish(done);
}

static int64_t take(void *obj)
{
	return dma_resv_lock(obj, NULL);
}

static int64_t give_back(void *obj)
{
	dma_resv_unlock(obj);
	return 0;
}

static void source_of_a_copy_may_be_held_by_anybody(void **state)
{
	struct mock_fence *fence = mock_fence_new();
	struct dma_resv src;
	struct actor other;

	(void)state;
	dma_resv_init(&src);
	add_to(&src, fence, DMA_RESV_USAGE_READ);
	actor_start(&other);
	actor_do(&other, take, &src);
	assert_int_equal(copy_from(&src), 0);
	actor_do(&other, give_back, &src);
	actor_stop(&other);
	assert_on_resv(ON(fence, READ));
	dma_resv_lock(&src, NULL);
	assert_int_equal(copy_from(&src), 0);
	dma_resv_unlock(&src);
	assert_on_resv(ON(fence, READ));
	dma_resv_fini(&src);
	finish(fence);
}

/* Misuse: the caller does not hold it. The call goes on. */

/* INV-RESV-5 */
static void changing_what_is_not_held_warns(void **state)
{
	struct mock_fence *fence = added(DMA_RESV_USAGE_READ);

	(void)state;
	assert_int_equal(dma_resv_reserve_fences(&resv, 1), 0);
	assert_warned("WARN: dma_resv_reserve_fences: ");
	dma_resv_add_fence(&resv, &fence->base, DMA_RESV_USAGE_READ);
	assert_warned("WARN: dma_resv_add_fence: ");
	dma_resv_replace_fences(&resv, fence->base.context, &fence->base,
				DMA_RESV_USAGE_WRITE);
	assert_warned("WARN: dma_resv_replace_fences: ");
	dma_resv_reset_max_fences(&resv);
	assert_warned("WARN: dma_resv_reset_max_fences: ");
	assert_on_resv(ON(fence, WRITE));
	finish(fence);
}

/* INV-RESV-6 */
static void copy_to_what_is_not_held_warns(void **state)
{
	struct mock_fence *fence = mock_fence_new();
	struct dma_resv src;

	(void)state;
	dma_resv_init(&src);
	add_to(&src, fence, DMA_RESV_USAGE_READ);
	assert_int_equal(dma_resv_copy_fences(&resv, &src), 0);
	assert_warned("WARN: dma_resv_copy_fences: ");
	assert_on_resv(ON(fence, READ));
	dma_resv_fini(&src);
	finish(fence);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FENCED_TEST(usages_are_in_order),
		FENCED_TEST(added_fence_is_seen_at_once),
		FENCED_TEST(reservation_takes_a_reference),
		FENCED_TEST(adding_does_not_enable_signaling),
		FENCED_TEST(signalled_fence_gives_its_place),
		FENCED_TEST(fence_that_is_done_gives_its_place),
		FENCED_TEST(
			later_fence_replaces_the_same_usage_and_weaker_ones),
		FENCED_TEST(earlier_fence_replaces_nothing),
		FENCED_TEST(same_fence_again_replaces_itself),
		FENCED_TEST(one_entry_is_replaced_at_a_time),
		FENCED_TEST(first_entry_that_fits_is_replaced),
		FENCED_TEST(replacing_needs_no_room),
		FENCED_TEST(adding_a_container_warns),
		FENCED_TEST(fini_puts_what_is_pending),
		FENCED_TEST(replace_takes_all_of_a_timeline),
		FENCED_TEST(replace_of_an_unknown_timeline_does_nothing),
		FENCED_TEST(copy_takes_what_is_pending),
		FENCED_TEST(copy_of_nothing_leaves_nothing),
		FENCED_TEST(source_of_a_copy_may_be_held_by_anybody),
		FENCED_TEST(changing_what_is_not_held_warns),
		FENCED_TEST(copy_to_what_is_not_held_warns),
	};

	return cmocka_run_group_tests_name("dma_resv/fences", tests,
					   leaks_group_setup, NULL) != 0;
}
