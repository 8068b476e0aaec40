/* SPDX-License-Identifier: MIT */
/* test-attachment-dynamic.c - sides that can move, or not: pin and move */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "attached.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "warns.h"

/* Pin */

/* INV-PIN-1 */
static void pin_of_a_static_attachment_is_einval(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_DYNAMIC);
	struct dma_buf_attachment *attach = attach_static();

	(void)state;
	dma_resv_lock(dmabuf->resv, NULL);
	assert_int_equal(dma_buf_pin(attach), -EINVAL);
	assert_warned("WARN: dma_buf_pin: ");
	dma_resv_unlock(dmabuf->resv);
	assert_log(&mock, "attach pin map");
	dma_buf_detach(dmabuf, attach);
	stage_end("unmap unpin detach release");
}

/* INV-PIN-2 */
static void unpin_of_a_static_attachment_warns(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_DYNAMIC);
	struct dma_buf_attachment *attach = attach_static();

	(void)state;
	dma_resv_lock(dmabuf->resv, NULL);
	dma_buf_unpin(attach);
	assert_warned("WARN: dma_buf_unpin: ");
	dma_resv_unlock(dmabuf->resv);
	assert_log(&mock, "attach pin map");
	dma_buf_detach(dmabuf, attach);
	stage_end("unmap unpin detach release");
}

static void pin_of_null_is_einval(void **state)
{
	(void)state;
	assert_int_equal(dma_buf_pin(NULL), -EINVAL);
	assert_warned("WARN: dma_buf_pin: ");
	dma_buf_unpin(NULL);
	assert_warned("WARN: dma_buf_unpin: ");
}

/* INV-LOCK-1, INV-LOCK-2 */
static void pin_and_unpin_without_reservation_warn_and_go_on(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_DYNAMIC);
	struct dma_buf_attachment *attach = attach_dynamic();

	(void)state;
	assert_int_equal(dma_buf_pin(attach), 0);
	assert_warned("WARN: dma_buf_pin: ");
	dma_buf_unpin(attach);
	assert_warned("WARN: dma_buf_unpin: ");
	dma_buf_detach(dmabuf, attach);
	stage_end("attach pin unpin detach release");
}

static void result_of_pin_op_is_passed_through(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_DYNAMIC);
	struct dma_buf_attachment *attach = attach_dynamic();

	(void)state;
	dma_resv_lock(dmabuf->resv, NULL);
	mock_fail(&mock, MOCK_OP_PIN, 1, -EBUSY);
	assert_int_equal(dma_buf_pin(attach), -EBUSY);
	dma_resv_unlock(dmabuf->resv);
	dma_buf_detach(dmabuf, attach);
	stage_end("attach pin detach release");
}

static void pin_of_a_static_exporter_does_nothing(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct dma_buf_attachment *attach = attach_dynamic();

	(void)state;
	assert_log(&mock, "attach map");
	dma_resv_lock(dmabuf->resv, NULL);
	assert_int_equal(dma_buf_pin(attach), 0);
	dma_buf_unpin(attach);
	dma_resv_unlock(dmabuf->resv);
	assert_log(&mock, "");
	dma_buf_detach(dmabuf, attach);
	stage_end("unmap detach release");
}

/* Static and dynamic */

static void static_exporter_static_importer_maps_each_time(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct dma_buf_attachment *attach = attach_static();
	struct sg_table *a, *b;

	(void)state;
	assert_log(&mock, "attach");
	a = device_map(attach, DMA_TO_DEVICE);
	b = device_map(attach, DMA_FROM_DEVICE);
	assert_ptr_not_equal(a, b);
	assert_int_equal(mock.dir, DMA_FROM_DEVICE);
	device_unmap(attach, b, DMA_FROM_DEVICE);
	device_unmap(attach, a, DMA_TO_DEVICE);
	assert_int_equal(mock.dir, DMA_TO_DEVICE);
	assert_log(&mock, "map map unmap unmap");
	dma_buf_detach(dmabuf, attach);
	stage_end("detach release");
}

