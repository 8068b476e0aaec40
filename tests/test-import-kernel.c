/* SPDX-License-Identifier: MIT */
/* test-import-kernel.c - dma-bufs of the kernel that come as fds, faked here */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/dma-buf.h>

#include <dmabuf/dmabuf.h>

#include "attached.h"
#include "exporters.h"
#include "fake-device.h"
#include "leaks.h"
#include "process.h"
#include "warns.h"

#define PAGE ((size_t)4096)
#define SIZE (3 * PAGE)
#define RW (PROT_READ | PROT_WRITE)

static struct dma_buf *get_of(int fd)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);

	assert_false(IS_ERR(dmabuf));
	return dmabuf;
}

/* Which fds are taken */

static void fd_that_nobody_knew_becomes_a_buffer(void **state)
{
	int fd = kernel_fd(SIZE, O_RDWR);
	struct dma_buf *dmabuf = get_of(fd);

	(void)state;
	assert_int_equal(dmabuf->size, SIZE);
	assert_string_equal(dmabuf->exp_name, "fake");
	assert_null(dmabuf->name);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	assert_ptr_equal(dma_buf_get(fd), dmabuf);
	dma_buf_put(dmabuf);
	dma_buf_put(dmabuf);
	assert_int_equal(dmabuf_live_buffers(), 0);
	/* The fd stays the caller's. */
	assert_int_equal(close(fd), 0);
}

static void buffer_keeps_an_fd_of_its_own(void **state)
{
	int fd = kernel_fd(SIZE, O_RDWR);
	struct dma_buf *dmabuf = get_of(fd);
	int copy;

	(void)state;
	close(fd);
	get_dma_buf(dmabuf);
	copy = fd_of(dmabuf);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	assert_true(fcntl(copy, F_GETFD) & FD_CLOEXEC);
	/* It is no memfd of ours: none of our seals, and no lock. */
	assert_int_equal(fcntl(copy, F_GET_SEALS), F_SEAL_SEAL);
	assert_ptr_equal(dma_buf_get(copy), dmabuf);
	dma_buf_put(dmabuf);
	close(copy);
	dma_buf_put(dmabuf);
}

static void copies_are_one_buffer_and_files_are_not(void **state)
{
	int fd = kernel_fd(SIZE, O_RDWR);
	int other = kernel_fd(PAGE, O_RDWR);
	int copy = dup(fd);
	struct dma_buf *dmabuf = get_of(fd);
	struct dma_buf *second = get_of(other);

	(void)state;
	assert_ptr_equal(dma_buf_get(copy), dmabuf);
	assert_ptr_not_equal(second, dmabuf);
	assert_int_equal(second->size, PAGE);
	dma_buf_put(dmabuf);
	dma_buf_put(dmabuf);
	dma_buf_put(second);
	close(fd);
	close(copy);
	close(other);
}

/* A link text alone is nothing: a file in the root folder can have it. */
static void file_that_is_named_like_one_is_einval(void **state)
{
	static const char *const texts[] = {
		"", "pos:\t0\nflags:\t02\nmnt_id:\t1\nino:\t1\n",
		"exp_name:\tfake\n", "pos:\t0\nname:\texp_name:\tfake\n",
	};
	int fd = kernel_fd(SIZE, O_RDWR);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		node.fdinfo = texts[i];
		assert_error(dma_buf_get(fd), -EINVAL);
	}
	assert_int_equal(dmabuf_live_buffers(), 0);
	close(fd);
}

/* The file has a place, as a memfd has, and the pipe has none. */
static void file_that_is_named_like_a_memfd_is_einval(void **state)
{
	static const char *const links[] = {
		"/memfd:dmabuf:system (deleted)", "/dmabuf:system",
	};
	int fds[3];
	size_t i;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	fds[2] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_true(fds[2] >= 0);
	for (i = 0; i < 2; i++) {
		node.link = links[i];
		assert_error(dma_buf_get(fds[0]), -EINVAL);
		assert_error(dma_buf_get(fds[2]), -EINVAL);
	}
	node.link = NULL;
	for (i = 0; i < 3; i++)
		close(fds[i]);
}

static void exporter_may_have_no_name_or_a_long_one(void **state)
{
	static char text[128] = "pos:\t0\nexp_name:\t";
	int fd = kernel_fd(SIZE, O_RDWR);
	struct dma_buf *dmabuf;

	(void)state;
	node.fdinfo = "pos:\t0\nexp_name:\t\nname:\tsomething\n";
	dmabuf = get_of(fd);
	assert_string_equal(dmabuf->exp_name, "");
	dma_buf_put(dmabuf);
	memset(text + strlen(text), 'n', sizeof(text) - 1 - strlen(text));
	node.fdinfo = text;
	dmabuf = get_of(fd);
	assert_int_equal(strlen(dmabuf->exp_name), 63);
	dma_buf_put(dmabuf);
	close(fd);
}

