/* SPDX-License-Identifier: MIT */
/*
 * test-sync-threads.c - sync files and timelines in several threads
 *
 * Run under the thread sanitizer, which sees what the assertions cannot.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "crowd.h"
#include "leaks.h"
#include "mock-fence.h"
#include "process.h"
#include "sync-fds.h"

#define NR_ROUNDS 300
#define NR_FDS 16

/* A ring of fds that some make, and others close, ask and signal */

struct ring {
	struct dmabuf_sw_sync *timeline;
	int fds[NR_FDS];		/* atomic; -1: none */
	uint32_t value;			/* atomic: of the next point */
};

static int slot_take(struct ring *ring, unsigned int which)
{
	return __atomic_exchange_n(&ring->fds[which % NR_FDS], -1,
				   __ATOMIC_ACQ_REL);
}

/* What was there is closed. */
static void slot_put(struct ring *ring, unsigned int which, int fd)
{
	int old = __atomic_exchange_n(&ring->fds[which % NR_FDS], fd,
				      __ATOMIC_ACQ_REL);

	if (old >= 0)
		close(old);
}

static void ring_make(struct crowd *crowd, unsigned int i)
{
	struct ring *ring = crowd->data;
	uint32_t value = __atomic_add_fetch(&ring->value, 1, __ATOMIC_RELAXED);
	struct dma_fence *fence = dmabuf_sw_sync_fence(ring->timeline, value);
	struct dma_fence *again;
	int fd;

	HOLDS(crowd, !IS_ERR(fence));
	fd = dmabuf_sync_file_fd(fence, O_CLOEXEC);
	HOLDS(crowd, fd >= 0);
	again = sync_file_get_fence(fd);
	HOLDS(crowd, again == fence);
	dma_fence_put(again);
	dma_fence_put(fence);
	slot_put(ring, i, fd);
}

static void ring_merge(struct crowd *crowd, unsigned int i)
{
	struct ring *ring = crowd->data;
	int one = slot_take(ring, i);
	int two = slot_take(ring, i + 1);
	int fd;

	if (one >= 0 && two >= 0) {
		fd = dmabuf_sync_file_merge("both", one, two);
		HOLDS(crowd, fd >= 0);
		HOLDS(crowd, status_of(fd) >= 0);
		slot_put(ring, i + 2, fd);
	}
	if (one >= 0)
		close(one);
	if (two >= 0)
		close(two);
}

static void ring_signal(struct crowd *crowd, unsigned int i)
{
	struct ring *ring = crowd->data;
	int fd = slot_take(ring, i);

	dmabuf_sw_sync_inc(ring->timeline, 1);
	if (fd >= 0) {
		HOLDS(crowd, status_of(fd) >= 0);
		slot_put(ring, i, fd);
	}
}

static void ring_run(struct crowd *crowd, unsigned int me)
{
	unsigned int i;

	for (i = 0; i < NR_ROUNDS; i++) {
		switch (me) {
		case 0:
			ring_make(crowd, i);
			break;
		case 1:
			ring_merge(crowd, i);
			ring_make(crowd, i + 5);
			break;
		case 2:
			ring_signal(crowd, i);
			break;
		case 3:
			slot_put(crowd->data, i * 7, -1);
			HOLDS(crowd, dmabuf_dispatch() >= 0);
		}
	}
}

static void ring_begin(struct ring *ring)
{
	unsigned int i;

	*ring = (struct ring){ .timeline = timeline_make("ring") };
	for (i = 0; i < NR_FDS; i++)
		ring->fds[i] = -1;
}

static void ring_end(struct ring *ring)
{
	unsigned int i;

	for (i = 0; i < NR_FDS; i++)
		slot_put(ring, i, -1);
	dmabuf_sw_sync_destroy(ring->timeline);
	dmabuf_dispatch();
}

static void a_storm_of_sync_files_leaves_nothing(void **state)
{
	struct crowd crowd = { .run = ring_run };
	struct ring ring;

	(void)state;
	ring_begin(&ring);
	crowd.data = &ring;
	crowd_check(&crowd, 4);
	ring_end(&ring);
}

