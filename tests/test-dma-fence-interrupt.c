/* SPDX-License-Identifier: MIT */
/* test-dma-fence-interrupt.c - signal handlers while a thread waits */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-fence.h"
#include "polling.h"
#include "waiter.h"

#define HOUR INT64_C(3600000000000)
#define FOREVER INT64_MAX

#define NR_FENCES 5
#define NR_KICKS 50
#define UNTOUCHED 12345

static void handle(int sig)
{
	(void)sig;
}

static void handler_set(int flags, struct sigaction *old)
{
	struct sigaction action = { .sa_handler = handle, .sa_flags = flags };

	sigemptyset(&action.sa_mask);
	assert_int_equal(sigaction(SIGUSR1, &action, old), 0);
}

/* One that comes before the wait is not seen by it: kick again. */
static void kick_until_done(struct waiter *waiter)
{
	while (!waiter_done(waiter)) {
		pthread_kill(waiter->thread, SIGUSR1);
		sched_yield();
	}
}

static void interrupted_is_eintr(struct waiter *waiter)
{
	static const int64_t timeouts[] = { HOUR, FOREVER };
	static const int flags[] = { 0, SA_RESTART };
	struct sigaction old;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		handler_set(flags[i / 2], &old);
		waiter->intr = true;
		waiter->timeout = timeouts[i % 2];
		waiter->idx = UNTOUCHED;
		waiter_start(waiter);
		kick_until_done(waiter);
		assert_int_equal(waiter_join(waiter), -EINTR);
		assert_int_equal(waiter->idx, UNTOUCHED);
		sigaction(SIGUSR1, &old, NULL);
	}
}

static void uninterrupted_waits_on(struct waiter *waiter,
				   struct dma_fence *fence)
{
	struct sigaction old;
	int i;

	handler_set(0, &old);
	waiter->intr = false;
	waiter->timeout = HOUR;
	waiter_start(waiter);
	for (i = 0; i < NR_KICKS; i++) {
		waiter_asleep(waiter);
		pthread_kill(waiter->thread, SIGUSR1);
	}
	assert_false(waiter_done(waiter));
	dma_fence_signal(fence);
	assert_true(waiter_join(waiter) > 0);
	sigaction(SIGUSR1, &old, NULL);
}

static void handler_ends_an_interruptible_wait(void **state)
{
	struct waiter waiter = { .fence = &mock_fence_new()->base };

	(void)state;
	interrupted_is_eintr(&waiter);
	assert_int_equal(dma_fence_get_status(waiter.fence), 0);
	uninterrupted_waits_on(&waiter, waiter.fence);
	dma_fence_put(waiter.fence);
}

static void handler_ends_an_interruptible_wait_for_any(void **state)
{
	struct mock_fence *mocks[NR_FENCES];
	struct dma_fence *fences[NR_FENCES];
	struct waiter waiter = { .fences = fences, .count = NR_FENCES };
	uint32_t i;

	(void)state;
	mock_fences_make(mocks, fences, NR_FENCES);
	interrupted_is_eintr(&waiter);
	for (i = 0; i < NR_FENCES; i++)
		assert_ptr_equal(fences[i]->cb_list.next, &fences[i]->cb_list);
	uninterrupted_waits_on(&waiter, fences[2]);
	assert_int_equal(waiter.idx, 2);
	mock_fences_put(fences, NR_FENCES);
}

static void *wait_for_ever(void *fence)
{
	return (void *)(intptr_t)dma_fence_wait(fence, true);
}

static void handler_ends_a_wait_without_an_end(void **state)
{
	struct dma_fence *fence = &mock_fence_new()->base;
	struct sigaction old;
	pthread_t thread;
	void *result;
	int ret;

	(void)state;
	handler_set(SA_RESTART, &old);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_ever, fence),
			 0);
	while ((ret = pthread_tryjoin_np(thread, &result)) == EBUSY) {
		pthread_kill(thread, SIGUSR1);
		sched_yield();
	}
	assert_int_equal(ret, 0);
	assert_int_equal((intptr_t)result, -EINTR);
	sigaction(SIGUSR1, &old, NULL);
	dma_fence_put(fence);
}

/* What is there already is not worth an interruption. */
static void handler_does_not_hide_a_signalled_fence(void **state)
{
	struct dma_fence *fence = &mock_fence_new()->base;
	struct sigaction old;

	(void)state;
	handler_set(0, &old);
	dma_fence_signal(fence);
	raise(SIGUSR1);
	assert_int_equal(dma_fence_wait_timeout(fence, true, 0), 1);
	assert_int_equal(dma_fence_wait_timeout(fence, true, 9), 9);
	assert_int_equal(dma_fence_wait_any_timeout(&fence, 1, true, 9, NULL),
			 9);
	sigaction(SIGUSR1, &old, NULL);
	dma_fence_put(fence);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(handler_ends_an_interruptible_wait),
		LEAK_TEST(handler_ends_an_interruptible_wait_for_any),
		LEAK_TEST(handler_ends_a_wait_without_an_end),
		LEAK_TEST(handler_does_not_hide_a_signalled_fence),
	};
	int bad = 0;

	bad |= cmocka_run_group_tests_name("dma_fence/interrupt", tests,
					   leaks_group_setup, NULL);
	bad |= cmocka_run_group_tests_name("dma_fence/interrupt, polling",
					   tests, polling_setup,
					   polling_teardown);
	return bad != 0;
}
