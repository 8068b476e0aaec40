/* SPDX-License-Identifier: MIT */
/* leaks.h - nothing is left after a test */
#ifndef TESTS_LEAKS_H
#define TESTS_LEAKS_H

/*
 * Fixtures for cmocka_run_group_tests() and cmocka_unit_test_setup_teardown();
 * LEAK_TEST(fn) is a test with the latter. Around each test the fds, the shared
 * mappings and the live buffers are the same, in programs of one thread the
 * reserved addresses too; no mock fence is left (mock-fence.h); and there was
 * no warning that the test did not ask about (warns.h). What the library opens
 * once is opened by the group setup.
 */
int leaks_group_setup(void **state);
int leaks_setup(void **state);
int leaks_teardown(void **state);

#define LEAK_TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, leaks_setup, leaks_teardown)

/*
 * Dispatch, waiting for the event fd, until @nr buffers are alive. Fails after
 * ten seconds in which nothing happened. No other thread may dispatch: what it
 * takes is no event here.
 */
void wait_for_live_buffers(unsigned int nr);

#endif
