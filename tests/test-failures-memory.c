/* SPDX-License-Identifier: MIT */
/* test-failures-memory.c - calls on devices, pages and tables fail */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "failure-acts.h"
#include "leaks.h"
#include "process.h"

#define SIZE ((size_t)16384)
#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

/* It copies, which takes the most calls. */
static const struct dmabuf_device_info device = {
	.name = "non-coherent", .non_coherent = true, .max_segment_size = 8192,
};

static int act_device(struct scene *s)
{
	return dmabuf_device_create(&device, &s->dev);
}

static void undo_device(struct scene *s)
{
	dmabuf_device_destroy(s->dev);
}

static void begin_file(struct scene *s)
{
	s->fd = memfd_make("pages", SIZE, F_SEAL_SHRINK);
}

static void begin_pages(struct scene *s)
{
	begin_file(s);
	assert_int_equal(dmabuf_pages_init_memfd(&s->pages, s->fd, 0, SIZE),
			 0);
}

static void end_pages(struct scene *s)
{
	dmabuf_pages_fini(&s->pages);
	close(s->fd);
}

static int act_pages(struct scene *s)
{
	return dmabuf_pages_init_memfd(&s->pages, s->fd, 0, SIZE);
}

static int act_sg_alloc(struct scene *s)
{
	return sg_alloc_table(&s->own_table, 4, GFP_KERNEL);
}

static int act_sg_from_pages(struct scene *s)
{
	struct page *pages[2] = {
		dmabuf_pages_nth(&s->pages, 0), dmabuf_pages_nth(&s->pages, 2),
	};

	return sg_alloc_table_from_pages(&s->own_table, pages, 2, 0, 8192,
					 GFP_KERNEL);
}

static int act_sg_of_pages(struct scene *s)
{
	return dmabuf_pages_sg_table(&s->pages, 4096, &s->own_table);
}

static void undo_sg(struct scene *s)
{
	sg_free_table(&s->own_table);
}

static void begin_dma_map(struct scene *s)
{
	begin_pages(s);
	assert_int_equal(act_device(s), 0);
	assert_int_equal(dmabuf_pages_sg_table(&s->pages, 4096, &s->own_table),
			 0);
}

static int act_dma_map(struct scene *s)
{
	return dma_map_sgtable(s->dev, &s->own_table, DMA_BIDIRECTIONAL, 0);
}

static void undo_dma_map(struct scene *s)
{
	dma_unmap_sgtable(s->dev, &s->own_table, DMA_BIDIRECTIONAL, 0);
}

static void end_dma_map(struct scene *s)
{
	sg_free_table(&s->own_table);
	dmabuf_device_destroy(s->dev);
	end_pages(s);
}

static const struct failure_case memory_cases[] = {
	{ .name = "dmabuf_device_create", .act = act_device,
	  .undo = undo_device, .calls_min = 2 },
	{ .name = "dmabuf_pages_init_memfd", .begin = begin_file,
	  .act = act_pages, .undo = undo_pages, .end = end_fd,
	  .calls_min = 2 },
	{ .name = "sg_alloc_table", .act = act_sg_alloc, .undo = undo_sg,
	  .calls_min = 1 },
	{ .name = "sg_alloc_table_from_pages", .begin = begin_pages,
	  .act = act_sg_from_pages, .undo = undo_sg, .end = end_pages,
	  .calls_min = 1 },
	{ .name = "dmabuf_pages_sg_table", .begin = begin_pages,
	  .act = act_sg_of_pages, .undo = undo_sg, .end = end_pages,
	  .calls_min = 1 },
	{ .name = "dma_map_sgtable", .begin = begin_dma_map,
	  .act = act_dma_map, .undo = undo_dma_map, .end = end_dma_map,
	  .calls_min = 6 },
};

static void devices_and_tables_come_back_with_the_error(void **state)
{
	(void)state;
	play_all(memory_cases, NR_ELEMENTS(memory_cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_and_tables_come_back_with_the_error),
	};

	return cmocka_run_group_tests_name("failures/memory", tests,
					   leaks_group_setup, NULL) != 0;
}
