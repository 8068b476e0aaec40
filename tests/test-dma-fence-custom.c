/* SPDX-License-Identifier: MIT */
/*
 * test-dma-fence-custom.c - what Linux tests of a fence, on one with a wait op
 *
 * The wait op answers as that of Linux's own test does: the timeout when the
 * fence is done, which is 0 for none, and -ETIME when it is not in time.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-fence.h"

#define TICK_NS INT64_C(4000000)
#define SECOND_NS INT64_C(1000000000)
#define NR_STUBS 64
#define NR_TRIES 8

struct custom {
	struct dma_fence base;		/* first */
	pthread_mutex_t lock;
	int64_t tick_ns;		/* of the timer */
};

static const char *custom_name(struct dma_fence *fence)
{
	(void)fence;
	return "custom";
}

static struct timespec after_ns(int64_t ns)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	ns += at.tv_nsec;
	at.tv_sec += ns / SECOND_NS;
	at.tv_nsec = ns % SECOND_NS;
	return at;
}

struct bell {
	struct dma_fence_cb cb;		/* first */
	pthread_cond_t rings;
	bool rang;			/* the fence's lock */
};

/* Under the fence's lock. */
static void ring(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct bell *bell = (struct bell *)cb;

	(void)fence;
	bell->rang = true;
	pthread_cond_signal(&bell->rings);
}

static bool bell_wait(struct bell *bell, pthread_mutex_t *lock, int64_t timeout)
{
	struct timespec end = after_ns(timeout);
	bool rang;

	pthread_mutex_lock(lock);
	while (!bell->rang)
		if (pthread_cond_clockwait(&bell->rings, lock, CLOCK_MONOTONIC,
					   &end))
			break;
	rang = bell->rang;
	pthread_mutex_unlock(lock);
	return rang;
}

static int64_t custom_wait(struct dma_fence *fence, bool intr, int64_t timeout)
{
	struct bell bell = {
		.rings = PTHREAD_COND_INITIALIZER,
		.rang = false,
	};
	bool done;

	(void)intr;
	if (dma_fence_add_callback(fence, &bell.cb, ring))
		return timeout;
	done = bell_wait(&bell, fence->lock, timeout);
	dma_fence_remove_callback(fence, &bell.cb);
	pthread_cond_destroy(&bell.rings);
	return done ? timeout : -ETIME;
}

static const struct dma_fence_ops custom_ops = {
	.get_driver_name = custom_name,
	.get_timeline_name = custom_name,
	.wait = custom_wait,
};

/* Without a release op: free(3) is its end. */
static struct dma_fence *custom_new(void)
{
	struct custom *custom = calloc(1, sizeof(*custom));

	assert_non_null(custom);
	pthread_mutex_init(&custom->lock, NULL);
	dma_fence_init(&custom->base, &custom_ops, &custom->lock, 0, 0);
	return &custom->base;
}

/* Of each test that runs */
static struct dma_fence *subject;

static int begin(void **state)
{
	if (leaks_setup(state))
		return -1;
	subject = custom_new();
	return 0;
}

static int end(void **state)
{
	dma_fence_put(subject);
	return leaks_teardown(state);
}

#define SUBJECT_TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

/* sanitycheck */
static void fence_is_made_enabled_signalled_and_dropped(void **state)
{
	(void)state;
	dma_fence_enable_sw_signaling(subject);
	assert_int_equal(dma_fence_signal(subject), 0);
}

/* test_signaling */
static void fence_is_signalled_once(void **state)
{
	(void)state;
	dma_fence_enable_sw_signaling(subject);
	assert_false(dma_fence_is_signaled(subject));
	assert_int_equal(dma_fence_signal(subject), 0);
	assert_true(dma_fence_is_signaled(subject));
	assert_int_not_equal(dma_fence_signal(subject), 0);
}

/* test_add_callback */
static void callback_has_run_when_signal_returns(void **state)
{
	struct count_cb count = { .ran = 0 };

	(void)state;
	assert_int_equal(dma_fence_add_callback(subject, &count.cb,
						count_cb_run), 0);
	dma_fence_signal(subject);
	assert_int_equal(count.ran, 1);
}

