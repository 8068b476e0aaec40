/* SPDX-License-Identifier: MIT */
/* inject.h - making the Nth allocation or syscall fail */
#ifndef TESTS_INJECT_H
#define TESTS_INJECT_H

#include <stdbool.h>

/*
 * The calls in wraps.txt, made by the library or the test on the thread that
 * armed, are counted from 1 on; the one that is told fails. Memory fails with
 * ENOMEM, what makes fds with EMFILE or ENFILE, the rest with an errno that
 * the call can have. Clean-up (close, munmap) never fails.
 */
void inject_arm(unsigned int nth);	/* 0: count only */

/* Calls that fail to make an fd: EMFILE (the default) or ENFILE. */
void inject_set_fd_errno(int err);

/* Stop counting. The number of calls seen. */
unsigned int inject_disarm(void);

/*
 * Which call failed: a name in wraps.txt, or as "fcntl(F_ADD_SEALS)". NULL:
 * none, there were fewer calls.
 */
const char *inject_failed(void);

/* Its errno, as a negative number. */
int inject_failed_ret(void);

/*
 * Apart from the rest: the next @nr locks of a byte that this thread asks for
 * find it taken, with EAGAIN. Ends with inject_taken_tries(): how many it asked
 * for since.
 */
void inject_taken_bytes(unsigned int nr);
unsigned int inject_taken_tries(void);

/* Called before each munmap(2) of this thread, which never fails; NULL: not. */
void inject_before_munmap(void (*hook)(void));

#endif
