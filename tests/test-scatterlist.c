/* SPDX-License-Identifier: MIT */
/* test-scatterlist.c - pages, and tables over them */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#define GIB ((size_t)1 << 30)
#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

static size_t page;

static int memfd_new(size_t size, unsigned int flags)
{
	int fd = memfd_create("dmabuf:test", flags | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

/* The same file, opened once more. */
static int reopen(int fd, int flags)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags | O_CLOEXEC);
	assert_true(again >= 0);
	return again;
}

static void *anon_new(size_t size)
{
	void *addr = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(addr, MAP_FAILED);
	return addr;
}

static bool is_mapped(void *addr)
{
	unsigned char present;

	return mincore(addr, 1, &present) == 0;
}

static void table_is_empty(const struct sg_table *table)
{
	assert_null(table->sgl);
	assert_int_equal(table->nents, 0);
	assert_int_equal(table->orig_nents, 0);
}

/* Pages of a memfd */

static void memfd_pages_show_the_file(void **state)
{
	int fd = memfd_new(4 * page, 0);
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
	int fd = memfd_new(page, 0);
	struct dmabuf_pages pages;
	void *addr;

	(void)state;
	assert_int_equal(dmabuf_pages_init_memfd(&pages, fd, 0, page), 0);
	assert_true(pages.writable);
	close(fd);
	addr = page_address(dmabuf_pages_nth(&pages, 0));
	memset(addr, 1, page);
	dmabuf_pages_fini(&pages);
	assert_false(is_mapped(addr));
	assert_null(dmabuf_pages_nth(&pages, 0));
	dmabuf_pages_fini(&pages);
}

static void memfd_size_is_rounded_up(void **state)
{
	int fd = memfd_new(page + 1, 0);
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
	int fd = memfd_new(2 * page, 0);
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
	int fd = memfd_new(page, 0), wronly = reopen(fd, O_WRONLY);

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
	int fd = memfd_new(page, 0), rdonly = reopen(fd, O_RDONLY);

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
		fd = memfd_new(page, 0);
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
	assert_false(is_mapped(addr));
	close(fd);
}

/* Pages of a mapping */

static void mapping_pages_leave_the_mapping_alone(void **state)
{
	char *addr = anon_new(2 * page);
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
	assert_true(is_mapped(addr));
	munmap(addr, 2 * page);
}

