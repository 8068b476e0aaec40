/* SPDX-License-Identifier: MIT */
/*
 * walk.c - bytes played as API calls, against a model of what must hold
 *
 * The walk has a handful of slots, each with a buffer or without one. A step
 * (walk-steps.c, walk-devices.c) calls the library, and does to the model what
 * the documents say; after it, everything that can be seen of the library is
 * compared with the model: references, mapping counter and pointer, names,
 * attachments, calls of the exporter, live buffers, and the bytes in the pages.
 * A warning is a fault.
 *
 * The model of a buffer's references: those held by hand, and one for each
 * description (an fd with its copies and mappings) that dispatch has not yet
 * found closed.
 */
#include "walk.h"

#include <string.h>

#include "walk-model.h"

/* Comparing */

static void slot_check_mock(struct walk *walk, struct slot *slot)
{
	int i;

	for (i = 0; i < MOCK_NR_OPS; i++)
		HOLDS(walk, mock_calls(&slot->mock, (enum mock_op)i) ==
			    slot->calls[i]);
}

static void slot_check(struct walk *walk, struct slot *slot)
{
	const struct dma_buf *dmabuf = slot->dmabuf;
	struct dma_buf_attachment *attach;
	unsigned int nr = 0;

	HOLDS(walk, dmabuf_refcount(dmabuf) == refs_of(slot));
	HOLDS(walk, dmabuf->size == SIZE);
	HOLDS(walk, dmabuf->vmapping_counter == slot->vmaps);
	HOLDS(walk, dmabuf->vmap_ptr == slot->vaddr);
	HOLDS(walk, !dmabuf->name == !slot->named);
	HOLDS(walk, !slot->named || !strcmp(dmabuf->name, slot->name));
	HOLDS(walk, !dma_resv_is_locked(dmabuf->resv));
	dmabuf_for_each_attachment(attach, dmabuf)
		nr++;
	HOLDS(walk, nr == nr_attached(slot));
	if (is_mock(slot))
		slot_check_mock(walk, slot);
}

static bool walk_check(struct walk *walk)
{
	int i;

	for (i = 0; i < NR_SLOTS; i++)
		if (walk->slots[i].dmabuf)
			slot_check(walk, &walk->slots[i]);
	HOLDS(walk, dmabuf_live_buffers() == walk->live);
	HOLDS(walk, dmabuf_warn_count() == walk->warnings);
	return !walk->result->fault[0];
}

/* Playing */

static bool step_play(struct walk *walk, step_fn step, struct slot *slot,
		      unsigned int arg)
{
	if (!step(walk, slot, arg))
		return false;
	walk->result->steps++;
	return walk_check(walk);
}

static void slot_empty(struct walk *walk, struct slot *slot)
{
	size_t i;

	for (i = 0; i < WALK_NR_EMPTYING; i++)
		while (step_play(walk, walk_emptying[i], slot, 0))
			;
}

static void walk_end(struct walk *walk)
{
	int i;

	for (i = 0; i < NR_SLOTS; i++)
		slot_empty(walk, &walk->slots[i]);
	step_play(walk, step_dispatch, NULL, 0);
	HOLDS(walk, !walk->live);
	HOLDS(walk, !dmabuf_live_buffers());
	for (i = 0; i < NR_DEVS; i++)
		dmabuf_device_destroy(walk->devs[i]);
	dma_resv_fini(&walk->lent);
	HOLDS(walk, dmabuf_warn_count() == walk->warnings);
}

static void walk_begin(struct walk *walk, struct walk_result *result)
{
	static const struct dmabuf_device_info infos[NR_DEVS] = {
		{ .name = "coherent" },
		{ .name = "copying", .max_segment_size = 4096,
		  .non_coherent = true },
	};
	int i;

	memset(walk, 0, sizeof(*walk));
	memset(result, 0, sizeof(*result));
	walk->result = result;
	walk->warnings = dmabuf_warn_count();
	dma_resv_init(&walk->lent);
	for (i = 0; i < NR_DEVS; i++)
		HOLDS(walk, !dmabuf_device_create(&infos[i], &walk->devs[i]));
	HOLDS(walk, !dmabuf_live_buffers());
}

bool walk_play(const uint8_t *bytes, size_t len, struct walk_result *result)
{
	static struct walk walk;
	size_t at;

	walk_begin(&walk, result);
	for (at = 0; at + WALK_STEP <= len && !result->fault[0];
	     at += WALK_STEP)
		step_play(&walk, walk_steps[bytes[at] % WALK_NR_STEPS],
			  &walk.slots[bytes[at + 1] % NR_SLOTS],
			  bytes[at + 2]);
	if (!result->fault[0])
		walk_end(&walk);
	return !result->fault[0];
}
