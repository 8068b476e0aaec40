/* SPDX-License-Identifier: MIT */
/* test-sync-fork.c - what a forked child has of its parent's sync files */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "crowd.h"
#include "leaks.h"
#include "mock-fence.h"
#include "process.h"
#include "sync-fds.h"

/* Fences of the parent, in the child */

static int see_it_as_a_foreign_one(int sock, void *data)
{
	int fd = *(int *)data;
	struct dma_fence *fence = sync_file_get_fence(fd);

	PEER_CHECK(fence && dma_fence_get_status(fence) == 0);
	PEER_CHECK(turn_give(sock));
	PEER_CHECK(dma_fence_wait(fence, false) == 0);
	PEER_CHECK(dma_fence_get_status(fence) == -EIO);
	dma_fence_put(fence);
	close(fd);
	PEER_CHECK(dmabuf_dispatch() >= 0);
	return 0;
}

static void an_inherited_fd_is_the_parents(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	int fd = sync_fd(&mock->base);
	struct peer peer;

	(void)state;
	peer_start(&peer, see_it_as_a_foreign_one, &fd);
	assert_true(turn_take(peer.sock));
	dma_fence_set_error(&mock->base, -EIO);
	dma_fence_signal(&mock->base);
	peer_join(&peer);
	close(fd);
	dmabuf_dispatch();
	dma_fence_put(&mock->base);
}

struct inherited {
	struct mock_fence *mock;
	int fd;
};

/* It has a private copy of the fence, and no say over the parent's fd. */
static int signal_the_copy(int sock, void *data)
{
	struct inherited *inherited = data;
	struct dma_fence *fence;

	(void)sock;
	PEER_CHECK(!dma_fence_signal(&inherited->mock->base));
	PEER_CHECK(!events_of(inherited->fd));
	fence = sync_file_get_fence(inherited->fd);
	PEER_CHECK(fence && fence != &inherited->mock->base);
	PEER_CHECK(dma_fence_get_status(fence) == 0);
	dma_fence_put(fence);
	dma_fence_put(&inherited->mock->base);
	/* What held the copy for the fd goes with the signal. */
	PEER_CHECK(mock_fences_wait(0));
	return 0;
}

static void a_signal_in_the_child_is_its_own_affair(void **state)
{
	struct inherited inherited = { .mock = mock_fence_new() };
	struct peer peer;

	(void)state;
	inherited.fd = sync_fd(&inherited.mock->base);
	peer_start(&peer, signal_the_copy, &inherited);
	peer_join(&peer);
	assert_int_equal(events_of(inherited.fd), 0);
	assert_int_equal(status_of(inherited.fd), 0);
	dma_fence_signal(&inherited.mock->base);
	assert_int_equal(events_of(inherited.fd), POLLIN);
	close(inherited.fd);
	dmabuf_dispatch();
	dma_fence_put(&inherited.mock->base);
}

static int make_ones_own(int sock, void *data)
{
	struct mock_fence *mock = mock_fence_new();
	int fd = dmabuf_sync_file_fd(&mock->base, O_CLOEXEC);
	struct dma_fence *fence = sync_file_get_fence(fd);

	(void)data;
	PEER_CHECK(fd >= 0 && fence == &mock->base);
	dma_fence_put(fence);
	PEER_CHECK(fd_send(sock, fd));
	PEER_CHECK(turn_take(sock));
	dma_fence_signal(&mock->base);
	PEER_CHECK(turn_give(sock));
	return 0;
}

/* Its numbers are not taken for those of the parent. */
static void a_child_makes_sync_files_of_its_own(void **state)
{
	struct mock_fence *mocks[20];
	int fds[20];
	struct dma_fence *fence;
	struct peer peer;
	unsigned int i;
	int fd;

	(void)state;
	mocks[0] = mock_fence_new();
	fds[0] = sync_fd(&mocks[0]->base);
	peer_start(&peer, make_ones_own, NULL);
	for (i = 1; i < 20; i++) {
		mocks[i] = mock_fence_new();
		fds[i] = sync_fd(&mocks[i]->base);
	}
	fd = fd_recv(peer.sock);
	fence = fence_of(fd);
	for (i = 0; i < 20; i++)
		assert_ptr_not_equal(fence, &mocks[i]->base);
	assert_true(turn_give(peer.sock) && turn_take(peer.sock));
	assert_int_equal(dma_fence_get_status(fence), 1);
	dma_fence_put(fence);
	close(fd);
	/* It has inherited the first one. */
	peer_join(&peer);
	for (i = 0; i < 20; i++) {
		assert_int_equal(events_of(fds[i]), 0);
		close(fds[i]);
	}
	dmabuf_dispatch();
	for (i = 0; i < 20; i++)
		dma_fence_put(&mocks[i]->base);
}

