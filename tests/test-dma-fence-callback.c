/* SPDX-License-Identifier: MIT */
/* test-dma-fence-callback.c - being told that a fence is signalled */

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "assert-bug.h"
#include "held.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "mock-fence.h"
#include "warns.h"

#define NR_CALLBACKS 10

static void add(struct dma_fence *fence, struct count_cb *count)
{
	*count = (struct count_cb){ .ran = 0 };
	assert_int_equal(dma_fence_add_callback(fence, &count->cb,
						count_cb_run), 0);
}

/* Adding and removing */

/* INV-F-D2 */
static void callbacks_run_in_the_order_of_adding(void **state)
{
	struct dma_fence *fence = &mock_fence_new()->base;
	struct count_cb counts[NR_CALLBACKS];
	unsigned int i;

	(void)state;
	for (i = 0; i < NR_CALLBACKS; i++)
		add(fence, &counts[i]);
	/* A removed one leaves the order of the rest as it was. */
	assert_true(dma_fence_remove_callback(fence, &counts[0].cb));
	assert_true(dma_fence_remove_callback(fence, &counts[4].cb));
	add(fence, &counts[4]);
	assert_int_equal(dma_fence_signal(fence), 0);
	assert_int_equal(counts[0].ran, 0);
	for (i = 1; i < NR_CALLBACKS; i++)
		assert_int_equal(counts[i].ran, 1);
	for (i = 6; i < NR_CALLBACKS; i++)
		assert_int_equal(counts[i].place, counts[i - 1].place + 1);
	assert_int_equal(counts[3].place, counts[1].place + 2);
	assert_int_equal(counts[5].place, counts[3].place + 1);
	assert_int_equal(counts[4].place, counts[9].place + 1);
	dma_fence_put(fence);
}

/* INV-FENCE-5 */
static void callback_without_fence_or_function_is_einval(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct count_cb count = { .ran = 0 };

	(void)state;
	assert_int_equal(dma_fence_add_callback(NULL, &count.cb, count_cb_run),
			 -EINVAL);
	assert_warned("dma_fence_add_callback");
	assert_int_equal(dma_fence_add_callback(&mock->base, &count.cb, NULL),
			 -EINVAL);
	assert_warned("dma_fence_add_callback");
	assert_int_equal(mock->nr_enable, 0);
	dma_fence_signal(&mock->base);
	assert_int_equal(count.ran, 0);
	dma_fence_put(&mock->base);
}

/* INV-F-D1 */
static void callback_on_a_signalled_fence_is_enoent(void **state)
{
	struct dma_fence *fence = &mock_fence_new()->base;
	struct count_cb count;

	(void)state;
	count.ran = 0;
	dma_fence_signal(fence);
	assert_int_equal(dma_fence_add_callback(fence, &count.cb,
						count_cb_run), -ENOENT);
	/* Its node is set up all the same. */
	assert_false(dma_fence_remove_callback(fence, &count.cb));
	assert_int_equal(count.ran, 0);
	dma_fence_put(fence);
}

static void adding_looks_at_the_bit_only(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct count_cb count;

	(void)state;
	mock->done = true;
	add(&mock->base, &count);
	assert_int_equal(mock->nr_signaled, 0);
	assert_int_equal(mock->nr_enable, 1);
	assert_int_equal(count.ran, 0);
	assert_true(dma_fence_is_signaled(&mock->base));
	assert_int_equal(count.ran, 1);
	dma_fence_put(&mock->base);
}

static void locked_query_of_a_done_fence_calls_back(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct count_cb count;

	(void)state;
	add(&mock->base, &count);
	mock->done = true;
	pthread_mutex_lock(&mock->lock);
	assert_true(dma_fence_is_signaled_locked(&mock->base));
	assert_int_equal(count.ran, 1);
	pthread_mutex_unlock(&mock->lock);
	dma_fence_put(&mock->base);
}

/* INV-F-D1, INV-F-D11 */
static void removed_callback_does_not_run(void **state)
{
	struct dma_fence *fence = &mock_fence_new()->base;
	struct count_cb count;

	(void)state;
	add(fence, &count);
	assert_true(dma_fence_remove_callback(fence, &count.cb));
	assert_false(dma_fence_remove_callback(fence, &count.cb));
	dma_fence_signal(fence);
	assert_int_equal(count.ran, 0);
	dma_fence_put(fence);
}

