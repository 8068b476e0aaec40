/* SPDX-License-Identifier: MIT */
/* test-handle.c - fds handed out: what they are, and whose */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "assert-bug.h"
#include "leaks.h"
#include "process.h"
#include "warns.h"

#define SIZE ((size_t)16384)

/* The reference and the fd */

static void fd_takes_the_reference_and_its_close_releases(void **state)
{
	struct backing backing;
	struct dma_buf *dmabuf = backing_export(&backing, SIZE, O_RDWR);
	int fd = fd_of(dmabuf);

	(void)state;
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	assert_int_equal(dmabuf_dispatch(), 0);
	assert_int_equal(backing.releases, 0);
	close(fd);
	wait_for_live_buffers(0);
	assert_int_equal(backing.releases, 1);
}

static void opaque_fd_takes_the_reference_too(void **state)
{
	unsigned int releases = 0;
	struct dma_buf *dmabuf = opaque_export(&releases, SIZE, O_RDWR);
	int fd = fd_of(dmabuf);

	(void)state;
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	close(fd);
	wait_for_live_buffers(0);
	assert_int_equal(releases, 1);
}

static void close_alone_releases_nothing_before_dispatch(void **state)
{
	struct backing backing;
	int fd = fd_of(backing_export(&backing, SIZE, O_RDWR));

	(void)state;
	close(fd);
	assert_int_equal(backing.releases, 0);
	assert_int_equal(dmabuf_live_buffers(), 1);
	wait_for_live_buffers(0);
	assert_int_equal(backing.releases, 1);
}

static void fd_of_no_buffer_is_einval(void **state)
{
	(void)state;
	assert_int_equal(dma_buf_fd(NULL, O_CLOEXEC), -EINVAL);
	assert_no_warning();
}

static void only_cloexec_of_the_flags_matters(void **state)
{
	struct dma_buf *dmabuf = memfd_export(SIZE, O_RDWR);
	int with, without;

	(void)state;
	get_dma_buf(dmabuf);
	with = dma_buf_fd(dmabuf, O_CLOEXEC | O_APPEND | O_WRONLY);
	without = dma_buf_fd(dmabuf, O_TRUNC | O_RDONLY);
	assert_true(with >= 0);
	assert_true(without >= 0);
	assert_int_equal(fcntl(with, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(without, F_GETFD), 0);
	assert_int_equal(fcntl(with, F_GETFL) & (O_ACCMODE | O_APPEND), O_RDWR);
	assert_int_equal(fcntl(without, F_GETFL) & O_ACCMODE, O_RDWR);
	close(with);
	close(without);
	wait_for_live_buffers(0);
}

/* Leave @nr fd numbers free. Returns the old limit. */
static struct rlimit fds_limit(unsigned int nr)
{
	int next = dup(STDIN_FILENO);
	struct rlimit old, tight;

	assert_true(next >= 0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = old;
	tight.rlim_cur = (rlim_t)next + nr;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	return old;
}

/* INV-D-12 */
static void fd_without_a_number_is_emfile_and_keeps_the_count(void **state)
{
	struct dma_buf *backed = memfd_export(SIZE, O_RDWR);
	unsigned int releases = 0;
	struct dma_buf *opaque = opaque_export(&releases, SIZE, O_RDWR);
	struct rlimit old = fds_limit(0);
	int none = dma_buf_fd(backed, O_CLOEXEC);
	int opaque_none = dma_buf_fd(opaque, O_CLOEXEC);
	int opaque_one;

	(void)state;
	setrlimit(RLIMIT_NOFILE, &old);
	fds_limit(1);
	opaque_one = dma_buf_fd(opaque, O_CLOEXEC);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(none, -EMFILE);
	assert_int_equal(opaque_none, -EMFILE);
	assert_int_equal(opaque_one, -EMFILE);
	assert_int_equal(dmabuf_refcount(backed), 1);
	assert_int_equal(dmabuf_refcount(opaque), 1);
	close(fd_of(backed));
	close(fd_of(opaque));
	wait_for_live_buffers(0);
	assert_int_equal(releases, 1);
}

/* What the fd is */

static void lseek_tells_the_size(void **state)
{
	static const size_t sizes[] = { 1, 4096, 5000, SIZE, (size_t)5 << 30 };
	struct backing backing;
	unsigned int releases;
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		fd = fd_of(backing_export(&backing, sizes[i], O_RDWR));
		assert_int_equal(lseek(fd, 0, SEEK_END), sizes[i]);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		close(fd);
		fd = fd_of(opaque_export(&releases, sizes[i], O_RDWR));
		assert_int_equal(lseek(fd, 0, SEEK_END), sizes[i]);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		close(fd);
		wait_for_live_buffers(0);
	}
}

static void opaque_fds_of_extreme_sizes(void **state)
{
	unsigned int releases = 0;
	struct dma_buf *dmabuf = opaque_export(&releases, 0, O_RDWR);
	int fd = fd_of(dmabuf);

	(void)state;
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	close(fd);
	wait_for_live_buffers(0);
	dmabuf = opaque_export(&releases, SIZE_MAX, O_RDWR);
	assert_true(dma_buf_fd(dmabuf, 0) < 0);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	dma_buf_put(dmabuf);
	assert_int_equal(releases, 2);
}

static void page_backed_fd_maps_the_buffers_pages(void **state)
{
	struct dma_buf *dmabuf = memfd_export(SIZE, O_RDWR);
	char *vaddr = dma_buf_vmap(dmabuf);
	char *map;
	int fd;

	(void)state;
	assert_false(IS_ERR_OR_NULL(vaddr));
	get_dma_buf(dmabuf);
	fd = fd_of(dmabuf);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	memset(map, 0x5a, SIZE);
	assert_true(bytes_are(vaddr, 0x5a, SIZE));
	munmap(map, SIZE);
	close(fd);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	wait_for_live_buffers(0);
}

static void opaque_fd_refuses_memory_access(void **state)
{
	unsigned int releases = 0;
	int fd = fd_of(opaque_export(&releases, SIZE, O_RDWR));
	char byte = 1;

	(void)state;
	assert_ptr_equal(mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0),
			 MAP_FAILED);
	assert_int_equal(errno, EACCES);
	assert_ptr_equal(mmap(NULL, SIZE, PROT_WRITE, MAP_SHARED, fd, 0),
			 MAP_FAILED);
	assert_ptr_equal(mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0),
			 MAP_FAILED);
	assert_int_equal(read(fd, &byte, 1), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(pread(fd, &byte, 1, 0), -1);
	assert_int_equal(write(fd, &byte, 1), -1);
	assert_int_equal(errno, EPERM);
	close(fd);
	wait_for_live_buffers(0);
}

