/* SPDX-License-Identifier: MIT */
/*
 * answer.h - how a call ends
 *
 * Every call is ended by exactly one of these functions, by the
 * thread that handles it, or by one that it was handed to with call_defer().
 */
#ifndef DMABUF_RUN_ANSWER_H
#define DMABUF_RUN_ANSWER_H

#include "call.h"

/* @result: >= 0, or -errno */
void call_return(struct call *call, long result);

/* The same, and no line in the log */
void call_answer(struct call *call, long result);

/* It is the kernel's business. */
void call_continue(struct call *call);

/*
 * The copy of @fd in the program is the answer, in the range or at the lowest
 * number; @fd is closed. @fd: or -errno, which is the answer then.
 */
void call_return_fd(struct call *call, int fd, int flags);
void call_return_low_fd(struct call *call, int fd, int flags);

/*
 * Go on in a thread of its own, since @handle may block. @call is copied; the
 * original is not to be used any more. False: it is ended, as there is no
 * memory.
 */
bool call_defer(struct call *call, void (*handle)(struct call *call));

#endif
