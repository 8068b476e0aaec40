/* SPDX-License-Identifier: MIT */
/* fork.h - noticing that this process is the child of a fork */
#ifndef LIB_BASE_FORK_H
#define LIB_BASE_FORK_H

#include <stdbool.h>

/* What a part of the library does about it; static, and added once. */
struct fork_hook {
	/* In the parent, before and after: take and give back a lock, if any. */
	void (*lock)(void);
	void (*unlock)(void);
	/*
	 * In the child. @locked: @lock has run in this thread before the fork;
	 * otherwise the child was made by a bare clone(2), and its locks are in
	 * any state.
	 */
	void (*child)(bool locked);
	struct fork_hook *next;
	bool added;
};

/*
 * Begin to take part, and notice a fork that pthread_atfork(3) does not see.
 * At the start of every function that works on fds, with no lock held.
 */
void fork_check(struct fork_hook *hook);

#endif