static void path_fd_of_an_unknown_one_is_ebadf(void **state)
{
	int fd = kernel_fd(SIZE, O_RDWR);
	int path = fd_reopen(fd, O_PATH | O_CLOEXEC);

	(void)state;
	assert_error(dma_buf_get(path), -EBADF);
	close(path);
	close(fd);
}

/* What it is then */

static void access_mode_of_the_fd_is_the_buffers(void **state)
{
	int fd = kernel_fd(SIZE, O_RDONLY);
	struct dma_buf *dmabuf = get_of(fd);

	(void)state;
	assert_int_equal(vmap_of(dmabuf)[0], 0);
	assert_int_equal(mprotect(dmabuf->vmap_ptr, PAGE, RW), -1);
	dma_buf_vunmap(dmabuf, dmabuf->vmap_ptr);
	assert_error(dma_buf_mmap(dmabuf, PAGE, RW, MAP_SHARED, 0), -EACCES);
	dma_buf_put(dmabuf);
	close(fd);
	fd = kernel_fd(SIZE, O_WRONLY);
	dmabuf = get_of(fd);
	assert_error(dma_buf_vmap(dmabuf), -EACCES);
	dma_buf_put(dmabuf);
	close(fd);
}

static void memory_is_that_of_the_fd(void **state)
{
	int fd = kernel_fd(SIZE, O_RDWR);
	struct dma_buf *dmabuf = get_of(fd);
	char *vaddr = vmap_of(dmabuf);
	struct use use;
	char *addr;

	(void)state;
	addr = mmap(NULL, SIZE, RW, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(addr, MAP_FAILED);
	use_begin(&use, dmabuf, device_non_coherent(), DMA_BIDIRECTIONAL);
	device_put_byte(&use, PAGE, 'd');
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	assert_int_equal(node.sync_flags,
			 DMA_BUF_SYNC_READ | DMA_BUF_SYNC_START);
	assert_int_equal(vaddr[PAGE], 'd');
	assert_int_equal(addr[PAGE], 'd');
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	assert_int_equal(node.syncs, 2);
	use_end(&use);
	munmap(addr, SIZE);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	close(fd);
}

/* The name, and fences, are this object's, as of every import. */
static void name_is_the_objects_own(void **state)
{
	int fd = kernel_fd(SIZE, O_RDWR);
	struct dma_buf *dmabuf = get_of(fd);

	(void)state;
	assert_int_equal(dma_buf_set_name(dmabuf, "mine"), 0);
	assert_string_equal(dmabuf->name, "mine");
	dma_buf_put(dmabuf);
	dmabuf = get_of(fd);
	assert_null(dmabuf->name);
	dma_buf_put(dmabuf);
	close(fd);
}

/* Threads */

#define NR_THREADS 4
#define ROUNDS 200

static int thread_fd;

static void *gets_and_puts(void *arg)
{
	struct dma_buf *dmabuf;
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		dmabuf = dma_buf_get(thread_fd);
		if (IS_ERR(dmabuf) || dmabuf->size != SIZE)
			return (void *)1;
		dma_buf_put(dmabuf);
	}
	return NULL;
}

static void threads_get_and_put_the_same_one(void **state)
{
	pthread_t threads[NR_THREADS];
	void *result;
	size_t i;

	(void)state;
	thread_fd = kernel_fd(SIZE, O_RDWR);
	for (i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						gets_and_puts, NULL), 0);
	for (i = 0; i < NR_THREADS; i++) {
		pthread_join(threads[i], &result);
		assert_null(result);
	}
	assert_int_equal(dmabuf_live_buffers(), 0);
	close(thread_fd);
}

/* fork */

struct forked {
	struct dma_buf *dmabuf;
	char *vaddr;
	int fd;
};

