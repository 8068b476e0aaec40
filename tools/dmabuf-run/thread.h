/* SPDX-License-Identifier: MIT */
/* thread.h - a thread of the program, as /proc shows it */
#ifndef DMABUF_RUN_THREAD_H
#define DMABUF_RUN_THREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Its signals and more, as /proc/TID/status has them */
struct thread_status {
	uint64_t pending_own;		/* the thread's */
	uint64_t pending;		/* the process's too */
	uint64_t blocked;
	uint64_t ignored;
	uint64_t caught;		/* have a handler */
	int threads;
	int fd_size;			/* of the table of fds */
	uid_t uid;			/* effective */
	uid_t fs_uid;			/* what it makes is this user's */
	gid_t fs_gid;
	pid_t process;
	pid_t parent;			/* of the process */
	bool leader;			/* the first thread */
};

/* 0; -ESRCH: it has gone. */
int thread_status_read(pid_t tid, struct thread_status *ret_status);

/* Its process; of one that has gone, itself. */
pid_t thread_process(pid_t tid);

/* Its name, or nothing */
void thread_name(pid_t tid, char *name, int size);

#endif
