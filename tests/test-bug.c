/* SPDX-License-Identifier: MIT */
/* test-bug.c - broken state ends the process */

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "assert-bug.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "mock-fence.h"

#define SIZE 4096

/* The children die in one call on this buffer, which the parent then frees. */
static struct mock mock;

static struct dma_buf *begin(void)
{
	return mock_export(&mock, SIZE, 0);
}

static void end(void)
{
	mock.hook = NULL;
	dma_buf_put(mock.dmabuf);
	assert_log(&mock, "release");
}

static void do_put(void *data)
{
	dma_buf_put(data);
}

static void do_vmap(void *data)
{
	dma_buf_vmap(data);
}

static void do_vunmap(void *data)
{
	(void)data;
	dma_buf_vunmap(mock.dmabuf, mock.addr);
}

static void do_vunmap_null(void *data)
{
	dma_buf_vunmap(data, NULL);
}

static void do_vunmap_next(void *data)
{
	dma_buf_vunmap(data, (char *)mock.addr + 1);
}

/* INV-REL-1 */
static void last_put_of_a_mapped_buffer_dies(void **state)
{
	struct dma_buf *dmabuf = begin();
	void *vaddr = dma_buf_vmap(dmabuf);

	(void)state;
	assert_bug(do_put, dmabuf, "BUG: dma_buf_put: ");
	assert_bug(do_put, dmabuf, "vmapping_counter 1");
	dma_buf_vunmap(dmabuf, vaddr);
	assert_log(&mock, "vmap vunmap");
	end();
}

/* INV-VMAP-2 */
static void vmap_of_count_without_pointer_dies(void **state)
{
	struct dma_buf *dmabuf = begin();

	(void)state;
	dmabuf->vmapping_counter = 1;
	assert_bug(do_vmap, dmabuf, "BUG: dma_buf_vmap: ");
	dmabuf->vmapping_counter = 0;
	end();
}

/* INV-VMAP-3 */
static void vmap_of_pointer_without_count_dies(void **state)
{
	struct dma_buf *dmabuf = begin();

	(void)state;
	dmabuf->vmap_ptr = mock.addr;
	assert_bug(do_vmap, dmabuf, "BUG: dma_buf_vmap: ");
	dmabuf->vmap_ptr = NULL;
	end();
}

/* INV-VMAP-6 */
static void vunmap_without_mapping_dies(void **state)
{
	struct dma_buf *dmabuf = begin();

	(void)state;
	assert_bug(do_vunmap, dmabuf, "BUG: dma_buf_vunmap: ");
	assert_bug(do_vunmap_null, dmabuf, "there is no mapping");
	end();
}

/* INV-VMAP-7 */
static void vunmap_of_pointer_without_count_dies(void **state)
{
	struct dma_buf *dmabuf = begin();

	(void)state;
	dmabuf->vmap_ptr = mock.addr;
	assert_bug(do_vunmap, dmabuf, "no mapping is counted");
	dmabuf->vmap_ptr = NULL;
	end();
}

/* INV-VMAP-8 */
static void vunmap_of_another_address_dies(void **state)
{
	struct dma_buf *dmabuf = begin();
	void *vaddr = dma_buf_vmap(dmabuf);

	(void)state;
	assert_bug(do_vunmap_next, dmabuf, "the address is not the one");
	assert_bug(do_vunmap_null, dmabuf, "the address is not the one");
	dma_buf_vunmap(dmabuf, vaddr);
	assert_log(&mock, "vmap vunmap");
	end();
}

static void enter_vmap(struct mock *m, enum mock_op op,
		       struct dma_buf_attachment *attach)
{
	(void)op;
	(void)attach;
	dma_buf_vmap(m->dmabuf);
}

static void enter_vunmap(struct mock *m, enum mock_op op,
			 struct dma_buf_attachment *attach)
{
	(void)attach;
	if (op == MOCK_OP_VUNMAP)
		dma_buf_vunmap(m->dmabuf, m->addr);
}

static void vmap_op_that_enters_its_buffer_dies(void **state)
{
	struct dma_buf *dmabuf = begin();

	(void)state;
	mock.hook = enter_vmap;
	assert_bug(do_vmap, dmabuf, "called from the vmap or vunmap op");
	end();
}

static void vunmap_op_that_enters_its_buffer_dies(void **state)
{
	struct dma_buf *dmabuf = begin();

	(void)state;
	dma_buf_vmap(dmabuf);
	mock.hook = enter_vunmap;
	assert_bug(do_vunmap, dmabuf, "called from the vmap or vunmap op");
	mock.hook = NULL;
	dma_buf_vunmap(dmabuf, mock.addr);
	assert_log(&mock, "vmap vunmap");
	end();
}

static void do_put_in(void *data)
{
	mock.dmabuf->cb_in.active = POLLIN;
	dma_buf_put(data);
}

static void do_put_out(void *data)
{
	mock.dmabuf->cb_out.active = POLLOUT;
	dma_buf_put(data);
}

/* INV-REL-2 */
static void last_put_while_a_poll_waits_dies(void **state)
{
	struct dma_buf *dmabuf = begin();

	(void)state;
	assert_bug(do_put_in, dmabuf, "BUG: dma_buf_put: ");
	assert_bug(do_put_out, dmabuf, "while a poll waits");
	end();
}

