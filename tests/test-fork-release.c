/* SPDX-License-Identifier: MIT */
/* test-fork-release.c - a fork while something is being taken apart */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "attached.h"
#include "exporters.h"
#include "inject.h"
#include "leaks.h"
#include "process.h"
#include "sanitized.h"
#include "warns.h"

#define SIZE ((size_t)16384)

/* Inside an op of the forking thread, which goes on in the child */

static enum mock_op forking_op;
static pid_t forked;	/* -1: not yet */

static void fork_once(struct mock *m, enum mock_op op,
		      struct dma_buf_attachment *attach)
{
	(void)m;
	(void)attach;
	if (op != forking_op || forked != -1)
		return;
	fflush(NULL);
	forked = fork();
	if (!forked)
		alarm(60);
}

static void fork_in(struct mock *m, enum mock_op op)
{
	forked = -1;
	forking_op = op;
	m->hook = fork_once;
}

/* The child's result is known when the parent has ended its own part. */
static void forked_join(void)
{
	int status;

	assert_true(forked > 0);
	assert_int_equal(waitpid(forked, &status, 0), forked);
	assert_int_equal(status, 0);
}

static int child_left_nothing(struct mock *m)
{
	PEER_CHECK(dmabuf_live_buffers() == 0);
	PEER_CHECK(mock_calls(m, MOCK_OP_RELEASE) == 1);
	PEER_CHECK(warns_seen() == 0);
	PEER_CHECK(!memory_leaked());
	return 0;
}

static void child_forked_in_the_release_op_ends_it(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);

	(void)state;
	fork_in(&mock, MOCK_OP_RELEASE);
	dma_buf_put(dmabuf);
	if (!forked)
		_exit(child_left_nothing(&mock));
	assert_log(&mock, "release");
	assert_int_equal(dmabuf_live_buffers(), 0);
	dmabuf_device_destroy(dev);
	forked_join();
}

static int child_detached(struct dma_buf *dmabuf)
{
	PEER_CHECK(nr_attachments(dmabuf) == 0);
	PEER_CHECK(!memory_leaked());
	PEER_CHECK(!dma_resv_is_locked(dmabuf->resv));
	dma_buf_put(dmabuf);
	return child_left_nothing(&mock);
}

static void fork_at_detach(unsigned int options, enum mock_op op,
			   const char *log)
{
	struct dma_buf *dmabuf = stage_begin(options);
	struct dma_buf_attachment *attach = attach_static();

	fork_in(&mock, op);
	dma_buf_detach(dmabuf, attach);
	attach = NULL;
	if (!forked)
		_exit(child_detached(dmabuf));
	assert_int_equal(nr_attachments(dmabuf), 0);
	stage_end(log);
	forked_join();
}

static void child_forked_in_the_detach_op_ends_it(void **state)
{
	(void)state;
	fork_at_detach(0, MOCK_OP_DETACH, "attach detach release");
}

static void child_forked_in_unmap_or_unpin_at_detach_goes_on(void **state)
{
	static const char log[] = "attach pin map unmap unpin detach release";

	(void)state;
	threads_unwatched_or_skip();
	fork_at_detach(MOCK_DYNAMIC, MOCK_OP_UNMAP, log);
	fork_at_detach(MOCK_DYNAMIC, MOCK_OP_UNPIN, log);
}

static int child_attached(struct dma_buf_attachment *attach)
{
	struct dma_buf *dmabuf = attach->dmabuf;

	PEER_CHECK(warns_seen() == 0);
	PEER_CHECK(!dma_resv_is_locked(dmabuf->resv));
	PEER_CHECK(nr_attachments(dmabuf) == 1);
	dma_buf_detach(dmabuf, attach);
	return child_detached(dmabuf);
}

static void fork_at_attach(enum mock_op op)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_DYNAMIC);
	struct dma_buf_attachment *attach;

	fork_in(&mock, op);
	attach = attach_static();
	if (!forked)
		_exit(child_attached(attach));
	dma_buf_detach(dmabuf, attach);
	stage_end("attach pin map unmap unpin detach release");
	forked_join();
}

static void child_forked_in_an_op_at_attach_goes_on(void **state)
{
	(void)state;
	threads_unwatched_or_skip();
	fork_at_attach(MOCK_OP_ATTACH);
	fork_at_attach(MOCK_OP_PIN);
	fork_at_attach(MOCK_OP_MAP);
}

/* Two fds were found closed, and the release of the first buffer forks. */

static int child_has_the_other(struct mock mocks[2], int found)
{
	int other = mock_calls(&mocks[0], MOCK_OP_RELEASE) ? 1 : 0;

	PEER_CHECK(found == 1);
	PEER_CHECK(mock_calls(&mocks[!other], MOCK_OP_RELEASE) == 1);
	PEER_CHECK(mock_calls(&mocks[other], MOCK_OP_RELEASE) == 0);
	PEER_CHECK(dmabuf_live_buffers() == 1);
	PEER_CHECK(dmabuf_refcount(mocks[other].dmabuf) == 1);
	PEER_CHECK(dmabuf_dispatch() == 0);
	dma_buf_put(mocks[other].dmabuf);
	PEER_CHECK(dmabuf_live_buffers() == 0);
	return 0;
}

