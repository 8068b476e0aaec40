/* SPDX-License-Identifier: MIT */
/* decode.h - what a call is, in words; only when somebody wants to know */
#ifndef DMABUF_RUN_DECODE_H
#define DMABUF_RUN_DECODE_H

#include "call.h"
#include "files.h"

struct poll_set;

void decode_ioctl(struct call *call, const struct file *file);
bool decode_knows(const char *name);	/* an ioctl's, in any case */
void decode_result(struct call *call);
void decode_mmap(struct call *call);
void decode_memfd(struct call *call, const char *name);

/* Of a longer string so much is shown, and "..." behind it. */
#define DECODE_SHOWN 80

/* decode-call.c: a call on @fd, which is of @file */
void decode_fd(struct call *call, const char *name, int fd,
	       const struct file *file);

/* @path: as the program gave it; what is shown of it, and the end or one more */
void decode_path(struct call *call, const char *name, const char *path);

/* A call that has a name. @set: what is waited for */
void decode_poll(struct call *call, const struct poll_set *set);

#endif
