/* SPDX-License-Identifier: MIT */
/*
 * walk-steps.c - the steps of a walk on the side of the CPU
 *
 * Each is an API call and what the model makes of it. Only legal calls are
 * made, besides those that an exporter fails.
 */
#include "walk-model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <bsd/string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sanitized.h"

static int stranger_open(void)
{
	int fd = memfd_create("dmabuf:walk", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)SIZE) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		abort();
	return fd;
}

static struct dma_buf *stranger_import(struct slot *slot, unsigned int arg)
{
	struct dma_buf *dmabuf;

	slot->origin = stranger_open();
	if (arg & 64)
		return dma_buf_get(slot->origin);
	return dmabuf_memfd_import(slot->origin, &dmabuf) ? NULL : dmabuf;
}

static struct dma_buf *buffer_make(struct walk *walk, struct slot *slot,
				   unsigned int arg)
{
	struct dma_buf *dmabuf = NULL;

	switch (slot->kind) {
	case KIND_ANON:
		return dmabuf_anon_export(SIZE, O_RDWR, &dmabuf) ? NULL :
								   dmabuf;
	case KIND_MEMFD:
		return dmabuf_memfd_export(SIZE, O_RDWR, &dmabuf) ? NULL :
								    dmabuf;
	case KIND_IMPORT:
		return stranger_import(slot, arg);
	default:
		mock_init(&slot->mock, SIZE, mock_options[slot->kind]);
		if (arg & 64)
			slot->mock.info.resv = &walk->lent;
		return mock_export_inited(&slot->mock);
	}
}

static bool step_export(struct walk *walk, struct slot *slot, unsigned int arg)
{
	if (slot->dmabuf)
		return false;
	memset(slot, 0, sizeof(*slot));
	slot->kind = arg % NR_KINDS;
	slot->dmabuf = buffer_make(walk, slot, arg);
	HOLDS(walk, !IS_ERR_OR_NULL(slot->dmabuf));
	slot->own = 1;
	slot->has_handle = slot->kind == KIND_IMPORT;
	walk->live++;
	return true;
}

static bool step_get(struct walk *walk, struct slot *slot, unsigned int arg)
{
	(void)walk;
	(void)arg;
	if (!slot->own || slot->own == OWN_MAX)
		return false;
	get_dma_buf(slot->dmabuf);
	slot->own++;
	return true;
}

static bool step_put(struct walk *walk, struct slot *slot, unsigned int arg)
{
	(void)arg;
	if (!may_drop(slot))
		return false;
	slot->own--;
	dma_buf_put(slot->dmabuf);
	settle(walk, slot);
	return true;
}

/* With a reservation held, the release waits for the unlock. */
static bool step_put_held(struct walk *walk, struct slot *slot,
			  unsigned int arg)
{
	struct dma_resv *resv = arg % 2 ? &walk->lent : NULL;
	bool last;

	if (!may_drop(slot))
		return false;
	if (!resv)
		resv = slot->dmabuf->resv;
	last = refs_of(slot) == 1;
	dma_resv_lock(resv, NULL);
	slot->own--;
	dma_buf_put(slot->dmabuf);
	HOLDS(walk, dmabuf_live_buffers() == walk->live);
	if (last && is_mock(slot))
		HOLDS(walk, !mock_calls(&slot->mock, MOCK_OP_RELEASE));
	dma_resv_unlock(resv);
	settle(walk, slot);
	return true;
}

/* fds */

/* The first fd asks for the memfd. True when it is told to fail. */
static bool handle_first(struct slot *slot, unsigned int arg)
{
	bool fail = false;

	if (slot->has_handle)
		return false;
	if (slot->kind == KIND_MOCK_PAGES) {
		fail = fail_next(slot, arg, MOCK_OP_BACKING_FD, -ENFILE);
		called(slot, MOCK_OP_BACKING_FD);
	}
	slot->has_handle = !fail;
	return fail;
}

static bool step_fd(struct walk *walk, struct slot *slot, unsigned int arg)
{
	struct fd *fd = fd_unused(slot);
	int desc = desc_free(slot);
	int nr;

	if (!may_drop(slot) || !fd || desc < 0)
		return false;
	if (handle_first(slot, arg)) {
		HOLDS(walk, dma_buf_fd(slot->dmabuf, 0) == -ENFILE);
		return true;
	}
	nr = dma_buf_fd(slot->dmabuf, arg & 64 ? O_CLOEXEC : 0);
	HOLDS(walk, nr >= 0);
	HOLDS(walk, !(fcntl(nr, F_GETFD) & FD_CLOEXEC) == !(arg & 64));
	slot->own--;
	if (slot->kind == KIND_IMPORT)
		desc = -1;
	else
		desc_open(slot, desc);
	*fd = (struct fd){ true, nr, desc };
	settle(walk, slot);
	return true;
}

