/* SPDX-License-Identifier: MIT */
/* dma-fence-unwrap.c - the plain fences in arrays and chains, and merging */
#include <dmabuf/dma-fence-unwrap.h>

#include <stdbool.h>
#include <stdlib.h>
#include <bsd/stdlib.h>

#include <dmabuf/dma-fence-array.h>
#include <dmabuf/dma-fence-chain.h>

/* Walking */

static struct dma_fence *array_begin(struct dma_fence_unwrap *cursor)
{
	cursor->array = dma_fence_chain_contained(cursor->chain);
	cursor->index = 0;
	return dma_fence_array_first(cursor->array);
}

/* The first one from here on: an array may have no members. */
static struct dma_fence *leaf_or_next(struct dma_fence *leaf,
				      struct dma_fence_unwrap *cursor)
{
	while (!leaf && cursor->chain) {
		cursor->chain = dma_fence_chain_walk(cursor->chain);
		leaf = array_begin(cursor);
	}
	return leaf;
}

struct dma_fence *dma_fence_unwrap_first(struct dma_fence *head,
					 struct dma_fence_unwrap *cursor)
{
	cursor->chain = dma_fence_get(head);
	return leaf_or_next(array_begin(cursor), cursor);
}

struct dma_fence *dma_fence_unwrap_next(struct dma_fence_unwrap *cursor)
{
	cursor->index++;
	return leaf_or_next(dma_fence_array_next(cursor->array, cursor->index),
			    cursor);
}

/* Merging */

/* The fences to merge, and what is known of those in them that are done. */
struct merge {
	unsigned int num_fences;
	struct dma_fence **fences;
	int64_t timestamp;		/* the latest, 0 without any */
};

static bool is_pending(struct merge *merge, struct dma_fence *leaf)
{
	int64_t timestamp;

	if (!dma_fence_is_signaled(leaf))
		return true;
	timestamp = dma_fence_timestamp(leaf);
	if (timestamp > merge->timestamp)
		merge->timestamp = timestamp;
	return false;
}

/* References on those that are pending, @room at most; how many there are. */
static unsigned int pending_get(struct merge *merge, struct dma_fence **vector,
				unsigned int room)
{
	struct dma_fence_unwrap cursor;
	struct dma_fence *leaf;
	unsigned int count = 0;
	unsigned int i;

	for (i = 0; i < merge->num_fences; i++) {
		dma_fence_unwrap_for_each(leaf, &cursor, merge->fences[i]) {
			if (!is_pending(merge, leaf))
				continue;
			if (count < room)
				vector[count] = dma_fence_get(leaf);
			count++;
		}
	}
	return count;
}

/* By timeline, and the latest of each first. */
static int leaf_compare(const void *a, const void *b)
{
	struct dma_fence *f1 = *(struct dma_fence *const *)a;
	struct dma_fence *f2 = *(struct dma_fence *const *)b;

	if (f1->context != f2->context)
		return f1->context < f2->context ? -1 : 1;
	return dma_fence_is_later(f2, f1) - dma_fence_is_later(f1, f2);
}

/* Keep the latest of each timeline; how many are left. */
static unsigned int latest_keep(struct dma_fence **vector, unsigned int count)
{
	unsigned int kept = 1;
	unsigned int i;

	qsort(vector, count, sizeof(*vector), leaf_compare);
	for (i = 1; i < count; i++) {
		if (vector[i]->context == vector[kept - 1]->context)
			dma_fence_put(vector[i]);
		else
			vector[kept++] = vector[i];
	}
	return kept;
}

static void vector_put(struct dma_fence **vector, unsigned int count)
{
	while (count--)
		dma_fence_put(vector[count]);
	free(vector);
}

/* Takes the vector and its references. */
static struct dma_fence *vector_merge(struct dma_fence **vector,
				      unsigned int count)
{
	struct dma_fence_array *array;
	struct dma_fence *only;

	count = latest_keep(vector, count);
	if (count == 1) {
		only = vector[0];
		free(vector);
		return only;
	}
	array = dma_fence_array_create((int)count, vector,
				       dma_fence_context_alloc(1), 1, false);
	if (!array) {
		vector_put(vector, count);
		return NULL;
	}
	return &array->base;
}

struct dma_fence *dmabuf_fence_merge(unsigned int num_fences,
				     struct dma_fence **fences)
{
	struct merge merge = { num_fences, fences, 0 };
	struct dma_fence **vector;
	struct dma_fence *only;
	unsigned int count;
	unsigned int room;

	room = pending_get(&merge, &only, 1);
	if (room == 1)
		return only;
	if (room) {
		dma_fence_put(only);
		vector = reallocarray(NULL, room, sizeof(*vector));
		if (!vector)
			return NULL;
		count = pending_get(&merge, vector, room);
		if (count)
			return vector_merge(vector, count);
		free(vector);
	}
	/* None, or they were signalled between the passes. */
	return dma_fence_allocate_private_stub(merge.timestamp);
}
