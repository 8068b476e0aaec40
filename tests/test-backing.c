/* SPDX-License-Identifier: MIT */
/* test-backing.c - the backing_fd op, and what it may return */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "assert-bug.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "process.h"
#include "sanitized.h"

#define SIZE ((size_t)16384)

static void backing_fd_is_asked_once(void **state)
{
	struct backing backing;
	struct dma_buf *dmabuf = backing_export(&backing, SIZE, O_RDWR);
	int a, b;

	(void)state;
	assert_int_equal(backing.asked, 0);
	get_dma_buf(dmabuf);
	a = fd_of(dmabuf);
	b = fd_of(dmabuf);
	assert_int_equal(backing.asked, 1);
	close(a);
	close(b);
	wait_for_live_buffers(0);
}

static void backing_fd_error_is_the_answer(void **state)
{
	struct backing backing;
	struct dma_buf *dmabuf;

	(void)state;
	dmabuf = backing_export_fd(&backing, SIZE, O_RDWR, -ENOSPC);
	assert_int_equal(dma_buf_fd(dmabuf, 0), -ENOSPC);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	assert_int_equal(backing.releases, 0);
	/* It may do better next time. */
	backing.fd = backing.close_fd = memfd_make("dmabuf:late", SIZE, 0);
	close(fd_of(dmabuf));
	wait_for_live_buffers(0);
	assert_int_equal(backing.asked, 2);
	assert_int_equal(backing.releases, 1);
}

static void bad_backing_check(int fd, size_t size, int error)
{
	struct backing backing;
	struct dma_buf *dmabuf = backing_export_fd(&backing, size, O_RDWR, fd);

	assert_int_equal(dma_buf_fd(dmabuf, O_CLOEXEC), error);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	dma_buf_put(dmabuf);
	assert_int_equal(backing.releases, 1);
	close(fd);
}

static void backing_fd_that_is_no_memfd_is_einval(void **state)
{
	int pipes[2];

	(void)state;
	bad_backing_check(open("/dev/null", O_RDWR | O_CLOEXEC), SIZE, -EINVAL);
	bad_backing_check(open("/", O_PATH | O_CLOEXEC), SIZE, -EINVAL);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	close(pipes[1]);
	bad_backing_check(pipes[0], SIZE, -EINVAL);
	bad_backing_check(1 << 30, SIZE, -EINVAL);
}

static void backing_fd_of_another_size_is_einval(void **state)
{
	(void)state;
	bad_backing_check(memfd_make("dmabuf:x", 0, 0), SIZE, -EINVAL);
	bad_backing_check(memfd_make("dmabuf:x", SIZE - 1, 0), SIZE, -EINVAL);
	bad_backing_check(memfd_make("dmabuf:x", SIZE - 4096, 0), SIZE,
			  -EINVAL);
	bad_backing_check(memfd_make("dmabuf:x", SIZE + 1, 0), SIZE, -EINVAL);
	bad_backing_check(memfd_make("dmabuf:x", SIZE + 4096, 0), SIZE,
			  -EINVAL);
	bad_backing_check(memfd_make("dmabuf:x", SIZE, 0), SIZE_MAX, -EINVAL);
}

/* Refused means left as it was. */
static void backing_fd_of_another_size_is_not_sealed(void **state)
{
	int fd = memfd_make("dmabuf:x", SIZE * 2, 0);
	struct backing backing;
	struct dma_buf *dmabuf = backing_export_fd(&backing, SIZE, O_RDWR, fd);

	(void)state;
	assert_int_equal(dma_buf_fd(dmabuf, O_CLOEXEC), -EINVAL);
	assert_int_equal(fcntl(fd, F_GET_SEALS), 0);
	dma_buf_put(dmabuf);
	close(fd);
}

static void backing_fd_that_cannot_be_sealed_is_eperm(void **state)
{
	(void)state;
	bad_backing_check(memfd_make("dmabuf:x", SIZE, -1), SIZE, -EPERM);
	bad_backing_check(memfd_make("dmabuf:x", SIZE, F_SEAL_SEAL), SIZE,
			  -EPERM);
	bad_backing_check(memfd_make("dmabuf:x", SIZE,
				     F_SEAL_SEAL | F_SEAL_SHRINK), SIZE,
			  -EPERM);
}

static void backing_fd_may_be_sealed_already(void **state)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int fd = memfd_make("dmabuf:x", SIZE, seals);
	struct backing backing;

	(void)state;
	close(fd_of(backing_export_fd(&backing, SIZE, O_RDWR, fd)));
	wait_for_live_buffers(0);
	assert_int_equal(backing.releases, 1);
	close(fd);
}

static void backing_file_may_end_with_the_buffer_or_its_page(void **state)
{
	static const size_t file_sizes[] = { 5000, 5001, 8192 };
	struct backing backing;
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < sizeof(file_sizes) / sizeof(file_sizes[0]); i++) {
		fd = memfd_make("dmabuf:x", file_sizes[i], 0);
		close(fd_of(backing_export_fd(&backing, 5000, O_RDWR, fd)));
		wait_for_live_buffers(0);
		close(fd);
	}
}