/* Foreign fences, in parent and child */

static int wait_for_the_same(int sock, void *data)
{
	struct pollfd event = { .fd = dmabuf_event_fd(), .events = POLLIN };
	struct count_cb cb = { 0 };
	struct dma_fence *fence = *(struct dma_fence **)data;

	PEER_CHECK(!dma_fence_add_callback(fence, &cb.cb, count_cb_run));
	PEER_CHECK(turn_give(sock));
	while (!cb.ran) {
		PEER_CHECK(poll(&event, 1, 10000) == 1);
		PEER_CHECK(dmabuf_dispatch() >= 0);
	}
	PEER_CHECK(dma_fence_get_status(fence) == 1);
	dma_fence_put(fence);
	return 0;
}

static void a_foreign_fence_goes_on_in_the_child(void **state)
{
	struct peer producer, child;
	struct dma_fence *fence = foreign_fence(&producer);

	(void)state;
	peer_start(&child, wait_for_the_same, &fence);
	assert_true(turn_take(child.sock));
	assert_true(turn_give(producer.sock));
	assert_int_equal(dma_fence_wait(fence, false), 0);
	peer_join(&child);
	dma_fence_put(fence);
	peer_join(&producer);
}

static int find_no_fd_for_an_epoll_set(int sock, void *data)
{
	struct dma_fence *fence = *(struct dma_fence **)data;
	struct rlimit none;

	PEER_CHECK(!getrlimit(RLIMIT_NOFILE, &none));
	none.rlim_cur = 3;	/* which are open */
	PEER_CHECK(!setrlimit(RLIMIT_NOFILE, &none));
	PEER_CHECK(dma_fence_wait_timeout(fence, false, 1) == 0);
	PEER_CHECK(turn_give(sock));
	/* It sleeps in short naps, and looks. */
	PEER_CHECK(dma_fence_wait(fence, false) == 0);
	PEER_CHECK(dma_fence_get_status(fence) == 1);
	return 0;
}

static void a_child_without_fds_sees_it_too(void **state)
{
	struct peer producer, child;
	struct dma_fence *fence = foreign_fence(&producer);

	(void)state;
	peer_start(&child, find_no_fd_for_an_epoll_set, &fence);
	assert_true(turn_take(child.sock));
	assert_true(turn_give(producer.sock));
	peer_join(&child);
	assert_true(dma_fence_is_signaled(fence));
	dma_fence_put(fence);
	peer_join(&producer);
}

/* The death of a parent */

/* Waits for the parent to die, and tells the test. */
static int outlive(int fd, int to_test, bool library)
{
	struct dma_fence *fence = NULL;

	if (library) {
		fence = sync_file_get_fence(fd);
		PEER_CHECK(fence && dma_fence_get_status(fence) == 0);
	}
	PEER_CHECK(turn_give(to_test));
	PEER_CHECK(wait_readable(fd));
	if (library) {
		PEER_CHECK(dma_fence_wait(fence, false) == 0);
		PEER_CHECK(dma_fence_get_status(fence) == -EOWNERDEAD);
	}
	PEER_CHECK(turn_give(to_test));
	return 0;
}

enum how { FORK, RAW_FORK };

struct parent {
	enum how how;
	bool library;
};