static bool step_dup(struct walk *walk, struct slot *slot, unsigned int arg)
{
	struct fd *from = fd_used(slot, arg);
	struct fd *to = fd_unused(slot);

	if (!slot->dmabuf || !from || !to)
		return false;
	*to = (struct fd){ true, dup(from->nr), from->desc };
	HOLDS(walk, to->nr >= 0);
	if (to->desc >= 0)
		slot->descs[to->desc].copies++;
	return true;
}

static bool step_close(struct walk *walk, struct slot *slot, unsigned int arg)
{
	struct fd *fd = fd_used(slot, arg);

	if (!slot->dmabuf || !fd)
		return false;
	HOLDS(walk, !close(fd->nr));
	desc_drop(slot, fd->desc);
	fd->used = false;
	return true;
}

static bool step_lookup(struct walk *walk, struct slot *slot, unsigned int arg)
{
	struct fd *fd = fd_used(slot, arg);

	if (!slot->dmabuf || !fd || slot->own == OWN_MAX)
		return false;
	HOLDS(walk, dma_buf_get(fd->nr) == slot->dmabuf);
	slot->own++;
	return true;
}

static bool step_seek(struct walk *walk, struct slot *slot, unsigned int arg)
{
	struct fd *fd = fd_used(slot, arg);

	if (!slot->dmabuf || !fd)
		return false;
	HOLDS(walk, lseek(fd->nr, 0, SEEK_END) == (off_t)SIZE);
	HOLDS(walk, lseek(fd->nr, 0, SEEK_SET) == 0);
	return true;
}

bool step_dispatch(struct walk *walk, struct slot *slot, unsigned int arg)
{
	int closed = 0;
	int i, j;

	(void)slot;
	(void)arg;
	for (i = 0; i < NR_SLOTS; i++)
		for (j = 0; walk->slots[i].dmabuf && j < NR_DESCS; j++)
			if (walk->slots[i].descs[j].state == DESC_CLOSED) {
				walk->slots[i].descs[j].state = DESC_FREE;
				closed++;
			}
	HOLDS(walk, dmabuf_dispatch() == closed);
	for (i = 0; i < NR_SLOTS; i++)
		settle(walk, &walk->slots[i]);
	walk->result->closes += (unsigned int)closed;
	return true;
}

/* The CPU's side */

static bool step_vmap(struct walk *walk, struct slot *slot, unsigned int arg)
{
	void *vaddr;

	if (!slot->own)
		return false;
	if (!slot->vmaps && fail_next(slot, arg, MOCK_OP_VMAP, -ENOMEM)) {
		called(slot, MOCK_OP_VMAP);
		HOLDS(walk, PTR_ERR(dma_buf_vmap(slot->dmabuf)) == -ENOMEM);
		return true;
	}
	vaddr = dma_buf_vmap(slot->dmabuf);
	HOLDS(walk, !IS_ERR_OR_NULL(vaddr));
	if (!slot->vmaps++) {
		called(slot, MOCK_OP_VMAP);
		slot->vaddr = vaddr;
	}
	HOLDS(walk, vaddr == slot->vaddr);
	return true;
}

static bool step_vunmap(struct walk *walk, struct slot *slot, unsigned int arg)
{
	(void)walk;
	(void)arg;
	if (!slot->dmabuf || !slot->vmaps)
		return false;
	dma_buf_vunmap(slot->dmabuf, slot->vaddr);
	if (!--slot->vmaps) {
		called(slot, MOCK_OP_VUNMAP);
		slot->vaddr = NULL;
	}
	return true;
}

static struct view *view_free(struct slot *slot)
{
	return PICK(slot->views, NR_VIEWS, 0, !it->addr);
}

/* Does the library's mapping have a description of its own? */
static bool view_has_desc(const struct slot *slot)
{
	return has_pages(slot) && slot->kind != KIND_IMPORT;
}

static bool step_mmap(struct walk *walk, struct slot *slot, unsigned int arg)
{
	struct view *view = view_free(slot);
	int desc = view_has_desc(slot) ? desc_free(slot) : -1;
	void *addr;

	if (!slot->own || !view || (view_has_desc(slot) && desc < 0) ||
	    (slot->kind == KIND_ANON && under_valgrind()))
		return false;
	if (view_has_desc(slot))
		handle_first(slot, 1);
	called(slot, MOCK_OP_MMAP);
	if (fail_next(slot, arg, MOCK_OP_MMAP, -EAGAIN)) {
		HOLDS(walk, PTR_ERR(dma_buf_mmap(slot->dmabuf, SIZE, PROT_READ,
						 MAP_SHARED, 0)) == -EAGAIN);
		return true;
	}
	addr = dma_buf_mmap(slot->dmabuf, SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED, 0);
	HOLDS(walk, !IS_ERR_OR_NULL(addr));
	*view = (struct view){ addr, desc };
	if (desc >= 0)
		desc_open(slot, desc);
	return true;
}

