/* SPDX-License-Identifier: MIT */
/* test-device-address.c - bus addresses, and faults */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "device-fixture.h"

#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

/* Bus addresses */

static void no_address_is_reused_while_others_are_left(void **state)
{
	struct fixture *f = *state;
	dma_addr_t addr, last = 0;
	unsigned int i;
	char byte;
	int ret;

	for (i = 0; i < 100; i++) {
		fixture_map(f, DMA_TO_DEVICE);
		addr = buffer_addr(&f->b);
		assert_true(addr > last);
		last = addr;
		fixture_unmap(f, DMA_TO_DEVICE);
		assert_warns(ret = dmabuf_device_read(f->dev, last, &byte, 1),
			     "no longer");
		assert_int_equal(ret, -EFAULT);
	}
}

#define NR_SLOTS 8

/* One page of addresses, one page of hole, from page 1 on: 8 in 16 pages. */
static void addresses_run_out_and_come_back(void **state)
{
	struct device *dev = device_with("tiny", 16 * page - 1, 0, false);
	struct buffer b[NR_SLOTS], more, wide;
	dma_addr_t freed;
	size_t i;
	char byte;
	int ret;

	(void)state;
	buffer_init(&more, page, UINT_MAX);
	buffer_init(&wide, 2 * page, UINT_MAX);
	for (i = 0; i < NR_SLOTS; i++) {
		buffer_init(&b[i], page, UINT_MAX);
		assert_int_equal(dma_map_sgtable(dev, &b[i].sgt, DMA_TO_DEVICE,
						 0), 0);
		assert_true(buffer_addr(&b[i]) == (2 * i + 1) * page);
	}
	assert_silent(ret = dma_map_sgtable(dev, &more.sgt, DMA_TO_DEVICE, 0));
	assert_int_equal(ret, -ENOMEM);
	assert_true(buffer_addr(&more) == 0);

	freed = buffer_addr(&b[3]);
	dma_unmap_sgtable(dev, &b[3].sgt, DMA_TO_DEVICE, 0);
	ret = dma_map_sgtable(dev, &wide.sgt, DMA_TO_DEVICE, 0);
	assert_int_equal(ret, -ENOMEM);
	ret = dma_map_sgtable(dev, &more.sgt, DMA_TO_DEVICE, 0);
	assert_int_equal(ret, 0);
	assert_true(buffer_addr(&more) == freed);

	freed = buffer_addr(&b[5]);
	dma_unmap_sgtable(dev, &b[5].sgt, DMA_TO_DEVICE, 0);
	assert_warns(dmabuf_device_read(dev, freed, &byte, 1), "no longer");

	dma_unmap_sgtable(dev, &more.sgt, DMA_TO_DEVICE, 0);
	for (i = 0; i < NR_SLOTS; i++) {
		if (i != 3 && i != 5)
			dma_unmap_sgtable(dev, &b[i].sgt, DMA_TO_DEVICE, 0);
		buffer_fini(&b[i]);
	}
	assert_silent(dmabuf_device_destroy(dev));
	buffer_fini(&more);
	buffer_fini(&wide);
}

static void whole_run_lies_within_the_mask(void **state)
{
	struct device *dev = device_with("odd", 3 * page - 2, 0, false);
	struct buffer b;

	(void)state;
	buffer_init(&b, 2 * page, UINT_MAX);
	assert_int_equal(dma_map_sgtable(dev, &b.sgt, DMA_TO_DEVICE, 0),
			 -ENOMEM);
	b.sgt.sgl->length = 2 * page - 1;
	assert_int_equal(dma_map_sgtable(dev, &b.sgt, DMA_TO_DEVICE, 0), 0);
	assert_true(buffer_addr(&b) == page);
	dma_unmap_sgtable(dev, &b.sgt, DMA_TO_DEVICE, 0);
	b.sgt.sgl->length = SIZE_MAX;
	assert_int_equal(dma_map_sgtable(dev, &b.sgt, DMA_TO_DEVICE, 0),
			 -ENOMEM);
	assert_silent(dmabuf_device_destroy(dev));
	buffer_fini(&b);
}

