/* SPDX-License-Identifier: MIT */
/* account.h - what the program has allocated, and may allocate */
#ifndef DMABUF_RUN_ACCOUNT_H
#define DMABUF_RUN_ACCOUNT_H

#include "call.h"

/* What --limit says to @fd, if it is a buffer's: 0 or -ENOMEM. */
int account_room(int fd);

/* The call has made @fd for the program; counted if it is a buffer's. */
void account_fd(const struct call *call, int fd);

/* A process is about to end: what does it leave behind? For --leaks. */
void account_exit(const struct call *call);

/* The command has ended: prints --stats and --leaks. Return: buffers leaked. */
unsigned int account_report(void);

#endif
