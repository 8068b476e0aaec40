/* SPDX-License-Identifier: MIT */
/* fail.h - calls that are to fail: --fail */
#ifndef DMABUF_RUN_FAIL_H
#define DMABUF_RUN_FAIL_H

#include "call.h"

/* CALL:N[:ERRNO]; false: complained about */
bool fail_parse(char *arg);

/* What is said to @call, whose name is known: 0 or -errno. */
int fail_take(struct call *call, bool allocates);

/* At the end: complains of failures that never came. */
void fail_report(void);

#endif
