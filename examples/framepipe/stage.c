/* SPDX-License-Identifier: MIT */
/* stage.c - what a process of the three tells its parent */
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <time.h>

#include "framepipe.h"

const char *const role_names[NR_ROLES] = { "decoder", "filter", "viewer" };
const char *const frame_names[NR_FRAMES] = { "picture", "result" };

int stage_event(const struct stage *stage, struct event *event)
{
	ssize_t sent;

	event->role = stage->role;
	sent = send(stage->log, event, sizeof(*event), MSG_NOSIGNAL);
	return sent < 0 ? -1 : 0;
}

static PRINTF_LIKE(3, 0) int say(const struct stage *stage,
				 enum event_kind kind, const char *fmt,
				 va_list args)
{
	struct event event = { .kind = kind };

	vsnprintf(event.text, sizeof(event.text), fmt, args);
	return stage_event(stage, &event);
}

int stage_note(const struct stage *stage, const char *fmt, ...)
{
	va_list args;
	int ret;

	va_start(args, fmt);
	ret = say(stage, EVENT_NOTE, fmt, args);
	va_end(args);
	return ret;
}

int stage_fail(const struct stage *stage, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(stage, EVENT_ERROR, fmt, args);
	va_end(args);
	return -1;
}

/* What went wrong here began elsewhere. */
int stage_error(const struct stage *stage, enum event_kind kind,
		const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(stage, kind, fmt, args);
	va_end(args);
	return -1;
}

/* A process that dies at the worst moment: others wait for its fence. */
void stage_midway(const struct stage *stage, uint32_t number)
{
	if (stage->options->kill == (int)stage->role &&
	    number == stage->options->frames / 2)
		raise(SIGKILL);
}

int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}