static void closes_found_before_the_fork_are_the_parents(void **state)
{
	static struct mock mocks[2];
	int fds[2];
	int found, i;

	(void)state;
	for (i = 0; i < 2; i++)
		fds[i] = fd_of(mock_export(&mocks[i], SIZE, MOCK_PAGES));
	for (i = 0; i < 2; i++) {
		fork_in(&mocks[i], MOCK_OP_RELEASE);
		close(fds[i]);
	}
	found = dmabuf_dispatch();
	if (!forked)
		_exit(child_has_the_other(mocks, found));
	forked_join();
	assert_int_equal(found, 2);
	assert_int_equal(dmabuf_live_buffers(), 0);
	for (i = 0; i < 2; i++)
		assert_log(&mocks[i], "backing_fd release");
}

/* Another thread is inside a release op. */

#define GONE 0xa5	/* what the memory holds when the exporter reuses it */

static struct releasing {
	sem_t inside;
	sem_t leave;
	struct dma_resv resv;	/* lent, and freed in the release op */
} releasing;

static void free_and_wait(struct mock *m, enum mock_op op,
			  struct dma_buf_attachment *attach)
{
	(void)m;
	(void)attach;
	if (op != MOCK_OP_RELEASE)
		return;
	dma_resv_fini(&releasing.resv);
	memset(&releasing.resv, GONE, sizeof(releasing.resv));
	sem_post(&releasing.inside);
	sem_wait(&releasing.leave);
}

static void *put_slowly(void *data)
{
	dma_buf_put(data);
	return NULL;
}

static int child_leaves_it_alone(int sock, void *data)
{
	struct dma_buf *dmabuf;

	(void)sock;
	(void)data;
	PEER_CHECK(bytes_are(&releasing.resv, GONE, sizeof(releasing.resv)));
	PEER_CHECK(dmabuf_live_buffers() == 0);
	PEER_CHECK(dmabuf_dispatch() == 0);
	PEER_CHECK(!dmabuf_memfd_export(SIZE, O_RDWR, &dmabuf));
	PEER_CHECK(dmabuf_live_buffers() == 1);
	dma_buf_put(dmabuf);
	PEER_CHECK(dmabuf_live_buffers() == 0);
	return 0;
}

/* Forks while a thread is inside the release of @dmabuf. */
static void fork_beside(void *(*put)(void *dmabuf), struct dma_buf *dmabuf,
			peer_fn child, void *data)
{
	struct peer peer;
	pthread_t thread;
	int status;

	sem_init(&releasing.inside, 0, 0);
	sem_init(&releasing.leave, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, put, dmabuf), 0);
	sem_wait(&releasing.inside);
	assert_int_equal(dmabuf_live_buffers(), 1);
	peer_start(&peer, child, data);
	status = peer_wait(&peer);
	sem_post(&releasing.leave);
	pthread_join(thread, NULL);
	sem_destroy(&releasing.inside);
	sem_destroy(&releasing.leave);
	assert_int_equal(status, 0);
}

static void child_leaves_a_release_to_the_parents_thread(void **state)
{
	(void)state;
	dma_resv_init(&releasing.resv);
	mock_init(&mock, SIZE, 0);
	mock.info.resv = &releasing.resv;
	mock.hook = free_and_wait;
	fork_beside(put_slowly, mock_export_inited(&mock),
		    child_leaves_it_alone, NULL);
	assert_log(&mock, "release");
	assert_int_equal(dmabuf_live_buffers(), 0);
}

/* Another thread is in the release of an import: its fd is still open. */

static void wait_before_munmap(void)
{
	inject_before_munmap(NULL);
	sem_post(&releasing.inside);
	sem_wait(&releasing.leave);
}

static void *put_import_slowly(void *data)
{
	inject_before_munmap(wait_before_munmap);
	dma_buf_put(data);
	return NULL;
}

/* Or the origin would wait for the child. */
static int child_has_no_fd_of(int sock, void *data)
{
	const struct stat *origin = data;
	struct stat now;
	int fd;

	(void)sock;
	PEER_CHECK(dmabuf_live_buffers() == 0);
	for (fd = 3; fd < 256; fd++)
		PEER_CHECK(fstat(fd, &now) || now.st_ino != origin->st_ino);
	return 0;
}

/* So that the release has pages to unmap. */
static void map_once(struct dma_buf *dmabuf)
{
	struct use use;

	use_begin(&use, dmabuf, device_new(), DMA_TO_DEVICE);
	use_end(&use);
}

static void child_has_no_fd_of_an_import_in_release(void **state)
{
	int fd = memfd_make("other", SIZE, F_SEAL_SHRINK);
	struct dma_buf *import;
	struct stat origin;

	(void)state;
	assert_int_equal(fstat(fd, &origin), 0);
	assert_int_equal(dmabuf_memfd_import(fd, &import), 0);
	close(fd);
	map_once(import);
	fork_beside(put_import_slowly, import, child_has_no_fd_of, &origin);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(child_forked_in_the_release_op_ends_it),
		LEAK_TEST(child_forked_in_the_detach_op_ends_it),
		LEAK_TEST(child_forked_in_unmap_or_unpin_at_detach_goes_on),
		LEAK_TEST(child_forked_in_an_op_at_attach_goes_on),
		LEAK_TEST(closes_found_before_the_fork_are_the_parents),
		LEAK_TEST(child_leaves_a_release_to_the_parents_thread),
		LEAK_TEST(child_has_no_fd_of_an_import_in_release),
	};

	/* A fork that goes wrong is a failure, not a hang. */
	alarm(120);
	return cmocka_run_group_tests_name("fork/release", tests,
					   leaks_group_setup, NULL) != 0;
}
