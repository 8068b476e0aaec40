/* SPDX-License-Identifier: MIT */
/* resv.h - what buffers need of a reservation beyond its public functions */
#ifndef LIB_FENCE_RESV_H
#define LIB_FENCE_RESV_H

#include <dmabuf/dma-resv.h>

#include "base/context.h"

/* Make the lock anew in a forked child, whoever held it. */
void resv_fork_child(struct dma_resv *obj);

/* Take the reservation until frame_leave(). */
void resv_frame_enter(struct frame *frame, struct dma_resv *obj);

#endif
