/* SPDX-License-Identifier: MIT */
/*
 * dma-buf.c - the shared buffer: life, vmap counting, CPU access, name
 *
 * A buffer lives as long as its reference count: the creator's, one for each
 * dma_buf_get(), and one for each fd handed out (handle.c). Attachments, device
 * mappings and vmaps hold none.
 *
 * The vmap pair has two states, seen whenever the lock is free:
 *
 *	counter 0, pointer NULL        no mapping
 *	counter n, pointer p           one mapping, given out n times
 *
 * Everything else is broken, and a BUG.
 *
 * Locks, outermost first: resv, dma_buf.lock, registry.
 */
#include <dmabuf/dmabuf.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/report.h"
#include "buffer/buffer.h"
#include "buffer/fork.h"
#include "buffer/handle.h"
#include "buffer/registry.h"
#include "fence/resv.h"

#define NAME_MAX_LEN 31	/* DMA_BUF_NAME_LEN less the end */

static void buffer_release(struct dmabuf_work *work);

/* Export */

static const char *ops_fault(const struct dma_buf_ops *ops)
{
	if (!ops->map_dma_buf)
		return "no map_dma_buf op";
	if (!ops->unmap_dma_buf)
		return "no unmap_dma_buf op";
	if (!ops->release)
		return "no release op";
	if (ops->cache_sgt_mapping && (ops->pin || ops->unpin))
		return "cache_sgt_mapping together with pin or unpin";
	if (!ops->pin != !ops->unpin)
		return "only one of pin and unpin";
	return NULL;
}

static const char *export_info_fault(const struct dma_buf_export_info *info)
{
	if (!info)
		return "no export info";
	if (!info->priv)
		return "no priv";
	if (!info->ops)
		return "no ops";
	return ops_fault(info->ops);
}

static void buffer_init(struct buffer *buffer,
			const struct dma_buf_export_info *info)
{
	struct dma_buf *dmabuf = &buffer->base;

	*buffer = (struct buffer){
		.base = {
			.size = info->size,
			.ops = info->ops,
			.attachments = { &dmabuf->attachments,
					 &dmabuf->attachments },
			.exp_name = info->exp_name,
			.resv = info->resv ? info->resv : &buffer->own_resv,
			.priv = info->priv,
		},
		.refs = 1,
		.flags = info->flags & (O_ACCMODE | O_NONBLOCK),
		.release = { .run = buffer_release },
	};
	pthread_mutex_init(&dmabuf->lock, NULL);
	list_init(&dmabuf->cb_in.cb.node);
	list_init(&dmabuf->cb_out.cb.node);
	dma_resv_init(&buffer->own_resv);
}

struct dma_buf *dma_buf_export(const struct dma_buf_export_info *info)
{
	const char *fault = export_info_fault(info);
	struct buffer *buffer;

	if (fault) {
		report_warn(__func__, "%s", fault);
		return ERR_PTR(-EINVAL);
	}
	buffer = malloc(sizeof(*buffer));
	if (!buffer)
		return ERR_PTR(-ENOMEM);
	buffer_init(buffer, info);
	buffer_fork_check();
	registry_add(buffer);
	return &buffer->base;
}

/* Broken state */

static void buffer_describe_locked(struct buffer *buffer, char *text,
				   size_t size)
{
	const struct dma_buf *dmabuf = &buffer->base;
	struct dma_buf_attachment *attach;
	unsigned int nr_attachments = 0;

	dmabuf_for_each_attachment(attach, dmabuf)
		nr_attachments++;
	/* The exporter comes last: it may be a long path, and cut. */
	snprintf(text, size,
		 "  buffer %p: name \"%s\", size %zu, vmapping_counter %u, "
		 "vmap_ptr %p, attachments %u, exporter %s",
		 (const void *)dmabuf, dmabuf->name ? dmabuf->name : "",
		 dmabuf->size, dmabuf->vmapping_counter, dmabuf->vmap_ptr,
		 nr_attachments,
		 dmabuf->exp_name ? dmabuf->exp_name : "(none)");
}