/* Both ways in which only one side is dynamic. */
static void kept_mapping_serves_every_map(struct dma_buf_attachment *attach)
{
	enum dma_data_direction dir;

	assert_non_null(attach->sgt);
	assert_int_equal(attach->dir, DMA_BIDIRECTIONAL);
	assert_int_equal(mock.dir, DMA_BIDIRECTIONAL);
	for (dir = DMA_BIDIRECTIONAL; dir <= DMA_FROM_DEVICE; dir++) {
		assert_ptr_equal(device_map(attach, dir), attach->sgt);
		device_unmap(attach, attach->sgt, dir);
	}
	assert_log(&mock, "");
}

static void static_exporter_dynamic_importer_maps_at_attach(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct dma_buf_attachment *attach = attach_dynamic();

	(void)state;
	assert_log(&mock, "attach map");
	kept_mapping_serves_every_map(attach);
	dma_buf_detach(dmabuf, attach);
	stage_end("unmap detach release");
}

/* INV-D-9 */
static void dynamic_exporter_static_importer_pins_at_attach(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_DYNAMIC);
	struct dma_buf_attachment *attach = attach_static();

	(void)state;
	assert_true(dma_buf_is_dynamic(dmabuf));
	assert_log(&mock, "attach pin map");
	kept_mapping_serves_every_map(attach);
	dma_buf_detach(dmabuf, attach);
	stage_end("unmap unpin detach release");
}

static void dynamic_exporter_dynamic_importer_maps_each_time(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_DYNAMIC);
	struct dma_buf_attachment *attach = attach_dynamic();
	struct sg_table *table;

	(void)state;
	assert_log(&mock, "attach");
	table = device_map(attach, DMA_TO_DEVICE);
	assert_null(attach->sgt);
	device_unmap(attach, table, DMA_TO_DEVICE);
	assert_log(&mock, "map unmap");
	dma_buf_detach(dmabuf, attach);
	stage_end("detach release");
}

/* INV-D-6: here the detach op is called. INV-D-9 */
static void failed_pin_at_attach_detaches(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_DYNAMIC);

	(void)state;
	mock_fail(&mock, MOCK_OP_PIN, 1, -EAGAIN);
	assert_error(dma_buf_attach(dmabuf, dev), -EAGAIN);
	assert_int_equal(nr_attachments(dmabuf), 0);
	assert_false(dma_resv_is_locked(dmabuf->resv));
	stage_end("attach pin detach release");
}

/* INV-D-6, INV-D-9: a positive value would make a pointer of nothing. */
static void positive_result_of_pin_at_attach_is_einval(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_DYNAMIC);

	(void)state;
	mock_fail(&mock, MOCK_OP_PIN, 1, 1);
	assert_error(dma_buf_attach(dmabuf, dev), -EINVAL);
	assert_warned("WARN: dma_buf_attach: the pin op returned 1");
	assert_int_equal(nr_attachments(dmabuf), 0);
	assert_false(dma_resv_is_locked(dmabuf->resv));
	stage_end("attach pin detach release");
}

/* INV-D-6, INV-D-9 */
static void failed_map_at_attach_unpins_and_detaches(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_DYNAMIC);

	(void)state;
	mock_fail(&mock, MOCK_OP_MAP, 1, -EIO);
	assert_error(dma_buf_attach(dmabuf, dev), -EIO);
	assert_log(&mock, "attach pin map unpin detach");
	mock_fail(&mock, MOCK_OP_MAP, 1, 0);
	assert_error(dma_buf_attach(dmabuf, dev), -ENOMEM);
	assert_int_equal(nr_attachments(dmabuf), 0);
	assert_false(dma_resv_is_locked(dmabuf->resv));
	stage_end("attach pin map unpin detach release");
}

/* INV-D-6 */
static void failed_map_at_dynamic_attach_detaches(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);

	(void)state;
	mock_fail(&mock, MOCK_OP_MAP, 1, -EINTR);
	assert_error(dma_buf_dynamic_attach(dmabuf, dev, &mock_importer, &mock),
		     -EINTR);
	assert_int_equal(nr_attachments(dmabuf), 0);
	stage_end("attach map detach release");
}

/* Move */

static struct dma_buf_attachment *notified[4];
static unsigned int nr_notified;

