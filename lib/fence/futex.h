/* SPDX-License-Identifier: MIT */
/* futex.h - sleeping on a word until a point in time */
#ifndef LIB_FENCE_FUTEX_H
#define LIB_FENCE_FUTEX_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define FOREVER_NS INT64_MAX

/* The end of a timeout that begins now; forever stays forever. */
static inline int64_t deadline_of(int64_t timeout_ns)
{
	int64_t deadline_ns;

	if (timeout_ns == FOREVER_NS)
		return FOREVER_NS;
	if (__builtin_add_overflow(now_ns(), timeout_ns, &deadline_ns))
		return FOREVER_NS - 1;
	return deadline_ns;
}

/* What is left of it, at least 1. */
static inline int64_t time_left(int64_t deadline_ns)
{
	int64_t left_ns;

	if (deadline_ns == FOREVER_NS)
		return FOREVER_NS;
	left_ns = deadline_ns - now_ns();
	return left_ns > 0 ? left_ns : 1;
}

/*
 * Sleep while *word is @value. 0; -EAGAIN when it is not; -ETIMEDOUT; -EINTR
 * when a signal handler ran. With @intr there is always a time to end at, as
 * otherwise the kernel would go on sleeping after a handler with SA_RESTART.
 * Without, it is spared: a timer costs as much as the rest.
 */
static inline int futex_wait(const uint32_t *word, uint32_t value, bool intr,
			     int64_t deadline_ns)
{
	struct timespec ts = { deadline_ns / SECOND_NS,
			       deadline_ns % SECOND_NS };
	bool no_end = !intr && deadline_ns == FOREVER_NS;

	if (!syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value,
		     no_end ? NULL : &ts, NULL, FUTEX_BITSET_MATCH_ANY))
		return 0;
	return -errno;
}

static inline void futex_wake_all(const uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

#endif
