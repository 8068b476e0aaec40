/* SPDX-License-Identifier: MIT */
/* test-export.c - making a buffer, references, the end of a buffer */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "assert-bug.h"
#include "held.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "warns.h"

#define SIZE 4096

/* Refused exports */

/* INV-D-14: a refused export leaves nothing, and never calls release. */
static void export_is_refused(struct mock *mock, const char *why)
{
	unsigned int live = dmabuf_live_buffers();
	struct dma_buf *dmabuf = dma_buf_export(&mock->info);

	assert_true(IS_ERR(dmabuf));
	assert_int_equal(PTR_ERR(dmabuf), -EINVAL);
	assert_warned("WARN: dma_buf_export: ");
	assert_non_null(strstr(warns_last(), why));
	assert_int_equal(dmabuf_live_buffers(), live);
	assert_log(mock, "");
	mock_fini(mock);
}

/* INV-EXPORT-1 */
static void export_without_priv_is_einval(void **state)
{
	struct mock mock;

	(void)state;
	mock_init(&mock, SIZE, 0);
	mock.info.priv = NULL;
	export_is_refused(&mock, "priv");
}

/* INV-EXPORT-2 */
static void export_without_ops_is_einval(void **state)
{
	struct mock mock;

	(void)state;
	mock_init(&mock, SIZE, 0);
	mock.info.ops = NULL;
	export_is_refused(&mock, "ops");
}

/* INV-EXPORT-3 */
static void export_without_map_is_einval(void **state)
{
	struct mock mock;

	(void)state;
	mock_init(&mock, SIZE, 0);
	mock.ops.map_dma_buf = NULL;
	export_is_refused(&mock, "no map_dma_buf");
}

/* INV-EXPORT-4 */
static void export_without_unmap_is_einval(void **state)
{
	struct mock mock;

	(void)state;
	mock_init(&mock, SIZE, 0);
	mock.ops.unmap_dma_buf = NULL;
	export_is_refused(&mock, "unmap_dma_buf");
}

/* INV-EXPORT-5 */
static void export_without_release_is_einval(void **state)
{
	struct mock mock;

	(void)state;
	mock_init(&mock, SIZE, 0);
	mock.ops.release = NULL;
	export_is_refused(&mock, "release");
}

/* INV-EXPORT-9 */
static void cached_mapping_excludes_pin(void **state)
{
	struct mock mock;

	(void)state;
	mock_init(&mock, SIZE, MOCK_DYNAMIC | MOCK_CACHED);
	export_is_refused(&mock, "cache_sgt_mapping");
	mock_init(&mock, SIZE, MOCK_DYNAMIC | MOCK_CACHED);
	mock.ops.pin = NULL;
	export_is_refused(&mock, "cache_sgt_mapping");
	mock_init(&mock, SIZE, MOCK_DYNAMIC | MOCK_CACHED);
	mock.ops.unpin = NULL;
	export_is_refused(&mock, "cache_sgt_mapping");
}

/* INV-EXPORT-10 */
static void pin_and_unpin_come_together(void **state)
{
	struct mock mock;

	(void)state;
	mock_init(&mock, SIZE, MOCK_DYNAMIC);
	mock.ops.pin = NULL;
	export_is_refused(&mock, "only one of pin and unpin");
	mock_init(&mock, SIZE, MOCK_DYNAMIC);
	mock.ops.unpin = NULL;
	export_is_refused(&mock, "only one of pin and unpin");
}

static void export_of_null_is_einval(void **state)
{
	(void)state;
	assert_int_equal(PTR_ERR(dma_buf_export(NULL)), -EINVAL);
	assert_warned("WARN: dma_buf_export: ");
}

static void several_faults_are_one_warning(void **state)
{
	const struct dma_buf_export_info nothing = { 0 };

	(void)state;
	assert_int_equal(PTR_ERR(dma_buf_export(&nothing)), -EINVAL);
	assert_warned("WARN: dma_buf_export: ");
}

/* A new buffer */

