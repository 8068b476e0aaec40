/* SPDX-License-Identifier: MIT */
/*
 * call.c - a call that a thread of the program is stopped in
 *
 * The thread can be killed at any time, and its number be used again. So what
 * is done to it is either done through the listener, which knows, or is nothing
 * but reading; and before its memory is written the call is looked at again.
 */
#include "call.h"

#include <errno.h>
#include <string.h>

#include "filter.h"
#include "listener.h"
#include "run.h"
#include "target.h"

/* After so many that are taken the range counts as full. */
#define PLACE_TRIES 16

/*
 * A process with more fds than FD_BASE less these may be about to open one in
 * the range, and would lose it to one of ours.
 */
#define FD_ROOM 64

pthread_mutex_t call_lock = PTHREAD_MUTEX_INITIALIZER;

bool call_valid(const struct call *call)
{
	return listener_awaits(call->id);
}

void call_fix_argument(struct call *call, size_t size)
{
	if (size > sizeof(call->argument))
		size = sizeof(call->argument);
	call->argument_size = size;
	call->argument_error = target_read(call->tid, call->argument,
					   call->args[2], size);
}

/*
 * Of other than its own size it need not be a structure, and of a string there
 * may be less to read; what is longer begins with what is known.
 */
int call_read_argument(const struct call *call, void *to, size_t size)
{
	size_t known = call->argument_error ? 0 : call->argument_size;

	if (call->argument_error && size == call->argument_size)
		return call->argument_error;
	if (size > known && target_read(call->tid, to, call->args[2], size))
		return -EFAULT;
	memcpy(to, call->argument, size < known ? size : known);
	return 0;
}

int call_write(const struct call *call, uint64_t to, const void *from,
	       size_t size)
{
	return call_valid(call) ? target_write(call->tid, to, from, size) :
				  -EFAULT;
}

int call_fd_add(struct call *call, int fd, int flags)
{
	int number = -EBADF;

	if (!options.low_fds)
		number = call_fd_add_in_range(call, fd, flags);
	return number == -EBADF ? call_fd_put(call, -1, fd, flags) : number;
}

/*
 * Which number of the range is tried first goes round: then the first one is
 * nearly always free.
 */
int call_fd_add_in_range(struct call *call, int fd, int flags)
{
	static unsigned int next;	/* atomic */
	int tries, number;

	if (target_nr_fds(call->tid) >= FD_BASE - FD_ROOM)
		return -EBADF;
	for (tries = 0; tries < PLACE_TRIES; tries++) {
		number = FD_BASE +
			 (int)(__atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) %
			       (FD_LIMIT - FD_BASE));
		if (target_fd_taken(call->tid, number))
			continue;
		number = call_fd_put(call, number, fd, flags);
		/* Somebody is just opening a file there. */
		if (number != -EBUSY)
			return number;
	}
	return -EBADF;
}

int call_fd_put(struct call *call, int number, int fd, int flags)
{
	return listener_put_fd(call->id, number, fd, flags);
}
