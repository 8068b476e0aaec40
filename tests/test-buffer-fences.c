/* SPDX-License-Identifier: MIT */
/* test-buffer-fences.c - what of a buffer waits for the fences on it */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "actor.h"
#include "attached.h"
#include "fenced.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "mock-fence.h"

/*
 * A fence that is done as soon as somebody waits for it: whether it was waited
 * for shows without a second thread.
 */
static struct mock_fence *lazy_fence(struct dma_buf *dmabuf,
				     enum dma_resv_usage usage)
{
	struct mock_fence *fence = mock_fence_new();

	fence->refuse_enable = true;
	add_to(dmabuf->resv, fence, usage);
	return fence;
}

static struct mock_fence *pending_fence(struct dma_buf *dmabuf,
					enum dma_resv_usage usage)
{
	struct mock_fence *fence = mock_fence_new();

	add_to(dmabuf->resv, fence, usage);
	return fence;
}

/* True: it was waited for. */
static bool was_asked(struct mock_fence *fence)
{
	return __atomic_load_n(&fence->nr_enable, __ATOMIC_ACQUIRE);
}

static void until_asked(struct mock_fence *fence)
{
	while (!was_asked(fence))
		sched_yield();
}

/* In an op of the exporter: nobody has waited for the fence yet. */
static void hook_not_asked(struct mock *m, enum mock_op op,
			   struct dma_buf_attachment *attach)
{
	(void)op;
	(void)attach;
	if (was_asked(m->hook_data))
		m->hook_data = NULL;
}

/* CPU access */

static void cpu_access_waits_for_those_it_meets(void **state)
{
	static const enum dma_data_direction dirs[] = {
		DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_NONE,
	};
	enum dma_resv_usage usage = usage_of(state), last;
	struct dma_buf *dmabuf;
	struct mock_fence *fence;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		dmabuf = stage_begin(0);
		fence = lazy_fence(dmabuf, usage);
		last = dirs[i] == DMA_FROM_DEVICE || dirs[i] == DMA_NONE ?
			       DMA_RESV_USAGE_WRITE : DMA_RESV_USAGE_READ;
		assert_int_equal(dma_buf_begin_cpu_access(dmabuf, dirs[i]), 0);
		assert_int_equal(was_asked(fence), usage <= last);
		assert_int_equal(dma_buf_end_cpu_access(dmabuf, dirs[i]), 0);
		assert_int_equal(was_asked(fence), usage <= last);
		stage_end("begin end release");
		finish(fence);
	}
}

static void cpu_access_without_ops_waits_too(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_BARE);
	struct mock_fence *fence = lazy_fence(dmabuf, DMA_RESV_USAGE_WRITE);

	(void)state;
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	assert_true(was_asked(fence));
	stage_end("release");
	finish(fence);
}

static void exporter_hears_of_cpu_access_before_the_wait(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = lazy_fence(dmabuf, DMA_RESV_USAGE_READ);

	(void)state;
	mock.hook = hook_not_asked;
	mock.hook_data = fence;
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	assert_ptr_equal(mock.hook_data, fence);
	assert_true(was_asked(fence));
	mock.hook = NULL;
	stage_end("begin release");
	finish(fence);
}

static void cpu_access_that_the_exporter_refuses_does_not_wait(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = lazy_fence(dmabuf, DMA_RESV_USAGE_READ);

	(void)state;
	mock_fail(&mock, MOCK_OP_BEGIN, 1, -EIO);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE), -EIO);
	assert_false(was_asked(fence));
	stage_end("begin release");
	finish(fence);
}

static int64_t do_begin(void *dmabuf)
{
	return dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE);
}

static void cpu_access_begins_when_the_fence_is_signalled(void **state)
{
	enum dma_resv_usage usage = usage_of(state);
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = pending_fence(dmabuf, usage);
	struct actor other;

	actor_start(&other);
	actor_begin(&other, do_begin, dmabuf);
	until_asked(fence);
	assert_true(actor_is_busy(&other));
	dma_fence_signal(&fence->base);
	assert_int_equal(actor_end(&other), 0);
	actor_stop(&other);
	stage_end("begin release");
	finish(fence);
}

static void cpu_access_is_interrupted(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = pending_fence(dmabuf, DMA_RESV_USAGE_READ);
	struct actor other;

	(void)state;
	actor_start(&other);
	actor_begin(&other, do_begin, dmabuf);
	assert_int_equal(actor_interrupt(&other), -EINTR);
	actor_stop(&other);
	stage_end("begin release");
	finish(fence);
}

static void failed_work_does_not_fail_the_cpu_access(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = lazy_fence(dmabuf, DMA_RESV_USAGE_READ);

	(void)state;
	fence->error_on_enable = -EIO;
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	assert_int_equal(dma_fence_get_status(&fence->base), -EIO);
	stage_end("begin release");
	finish(fence);
}