/* Ends a decision that was made under the lock. */
static _Noreturn __attribute__((cold, noinline)) void
buffer_bug_unlock(struct buffer *buffer, const char *function, const char *what)
{
	char state[REPORT_MAX / 2];

	buffer_describe_locked(buffer, state, sizeof(state));
	buffer_unlock(buffer);
	report_bug(function, "%s\n%s", what, state);
}

static _Noreturn __attribute__((cold, noinline)) void
entry_bug(struct buffer *buffer, const char *function)
{
	char state[REPORT_MAX / 2];

	/* This thread holds the lock, in the frame around the op. */
	buffer_describe_locked(buffer, state, sizeof(state));
	report_bug(function, "called from the vmap or vunmap op of the same "
		   "buffer\n%s", state);
}

void buffer_check_entry(struct buffer *buffer, const char *function)
{
	if (__atomic_load_n(&buffer->op_thread, __ATOMIC_RELAXED) ==
	    context_self())
		entry_bug(buffer, function);
}

void buffer_lock(struct buffer *buffer, const char *function)
{
	buffer_check_entry(buffer, function);
	pthread_mutex_lock(&buffer->base.lock);
}

void buffer_unlock(struct buffer *buffer)
{
	pthread_mutex_unlock(&buffer->base.lock);
}

void buffer_check_resv(struct buffer *buffer, const char *function)
{
	if (!dma_resv_held(buffer->base.resv))
		return;
	buffer_lock(buffer, function);
	buffer_bug_unlock(buffer, function, "the thread holds resv already");
}

int op_result(int ret, const char *function, const char *op)
{
	if (ret <= 0)
		return ret;
	report_warn(function, "the %s op returned %d", op, ret);
	return -EINVAL;
}

/* References */

void get_dma_buf(struct dma_buf *dmabuf)
{
	if (!dmabuf) {
		report_warn(__func__, "no buffer");
		return;
	}
	if (__atomic_fetch_add(&buffer_of(dmabuf)->refs, 1, __ATOMIC_RELAXED))
		return;
	/* It waits for its release, or is in it. */
	__atomic_fetch_sub(&buffer_of(dmabuf)->refs, 1, __ATOMIC_RELAXED);
	report_warn(__func__, "there is no reference left to share");
}

/* As a frame's drop function: a BUG in the release op ends the buffer too. */
static void buffer_end(void *lock)
{
	struct buffer *buffer = lock;

	attachments_orphan(buffer);
	dma_resv_fini(&buffer->own_resv);
	pthread_mutex_destroy(&buffer->base.lock);
	free(buffer->base.name);
	registry_release_end(buffer);
	if (buffer->handle)
		handle_free(buffer->handle);
	handle_views_free(buffer);
	free(buffer);
}

static const char *release_fault_locked(const struct dma_buf *dmabuf)
{
	if (dmabuf->vmapping_counter)
		return "the last reference goes while the buffer is vmapped";
	if (__atomic_load_n(&dmabuf->cb_in.active, __ATOMIC_RELAXED) ||
	    __atomic_load_n(&dmabuf->cb_out.active, __ATOMIC_RELAXED))
		return "the last reference goes while a poll waits";
	return NULL;
}

static void buffer_check_unused(struct buffer *buffer)
{
	const char *fault;

	buffer_lock(buffer, "dma_buf_put");
	fault = release_fault_locked(&buffer->base);
	if (fault) {
		registry_revive(buffer);
		buffer_bug_unlock(buffer, "dma_buf_put", fault);
	}
	buffer_unlock(buffer);
}

static void buffer_release(struct dmabuf_work *work)
{
	struct buffer *buffer = container_of(work, struct buffer, release);
	struct dma_buf *dmabuf = &buffer->base;
	struct frame frame;
	bool attached;

	buffer_check_unused(buffer);
	registry_release_begin(buffer);
	frame_enter(&frame, buffer_end, buffer);
	dmabuf->ops->release(dmabuf);
	attached = dmabuf->attachments.next != &dmabuf->attachments;
	frame_leave(&frame);
	if (attached)
		report_warn("dma_buf_put", "released with attachments");
}

