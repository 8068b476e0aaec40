/* SPDX-License-Identifier: MIT */
/*
 * fence-walk-steps.c - the steps of a fence walk that change something
 *
 * Each is a call of the library and what the model makes of it. Only legal
 * calls are made, and additions without room, which are a BUG.
 */
#include "fence-walk-model.h"

#include <errno.h>
#include <string.h>

#include "assert-bug.h"

static enum dma_resv_usage usage_in(unsigned int arg)
{
	return usages[arg % NR_USAGES];
}

/* Fences */

static bool step_fence_new(struct fence_walk *walk, struct model_resv *res,
			   struct model_fence *fence, unsigned int arg)
{
	(void)res;
	if (fence->mock)
		return false;
	fence->mock = timeline_next(&walk->lines[arg % NR_LINES]);
	fence->mock->refuse_enable = arg / NR_LINES % 2;
	fence->own = 1;
	return true;
}

static bool step_fence_get(struct fence_walk *walk, struct model_resv *res,
			   struct model_fence *fence, unsigned int arg)
{
	(void)walk;
	(void)res;
	(void)arg;
	if (!fence->mock || fence->own == OWN_MAX)
		return false;
	dma_fence_get(&fence->mock->base);
	fence->own++;
	return true;
}

static bool step_fence_put(struct fence_walk *walk, struct model_resv *res,
			   struct model_fence *fence, unsigned int arg)
{
	(void)walk;
	(void)res;
	/* Whom nobody can signal any more stays in the way. */
	if (!fence->own || (fence->own == 1 && is_pending(fence) && arg < 240))
		return false;
	fence->own--;
	dma_fence_put(&fence->mock->base);
	return true;
}

static bool step_fence_signal(struct fence_walk *walk, struct model_resv *res,
			      struct model_fence *fence, unsigned int arg)
{
	bool marked;

	(void)res;
	if (!fence->own || arg < 128)
		return false;
	marked = is_marked(fence);
	if (!marked && arg % 4 == 0) {
		fence->error = -EIO;
		dma_fence_set_error(&fence->mock->base, -EIO);
	}
	HOLDS(walk, dma_fence_signal(&fence->mock->base) ==
		    (marked ? -EINVAL : 0));
	fence->signalled = true;
	HOLDS(walk, dma_fence_get_status(&fence->mock->base) ==
		    (fence->error ? fence->error : 1));
	return true;
}

/* Its op says so from now on. */
static bool step_fence_done(struct fence_walk *walk, struct model_resv *res,
			    struct model_fence *fence, unsigned int arg)
{
	(void)walk;
	(void)res;
	if (!fence->mock || fence->mock->done || arg < 192)
		return false;
	fence->mock->done = true;
	return true;
}

/* Locks */

static int lock_with_ctx(struct fence_walk *walk, struct model_resv *res,
			 unsigned int arg)
{
	res->with_ctx = true;
	if (arg % 2)
		return dma_resv_lock_interruptible(&res->obj, &walk->ctx);
	return dma_resv_lock(&res->obj, &walk->ctx);
}

static int lock_somehow(struct fence_walk *walk, struct model_resv *res,
			unsigned int arg)
{
	if (arg % 8 == 0)
		return dma_resv_trylock(&res->obj) ? 0 : -EBUSY;
	/* One without a context would be taken in any order. */
	if (arg % 2 || walk->resvs[0].held || walk->resvs[1].held ||
	    walk->resvs[2].held)
		return lock_with_ctx(walk, res, arg / 2);
	if (arg % 4)
		return dma_resv_lock_interruptible(&res->obj, NULL);
	return dma_resv_lock(&res->obj, NULL);
}

static bool step_lock(struct fence_walk *walk, struct model_resv *res,
		      struct model_fence *fence, unsigned int arg)
{
	(void)fence;
	if (res->with_ctx) {
		HOLDS(walk, dma_resv_lock(&res->obj, &walk->ctx) == -EALREADY);
		return true;
	}
	if (res->held)
		return false;
	HOLDS(walk, !lock_somehow(walk, res, arg));
	res->held = true;
	res->none = true;
	return true;
}

static bool step_unlock(struct fence_walk *walk, struct model_resv *res,
			struct model_fence *fence, unsigned int arg)
{
	(void)walk;
	(void)fence;
	(void)arg;
	if (!res->held)
		return false;
	dma_resv_unlock(&res->obj);
	res->held = false;
	res->with_ctx = false;
	res->room = 0;
	return true;
}

/* Room */

/* All that is gone was done before, the rest is in its order. */
static void entries_shrink(struct fence_walk *walk, struct model_resv *res,
			   const bool pending[NR_ENTRIES])
{
	struct entry now[NR_ENTRIES];
	unsigned int i, nr = entries_read(walk, res, now), kept = 0;

	for (i = 0; i < res->nr; i++) {
		if (kept < nr && now[kept].fence == res->entries[i].fence &&
		    now[kept].usage == res->entries[i].usage) {
			res->entries[kept++] = res->entries[i];
			continue;
		}
		HOLDS(walk, !pending[i]);
		walk->result->grown++;
	}
	HOLDS(walk, kept == nr);
	res->nr = kept;
}

