/* SPDX-License-Identifier: MIT */
/* context.h - what the calling thread is in the middle of */
#ifndef LIB_BASE_CONTEXT_H
#define LIB_BASE_CONTEXT_H

#include <stdbool.h>
#include <bsd/sys/queue.h>

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

/* The thread took or gave back a reservation. */
void context_resv_taken(void);
void context_resv_dropped(void);

/* Work of this thread, run once in the order of deferring. */
struct deferred {
	STAILQ_ENTRY(deferred) link;
	void (*run)(struct deferred *work);
};

/* Run it now, or when the thread is in the middle of something, after that. */
void context_defer(struct deferred *work);

/* Run what a BUG, whose handler jumped away, left deferred. */
void context_settle(void);

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