/* Three entries where two fit: the two addresses are as free as before. */
static void table_that_fits_in_part_leaves_nothing(void **state)
{
	struct device *dev = device_with("tiny", 4 * page - 1, 0, false);
	struct buffer three, two;
	unsigned int i;
	int ret;

	(void)state;
	buffer_init(&three, 3 * page, (unsigned int)page);
	buffer_init(&two, 2 * page, (unsigned int)page);
	for (i = 0; i < 3; i++) {
		ret = dma_map_sgtable(dev, &three.sgt, DMA_TO_DEVICE, 0);
		assert_int_equal(ret, -ENOMEM);
		assert_true(buffer_addr(&three) == 0);
	}
	assert_warns(dma_unmap_sgtable(dev, &three.sgt, DMA_TO_DEVICE, 0),
		     "not mapped");
	assert_int_equal(dma_map_sgtable(dev, &two.sgt, DMA_TO_DEVICE, 0), 0);
	assert_true(sg_dma_address(two.sgt.sgl) == page);
	assert_true(sg_dma_address(two.sgt.sgl + 1) == 3 * page);
	dma_unmap_sgtable(dev, &two.sgt, DMA_TO_DEVICE, 0);
	assert_silent(dmabuf_device_destroy(dev));
	buffer_fini(&three);
	buffer_fini(&two);
}

/* The first entry fits, the second never: the first costs no address. */
static void table_that_fails_uses_up_no_addresses(void **state)
{
	struct device *dev = device_with("small", 16 * page - 1, 0, false);
	struct buffer two;
	int ret;

	(void)state;
	buffer_init(&two, 2 * page, (unsigned int)page);
	two.sgt.sgl[1].length = 20 * page;
	ret = dma_map_sgtable(dev, &two.sgt, DMA_TO_DEVICE, 0);
	assert_int_equal(ret, -ENOMEM);
	two.sgt.sgl[1].length = page;
	assert_int_equal(dma_map_sgtable(dev, &two.sgt, DMA_TO_DEVICE, 0), 0);
	assert_true(buffer_addr(&two) == page);
	dma_unmap_sgtable(dev, &two.sgt, DMA_TO_DEVICE, 0);
	assert_silent(dmabuf_device_destroy(dev));
	buffer_fini(&two);
}

/* No two runs touch: a hole of a page, at least, is between any two. */
static void assert_disjoint(struct buffer *b, const bool *live, size_t nr,
			    uint64_t mask)
{
	size_t i, j;

	for (i = 0; i < nr; i++) {
		dma_addr_t start = buffer_addr(&b[i]);
		dma_addr_t end = start + sg_dma_len(b[i].sgt.sgl);

		if (!live[i])
			continue;
		assert_true(start >= page && start % page == 0);
		assert_true(end - 1 <= mask);
		for (j = 0; j < nr; j++) {
			dma_addr_t other = buffer_addr(&b[j]);

			if (live[j] && other > start)
				assert_true(other >= end + page);
		}
	}
}

static void random_maps_and_unmaps_never_overlap(void **state)
{
	const uint64_t mask = 64 * page - 1;
	struct device *dev = device_with("walk", mask, 0, false);
	unsigned int seed = 1, step, failures = 0;
	struct buffer b[16];
	bool live[16] = { false };
	size_t i;
	int ret;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(b); i++)
		buffer_init(&b[i], 8 * page, UINT_MAX);
	for (step = 0; step < 5000; step++) {
		i = (size_t)rand_r(&seed) % NR_ELEMENTS(b);
		if (live[i]) {
			dma_unmap_sgtable(dev, &b[i].sgt, DMA_TO_DEVICE, 0);
			live[i] = false;
			continue;
		}
		b[i].sgt.sgl->length = 1 + (size_t)rand_r(&seed) % (8 * page);
		ret = dma_map_sgtable(dev, &b[i].sgt, DMA_TO_DEVICE, 0);
		live[i] = !ret;
		failures += ret == -ENOMEM;
		assert_true(!ret || ret == -ENOMEM);
		assert_disjoint(b, live, NR_ELEMENTS(b), mask);
	}
	assert_true(failures > 0);
	for (i = 0; i < NR_ELEMENTS(b); i++) {
		if (live[i])
			dma_unmap_sgtable(dev, &b[i].sgt, DMA_TO_DEVICE, 0);
		buffer_fini(&b[i]);
	}
	assert_silent(dmabuf_device_destroy(dev));
}

/* Faults */

/* Both ways, for reasons that do not depend on the way. */
static void assert_faults(struct fixture *f, dma_addr_t addr, size_t len,
			  const char *why)
{
	char buf[16] = "keep", untouched[16] = "keep";
	unsigned char before = f->b.cpu[page - 1];
	int ret;

	assert_warns(ret = dmabuf_device_read(f->dev, addr, buf, len), why);
	assert_int_equal(ret, -EFAULT);
	assert_memory_equal(buf, untouched, sizeof(buf));
	assert_warns(ret = dmabuf_device_write(f->dev, addr, buf, len), why);
	assert_int_equal(ret, -EFAULT);
	assert_int_equal(f->b.cpu[page - 1], before);
}

static void access_to_nothing_faults(void **state)
{
	struct fixture *f = *state;

	assert_faults(f, 0, 1, "not mapped");
	assert_faults(f, page, 1, "never mapped");
	assert_faults(f, UINT64_MAX, 1, "never mapped");
	assert_faults(f, 0xdead0000, 4,
		      "device gpu: 4 bytes at 0xdead0000: never mapped");
}

