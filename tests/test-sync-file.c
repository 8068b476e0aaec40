/* SPDX-License-Identifier: MIT */
/* test-sync-file.c - fences as fds, in one process */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-fence.h"
#include "process.h"
#include "sync-fds.h"

/* Life */

static void create_takes_a_reference_and_destroy_gives_it_back(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct sync_file *file = sync_file_create(&mock->base);

	(void)state;
	assert_non_null(file);
	assert_ptr_equal(file->fence, &mock->base);
	assert_string_equal(file->user_name, "");
	assert_int_equal(mock->base.refcount, 2);
	assert_int_equal(mock->nr_enable, 0);
	dmabuf_sync_file_destroy(file);
	assert_int_equal(mock->base.refcount, 1);
	dma_fence_put(&mock->base);
	dmabuf_sync_file_destroy(NULL);
}

static void no_fence_is_no_file(void **state)
{
	(void)state;
	assert_null(sync_file_create(NULL));
	assert_int_equal(dmabuf_sync_file_fd(NULL, O_CLOEXEC), -EINVAL);
}

static void install_hands_the_file_to_the_fd(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct sync_file *file = sync_file_create(&mock->base);
	int fd = dmabuf_sync_file_install(file, O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(mock->base.refcount, 2);
	assert_int_equal(mock->nr_enable, 1);
	close(fd);
	dmabuf_dispatch();
	assert_int_equal(mock->base.refcount, 1);
	dma_fence_put(&mock->base);
}

static void cloexec_is_as_asked_for(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	int with = dmabuf_sync_file_fd(&mock->base, O_CLOEXEC);
	int without = dmabuf_sync_file_fd(&mock->base, 0);

	(void)state;
	assert_int_equal(fcntl(with, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(without, F_GETFD), 0);
	close(with);
	close(without);
	dmabuf_dispatch();
	dma_fence_put(&mock->base);
}

/* Readable */

static void fd_is_readable_when_the_fence_is_signalled(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	int fd = sync_fd(&mock->base);

	(void)state;
	assert_int_equal(events_of(fd), 0);
	assert_int_equal(dma_fence_signal(&mock->base), 0);
	assert_int_equal(events_of(fd), POLLIN);
	assert_int_equal(events_of(fd), POLLIN);
	dma_fence_put(&mock->base);
	assert_int_equal(events_of(fd), POLLIN);
	close(fd);
	dmabuf_dispatch();
}

static void fd_of_a_signalled_fence_is_readable_at_once(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	int fd;

	(void)state;
	dma_fence_signal(&mock->base);
	fd = sync_fd(&mock->base);
	assert_int_equal(events_of(fd), POLLIN);
	assert_int_equal(mock->nr_enable, 0);
	close(fd);
	fd = dmabuf_sync_file_fd(dma_fence_get_stub(), O_CLOEXEC);
	assert_int_equal(events_of(fd), POLLIN);
	assert_int_equal(status_of(fd), 1);
	close(fd);
	dmabuf_dispatch();
	dma_fence_put(&mock->base);
}

static void fd_is_readable_when_enabling_signals_the_fence(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	int fd;

	(void)state;
	mock->refuse_enable = true;
	mock->error_on_enable = -EIO;
	fd = sync_fd(&mock->base);
	assert_int_equal(events_of(fd), POLLIN);
	assert_int_equal(status_of(fd), -EIO);
	close(fd);
	dmabuf_dispatch();
	dma_fence_put(&mock->base);
}

/* An error is no POLLERR. */
static void fd_of_a_failed_fence_is_readable_too(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	int fd = sync_fd(&mock->base);

	(void)state;
	dma_fence_set_error(&mock->base, -EIO);
	dma_fence_signal(&mock->base);
	assert_int_equal(events_of(fd), POLLIN);
	assert_int_equal(status_of(fd), -EIO);
	close(fd);
	dmabuf_dispatch();
	dma_fence_put(&mock->base);
}

static int select_for_reading(int fd)
{
	struct timeval now = { 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return select(fd + 1, &set, NULL, NULL, &now);
}

static void select_and_epoll_see_it_too(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct epoll_event event = { .events = EPOLLIN };
	int fd = sync_fd(&mock->base);
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	(void)state;
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
	assert_int_equal(select_for_reading(fd), 0);
	dma_fence_signal(&mock->base);
	assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
	assert_int_equal(event.events, EPOLLIN);
	assert_int_equal(select_for_reading(fd), 1);
	close(epoll);
	close(fd);
	dmabuf_dispatch();
	dma_fence_put(&mock->base);
}

/* INV-F-D5: a container is signalled after its member's lock is given back. */
static void fd_of_a_container_is_readable_with_its_members(void **state)
{
	struct mock_fence *a = mock_fence_new();
	struct mock_fence *b = mock_fence_new();
	struct dma_fence *both = dma_fence_unwrap_merge(&a->base, &b->base);
	int fd = sync_fd(both);

	(void)state;
	dma_fence_signal(&a->base);
	assert_int_equal(events_of(fd), 0);
	dma_fence_signal(&b->base);
	assert_int_equal(events_of(fd), POLLIN);
	close(fd);
	dmabuf_dispatch();
	dma_fence_put(both);
	dma_fence_put(&a->base);
	dma_fence_put(&b->base);
}

/* Looking behind it */

static void every_copy_of_an_fd_is_the_same_fence(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	int fds[5];
	int pair[2];
	struct dma_fence *fence;
	unsigned int i;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				    pair), 0);
	fds[0] = sync_fd(&mock->base);
	fds[1] = dup(fds[0]);
	fds[2] = dup3(fds[0], 700, O_CLOEXEC);
	fds[3] = sync_fd(&mock->base);	/* another file */
	assert_true(fd_send(pair[0], fds[0]));
	fds[4] = fd_recv(pair[1]);
	for (i = 0; i < 5; i++) {
		fence = fence_of(fds[i]);
		assert_ptr_equal(fence, &mock->base);
		dma_fence_put(fence);
	}
	close(fds[0]);
	fence = fence_of(fds[4]);
	assert_ptr_equal(fence, &mock->base);
	dma_fence_put(fence);
	dma_fence_signal(&mock->base);
	fence = fence_of(fds[4]);
	assert_ptr_equal(fence, &mock->base);
	dma_fence_put(fence);
	for (i = 1; i < 5; i++)
		close(fds[i]);
	close(pair[0]);
	close(pair[1]);
	dmabuf_dispatch();
	assert_int_equal(mock->base.refcount, 1);
	dma_fence_put(&mock->base);
}

static void each_is_something_else(const int *fds, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		assert_true(fds[i] >= 0);
		assert_true(is_no_sync_file(fds[i]));
		assert_int_equal(dmabuf_sync_file_merge("x", fds[i], fds[i]),
				 -ENOTTY);
		close(fds[i]);
	}
}