/* test_late_add_callback */
static void late_callback_is_refused_and_never_runs(void **state)
{
	struct count_cb count = { .ran = 0 };

	(void)state;
	dma_fence_enable_sw_signaling(subject);
	dma_fence_signal(subject);
	assert_int_not_equal(dma_fence_add_callback(subject, &count.cb,
						    count_cb_run), 0);
	dma_fence_signal(subject);
	assert_int_equal(count.ran, 0);
}

/* test_rm_callback */
static void removed_callback_never_runs(void **state)
{
	struct count_cb count = { .ran = 0 };

	(void)state;
	assert_int_equal(dma_fence_add_callback(subject, &count.cb,
						count_cb_run), 0);
	assert_true(dma_fence_remove_callback(subject, &count.cb));
	dma_fence_signal(subject);
	assert_int_equal(count.ran, 0);
}

/* test_late_rm_callback */
static void callback_that_ran_cannot_be_removed(void **state)
{
	struct count_cb count = { .ran = 0 };

	(void)state;
	assert_int_equal(dma_fence_add_callback(subject, &count.cb,
						count_cb_run), 0);
	dma_fence_signal(subject);
	assert_int_equal(count.ran, 1);
	assert_false(dma_fence_remove_callback(subject, &count.cb));
}

/* test_status */
static void status_is_0_and_then_not(void **state)
{
	(void)state;
	dma_fence_enable_sw_signaling(subject);
	assert_int_equal(dma_fence_get_status(subject), 0);
	dma_fence_signal(subject);
	assert_int_not_equal(dma_fence_get_status(subject), 0);
}

/* test_error */
static void error_is_the_status_once_it_is_signalled(void **state)
{
	(void)state;
	dma_fence_enable_sw_signaling(subject);
	dma_fence_set_error(subject, -EIO);
	assert_int_equal(dma_fence_get_status(subject), 0);
	dma_fence_signal(subject);
	assert_int_equal(dma_fence_get_status(subject), -EIO);
}

/* test_wait */
static void wait_without_time_only_asks(void **state)
{
	(void)state;
	dma_fence_enable_sw_signaling(subject);
	assert_int_equal(dma_fence_wait_timeout(subject, false, 0), -ETIME);
	dma_fence_signal(subject);
	assert_int_equal(dma_fence_wait_timeout(subject, false, 0), 0);
}

/* A timer: signals when a tick has passed. */
static void *signal_after_a_tick(void *data)
{
	struct custom *custom = data;
	struct timespec at = after_ns(custom->tick_ns);

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL))
		continue;
	dma_fence_signal(&custom->base);
	return NULL;
}

/* Two ticks are enough, unless the timer is late. */
static bool wait_beside_a_timer(int64_t tick_ns)
{
	struct dma_fence *fence = custom_new();
	struct custom *custom = (struct custom *)fence;
	pthread_t timer;
	int64_t ret;

	dma_fence_enable_sw_signaling(fence);
	assert_int_equal(dma_fence_wait_timeout(fence, false, tick_ns), -ETIME);
	custom->tick_ns = tick_ns;
	assert_int_equal(pthread_create(&timer, NULL, signal_after_a_tick,
					fence), 0);
	ret = dma_fence_wait_timeout(fence, false, 2 * tick_ns);
	pthread_join(timer, NULL);
	assert_true(ret == 2 * tick_ns || ret == -ETIME);
	assert_true(dma_fence_is_signaled(fence));
	dma_fence_put(fence);
	return ret > 0;
}

/* test_wait_timeout */
static void wait_of_two_ticks_sees_a_timer_of_one(void **state)
{
	int64_t tick_ns = TICK_NS;
	int i;

	(void)state;
	for (i = 0; i < NR_TRIES; i++) {
		if (wait_beside_a_timer(tick_ns))
			return;
		print_message("the timer was late, with a tick of %lld ns\n",
			      (long long)tick_ns);
		tick_ns *= 2;
	}
	fail();
}

/* test_stub */
static void stubs_are_signalled(void **state)
{
	struct dma_fence *stubs[NR_STUBS];
	int i;

	(void)state;
	for (i = 0; i < NR_STUBS; i++) {
		stubs[i] = dma_fence_get_stub();
		assert_non_null(stubs[i]);
		assert_true(dma_fence_is_signaled(stubs[i]));
	}
	for (i = 0; i < NR_STUBS; i++)
		dma_fence_put(stubs[i]);
}

/* race_signal_callback: two threads with a fence each */

