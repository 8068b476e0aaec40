/* SPDX-License-Identifier: MIT */
/* test-sync-file.c - fences as fds, in one process */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
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
	};

	return cmocka_run_group_tests_name("sync_file", tests,
					   leaks_group_setup, NULL) != 0;
}
