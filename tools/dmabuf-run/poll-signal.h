/* SPDX-License-Identifier: MIT */
/* poll-signal.h - what would interrupt a thread of the program */
#ifndef DMABUF_RUN_POLL_SIGNAL_H
#define DMABUF_RUN_POLL_SIGNAL_H

#include "run.h"

/*
 * In the kernel: the call is made again if no handler has run, and fails with
 * EINTR otherwise. Only right when the thread itself will take a signal.
 */
#define ERESTARTNOHAND 514

/* A thread's signals and more, as /proc/TID/status has them */
struct thread_status {
	uint64_t pending_own;		/* the thread's */
	uint64_t pending;		/* the process's too */
	uint64_t blocked;
	uint64_t ignored;
	uint64_t caught;		/* have a handler */
	int threads;
	int fd_size;			/* of the table of fds */
	pid_t process;
	bool leader;			/* the first thread */
};

/* 0; -ESRCH: it has gone. */
int thread_status_read(pid_t tid, struct thread_status *ret_status);

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
