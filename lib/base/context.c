/* SPDX-License-Identifier: MIT */
/* context.c - what the calling thread is in the middle of */
#include "base/context.h"

#include <stddef.h>

struct context {
	struct frame *frames;		/* innermost first */
	unsigned int resvs;		/* reservations held */
	bool running;			/* deferred work is being run */
	STAILQ_HEAD(, deferred) work;	/* stqh_last NULL: not yet set up */
};

/*
 * initial-exec: one load instead of a call; the struct is far below what the
 * loader keeps free for libraries opened late.
 */
static __thread struct context here
	__attribute__((tls_model("initial-exec")));

bool context_in_callback(void)
{
	return here.frames != NULL;
}

static bool context_idle(void)
{
	return !here.frames && !here.resvs && !here.running;
}

static void context_run(void)
{
	struct deferred *work;

	if (!context_idle() || !here.work.stqh_last)
		return;
	here.running = true;
	while ((work = STAILQ_FIRST(&here.work))) {
		STAILQ_REMOVE_HEAD(&here.work, link);
		work->run(work);
	}
	here.running = false;
}

void context_settle(void)
{
	context_run();
}

void context_defer(struct deferred *work)
{
	if (!here.work.stqh_last)
		STAILQ_INIT(&here.work);
	STAILQ_INSERT_TAIL(&here.work, work, link);
	context_run();
}

static void frame_push(struct frame *frame, void (*drop)(void *what),
		       void *what, bool locked)
{
	*frame = (struct frame){ here.frames, drop, what, locked };
	here.frames = frame;
}

void frame_enter_locked(struct frame *frame, void (*drop)(void *what),
			void *what)
{
	frame_push(frame, drop, what, true);
}

void frame_enter(struct frame *frame, void (*drop)(void *what), void *what)
{
	frame_push(frame, drop, what, false);
}

static void frame_drop(struct frame *frame)
{
	void (*drop)(void *what) = frame->drop;

	frame->drop = NULL;
	if (drop)
		drop(frame->what);
}

void frame_leave(struct frame *frame)
{
	here.frames = frame->outer;
	frame_drop(frame);
	context_run();
}

void context_resv_taken(void)
{
	here.resvs++;
}

void context_resv_dropped(void)
{
	here.resvs--;
	context_run();
}

void context_abandon(void)
{
	struct frame *frame;

	/* As long as there are frames, deferred work stays deferred. */
	for (frame = here.frames; frame; frame = frame->outer)
		frame_drop(frame);
	here.frames = NULL;
	here.running = false;
}

void context_fork_child(void)
{
	struct frame *frame;

	for (frame = here.frames; frame; frame = frame->outer)
		if (frame->locked)
			frame->drop = NULL;
	here.resvs = 0;
}