static void mapping_that_is_none_is_einval(void **state)
{
	struct dmabuf_pages pages = { 0 };
	char *addr = anon_new(page);

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

/* Tables over a whole run */

static void contiguous_pages_are_one_entry_whatever_the_size(void **state)
{
	int fd = memfd_new(5 * GIB, 0);
	struct dmabuf_pages pages;
	struct sg_table table;

	(void)state;
	assert_int_equal(dmabuf_pages_init_memfd(&pages, fd, 0, 5 * GIB), 0);
	assert_int_equal(dmabuf_pages_sg_table(&pages, UINT_MAX, &table), 0);
	assert_int_equal(table.orig_nents, 1);
	assert_true(table.sgl->length == 5 * GIB);
	assert_true(table.sgl->last);
	assert_ptr_equal(sg_page(table.sgl), dmabuf_pages_nth(&pages, 0));
	sg_free_table(&table);
	dmabuf_pages_fini(&pages);
	close(fd);
}

/* Checks the entries of a table over @pages, cut into @segment bytes. */
static void assert_cut(const struct dmabuf_pages *pages, size_t segment,
		       struct sg_table *table)
{
	size_t done = 0, left;
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_sg(table, sg, i) {
		left = pages->size - done;
		assert_true(sg->length == (left < segment ? left : segment));
		assert_int_equal(sg->offset, 0);
		assert_ptr_equal(sg_virt(sg), (char *)pages->addr + done);
		assert_int_equal(sg->last, i + 1 == table->orig_nents);
		done += sg->length;
	}
	assert_true(done == pages->size);
	assert_null(sg);
}

static void limit_cuts_at_whole_pages(void **state)
{
	const struct {
		unsigned int limit, entries;
		size_t segment;
	} cases[] = {
		{ (unsigned int)page, 7, page },
		{ (unsigned int)page + 1, 7, page },
		{ (unsigned int)(3 * page), 3, 3 * page },
		{ (unsigned int)(4 * page) - 1, 3, 3 * page },
		{ (unsigned int)(7 * page), 1, 7 * page },
		{ UINT_MAX - 1, 1, 7 * page },
	};
	char *addr = anon_new(7 * page);
	struct dmabuf_pages pages;
	struct sg_table table;
	size_t i;

	(void)state;
	assert_int_equal(dmabuf_pages_init_mapping(&pages, addr, 7 * page), 0);
	for (i = 0; i < NR_ELEMENTS(cases); i++) {
		assert_int_equal(dmabuf_pages_sg_table(&pages, cases[i].limit,
						       &table), 0);
		assert_int_equal(table.orig_nents, cases[i].entries);
		assert_int_equal(table.nents, cases[i].entries);
		assert_cut(&pages, cases[i].segment, &table);
		sg_free_table(&table);
	}
	munmap(addr, 7 * page);
}

static void more_than_the_limit_of_4_gib_is_cut(void **state)
{
	int fd = memfd_new(5 * GIB, 0);
	struct dmabuf_pages pages;
	struct sg_table table;

	(void)state;
	assert_int_equal(dmabuf_pages_init_memfd(&pages, fd, 0, 5 * GIB), 0);
	assert_int_equal(dmabuf_pages_sg_table(&pages, UINT_MAX - 1, &table),
			 0);
	assert_int_equal(table.orig_nents, 2);
	assert_cut(&pages, 4 * GIB - page, &table);
	sg_free_table(&table);
	dmabuf_pages_fini(&pages);
	close(fd);
}

static void limit_below_a_page_or_no_pages_is_einval(void **state)
{
	struct sg_table table = { (void *)1, 1, 1 };
	char *addr = anon_new(page);
	struct dmabuf_pages pages;

	(void)state;
	assert_int_equal(dmabuf_pages_init_mapping(&pages, addr, page), 0);
	assert_int_equal(dmabuf_pages_sg_table(&pages, (unsigned int)page - 1,
					       &table), -EINVAL);
	table_is_empty(&table);
	assert_int_equal(dmabuf_pages_sg_table(&pages, 0, &table), -EINVAL);
	dmabuf_pages_fini(&pages);
	assert_int_equal(dmabuf_pages_sg_table(&pages, UINT_MAX, &table),
			 -EINVAL);
	table_is_empty(&table);
	munmap(addr, page);
}

static void more_entries_than_can_be_counted_is_enomem(void **state)
{
	struct dmabuf_pages pages;
	struct sg_table table;

	(void)state;
	/* never touched, so it need not exist */
	assert_int_equal(dmabuf_pages_init_mapping(&pages, (void *)page,
						   SIZE_MAX / 2), 0);
	assert_int_equal(dmabuf_pages_sg_table(&pages, (unsigned int)page,
					       &table), -ENOMEM);
	table_is_empty(&table);
	dmabuf_pages_fini(&pages);
}

/* Tables over an array of pages */

struct expected {
	size_t first, offset, length;
};

static void assert_entries(struct sg_table *table,
			   const struct dmabuf_pages *pages,
			   const struct expected *expected, unsigned int nr)
{
	struct scatterlist *sg;
	unsigned int i;

	assert_int_equal(table->orig_nents, nr);
	for_each_sgtable_sg(table, sg, i) {
		assert_ptr_equal(sg_page(sg),
				 dmabuf_pages_nth(pages, expected[i].first));
		assert_true(sg->offset == expected[i].offset);
		assert_true(sg->length == expected[i].length);
	}
}

#define NR_PAGES 8

struct fixture {
	struct dmabuf_pages pages;
	struct page *array[NR_PAGES];
};

static int pages_setup(void **state)
{
	static struct fixture f;
	size_t i;

	if (dmabuf_pages_init_mapping(&f.pages, anon_new(NR_PAGES * page),
				      NR_PAGES * page))
		return -1;
	for (i = 0; i < NR_PAGES; i++)
		f.array[i] = dmabuf_pages_nth(&f.pages, i);
	*state = &f;
	return 0;
}

static int pages_teardown(void **state)
{
	struct fixture *f = *state;

	munmap(f->pages.addr, f->pages.size);
	dmabuf_pages_fini(&f->pages);
	return 0;
}

static void neighbours_are_joined(void **state)
{
	struct fixture *f = *state;
	struct page *array[] = { f->array[0], f->array[1], f->array[4],
				 f->array[5], f->array[6], f->array[3],
				 f->array[3] };
	const struct expected expected[] = {
		{ 0, 0, 2 * page },
		{ 4, 0, 3 * page },
		{ 3, 0, page },
		{ 3, 0, page },
	};
	struct sg_table table;

	assert_int_equal(sg_alloc_table_from_pages(&table, array, 7, 0,
						   7 * page, GFP_KERNEL), 0);
	assert_entries(&table, &f->pages, expected, 4);
	sg_free_table(&table);
	table_is_empty(&table);
}

static void offset_and_tail_are_in_the_first_and_last_entry(void **state)
{
	struct fixture *f = *state;
	struct page *array[] = { f->array[2], f->array[0], f->array[1] };
	const struct expected expected[] = {
		{ 2, 100, page - 100 },
		{ 0, 0, page + 7 },
	};
	struct sg_table table;

	assert_int_equal(sg_alloc_table_from_pages(&table, array, 3, 100,
						   2 * page - 100 + 7,
						   GFP_KERNEL), 0);
	assert_entries(&table, &f->pages, expected, 2);
	assert_ptr_equal(sg_virt(table.sgl),
			 (char *)page_address(f->array[2]) + 100);
	sg_free_table(&table);
}

static void data_inside_one_page_is_one_entry(void **state)
{
	struct fixture *f = *state;
	const struct expected expected[] = { { 0, page - 1, 1 } };
	struct sg_table table;

	assert_int_equal(sg_alloc_table_from_pages(&table, f->array, 1,
						   (unsigned int)page - 1, 1,
						   GFP_KERNEL), 0);
	assert_entries(&table, &f->pages, expected, 1);
	sg_free_table(&table);
}

static void pages_behind_the_data_are_left_out(void **state)
{
	struct fixture *f = *state;
	struct page *array[] = { f->array[0], f->array[4], f->array[6] };
	const struct expected expected[] = { { 0, 0, page } };
	struct sg_table table;

	assert_int_equal(sg_alloc_table_from_pages(&table, array, 3, 0, page,
						   GFP_KERNEL), 0);
	assert_entries(&table, &f->pages, expected, 1);
	sg_free_table(&table);
}

static void longest_entry_cuts_between_pages(void **state)
{
	struct fixture *f = *state;
	const struct expected expected[] = {
		{ 0, 10, 3 * page - 10 },
		{ 3, 0, 3 * page },
		{ 6, 0, page + 1 },
	};
	struct sg_table table;
	unsigned int limit;

	for (limit = 0; limit < page; limit += (unsigned int)page - 1) {
		assert_int_equal(sg_alloc_table_from_pages_segment(
					 &table, f->array, NR_PAGES, 10,
					 7 * page + 1 - 10,
					 (unsigned int)(3 * page) + limit,
					 GFP_KERNEL), 0);
		assert_entries(&table, &f->pages, expected, 3);
		sg_free_table(&table);
	}
}

static void table_from_pages_that_do_not_hold_the_data_is_einval(void **state)
{
	struct fixture *f = *state;
	struct sg_table table = { (void *)1, 1, 1 };
	const struct {
		unsigned int nr, offset;
		size_t size;
		unsigned int limit;
	} bad[] = {
		{ 0, 0, page, UINT_MAX },
		{ 1, 0, 0, UINT_MAX },
		{ 1, 0, page + 1, UINT_MAX },
		{ 2, 1, 2 * page, UINT_MAX },
		{ 2, (unsigned int)page, page, UINT_MAX },
		{ 2, 1, SIZE_MAX, UINT_MAX },
		{ 2, 0, SIZE_MAX, UINT_MAX },
		{ 2, 0, page, (unsigned int)page - 1 },
		{ 2, 0, page, 0 },
	};
	size_t i;

	for (i = 0; i < NR_ELEMENTS(bad); i++) {
		table.sgl = (void *)1;
		assert_int_equal(sg_alloc_table_from_pages_segment(
					 &table, f->array, bad[i].nr,
					 bad[i].offset, bad[i].size,
					 bad[i].limit, GFP_KERNEL),
				 -EINVAL);
		table_is_empty(&table);
	}
}

/* Bare tables */

static void table_of_empty_entries(void **state)
{
	struct scatterlist *sg;
	struct sg_table table;
	unsigned int i;

	(void)state;
	assert_int_equal(sg_alloc_table(&table, 3, GFP_KERNEL), 0);
	assert_int_equal(table.nents, 3);
	assert_int_equal(table.orig_nents, 3);
	for_each_sgtable_sg(&table, sg, i) {
		assert_ptr_equal(sg, table.sgl + i);
		assert_null(sg_page(sg));
		assert_int_equal(sg->length, 0);
		assert_int_equal(sg_dma_address(sg), 0);
		assert_int_equal(sg_dma_len(sg), 0);
	}
	assert_int_equal(i, 3);
	assert_null(sg);
	assert_ptr_equal(sg_next(table.sgl), table.sgl + 1);
	assert_null(sg_next(table.sgl + 2));
	sg_free_table(&table);
}

static void table_without_entries_is_einval(void **state)
{
	struct sg_table table = { (void *)1, 1, 1 };

	(void)state;
	assert_int_equal(sg_alloc_table(&table, 0, GFP_KERNEL), -EINVAL);
	table_is_empty(&table);
}

static void freed_table_may_be_freed_again(void **state)
{
	struct sg_table table;

	(void)state;
	assert_int_equal(sg_alloc_table(&table, 1, GFP_KERNEL), 0);
	sg_free_table(&table);
	table_is_empty(&table);
	sg_free_table(&table);
	table_is_empty(&table);
}

static void set_page_fills_the_cpu_side_only(void **state)
{
	struct fixture *f = *state;
	struct scatterlist sg = { .dma_address = 5, .dma_length = 6,
				  .last = true };

	sg_set_page(&sg, f->array[1], 30, 20);
	assert_ptr_equal(sg_page(&sg), f->array[1]);
	assert_int_equal(sg.length, 30);
	assert_int_equal(sg.offset, 20);
	assert_ptr_equal(sg_virt(&sg), (char *)f->pages.addr + page + 20);
	assert_int_equal(sg_dma_address(&sg), 5);
	assert_int_equal(sg_dma_len(&sg), 6);
	assert_true(sg.last);
}

#define with_pages(test) \
	cmocka_unit_test_setup_teardown(test, pages_setup, pages_teardown)

int main(void)
{
	const struct CMUnitTest pages[] = {
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
	const struct CMUnitTest tables[] = {
		cmocka_unit_test(
			contiguous_pages_are_one_entry_whatever_the_size),
		cmocka_unit_test(limit_cuts_at_whole_pages),
		cmocka_unit_test(more_than_the_limit_of_4_gib_is_cut),
		cmocka_unit_test(limit_below_a_page_or_no_pages_is_einval),
		cmocka_unit_test(more_entries_than_can_be_counted_is_enomem),
		with_pages(neighbours_are_joined),
		with_pages(offset_and_tail_are_in_the_first_and_last_entry),
		with_pages(data_inside_one_page_is_one_entry),
		with_pages(pages_behind_the_data_are_left_out),
		with_pages(longest_entry_cuts_between_pages),
		with_pages(
			table_from_pages_that_do_not_hold_the_data_is_einval),
		cmocka_unit_test(table_of_empty_entries),
		cmocka_unit_test(table_without_entries_is_einval),
		cmocka_unit_test(freed_table_may_be_freed_again),
		with_pages(set_page_fills_the_cpu_side_only),
	};
	int failed;

	page = (size_t)sysconf(_SC_PAGESIZE);
	failed = cmocka_run_group_tests_name("memory/pages", pages, NULL, NULL);
	failed += cmocka_run_group_tests_name("memory/tables", tables, NULL,
					      NULL);
	return failed ? 1 : 0;
}
