/* SPDX-License-Identifier: MIT */
/* test-dma-fence.c - making fences, counting references, stubs */

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "assert-bug.h"
#include "leaks.h"
#include "mock-fence.h"
#include "warns.h"

#define NR_STUBS 64

static unsigned int refs(const struct dma_fence *fence)
{
	return __atomic_load_n(&fence->refcount, __ATOMIC_RELAXED);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Timelines */

/* The first test of the program: nobody asked for a timeline before. */
static void first_context_is_1(void **state)
{
	(void)state;
	assert_int_equal(dma_fence_context_alloc(1), 1);
}

static void contexts_are_consecutive(void **state)
{
	uint64_t first = dma_fence_context_alloc(5);
	uint64_t next = dma_fence_context_alloc(1);

	(void)state;
	assert_int_equal(next, first + 5);
	assert_int_equal(dma_fence_context_alloc(UINT_MAX), next + 1);
	assert_int_equal(dma_fence_context_alloc(1), next + 1 + UINT_MAX);
}

/* INV-FENCE-7 */
static void no_contexts_warn_and_use_up_none(void **state)
{
	uint64_t none = dma_fence_context_alloc(0);

	(void)state;
	assert_warned("dma_fence_context_alloc");
	assert_int_equal(dma_fence_context_alloc(1), none);
}

/* Making */

static void new_fence_has_one_reference_and_no_flags(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct mock_fence *mock = mock_fence_at(&lock, 77, UINT64_MAX);
	struct dma_fence *fence = &mock->base;

	(void)state;
	assert_int_equal(fence->refcount, 1);
	assert_int_equal(fence->flags, 0);
	assert_int_equal(fence->error, 0);
	assert_int_equal(fence->context, 77);
	assert_true(fence->seqno == UINT64_MAX);
	assert_ptr_equal(fence->ops, &mock_fence_ops);
	assert_ptr_equal(fence->lock, &lock);
	assert_ptr_equal(fence->cb_list.next, &fence->cb_list);
	assert_ptr_equal(fence->cb_list.prev, &fence->cb_list);
	assert_int_equal(dma_fence_get_status(fence), 0);
	dma_fence_put(fence);
	assert_int_equal(mock_fences_live(), 0);
	pthread_mutex_destroy(&lock);
}

static void init_leaves_nothing_of_what_was_there(void **state)
{
	struct mock_fence *mock = mock_fence_new();

	(void)state;
	memset(&mock->base, 0xa5, sizeof(mock->base));
	dma_fence_init(&mock->base, &mock_fence_ops, &mock->lock, 1, 1);
	assert_int_equal(mock->base.refcount, 1);
	assert_int_equal(mock->base.flags, 0);
	assert_int_equal(mock->base.error, 0);
	assert_int_equal(dma_fence_signal(&mock->base), 0);
	assert_int_equal(dma_fence_get_status(&mock->base), 1);
	dma_fence_put(&mock->base);
}

static const char *any_name(struct dma_fence *fence)
{
	(void)fence;
	return "any";
}

/* What is missing, and what is said about it */
struct bad_init {
	struct dma_fence_ops ops;
	bool without_ops;
	bool without_lock;
	struct mock_fence *mock;
};

static void do_init(void *data)
{
	struct bad_init *bad = data;

	dma_fence_init(&bad->mock->base, bad->without_ops ? NULL : &bad->ops,
		       bad->without_lock ? NULL : &bad->mock->lock, 1, 1);
}

static void init_is_a_bug_and_then_works(struct bad_init *bad)
{
	bad->mock = mock_fence_new();
	assert_bug_caught(do_init, bad, "BUG: dma_fence_init: ");
	dma_fence_init(&bad->mock->base, &mock_fence_ops, &bad->mock->lock,
		       1, 1);
	assert_int_equal(dma_fence_signal(&bad->mock->base), 0);
	dma_fence_put(&bad->mock->base);
}

/* INV-FENCE-1 */
static void init_without_lock_is_a_bug(void **state)
{
	struct bad_init bad = {
		.ops = mock_fence_ops,
		.without_lock = true,
	};

	(void)state;
	init_is_a_bug_and_then_works(&bad);
}

/* INV-FENCE-2 */
static void init_without_ops_or_names_is_a_bug(void **state)
{
	struct bad_init no_ops = { .without_ops = true };
	struct bad_init no_driver = { .ops.get_timeline_name = any_name };
	struct bad_init no_line = { .ops.get_driver_name = any_name };

	(void)state;
	init_is_a_bug_and_then_works(&no_ops);
	init_is_a_bug_and_then_works(&no_driver);
	init_is_a_bug_and_then_works(&no_line);
}

/* References */

static void references_are_counted_and_the_last_one_frees(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *fence = &mock->base;

	(void)state;
	assert_ptr_equal(dma_fence_get(fence), fence);
	assert_ptr_equal(dma_fence_get_rcu(fence), fence);
	assert_int_equal(refs(fence), 3);
	dma_fence_put(fence);
	dma_fence_put(fence);
	assert_int_equal(refs(fence), 1);
	assert_int_equal(mock_fences_live(), 1);
	dma_fence_put(fence);
	assert_int_equal(mock_fences_live(), 0);
}

static void null_is_no_fence_to_get_and_put(void **state)
{
	struct dma_fence *none = NULL;

	(void)state;
	assert_null(dma_fence_get(NULL));
	dma_fence_put(NULL);
	assert_null(dma_fence_get_rcu_safe(&none));
	assert_no_warning();
}

static void fence_without_release_is_freed(void **state)
{
	struct dma_fence *fence = plain_fence_new();

	(void)state;
	assert_int_equal(dma_fence_signal(fence), 0);
	dma_fence_put(fence);
	dma_fence_put(plain_fence_new());
}

static unsigned int nr_released;	/* of the thread of the tests */

static void release_nothing(struct dma_fence *fence)
{
	nr_released++;
	assert_int_equal(refs(fence), 0);
	assert_null(dma_fence_get_rcu(fence));
}

static void dying_fence_gives_no_reference(void **state)
{
	const struct dma_fence_ops ops = {
		.get_driver_name = any_name,
		.get_timeline_name = any_name,
		.release = release_nothing,
	};
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct dma_fence fence;

	(void)state;
	nr_released = 0;
	dma_fence_init(&fence, &ops, &lock, 1, 1);
	dma_fence_put(&fence);
	assert_int_equal(nr_released, 1);
	assert_null(dma_fence_get_rcu(&fence));
	assert_int_equal(refs(&fence), 0);
}

static void safe_get_takes_a_reference_on_what_the_pointer_shows(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *pointer = &mock->base;

	(void)state;
	assert_ptr_equal(dma_fence_get_rcu_safe(&pointer), &mock->base);
	assert_ptr_equal(pointer, &mock->base);
	assert_int_equal(refs(pointer), 2);
	dma_fence_put(pointer);
	dma_fence_put(pointer);
}

/* Stubs */

static void stub_check(struct dma_fence *fence)
{
	assert_int_equal(fence->context, 0);
	assert_int_equal(fence->seqno, 0);
	assert_string_equal(fence->ops->get_driver_name(fence), "stub");
	assert_string_equal(fence->ops->get_timeline_name(fence), "stub");
	assert_true(dma_fence_is_signaled(fence));
	assert_int_equal(dma_fence_get_status(fence), 1);
	assert_int_equal(dma_fence_signal(fence), -EINVAL);
}

static void stub_is_one_signalled_fence(void **state)
{
	int64_t before = now_ns();
	struct dma_fence *stub = dma_fence_get_stub();
	int64_t when = dma_fence_timestamp(stub);
	struct dma_fence *more[NR_STUBS];
	size_t i;

	(void)state;
	stub_check(stub);
	assert_true(when >= before && when <= now_ns());
	for (i = 0; i < NR_STUBS; i++) {
		more[i] = dma_fence_get_stub();
		assert_ptr_equal(more[i], stub);
	}
	assert_true(refs(stub) > NR_STUBS);
	for (i = 0; i < NR_STUBS; i++)
		dma_fence_put(more[i]);
	dma_fence_put(stub);
	/* It outlives all that was given out. */
	stub = dma_fence_get_stub();
	assert_ptr_equal(stub, more[0]);
	assert_true(dma_fence_timestamp(stub) == when);
	stub_check(stub);
	dma_fence_put(stub);
}

static void private_stub_is_ones_own(void **state)
{
	struct dma_fence *a = dma_fence_allocate_private_stub(42);
	struct dma_fence *b = dma_fence_allocate_private_stub(INT64_MIN);
	struct dma_fence *stub = dma_fence_get_stub();

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_ptr_not_equal(a, b);
	assert_ptr_not_equal(a, stub);
	stub_check(a);
	stub_check(b);
	assert_int_equal(dma_fence_timestamp(a), 42);
	assert_true(dma_fence_timestamp(b) == INT64_MIN);
	assert_int_equal(refs(a), 1);
	dma_fence_put(a);
	dma_fence_put(b);
	dma_fence_put(stub);
}

/* Kinds, text */

static void ordinary_fence_is_no_container(void **state)
{
	struct dma_fence *fence = &mock_fence_new()->base;

	(void)state;
	assert_false(dma_fence_is_array(fence));
	assert_false(dma_fence_is_chain(fence));
	assert_false(dma_fence_is_container(fence));
	dma_fence_put(fence);
}

static void description_check(struct dma_fence *fence, const char *expected)
{
	char text[256] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	assert_non_null(out);
	dma_fence_describe(fence, out);
	fclose(out);
	assert_string_equal(text, expected);
}

static void description_is_one_line(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct mock_fence *mock = mock_fence_at(&lock, 5, UINT64_MAX);
	struct dma_fence *stub = dma_fence_get_stub();

	(void)state;
	description_check(&mock->base,
			  "mock line seq 18446744073709551615 unsignalled\n");
	dma_fence_signal(&mock->base);
	description_check(&mock->base,
			  "mock line seq 18446744073709551615 signalled\n");
	description_check(stub, "stub stub seq 0 signalled\n");
	dma_fence_put(&mock->base);
	dma_fence_put(stub);
	pthread_mutex_destroy(&lock);
}

static void flags_of_the_implementer_stay(void **state)
{
	struct dma_fence *fence = &mock_fence_new()->base;

	(void)state;
	__atomic_fetch_or(&fence->flags, 1UL << DMA_FENCE_FLAG_USER_BITS,
			  __ATOMIC_RELAXED);
	assert_false(dma_fence_is_signaled(fence));
	dma_fence_enable_sw_signaling(fence);
	dma_fence_signal(fence);
	assert_int_equal(fence->flags,
			 1UL << DMA_FENCE_FLAG_SIGNALED_BIT |
			 1UL << DMA_FENCE_FLAG_TIMESTAMP_BIT |
			 1UL << DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT |
			 1UL << DMA_FENCE_FLAG_USER_BITS);
	dma_fence_put(fence);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(first_context_is_1),
		LEAK_TEST(contexts_are_consecutive),
		LEAK_TEST(no_contexts_warn_and_use_up_none),
		LEAK_TEST(new_fence_has_one_reference_and_no_flags),
		LEAK_TEST(init_leaves_nothing_of_what_was_there),
		LEAK_TEST(init_without_lock_is_a_bug),
		LEAK_TEST(init_without_ops_or_names_is_a_bug),
		LEAK_TEST(references_are_counted_and_the_last_one_frees),
		LEAK_TEST(null_is_no_fence_to_get_and_put),
		LEAK_TEST(fence_without_release_is_freed),
		LEAK_TEST(dying_fence_gives_no_reference),
		LEAK_TEST(safe_get_takes_a_reference_on_what_the_pointer_shows),
		LEAK_TEST(stub_is_one_signalled_fence),
		LEAK_TEST(private_stub_is_ones_own),
		LEAK_TEST(ordinary_fence_is_no_container),
		LEAK_TEST(description_is_one_line),
		LEAK_TEST(flags_of_the_implementer_stay),
	};

	return cmocka_run_group_tests_name("dma_fence", tests,
					   leaks_group_setup, NULL) != 0;
}
