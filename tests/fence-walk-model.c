/* SPDX-License-Identifier: MIT */
/* fence-walk-model.c - what the model of a fence walk says, and comparing */
#include "fence-walk-model.h"

#include <poll.h>

/* Answers */

bool is_marked(const struct model_fence *fence)
{
	return fence_is_marked(&fence->mock->base);
}

/* What its op says counts, also while nobody has asked it. */
bool is_pending(const struct model_fence *fence)
{
	return !is_marked(fence) && !fence->mock->done;
}

static bool is_enabled(const struct model_fence *fence)
{
	return fence->mock->base.flags &
	       1ul << DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT;
}

bool ends_when_asked(const struct model_fence *fence)
{
	return fence->mock->refuse_enable && !is_enabled(fence);
}

unsigned int refs_of(const struct fence_walk *walk,
		     const struct model_fence *fence)
{
	unsigned int refs = fence->own;
	unsigned int i, k;

	for (i = 0; i < NR_RESVS; i++)
		for (k = 0; k < walk->resvs[i].nr; k++)
			refs += walk->resvs[i].entries[k].fence == fence;
	for (i = 0; i < walk->nr_members; i++)
		refs += walk->members[i] == fence;
	refs += walk->cursor.at == fence;
	refs += walk->armed_in == fence;
	refs += walk->armed_out == fence;
	return refs;
}

struct model_fence *fence_found(struct fence_walk *walk,
				const struct dma_fence *fence)
{
	unsigned int i;

	for (i = 0; i < NR_FENCES; i++)
		if (walk->fences[i].mock &&
		    &walk->fences[i].mock->base == fence)
			return &walk->fences[i];
	return NULL;
}

unsigned int pending_of(const struct model_resv *res,
			enum dma_resv_usage usage,
			struct entry pending[NR_ENTRIES])
{
	unsigned int i, nr = 0;

	for (i = 0; i < res->nr; i++)
		if (res->entries[i].usage <= usage &&
		    is_pending(res->entries[i].fence))
			pending[nr++] = res->entries[i];
	return nr;
}

/* Sequence numbers go round at 2^32. */
static bool is_later_or_same(const struct mock_fence *fence,
			     const struct mock_fence *than)
{
	uint32_t ahead = (uint32_t)fence->base.seqno -
			 (uint32_t)than->base.seqno;

	return ahead < UINT32_C(1) << 31;
}

struct entry *place_for(struct model_resv *res, struct mock_fence *fence,
			enum dma_resv_usage usage)
{
	struct entry *entry;
	unsigned int i;

	for (i = 0; i < res->nr; i++) {
		entry = &res->entries[i];
		if (!is_pending(entry->fence))
			return entry;
		if (entry->fence->mock->base.context == fence->base.context &&
		    entry->usage >= usage &&
		    is_later_or_same(fence, entry->fence->mock))
			return entry;
	}
	return NULL;
}

unsigned int entries_read(struct fence_walk *walk, struct model_resv *res,
			  struct entry entries[NR_ENTRIES])
{
	struct on on[NR_ON_MAX];
	unsigned int i, nr;

	/* Trying has no order among the locks. */
	if (!res->held)
		HOLDS(walk, dma_resv_trylock(&res->obj));
	nr = on_resv_held(&res->obj, on);
	if (!res->held)
		dma_resv_unlock(&res->obj);
	HOLDS(walk, nr <= NR_ENTRIES);
	for (i = 0; i < nr && i < NR_ENTRIES; i++) {
		entries[i].fence = fence_found(walk, on[i].fence);
		entries[i].usage = on[i].usage;
		HOLDS(walk, entries[i].fence);
	}
	return i;
}

/* Settling */

/* The fence may be gone with the callback's reference. */
static void armed_settle(struct fence_walk *walk, struct model_fence **armed,
			 short active)
{
	if (!*armed || active)
		return;
	*armed = NULL;
	walk->result->polls++;
}

void walk_settle(struct fence_walk *walk)
{
	const struct dma_buf *dmabuf = walk->mock.dmabuf;
	unsigned int i;

	armed_settle(walk, &walk->armed_in, dmabuf->cb_in.active);
	armed_settle(walk, &walk->armed_out, dmabuf->cb_out.active);
	for (i = 0; i < NR_FENCES; i++)
		if (walk->fences[i].mock && !refs_of(walk, &walk->fences[i]))
			walk->fences[i] = (struct model_fence){ 0 };
}

/* Comparing */

static void resv_check(struct fence_walk *walk, struct model_resv *res)
{
	struct entry entries[NR_ENTRIES], pending[NR_ENTRIES];
	unsigned int i, nr = entries_read(walk, res, entries);

	HOLDS(walk, nr == res->nr);
	for (i = 0; i < nr && i < res->nr; i++) {
		HOLDS(walk, entries[i].fence == res->entries[i].fence);
		HOLDS(walk, entries[i].usage == res->entries[i].usage);
	}
	HOLDS(walk, dma_resv_held(&res->obj) == res->held);
	HOLDS(walk, dma_resv_locking_ctx(&res->obj) ==
		    (res->with_ctx ? &walk->ctx : NULL));
	for (i = 0; i < NR_USAGES; i++)
		HOLDS(walk, dma_resv_test_signaled(&res->obj, usages[i]) ==
			    !pending_of(res, usages[i], pending));
}

static void fence_check(struct fence_walk *walk,
			const struct model_fence *fence)
{
	const struct mock_fence *mock = fence->mock;

	HOLDS(walk, fence_refs(mock) == refs_of(walk, fence));
	HOLDS(walk, mock->nr_enable <= 1);
	HOLDS(walk, mock->nr_deadline == fence->nr_deadline);
	HOLDS(walk, !fence->signalled || is_marked(fence));
	HOLDS(walk, !is_marked(fence) || fence->signalled || mock->done ||
		    (mock->refuse_enable && is_enabled(fence)));
	HOLDS(walk, mock->base.error == fence->error);
}

static void buffer_check(struct fence_walk *walk)
{
	const struct dma_buf *dmabuf = walk->mock.dmabuf;

	HOLDS(walk, dmabuf_refcount(dmabuf) ==
		    1u + !!walk->armed_in + !!walk->armed_out);
	HOLDS(walk, dmabuf->cb_in.active == (walk->armed_in ? POLLIN : 0));
	HOLDS(walk, dmabuf->cb_out.active == (walk->armed_out ? POLLOUT : 0));
	HOLDS(walk, !walk->armed_in || !is_marked(walk->armed_in));
	HOLDS(walk, !walk->armed_out || !is_marked(walk->armed_out));
	HOLDS(walk, !mock_calls(&walk->mock, MOCK_OP_RELEASE));
}

bool walk_check(struct fence_walk *walk)
{
	unsigned int i, nr = 0, held = 0;

	/* These ask fences, and so may mark some. */
	for (i = 0; i < NR_RESVS; i++) {
		resv_check(walk, &walk->resvs[i]);
		held += walk->resvs[i].with_ctx;
	}
	walk_settle(walk);
	for (i = 0; i < NR_FENCES; i++) {
		if (!walk->fences[i].mock)
			continue;
		fence_check(walk, &walk->fences[i]);
		nr++;
	}
	buffer_check(walk);
	HOLDS(walk, walk->ctx.acquired == held);
	HOLDS(walk, mock_fences_live() == walk->live + nr);
	HOLDS(walk, dmabuf_warn_count() == walk->warnings);
	return !walk->result->fault[0];
}
