/* SPDX-License-Identifier: MIT */
/* test-attachment.c - devices on a buffer: attach and detach */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "assert-bug.h"
#include "attached.h"
#include "held.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "sanitized.h"
#include "warns.h"

/* Attach */

/* INV-ATT-1 */
static void attach_without_buffer_is_einval(void **state)
{
	(void)state;
	stage_begin(0);
	assert_error(dma_buf_attach(NULL, dev), -EINVAL);
	assert_warned("attach: ");
	assert_error(dma_buf_dynamic_attach(NULL, dev, &mock_importer, &mock),
		     -EINVAL);
	assert_warned("attach: ");
	stage_end("release");
}

/* INV-ATT-2 */
static void attach_without_device_is_einval(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);

	(void)state;
	assert_error(dma_buf_attach(dmabuf, NULL), -EINVAL);
	assert_warned("attach: ");
	stage_end("release");
}

/* INV-ATT-3 */
static void attach_without_move_notify_is_einval(void **state)
{
	static const struct dma_buf_attach_ops none;
	struct dma_buf *dmabuf = stage_begin(0);

	(void)state;
	assert_error(dma_buf_dynamic_attach(dmabuf, dev, &none, &mock),
		     -EINVAL);
	assert_warned("move_notify");
	stage_end("release");
}

static void attachment_shows_who_attached(void **state)
{
	struct dma_buf_attach_ops ops = mock_importer;
	struct dma_buf *dmabuf = stage_begin(0);
	struct dma_buf_attachment *attach = attach_static();

	(void)state;
	assert_ptr_equal(attach->dmabuf, dmabuf);
	assert_ptr_equal(attach->dev, dev);
	assert_null(attach->importer_ops);
	assert_null(attach->importer_priv);
	assert_null(attach->priv);
	assert_null(attach->sgt);
	assert_false(attach->peer2peer);
	assert_false(dma_buf_attachment_is_dynamic(attach));
	dma_buf_detach(dmabuf, attach);

	ops.allow_peer2peer = true;
	attach = dma_buf_dynamic_attach(dmabuf, dev, &ops, &mock);
	assert_ptr_equal(attach->importer_ops, &ops);
	assert_ptr_equal(attach->importer_priv, &mock);
	assert_true(attach->peer2peer);
	assert_true(dma_buf_attachment_is_dynamic(attach));
	dma_buf_detach(dmabuf, attach);
	stage_end("attach detach attach map unmap detach release");
}

/* INV-D-7 */
static void newest_attachment_comes_first(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct dma_buf_attachment *made[4], *attach;
	int i;

	(void)state;
	for (i = 0; i < 4; i++)
		made[i] = attach_static();
	dmabuf_for_each_attachment(attach, dmabuf)
		assert_ptr_equal(attach, made[--i]);
	assert_int_equal(i, 0);
	dma_buf_detach(dmabuf, made[2]);
	assert_ptr_equal(dmabuf_list_attachment(dmabuf->attachments.next),
			 made[3]);
	assert_ptr_equal(dmabuf_list_attachment(made[3]->node.next), made[1]);
	for (i = 0; i < 4; i++)
		if (i != 2)
			dma_buf_detach(dmabuf, made[i]);
	assert_int_equal(nr_attachments(dmabuf), 0);
	stage_end("attach attach attach attach "
		  "detach detach detach detach release");
}

/* INV-D-6 */
static void refused_attach_changes_nothing(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct dma_buf_attachment *first = attach_static();

	(void)state;
	mock_fail(&mock, MOCK_OP_ATTACH, 1, -EBUSY);
	assert_error(dma_buf_attach(dmabuf, dev), -EBUSY);
	mock_fail(&mock, MOCK_OP_ATTACH, 1, -ENODEV);
	assert_error(dma_buf_attach(dmabuf, dev), -ENODEV);
	assert_int_equal(nr_attachments(dmabuf), 1);
	assert_ptr_equal(dmabuf->attachments.next, &first->node);
	assert_log(&mock, "attach attach attach");
	dma_buf_detach(dmabuf, first);
	stage_end("detach release");
}

