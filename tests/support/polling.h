/* SPDX-License-Identifier: MIT */
/* polling.h - tests of waiting, while a fence of another process is about */
#ifndef TESTS_POLLING_H
#define TESTS_POLLING_H

/*
 * Fixtures of a group, in place of leaks_group_setup(). While the library looks
 * at an fd of somebody else's, those that wait sleep in poll(2) and not on a
 * futex(2) word. This fd never says anything.
 */
int polling_setup(void **state);
int polling_teardown(void **state);

#endif
