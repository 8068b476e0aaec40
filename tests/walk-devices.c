/* SPDX-License-Identifier: MIT */
/* walk-devices.c - the steps of a walk on the devices' side */
#include "walk-model.h"

#include <errno.h>
#include <string.h>

static struct attached *attached_used(struct slot *slot, unsigned int arg)
{
	return PICK(slot->attached, NR_ATTACHES, arg, it->attach);
}

static enum mock_op attach_fails_at(struct slot *slot, unsigned int arg,
				    bool kept)
{
	if (!kept || arg & 16)
		return MOCK_OP_ATTACH;
	return is_dynamic(slot) && arg & 32 ? MOCK_OP_PIN : MOCK_OP_MAP;
}

/* The calls of an attach that ends at @failed, MOCK_NR_OPS: at none. */
static void attach_called(struct slot *slot, bool kept, enum mock_op failed)
{
	bool pins = kept && is_dynamic(slot);

	called(slot, MOCK_OP_ATTACH);
	if (failed == MOCK_OP_ATTACH)
		return;
	if (pins)
		called(slot, MOCK_OP_PIN);
	if (kept && failed != MOCK_OP_PIN)
		called(slot, MOCK_OP_MAP);
	if (failed == MOCK_NR_OPS)
		return;
	if (pins && failed == MOCK_OP_MAP)
		called(slot, MOCK_OP_UNPIN);
	called(slot, MOCK_OP_DETACH);
}

/* Imports and our exporters have no mock to tell of moves. */
static struct dma_buf_attachment *attach_call(struct walk *walk,
					      struct slot *slot,
					      const struct attached *attached)
{
	struct device *dev = walk->devs[attached->dev];

	if (!attached->dynamic)
		return dma_buf_attach(slot->dmabuf, dev);
	return dma_buf_dynamic_attach(slot->dmabuf, dev, &mock_importer,
				      &slot->mock);
}

bool step_attach(struct walk *walk, struct slot *slot, unsigned int arg)
{
	struct attached *attached = PICK(slot->attached, NR_ATTACHES, 0,
					 !it->attach);
	enum mock_op fails_at;

	if (!slot->own || !attached)
		return false;
	memset(attached, 0, sizeof(*attached));
	attached->dynamic = arg & 64;
	attached->kept = attached->dynamic != is_dynamic(slot);
	attached->kept_dir = DMA_BIDIRECTIONAL;
	/* A copy that goes both ways would undo what the CPU wrote. */
	attached->dev = !is_mock(slot) && !attached->kept && arg & 128;
	fails_at = attach_fails_at(slot, arg, attached->kept);
	if (fail_next(slot, arg, fails_at, -EBUSY)) {
		attach_called(slot, attached->kept, fails_at);
		HOLDS(walk, PTR_ERR(attach_call(walk, slot, attached)) ==
			    -EBUSY);
		return true;
	}
	attach_called(slot, attached->kept, MOCK_NR_OPS);
	attached->attach = attach_call(walk, slot, attached);
	HOLDS(walk, !IS_ERR_OR_NULL(attached->attach));
	return true;
}

static bool has_tables(const struct attached *attached)
{
	int i;

	for (i = 0; i < NR_TABLES; i++)
		if (attached->tables[i].sgt)
			return true;
	return false;
}

bool step_detach(struct walk *walk, struct slot *slot, unsigned int arg)
{
	struct attached *attached = attached_used(slot, arg);

	(void)walk;
	if (!slot->dmabuf || !attached || attached->pins ||
	    has_tables(attached))
		return false;
	dma_buf_detach(slot->dmabuf, attached->attach);
	attached->attach = NULL;
	if (attached->kept) {
		called(slot, MOCK_OP_UNMAP);
		if (is_dynamic(slot))
			called(slot, MOCK_OP_UNPIN);
	}
	called(slot, MOCK_OP_DETACH);
	return true;
}

static struct sg_table *map_call(struct slot *slot, struct attached *attached,
				 enum dma_data_direction dir, unsigned int arg)
{
	struct sg_table *sgt;

	if (arg & 64)
		return dma_buf_map_attachment_unlocked(attached->attach, dir);
	dma_resv_lock(slot->dmabuf->resv, NULL);
	sgt = dma_buf_map_attachment(attached->attach, dir);
	dma_resv_unlock(slot->dmabuf->resv);
	return sgt;
}

/* What the map must return, when that is an error; counts the calls. */
static long map_expected(struct slot *slot, const struct attached *attached,
			 enum dma_data_direction dir, unsigned int arg)
{
	if (attached->kept)
		return attached->kept_dir == DMA_BIDIRECTIONAL ||
				       attached->kept_dir == dir ?
			       0 :
			       -EBUSY;
	called(slot, MOCK_OP_MAP);
	return fail_next(slot, arg, MOCK_OP_MAP, 0) ? -ENOMEM : 0;
}

bool step_map(struct walk *walk, struct slot *slot, unsigned int arg)
{
	struct attached *attached = attached_used(slot, arg / 8);
	enum dma_data_direction dir = arg / 8 % 3;
	struct sg_table *sgt;
	struct table *table;
	long expected;

	if (!slot->dmabuf || !attached)
		return false;
	table = PICK(attached->tables, NR_TABLES, 0, !it->sgt);
	if (!table)
		return false;
	if (attached->dev)
		dir = DMA_TO_DEVICE;
	expected = map_expected(slot, attached, dir, arg);
	sgt = map_call(slot, attached, dir, arg);
	HOLDS(walk, expected ? PTR_ERR(sgt) == expected : !IS_ERR_OR_NULL(sgt));
	if (expected)
		return true;
	if (slot->kind == KIND_MOCK_CACHED && !attached->kept) {
		attached->kept = true;
		attached->kept_dir = dir;
	}
	table->sgt = sgt;
	table->dir = dir;
	memcpy(table->seen, slot->cells, sizeof(table->seen));
	return true;
}

