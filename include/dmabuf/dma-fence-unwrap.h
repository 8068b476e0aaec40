/* SPDX-License-Identifier: MIT */
/* dma-fence-unwrap.h - the plain fences in arrays and chains, and merging */
#ifndef DMABUF_DMA_FENCE_UNWRAP_H
#define DMABUF_DMA_FENCE_UNWRAP_H

#include <dmabuf/dma-fence.h>
#include <dmabuf/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct dma_fence_unwrap - where a walk through a container is
 * @chain: current node, with a reference; those that leave early put it
 * @array: current array, or plain fence; borrowed
 * @index: in @array
 */
struct dma_fence_unwrap {
	struct dma_fence *chain;
	struct dma_fence *array;
	unsigned int index;
};

/**
 * dma_fence_unwrap_first() - begin
 * @head: fence of any kind, or NULL
 * @cursor: set up
 *
 * Return: the first plain fence, borrowed, or NULL.
 */
DMABUF_API struct dma_fence *
dma_fence_unwrap_first(struct dma_fence *head, struct dma_fence_unwrap *cursor);

/** dma_fence_unwrap_next() - the next one, borrowed; NULL at the end */
DMABUF_API struct dma_fence *
dma_fence_unwrap_next(struct dma_fence_unwrap *cursor);

/* Each plain fence in @head, borrowed; @unwrap points to a cursor. */
#define dma_fence_unwrap_for_each(fence, unwrap, head)             \
	for (fence = dma_fence_unwrap_first(head, unwrap); fence;  \
	     fence = dma_fence_unwrap_next(unwrap))

/**
 * dmabuf_fence_merge() - one fence for several
 * @num_fences: number of @fences
 * @fences: any kinds, borrowed; NULL ones are left out
 *
 * Takes the plain fences in them apart, leaves out what is signalled, and of
 * each timeline keeps the latest.
 *
 * Return: with a reference: the one that is left; an array over several; a
 * signalled one when none is pending; NULL without memory.
 * (dma_fence_unwrap_merge(), Linux 6.12)
 */
DMABUF_API struct dma_fence *dmabuf_fence_merge(unsigned int num_fences,
						struct dma_fence **fences);

#ifdef __cplusplus
}

/* As the macro below. */
extern "C++" {

static inline struct dma_fence *dma_fence_unwrap_merge(struct dma_fence *f1)
{
	return dmabuf_fence_merge(1, &f1);
}

static inline struct dma_fence *dma_fence_unwrap_merge(struct dma_fence *f1,
						       struct dma_fence *f2)
{
	struct dma_fence *fences[] = { f1, f2 };

	return dmabuf_fence_merge(2, fences);
}

static inline struct dma_fence *dma_fence_unwrap_merge(struct dma_fence *f1,
						       struct dma_fence *f2,
						       struct dma_fence *f3)
{
	struct dma_fence *fences[] = { f1, f2, f3 };

	return dmabuf_fence_merge(3, fences);
}

static inline struct dma_fence *dma_fence_unwrap_merge(struct dma_fence *f1,
						       struct dma_fence *f2,
						       struct dma_fence *f3,
						       struct dma_fence *f4)
{
	struct dma_fence *fences[] = { f1, f2, f3, f4 };

	return dmabuf_fence_merge(4, fences);
}

}
#else

/*
 * dma_fence_unwrap_merge(fence, ...) - dmabuf_fence_merge() of the arguments;
 * in C++ of four at most
 */
#define dma_fence_unwrap_merge(...)                                       \
	dmabuf_fence_merge(sizeof((struct dma_fence *[]){ __VA_ARGS__ })  \
				   / sizeof(struct dma_fence *),          \
			   (struct dma_fence *[]){ __VA_ARGS__ })

#endif

#endif
