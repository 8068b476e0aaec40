/* SPDX-License-Identifier: MIT */
/* inject.h - what the parts of inject.c share */
#ifndef DMABUF_RUN_INJECT_H
#define DMABUF_RUN_INJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "inject-regs.h"
#include "run.h"

/* inject-plan.c: which part of which memfd goes where */

struct inject_piece {
	uint64_t at;		/* in the mapping; bytes, as all here */
	uint64_t size;
	uint64_t offset;	/* in the memfd */
	size_t view;
};

struct inject_view {
	int memfd;		/* the buffer's: says which one it is */
	int fd;			/* ours */
	int number;		/* the program's */
};

struct inject_plan {
	uint64_t length;	/* whole pages */
	struct inject_piece *pieces;
	size_t nr_pieces;
	struct inject_view *views;
	size_t nr_views;
};

/* 0 or -errno. The views hold the buffer until inject_plan_free(). */
int inject_plan_make(struct inject_plan *plan, struct dma_buf *dmabuf,
		     uint64_t offset, uint64_t length);
void inject_plan_free(struct inject_plan *plan);

/* inject-thread.c: a thread that makes calls for us. All by one thread here. */

struct inject_thread {
	pid_t tid;
	bool gone;			/* killed, or never stopped */
	bool dead;			/* to be buried */
	bool faulted;			/* its last run */
	bool refused;			/* its last call, with SIGSYS to come */
	struct thread_regs regs;	/* as they were */
	uint64_t mask;			/* likewise */
	uint64_t masked;		/* meanwhile */
};

/* Start to trace it; it runs on, or waits on. 0 or -errno. */
int inject_thread_seize(struct inject_thread *thread, pid_t tid);

/* It is to stop on its way out of the call that it is in. */
void inject_thread_interrupt(struct inject_thread *thread);

/* Wait until it has, out of call number @nr. 0 or -errno. */
int inject_thread_stopped(struct inject_thread *thread, uint64_t nr);

/*
 * Make it do the call. 0, with its result, which is -EPERM when the program
 * keeps it from being done; -errno: the thread is gone.
 */
int inject_thread_call(struct inject_thread *thread,
		       const struct inject_call *call, long *ret_result);

/*
 * Make it run inject-loop.c's code at @code, over the calls from @first up to
 * @end; *ret_at: @end, or the one that failed with *ret_result. As above.
 */
int inject_thread_loop(struct inject_thread *thread, uint64_t code,
		       uint64_t first, uint64_t end, uint64_t *ret_at,
		       long *ret_result);

/* As a result: it is to make its call again. */
#define INJECT_AGAIN INT64_MIN

/* Let it go, as if the call it came out of had this result. */
void inject_thread_leave(struct inject_thread *thread, long result);

/* At last, and without trace_lock: wait for its end, if it was killed. */
void inject_thread_bury(struct inject_thread *thread);

/* inject-loop.c: many calls at one go */

struct inject_loop {
	int fd;			/* -1: none */
	int number;		/* the program's; -1: not there yet */
	uint64_t size;
	uint64_t address;	/* in the program; 0: not mapped */
};

/* Room for @nr_calls. Without an fd when there is none to be had. */
void inject_loop_open(struct inject_loop *loop, size_t nr_calls);
void inject_loop_close(struct inject_loop *loop);

/* 0 or -errno */
int inject_loop_map(struct inject_loop *loop, struct inject_thread *thread,
		    const struct inject_call *calls, size_t nr_calls);
void inject_loop_unmap(struct inject_loop *loop, struct inject_thread *thread);

/*
 * The calls of inject_loop_map() from @first up to @end; *ret_at as above, and
 * both count calls.
 */
int inject_loop_run(const struct inject_loop *loop,
		    struct inject_thread *thread, size_t first, size_t end,
		    size_t *ret_at, long *ret_result);

#endif
