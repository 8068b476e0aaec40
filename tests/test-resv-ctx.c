/* SPDX-License-Identifier: MIT */
/* test-resv-ctx.c - a thread that takes several reservations with a context */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "assert-bug.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "warns.h"

#define NR_OBJS 3

static struct dma_resv objs[NR_OBJS];

static int begin(void **state)
{
	int i;

	for (i = 0; i < NR_OBJS; i++)
		dma_resv_init(&objs[i]);
	return leaks_setup(state);
}

static int end(void **state)
{
	int i;

	for (i = 0; i < NR_OBJS; i++)
		dma_resv_fini(&objs[i]);
	return leaks_teardown(state);
}

static void later_context_is_younger(void **state)
{
	struct ww_acquire_ctx first, second;

	(void)state;
	ww_acquire_init(&first, &reservation_ww_class);
	ww_acquire_init(&second, &reservation_ww_class);
	assert_true(first.stamp < second.stamp);
	assert_int_equal(first.acquired, 0);
	ww_acquire_fini(&second);
	ww_acquire_fini(&first);
}

static void context_takes_several(void **state)
{
	struct ww_acquire_ctx ctx;
	int i;

	(void)state;
	ww_acquire_init(&ctx, &reservation_ww_class);
	for (i = 0; i < NR_OBJS; i++) {
		assert_null(dma_resv_locking_ctx(&objs[i]));
		assert_int_equal(dma_resv_lock(&objs[i], &ctx), 0);
		assert_true(dma_resv_held(&objs[i]));
		assert_true(dma_resv_is_locked(&objs[i]));
		assert_ptr_equal(dma_resv_locking_ctx(&objs[i]), &ctx);
		assert_int_equal(ctx.acquired, i + 1);
	}
	ww_acquire_done(&ctx);
	for (i = 0; i < NR_OBJS; i++) {
		dma_resv_unlock(&objs[i]);
		assert_null(dma_resv_locking_ctx(&objs[i]));
		assert_int_equal(ctx.acquired, NR_OBJS - 1 - i);
	}
	ww_acquire_fini(&ctx);
}

static void held_with_the_context_is_ealready(void **state)
{
	struct ww_acquire_ctx ctx;

	(void)state;
	ww_acquire_init(&ctx, &reservation_ww_class);
	assert_int_equal(dma_resv_lock(&objs[0], &ctx), 0);
	assert_int_equal(dma_resv_lock(&objs[0], &ctx), -EALREADY);
	assert_int_equal(dma_resv_lock_interruptible(&objs[0], &ctx),
			 -EALREADY);
	assert_int_equal(ctx.acquired, 1);
	dma_resv_unlock(&objs[0]);
	assert_false(dma_resv_is_locked(&objs[0]));
	ww_acquire_fini(&ctx);
}

static void lock_without_a_context_has_none(void **state)
{
	(void)state;
	assert_int_equal(dma_resv_lock(&objs[0], NULL), 0);
	assert_null(dma_resv_locking_ctx(&objs[0]));
	dma_resv_unlock(&objs[0]);
	assert_true(dma_resv_trylock(&objs[0]));
	assert_null(dma_resv_locking_ctx(&objs[0]));
	dma_resv_unlock(&objs[0]);
	assert_int_equal(dma_resv_lock_interruptible(&objs[0], NULL), 0);
	dma_resv_unlock(&objs[0]);
}

static void relock(void *ctx)
{
	dma_resv_lock(&objs[0], ctx);
}

static void relock_intr(void *ctx)
{
	dma_resv_lock_interruptible(&objs[0], ctx);
}

static void relock_slow(void *ctx)
{
	dma_resv_lock_slow(&objs[0], ctx);
}

static void lock_of_ones_own_in_another_way_is_a_bug(void **state)
{
	struct ww_acquire_ctx ctx, other;

	(void)state;
	ww_acquire_init(&ctx, &reservation_ww_class);
	ww_acquire_init(&other, &reservation_ww_class);
	assert_int_equal(dma_resv_lock(&objs[0], &ctx), 0);
	assert_bug_caught(relock, NULL, "BUG: dma_resv_lock: ");
	assert_bug_caught(relock_intr, NULL, "BUG: dma_resv_lock");
	assert_bug_caught(relock, &other, "BUG: dma_resv_lock: ");
	assert_bug_caught(relock_slow, &other, "BUG: dma_resv_lock_slow");
	assert_true(dma_resv_held(&objs[0]));
	assert_int_equal(ctx.acquired, 1);
	assert_int_equal(other.acquired, 0);
	dma_resv_unlock(&objs[0]);
	ww_acquire_fini(&other);
	ww_acquire_fini(&ctx);
}

