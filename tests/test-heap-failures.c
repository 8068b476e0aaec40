/* SPDX-License-Identifier: MIT */
/* test-heap-failures.c - each allocation and each syscall of a heap fails */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "failure-acts.h"
#include "leaks.h"

#define SIZE ((size_t)4096 * 35)
#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

/* Adding: a heap stays, so each one that is added has a name of its own. */

static char names[100][16];
static unsigned int nr_names;

static struct dma_buf *allocate_nothing(struct dma_heap *heap,
					unsigned long len, uint32_t fd_flags,
					uint64_t heap_flags)
{
	(void)heap;
	(void)len;
	(void)fd_flags;
	(void)heap_flags;
	return NULL;
}

static const char *name_unused(void)
{
	snprintf(names[nr_names], sizeof(names[0]), "heap %u", nr_names);
	assert_null(dma_heap_find(names[nr_names]));
	return names[nr_names];
}

static int act_add(struct scene *s)
{
	static const struct dma_heap_ops ops = { .allocate = allocate_nothing };
	const struct dma_heap_export_info info = {
		.name = name_unused(), .ops = &ops,
	};
	struct dma_heap *heap = dma_heap_add(&info);

	(void)s;
	if (IS_ERR(heap))
		return (int)PTR_ERR(heap);
	nr_names++;
	return 0;
}

static int act_add_kind(struct scene *s)
{
	struct dma_heap *heap = NULL;
	int ret;

	(void)s;
	ret = dmabuf_heap_add(name_unused(), DMABUF_HEAP_SYSTEM, &heap);
	assert_int_equal(!ret, heap != NULL);
	nr_names += !ret;
	return ret;
}

/* Buffers */

static const char *heap_name;

static int act_alloc(struct scene *s)
{
	s->result = dma_heap_buffer_alloc(dma_heap_find(heap_name), SIZE,
					  O_RDWR, 0);
	return PTR_ERR_OR_ZERO(s->result);
}

static void begin_attached(struct scene *s)
{
	s->dmabuf = dma_heap_buffer_alloc(dma_heap_find(heap_name), SIZE,
					  O_RDWR, 0);
	assert_false(IS_ERR(s->dmabuf));
	scene_attach(s, device_new());
}

/* One reason for all: that of the call that failed is none. */
static int act_map_is_enomem(struct scene *s)
{
	int ret = act_map(s);

	if (ret)
		assert_int_equal(ret, -ENOMEM);
	return ret;
}

/* Tests */

static void adding_comes_back_with_the_error(void **state)
{
	static const struct failure_case cases[] = {
		{ .name = "dma_heap_add", .act = act_add, .calls_min = 1 },
		{ .name = "dmabuf_heap_add", .act = act_add_kind,
		  .calls_min = 2 },
	};

	(void)state;
	play_all(cases, NR_ELEMENTS(cases));
	assert_true(nr_names > 4);
}

/* INV-HEAP-D4 */
static void allocating_comes_back_with_the_error(void **state)
{
	static const struct failure_case alloc = {
		.name = "dma_heap_buffer_alloc", .act = act_alloc,
		.undo = undo_result, .calls_min = 5,
	};

	(void)state;
	heap_name = "system";
	play(&alloc);
	heap_name = "contiguous";
	play(&alloc);
}

static void mapping_comes_back_with_the_error(void **state)
{
	struct failure_case map = {
		.name = "map", .begin = begin_attached, .act = act_map,
		.undo = undo_map, .end = end_attached, .calls_min = 5,
	};

	(void)state;
	heap_name = "system";
	play(&map);
	heap_name = "contiguous";
	map.act = act_map_is_enomem;
	map.ret = -ENOMEM;
	play(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adding_comes_back_with_the_error),
		cmocka_unit_test(allocating_comes_back_with_the_error),
		cmocka_unit_test(mapping_comes_back_with_the_error),
	};

	return cmocka_run_group_tests_name("failures", tests,
					   leaks_group_setup, NULL) != 0;
}
