/* SPDX-License-Identifier: MIT */
/* test-exporter-sync.c - brackets, and devices with copies of their own */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "exporters.h"
#include "leaks.h"

#define SIZE ((size_t)16384)

/* CPU access brackets */

static void device_puts(struct use *use, char byte)
{
	assert_int_equal(dmabuf_device_write(use->dev, use->addr, &byte, 1), 0);
}

static void brackets_bring_every_device_up_to_date(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE);
	char *vaddr = vmap_of(dmabuf);
	struct use uses[3];
	int i;

	for (i = 0; i < 3; i++)
		use_begin(&uses[i], dmabuf, device_non_coherent(),
			  DMA_BIDIRECTIONAL);
	vaddr[0] = 'a';
	for (i = 0; i < 3; i++)
		assert_int_equal(device_byte(&uses[i]), 0);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	vaddr[0] = 'b';
	assert_int_equal(device_byte(&uses[1]), 0);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(device_byte(&uses[i]), 'b');
	for (i = 0; i < 3; i++)
		use_end(&uses[i]);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

static void begin_shows_the_cpu_what_a_device_wrote(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE);
	char *vaddr = vmap_of(dmabuf);
	struct use use;

	use_begin(&use, dmabuf, device_non_coherent(), DMA_BIDIRECTIONAL);
	device_puts(&use, 'w');
	assert_int_equal(vaddr[0], 0);
	/* Who only writes gets no old data. */
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	assert_int_equal(vaddr[0], 0);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	assert_int_equal(vaddr[0], 'w');
	/* Who only read leaves the device alone. */
	vaddr[0] = 'r';
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	assert_int_equal(device_byte(&use), 'w');
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL), 0);
	assert_int_equal(device_byte(&use), 'r');
	use_end(&use);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

/* A device that only reads cannot spoil what the CPU wrote. */
static void begin_takes_nothing_from_a_reading_device(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE);
	char *vaddr = vmap_of(dmabuf);
	struct use use;

	use_begin(&use, dmabuf, device_non_coherent(), DMA_TO_DEVICE);
	vaddr[0] = 'k';
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_BIDIRECTIONAL),
			 0);
	assert_int_equal(vaddr[0], 'k');
	use_end(&use);
	assert_int_equal(vaddr[0], 'k');
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

static void brackets_reach_every_mapping_of_an_attachment(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE);
	char *vaddr = vmap_of(dmabuf);
	struct sg_table *second;
	struct use use;
	char byte = 0;

	use_begin(&use, dmabuf, device_non_coherent(), DMA_BIDIRECTIONAL);
	second = dma_buf_map_attachment_unlocked(use.attach, DMA_TO_DEVICE);
	assert_false(IS_ERR(second));
	vaddr[0] = 'm';
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	assert_int_equal(device_byte(&use), 'm');
	assert_int_equal(dmabuf_device_read(use.dev,
					    sg_dma_address(second->sgl),
					    &byte, 1), 0);
	assert_int_equal(byte, 'm');
	dma_buf_unmap_attachment_unlocked(use.attach, second, DMA_TO_DEVICE);
	use_end(&use);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

/* What one device wrote reaches the other through the CPU's brackets. */
static void data_goes_from_device_to_device(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE);
	struct use camera, screen;

	use_begin(&camera, dmabuf, device_non_coherent(), DMA_FROM_DEVICE);
	use_begin(&screen, dmabuf, device_non_coherent(), DMA_TO_DEVICE);
	device_puts(&camera, 'p');
	assert_int_equal(device_byte(&screen), 0);
	dma_buf_begin_cpu_access(dmabuf, DMA_BIDIRECTIONAL);
	dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL);
	assert_int_equal(device_byte(&screen), 'p');
	use_end(&camera);
	use_end(&screen);
	dma_buf_put(dmabuf);
}

static void brackets_without_devices_succeed(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE);
	struct device *dev = device_non_coherent();
	struct dma_buf_attachment *attach;

	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_BIDIRECTIONAL),
			 0);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL), 0);
	/* Attached, but nothing mapped. */
	attach = dma_buf_attach(dmabuf, dev);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_BIDIRECTIONAL),
			 0);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL), 0);
	dma_buf_detach(dmabuf, attach);
	dmabuf_device_destroy(dev);
	dma_buf_put(dmabuf);
}

/* Devices with copies of their own: only what they wrote comes back. */

/* Each writes beside the other, the older attachment first or last. */
static void both_write(const struct use *first, const struct use *second,
		       char value)
{
	device_put_byte(first, 10, value);
	device_put_byte(second, 11, (char)(value + 1));
	device_put_byte(second, SIZE - 1, (char)(value + 2));
}

static bool both_were_kept(const char *vaddr, char value)
{
	return vaddr[9] == 'c' && vaddr[10] == value &&
	       vaddr[11] == value + 1 && vaddr[12] == 'c' &&
	       vaddr[SIZE - 1] == value + 2;
}

static void devices_keep_what_the_other_one_wrote(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE);
	char *vaddr = vmap_of(dmabuf);
	struct use uses[2];
	int older;

	memset(vaddr, 'c', SIZE);
	use_begin(&uses[0], dmabuf, device_non_coherent(), DMA_BIDIRECTIONAL);
	use_begin(&uses[1], dmabuf, device_non_coherent(), DMA_BIDIRECTIONAL);
	for (older = 0; older < 2; older++) {
		both_write(&uses[older], &uses[!older], (char)('0' + older));
		assert_int_equal(dma_buf_begin_cpu_access(dmabuf,
							  DMA_FROM_DEVICE), 0);
		assert_true(both_were_kept(vaddr, (char)('0' + older)));
		assert_int_equal(dma_buf_end_cpu_access(dmabuf,
							DMA_FROM_DEVICE), 0);
	}
	use_end(&uses[0]);
	use_end(&uses[1]);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

/* Also an idle mapping that is unmapped last takes nothing back. */
static void unmaps_keep_what_the_other_device_wrote(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE);
	char *vaddr = vmap_of(dmabuf);
	struct use uses[3];
	int first;
	int i;

	for (first = 0; first < 2; first++) {
		memset(vaddr, 'c', SIZE);
		for (i = 0; i < 3; i++)
			use_begin(&uses[i], dmabuf, device_non_coherent(),
				  DMA_BIDIRECTIONAL);
		both_write(&uses[0], &uses[1], 'm');
		use_unmap(&uses[first]);
		use_unmap(&uses[!first]);
		use_unmap(&uses[2]);
		assert_true(both_were_kept(vaddr, 'm'));
		for (i = 0; i < 3; i++)
			use_detach(&uses[i]);
	}
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIND_TESTS(brackets_bring_every_device_up_to_date),
		KIND_TESTS(begin_shows_the_cpu_what_a_device_wrote),
		KIND_TESTS(begin_takes_nothing_from_a_reading_device),
		KIND_TESTS(brackets_reach_every_mapping_of_an_attachment),
		KIND_TESTS(data_goes_from_device_to_device),
		KIND_TESTS(brackets_without_devices_succeed),
		KIND_TESTS(devices_keep_what_the_other_one_wrote),
		KIND_TESTS(unmaps_keep_what_the_other_device_wrote),
	};

	return cmocka_run_group_tests_name("exporters/sync", tests,
					   leaks_group_setup, NULL) != 0;
}
