/* SPDX-License-Identifier: MIT */
/* fence-walk-looks.c - the steps of a fence walk that look, wait and poll */
#include "fence-walk-model.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

static enum dma_resv_usage usage_in(unsigned int arg)
{
	return usages[arg % NR_USAGES];
}

bool step_get_fences(struct fence_walk *walk, struct model_resv *res,
		     struct model_fence *fence, unsigned int arg)
{
	struct entry pending[NR_ENTRIES];
	struct dma_fence **fences;
	unsigned int i, nr, nr_pending;

	(void)fence;
	nr_pending = pending_of(res, usage_in(arg), pending);
	HOLDS(walk, !dma_resv_get_fences(&res->obj, usage_in(arg), &nr,
					 &fences));
	HOLDS(walk, nr == nr_pending);
	HOLDS(walk, !nr == !fences);
	for (i = 0; i < nr; i++) {
		HOLDS(walk, fences[i] == &pending[i].fence->mock->base);
		dma_fence_put(fences[i]);
	}
	free(fences);
	return true;
}

/* One fence for all */

static void single_keep(struct fence_walk *walk, struct dma_fence *single,
			const struct entry *pending, unsigned int nr)
{
	unsigned int i;

	HOLDS(walk, dma_fence_is_array(single));
	HOLDS(walk, !dma_fence_array_next(single, nr));
	for (i = 0; i < nr; i++) {
		HOLDS(walk, dma_fence_array_next(single, i) ==
			    &pending[i].fence->mock->base);
		walk->members[i] = pending[i].fence;
	}
	walk->single = single;
	walk->nr_members = nr;
}

bool step_single(struct fence_walk *walk, struct model_resv *res,
		 struct model_fence *fence, unsigned int arg)
{
	struct entry pending[NR_ENTRIES];
	struct dma_fence *single;
	unsigned int nr;

	(void)fence;
	if (walk->single)
		return false;
	nr = pending_of(res, usage_in(arg), pending);
	HOLDS(walk, !dma_resv_get_singleton(&res->obj, usage_in(arg),
					    &single));
	if (nr > 1) {
		single_keep(walk, single, pending, nr);
		return true;
	}
	HOLDS(walk, single == (nr ? &pending[0].fence->mock->base : NULL));
	dma_fence_put(single);
	return true;
}

bool step_single_drop(struct fence_walk *walk, struct model_resv *res,
		      struct model_fence *fence, unsigned int arg)
{
	bool done = true;

	(void)res;
	(void)fence;
	(void)arg;
	if (!walk->single)
		return false;
	while (walk->nr_members)
		done &= !is_pending(walk->members[--walk->nr_members]);
	HOLDS(walk, dma_fence_is_signaled(walk->single) == done);
	dma_fence_put(walk->single);
	walk->single = NULL;
	return true;
}

/* Asking for the end */

/* Waiting asks one after the other, and stops at one that does not end. */
static bool all_end_when_asked(const struct model_resv *res,
			       enum dma_resv_usage usage)
{
	struct entry pending[NR_ENTRIES];
	unsigned int i, nr = pending_of(res, usage, pending);

	for (i = 0; i < nr; i++)
		if (!ends_when_asked(pending[i].fence))
			return false;
	return true;
}

bool step_wait(struct fence_walk *walk, struct model_resv *res,
	       struct model_fence *fence, unsigned int arg)
{
	enum dma_resv_usage usage = usage_in(arg);
	bool ends = all_end_when_asked(res, usage);
	int64_t timeout = ends && arg / NR_USAGES % 2 ? INT64_MAX : 0;

	(void)fence;
	HOLDS(walk, dma_resv_wait_timeout(&res->obj, usage, true, timeout) ==
		    (timeout ? timeout : ends));
	HOLDS(walk, dma_resv_test_signaled(&res->obj, usage) == ends);
	return true;
}

bool step_deadline(struct fence_walk *walk, struct model_resv *res,
		   struct model_fence *fence, unsigned int arg)
{
	struct entry pending[NR_ENTRIES];
	unsigned int i, nr = pending_of(res, usage_in(arg), pending);

	(void)walk;
	(void)fence;
	for (i = 0; i < nr; i++)
		pending[i].fence->nr_deadline++;
	dma_resv_set_deadline(&res->obj, usage_in(arg), arg);
	return true;
}

bool step_cpu_access(struct fence_walk *walk, struct model_resv *res,
		     struct model_fence *fence, unsigned int arg)
{
	bool write = arg % 2;

	(void)res;
	(void)fence;
	res = &walk->resvs[0];
	if (res->held || !all_end_when_asked(res, dma_resv_usage_rw(write)))
		return false;
	HOLDS(walk, !dma_buf_begin_cpu_access(walk->mock.dmabuf,
					      write ? DMA_TO_DEVICE :
						      DMA_FROM_DEVICE));
	HOLDS(walk, dma_resv_test_signaled(&res->obj,
					   dma_resv_usage_rw(write)));
	return true;
}

bool step_describe(struct fence_walk *walk, struct model_resv *res,
		   struct model_fence *fence, unsigned int arg)
{
	char *text = NULL;
	unsigned int i, lines = 0;
	size_t size, at;
	FILE *out;

	(void)fence;
	(void)arg;
	if (!res->held)
		return false;
	out = open_memstream(&text, &size);
	dma_resv_describe(&res->obj, out);
	fclose(out);
	for (i = 0; i < res->nr; i++)
		lines += res->entries[i].usage <= DMA_RESV_USAGE_READ;
	for (at = 0; at < size; at++)
		lines -= text[at] == '\n';
	HOLDS(walk, !lines);
	free(text);
	return true;
}

