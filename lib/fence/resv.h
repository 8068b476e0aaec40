/* SPDX-License-Identifier: MIT */
/* resv.h - what the library needs of a reservation beyond its functions */
#ifndef LIB_FENCE_RESV_H
#define LIB_FENCE_RESV_H

#include <dmabuf/dma-resv.h>

#include "base/context.h"

/*
 * In a forked child: the lock is made anew, whoever held it, and the fences are
 * gone, as nobody signals them here.
 */
void resv_fork_child(struct dma_resv *obj);

/* Take the reservation until frame_leave(). */
void resv_frame_enter(struct frame *frame, struct dma_resv *obj);

/* Between the lock and the fences of a reservation */

/* Put all of them; the list goes. */
void resv_fences_drop(struct dma_resv *obj);

/* The same without putting: they are the parent's. */
void resv_fences_forget(struct dma_resv *obj);

/* Slots that are not used are no longer reserved. */
void resv_fences_unreserve(struct dma_resv *obj);

#endif