static bool step_reserve(struct fence_walk *walk, struct model_resv *res,
			 struct model_fence *fence, unsigned int arg)
{
	unsigned int i, nr = 1 + arg % 6;
	bool pending[NR_ENTRIES];

	(void)fence;
	if (!res->held || res->nr + nr > NR_ENTRIES)
		return false;
	for (i = 0; i < res->nr; i++)
		pending[i] = is_pending(res->entries[i].fence);
	HOLDS(walk, !dma_resv_reserve_fences(&res->obj, nr));
	entries_shrink(walk, res, pending);
	if (res->room < nr)
		res->room = nr;
	res->none = false;
	return true;
}

static bool step_reset(struct fence_walk *walk, struct model_resv *res,
		       struct model_fence *fence, unsigned int arg)
{
	(void)walk;
	(void)fence;
	if (!res->held || arg < 128)
		return false;
	dma_resv_reset_max_fences(&res->obj);
	res->room = 0;
	res->none = true;
	return true;
}

/* Changing */

struct addition {
	struct dma_resv *obj;
	struct dma_fence *fence;
	enum dma_resv_usage usage;
};

static void do_add(void *data)
{
	struct addition *addition = data;

	dma_resv_add_fence(addition->obj, addition->fence, addition->usage);
}

static bool add_without_room(struct fence_walk *walk, struct model_resv *res,
			     struct model_fence *fence,
			     enum dma_resv_usage usage)
{
	struct addition addition = { &res->obj, &fence->mock->base, usage };
	const char *report;

	/* There may be a place left over: nobody can tell. */
	if (!res->none)
		return false;
	report = bug_caught(do_add, &addition);
	HOLDS(walk, report && strstr(report, "BUG: dma_resv_add_fence: "));
	walk->result->bugs++;
	return true;
}

static bool step_add(struct fence_walk *walk, struct model_resv *res,
		     struct model_fence *fence, unsigned int arg)
{
	enum dma_resv_usage usage = usage_in(arg);
	struct entry *place;

	if (!res->held || !fence->mock)
		return false;
	place = place_for(res, fence->mock, usage);
	if (!place && !res->room)
		return add_without_room(walk, res, fence, usage);
	dma_resv_add_fence(&res->obj, &fence->mock->base, usage);
	if (place) {
		walk->result->replaced++;
	} else {
		place = &res->entries[res->nr++];
		res->room--;
	}
	*place = (struct entry){ fence, usage, walk->step };
	return true;
}

static bool step_replace(struct fence_walk *walk, struct model_resv *res,
			 struct model_fence *fence, unsigned int arg)
{
	const struct timeline *old = &walk->lines[arg / NR_USAGES % NR_LINES];
	enum dma_resv_usage usage = usage_in(arg);
	unsigned int i;

	if (!res->held || !fence->mock)
		return false;
	/* Of what is replaced and freed, the context is looked at first. */
	for (i = 0; i < res->nr; i++)
		if (res->entries[i].fence->mock->base.context ==
		    old->context)
			res->entries[i] = (struct entry){ fence, usage,
							   walk->step };
	dma_resv_replace_fences(&res->obj, old->context, &fence->mock->base,
				usage);
	return true;
}

static bool step_copy(struct fence_walk *walk, struct model_resv *res,
		      struct model_fence *fence, unsigned int arg)
{
	struct model_resv *src = &walk->resvs[arg % NR_RESVS];
	unsigned int i;

	(void)fence;
	/* It empties, and so comes seldom. */
	if (!res->held || src == res || arg < 192)
		return false;
	res->nr = pending_of(src, DMA_RESV_USAGE_BOOKKEEP, res->entries);
	for (i = 0; i < res->nr; i++)
		res->entries[i].since = walk->step;
	HOLDS(walk, !dma_resv_copy_fences(&res->obj, &src->obj));
	res->room = 0;
	res->none = true;
	return true;
}

/* Not the one that the buffer has, and none that is walked over. */
static bool step_renew(struct fence_walk *walk, struct model_resv *res,
		       struct model_fence *fence, unsigned int arg)
{
	(void)fence;
	if (res->held || res == &walk->resvs[0] || res == walk->cursor.res ||
	    arg < 192)
		return false;
	dma_resv_fini(&res->obj);
	dma_resv_init(&res->obj);
	res->nr = 0;
	return true;
}

static bool step_dispatch(struct fence_walk *walk, struct model_resv *res,
			  struct model_fence *fence, unsigned int arg)
{
	(void)res;
	(void)fence;
	(void)arg;
	HOLDS(walk, dmabuf_dispatch() == 0);
	return true;
}

/* Some are here several times: they come more often. */
const fence_step_fn fence_walk_steps[FENCE_WALK_NR_STEPS] = {
	step_fence_new, step_fence_new, step_fence_new, step_fence_get,
	step_fence_put, step_fence_put, step_unlock, step_fence_signal,
	step_fence_signal, step_fence_done, step_lock, step_lock,
	step_reserve, step_reserve, step_reserve, step_reserve,
	step_reset, step_add, step_add, step_add,
	step_add, step_add, step_add, step_replace,
	step_copy, step_renew, step_dispatch, step_get_fences,
	step_single, step_single_drop, step_wait, step_deadline,
	step_describe, step_cursor_open, step_cursor_open, step_cursor_next,
	step_cursor_next, step_poll, step_poll, step_cpu_access,
};
