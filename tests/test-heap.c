/* SPDX-License-Identifier: MIT */
/* test-heap.c - heaps by their names: adding, finding, allocating */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "attached.h"
#include "leaks.h"
#include "warns.h"

#define PAGE ((size_t)4096)
#define NR_MAX 128

/* A heap that notes what it was asked for. */

static struct {
	struct dma_heap *heap;
	unsigned long len;
	uint32_t fd_flags;
	uint64_t heap_flags;
	unsigned int calls;
	struct dma_buf *result;
} asked;

static struct dma_buf *note_allocate(struct dma_heap *heap, unsigned long len,
				     uint32_t fd_flags, uint64_t heap_flags)
{
	asked.heap = heap;
	asked.len = len;
	asked.fd_flags = fd_flags;
	asked.heap_flags = heap_flags;
	asked.calls++;
	return asked.result;
}

static const struct dma_heap_ops note_ops = { .allocate = note_allocate };

/* Heaps stay: each test that adds one has a name for it. */
static struct dma_heap *note_heap(const char *name)
{
	const struct dma_heap_export_info info = {
		.name = name, .ops = &note_ops, .priv = &asked,
	};
	struct dma_heap *heap = dma_heap_add(&info);

	assert_false(IS_ERR(heap));
	memset(&asked, 0, sizeof(asked));
	asked.result = ERR_PTR(-ENOSPC);
	return heap;
}

static void refused(const struct dma_heap_export_info *info, int err)
{
	assert_error(dma_heap_add(info), err);
}

/* Adding */

/* INV-HEAP-1 */
static void add_without_name_is_einval(void **state)
{
	struct dma_heap_export_info info = { .ops = &note_ops };

	(void)state;
	refused(&info, -EINVAL);
	assert_warned("no name");
	info.name = "";
	refused(&info, -EINVAL);
	assert_warned("no name");
	/* It is the first thing that is looked at. */
	info.ops = NULL;
	refused(&info, -EINVAL);
	assert_warned("no name");
	refused(NULL, -EINVAL);
	assert_warned("no export info");
}

/* INV-HEAP-2 */
static void add_without_ops_is_einval(void **state)
{
	static const struct dma_heap_ops empty;
	struct dma_heap_export_info info = { .name = "opless" };

	(void)state;
	refused(&info, -EINVAL);
	assert_warned("no ops");
	info.ops = &empty;
	refused(&info, -EINVAL);
	assert_warned("no ops");
	assert_null(dma_heap_find("opless"));
}

/* INV-HEAP-3 */
static void name_that_is_taken_is_einval(void **state)
{
	struct dma_heap_export_info info = {
		.name = "twice", .ops = &note_ops,
	};
	struct dma_heap *heap = note_heap("twice");
	struct dma_heap *second = heap;

	(void)state;
	refused(&info, -EINVAL);
	assert_warned("named twice");
	info.name = "system";
	refused(&info, -EINVAL);
	assert_warned("named system");
	assert_int_equal(dmabuf_heap_add("twice", DMABUF_HEAP_SYSTEM, &second),
			 -EINVAL);
	assert_warned("named twice");
	assert_ptr_equal(second, heap);
	assert_ptr_equal(dma_heap_find("twice"), heap);
}

static void name_may_be_anything_else(void **state)
{
	static char name[1000];
	struct dma_heap *heap;

	(void)state;
	memset(name, '/', sizeof(name) - 1);
	heap = note_heap(name);
	assert_ptr_equal(dma_heap_find(name), heap);
	assert_ptr_equal(dma_heap_get_name(heap), name);
	heap = note_heap(" ");
	assert_ptr_equal(dma_heap_find(" "), heap);
}

static void heap_has_what_it_was_added_with(void **state)
{
	static const char name[] = "mine";
	struct dma_heap *heap = note_heap(name);

	(void)state;
	assert_ptr_equal(dma_heap_get_name(heap), name);
	assert_ptr_equal(dma_heap_get_drvdata(heap), &asked);
	assert_ptr_equal(dma_heap_find("mine"), heap);
	assert_ptr_equal(dmabuf_heap_next(NULL), heap);
}

static void drvdata_may_be_nothing(void **state)
{
	const struct dma_heap_export_info info = {
		.name = "plain", .ops = &note_ops,
	};

	(void)state;
	assert_null(dma_heap_get_drvdata(dma_heap_add(&info)));
}

