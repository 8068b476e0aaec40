/* SPDX-License-Identifier: MIT */
/* test-pages.c - pages of memfds and of mappings */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "process.h"

#define GIB ((size_t)1 << 30)
#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

static size_t page;

/* Pages of a memfd */

static void memfd_pages_show_the_file(void **state)
{
	int fd = memfd_make("pages", 4 * page, 0);
	struct dmabuf_pages pages;
	char byte;

	(void)state;
	assert_int_equal(pwrite(fd, "x", 1, (off_t)(2 * page)), 1);
	assert_int_equal(dmabuf_pages_init_memfd(&pages, fd, (off_t)page,
						 3 * page), 0);
	assert_true(pages.size == 3 * page);
	assert_int_equal(*(char *)page_address(dmabuf_pages_nth(&pages, 1)),
			 'x');
	memset(page_address(dmabuf_pages_nth(&pages, 2)), 'y', 1);
	assert_int_equal(pread(fd, &byte, 1, (off_t)(3 * page)), 1);
	assert_int_equal(byte, 'y');
	dmabuf_pages_fini(&pages);
	close(fd);
}

static void memfd_pages_need_no_fd_afterwards(void **state)
{
	int fd = memfd_make("pages", page, 0);
	struct dmabuf_pages pages;
	void *addr;

	(void)state;
	assert_int_equal(dmabuf_pages_init_memfd(&pages, fd, 0, page), 0);
	assert_true(pages.writable);
	close(fd);
	addr = page_address(dmabuf_pages_nth(&pages, 0));
	memset(addr, 1, page);
	dmabuf_pages_fini(&pages);
	assert_false(addr_is_mapped(addr));
	assert_null(dmabuf_pages_nth(&pages, 0));
	dmabuf_pages_fini(&pages);
}

static void memfd_size_is_rounded_up(void **state)
{
	int fd = memfd_make("pages", page + 1, 0);
	struct dmabuf_pages pages;

	(void)state;
	assert_int_equal(dmabuf_pages_init_memfd(&pages, fd, 0, page + 1), 0);
	assert_true(pages.size == 2 * page);
	dmabuf_pages_fini(&pages);
	close(fd);
}

static void memfd_range_outside_the_file_is_einval(void **state)
{
	struct dmabuf_pages pages = { 0 };
	int fd = memfd_make("pages", 2 * page, 0);
	const struct {
		off_t offset;
		size_t size;
	} bad[] = {
		{ 0, 0 },		  /* empty */
		{ 0, 2 * page + 1 },	  /* past the end */
		{ (off_t)page, 2 * page },
		{ (off_t)(2 * page), 1 },
		{ 1, page },		  /* inside a page */
		{ -(off_t)page, page },
		{ 0, SIZE_MAX },	  /* overflow */
		{ (off_t)page, SIZE_MAX - page + 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(bad); i++)
		assert_int_equal(dmabuf_pages_init_memfd(&pages, fd,
							 bad[i].offset,
							 bad[i].size),
				 -EINVAL);
	assert_null(pages.addr);
	close(fd);
}

static void memfd_errors_of_mmap_come_back(void **state)
{
	struct dmabuf_pages pages = { 0 };
	int fd = memfd_make("pages", page, 0), wronly = fd_reopen(fd, O_WRONLY);

	(void)state;
	assert_int_equal(dmabuf_pages_init_memfd(&pages, -1, 0, page), -EBADF);
	assert_int_equal(dmabuf_pages_init_memfd(&pages, wronly, 0, page),
			 -EACCES);
	assert_null(pages.addr);
	close(wronly);
	close(fd);
}

/* Neither signal nor guess: the kernel refuses to make the pages writable. */
static void assert_read_only(int fd)
{
	struct dmabuf_pages pages;

	assert_int_equal(dmabuf_pages_init_memfd(&pages, fd, 0, page), 0);
	assert_int_equal(*(char *)page_address(dmabuf_pages_nth(&pages, 0)),
			 'r');
	assert_false(pages.writable);
	assert_int_equal(mprotect(pages.addr, page, PROT_READ | PROT_WRITE),
			 -1);
	assert_int_equal(errno, EACCES);
	dmabuf_pages_fini(&pages);
}

static void memfd_opened_read_only_gives_read_only_pages(void **state)
{
	int fd = memfd_make("pages", page, 0), rdonly = fd_reopen(fd, O_RDONLY);

	(void)state;
	assert_int_equal(pwrite(fd, "r", 1, 0), 1);
	assert_read_only(rdonly);
	close(rdonly);
	close(fd);
}

static void memfd_sealed_against_writing_gives_read_only_pages(void **state)
{
	const int seals[] = { F_SEAL_WRITE, F_SEAL_FUTURE_WRITE };
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(seals); i++) {
		fd = memfd_make("pages", page, 0);
		assert_int_equal(pwrite(fd, "r", 1, 0), 1);
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals[i]), 0);
		assert_read_only(fd);
		close(fd);
	}
}

