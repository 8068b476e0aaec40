/* SPDX-License-Identifier: MIT */
/* account.h - what the program has allocated, and may allocate */
#ifndef DMABUF_RUN_ACCOUNT_H
#define DMABUF_RUN_ACCOUNT_H

#include <stdbool.h>

/* CALL:N[:ERRNO]; false: complained about */
bool account_fail_parse(char *arg);

#endif
