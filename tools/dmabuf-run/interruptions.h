/* SPDX-License-Identifier: MIT */
/* interruptions.h - what would interrupt a thread of the program */
#ifndef DMABUF_RUN_INTERRUPTIONS_H
#define DMABUF_RUN_INTERRUPTIONS_H

#include "thread.h"

/*
 * In the kernel: the call is made again, unless a handler has run that does not
 * want that; the second one: unless any has run. Else it fails with EINTR. Only
 * right when the thread itself will take the signal.
 */
#define ERESTARTSYS 512
#define ERESTARTNOHAND 514

enum interruption {
	INTERRUPTION_NONE,
	INTERRUPTION_HANDLER,		/* EINTR */
	INTERRUPTION_RESTART,		/* ERESTARTNOHAND */
	INTERRUPTION_MASKED,		/* only @mask lets it through */
};

/*
 * Between two looks: signals of the process that were there the last time.
 * Otherwise another thread may be about to take them.
 */
struct interruptions {
	const uint64_t *mask;		/* of ppoll, pselect6; or NULL */
	uint64_t seen;
	uint64_t signals;		/* that interrupt it */
	unsigned int turn;		/* which threads are looked at next */
};

enum interruption interruptions_look(struct interruptions *look,
				     const struct thread_status *status);

#endif
