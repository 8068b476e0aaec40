/* SPDX-License-Identifier: MIT */
/* dma-resv.h - the reservation of a buffer: its outermost lock */
#ifndef DMABUF_DMA_RESV_H
#define DMABUF_DMA_RESV_H

#include <pthread.h>
#include <stdbool.h>

#include <dmabuf/export.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ww_acquire_ctx;

/*
 * A lock that knows its owner. One reservation may serve many buffers: an
 * exporter lends it at export, and it must outlive them all. The fields are the
 * library's.
 */
struct dma_resv {
	pthread_mutex_t lock;
	const void *owner;	/* the thread inside, or NULL; atomic */
};

/**
 * dma_resv_init() - make a reservation in the caller's memory; free it with
 * dma_resv_fini()
 */
DMABUF_API void dma_resv_init(struct dma_resv *obj);

/** dma_resv_fini() - end a reservation that nobody holds or uses */
DMABUF_API void dma_resv_fini(struct dma_resv *obj);

/**
 * dma_resv_lock() - take the reservation, waiting for it
 * @obj: reservation
 * @ctx: NULL; taking several reservations at a time comes with the fences
 *
 * While a thread holds a reservation, the release of a buffer whose last
 * reference it drops waits until it has dropped all reservations. A thread that
 * takes what it already holds is a BUG.
 *
 * Return: 0; -EINVAL with a warning when @ctx is given.
 */
DMABUF_API int dma_resv_lock(struct dma_resv *obj, struct ww_acquire_ctx *ctx);

/**
 * dma_resv_trylock() - take the reservation if nobody holds it; true when taken
 */
DMABUF_API bool dma_resv_trylock(struct dma_resv *obj);

/**
 * dma_resv_unlock() - give the reservation back
 * @obj: held by the calling thread; otherwise it warns and stays as it is
 *
 * May run the release of buffers.
 */
DMABUF_API void dma_resv_unlock(struct dma_resv *obj);

/**
 * dma_resv_is_locked() - does anybody hold it? Only a hint, unless it is the
 * caller.
 */
DMABUF_API bool dma_resv_is_locked(const struct dma_resv *obj);

/** dma_resv_held() - does the calling thread hold it? */
DMABUF_API bool dma_resv_held(const struct dma_resv *obj);

/** dma_resv_assert_held() - warn unless the calling thread holds it */
#define dma_resv_assert_held(obj) dmabuf_resv_assert_held((obj), __func__)

/**
 * dmabuf_resv_assert_held() - the same, in the name of a function
 * @obj: reservation
 * @function: whom the warning names
 */
DMABUF_API void dmabuf_resv_assert_held(const struct dma_resv *obj,
					const char *function);

#ifdef __cplusplus
}
#endif

#endif
