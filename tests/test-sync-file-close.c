/* SPDX-License-Identifier: MIT */
/* test-sync-file-close.c - the last close of a sync file, and many of them */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-fence.h"
#include "process.h"
#include "sync-fds.h"

/* The last close */

static void a_copy_keeps_the_fence(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	int fd = sync_fd(&mock->base);
	int copy = dup(fd);

	(void)state;
	close(fd);
	dmabuf_dispatch();
	assert_int_equal(mock->base.refcount, 2);
	dma_fence_put(&mock->base);
	assert_int_equal(status_of(copy), 0);
	dma_fence_signal(&mock->base);
	assert_int_equal(events_of(copy), POLLIN);
	close(copy);
	dmabuf_dispatch();
}

static void a_copy_in_flight_keeps_the_fence(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	int fd = sync_fd(&mock->base);
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				    pair), 0);
	assert_true(fd_send(pair[0], fd));
	close(fd);
	dmabuf_dispatch();
	assert_int_equal(mock->base.refcount, 2);
	dma_fence_signal(&mock->base);
	fd = fd_recv(pair[1]);
	assert_int_equal(events_of(fd), POLLIN);
	close(fd);
	close(pair[0]);
	close(pair[1]);
	dmabuf_dispatch();
	assert_int_equal(mock->base.refcount, 1);
	dma_fence_put(&mock->base);
}

static void signalling_notices_the_last_close(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	int fd = sync_fd(&mock->base);

	(void)state;
	close(fd);
	dma_fence_signal(&mock->base);
	dma_fence_put(&mock->base);
	/* And without a dispatch nothing is left. */
	assert_true(mock_fences_wait(0));
}

/* It has the only other reference: that is back at once. */
static void signalling_gives_back_the_reference_of_a_closed_one(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	unsigned int i;

	(void)state;
	for (i = 0; i < 3; i++)
		close(sync_fd(&mock->base));
	dma_fence_signal(&mock->base);
	assert_int_equal(mock->base.refcount, 1);
	dma_fence_put(&mock->base);
}

/* Our end is closed at once, whoever runs the release. */
static void making_more_notices_the_last_closes(void **state)
{
	struct mock_fence *keep = mock_fence_new();
	struct mock_fence *mock;
	unsigned int i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		mock = mock_fence_new();
		close(sync_fd(&mock->base));
		dma_fence_put(&mock->base);
	}
	close(sync_fd(&keep->base));
	assert_true(mock_fences_wait(100));
	dmabuf_dispatch();
	dma_fence_put(&keep->base);
}

struct releasing {
	struct dma_fence base;
	pthread_mutex_t lock;
	unsigned int *released;
};

/* What a release op may do: all there is, as no lock is held. */
static void release_makes_another(struct dma_fence *fence)
{
	struct releasing *releasing = (struct releasing *)fence;
	struct mock_fence *mock = mock_fence_new();
	int fd = dmabuf_sync_file_fd(&mock->base, O_CLOEXEC);

	if (fd >= 0) {
		dma_fence_put(sync_file_get_fence(fd));
		dma_fence_signal(&mock->base);
		close(fd);
		++*releasing->released;
	}
	dma_fence_put(&mock->base);
	pthread_mutex_destroy(&releasing->lock);
	dma_fence_free(fence);
}

static const char *releasing_name(struct dma_fence *fence)
{
	(void)fence;
	return "releasing";
}

static const struct dma_fence_ops releasing_ops = {
	.get_driver_name = releasing_name,
	.get_timeline_name = releasing_name,
	.release = release_makes_another,
};

static void a_release_in_dispatch_may_make_sync_files(void **state)
{
	struct releasing *releasing = calloc(1, sizeof(*releasing));
	unsigned int released = 0;
	int fd;

	(void)state;
	assert_non_null(releasing);
	pthread_mutex_init(&releasing->lock, NULL);
	releasing->released = &released;
	dma_fence_init(&releasing->base, &releasing_ops, &releasing->lock,
		       dma_fence_context_alloc(1), 1);
	fd = sync_fd(&releasing->base);
	dma_fence_put(&releasing->base);
	close(fd);
	assert_int_equal(released, 0);
	dmabuf_dispatch();
	assert_int_equal(released, 1);
	dmabuf_dispatch();
}

/* A callback holds the lock of its fence, and may still make fds of others. */
struct making_cb {
	struct dma_fence_cb cb;
	struct dma_fence *of;
	int fds[100];
};

static void make_and_close_in_callback(struct dma_fence *fence,
				       struct dma_fence_cb *cb)
{
	struct making_cb *making = (struct making_cb *)cb;
	unsigned int i;

	(void)fence;
	for (i = 0; i < 100; i++) {
		making->fds[i] = dmabuf_sync_file_fd(making->of, O_CLOEXEC);
		close(making->fds[i]);
	}
}

