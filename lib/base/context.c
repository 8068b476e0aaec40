/* SPDX-License-Identifier: MIT */
/* context.c - what the calling thread is in the middle of */
#include "base/context.h"

#include <stddef.h>

#include "base/worker.h"

struct context {
	struct frame *frames;		/* innermost first */
	unsigned int resvs;		/* reservations held */
	unsigned int sections;		/* locks of fences held */
	bool running;			/* deferred work is being run */
	bool signaling;			/* deferred signals are */
	struct work_queue work;
	struct work_queue signals;
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

bool context_is_idle(void)
{
	return !here.frames && !here.resvs && !here.running;
}

static void context_run(void)
{
	struct dmabuf_work *work;

	if (!context_is_idle() || !here.work.first)
		return;
	here.running = true;
	while ((work = work_pop(&here.work)))
		work->run(work);
	here.running = false;
}

void context_defer(struct dmabuf_work *work)
{
	work_push(&here.work, work);
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

/* Not one inside the other: a container may be a member of the next one. */
static void signals_run(void)
{
	struct dmabuf_work *work;

	if (here.sections || here.signaling || !here.signals.first)
		return;
	here.signaling = true;
	while ((work = work_pop(&here.signals)))
		work->run(work);
	here.signaling = false;
}

void frame_leave(struct frame *frame)
{
	here.frames = frame->outer;
	frame_drop(frame);
	signals_run();
	context_run();
}

void frame_leave_borrowed(struct frame *frame)
{
	here.frames = frame->outer;
	frame_drop(frame);
	if (!here.sections && !here.signaling)
		worker_give(&here.signals);
	if (context_is_idle())
		worker_give(&here.work);
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

void context_resv_lost(void)
{
	here.resvs--;
}

void context_settle(void)
{
	signals_run();
	context_run();
}

void context_section_enter(void)
{
	here.sections++;
}

void context_section_leave(void)
{
	/* None: a fork in the middle left them all. */
	if (here.sections)
		here.sections--;
}

void context_defer_signal(struct dmabuf_work *work)
{
	work_push(&here.signals, work);
	signals_run();
}

void context_abandon(void)
{
	struct frame *frame;

	/* As long as there are frames, deferred work stays deferred. */
	for (frame = here.frames; frame; frame = frame->outer)
		frame_drop(frame);
	here.frames = NULL;
	here.sections = 0;
	here.running = false;
	here.signaling = false;
}

void context_fork_child(void)
{
	struct frame *frame;

	for (frame = here.frames; frame; frame = frame->outer)
		if (frame->locked)
			frame->drop = NULL;
	here.sections = 0;
}
