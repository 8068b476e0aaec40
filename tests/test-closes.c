/* SPDX-License-Identifier: MIT */
/* test-closes.c - a million closes from another thread, and none lost */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "process.h"
#include "sanitized.h"

#define SIZE ((size_t)4096)

/* DMABUF_TEST_CLOSES in the environment asks for another number. */
#define NR_CLOSES_ALL 1000000
#define NR_CLOSES_WATCHED 20000	/* under a sanitizer or valgrind */

static int nr_closes(void)
{
	const char *text = getenv("DMABUF_TEST_CLOSES");

	if (text)
		return atoi(text);
	return is_sanitized() || under_valgrind() ? NR_CLOSES_WATCHED :
						    NR_CLOSES_ALL;
}

/*
 * The opener makes fds and writes them into a pipe; the closer reads them and
 * closes them. Several fds of a buffer are on the way at any time.
 */
enum { NR_BUFFERS = 8, IN_FLIGHT = 64 };

struct closes {
	struct dma_buf *dmabufs[NR_BUFFERS];
	int pipe[2];
	bool map;		/* let a mapping be what goes last */
};

static void close_one(const struct closes *closes, int fd)
{
	void *map;

	if (!closes->map) {
		close(fd);
		return;
	}
	map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		munmap(map, SIZE);
}

static void *closer(void *data)
{
	struct closes *closes = data;
	int fd;

	while (read(closes->pipe[0], &fd, sizeof(fd)) == sizeof(fd))
		close_one(closes, fd);
	return NULL;
}

static int open_one(struct closes *closes, int i)
{
	struct dma_buf *dmabuf = closes->dmabufs[i % NR_BUFFERS];
	int fd;

	get_dma_buf(dmabuf);
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(closes->pipe[1], &fd, sizeof(fd)), sizeof(fd));
	return fd;
}

static void closes_begin(struct closes *closes)
{
	int i;

	for (i = 0; i < NR_BUFFERS; i++)
		assert_int_equal(dmabuf_memfd_export(SIZE, O_RDWR,
						     &closes->dmabufs[i]), 0);
	assert_int_equal(pipe2(closes->pipe, O_CLOEXEC), 0);
}

static void closes_end(struct closes *closes)
{
	int i;

	for (i = 0; i < NR_BUFFERS; i++) {
		assert_int_equal(dmabuf_refcount(closes->dmabufs[i]), 1);
		dma_buf_put(closes->dmabufs[i]);
	}
	close(closes->pipe[0]);
	assert_int_equal(dmabuf_live_buffers(), 0);
}

/* Keeps at most IN_FLIGHT fds open; ends when every one was found closed. */
static void closes_play(struct closes *closes, int nr)
{
	int opened = 0, closed = 0;
	pthread_t thread;
	int ret;

	assert_int_equal(pthread_create(&thread, NULL, closer, closes), 0);
	while (closed < nr) {
		while (opened < nr && opened - closed < IN_FLIGHT)
			open_one(closes, opened++);
		ret = dmabuf_dispatch();
		assert_true(ret >= 0);
		closed += ret;
		if (!ret)
			events_wait();
	}
	assert_int_equal(closed, nr);
	close(closes->pipe[1]);
	pthread_join(thread, NULL);
	assert_int_equal(dmabuf_dispatch(), 0);
}

static void closes_from_another_thread_are_all_noticed(void **state)
{
	struct closes closes = { .map = false };

	(void)state;
	closes_begin(&closes);
	closes_play(&closes, nr_closes());
	closes_end(&closes);
}

static void unmaps_in_another_thread_are_all_noticed(void **state)
{
	struct closes closes = { .map = true };

	(void)state;
	closes_begin(&closes);
	closes_play(&closes, nr_closes() / 50);
	closes_end(&closes);
}

/* The same with the buffers themselves: each close is a release. */
static void releases_after_a_close_in_another_thread(void **state)
{
	struct closes closes = { .map = false };
	unsigned int releases = 0;
	int nr = nr_closes() / 50;
	pthread_t thread;
	int i, fd;

	(void)state;
	assert_int_equal(pipe2(closes.pipe, O_CLOEXEC), 0);
	assert_int_equal(pthread_create(&thread, NULL, closer, &closes), 0);
	for (i = 0; i < nr; i++) {
		fd = dma_buf_fd(opaque_export(&releases, SIZE, O_RDWR),
				O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(write(closes.pipe[1], &fd, sizeof(fd)),
				 sizeof(fd));
		if (i % IN_FLIGHT == 0)
			wait_for_live_buffers(0);
	}
	wait_for_live_buffers(0);
	assert_int_equal(releases, nr);
	close(closes.pipe[1]);
	pthread_join(thread, NULL);
	close(closes.pipe[0]);
}

/*
 * dma_buf_get() meets buffers in their last moment: it finds the buffer, which
 * then lives on, or makes an import of the inode.
 */
struct racer {
	int fd;
	pthread_barrier_t start;
	pthread_barrier_t end;
	int nr;
	int failed;
};

static void *get_and_put(void *data)
{
	struct racer *racer = data;
	struct dma_buf *dmabuf;
	int i;

	for (i = 0; i < racer->nr; i++) {
		pthread_barrier_wait(&racer->start);
		dmabuf = dma_buf_get(racer->fd);
		if (IS_ERR(dmabuf))
			racer->failed++;
		else
			dma_buf_put(dmabuf);
		pthread_barrier_wait(&racer->end);
	}
	return NULL;
}

/* As a bad peer would: the buffer goes while its fd is still there. */
static void byte_unlock(int fd)
{
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
	char path[32];

	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	close(open(path, O_RDONLY | O_CLOEXEC));
}

static void get_races_with_the_last_put(void **state)
{
	struct racer racer = { .nr = nr_closes() / 200 };
	struct backing backing;
	pthread_t thread;
	int i;

	(void)state;
	pthread_barrier_init(&racer.start, NULL, 2);
	pthread_barrier_init(&racer.end, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, get_and_put, &racer),
			 0);
	for (i = 0; i < racer.nr; i++) {
		racer.fd = dma_buf_fd(backing_export(&backing, SIZE, O_RDWR),
				      O_CLOEXEC);
		assert_true(racer.fd >= 0);
		byte_unlock(racer.fd);
		pthread_barrier_wait(&racer.start);
		assert_true(dmabuf_dispatch() >= 0);
		pthread_barrier_wait(&racer.end);
		wait_for_live_buffers(0);
		assert_int_equal(backing.releases, 1);
		close(racer.fd);
	}
	pthread_join(thread, NULL);
	assert_int_equal(racer.failed, 0);
	pthread_barrier_destroy(&racer.start);
	pthread_barrier_destroy(&racer.end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(closes_from_another_thread_are_all_noticed),
		LEAK_TEST(unmaps_in_another_thread_are_all_noticed),
		LEAK_TEST(releases_after_a_close_in_another_thread),
		LEAK_TEST(get_races_with_the_last_put),
	};

	alarm(600);
	return cmocka_run_group_tests_name("dma_buf/closes", tests,
					   leaks_group_setup, NULL) != 0;
}