/* A positive value would make a pointer of nothing. */
static void positive_result_of_attach_op_is_einval(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);

	(void)state;
	mock_fail(&mock, MOCK_OP_ATTACH, 1, 1);
	assert_error(dma_buf_attach(dmabuf, dev), -EINVAL);
	assert_warned("attach op returned 1");
	assert_int_equal(nr_attachments(dmabuf), 0);
	stage_end("attach release");
}

static void attach_and_detach_ops_are_optional(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_BARE);

	(void)state;
	dma_buf_detach(dmabuf, attach_static());
	stage_end("release");
}

/* Runs in every op: the attachment's place, and who holds what. */
static void check_locks(struct mock *m, enum mock_op op,
			struct dma_buf_attachment *attach)
{
	struct dma_buf *dmabuf = m->dmabuf;
	bool on_list = false;
	struct dma_buf_attachment *a;

	assert_false(mutex_is_held(&dmabuf->lock));
	dmabuf_for_each_attachment(a, dmabuf)
		on_list |= a == attach;
	switch (op) {
	case MOCK_OP_ATTACH:
	case MOCK_OP_DETACH:
		assert_false(dma_resv_is_locked(dmabuf->resv));
		assert_false(on_list);
		break;
	case MOCK_OP_RELEASE:
		assert_false(dma_resv_is_locked(dmabuf->resv));
		break;
	default:
		assert_true(dma_resv_held(dmabuf->resv));
		assert_true(on_list);
	}
}

static void ops_run_with_the_locks_they_are_promised(void **state)
{
	struct dma_buf_attachment *attach;
	struct sg_table *table;
	struct dma_buf *dmabuf = stage_begin(MOCK_DYNAMIC);

	(void)state;
	mock.hook = check_locks;
	attach = attach_static();
	dma_buf_detach(dmabuf, attach);
	attach = attach_dynamic();
	dma_resv_lock(dmabuf->resv, NULL);
	assert_int_equal(dma_buf_pin(attach), 0);
	table = dma_buf_map_attachment(attach, DMA_FROM_DEVICE);
	dma_buf_move_notify(dmabuf);
	dma_buf_unmap_attachment(attach, table, DMA_FROM_DEVICE);
	dma_buf_unpin(attach);
	dma_resv_unlock(dmabuf->resv);
	table = device_map(attach, DMA_TO_DEVICE);
	device_unmap(attach, table, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, attach);
	stage_end("attach pin map unmap unpin detach "
		  "attach pin map move_notify unmap unpin "
		  "map unmap detach release");
}

/* Attach and detach ops may use the buffer: no lock is held. */
static void use_buffer(struct mock *m, enum mock_op op,
		       struct dma_buf_attachment *attach)
{
	(void)attach;
	if (op != MOCK_OP_ATTACH && op != MOCK_OP_DETACH)
		return;
	dma_buf_vunmap(m->dmabuf, dma_buf_vmap(m->dmabuf));
	dma_resv_lock(m->dmabuf->resv, NULL);
	dma_resv_unlock(m->dmabuf->resv);
}

static void attach_and_detach_ops_may_use_the_buffer(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);

	(void)state;
	mock.hook = use_buffer;
	dma_buf_detach(dmabuf, attach_static());
	stage_end("attach vmap vunmap detach vmap vunmap release");
}

/* Detach */

/* INV-DET-1 */
static void detach_without_buffer_warns(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct dma_buf_attachment *attach = attach_static();

	(void)state;
	dma_buf_detach(NULL, attach);
	assert_warned("WARN: dma_buf_detach: ");
	assert_int_equal(nr_attachments(dmabuf), 1);
	dma_buf_detach(dmabuf, attach);
	stage_end("attach detach release");
}

/* INV-DET-2 */
static void detach_without_attachment_warns(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);

	(void)state;
	dma_buf_detach(dmabuf, NULL);
	assert_warned("WARN: dma_buf_detach: ");
	stage_end("release");
}

