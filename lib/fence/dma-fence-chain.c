/* SPDX-License-Identifier: MIT */
/*
 * dma-fence-chain.c - one fence for everything up to a point of a timeline
 *
 * A node owns a reference on its fence and one on the next older node. Who
 * walks cuts out the older nodes whose fences are done, so a chain that is used
 * does not grow.
 *
 * A node that is waited for has one callback, on something in the chain that is
 * not done, and a reference on itself with it. When that is done, the node
 * looks for the next, outside the other's lock, until there is none.
 *
 * Nothing here recurses, however long the chain is.
 *
 * prev_lock guards prev. It is a leaf: no reference is dropped under it.
 */
#include <dmabuf/dma-fence-chain.h>

#include <errno.h>
#include <stdlib.h>

#include "base/report.h"
#include "base/util.h"
#include "fence/fence.h"

/* Walking */

static struct dma_fence *prev_get(struct dma_fence_chain *chain)
{
	struct dma_fence *prev;

	pthread_mutex_lock(&chain->prev_lock);
	prev = dma_fence_get(chain->prev);
	pthread_mutex_unlock(&chain->prev_lock);
	return prev;
}

/* Takes the reference on @older. Another thread may have done it before. */
static void prev_cut(struct dma_fence_chain *chain, struct dma_fence *prev,
		     struct dma_fence *older)
{
	bool is_linked;

	pthread_mutex_lock(&chain->prev_lock);
	is_linked = chain->prev == prev;
	if (is_linked)
		chain->prev = older;
	pthread_mutex_unlock(&chain->prev_lock);
	dma_fence_put(is_linked ? prev : older);
}

struct dma_fence *dma_fence_chain_walk(struct dma_fence *fence)
{
	struct dma_fence_chain *chain = to_dma_fence_chain(fence);
	struct dma_fence_chain *prev_chain;
	struct dma_fence *prev = NULL;

	while (chain && (prev = prev_get(chain))) {
		if (!dma_fence_is_signaled(dma_fence_chain_contained(prev)))
			break;
		prev_chain = to_dma_fence_chain(prev);
		prev_cut(chain, prev,
			 prev_chain ? prev_get(prev_chain) : NULL);
		dma_fence_put(prev);
	}
	dma_fence_put(fence);
	return prev;
}

int dma_fence_chain_find_seqno(struct dma_fence **pfence, uint64_t seqno)
{
	struct dma_fence *head = *pfence;
	struct dma_fence_chain *chain;
	struct dma_fence *iter;

	if (!seqno)
		return 0;
	if (!to_dma_fence_chain(head) || head->seqno < seqno)
		return -EINVAL;
	dma_fence_chain_for_each(iter, head) {
		chain = to_dma_fence_chain(iter);
		/* What is older than a gap, or than the timeline, covers it. */
		if (!chain || iter->context != head->context ||
		    chain->prev_seqno < seqno)
			break;
	}
	*pfence = iter;
	dma_fence_put(head);
	return 0;
}

/* Being signalled */

static bool is_enabled(const struct dma_fence *fence)
{
	return __atomic_load_n(&fence->flags, __ATOMIC_ACQUIRE) &
	       (1ul << DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT);
}

static void awaited_signaled(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	(void)fence;
	fence_defer(&container_of(cb, struct dma_fence_chain, cb)->work);
}

/* False: what @iter stands for is done. */
static bool await(struct dma_fence_chain *chain, struct dma_fence *iter)
{
	/*
	 * An older node that is waited for tells when all up to it is done, and
	 * saves the steps in between: with every node waited for, and fences
	 * that end newest first, these are the square of the length.
	 */
	if (iter != &chain->base && dma_fence_is_chain(iter) &&
	    is_enabled(iter) &&
	    !dma_fence_add_callback(iter, &chain->cb, awaited_signaled))
		return true;
	return !dma_fence_add_callback(dma_fence_chain_contained(iter),
				       &chain->cb, awaited_signaled);
}