/* The last close beside the signal, and beside who looks */

struct close_race {
	struct mock_fence *mock;
	int fd;
};

static void close_signal_or_look(struct crowd *crowd, unsigned int me)
{
	struct close_race *race = crowd->data;
	unsigned int i;

	for (i = 0; i < NR_ROUNDS; i++) {
		if (me == 0) {
			race->mock = mock_fence_new();
			race->fd = dmabuf_sync_file_fd(&race->mock->base,
						       O_CLOEXEC);
			HOLDS(crowd, race->fd >= 0);
		}
		crowd_meet(crowd);
		if (me == 0)
			close(race->fd);
		else if (me == 1)
			HOLDS(crowd, !dma_fence_signal(&race->mock->base));
		else
			dmabuf_dispatch();
		crowd_meet(crowd);
		if (me == 0)
			dma_fence_put(&race->mock->base);
	}
}

static void close_signal_and_look_end_it_once(void **state)
{
	struct close_race race;
	struct crowd crowd = { .run = close_signal_or_look, .data = &race };

	(void)state;
	crowd_check(&crowd, 4);
	dmabuf_dispatch();
	assert_true(mock_fences_wait(0));
}

/* Fences of others */

static int produce_many(int sock, void *data)
{
	struct mock_fence *mock;
	int fd;

	(void)data;
	do {
		mock = mock_fence_new();
		fd = dmabuf_sync_file_fd(&mock->base, O_CLOEXEC);
		PEER_CHECK(fd >= 0 && fd_send(sock, fd));
		close(fd);
		if (!turn_take(sock))
			return 0;
		dma_fence_signal(&mock->base);
		dma_fence_put(&mock->base);
		dmabuf_dispatch();
	} while (turn_take(sock));
	return 0;
}

struct import_race {
	struct peer peer;
	int fd;
	struct dma_fence *got[NR_THREADS];
	struct count_cb cbs[NR_THREADS];
};

static void see_it_done(struct crowd *crowd, struct dma_fence *fence,
			unsigned int me)
{
	switch (me) {
	case 0:
		HOLDS(crowd, turn_give(((struct import_race *)
					crowd->data)->peer.sock));
		HOLDS(crowd, dma_fence_wait(fence, false) == 0);
		break;
	case 1:
		while (!dma_fence_is_signaled(fence))
			;
		break;
	case 2:
		while (!dma_fence_get_status(fence))
			dmabuf_dispatch();
		break;
	default:
		HOLDS(crowd, dma_fence_wait_timeout(fence, true,
						    INT64_MAX) > 0);
	}
}

/* INV-F-D1: each callback runs once, whoever sees it first. */
static void import_and_wait(struct crowd *crowd, unsigned int me)
{
	struct import_race *race = crowd->data;
	unsigned int i;

	for (i = 0; i < NR_ROUNDS / 10; i++) {
		if (me == 0)
			race->fd = fd_recv(race->peer.sock);
		crowd_meet(crowd);
		race->got[me] = sync_file_get_fence(race->fd);
		race->cbs[me] = (struct count_cb){ 0 };
		HOLDS(crowd, race->got[me]);
		HOLDS(crowd, !dma_fence_add_callback(race->got[me],
						     &race->cbs[me].cb,
						     count_cb_run));
		crowd_meet(crowd);
		HOLDS(crowd, race->got[me] == race->got[0]);
		see_it_done(crowd, race->got[me], me);
		/* Waits for the callback, should it run just now. */
		dma_fence_remove_callback(race->got[me], &race->cbs[me].cb);
		HOLDS(crowd, race->cbs[me].ran == 1);
		HOLDS(crowd, dma_fence_get_status(race->got[me]) == 1);
		crowd_meet(crowd);
		dma_fence_put(race->got[me]);
		if (me == 0) {
			close(race->fd);
			turn_give(race->peer.sock);
		}
	}
}

static void a_foreign_fence_is_one_for_all_threads(void **state)
{
	struct import_race race;
	struct crowd crowd = { .run = import_and_wait, .data = &race };
	int fd;

	(void)state;
	peer_start(&race.peer, produce_many, NULL);
	crowd_check(&crowd, NR_THREADS);
	fd = fd_recv(race.peer.sock);
	close(fd);
	peer_join(&race.peer);
}

