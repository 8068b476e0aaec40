/* SPDX-License-Identifier: MIT */
/* test-sw-sync.c - timelines that the test moves on by itself */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-fence.h"
#include "sync-fds.h"

static bool poll_times_out(int fd)
{
	return !events_of(fd);
}

/* What the sync tests of the kernel verify, through fds */

static void a_timeline_can_be_made(void **state)
{
	struct dmabuf_sw_sync *timeline = NULL;

	(void)state;
	assert_int_equal(dmabuf_sw_sync_create("line", &timeline), 0);
	assert_non_null(timeline);
	dmabuf_sw_sync_destroy(timeline);
	dmabuf_sw_sync_destroy(NULL);
}

static void a_fence_at_1_has_a_valid_fd(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	int fd = point_fd(timeline, 1);

	(void)state;
	assert_false(is_no_sync_file(fd));
	close(fd);
	dmabuf_sw_sync_destroy(timeline);
	dmabuf_dispatch();
}

static void one_timeline_is_waited_for(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	int fd = point_fd(timeline, 5);

	(void)state;
	assert_true(poll_times_out(fd));
	dmabuf_sw_sync_inc(timeline, 1);
	assert_true(poll_times_out(fd));
	dmabuf_sw_sync_inc(timeline, 4);
	assert_int_equal(events_of(fd), POLLIN);
	dmabuf_sw_sync_inc(timeline, 10);
	assert_int_equal(events_of(fd), POLLIN);
	close(fd);
	dmabuf_sw_sync_destroy(timeline);
	dmabuf_dispatch();
}

/* INV-F-D8 */
static void merging_one_timeline_keeps_the_latest_point(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	int a = point_fd(timeline, 1);
	int b = point_fd(timeline, 2);
	int c = point_fd(timeline, 3);
	int ab = merge_fds(a, b);
	int d = merge_fds(c, ab);

	(void)state;
	assert_int_equal(leaves_with(a, 0), 1);
	assert_int_equal(leaves_with(b, 0), 1);
	assert_int_equal(leaves_with(c, 0), 1);
	assert_int_equal(leaves_with(d, 0), 1);
	assert_int_equal(leaves_of(d), 1);
	dmabuf_sw_sync_inc(timeline, 1);
	assert_int_equal(leaves_with(a, 1), 1);
	assert_int_equal(leaves_with(d, 0), 1);
	dmabuf_sw_sync_inc(timeline, 1);
	assert_int_equal(leaves_with(b, 1), 1);
	assert_int_equal(leaves_with(d, 0), 1);
	assert_true(poll_times_out(d));
	dmabuf_sw_sync_inc(timeline, 1);
	assert_int_equal(leaves_with(c, 1), 1);
	assert_int_equal(leaves_with(d, 0), 0);
	assert_int_equal(leaves_with(d, 1), 1);
	assert_int_equal(events_of(d), POLLIN);
	close(a);
	close(b);
	close(c);
	close(ab);
	close(d);
	dmabuf_sw_sync_destroy(timeline);
	dmabuf_dispatch();
}

static void merging_a_fence_with_itself_is_that_fence(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	int fd = point_fd(timeline, 5);
	int merged = merge_fds(fd, fd);
	struct dma_fence *fence = fence_of(fd);
	struct dma_fence *of_merged = fence_of(merged);

	(void)state;
	assert_ptr_equal(of_merged, fence);
	assert_int_equal(leaves_with(merged, 1), 0);
	dmabuf_sw_sync_inc(timeline, 5);
	assert_int_equal(leaves_with(merged, 1), 1);
	assert_int_equal(leaves_of(merged), 1);
	dma_fence_put(fence);
	dma_fence_put(of_merged);
	close(fd);
	close(merged);
	dmabuf_sw_sync_destroy(timeline);
	dmabuf_dispatch();
}

static void three_timelines_are_waited_for(void **state)
{
	struct dmabuf_sw_sync *timelines[3];
	int fds[3];
	int ab, abc;
	unsigned int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		timelines[i] = timeline_make("line");
		fds[i] = point_fd(timelines[i], 5);
	}
	ab = merge_fds(fds[0], fds[1]);
	abc = merge_fds(fds[2], ab);
	assert_int_equal(leaves_with(abc, 0), 3);
	assert_true(poll_times_out(abc));
	for (i = 0; i < 3; i++) {
		assert_true(poll_times_out(abc));
		dmabuf_sw_sync_inc(timelines[i], 5);
		assert_int_equal(leaves_with(abc, 0), 2 - i);
		assert_int_equal(leaves_with(abc, 1), 1 + i);
	}
	assert_true(wait_readable(abc));
	for (i = 0; i < 3; i++) {
		close(fds[i]);
		dmabuf_sw_sync_destroy(timelines[i]);
	}
	close(ab);
	close(abc);
	dmabuf_dispatch();
}

