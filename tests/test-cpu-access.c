/* SPDX-License-Identifier: MIT */
/* test-cpu-access.c - brackets around the CPU's use of the memory */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "held.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "warns.h"

#define SIZE 4096

/* INV-CPU-1 */
static void begin_of_null_is_einval(void **state)
{
	(void)state;
	assert_int_equal(dma_buf_begin_cpu_access(NULL, DMA_TO_DEVICE),
			 -EINVAL);
	assert_warned("WARN: dma_buf_begin_cpu_access: ");
}

/* INV-CPU-2 */
static void end_of_null_is_einval(void **state)
{
	(void)state;
	assert_int_equal(dma_buf_end_cpu_access(NULL, DMA_TO_DEVICE), -EINVAL);
	assert_warned("WARN: dma_buf_end_cpu_access: ");
}

/* INV-D-13 */
static void without_ops_both_succeed(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, MOCK_BARE);

	(void)state;
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	dma_buf_put(dmabuf);
	assert_log(&mock, "release");
}

static void direction_reaches_the_exporter_unchecked(void **state)
{
	static const int dirs[] = {
		DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_NONE, 17,
	};
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);
	enum dma_data_direction dir;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		dir = (enum dma_data_direction)dirs[i];
		mock.dir = DMA_NONE;
		assert_int_equal(dma_buf_begin_cpu_access(dmabuf, dir), 0);
		assert_int_equal(mock.dir, dir);
		mock.dir = DMA_NONE;
		assert_int_equal(dma_buf_end_cpu_access(dmabuf, dir), 0);
		assert_int_equal(mock.dir, dir);
		assert_log(&mock, "begin end");
	}
	dma_buf_put(dmabuf);
}

static void result_of_the_ops_is_passed_through(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	(void)state;
	mock_fail(&mock, MOCK_OP_BEGIN, 1, -EINTR);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE),
			 -EINTR);
	mock_fail(&mock, MOCK_OP_END, 1, -EIO);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_TO_DEVICE), -EIO);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	dma_buf_put(dmabuf);
}

static void brackets_need_not_match(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	(void)state;
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	dma_buf_put(dmabuf);
	assert_log(&mock, "end begin begin release");
}

static void check_locks(struct mock *mock, enum mock_op op,
			struct dma_buf_attachment *attach)
{
	(void)op;
	(void)attach;
	assert_false(mutex_is_held(&mock->dmabuf->lock));
	assert_false(mutex_is_held(&mock->dmabuf->resv->lock));
}

static void ops_run_with_no_lock_held(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	(void)state;
	mock.hook = check_locks;
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	dma_buf_put(dmabuf);
	assert_log(&mock, "begin end release");
}

static void brackets_under_reservation(struct dma_buf *dmabuf)
{
	dma_resv_lock(dmabuf->resv, NULL);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	assert_warned("WARN: dma_buf_begin_cpu_access: ");
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	assert_warned("WARN: dma_buf_end_cpu_access: ");
	dma_resv_unlock(dmabuf->resv);
}

/* INV-LOCK-9 */
static void holding_the_reservation_warns_and_goes_on(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	(void)state;
	brackets_under_reservation(dmabuf);
	dma_buf_put(dmabuf);
	assert_log(&mock, "begin end release");

	dmabuf = mock_export(&mock, SIZE, MOCK_BARE);
	brackets_under_reservation(dmabuf);
	dma_buf_put(dmabuf);
	assert_log(&mock, "release");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(begin_of_null_is_einval),
		LEAK_TEST(end_of_null_is_einval),
		LEAK_TEST(without_ops_both_succeed),
		LEAK_TEST(direction_reaches_the_exporter_unchecked),
		LEAK_TEST(result_of_the_ops_is_passed_through),
		LEAK_TEST(brackets_need_not_match),
		LEAK_TEST(ops_run_with_no_lock_held),
		LEAK_TEST(holding_the_reservation_warns_and_goes_on),
	};

	return cmocka_run_group_tests_name("dma_buf/cpu_access", tests,
					   leaks_group_setup, NULL) != 0;
}