/* The last put of one thread beside the first get of another. */
static void import_and_drop(struct crowd *crowd, unsigned int me)
{
	struct import_race *race = crowd->data;
	struct dma_fence *fence;
	unsigned int i;

	for (i = 0; i < NR_ROUNDS; i++) {
		if (me == 3) {
			dmabuf_dispatch();
			continue;
		}
		fence = sync_file_get_fence(race->fd);
		HOLDS(crowd, fence && !dma_fence_get_status(fence));
		dma_fence_put(fence);
	}
}

static void imports_come_and_go(void **state)
{
	struct import_race race;
	struct crowd crowd = { .run = import_and_drop, .data = &race };

	(void)state;
	peer_start(&race.peer, produce_many, NULL);
	race.fd = fd_recv(race.peer.sock);
	crowd_check(&crowd, 4);
	close(race.fd);
	peer_join(&race.peer);
}

/* Timelines */

static void timeline_run(struct crowd *crowd, unsigned int me)
{
	struct ring *ring = crowd->data;
	struct count_cb cb;
	struct dma_fence *fence;
	uint32_t i;

	for (i = 0; i < NR_ROUNDS; i++) {
		if (me == 0) {
			dmabuf_sw_sync_inc(ring->timeline, 1);
			continue;
		}
		fence = dmabuf_sw_sync_fence(ring->timeline, i + me);
		HOLDS(crowd, !IS_ERR(fence));
		cb = (struct count_cb){ 0 };
		if (!dma_fence_add_callback(fence, &cb.cb, count_cb_run)) {
			bool removed =
				dma_fence_remove_callback(fence, &cb.cb);

			HOLDS(crowd, removed ? !cb.ran : cb.ran == 1);
		} else {
			HOLDS(crowd, dma_fence_get_status(fence) == 1);
		}
		dma_fence_put(fence);
	}
}

/* INV-F-D1, INV-F-D11 */
static void points_are_made_dropped_and_reached_at_once(void **state)
{
	struct crowd crowd = { .run = timeline_run };
	struct ring ring;

	(void)state;
	ring_begin(&ring);
	crowd.data = &ring;
	crowd_check(&crowd, NR_THREADS);
	ring_end(&ring);
}

/* The end of a timeline beside the puts of its points. */
struct end_race {
	struct dmabuf_sw_sync *timeline;
	struct dma_fence *points[NR_THREADS];
};

static void end_or_put(struct crowd *crowd, unsigned int me)
{
	struct end_race *race = crowd->data;
	unsigned int i, j;

	for (i = 0; i < NR_ROUNDS; i++) {
		if (me == 0) {
			HOLDS(crowd, !dmabuf_sw_sync_create("end",
							    &race->timeline));
			for (j = 1; j < crowd->nr; j++)
				race->points[j] =
					dmabuf_sw_sync_fence(race->timeline, j);
		}
		crowd_meet(crowd);
		if (me == 0)
			dmabuf_sw_sync_destroy(race->timeline);
		else if (me == 1)
			HOLDS(crowd, !dma_fence_wait(race->points[1], false));
		if (me)
			dma_fence_put(race->points[me]);
		crowd_meet(crowd);
	}
}

static void a_timeline_ends_beside_its_points(void **state)
{
	struct end_race race;
	struct crowd crowd = { .run = end_or_put, .data = &race };

	(void)state;
	crowd_check(&crowd, NR_THREADS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(a_storm_of_sync_files_leaves_nothing),
		LEAK_TEST(close_signal_and_look_end_it_once),
		LEAK_TEST(a_foreign_fence_is_one_for_all_threads),
		LEAK_TEST(imports_come_and_go),
		LEAK_TEST(points_are_made_dropped_and_reached_at_once),
		LEAK_TEST(a_timeline_ends_beside_its_points),
	};

	return cmocka_run_group_tests_name("threads/sync", tests,
					   leaks_group_setup, NULL) != 0;
}
