/* SPDX-License-Identifier: MIT */
/* check.h - for programs that know nothing of the library */
#ifndef RUN_DEVICES_CHECK_H
#define RUN_DEVICES_CHECK_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static unsigned int failures;

#define CHECK(what)							\
	check((what), __func__, __LINE__, #what, errno)

/* A call that fails with @error */
#define CHECK_ERROR(call, error)					\
	check((call) == -1 && errno == (error), __func__, __LINE__,	\
	      #call ": " #error, errno)

static inline void check(bool right, const char *test, int line,
			 const char *what, int error)
{
	if (right)
		return;
	printf("FAIL %s:%d: %s (errno %d: %s)\n", test, line, what, error,
	       strerror(error));
	failures++;
}

#endif
