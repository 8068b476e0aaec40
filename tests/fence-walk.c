/* SPDX-License-Identifier: MIT */
/*
 * fence-walk.c - bytes played as calls on reservations, against a model
 *
 * The walk has a dozen fences on a few timelines, reservations to put them on,
 * a buffer that polls one of these, and a walk over the fences that goes on
 * over many steps. A step (fence-walk-steps.c, fence-walk-looks.c) calls the
 * library, and does to the model what the documents say; after it, everything
 * that can be seen of the library is compared with the model: what is on the
 * reservations and in which order, what is pending, who holds what, references,
 * callbacks. A warning is a fault.
 */
#include "fence-walk.h"

#include <string.h>

#include "fence-walk-model.h"

static void walk_begin(struct fence_walk *walk,
		       struct fence_walk_result *result)
{
	int i;

	memset(walk, 0, sizeof(*walk));
	memset(result, 0, sizeof(*result));
	walk->result = result;
	walk->warnings = dmabuf_warn_count();
	walk->live = mock_fences_live();
	for (i = 0; i < NR_LINES; i++)
		timeline_init(&walk->lines[i]);
	/* These go round at 2^32, and past 2^31. */
	walk->lines[1].seqno = UINT32_MAX - 4;
	walk->lines[2].seqno = INT32_MAX - 4;
	for (i = 0; i < NR_RESVS; i++)
		dma_resv_init(&walk->resvs[i].obj);
	ww_acquire_init(&walk->ctx, &reservation_ww_class);
	mock_init(&walk->mock, 4096, 0);
	walk->mock.info.resv = &walk->resvs[0].obj;
	mock_export_inited(&walk->mock);
}

/* Callbacks hold the buffer until their fences end. */
static void fences_end(struct fence_walk *walk)
{
	struct model_fence *fence;
	int i;

	for (i = 0; i < NR_FENCES; i++) {
		fence = &walk->fences[i];
		if (!fence->mock)
			continue;
		dma_fence_get(&fence->mock->base);
		fence->signalled = !dma_fence_signal(&fence->mock->base);
		for (fence->own++; fence->own; fence->own--)
			dma_fence_put(&fence->mock->base);
	}
}

static void walk_end(struct fence_walk *walk)
{
	int i;

	step_single_drop(walk, NULL, NULL, 0);
	step_cursor_end(walk, NULL, NULL, 0);
	walk_settle(walk);
	for (i = 0; i < NR_RESVS; i++)
		if (walk->resvs[i].held)
			dma_resv_unlock(&walk->resvs[i].obj);
	fences_end(walk);
	HOLDS(walk, dmabuf_refcount(walk->mock.dmabuf) == 1);
	dma_buf_put(walk->mock.dmabuf);
	HOLDS(walk, mock_calls(&walk->mock, MOCK_OP_RELEASE) == 1);
	ww_acquire_fini(&walk->ctx);
	for (i = 0; i < NR_RESVS; i++)
		dma_resv_fini(&walk->resvs[i].obj);
	HOLDS(walk, mock_fences_live() == walk->live);
	for (i = 0; i < NR_LINES; i++)
		timeline_fini(&walk->lines[i]);
	HOLDS(walk, dmabuf_dispatch() == 0);
	HOLDS(walk, dmabuf_warn_count() == walk->warnings);
}

static void step_play(struct fence_walk *walk, const uint8_t *bytes)
{
	fence_step_fn step = fence_walk_steps[bytes[0] % FENCE_WALK_NR_STEPS];

	walk->step++;
	if (!step(walk, &walk->resvs[bytes[1] % NR_RESVS],
		  &walk->fences[bytes[2] % NR_FENCES], bytes[3]))
		return;
	walk->result->steps++;
	walk_settle(walk);
	walk_check(walk);
}

bool fence_walk_play(const uint8_t *bytes, size_t len,
		     struct fence_walk_result *result)
{
	static struct fence_walk walk;
	size_t at;

	walk_begin(&walk, result);
	for (at = 0; at + FENCE_WALK_STEP <= len && !result->fault[0];
	     at += FENCE_WALK_STEP)
		step_play(&walk, bytes + at);
	if (!result->fault[0])
		walk_end(&walk);
	return !result->fault[0];
}
