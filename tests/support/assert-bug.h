/* SPDX-License-Identifier: MIT */
/* assert-bug.h - expecting a BUG */
#ifndef TESTS_ASSERT_BUG_H
#define TESTS_ASSERT_BUG_H

typedef void (*bug_fn)(void *data);

/*
 * @fn, run in a forked child under the default handler, makes the child die of
 * SIGABRT, having printed a BUG report with @text in it. @fn asserts nothing:
 * a failed assertion would go on with the next test in the child.
 */
void bug_check(bug_fn fn, void *data, const char *text, const char *file,
	       int line);
#define assert_bug(fn, data, text) \
	bug_check((fn), (data), (text), __FILE__, __LINE__)

/*
 * Run @fn; a BUG in it leaves it by longjmp(3). The report, valid until this
 * thread asks again, or NULL when there was none. Threads may do so at once.
 */
const char *bug_caught(bug_fn fn, void *data);

/* There was a BUG, caught with bug_caught(), with @text in it. */
void bug_caught_check(bug_fn fn, void *data, const char *text,
		      const char *file, int line);
#define assert_bug_caught(fn, data, text) \
	bug_caught_check((fn), (data), (text), __FILE__, __LINE__)

#endif
