/* SPDX-License-Identifier: MIT */
/* test-attachment-map.c - mapping for a device, and the kept mapping */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "assert-bug.h"
#include "attached.h"
#include "held.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "warns.h"

/* Map */

/* INV-MAP-1, INV-MAP-3 */
static void map_without_attachment_is_einval(void **state)
{
	(void)state;
	assert_error(dma_buf_map_attachment(NULL, DMA_TO_DEVICE), -EINVAL);
	assert_warned("WARN: dma_buf_map_attachment: ");
	assert_error(device_map(NULL, DMA_TO_DEVICE), -EINVAL);
	assert_warned("WARN: dma_buf_map_attachment_unlocked: ");
}

/* INV-MAP-2, INV-MAP-3 */
static void map_of_an_attachment_without_buffer_is_einval(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct dma_buf_attachment *attach = attach_static();

	(void)state;
	attach->dmabuf = NULL;
	assert_error(dma_buf_map_attachment(attach, DMA_TO_DEVICE), -EINVAL);
	assert_warned("WARN: dma_buf_map_attachment: ");
	assert_error(device_map(attach, DMA_TO_DEVICE), -EINVAL);
	assert_warned("WARN: dma_buf_map_attachment_unlocked: ");
	attach->dmabuf = dmabuf;
	dma_buf_detach(dmabuf, attach);
	stage_end("attach detach release");
}

/* INV-LOCK-3, INV-LOCK-4 */
static void map_and_unmap_without_reservation_warn_and_go_on(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct dma_buf_attachment *attach = attach_static();
	struct sg_table *table;

	(void)state;
	table = dma_buf_map_attachment(attach, DMA_TO_DEVICE);
	assert_false(IS_ERR_OR_NULL(table));
	assert_warned("WARN: dma_buf_map_attachment: ");
	dma_buf_unmap_attachment(attach, table, DMA_TO_DEVICE);
	assert_warned("WARN: dma_buf_unmap_attachment: ");
	dma_buf_detach(dmabuf, attach);
	stage_end("attach map unmap detach release");
}

static void result_of_map_op_is_passed_through_but_null(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct dma_buf_attachment *attach = attach_static();

	(void)state;
	mock_fail(&mock, MOCK_OP_MAP, 1, -EINTR);
	assert_error(device_map(attach, DMA_TO_DEVICE), -EINTR);
	mock_fail(&mock, MOCK_OP_MAP, 1, 0);
	assert_error(device_map(attach, DMA_TO_DEVICE), -ENOMEM);
	assert_null(attach->sgt);
	assert_false(dma_resv_is_locked(dmabuf->resv));
	dma_buf_detach(dmabuf, attach);
	stage_end("attach map map detach release");
}

/* The core does not look at directions; the mock's table maker does. */
static void direction_is_not_checked_by_the_core(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct dma_buf_attachment *attach = attach_static();

	(void)state;
	mock_fail(&mock, MOCK_OP_MAP, 1, -EPROTO);
	assert_error(device_map(attach, DMA_NONE), -EPROTO);
	assert_int_equal(mock.dir, DMA_NONE);
	dma_buf_detach(dmabuf, attach);
	stage_end("attach map detach release");
}

/* Unmap */

/* INV-UNMAP-1, INV-UNMAP-4 */
static void unmap_without_attachment_warns(void **state)
{
	struct sg_table table = { 0 };

	(void)state;
	dma_buf_unmap_attachment(NULL, &table, DMA_TO_DEVICE);
	assert_warned("WARN: dma_buf_unmap_attachment: ");
	device_unmap(NULL, &table, DMA_TO_DEVICE);
	assert_warned("WARN: dma_buf_unmap_attachment_unlocked: ");
}

/* INV-UNMAP-2, INV-UNMAP-3, INV-UNMAP-4 */
static void unmap_without_buffer_or_table_warns(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct dma_buf_attachment *attach = attach_static();
	struct sg_table *table = device_map(attach, DMA_TO_DEVICE);

	(void)state;
	attach->dmabuf = NULL;
	dma_buf_unmap_attachment(attach, table, DMA_TO_DEVICE);
	assert_warned("WARN: dma_buf_unmap_attachment: ");
	device_unmap(attach, table, DMA_TO_DEVICE);
	assert_warned("WARN: dma_buf_unmap_attachment_unlocked: ");
	attach->dmabuf = dmabuf;
	dma_buf_unmap_attachment(attach, NULL, DMA_TO_DEVICE);
	assert_warned("WARN: dma_buf_unmap_attachment: ");
	device_unmap(attach, NULL, DMA_TO_DEVICE);
	assert_warned("WARN: dma_buf_unmap_attachment_unlocked: ");
	assert_log(&mock, "attach map");
	device_unmap(attach, table, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, attach);
	stage_end("unmap detach release");
}

/* The kept mapping of cache_sgt_mapping */

/* INV-D-8 */
static void cached_mapping_is_unmapped_once_at_detach(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_CACHED);
	struct dma_buf_attachment *attach = attach_static();
	struct sg_table *table;
	int i;

	(void)state;
	assert_log(&mock, "attach");
	table = device_map(attach, DMA_TO_DEVICE);
	assert_ptr_equal(attach->sgt, table);
	assert_int_equal(attach->dir, DMA_TO_DEVICE);
	device_unmap(attach, table, DMA_TO_DEVICE);
	for (i = 0; i < 3; i++) {
		assert_ptr_equal(device_map(attach, DMA_TO_DEVICE), table);
		device_unmap(attach, table, DMA_TO_DEVICE);
	}
	assert_log(&mock, "map");
	dma_buf_detach(dmabuf, attach);
	assert_int_equal(mock.dir, DMA_TO_DEVICE);
	stage_end("unmap detach release");
}

