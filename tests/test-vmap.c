/* SPDX-License-Identifier: MIT */
/* test-vmap.c - counting mappings for the CPU */

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "assert-bug.h"
#include "held.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "warns.h"

#define SIZE 8192

static void pair_check(const struct dma_buf *dmabuf, unsigned int counter,
		       const void *vaddr)
{
	assert_int_equal(dmabuf->vmapping_counter, counter);
	assert_ptr_equal(dmabuf->vmap_ptr, vaddr);
}

/* The object counts as if nothing had happened; then it goes. */
static void works_and_goes(struct mock *mock)
{
	struct dma_buf *dmabuf = mock->dmabuf;
	void *vaddr;

	assert_false(mutex_is_held(&dmabuf->lock));
	pair_check(dmabuf, 0, NULL);
	mock->hook = NULL;
	mock->log[0] = '\0';
	vaddr = dma_buf_vmap(dmabuf);
	assert_ptr_equal(vaddr, mock->addr);
	assert_ptr_equal(dma_buf_vmap(dmabuf), vaddr);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	assert_log(mock, "vmap vunmap release");
}

/* INV-D-1, INV-D-2 */
static void exporter_is_asked_once_for_many_mappings(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);
	void *vaddr = dma_buf_vmap(dmabuf);
	unsigned int i;

	(void)state;
	assert_ptr_equal(vaddr, mock.addr);
	pair_check(dmabuf, 1, vaddr);
	for (i = 2; i <= 10; i++) {
		assert_ptr_equal(dma_buf_vmap(dmabuf), vaddr);
		pair_check(dmabuf, i, vaddr);
	}
	assert_log(&mock, "vmap");
	for (i = 10; i > 1; i--) {
		dma_buf_vunmap(dmabuf, vaddr);
		pair_check(dmabuf, i - 1, vaddr);
	}
	assert_log(&mock, "");
	dma_buf_vunmap(dmabuf, vaddr);
	pair_check(dmabuf, 0, NULL);
	assert_log(&mock, "vunmap");
	dma_buf_put(dmabuf);
}

/* INV-D-1 */
static void exporter_is_asked_again_after_the_last_vunmap(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);
	unsigned int i;

	(void)state;
	for (i = 0; i < 3; i++)
		dma_buf_vunmap(dmabuf, dma_buf_vmap(dmabuf));
	assert_log(&mock, "vmap vunmap vmap vunmap vmap vunmap");
	dma_buf_put(dmabuf);
}

static void exporter_fails_with(long ret)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	mock_fail(&mock, MOCK_OP_VMAP, 1, ret);
	assert_ptr_equal(dma_buf_vmap(dmabuf), (void *)ret);
	pair_check(dmabuf, 0, NULL);
	assert_false(mutex_is_held(&dmabuf->lock));
	assert_log(&mock, "vmap");
	assert_no_warning();
	works_and_goes(&mock);
}

/* INV-D-3 */
static void null_of_the_exporter_is_passed_through(void **state)
{
	(void)state;
	exporter_fails_with(0);
}

/* INV-D-3 */
static void error_of_the_exporter_is_passed_through(void **state)
{
	(void)state;
	exporter_fails_with(-ENOMEM);
	exporter_fails_with(-EINTR);
	exporter_fails_with(-4095);
}

/* INV-D-4 */
static void full_counter_warns_and_changes_nothing(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);
	void *vaddr = dma_buf_vmap(dmabuf);

	(void)state;
	dmabuf->vmapping_counter = UINT_MAX;
	assert_null(dma_buf_vmap(dmabuf));
	assert_warned("dma_buf_vmap");
	pair_check(dmabuf, UINT_MAX, vaddr);
	dma_buf_vunmap(dmabuf, vaddr);
	pair_check(dmabuf, UINT_MAX - 1, vaddr);
	assert_ptr_equal(dma_buf_vmap(dmabuf), vaddr);
	pair_check(dmabuf, UINT_MAX, vaddr);
	assert_log(&mock, "vmap");
	dmabuf->vmapping_counter = 1;
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

/* INV-VMAP-1 */
static void vmap_of_null_warns(void **state)
{
	(void)state;
	assert_null(dma_buf_vmap(NULL));
	assert_warned("WARN: dma_buf_vmap: ");
}

