/* SPDX-License-Identifier: MIT */
/*
 * poll-signal.c - what would interrupt a thread of the program
 *
 * A thread that waits for our answer is woken by nothing but its death. So it
 * is looked at, over and over, and the answer is given when it has a signal.
 */
#include "poll-signal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* The rest of the line of @status that begins with @key */
static uint64_t value(const char *status, const char *key, int base)
{
	const char *line = strstr(status, key);

	return line ? strtoull(line + strlen(key), NULL, base) : 0;
}

int thread_status_read(pid_t tid, struct thread_status *ret_status)
{
	char path[32], text[4096];
	size_t size;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	file = fopen(path, "re");
	if (!file)
		return -ESRCH;
	size = fread(text, 1, sizeof(text) - 1, file);
	text[size] = '\0';
	fclose(file);
	ret_status->pending_own = value(text, "\nSigPnd:", 16);
	ret_status->pending = ret_status->pending_own |
			      value(text, "\nShdPnd:", 16);
	ret_status->blocked = value(text, "\nSigBlk:", 16);
	ret_status->ignored = value(text, "\nSigIgn:", 16);
	ret_status->caught = value(text, "\nSigCgt:", 16);
	ret_status->threads = (int)value(text, "\nThreads:", 10);
	ret_status->fd_size = (int)value(text, "\nFDSize:", 10);
	ret_status->leader = value(text, "\nTgid:", 10) == (uint64_t)tid;
	return 0;
}

static uint64_t bit(int signal)
{
	return UINT64_C(1) << (signal - 1);
}

/* Blocked ones are kept even when nobody would hear of them. */
static uint64_t ignored(const struct thread_status *status)
{
	uint64_t by_default = bit(SIGCHLD) | bit(SIGCONT) | bit(SIGURG) |
			      bit(SIGWINCH);

	return status->ignored | (by_default & ~status->caught);
}

/* Whether the thread will take it, of which the process has it */
static uint64_t taken(struct interruptions *look,
		      const struct thread_status *status, uint64_t pending)
{
	uint64_t again = pending & look->seen;

	look->seen = pending;
	if (status->threads <= 1 || status->leader)
		return pending;
	return (pending & status->pending_own) | again;
}

enum interruption interruptions_look(struct interruptions *look,
				     const struct thread_status *status)
{
	uint64_t mask = look->mask ? *look->mask : status->blocked;
	uint64_t pending = taken(look, status, status->pending & ~mask &
						       ~ignored(status));
	uint64_t open = pending & ~status->blocked;

	look->signals = pending;
	if (!pending)
		return INTERRUPTION_NONE;
	if (!open)
		return INTERRUPTION_MASKED;
	/* To make a call again is for the thread that has the signal. */
	if (open & status->caught ||
	    (status->threads > 1 && !(open & status->pending_own)))
		return INTERRUPTION_HANDLER;
	return INTERRUPTION_RESTART;
}
