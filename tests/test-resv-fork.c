/* SPDX-License-Identifier: MIT */
/* test-resv-fork.c - reservations, fences and polls in a forked child */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "attached.h"
#include "fenced.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "mock-fence.h"
#include "process.h"

#define BOTH (POLLIN | POLLOUT)

/* A buffer with a pending fence; the children get a copy of both. */
static struct mock_fence *fence;

static struct dma_buf *begin(void)
{
	struct dma_buf *dmabuf = stage_begin(0);

	fence = mock_fence_new();
	add_to(dmabuf->resv, fence, DMA_RESV_USAGE_KERNEL);
	return dmabuf;
}

static void end(void)
{
	stage_end("release");
	finish(fence);
}

/* Run it in a child, which must be content. */
static void in_a_child(peer_fn run, void *data)
{
	struct peer peer;

	peer_start(&peer, run, data);
	peer_join(&peer);
}

static int child_uses(int sock, void *data)
{
	struct dma_buf *dmabuf = data;
	struct dma_buf_attachment *attach;
	struct sg_table *table;

	(void)sock;
	PEER_CHECK(dma_resv_test_signaled(dmabuf->resv,
					  DMA_RESV_USAGE_BOOKKEEP));
	PEER_CHECK(dma_buf_poll(dmabuf, BOTH) == BOTH);
	PEER_CHECK(!dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE));
	attach = dma_buf_attach(dmabuf, dev);
	PEER_CHECK(!IS_ERR(attach));
	table = dma_buf_map_attachment_unlocked(attach, DMA_TO_DEVICE);
	PEER_CHECK(!IS_ERR(table));
	dma_buf_unmap_attachment_unlocked(attach, table, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, attach);
	dma_buf_put(dmabuf);
	PEER_CHECK(mock_calls(&mock, MOCK_OP_RELEASE) == 1);
	return 0;
}

static void child_does_not_wait_for_fences_of_the_parent(void **state)
{
	struct dma_buf *dmabuf = begin();

	(void)state;
	in_a_child(child_uses, dmabuf);
	assert_false(dma_resv_test_signaled(dmabuf->resv,
					    DMA_RESV_USAGE_KERNEL));
	assert_int_equal(fence_refs(fence), 2);
	end();
}

static int child_adds(int sock, void *data)
{
	struct dma_buf *dmabuf = data;
	struct mock_fence *own = mock_fence_new();
	struct on on[NR_ON_MAX];

	(void)sock;
	add_to(dmabuf->resv, own, DMA_RESV_USAGE_WRITE);
	PEER_CHECK(on_resv(dmabuf->resv, on) == 1);
	PEER_CHECK(on[0].fence == &own->base);
	PEER_CHECK(!dma_buf_poll(dmabuf, POLLIN));
	dma_fence_signal(&own->base);
	PEER_CHECK(dma_buf_poll(dmabuf, POLLIN) == POLLIN);
	return 0;
}

static void child_has_fences_of_its_own(void **state)
{
	struct dma_buf *dmabuf = begin();

	(void)state;
	in_a_child(child_adds, dmabuf);
	assert_false(dma_resv_test_signaled(dmabuf->resv,
					    DMA_RESV_USAGE_KERNEL));
	end();
}

/* A poll waits in the parent */

static int child_of_a_poll(int sock, void *data)
{
	struct dma_buf *dmabuf = data;

	(void)sock;
	PEER_CHECK(!dmabuf->cb_in.active && !dmabuf->cb_out.active);
	PEER_CHECK(dmabuf_refcount(dmabuf) == 1);
	/* What hung on the child's copy of the fence is gone from it. */
	PEER_CHECK(!dma_fence_signal(&fence->base));
	PEER_CHECK(dmabuf_refcount(dmabuf) == 1);
	PEER_CHECK(dma_buf_poll(dmabuf, BOTH) == BOTH);
	dma_buf_put(dmabuf);
	PEER_CHECK(mock_calls(&mock, MOCK_OP_RELEASE) == 1);
	return 0;
}

static void child_has_no_poll_that_waits(void **state)
{
	struct dma_buf *dmabuf = begin();

	(void)state;
	assert_int_equal(dma_buf_poll(dmabuf, BOTH), 0);
	in_a_child(child_of_a_poll, dmabuf);
	assert_int_equal(dmabuf_refcount(dmabuf), 3);
	dma_fence_signal(&fence->base);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	dmabuf_dispatch();
	end();
}