static void new_buffer_shows_what_was_exported(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	(void)state;
	assert_int_equal(dmabuf->size, SIZE);
	assert_ptr_equal(dmabuf->ops, &mock.ops);
	assert_ptr_equal(dmabuf->exp_name, mock.info.exp_name);
	assert_ptr_equal(dmabuf->priv, &mock);
	assert_non_null(dmabuf->resv);
	assert_null(dmabuf->name);
	assert_int_equal(dmabuf->vmapping_counter, 0);
	assert_null(dmabuf->vmap_ptr);
	assert_ptr_equal(dmabuf->attachments.next, &dmabuf->attachments);
	assert_ptr_equal(dmabuf->attachments.prev, &dmabuf->attachments);
	assert_false(mutex_is_held(&dmabuf->lock));
	assert_false(dma_resv_is_locked(dmabuf->resv));
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	assert_int_equal(dmabuf_live_buffers(), 1);
	assert_log(&mock, "");
	dma_buf_put(dmabuf);
}

/* The core takes any size; exporters refuse what they cannot do. */
static void any_size_and_no_name_are_accepted(void **state)
{
	static const size_t sizes[] = { 0, 1, 4095, SIZE_MAX };
	struct dma_buf *dmabuf;
	struct mock mock;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		mock_init(&mock, SIZE, 0);
		mock.info.size = sizes[i];
		mock.info.exp_name = NULL;
		dmabuf = mock_export_inited(&mock);
		assert_int_equal(dmabuf->size, sizes[i]);
		assert_null(dmabuf->exp_name);
		dma_buf_put(dmabuf);
		assert_log(&mock, "release");
	}
}

static void unknown_flags_are_ignored(void **state)
{
	struct mock mock;

	(void)state;
	mock_init(&mock, SIZE, 0);
	mock.info.flags = O_RDWR | O_CLOEXEC | O_APPEND | O_NONBLOCK;
	dma_buf_put(mock_export_inited(&mock));
	assert_log(&mock, "release");
}

static void lent_reservation_outlives_the_buffer(void **state)
{
	struct dma_buf *a, *b;
	struct mock mocks[2];
	struct dma_resv resv;

	(void)state;
	dma_resv_init(&resv);
	mock_init(&mocks[0], SIZE, 0);
	mock_init(&mocks[1], SIZE, 0);
	mocks[0].info.resv = &resv;
	mocks[1].info.resv = &resv;
	a = mock_export_inited(&mocks[0]);
	b = mock_export_inited(&mocks[1]);
	assert_ptr_equal(a->resv, &resv);
	assert_ptr_equal(b->resv, &resv);
	dma_buf_put(a);
	dma_resv_lock(b->resv, NULL);
	dma_resv_unlock(b->resv);
	dma_buf_put(b);
	dma_resv_lock(&resv, NULL);
	dma_resv_unlock(&resv);
	dma_resv_fini(&resv);
}

static void defined_info_is_empty_but_for_the_name(void **state)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);

	(void)state;
	assert_string_equal(info.exp_name, __FILE__);
	assert_null(info.ops);
	assert_int_equal(info.size, 0);
	assert_int_equal(info.flags, 0);
	assert_null(info.resv);
	assert_null(info.priv);
}

/* References */

/* INV-PUT-1 */
static void put_of_null_warns(void **state)
{
	(void)state;
	dma_buf_put(NULL);
	assert_warned("WARN: dma_buf_put: ");
}

static void get_of_null_warns(void **state)
{
	(void)state;
	get_dma_buf(NULL);
	assert_warned("WARN: get_dma_buf: ");
}

/* INV-D-5, for puts alone */
static void release_runs_once_after_the_last_put(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);
	unsigned int i;

	(void)state;
	for (i = 2; i <= 5; i++) {
		get_dma_buf(dmabuf);
		assert_int_equal(dmabuf_refcount(dmabuf), i);
	}
	for (i = 5; i > 1; i--) {
		dma_buf_put(dmabuf);
		assert_int_equal(dmabuf_refcount(dmabuf), i - 1);
		assert_log(&mock, "");
	}
	dma_buf_put(dmabuf);
	assert_log(&mock, "release");
	assert_int_equal(dmabuf_live_buffers(), 0);
}

static void check_in_release(struct mock *mock, enum mock_op op,
			     struct dma_buf_attachment *attach)
{
	struct dma_buf *dmabuf = mock->dmabuf;

	(void)attach;
	assert_int_equal(op, MOCK_OP_RELEASE);
	assert_int_equal(dmabuf_refcount(dmabuf), 0);
	assert_false(mutex_is_held(&dmabuf->lock));
	assert_false(dma_resv_is_locked(dmabuf->resv));
	assert_int_equal(dmabuf->size, SIZE);
	assert_string_equal(dmabuf->name, "readable");
	assert_ptr_equal(dmabuf->priv, mock);
	assert_ptr_equal(dmabuf->attachments.next, &dmabuf->attachments);
}