static void do_add_fences(void *data)
{
	struct dma_resv *resv = data;

	dma_resv_lock(resv, NULL);
	for (;;)
		dma_resv_add_fence(resv, plain_fence_new(),
				   DMA_RESV_USAGE_READ);
}

static void do_reserve_one_and_add_fences(void *data)
{
	struct dma_resv *resv = data;

	dma_resv_lock(resv, NULL);
	dma_resv_reserve_fences(resv, 1);
	dma_resv_unlock(resv);
	do_add_fences(resv);
}

/* INV-RESV-4 */
static void fence_without_any_room_dies(void **state)
{
	struct dma_buf *dmabuf = begin();

	(void)state;
	assert_bug(do_add_fences, dmabuf->resv, "BUG: dma_resv_add_fence: ");
	end();
}

/* INV-RESV-3 */
static void fence_for_which_room_is_gone_dies(void **state)
{
	struct dma_buf *dmabuf = begin();

	(void)state;
	assert_bug(do_reserve_one_and_add_fences, dmabuf->resv,
		   "BUG: dma_resv_add_fence: ");
	end();
}

static void do_lock_twice(void *data)
{
	dma_resv_lock(data, NULL);
	dma_resv_lock(data, NULL);
}

static void lock_of_a_held_reservation_dies(void **state)
{
	struct dma_buf *dmabuf = begin();

	(void)state;
	assert_bug(do_lock_twice, dmabuf->resv, "BUG: dma_resv_lock: ");
	end();
}

static void do_attach_under_resv(void *data)
{
	struct dma_buf *dmabuf = mock.dmabuf;

	dma_resv_lock(dmabuf->resv, NULL);
	dma_buf_attach(dmabuf, data);
}

static void attach_under_the_reservation_dies(void **state)
{
	struct device *dev = device_new();

	(void)state;
	begin();
	assert_bug(do_attach_under_resv, dev, "BUG: dma_buf_dynamic_attach: ");
	end();
	dmabuf_device_destroy(dev);
}

/* Fences: what the children do to one */

static void do_init_without_lock(void *data)
{
	struct mock_fence *fence = data;

	dma_fence_init(&fence->base, &mock_fence_ops, NULL, 1, 1);
}

static void do_init_without_ops(void *data)
{
	struct mock_fence *fence = data;

	dma_fence_init(&fence->base, NULL, &fence->lock, 1, 1);
}

static const char *any_name(struct dma_fence *fence)
{
	(void)fence;
	return "any";
}

static void do_init_without_driver_name(void *data)
{
	static const struct dma_fence_ops ops = {
		.get_timeline_name = any_name,
	};
	struct mock_fence *fence = data;

	dma_fence_init(&fence->base, &ops, &fence->lock, 1, 1);
}

static void do_init_without_timeline_name(void *data)
{
	static const struct dma_fence_ops ops = {
		.get_driver_name = any_name,
	};
	struct mock_fence *fence = data;

	dma_fence_init(&fence->base, &ops, &fence->lock, 1, 1);
}

/* INV-FENCE-1, INV-FENCE-2 */
static void fence_without_lock_ops_or_names_dies(void **state)
{
	struct mock_fence *fence = mock_fence_new();

	(void)state;
	assert_bug(do_init_without_lock, fence, "BUG: dma_fence_init: ");
	assert_bug(do_init_without_ops, fence, "BUG: dma_fence_init: ");
	assert_bug(do_init_without_driver_name, fence, "get_driver_name");
	assert_bug(do_init_without_timeline_name, fence, "get_timeline_name");
	dma_fence_put(&fence->base);
}

static void print_and_return(const char *report, void *data)
{
	(void)report;
	fprintf(stderr, "libdmabuf: BUG: heard by %s\n", (const char *)data);
}

static void do_bug_with_handler(void *data)
{
	static char who[] = "a handler that returns";

	dmabuf_set_bug_handler(print_and_return, who);
	do_vunmap(data);
}

static void handler_that_returns_dies(void **state)
{
	struct dma_buf *dmabuf = begin();

	(void)state;
	assert_bug(do_bug_with_handler, dmabuf,
		   "heard by a handler that returns");
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(last_put_of_a_mapped_buffer_dies),
		LEAK_TEST(vmap_of_count_without_pointer_dies),
		LEAK_TEST(vmap_of_pointer_without_count_dies),
		LEAK_TEST(vunmap_without_mapping_dies),
		LEAK_TEST(vunmap_of_pointer_without_count_dies),
		LEAK_TEST(vunmap_of_another_address_dies),
		LEAK_TEST(vmap_op_that_enters_its_buffer_dies),
		LEAK_TEST(vunmap_op_that_enters_its_buffer_dies),
		LEAK_TEST(last_put_while_a_poll_waits_dies),
		LEAK_TEST(fence_without_any_room_dies),
		LEAK_TEST(fence_for_which_room_is_gone_dies),
		LEAK_TEST(lock_of_a_held_reservation_dies),
		LEAK_TEST(attach_under_the_reservation_dies),
		LEAK_TEST(fence_without_lock_ops_or_names_dies),
		LEAK_TEST(handler_that_returns_dies),
	};

	return cmocka_run_group_tests_name("bug", tests, leaks_group_setup,
					   NULL) != 0;
}