static void access_outside_the_segment_faults(void **state)
{
	struct fixture *f = *state;
	dma_addr_t addr;

	fixture_map(f, DMA_BIDIRECTIONAL);
	addr = buffer_addr(&f->b);
	assert_faults(f, addr - 1, 1, "not mapped");
	assert_faults(f, addr - 1, 2, "not mapped");
	assert_faults(f, addr + page, 1, "not mapped");
	assert_faults(f, addr + page - 1, 2, "past the end of the segment");
	assert_faults(f, addr, page + 1, "past the end of the segment");
	assert_faults(f, addr + 1, SIZE_MAX, "past the end of the segment");
	assert_faults(f, addr, SIZE_MAX, "past the end of the segment");
	fixture_unmap(f, DMA_BIDIRECTIONAL);
}

/* The entries of one table are islands to the device. */
static void access_across_two_segments_faults(void **state)
{
	struct fixture *f = *state;
	struct buffer b;
	dma_addr_t addr;

	buffer_init(&b, 2 * page, (unsigned int)page);
	assert_int_equal(dma_map_sgtable(f->dev, &b.sgt, DMA_BIDIRECTIONAL, 0),
			 0);
	addr = buffer_addr(&b);
	assert_faults(f, addr + page - 1, 2, "past the end of the segment");
	assert_faults(f, addr + page, 1, "not mapped");
	dma_unmap_sgtable(f->dev, &b.sgt, DMA_BIDIRECTIONAL, 0);
	buffer_fini(&b);
}

static void access_after_the_unmap_faults(void **state)
{
	struct fixture *f = *state;
	dma_addr_t addr;

	fixture_map(f, DMA_BIDIRECTIONAL);
	addr = buffer_addr(&f->b);
	fixture_unmap(f, DMA_BIDIRECTIONAL);
	assert_faults(f, addr, 1, "not mapped, or no longer");
	fixture_map(f, DMA_BIDIRECTIONAL);
	assert_faults(f, addr, 1, "not mapped, or no longer");
	fixture_unmap(f, DMA_BIDIRECTIONAL);
}

static void access_the_other_way_faults(void **state)
{
	struct fixture *f = *state;
	char buf[4] = "abc";
	int ret;

	fixture_map(f, DMA_TO_DEVICE);
	assert_int_equal(fixture_gets(f, 0), 0);
	assert_warns(ret = dmabuf_device_write(f->dev, buffer_addr(&f->b), buf,
					       1), "other direction");
	assert_int_equal(ret, -EFAULT);
	assert_int_equal(f->b.cpu[0], 0);
	fixture_unmap(f, DMA_TO_DEVICE);

	fixture_map(f, DMA_FROM_DEVICE);
	fixture_puts(f, 0, 'w');
	assert_warns(ret = dmabuf_device_read(f->dev, buffer_addr(&f->b), buf,
					      1), "other direction");
	assert_int_equal(ret, -EFAULT);
	assert_string_equal(buf, "abc");
	fixture_unmap(f, DMA_FROM_DEVICE);
}

static void access_of_no_bytes_never_faults(void **state)
{
	struct fixture *f = *state;
	char byte = 0;
	int ret;

	assert_silent(ret = dmabuf_device_read(f->dev, 0, &byte, 0));
	assert_int_equal(ret, 0);
	assert_silent(ret = dmabuf_device_write(f->dev, UINT64_MAX, &byte, 0));
	assert_int_equal(ret, 0);
}

static const struct CMUnitTest address_tests[] = {
	coherent(no_address_is_reused_while_others_are_left),
	cmocka_unit_test(addresses_run_out_and_come_back),
	cmocka_unit_test(whole_run_lies_within_the_mask),
	cmocka_unit_test(table_that_fits_in_part_leaves_nothing),
	cmocka_unit_test(table_that_fails_uses_up_no_addresses),
	cmocka_unit_test(random_maps_and_unmaps_never_overlap),
};

static const struct CMUnitTest fault_tests[] = {
	coherent(access_to_nothing_faults),
	coherent(access_outside_the_segment_faults),
	coherent(access_across_two_segments_faults),
	coherent(access_after_the_unmap_faults),
	coherent(access_the_other_way_faults),
	coherent(access_of_no_bytes_never_faults),
};

#define run_group(name, tests) \
	cmocka_run_group_tests_name(name, tests, NULL, NULL)

int main(void)
{
	int failed = 0;

	device_tests_begin();
	failed += run_group("device/address", address_tests);
	failed += run_group("device/fault", fault_tests);
	return failed ? 1 : 0;
}