/* A part of a huge page maps, and unmaps, as the whole one. */
static void memfd_of_huge_pages_is_rounded_to_these(void **state)
{
	int fd = memfd_create("dmabuf:huge", MFD_HUGETLB);
	struct dmabuf_pages pages = { 0 };
	size_t huge;
	void *addr;
	int ret;

	(void)state;
	if (fd < 0) {
		print_message("no huge pages here: memfd_create: %s\n",
			      strerror(errno));
		skip();
	}
	for (huge = page; ftruncate(fd, (off_t)huge); huge *= 2)
		assert_true(huge < GIB);
	assert_int_equal(dmabuf_pages_init_memfd(&pages, fd, (off_t)page, page),
			 -EINVAL);
	ret = dmabuf_pages_init_memfd(&pages, fd, 0, page);
	if (ret == -ENOMEM) {
		print_message("no huge pages reserved\n");
		close(fd);
		skip();
	}
	assert_int_equal(ret, 0);
	assert_true(pages.size == huge);
	addr = pages.addr;
	dmabuf_pages_fini(&pages);
	assert_false(addr_is_mapped(addr));
	close(fd);
}

/* Pages of a mapping */

static void mapping_pages_leave_the_mapping_alone(void **state)
{
	char *addr = anon_map(2 * page);
	struct dmabuf_pages pages;

	(void)state;
	assert_int_equal(dmabuf_pages_init_mapping(&pages, addr, page + 1), 0);
	assert_true(pages.size == 2 * page);
	assert_true(pages.writable);
	assert_ptr_equal(page_address(dmabuf_pages_nth(&pages, 0)), addr);
	assert_ptr_equal(page_address(dmabuf_pages_nth(&pages, 1)),
			 addr + page);
	assert_null(dmabuf_pages_nth(&pages, 2));
	assert_null(dmabuf_pages_nth(&pages, SIZE_MAX));
	dmabuf_pages_fini(&pages);
	assert_true(addr_is_mapped(addr));
	munmap(addr, 2 * page);
}

static void mapping_that_is_none_is_einval(void **state)
{
	struct dmabuf_pages pages = { 0 };
	char *addr = anon_map(page);

	(void)state;
	assert_int_equal(dmabuf_pages_init_mapping(&pages, addr, 0), -EINVAL);
	assert_int_equal(dmabuf_pages_init_mapping(&pages, addr + 1, page),
			 -EINVAL);
	assert_int_equal(dmabuf_pages_init_mapping(&pages, NULL, page),
			 -EINVAL);
	assert_int_equal(dmabuf_pages_init_mapping(&pages, addr, SIZE_MAX),
			 -EINVAL);
	assert_int_equal(dmabuf_pages_init_mapping(&pages, addr,
						   SIZE_MAX - page + 1),
			 -EINVAL);
	assert_null(pages.addr);
	munmap(addr, page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memfd_pages_show_the_file),
		cmocka_unit_test(memfd_pages_need_no_fd_afterwards),
		cmocka_unit_test(memfd_size_is_rounded_up),
		cmocka_unit_test(memfd_range_outside_the_file_is_einval),
		cmocka_unit_test(memfd_errors_of_mmap_come_back),
		cmocka_unit_test(memfd_opened_read_only_gives_read_only_pages),
		cmocka_unit_test(
			memfd_sealed_against_writing_gives_read_only_pages),
		cmocka_unit_test(memfd_of_huge_pages_is_rounded_to_these),
		cmocka_unit_test(mapping_pages_leave_the_mapping_alone),
		cmocka_unit_test(mapping_that_is_none_is_einval),
	};

	page = (size_t)sysconf(_SC_PAGESIZE);
	return cmocka_run_group_tests_name("memory/pages", tests, NULL,
					   NULL) != 0;
}
