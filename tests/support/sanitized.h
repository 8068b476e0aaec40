/* SPDX-License-Identifier: MIT */
/* sanitized.h - does somebody watch the memory of this program? */
#ifndef TESTS_SANITIZED_H
#define TESTS_SANITIZED_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifdef __has_feature
#define SANITIZED_FEATURE(x) __has_feature(x)
#else
#define SANITIZED_FEATURE(x) 0
#endif

/* Part of the address sanitizer. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

/* Built with the address or the thread sanitizer. */
static inline bool is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#else
	return SANITIZED_FEATURE(address_sanitizer) ||
	       SANITIZED_FEATURE(thread_sanitizer);
#endif
}

static inline bool is_thread_sanitized(void)
{
#ifdef __SANITIZE_THREAD__
	return true;
#else
	return SANITIZED_FEATURE(thread_sanitizer);
#endif
}

/* Is memory lost by now? No, where nobody looks. A forked child may ask too. */
static inline bool memory_leaked(void)
{
	return __lsan_do_recoverable_leak_check &&
	       __lsan_do_recoverable_leak_check();
}

/* Valgrind does not know mremap(2) with an old size of 0, for one. */
static inline bool under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && (strstr(preload, "vgpreload") ||
			   strstr(preload, "/valgrind/"));
}

#endif