static void other_fds_have_no_fence(void **state)
{
	int fds[15];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds + 2), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds + 4), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds + 6), 0);
	fds[8] = socket(AF_INET, SOCK_STREAM, 0);
	fds[9] = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	fds[10] = eventfd(1, EFD_CLOEXEC);
	fds[11] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	fds[12] = memfd_create("x", MFD_CLOEXEC);
	fds[13] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	fds[14] = open("/dev/null", O_PATH | O_CLOEXEC);
	/* O_PATH: not open for anything, as far as the kernel is concerned. */
	assert_true(is_no_sync_file(fds[14]));
	close(fds[14]);
	each_is_something_else(fds, 14);
}

static void a_buffer_is_no_sync_file(void **state)
{
	struct dma_buf *dmabuf = memfd_export(4096, O_RDWR);
	int fd = fd_of(dmabuf);

	(void)state;
	assert_true(is_no_sync_file(fd));
	close(fd);
	wait_for_live_buffers(0);
}

static void a_sync_file_is_no_buffer(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	int fd = sync_fd(&mock->base);

	(void)state;
	assert_true(IS_ERR(dma_buf_get(fd)));
	close(fd);
	dmabuf_dispatch();
	dma_fence_put(&mock->base);
}

static void a_closed_fd_has_no_fence(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	int fd = sync_fd(&mock->base);

	(void)state;
	close(fd);
	assert_true(is_no_sync_file(fd));
	assert_true(is_no_sync_file(-1));
	assert_int_equal(status_of(-1), INT32_MIN);
	dmabuf_dispatch();
	dma_fence_put(&mock->base);
}

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
		LEAK_TEST(create_takes_a_reference_and_destroy_gives_it_back),
		LEAK_TEST(no_fence_is_no_file),
		LEAK_TEST(install_hands_the_file_to_the_fd),
		LEAK_TEST(cloexec_is_as_asked_for),
		LEAK_TEST(fd_is_readable_when_the_fence_is_signalled),
		LEAK_TEST(fd_of_a_signalled_fence_is_readable_at_once),
		LEAK_TEST(fd_is_readable_when_enabling_signals_the_fence),
		LEAK_TEST(fd_of_a_failed_fence_is_readable_too),
		LEAK_TEST(select_and_epoll_see_it_too),
		LEAK_TEST(fd_of_a_container_is_readable_with_its_members),
		LEAK_TEST(every_copy_of_an_fd_is_the_same_fence),
		LEAK_TEST(other_fds_have_no_fence),
		LEAK_TEST(a_buffer_is_no_sync_file),
		LEAK_TEST(a_sync_file_is_no_buffer),
		LEAK_TEST(a_closed_fd_has_no_fence),
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

	return cmocka_run_group_tests_name("sync_file", tests,
					   leaks_group_setup, NULL) != 0;
}
