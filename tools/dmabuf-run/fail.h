/* SPDX-License-Identifier: MIT */
/* fail.h - calls that are to fail: --fail */
#ifndef DMABUF_RUN_FAIL_H
#define DMABUF_RUN_FAIL_H

#include <stdbool.h>

/* CALL:N[:ERRNO]; false: complained about */
bool fail_parse(char *arg);

/* What is said to a call of this name: 0 or -errno. */
int fail_take(const char *name, bool allocates);

/* At the end: complains of failures that never came. */
void fail_report(void);

#endif
