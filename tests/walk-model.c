/* SPDX-License-Identifier: MIT */
/* walk-model.c - what must hold of the buffers of a walk */
#include "walk-model.h"

#include <unistd.h>

bool is_mock(const struct slot *slot)
{
	return slot->kind >= KIND_MOCK;
}

bool has_pages(const struct slot *slot)
{
	return slot->kind == KIND_MEMFD || slot->kind == KIND_IMPORT ||
	       slot->kind == KIND_MOCK_PAGES;
}

bool is_dynamic(const struct slot *slot)
{
	return slot->kind == KIND_MOCK_DYNAMIC;
}

unsigned int refs_of(const struct slot *slot)
{
	unsigned int refs = slot->own;
	unsigned int i;

	for (i = 0; i < NR_DESCS; i++)
		refs += slot->descs[i].state != DESC_FREE;
	return refs;
}

unsigned int nr_attached(const struct slot *slot)
{
	unsigned int nr = 0;
	unsigned int i;

	for (i = 0; i < NR_ATTACHES; i++)
		nr += slot->attached[i].attach != NULL;
	return nr;
}

/* Is a reference by hand needed for what is in use? */
static bool in_use(const struct slot *slot)
{
	unsigned int i;

	if (slot->vmaps || nr_attached(slot))
		return true;
	for (i = 0; i < NR_VIEWS; i++)
		if (slot->views[i].addr && slot->views[i].desc < 0)
			return true;
	return false;
}

bool may_drop(const struct slot *slot)
{
	return slot->own > 1 || (slot->own == 1 && !in_use(slot));
}

int desc_free(const struct slot *slot)
{
	int i;

	for (i = 0; i < NR_DESCS; i++)
		if (slot->descs[i].state == DESC_FREE)
			return i;
	return -1;
}

void desc_open(struct slot *slot, int desc)
{
	slot->descs[desc] = (struct desc){ DESC_OPEN, 1 };
}

void desc_drop(struct slot *slot, int desc)
{
	if (desc >= 0 && !--slot->descs[desc].copies)
		slot->descs[desc].state = DESC_CLOSED;
}

struct fd *fd_used(struct slot *slot, unsigned int arg)
{
	return PICK(slot->fds, NR_FDS, arg, it->used);
}

struct fd *fd_unused(struct slot *slot)
{
	return PICK(slot->fds, NR_FDS, 0, !it->used);
}

bool fail_next(struct slot *slot, unsigned int arg, enum mock_op op, long ret)
{
	if (!is_mock(slot) || arg % 8)
		return false;
	mock_fail(&slot->mock, op, 1, ret);
	return true;
}

void called(struct slot *slot, enum mock_op op)
{
	slot->calls[op]++;
}

void settle(struct walk *walk, struct slot *slot)
{
	unsigned int i;

	if (!slot->dmabuf || refs_of(slot))
		return;
	for (i = 0; i < NR_FDS; i++)
		if (slot->fds[i].used)
			close(slot->fds[i].nr);
	if (slot->kind == KIND_IMPORT)
		close(slot->origin);
	if (is_mock(slot))
		HOLDS(walk, mock_calls(&slot->mock, MOCK_OP_RELEASE) == 1);
	slot->dmabuf = NULL;
	walk->live--;
	walk->result->releases++;
}