/* Points */

static void a_point_that_is_reached_is_born_signalled(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	struct dma_fence *at_0 = point_make(timeline, 0);
	struct dma_fence *behind;

	(void)state;
	assert_true(dma_fence_is_signaled(at_0));
	dmabuf_sw_sync_inc(timeline, 10);
	behind = point_make(timeline, 10);
	assert_int_equal(dma_fence_get_status(behind), 1);
	dma_fence_put(behind);
	behind = point_make(timeline, 3);
	assert_int_equal(dma_fence_get_status(behind), 1);
	assert_int_equal(behind->seqno, 3);
	dma_fence_put(behind);
	dma_fence_put(at_0);
	dmabuf_sw_sync_destroy(timeline);
}

static void the_same_point_is_the_same_fence_while_it_is_pending(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	struct dma_fence *first = point_make(timeline, 4);
	struct dma_fence *again = point_make(timeline, 4);
	struct dma_fence *other = point_make(timeline, 5);

	(void)state;
	assert_ptr_equal(first, again);
	assert_int_equal(first->refcount, 2);
	assert_ptr_not_equal(first, other);
	assert_int_equal(first->context, other->context);
	dmabuf_sw_sync_inc(timeline, 4);
	dma_fence_put(again);
	again = point_make(timeline, 4);
	assert_ptr_not_equal(first, again);
	dma_fence_put(again);
	dma_fence_put(other);
	dma_fence_put(first);
	dmabuf_sw_sync_destroy(timeline);
}

static void a_point_that_was_signalled_by_hand_is_not_shared(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	struct dma_fence *by_hand = point_make(timeline, 4);
	struct dma_fence *next;

	(void)state;
	assert_int_equal(dma_fence_signal(by_hand), 0);
	next = point_make(timeline, 4);
	assert_ptr_not_equal(by_hand, next);
	assert_int_equal(dma_fence_get_status(next), 0);
	dmabuf_sw_sync_inc(timeline, 4);
	assert_int_equal(dma_fence_get_status(next), 1);
	dma_fence_put(next);
	dma_fence_put(by_hand);
	by_hand = point_make(timeline, 9);
	assert_int_equal(dma_fence_signal(by_hand), 0);
	/* Nor does the end of the timeline fail it. */
	dmabuf_sw_sync_destroy(timeline);
	assert_int_equal(dma_fence_get_status(by_hand), 1);
	dma_fence_put(by_hand);
}

static void a_point_that_was_dropped_is_made_anew(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	struct dma_fence *fence = point_make(timeline, 4);

	(void)state;
	dma_fence_put(fence);
	fence = point_make(timeline, 4);
	assert_int_equal(fence->refcount, 1);
	dmabuf_sw_sync_inc(timeline, 4);
	assert_int_equal(dma_fence_get_status(fence), 1);
	dma_fence_put(fence);
	dmabuf_sw_sync_destroy(timeline);
}

#define NR_POINTS 20

/* INV-F-D12 */
static void points_are_signalled_in_their_order(void **state)
{
	static const uint32_t values[NR_POINTS] = {
		7, 3, 19, 1, 12, 5, 20, 2, 9, 14,
		4, 18, 6, 11, 16, 8, 13, 10, 17, 15,
	};
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	struct dma_fence *points[NR_POINTS];
	struct count_cb cbs[NR_POINTS] = { 0 };
	unsigned int i, j;

	(void)state;
	for (i = 0; i < NR_POINTS; i++) {
		points[i] = point_make(timeline, values[i]);
		assert_int_equal(dma_fence_add_callback(points[i], &cbs[i].cb,
							count_cb_run), 0);
	}
	dmabuf_sw_sync_inc(timeline, 8);
	for (i = 0; i < NR_POINTS; i++)
		assert_int_equal(cbs[i].ran, values[i] <= 8);
	dmabuf_sw_sync_inc(timeline, 12);
	for (i = 0; i < NR_POINTS; i++) {
		assert_int_equal(cbs[i].ran, 1);
		for (j = 0; j < NR_POINTS; j++)
			assert_int_equal(cbs[i].place < cbs[j].place,
					 values[i] < values[j]);
	}
	for (i = 0; i < NR_POINTS; i++)
		dma_fence_put(points[i]);
	dmabuf_sw_sync_destroy(timeline);
}