static bool refs_drop_unless_last(struct buffer *buffer)
{
	unsigned int refs = __atomic_load_n(&buffer->refs, __ATOMIC_RELAXED);

	while (refs > 1)
		if (__atomic_compare_exchange_n(&buffer->refs, &refs, refs - 1,
						true, __ATOMIC_RELEASE,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

void dma_buf_put(struct dma_buf *dmabuf)
{
	struct buffer *buffer;

	if (!dmabuf) {
		report_warn(__func__, "no buffer");
		return;
	}
	buffer = buffer_of(dmabuf);
	if (refs_drop_unless_last(buffer))
		return;
	switch (registry_put_last(buffer)) {
	case PUT_SHARED:
		break;
	case PUT_LAST:
		context_defer(&buffer->release);
		break;
	case PUT_NONE:
		report_warn(__func__, "there is no reference left to drop");
		break;
	}
}

unsigned int dmabuf_refcount(const struct dma_buf *dmabuf)
{
	return __atomic_load_n(&buffer_of(dmabuf)->refs, __ATOMIC_RELAXED);
}

/* CPU access */

static bool cpu_access_warned(const struct dma_buf *dmabuf,
			      const char *function)
{
	if (!dmabuf) {
		report_warn(function, "no buffer");
		return true;
	}
	if (dma_resv_held(dmabuf->resv))
		report_warn(function, "resv is held by the caller");
	return false;
}

/* Who writes waits for readers and writers, who reads for writers. */
static int wait_for_others(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	bool writes = dir == DMA_BIDIRECTIONAL || dir == DMA_TO_DEVICE;
	int64_t ret = dma_resv_wait_timeout(dmabuf->resv,
					    dma_resv_usage_rw(writes), true,
					    INT64_MAX);

	return ret < 0 ? (int)ret : 0;
}

int dma_buf_begin_cpu_access(struct dma_buf *dmabuf,
			     enum dma_data_direction dir)
{
	struct frame frame;
	int ret;

	if (cpu_access_warned(dmabuf, __func__))
		return -EINVAL;
	if (dmabuf->ops->begin_cpu_access) {
		frame_enter(&frame, NULL, NULL);
		ret = dmabuf->ops->begin_cpu_access(dmabuf, dir);
		frame_leave(&frame);
		if (ret)
			return ret;
	}
	return wait_for_others(dmabuf, dir);
}

int dma_buf_end_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	struct frame frame;
	int ret;

	if (cpu_access_warned(dmabuf, __func__))
		return -EINVAL;
	if (!dmabuf->ops->end_cpu_access)
		return 0;
	frame_enter(&frame, NULL, NULL);
	ret = dmabuf->ops->end_cpu_access(dmabuf, dir);
	frame_leave(&frame);
	return ret;
}

/* vmap */

/* Counting costs little more than its mutex: the line's start shows in it. */
#define VMAP_PATH __attribute__((hot, aligned(64)))

static void vmap_op_end(void *lock)
{
	struct buffer *buffer = lock;

	__atomic_store_n(&buffer->op_thread, NULL, __ATOMIC_RELEASE);
	buffer_unlock(buffer);
}

/*
 * Until frame_leave(), which unlocks, the thread is inside an op. The pair
 * changes only meanwhile, beside counting: a forked child can tell (fork.c).
 */
static void vmap_op_begin_locked(struct buffer *buffer, struct frame *frame)
{
	/* An exchange, for its acquire: the pair changes after it. */
	(void)__atomic_exchange_n(&buffer->op_thread, context_self(),
				  __ATOMIC_ACQ_REL);
	frame_enter_locked(frame, vmap_op_end, buffer);
}

/* Gives the lock back. */
static void *vmap_first_locked(struct buffer *buffer)
{
	struct dma_buf *dmabuf = &buffer->base;
	struct frame frame;
	void *vaddr;

	vmap_op_begin_locked(buffer, &frame);
	vaddr = dmabuf->ops->vmap(dmabuf);
	if (!IS_ERR_OR_NULL(vaddr)) {
		dmabuf->vmap_ptr = vaddr;
		dmabuf->vmapping_counter = 1;
	}
	frame_leave(&frame);
	return vaddr;
}

/* Everything but counting one more. Gives the lock back. */
static __attribute__((noinline)) void *vmap_slow_locked(struct buffer *buffer)
{
	struct dma_buf *dmabuf = &buffer->base;

	if (!dmabuf->ops->vmap) {
		buffer_unlock(buffer);
		return NULL;
	}
	if (dmabuf->vmapping_counter && !dmabuf->vmap_ptr)
		buffer_bug_unlock(buffer, "dma_buf_vmap",
				  "mappings are counted, but there is no "
				  "pointer");
	if (!dmabuf->vmapping_counter && dmabuf->vmap_ptr)
		buffer_bug_unlock(buffer, "dma_buf_vmap",
				  "no mapping is counted, but there is a "
				  "pointer");
	if (!dmabuf->vmapping_counter)
		return vmap_first_locked(buffer);
	buffer_unlock(buffer);
	report_warn("dma_buf_vmap", "the counter is at its maximum");
	return NULL;
}

VMAP_PATH void *dma_buf_vmap(struct dma_buf *dmabuf)
{
	void *vaddr;

	if (!dmabuf) {
		report_warn(__func__, "no buffer");
		return NULL;
	}
	buffer_lock(buffer_of(dmabuf), __func__);
	vaddr = dmabuf->vmap_ptr;
	if (!vaddr || !dmabuf->vmapping_counter ||
	    dmabuf->vmapping_counter == UINT_MAX)
		return vmap_slow_locked(buffer_of(dmabuf));
	dmabuf->vmapping_counter++;
	buffer_unlock(buffer_of(dmabuf));
	return vaddr;
}

static const char *vunmap_fault_locked(const struct dma_buf *dmabuf,
				       const void *vaddr)
{
	if (!dmabuf->vmap_ptr)
		return "there is no mapping";
	if (!dmabuf->vmapping_counter)
		return "no mapping is counted";
	if (dmabuf->vmap_ptr != vaddr)
		return "the address is not the one that was mapped";
	return NULL;
}

/*
 * Gives the lock back. The pair is cleared before the op, so that a BUG inside
 * it leaves a sound object.
 */
static void vunmap_last_locked(struct buffer *buffer)
{
	struct dma_buf *dmabuf = &buffer->base;
	void *vaddr = dmabuf->vmap_ptr;
	struct frame frame;

	vmap_op_begin_locked(buffer, &frame);
	dmabuf->vmapping_counter = 0;
	dmabuf->vmap_ptr = NULL;
	if (dmabuf->ops->vunmap)
		dmabuf->ops->vunmap(dmabuf, vaddr);
	frame_leave(&frame);
}

/* Everything but counting one less. Gives the lock back. */
static __attribute__((noinline)) void
vunmap_slow_locked(struct buffer *buffer, const void *vaddr)
{
	const char *fault = vunmap_fault_locked(&buffer->base, vaddr);

	/* The parent's mapping, which the child did not inherit. */
	if (buffer->dead) {
		buffer_unlock(buffer);
		return;
	}
	if (fault)
		buffer_bug_unlock(buffer, "dma_buf_vunmap", fault);
	vunmap_last_locked(buffer);
}

VMAP_PATH void dma_buf_vunmap(struct dma_buf *dmabuf, void *vaddr)
{
	if (!dmabuf) {
		report_warn(__func__, "no buffer");
		return;
	}
	buffer_lock(buffer_of(dmabuf), __func__);
	if (!vaddr || dmabuf->vmap_ptr != vaddr ||
	    dmabuf->vmapping_counter < 2) {
		vunmap_slow_locked(buffer_of(dmabuf), vaddr);
		return;
	}
	dmabuf->vmapping_counter--;
	buffer_unlock(buffer_of(dmabuf));
}

/* Name */

int dma_buf_set_name(struct dma_buf *dmabuf, const char *name)
{
	char *copy, *old;

	if (!dmabuf) {
		report_warn(__func__, "no buffer");
		return -EINVAL;
	}
	if (!name)
		return -EFAULT;
	if (strnlen(name, NAME_MAX_LEN + 1) > NAME_MAX_LEN)
		return -EINVAL;
	buffer_check_entry(buffer_of(dmabuf), __func__);
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	buffer_lock(buffer_of(dmabuf), __func__);
	old = dmabuf->name;
	dmabuf->name = copy;
	buffer_unlock(buffer_of(dmabuf));
	free(old);
	return 0;
}
