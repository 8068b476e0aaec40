/* SPDX-License-Identifier: MIT */
/* fence.h - what the kinds of fences share beyond the public functions */
#ifndef LIB_FENCE_FENCE_H
#define LIB_FENCE_FENCE_H

#include <dmabuf/dma-fence.h>

#include "base/context.h"

/*
 * A section with a fence's lock held, in which fences may be signalled. What
 * their callbacks leave by fence_defer() runs when the outermost section of the
 * thread ends, after the lock is given back.
 */
struct fence_section {
	struct frame frame;
	pthread_mutex_t *lock;
};

void fence_section_enter(struct fence_section *section, pthread_mutex_t *lock);
void fence_section_leave(struct fence_section *section);

/*
 * From a callback or op that runs with a fence's lock held: run @work where no
 * lock of a fence is held by the library. Reservations do not delay it.
 */
void fence_defer(struct dmabuf_work *work);

/*
 * Drop a reference. True: it was the last one, and the caller frees the fence
 * after fence_end(); false: the fence is somebody else's.
 */
bool fence_put_last(struct dma_fence *fence);

/* Drop a reference, unless it is the last one: false. */
bool fence_put_unless_last(struct dma_fence *fence);

/* By its bit alone: no op is asked, no lock taken. */
static inline bool fence_signaled_bit(const struct dma_fence *fence)
{
	/* Acquire, pairs with the release in signaled_set_locked(). */
	return __atomic_load_n(&fence->flags, __ATOMIC_ACQUIRE) &
	       (1ul << DMA_FENCE_FLAG_SIGNALED_BIT);
}

/* First step of a release: fail it, when callbacks wait for it still. */
void fence_end(struct dma_fence *fence);

#endif
