/* SPDX-License-Identifier: MIT */
/* test-sync-stress.c - the long ones of the kernel's sync tests */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "crowd.h"
#include "leaks.h"
#include "sync-fds.h"

/*
 * As the kernel's test, which goes through fds all the time; only the rounds
 * are fewer where every call is watched.
 */
#include "sanitized.h"

static unsigned int rounds(unsigned int nr)
{
	return is_sanitized() || under_valgrind() ? nr / 16 : nr;
}

/* In a thread, which may not assert. */
static int fd_at(struct dmabuf_sw_sync *timeline, uint32_t value)
{
	struct dma_fence *fence = dmabuf_sw_sync_fence(timeline, value);
	int fd;

	if (IS_ERR(fence))
		return -1;
	fd = dmabuf_sync_file_fd(fence, O_CLOEXEC);
	dma_fence_put(fence);
	return fd;
}

static bool fd_wait(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return poll(&pollfd, 1, -1) == 1 && status_of(fd) == 1;
}

/* Two threads take turns over one timeline */

struct turns {
	struct dmabuf_sw_sync *timeline;
	unsigned int nr;
	unsigned int counter;		/* plain: the fences order it */
};

static void turn_wait(struct crowd *crowd, uint32_t value)
{
	struct turns *turns = crowd->data;
	int fd = fd_at(turns->timeline, value);

	HOLDS(crowd, fd >= 0 && fd_wait(fd));
	close(fd);
}

static void take_turns(struct crowd *crowd, unsigned int me)
{
	struct turns *turns = crowd->data;
	unsigned int i;

	for (i = 0; i < turns->nr; i++) {
		turn_wait(crowd, 2 * i + me);
		HOLDS(crowd, turns->counter == 2 * i + me);
		turns->counter++;
		dmabuf_sw_sync_inc(turns->timeline, 1);
	}
}

static void two_threads_take_turns_over_one_timeline(void **state)
{
	struct turns turns = {
		.timeline = timeline_make("turns"),
		.nr = rounds(1 << 16),
	};
	struct crowd crowd = { .run = take_turns, .data = &turns };

	(void)state;
	crowd_check(&crowd, 2);
	assert_int_equal(turns.counter, 2 * turns.nr);
	dmabuf_sw_sync_destroy(turns.timeline);
	dmabuf_dispatch();
}

/* Several producers, one consumer */

#define NR_PRODUCERS 5

struct market {
	struct dmabuf_sw_sync *consumer;
	struct dmabuf_sw_sync *producers[NR_PRODUCERS];
	unsigned int nr;
	unsigned int counter;		/* guarded by lock among producers */
	pthread_mutex_t lock;
};

/* Spinning on the info, in place of poll. */
static bool fd_spin(int fd)
{
	int status;

	do {
		status = status_of(fd);
	} while (!status);
	return status == 1;
}

static void produce(struct crowd *crowd, unsigned int me)
{
	struct market *market = crowd->data;
	unsigned int i;
	int fd;

	for (i = 0; i < market->nr; i++) {
		fd = fd_at(market->consumer, i);
		HOLDS(crowd, fd >= 0);
		HOLDS(crowd, (i + me) % 8 ? fd_wait(fd) : fd_spin(fd));
		pthread_mutex_lock(&market->lock);
		market->counter++;
		pthread_mutex_unlock(&market->lock);
		dmabuf_sw_sync_inc(market->producers[me], 1);
		close(fd);
	}
}

static int merge_of_all(struct market *market, uint32_t value)
{
	int fd = fd_at(market->producers[0], value);
	int more, merged;
	unsigned int i;

	for (i = 1; i < NR_PRODUCERS && fd >= 0; i++) {
		more = fd_at(market->producers[i], value);
		merged = dmabuf_sync_file_merge("all", fd, more);
		close(fd);
		close(more);
		fd = merged;
	}
	return fd;
}

