/* SPDX-License-Identifier: MIT */
/* test-fork.c - what a child has of its parent's buffers, locks and events */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-exporter.h"
#include "process.h"
#include "warns.h"

#define SIZE ((size_t)16384)

/* The child's objects */

static int child_uses_its_copy(int sock, void *data)
{
	struct dma_buf *dmabuf = data;
	struct device *dev = device_new();
	struct dma_buf_attachment *attach;
	struct sg_table *table;
	char *vaddr;

	(void)sock;
	vaddr = dma_buf_vmap(dmabuf);
	PEER_CHECK(!IS_ERR_OR_NULL(vaddr));
	PEER_CHECK(dmabuf->vmapping_counter == 2);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_vunmap(dmabuf, vaddr);
	PEER_CHECK(dmabuf->vmapping_counter == 0);
	attach = dma_buf_attach(dmabuf, dev);
	PEER_CHECK(!IS_ERR(attach));
	table = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	PEER_CHECK(!IS_ERR(table));
	PEER_CHECK(!dmabuf_device_write(dev, sg_dma_address(table->sgl), "c",
					1));
	dma_buf_unmap_attachment_unlocked(attach, table, DMA_BIDIRECTIONAL);
	dma_buf_detach(dmabuf, attach);
	dmabuf_device_destroy(dev);
	PEER_CHECK(!dma_buf_begin_cpu_access(dmabuf, DMA_BIDIRECTIONAL));
	PEER_CHECK(!dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL));
	PEER_CHECK(!dma_buf_set_name(dmabuf, "child"));
	PEER_CHECK(dmabuf_live_buffers() == 1);
	dma_buf_put(dmabuf);
	PEER_CHECK(dmabuf_live_buffers() == 0);
	return 0;
}

static void child_has_private_copies_of_the_objects(void **state)
{
	static struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, MOCK_PAGES);
	void *vaddr = dma_buf_vmap(dmabuf);
	struct peer peer;

	(void)state;
	peer_start(&peer, child_uses_its_copy, dmabuf);
	peer_join(&peer);
	assert_int_equal(dmabuf->vmapping_counter, 1);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	assert_null(dmabuf->name);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	assert_log(&mock, "vmap vunmap release");
}

/* The child finds the buffer by its fd, and can hand out fds of its own. */
static int child_hands_out_fds(int sock, void *data)
{
	struct dma_buf *dmabuf = data;
	unsigned int refs = dmabuf_refcount(dmabuf);
	int fd;

	(void)sock;
	get_dma_buf(dmabuf);
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	PEER_CHECK(fd >= 0);
	PEER_CHECK(dma_buf_get(fd) == dmabuf);
	dma_buf_put(dmabuf);
	PEER_CHECK(dmabuf_dispatch() == 0);
	close(fd);
	while (dmabuf_refcount(dmabuf) > refs) {
		struct pollfd pfd = { dmabuf_event_fd(), POLLIN, 0 };

		PEER_CHECK(poll(&pfd, 1, -1) == 1);
		PEER_CHECK(dmabuf_dispatch() >= 0);
	}
	PEER_CHECK(dmabuf_refcount(dmabuf) == refs);
	return 0;
}

static void child_hands_out_fds_of_its_own(void **state)
{
	struct backing backing;
	struct dma_buf *dmabuf = backing_export(&backing, SIZE, O_RDWR);
	struct peer peer;
	int fd;

	(void)state;
	get_dma_buf(dmabuf);
	fd = fd_of(dmabuf);
	peer_start(&peer, child_hands_out_fds, dmabuf);
	peer_join(&peer);
	nothing_closed();
	dma_buf_put(dmabuf);
	close(fd);
	wait_for_live_buffers(0);
}

/* A thread is inside vmap and another holds resv while a third forks. */

struct holder {
	struct dma_buf *dmabuf;
	sem_t inside;
	sem_t leave;
};

static void wait_inside_vmap(struct mock *mock, enum mock_op op,
			     struct dma_buf_attachment *attach)
{
	struct holder *holder = mock->hook_data;

	(void)attach;
	if (op != MOCK_OP_VMAP || !holder)
		return;
	sem_post(&holder->inside);
	sem_wait(&holder->leave);
}

static void *vmap_slowly(void *data)
{
	struct holder *holder = data;
	void *vaddr = dma_buf_vmap(holder->dmabuf);

	dma_buf_vunmap(holder->dmabuf, vaddr);
	return NULL;
}

