/* SPDX-License-Identifier: MIT */
/* test-exporter-left.c - importers who do not clean up */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "exporters.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "warns.h"

#define SIZE ((size_t)16384)

static void device_faults(const struct use *use)
{
	char byte = 'x';

	assert_int_equal(dmabuf_device_read(use->dev, use->addr, &byte, 1),
			 -EFAULT);
	assert_warned("not mapped, or no longer");
	assert_int_equal(dmabuf_device_write(use->dev, use->addr, &byte, 1),
			 -EFAULT);
	assert_warned("not mapped, or no longer");
}

static void tables_left_at_the_release_are_taken_down(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE);
	struct dma_buf_attachment *idle;
	struct use uses[2];

	use_begin(&uses[0], dmabuf, device_new(), DMA_BIDIRECTIONAL);
	use_begin(&uses[1], dmabuf, device_non_coherent(), DMA_FROM_DEVICE);
	assert_false(IS_ERR(dma_buf_map_attachment_unlocked(uses[1].attach,
							    DMA_TO_DEVICE)));
	idle = dma_buf_attach(dmabuf, uses[0].dev);
	assert_false(IS_ERR(idle));
	dma_buf_put(dmabuf);
	assert_warned("released with attachments");
	assert_int_equal(dmabuf_live_buffers(), 0);
	device_faults(&uses[0]);
	device_faults(&uses[1]);
	dma_buf_detach(dmabuf, idle);
	use_detach(&uses[0]);
	use_detach(&uses[1]);
	assert_no_warning();
}

static void tables_left_at_detach_warn_and_are_taken_down(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE);
	struct use use;

	use_begin(&use, dmabuf, device_non_coherent(), DMA_BIDIRECTIONAL);
	assert_false(IS_ERR(dma_buf_map_attachment_unlocked(use.attach,
							    DMA_TO_DEVICE)));
	dma_buf_detach(dmabuf, use.attach);
	assert_warned("WARN: dma_buf_detach: device far: still mapped");
	device_faults(&use);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	dmabuf_device_destroy(use.dev);
	dma_buf_put(dmabuf);
	assert_no_warning();
}

/* Heard in the handler, which uses the buffer: no lock is held around it. */
struct heard {
	struct dma_buf *dmabuf;
	unsigned int reports;
	bool was_told_who;
	bool vmapped;
};

static void hear_and_vmap(const char *report, void *data)
{
	struct heard *heard = data;
	void *vaddr = dma_buf_vmap(heard->dmabuf);

	heard->reports++;
	heard->was_told_who = strstr(report, "unmapped the table himself");
	heard->vmapped = !IS_ERR_OR_NULL(vaddr);
	if (heard->vmapped)
		dma_buf_vunmap(heard->dmabuf, vaddr);
}

static void importer_that_unmaps_himself_is_told_without_locks(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE);
	struct heard heard = { .dmabuf = dmabuf };
	struct use use;

	use_begin(&use, dmabuf, device_non_coherent(), DMA_BIDIRECTIONAL);
	dma_unmap_sgtable(use.dev, use.table, use.dir, 0);
	dmabuf_set_warn_handler(hear_and_vmap, &heard);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	assert_int_equal(heard.reports, 1);
	assert_true(heard.was_told_who);
	assert_true(heard.vmapped);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	assert_int_equal(heard.reports, 2);
	assert_true(heard.was_told_who);
	assert_true(heard.vmapped);
	warns_begin();
	use_unmap(&use);
	assert_warned("table is not mapped");
	use_detach(&use);
	dma_buf_put(dmabuf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIND_TESTS(tables_left_at_the_release_are_taken_down),
		KIND_TESTS(tables_left_at_detach_warn_and_are_taken_down),
		KIND_TESTS(importer_that_unmaps_himself_is_told_without_locks),
	};

	return cmocka_run_group_tests_name("exporters/left", tests,
					   leaks_group_setup, NULL) != 0;
}
