/* SPDX-License-Identifier: MIT */
/* test-release.c - release never runs behind the caller's back */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "assert-bug.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "sanitized.h"
#include "warns.h"

#define SIZE 4096

/* While a reservation is held */

static void put_under_a_reservation_releases_at_unlock(void **state)
{
	struct dma_resv resv;
	struct mock mock;

	(void)state;
	dma_resv_init(&resv);
	mock_export(&mock, SIZE, 0);
	dma_resv_lock(&resv, NULL);
	dma_buf_put(mock.dmabuf);
	assert_log(&mock, "");
	assert_int_equal(dmabuf_live_buffers(), 1);
	dma_resv_unlock(&resv);
	assert_log(&mock, "release");
	dma_resv_fini(&resv);
}

static void put_under_the_own_reservation_releases_at_unlock(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);
	struct dma_resv *resv = dmabuf->resv;

	(void)state;
	assert_true(dma_resv_trylock(resv));
	dma_buf_put(dmabuf);
	assert_log(&mock, "");
	dma_resv_unlock(resv);
	assert_log(&mock, "release");
}

/* The last of them counts, in whatever order they are dropped. */
static void put_under_two_reservations_waits_for_both(void **state)
{
	struct dma_resv resvs[2];
	struct mock mock;
	int first;

	(void)state;
	dma_resv_init(&resvs[0]);
	dma_resv_init(&resvs[1]);
	for (first = 0; first < 2; first++) {
		mock_export(&mock, SIZE, 0);
		dma_resv_lock(&resvs[0], NULL);
		dma_resv_lock(&resvs[1], NULL);
		dma_buf_put(mock.dmabuf);
		dma_resv_unlock(&resvs[first]);
		assert_log(&mock, "");
		dma_resv_unlock(&resvs[!first]);
		assert_log(&mock, "release");
	}
	dma_resv_fini(&resvs[0]);
	dma_resv_fini(&resvs[1]);
}

/* Inside an op: the op of "outer" drops the last reference of "inner" */

static struct mock outer, inner;
static enum mock_op dropping_op;

static void drop_inner(struct mock *mock, enum mock_op op,
		       struct dma_buf_attachment *attach)
{
	(void)mock;
	(void)attach;
	if (op != dropping_op || !inner.dmabuf)
		return;
	dma_buf_put(inner.dmabuf);
	assert_log(&inner, "");
}

/* A new inner buffer is dropped in the next op of that kind. */
static void drop_in(enum mock_op op)
{
	mock_export(&inner, SIZE, 0);
	dropping_op = op;
}

static void prepare(enum mock_op op, unsigned int options)
{
	mock_export(&outer, SIZE, options);
	drop_in(op);
	outer.hook = drop_inner;
}

static void inner_is_released(void)
{
	assert_log(&inner, "release");
}

static void put_in_attach_and_detach_ops(void **state)
{
	struct device *dev = device_new();
	struct dma_buf_attachment *attach;

	(void)state;
	prepare(MOCK_OP_ATTACH, 0);
	attach = dma_buf_attach(outer.dmabuf, dev);
	inner_is_released();
	drop_in(MOCK_OP_DETACH);
	dma_buf_detach(outer.dmabuf, attach);
	inner_is_released();
	dma_buf_put(outer.dmabuf);
	dmabuf_device_destroy(dev);
}

/* The _unlocked forms hold a reservation: no longer than that. */
static void put_in_map_and_unmap_ops(void **state)
{
	struct device *dev = device_new();
	struct dma_buf_attachment *attach;
	struct sg_table *table;

	(void)state;
	prepare(MOCK_OP_MAP, 0);
	attach = dma_buf_attach(outer.dmabuf, dev);
	table = dma_buf_map_attachment_unlocked(attach, DMA_TO_DEVICE);
	inner_is_released();
	drop_in(MOCK_OP_UNMAP);
	dma_buf_unmap_attachment_unlocked(attach, table, DMA_TO_DEVICE);
	inner_is_released();
	dma_buf_detach(outer.dmabuf, attach);
	dma_buf_put(outer.dmabuf);
	dmabuf_device_destroy(dev);
}

