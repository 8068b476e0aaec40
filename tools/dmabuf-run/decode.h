/* SPDX-License-Identifier: MIT */
/* decode.h - what a call is, in words; only when somebody wants to know */
#ifndef DMABUF_RUN_DECODE_H
#define DMABUF_RUN_DECODE_H

#include "call.h"
#include "files.h"

void decode_ioctl(struct call *call, const struct file *file);
bool decode_knows(const char *name);	/* an ioctl's, in any case */
void decode_result(struct call *call);
void decode_mmap(struct call *call);
void decode_memfd(struct call *call, const char *name);
void decode_fd(struct call *call, const char *name);

#endif
