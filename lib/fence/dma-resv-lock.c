/* SPDX-License-Identifier: MIT */
/*
 * dma-resv-lock.c - the reservation of a buffer: its outermost lock
 *
 * The lock knows its owner. Only the owner writes the word, with the guard
 * held, so comparing it with oneself needs no lock: no other thread can make
 * the answer true.
 *
 * It is handed from its owner to the first of those that wait. They stand in
 * the order in which they came, except that of two with a context the older one
 * stands in front. A context that has other reservations never waits behind an
 * older one (wait-die): it is refused when it asks, or, when the older one
 * comes later, while it waits. So every chain of waiting ends at the oldest.
 *
 * The owner holds a mutex besides, which nobody waits for: debuggers and
 * sanitizers see the lock by it. With a context the order of locking is free,
 * and the mutex taken in a way that sets no order.
 */
#include <dmabuf/dma-resv.h>

#include <errno.h>

#include "base/context.h"
#include "base/list.h"
#include "base/report.h"
#include "base/util.h"
#include "fence/futex.h"
#include "fence/resv.h"

struct ww_class reservation_ww_class;

/* On the stack of a thread that waits. (g) guard held */
struct waiter {
	struct dmabuf_list node;	/* (g) */
	struct ww_acquire_ctx *ctx;
	const void *thread;
	bool stays;			/* cannot be told that it is refused */
	uint32_t decided;		/* atomic; 1: @result is valid */
	int result;
};

/* Contexts */

void ww_acquire_init(struct ww_acquire_ctx *ctx, struct ww_class *ww_class)
{
	*ctx = (struct ww_acquire_ctx){
		.stamp = __atomic_add_fetch(&ww_class->stamp, 1,
					    __ATOMIC_RELAXED),
	};
}

void ww_acquire_done(struct ww_acquire_ctx *ctx)
{
	if (ctx->done)
		report_warn(__func__, "it was said before");
	ctx->done = true;
}

void ww_acquire_fini(struct ww_acquire_ctx *ctx)
{
	if (ctx->acquired)
		report_warn(__func__, "%u reservations are still held",
			    ctx->acquired);
}

static bool ctx_is_older(const struct ww_acquire_ctx *ctx,
			 const struct ww_acquire_ctx *than)
{
	return ctx && ctx->stamp < than->stamp;
}

/* Life */

static void lock_init(struct dma_resv *obj)
{
	pthread_mutex_init(&obj->lock, NULL);
	pthread_mutex_init(&obj->guard, NULL);
	obj->owner = NULL;
	obj->ctx = NULL;
	list_init(&obj->waiters);
}

void dma_resv_init(struct dma_resv *obj)
{
	lock_init(obj);
	obj->fences = NULL;
}

void dma_resv_fini(struct dma_resv *obj)
{
	resv_fences_drop(obj);
	pthread_mutex_destroy(&obj->guard);
	pthread_mutex_destroy(&obj->lock);
}

void resv_fork_child(struct dma_resv *obj)
{
	if (dma_resv_held(obj)) {
		if (obj->ctx)
			obj->ctx->acquired--;
		pthread_mutex_unlock(&obj->lock);
		context_resv_lost();
	}
	lock_init(obj);
	resv_fences_forget(obj);
}

/* Waiting */

static struct waiter *waiter_of(struct dmabuf_list *node)
{
	return container_of(node, struct waiter, node);
}

static const void *resv_owner(const struct dma_resv *obj)
{
	return __atomic_load_n(&obj->owner, __ATOMIC_RELAXED);
}

static void owner_set_locked(struct dma_resv *obj, const void *owner,
			     struct ww_acquire_ctx *ctx)
{
	__atomic_store_n(&obj->owner, owner, __ATOMIC_RELAXED);
	obj->ctx = ctx;
}

static bool is_free_locked(const struct dma_resv *obj)
{
	return !obj->owner && list_empty(&obj->waiters);
}

static void waiter_decide_locked(struct waiter *waiter, int result)
{
	list_del_init(&waiter->node);
	waiter->result = result;
	/* Release, pairs with the acquire in waiter_sleep(). */
	__atomic_store_n(&waiter->decided, 1, __ATOMIC_RELEASE);
	/* Where it was may be gone by now: then nobody is woken. */
	futex_wake_all(&waiter->decided);
}

static bool must_die_locked(struct dma_resv *obj,
			    const struct ww_acquire_ctx *ctx)
{
	struct dmabuf_list *node;

	if (!ctx || !ctx->acquired)
		return false;
	if (ctx_is_older(obj->ctx, ctx))
		return true;
	for (node = obj->waiters.next; node != &obj->waiters; node = node->next)
		if (ctx_is_older(waiter_of(node)->ctx, ctx))
			return true;
	return false;
}

/* Younger ones that have something, and would wait for @ctx, do not. */
static void refuse_younger_locked(struct dma_resv *obj,
				  const struct ww_acquire_ctx *ctx)
{
	struct dmabuf_list *node, *next;
	struct waiter *waiter;

	for (node = obj->waiters.next; node != &obj->waiters; node = next) {
		next = node->next;
		waiter = waiter_of(node);
		if (waiter->ctx && waiter->ctx->acquired && !waiter->stays &&
		    ctx_is_older(ctx, waiter->ctx))
			waiter_decide_locked(waiter, -EDEADLK);
	}
}

static void waiter_queue_locked(struct dma_resv *obj, struct waiter *waiter)
{
	struct dmabuf_list *node = &obj->waiters;

	if (waiter->ctx) {
		refuse_younger_locked(obj, waiter->ctx);
		node = obj->waiters.next;
		while (node != &obj->waiters &&
		       (!waiter_of(node)->ctx ||
			ctx_is_older(waiter_of(node)->ctx, waiter->ctx)))
			node = node->next;
	}
	list_add_before(&waiter->node, node);
}