/* By the side door: no handler of pthread_atfork(3) runs. */
static pid_t fork_how(enum how how)
{
	return how == FORK ? fork() :
			     (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static int make_and_fork(int sock, void *data)
{
	const struct parent *parent = data;
	struct mock_fence *mock = mock_fence_new();
	int fd = dmabuf_sync_file_fd(&mock->base, O_CLOEXEC);
	pid_t pid;

	PEER_CHECK(fd >= 0);
	pid = fork_how(parent->how);
	PEER_CHECK(pid >= 0);
	if (!pid) {
		alarm(60);
		_exit(outlive(fd, sock, parent->library));
	}
	/* Killed here. */
	while (pause())
		;
	return 1;
}

static void a_child_sees_its_parent_die(enum how how, bool library)
{
	struct parent parent = { .how = how, .library = library };
	struct peer peer;

	peer_start(&peer, make_and_fork, &parent);
	assert_true(turn_take(peer.sock));
	kill(peer.pid, SIGKILL);
	assert_true(turn_take(peer.sock));
	assert_true(WIFSIGNALED(peer_wait(&peer)));
}

/* The child's copy of the parent's end was shut. */
static void a_child_that_only_polls_sees_its_parent_die(void **state)
{
	(void)state;
	a_child_sees_its_parent_die(FORK, false);
}

static void a_child_that_waits_sees_its_parent_die(void **state)
{
	(void)state;
	a_child_sees_its_parent_die(FORK, true);
}

static void a_raw_child_that_waits_sees_its_parent_die(void **state)
{
	(void)state;
	a_child_sees_its_parent_die(RAW_FORK, true);
}

/* Forks beside threads that make sync files, and close them */

#define NR_FDS 16
#define NR_FORKS 10
#define NR_ROUNDS 400

struct storm {
	int report[2];		/* a byte from each child; 0: all is well */
	int go[2];		/* ends with the process that owns these */
	int fds[NR_FDS];	/* atomic; each is open, or -1 */
};

static void storm_make(struct storm *storm, unsigned int which)
{
	struct mock_fence *mock = mock_fence_new();
	int fd = dmabuf_sync_file_fd(&mock->base, O_CLOEXEC);

	dma_fence_put(&mock->base);
	fd = __atomic_exchange_n(&storm->fds[which % NR_FDS], fd,
				 __ATOMIC_ACQ_REL);
	if (fd >= 0)
		close(fd);
}

/* Nobody has an end of the parent's, when that is gone. */
static void report_the_ends(struct storm *storm)
{
	unsigned char bad = 0;
	unsigned int i;
	char byte;

	alarm(60);
	close(storm->go[1]);
	while (read(storm->go[0], &byte, 1) > 0)
		;
	for (i = 0; i < NR_FDS; i++)
		if (storm->fds[i] >= 0 && !wait_readable(storm->fds[i]))
			bad++;
	if (write(storm->report[1], &bad, 1) < 0)
		_exit(1);
	_exit(0);
}

static void fork_or_make(struct crowd *crowd, unsigned int me)
{
	struct storm *storm = crowd->data;
	unsigned int i;
	pid_t pid;

	for (i = 0; i < NR_ROUNDS; i++) {
		if (me) {
			storm_make(storm, i * 3 + me);
		} else if (i % (NR_ROUNDS / NR_FORKS) == 0) {
			pid = fork();
			HOLDS(crowd, pid >= 0);
			if (!pid)
				report_the_ends(storm);
		}
		if (me == 2)
			dmabuf_dispatch();
	}
}

static int make_and_fork_and_end(int sock, void *data)
{
	struct crowd crowd = { .run = fork_or_make, .data = data };

	(void)sock;
	crowd_run(&crowd, 3);
	return crowd.faults != 0;
}

static void no_child_of_a_storm_keeps_an_end(void **state)
{
	struct storm storm;
	unsigned char bad;
	struct peer peer;
	unsigned int nr = 0, i;

	(void)state;
	for (i = 0; i < NR_FDS; i++)
		storm.fds[i] = -1;
	assert_int_equal(pipe2(storm.report, O_CLOEXEC), 0);
	assert_int_equal(pipe2(storm.go, O_CLOEXEC), 0);
	peer_start(&peer, make_and_fork_and_end, &storm);
	close(storm.report[1]);
	close(storm.go[0]);
	close(storm.go[1]);
	while (read(storm.report[0], &bad, 1) == 1) {
		assert_int_equal(bad, 0);
		nr++;
	}
	assert_int_equal(nr, NR_FORKS);
	close(storm.report[0]);
	peer_join(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(an_inherited_fd_is_the_parents),
		LEAK_TEST(a_signal_in_the_child_is_its_own_affair),
		LEAK_TEST(a_child_makes_sync_files_of_its_own),
		LEAK_TEST(a_foreign_fence_goes_on_in_the_child),
		LEAK_TEST(a_child_without_fds_sees_it_too),
		LEAK_TEST(a_child_that_only_polls_sees_its_parent_die),
		LEAK_TEST(a_child_that_waits_sees_its_parent_die),
		LEAK_TEST(a_raw_child_that_waits_sees_its_parent_die),
		LEAK_TEST(no_child_of_a_storm_keeps_an_end),
	};

	return cmocka_run_group_tests_name("sync/fork", tests,
					   leaks_group_setup, NULL) != 0;
}
