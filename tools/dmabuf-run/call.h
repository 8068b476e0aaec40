/* SPDX-License-Identifier: MIT */
/* call.h - a call that a thread of the program is stopped in */
#ifndef DMABUF_RUN_CALL_H
#define DMABUF_RUN_CALL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <dmabuf/dmabuf.h>

/* With a list of udmabuf, as decode.c shows it */
#define CALL_DETAIL_SIZE 512

struct call {
	struct dmabuf_caller caller;	/* caller.c: for the library */
	uint64_t id;			/* of the notification */
	pid_t tid;			/* of the stopped thread */
	int nr;				/* __NR_... */
	uint64_t args[6];
	/*
	 * Of an ioctl's argument: as it was first read, and so for all who read
	 * it. Other threads of the program may change it meanwhile.
	 */
	char argument[64];
	size_t argument_size;
	int argument_error;		/* it could not be read: for good */
	struct dma_buf *dmabuf;		/* of one handed on that waits for it */
	const char *name;		/* of the call, for the log; or NULL */
	char detail[CALL_DETAIL_SIZE];	/* decoded arguments, for the log */
	const char *note;		/* behind the result, in the log; or NULL */
	bool ended;			/* answer.c */
};

static inline struct call *call_of(struct dmabuf_caller *caller)
{
	return (struct call *)caller;
}

/*
 * Held while a call is handled, by the thread that receives them: so who holds
 * it sees no reference that such a call has taken for itself.
 */
extern pthread_mutex_t call_lock;

/* Does the thread still wait for the answer? Not when it was killed. */
bool call_valid(const struct call *call);

/*
 * Read an ioctl's argument once, for all; and what was read, or 0 or -EFAULT.
 */
void call_fix_argument(struct call *call, size_t size);
int call_read_argument(const struct call *call, void *to, size_t size);

/* target_write(), unless the thread's number may be another's by now */
int call_write(const struct call *call, uint64_t to, const void *from,
	       size_t size);

/*
 * A copy of @fd, which stays ours, at a free number of the range, or the lowest
 * one; the number or -errno. @flags: O_CLOEXEC or 0.
 */
int call_fd_add(struct call *call, int fd, int flags);

/* In the range only; -EBADF: it is full, or above the program's limit. */
int call_fd_add_in_range(struct call *call, int fd, int flags);

/* The same at @number, in place of what is there; -1: at the lowest one. */
int call_fd_put(struct call *call, int number, int fd, int flags);

#endif