static void put_in_map_op_waits_for_the_callers_reservation(void **state)
{
	struct device *dev = device_new();
	struct dma_buf_attachment *attach;
	struct sg_table *table;

	(void)state;
	prepare(MOCK_OP_MAP, 0);
	attach = dma_buf_attach(outer.dmabuf, dev);
	dma_resv_lock(outer.dmabuf->resv, NULL);
	table = dma_buf_map_attachment(attach, DMA_TO_DEVICE);
	assert_log(&inner, "");
	dma_buf_unmap_attachment(attach, table, DMA_TO_DEVICE);
	assert_log(&inner, "");
	dma_resv_unlock(outer.dmabuf->resv);
	inner_is_released();
	dma_buf_detach(outer.dmabuf, attach);
	dma_buf_put(outer.dmabuf);
	dmabuf_device_destroy(dev);
}

static void put_in_pin_unpin_and_move_notify(void **state)
{
	static const enum mock_op ops[] = {
		MOCK_OP_PIN, MOCK_OP_UNPIN, MOCK_OP_MOVE_NOTIFY,
	};
	struct device *dev = device_new();
	struct dma_buf_attachment *attach;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		prepare(ops[i], MOCK_DYNAMIC);
		outer.hook = NULL;
		attach = dma_buf_dynamic_attach(outer.dmabuf, dev,
						&mock_importer, &outer);
		outer.hook = drop_inner;
		dma_resv_lock(outer.dmabuf->resv, NULL);
		assert_int_equal(dma_buf_pin(attach), 0);
		dma_buf_move_notify(outer.dmabuf);
		dma_buf_unpin(attach);
		assert_log(&inner, "");
		dma_resv_unlock(outer.dmabuf->resv);
		inner_is_released();
		dma_buf_detach(outer.dmabuf, attach);
		dma_buf_put(outer.dmabuf);
	}
	dmabuf_device_destroy(dev);
}

static void put_in_vmap_and_vunmap_ops(void **state)
{
	void *vaddr;

	(void)state;
	prepare(MOCK_OP_VMAP, 0);
	vaddr = dma_buf_vmap(outer.dmabuf);
	inner_is_released();
	drop_in(MOCK_OP_VUNMAP);
	dma_buf_vunmap(outer.dmabuf, vaddr);
	inner_is_released();
	dma_buf_put(outer.dmabuf);
}

static void put_in_cpu_access_ops(void **state)
{
	(void)state;
	prepare(MOCK_OP_BEGIN, 0);
	assert_int_equal(dma_buf_begin_cpu_access(outer.dmabuf, DMA_TO_DEVICE),
			 0);
	inner_is_released();
	drop_in(MOCK_OP_END);
	assert_int_equal(dma_buf_end_cpu_access(outer.dmabuf, DMA_TO_DEVICE),
			 0);
	inner_is_released();
	dma_buf_put(outer.dmabuf);
}

static void put_in_mmap_and_backing_fd_ops(void **state)
{
	void *vaddr;
	int fd;

	(void)state;
	prepare(MOCK_OP_MMAP, 0);
	vaddr = dma_buf_mmap(outer.dmabuf, SIZE, PROT_READ, MAP_SHARED, 0);
	assert_false(IS_ERR(vaddr));
	inner_is_released();
	munmap(vaddr, SIZE);
	dma_buf_put(outer.dmabuf);

	prepare(MOCK_OP_BACKING_FD, MOCK_PAGES);
	get_dma_buf(outer.dmabuf);
	fd = dma_buf_fd(outer.dmabuf, 0);
	assert_true(fd >= 0);
	inner_is_released();
	close(fd);
	dma_buf_put(outer.dmabuf);
	wait_for_live_buffers(0);
}

static void check_alone(struct mock *mock, enum mock_op op,
			struct dma_buf_attachment *attach)
{
	(void)mock;
	(void)op;
	(void)attach;
	assert_int_equal(dmabuf_live_buffers(), 1);
}

/* A release op that drops another buffer: not one inside the other. */
static void put_in_release_op(void **state)
{
	(void)state;
	prepare(MOCK_OP_RELEASE, 0);
	inner.hook = check_alone;
	dma_buf_put(outer.dmabuf);
	assert_log(&outer, "release");
	inner_is_released();
}