static void opaque_memfd_has_no_pages(void **state)
{
	unsigned int releases = 0;
	int fd = fd_of(opaque_export(&releases, (size_t)1 << 40, O_RDWR));
	struct stat st;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	close(fd);
	wait_for_live_buffers(0);
}

static void size_cannot_be_changed(void **state)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	unsigned int releases = 0;
	struct backing backing;
	int backed = fd_of(backing_export(&backing, SIZE, O_RDWR));
	int opaque = fd_of(opaque_export(&releases, SIZE, O_RDWR));

	(void)state;
	assert_int_equal(fcntl(backed, F_GET_SEALS), seals);
	assert_int_equal(fcntl(opaque, F_GET_SEALS), seals | F_SEAL_WRITE);
	assert_int_equal(ftruncate(backed, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(backed, SIZE * 2), -1);
	assert_int_equal(ftruncate(opaque, 0), -1);
	assert_int_equal(errno, EPERM);
	close(backed);
	close(opaque);
	wait_for_live_buffers(0);
}

static bool can_map(int fd, int prot, int type)
{
	void *map = mmap(NULL, SIZE, prot, type, fd, 0);

	if (map == MAP_FAILED)
		return false;
	munmap(map, SIZE);
	return true;
}

static void read_only_fd_maps_for_reading(void **state)
{
	struct dma_buf *dmabuf = memfd_export(SIZE, O_RDONLY);
	int fd = fd_of(dmabuf);

	(void)state;
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_true(can_map(fd, PROT_READ, MAP_SHARED));
	assert_false(can_map(fd, PROT_READ | PROT_WRITE, MAP_SHARED));
	assert_int_equal(errno, EACCES);
	assert_true(can_map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE));
	close(fd);
	wait_for_live_buffers(0);
}

static void write_only_fd_maps_not_at_all(void **state)
{
	struct dma_buf *dmabuf = memfd_export(SIZE, O_WRONLY);
	int fd = fd_of(dmabuf);

	(void)state;
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_WRONLY);
	assert_false(can_map(fd, PROT_READ, MAP_SHARED));
	assert_int_equal(errno, EACCES);
	assert_false(can_map(fd, PROT_WRITE, MAP_SHARED));
	close(fd);
	wait_for_live_buffers(0);
}

static void nonblock_of_the_export_stays_on_the_fd(void **state)
{
	struct backing backing;
	int fd = fd_of(backing_export(&backing, SIZE,
				      O_RDWR | O_NONBLOCK | O_APPEND));

	(void)state;
	assert_int_equal(fcntl(fd, F_GETFL) &
			 (O_ACCMODE | O_NONBLOCK | O_APPEND),
			 O_RDWR | O_NONBLOCK);
	close(fd);
	wait_for_live_buffers(0);
}