/* Finding */

/* Runs first. */
static void two_heaps_are_there_from_the_start(void **state)
{
	struct dma_heap *heap = dmabuf_heap_next(NULL);

	(void)state;
	assert_string_equal(dma_heap_get_name(heap), "contiguous");
	heap = dmabuf_heap_next(heap);
	assert_string_equal(dma_heap_get_name(heap), "system");
	assert_null(dmabuf_heap_next(heap));
}

static void find_compares_every_byte(void **state)
{
	static const char *const others[] = {
		"", "s", "syste", "System", "system ", "systems", "reserved",
	};
	size_t i;

	(void)state;
	assert_non_null(dma_heap_find("system"));
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_null(dma_heap_find(others[i]));
	assert_null(dma_heap_find(NULL));
	assert_no_warning();
}

static void walk_meets_the_newest_first(void **state)
{
	struct dma_heap *first = note_heap("walked 1");
	struct dma_heap *second = note_heap("walked 2");

	(void)state;
	assert_ptr_equal(dmabuf_heap_next(NULL), second);
	assert_ptr_equal(dmabuf_heap_next(second), first);
}

/* Allocating */

static void heap_gets_whole_pages_and_the_flags(void **state)
{
	static const size_t lens[][2] = {
		{ 1, PAGE }, { PAGE, PAGE }, { PAGE + 1, 2 * PAGE },
		{ SIZE_MAX - PAGE + 1, SIZE_MAX - PAGE + 1 },
	};
	struct dma_heap *heap = note_heap("asked");
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		dma_heap_buffer_alloc(heap, lens[i][0], O_RDWR | O_CLOEXEC, 0);
		assert_ptr_equal(asked.heap, heap);
		assert_int_equal(asked.len, lens[i][1]);
		assert_int_equal(asked.fd_flags, O_RDWR | O_CLOEXEC);
		assert_int_equal(asked.heap_flags, 0);
	}
	dma_heap_buffer_alloc(heap, 1, O_RDONLY, 0);
	assert_int_equal(asked.fd_flags, O_RDONLY);
	dma_heap_buffer_alloc(heap, 1, O_WRONLY, 0);
	assert_int_equal(asked.fd_flags, O_WRONLY);
}

static void mode_without_read_and_write_cannot_be_mapped(void **state)
{
	struct dma_heap *heap = note_heap("modes");

	(void)state;
	dma_heap_buffer_alloc(heap, 1, O_ACCMODE | O_CLOEXEC, 0);
	assert_int_equal(asked.fd_flags, O_WRONLY | O_CLOEXEC);
}

static void wrong_flags_and_lengths_are_einval(void **state)
{
	struct dma_heap *heap = note_heap("strict");
	unsigned int bit;

	(void)state;
	for (bit = 0; bit < 32; bit++)
		if (!((1u << bit) & (O_ACCMODE | O_CLOEXEC)))
			assert_error(dma_heap_buffer_alloc(heap, 1, 1u << bit,
							   0), -EINVAL);
	for (bit = 0; bit < 64; bit++)
		assert_error(dma_heap_buffer_alloc(heap, 1, O_RDWR,
						   (uint64_t)1 << bit),
			     -EINVAL);
	assert_error(dma_heap_buffer_alloc(heap, 0, O_RDWR, 0), -EINVAL);
	assert_error(dma_heap_buffer_alloc(heap, SIZE_MAX, O_RDWR, 0), -EINVAL);
	assert_error(dma_heap_buffer_alloc(heap, SIZE_MAX - PAGE + 2, O_RDWR,
					   0), -EINVAL);
	assert_int_equal(asked.calls, 0);
	assert_no_warning();
}

static void result_of_the_heap_is_passed_on(void **state)
{
	struct dma_heap *heap = note_heap("passing");

	(void)state;
	assert_error(dma_heap_buffer_alloc(heap, 1, O_RDWR, 0), -ENOSPC);
	assert_int_equal(dmabuf_memfd_export(1, O_RDWR, &asked.result), 0);
	assert_ptr_equal(dma_heap_buffer_alloc(heap, 1, O_RDWR, 0),
			 asked.result);
	dma_buf_put(asked.result);
	asked.result = NULL;
	assert_error(dma_heap_buffer_alloc(heap, 1, O_RDWR, 0), -ENOMEM);
	assert_no_warning();
}

