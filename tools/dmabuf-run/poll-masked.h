/* SPDX-License-Identifier: MIT */
/* poll-masked.h - signals that only the mask of ppoll(2) lets through */
#ifndef DMABUF_RUN_POLL_MASKED_H
#define DMABUF_RUN_POLL_MASKED_H

#include "poll-set.h"

/*
 * @call, a ppoll(2) or pselect6(2), has @signals to take that its thread blocks
 * by itself: the kernel goes on with it, without the buffers of @set.
 */
void masked_continue(struct call *call, const struct poll_set *set,
		     uint64_t signals);

/* The thread makes another call: it is to find its buffers again. */
void masked_end(pid_t tid);

#endif