static void release_sees_the_whole_object_and_no_lock(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	(void)state;
	assert_int_equal(dma_buf_set_name(dmabuf, "readable"), 0);
	mock.hook = check_in_release;
	dma_buf_put(dmabuf);
	assert_log(&mock, "release");
}

/* Broken ends */

static void do_put(void *data)
{
	dma_buf_put(data);
}

/* INV-REL-1 */
static void last_put_of_a_mapped_buffer_is_a_bug(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);
	void *vaddr = dma_buf_vmap(dmabuf);

	(void)state;
	assert_ptr_equal(dma_buf_vmap(dmabuf), vaddr);
	assert_bug_caught(do_put, dmabuf, "BUG: dma_buf_put: ");
	assert_log(&mock, "vmap");
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	assert_int_equal(dmabuf_live_buffers(), 1);
	assert_int_equal(dmabuf->vmapping_counter, 2);
	assert_false(mutex_is_held(&dmabuf->lock));
	dma_buf_vunmap(dmabuf, vaddr);
	assert_bug_caught(do_put, dmabuf, "BUG: dma_buf_put: ");
	get_dma_buf(dmabuf);
	dma_buf_put(dmabuf);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	assert_log(&mock, "vunmap release");
}

/* INV-REL-1: not the last put, no BUG */
static void mapped_buffer_may_lose_other_references(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);
	void *vaddr = dma_buf_vmap(dmabuf);

	(void)state;
	get_dma_buf(dmabuf);
	dma_buf_put(dmabuf);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	assert_log(&mock, "vmap vunmap release");
}

static void nothing_warned_yet(struct mock *mock, enum mock_op op,
			       struct dma_buf_attachment *attach)
{
	(void)mock;
	(void)op;
	(void)attach;
	assert_no_warning();
}

/* INV-REL-3: warned of after the release, and safe to detach later */
static void release_with_attachments_warns_and_orphans_them(void **state)
{
	struct device *dev = device_new();
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);
	struct dma_buf_attachment *a = dma_buf_attach(dmabuf, dev);
	struct dma_buf_attachment *b = dma_buf_attach(dmabuf, dev);
	struct sg_table table = { 0 };
	struct sg_table *error;

	(void)state;
	mock.hook = nothing_warned_yet;
	dma_buf_put(dmabuf);
	assert_warned("attachments");
	assert_log(&mock, "attach attach release");
	assert_null(a->dmabuf);
	assert_null(b->dmabuf);
	error = dma_buf_map_attachment_unlocked(a, DMA_TO_DEVICE);
	assert_int_equal(PTR_ERR(error), -EINVAL);
	assert_warned("dma_buf_map_attachment_unlocked");
	dma_buf_unmap_attachment_unlocked(a, &table, DMA_TO_DEVICE);
	assert_warned("dma_buf_unmap_attachment_unlocked");
	dma_buf_detach(NULL, a);
	dma_buf_detach(dmabuf, b);
	assert_no_warning();
	assert_log(&mock, "");
	dmabuf_device_destroy(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(export_without_priv_is_einval),
		LEAK_TEST(export_without_ops_is_einval),
		LEAK_TEST(export_without_map_is_einval),
		LEAK_TEST(export_without_unmap_is_einval),
		LEAK_TEST(export_without_release_is_einval),
		LEAK_TEST(cached_mapping_excludes_pin),
		LEAK_TEST(pin_and_unpin_come_together),
		LEAK_TEST(export_of_null_is_einval),
		LEAK_TEST(several_faults_are_one_warning),
		LEAK_TEST(new_buffer_shows_what_was_exported),
		LEAK_TEST(any_size_and_no_name_are_accepted),
		LEAK_TEST(unknown_flags_are_ignored),
		LEAK_TEST(lent_reservation_outlives_the_buffer),
		LEAK_TEST(defined_info_is_empty_but_for_the_name),
		LEAK_TEST(put_of_null_warns),
		LEAK_TEST(get_of_null_warns),
		LEAK_TEST(release_runs_once_after_the_last_put),
		LEAK_TEST(release_sees_the_whole_object_and_no_lock),
		LEAK_TEST(last_put_of_a_mapped_buffer_is_a_bug),
		LEAK_TEST(mapped_buffer_may_lose_other_references),
		LEAK_TEST(release_with_attachments_warns_and_orphans_them),
	};

	return cmocka_run_group_tests_name("dma_buf/export", tests,
					   leaks_group_setup, NULL) != 0;
}
