/* SPDX-License-Identifier: MIT */
/* launch.h - the processes of a run */
#ifndef DMABUF_RUN_LAUNCH_H
#define DMABUF_RUN_LAUNCH_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* As they were when dmabuf-run was started, and are for the command */
struct signals {
	sigset_t mask;
	struct sigaction child;		/* SIGCHLD */
};

/*
 * Becomes the command, stopped at every call of ours, and hands the listener to
 * the one at the other end of @channel; with it, the enum devices_mode.
 */
_Noreturn void command_run(int channel, const struct signals *before);

/*
 * The supervisor: start the command, answer it, and tell @channel how it ended.
 * Its own exit status is of no interest.
 */
_Noreturn void supervise(int channel, const struct signals *before);

/* What the supervisor tells: who is the command, and later how it ended. */
struct news {
	pid_t command;		/* 0: it has ended */
	int status;		/* as from waitpid(2); STATUS_FAILED << 8 */
	unsigned int leaks;
	bool last;		/* nothing that it started is left */
};

#endif