/* A vmap op that drops the caller's reference, and fails. */
static void drop_self(struct mock *mock, enum mock_op op,
		      struct dma_buf_attachment *attach)
{
	(void)attach;
	if (op != MOCK_OP_VMAP)
		return;
	dma_buf_put(mock->dmabuf);
	assert_int_equal(dmabuf_refcount(mock->dmabuf), 0);
}

static void own_last_reference_put_in_vmap_op(void **state)
{
	struct mock mock;

	(void)state;
	mock_export(&mock, SIZE, 0);
	mock.hook = drop_self;
	mock_fail(&mock, MOCK_OP_VMAP, 1, 0);
	assert_null(dma_buf_vmap(mock.dmabuf));
	assert_log(&mock, "vmap release");
}

static void do_vmap(void *data)
{
	dma_buf_vmap(data);
}

/* INV-REL-1: what counts is the mapping when the release would run. */
static void own_reference_put_in_a_vmap_op_that_maps_is_a_bug(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	(void)state;
	mock.hook = drop_self;
	assert_bug_caught(do_vmap, dmabuf, "BUG: dma_buf_put: ");
	mock.hook = NULL;
	assert_log(&mock, "vmap");
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	assert_int_equal(dmabuf->vmapping_counter, 1);
	dma_buf_vunmap(dmabuf, mock.addr);
	dma_buf_put(dmabuf);
	assert_log(&mock, "vunmap release");
}

/* Nested: the op of "outer" enters "middle", whose op drops "inner" */

static struct mock middle;

static void enter_middle(struct mock *mock, enum mock_op op,
			 struct dma_buf_attachment *attach)
{
	(void)mock;
	(void)attach;
	if (op != MOCK_OP_BEGIN)
		return;
	assert_int_equal(dma_buf_end_cpu_access(middle.dmabuf, DMA_TO_DEVICE),
			 0);
	assert_log(&middle, "end");
	assert_log(&inner, "");
}

static void nested_ops_release_at_the_end_of_the_outermost(void **state)
{
	(void)state;
	prepare(MOCK_OP_END, 0);
	mock_export(&middle, SIZE, 0);
	middle.hook = drop_inner;
	outer.hook = enter_middle;
	assert_int_equal(dma_buf_begin_cpu_access(outer.dmabuf, DMA_TO_DEVICE),
			 0);
	inner_is_released();
	dma_buf_put(middle.dmabuf);
	dma_buf_put(outer.dmabuf);
}

/* Releases run in the order of the puts. */
static char order[8];

static void note_order(struct mock *mock, enum mock_op op,
		       struct dma_buf_attachment *attach)
{
	(void)attach;
	if (op == MOCK_OP_RELEASE)
		strcat(order, mock->hook_data);
}

static void releases_run_in_the_order_of_the_puts(void **state)
{
	static char names[3][2] = { "a", "b", "c" };
	struct mock mocks[3];
	struct dma_resv resv;
	size_t i;

	(void)state;
	dma_resv_init(&resv);
	order[0] = '\0';
	for (i = 0; i < 3; i++) {
		mock_export(&mocks[i], SIZE, 0);
		mocks[i].hook = note_order;
		mocks[i].hook_data = names[i];
	}
	dma_resv_lock(&resv, NULL);
	dma_buf_put(mocks[1].dmabuf);
	dma_buf_put(mocks[0].dmabuf);
	dma_buf_put(mocks[2].dmabuf);
	assert_string_equal(order, "");
	dma_resv_unlock(&resv);
	assert_string_equal(order, "bac");
	dma_resv_fini(&resv);
}

/* A BUG inside an op, left by longjmp, does not lose deferred releases. */
static void drop_inner_and_break(struct mock *mock, enum mock_op op,
				 struct dma_buf_attachment *attach)
{
	(void)attach;
	if (op != MOCK_OP_BEGIN)
		return;
	dma_buf_put(inner.dmabuf);
	dma_buf_vunmap(mock->dmabuf, mock->addr);
}

static void do_begin(void *data)
{
	dma_buf_begin_cpu_access(data, DMA_TO_DEVICE);
}