static void end_of_cpu_access_waits_for_nobody(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = pending_fence(dmabuf, usage_of(state));

	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL), 0);
	assert_false(was_asked(fence));
	stage_end("end release");
	finish(fence);
}

/* Devices */

static void static_map_waits_for_the_kernel_alone(void **state)
{
	enum dma_resv_usage usage = usage_of(state);
	struct dma_buf *dmabuf = stage_begin(0);
	struct dma_buf_attachment *attach = attach_static();
	struct mock_fence *fence = lazy_fence(dmabuf, usage);
	struct sg_table *table = device_map(attach, DMA_TO_DEVICE);

	assert_false(IS_ERR(table));
	assert_int_equal(was_asked(fence), usage == DMA_RESV_USAGE_KERNEL);
	device_unmap(attach, table, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, attach);
	stage_end("attach map unmap detach release");
	finish(fence);
}

static void dynamic_map_waits_for_nobody(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_DYNAMIC);
	struct mock_fence *fence = lazy_fence(dmabuf, usage_of(state));
	struct dma_buf_attachment *attach = attach_dynamic();
	struct sg_table *table = device_map(attach, DMA_TO_DEVICE);

	assert_false(IS_ERR(table));
	assert_false(was_asked(fence));
	device_unmap(attach, table, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, attach);
	stage_end("attach map unmap detach release");
	finish(fence);
}

static void static_attach_to_a_moving_buffer_waits_once(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_DYNAMIC);
	struct mock_fence *first = lazy_fence(dmabuf, DMA_RESV_USAGE_KERNEL);
	struct dma_buf_attachment *attach;
	struct mock_fence *second;
	struct sg_table *table;

	(void)state;
	attach = attach_static();
	assert_true(was_asked(first));
	second = lazy_fence(dmabuf, DMA_RESV_USAGE_KERNEL);
	table = device_map(attach, DMA_TO_DEVICE);
	assert_false(IS_ERR(table));
	assert_false(was_asked(second));
	device_unmap(attach, table, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, attach);
	stage_end("attach pin map unmap unpin detach release");
	finish(first);
	finish(second);
}

static void kept_table_is_given_without_a_wait(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_CACHED);
	struct dma_buf_attachment *attach = attach_static();
	struct sg_table *table = device_map(attach, DMA_TO_DEVICE);
	struct mock_fence *fence = lazy_fence(dmabuf, DMA_RESV_USAGE_KERNEL);

	(void)state;
	assert_ptr_equal(device_map(attach, DMA_TO_DEVICE), table);
	assert_false(was_asked(fence));
	dma_buf_detach(dmabuf, attach);
	stage_end("attach map unmap detach release");
	finish(fence);
}

static void exporter_maps_before_the_wait(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct dma_buf_attachment *attach = attach_static();
	struct mock_fence *fence = lazy_fence(dmabuf, DMA_RESV_USAGE_KERNEL);
	struct sg_table *table;

	(void)state;
	mock.hook = hook_not_asked;
	mock.hook_data = fence;
	dma_resv_lock(dmabuf->resv, NULL);
	table = dma_buf_map_attachment(attach, DMA_TO_DEVICE);
	assert_ptr_equal(mock.hook_data, fence);
	assert_true(was_asked(fence));
	mock.hook = NULL;
	dma_buf_unmap_attachment(attach, table, DMA_TO_DEVICE);
	dma_resv_unlock(dmabuf->resv);
	dma_buf_detach(dmabuf, attach);
	stage_end("attach map unmap detach release");
	finish(fence);
}

static void map_that_the_exporter_refuses_does_not_wait(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct dma_buf_attachment *attach = attach_static();
	struct mock_fence *fence = lazy_fence(dmabuf, DMA_RESV_USAGE_KERNEL);

	(void)state;
	mock_fail(&mock, MOCK_OP_MAP, 1, -EIO);
	assert_error(device_map(attach, DMA_TO_DEVICE), -EIO);
	assert_false(was_asked(fence));
	dma_buf_detach(dmabuf, attach);
	stage_end("attach map detach release");
	finish(fence);
}

static int64_t do_device_map(void *attach)
{
	return PTR_ERR(device_map(attach, DMA_TO_DEVICE));
}

static void interrupted_map_is_undone(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_CACHED);
	struct dma_buf_attachment *attach = attach_static();
	struct mock_fence *fence = pending_fence(dmabuf, DMA_RESV_USAGE_KERNEL);
	struct actor other;

	(void)state;
	actor_start(&other);
	actor_begin(&other, do_device_map, attach);
	until_asked(fence);
	assert_int_equal(actor_interrupt(&other), -EINTR);
	actor_stop(&other);
	assert_null(attach->sgt);
	assert_false(dma_resv_is_locked(dmabuf->resv));
	dma_buf_detach(dmabuf, attach);
	stage_end("attach map unmap detach release");
	finish(fence);
}

static int64_t do_attach(void *dmabuf)
{
	return PTR_ERR(dma_buf_attach(dmabuf, dev));
}

