/* SPDX-License-Identifier: MIT */
/* test-sync-passing.c - sync files go from process to process */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-fence.h"
#include "process.h"
#include "sync-fds.h"

/* A consumer that dies */

static int take_an_fd_and_hold_it(int sock, void *data)
{
	int fd = fd_recv(sock);
	struct dma_fence *fence = sync_file_get_fence(fd);

	(void)data;
	PEER_CHECK(fd >= 0 && fence);
	PEER_CHECK(!dma_fence_is_signaled(fence));
	PEER_CHECK(turn_give(sock));
	/* Killed here. */
	dma_fence_wait(fence, false);
	return 1;
}

static void the_death_of_a_consumer_gives_the_fence_back(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct peer peer;
	int fd;

	(void)state;
	peer_start(&peer, take_an_fd_and_hold_it, NULL);
	fd = sync_fd(&mock->base);
	assert_true(fd_send(peer.sock, fd));
	close(fd);
	assert_true(turn_take(peer.sock));
	dmabuf_dispatch();
	assert_int_equal(mock->base.refcount, 2);
	peer_kill(&peer);
	dmabuf_dispatch();
	assert_int_equal(mock->base.refcount, 1);
	assert_int_equal(dma_fence_signal(&mock->base), 0);
	dma_fence_put(&mock->base);
}

/* Passing on */

/* Passes what it gets to the next one, as a fence or as an fd; waits to die. */
struct hop {
	int next;
	bool as_fence;
};

static int hop_pass_on(int sock, void *data)
{
	const struct hop *hop = data;
	int fd = fd_recv(sock);
	struct dma_fence *fence;

	PEER_CHECK(fd >= 0);
	if (hop->as_fence) {
		fence = sync_file_get_fence(fd);
		PEER_CHECK(fence);
		close(fd);
		fd = dmabuf_sync_file_fd(fence, O_CLOEXEC);
		PEER_CHECK(fd >= 0);
		dma_fence_put(fence);
	}
	PEER_CHECK(fd_send(hop->next, fd));
	turn_take(sock);
	return 1;
}

static int wait_for_what_comes(int sock, void *data)
{
	int wanted = *(int *)data;
	int fd = fd_recv(sock);
	struct dma_fence *fence = sync_file_get_fence(fd);

	PEER_CHECK(fd >= 0 && fence);
	PEER_CHECK(turn_give(sock));
	PEER_CHECK(dma_fence_wait(fence, false) == 0);
	PEER_CHECK(dma_fence_get_status(fence) == wanted);
	dma_fence_put(fence);
	close(fd);
	return 0;
}

/* Through a middleman who is dead by the time it is signalled. */
static void passed_on_twice(bool as_fence)
{
	struct mock_fence *mock = mock_fence_new();
	struct hop hop = { .as_fence = as_fence };
	struct peer last, middle;
	int wanted = 1;
	int fd;

	peer_start(&last, wait_for_what_comes, &wanted);
	hop.next = last.sock;
	peer_start(&middle, hop_pass_on, &hop);
	fd = sync_fd(&mock->base);
	assert_true(fd_send(middle.sock, fd));
	close(fd);
	assert_true(turn_take(last.sock));
	peer_kill(&middle);
	dmabuf_dispatch();
	assert_int_equal(mock->base.refcount, 2);
	dma_fence_signal(&mock->base);
	peer_join(&last);
	dmabuf_dispatch();
	assert_int_equal(mock->base.refcount, 1);
	dma_fence_put(&mock->base);
}

static void an_fd_is_passed_on_twice(void **state)
{
	(void)state;
	passed_on_twice(false);
}

static void a_fence_is_passed_on_twice(void **state)
{
	(void)state;
	passed_on_twice(true);
}

static void an_fd_comes_home(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct hop hop = { .as_fence = true };
	struct dma_fence *fence;
	struct peer middle;
	int pair[2];
	int fd;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				    pair), 0);
	hop.next = pair[1];
	peer_start(&middle, hop_pass_on, &hop);
	fd = sync_fd(&mock->base);
	assert_true(fd_send(middle.sock, fd));
	close(fd);
	fd = fd_recv(pair[0]);
	fence = fence_of(fd);
	assert_ptr_equal(fence, &mock->base);
	dma_fence_put(fence);
	close(fd);
	close(pair[0]);
	close(pair[1]);
	peer_kill(&middle);
	dmabuf_dispatch();
	assert_int_equal(mock->base.refcount, 1);
	dma_fence_put(&mock->base);
}

/* Programs without the library */

static bool epoll_waits(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	return !epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) &&
	       epoll_wait(epoll, &event, 1, 10000) == 1 &&
	       event.events == EPOLLIN;
}

static bool select_waits(int fd)
{
	struct timeval limit = { .tv_sec = 10 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return select(fd + 1, &set, NULL, NULL, &limit) == 1;
}

static bool poll_waits(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return poll(&pollfd, 1, 10000) == 1 && pollfd.revents == POLLIN;
}

static int wait_without_the_library(int sock, void *data)
{
	bool (*waits)(int fd) = *(bool (**)(int fd))data;
	int fd = fd_recv(sock);

	PEER_CHECK(fd >= 0 && !events_of(fd));
	PEER_CHECK(turn_give(sock));
	PEER_CHECK(waits(fd));
	PEER_CHECK(waits(fd));
	return 0;
}

static void programs_without_the_library_wait_too(void **state)
{
	static bool (*const waits[])(int fd) = {
		poll_waits, select_waits, epoll_waits,
	};
	struct mock_fence *mock = mock_fence_new();
	struct peer peers[3];
	unsigned int i;
	int fd;

	(void)state;
	for (i = 0; i < 3; i++)
		peer_start(&peers[i], wait_without_the_library,
			   (void *)&waits[i]);
	fd = sync_fd(&mock->base);
	for (i = 0; i < 3; i++) {
		assert_true(fd_send(peers[i].sock, fd));
		assert_true(turn_take(peers[i].sock));
	}
	close(fd);
	dma_fence_signal(&mock->base);
	for (i = 0; i < 3; i++)
		peer_join(&peers[i]);
	dmabuf_dispatch();
	dma_fence_put(&mock->base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(the_death_of_a_consumer_gives_the_fence_back),
		LEAK_TEST(an_fd_is_passed_on_twice),
		LEAK_TEST(a_fence_is_passed_on_twice),
		LEAK_TEST(an_fd_comes_home),
		LEAK_TEST(programs_without_the_library_wait_too),
	};

	return cmocka_run_group_tests_name("sync/passing", tests,
					   leaks_group_setup, NULL) != 0;
}
