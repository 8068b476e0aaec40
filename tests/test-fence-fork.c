/* SPDX-License-Identifier: MIT */
/* test-fence-fork.c - forks beside threads that wait for fences or signal */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-fence.h"
#include "process.h"
#include "sync-fds.h"
#include "waiter.h"

/* Threads of the parent that wait for a fence of another process */

struct waited_for {
	struct dma_fence *fence;
	struct dma_fence_cb *cb;	/* on the parent's thread's stack */
};

/* The next thread of the child may get that stack. */
static int wait_for_it_too(int sock, void *data)
{
	struct waited_for *it = data;

	memset(it->cb, 0x41, sizeof(*it->cb));
	PEER_CHECK(it->fence->cb_list.next == &it->fence->cb_list);
	PEER_CHECK(turn_give(sock));
	PEER_CHECK(dma_fence_wait(it->fence, false) == 0);
	PEER_CHECK(dma_fence_get_status(it->fence) == 1);
	dma_fence_put(it->fence);
	return 0;
}

static void child_has_no_waiters_of_the_parent(void **state)
{
	struct peer producer, child;
	struct waited_for it;
	struct waiter waiter = { .timeout = INT64_MAX };

	(void)state;
	it.fence = foreign_fence(&producer);
	waiter.fence = it.fence;
	waiter_start(&waiter);
	waiter_asleep(&waiter);
	pthread_mutex_lock(it.fence->lock);
	it.cb = (struct dma_fence_cb *)it.fence->cb_list.next;
	pthread_mutex_unlock(it.fence->lock);
	peer_start(&child, wait_for_it_too, &it);
	assert_true(turn_take(child.sock));
	assert_true(turn_give(producer.sock));
	assert_true(waiter_join(&waiter) > 0);
	peer_join(&child);
	dma_fence_put(it.fence);
	peer_join(&producer);
}

/*
 * A program that guards the lock of its fences over a fork, with handlers that
 * it registered before it used the library. What the library takes at a signal
 * comes after that lock, and so it does at a fork.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool guarding;			/* the test that does so runs */
static bool forking;			/* atomic */
static bool signalling;			/* atomic */
static bool forked;			/* atomic */

static void guard_prepare(void)
{
	if (!guarding)
		return;
	__atomic_store_n(&forking, true, __ATOMIC_RELEASE);
	pthread_mutex_lock(&lock);
}

static void guard_done(void)
{
	if (guarding)
		pthread_mutex_unlock(&lock);
}

static void wait_for_the_fork(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	(void)fence;
	(void)cb;
	__atomic_store_n(&signalling, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&forking, __ATOMIC_ACQUIRE))
		sched_yield();
}

/* Outlives the fork: for the thread sanitizer the child would not join it. */
static void *signal_it(void *fence)
{
	dma_fence_signal(fence);
	while (!__atomic_load_n(&forked, __ATOMIC_ACQUIRE))
		sched_yield();
	return NULL;
}

/* The fork begins while the lock is held, and before the fd is told. */
static void fork_beside_a_signal(void)
{
	struct mock_fence *mock = mock_fence_at(&lock, 1, 1);
	struct dma_fence_cb cb;
	pthread_t thread;
	pid_t pid;
	int status, fd;

	forking = false;
	signalling = false;
	forked = false;
	assert_int_equal(dma_fence_add_callback(&mock->base, &cb,
						wait_for_the_fork), 0);
	fd = sync_fd(&mock->base);
	assert_int_equal(pthread_create(&thread, NULL, signal_it, mock), 0);
	while (!__atomic_load_n(&signalling, __ATOMIC_ACQUIRE))
		sched_yield();
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(0);
	__atomic_store_n(&forked, true, __ATOMIC_RELEASE);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(events_of(fd));
	close(fd);
	dmabuf_dispatch();
	dma_fence_put(&mock->base);
}

static void fork_takes_the_locks_of_the_program_first(void **state)
{
	int i;

	(void)state;
	guarding = true;
	for (i = 0; i < 20; i++)
		fork_beside_a_signal();
	guarding = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(child_has_no_waiters_of_the_parent),
		LEAK_TEST(fork_takes_the_locks_of_the_program_first),
	};

	if (pthread_atfork(guard_prepare, guard_done, guard_done))
		return 1;
	return cmocka_run_group_tests_name("dma_fence/fork", tests,
					   leaks_group_setup, NULL) != 0;
}
