/* SPDX-License-Identifier: MIT */
/* test-resv.c - the reservation: a lock that knows its owner */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "assert-bug.h"
#include "held.h"
#include "leaks.h"
#include "warns.h"

static struct dma_resv resv;

static int begin(void **state)
{
	dma_resv_init(&resv);
	return leaks_setup(state);
}

static int end(void **state)
{
	dma_resv_fini(&resv);
	return leaks_teardown(state);
}

/* What another thread finds. */
struct view {
	bool locked;
	bool held;
	bool got;
};

static void *look(void *data)
{
	struct view *view = data;

	view->locked = dma_resv_is_locked(&resv);
	view->held = dma_resv_held(&resv);
	view->got = dma_resv_trylock(&resv);
	if (view->got)
		dma_resv_unlock(&resv);
	return NULL;
}

static struct view view_of_another_thread(void)
{
	struct view view = { 0 };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, look, &view), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	return view;
}

static void new_reservation_is_free(void **state)
{
	struct view view = view_of_another_thread();

	(void)state;
	assert_false(dma_resv_is_locked(&resv));
	assert_false(dma_resv_held(&resv));
	assert_true(view.got);
	assert_false(view.locked);
	assert_false(view.held);
}

static void lock_is_held_by_its_owner_alone(void **state)
{
	struct view view;

	(void)state;
	assert_int_equal(dma_resv_lock(&resv, NULL), 0);
	assert_true(dma_resv_is_locked(&resv));
	assert_true(dma_resv_held(&resv));
	assert_true(mutex_is_held(&resv.lock));
	view = view_of_another_thread();
	assert_true(view.locked);
	assert_false(view.held);
	assert_false(view.got);
	dma_resv_unlock(&resv);
	assert_false(dma_resv_is_locked(&resv));
	assert_false(dma_resv_held(&resv));
	assert_true(view_of_another_thread().got);
}

static void trylock_takes_what_is_free(void **state)
{
	(void)state;
	assert_true(dma_resv_trylock(&resv));
	assert_true(dma_resv_held(&resv));
	assert_false(dma_resv_trylock(&resv));
	assert_true(dma_resv_held(&resv));
	dma_resv_unlock(&resv);
	assert_false(dma_resv_is_locked(&resv));
}

static void two_reservations_are_two_locks(void **state)
{
	struct dma_resv other;

	(void)state;
	dma_resv_init(&other);
	dma_resv_lock(&resv, NULL);
	dma_resv_lock(&other, NULL);
	dma_resv_unlock(&resv);
	assert_false(dma_resv_held(&resv));
	assert_true(dma_resv_held(&other));
	dma_resv_unlock(&other);
	dma_resv_fini(&other);
}

static void assert_held_warns_with_the_callers_name(void **state)
{
	(void)state;
	dma_resv_assert_held(&resv);
	assert_warned("WARN: assert_held_warns_with_the_callers_name: ");
	dma_resv_lock(&resv, NULL);
	dma_resv_assert_held(&resv);
	assert_no_warning();
	dma_resv_unlock(&resv);
}

static void unlock_of_what_is_not_held_warns(void **state)
{
	(void)state;
	dma_resv_unlock(&resv);
	assert_warned("WARN: dma_resv_unlock: ");
	assert_true(dma_resv_trylock(&resv));
	dma_resv_unlock(&resv);
}

static void *unlock(void *data)
{
	dma_resv_unlock(data);
	return NULL;
}

static void unlock_by_another_thread_warns(void **state)
{
	pthread_t thread;

	(void)state;
	dma_resv_lock(&resv, NULL);
	assert_int_equal(pthread_create(&thread, NULL, unlock, &resv), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_warned("WARN: dma_resv_unlock: ");
	assert_true(dma_resv_held(&resv));
	dma_resv_unlock(&resv);
}

static void do_lock(void *data)
{
	dma_resv_lock(data, NULL);
}

static void lock_by_its_holder_is_a_bug(void **state)
{
	(void)state;
	dma_resv_lock(&resv, NULL);
	assert_bug_caught(do_lock, &resv, "BUG: dma_resv_lock: ");
	assert_true(dma_resv_held(&resv));
	dma_resv_unlock(&resv);
	dma_resv_lock(&resv, NULL);
	dma_resv_unlock(&resv);
}

#define RESV_TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RESV_TEST(new_reservation_is_free),
		RESV_TEST(lock_is_held_by_its_owner_alone),
		RESV_TEST(trylock_takes_what_is_free),
		RESV_TEST(two_reservations_are_two_locks),
		RESV_TEST(assert_held_warns_with_the_callers_name),
		RESV_TEST(unlock_of_what_is_not_held_warns),
		RESV_TEST(unlock_by_another_thread_warns),
		RESV_TEST(lock_by_its_holder_is_a_bug),
	};

	return cmocka_run_group_tests_name("dma_resv", tests,
					   leaks_group_setup, NULL) != 0;
}