static void *resv_slowly(void *data)
{
	struct holder *holder = data;

	dma_resv_lock(holder->dmabuf->resv, NULL);
	sem_post(&holder->inside);
	sem_wait(&holder->leave);
	dma_resv_unlock(holder->dmabuf->resv);
	return NULL;
}

static int child_takes_the_locks(int sock, void *data)
{
	struct mock *mock = data;
	struct dma_buf *dmabuf = mock->dmabuf;
	void *vaddr;

	(void)sock;
	mock->hook_data = NULL;
	PEER_CHECK(!dma_resv_is_locked(dmabuf->resv));
	PEER_CHECK(!dma_resv_lock(dmabuf->resv, NULL));
	dma_resv_unlock(dmabuf->resv);
	PEER_CHECK(!pthread_mutex_trylock(&dmabuf->lock));
	pthread_mutex_unlock(&dmabuf->lock);
	vaddr = dma_buf_vmap(dmabuf);
	PEER_CHECK(!IS_ERR_OR_NULL(vaddr));
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	PEER_CHECK(dmabuf_live_buffers() == 0);
	return 0;
}

static void holders_start(struct holder *holder, struct mock *mock,
			  pthread_t threads[2])
{
	sem_init(&holder->inside, 0, 0);
	sem_init(&holder->leave, 0, 0);
	mock->hook = wait_inside_vmap;
	mock->hook_data = holder;
	assert_int_equal(pthread_create(&threads[0], NULL, vmap_slowly,
					holder), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, resv_slowly,
					holder), 0);
	sem_wait(&holder->inside);
	sem_wait(&holder->inside);
}

static void holders_end(struct holder *holder, pthread_t threads[2])
{
	sem_post(&holder->leave);
	sem_post(&holder->leave);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	dma_buf_put(holder->dmabuf);
	sem_destroy(&holder->inside);
	sem_destroy(&holder->leave);
}

static void child_has_new_locks_whoever_held_them(void **state)
{
	static struct mock mock;
	struct holder holder = { mock_export(&mock, SIZE, 0), { { 0 } },
				 { { 0 } } };
	pthread_t threads[2];
	struct peer peer;

	(void)state;
	holders_start(&holder, &mock, threads);
	peer_start(&peer, child_takes_the_locks, &mock);
	peer_join(&peer);
	holders_end(&holder, threads);
}

/* The same without a fork handler: the child's first slow call mends. */

static int raw_child_takes_the_locks(struct mock *mock)
{
	alarm(60);
	PEER_CHECK(dmabuf_dispatch() == 0);
	return child_takes_the_locks(-1, mock);
}

static void raw_child_has_new_locks_whoever_held_them(void **state)
{
	static struct mock mock;
	struct holder holder;
	pthread_t threads[2];
	int status;
	pid_t pid;

	(void)state;
	threads_unwatched_or_skip();
	holder.dmabuf = mock_export(&mock, SIZE, 0);
	holders_start(&holder, &mock, threads);
	fflush(NULL);
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!pid)
		_exit(raw_child_takes_the_locks(&mock));
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	holders_end(&holder, threads);
	assert_int_equal(status, 0);
}

/* fork() from inside an op: the child leaves through the library's frames. */

static pid_t forked_in_op;

static void fork_inside(struct mock *mock, enum mock_op op,
			struct dma_buf_attachment *attach)
{
	(void)mock;
	(void)attach;
	if (op == MOCK_OP_VMAP)
		forked_in_op = fork();
}

/* With no fork handler, the child has to call something slow. */
static void clone_inside(struct mock *mock, enum mock_op op,
			 struct dma_buf_attachment *attach)
{
	(void)mock;
	(void)attach;
	if (op != MOCK_OP_VMAP)
		return;
	forked_in_op = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!forked_in_op)
		dmabuf_event_fd();
}

static int child_goes_on(struct dma_buf *dmabuf, void *vaddr)
{
	alarm(60);
	PEER_CHECK(!IS_ERR_OR_NULL(vaddr));
	PEER_CHECK(dma_buf_vmap(dmabuf) == vaddr);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	PEER_CHECK(dmabuf_live_buffers() == 0);
	return 0;
}

typedef void (*hook_fn)(struct mock *mock, enum mock_op op,
			struct dma_buf_attachment *attach);