static void link_text_names_the_library(void **state)
{
	unsigned int releases = 0;
	int fd = fd_of(opaque_export(&releases, SIZE, O_RDWR));
	char path[32];
	char text[128] = "";

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_true(readlink(path, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "/memfd:dmabuf:opaque (deleted)");
	close(fd);
	wait_for_live_buffers(0);
}

/* Identity */

/* INV-D-11 */
static void get_gives_the_same_buffer_for_any_copy(void **state)
{
	struct dma_buf *dmabuf = memfd_export(SIZE, O_RDWR);
	int fd, copy, second, again;

	(void)state;
	get_dma_buf(dmabuf);
	fd = fd_of(dmabuf);
	second = fd_of(dmabuf);
	copy = dup(fd);
	again = fd_reopen(fd, O_RDONLY);
	assert_ptr_equal(dma_buf_get(fd), dmabuf);
	assert_int_equal(dmabuf_refcount(dmabuf), 3);
	assert_ptr_equal(dma_buf_get(fd), dmabuf);
	assert_int_equal(dmabuf_refcount(dmabuf), 4);
	assert_ptr_equal(dma_buf_get(copy), dmabuf);
	assert_ptr_equal(dma_buf_get(second), dmabuf);
	assert_ptr_equal(dma_buf_get(again), dmabuf);
	assert_int_equal(dmabuf_refcount(dmabuf), 7);
	close(again);
	close(fd);
	close(copy);
	close(second);
	dispatch_until_refs(dmabuf, 5);
	while (dmabuf_refcount(dmabuf) > 1)
		dma_buf_put(dmabuf);
	dma_buf_put(dmabuf);
	assert_int_equal(dmabuf_live_buffers(), 0);
}

static void get_tells_buffers_apart(void **state)
{
	unsigned int releases = 0;
	struct dma_buf *a = memfd_export(SIZE, O_RDWR);
	struct dma_buf *b = opaque_export(&releases, SIZE, O_RDWR);
	int fd_a = fd_of(a);
	int fd_b = fd_of(b);

	(void)state;
	assert_ptr_equal(dma_buf_get(fd_b), b);
	assert_ptr_equal(dma_buf_get(fd_a), a);
	dma_buf_put(a);
	dma_buf_put(b);
	close(fd_a);
	close(fd_b);
	wait_for_live_buffers(0);
}

static void get_of_what_is_no_buffer_fails(void **state)
{
	int closed = dup(STDIN_FILENO);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)state;
	close(closed);
	assert_int_equal(PTR_ERR(dma_buf_get(-1)), -EBADF);
	assert_int_equal(PTR_ERR(dma_buf_get(AT_FDCWD)), -EBADF);
	assert_int_equal(PTR_ERR(dma_buf_get(1 << 30)), -EBADF);
	assert_true(null >= 0);
	assert_int_equal(PTR_ERR(dma_buf_get(null)), -EINVAL);
	close(null);
	assert_int_equal(PTR_ERR(dma_buf_get(null)), -EBADF);
	assert_no_warning();
}

static void get_holds_the_buffer_after_the_close(void **state)
{
	struct backing backing;
	struct dma_buf *dmabuf = backing_export(&backing, SIZE, O_RDWR);
	int fd = fd_of(dmabuf);

	(void)state;
	assert_ptr_equal(dma_buf_get(fd), dmabuf);
	close(fd);
	assert_int_equal(dispatch_until_closed(1), 1);
	assert_int_equal(backing.releases, 0);
	dma_buf_put(dmabuf);
	assert_int_equal(backing.releases, 1);
}

/* A buffer can leave all its fds behind and get new ones. */
static void new_fd_after_the_last_one_was_closed(void **state)
{
	struct dma_buf *dmabuf = memfd_export(SIZE, O_RDWR);
	int round;

	(void)state;
	for (round = 0; round < 5; round++) {
		get_dma_buf(dmabuf);
		close(fd_of(dmabuf));
		dispatch_until_refs(dmabuf, 1);
	}
	dma_buf_put(dmabuf);
	assert_int_equal(dmabuf_live_buffers(), 0);
}

/* Threads */

struct racer {
	struct dma_buf *dmabuf;
	pthread_barrier_t *barrier;
	int fd;
};

static void *first_fd(void *data)
{
	struct racer *racer = data;

	pthread_barrier_wait(racer->barrier);
	racer->fd = dma_buf_fd(racer->dmabuf, O_CLOEXEC);
	return NULL;
}

