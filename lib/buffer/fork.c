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
#include <sys/mman.h>

#include "buffer/handle.h"
#include "buffer/import.h"
#include "buffer/reaper.h"
#include "buffer/registry.h"
#include "buffer/watch.h"
#include "fence/resv.h"

/*
 * A page whose first byte is 1, and which a child finds wiped. NULL where the
 * kernel has no such pages; then the process id has to do.
 */
static char *mark;		/* set once */
static pid_t owner_pid;		/* unused with a mark */

static void mark_set(void)
{
	if (mark)
		*mark = 1;
	else
		owner_pid = getpid();
}

static bool forked(void)
{
	return mark ? !*mark : owner_pid != getpid();
}

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

static void buffer_fork_child(struct buffer *buffer)
{
	pthread_mutex_init(&buffer->base.lock, NULL);
	vmap_pair_mend(buffer);
	attachments_mend(buffer);
	resv_fork_child(buffer->base.resv);
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
	context_fork_child();
	registry_fork_child_locked();
	watch_fork_child_locked();
	reaper_fork_child();
	registry_each_buffer_locked(buffer_fork_child);
	mark_set();
}

/* The registry's lock is this thread's: taken before the fork. */
static void fork_child(void)
{
	child_locked();
	registry_unlock();
}

static void fork_setup(void)
{
	char *page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page != MAP_FAILED) {
		if (madvise(page, page_size(), MADV_WIPEONFORK))
			munmap(page, page_size());
		else
			mark = page;
	}
	mark_set();
	pthread_atfork(registry_lock, registry_unlock, fork_child);
}

void fork_check(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, fork_setup);
	if (!forked())
		return;
	registry_fork_child();
	registry_lock();
	child_locked();
	registry_unlock();
}