static void second_buffer_on_an_inode_gets_no_fd(void **state)
{
	int fd = memfd_make("dmabuf:x", SIZE, 0);
	struct backing first, second;
	struct dma_buf *a = backing_export_fd(&first, SIZE, O_RDWR, fd);
	struct dma_buf *b = backing_export_fd(&second, SIZE, O_RDWR, fd);
	int fd_a = fd_of(a);

	(void)state;
	assert_int_equal(dma_buf_fd(b, O_CLOEXEC), -EBUSY);
	assert_int_equal(dmabuf_refcount(b), 1);
	assert_ptr_equal(dma_buf_get(fd_a), a);
	dma_buf_put(a);
	close(fd_a);
	wait_for_live_buffers(1);
	/* The inode is free again. */
	fd_a = fd_of(b);
	assert_ptr_equal(dma_buf_get(fd_a), b);
	dma_buf_put(b);
	close(fd_a);
	wait_for_live_buffers(0);
	assert_int_equal(second.releases, 1);
	close(fd);
}

/* A backing_fd op that hands out the buffer's first fd itself */

static int first_fd_of_op;

static void fd_in_backing_fd(struct mock *mock, enum mock_op op,
			     struct dma_buf_attachment *attach)
{
	(void)attach;
	if (op != MOCK_OP_BACKING_FD || first_fd_of_op >= 0)
		return;
	mock->hook = NULL;
	get_dma_buf(mock->dmabuf);
	first_fd_of_op = fd_of(mock->dmabuf);
}

static struct dma_buf *mock_with_fd_in_backing_fd(struct mock *mock)
{
	first_fd_of_op = -1;
	mock_init(mock, SIZE, MOCK_PAGES);
	mock->hook = fd_in_backing_fd;
	return mock_export_inited(mock);
}

static void first_fd_made_in_the_backing_fd_op_is_not_the_last(void **state)
{
	static struct mock mock;
	struct dma_buf *dmabuf = mock_with_fd_in_backing_fd(&mock);
	int fd;

	(void)state;
	get_dma_buf(dmabuf);
	fd = fd_of(dmabuf);
	assert_true(first_fd_of_op >= 0);
	assert_int_equal(dmabuf_refcount(dmabuf), 3);
	assert_ptr_equal(dma_buf_get(fd), dmabuf);
	dma_buf_put(dmabuf);
	close(first_fd_of_op);
	close(fd);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
	assert_log(&mock, "backing_fd backing_fd release");
}

static void mapping_beside_an_fd_of_the_backing_fd_op_holds(void **state)
{
	static struct mock mock;
	struct dma_buf *dmabuf = mock_with_fd_in_backing_fd(&mock);
	void *vaddr = dma_buf_mmap(dmabuf, SIZE, PROT_READ, MAP_SHARED, 0);

	(void)state;
	assert_false(IS_ERR(vaddr));
	assert_int_equal(dmabuf_refcount(dmabuf), 3);
	close(first_fd_of_op);
	dispatch_until_refs(dmabuf, 2);
	munmap(vaddr, SIZE);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
	assert_log(&mock, "backing_fd backing_fd mmap release");
}

/* A BUG in the op: there is no handle yet, and the next try makes one. */

static void break_in_backing_fd(struct mock *mock, enum mock_op op,
				struct dma_buf_attachment *attach)
{
	(void)attach;
	if (op == MOCK_OP_BACKING_FD)
		dma_buf_vunmap(mock->dmabuf, mock->addr);
}

static void do_fd(void *data)
{
	dma_buf_fd(data, O_CLOEXEC);
}

static void bug_in_the_backing_fd_op_leaves_nothing(void **state)
{
	static struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, MOCK_PAGES);

	(void)state;
	mock.hook = break_in_backing_fd;
	assert_bug_caught(do_fd, dmabuf, "BUG: dma_buf_vunmap: ");
	mock.hook = NULL;
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	assert_false(memory_leaked());
	close(fd_of(dmabuf));
	wait_for_live_buffers(0);
	assert_log(&mock, "backing_fd backing_fd release");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(backing_fd_is_asked_once),
		LEAK_TEST(backing_fd_error_is_the_answer),
		LEAK_TEST(backing_fd_that_is_no_memfd_is_einval),
		LEAK_TEST(backing_fd_of_another_size_is_einval),
		LEAK_TEST(backing_fd_of_another_size_is_not_sealed),
		LEAK_TEST(backing_fd_that_cannot_be_sealed_is_eperm),
		LEAK_TEST(backing_fd_may_be_sealed_already),
		LEAK_TEST(backing_file_may_end_with_the_buffer_or_its_page),
		LEAK_TEST(second_buffer_on_an_inode_gets_no_fd),
		LEAK_TEST(first_fd_made_in_the_backing_fd_op_is_not_the_last),
		LEAK_TEST(mapping_beside_an_fd_of_the_backing_fd_op_holds),
		LEAK_TEST(bug_in_the_backing_fd_op_leaves_nothing),
	};

	/* A close that goes unnoticed is a failure, not a hang. */
	alarm(120);
	return cmocka_run_group_tests_name("dma_buf/backing", tests,
					   leaks_group_setup, NULL) != 0;
}
