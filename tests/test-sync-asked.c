/* SPDX-License-Identifier: MIT */
/* test-sync-asked.c - fences of other processes, and who only asks for them */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-fence.h"
#include "process.h"
#include "sync-fds.h"

#define NR_MEMBERS 2

/* Gives an fd, and signals it with the time @data when it is its turn. */
static int produce(int sock, void *data)
{
	struct mock_fence *mock = mock_fence_new();
	int fd = dmabuf_sync_file_fd(&mock->base, O_CLOEXEC);

	PEER_CHECK(fd >= 0 && fd_send(sock, fd));
	PEER_CHECK(turn_take(sock));
	dma_fence_signal_timestamp(&mock->base, *(int64_t *)data);
	turn_take(sock);
	return 0;
}

struct foreign {
	struct peer peer;
	struct dma_fence *fence;
	int fd;
};

static void foreign_begin(struct foreign *foreign, int64_t when)
{
	peer_start(&foreign->peer, produce, &when);
	foreign->fd = fd_recv(foreign->peer.sock);
	foreign->fence = fence_of(foreign->fd);
	assert_int_equal(dma_fence_get_status(foreign->fence), 0);
}

/* Its fd says so; nobody has looked into it. */
static void foreign_signal(struct foreign *foreign)
{
	assert_true(turn_give(foreign->peer.sock));
	assert_true(wait_readable(foreign->fd));
}

static void foreign_end(struct foreign *foreign)
{
	dma_fence_put(foreign->fence);
	close(foreign->fd);
	peer_join(&foreign->peer);
}

/* An array that somebody waits for */

static bool is_signaled(struct dma_fence *array)
{
	return dma_fence_is_signaled(array);
}

static bool has_status(struct dma_fence *array)
{
	return dma_fence_get_status(array) == 1;
}

static bool wait_says(struct dma_fence *array)
{
	return dma_fence_wait_timeout(array, false, 0) == 1;
}

static bool wait_any_says(struct dma_fence *array)
{
	uint32_t idx = 1;

	return dma_fence_wait_any_timeout(&array, 1, false, 0, &idx) == 1 &&
	       idx == 0;
}

static bool info_says(struct dma_fence *array)
{
	int fd = sync_fd(array);
	bool done = status_of(fd) == 1;

	close(fd);
	dmabuf_dispatch();
	return done;
}

static void array_is_asked(bool (*is_done)(struct dma_fence *array), bool any)
{
	struct dma_fence **vector = calloc(NR_MEMBERS, sizeof(*vector));
	struct foreign members[NR_MEMBERS];
	struct count_cb count = { .ran = 0 };
	struct dma_fence *array;
	unsigned int i;

	assert_non_null(vector);
	for (i = 0; i < NR_MEMBERS; i++) {
		foreign_begin(&members[i], 5);
		vector[i] = dma_fence_get(members[i].fence);
	}
	array = &dma_fence_array_create(NR_MEMBERS, vector,
					dma_fence_context_alloc(1), 1,
					any)->base;
	assert_int_equal(dma_fence_add_callback(array, &count.cb,
						count_cb_run), 0);
	for (i = 0; i < NR_MEMBERS; i++) {
		assert_false(!any && is_done(array));
		foreign_signal(&members[i]);
	}
	assert_true(is_done(array));
	assert_true(dma_fence_is_signaled(array));
	assert_int_equal(dma_fence_wait(array, false), 0);
	assert_int_equal(count.ran, 1);
	/* The later ones have the sockets of the earlier ones too. */
	while (i--)
		foreign_end(&members[i]);
	dma_fence_put(array);
}

/* Nobody dispatches, and nobody sleeps: who asks has to look. */
static void who_asks_an_array_hears_of_foreign_members(void **state)
{
	static bool (*const questions[])(struct dma_fence *array) = {
		is_signaled, has_status, wait_says, wait_any_says, info_says,
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		array_is_asked(questions[i], false);
		array_is_asked(questions[i], true);
	}
}

/* Times */

static void every_time_gets_here(void **state)
{
	static const int64_t times[] = { 0, 1, -1, -5, INT64_MIN, INT64_MAX };
	struct foreign foreign;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		foreign_begin(&foreign, times[i]);
		foreign_signal(&foreign);
		assert_int_equal(dma_fence_get_status(foreign.fence), 1);
		assert_true(dma_fence_timestamp(foreign.fence) == times[i]);
		foreign_end(&foreign);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(who_asks_an_array_hears_of_foreign_members),
		LEAK_TEST(every_time_gets_here),
	};

	return cmocka_run_group_tests_name("sync/asked", tests,
					   leaks_group_setup, NULL) != 0;
}