static void *consume(void *data)
{
	struct crowd *crowd = data;
	struct market *market = crowd->data;
	unsigned int i;
	int fd;

	for (i = 1; i <= market->nr; i++) {
		fd = merge_of_all(market, i);
		HOLDS(crowd, fd >= 0 && fd_wait(fd));
		HOLDS(crowd, market->counter == NR_PRODUCERS * i);
		close(fd);
		dmabuf_sw_sync_inc(market->consumer, 1);
	}
	return NULL;
}

static void a_consumer_waits_for_all_producers(void **state)
{
	struct market market = {
		.consumer = timeline_make("consumer"),
		.nr = rounds(1 << 12),
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	struct crowd crowd = { .run = produce, .data = &market };
	pthread_t consumer;
	unsigned int i;

	(void)state;
	for (i = 0; i < NR_PRODUCERS; i++)
		market.producers[i] = timeline_make("producer");
	assert_int_equal(pthread_create(&consumer, NULL, consume, &crowd), 0);
	crowd_run(&crowd, NR_PRODUCERS);
	pthread_join(consumer, NULL);
	assert_int_equal(crowd.faults, 0);
	for (i = 0; i < NR_PRODUCERS; i++)
		dmabuf_sw_sync_destroy(market.producers[i]);
	dmabuf_sw_sync_destroy(market.consumer);
	dmabuf_dispatch();
}

/* Random merges */

#define NR_TIMELINES 32
#define NR_MERGES 32768

/* A point of 0 is signalled when it is made, and no leaf of a merge. */
struct random_merge {
	struct dmabuf_sw_sync *timelines[NR_TIMELINES];
	uint32_t highest[NR_TIMELINES];	/* 0: not used */
	int fd;
};

static void merge_one(struct random_merge *merge, unsigned int timeline,
		      uint32_t value)
{
	int fd = point_fd(merge->timelines[timeline], value);
	int merged = merge_fds(merge->fd, fd);

	close(fd);
	close(merge->fd);
	merge->fd = merged;
	if (value > merge->highest[timeline])
		merge->highest[timeline] = value;
}

static unsigned int nr_used(const struct random_merge *merge)
{
	unsigned int nr = 0, i;

	for (i = 0; i < NR_TIMELINES; i++)
		nr += merge->highest[i] != 0;
	return nr;
}

static void timelines_catch_up(struct random_merge *merge)
{
	unsigned int left = nr_used(merge), i;

	for (i = 0; i < NR_TIMELINES; i++) {
		if (!merge->highest[i])
			continue;
		assert_int_equal(events_of(merge->fd), 0);
		dmabuf_sw_sync_inc(merge->timelines[i], merge->highest[i]);
		left--;
	}
	assert_int_equal(left, 0);
	/* At once, though an array is signalled after its members. */
	assert_int_equal(events_of(merge->fd), POLLIN);
	assert_int_equal(status_of(merge->fd), 1);
}

/* INV-F-D8 */
static void random_merges_hold_one_leaf_of_each_timeline(void **state)
{
	struct random_merge merge = { 0 };
	unsigned int seed = 20240917, nr = rounds(NR_MERGES), i;

	(void)state;
	for (i = 0; i < NR_TIMELINES; i++)
		merge.timelines[i] = timeline_make("random");
	merge.fd = point_fd(merge.timelines[0], 0);
	for (i = 0; i < nr; i++)
		merge_one(&merge, (unsigned int)rand_r(&seed) % NR_TIMELINES,
			  (uint32_t)rand_r(&seed));
	assert_int_equal(leaves_of(merge.fd), nr_used(&merge));
	timelines_catch_up(&merge);
	close(merge.fd);
	for (i = 0; i < NR_TIMELINES; i++)
		dmabuf_sw_sync_destroy(merge.timelines[i]);
	dmabuf_dispatch();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(two_threads_take_turns_over_one_timeline),
		LEAK_TEST(a_consumer_waits_for_all_producers),
		LEAK_TEST(random_merges_hold_one_leaf_of_each_timeline),
	};

	return cmocka_run_group_tests_name("sync/stress", tests,
					   leaks_group_setup, NULL) != 0;
}
