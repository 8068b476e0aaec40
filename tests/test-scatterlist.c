/* SPDX-License-Identifier: MIT */
/* test-scatterlist.c - tables over pages */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "process.h"

#define GIB ((size_t)1 << 30)
#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

static size_t page;

static void table_is_empty(const struct sg_table *table)
{
	assert_null(table->sgl);
	assert_int_equal(table->nents, 0);
	assert_int_equal(table->orig_nents, 0);
}

/* Tables over a whole run */

static void contiguous_pages_are_one_entry_whatever_the_size(void **state)
{
	int fd = memfd_make("pages", 5 * GIB, 0);
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
	char *addr = anon_map(7 * page);
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
	int fd = memfd_make("pages", 5 * GIB, 0);
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
	char *addr = anon_map(page);
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

	if (dmabuf_pages_init_mapping(&f.pages, anon_map(NR_PAGES * page),
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
	const struct CMUnitTest tests[] = {
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

	page = (size_t)sysconf(_SC_PAGESIZE);
	return cmocka_run_group_tests_name("memory/tables", tests, NULL,
					   NULL) != 0;
}
