/* SPDX-License-Identifier: MIT */
/* test-heap-threads.c - heaps added, found and used by several threads */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "crowd.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "warns.h"

#define PAGE ((size_t)4096)
#define SIZE (35 * PAGE)
#define NR_NAMES 12
#define NR_ROUNDS 100

/* All want the same names. */

struct race {
	struct dma_heap *won[NR_NAMES];
	unsigned int winners[NR_NAMES];		/* atomic */
};

static void want_all_names(struct crowd *crowd, unsigned int me)
{
	struct race *race = crowd->data;
	struct dma_heap *heap;
	char name[16];
	unsigned int i;
	int ret;

	(void)me;
	for (i = 0; i < NR_NAMES; i++) {
		snprintf(name, sizeof(name), "wanted %u", i);
		crowd_meet(crowd);
		ret = dmabuf_heap_add(name, DMABUF_HEAP_SYSTEM, &heap);
		HOLDS(crowd, !ret || ret == -EINVAL);
		if (!ret) {
			race->won[i] = heap;
			__atomic_fetch_add(&race->winners[i], 1,
					   __ATOMIC_RELAXED);
		}
		HOLDS(crowd, dma_heap_find(name) != NULL);
	}
}

/* INV-HEAP-3 */
static void one_of_racing_adds_has_the_name(void **state)
{
	struct race race = { .winners = { 0 } };
	struct crowd crowd = { .run = want_all_names, .data = &race };
	char name[16];
	unsigned int i;

	(void)state;
	crowd_check(&crowd, NR_THREADS);
	for (i = 0; i < NR_NAMES; i++) {
		snprintf(name, sizeof(name), "wanted %u", i);
		assert_int_equal(race.winners[i], 1);
		assert_ptr_equal(dma_heap_find(name), race.won[i]);
	}
	/* The others were told. */
	assert_int_equal(warns_seen(), NR_NAMES * (NR_THREADS - 1));
}

/* One adds, the others walk: no heap is missed, and none goes. */

static unsigned int nr_heaps(void)
{
	struct dma_heap *heap = NULL;
	unsigned int nr = 0;

	while ((heap = dmabuf_heap_next(heap)))
		nr += dma_heap_get_name(heap)[0] != '\0';
	return nr;
}

static void add_or_walk(struct crowd *crowd, unsigned int me)
{
	unsigned int nr = nr_heaps();
	struct dma_heap *heap;
	char name[16];
	unsigned int i;

	for (i = 0; i < NR_NAMES; i++) {
		snprintf(name, sizeof(name), "walked %u", i);
		if (!me)
			HOLDS(crowd, !dmabuf_heap_add(name,
						      DMABUF_HEAP_CONTIGUOUS,
						      &heap));
		HOLDS(crowd, nr_heaps() >= nr);
		HOLDS(crowd, dma_heap_find("system") != NULL);
		nr = nr_heaps();
	}
}

static void walks_beside_adds_miss_nothing(void **state)
{
	struct crowd crowd = { .run = add_or_walk };
	unsigned int nr = nr_heaps();

	(void)state;
	crowd_check(&crowd, NR_THREADS);
	assert_int_equal(nr_heaps(), nr + NR_NAMES);
}

/* Numbers run out in the middle of a race. The last test. */

static void add_until_full(struct crowd *crowd, unsigned int me)
{
	struct dma_heap *heap;
	char name[24];
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret; i++) {
		snprintf(name, sizeof(name), "thread %u, %u", me, i);
		ret = dmabuf_heap_add(name, DMABUF_HEAP_SYSTEM, &heap);
	}
	HOLDS(crowd, ret == -EBUSY);
}

static void racing_adds_stop_at_128(void **state)
{
	struct crowd crowd = { .run = add_until_full };

	(void)state;
	crowd_check(&crowd, NR_THREADS);
	assert_int_equal(nr_heaps(), 128);
}

/* Buffers */

static void allocate_and_write(struct crowd *crowd, unsigned int me)
{
	const char *name = me % 2 ? "contiguous" : "system";
	struct dma_buf *dmabuf;
	unsigned int i;
	char *vaddr;

	for (i = 0; i < NR_ROUNDS; i++) {
		dmabuf = dma_heap_buffer_alloc(dma_heap_find(name), SIZE,
					       O_RDWR, 0);
		HOLDS(crowd, !IS_ERR(dmabuf));
		vaddr = dma_buf_vmap(dmabuf);
		HOLDS(crowd, !IS_ERR_OR_NULL(vaddr) && !vaddr[SIZE - 1]);
		memset(vaddr, 0xff, SIZE);
		dma_buf_vunmap(dmabuf, vaddr);
		dma_buf_put(dmabuf);
	}
}

static void heaps_allocate_in_all_threads(void **state)
{
	struct crowd crowd = { .run = allocate_and_write };

	(void)state;
	crowd_check(&crowd, NR_THREADS);
	assert_int_equal(dmabuf_live_buffers(), 0);
}

static void map_once(struct crowd *crowd, struct device *dev,
		     unsigned int me)
{
	struct dma_buf_attachment *attach = dma_buf_attach(crowd->dmabuf, dev);
	struct sg_table *table;

	HOLDS(crowd, !IS_ERR(attach));
	table = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	HOLDS(crowd, !IS_ERR(table) && table->nents == 2 + 3);
	HOLDS(crowd, !dmabuf_device_write(dev, sg_dma_address(table->sgl) + me,
					  "w", 1));
	dma_buf_unmap_attachment_unlocked(attach, table, DMA_BIDIRECTIONAL);
	dma_buf_detach(crowd->dmabuf, attach);
}

/* The first thread's brackets find mappings that come and go. */
static void bracket_or_map(struct crowd *crowd, unsigned int me)
{
	struct dma_buf *dmabuf = crowd->dmabuf;
	struct device *dev = device_new();
	unsigned int i;

	for (i = 0; i < NR_ROUNDS; i++) {
		if (me) {
			map_once(crowd, dev, me);
			continue;
		}
		HOLDS(crowd, !dma_buf_begin_cpu_access(dmabuf,
						       DMA_BIDIRECTIONAL));
		HOLDS(crowd, !dma_buf_end_cpu_access(dmabuf,
						     DMA_BIDIRECTIONAL));
	}
	dmabuf_device_destroy(dev);
}

/* INV-HEAP-D3 */
static void brackets_beside_maps_touch_what_is_mapped(void **state)
{
	struct crowd crowd = { .run = bracket_or_map };

	(void)state;
	crowd.dmabuf = dma_heap_buffer_alloc(dma_heap_find("system"), SIZE,
					     O_RDWR, 0);
	assert_false(IS_ERR(crowd.dmabuf));
	crowd_check(&crowd, NR_THREADS);
	assert_no_warning();
	dma_buf_put(crowd.dmabuf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(one_of_racing_adds_has_the_name),
		LEAK_TEST(walks_beside_adds_miss_nothing),
		LEAK_TEST(heaps_allocate_in_all_threads),
		LEAK_TEST(brackets_beside_maps_touch_what_is_mapped),
		LEAK_TEST(racing_adds_stop_at_128),
	};

	return cmocka_run_group_tests_name("heap threads", tests,
					   leaks_group_setup, NULL) != 0;
}
