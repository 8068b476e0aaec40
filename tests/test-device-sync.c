/* SPDX-License-Identifier: MIT */
/* test-device-sync.c - devices with copies of their own: who sees what, when */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "device-fixture.h"
#include "warns.h"

#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

static void sync_of_a_coherent_device_moves_nothing(void **state)
{
	struct fixture *f = *state;

	fixture_map(f, DMA_BIDIRECTIONAL);
	f->b.cpu[0] = 1;
	assert_silent(dma_sync_sgtable_for_cpu(f->dev, &f->b.sgt,
					       DMA_BIDIRECTIONAL));
	assert_silent(dma_sync_sgtable_for_device(f->dev, &f->b.sgt,
						  DMA_BIDIRECTIONAL));
	assert_int_equal(f->b.cpu[0], 1);
	assert_int_equal(fixture_gets(f, 0), 1);
	fixture_unmap(f, DMA_BIDIRECTIONAL);
}

static void sync_of_what_is_not_mapped_warns(void **state)
{
	struct fixture *f = *state;

	assert_warns(dma_sync_sgtable_for_cpu(f->dev, &f->b.sgt,
					      DMA_TO_DEVICE),
		     "dma_sync_sgtable_for_cpu: device");
	assert_warns(dma_sync_sgtable_for_device(f->dev, &f->b.sgt,
						 DMA_TO_DEVICE),
		     "dma_sync_sgtable_for_device: device");
	assert_non_null(strstr(warns_last(), "table is not mapped"));
}

static void sync_in_a_bad_direction_warns(void **state)
{
	struct fixture *f = *state;

	fixture_map(f, DMA_BIDIRECTIONAL);
	assert_warns(dma_sync_sgtable_for_cpu(f->dev, &f->b.sgt, DMA_NONE),
		     "bad direction");
	assert_warns(dma_sync_sgtable_for_device(f->dev, &f->b.sgt, DMA_NONE),
		     "bad direction");
	fixture_unmap(f, DMA_BIDIRECTIONAL);
}

static void device_keeps_the_memory_as_it_was_at_the_map(void **state)
{
	struct fixture *f = *state;

	f->b.cpu[0] = 1;
	fixture_map(f, DMA_TO_DEVICE);
	f->b.cpu[0] = 2;
	assert_int_equal(fixture_gets(f, 0), 1);
	fixture_unmap(f, DMA_TO_DEVICE);
	assert_int_equal(f->b.cpu[0], 2);
}

static void sync_for_device_shows_the_cpus_writes(void **state)
{
	struct fixture *f = *state;

	fixture_map(f, DMA_TO_DEVICE);
	f->b.cpu[0] = 2;
	dma_sync_sgtable_for_device(f->dev, &f->b.sgt, DMA_FROM_DEVICE);
	assert_int_equal(fixture_gets(f, 0), 0);
	dma_sync_sgtable_for_device(f->dev, &f->b.sgt, DMA_TO_DEVICE);
	assert_int_equal(fixture_gets(f, 0), 2);
	f->b.cpu[0] = 3;
	dma_sync_sgtable_for_device(f->dev, &f->b.sgt, DMA_BIDIRECTIONAL);
	assert_int_equal(fixture_gets(f, 0), 3);
	fixture_unmap(f, DMA_TO_DEVICE);
}

static void sync_for_cpu_shows_the_devices_writes(void **state)
{
	struct fixture *f = *state;

	fixture_map(f, DMA_FROM_DEVICE);
	fixture_puts(f, 0, 5);
	assert_int_equal(f->b.cpu[0], 0);
	dma_sync_sgtable_for_cpu(f->dev, &f->b.sgt, DMA_TO_DEVICE);
	assert_int_equal(f->b.cpu[0], 0);
	dma_sync_sgtable_for_cpu(f->dev, &f->b.sgt, DMA_FROM_DEVICE);
	assert_int_equal(f->b.cpu[0], 5);
	fixture_puts(f, 0, 6);
	dma_sync_sgtable_for_cpu(f->dev, &f->b.sgt, DMA_BIDIRECTIONAL);
	assert_int_equal(f->b.cpu[0], 6);
	fixture_unmap(f, DMA_FROM_DEVICE);
}

/* Where the device may not write, its copy never reaches the CPU. */
static void sync_for_cpu_of_a_read_only_mapping_moves_nothing(void **state)
{
	struct fixture *f = *state;

	fixture_map(f, DMA_TO_DEVICE);
	f->b.cpu[0] = 9;
	dma_sync_sgtable_for_cpu(f->dev, &f->b.sgt, DMA_FROM_DEVICE);
	assert_int_equal(f->b.cpu[0], 9);
	dma_sync_sgtable_for_cpu(f->dev, &f->b.sgt, DMA_BIDIRECTIONAL);
	assert_int_equal(f->b.cpu[0], 9);
	fixture_unmap(f, DMA_TO_DEVICE);
	assert_int_equal(f->b.cpu[0], 9);
}

