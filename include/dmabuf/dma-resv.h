/* SPDX-License-Identifier: MIT */
/* dma-resv.h - the reservation of a buffer: a lock, and who uses the memory */
#ifndef DMABUF_DMA_RESV_H
#define DMABUF_DMA_RESV_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <dmabuf/dma-fence.h>
#include <dmabuf/export.h>
#include <dmabuf/list.h>

#ifdef __cplusplus
extern "C" {
#endif

struct dma_resv_list;

/*
 * Locking several
 *
 * A thread that wants more than one reservation at a time takes them with a
 * context. Of two that want what the other has, the younger context gets
 * -EDEADLK: it gives back all it has, takes what it was refused by
 * dma_resv_lock_slow(), and begins again. The elder always gets on.
 */

/* All contexts that may meet are of one class. */
struct ww_class {
	uint64_t stamp;	/* the last one given out; atomic */
};

/* The class of reservations. */
DMABUF_API extern struct ww_class reservation_ww_class;

/* A thread's attempt to take several; in its own memory. */
struct ww_acquire_ctx {
	uint64_t stamp;		/* lower is older */
	unsigned int acquired;	/* reservations held with it */
	bool done;		/* no more to come */
};

/**
 * ww_acquire_init() - begin to take several
 * @ctx: set up; used by the calling thread only
 * @ww_class: &reservation_ww_class
 */
DMABUF_API void ww_acquire_init(struct ww_acquire_ctx *ctx,
				struct ww_class *ww_class);

/** ww_acquire_done() - all are taken; one more would warn. Optional */
DMABUF_API void ww_acquire_done(struct ww_acquire_ctx *ctx);

/** ww_acquire_fini() - all are given back; otherwise it warns */
DMABUF_API void ww_acquire_fini(struct ww_acquire_ctx *ctx);

/*
 * What a fence in a reservation is for, in this order: who asks for one usage
 * means those before it too.
 */
enum dma_resv_usage {
	/** @DMA_RESV_USAGE_KERNEL: moving, clearing: everybody waits */
	DMA_RESV_USAGE_KERNEL,
	/** @DMA_RESV_USAGE_WRITE: writes: readers and writers wait */
	DMA_RESV_USAGE_WRITE,
	/** @DMA_RESV_USAGE_READ: reads: writers wait */
	DMA_RESV_USAGE_READ,
	/** @DMA_RESV_USAGE_BOOKKEEP: the memory stays; nobody else waits */
	DMA_RESV_USAGE_BOOKKEEP
};

/** dma_resv_usage_rw() - whom a writer, or a reader, waits for */
static inline enum dma_resv_usage dma_resv_usage_rw(bool write)
{
	return write ? DMA_RESV_USAGE_READ : DMA_RESV_USAGE_WRITE;
}

/**
 * struct dma_resv - a lock that knows its owner, and fences
 *
 * One reservation may serve many buffers: an exporter lends it at export, and
 * it must outlive them all. The lock keeps off those that change the fences;
 * who only looks at them needs none. The fields are the library's.
 */
struct dma_resv {
	pthread_mutex_t lock;		/* of the owner, for tools to see */
	pthread_mutex_t guard;		/* of the fields below; a leaf */
	const void *owner;		/* the thread inside, or NULL; atomic */
	struct ww_acquire_ctx *ctx;	/* the owner's, or NULL */
	struct dmabuf_list waiters;	/* whose turn it is comes first */
	struct dma_resv_list *fences;	/* NULL until some are reserved */
};

/**
 * dma_resv_init() - make a reservation in the caller's memory; free it with
 * dma_resv_fini()
 */
DMABUF_API void dma_resv_init(struct dma_resv *obj);

/**
 * dma_resv_fini() - end a reservation that nobody holds or uses
 *
 * Its fences are put, done or not.
 */
DMABUF_API void dma_resv_fini(struct dma_resv *obj);

/**
 * dma_resv_lock() - take the reservation, waiting for it
 * @obj: reservation
 * @ctx: the attempt to take several that this is part of, or NULL
 *
 * While a thread holds a reservation, the release of a buffer whose last
 * reference it drops waits until it has dropped all reservations. A thread that
 * takes what it already holds is a BUG, unless it holds it with @ctx.
 *
 * Return: 0; -EALREADY when @ctx holds it; -EDEADLK when @ctx holds others and
 * an older context has it or is to have it. Without @ctx always 0.
 * (dma_resv_lock(), Linux 6.12)
 */
DMABUF_API int dma_resv_lock(struct dma_resv *obj, struct ww_acquire_ctx *ctx);

/**
 * dma_resv_lock_interruptible() - the same; -EINTR when a signal handler ran in
 * the thread while it waited
 */
DMABUF_API int dma_resv_lock_interruptible(struct dma_resv *obj,
					   struct ww_acquire_ctx *ctx);

/**
 * dma_resv_lock_slow() - take what was refused with -EDEADLK
 * @obj: the one that was refused
 * @ctx: the same; it holds none, otherwise it warns
 */
DMABUF_API void dma_resv_lock_slow(struct dma_resv *obj,
				   struct ww_acquire_ctx *ctx);

/** dma_resv_lock_slow_interruptible() - the same; 0, or -EINTR */
DMABUF_API int dma_resv_lock_slow_interruptible(struct dma_resv *obj,
						struct ww_acquire_ctx *ctx);

/**
 * dma_resv_trylock() - take the reservation if nobody holds it; true when taken
 */
DMABUF_API bool dma_resv_trylock(struct dma_resv *obj);

/**
 * dma_resv_unlock() - give the reservation back
 * @obj: held by the calling thread; otherwise it warns and stays as it is
 *
 * May run the release of buffers. Slots that were reserved are gone, as after
 * dma_resv_reset_max_fences().
 */
DMABUF_API void dma_resv_unlock(struct dma_resv *obj);

/**
 * dma_resv_is_locked() - does anybody hold it? Only a hint, unless it is the
 * caller.
 */
DMABUF_API bool dma_resv_is_locked(const struct dma_resv *obj);

/** dma_resv_held() - does the calling thread hold it? */
DMABUF_API bool dma_resv_held(const struct dma_resv *obj);

/**
 * dma_resv_locking_ctx() - the context it was taken with, or NULL
 * @obj: reservation; only its owner can use the answer
 */
DMABUF_API struct ww_acquire_ctx *dma_resv_locking_ctx(struct dma_resv *obj);

/** dma_resv_assert_held() - warn unless the calling thread holds it */
#define dma_resv_assert_held(obj) dmabuf_resv_assert_held((obj), __func__)

/**
 * dmabuf_resv_assert_held() - the same, in the name of a function
 * @obj: reservation
 * @function: whom the warning names
 */
DMABUF_API void dmabuf_resv_assert_held(const struct dma_resv *obj,
					const char *function);

/* Fences. "Held": a caller who does not hold @obj is warned, and it goes on. */

/**
 * dma_resv_reserve_fences() - make room, so that adding cannot fail
 * @obj: held until the fences are added
 * @num_fences: as many can be added; 0 warns. Calls do not add up
 *
 * Return: 0; -ENOMEM; -EINVAL for 0. (dma_resv_reserve_fences(), Linux 6.12)
 */
DMABUF_API int dma_resv_reserve_fences(struct dma_resv *obj,
				       unsigned int num_fences);

/**
 * dma_resv_add_fence() - work on the memory has begun
 * @obj: held; without room: BUG
 * @fence: takes a reference; a plain fence: an array or a chain warns
 * @usage: what the work does
 *
 * Others see it at once. It takes the place of one that is done, or of an
 * earlier one of the same timeline with the same usage or a weaker one.
 * (dma_resv_add_fence(), Linux 6.12)
 */
DMABUF_API void dma_resv_add_fence(struct dma_resv *obj,
				   struct dma_fence *fence,
				   enum dma_resv_usage usage);

/**
 * dma_resv_replace_fences() - put a fence in place of a timeline's
 * @obj: held
 * @context: the timeline; without fences of it nothing happens
 * @fence: takes a reference for each one replaced
 * @usage: what it is for
 */
DMABUF_API void dma_resv_replace_fences(struct dma_resv *obj, uint64_t context,
					struct dma_fence *fence,
					enum dma_resv_usage usage);

/**
 * dma_resv_copy_fences() - take over what is pending elsewhere
 * @dst: held; what it had is dropped
 * @src: another reservation, held or not
 *
 * Return: 0; -ENOMEM, and @dst is as before.
 */
DMABUF_API int dma_resv_copy_fences(struct dma_resv *dst, struct dma_resv *src);

/**
 * dma_resv_get_fences() - what is pending
 * @obj: reservation, held or not
 * @usage: up to this one
 * @num_fences: gets their number
 * @fences: gets a vector for free(3), with a reference on each; NULL for none
 *
 * Return: 0; -ENOMEM.
 */
DMABUF_API int dma_resv_get_fences(struct dma_resv *obj,
				   enum dma_resv_usage usage,
				   unsigned int *num_fences,
				   struct dma_fence ***fences);

/**
 * dma_resv_get_singleton() - what is pending, as one fence
 * @obj: reservation, held or not
 * @usage: up to this one
 * @fence: gets it, with a reference; NULL when none is pending; an array for
 *	several, which is not to be added to a reservation
 *
 * Return: 0; -ENOMEM.
 */
DMABUF_API int dma_resv_get_singleton(struct dma_resv *obj,
				      enum dma_resv_usage usage,
				      struct dma_fence **fence);

/**
 * dma_resv_wait_timeout() - wait for what is pending
 * @obj: reservation, held or not
 * @usage: up to this one
 * @intr: as with dma_fence_wait_timeout()
 * @timeout: nanoseconds for all of them together; INT64_MAX: forever
 *
 * Return: as dma_fence_wait_timeout().
 */
DMABUF_API int64_t dma_resv_wait_timeout(struct dma_resv *obj,
					 enum dma_resv_usage usage, bool intr,
					 int64_t timeout);

/** dma_resv_set_deadline() - dma_fence_set_deadline() for what is pending */
DMABUF_API void dma_resv_set_deadline(struct dma_resv *obj,
				      enum dma_resv_usage usage,
				      int64_t deadline);

/** dma_resv_test_signaled() - is nothing pending up to @usage? */
DMABUF_API bool dma_resv_test_signaled(struct dma_resv *obj,
				       enum dma_resv_usage usage);

/** dma_resv_describe() - a line for each fence up to READ; @obj is held */
DMABUF_API void dma_resv_describe(struct dma_resv *obj, FILE *out);

/**
 * dma_resv_reset_max_fences() - drop what was reserved and not used
 * @obj: held
 *
 * Differs from the kernel, where it does something with debugging only.
 */
DMABUF_API void dma_resv_reset_max_fences(struct dma_resv *obj);

/* Looking at each fence */

/**
 * struct dma_resv_iter - where a walk is
 * @obj: reservation
 * @usage: up to this one
 * @fence: current one; a walk without the lock has a reference on it
 * @fence_usage: its usage
 * @index: of the next one
 * @fences: what is walked through; another one there means a restart
 * @id: of @fences
 * @num_fences: no more than these, in a walk without the lock
 * @is_restarted: this is the first one
 */
struct dma_resv_iter {
	struct dma_resv *obj;
	enum dma_resv_usage usage;
	struct dma_fence *fence;
	enum dma_resv_usage fence_usage;
	unsigned int index;
	struct dma_resv_list *fences;
	uint64_t id;
	unsigned int num_fences;
	bool is_restarted;
};

DMABUF_API struct dma_fence *
dma_resv_iter_first_unlocked(struct dma_resv_iter *cursor);
DMABUF_API struct dma_fence *
dma_resv_iter_next_unlocked(struct dma_resv_iter *cursor);
DMABUF_API struct dma_fence *dma_resv_iter_first(struct dma_resv_iter *cursor);
DMABUF_API struct dma_fence *dma_resv_iter_next(struct dma_resv_iter *cursor);

/** dma_resv_iter_begin() - set up a walk over the fences up to @usage */
static inline void dma_resv_iter_begin(struct dma_resv_iter *cursor,
				       struct dma_resv *obj,
				       enum dma_resv_usage usage)
{
	cursor->obj = obj;
	cursor->usage = usage;
	cursor->fence = NULL;
}

/** dma_resv_iter_end() - end it, however far it got */
static inline void dma_resv_iter_end(struct dma_resv_iter *cursor)
{
	dma_fence_put(cursor->fence);
}

/** dma_resv_iter_usage() - the usage of the current fence */
static inline enum dma_resv_usage
dma_resv_iter_usage(struct dma_resv_iter *cursor)
{
	return cursor->fence_usage;
}

/** dma_resv_iter_is_restarted() - forget what the walk has found so far */
static inline bool dma_resv_iter_is_restarted(struct dma_resv_iter *cursor)
{
	return cursor->is_restarted;
}

/*
 * Each pending fence, between dma_resv_iter_begin() and dma_resv_iter_end(),
 * without the lock. Begins again when the fences were replaced meanwhile. With
 * a reference that the walk drops.
 */
#define dma_resv_for_each_fence_unlocked(cursor, fence)      \
	for (fence = dma_resv_iter_first_unlocked(cursor);   \
	     fence; fence = dma_resv_iter_next_unlocked(cursor))

/* Each fence, done or not, with @obj held; borrowed. Nothing to end. */
#define dma_resv_for_each_fence(cursor, obj, usage, fence)   \
	for (dma_resv_iter_begin(cursor, obj, usage),        \
	     fence = dma_resv_iter_first(cursor); fence;     \
	     fence = dma_resv_iter_next(cursor))

#ifdef __cplusplus
}
#endif

#endif