/* INV-VMAP-5 */
static void vunmap_of_null_warns(void **state)
{
	int here;

	(void)state;
	dma_buf_vunmap(NULL, &here);
	assert_warned("WARN: dma_buf_vunmap: ");
	dma_buf_vunmap(NULL, NULL);
	assert_warned("WARN: dma_buf_vunmap: ");
}

static void without_vmap_op_it_is_null(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, MOCK_BARE);

	(void)state;
	assert_null(dma_buf_vmap(dmabuf));
	assert_no_warning();
	pair_check(dmabuf, 0, NULL);
	dma_buf_put(dmabuf);
	assert_log(&mock, "release");
}

static void without_vunmap_op_the_pair_is_cleared(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf;

	(void)state;
	mock_init(&mock, SIZE, 0);
	mock.ops.vunmap = NULL;
	dmabuf = mock_export_inited(&mock);
	dma_buf_vunmap(dmabuf, dma_buf_vmap(dmabuf));
	pair_check(dmabuf, 0, NULL);
	dma_buf_vunmap(dmabuf, dma_buf_vmap(dmabuf));
	dma_buf_put(dmabuf);
	assert_log(&mock, "vmap vmap release");
}

static void locks_in_op(struct mock *mock, enum mock_op op,
			struct dma_buf_attachment *attach)
{
	struct dma_buf *dmabuf = mock->dmabuf;

	(void)op;
	(void)attach;
	assert_true(mutex_is_held(&dmabuf->lock));
	assert_int_equal(mutex_is_held(&dmabuf->resv->lock),
			 mock->hook_data != NULL);
	pair_check(dmabuf, 0, NULL);
}

/* In vunmap the pair is cleared before the op runs. */
static void ops_run_under_the_buffer_lock_alone(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	(void)state;
	mock.hook = locks_in_op;
	dma_buf_vunmap(dmabuf, dma_buf_vmap(dmabuf));
	assert_log(&mock, "vmap vunmap");
	works_and_goes(&mock);
}

static void reservation_may_be_held(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	(void)state;
	mock.hook = locks_in_op;
	mock.hook_data = &mock;
	dma_resv_lock(dmabuf->resv, NULL);
	dma_buf_vunmap(dmabuf, dma_buf_vmap(dmabuf));
	assert_true(dma_resv_held(dmabuf->resv));
	dma_resv_unlock(dmabuf->resv);
	assert_log(&mock, "vmap vunmap");
	works_and_goes(&mock);
}

/* Broken state, left by longjmp */

static void do_vmap(void *data)
{
	struct mock *mock = data;

	dma_buf_vmap(mock->dmabuf);
}

static void do_vunmap(void *data)
{
	struct mock *mock = data;

	dma_buf_vunmap(mock->dmabuf, mock->addr);
}

static void do_vunmap_null(void *data)
{
	struct mock *mock = data;

	dma_buf_vunmap(mock->dmabuf, NULL);
}

static void do_vunmap_next(void *data)
{
	struct mock *mock = data;

	dma_buf_vunmap(mock->dmabuf, (char *)mock->addr + 1);
}

/* A count without a pointer is found and left; then it is mended. */
static void count_alone_is_a_bug(unsigned int counter, bug_fn run,
				 const char *text)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	dmabuf->vmapping_counter = counter;
	assert_bug_caught(run, &mock, text);
	pair_check(dmabuf, counter, NULL);
	assert_log(&mock, "");
	dmabuf->vmapping_counter = 0;
	works_and_goes(&mock);
}

/* And a pointer without a count. */
static void pointer_alone_is_a_bug(bug_fn run, const char *text)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	dmabuf->vmap_ptr = mock.addr;
	assert_bug_caught(run, &mock, text);
	pair_check(dmabuf, 0, mock.addr);
	assert_log(&mock, "");
	dmabuf->vmap_ptr = NULL;
	works_and_goes(&mock);
}

/* INV-VMAP-2 */
static void counted_without_pointer_is_a_bug(void **state)
{
	(void)state;
	count_alone_is_a_bug(3, do_vmap, "BUG: dma_buf_vmap: ");
}

/* INV-VMAP-3 */
static void pointer_without_count_is_a_bug(void **state)
{
	(void)state;
	pointer_alone_is_a_bug(do_vmap, "BUG: dma_buf_vmap: ");
}

