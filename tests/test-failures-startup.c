/* SPDX-License-Identifier: MIT */
/*
 * test-failures-startup.c - each call fails in turn that opens what all need
 *
 * What the library opens once is opened anew in a forked child.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "failure-case.h"
#include "inject.h"
#include "leaks.h"
#include "process.h"

#define SIZE ((size_t)16384)

#define CHILD_HIT 2	/* exit status: a call failed */

static unsigned int fds_open(void)
{
	unsigned int nr = 0;
	int fd;

	for (fd = 0; fd < 256; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

/* A close is noticed, whatever is missing. */
static void child_notices_a_close(void)
{
	struct pollfd event = { .fd = dmabuf_event_fd(), .events = POLLIN };
	struct dma_buf *dmabuf;
	unsigned int before = dmabuf_live_buffers();
	int fd;

	CHECK(event.fd >= 0);
	CHECK(dmabuf_memfd_export(SIZE, O_RDWR, &dmabuf) == 0);
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	CHECK(fd >= 0);
	close(fd);
	while (dmabuf_dispatch() >= 0 && dmabuf_live_buffers() > before)
		CHECK(poll(&event, 1, 10000) == 1);
	CHECK(dmabuf_live_buffers() == before);
}

static void child_event_fd(unsigned int nth)
{
	unsigned int before = fds_open();
	int fd;

	inject_arm(nth);
	fd = dmabuf_event_fd();
	inject_disarm();
	CHECK(fd >= 0 || fd == inject_failed_ret());
	/* The set of other processes' fences may be there already. */
	CHECK(fd >= 0 || fds_open() <= before + 1);
	/* inotify is the one thing that it does without. */
	CHECK(fd < 0 || !inject_failed() ||
	      !strcmp(inject_failed(), "inotify_init1") ||
	      !strcmp(inject_failed(), "epoll_ctl"));
	child_notices_a_close();
}

static void child_reaper(unsigned int nth)
{
	unsigned int before;
	int ret;

	dmabuf_event_fd();
	before = fds_open();
	inject_arm(nth);
	ret = dmabuf_reaper_start();
	inject_disarm();
	CHECK(ret == inject_failed_ret());
	CHECK(!ret || fds_open() == before);
	CHECK(dmabuf_reaper_start() == 0);
	CHECK(dmabuf_reaper_start() == 0);
	dmabuf_reaper_stop();
	CHECK(fds_open() == before);
}

/* The first call that needs the events opens them. */
static void child_reaper_first(unsigned int nth)
{
	unsigned int before = fds_open();
	int ret;

	inject_arm(nth);
	ret = dmabuf_reaper_start();
	inject_disarm();
	CHECK(!ret || ret == inject_failed_ret());
	CHECK(!ret || dmabuf_reaper_start() == 0);
	dmabuf_reaper_stop();
	CHECK(fds_open() > before);
}

/* A first fd that fails leaves no handle that was half made. */
static void child_first_fd(unsigned int nth)
{
	unsigned int before = fds_open();
	struct dma_buf *dmabuf;
	int fd;

	CHECK(dmabuf_memfd_export(SIZE, O_RDWR, &dmabuf) == 0);
	get_dma_buf(dmabuf);
	inject_arm(nth);
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	inject_disarm();
	if (fd < 0) {
		CHECK(fd == inject_failed_ret() || fd == -EPERM);
		CHECK(dmabuf_refcount(dmabuf) == 2);
		fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	}
	CHECK(fd >= 0);
	CHECK(dma_buf_get(fd) == dmabuf);
	dma_buf_put(dmabuf);
	close(fd);
	wait_for_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
	CHECK(dmabuf_live_buffers() == 0);
	/* Three epoll fds, timer, inotify, and one to be woken by. */
	CHECK(fds_open() <= before + 6);
}

/*
 * The same for memory whose inode others know: it does not lead to a buffer
 * that no fd was handed out for. Its name is no "dmabuf:...", which would make
 * it an import.
 */
static struct backing known;
static struct dma_buf *known_buffer;	/* made before the fork */

static void child_first_fd_of_known_memory(unsigned int nth)
{
	struct dma_buf *found;
	int fd;

	get_dma_buf(known_buffer);
	inject_arm(nth);
	fd = dma_buf_fd(known_buffer, O_CLOEXEC);
	inject_disarm();
	if (fd < 0) {
		found = dma_buf_get(known.fd);
		CHECK(IS_ERR(found) && PTR_ERR(found) == -EINVAL);
		CHECK(dmabuf_refcount(known_buffer) == 2);
		fd = dma_buf_fd(known_buffer, O_CLOEXEC);
	}
	CHECK(fd >= 0);
	CHECK(dma_buf_get(known.fd) == known_buffer);
	dma_buf_put(known_buffer);
	close(fd);
	wait_for_refs(known_buffer, 1);
	dma_buf_put(known_buffer);
	CHECK(known.releases == 1);
	CHECK(dmabuf_live_buffers() == 0);
}

/* The child of a process in which something failed at the first call. */
static int grandchild(struct dma_buf *dmabuf, int parents_event_fd)
{
	struct dma_buf *own;
	void *vaddr;
	int fd;

	dmabuf_dispatch();
	CHECK(fcntl(parents_event_fd, F_GETFD) < 0);
	CHECK(dmabuf_memfd_export(SIZE, O_RDWR, &own) == 0);
	fd = dma_buf_fd(own, O_CLOEXEC);
	CHECK(fd >= 0);
	vaddr = dma_buf_vmap(dmabuf);
	CHECK(!IS_ERR_OR_NULL(vaddr));
	dma_buf_vunmap(dmabuf, vaddr);
	close(fd);
	while (dmabuf_live_buffers() > 1)
		CHECK(dmabuf_dispatch() >= 0);
	return 0;
}

static void grandchild_check(struct dma_buf *dmabuf, int event_fd, bool raw)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = raw ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
	if (pid == 0)
		_exit(grandchild(dmabuf, event_fd));
	CHECK(pid > 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(status == 0);
}

/* In a process that has not yet called the library. */

static void child_first_call(unsigned int nth)
{
	struct dma_buf *dmabuf;
	int fd;

	inject_arm(nth);
	fd = dmabuf_event_fd();
	inject_disarm();
	if (fd < 0)
		fd = dmabuf_event_fd();
	CHECK(inject_failed());
	CHECK(fd >= 0);
	CHECK(dmabuf_memfd_export(SIZE, O_RDWR, &dmabuf) == 0);
	grandchild_check(dmabuf, fd, false);
	grandchild_check(dmabuf, fd, true);
	dma_buf_put(dmabuf);
	CHECK(dmabuf_live_buffers() == 0);
}

static bool play_child(void (*act)(unsigned int nth), unsigned int nth)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		act(nth);
		_exit(inject_failed() ? CHILD_HIT : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 ||
		    WEXITSTATUS(status) == CHILD_HIT);
	return WEXITSTATUS(status) == CHILD_HIT;
}

static void play_children(void (*act)(unsigned int nth), unsigned int calls_min)
{
	unsigned int nth = 1;

	inject_set_fd_errno(EMFILE);
	while (play_child(act, nth))
		nth++;
	assert_true(nth > calls_min);
	inject_set_fd_errno(ENFILE);
	for (nth = 1; play_child(act, nth); nth++)
		continue;
}

/* Made by main(), before the library is used: how the children ended. */
#define NR_FIRST_CALLS 2	/* mmap and madvise */

static int first_call_status[NR_FIRST_CALLS];

static void first_calls_play(void)
{
	unsigned int i;
	pid_t pid;

	for (i = 0; i < NR_FIRST_CALLS; i++) {
		first_call_status[i] = -1;
		fflush(NULL);
		pid = fork();
		if (pid == 0) {
			child_first_call(i + 1);
			_exit(inject_failed() ? CHILD_HIT : 0);
		}
		if (pid > 0)
			waitpid(pid, &first_call_status[i], 0);
	}
}

/* The tests */

static void event_fd_comes_back_with_the_error(void **state)
{
	(void)state;
	play_children(child_event_fd, 5);
}

static void reaper_comes_back_with_the_error(void **state)
{
	(void)state;
	play_children(child_reaper, 3);
}

static void reaper_that_opens_the_events_comes_back(void **state)
{
	(void)state;
	play_children(child_reaper_first, 7);
}

static void first_fd_that_opens_the_events_comes_back(void **state)
{
	(void)state;
	play_children(child_first_fd, 10);
}

static void failed_first_fd_leaves_the_memory_nameless(void **state)
{
	(void)state;
	known_buffer = backing_export_fd(&known, SIZE, O_RDWR,
					 memfd_make("known", SIZE, 0));
	play_children(child_first_fd_of_known_memory, 8);
	dma_buf_put(known_buffer);
	assert_int_equal(known.releases, 1);
	close(known.fd);
}

static void forks_are_noticed_whatever_fails_at_the_first_call(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < NR_FIRST_CALLS; i++) {
		assert_true(WIFEXITED(first_call_status[i]));
		assert_int_equal(WEXITSTATUS(first_call_status[i]), CHILD_HIT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(event_fd_comes_back_with_the_error),
		cmocka_unit_test(reaper_comes_back_with_the_error),
		cmocka_unit_test(reaper_that_opens_the_events_comes_back),
		cmocka_unit_test(first_fd_that_opens_the_events_comes_back),
		cmocka_unit_test(failed_first_fd_leaves_the_memory_nameless),
		cmocka_unit_test(
			forks_are_noticed_whatever_fails_at_the_first_call),
	};

	first_calls_play();
	return cmocka_run_group_tests_name("failures/startup", tests,
					   leaks_group_setup, NULL) != 0;
}