static void values_wrap_around(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	struct dma_fence *before, *after, *behind;

	(void)state;
	dmabuf_sw_sync_inc(timeline, UINT32_MAX - 1);
	before = point_make(timeline, UINT32_MAX);
	after = point_make(timeline, 1);
	behind = point_make(timeline, UINT32_MAX - 2);
	assert_true(dma_fence_is_signaled(behind));
	assert_true(dma_fence_is_later(after, before));
	dmabuf_sw_sync_inc(timeline, 1);
	assert_true(dma_fence_is_signaled(before));
	assert_false(dma_fence_is_signaled(after));
	dmabuf_sw_sync_inc(timeline, 2);
	assert_true(dma_fence_is_signaled(after));
	dma_fence_put(before);
	dma_fence_put(after);
	dma_fence_put(behind);
	dmabuf_sw_sync_destroy(timeline);
}

/* One step of more than INT_MAX would leave them behind as if ahead. */
static void a_long_way_passes_all_points(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	struct dma_fence *near = point_make(timeline, 1);
	struct dma_fence *far = point_make(timeline, INT_MAX);

	(void)state;
	dmabuf_sw_sync_inc(timeline, UINT32_MAX);
	assert_int_equal(dma_fence_get_status(near), 1);
	assert_int_equal(dma_fence_get_status(far), 1);
	assert_true(dma_fence_timestamp(near) <= dma_fence_timestamp(far));
	dma_fence_put(near);
	dma_fence_put(far);
	dmabuf_sw_sync_destroy(timeline);
}

static void no_way_at_all_signals_nothing(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	struct dma_fence *fence = point_make(timeline, 1);

	(void)state;
	dmabuf_sw_sync_inc(timeline, 0);
	assert_int_equal(dma_fence_get_status(fence), 0);
	dma_fence_put(fence);
	dmabuf_sw_sync_destroy(timeline);
}

static void the_end_of_a_timeline_fails_its_points(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	struct dma_fence *done = point_make(timeline, 1);
	struct dma_fence *pending = point_make(timeline, 2);
	struct dma_fence *later = point_make(timeline, 3);
	struct count_cb first = { 0 }, second = { 0 };
	int fd = sync_fd(pending);

	(void)state;
	dmabuf_sw_sync_inc(timeline, 1);
	dma_fence_add_callback(pending, &first.cb, count_cb_run);
	dma_fence_add_callback(later, &second.cb, count_cb_run);
	dmabuf_sw_sync_destroy(timeline);
	assert_int_equal(dma_fence_get_status(done), 1);
	assert_int_equal(dma_fence_get_status(pending), -ENOENT);
	assert_int_equal(dma_fence_get_status(later), -ENOENT);
	assert_true(first.ran && second.ran && first.place < second.place);
	assert_int_equal(events_of(fd), POLLIN);
	assert_int_equal(status_of(fd), -ENOENT);
	assert_string_equal(later->ops->get_timeline_name(later), "line");
	dma_fence_put(done);
	dma_fence_put(pending);
	dma_fence_put(later);
	close(fd);
	dmabuf_dispatch();
}

/* The callback of one drops the last references of others: after the lock. */
static void points_nobody_else_holds_go_when_they_are_reached(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	int fds[NR_POINTS];
	unsigned int i;

	(void)state;
	for (i = 0; i < NR_POINTS; i++)
		fds[i] = point_fd(timeline, i + 1);
	for (i = 0; i < NR_POINTS; i++)
		close(fds[i]);
	dmabuf_sw_sync_inc(timeline, NR_POINTS);
	dmabuf_sw_sync_destroy(timeline);
	dmabuf_dispatch();
}

/* Names and deadlines */

static void a_point_has_names_and_numbers(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("my line");
	struct dma_fence *fence = point_make(timeline, 3000000000u);
	char text[32];

	(void)state;
	assert_string_equal(fence->ops->get_driver_name(fence), "sw_sync");
	assert_string_equal(fence->ops->get_timeline_name(fence), "my line");
	fence->ops->fence_value_str(fence, text, sizeof(text));
	assert_string_equal(text, "3000000000");
	dma_fence_put(fence);
	fence = point_make(timeline, 12);
	dmabuf_sw_sync_inc(timeline, 7);
	fence->ops->timeline_value_str(fence, text, sizeof(text));
	assert_string_equal(text, "7");
	fence->ops->fence_value_str(fence, text, 2);
	assert_string_equal(text, "1");
	dma_fence_put(fence);
	dmabuf_sw_sync_destroy(timeline);
}

