/* SPDX-License-Identifier: MIT */
/*
 * dma-resv.c - the reservation of a buffer: its outermost lock
 *
 * A pthread mutex beside an owner word. Only the owner writes the word, with
 * the mutex held, so comparing it with oneself needs no lock: no other thread
 * can make the answer true.
 */
#include <dmabuf/dma-resv.h>

#include <errno.h>

#include "base/context.h"
#include "base/report.h"
#include "fence/resv.h"

static const void *resv_owner(const struct dma_resv *obj)
{
	return __atomic_load_n(&obj->owner, __ATOMIC_RELAXED);
}

static void resv_set_owner(struct dma_resv *obj, const void *owner)
{
	__atomic_store_n(&obj->owner, owner, __ATOMIC_RELAXED);
}

void dma_resv_init(struct dma_resv *obj)
{
	pthread_mutex_init(&obj->lock, NULL);
	obj->owner = NULL;
}

void dma_resv_fini(struct dma_resv *obj)
{
	pthread_mutex_destroy(&obj->lock);
}

void resv_fork_child(struct dma_resv *obj)
{
	if (dma_resv_held(obj)) {
		pthread_mutex_unlock(&obj->lock);
		context_resv_lost();
	}
	dma_resv_init(obj);
}

int dma_resv_lock(struct dma_resv *obj, struct ww_acquire_ctx *ctx)
{
	if (ctx) {
		report_warn(__func__, "acquire contexts are not there yet");
		return -EINVAL;
	}
	if (dma_resv_held(obj))
		report_bug(__func__, "the thread holds resv %p already",
			   (void *)obj);
	pthread_mutex_lock(&obj->lock);
	resv_set_owner(obj, context_self());
	context_resv_taken();
	return 0;
}

bool dma_resv_trylock(struct dma_resv *obj)
{
	if (dma_resv_held(obj) || pthread_mutex_trylock(&obj->lock))
		return false;
	resv_set_owner(obj, context_self());
	context_resv_taken();
	return true;
}

void dma_resv_unlock(struct dma_resv *obj)
{
	if (!dma_resv_held(obj)) {
		report_warn(__func__, "the thread does not hold %p",
			    (void *)obj);
		return;
	}
	resv_set_owner(obj, NULL);
	pthread_mutex_unlock(&obj->lock);
	context_resv_dropped();
}

static void resv_drop(void *obj)
{
	dma_resv_unlock((struct dma_resv *)obj);
}

void resv_frame_enter(struct frame *frame, struct dma_resv *obj)
{
	dma_resv_lock(obj, NULL);
	frame_enter_locked(frame, resv_drop, obj);
}

bool dma_resv_is_locked(const struct dma_resv *obj)
{
	return resv_owner(obj) != NULL;
}

bool dma_resv_held(const struct dma_resv *obj)
{
	return resv_owner(obj) == context_self();
}

void dmabuf_resv_assert_held(const struct dma_resv *obj, const char *function)
{
	if (!dma_resv_held(obj))
		report_warn(function, "resv %p is not held by the caller",
			    (const void *)obj);
}