/* The buffer has no owner but the poll. */
static int child_of_the_last_poll(int sock, void *data)
{
	(void)sock;
	(void)data;
	PEER_CHECK(dmabuf_live_buffers() <= 1);
	PEER_CHECK(dma_fence_signal(&fence->base) == 0);
	PEER_CHECK(dmabuf_dispatch() >= 0);
	return 0;
}

static void child_of_a_buffer_that_only_a_poll_holds_lives(void **state)
{
	struct dma_buf *dmabuf = begin();

	(void)state;
	assert_int_equal(dma_buf_poll(dmabuf, POLLIN), 0);
	dma_buf_put(dmabuf);
	in_a_child(child_of_the_last_poll, NULL);
	assert_log(&mock, "");
	finish(fence);
	assert_log(&mock, "release");
	dmabuf_dispatch();
	dmabuf_device_destroy(dev);
}

/* The forking thread holds reservations */

static int child_of_a_holder(int sock, void *data)
{
	struct ww_acquire_ctx *ctx = data;
	struct dma_buf *dmabuf = mock.dmabuf;

	(void)sock;
	PEER_CHECK(!dma_resv_is_locked(dmabuf->resv));
	PEER_CHECK(!ctx->acquired);
	PEER_CHECK(!dma_resv_lock(dmabuf->resv, ctx));
	PEER_CHECK(ctx->acquired == 1);
	dma_resv_unlock(dmabuf->resv);
	ww_acquire_fini(ctx);
	/* The thread is in the middle of nothing. */
	dma_buf_put(dmabuf);
	PEER_CHECK(mock_calls(&mock, MOCK_OP_RELEASE) == 1);
	PEER_CHECK(!dmabuf_warn_count());
	return 0;
}

static void child_of_a_holder_holds_nothing(void **state)
{
	struct dma_buf *dmabuf = begin();
	struct ww_acquire_ctx ctx;

	(void)state;
	ww_acquire_init(&ctx, &reservation_ww_class);
	assert_int_equal(dma_resv_lock(dmabuf->resv, &ctx), 0);
	in_a_child(child_of_a_holder, &ctx);
	assert_true(dma_resv_held(dmabuf->resv));
	assert_int_equal(ctx.acquired, 1);
	dma_resv_unlock(dmabuf->resv);
	ww_acquire_fini(&ctx);
	end();
}

/* It has no buffer, so nobody makes it anew: the child gives it back. */
static struct dma_resv own;

static int child_of_its_own_holder(int sock, void *data)
{
	struct ww_acquire_ctx *ctx = data;

	(void)sock;
	PEER_CHECK(dma_resv_held(&own));
	PEER_CHECK(!ctx || ctx->acquired == 1);
	/* What comes to its end meanwhile waits. */
	dma_buf_put(mock.dmabuf);
	PEER_CHECK(mock_calls(&mock, MOCK_OP_RELEASE) == 0);
	dma_resv_unlock(&own);
	PEER_CHECK(mock_calls(&mock, MOCK_OP_RELEASE) == 1);
	PEER_CHECK(!dma_resv_lock(&own, ctx));
	dma_resv_unlock(&own);
	dma_resv_fini(&own);
	if (ctx)
		ww_acquire_fini(ctx);
	PEER_CHECK(!dmabuf_warn_count());
	return 0;
}

static void fork_with_ones_own_held(struct ww_acquire_ctx *ctx)
{
	begin();
	dma_resv_init(&own);
	assert_int_equal(dma_resv_lock(&own, ctx), 0);
	in_a_child(child_of_its_own_holder, ctx);
	assert_true(dma_resv_held(&own));
	dma_resv_unlock(&own);
	dma_resv_fini(&own);
	end();
}

static void child_gives_back_a_reservation_of_its_own(void **state)
{
	struct ww_acquire_ctx ctx;

	(void)state;
	fork_with_ones_own_held(NULL);
	ww_acquire_init(&ctx, &reservation_ww_class);
	fork_with_ones_own_held(&ctx);
	assert_int_equal(ctx.acquired, 0);
	ww_acquire_fini(&ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(child_does_not_wait_for_fences_of_the_parent),
		LEAK_TEST(child_has_fences_of_its_own),
		LEAK_TEST(child_has_no_poll_that_waits),
		LEAK_TEST(child_of_a_buffer_that_only_a_poll_holds_lives),
		LEAK_TEST(child_of_a_holder_holds_nothing),
		LEAK_TEST(child_gives_back_a_reservation_of_its_own),
	};

	return cmocka_run_group_tests_name("dma_resv/fork", tests,
					   leaks_group_setup, NULL) != 0;
}
