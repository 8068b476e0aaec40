/* SPDX-License-Identifier: MIT */
/* dma-fence-chain.h - one fence for everything up to a point of a timeline */
#ifndef DMABUF_DMA_FENCE_CHAIN_H
#define DMABUF_DMA_FENCE_CHAIN_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include <dmabuf/dma-fence.h>
#include <dmabuf/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct dma_fence_chain - a node: done when its fence and all older ones are
 */
struct dma_fence_chain {
	/** @base: the fence: driver "dma_fence_chain", timeline "unbound" */
	struct dma_fence base;
	/**
	 * @prev: the next older one, or NULL; @prev_lock. Those that are done
	 * are cut out
	 */
	struct dma_fence *prev;
	/** @prev_seqno: number of @prev at init, 0 without; constant */
	uint64_t prev_seqno;
	/** @fence: what the node stands for; constant */
	struct dma_fence *fence;
	/** @cb: waits for one fence of the chain; the library's */
	struct dma_fence_cb cb;
	/** @work: goes on outside that fence's lock; the library's */
	struct dmabuf_work work;
	/** @lock: of @base */
	pthread_mutex_t lock;
	/** @prev_lock: a leaf */
	pthread_mutex_t prev_lock;
};

/**
 * to_dma_fence_chain() - the node that a fence is
 *
 * Return: NULL for another kind, and for NULL.
 */
static inline struct dma_fence_chain *
to_dma_fence_chain(struct dma_fence *fence)
{
	if (!fence || !dma_fence_is_chain(fence))
		return NULL;
	/* The base comes first. */
	return (struct dma_fence_chain *)(void *)fence;
}

/** dma_fence_chain_contained() - a node's own fence; of others, themselves */
static inline struct dma_fence *
dma_fence_chain_contained(struct dma_fence *fence)
{
	struct dma_fence_chain *chain = to_dma_fence_chain(fence);

	return chain ? chain->fence : fence;
}

/**
 * dma_fence_chain_alloc() - memory for a node
 *
 * Return: to be given to dma_fence_chain_init(), or back to
 * dma_fence_chain_free(); NULL without memory.
 */
DMABUF_API struct dma_fence_chain *dma_fence_chain_alloc(void);

/** dma_fence_chain_free() - a node that was not set up; NULL is nothing */
DMABUF_API void dma_fence_chain_free(struct dma_fence_chain *chain);

/**
 * dma_fence_chain_init() - set up a node
 * @chain: memory, first in its allocation; afterwards given back by
 *	dma_fence_put()
 * @prev: the newest node so far, another fence, or NULL; the caller's reference
 *	becomes the node's
 * @fence: what the node stands for; likewise. A chain warns
 * @seqno: place on the timeline. Not above that of @prev: a new timeline is
 *	begun, at the higher of the two
 *
 * (dma_fence_chain_init(), Linux 6.12)
 */
DMABUF_API void dma_fence_chain_init(struct dma_fence_chain *chain,
				     struct dma_fence *prev,
				     struct dma_fence *fence, uint64_t seqno);

/**
 * dma_fence_chain_walk() - to the next older one that is not done
 * @fence: a node; its reference goes
 *
 * Cuts out those that are.
 *
 * Return: with a reference; NULL at the end.
 */
DMABUF_API struct dma_fence *dma_fence_chain_walk(struct dma_fence *fence);

/**
 * dma_fence_chain_find_seqno() - the node that covers a point
 * @pfence: the newest node; gets the one found, or NULL when all is done up to
 *	there. References go along
 * @seqno: the point; 0 changes nothing
 *
 * Return: 0; -EINVAL when it is no chain, or does not reach that far.
 */
DMABUF_API int dma_fence_chain_find_seqno(struct dma_fence **pfence,
					  uint64_t seqno);

/*
 * Each node from @head, newest first. @iter has a reference, to be given back
 * by those that leave early.
 */
#define dma_fence_chain_for_each(iter, head)     \
	for (iter = dma_fence_get(head); iter;   \
	     iter = dma_fence_chain_walk(iter))

#ifdef __cplusplus
}
#endif

#endif
