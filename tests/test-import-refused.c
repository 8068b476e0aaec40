/* SPDX-License-Identifier: MIT */
/* test-import-refused.c - fds of others: which are taken, which are not */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "process.h"
#include "warns.h"

#define SIZE ((size_t)16384)
#define SEALS_OURS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* Both ways in refuse @fd, which is closed; nothing is made of it. */
static void refused(int fd, int get_error, int import_error)
{
	struct dma_buf *untouched = (struct dma_buf *)(uintptr_t)1;
	struct dma_buf *dmabuf = untouched;
	unsigned int live = dmabuf_live_buffers();

	assert_int_equal(PTR_ERR(dma_buf_get(fd)), get_error);
	assert_int_equal(dmabuf_memfd_import(fd, &dmabuf), import_error);
	assert_ptr_equal(dmabuf, untouched);
	assert_int_equal(dmabuf_live_buffers(), live);
	assert_no_warning();
	if (fd >= 0)
		close(fd);
}

static void closed_numbers_are_ebadf(void **state)
{
	int fd = dup(STDIN_FILENO);

	(void)state;
	close(fd);
	refused(fd, -EBADF, -EBADF);
	refused(-1, -EBADF, -EBADF);
	refused(AT_FDCWD, -EBADF, -EBADF);
	refused(INT32_MIN, -EBADF, -EBADF);
}

static void pipe_is_einval(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	refused(fds[0], -EINVAL, -EINVAL);
	refused(fds[1], -EINVAL, -EINVAL);
}

static void socket_is_einval(void **state)
{
	(void)state;
	refused(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), -EINVAL,
		-EINVAL);
}

static void eventfd_is_einval(void **state)
{
	(void)state;
	refused(eventfd(0, EFD_CLOEXEC), -EINVAL, -EINVAL);
}

static void device_node_is_einval(void **state)
{
	(void)state;
	refused(open("/dev/null", O_RDWR | O_CLOEXEC), -EINVAL, -EINVAL);
}

static void directory_is_einval(void **state)
{
	(void)state;
	refused(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), -EINVAL,
		-EINVAL);
}

static void event_fd_of_the_library_is_einval(void **state)
{
	(void)state;
	refused(dup(dmabuf_event_fd()), -EINVAL, -EINVAL);
}

static void ordinary_file_is_refused(void **state)
{
	char path[] = "/tmp/dmabuf-test-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	assert_int_equal(ftruncate(fd, 100), 0);
	/* /tmp may be a tmpfs, whose files have seals, but cannot get any. */
	if (fcntl(fd, F_GET_SEALS) < 0)
		refused(fd, -EINVAL, -EINVAL);
	else
		refused(fd, -EINVAL, -EPERM);
}

/* A number without a file behind it, as far as the kernel's fget() goes. */
static void path_fd_is_ebadf(void **state)
{
	int memfd = memfd_make("dmabuf:x", SIZE, SEALS_OURS);

	(void)state;
	refused(fd_reopen(memfd, O_PATH), -EBADF, -EBADF);
	refused(open("/", O_PATH | O_CLOEXEC), -EBADF, -EBADF);
	close(memfd);
}

/* Who the buffer is, is a matter of the inode; even this fd names it. */
static void path_fd_of_a_live_buffer_names_it(void **state)
{
	struct backing backing;
	struct dma_buf *dmabuf = backing_export(&backing, SIZE, O_RDWR);
	int fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	int path = fd_reopen(fd, O_PATH);

	(void)state;
	assert_ptr_equal(dma_buf_get(path), dmabuf);
	dma_buf_put(dmabuf);
	close(path);
	assert_int_equal(dmabuf_dispatch(), 0);
	close(fd);
	wait_for_live_buffers(0);
}

static void unsealed_memfd_is_refused(void **state)
{
	(void)state;
	refused(memfd_make("other", SIZE, -1), -EINVAL, -EPERM);
	refused(memfd_make("other", SIZE, 0), -EINVAL, -EPERM);
	refused(memfd_make("other", SIZE, F_SEAL_GROW | F_SEAL_SEAL), -EINVAL,
		-EPERM);
}

