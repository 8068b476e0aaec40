/* SPDX-License-Identifier: MIT */
/* test-dma-fence-failures.c - fences without memory or threads, and in forks */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "failure-case.h"
#include "inject.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "mock-fence.h"
#include "polling.h"
#include "process.h"

#define NR_FENCES 3
#define NR_FORKS 20

/* Memory */

static struct mock_fence *mocks[NR_FENCES];	/* of the case at hand */
static struct dma_fence *fences[NR_FENCES];
static int threads_at_first;	/* a sanitizer's own are among them */

static void begin_fences(struct scene *s)
{
	(void)s;
	mock_fences_make(mocks, fences, NR_FENCES);
}

/* None is signalled: time runs out, which is 0. */
static int act_wait_any(struct scene *s)
{
	uint32_t idx = 99;
	int ret;

	(void)s;
	ret = (int)dma_fence_wait_any_timeout(fences, NR_FENCES, false, 1,
					      &idx);
	assert_int_equal(idx, 99);
	return ret;
}

static void end_fences(struct scene *s)
{
	(void)s;
	mock_fences_put(fences, NR_FENCES);
}

static int act_stub(struct scene *s)
{
	(void)s;
	fences[0] = dma_fence_allocate_private_stub(1);
	return fences[0] ? 0 : -ENOMEM;
}

static void undo_stub(struct scene *s)
{
	(void)s;
	dma_fence_put(fences[0]);
}

/* INV-F-D7 */
static void what_needs_memory_comes_back_with_the_error(void **state)
{
	static const struct failure_case cases[] = {
		{
			.name = "dma_fence_wait_any_timeout",
			.begin = begin_fences,
			.act = act_wait_any,
			.end = end_fences,
			.calls_min = 1,
			.harmless = "eventfd",
			.reason = "who polls looks again soon",
		}, {
			.name = "dma_fence_allocate_private_stub",
			.act = act_stub,
			.undo = undo_stub,
			.calls_min = 1,
		},
	};

	(void)state;
	play_all(cases, sizeof(cases) / sizeof(cases[0]));
}

/* The life of a fence; the making of the mock is the test's. */
static void fence_lives(struct mock_fence *mock)
{
	struct dma_fence *fence = &mock->base;
	struct count_cb counts[2] = { { .ran = 0 }, { .ran = 0 } };

	dma_fence_init(fence, &mock_fence_ops, &mock->lock,
		       dma_fence_context_alloc(1), 1);
	dma_fence_add_callback(fence, &counts[0].cb, count_cb_run);
	dma_fence_add_callback(fence, &counts[1].cb, count_cb_run);
	dma_fence_remove_callback(fence, &counts[0].cb);
	dma_fence_wait_timeout(fence, true, 1);
	dma_fence_set_deadline(fence, 1);
	dma_fence_set_error(fence, -EIO);
	pthread_mutex_lock(&mock->lock);
	dma_fence_signal_locked(fence);
	pthread_mutex_unlock(&mock->lock);
	dma_fence_wait(fence, true);
	dma_fence_put(dma_fence_get_rcu_safe(&fence));
	dma_fence_put(dma_fence_get_stub());
	dma_fence_put(fence);
}

static void the_rest_needs_none(void **state)
{
	struct mock_fence *first = mock_fence_new();
	struct mock_fence *second = mock_fence_new();

	(void)state;
	/* What a program does once is done. */
	fence_lives(first);
	inject_arm(0);
	fence_lives(second);
	assert_int_equal(inject_disarm(), 0);
	assert_int_equal(mock_fences_live(), 0);
}

/* Eventfds, which are for those that poll */

static void *signal_when_enabled(void *data)
{
	struct dma_fence *fence = data;

	while (!(__atomic_load_n(&fence->flags, __ATOMIC_RELAXED) &
		 1UL << DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT))
		sched_yield();
	dma_fence_signal(fence);
	return NULL;
}

static void waiter_without_an_eventfd_is_told_too(void **state)
{
	pthread_t thread;
	int i;

	(void)state;
	mock_fences_make(mocks, fences, NR_FENCES);
	for (i = 0; i < NR_FENCES; i++) {
		assert_int_equal(pthread_create(&thread, NULL,
						signal_when_enabled,
						fences[i]), 0);
		inject_arm(1);
		assert_int_equal(dma_fence_wait(fences[i], false), 0);
		inject_disarm();
		/* None, when it was signalled before the waiter slept. */
		if (inject_failed())
			assert_string_equal(inject_failed(), "eventfd");
		pthread_join(thread, NULL);
	}
	mock_fences_put(fences, NR_FENCES);
}