static void unmap_shows_the_devices_writes(void **state)
{
	const enum dma_data_direction dirs[] = { DMA_FROM_DEVICE,
						 DMA_BIDIRECTIONAL };
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < NR_ELEMENTS(dirs); i++) {
		memset(f->b.cpu, 7, page);
		fixture_map(f, dirs[i]);
		fixture_puts(f, 1, 8);
		assert_int_equal(f->b.cpu[1], 7);
		fixture_unmap(f, dirs[i]);
		assert_int_equal(f->b.cpu[1], 8);
		/* what the device did not write is still there */
		assert_int_equal(f->b.cpu[0], 7);
		assert_int_equal(f->b.cpu[page - 1], 7);
	}
}

static void unmap_without_sync_leaves_the_cpus_memory(void **state)
{
	struct fixture *f = *state;

	fixture_map(f, DMA_FROM_DEVICE);
	fixture_puts(f, 0, 5);
	dma_unmap_sgtable(f->dev, &f->b.sgt, DMA_FROM_DEVICE,
			  DMA_ATTR_SKIP_CPU_SYNC);
	assert_int_equal(f->b.cpu[0], 0);
}

static void map_without_sync_shows_zeroes_until_synced(void **state)
{
	struct fixture *f = *state;

	memset(f->b.cpu, 4, page);
	assert_int_equal(dma_map_sgtable(f->dev, &f->b.sgt, DMA_TO_DEVICE,
					 DMA_ATTR_SKIP_CPU_SYNC), 0);
	assert_int_equal(fixture_gets(f, 0), 0);
	assert_int_equal(fixture_gets(f, page - 1), 0);
	dma_sync_sgtable_for_device(f->dev, &f->b.sgt, DMA_TO_DEVICE);
	assert_int_equal(fixture_gets(f, 0), 4);
	assert_int_equal(fixture_gets(f, page - 1), 4);
	fixture_unmap(f, DMA_TO_DEVICE);
}

static void unmap_the_other_way_moves_nothing(void **state)
{
	struct fixture *f = *state;

	fixture_map(f, DMA_FROM_DEVICE);
	fixture_puts(f, 0, 5);
	assert_warns(dma_unmap_sgtable(f->dev, &f->b.sgt, DMA_BIDIRECTIONAL, 0),
		     "mapped DMA_FROM_DEVICE, unmapped DMA_BIDIRECTIONAL");
	assert_int_equal(f->b.cpu[0], 0);
}

static void every_entry_has_its_own_copy(void **state)
{
	struct fixture *f = *state;
	struct scatterlist *sg;
	unsigned char byte;
	struct buffer b;
	unsigned int i;

	buffer_init(&b, 3 * page, (unsigned int)page);
	assert_int_equal(dma_map_sgtable(f->dev, &b.sgt, DMA_FROM_DEVICE, 0),
			 0);
	for_each_sgtable_dma_sg(&b.sgt, sg, i) {
		byte = (unsigned char)(i + 1);
		assert_int_equal(dmabuf_device_write(f->dev, sg_dma_address(sg),
						     &byte, 1), 0);
	}
	dma_unmap_sgtable(f->dev, &b.sgt, DMA_FROM_DEVICE, 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(b.cpu[i * page], i + 1);
	buffer_fini(&b);
}

static const struct CMUnitTest sync_tests[] = {
	coherent(sync_of_a_coherent_device_moves_nothing),
	coherent(sync_of_what_is_not_mapped_warns),
	non_coherent(sync_of_what_is_not_mapped_warns),
	non_coherent(sync_in_a_bad_direction_warns),
	non_coherent(device_keeps_the_memory_as_it_was_at_the_map),
	non_coherent(sync_for_device_shows_the_cpus_writes),
	non_coherent(sync_for_cpu_shows_the_devices_writes),
	non_coherent(sync_for_cpu_of_a_read_only_mapping_moves_nothing),
	non_coherent(unmap_shows_the_devices_writes),
	non_coherent(unmap_without_sync_leaves_the_cpus_memory),
	non_coherent(map_without_sync_shows_zeroes_until_synced),
	non_coherent(unmap_the_other_way_moves_nothing),
	non_coherent(every_entry_has_its_own_copy),
};

#define run_group(name, tests) \
	cmocka_run_group_tests_name(name, tests, NULL, NULL)

int main(void)
{
	int failed = 0;

	device_tests_begin();
	failed += run_group("device/sync", sync_tests);
	return failed ? 1 : 0;
}