static void memfd_with_our_name_but_not_sealed_is_refused(void **state)
{
	(void)state;
	refused(memfd_make("dmabuf:evil", SIZE, 0), -EINVAL, -EPERM);
	refused(memfd_make("dmabuf:evil", SIZE,
			   F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_WRITE), -EINVAL,
		-EPERM);
}

static void empty_memfd_is_einval(void **state)
{
	(void)state;
	refused(memfd_make("other", 0, F_SEAL_SHRINK), -EINVAL, -EINVAL);
}

/* The origin may export buffers of no size; there is nothing to import. */
static void empty_memfd_with_our_name(void **state)
{
	int fd = memfd_make("dmabuf:empty", 0, SEALS_OURS);
	struct dma_buf *dmabuf = dma_buf_get(fd);
	struct dma_buf *none;

	(void)state;
	assert_int_equal(dmabuf_memfd_import(fd, &none), -EINVAL);
	close(fd);
	if (IS_ERR(dmabuf)) {
		assert_int_equal(PTR_ERR(dmabuf), -EINVAL);
		return;
	}
	assert_int_equal(dmabuf->size, 0);
	assert_true(IS_ERR(dma_buf_vmap(dmabuf)));
	dma_buf_put(dmabuf);
}

static void sealed_memfd_with_another_name_is_for_memfd_import_only(void **state)
{
	int fd = memfd_make("other", SIZE, SEALS_OURS);
	struct dma_buf *dmabuf;

	(void)state;
	assert_int_equal(PTR_ERR(dma_buf_get(fd)), -EINVAL);
	assert_int_equal(dmabuf_memfd_import(fd, &dmabuf), 0);
	assert_int_equal(dmabuf->size, SIZE);
	/* Once it is a buffer here, the fd is one of its fds. */
	assert_ptr_equal(dma_buf_get(fd), dmabuf);
	dma_buf_put(dmabuf);
	dma_buf_put(dmabuf);
	assert_int_equal(PTR_ERR(dma_buf_get(fd)), -EINVAL);
	close(fd);
}

/* Nor does a name that only contains ours, or a file of that name. */
static void name_must_be_that_of_a_memfd(void **state)
{
	int fd = memfd_make("x/memfd:dmabuf:y", SIZE, SEALS_OURS);

	(void)state;
	assert_int_equal(PTR_ERR(dma_buf_get(fd)), -EINVAL);
	close(fd);
	fd = memfd_make("dmabuf", SIZE, SEALS_OURS);
	assert_int_equal(PTR_ERR(dma_buf_get(fd)), -EINVAL);
	close(fd);
}

static void huge_memfd_without_a_write_seal_is_refused(void **state)
{
	size_t huge = huge_pages_need(1);

	(void)state;
	if (!huge)
		skip();
	refused(huge_memfd_make("other", huge, F_SEAL_SHRINK), -EINVAL, -EPERM);
	refused(huge_memfd_make("dmabuf:x", huge, SEALS_OURS), -EINVAL, -EPERM);
	huge_pages_done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(closed_numbers_are_ebadf),
		LEAK_TEST(pipe_is_einval),
		LEAK_TEST(socket_is_einval),
		LEAK_TEST(eventfd_is_einval),
		LEAK_TEST(device_node_is_einval),
		LEAK_TEST(directory_is_einval),
		LEAK_TEST(event_fd_of_the_library_is_einval),
		LEAK_TEST(ordinary_file_is_refused),
		LEAK_TEST(path_fd_is_ebadf),
		LEAK_TEST(path_fd_of_a_live_buffer_names_it),
		LEAK_TEST(unsealed_memfd_is_refused),
		LEAK_TEST(memfd_with_our_name_but_not_sealed_is_refused),
		LEAK_TEST(empty_memfd_is_einval),
		LEAK_TEST(empty_memfd_with_our_name),
		LEAK_TEST(sealed_memfd_with_another_name_is_for_memfd_import_only),
		LEAK_TEST(name_must_be_that_of_a_memfd),
		LEAK_TEST(huge_memfd_without_a_write_seal_is_refused),
	};

	alarm(120);
	return cmocka_run_group_tests_name("dma_buf/import/refused", tests,
					   leaks_group_setup, NULL) != 0;
}