static void note_move(struct mock *m, enum mock_op op,
		      struct dma_buf_attachment *attach)
{
	(void)m;
	if (op == MOCK_OP_MOVE_NOTIFY)
		notified[nr_notified++] = attach;
}

/* INV-D-10 */
static void move_notify_reaches_dynamic_importers_newest_first(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_DYNAMIC);
	struct dma_buf_attachment *a = attach_dynamic();
	struct dma_buf_attachment *b = attach_static();
	struct dma_buf_attachment *c = attach_dynamic();

	(void)state;
	nr_notified = 0;
	mock.hook = note_move;
	dma_resv_lock(dmabuf->resv, NULL);
	dma_buf_move_notify(dmabuf);
	dma_resv_unlock(dmabuf->resv);
	assert_int_equal(nr_notified, 2);
	assert_ptr_equal(notified[0], c);
	assert_ptr_equal(notified[1], a);
	dma_buf_detach(dmabuf, a);
	dma_buf_detach(dmabuf, b);
	dma_buf_detach(dmabuf, c);
	stage_end("attach attach pin map attach move_notify move_notify "
		  "detach unmap unpin detach detach release");
}

/* INV-LOCK-5 */
static void move_notify_without_reservation_warns_and_goes_on(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_DYNAMIC);
	struct dma_buf_attachment *attach = attach_dynamic();

	(void)state;
	dma_buf_move_notify(dmabuf);
	assert_warned("WARN: dma_buf_move_notify: ");
	dma_buf_detach(dmabuf, attach);
	stage_end("attach move_notify detach release");
}

static void move_notify_of_null_warns(void **state)
{
	(void)state;
	dma_buf_move_notify(NULL);
	assert_warned("WARN: dma_buf_move_notify: ");
}

/* An importer may map anew in the callback. */
static void map_anew(struct mock *m, enum mock_op op,
		     struct dma_buf_attachment *attach)
{
	struct sg_table *table;

	(void)m;
	if (op != MOCK_OP_MOVE_NOTIFY)
		return;
	table = dma_buf_map_attachment(attach, DMA_TO_DEVICE);
	dma_buf_unmap_attachment(attach, table, DMA_TO_DEVICE);
}

static void importer_may_map_in_move_notify(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_DYNAMIC);
	struct dma_buf_attachment *attach = attach_dynamic();

	(void)state;
	mock.hook = map_anew;
	dma_resv_lock(dmabuf->resv, NULL);
	dma_buf_move_notify(dmabuf);
	dma_resv_unlock(dmabuf->resv);
	dma_buf_detach(dmabuf, attach);
	stage_end("attach move_notify map unmap detach release");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(pin_of_a_static_attachment_is_einval),
		LEAK_TEST(unpin_of_a_static_attachment_warns),
		LEAK_TEST(pin_of_null_is_einval),
		LEAK_TEST(pin_and_unpin_without_reservation_warn_and_go_on),
		LEAK_TEST(result_of_pin_op_is_passed_through),
		LEAK_TEST(pin_of_a_static_exporter_does_nothing),
		LEAK_TEST(static_exporter_static_importer_maps_each_time),
		LEAK_TEST(static_exporter_dynamic_importer_maps_at_attach),
		LEAK_TEST(dynamic_exporter_static_importer_pins_at_attach),
		LEAK_TEST(dynamic_exporter_dynamic_importer_maps_each_time),
		LEAK_TEST(failed_pin_at_attach_detaches),
		LEAK_TEST(positive_result_of_pin_at_attach_is_einval),
		LEAK_TEST(failed_map_at_attach_unpins_and_detaches),
		LEAK_TEST(failed_map_at_dynamic_attach_detaches),
		LEAK_TEST(move_notify_reaches_dynamic_importers_newest_first),
		LEAK_TEST(move_notify_without_reservation_warns_and_goes_on),
		LEAK_TEST(move_notify_of_null_warns),
		LEAK_TEST(importer_may_map_in_move_notify),
	};

	return cmocka_run_group_tests_name("dma_buf/attachment/dynamic", tests,
					   leaks_group_setup, NULL) != 0;
}
