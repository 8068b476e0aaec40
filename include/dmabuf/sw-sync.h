/* SPDX-License-Identifier: MIT */
/* sw-sync.h - timelines that a program moves on by itself */
#ifndef DMABUF_SW_SYNC_H
#define DMABUF_SW_SYNC_H

#include <stdint.h>

#include <dmabuf/dma-fence.h>
#include <dmabuf/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * For tests and for learning: who waits here waits for a program. Values are
 * compared modulo 2^32.
 */
struct dmabuf_sw_sync;

/**
 * dmabuf_sw_sync_create() - a timeline, at 0
 * @name: copied, its first 31 bytes; NULL for "sw_sync"
 * @ret_timeline: the timeline, given back to dmabuf_sw_sync_destroy()
 *
 * Return: 0; -ENOMEM.
 */
DMABUF_API int dmabuf_sw_sync_create(const char *name,
				     struct dmabuf_sw_sync **ret_timeline);

/**
 * dmabuf_sw_sync_destroy() - end a timeline
 * @timeline: timeline or NULL
 *
 * Fences that are pending fail with -ENOENT, and are signalled. They may
 * outlive it.
 */
DMABUF_API void dmabuf_sw_sync_destroy(struct dmabuf_sw_sync *timeline);

/**
 * dmabuf_sw_sync_fence() - a point of the timeline
 * @timeline: timeline
 * @value: the point; one that is reached already gives a fence that is done
 *
 * Return: with a reference; the same fence for the same point while it lives
 * and is pending; ERR_PTR(-ENOMEM).
 */
DMABUF_API struct dma_fence *
dmabuf_sw_sync_fence(struct dmabuf_sw_sync *timeline, uint32_t value);

/**
 * dmabuf_sw_sync_inc() - move the timeline on
 * @timeline: timeline
 * @count: how far
 *
 * Signals the fences up to there in their order, in steps of at most INT_MAX.
 */
DMABUF_API void dmabuf_sw_sync_inc(struct dmabuf_sw_sync *timeline,
				   uint32_t count);

/**
 * dmabuf_sw_sync_deadline() - by when a fence is wanted
 * @fence: fence of a timeline, of this process
 * @ret_deadline: the earliest deadline set while it was pending, nanoseconds
 *	on CLOCK_MONOTONIC
 *
 * Return: 0; -EINVAL when it is of no timeline; -ENOENT when none was set.
 * (SW_SYNC_GET_DEADLINE, Linux 6.12)
 */
DMABUF_API int dmabuf_sw_sync_deadline(struct dma_fence *fence,
				       int64_t *ret_deadline);

#ifdef __cplusplus
}
#endif

#endif
