/* SPDX-License-Identifier: MIT */
/* thread.c - a thread of the program, as /proc shows it */
#include "thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PENDING_OWN, PENDING_SHARED, BLOCKED, IGNORED, CAUGHT, THREADS, FD_SIZE,
	PROCESS, PARENT, UID, FS_UID, FS_GID, NR_FIELDS,
};

static const struct {
	const char *key;
	int base;
	int place;		/* of several numbers, from 0 on */
} fields[NR_FIELDS] = {
	[PENDING_OWN] = { "SigPnd:", 16, 0 },
	[PENDING_SHARED] = { "ShdPnd:", 16, 0 },
	[BLOCKED] = { "SigBlk:", 16, 0 },
	[IGNORED] = { "SigIgn:", 16, 0 },
	[CAUGHT] = { "SigCgt:", 16, 0 },
	[THREADS] = { "Threads:", 10, 0 },
	[FD_SIZE] = { "FDSize:", 10, 0 },
	[PROCESS] = { "Tgid:", 10, 0 },
	[PARENT] = { "PPid:", 10, 0 },
	[UID] = { "Uid:", 10, 1 },
	[FS_UID] = { "Uid:", 10, 3 },
	[FS_GID] = { "Gid:", 10, 3 },
};

static uint64_t number_at(const char *text, int base, int place)
{
	char *end = (char *)text;
	uint64_t number;

	do
		number = strtoull(end, &end, base);
	while (place--);
	return number;
}

static void line_take(const char *line, uint64_t values[NR_FIELDS])
{
	int i;

	for (i = 0; i < NR_FIELDS; i++) {
		size_t length = strlen(fields[i].key);

		if (!strncmp(line, fields[i].key, length))
			values[i] = number_at(line + length, fields[i].base,
					      fields[i].place);
	}
}

/* The line of groups may be longer than all the others together. */
static void lines_take(FILE *file, uint64_t values[NR_FIELDS])
{
	bool begins = true;
	char part[256];

	while (fgets(part, sizeof(part), file)) {
		if (begins)
			line_take(part, values);
		begins = strchr(part, '\n');
	}
}

int thread_status_read(pid_t tid, struct thread_status *ret_status)
{
	uint64_t values[NR_FIELDS] = { 0 };
	char path[32];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	file = fopen(path, "re");
	if (!file)
		return -ESRCH;
	lines_take(file, values);
	fclose(file);
	if (!values[PROCESS])
		return -ESRCH;
	*ret_status = (struct thread_status){
		.pending_own = values[PENDING_OWN],
		.pending = values[PENDING_OWN] | values[PENDING_SHARED],
		.blocked = values[BLOCKED],
		.ignored = values[IGNORED],
		.caught = values[CAUGHT],
		.threads = (int)values[THREADS],
		.fd_size = (int)values[FD_SIZE],
		.process = (pid_t)values[PROCESS],
		.parent = (pid_t)values[PARENT],
		.uid = (uid_t)values[UID],
		.fs_uid = (uid_t)values[FS_UID],
		.fs_gid = (gid_t)values[FS_GID],
		.leader = values[PROCESS] == (uint64_t)tid,
	};
	return 0;
}

pid_t thread_process(pid_t tid)
{
	struct thread_status status;

	return thread_status_read(tid, &status) ? tid : status.process;
}

void thread_name(pid_t tid, char *name, int size)
{
	char path[32];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", tid);
	file = fopen(path, "re");
	if (!file || !fgets(name, size, file))
		name[0] = '\0';
	if (file)
		fclose(file);
	name[strcspn(name, "\n")] = '\0';
}
