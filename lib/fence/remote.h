/* SPDX-License-Identifier: MIT */
/* remote.h - fences that are signalled by an fd's turning readable */
#ifndef LIB_FENCE_REMOTE_H
#define LIB_FENCE_REMOTE_H

#include <stdbool.h>
#include <stdint.h>
#include <bsd/sys/tree.h>

/*
 * Nobody runs when such an fd turns readable, so that somebody has to look:
 * dmabuf_dispatch(), and every thread that waits for a fence, whichever, as
 * what it waits for may depend on one of these.
 */
struct remote {
	int fd;
	/* Under remote.c's lock: take a reference, unless the last is gone. */
	bool (*get)(struct remote *remote);
	/* No lock held: @fd is readable. Drops that reference. */
	void (*ready)(struct remote *remote);
	uint64_t id;			/* the library's */
	RB_ENTRY(remote) link;
};

/* From now on it is looked at, if it is not already; -errno. */
int remote_add(struct remote *remote);

/* No longer; when it is not there, nothing happens. */
void remote_remove(struct remote *remote);

/* Are there any? */
bool remote_any(void);

/* Before the first remote_fd(): see fork_check(). */
void remote_fork_check(void);

/* Readable when a look is worth it; made when first asked for; -errno. */
int remote_fd(void);

/* Call ready() of those that are readable. */
void remote_look(void);

#endif