/* By mmap(2), as other processes do. Keeps @own for imports: simpler. */
static bool step_mmap_fd(struct walk *walk, struct slot *slot,
			 unsigned int arg)
{
	struct view *view = view_free(slot);
	struct fd *fd = fd_used(slot, arg);
	void *addr;

	if (!slot->own || !view || !fd)
		return false;
	addr = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd->nr, 0);
	if (!has_pages(slot)) {
		HOLDS(walk, addr == MAP_FAILED);
		return true;
	}
	HOLDS(walk, addr != MAP_FAILED);
	*view = (struct view){ addr, fd->desc };
	if (fd->desc >= 0)
		slot->descs[fd->desc].copies++;
	return true;
}

static bool step_munmap(struct walk *walk, struct slot *slot, unsigned int arg)
{
	struct view *view = PICK(slot->views, NR_VIEWS, arg, it->addr);

	if (!slot->dmabuf || !view)
		return false;
	HOLDS(walk, !munmap(view->addr, SIZE));
	view->addr = NULL;
	desc_drop(slot, view->desc);
	return true;
}

/* Where the CPU sees the buffer, in one of the ways that are open. */
static uint8_t *cpu_address(struct slot *slot, unsigned int arg)
{
	struct view *view = PICK(slot->views, NR_VIEWS, arg, it->addr);

	if (!slot->dmabuf || (slot->vaddr && arg & 128))
		return slot->vaddr;
	return view ? view->addr : slot->vaddr;
}

static bool step_cpu_write(struct walk *walk, struct slot *slot,
			   unsigned int arg)
{
	uint8_t *addr = cpu_address(slot, arg);
	unsigned int cell = arg % NR_CELLS;

	if (!addr)
		return false;
	slot->cells[cell] = (uint8_t)(walk->result->steps | 1);
	addr[cell * CELL] = slot->cells[cell];
	return true;
}

static bool step_cpu_read(struct walk *walk, struct slot *slot,
			  unsigned int arg)
{
	const uint8_t *addr = cpu_address(slot, arg);
	unsigned int i;

	if (!addr)
		return false;
	for (i = 0; i < NR_CELLS; i++)
		HOLDS(walk, addr[i * CELL] == slot->cells[i]);
	return true;
}

/* What the devices that work on a copy see from now on. */
static void copies_refresh(struct slot *slot)
{
	int i, j;

	for (i = 0; i < NR_ATTACHES; i++)
		for (j = 0; slot->attached[i].dev && j < NR_TABLES; j++)
			memcpy(slot->attached[i].tables[j].seen, slot->cells,
			       sizeof(slot->cells));
}

static bool step_cpu_access(struct walk *walk, struct slot *slot,
			    unsigned int arg)
{
	enum dma_data_direction dir = arg / 8 % 3;

	if (!slot->own)
		return false;
	called(slot, MOCK_OP_BEGIN);
	if (fail_next(slot, arg, MOCK_OP_BEGIN, -EINTR)) {
		HOLDS(walk, dma_buf_begin_cpu_access(slot->dmabuf, dir) ==
			    -EINTR);
		return true;
	}
	HOLDS(walk, !dma_buf_begin_cpu_access(slot->dmabuf, dir));
	HOLDS(walk, !dma_buf_end_cpu_access(slot->dmabuf, dir));
	called(slot, MOCK_OP_END);
	if (dir != DMA_FROM_DEVICE)
		copies_refresh(slot);
	return true;
}

static bool step_name(struct walk *walk, struct slot *slot, unsigned int arg)
{
	char name[40];

	if (!slot->own)
		return false;
	memset(name, 'a' + (int)(arg % 26), sizeof(name));
	name[arg % sizeof(name)] = '\0';
	name[sizeof(name) - 1] = '\0';
	if (strlen(name) >= sizeof(slot->name)) {
		HOLDS(walk, dma_buf_set_name(slot->dmabuf, name) == -EINVAL);
		return true;
	}
	HOLDS(walk, !dma_buf_set_name(slot->dmabuf, name));
	strlcpy(slot->name, name, sizeof(slot->name));
	slot->named = true;
	return true;
}

const step_fn walk_steps[WALK_NR_STEPS] = {
	step_export, step_get, step_put, step_put_held,
	step_fd, step_dup, step_close, step_lookup, step_seek, step_dispatch,
	step_vmap, step_vunmap, step_mmap, step_mmap_fd, step_munmap,
	step_cpu_write, step_cpu_read, step_cpu_access, step_name,
	step_attach, step_detach, step_map, step_unmap, step_pin, step_unpin,
	step_move, step_dev_write, step_dev_read,
};

const step_fn walk_emptying[WALK_NR_EMPTYING] = {
	step_unmap, step_unpin, step_detach, step_vunmap, step_munmap,
	step_close, step_put,
};