static void forked_inside_check(hook_fn hook)
{
	static struct mock mock;
	struct dma_buf *dmabuf;
	void *vaddr;
	int status;

	threads_unwatched_or_skip();
	dmabuf = mock_export(&mock, SIZE, 0);
	mock.hook = hook;
	forked_in_op = -1;
	fflush(NULL);
	vaddr = dma_buf_vmap(dmabuf);
	if (!forked_in_op)
		_exit(child_goes_on(dmabuf, vaddr));
	assert_true(forked_in_op > 0);
	assert_int_equal(waitpid(forked_in_op, &status, 0), forked_in_op);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	assert_int_equal(status, 0);
}

static void child_forked_inside_an_op_goes_on(void **state)
{
	(void)state;
	forked_inside_check(fork_inside);
}

static void raw_child_made_inside_an_op_goes_on(void **state)
{
	(void)state;
	forked_inside_check(clone_inside);
}

/* Storms of threads, and children of any moment */

struct storm {
	struct dma_buf *dmabuf;
	int stop;	/* atomic */
};

static bool storm_goes_on(struct storm *storm)
{
	return !__atomic_load_n(&storm->stop, __ATOMIC_RELAXED);
}

static void *storm_vmap(void *data)
{
	struct storm *storm = data;

	while (storm_goes_on(storm))
		dma_buf_vunmap(storm->dmabuf, dma_buf_vmap(storm->dmabuf));
	return NULL;
}

static void *storm_fds(void *data)
{
	struct storm *storm = data;
	int fd;

	while (storm_goes_on(storm)) {
		get_dma_buf(storm->dmabuf);
		fd = dma_buf_fd(storm->dmabuf, O_CLOEXEC);
		if (fd < 0)
			dma_buf_put(storm->dmabuf);
		else
			close(fd);
		dmabuf_dispatch();
	}
	return NULL;
}

static void *storm_warnings(void *data)
{
	struct storm *storm = data;

	while (storm_goes_on(storm))
		dma_buf_put(NULL);
	return NULL;
}

static void hear_nothing(const char *report, void *data)
{
	(void)report;
	(void)data;
}

static int child_of_the_storm(int sock, void *data)
{
	struct storm *storm = data;
	struct dma_buf *dmabuf;
	int fd;

	(void)sock;
	dma_buf_put(NULL);
	PEER_CHECK(!IS_ERR_OR_NULL(dma_buf_vmap(storm->dmabuf)));
	dma_buf_vunmap(storm->dmabuf, storm->dmabuf->vmap_ptr);
	PEER_CHECK(!dmabuf_memfd_export(SIZE, O_RDWR, &dmabuf));
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	PEER_CHECK(fd >= 0);
	close(fd);
	PEER_CHECK(dmabuf_dispatch() >= 0);
	return 0;
}

static void child_of_any_moment_works(void **state)
{
	static void *(*const runs[])(void *) = {
		storm_vmap, storm_fds, storm_warnings,
	};
	struct storm storm = { NULL, 0 };
	pthread_t threads[3];
	struct peer peer;
	int status = 0;
	int round, i;

	(void)state;
	assert_int_equal(dmabuf_memfd_export(SIZE, O_RDWR, &storm.dmabuf), 0);
	/* The tests' own handler has a lock, which the child may find held. */
	dmabuf_set_warn_handler(hear_nothing, NULL);
	for (i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, runs[i],
						&storm), 0);
	for (round = 0; round < 50 && !status; round++) {
		peer_start(&peer, child_of_the_storm, &storm);
		status = peer_wait(&peer);
	}
	__atomic_store_n(&storm.stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_true(warns_seen() > 0);
	dispatch_until_refs(storm.dmabuf, 1);
	dma_buf_put(storm.dmabuf);
	assert_int_equal(status, 0);
}

/* Events */

static int child_dispatches_all_the_time(int sock, void *data)
{
	struct pollfd pfds[2] = {
		{ .fd = sock, .events = POLLIN },
		{ .fd = dmabuf_event_fd(), .events = POLLIN },
	};
	struct dma_buf *dmabuf = data;
	unsigned int refs = dmabuf_refcount(dmabuf);

	PEER_CHECK(pfds[1].fd >= 0);
	PEER_CHECK(turn_give(sock));
	do {
		PEER_CHECK(dmabuf_dispatch() == 0);
		PEER_CHECK(poll(pfds, 2, 0) >= 0);
	} while (!pfds[0].revents);
	PEER_CHECK(dmabuf_refcount(dmabuf) == refs);
	return 0;
}

