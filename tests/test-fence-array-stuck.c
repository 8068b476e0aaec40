/* SPDX-License-Identifier: MIT */
/*
 * test-fence-array-stuck.c - no thread to be had for the signal of an array
 *
 * Members that are signalled with a lock of the caller's held leave their array
 * to a thread of the library. Without one, those that wait see to it.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "containers.h"
#include "inject.h"
#include "leaks.h"
#include "mock-fence.h"
#include "polling.h"
#include "waiter.h"

/*
 * All members; the last one finds no thread for the array. False: one was still
 * there, from before.
 */
static bool signal_without_a_thread(struct group *group)
{
	struct mock_fence *member;
	unsigned int i;

	for (i = 0; i < GROUP_NR; i++) {
		member = group->members[i];
		pthread_mutex_lock(&member->lock);
		inject_arm(1);
		assert_int_equal(dma_fence_signal_locked(&member->base), 0);
		inject_disarm();
		pthread_mutex_unlock(&member->lock);
	}
	if (!inject_failed())
		return false;
	assert_string_equal(inject_failed(), "pthread_create");
	return true;
}

static bool waiter_gets_on(struct waiter *waiter)
{
	struct group group;
	bool stuck;

	group_begin(&group, ALL);
	if (waiter->count)
		waiter->fences = &group.array;
	else
		waiter->fence = group.array;
	waiter_start(waiter);
	waiter_asleep(waiter);
	stuck = signal_without_a_thread(&group);
	assert_true(waiter_join(waiter) > 0);
	group_end(&group);
	return stuck;
}

static void waiter_of_a_stuck_array_gets_on(void **state)
{
	struct waiter waiter = { .timeout = INT64_MAX };

	(void)state;
	while (!waiter_gets_on(&waiter))
		;
}

static void waiter_for_any_of_stuck_ones_gets_on(void **state)
{
	struct waiter waiter = { .count = 1, .timeout = INT64_MAX };

	(void)state;
	while (!waiter_gets_on(&waiter))
		;
}

static void ran(struct count_cb *count)
{
	while (!__atomic_load_n(&count->ran, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void stuck_begin(struct group *group, struct count_cb *count)
{
	for (;;) {
		*count = (struct count_cb){ .ran = 0 };
		group_begin(group, ALL);
		assert_int_equal(dma_fence_add_callback(group->array,
							&count->cb,
							count_cb_run), 0);
		if (signal_without_a_thread(group))
			break;
		ran(count);
		group_end(group);
	}
	assert_false(is_marked(group->array));
	assert_int_equal(count->ran, 0);
}

static void dispatch_has_a_thread_for_a_stuck_array(void **state)
{
	struct count_cb count;
	struct group group;

	(void)state;
	stuck_begin(&group, &count);
	assert_true(dmabuf_dispatch() >= 0);
	ran(&count);
	group_end(&group);
}

static void dispatch_without_a_thread_signals_a_stuck_array(void **state)
{
	struct count_cb count;
	struct group group;

	(void)state;
	stuck_begin(&group, &count);
	inject_arm(1);
	assert_true(dmabuf_dispatch() >= 0);
	inject_disarm();
	assert_string_equal(inject_failed(), "pthread_create");
	assert_true(is_marked(group.array));
	assert_int_equal(count.ran, 1);
	group_end(&group);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(waiter_of_a_stuck_array_gets_on),
		LEAK_TEST(waiter_for_any_of_stuck_ones_gets_on),
		LEAK_TEST(dispatch_has_a_thread_for_a_stuck_array),
		LEAK_TEST(dispatch_without_a_thread_signals_a_stuck_array),
	};
	int bad = 0;

	bad |= cmocka_run_group_tests_name("dma_fence_array/stuck", tests,
					   leaks_group_setup, NULL);
	bad |= cmocka_run_group_tests_name("dma_fence_array/stuck, polling",
					   tests, polling_setup,
					   polling_teardown);
	return bad != 0;
}
