/* SPDX-License-Identifier: MIT */
/* test-heap-process.c - heaps and their buffers in other processes */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "process.h"

#define SIZE ((size_t)4096 * 35)
#define RW (PROT_READ | PROT_WRITE)
#define NR_FORKS 100

static struct dma_buf *heap_buffer(const char *name)
{
	struct dma_buf *dmabuf;

	dmabuf = dma_heap_buffer_alloc(dma_heap_find(name), SIZE, O_RDWR, 0);
	assert_false(IS_ERR(dmabuf));
	return dmabuf;
}

/* A stranger maps the fd. */

static int write_through_the_fd(int sock, void *data)
{
	int fd = fd_recv(sock);
	char *addr;

	(void)data;
	PEER_CHECK(fd >= 0);
	PEER_CHECK(lseek(fd, 0, SEEK_END) == (off_t)SIZE);
	addr = mmap(NULL, SIZE, RW, MAP_SHARED, fd, 0);
	PEER_CHECK(addr != MAP_FAILED);
	close(fd);
	addr[SIZE - 1] = 's';
	PEER_CHECK(turn_give(sock));
	/* The mapping alone keeps it until the end. */
	turn_take(sock);
	return 0;
}

static void stranger_maps_the_fd(void **state)
{
	struct dma_buf *dmabuf;
	struct peer peer;
	char *vaddr;
	int fd;

	(void)state;
	peer_start(&peer, write_through_the_fd, NULL);
	dmabuf = heap_buffer("system");
	get_dma_buf(dmabuf);
	fd = fd_of(dmabuf);
	assert_true(fd_send(peer.sock, fd));
	close(fd);
	assert_true(turn_take(peer.sock));
	vaddr = dma_buf_vmap(dmabuf);
	assert_int_equal(vaddr[SIZE - 1], 's');
	dma_buf_vunmap(dmabuf, vaddr);
	nothing_closed();
	assert_int_equal(dmabuf_refcount(dmabuf), 2);
	peer_join(&peer);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

/* Another user of the library imports it. */

static int import_it(int sock, void *data)
{
	const char *name = data;
	struct dma_buf *dmabuf;
	char *vaddr;
	int fd = fd_recv(sock);

	PEER_CHECK(fd >= 0);
	dmabuf = dma_buf_get(fd);
	PEER_CHECK(!IS_ERR(dmabuf));
	close(fd);
	PEER_CHECK(dmabuf->size == SIZE);
	PEER_CHECK(!strcmp(dmabuf->exp_name, name));
	vaddr = dma_buf_vmap(dmabuf);
	PEER_CHECK(!IS_ERR_OR_NULL(vaddr));
	PEER_CHECK(vaddr[0] == 'o');
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	PEER_CHECK(turn_give(sock));
	return 0;
}

static void importer_knows_the_heap(void **state)
{
	static const char *const names[] = { "system", "contiguous" };
	struct dma_buf *dmabuf;
	struct peer peer;
	char *vaddr;
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < 2; i++) {
		peer_start(&peer, import_it, (void *)(uintptr_t)names[i]);
		dmabuf = heap_buffer(names[i]);
		vaddr = dma_buf_vmap(dmabuf);
		vaddr[0] = 'o';
		dma_buf_vunmap(dmabuf, vaddr);
		fd = fd_of(dmabuf);
		assert_true(fd_send(peer.sock, fd));
		close(fd);
		assert_true(turn_take(peer.sock));
		peer_join(&peer);
		wait_for_live_buffers(0);
	}
}

/* fork */

static int child_has_the_heaps(int sock, void *data)
{
	struct dma_buf *dmabuf = data;
	struct dma_heap *heap;
	char *vaddr;

	(void)sock;
	PEER_CHECK(dma_heap_find("before the fork"));
	PEER_CHECK(!dmabuf_heap_add("in the child", DMABUF_HEAP_SYSTEM, &heap));
	PEER_CHECK(dma_heap_find("in the child") == heap);
	vaddr = dma_buf_vmap(dmabuf);
	PEER_CHECK(!IS_ERR_OR_NULL(vaddr));
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	dmabuf = dma_heap_buffer_alloc(heap, SIZE, O_RDWR, 0);
	PEER_CHECK(!IS_ERR(dmabuf));
	dma_buf_put(dmabuf);
	PEER_CHECK(dmabuf_live_buffers() == 0);
	return 0;
}

static void child_has_heaps_of_its_own(void **state)
{
	struct dma_buf *dmabuf = heap_buffer("contiguous");
	struct dma_heap *heap;
	struct peer peer;

	(void)state;
	assert_int_equal(dmabuf_heap_add("before the fork", DMABUF_HEAP_SYSTEM,
					 &heap), 0);
	peer_start(&peer, child_has_the_heaps, dmabuf);
	peer_join(&peer);
	assert_null(dma_heap_find("in the child"));
	dma_buf_put(dmabuf);
}

/* A thread holds the lock of the list most of the time. */

struct finder {
	pthread_barrier_t running;
	int stop;	/* atomic */
};

static void *find_all_the_time(void *data)
{
	struct finder *finder = data;

	pthread_barrier_wait(&finder->running);
	while (!__atomic_load_n(&finder->stop, __ATOMIC_RELAXED))
		dma_heap_find("no such heap");
	return NULL;
}

/* A lock that nobody holds would be waited for in vain, by add or by find. */
static void child_checks(bool adds)
{
	struct dma_buf *dmabuf;
	struct dma_heap *heap;

	alarm(20);
	if (adds && dmabuf_heap_add("in a child", DMABUF_HEAP_SYSTEM, &heap))
		_exit(1);
	dmabuf = dma_heap_buffer_alloc(dma_heap_find("system"), SIZE, O_RDWR,
				       0);
	_exit(IS_ERR(dmabuf) || dma_heap_find("no such heap"));
}

static void children_of_any_moment(pid_t (*make)(void))
{
	struct finder finder = { .stop = 0 };
	pthread_t thread;
	int i, status = 0;
	pid_t pid;

	pthread_barrier_init(&finder.running, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, find_all_the_time,
					&finder), 0);
	pthread_barrier_wait(&finder.running);
	for (i = 0; i < NR_FORKS && !status; i++) {
		pid = make();
		if (!pid)
			child_checks(i % 2);
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			status = -1;
	}
	__atomic_store_n(&finder.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&finder.running);
	assert_int_equal(status, 0);
}

static void child_of_any_moment_finds_heaps(void **state)
{
	(void)state;
	children_of_any_moment(fork);
}

static pid_t raw_clone(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void raw_clone_of_any_moment_finds_heaps(void **state)
{
	(void)state;
	threads_unwatched_or_skip();
	children_of_any_moment(raw_clone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(stranger_maps_the_fd),
		LEAK_TEST(importer_knows_the_heap),
		LEAK_TEST(child_has_heaps_of_its_own),
		LEAK_TEST(child_of_any_moment_finds_heaps),
		LEAK_TEST(raw_clone_of_any_moment_finds_heaps),
	};

	return cmocka_run_group_tests_name("heap processes", tests,
					   leaks_group_setup, NULL) != 0;
}
