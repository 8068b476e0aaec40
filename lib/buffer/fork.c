/* SPDX-License-Identifier: MIT */
/*
 * fork.c - what a forked child keeps
 *
 * Its buffers are private copies: usable, with locks made anew, whoever held
 * them. Only the parent tracks the fds that were out; events, timer and reaper
 * are the parent's. Imports are dead, so that the child keeps nothing alive.
 */
#include "buffer/fork.h"

#include <pthread.h>

#include "base/fork.h"
#include "base/list.h"
#include "buffer/handle.h"
#include "buffer/import.h"
#include "buffer/reaper.h"
#include "buffer/registry.h"
#include "buffer/watch.h"
#include "fence/remote.h"
#include "fence/resv.h"

/*
 * A thread of the parent that was inside vmap or vunmap may have been between
 * the two fields. What it was mapping is nobody's in the child.
 */
static void vmap_pair_mend(struct buffer *buffer)
{
	struct dma_buf *dmabuf = &buffer->base;

	if (!buffer->op_thread)
		return;
	buffer->op_thread = NULL;
	if (dmabuf->vmapping_counter && dmabuf->vmap_ptr)
		return;
	dmabuf->vmapping_counter = 0;
	dmabuf->vmap_ptr = NULL;
}

/* What it waits for happens in the parent. */
static void poll_slot_clear(struct buffer *buffer,
			    struct dma_buf_poll_cb_t *slot)
{
	if (!slot->active)
		return;
	slot->active = 0;
	list_del_init(&slot->cb.node);
	if (buffer->refs > 1)
		buffer->refs--;
}

static void buffer_fork_child(struct buffer *buffer)
{
	struct handle *view;

	pthread_mutex_init(&buffer->base.lock, NULL);
	vmap_pair_mend(buffer);
	attachments_mend(buffer);
	poll_slot_clear(buffer, &buffer->base.cb_in);
	poll_slot_clear(buffer, &buffer->base.cb_out);
	resv_fork_child(buffer->base.resv);
	LIST_FOREACH(view, &buffer->views, by_inode)
		handle_fork_child_locked(view);
	if (!buffer->handle)
		return;
	handle_fork_child_locked(buffer->handle);
	if (buffer->handle->kind == HANDLE_IMPORT) {
		import_fork_child(&buffer->base);
		registry_unindex_locked(buffer->handle);
	}
}

static void child_locked(void)
{
	registry_fork_child_locked();
	watch_fork_child_locked();
	reaper_fork_child();
	registry_each_buffer_locked(buffer_fork_child);
}

static void fork_child(bool locked)
{
	if (!locked) {
		registry_fork_child();
		registry_lock();
	}
	child_locked();
	registry_unlock();
}

static struct fork_hook hook = {
	.lock = registry_lock,
	.unlock = registry_unlock,
	.child = fork_child,
};

void buffer_fork_check(void)
{
	/* The events of buffers have those of fences in them. */
	remote_fork_check();
	fork_check(&hook);
}