static void a_callback_may_make_sync_files(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct mock_fence *other = mock_fence_new();
	struct making_cb making = { .of = &other->base };
	unsigned int i;

	(void)state;
	/* Closed before: theirs are the releases that come in the way. */
	for (i = 0; i < 100; i++)
		close(sync_fd(&mock->base));
	dma_fence_add_callback(&mock->base, &making.cb,
			       make_and_close_in_callback);
	dma_fence_signal(&mock->base);
	for (i = 0; i < 100; i++)
		assert_true(making.fds[i] >= 0);
	assert_true(refs_get_down_to(&mock->base, 1));
	assert_true(refs_get_down_to(&other->base, 1));
	dma_fence_put(&mock->base);
	dma_fence_put(&other->base);
}

/* Many */

#define NR_MANY 10000

/* Two fds each, and some that are open already. */
static unsigned int nr_that_fit(unsigned int nr)
{
	struct rlimit limit;
	rlim_t wanted = 2 * (rlim_t)nr + 100;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_cur >= wanted)
		return nr;
	limit.rlim_cur = wanted;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted;
	if (!setrlimit(RLIMIT_NOFILE, &limit))
		return nr;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	print_message("only %u: the limit on fds is %u\n",
		      (unsigned int)(limit.rlim_cur - 100) / 2,
		      (unsigned int)limit.rlim_cur);
	return (unsigned int)(limit.rlim_cur - 100) / 2;
}

static void ten_thousand_sync_files_come_and_go(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("many");
	int *fds = calloc(NR_MANY, sizeof(*fds));
	unsigned int nr = nr_that_fit(NR_MANY), i;

	(void)state;
	assert_non_null(fds);
	for (i = 0; i < nr; i++)
		fds[i] = point_fd(timeline, i + 1);
	for (i = 0; i < nr; i += 97)
		assert_int_equal(events_of(fds[i]), 0);
	dmabuf_sw_sync_inc(timeline, nr / 2);
	for (i = 0; i < nr; i++)
		assert_int_equal(events_of(fds[i]), i < nr / 2 ? POLLIN : 0);
	for (i = 0; i < nr; i++)
		close(fds[i]);
	dmabuf_dispatch();
	dmabuf_sw_sync_destroy(timeline);
	free(fds);
}

static void ten_thousand_one_after_the_other_need_few_fds(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("many");
	unsigned int i;
	int fd, highest = 0;

	(void)state;
	for (i = 0; i < NR_MANY; i++) {
		fd = point_fd(timeline, i + 1);
		highest = fd > highest ? fd : highest;
		close(fd);
	}
	assert_true(highest < 100);
	dmabuf_dispatch();
	dmabuf_sw_sync_destroy(timeline);
}

#define FD_LIMIT 64

static void limit_set(rlim_t nr)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = nr;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Where no fd is left, the ends of those that nobody holds are given up. */
static void closed_ones_make_room_when_fds_run_out(void **state)
{
	struct rlimit old;
	unsigned int nr = 0, i;
	int fds[FD_LIMIT];
	int fd;

	(void)state;
	fds_run_out_or_skip();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	limit_set(FD_LIMIT);
	for (i = 0; i < FD_LIMIT; i++) {
		fds[i] = dmabuf_sync_file_fd(dma_fence_get_stub(), O_CLOEXEC);
		if (fds[i] < 0)
			break;
		nr++;
	}
	assert_true(nr > 10);
	assert_int_equal(fds[nr], -EMFILE);
	/* The numbers of the fds are for others; ours are closed only now. */
	for (i = 0; i < nr; i++)
		close(fds[i]);
	for (nr = 0; (fd = fcntl(0, F_DUPFD_CLOEXEC, 0)) >= 0; nr++)
		fds[nr] = fd;
	fd = dmabuf_sync_file_fd(dma_fence_get_stub(), O_CLOEXEC);
	limit_set(old.rlim_cur);
	assert_true(fd >= 0);
	close(fd);
	for (i = 0; i < nr; i++)
		close(fds[i]);
	dmabuf_dispatch();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(a_copy_keeps_the_fence),
		LEAK_TEST(a_copy_in_flight_keeps_the_fence),
		LEAK_TEST(signalling_notices_the_last_close),
		LEAK_TEST(signalling_gives_back_the_reference_of_a_closed_one),
		LEAK_TEST(making_more_notices_the_last_closes),
		LEAK_TEST(a_release_in_dispatch_may_make_sync_files),
		LEAK_TEST(a_callback_may_make_sync_files),
		LEAK_TEST(ten_thousand_sync_files_come_and_go),
		LEAK_TEST(ten_thousand_one_after_the_other_need_few_fds),
		LEAK_TEST(closed_ones_make_room_when_fds_run_out),
	};

	return cmocka_run_group_tests_name("sync_file/close", tests,
					   leaks_group_setup, NULL) != 0;
}