/* INV-DET-3 */
static void detach_of_another_buffers_attachment_warns(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct dma_buf_attachment *attach = attach_static();
	struct mock other;

	(void)state;
	mock_export(&other, 8192, 0);
	dma_buf_detach(other.dmabuf, attach);
	assert_warned("another buffer");
	assert_int_equal(nr_attachments(dmabuf), 1);
	assert_ptr_equal(attach->dmabuf, dmabuf);
	dma_buf_put(other.dmabuf);
	assert_log(&other, "release");
	dma_buf_detach(dmabuf, attach);
	stage_end("attach detach release");
}

/* A BUG at attach: nobody has the pointer, so nothing may be left. */

static enum mock_op breaking_op;

static void break_in_op(struct mock *m, enum mock_op op,
			struct dma_buf_attachment *attach)
{
	(void)attach;
	if (op == breaking_op)
		dma_buf_vunmap(m->dmabuf, m->addr);
}

static void do_attach(void *data)
{
	dma_buf_attach(data, dev);
}

static void do_dynamic_attach(void *data)
{
	dma_buf_dynamic_attach(data, dev, &mock_importer, &mock);
}

/* No attachment, and no lock held */
static void nothing_is_left(struct dma_buf *dmabuf)
{
	assert_int_equal(nr_attachments(dmabuf), 0);
	assert_false(dma_resv_is_locked(dmabuf->resv));
	assert_false(mutex_is_held(&dmabuf->resv->lock));
	assert_false(mutex_is_held(&dmabuf->lock));
}

static void attach_breaks(unsigned int options, bug_fn attach,
			  enum mock_op op, const char *log)
{
	struct dma_buf *dmabuf = stage_begin(options);

	breaking_op = op;
	mock.hook = break_in_op;
	assert_bug_caught(attach, dmabuf, "BUG: dma_buf_vunmap: ");
	mock.hook = NULL;
	nothing_is_left(dmabuf);
	assert_log(&mock, log);
	dma_resv_lock(dmabuf->resv, NULL);
	dma_buf_move_notify(dmabuf);
	dma_resv_unlock(dmabuf->resv);
	dma_buf_detach(dmabuf, attach_static());
	assert_int_equal(nr_attachments(dmabuf), 0);
	mock.log[0] = '\0';
	stage_end("release");
	assert_no_warning();
}

/* INV-D-6 */
static void bug_in_pin_or_map_at_attach_leaves_no_attachment(void **state)
{
	(void)state;
	attach_breaks(MOCK_DYNAMIC, do_attach, MOCK_OP_PIN, "attach pin");
	attach_breaks(MOCK_DYNAMIC, do_attach, MOCK_OP_MAP, "attach pin map");
	attach_breaks(0, do_dynamic_attach, MOCK_OP_MAP, "attach map");
}

static void bug_in_the_attach_op_leaves_no_attachment(void **state)
{
	(void)state;
	attach_breaks(0, do_attach, MOCK_OP_ATTACH, "attach");
}

/* Functions that take the reservation, called by its holder */

static void do_detach(void *data)
{
	struct dma_buf_attachment *attach = data;

	dma_buf_detach(attach->dmabuf, attach);
}

static void bug_in_the_detach_op_leaves_no_attachment(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);

	(void)state;
	breaking_op = MOCK_OP_DETACH;
	mock.hook = break_in_op;
	assert_bug_caught(do_detach, attach_static(), "BUG: dma_buf_vunmap: ");
	mock.hook = NULL;
	nothing_is_left(dmabuf);
	stage_end("attach detach release");
}

/* The exporter was asked to unmap: it is not asked again. Detach is done. */
static void detach_breaks(enum mock_op op, const char *log)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_DYNAMIC);
	struct dma_buf_attachment *attach = attach_static();
	struct sg_table *table = attach->sgt;

	breaking_op = op;
	mock.hook = break_in_op;
	assert_bug_caught(do_detach, attach, "BUG: dma_buf_vunmap: ");
	mock.hook = NULL;
	nothing_is_left(dmabuf);
	assert_log(&mock, log);
	if (op == MOCK_OP_UNMAP) {
		dma_unmap_sgtable(dev, table, DMA_BIDIRECTIONAL, 0);
		sg_free_table(table);
		free(table);
	}
	dma_buf_detach(dmabuf, attach_static());
	stage_end("attach pin map unmap unpin detach release");
	assert_no_warning();
	assert_false(memory_leaked());
}

