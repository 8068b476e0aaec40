/* SPDX-License-Identifier: MIT */
/* dma-fence.h - a point in time at which work on a buffer is done */
#ifndef DMABUF_DMA_FENCE_H
#define DMABUF_DMA_FENCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <dmabuf/export.h>
#include <dmabuf/list.h>

#ifdef __cplusplus
extern "C" {
#endif

struct dma_fence;
struct dma_fence_cb;

/*
 * Times are nanoseconds: points on CLOCK_MONOTONIC, and timeouts relative to
 * now. INT64_MAX as a timeout is forever.
 */

/* Bits of &dma_fence.flags; atomic, and never cleared. */
enum dma_fence_flag_bits {
	/** @DMA_FENCE_FLAG_SIGNALED_BIT: it is done */
	DMA_FENCE_FLAG_SIGNALED_BIT,
	/** @DMA_FENCE_FLAG_TIMESTAMP_BIT: &dma_fence.timestamp is valid */
	DMA_FENCE_FLAG_TIMESTAMP_BIT,
	/** @DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT: somebody waits for it */
	DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT,
	/** @DMA_FENCE_FLAG_USER_BITS: from here on, the implementer's */
	DMA_FENCE_FLAG_USER_BITS
};

/**
 * struct dma_fence_ops - how a kind of fence works
 *
 * The table and the lock stay valid for as long as the fence lives. "Lock held"
 * speaks of &dma_fence.lock.
 */
struct dma_fence_ops {
	/**
	 * @use_64bit_seqno: sequence numbers are compared as they are; without
	 * it, modulo 2^32.
	 */
	bool use_64bit_seqno;

	/** @get_driver_name: whose fence it is. Mandatory; any time. */
	const char *(*get_driver_name)(struct dma_fence *fence);

	/**
	 * @get_timeline_name: what it is a point of. Mandatory; any time; the
	 * string is valid for as long as the fence lives.
	 */
	const char *(*get_timeline_name)(struct dma_fence *fence);

	/**
	 * @enable_signaling: somebody waits now: see to it that the fence gets
	 * signalled. Optional; lock held; called once at most, and only while
	 * it is not signalled. False: it is done (or cannot be watched), and
	 * the library signals it at once; &dma_fence.error may be set then.
	 * True: the implementer signals it, and holds a reference until then.
	 */
	bool (*enable_signaling)(struct dma_fence *fence);

	/**
	 * @signaled: is it done? Optional; a quick look, asked by every query
	 * while nobody signalled it; lock held or not, as the query has it.
	 * Once true, always true; the library signals it then. May be late.
	 */
	bool (*signaled)(struct dma_fence *fence);

	/**
	 * @wait: waits in place of dma_fence_default_wait(). Optional; no lock
	 * held. Positive: done, with what is left of @timeout; 0: not in
	 * time; -EINTR; another negative value: done, with an error.
	 */
	int64_t (*wait)(struct dma_fence *fence, bool intr, int64_t timeout);

	/**
	 * @release: the last reference went. Optional: without it, free(3) of
	 * the fence, which then comes first in its allocation. Runs wherever
	 * that happens, so it takes no lock that a put is made under; ends in
	 * dma_fence_free(), or in free(3) where dma_fence_get_rcu_safe() is
	 * not used.
	 */
	void (*release)(struct dma_fence *fence);

	/** @fence_value_str: the sequence number as text. Optional. */
	void (*fence_value_str)(struct dma_fence *fence, char *str, int size);

	/** @timeline_value_str: where the timeline is, as text. Optional. */
	void (*timeline_value_str)(struct dma_fence *fence, char *str,
				   int size);

	/**
	 * @set_deadline: somebody wants it done by @deadline. A hint; optional;
	 * no lock held; may come often: the earliest counts.
	 */
	void (*set_deadline)(struct dma_fence *fence, int64_t deadline);
};

/**
 * struct dma_fence - set up by dma_fence_init() in the implementer's memory
 *
 * (c) constant after init; (l) @lock held; (a) atomic.
 */
struct dma_fence {
	/** @lock: (c) the implementer's, often one for a timeline */
	pthread_mutex_t *lock;
	/** @ops: (c) */
	const struct dma_fence_ops *ops;
	/** @cb_list: (l) callbacks, first added first; until it is signalled */
	struct dmabuf_list cb_list;
	/** @timestamp: when it was signalled, from DMA_FENCE_FLAG_TIMESTAMP_BIT */
	int64_t timestamp;
	/** @context: (c) the timeline, from dma_fence_context_alloc() */
	uint64_t context;
	/** @seqno: (c) the place on the timeline */
	uint64_t seqno;
	/** @flags: (a) enum dma_fence_flag_bits */
	unsigned long flags;
	/** @refcount: (a) */
	unsigned int refcount;
	/** @error: 0 or -errno; written before it is signalled */
	int error;
	/** @sleepers: (l) a futex(2) word, the library's */
	uint32_t sleepers;
};

/**
 * dma_fence_func_t - told that a fence is signalled
 * @fence: the fence; its lock is held
 * @cb: as given to dma_fence_add_callback(); may be freed or added again
 *
 * Must not block, nor call what takes the lock of @fence: add or remove a
 * callback, signal, ask the status. A buffer whose last reference it drops is
 * released after the lock is given back.
 */
typedef void (*dma_fence_func_t)(struct dma_fence *fence,
				 struct dma_fence_cb *cb);

/* A callback; in the caller's memory, on one fence at a time. */
struct dma_fence_cb {
	struct dmabuf_list node;
	dma_fence_func_t func;
};

/* Making one */

/**
 * dma_fence_context_alloc() - a name for each of @num timelines
 * @num: number of timelines; 0 warns
 *
 * Return: the first of @num consecutive ids; 1 is the first of all.
 */
DMABUF_API uint64_t dma_fence_context_alloc(unsigned int num);

/**
 * dma_fence_init() - set up a fence in the caller's memory
 * @fence: memory; given back to dma_fence_put()
 * @ops: its kind; NULL, or without the two names: BUG
 * @lock: guards callbacks and signalling; a plain mutex, not a recursive one,
 *	which outlives the fence; NULL: BUG
 * @context: timeline
 * @seqno: place on it
 *
 * It has one reference. (dma_fence_init(), Linux 6.12)
 */
DMABUF_API void dma_fence_init(struct dma_fence *fence,
			       const struct dma_fence_ops *ops,
			       pthread_mutex_t *lock, uint64_t context,
			       uint64_t seqno);

/** dma_fence_get() - take another reference; NULL gives NULL */
DMABUF_API struct dma_fence *dma_fence_get(struct dma_fence *fence);

/**
 * dma_fence_get_rcu() - take a reference unless the last one is gone
 * @fence: its memory is known to be valid
 *
 * Return: @fence, or NULL.
 */
DMABUF_API struct dma_fence *dma_fence_get_rcu(struct dma_fence *fence);

/**
 * dma_fence_get_rcu_safe() - take a reference on what a pointer shows now
 * @fencep: pointer that others replace meanwhile, atomically
 *
 * Safe against the fence's being freed, if it is by dma_fence_free().
 *
 * Differs from the kernel: there is no read side section to be in.
 * Return: the fence, or NULL when the pointer is.
 */
DMABUF_API struct dma_fence *dma_fence_get_rcu_safe(struct dma_fence **fencep);

/**
 * dma_fence_put() - give a reference back; NULL is nothing
 *
 * The last one ends the fence by &dma_fence_ops.release. When callbacks wait
 * for it still, it warns, and signals it first with -EDEADLK.
 */
DMABUF_API void dma_fence_put(struct dma_fence *fence);

/**
 * dma_fence_free() - free(3), for the end of a release op
 *
 * Waits for those that are inside dma_fence_get_rcu_safe() already: a few
 * instructions, unless such a thread was preempted.
 */
DMABUF_API void dma_fence_free(struct dma_fence *fence);

/* Signalling */

/**
 * dma_fence_set_error() - say that the work failed, before signalling
 * @fence: fence, not signalled
 * @error: -errno
 *
 * Differs from the kernel: a fence that is signalled, or a value that is no
 * -errno, warns and changes nothing.
 */
DMABUF_API void dma_fence_set_error(struct dma_fence *fence, int error);

/**
 * dma_fence_signal() - the work is done
 * @fence: fence; the caller holds a reference, and not its lock
 *
 * Wakes those that wait, and calls the callbacks in the order of adding. What
 * is made of several fences is signalled after the lock is given back, here: so
 * hold no other fence's lock either, nor one that callbacks take. In the kernel
 * that goes on elsewhere; dma_fence_signal_locked() leaves it to a thread.
 *
 * Return: 0; -EINVAL when it was signalled already, and without @fence.
 * (dma_fence_signal(), Linux 6.12)
 */
DMABUF_API int dma_fence_signal(struct dma_fence *fence);

/**
 * dma_fence_signal_locked() - the same, with the fence's lock held
 *
 * What is made of several fences is signalled soon after by a thread of the
 * library, as nobody can tell when the caller unlocks. Without the lock: warns.
 */
DMABUF_API int dma_fence_signal_locked(struct dma_fence *fence);

/** dma_fence_signal_timestamp() - the work was done at @timestamp */
DMABUF_API int dma_fence_signal_timestamp(struct dma_fence *fence,
					  int64_t timestamp);

/** dma_fence_signal_timestamp_locked() - the same, with the lock held */
DMABUF_API int dma_fence_signal_timestamp_locked(struct dma_fence *fence,
						 int64_t timestamp);

/** dma_fence_enable_sw_signaling() - ask for it to be signalled */
DMABUF_API void dma_fence_enable_sw_signaling(struct dma_fence *fence);

/* Asking */

/**
 * dma_fence_is_signaled() - is it done?
 *
 * May signal it, when its &dma_fence_ops.signaled says so. Takes no lock for
 * one that is signalled.
 */
DMABUF_API bool dma_fence_is_signaled(struct dma_fence *fence);

/** dma_fence_is_signaled_locked() - the same, with the fence's lock held */
DMABUF_API bool dma_fence_is_signaled_locked(struct dma_fence *fence);

/**
 * dma_fence_get_status() - how far is it?
 *
 * Return: 0 pending; 1 done; -errno done, with this error.
 */
DMABUF_API int dma_fence_get_status(struct dma_fence *fence);

/** dma_fence_get_status_locked() - the same, with the fence's lock held */
DMABUF_API int dma_fence_get_status_locked(struct dma_fence *fence);

/**
 * dma_fence_timestamp() - when was it signalled?
 *
 * Return: the time; when it is not signalled, now, with a warning.
 */
DMABUF_API int64_t dma_fence_timestamp(struct dma_fence *fence);

/** dma_fence_is_later() - is @f1 after @f2? Two timelines: false, and warns. */
DMABUF_API bool dma_fence_is_later(struct dma_fence *f1, struct dma_fence *f2);

/** dma_fence_is_later_or_same() - the same, or one and the same object */
DMABUF_API bool dma_fence_is_later_or_same(struct dma_fence *f1,
					   struct dma_fence *f2);

/**
 * dma_fence_later() - the later of two
 *
 * Return: borrowed; NULL when that one is signalled, and, with a warning, for
 * two timelines.
 */
DMABUF_API struct dma_fence *dma_fence_later(struct dma_fence *f1,
					     struct dma_fence *f2);

/** dma_fence_set_deadline() - it would be good to have it done by then */
DMABUF_API void dma_fence_set_deadline(struct dma_fence *fence,
				       int64_t deadline);

/** dma_fence_describe() - one line of text: names, number, signalled or not */
DMABUF_API void dma_fence_describe(struct dma_fence *fence, FILE *out);

/* Being told, waiting */

/**
 * dma_fence_add_callback() - be told when it is signalled
 * @fence: fence; the caller holds a reference until @cb ran or was removed
 * @cb: caller's memory, until @func runs or it is removed
 * @func: who is told
 *
 * Return: 0; -ENOENT when it is signalled, and @func will not run; -EINVAL with
 * a warning without @fence or @func.
 */
DMABUF_API int dma_fence_add_callback(struct dma_fence *fence,
				      struct dma_fence_cb *cb,
				      dma_fence_func_t func);

/**
 * dma_fence_remove_callback() - do not be told
 * @fence: fence
 * @cb: has been through dma_fence_add_callback()
 *
 * Return: true when it was removed before it ran; false when it has run and
 * finished, or never waited.
 */
DMABUF_API bool dma_fence_remove_callback(struct dma_fence *fence,
					  struct dma_fence_cb *cb);

/**
 * dma_fence_wait_timeout() - wait until it is signalled
 * @fence: fence; the caller holds a reference
 * @intr: end with -EINTR when a signal handler ran in this thread meanwhile
 * @timeout: nanoseconds
 *
 * The library's locks may not be held, except reservations.
 *
 * Differs from the kernel: a signal that came before the wait is not seen.
 * Return: what is left of @timeout, at least 1; 0 when it ran out; -EINTR;
 * -EINVAL with a warning for a negative @timeout.
 */
DMABUF_API int64_t dma_fence_wait_timeout(struct dma_fence *fence, bool intr,
					  int64_t timeout);

/** dma_fence_default_wait() - what it does without &dma_fence_ops.wait */
DMABUF_API int64_t dma_fence_default_wait(struct dma_fence *fence, bool intr,
					  int64_t timeout);

/**
 * dma_fence_wait_any_timeout() - wait until one of several is signalled
 * @fences: @count fences, each with a reference of the caller
 * @count: at least 1
 * @intr: as with dma_fence_wait_timeout()
 * @timeout: nanoseconds; 0 only asks
 * @idx: NULL, or where the index of the signalled one goes
 *
 * Return: as dma_fence_wait_timeout(); -ENOMEM; -EINVAL with a warning for no
 * fences or a negative @timeout.
 */
DMABUF_API int64_t dma_fence_wait_any_timeout(struct dma_fence **fences,
					      uint32_t count, bool intr,
					      int64_t timeout, uint32_t *idx);

/** dma_fence_wait() - wait without an end: 0, or -errno */
DMABUF_API long dma_fence_wait(struct dma_fence *fence, bool intr);

/*
 * dma_fence_begin_signalling() and dma_fence_end_signalling() - around code that
 * is on the way to signalling: marks for the reader, without effect here
 */
static inline bool dma_fence_begin_signalling(void)
{
	return true;
}

static inline void dma_fence_end_signalling(bool cookie)
{
	(void)cookie;
}

/* Ready made */

/**
 * dma_fence_get_stub() - a fence that is signalled
 *
 * The same one each time; signalled when the first was asked for.
 */
DMABUF_API struct dma_fence *dma_fence_get_stub(void);

/**
 * dma_fence_allocate_private_stub() - one that was signalled at @timestamp
 *
 * Return: NULL without memory.
 */
DMABUF_API struct dma_fence *dma_fence_allocate_private_stub(int64_t timestamp);

/* Kinds */

DMABUF_API extern const struct dma_fence_ops dma_fence_array_ops;
DMABUF_API extern const struct dma_fence_ops dma_fence_chain_ops;

/** dma_fence_is_array() - is it made by dma_fence_array_init()? */
DMABUF_API bool dma_fence_is_array(const struct dma_fence *fence);

/** dma_fence_is_chain() - is it made by dma_fence_chain_init()? */
DMABUF_API bool dma_fence_is_chain(const struct dma_fence *fence);

/** dma_fence_is_container() - either of them */
static inline bool dma_fence_is_container(const struct dma_fence *fence)
{
	return dma_fence_is_array(fence) || dma_fence_is_chain(fence);
}

#ifdef __cplusplus
}
#endif

#endif