/* Threads */

struct put_cb {
	struct dma_fence_cb cb;		/* first */
	struct dma_buf *dmabuf;
};

static void put_buffer(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	(void)fence;
	dma_buf_put(((struct put_cb *)cb)->dmabuf);
}

/*
 * A callback left something to be done, and no thread can be had for it. One that
 * did the work before, and is about to end, would do this too.
 */
static void signal_without_a_thread(struct dma_fence *fence,
				    struct mock *mock)
{
	struct put_cb put = { .dmabuf = mock_export(mock, 4096, 0) };

	while (nr_threads() > threads_at_first)
		sched_yield();
	assert_int_equal(dma_fence_add_callback(fence, &put.cb, put_buffer),
			 0);
	pthread_mutex_lock(fence->lock);
	inject_arm(1);
	assert_int_equal(dma_fence_signal_locked(fence), 0);
	inject_disarm();
	pthread_mutex_unlock(fence->lock);
	assert_string_equal(inject_failed(), "pthread_create");
	assert_log(mock, "");
	assert_int_equal(dmabuf_live_buffers(), 1);
}

static void released(struct mock *mock)
{
	while (dmabuf_live_buffers())
		sched_yield();
	assert_log(mock, "release");
}

static void work_without_a_thread_is_done_by_the_next_callback(void **state)
{
	struct count_cb count = { .ran = 0 };
	struct mock mock;

	(void)state;
	mock_fences_make(mocks, fences, 2);
	signal_without_a_thread(fences[0], &mock);
	assert_int_equal(dma_fence_add_callback(fences[1], &count.cb,
						count_cb_run), 0);
	released(&mock);
	dma_fence_signal(fences[1]);
	mock_fences_put(fences, 2);
}

static void work_without_a_thread_is_done_by_the_next_dispatch(void **state)
{
	struct mock mock;

	(void)state;
	mock_fences_make(mocks, fences, 1);
	signal_without_a_thread(fences[0], &mock);
	assert_true(dmabuf_dispatch() >= 0);
	released(&mock);
	mock_fences_put(fences, 1);
}

static void work_without_a_thread_is_done_by_the_next_wait(void **state)
{
	struct dma_fence *next = plain_fence_new();
	struct mock mock;

	(void)state;
	mock_fences_make(mocks, fences, 2);
	signal_without_a_thread(fences[0], &mock);
	assert_int_equal(dma_fence_wait_timeout(next, false, 1), 0);
	released(&mock);
	signal_without_a_thread(fences[1], &mock);
	assert_int_equal(dma_fence_wait_any_timeout(&next, 1, false, 1, NULL),
			 0);
	released(&mock);
	dma_fence_put(next);
	mock_fences_put(fences, 2);
}

static void work_without_a_thread_is_done_by_the_next_thread(void **state)
{
	struct put_cb put;
	struct mock early, late;

	(void)state;
	mock_fences_make(mocks, fences, 2);
	signal_without_a_thread(fences[0], &early);
	put.dmabuf = mock_export(&late, 4096, 0);
	assert_int_equal(dma_fence_add_callback(fences[1], &put.cb,
						put_buffer), 0);
	pthread_mutex_lock(fences[1]->lock);
	assert_int_equal(dma_fence_signal_locked(fences[1]), 0);
	pthread_mutex_unlock(fences[1]->lock);
	released(&late);
	assert_log(&early, "release");
	mock_fences_put(fences, 2);
}

/*
 * Between the waiter's last look and its sleep there is one thing that a test
 * can make take part: work that found no thread. Here it signals the fence.
 */
static void signal_from_release(struct mock *mock, enum mock_op op,
				struct dma_buf_attachment *attach)
{
	(void)attach;
	if (op == MOCK_OP_RELEASE)
		assert_int_equal(dma_fence_signal(mock->hook_data), 0);
}

static void signal_before_the_sleep_is_not_lost(void **state)
{
	struct mock mock;

	(void)state;
	mock_fences_make(mocks, fences, 2);
	signal_without_a_thread(fences[0], &mock);
	mock.hook = signal_from_release;
	mock.hook_data = fences[1];
	inject_arm(1);
	/* Enabling would do the work: that comes before the last look. */
	assert_true(dma_fence_default_wait(fences[1], false, INT64_MAX) > 0);
	inject_disarm();
	assert_string_equal(inject_failed(), "pthread_create");
	assert_log(&mock, "release");
	mock_fences_put(fences, 2);
}