/* A walk over several steps */

static bool entry_is_in(const struct entry *entry, const struct entry *entries,
			unsigned int nr)
{
	while (nr--)
		if (entries[nr].fence == entry->fence &&
		    entries[nr].usage == entry->usage)
			return true;
	return false;
}

/* What was there all the time, and is pending still, was seen. */
static void cursor_ended(struct fence_walk *walk)
{
	struct model_cursor *cursor = &walk->cursor;
	struct entry pending[NR_ENTRIES];
	unsigned int i, nr = pending_of(cursor->res, cursor->iter.usage,
					pending);

	for (i = 0; i < nr; i++)
		HOLDS(walk, pending[i].since >= cursor->since ||
			    entry_is_in(&pending[i], cursor->seen,
					cursor->nr_seen));
	dma_resv_iter_end(&cursor->iter);
	cursor->res = NULL;
	cursor->at = NULL;
}

static void cursor_moved(struct fence_walk *walk, struct dma_fence *fence)
{
	struct model_cursor *cursor = &walk->cursor;
	struct entry entry;

	if (dma_resv_iter_is_restarted(&cursor->iter)) {
		cursor->nr_seen = 0;
		cursor->since = walk->step;
	}
	if (!fence) {
		cursor_ended(walk);
		return;
	}
	entry.fence = fence_found(walk, fence);
	entry.usage = dma_resv_iter_usage(&cursor->iter);
	cursor->at = entry.fence;
	HOLDS(walk, entry.fence && is_pending(entry.fence));
	HOLDS(walk, entry.usage <= cursor->iter.usage);
	HOLDS(walk, entry_is_in(&entry, cursor->res->entries,
				cursor->res->nr));
	HOLDS(walk, cursor->nr_seen < cursor->iter.num_fences);
	if (cursor->nr_seen < NR_ENTRIES)
		cursor->seen[cursor->nr_seen++] = entry;
}

bool step_cursor_open(struct fence_walk *walk, struct model_resv *res,
		      struct model_fence *fence, unsigned int arg)
{
	struct model_cursor *cursor = &walk->cursor;
	struct dma_fence *first;

	(void)fence;
	if (cursor->res)
		return false;
	cursor->res = res;
	dma_resv_iter_begin(&cursor->iter, &res->obj, usage_in(arg));
	first = dma_resv_iter_first_unlocked(&cursor->iter);
	HOLDS(walk, dma_resv_iter_is_restarted(&cursor->iter));
	cursor_moved(walk, first);
	return true;
}

bool step_cursor_next(struct fence_walk *walk, struct model_resv *res,
		      struct model_fence *fence, unsigned int arg)
{
	struct model_cursor *cursor = &walk->cursor;
	bool spoil = arg % 8 == 0;

	(void)res;
	(void)fence;
	if (!cursor->res)
		return false;
	if (arg % 8 == 1)
		return step_cursor_end(walk, res, fence, arg);
	if (spoil)
		memset(&cursor->iter.fences, arg | 1,
		       sizeof(cursor->iter.fences));
	/* The reference on this one goes. */
	cursor->at = NULL;
	cursor_moved(walk, dma_resv_iter_next_unlocked(&cursor->iter));
	HOLDS(walk, !spoil || dma_resv_iter_is_restarted(&cursor->iter));
	walk->result->restarts += dma_resv_iter_is_restarted(&cursor->iter);
	return true;
}

bool step_cursor_end(struct fence_walk *walk, struct model_resv *res,
		     struct model_fence *fence, unsigned int arg)
{
	struct model_cursor *cursor = &walk->cursor;

	(void)res;
	(void)fence;
	(void)arg;
	if (!cursor->res)
		return false;
	dma_resv_iter_end(&cursor->iter);
	cursor->res = NULL;
	cursor->at = NULL;
	return true;
}

/* Polling */

/* The first one that does not end when it is asked gets the callback. */
static struct model_fence *in_the_way(const struct model_resv *res,
				      enum dma_resv_usage usage)
{
	const struct entry *entry;
	unsigned int i;

	for (i = 0; i < res->nr; i++) {
		entry = &res->entries[i];
		if (entry->usage <= usage && !is_marked(entry->fence) &&
		    !ends_when_asked(entry->fence))
			return entry->fence;
	}
	return NULL;
}

static bool poll_ready(struct fence_walk *walk, struct model_fence **armed,
		       bool write)
{
	if (*armed)
		return false;
	*armed = in_the_way(&walk->resvs[0], dma_resv_usage_rw(write));
	return !*armed;
}

bool step_poll(struct fence_walk *walk, struct model_resv *res,
	       struct model_fence *fence, unsigned int arg)
{
	static const short questions[] = { POLLIN, POLLOUT, POLLIN | POLLOUT };
	short events = questions[arg % 3], ready = 0;

	(void)res;
	(void)fence;
	if (walk->resvs[0].held)
		return false;
	if ((events & POLLOUT) && poll_ready(walk, &walk->armed_out, true))
		ready |= POLLOUT;
	if ((events & POLLIN) && poll_ready(walk, &walk->armed_in, false))
		ready |= POLLIN;
	HOLDS(walk, dma_buf_poll(walk->mock.dmabuf, events) == ready);
	return true;
}