static void cached_mapping_of_another_direction_is_ebusy(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_CACHED);
	struct dma_buf_attachment *attach = attach_static();
	struct sg_table *table = device_map(attach, DMA_TO_DEVICE);

	(void)state;
	assert_error(device_map(attach, DMA_FROM_DEVICE), -EBUSY);
	assert_error(device_map(attach, DMA_BIDIRECTIONAL), -EBUSY);
	assert_ptr_equal(device_map(attach, DMA_TO_DEVICE), table);
	assert_ptr_equal(attach->sgt, table);
	dma_buf_detach(dmabuf, attach);
	stage_end("attach map unmap detach release");
}

static void cached_bidirectional_mapping_serves_all(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_CACHED);
	struct dma_buf_attachment *attach = attach_static();
	struct sg_table *table = device_map(attach, DMA_BIDIRECTIONAL);

	(void)state;
	assert_ptr_equal(device_map(attach, DMA_TO_DEVICE), table);
	assert_ptr_equal(device_map(attach, DMA_FROM_DEVICE), table);
	dma_buf_detach(dmabuf, attach);
	stage_end("attach map unmap detach release");
}

static void each_attachment_caches_its_own(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_CACHED);
	struct dma_buf_attachment *a = attach_static(), *b = attach_static();

	(void)state;
	assert_ptr_not_equal(device_map(a, DMA_TO_DEVICE),
			     device_map(b, DMA_FROM_DEVICE));
	dma_buf_detach(dmabuf, a);
	dma_buf_detach(dmabuf, b);
	stage_end("attach attach map map unmap detach unmap detach release");
}

static void failed_map_caches_nothing(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_CACHED);
	struct dma_buf_attachment *attach = attach_static();

	(void)state;
	mock_fail(&mock, MOCK_OP_MAP, 1, -ENOMEM);
	assert_error(device_map(attach, DMA_TO_DEVICE), -ENOMEM);
	assert_null(attach->sgt);
	assert_false(IS_ERR(device_map(attach, DMA_FROM_DEVICE)));
	dma_buf_detach(dmabuf, attach);
	stage_end("attach map map unmap detach release");
}

/* The importer's mistake is not noticed: the op is called. */
static void unmap_of_another_table_reaches_the_exporter(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_CACHED);
	struct dma_buf_attachment *a = attach_static(), *b = attach_static();
	struct sg_table *table = device_map(a, DMA_TO_DEVICE);

	(void)state;
	device_map(b, DMA_TO_DEVICE);
	a->sgt = NULL;
	device_unmap(b, table, DMA_TO_DEVICE);
	assert_log(&mock, "attach attach map map unmap");
	dma_buf_detach(dmabuf, a);
	dma_buf_detach(dmabuf, b);
	stage_end("detach unmap detach release");
}

/* A BUG inside an op, left by longjmp */

static void break_in_map(struct mock *m, enum mock_op op,
			 struct dma_buf_attachment *attach)
{
	(void)attach;
	if (op == MOCK_OP_MAP)
		dma_buf_vunmap(m->dmabuf, m->addr);
}

static void do_map_locked(void *data)
{
	dma_buf_map_attachment(data, DMA_TO_DEVICE);
}

/* What the library took is dropped, what the caller took is not. */
static void bug_in_map_op_drops_the_librarys_reservation(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct dma_buf_attachment *attach = attach_static();

	(void)state;
	mock.hook = break_in_map;
	assert_bug_caught(do_map, attach, "BUG: dma_buf_vunmap: ");
	assert_false(dma_resv_is_locked(dmabuf->resv));
	assert_false(mutex_is_held(&dmabuf->resv->lock));
	dma_resv_lock(dmabuf->resv, NULL);
	assert_bug_caught(do_map_locked, attach, "BUG: dma_buf_vunmap: ");
	assert_true(dma_resv_held(dmabuf->resv));
	dma_resv_unlock(dmabuf->resv);
	mock.hook = NULL;
	device_unmap(attach, device_map(attach, DMA_TO_DEVICE), DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, attach);
	stage_end("attach map map map unmap detach release");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(map_without_attachment_is_einval),
		LEAK_TEST(map_of_an_attachment_without_buffer_is_einval),
		LEAK_TEST(map_and_unmap_without_reservation_warn_and_go_on),
		LEAK_TEST(result_of_map_op_is_passed_through_but_null),
		LEAK_TEST(direction_is_not_checked_by_the_core),
		LEAK_TEST(unmap_without_attachment_warns),
		LEAK_TEST(unmap_without_buffer_or_table_warns),
		LEAK_TEST(cached_mapping_is_unmapped_once_at_detach),
		LEAK_TEST(cached_mapping_of_another_direction_is_ebusy),
		LEAK_TEST(cached_bidirectional_mapping_serves_all),
		LEAK_TEST(each_attachment_caches_its_own),
		LEAK_TEST(failed_map_caches_nothing),
		LEAK_TEST(unmap_of_another_table_reaches_the_exporter),
		LEAK_TEST(bug_in_map_op_drops_the_librarys_reservation),
	};

	return cmocka_run_group_tests_name("dma_buf/attachment/map", tests,
					   leaks_group_setup, NULL) != 0;
}
