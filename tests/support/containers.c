/* SPDX-License-Identifier: MIT */
/* containers.c - arrays and chains to test with, and where they signal */
#include "containers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct dma_fence *array_over(struct mock_fence *const *members, unsigned int nr,
			     bool any)
{
	struct dma_fence **vector = calloc(nr, sizeof(*vector));
	struct dma_fence_array *array;
	unsigned int i;

	assert_non_null(vector);
	for (i = 0; i < nr; i++)
		vector[i] = dma_fence_get(&members[i]->base);
	array = dma_fence_array_create(nr, vector, dma_fence_context_alloc(1),
				       1, any);
	assert_non_null(array);
	return &array->base;
}

void group_begin(struct group *group, bool any)
{
	unsigned int i;

	for (i = 0; i < GROUP_NR; i++)
		group->members[i] = mock_fence_new();
	group->array = array_over(group->members, GROUP_NR, any);
}

void group_end(struct group *group)
{
	unsigned int i;

	dma_fence_put(group->array);
	for (i = 0; i < GROUP_NR; i++) {
		dma_fence_signal(&group->members[i]->base);
		dma_fence_put(&group->members[i]->base);
	}
}

struct dma_fence *node_over(struct dma_fence *prev, struct dma_fence *fence,
			    uint64_t seqno)
{
	struct dma_fence_chain *chain = dma_fence_chain_alloc();

	assert_non_null(chain);
	dma_fence_chain_init(chain, prev, dma_fence_get(fence), seqno);
	return &chain->base;
}

void chained_init(struct chained *chained, unsigned int nr, unsigned int step)
{
	struct dma_fence *prev = NULL;
	unsigned int i;

	chained->nr = nr;
	chained->fences = calloc(nr, sizeof(*chained->fences));
	chained->nodes = calloc(nr, sizeof(*chained->nodes));
	assert_non_null(chained->fences);
	assert_non_null(chained->nodes);
	for (i = 0; i < nr; i++) {
		chained->fences[i] = mock_fence_new();
		chained->nodes[i] = node_over(dma_fence_get(prev),
					      &chained->fences[i]->base,
					      (uint64_t)(i + 1) * step);
		prev = chained->nodes[i];
	}
}

void chained_enable(struct chained *chained)
{
	unsigned int i;

	for (i = 0; i < chained->nr; i++)
		dma_fence_enable_sw_signaling(chained->nodes[i]);
}

void chained_fini(struct chained *chained)
{
	unsigned int i;

	for (i = 0; i < chained->nr; i++) {
		dma_fence_signal(&chained->fences[i]->base);
		dma_fence_put(&chained->fences[i]->base);
		dma_fence_put(chained->nodes[i]);
	}
	free(chained->fences);
	free(chained->nodes);
}

bool is_marked(const struct dma_fence *fence)
{
	return __atomic_load_n(&fence->flags, __ATOMIC_ACQUIRE) &
	       (1ul << DMA_FENCE_FLAG_SIGNALED_BIT);
}

unsigned int refs_of(const struct dma_fence *fence)
{
	return __atomic_load_n(&fence->refcount, __ATOMIC_RELAXED);
}

void finish_with(struct mock_fence *fence, int error)
{
	if (error)
		dma_fence_set_error(&fence->base, error);
	assert_int_equal(dma_fence_signal(&fence->base), 0);
}

static void probe_run(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct probe *probe = (struct probe *)cb;
	int ret;

	(void)fence;
	/* Another thread gets it as soon as this one's owner is ready. */
	if (pthread_equal(pthread_self(), probe->adder))
		ret = pthread_mutex_trylock(probe->lock);
	else
		ret = pthread_mutex_lock(probe->lock);
	probe->got_it = !ret;
	if (!ret)
		pthread_mutex_unlock(probe->lock);
	__atomic_store_n(&probe->ran, true, __ATOMIC_RELEASE);
}

void probe_add(struct probe *probe, struct dma_fence *fence,
	       pthread_mutex_t *lock)
{
	*probe = (struct probe){ .lock = lock, .adder = pthread_self() };
	assert_int_equal(dma_fence_add_callback(fence, &probe->cb, probe_run),
			 0);
}

void probe_check(struct probe *probe, struct dma_fence *fence)
{
	assert_true(is_marked(fence));
	/* Callbacks may be running yet. */
	pthread_mutex_lock(fence->lock);
	pthread_mutex_unlock(fence->lock);
	assert_true(__atomic_load_n(&probe->ran, __ATOMIC_ACQUIRE));
	assert_true(probe->got_it);
}