static bool is_decided(const struct waiter *waiter)
{
	return __atomic_load_n(&waiter->decided, __ATOMIC_ACQUIRE);
}

static int waiter_sleep(struct dma_resv *obj, struct waiter *waiter, bool intr)
{
	bool interrupted = false;

	while (!is_decided(waiter) && !interrupted)
		interrupted = futex_wait(&waiter->decided, 0, intr,
					 FOREVER_NS) == -EINTR && intr;
	if (is_decided(waiter))
		return waiter->result;
	pthread_mutex_lock(&obj->guard);
	if (!is_decided(waiter)) {
		list_del_init(&waiter->node);
		waiter->result = -EINTR;
	}
	pthread_mutex_unlock(&obj->guard);
	return waiter->result;
}

/* Taking and giving back */

enum how { HOW_WAIT = 0, HOW_INTERRUPTIBLE = 1, HOW_SLOW = 2 };

static int owner_become(struct dma_resv *obj, struct ww_acquire_ctx *ctx,
			unsigned int how)
{
	struct waiter waiter = {
		.ctx = ctx,
		.thread = context_self(),
		.stays = how & HOW_SLOW,
	};
	int ret = 0;

	pthread_mutex_lock(&obj->guard);
	if (is_free_locked(obj)) {
		owner_set_locked(obj, waiter.thread, ctx);
		pthread_mutex_unlock(&obj->guard);
		return 0;
	}
	if (!(how & HOW_SLOW) && must_die_locked(obj, ctx))
		ret = -EDEADLK;
	else
		waiter_queue_locked(obj, &waiter);
	pthread_mutex_unlock(&obj->guard);
	return ret ? ret : waiter_sleep(obj, &waiter, how & HOW_INTERRUPTIBLE);
}

static void taken(struct dma_resv *obj, struct ww_acquire_ctx *ctx)
{
	if (!ctx) {
		pthread_mutex_lock(&obj->lock);
	} else {
		(void)pthread_mutex_trylock(&obj->lock);
		ctx->acquired++;
	}
	context_resv_taken();
}

static int resv_take(struct dma_resv *obj, struct ww_acquire_ctx *ctx,
		     unsigned int how, const char *function)
{
	int ret;

	if (dma_resv_held(obj)) {
		if (ctx && obj->ctx == ctx)
			return -EALREADY;
		report_bug(function, "the thread holds resv %p already",
			   (void *)obj);
	}
	if (ctx && ctx->done)
		report_warn(function, "after ww_acquire_done()");
	if (ctx && ctx->acquired && (how & HOW_SLOW))
		report_warn(function, "%u reservations are still held",
			    ctx->acquired);
	ret = owner_become(obj, ctx, how);
	if (!ret)
		taken(obj, ctx);
	return ret;
}

int dma_resv_lock(struct dma_resv *obj, struct ww_acquire_ctx *ctx)
{
	return resv_take(obj, ctx, HOW_WAIT, __func__);
}

int dma_resv_lock_interruptible(struct dma_resv *obj,
				struct ww_acquire_ctx *ctx)
{
	return resv_take(obj, ctx, HOW_INTERRUPTIBLE, __func__);
}

void dma_resv_lock_slow(struct dma_resv *obj, struct ww_acquire_ctx *ctx)
{
	resv_take(obj, ctx, HOW_SLOW, __func__);
}

int dma_resv_lock_slow_interruptible(struct dma_resv *obj,
				     struct ww_acquire_ctx *ctx)
{
	return resv_take(obj, ctx, HOW_SLOW | HOW_INTERRUPTIBLE, __func__);
}

bool dma_resv_trylock(struct dma_resv *obj)
{
	bool is_free;

	pthread_mutex_lock(&obj->guard);
	is_free = is_free_locked(obj);
	if (is_free)
		owner_set_locked(obj, context_self(), NULL);
	pthread_mutex_unlock(&obj->guard);
	if (!is_free)
		return false;
	(void)pthread_mutex_trylock(&obj->lock);
	context_resv_taken();
	return true;
}

static void owner_hand_on(struct dma_resv *obj)
{
	struct waiter *next;

	pthread_mutex_lock(&obj->guard);
	if (list_empty(&obj->waiters)) {
		owner_set_locked(obj, NULL, NULL);
	} else {
		next = waiter_of(obj->waiters.next);
		owner_set_locked(obj, next->thread, next->ctx);
		waiter_decide_locked(next, 0);
	}
	pthread_mutex_unlock(&obj->guard);
}

void dma_resv_unlock(struct dma_resv *obj)
{
	if (!dma_resv_held(obj)) {
		report_warn(__func__, "the thread does not hold %p",
			    (void *)obj);
		return;
	}
	resv_fences_unreserve(obj);
	if (obj->ctx)
		obj->ctx->acquired--;
	pthread_mutex_unlock(&obj->lock);
	owner_hand_on(obj);
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

/* Asking */

bool dma_resv_is_locked(const struct dma_resv *obj)
{
	return resv_owner(obj) != NULL;
}

bool dma_resv_held(const struct dma_resv *obj)
{
	return resv_owner(obj) == context_self();
}

struct ww_acquire_ctx *dma_resv_locking_ctx(struct dma_resv *obj)
{
	struct ww_acquire_ctx *ctx;

	pthread_mutex_lock(&obj->guard);
	ctx = obj->ctx;
	pthread_mutex_unlock(&obj->guard);
	return ctx;
}

void dmabuf_resv_assert_held(const struct dma_resv *obj, const char *function)
{
	if (!dma_resv_held(obj))
		report_warn(function, "resv %p is not held by the caller",
			    (const void *)obj);
}