static void bug_in_an_op_keeps_the_deferred_release(void **state)
{
	(void)state;
	prepare(MOCK_OP_BEGIN, 0);
	outer.hook = drop_inner_and_break;
	assert_bug_caught(do_begin, outer.dmabuf, "there is no mapping");
	outer.hook = NULL;
	assert_log(&inner, "");
	assert_int_equal(dma_buf_end_cpu_access(outer.dmabuf, DMA_TO_DEVICE),
			 0);
	inner_is_released();
	dma_buf_put(outer.dmabuf);
	assert_log(&outer, "begin end release");
}

static void bug_in_an_op_leaves_the_release_to_dispatch(void **state)
{
	(void)state;
	prepare(MOCK_OP_BEGIN, 0);
	outer.hook = drop_inner_and_break;
	assert_bug_caught(do_begin, outer.dmabuf, "there is no mapping");
	outer.hook = NULL;
	assert_log(&inner, "");
	assert_int_equal(dmabuf_live_buffers(), 2);
	assert_int_equal(dmabuf_dispatch(), 0);
	inner_is_released();
	assert_int_equal(dmabuf_live_buffers(), 1);
	dma_buf_put(outer.dmabuf);
}

/* INV-D-5: without a reference, while the release is still to come */

static void put_without_a_reference_warns_and_does_nothing(void **state)
{
	struct dma_resv resv;
	struct mock mock;

	(void)state;
	dma_resv_init(&resv);
	mock_export(&mock, SIZE, 0);
	dma_resv_lock(&resv, NULL);
	dma_buf_put(mock.dmabuf);
	assert_no_warning();
	assert_int_equal(dmabuf_refcount(mock.dmabuf), 0);
	dma_buf_put(mock.dmabuf);
	assert_warned("WARN: dma_buf_put: there is no reference");
	assert_int_equal(dmabuf_refcount(mock.dmabuf), 0);
	assert_log(&mock, "");
	dma_resv_unlock(&resv);
	assert_log(&mock, "release");
	dma_resv_fini(&resv);
}

/* INV-D-5: one that is taken then would be dropped, and release it twice. */
static void get_without_a_reference_warns_and_does_nothing(void **state)
{
	struct dma_resv resv;
	struct mock mock;

	(void)state;
	dma_resv_init(&resv);
	mock_export(&mock, SIZE, 0);
	dma_resv_lock(&resv, NULL);
	dma_buf_put(mock.dmabuf);
	get_dma_buf(mock.dmabuf);
	assert_warned("WARN: get_dma_buf: there is no reference");
	assert_int_equal(dmabuf_refcount(mock.dmabuf), 0);
	dma_buf_put(mock.dmabuf);
	assert_warned("WARN: dma_buf_put: there is no reference");
	assert_log(&mock, "");
	dma_resv_unlock(&resv);
	assert_log(&mock, "release");
	assert_int_equal(dmabuf_live_buffers(), 0);
	dma_resv_fini(&resv);
}

/* A BUG in the release op: the buffer is at its end all the same. */

static void break_in_release(struct mock *mock, enum mock_op op,
			     struct dma_buf_attachment *attach)
{
	(void)attach;
	if (op == MOCK_OP_RELEASE)
		dma_buf_vunmap(mock->dmabuf, mock->addr);
}

static void do_put(void *data)
{
	dma_buf_put(data);
}

static void bug_in_the_release_op_ends_the_buffer(void **state)
{
	struct device *dev = device_new();
	struct dma_buf_attachment *attach;
	struct mock mock;
	int fd;

	(void)state;
	/* With a name and an inode, which are the library's to free. */
	mock_export(&mock, SIZE, 0);
	assert_int_equal(dma_buf_set_name(mock.dmabuf, "broken"), 0);
	attach = dma_buf_attach(mock.dmabuf, dev);
	assert_false(IS_ERR(attach));
	get_dma_buf(mock.dmabuf);
	fd = dma_buf_fd(mock.dmabuf, 0);
	assert_true(fd >= 0);
	close(fd);
	while (dmabuf_dispatch() == 0)
		continue;
	mock.hook = break_in_release;
	assert_bug_caught(do_put, mock.dmabuf, "BUG: dma_buf_vunmap: ");
	assert_int_equal(dmabuf_live_buffers(), 0);
	assert_null(attach->dmabuf);
	dma_buf_detach(NULL, attach);
	assert_log(&mock, "attach release");
	mock_fini(&mock);
	dmabuf_device_destroy(dev);
	assert_false(memory_leaked());
}