/* True: the callback waits, with a reference. False: all is done. */
static bool await_next(struct dma_fence_chain *chain)
{
	struct dma_fence *iter;

	dma_fence_get(&chain->base);
	dma_fence_chain_for_each(iter, &chain->base) {
		if (!await(chain, iter))
			continue;
		dma_fence_put(iter);
		return true;
	}
	dma_fence_put(&chain->base);
	return false;
}

static void chain_continue(struct dmabuf_work *work)
{
	struct dma_fence_chain *chain =
		container_of(work, struct dma_fence_chain, work);

	if (!await_next(chain))
		dma_fence_signal(&chain->base);
	dma_fence_put(&chain->base);
}

/* Ops */

static const char *chain_driver_name(struct dma_fence *fence)
{
	(void)fence;
	return "dma_fence_chain";
}

static const char *chain_timeline_name(struct dma_fence *fence)
{
	(void)fence;
	return "unbound";
}

static bool chain_enable_signaling(struct dma_fence *fence)
{
	return await_next(to_dma_fence_chain(fence));
}

static bool chain_signaled(struct dma_fence *fence)
{
	struct dma_fence *iter;

	dma_fence_chain_for_each(iter, fence) {
		if (dma_fence_is_signaled(dma_fence_chain_contained(iter)))
			continue;
		dma_fence_put(iter);
		return false;
	}
	return true;
}

static void chain_set_deadline(struct dma_fence *fence, int64_t deadline)
{
	struct dma_fence *iter;

	dma_fence_chain_for_each(iter, fence)
		dma_fence_set_deadline(dma_fence_chain_contained(iter),
				       deadline);
}

/* Drop a reference; the node that was to be freed, if it is one, is not yet. */
static struct dma_fence_chain *node_put(struct dma_fence *fence)
{
	struct dma_fence_chain *chain = to_dma_fence_chain(fence);

	if (!chain) {
		dma_fence_put(fence);
		return NULL;
	}
	if (!fence_put_last(fence))
		return NULL;
	fence_end(fence);
	return chain;
}

static void chain_release(struct dma_fence *fence)
{
	struct dma_fence_chain *chain = to_dma_fence_chain(fence);
	struct dma_fence_chain *older;

	for (; chain; chain = older) {
		older = node_put(chain->prev);
		dma_fence_put(chain->fence);
		pthread_mutex_destroy(&chain->lock);
		pthread_mutex_destroy(&chain->prev_lock);
		dma_fence_free(&chain->base);
	}
}

const struct dma_fence_ops dma_fence_chain_ops = {
	.use_64bit_seqno = true,
	.get_driver_name = chain_driver_name,
	.get_timeline_name = chain_timeline_name,
	.enable_signaling = chain_enable_signaling,
	.signaled = chain_signaled,
	.release = chain_release,
	.set_deadline = chain_set_deadline,
};

/* Making one */

struct dma_fence_chain *dma_fence_chain_alloc(void)
{
	return malloc(sizeof(struct dma_fence_chain));
}

void dma_fence_chain_free(struct dma_fence_chain *chain)
{
	free(chain);
}

void dma_fence_chain_init(struct dma_fence_chain *chain, struct dma_fence *prev,
			  struct dma_fence *fence, uint64_t seqno)
{
	bool follows = to_dma_fence_chain(prev) && seqno > prev->seqno;
	uint64_t context;

	if (to_dma_fence_chain(fence))
		report_warn(__func__, "the fence is a chain itself");
	if (to_dma_fence_chain(prev) && !follows)
		seqno = prev->seqno;
	context = follows ? prev->context : dma_fence_context_alloc(1);
	pthread_mutex_init(&chain->lock, NULL);
	pthread_mutex_init(&chain->prev_lock, NULL);
	dma_fence_init(&chain->base, &dma_fence_chain_ops, &chain->lock,
		       context, seqno);
	chain->prev = prev;
	chain->prev_seqno = follows ? prev->seqno : 0;
	chain->fence = fence;
	chain->work.run = chain_continue;
}