/* INV-VMAP-6 */
static void vunmap_without_mapping_is_a_bug(void **state)
{
	struct mock mock;

	(void)state;
	mock_export(&mock, SIZE, 0);
	assert_bug_caught(do_vunmap, &mock, "there is no mapping");
	assert_bug_caught(do_vunmap_null, &mock, "there is no mapping");
	assert_log(&mock, "");
	works_and_goes(&mock);
}

/* INV-VMAP-6 */
static void one_vunmap_too_many_is_a_bug(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	(void)state;
	dma_buf_vunmap(dmabuf, dma_buf_vmap(dmabuf));
	assert_bug_caught(do_vunmap, &mock, "BUG: dma_buf_vunmap: ");
	assert_log(&mock, "vmap vunmap");
	works_and_goes(&mock);
}

/* INV-VMAP-6 comes before INV-VMAP-7: the pointer is looked at first. */
static void vunmap_of_count_without_pointer_is_a_bug(void **state)
{
	(void)state;
	count_alone_is_a_bug(2, do_vunmap, "there is no mapping");
}

/* INV-VMAP-7 */
static void vunmap_of_pointer_without_count_is_a_bug(void **state)
{
	(void)state;
	pointer_alone_is_a_bug(do_vunmap, "no mapping is counted");
	/* With a wrong address too: the count is looked at first. */
	pointer_alone_is_a_bug(do_vunmap_next, "no mapping is counted");
}

/* INV-VMAP-8 */
static void vunmap_of_another_address_is_a_bug(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);
	void *vaddr = dma_buf_vmap(dmabuf);
	unsigned int counter;

	(void)state;
	for (counter = 1; counter <= 2; counter++) {
		assert_bug_caught(do_vunmap_next, &mock, "the address");
		assert_bug_caught(do_vunmap_null, &mock, "the address");
		pair_check(dmabuf, counter, vaddr);
		assert_ptr_equal(dma_buf_vmap(dmabuf), vaddr);
	}
	assert_log(&mock, "vmap");
	while (dmabuf->vmapping_counter)
		dma_buf_vunmap(dmabuf, vaddr);
	works_and_goes(&mock);
}

static void reservation_of_the_caller_survives_a_bug(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	(void)state;
	dma_resv_lock(dmabuf->resv, NULL);
	assert_bug_caught(do_vunmap, &mock, "there is no mapping");
	assert_true(dma_resv_held(dmabuf->resv));
	dma_resv_unlock(dmabuf->resv);
	works_and_goes(&mock);
}

/* Re-entry */

static void enter_vmap(struct mock *mock)
{
	dma_buf_vmap(mock->dmabuf);
}

static void enter_vunmap(struct mock *mock)
{
	dma_buf_vunmap(mock->dmabuf, mock->addr);
}

static void enter_attach(struct mock *mock)
{
	dma_buf_attach(mock->dmabuf, mock->hook_data);
}

static void (*entering)(struct mock *mock);
static enum mock_op entering_from;

static void enter(struct mock *mock, enum mock_op op,
		  struct dma_buf_attachment *attach)
{
	(void)attach;
	if (op == entering_from)
		entering(mock);
}

static void do_vmap_vunmap(void *data)
{
	dma_buf_vunmap(data, dma_buf_vmap(data));
}

static void op_enters(enum mock_op op, void (*how)(struct mock *),
		      const char *function)
{
	struct device *dev = device_new();
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	mock.hook = enter;
	mock.hook_data = dev;
	entering = how;
	entering_from = op;
	assert_bug_caught(do_vmap_vunmap, dmabuf, function);
	works_and_goes(&mock);
	dmabuf_device_destroy(dev);
}

static void vmap_op_that_enters_its_buffer_is_a_bug(void **state)
{
	(void)state;
	op_enters(MOCK_OP_VMAP, enter_vmap, "BUG: dma_buf_vmap: ");
	op_enters(MOCK_OP_VMAP, enter_vunmap, "BUG: dma_buf_vunmap: ");
	op_enters(MOCK_OP_VMAP, enter_attach, "attach: ");
}

static void vunmap_op_that_enters_its_buffer_is_a_bug(void **state)
{
	(void)state;
	op_enters(MOCK_OP_VUNMAP, enter_vmap, "BUG: dma_buf_vmap: ");
	op_enters(MOCK_OP_VUNMAP, enter_vunmap, "BUG: dma_buf_vunmap: ");
	op_enters(MOCK_OP_VUNMAP, enter_attach, "attach: ");
}

static struct dma_buf_attachment *entering_attachment;