static void interrupted_attach_is_undone(void **state)
{
	struct dma_buf *dmabuf = stage_begin(MOCK_DYNAMIC);
	struct mock_fence *fence = pending_fence(dmabuf, DMA_RESV_USAGE_KERNEL);
	struct actor other;

	(void)state;
	actor_start(&other);
	actor_begin(&other, do_attach, dmabuf);
	until_asked(fence);
	assert_int_equal(actor_interrupt(&other), -EINTR);
	actor_stop(&other);
	assert_int_equal(nr_attachments(dmabuf), 0);
	assert_false(dma_resv_is_locked(dmabuf->resv));
	stage_end("attach pin map unmap unpin detach release");
	finish(fence);
}

static void vmap_waits_for_nobody(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = lazy_fence(dmabuf, usage_of(state));
	void *vaddr = dma_buf_vmap(dmabuf);

	assert_false(IS_ERR_OR_NULL(vaddr));
	assert_false(was_asked(fence));
	dma_buf_vunmap(dmabuf, vaddr);
	stage_end("vmap vunmap release");
	finish(fence);
}

/* The end of a buffer */

static void hook_still_there(struct mock *m, enum mock_op op,
			     struct dma_buf_attachment *attach)
{
	(void)attach;
	if (op == MOCK_OP_RELEASE && fence_refs(m->hook_data) != 2)
		m->hook_data = NULL;
}

static void release_drops_the_fences_after_the_op(void **state)
{
	struct dma_buf *dmabuf = stage_begin(0);
	struct mock_fence *fence = pending_fence(dmabuf, usage_of(state));

	mock.hook = hook_still_there;
	mock.hook_data = fence;
	stage_end("release");
	assert_ptr_equal(mock.hook_data, fence);
	assert_int_equal(fence_refs(fence), 1);
	assert_false(fence_is_marked(&fence->base));
	assert_false(was_asked(fence));
	finish(fence);
}

static struct dma_buf *export_lent(struct mock *m)
{
	mock_init(m, 4096, 0);
	m->info.resv = &resv;
	return mock_export_inited(m);
}

static void release_leaves_a_lent_reservation_alone(void **state)
{
	struct mock lent;
	struct dma_buf *dmabuf = export_lent(&lent);
	struct mock_fence *fence = pending_fence(dmabuf, DMA_RESV_USAGE_WRITE);

	(void)state;
	dma_buf_put(dmabuf);
	assert_log(&lent, "release");
	assert_int_equal(fence_refs(fence), 2);
	assert_false(dma_resv_test_signaled(&resv, DMA_RESV_USAGE_WRITE));
	finish(fence);
}

static void buffers_with_one_reservation_wait_for_the_same(void **state)
{
	struct mock mocks[2];
	struct dma_buf *first = export_lent(&mocks[0]);
	struct dma_buf *second = export_lent(&mocks[1]);
	struct mock_fence *fence = lazy_fence(first, DMA_RESV_USAGE_READ);

	(void)state;
	assert_int_equal(dma_buf_begin_cpu_access(second, DMA_TO_DEVICE), 0);
	assert_true(was_asked(fence));
	dma_buf_put(first);
	dma_buf_put(second);
	finish(fence);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		USAGE_TESTS(cpu_access_waits_for_those_it_meets),
		FENCED_TEST(cpu_access_without_ops_waits_too),
		FENCED_TEST(exporter_hears_of_cpu_access_before_the_wait),
		FENCED_TEST(
			cpu_access_that_the_exporter_refuses_does_not_wait),
		USAGE_TEST(cpu_access_begins_when_the_fence_is_signalled,
			   KERNEL),
		USAGE_TEST(cpu_access_begins_when_the_fence_is_signalled,
			   WRITE),
		USAGE_TEST(cpu_access_begins_when_the_fence_is_signalled,
			   READ),
		FENCED_TEST(cpu_access_is_interrupted),
		FENCED_TEST(failed_work_does_not_fail_the_cpu_access),
		USAGE_TESTS(end_of_cpu_access_waits_for_nobody),
		USAGE_TESTS(static_map_waits_for_the_kernel_alone),
		USAGE_TESTS(dynamic_map_waits_for_nobody),
		FENCED_TEST(static_attach_to_a_moving_buffer_waits_once),
		FENCED_TEST(kept_table_is_given_without_a_wait),
		FENCED_TEST(exporter_maps_before_the_wait),
		FENCED_TEST(map_that_the_exporter_refuses_does_not_wait),
		FENCED_TEST(interrupted_map_is_undone),
		FENCED_TEST(interrupted_attach_is_undone),
		USAGE_TESTS(vmap_waits_for_nobody),
		USAGE_TESTS(release_drops_the_fences_after_the_op),
		FENCED_TEST(release_leaves_a_lent_reservation_alone),
		FENCED_TEST(buffers_with_one_reservation_wait_for_the_same),
	};

	return cmocka_run_group_tests_name("dma_buf/fences", tests,
					   leaks_group_setup, NULL) != 0;
}
