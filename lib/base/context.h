/* SPDX-License-Identifier: MIT */
/* context.h - what the calling thread is in the middle of */
#ifndef LIB_BASE_CONTEXT_H
#define LIB_BASE_CONTEXT_H

#include <stdbool.h>

#include "base/work.h"

/*
 * A frame stands on the stack of a library function for as long as it calls
 * into an exporter or importer, or holds a lock around such a call. The frames
 * of a thread form a chain. It serves two ends:
 *
 * - Work that must not run behind the caller's back (the release of a buffer)
 *   is deferred until the outermost frame is left and no reservation is held.
 * - A BUG inside may leave by longjmp: report_bug() drops the locks of all
 *   frames first.
 */
struct frame {
	struct frame *outer;
	void (*drop)(void *what);	/* NULL: nothing to drop */
	void *what;
	bool locked;			/* @what is held by locks */
};

/* Enter with locks that are given back when the frame is left. */
void frame_enter_locked(struct frame *frame, void (*drop)(void *what),
			void *what);

/* Enter with an object that ends when the frame is left. @drop may be NULL. */
void frame_enter(struct frame *frame, void (*drop)(void *what), void *what);

/*
 * Drops, unless a BUG did, or a fork for locks, which the child does not hold;
 * then runs deferred work.
 */
void frame_leave(struct frame *frame);

/* Is the thread inside an op of an exporter or importer? */
bool context_in_callback(void);

/* In none, with no reservation held, and with nothing deferred being run? */
bool context_is_idle(void);

/* The thread took or gave back a reservation. */
void context_resv_taken(void);
void context_resv_dropped(void);

/* In a forked child: one that the thread held was made anew. */
void context_resv_lost(void);

/* Run it once: now, or when the thread is in the middle of something, after. */
void context_defer(struct dmabuf_work *work);

/* Run what a BUG, whose handler jumped away, left deferred. */
void context_settle(void);

/*
 * Inside a frame, around what is done with a fence's lock held. Work that waits
 * for no more than the end of these (the signalling of containers) has a queue
 * of its own: frame_leave() runs it, out of the outermost one.
 */
void context_section_enter(void);
void context_section_leave(void);

/* Run it now, or after the section the thread is in. */
void context_defer_signal(struct dmabuf_work *work);

/*
 * As frame_leave(), for a caller who goes on holding a lock: a worker runs what
 * was deferred.
 */
void frame_leave_borrowed(struct frame *frame);

/* Drop the locks of all frames: a BUG is about to be reported. */
void context_abandon(void);

/* In a forked child: no lock is held, all were made anew. */
void context_fork_child(void);

/* A value that tells threads apart; never NULL. On the path of every lock. */
static inline const void *context_self(void)
{
	return __builtin_thread_pointer();
}

#endif
