/* SPDX-License-Identifier: MIT */
/* warns.h - expecting warnings of the library */
#ifndef TESTS_WARNS_H
#define TESTS_WARNS_H

/*
 * Hear the warnings from now on: nothing is printed. leaks_setup() does it for
 * each test, and leaks_teardown() fails when there was one that nobody asked
 * about.
 */
void warns_begin(void);

/* Warnings since the last question. Counts those of all threads. */
unsigned long warns_seen(void);

/* The last one, or "" when there was none. */
const char *warns_last(void);

/* There was exactly one since the last question, with @text in it. */
void warns_check(const char *text, const char *file, int line);
#define assert_warned(text) warns_check((text), __FILE__, __LINE__)

#define assert_no_warning() assert_int_equal(warns_seen(), 0)

#endif