static void no_heap_warns_and_is_einval(void **state)
{
	(void)state;
	assert_error(dma_heap_buffer_alloc(NULL, 1, O_RDWR, 0), -EINVAL);
	assert_warned("no heap");
}

/* More heaps of the library's kinds */

static void heap_of_a_kind_allocates(void **state)
{
	char name[] = "camera";
	struct dma_buf *dmabuf;
	struct dma_heap *heap;

	(void)state;
	assert_int_equal(dmabuf_heap_add(name, DMABUF_HEAP_CONTIGUOUS, &heap),
			 0);
	/* The name is the library's. */
	memset(name, 'x', sizeof(name) - 1);
	assert_ptr_equal(dma_heap_find("camera"), heap);
	assert_null(dma_heap_get_drvdata(heap));
	dmabuf = dma_heap_buffer_alloc(heap, PAGE, O_RDWR, 0);
	assert_false(IS_ERR(dmabuf));
	assert_string_equal(dmabuf->exp_name, "camera");
	dma_buf_put(dmabuf);
}

static void heap_of_no_kind_or_name_is_einval(void **state)
{
	struct dma_heap *heap = NULL;

	(void)state;
	assert_int_equal(dmabuf_heap_add("odd", (enum dmabuf_heap_kind)2,
					 &heap), -EINVAL);
	assert_no_warning();
	assert_int_equal(dmabuf_heap_add(NULL, DMABUF_HEAP_SYSTEM, &heap),
			 -EINVAL);
	assert_warned("no name");
	assert_int_equal(dmabuf_heap_add("", DMABUF_HEAP_SYSTEM, &heap),
			 -EINVAL);
	assert_warned("no name");
	assert_null(heap);
	assert_null(dma_heap_find("odd"));
}

/* The last test: nothing can be added after it. */

static unsigned int nr_heaps(void)
{
	struct dma_heap *heap = NULL;
	unsigned int nr = 0;

	while ((heap = dmabuf_heap_next(heap)))
		nr++;
	return nr;
}

static void more_than_128_heaps_are_ebusy(void **state)
{
	struct dma_heap_export_info info = { .name = "full", .ops = &note_ops };
	struct dma_heap *heap;
	char name[16];

	(void)state;
	while (nr_heaps() < NR_MAX) {
		snprintf(name, sizeof(name), "heap %u", nr_heaps());
		assert_int_equal(dmabuf_heap_add(name, DMABUF_HEAP_SYSTEM,
						 &heap), 0);
		assert_ptr_equal(dma_heap_find(name), heap);
	}
	refused(&info, -EBUSY);
	assert_int_equal(dmabuf_heap_add("full", DMABUF_HEAP_SYSTEM, &heap),
			 -EBUSY);
	assert_null(dma_heap_find("full"));
	assert_int_equal(nr_heaps(), NR_MAX);
	/* Numbers run out before names are compared, and after ops are. */
	info.name = "system";
	refused(&info, -EBUSY);
	assert_no_warning();
	info.ops = NULL;
	refused(&info, -EINVAL);
	assert_warned("no ops");
	assert_non_null(dma_heap_find("system"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(two_heaps_are_there_from_the_start),
		LEAK_TEST(add_without_name_is_einval),
		LEAK_TEST(add_without_ops_is_einval),
		LEAK_TEST(name_that_is_taken_is_einval),
		LEAK_TEST(name_may_be_anything_else),
		LEAK_TEST(heap_has_what_it_was_added_with),
		LEAK_TEST(drvdata_may_be_nothing),
		LEAK_TEST(find_compares_every_byte),
		LEAK_TEST(walk_meets_the_newest_first),
		LEAK_TEST(heap_gets_whole_pages_and_the_flags),
		LEAK_TEST(mode_without_read_and_write_cannot_be_mapped),
		LEAK_TEST(wrong_flags_and_lengths_are_einval),
		LEAK_TEST(result_of_the_heap_is_passed_on),
		LEAK_TEST(no_heap_warns_and_is_einval),
		LEAK_TEST(heap_of_a_kind_allocates),
		LEAK_TEST(heap_of_no_kind_or_name_is_einval),
		LEAK_TEST(more_than_128_heaps_are_ebusy),
	};

	return cmocka_run_group_tests_name("heaps", tests, leaks_group_setup,
					   NULL) != 0;
}