bool step_unmap(struct walk *walk, struct slot *slot, unsigned int arg)
{
	struct attached *attached = PICK(slot->attached, NR_ATTACHES, arg,
					 it->attach && has_tables(it));
	struct table *table;

	(void)walk;
	if (!slot->dmabuf || !attached)
		return false;
	table = PICK(attached->tables, NR_TABLES, arg / 4, it->sgt);
	if (arg & 64) {
		dma_buf_unmap_attachment_unlocked(attached->attach, table->sgt,
						  table->dir);
	} else {
		dma_resv_lock(slot->dmabuf->resv, NULL);
		dma_buf_unmap_attachment(attached->attach, table->sgt,
					 table->dir);
		dma_resv_unlock(slot->dmabuf->resv);
	}
	table->sgt = NULL;
	if (!attached->kept)
		called(slot, MOCK_OP_UNMAP);
	return true;
}

bool step_pin(struct walk *walk, struct slot *slot, unsigned int arg)
{
	struct attached *attached = PICK(slot->attached, NR_ATTACHES, arg,
					 it->attach && it->dynamic);
	int expected = 0;

	if (!slot->dmabuf || !attached)
		return false;
	if (is_dynamic(slot)) {
		called(slot, MOCK_OP_PIN);
		if (fail_next(slot, arg, MOCK_OP_PIN, -ENOSPC))
			expected = -ENOSPC;
	}
	dma_resv_lock(slot->dmabuf->resv, NULL);
	HOLDS(walk, dma_buf_pin(attached->attach) == expected);
	dma_resv_unlock(slot->dmabuf->resv);
	attached->pins += !expected;
	return true;
}

bool step_unpin(struct walk *walk, struct slot *slot, unsigned int arg)
{
	struct attached *attached = PICK(slot->attached, NR_ATTACHES, arg,
					 it->attach && it->pins);

	(void)walk;
	if (!slot->dmabuf || !attached)
		return false;
	dma_resv_lock(slot->dmabuf->resv, NULL);
	dma_buf_unpin(attached->attach);
	dma_resv_unlock(slot->dmabuf->resv);
	attached->pins--;
	if (is_dynamic(slot))
		called(slot, MOCK_OP_UNPIN);
	return true;
}

bool step_move(struct walk *walk, struct slot *slot, unsigned int arg)
{
	unsigned int i;

	(void)walk;
	(void)arg;
	if (!slot->own || !is_mock(slot))
		return false;
	for (i = 0; i < NR_ATTACHES; i++)
		if (slot->attached[i].attach && slot->attached[i].dynamic)
			called(slot, MOCK_OP_MOVE_NOTIFY);
	dma_resv_lock(slot->dmabuf->resv, NULL);
	dma_buf_move_notify(slot->dmabuf);
	dma_resv_unlock(slot->dmabuf->resv);
	return true;
}

static bool bus_address(struct sg_table *sgt, size_t offset,
			dma_addr_t *ret_addr)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		if (offset < sg_dma_len(sg)) {
			*ret_addr = sg_dma_address(sg) + offset;
			return true;
		}
		offset -= sg_dma_len(sg);
	}
	return false;
}

static struct table *table_used(struct slot *slot, unsigned int arg,
				struct attached **ret_attached)
{
	*ret_attached = PICK(slot->attached, NR_ATTACHES, arg,
			     it->attach && has_tables(it));
	if (!slot->dmabuf || !*ret_attached)
		return NULL;
	return PICK((*ret_attached)->tables, NR_TABLES, arg / 4, it->sgt);
}

bool step_dev_write(struct walk *walk, struct slot *slot, unsigned int arg)
{
	unsigned int cell = arg % NR_CELLS;
	struct attached *attached;
	struct table *table = table_used(slot, arg / 16, &attached);
	dma_addr_t addr = 0;

	/* A kept mapping has the direction it was made with. */
	if (!table || table->dir == DMA_TO_DEVICE ||
	    (attached->kept && attached->kept_dir == DMA_TO_DEVICE))
		return false;
	HOLDS(walk, bus_address(table->sgt, cell * CELL, &addr));
	slot->cells[cell] = (uint8_t)(walk->result->steps | 1);
	HOLDS(walk, !dmabuf_device_write(walk->devs[attached->dev], addr,
					 &slot->cells[cell], 1));
	return true;
}

bool step_dev_read(struct walk *walk, struct slot *slot, unsigned int arg)
{
	unsigned int cell = arg % NR_CELLS;
	struct attached *attached;
	struct table *table = table_used(slot, arg / 16, &attached);
	dma_addr_t addr = 0;
	uint8_t byte = 0;

	if (!table || table->dir == DMA_FROM_DEVICE)
		return false;
	HOLDS(walk, bus_address(table->sgt, cell * CELL, &addr));
	HOLDS(walk, !dmabuf_device_read(walk->devs[attached->dev], addr, &byte,
					1));
	HOLDS(walk, byte == (attached->dev ? table->seen[cell] :
					     slot->cells[cell]));
	return true;
}