static void child_does_not_steal_the_parents_events(void **state)
{
	struct backing backing;
	struct dma_buf *dmabuf = backing_export(&backing, SIZE, O_RDWR);
	struct peer peer;
	int round;

	(void)state;
	for (round = 0; round < 20; round++) {
		int fd;

		/* Made before the fork, so that a stolen watch shows. */
		get_dma_buf(dmabuf);
		fd = fd_of(dmabuf);
		fcntl(fd, F_SETFD, 0);
		peer_start(&peer, child_dispatches_all_the_time, dmabuf);
		assert_true(turn_take(peer.sock));
		close(fd);
		/* The child has a copy, as long as it runs. */
		nothing_closed();
		peer_join(&peer);
		dispatch_until_refs(dmabuf, 1);
	}
	dma_buf_put(dmabuf);
	assert_int_equal(backing.releases, 1);
}

static void close_after_the_fork_is_the_parents_event(void **state)
{
	struct backing first, second;
	struct dma_buf *a = backing_export(&first, SIZE, O_RDWR);
	struct peer peer;
	int fd_a = fd_of(a);
	int fd_b;

	(void)state;
	peer_start(&peer, child_dispatches_all_the_time, a);
	assert_true(turn_take(peer.sock));
	fd_b = fd_of(backing_export(&second, SIZE, O_RDWR));
	close(fd_b);
	wait_for_live_buffers(1);
	assert_int_equal(second.releases, 1);
	peer_join(&peer);
	close(fd_a);
	wait_for_live_buffers(0);
}

/* A child that no fork handler saw */

static int raw_child(struct dma_buf *dmabuf, struct dma_buf *import,
		     int parents_event_fd)
{
	struct stat ours, theirs;
	int fd;

	alarm(60);
	PEER_CHECK(!fstat(parents_event_fd, &theirs));
	PEER_CHECK(dmabuf_dispatch() == 0);
	/* The parent's were closed here, and are made anew when needed. */
	PEER_CHECK(fstat(parents_event_fd, &ours) < 0);
	PEER_CHECK(dmabuf_event_fd() >= 0);
	PEER_CHECK(PTR_ERR(dma_buf_mmap(import, SIZE, PROT_READ, MAP_SHARED,
					0)) == -EIO);
	PEER_CHECK(PTR_ERR(dma_buf_vmap(import)) == -EIO);
	get_dma_buf(dmabuf);
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	PEER_CHECK(fd >= 0);
	PEER_CHECK(dma_buf_get(fd) == dmabuf);
	close(fd);
	PEER_CHECK(dmabuf_dispatch() >= 0);
	dma_buf_put(import);
	return 0;
}

static void raw_clone_is_caught(void **state)
{
	int memfd = memfd_make("other", SIZE, F_SEAL_SHRINK);
	struct backing backing;
	struct dma_buf *dmabuf = backing_export(&backing, SIZE, O_RDWR);
	struct dma_buf *import;
	int event_fd = dmabuf_event_fd();
	int status, fd;
	pid_t pid;

	(void)state;
	assert_int_equal(dmabuf_memfd_import(memfd, &import), 0);
	get_dma_buf(dmabuf);
	fd = fd_of(dmabuf);
	fflush(NULL);
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!pid)
		_exit(raw_child(dmabuf, import, event_fd));
	assert_true(pid > 0);
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
	dma_buf_put(import);
	close(memfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(child_has_private_copies_of_the_objects),
		LEAK_TEST(child_hands_out_fds_of_its_own),
		LEAK_TEST(child_has_new_locks_whoever_held_them),
		LEAK_TEST(raw_child_has_new_locks_whoever_held_them),
		LEAK_TEST(child_forked_inside_an_op_goes_on),
		LEAK_TEST(raw_child_made_inside_an_op_goes_on),
		LEAK_TEST(child_of_any_moment_works),
		LEAK_TEST(child_does_not_steal_the_parents_events),
		LEAK_TEST(close_after_the_fork_is_the_parents_event),
		LEAK_TEST(raw_clone_is_caught),
	};

	alarm(240);
	return cmocka_run_group_tests_name("fork", tests,
					   leaks_group_setup, NULL) != 0;
}
