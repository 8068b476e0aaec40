/* SPDX-License-Identifier: MIT */
/* listener.h - where the calls of the program come in */
#ifndef DMABUF_RUN_LISTENER_H
#define DMABUF_RUN_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/seccomp.h>

/* Constant once the command is started; -1: it never was. */
extern int listener_fd;

/* Before the first listener_receive(): 0 or -ENOMEM. */
int listener_open(void);

/*
 * The next call, which is the caller's until the next time; NULL: the program
 * has no process left.
 */
const struct seccomp_notif *listener_receive(void);

/* No process of the program is left. */
bool listener_deserted(void);

/* Does the thread still wait for the answer? Not when it was killed. */
bool listener_awaits(uint64_t id);

/* @result: >= 0, or -errno; @flags: SECCOMP_USER_NOTIF_FLAG_... */
void listener_answer(uint64_t id, long result, uint32_t flags);

/*
 * A copy of @fd in the program, at @number in place of what is there, or, when
 * that is -1, at the lowest one: its number or -errno. @flags: O_CLOEXEC or 0.
 */
int listener_put_fd(uint64_t id, int number, int fd, int flags);

#endif