/* Dispatch */

static void dispatch_here(struct mock *mock, enum mock_op op,
			  struct dma_buf_attachment *attach)
{
	(void)op;
	(void)attach;
	assert_int_equal(dmabuf_dispatch(), -EDEADLK);
	assert_warned("WARN: dmabuf_dispatch: ");
	mock->hook_data = mock;
}

static void dispatch_inside_an_op_is_edeadlk(void **state)
{
	struct device *dev = device_new();
	struct dma_buf_attachment *attach;
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, MOCK_DYNAMIC);

	(void)state;
	mock.hook = dispatch_here;
	attach = dma_buf_attach(dmabuf, dev);
	dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE);
	dma_buf_end_cpu_access(dmabuf, DMA_TO_DEVICE);
	dma_buf_vunmap(dmabuf, dma_buf_vmap(dmabuf));
	dma_buf_detach(dmabuf, attach);
	attach = dma_buf_dynamic_attach(dmabuf, dev, &mock_importer, &mock);
	dma_resv_lock(dmabuf->resv, NULL);
	dma_buf_move_notify(dmabuf);
	dma_resv_unlock(dmabuf->resv);
	dma_buf_detach(dmabuf, attach);
	dma_buf_put(dmabuf);
	assert_log(&mock, "attach pin map begin end vmap vunmap unmap unpin "
			  "detach attach move_notify detach release");
	dmabuf_device_destroy(dev);
}

/* What dispatch finds under a reservation is released after it. */
static void dispatch_under_a_reservation_defers(void **state)
{
	struct dma_resv resv;
	struct mock mock;
	int fd;

	(void)state;
	dma_resv_init(&resv);
	mock_export(&mock, SIZE, MOCK_PAGES);
	fd = dma_buf_fd(mock.dmabuf, 0);
	assert_true(fd >= 0);
	dma_resv_lock(&resv, NULL);
	close(fd);
	while (dmabuf_dispatch() == 0)
		continue;
	assert_log(&mock, "backing_fd");
	assert_int_equal(dmabuf_live_buffers(), 1);
	dma_resv_unlock(&resv);
	assert_log(&mock, "release");
	dma_resv_fini(&resv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(put_under_a_reservation_releases_at_unlock),
		LEAK_TEST(put_under_the_own_reservation_releases_at_unlock),
		LEAK_TEST(put_under_two_reservations_waits_for_both),
		LEAK_TEST(put_in_attach_and_detach_ops),
		LEAK_TEST(put_in_map_and_unmap_ops),
		LEAK_TEST(put_in_map_op_waits_for_the_callers_reservation),
		LEAK_TEST(put_in_pin_unpin_and_move_notify),
		LEAK_TEST(put_in_vmap_and_vunmap_ops),
		LEAK_TEST(put_in_cpu_access_ops),
		LEAK_TEST(put_in_mmap_and_backing_fd_ops),
		LEAK_TEST(put_in_release_op),
		LEAK_TEST(own_last_reference_put_in_vmap_op),
		LEAK_TEST(own_reference_put_in_a_vmap_op_that_maps_is_a_bug),
		LEAK_TEST(nested_ops_release_at_the_end_of_the_outermost),
		LEAK_TEST(releases_run_in_the_order_of_the_puts),
		LEAK_TEST(bug_in_an_op_keeps_the_deferred_release),
		LEAK_TEST(bug_in_an_op_leaves_the_release_to_dispatch),
		LEAK_TEST(put_without_a_reference_warns_and_does_nothing),
		LEAK_TEST(get_without_a_reference_warns_and_does_nothing),
		LEAK_TEST(bug_in_the_release_op_ends_the_buffer),
		LEAK_TEST(dispatch_inside_an_op_is_edeadlk),
		LEAK_TEST(dispatch_under_a_reservation_defers),
	};

	return cmocka_run_group_tests_name("dma_buf/release", tests,
					   leaks_group_setup, NULL) != 0;
}