static void a_long_name_is_cut_and_none_is_sw_sync(void **state)
{
	struct dmabuf_sw_sync *timeline =
		timeline_make("0123456789012345678901234567890123456789");
	struct dma_fence *fence = point_make(timeline, 1);

	(void)state;
	assert_string_equal(fence->ops->get_timeline_name(fence),
			    "0123456789012345678901234567890");
	dma_fence_put(fence);
	dmabuf_sw_sync_destroy(timeline);
	timeline = timeline_make(NULL);
	fence = point_make(timeline, 1);
	assert_string_equal(fence->ops->get_timeline_name(fence), "sw_sync");
	dma_fence_put(fence);
	dmabuf_sw_sync_destroy(timeline);
}

static void the_earliest_deadline_counts(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	struct dma_fence *fence = point_make(timeline, 1);
	int64_t deadline = -1;

	(void)state;
	assert_int_equal(dmabuf_sw_sync_deadline(fence, &deadline), -ENOENT);
	assert_int_equal(deadline, -1);
	dma_fence_set_deadline(fence, 5000);
	assert_int_equal(dmabuf_sw_sync_deadline(fence, &deadline), 0);
	assert_int_equal(deadline, 5000);
	dma_fence_set_deadline(fence, 7000);
	dma_fence_set_deadline(fence, 3000);
	dma_fence_set_deadline(fence, 4000);
	dmabuf_sw_sync_inc(timeline, 1);
	dma_fence_set_deadline(fence, 1000);
	assert_int_equal(dmabuf_sw_sync_deadline(fence, &deadline), 0);
	assert_int_equal(deadline, 3000);
	dma_fence_put(fence);
	dmabuf_sw_sync_destroy(timeline);
}

static void a_deadline_reaches_each_leaf_of_a_merge(void **state)
{
	struct dmabuf_sw_sync *one = timeline_make("one");
	struct dmabuf_sw_sync *two = timeline_make("two");
	struct dma_fence *a = point_make(one, 1);
	struct dma_fence *b = point_make(two, 1);
	struct dma_fence *both = dma_fence_unwrap_merge(a, b);
	int64_t deadline;

	(void)state;
	assert_non_null(both);
	dma_fence_set_deadline(both, 42);
	assert_int_equal(dmabuf_sw_sync_deadline(a, &deadline), 0);
	assert_int_equal(deadline, 42);
	assert_int_equal(dmabuf_sw_sync_deadline(b, &deadline), 0);
	assert_int_equal(deadline, 42);
	/* The merge itself is of no timeline. */
	assert_int_equal(dmabuf_sw_sync_deadline(both, &deadline), -EINVAL);
	assert_int_equal(dmabuf_sw_sync_deadline(NULL, &deadline), -EINVAL);
	dma_fence_put(both);
	dma_fence_put(a);
	dma_fence_put(b);
	dmabuf_sw_sync_destroy(one);
	dmabuf_sw_sync_destroy(two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(a_timeline_can_be_made),
		LEAK_TEST(a_fence_at_1_has_a_valid_fd),
		LEAK_TEST(one_timeline_is_waited_for),
		LEAK_TEST(merging_one_timeline_keeps_the_latest_point),
		LEAK_TEST(merging_a_fence_with_itself_is_that_fence),
		LEAK_TEST(three_timelines_are_waited_for),
		LEAK_TEST(a_point_that_is_reached_is_born_signalled),
		LEAK_TEST(the_same_point_is_the_same_fence_while_it_is_pending),
		LEAK_TEST(a_point_that_was_signalled_by_hand_is_not_shared),
		LEAK_TEST(a_point_that_was_dropped_is_made_anew),
		LEAK_TEST(points_are_signalled_in_their_order),
		LEAK_TEST(values_wrap_around),
		LEAK_TEST(a_long_way_passes_all_points),
		LEAK_TEST(no_way_at_all_signals_nothing),
		LEAK_TEST(the_end_of_a_timeline_fails_its_points),
		LEAK_TEST(points_nobody_else_holds_go_when_they_are_reached),
		LEAK_TEST(a_point_has_names_and_numbers),
		LEAK_TEST(a_long_name_is_cut_and_none_is_sw_sync),
		LEAK_TEST(the_earliest_deadline_counts),
		LEAK_TEST(a_deadline_reaches_each_leaf_of_a_merge),
	};

	return cmocka_run_group_tests_name("sw_sync", tests, leaks_group_setup,
					   NULL) != 0;
}
