/* SPDX-License-Identifier: MIT */
/* log.h - a line for each call that was answered */
#ifndef DMABUF_RUN_LOG_H
#define DMABUF_RUN_LOG_H

#include "call.h"

/* 0 or -errno (complained about); without --log there are no lines. */
int log_open(void);
void log_call(const struct call *call, long result);
void log_passed(const struct call *call);	/* on to the kernel */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
