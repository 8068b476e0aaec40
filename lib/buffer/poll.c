/* SPDX-License-Identifier: MIT */
/*
 * poll.c - asking whether a buffer could be read or written now
 *
 * For each of the two there is one callback, on the first fence that is in the
 * way, however many ask. It has a reference on the buffer and on the fence.
 */
#include <dmabuf/dmabuf.h>

#include <poll.h>

#include "buffer/buffer.h"
#include "buffer/watch.h"
#include "fence/resv.h"

static struct dma_buf_poll_cb_t *slot_of(struct dma_fence_cb *cb)
{
	return container_of(cb, struct dma_buf_poll_cb_t, cb);
}

static struct dma_buf *dmabuf_of(struct dma_buf_poll_cb_t *slot)
{
	short event = __atomic_load_n(&slot->active, __ATOMIC_RELAXED);

	return event == POLLIN ? container_of(slot, struct dma_buf, cb_in) :
				 container_of(slot, struct dma_buf, cb_out);
}

static bool slot_take(struct dma_buf_poll_cb_t *slot, short event)
{
	short none = 0;

	return __atomic_compare_exchange_n(&slot->active, &none, event, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Release, pairs with the acquire of the next slot_take(). */
static void slot_give_back(struct dma_buf_poll_cb_t *slot)
{
	__atomic_store_n(&slot->active, 0, __ATOMIC_RELEASE);
}

static void poll_fired(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct dma_buf *dmabuf = dmabuf_of(slot_of(cb));

	slot_give_back(slot_of(cb));
	watch_kick();
	dma_fence_put(fence);
	dma_buf_put(dmabuf);
}

/* False when nothing is in the way. */
static bool arm(struct dma_buf *dmabuf, struct dma_buf_poll_cb_t *slot,
		enum dma_resv_usage usage)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	dma_resv_for_each_fence(&cursor, dmabuf->resv, usage, fence) {
		dma_fence_get(fence);
		if (!dma_fence_add_callback(fence, &slot->cb, poll_fired))
			return true;
		dma_fence_put(fence);
	}
	return false;
}

static bool is_ready(struct dma_buf *dmabuf, struct dma_buf_poll_cb_t *slot,
		     short event)
{
	/* First: a slot that is taken has a reference, also after a fork. */
	get_dma_buf(dmabuf);
	if (!slot_take(slot, event)) {
		dma_buf_put(dmabuf);
		return false;
	}
	if (arm(dmabuf, slot, dma_resv_usage_rw(event == POLLOUT)))
		return false;
	slot_give_back(slot);
	dma_buf_put(dmabuf);
	return true;
}

int dma_buf_poll(struct dma_buf *dmabuf, short events)
{
	struct frame frame;
	short ready = 0;

	if (!dmabuf)
		return POLLERR;
	events &= POLLIN | POLLOUT;
	if (!events)
		return 0;
	/* Should it fail, there is nobody to be woken. */
	(void)dmabuf_event_fd();
	buffer_check_resv(buffer_of(dmabuf), __func__);
	resv_frame_enter(&frame, dmabuf->resv);
	if ((events & POLLOUT) && is_ready(dmabuf, &dmabuf->cb_out, POLLOUT))
		ready |= POLLOUT;
	if ((events & POLLIN) && is_ready(dmabuf, &dmabuf->cb_in, POLLIN))
		ready |= POLLIN;
	frame_leave(&frame);
	return ready;
}
