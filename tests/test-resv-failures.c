/* SPDX-License-Identifier: MIT */
/* test-resv-failures.c - no memory: what reservations do without it */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "failure-case.h"
#include "fenced.h"
#include "inject.h"
#include "leaks.h"
#include "mock-fence.h"

#define NR_FENCES 5
#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

/* Of the case that is played. */
static struct dma_resv source;
static struct mock_fence *mocks[NR_FENCES];
static struct on on_before[NR_ON_MAX];
static unsigned int nr_before;
static struct dma_fence **got;
static unsigned int nr_got;
static struct dma_fence *single;

/* @resv is as before a call that failed, and so are the references. */
static void unchanged_check(unsigned int refs)
{
	unsigned int i;

	on_resv_check(on_before, nr_before, __FILE__, __LINE__);
	for (i = 0; i < NR_FENCES; i++)
		assert_int_equal(fence_refs(mocks[i]), refs);
}

static void begin_empty(struct scene *s)
{
	unsigned int i;

	(void)s;
	dma_resv_init(&resv);
	dma_resv_init(&source);
	for (i = 0; i < NR_FENCES; i++) {
		mocks[i] = mock_fence_new();
		add_to(&source, mocks[i], usages[i % NR_USAGES]);
	}
	nr_before = 0;
}

static void begin_full(struct scene *s)
{
	unsigned int i;

	begin_empty(s);
	for (i = 0; i < NR_FENCES; i++)
		add_to(&resv, mocks[i], usages[i % NR_USAGES]);
	nr_before = on_resv(&resv, on_before);
}

static void end(struct scene *s)
{
	unsigned int i;

	(void)s;
	dma_resv_fini(&resv);
	dma_resv_fini(&source);
	for (i = 0; i < NR_FENCES; i++) {
		assert_int_equal(fence_refs(mocks[i]), 1);
		finish(mocks[i]);
	}
}

/* Room */

static int reserve(unsigned int nr)
{
	int ret;

	dma_resv_lock(&resv, NULL);
	ret = dma_resv_reserve_fences(&resv, nr);
	dma_resv_unlock(&resv);
	return ret;
}

static int act_reserve_first(struct scene *s)
{
	int ret = reserve(3);

	(void)s;
	if (ret)
		unchanged_check(2);
	return ret;
}

static int act_reserve_more(struct scene *s)
{
	int ret = reserve(40);

	(void)s;
	if (ret)
		unchanged_check(3);
	return ret;
}

/* Copying */

static int copy(void)
{
	int ret;

	dma_resv_lock(&resv, NULL);
	ret = dma_resv_copy_fences(&resv, &source);
	dma_resv_unlock(&resv);
	return ret;
}

static int act_copy_first(struct scene *s)
{
	int ret = copy();

	(void)s;
	if (ret)
		unchanged_check(2);
	return ret;
}

static int act_copy_over(struct scene *s)
{
	int ret = copy();

	(void)s;
	if (ret)
		unchanged_check(3);
	return ret;
}

/* Asking */

static int act_get_fences(struct scene *s)
{
	int ret;

	(void)s;
	nr_got = 1;
	got = &single;
	ret = dma_resv_get_fences(&resv, DMA_RESV_USAGE_BOOKKEEP, &nr_got,
				  &got);
	if (ret) {
		assert_int_equal(nr_got, 0);
		assert_null(got);
		unchanged_check(3);
	}
	return ret;
}

static void undo_get_fences(struct scene *s)
{
	(void)s;
	assert_int_equal(nr_got, NR_FENCES);
	while (nr_got)
		dma_fence_put(got[--nr_got]);
	free(got);
}

static int act_get_singleton(struct scene *s)
{
	int ret = dma_resv_get_singleton(&resv, DMA_RESV_USAGE_BOOKKEEP,
					 &single);

	(void)s;
	if (ret)
		unchanged_check(3);
	return ret;
}

static void undo_get_singleton(struct scene *s)
{
	(void)s;
	assert_true(dma_fence_is_array(single));
	dma_fence_put(single);
}

static int act_get_singleton_of_one(struct scene *s)
{
	int ret = dma_resv_get_singleton(&resv, DMA_RESV_USAGE_KERNEL, &single);

	(void)s;
	if (ret)
		unchanged_check(3);
	return ret;
}

static void undo_get_singleton_of_one(struct scene *s)
{
	(void)s;
	assert_ptr_equal(single, &mocks[0]->base);
	dma_fence_put(single);
}

/* mocks[0] and [4] are for the kernel, [1] writes, [2] reads. */
static void begin_one(struct scene *s)
{
	begin_full(s);
	dma_fence_signal(&mocks[4]->base);
}

static const struct failure_case cases[] = {
	{ .name = "dma_resv_reserve_fences, first", .begin = begin_empty,
	  .act = act_reserve_first, .end = end, .calls_min = 1 },
	{ .name = "dma_resv_reserve_fences, more", .begin = begin_full,
	  .act = act_reserve_more, .end = end, .calls_min = 1 },
	{ .name = "dma_resv_copy_fences, first", .begin = begin_empty,
	  .act = act_copy_first, .end = end, .calls_min = 1 },
	{ .name = "dma_resv_copy_fences, over others", .begin = begin_full,
	  .act = act_copy_over, .end = end, .calls_min = 1 },
	{ .name = "dma_resv_get_fences", .begin = begin_full,
	  .act = act_get_fences, .undo = undo_get_fences, .end = end,
	  .calls_min = 1 },
	{ .name = "dma_resv_get_singleton", .begin = begin_full,
	  .act = act_get_singleton, .undo = undo_get_singleton, .end = end,
	  .calls_min = 2 },
	{ .name = "dma_resv_get_singleton, one", .begin = begin_one,
	  .act = act_get_singleton_of_one, .undo = undo_get_singleton_of_one,
	  .end = end },
};

