/* SPDX-License-Identifier: MIT */
/* fenced.c - a reservation, and fences to put on it */
#include "fenced.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "leaks.h"

struct dma_resv resv;
struct timeline line;

const enum dma_resv_usage usages[NR_USAGES] = {
	DMA_RESV_USAGE_KERNEL,
	DMA_RESV_USAGE_WRITE,
	DMA_RESV_USAGE_READ,
	DMA_RESV_USAGE_BOOKKEEP,
};

enum dma_resv_usage usage_of(void **state)
{
	return *(const enum dma_resv_usage *)*state;
}

int fenced_begin(void **state)
{
	dma_resv_init(&resv);
	timeline_init(&line);
	return leaks_setup(state);
}

int fenced_end(void **state)
{
	dma_resv_fini(&resv);
	timeline_fini(&line);
	return leaks_teardown(state);
}

void timeline_init(struct timeline *timeline)
{
	pthread_mutex_init(&timeline->lock, NULL);
	timeline->context = dma_fence_context_alloc(1);
	timeline->seqno = 0;
}

struct mock_fence *timeline_next(struct timeline *timeline)
{
	return mock_fence_at(&timeline->lock, timeline->context,
			     ++timeline->seqno);
}

void timeline_fini(struct timeline *timeline)
{
	pthread_mutex_destroy(&timeline->lock);
}

void add_to(struct dma_resv *obj, struct mock_fence *fence,
	    enum dma_resv_usage usage)
{
	dma_resv_lock(obj, NULL);
	if (dma_resv_reserve_fences(obj, 1))
		abort();
	dma_resv_add_fence(obj, &fence->base, usage);
	dma_resv_unlock(obj);
}

struct mock_fence *added(enum dma_resv_usage usage)
{
	struct mock_fence *fence = mock_fence_new();

	add_to(&resv, fence, usage);
	return fence;
}

void finish(struct mock_fence *fence)
{
	dma_fence_signal(&fence->base);
	dma_fence_put(&fence->base);
}

void finish_all(struct mock_fence *const *fences, unsigned int nr)
{
	while (nr)
		finish(fences[--nr]);
}

void resv_renew(void)
{
	dma_resv_fini(&resv);
	dma_resv_init(&resv);
}

bool fence_is_marked(const struct dma_fence *fence)
{
	return __atomic_load_n(&fence->flags, __ATOMIC_ACQUIRE) &
	       1ul << DMA_FENCE_FLAG_SIGNALED_BIT;
}

unsigned int fence_refs(const struct mock_fence *fence)
{
	return __atomic_load_n(&fence->base.refcount, __ATOMIC_RELAXED);
}

unsigned int dice(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

unsigned int on_resv_held(struct dma_resv *obj, struct on on[NR_ON_MAX])
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	unsigned int nr = 0;

	dma_resv_for_each_fence(&cursor, obj, DMA_RESV_USAGE_BOOKKEEP, fence) {
		if (nr == NR_ON_MAX)
			abort();
		on[nr].fence = fence;
		on[nr++].usage = dma_resv_iter_usage(&cursor);
	}
	return nr;
}

unsigned int on_resv(struct dma_resv *obj, struct on on[NR_ON_MAX])
{
	unsigned int nr;

	dma_resv_lock(obj, NULL);
	nr = on_resv_held(obj, on);
	dma_resv_unlock(obj);
	return nr;
}

void on_resv_check(const struct on *expected, unsigned int nr,
		   const char *file, int at)
{
	struct on on[NR_ON_MAX];
	unsigned int i;

	_assert_int_equal(on_resv(&resv, on), nr, file, at);
	for (i = 0; i < nr; i++) {
		_assert_int_equal((uintptr_t)on[i].fence,
				  (uintptr_t)expected[i].fence, file, at);
		_assert_int_equal(on[i].usage, expected[i].usage, file, at);
	}
}
