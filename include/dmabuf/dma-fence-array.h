/* SPDX-License-Identifier: MIT */
/* dma-fence-array.h - one fence for all, or for any, of several */
#ifndef DMABUF_DMA_FENCE_ARRAY_H
#define DMABUF_DMA_FENCE_ARRAY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dmabuf/dma-fence.h>
#include <dmabuf/export.h>

#ifdef __cplusplus
extern "C" {
#endif

struct dma_fence_array;

/* What waits for a member; the library's. */
struct dma_fence_array_cb {
	struct dma_fence_cb cb;
	struct dma_fence_array *array;
};

/**
 * struct dma_fence_array - several fences as one
 *
 * Constant after init, except what is the library's.
 */
struct dma_fence_array {
	/** @base: the fence: driver "dma_fence_array", timeline "unbound" */
	struct dma_fence base;
	/** @lock: of @base */
	pthread_mutex_t lock;
	/** @num_fences: members */
	unsigned int num_fences;
	/** @num_pending: members still to come, below 1 when none; atomic */
	int num_pending;
	/** @fences: the members; the array has a reference on each */
	struct dma_fence **fences;
	/** @work: signals @base outside the members' locks; the library's */
	struct dmabuf_work work;
	/** @callbacks: one for each member; the library's */
	struct dma_fence_array_cb *callbacks;
};

/**
 * to_dma_fence_array() - the array that a fence is
 *
 * Return: NULL for another kind, and for NULL.
 */
static inline struct dma_fence_array *
to_dma_fence_array(struct dma_fence *fence)
{
	if (!fence || !dma_fence_is_array(fence))
		return NULL;
	/* The base comes first. */
	return (struct dma_fence_array *)(void *)fence;
}

/**
 * dma_fence_array_alloc() - memory for an array
 * @num_fences: members it will have
 *
 * Return: to be given to dma_fence_array_init(), or to free(3); NULL without
 * memory.
 */
DMABUF_API struct dma_fence_array *dma_fence_array_alloc(int num_fences);

/**
 * dma_fence_array_init() - set up an array
 * @array: from dma_fence_array_alloc() for @num_fences
 * @num_fences: members, at least 1: otherwise it warns
 * @fences: the members, in memory of malloc(3); it and a reference on each
 *	become the array's. One that is an array or a chain itself warns
 * @context: timeline
 * @seqno: place on it
 * @signal_on_any: done with the first member, in place of with all
 *
 * The array has the error of the first member that fails.
 *
 * Differs from the kernel: also when nobody waited for it.
 * (dma_fence_array_init(), Linux 6.12)
 */
DMABUF_API void dma_fence_array_init(struct dma_fence_array *array,
				     int num_fences, struct dma_fence **fences,
				     uint64_t context, unsigned int seqno,
				     bool signal_on_any);

/**
 * dma_fence_array_create() - both in one
 *
 * Return: the array with one reference; NULL without memory, and, with a
 * warning, without members. Then @fences stays the caller's.
 */
DMABUF_API struct dma_fence_array *
dma_fence_array_create(int num_fences, struct dma_fence **fences,
		       uint64_t context, unsigned int seqno,
		       bool signal_on_any);

/**
 * dma_fence_match_context() - is all of it of one timeline?
 * @fence: fence; of an array, the members are looked at
 * @context: timeline
 */
DMABUF_API bool dma_fence_match_context(struct dma_fence *fence,
					uint64_t context);

/**
 * dma_fence_array_first() - the first member, or what is no array itself
 *
 * Return: borrowed; NULL for NULL, and for an array without members.
 */
DMABUF_API struct dma_fence *dma_fence_array_first(struct dma_fence *head);

/**
 * dma_fence_array_next() - member @index
 *
 * Return: borrowed; NULL past the end, and for what is no array.
 */
DMABUF_API struct dma_fence *dma_fence_array_next(struct dma_fence *head,
						  unsigned int index);

/* Each member of @head, or @head itself when it is no array; borrowed. */
#define dma_fence_array_for_each(fence, index, head)                    \
	for (index = 0, fence = dma_fence_array_first(head); fence;     \
	     ++(index), fence = dma_fence_array_next(head, index))

#ifdef __cplusplus
}
#endif

#endif