static void failing_calls_change_nothing(void **state)
{
	(void)state;
	play_all(cases, NR_ELEMENTS(cases));
}

/* These are on the way to signalling, or follow the point of no return. */

static void adding_needs_no_memory(void **state)
{
	struct mock_fence *fence = mock_fence_new();
	struct mock_fence *next = mock_fence_new();

	(void)state;
	dma_resv_lock(&resv, NULL);
	assert_int_equal(dma_resv_reserve_fences(&resv, 2), 0);
	inject_arm(0);
	dma_resv_add_fence(&resv, &fence->base, DMA_RESV_USAGE_WRITE);
	dma_resv_replace_fences(&resv, fence->base.context, &next->base,
				DMA_RESV_USAGE_READ);
	dma_resv_add_fence(&resv, &fence->base, DMA_RESV_USAGE_WRITE);
	dma_resv_unlock(&resv);
	assert_int_equal(inject_disarm(), 0);
	assert_on_resv(ON(next, READ), ON(fence, WRITE));
	finish(fence);
	finish(next);
}

static void asking_and_waiting_need_no_memory(void **state)
{
	struct mock_fence *pending = added(DMA_RESV_USAGE_WRITE);
	struct mock_fence *lazy = added(DMA_RESV_USAGE_READ);

	(void)state;
	lazy->refuse_enable = true;
	inject_arm(0);
	assert_false(dma_resv_test_signaled(&resv, DMA_RESV_USAGE_READ));
	assert_int_equal(dma_resv_wait_timeout(&resv, DMA_RESV_USAGE_READ, true,
					       1), 0);
	dma_resv_set_deadline(&resv, DMA_RESV_USAGE_READ, 1);
	dma_fence_signal(&pending->base);
	assert_true(dma_resv_wait_timeout(&resv, DMA_RESV_USAGE_READ, true,
					  INT64_MAX) > 0);
	assert_int_equal(inject_disarm(), 0);
	finish(pending);
	finish(lazy);
}

static void locking_needs_no_memory(void **state)
{
	struct ww_acquire_ctx ctx;

	(void)state;
	inject_arm(0);
	ww_acquire_init(&ctx, &reservation_ww_class);
	assert_int_equal(dma_resv_lock(&resv, &ctx), 0);
	dma_resv_unlock(&resv);
	ww_acquire_fini(&ctx);
	assert_int_equal(inject_disarm(), 0);
}

static void polling_needs_no_memory(void **state)
{
	struct mock_fence *fence = mock_fence_new();
	struct mock mock;

	(void)state;
	mock_export(&mock, 4096, 0);
	add_to(mock.dmabuf->resv, fence, DMA_RESV_USAGE_WRITE);
	assert_true(dmabuf_event_fd() >= 0);
	inject_arm(0);
	assert_int_equal(dma_buf_poll(mock.dmabuf, POLLIN | POLLOUT), 0);
	dma_fence_signal(&fence->base);
	assert_int_equal(dma_buf_poll(mock.dmabuf, POLLIN | POLLOUT),
			 POLLIN | POLLOUT);
	assert_int_equal(inject_disarm(), 0);
	dma_buf_put(mock.dmabuf);
	dmabuf_dispatch();
	finish(fence);
}

/*
 * Who signals holds the lock of the fence: the last reference that a callback
 * drops is for a thread to end, and without one for the next that comes by.
 */
static void release_without_a_thread_comes_with_dispatch(void **state)
{
	struct mock_fence *fence = mock_fence_new();
	struct mock mock;

	(void)state;
	mock_export(&mock, 4096, 0);
	add_to(mock.dmabuf->resv, fence, DMA_RESV_USAGE_WRITE);
	assert_int_equal(dma_buf_poll(mock.dmabuf, POLLIN), 0);
	dma_buf_put(mock.dmabuf);
	pthread_mutex_lock(&fence->lock);
	inject_arm(1);
	assert_int_equal(dma_fence_signal_locked(&fence->base), 0);
	inject_disarm();
	assert_string_equal(inject_failed(), "pthread_create");
	pthread_mutex_unlock(&fence->lock);
	assert_log(&mock, "");
	dmabuf_dispatch();
	while (dmabuf_live_buffers())
		sched_yield();
	assert_log(&mock, "release");
	finish(fence);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failing_calls_change_nothing),
		FENCED_TEST(adding_needs_no_memory),
		FENCED_TEST(asking_and_waiting_need_no_memory),
		FENCED_TEST(locking_needs_no_memory),
		FENCED_TEST(polling_needs_no_memory),
		FENCED_TEST(release_without_a_thread_comes_with_dispatch),
	};

	return cmocka_run_group_tests_name("dma_resv/failures", tests,
					   leaks_group_setup, NULL) != 0;
}