/* Forks */

/* A reader that finds a dying fence looks until it is replaced. */
struct reader {
	struct dma_fence *pointer;	/* atomic */
	bool looks;			/* atomic */
};

static void *reader_run(void *data)
{
	struct reader *reader = data;

	__atomic_store_n(&reader->looks, true, __ATOMIC_RELEASE);
	return dma_fence_get_rcu_safe(&reader->pointer);
}

static int child_frees_a_fence(int sock, void *data)
{
	struct mock_fence *mock = data;

	(void)sock;
	alarm(20);
	PEER_CHECK(!dma_fence_signal(&mock->base));
	dma_fence_put(&mock->base);
	PEER_CHECK(mock_fences_live() == 0);
	return 0;
}

static void keep(struct dma_fence *fence)
{
	(void)fence;
}

/* The readers of the parent are not in the child. */
static void child_of_a_busy_parent_frees_fences(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence_ops ops = mock_fence_ops;
	struct mock_fence dying = { .done = false };
	struct reader reader = { .pointer = &dying.base };
	struct peer peer;
	pthread_t thread;
	void *found;
	int i;

	(void)state;
	ops.release = keep;
	dma_fence_init(&dying.base, &ops, &mock->lock, 1, 1);
	dma_fence_put(&dying.base);
	assert_int_equal(pthread_create(&thread, NULL, reader_run, &reader),
			 0);
	while (!__atomic_load_n(&reader.looks, __ATOMIC_ACQUIRE))
		sched_yield();
	for (i = 0; i < NR_FORKS; i++) {
		peer_start(&peer, child_frees_a_fence, mock);
		peer_join(&peer);
	}
	__atomic_store_n(&reader.pointer, NULL, __ATOMIC_SEQ_CST);
	pthread_join(thread, &found);
	assert_null(found);
	dma_fence_put(&mock->base);
}

/* The waiters of the parent are not there either. */
static void child_signals_its_copy_of_a_fence(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct count_cb count = { .ran = 0 };
	struct peer peer;

	(void)state;
	assert_int_equal(dma_fence_add_callback(&mock->base, &count.cb,
						count_cb_run), 0);
	peer_start(&peer, child_frees_a_fence, mock);
	peer_join(&peer);
	assert_int_equal(dma_fence_get_status(&mock->base), 0);
	assert_int_equal(count.ran, 0);
	dma_fence_signal(&mock->base);
	assert_int_equal(count.ran, 1);
	dma_fence_put(&mock->base);
}

static void *nothing(void *data)
{
	return data;
}

/*
 * A sanitizer may have a thread of its own from the first one on. That one may
 * not be quite gone when it was joined.
 */
static int threads_settled(void)
{
	int least, now, tries;
	pthread_t thread;

	if (!pthread_create(&thread, NULL, nothing, NULL))
		pthread_join(thread, NULL);
	least = nr_threads();
	for (tries = 0; tries < 1000; tries++) {
		now = nr_threads();
		least = now < least ? now : least;
		sched_yield();
	}
	return least;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_needs_memory_comes_back_with_the_error),
		LEAK_TEST(the_rest_needs_none),
		LEAK_TEST(work_without_a_thread_is_done_by_the_next_callback),
		LEAK_TEST(work_without_a_thread_is_done_by_the_next_dispatch),
		LEAK_TEST(work_without_a_thread_is_done_by_the_next_wait),
		LEAK_TEST(work_without_a_thread_is_done_by_the_next_thread),
		LEAK_TEST(signal_before_the_sleep_is_not_lost),
		LEAK_TEST(child_of_a_busy_parent_frees_fences),
		LEAK_TEST(child_signals_its_copy_of_a_fence),
	};
	const struct CMUnitTest polling_tests[] = {
		cmocka_unit_test(what_needs_memory_comes_back_with_the_error),
		LEAK_TEST(waiter_without_an_eventfd_is_told_too),
	};
	int bad = 0;

	threads_at_first = threads_settled();
	bad |= cmocka_run_group_tests_name("dma_fence/failures", tests,
					   leaks_group_setup, NULL);
	bad |= cmocka_run_group_tests_name("dma_fence/failures, polling",
					   polling_tests, polling_setup,
					   polling_teardown);
	return bad != 0;
}
