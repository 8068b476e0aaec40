/* SPDX-License-Identifier: MIT */
/* poll-set.h - what poll(2) and select(2) are asked for */
#ifndef DMABUF_RUN_POLL_SET_H
#define DMABUF_RUN_POLL_SET_H

#include "call.h"

#define DEADLINE_NONE INT64_MAX

struct poll_entry {
	int fd;			/* the program's */
	short events;
	short revents;
	bool is_buffer;		/* poll-wait.c */
};

/* Either as poll(2) has it, or as select(2). */
struct poll_set {
	bool is_select;
	unsigned int nr;
	struct poll_entry *entries;
	int64_t deadline_ns;		/* monotonic */
	uint64_t timeout_addr;		/* rewritten at the end; 0: none */
	bool timeout_is_timeval;
	bool has_mask;
	uint64_t mask;
	uint64_t addr[3];		/* pollfds; or the sets, 0: none */
	unsigned int nr_bits;		/* of each set that count */
	size_t set_size;		/* bytes of each set */
};

/*
 * 0; -errno: it is the kernel's to say what is wrong. Given back to
 * poll_set_fini().
 */
int poll_set_read(const struct call *call, struct poll_set *set);
void poll_set_fini(struct poll_set *set);

/*
 * revents to the program's memory, also when the call was interrupted, as far
 * as the kernel does it then. The result of the call.
 */
long poll_set_write(const struct call *call, struct poll_set *set, long ret);

/* What is left of the timeout; false: it cannot be written. */
bool poll_set_write_timeout(const struct call *call,
			    const struct poll_set *set);

int64_t poll_now(void);

#endif