static void context_is_used_again_after_giving_back(void **state)
{
	struct ww_acquire_ctx ctx;
	int i;

	(void)state;
	ww_acquire_init(&ctx, &reservation_ww_class);
	for (i = 0; i < 3; i++) {
		dma_resv_lock_slow(&objs[1], &ctx);
		assert_ptr_equal(dma_resv_locking_ctx(&objs[1]), &ctx);
		assert_int_equal(dma_resv_lock(&objs[0], &ctx), 0);
		assert_int_equal(ctx.acquired, 2);
		dma_resv_unlock(&objs[0]);
		dma_resv_unlock(&objs[1]);
	}
	assert_int_equal(dma_resv_lock_slow_interruptible(&objs[2], &ctx), 0);
	dma_resv_unlock(&objs[2]);
	ww_acquire_fini(&ctx);
}

static void lock_after_done_warns(void **state)
{
	struct ww_acquire_ctx ctx;

	(void)state;
	ww_acquire_init(&ctx, &reservation_ww_class);
	assert_int_equal(dma_resv_lock(&objs[0], &ctx), 0);
	ww_acquire_done(&ctx);
	assert_int_equal(dma_resv_lock(&objs[1], &ctx), 0);
	assert_warned("WARN: dma_resv_lock: ");
	dma_resv_unlock(&objs[1]);
	dma_resv_unlock(&objs[0]);
	ww_acquire_fini(&ctx);
}

static void fini_of_a_context_in_use_warns(void **state)
{
	struct ww_acquire_ctx ctx;

	(void)state;
	ww_acquire_init(&ctx, &reservation_ww_class);
	assert_int_equal(dma_resv_lock(&objs[0], &ctx), 0);
	ww_acquire_fini(&ctx);
	assert_warned("WARN: ww_acquire_fini: ");
	dma_resv_unlock(&objs[0]);
	assert_false(dma_resv_is_locked(&objs[0]));
}

static void lock_slow_while_holding_others_warns(void **state)
{
	struct ww_acquire_ctx ctx;

	(void)state;
	ww_acquire_init(&ctx, &reservation_ww_class);
	assert_int_equal(dma_resv_lock(&objs[0], &ctx), 0);
	dma_resv_lock_slow(&objs[1], &ctx);
	assert_warned("WARN: dma_resv_lock_slow: ");
	if (dma_resv_held(&objs[1]))
		dma_resv_unlock(&objs[1]);
	dma_resv_unlock(&objs[0]);
	assert_int_equal(ctx.acquired, 0);
	ww_acquire_fini(&ctx);
}

static void release_waits_for_the_last_of_several(void **state)
{
	struct ww_acquire_ctx ctx;
	struct mock mock;
	int i;

	(void)state;
	mock_export(&mock, 4096, 0);
	ww_acquire_init(&ctx, &reservation_ww_class);
	for (i = 0; i < NR_OBJS; i++)
		assert_int_equal(dma_resv_lock(&objs[i], &ctx), 0);
	dma_buf_put(mock.dmabuf);
	for (i = 0; i < NR_OBJS; i++) {
		assert_int_equal(mock_calls(&mock, MOCK_OP_RELEASE), 0);
		dma_resv_unlock(&objs[i]);
	}
	assert_int_equal(mock_calls(&mock, MOCK_OP_RELEASE), 1);
	ww_acquire_fini(&ctx);
}

#define WW_TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WW_TEST(later_context_is_younger),
		WW_TEST(context_takes_several),
		WW_TEST(held_with_the_context_is_ealready),
		WW_TEST(lock_without_a_context_has_none),
		WW_TEST(lock_of_ones_own_in_another_way_is_a_bug),
		WW_TEST(context_is_used_again_after_giving_back),
		WW_TEST(lock_after_done_warns),
		WW_TEST(fini_of_a_context_in_use_warns),
		WW_TEST(lock_slow_while_holding_others_warns),
		WW_TEST(release_waits_for_the_last_of_several),
	};

	return cmocka_run_group_tests_name("dma_resv/ctx", tests,
					   leaks_group_setup, NULL) != 0;
}