static void enter_detach(struct mock *mock)
{
	dma_buf_detach(mock->dmabuf, entering_attachment);
}

static void op_that_detaches_from_its_buffer_is_a_bug(void **state)
{
	struct device *dev = device_new();
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	(void)state;
	entering_attachment = dma_buf_attach(dmabuf, dev);
	mock.hook = enter;
	entering = enter_detach;
	for (entering_from = MOCK_OP_VMAP; entering_from <= MOCK_OP_VUNMAP;
	     entering_from++)
		assert_bug_caught(do_vmap_vunmap, dmabuf,
				  "BUG: dma_buf_detach: ");
	assert_false(mutex_is_held(&dmabuf->resv->lock));
	dma_buf_detach(dmabuf, entering_attachment);
	works_and_goes(&mock);
	dmabuf_device_destroy(dev);
}

static void enter_other(struct mock *mock)
{
	struct mock *other = mock->hook_data;

	dma_buf_vunmap(other->dmabuf, dma_buf_vmap(other->dmabuf));
}

/* One buffer on another: both locks are held, in one order. */
static void op_may_enter_another_buffer(void **state)
{
	struct mock upper, lower;
	struct dma_buf *dmabuf = mock_export(&upper, SIZE, 0);

	(void)state;
	mock_export(&lower, SIZE, 0);
	upper.hook = enter;
	upper.hook_data = &lower;
	entering = enter_other;
	entering_from = MOCK_OP_VMAP;
	dma_buf_vunmap(dmabuf, dma_buf_vmap(dmabuf));
	assert_log(&upper, "vmap vunmap");
	assert_log(&lower, "vmap vunmap");
	works_and_goes(&upper);
	works_and_goes(&lower);
}

static void enter_upper(struct mock *mock)
{
	struct mock *upper = mock->hook_data;

	dma_buf_vmap(upper->dmabuf);
}

/* upper's vmap -> lower's vmap -> upper's vmap: both locks are dropped. */
static void entering_across_another_buffer_is_a_bug(void **state)
{
	struct mock upper, lower;

	(void)state;
	mock_export(&upper, SIZE, 0);
	mock_export(&lower, SIZE, 0);
	upper.hook = enter;
	upper.hook_data = &lower;
	lower.hook = enter;
	lower.hook_data = &upper;
	entering = enter_upper;
	entering_from = MOCK_OP_VMAP;
	assert_bug_caught(do_vmap, &upper, "called from the vmap or vunmap op");
	works_and_goes(&upper);
	works_and_goes(&lower);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(exporter_is_asked_once_for_many_mappings),
		LEAK_TEST(exporter_is_asked_again_after_the_last_vunmap),
		LEAK_TEST(null_of_the_exporter_is_passed_through),
		LEAK_TEST(error_of_the_exporter_is_passed_through),
		LEAK_TEST(full_counter_warns_and_changes_nothing),
		LEAK_TEST(vmap_of_null_warns),
		LEAK_TEST(vunmap_of_null_warns),
		LEAK_TEST(without_vmap_op_it_is_null),
		LEAK_TEST(without_vunmap_op_the_pair_is_cleared),
		LEAK_TEST(ops_run_under_the_buffer_lock_alone),
		LEAK_TEST(reservation_may_be_held),
		LEAK_TEST(counted_without_pointer_is_a_bug),
		LEAK_TEST(pointer_without_count_is_a_bug),
		LEAK_TEST(vunmap_without_mapping_is_a_bug),
		LEAK_TEST(one_vunmap_too_many_is_a_bug),
		LEAK_TEST(vunmap_of_count_without_pointer_is_a_bug),
		LEAK_TEST(vunmap_of_pointer_without_count_is_a_bug),
		LEAK_TEST(vunmap_of_another_address_is_a_bug),
		LEAK_TEST(reservation_of_the_caller_survives_a_bug),
		LEAK_TEST(vmap_op_that_enters_its_buffer_is_a_bug),
		LEAK_TEST(vunmap_op_that_enters_its_buffer_is_a_bug),
		LEAK_TEST(op_that_detaches_from_its_buffer_is_a_bug),
		LEAK_TEST(op_may_enter_another_buffer),
		LEAK_TEST(entering_across_another_buffer_is_a_bug),
	};

	return cmocka_run_group_tests_name("dma_buf/vmap", tests,
					   leaks_group_setup, NULL) != 0;
}
