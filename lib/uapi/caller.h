/* SPDX-License-Identifier: MIT */
/* caller.h - whom a system call comes from: his memory and his fds */
#ifndef LIB_UAPI_CALLER_H
#define LIB_UAPI_CALLER_H

#include <dmabuf/uapi.h>

struct fd_reservation;

/*
 * Each takes NULL for the calling thread; errors are those of the ops. The op
 * fd_open is not among them: of this thread the fds themselves will do.
 */
int caller_read(struct dmabuf_caller *caller, void *to, uint64_t from,
		size_t size);
int caller_write(struct dmabuf_caller *caller, uint64_t to, const void *from,
		 size_t size);
int caller_fd_room(struct dmabuf_caller *caller);
int caller_fd_give(struct dmabuf_caller *caller, int fd, int flags);
int caller_sync_file(struct dmabuf_caller *caller, int fd,
		     struct sync_file *ret_file);

/*
 * What an ioctl gave its caller: a structure, as it was read, that goes back
 * with the number of a new fd in it. A number that is given cannot be taken
 * back, so it is found out first whether the structure can be written: by
 * writing it as it is.
 */
struct answer {
	struct dmabuf_caller *caller;
	uint64_t arg;		/* his address */
	void *data;		/* as read */
	size_t size;		/* 0: nothing goes back */
};

/* Can it be written? 0 or -EFAULT. */
int answer_try(const struct answer *answer);

/*
 * @fd is his, with O_CLOEXEC in @flags or without; the structure is written
 * with the number at @number, which is inside &answer.data. 0 or -errno.
 */
long answer_fd(const struct answer *answer, int fd, int flags, void *number);

/* First of all that can fail: room for a sync file, here and there. */
int answer_reserve(struct dmabuf_caller *caller,
		   struct fd_reservation *reservation);

/*
 * Try, and give an fd of @fence (NULL: there was no memory for it), whose
 * reference goes; it is named @name, or NULL. @reservation is used.
 */
long answer_fence(const struct answer *answer,
		  struct fd_reservation *reservation, struct dma_fence *fence,
		  const char *name, void *number);

#endif
