/* SPDX-License-Identifier: MIT */
/*
 * interruptions.c - what would interrupt a thread of the program
 *
 * A thread that waits for our answer is woken by nothing but its death. So it
 * is looked at, over and over, and the answer is given when it has a signal.
 */
#include "interruptions.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Threads that are looked at, of a process with many */
#define STOP_LOOKS 4

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

static bool is_stopped(pid_t process, pid_t tid)
{
	char path[64], line[256];
	const char *state = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", process, tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fgets(line, sizeof(line), file))
		state = strrchr(line, ')');
	fclose(file);
	return state && !strncmp(state, ") T", 3);
}

/*
 * A process is stopped when all its threads are, and nothing that can be seen
 * of this one tells that the others wait for it. So some of them are looked at,
 * and the next ones the next time.
 */
static bool is_stopping(struct interruptions *look, pid_t process)
{
	unsigned int index = 0, left = STOP_LOOKS;
	struct dirent *entry = NULL;
	bool stopped = false;
	char path[32];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", process);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!stopped && left && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || index++ < look->turn)
			continue;
		stopped = is_stopped(process, atoi(entry->d_name));
		left--;
	}
	look->turn = entry ? index : 0;
	closedir(dir);
	return stopped;
}

enum interruption interruptions_look(struct interruptions *look,
				     const struct thread_status *status)
{
	uint64_t mask = look->mask ? *look->mask : status->blocked;
	uint64_t pending = taken(look, status, status->pending & ~mask &
						       ~ignored(status));
	uint64_t open = pending & ~status->blocked;

	look->signals = pending;
	if (!pending && status->threads > 1 &&
	    is_stopping(look, status->process))
		return INTERRUPTION_RESTART;
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