/* INV-F-D1 */
static void callback_that_ran_is_not_removed(void **state)
{
	struct dma_fence *fence = &mock_fence_new()->base;
	struct count_cb counts[2];

	(void)state;
	add(fence, &counts[0]);
	add(fence, &counts[1]);
	dma_fence_signal(fence);
	assert_false(dma_fence_remove_callback(fence, &counts[0].cb));
	assert_false(dma_fence_remove_callback(fence, &counts[1].cb));
	assert_int_equal(counts[0].ran, 1);
	assert_int_equal(counts[1].ran, 1);
	dma_fence_put(fence);
}

/* What a callback finds, and does */

struct look_cb {
	struct dma_fence_cb cb;		/* first */
	int status;
	int64_t timestamp;
	bool locked;
	struct dma_fence *other;
	struct dma_buf *dmabuf;
	struct count_cb *next;
};

static void look(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct look_cb *seen = (struct look_cb *)cb;

	/* Of a signalled fence these need no lock. */
	seen->status = dma_fence_get_status(fence);
	seen->timestamp = dma_fence_timestamp(fence);
	seen->locked = pthread_mutex_trylock(fence->lock) == EBUSY;
}

static void callback_sees_all_of_it_under_the_lock(void **state)
{
	struct dma_fence *fence = &mock_fence_new()->base;
	struct look_cb seen = { .status = 0 };

	(void)state;
	assert_int_equal(dma_fence_add_callback(fence, &seen.cb, look), 0);
	dma_fence_set_error(fence, -EIO);
	dma_fence_signal_timestamp(fence, 1234);
	assert_int_equal(seen.status, -EIO);
	assert_int_equal(seen.timestamp, 1234);
	assert_true(seen.locked);
	dma_fence_put(fence);
}

static void free_cb(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	(void)fence;
	free(cb);
}

static void callback_may_free_itself(void **state)
{
	struct dma_fence *fence = &mock_fence_new()->base;
	struct dma_fence_cb *cb;
	struct count_cb after;
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		cb = malloc(sizeof(*cb));
		assert_non_null(cb);
		assert_int_equal(dma_fence_add_callback(fence, cb, free_cb), 0);
	}
	add(fence, &after);
	dma_fence_signal(fence);
	assert_int_equal(after.ran, 1);
	dma_fence_put(fence);
}

static void move_on(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct look_cb *seen = (struct look_cb *)cb;

	(void)fence;
	seen->status = dma_fence_add_callback(seen->other, cb, look);
}

static void callback_may_be_added_to_another_fence(void **state)
{
	struct dma_fence *fence = &mock_fence_new()->base;
	struct look_cb seen = { .status = 99 };

	(void)state;
	seen.other = &mock_fence_new()->base;
	assert_int_equal(dma_fence_add_callback(fence, &seen.cb, move_on), 0);
	dma_fence_signal(fence);
	assert_int_equal(seen.status, 0);
	assert_int_equal(dma_fence_signal(seen.other), 0);
	assert_int_equal(seen.status, 1);
	dma_fence_put(seen.other);
	dma_fence_put(fence);
}

static void signal_other(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct look_cb *seen = (struct look_cb *)cb;

	(void)fence;
	seen->status = dma_fence_signal(seen->other);
	dma_fence_put(seen->other);
}

static void callback_may_signal_and_put_another_fence(void **state)
{
	struct dma_fence *fence = &mock_fence_new()->base;
	struct look_cb seen = { .status = 99 };
	struct count_cb count;

	(void)state;
	seen.other = &mock_fence_new()->base;
	add(seen.other, &count);
	assert_int_equal(dma_fence_add_callback(fence, &seen.cb, signal_other),
			 0);
	dma_fence_signal(fence);
	assert_int_equal(seen.status, 0);
	assert_int_equal(count.ran, 1);
	assert_int_equal(mock_fences_live(), 1);
	dma_fence_put(fence);
}

/* Buffers that a callback drops */

static struct dma_fence *dropping;	/* of the thread of the tests */

static void release_needs_the_lock(struct mock *mock, enum mock_op op,
				   struct dma_buf_attachment *attach)
{
	(void)mock;
	(void)attach;
	assert_int_equal(op, MOCK_OP_RELEASE);
	pthread_mutex_lock(dropping->lock);
	pthread_mutex_unlock(dropping->lock);
}

static void put_buffer(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	(void)fence;
	dma_buf_put(((struct look_cb *)cb)->dmabuf);
}

