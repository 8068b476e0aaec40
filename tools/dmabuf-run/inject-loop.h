/* SPDX-License-Identifier: MIT */
/* inject-loop.h - many calls at one go */
#ifndef DMABUF_RUN_INJECT_LOOP_H
#define DMABUF_RUN_INJECT_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inject-thread.h"

struct inject_loop {
	int fd;			/* -1: none */
	int number;		/* the program's; -1: not there yet */
	uint64_t size;		/* whole pages */
	uint64_t address;	/* in the program; 0: not mapped */
};

/* Room for @nr_calls. Without an fd when there is none to be had. */
void inject_loop_open(struct inject_loop *loop, size_t nr_calls);
void inject_loop_close(struct inject_loop *loop);

/*
 * At a place that mmap(2) chooses, with @flags, and with @more bytes behind it,
 * which are the caller's, to map something else over. Without an address when
 * it cannot be.
 */
void inject_loop_map(struct inject_loop *loop, struct inject_thread *thread,
		     uint64_t more, int flags);
void inject_loop_unmap(struct inject_loop *loop, struct inject_thread *thread);

/* The calls for a mapped one; false: there is no room for them. */
bool inject_loop_fill(const struct inject_loop *loop,
		      const struct inject_call *calls, size_t nr_calls);

/*
 * Those from @first up to @end; *ret_at as above, and both count calls. When
 * all are done it has unmapped itself.
 */
int inject_loop_run(struct inject_loop *loop, struct inject_thread *thread,
		    size_t first, size_t end, size_t *ret_at, long *ret_result);

#endif
