/* SPDX-License-Identifier: MIT */
/*
 * inject-thread.h - a thread of the program that makes calls for us
 *
 * All is done by one thread here.
 */
#ifndef DMABUF_RUN_INJECT_THREAD_H
#define DMABUF_RUN_INJECT_THREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "inject-regs.h"

struct inject_thread {
	pid_t tid;
	bool gone;			/* killed, or never stopped */
	bool dead;			/* to be buried */
	bool faulted;			/* its last run */
	bool refused;			/* its last call, with SIGSYS to come */
	struct inject_call made;	/* by itself: it comes out of that */
	struct thread_regs regs;	/* as they were then */
	uint64_t mask;			/* likewise */
	uint64_t masked;		/* meanwhile */
};

/* Start to trace it; it runs on, or waits on. 0 or -errno. */
int inject_thread_seize(struct inject_thread *thread, pid_t tid);

/* It is to stop on its way out of the call that it is in. */
void inject_thread_interrupt(struct inject_thread *thread);

/* Wait until it has, out of @made. 0 or -errno. */
int inject_thread_stopped(struct inject_thread *thread,
			  const struct inject_call *made);

/*
 * Make it do the call. 0, with its result, which is -EPERM when the program
 * keeps it from being done; -errno: the thread is gone.
 */
int inject_thread_call(struct inject_thread *thread,
		       const struct inject_call *call, long *ret_result);

/*
 * Make it run inject-loop.c's code at @code, over the calls from @first up to
 * @end; *ret_at: @end, or the one that failed with *ret_result. As above. @last
 * is made when all others have been, and *ret_last says so: where the program
 * keeps the code from coming to its end, it is not.
 */
int inject_thread_loop(struct inject_thread *thread, uint64_t code,
		       uint64_t first, uint64_t end,
		       const struct inject_call *last, uint64_t *ret_at,
		       long *ret_result, bool *ret_last);

/* As a result: it is to make its call again. */
#define INJECT_AGAIN INT64_MIN

/* Let it go, as if the call it came out of had this result. */
void inject_thread_leave(struct inject_thread *thread, long result);

/* At last, and without trace_lock: wait for its end, if it was killed. */
void inject_thread_bury(struct inject_thread *thread);

#endif