/* INV-D-8 */
static void bug_in_unmap_or_unpin_at_detach_leaves_no_attachment(void **state)
{
	(void)state;
	detach_breaks(MOCK_OP_UNMAP, "attach pin map unmap");
	detach_breaks(MOCK_OP_UNPIN, "attach pin map unmap unpin");
}

static void do_unmap(void *data)
{
	static struct sg_table none;

	device_unmap(data, &none, DMA_TO_DEVICE);
}

static void held_report_check(bug_fn fn, void *data, const char *function)
{
	static const char *const state[] = {
		"name \"held\"", "exporter mock", "size 8192",
		"vmapping_counter 0", "vmap_ptr", "attachments 1",
	};
	const char *report = bug_caught(fn, data);
	char start[64];
	size_t i;

	assert_non_null(report);
	snprintf(start, sizeof(start), "libdmabuf: BUG: %s: ", function);
	assert_ptr_equal(strstr(report, start), report);
	assert_non_null(strstr(report, "holds"));
	for (i = 0; i < sizeof(state) / sizeof(state[0]); i++)
		assert_non_null(strstr(report, state[i]));
}

static void report_of_a_held_reservation_shows_the_object(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct dma_buf_attachment *attach = attach_static();

	(void)state;
	assert_int_equal(dma_buf_set_name(dmabuf, "held"), 0);
	dma_resv_lock(dmabuf->resv, NULL);
	held_report_check(do_attach, dmabuf, "dma_buf_dynamic_attach");
	held_report_check(do_detach, attach, "dma_buf_detach");
	held_report_check(do_map, attach, "dma_buf_map_attachment_unlocked");
	held_report_check(do_unmap, attach,
			  "dma_buf_unmap_attachment_unlocked");
	dma_resv_unlock(dmabuf->resv);
	dma_buf_detach(dmabuf, attach);
	stage_end("attach detach release");
}

static void taking_a_held_reservation_is_a_bug(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct dma_buf_attachment *attach = attach_static();

	(void)state;
	dma_resv_lock(dmabuf->resv, NULL);
	assert_bug_caught(do_map, attach, "holds");
	assert_bug_caught(do_detach, attach, "holds");
	assert_true(dma_resv_held(dmabuf->resv));
	dma_resv_unlock(dmabuf->resv);
	assert_int_equal(nr_attachments(dmabuf), 1);
	dma_buf_detach(dmabuf, attach);
	stage_end("attach detach release");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(attach_without_buffer_is_einval),
		LEAK_TEST(attach_without_device_is_einval),
		LEAK_TEST(attach_without_move_notify_is_einval),
		LEAK_TEST(attachment_shows_who_attached),
		LEAK_TEST(newest_attachment_comes_first),
		LEAK_TEST(refused_attach_changes_nothing),
		LEAK_TEST(positive_result_of_attach_op_is_einval),
		LEAK_TEST(attach_and_detach_ops_are_optional),
		LEAK_TEST(ops_run_with_the_locks_they_are_promised),
		LEAK_TEST(attach_and_detach_ops_may_use_the_buffer),
		LEAK_TEST(detach_without_buffer_warns),
		LEAK_TEST(detach_without_attachment_warns),
		LEAK_TEST(detach_of_another_buffers_attachment_warns),
		LEAK_TEST(bug_in_pin_or_map_at_attach_leaves_no_attachment),
		LEAK_TEST(bug_in_the_attach_op_leaves_no_attachment),
		LEAK_TEST(bug_in_the_detach_op_leaves_no_attachment),
		LEAK_TEST(bug_in_unmap_or_unpin_at_detach_leaves_no_attachment),
		LEAK_TEST(report_of_a_held_reservation_shows_the_object),
		LEAK_TEST(taking_a_held_reservation_is_a_bug),
	};

	return cmocka_run_group_tests_name("dma_buf/attachment", tests,
					   leaks_group_setup, NULL) != 0;
}