/* Both may make the handle; only one of them is kept. */
static void first_fds_from_threads_agree(void **state)
{
	enum { NR_THREADS = 4, NR_ROUNDS = 50 };
	struct racer racers[NR_THREADS];
	pthread_t threads[NR_THREADS];
	pthread_barrier_t barrier;
	unsigned int releases = 0;
	struct dma_buf *dmabuf;
	int round, i;

	(void)state;
	assert_int_equal(pthread_barrier_init(&barrier, NULL, NR_THREADS), 0);
	for (round = 0; round < NR_ROUNDS; round++) {
		dmabuf = opaque_export(&releases, SIZE, O_RDWR);
		for (i = 0; i < NR_THREADS; i++) {
			if (i)
				get_dma_buf(dmabuf);
			racers[i] = (struct racer){ dmabuf, &barrier, -1 };
		}
		for (i = 0; i < NR_THREADS; i++)
			assert_int_equal(pthread_create(&threads[i], NULL,
							first_fd, &racers[i]),
					 0);
		for (i = 0; i < NR_THREADS; i++)
			pthread_join(threads[i], NULL);
		for (i = 0; i < NR_THREADS; i++) {
			assert_ptr_equal(dma_buf_get(racers[i].fd), dmabuf);
			dma_buf_put(dmabuf);
			close(racers[i].fd);
		}
		wait_for_live_buffers(0);
	}
	assert_int_equal(releases, NR_ROUNDS);
	pthread_barrier_destroy(&barrier);
}

/* INV-REL-1, of a buffer that is known by an inode */

static void do_put(void *data)
{
	dma_buf_put(data);
}

static void still_found_by_fd(struct dma_buf *dmabuf)
{
	int fd;

	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	get_dma_buf(dmabuf);
	fd = fd_of(dmabuf);
	assert_ptr_equal(dma_buf_get(fd), dmabuf);
	dma_buf_put(dmabuf);
	close(fd);
	dispatch_until_refs(dmabuf, 1);
}

static void last_put_of_a_mapped_buffer_keeps_its_inode(void **state)
{
	struct dma_buf *dmabuf = memfd_export(SIZE, O_RDWR);
	void *vaddr;

	(void)state;
	still_found_by_fd(dmabuf);
	vaddr = dma_buf_vmap(dmabuf);
	assert_false(IS_ERR_OR_NULL(vaddr));
	assert_bug_caught(do_put, dmabuf, "BUG: dma_buf_put: ");
	still_found_by_fd(dmabuf);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	assert_int_equal(dmabuf_live_buffers(), 0);
}

static void dispatch_until_bug(void *data)
{
	(void)data;
	for (;;) {
		events_wait();
		dmabuf_dispatch();
	}
}

static void last_fd_closed_while_mapped_is_a_bug_in_dispatch(void **state)
{
	struct dma_buf *dmabuf = memfd_export(SIZE, O_RDWR);
	void *vaddr = dma_buf_vmap(dmabuf);
	int fd = fd_of(dmabuf);

	(void)state;
	assert_false(IS_ERR_OR_NULL(vaddr));
	close(fd);
	assert_bug_caught(dispatch_until_bug, NULL, "BUG: dma_buf_put: ");
	still_found_by_fd(dmabuf);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	assert_int_equal(dmabuf_live_buffers(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(fd_takes_the_reference_and_its_close_releases),
		LEAK_TEST(opaque_fd_takes_the_reference_too),
		LEAK_TEST(close_alone_releases_nothing_before_dispatch),
		LEAK_TEST(fd_of_no_buffer_is_einval),
		LEAK_TEST(only_cloexec_of_the_flags_matters),
		LEAK_TEST(fd_without_a_number_is_emfile_and_keeps_the_count),
		LEAK_TEST(lseek_tells_the_size),
		LEAK_TEST(opaque_fds_of_extreme_sizes),
		LEAK_TEST(page_backed_fd_maps_the_buffers_pages),
		LEAK_TEST(opaque_fd_refuses_memory_access),
		LEAK_TEST(opaque_memfd_has_no_pages),
		LEAK_TEST(size_cannot_be_changed),
		LEAK_TEST(read_only_fd_maps_for_reading),
		LEAK_TEST(write_only_fd_maps_not_at_all),
		LEAK_TEST(nonblock_of_the_export_stays_on_the_fd),
		LEAK_TEST(link_text_names_the_library),
		LEAK_TEST(get_gives_the_same_buffer_for_any_copy),
		LEAK_TEST(get_tells_buffers_apart),
		LEAK_TEST(get_of_what_is_no_buffer_fails),
		LEAK_TEST(get_holds_the_buffer_after_the_close),
		LEAK_TEST(new_fd_after_the_last_one_was_closed),
		LEAK_TEST(first_fds_from_threads_agree),
		LEAK_TEST(last_put_of_a_mapped_buffer_keeps_its_inode),
		LEAK_TEST(last_fd_closed_while_mapped_is_a_bug_in_dispatch),
	};

	/* A close that goes unnoticed is a failure, not a hang. */
	alarm(120);
	return cmocka_run_group_tests_name("dma_buf/handle", tests,
					   leaks_group_setup, NULL) != 0;
}