struct race_cb {
	struct dma_fence_cb cb;		/* first */
	bool seen;			/* atomic */
};

struct race {
	struct dma_fence *fences[2];	/* atomic */
	bool before;			/* signal, then add */
	bool stop;			/* atomic */
	unsigned int faults;		/* atomic */
	unsigned long refused[2];	/* each its thread's */
	unsigned long added[2];
};

struct racer {
	struct race *race;
	unsigned int me;
};

static void race_seen(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	(void)fence;
	__atomic_store_n(&((struct race_cb *)cb)->seen, true, __ATOMIC_RELEASE);
}

static bool race_over(const struct race *race)
{
	return __atomic_load_n(&race->stop, __ATOMIC_RELAXED);
}

/* The other's fence, with a reference; NULL: the race is over. */
static struct dma_fence *race_other(struct race *race, unsigned int me)
{
	struct dma_fence *other;

	do {
		if (race_over(race))
			return NULL;
		other = dma_fence_get_rcu_safe(&race->fences[!me]);
	} while (!other);
	return other;
}

/* An accepted callback has run once the fence is waited for. */
static void race_check(struct race *race, struct dma_fence *other,
		       const struct race_cb *cb)
{
	dma_fence_wait(other, false);
	pthread_mutex_lock(other->lock);
	pthread_mutex_unlock(other->lock);
	if (!__atomic_load_n(&cb->seen, __ATOMIC_ACQUIRE))
		__atomic_fetch_add(&race->faults, 1, __ATOMIC_RELAXED);
}

static void race_meet(struct race *race, unsigned int me,
		      struct dma_fence *mine, struct dma_fence *other)
{
	struct race_cb cb = { .seen = false };
	int ret;

	if (race->before)
		dma_fence_signal(mine);
	ret = dma_fence_add_callback(other, &cb.cb, race_seen);
	if (!race->before)
		dma_fence_signal(mine);
	if (!ret)
		race_check(race, other, &cb);
	if (ret)
		race->refused[me]++;
	else
		race->added[me]++;
}

static void *race_run(void *data)
{
	const struct racer *racer = data;
	struct race *race = racer->race;
	struct dma_fence *mine, *other;

	while (!race_over(race)) {
		mine = &mock_fence_new()->base;
		__atomic_store_n(&race->fences[racer->me], mine,
				 __ATOMIC_RELEASE);
		other = race_other(race, racer->me);
		if (other)
			race_meet(race, racer->me, mine, other);
		dma_fence_signal(mine);
		__atomic_store_n(&race->fences[racer->me], NULL,
				 __ATOMIC_RELEASE);
		dma_fence_put(mine);
		dma_fence_put(other);
	}
	return NULL;
}

static void race_for_50_ms(bool before)
{
	struct race race = { .before = before };
	struct racer racers[2] = { { &race, 0 }, { &race, 1 } };
	struct timespec end = after_ns(50000000);
	pthread_t threads[2];
	int i;

	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race_run,
						&racers[i]), 0);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL))
		continue;
	__atomic_store_n(&race.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(race.faults, 0);
	print_message("signal %s add: %lu + %lu added, %lu + %lu refused\n",
		      before ? "before" : "after", race.added[0],
		      race.added[1], race.refused[0], race.refused[1]);
}

static void accepted_callback_runs_when_the_other_signals(void **state)
{
	(void)state;
	race_for_50_ms(false);
	race_for_50_ms(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SUBJECT_TEST(fence_is_made_enabled_signalled_and_dropped),
		SUBJECT_TEST(fence_is_signalled_once),
		SUBJECT_TEST(callback_has_run_when_signal_returns),
		SUBJECT_TEST(late_callback_is_refused_and_never_runs),
		SUBJECT_TEST(removed_callback_never_runs),
		SUBJECT_TEST(callback_that_ran_cannot_be_removed),
		SUBJECT_TEST(status_is_0_and_then_not),
		SUBJECT_TEST(error_is_the_status_once_it_is_signalled),
		SUBJECT_TEST(wait_without_time_only_asks),
		LEAK_TEST(wait_of_two_ticks_sees_a_timer_of_one),
		LEAK_TEST(stubs_are_signalled),
		LEAK_TEST(accepted_callback_runs_when_the_other_signals),
	};

	return cmocka_run_group_tests_name("dma_fence/custom", tests,
					   leaks_group_setup, NULL) != 0;
}