/* The object is dead; the fd, which the child has too, gives one anew. */
static int child_of_the_importer(int sock, void *data)
{
	const struct forked *forked = data;
	struct dma_buf *dmabuf = forked->dmabuf;

	(void)sock;
	PEER_CHECK(!addr_is_mapped(forked->vaddr));
	PEER_CHECK(PTR_ERR(dma_buf_vmap(dmabuf)) == -EIO);
	PEER_CHECK(dma_buf_begin_cpu_access(dmabuf, DMA_BIDIRECTIONAL) ==
		   -EIO);
	PEER_CHECK(dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL) == -EIO);
	PEER_CHECK(dma_buf_fd(dmabuf, O_CLOEXEC) == -EIO);
	PEER_CHECK(!node.syncs);
	dmabuf = dma_buf_get(forked->fd);
	PEER_CHECK(!IS_ERR(dmabuf) && dmabuf != forked->dmabuf);
	dma_buf_put(forked->dmabuf);
	PEER_CHECK(*(char *)dma_buf_vmap(dmabuf) == 'p');
	*(char *)dmabuf->vmap_ptr = 'c';
	dma_buf_vunmap(dmabuf, dmabuf->vmap_ptr);
	dma_buf_put(dmabuf);
	close(forked->fd);
	PEER_CHECK(dmabuf_live_buffers() == 0);
	return 0;
}

static void object_is_dead_in_the_child_and_the_fd_is_not(void **state)
{
	struct forked forked;
	struct peer peer;

	(void)state;
	threads_unwatched_or_skip();
	forked.fd = kernel_fd(SIZE, O_RDWR);
	forked.dmabuf = get_of(forked.fd);
	forked.vaddr = vmap_of(forked.dmabuf);
	forked.vaddr[0] = 'p';
	peer_start(&peer, child_of_the_importer, &forked);
	peer_join(&peer);
	assert_int_equal(forked.vaddr[0], 'c');
	assert_int_equal(dmabuf_refcount(forked.dmabuf), 1);
	dma_buf_vunmap(forked.dmabuf, forked.vaddr);
	dma_buf_put(forked.dmabuf);
	close(forked.fd);
}

/* A process that is a stranger to the buffer */
static int child_gets_what_it_receives(int sock, void *data)
{
	struct dma_buf *dmabuf;
	int fd = fd_recv(sock);

	(void)data;
	PEER_CHECK(fd >= 0);
	dmabuf = dma_buf_get(fd);
	PEER_CHECK(!IS_ERR(dmabuf));
	close(fd);
	PEER_CHECK(*(char *)dma_buf_vmap(dmabuf) == 'p');
	dma_buf_vunmap(dmabuf, dmabuf->vmap_ptr);
	dma_buf_put(dmabuf);
	return 0;
}

static void allocated_one_goes_to_another_process(void **state)
{
	struct dma_buf *dmabuf;
	struct peer peer;
	int fd;

	(void)state;
	peer_start(&peer, child_gets_what_it_receives, NULL);
	dmabuf = heap_buffer(SIZE, O_RDWR);
	vmap_of(dmabuf)[0] = 'p';
	dma_buf_vunmap(dmabuf, dmabuf->vmap_ptr);
	fd = fd_of(dmabuf);
	assert_true(fd_send(peer.sock, fd));
	close(fd);
	peer_join(&peer);
}

/* Its names and fences are the kernel's affair: it is asked, and not we. */
static void ioctls_are_the_kernels(void **state)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_RW };
	char name[] = "name";
	int fd = kernel_fd(4096, O_RDWR);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(dmabuf_ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync), 0);
	assert_int_equal(node.syncs, 1);
	/* As the memfd behind this device answers */
	assert_int_equal(dmabuf_ioctl(fd, DMA_BUF_SET_NAME_B, name), -ENOTTY);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(ioctls_are_the_kernels),
		LEAK_TEST(fd_that_nobody_knew_becomes_a_buffer),
		LEAK_TEST(buffer_keeps_an_fd_of_its_own),
		LEAK_TEST(copies_are_one_buffer_and_files_are_not),
		LEAK_TEST(file_that_is_named_like_one_is_einval),
		LEAK_TEST(file_that_is_named_like_a_memfd_is_einval),
		LEAK_TEST(exporter_may_have_no_name_or_a_long_one),
		LEAK_TEST(path_fd_of_an_unknown_one_is_ebadf),
		LEAK_TEST(access_mode_of_the_fd_is_the_buffers),
		LEAK_TEST(memory_is_that_of_the_fd),
		LEAK_TEST(name_is_the_objects_own),
		LEAK_TEST(threads_get_and_put_the_same_one),
		LEAK_TEST(object_is_dead_in_the_child_and_the_fd_is_not),
		LEAK_TEST(allocated_one_goes_to_another_process),
	};

	return cmocka_run_group_tests_name("kernel", tests, leaks_group_setup,
					   NULL) != 0;
}
