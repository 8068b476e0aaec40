/* SPDX-License-Identifier: MIT */
/* mock-fence.c - fences that count what is asked of them */
#include "mock-fence.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define WAIT_S 10

struct plain_fence {
	struct dma_fence base;		/* first: what free(3) is given */
	pthread_mutex_t lock;
};

static unsigned int nr_live;		/* atomic */
static unsigned int nr_ran;		/* atomic */

static struct mock_fence *to_mock(struct dma_fence *fence)
{
	return (struct mock_fence *)fence;
}

static const char *mock_driver_name(struct dma_fence *fence)
{
	(void)fence;
	return "mock";
}

static const char *mock_timeline_name(struct dma_fence *fence)
{
	(void)fence;
	return "line";
}

static bool mock_enable_signaling(struct dma_fence *fence)
{
	struct mock_fence *mock = to_mock(fence);

	__atomic_fetch_add(&mock->nr_enable, 1, __ATOMIC_RELAXED);
	if (!mock->refuse_enable)
		return true;
	if (mock->error_on_enable)
		dma_fence_set_error(fence, mock->error_on_enable);
	return false;
}

static bool mock_signaled(struct dma_fence *fence)
{
	struct mock_fence *mock = to_mock(fence);

	__atomic_fetch_add(&mock->nr_signaled, 1, __ATOMIC_RELAXED);
	return __atomic_load_n(&mock->done, __ATOMIC_ACQUIRE);
}

static void mock_release(struct dma_fence *fence)
{
	struct mock_fence *mock = to_mock(fence);

	if (fence->lock == &mock->lock)
		pthread_mutex_destroy(&mock->lock);
	__atomic_fetch_sub(&nr_live, 1, __ATOMIC_RELAXED);
	dma_fence_free(fence);
}

static void mock_fence_value_str(struct dma_fence *fence, char *str, int size)
{
	snprintf(str, (size_t)size, "no. %llu",
		 (unsigned long long)fence->seqno);
}

static void mock_timeline_value_str(struct dma_fence *fence, char *str,
				    int size)
{
	snprintf(str, (size_t)size, "before no. %llu",
		 (unsigned long long)fence->seqno);
}

static void mock_set_deadline(struct dma_fence *fence, int64_t deadline)
{
	struct mock_fence *mock = to_mock(fence);

	__atomic_store_n(&mock->deadline, deadline, __ATOMIC_RELAXED);
	__atomic_fetch_add(&mock->nr_deadline, 1, __ATOMIC_RELEASE);
}

const struct dma_fence_ops mock_fence_ops = {
	.get_driver_name = mock_driver_name,
	.get_timeline_name = mock_timeline_name,
	.enable_signaling = mock_enable_signaling,
	.signaled = mock_signaled,
	.release = mock_release,
	.fence_value_str = mock_fence_value_str,
	.timeline_value_str = mock_timeline_value_str,
	.set_deadline = mock_set_deadline,
};

static const struct dma_fence_ops plain_fence_ops = {
	.get_driver_name = mock_driver_name,
	.get_timeline_name = mock_timeline_name,
};

static struct mock_fence *mock_alloc(void)
{
	struct mock_fence *mock = calloc(1, sizeof(*mock));

	assert_non_null(mock);
	__atomic_fetch_add(&nr_live, 1, __ATOMIC_RELAXED);
	return mock;
}

struct mock_fence *mock_fence_new(void)
{
	struct mock_fence *mock = mock_alloc();

	pthread_mutex_init(&mock->lock, NULL);
	dma_fence_init(&mock->base, &mock_fence_ops, &mock->lock,
		       dma_fence_context_alloc(1), 1);
	return mock;
}

struct mock_fence *mock_fence_at(pthread_mutex_t *lock, uint64_t context,
				 uint64_t seqno)
{
	struct mock_fence *mock = mock_alloc();

	dma_fence_init(&mock->base, &mock_fence_ops, lock, context, seqno);
	return mock;
}

void mock_fences_make(struct mock_fence **mocks, struct dma_fence **fences,
		      unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		mocks[i] = mock_fence_new();
		fences[i] = &mocks[i]->base;
	}
}

void mock_fences_put(struct dma_fence **fences, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		assert_ptr_equal(fences[i]->cb_list.next, &fences[i]->cb_list);
		dma_fence_put(fences[i]);
	}
}

struct dma_fence *plain_fence_new(void)
{
	struct plain_fence *plain = calloc(1, sizeof(*plain));

	assert_non_null(plain);
	pthread_mutex_init(&plain->lock, NULL);
	dma_fence_init(&plain->base, &plain_fence_ops, &plain->lock,
		       dma_fence_context_alloc(1), 1);
	return &plain->base;
}

unsigned int mock_fences_live(void)
{
	return __atomic_load_n(&nr_live, __ATOMIC_RELAXED);
}

/* Threads of the library may have the last reference for a moment. */
bool mock_fences_wait(unsigned int nr)
{
	struct timespec now;
	time_t end = 0;

	while (mock_fences_live() > nr) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (!end)
			end = now.tv_sec + WAIT_S;
		if (now.tv_sec > end)
			return false;
		sched_yield();
	}
	return true;
}

void count_cb_run(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct count_cb *count = (struct count_cb *)cb;

	(void)fence;
	count->place = 1 + __atomic_fetch_add(&nr_ran, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&count->ran, 1, __ATOMIC_RELEASE);
}
