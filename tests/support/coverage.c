/* SPDX-License-Identifier: MIT */
/*
 * coverage.c - counts what forked children do
 *
 * Linked in with -Wl,--wrap=_exit where coverage is measured: the counters are
 * written at exit(3), which a forked child does not call.
 */
#include <stdlib.h>

void __gcov_dump(void);
void __real__exit(int status) __attribute__((noreturn));
void __wrap__exit(int status) __attribute__((noreturn));

void __wrap__exit(int status)
{
	__gcov_dump();
	__real__exit(status);
}
