/* SPDX-License-Identifier: MIT */
/* test-byte.c - the byte of the file that an fd locks: others may come first */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "inject.h"
#include "leaks.h"
#include "process.h"

#define SIZE ((size_t)16384)
#define TRIES 16

static void taken_check(unsigned int taken, unsigned int tries, bool works)
{
	struct dma_buf *dmabuf = memfd_export(SIZE, O_RDWR);
	unsigned int tried;
	int fd;

	get_dma_buf(dmabuf);
	inject_taken_bytes(taken);
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	tried = inject_taken_tries();
	if (!works) {
		assert_int_equal(fd, -EAGAIN);
		assert_int_equal(dmabuf_refcount(dmabuf), 2);
		fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	}
	assert_true(fd >= 0);
	assert_int_equal(tried, tries);
	assert_ptr_equal(dma_buf_get(fd), dmabuf);
	dma_buf_put(dmabuf);
	close(fd);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

static void taken_byte_is_passed_over(void **state)
{
	(void)state;
	taken_check(1, 2, true);
	taken_check(TRIES - 1, TRIES, true);
}

/* INV-D-12 */
static void bytes_that_are_all_taken_are_eagain(void **state)
{
	(void)state;
	taken_check(TRIES, TRIES, false);
	taken_check(10 * TRIES, TRIES, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(taken_byte_is_passed_over),
		LEAK_TEST(bytes_that_are_all_taken_are_eagain),
	};

	/* A close that goes unnoticed is a failure, not a hang. */
	alarm(100);
	return cmocka_run_group_tests_name("dma_buf/byte", tests,
					   leaks_group_setup, NULL) != 0;
}