static void dropping_begin(struct mock *mock, struct look_cb *seen)
{
	seen->dmabuf = mock_export(mock, 4096, 0);
	mock->hook = release_needs_the_lock;
	dropping = &mock_fence_new()->base;
	assert_int_equal(dma_fence_add_callback(dropping, &seen->cb,
						put_buffer), 0);
}

/* A release that takes the lock is no dead-lock. */
static void buffer_put_in_a_callback_is_released_after_the_lock(void **state)
{
	struct mock mock;
	struct look_cb seen;

	(void)state;
	dropping_begin(&mock, &seen);
	dma_fence_signal(dropping);
	assert_log(&mock, "release");
	dma_fence_put(dropping);
}

/* Who unlocks is the caller, so it happens in another thread. */
static void buffer_put_in_a_locked_callback_is_released_soon(void **state)
{
	struct mock mock;
	struct look_cb seen;

	(void)state;
	dropping_begin(&mock, &seen);
	pthread_mutex_lock(dropping->lock);
	assert_int_equal(dma_fence_signal_locked(dropping), 0);
	pthread_mutex_unlock(dropping->lock);
	while (dmabuf_live_buffers())
		sched_yield();
	assert_log(&mock, "release");
	dma_fence_put(dropping);
}

/* A BUG in a callback */

static void make_a_bug(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	(void)cb;
	dma_fence_init(fence, fence->ops, NULL, 1, 1);
}

static void do_signal(void *fence)
{
	dma_fence_signal(fence);
}

/* INV-FENCE-1 */
static void bug_in_a_callback_leaves_no_lock(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence_cb bug;
	struct count_cb count, after;

	(void)state;
	add(&mock->base, &count);
	assert_int_equal(dma_fence_add_callback(&mock->base, &bug, make_a_bug),
			 0);
	add(&mock->base, &after);
	assert_bug_caught(do_signal, &mock->base, "BUG: dma_fence_init: ");
	assert_false(mutex_is_held(&mock->lock));
	assert_int_equal(count.ran, 1);
	assert_int_equal(dma_fence_get_status(&mock->base), 1);
	assert_false(dma_fence_remove_callback(&mock->base, &bug));
	assert_int_equal(dma_fence_wait_timeout(&mock->base, false, 0), 1);
	/* It is signalled: the one that is left is no reason to warn. */
	dma_fence_put(&mock->base);
}

/* The end */

/* INV-FENCE-6 */
static void last_put_with_callbacks_warns_and_signals(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct look_cb seen = { .status = 99 };
	struct count_cb count;

	(void)state;
	assert_int_equal(dma_fence_add_callback(&mock->base, &seen.cb, look),
			 0);
	add(&mock->base, &count);
	dma_fence_put(&mock->base);
	assert_warned("dma_fence_put");
	assert_int_equal(seen.status, -EDEADLK);
	assert_int_equal(count.ran, 1);
	assert_int_equal(mock_fences_live(), 0);
}

/* INV-FENCE-6: not these */
static void last_put_of_a_pending_fence_is_no_fault(void **state)
{
	struct dma_fence *plain = plain_fence_new();
	struct dma_fence *fence = &mock_fence_new()->base;
	struct count_cb count;

	(void)state;
	add(fence, &count);
	assert_true(dma_fence_remove_callback(fence, &count.cb));
	dma_fence_put(fence);
	dma_fence_put(plain);
	assert_no_warning();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(callbacks_run_in_the_order_of_adding),
		LEAK_TEST(callback_without_fence_or_function_is_einval),
		LEAK_TEST(callback_on_a_signalled_fence_is_enoent),
		LEAK_TEST(adding_looks_at_the_bit_only),
		LEAK_TEST(locked_query_of_a_done_fence_calls_back),
		LEAK_TEST(removed_callback_does_not_run),
		LEAK_TEST(callback_that_ran_is_not_removed),
		LEAK_TEST(callback_sees_all_of_it_under_the_lock),
		LEAK_TEST(callback_may_free_itself),
		LEAK_TEST(callback_may_be_added_to_another_fence),
		LEAK_TEST(callback_may_signal_and_put_another_fence),
		LEAK_TEST(buffer_put_in_a_callback_is_released_after_the_lock),
		LEAK_TEST(buffer_put_in_a_locked_callback_is_released_soon),
		LEAK_TEST(bug_in_a_callback_leaves_no_lock),
		LEAK_TEST(last_put_with_callbacks_warns_and_signals),
		LEAK_TEST(last_put_of_a_pending_fence_is_no_fault),
	};

	return cmocka_run_group_tests_name("dma_fence/callback", tests,
					   leaks_group_setup, NULL) != 0;
}
