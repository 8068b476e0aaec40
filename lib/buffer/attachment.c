/* SPDX-License-Identifier: MIT */
/*
 * attachment.c - devices on a buffer: attach, pin, map, move
 *
 * An exporter with pin is dynamic: it may move the memory. An importer with
 * move_notify is dynamic: it follows. Where only one of them is, the attachment
 * is pinned and mapped once, at attach, and keeps that table until detach:
 *
 *	exporter  importer   at attach    at map       at detach
 *	static    static                  map op
 *	static    dynamic    map op       kept table   unmap op
 *	dynamic   static     pin, map op  kept table   unmap op, unpin
 *	dynamic   dynamic                 map op
 *
 * The list is written with resv and dma_buf.lock held; attach and detach ops
 * run with neither.
 */
#include <dmabuf/dma-buf.h>

#include <errno.h>
#include <stdlib.h>

#include "base/report.h"
#include "buffer/buffer.h"
#include "fence/resv.h"

struct attachment {
	struct dma_buf_attachment base;
	bool orphan;	/* its buffer was released */
};

static struct attachment *attachment_of(struct dma_buf_attachment *attach)
{
	return container_of(attach, struct attachment, base);
}

/* An element is reached by next from the moment it is in until it is out. */
static void list_add(struct dmabuf_list *node, struct dmabuf_list *head)
{
	node->next = head->next;
	node->prev = head;
	head->next->prev = node;
	__atomic_store_n(&head->next, node, __ATOMIC_RELEASE);
}

static void list_del(struct dmabuf_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
}

void attachments_orphan(struct buffer *buffer)
{
	struct dma_buf *dmabuf = &buffer->base;

	while (dmabuf->attachments.next != &dmabuf->attachments) {
		struct dma_buf_attachment *attach =
			dmabuf_list_attachment(dmabuf->attachments.next);

		list_del(&attach->node);
		attach->dmabuf = NULL;
		attach->sgt = NULL;
		attachment_of(attach)->orphan = true;
	}
}

void attachments_mend(struct buffer *buffer)
{
	struct dmabuf_list *head = &buffer->base.attachments;
	struct dmabuf_list *node = head;

	do {
		node->next->prev = node;
		node = node->next;
	} while (node != head);
}

/* As a frame's drop function: a BUG in the op frees it too. */
static void attachment_free(void *lock)
{
	struct dma_buf_attachment *attach = lock;

	free(attachment_of(attach));
}

/* Asking the exporter */

static int exporter_attach(struct dma_buf_attachment *attach)
{
	struct dma_buf *dmabuf = attach->dmabuf;
	struct frame frame;
	int ret;

	if (!dmabuf->ops->attach)
		return 0;
	frame_enter(&frame, attachment_free, attach);
	ret = dmabuf->ops->attach(dmabuf, attach);
	frame.drop = NULL;
	frame_leave(&frame);
	return op_result(ret, "dma_buf_attach", "attach");
}

/* Frees the attachment, however the op ends. */
static void exporter_detach(struct dma_buf_attachment *attach)
{
	struct dma_buf *dmabuf = attach->dmabuf;
	struct frame frame;

	frame_enter(&frame, attachment_free, attach);
	if (dmabuf->ops->detach)
		dmabuf->ops->detach(dmabuf, attach);
	frame_leave(&frame);
}

static int exporter_pin(struct dma_buf_attachment *attach)
{
	struct frame frame;
	int ret;

	if (!attach->dmabuf->ops->pin)
		return 0;
	frame_enter(&frame, NULL, NULL);
	ret = attach->dmabuf->ops->pin(attach);
	frame_leave(&frame);
	return ret;
}

static void exporter_unpin(struct dma_buf_attachment *attach)
{
	struct frame frame;

	if (!attach->dmabuf->ops->unpin)
		return;
	frame_enter(&frame, NULL, NULL);
	attach->dmabuf->ops->unpin(attach);
	frame_leave(&frame);
}

static struct sg_table *exporter_map(struct dma_buf_attachment *attach,
				     enum dma_data_direction dir)
{
	struct sg_table *table;
	struct frame frame;

	frame_enter(&frame, NULL, NULL);
	table = attach->dmabuf->ops->map_dma_buf(attach, dir);
	frame_leave(&frame);
	return table ? table : ERR_PTR(-ENOMEM);
}

static void exporter_unmap(struct dma_buf_attachment *attach,
			   struct sg_table *table, enum dma_data_direction dir)
{
	struct frame frame;

	frame_enter(&frame, NULL, NULL);
	attach->dmabuf->ops->unmap_dma_buf(attach, table, dir);
	frame_leave(&frame);
}

/*
 * A static importer may use the memory as soon as it has the table, and so
 * waits for what is being done to it; a dynamic one looks at the fences itself.
 */
static struct sg_table *map_when_there(struct dma_buf_attachment *attach,
				       enum dma_data_direction dir)
{
	struct sg_table *table = exporter_map(attach, dir);
	int64_t ret;

	if (IS_ERR(table) || dma_buf_attachment_is_dynamic(attach))
		return table;
	ret = dma_resv_wait_timeout(attach->dmabuf->resv, DMA_RESV_USAGE_KERNEL,
				    true, INT64_MAX);
	if (ret >= 0)
		return table;
	exporter_unmap(attach, table, dir);
	return ERR_PTR((long)ret);
}

/* Attach and detach */

static int attachment_map_for_good(struct dma_buf_attachment *attach)
{
	struct sg_table *table;
	int ret;

	ret = op_result(exporter_pin(attach), "dma_buf_attach", "pin");
	if (ret)
		return ret;
	table = map_when_there(attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(table)) {
		exporter_unpin(attach);
		return (int)PTR_ERR(table);
	}
	attach->sgt = table;
	attach->dir = DMA_BIDIRECTIONAL;
	return 0;
}

static void link_done(void *lock)
{
	struct dma_buf_attachment *attach = lock;

	dma_resv_unlock(attach->dmabuf->resv);
}

/*
 * A BUG in pin or map at attach: nobody will ever have the pointer. Or in unmap
 * or unpin at detach, which counts as done.
 */
static void link_give_up(void *lock)
{
	struct dma_buf_attachment *attach = lock;
	struct dma_buf *dmabuf = attach->dmabuf;

	pthread_mutex_lock(&dmabuf->lock);
	list_del(&attach->node);
	pthread_mutex_unlock(&dmabuf->lock);
	dma_resv_unlock(dmabuf->resv);
	attachment_free(attach);
}

static void link_frame_leave(struct frame *frame)
{
	/* Unless a forked child gave it up, with all locks. */
	if (frame->drop)
		frame->drop = link_done;
	frame_leave(frame);
}

static int attachment_link(struct dma_buf_attachment *attach,
			   const char *function)
{
	struct dma_buf *dmabuf = attach->dmabuf;
	struct buffer *buffer = buffer_of(dmabuf);
	struct frame frame;
	int ret = 0;

	dma_resv_lock(dmabuf->resv, NULL);
	buffer_lock(buffer, function);
	list_add(&attach->node, &dmabuf->attachments);
	buffer_unlock(buffer);
	frame_enter_locked(&frame, link_give_up, attach);
	if (dma_buf_attachment_is_dynamic(attach) != dma_buf_is_dynamic(dmabuf))
		ret = attachment_map_for_good(attach);
	link_frame_leave(&frame);
	return ret;
}

static struct dma_buf_attachment *
attachment_create(struct dma_buf *dmabuf, struct device *dev,
		  const struct dma_buf_attach_ops *importer_ops,
		  void *importer_priv)
{
	struct attachment *attachment = calloc(1, sizeof(*attachment));
	struct dma_buf_attachment *attach;

	if (!attachment)
		return NULL;
	attach = &attachment->base;
	attach->dmabuf = dmabuf;
	attach->dev = dev;
	attach->importer_ops = importer_ops;
	attach->importer_priv = importer_priv;
	attach->peer2peer = importer_ops && importer_ops->allow_peer2peer;
	return attach;
}

static const char *attach_fault(const struct dma_buf *dmabuf,
				const struct device *dev,
				const struct dma_buf_attach_ops *importer_ops)
{
	if (!dmabuf)
		return "no buffer";
	if (!dev)
		return "no device";
	if (importer_ops && !importer_ops->move_notify)
		return "importer ops without move_notify";
	return NULL;
}

struct dma_buf_attachment *
dma_buf_dynamic_attach(struct dma_buf *dmabuf, struct device *dev,
		       const struct dma_buf_attach_ops *importer_ops,
		       void *importer_priv)
{
	const char *fault = attach_fault(dmabuf, dev, importer_ops);
	struct dma_buf_attachment *attach;
	int ret;

	if (fault) {
		report_warn(__func__, "%s", fault);
		return ERR_PTR(-EINVAL);
	}
	buffer_check_entry(buffer_of(dmabuf), __func__);
	buffer_check_resv(buffer_of(dmabuf), __func__);
	attach = attachment_create(dmabuf, dev, importer_ops, importer_priv);
	if (!attach)
		return ERR_PTR(-ENOMEM);
	ret = exporter_attach(attach);
	if (ret) {
		attachment_free(attach);
		return ERR_PTR(ret);
	}
	ret = attachment_link(attach, __func__);
	if (ret) {
		dma_buf_detach(dmabuf, attach);
		return ERR_PTR(ret);
	}
	return attach;
}

struct dma_buf_attachment *dma_buf_attach(struct dma_buf *dmabuf,
					  struct device *dev)
{
	return dma_buf_dynamic_attach(dmabuf, dev, NULL, NULL);
}

static const char *detach_fault(const struct dma_buf *dmabuf,
				const struct dma_buf_attachment *attach)
{
	if (!dmabuf)
		return "no buffer";
	if (attach->dmabuf != dmabuf)
		return "the attachment belongs to another buffer";
	return NULL;
}

static void attachment_unlink(struct dma_buf_attachment *attach,
			      const char *function)
{
	struct dma_buf *dmabuf = attach->dmabuf;
	struct buffer *buffer = buffer_of(dmabuf);
	struct frame frame;

	dma_resv_lock(dmabuf->resv, NULL);
	frame_enter_locked(&frame, link_give_up, attach);
	if (attach->sgt) {
		exporter_unmap(attach, attach->sgt, attach->dir);
		exporter_unpin(attach);
	}
	buffer_lock(buffer, function);
	list_del(&attach->node);
	buffer_unlock(buffer);
	link_frame_leave(&frame);
}

void dma_buf_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	const char *fault;

	if (!attach) {
		report_warn(__func__, "no attachment");
		return;
	}
	if (attachment_of(attach)->orphan) {
		attachment_free(attach);
		return;
	}
	fault = detach_fault(dmabuf, attach);
	if (fault) {
		report_warn(__func__, "%s", fault);
		return;
	}
	buffer_check_entry(buffer_of(dmabuf), __func__);
	buffer_check_resv(buffer_of(dmabuf), __func__);
	attachment_unlink(attach, __func__);
	exporter_detach(attach);
}

/* Pin */

static bool pin_warned(const struct dma_buf_attachment *attach,
		       const char *function)
{
	if (!attach || !attach->dmabuf) {
		report_warn(function, "no attachment");
		return true;
	}
	if (!dma_buf_attachment_is_dynamic(attach)) {
		report_warn(function, "the attachment is static");
		return true;
	}
	dmabuf_resv_assert_held(attach->dmabuf->resv, function);
	return false;
}

int dma_buf_pin(struct dma_buf_attachment *attach)
{
	if (pin_warned(attach, __func__))
		return -EINVAL;
	return exporter_pin(attach);
}

void dma_buf_unpin(struct dma_buf_attachment *attach)
{
	if (!pin_warned(attach, __func__))
		exporter_unpin(attach);
}

/* Map */

static bool map_warned(const struct dma_buf_attachment *attach,
		       const char *function)
{
	if (attach && attach->dmabuf)
		return false;
	report_warn(function, "no attachment, or one without a buffer");
	return true;
}

static struct sg_table *map_kept(const struct dma_buf_attachment *attach,
				 enum dma_data_direction dir)
{
	if (attach->dir != dir && attach->dir != DMA_BIDIRECTIONAL)
		return ERR_PTR(-EBUSY);
	return attach->sgt;
}

struct sg_table *dma_buf_map_attachment(struct dma_buf_attachment *attach,
					enum dma_data_direction dir)
{
	struct sg_table *table;

	if (map_warned(attach, __func__))
		return ERR_PTR(-EINVAL);
	dma_resv_assert_held(attach->dmabuf->resv);
	if (attach->sgt)
		return map_kept(attach, dir);
	table = map_when_there(attach, dir);
	if (!IS_ERR(table) && attach->dmabuf->ops->cache_sgt_mapping) {
		attach->sgt = table;
		attach->dir = dir;
	}
	return table;
}

struct sg_table *
dma_buf_map_attachment_unlocked(struct dma_buf_attachment *attach,
				enum dma_data_direction dir)
{
	struct sg_table *table;
	struct frame frame;

	if (map_warned(attach, __func__))
		return ERR_PTR(-EINVAL);
	buffer_check_resv(buffer_of(attach->dmabuf), __func__);
	resv_frame_enter(&frame, attach->dmabuf->resv);
	table = dma_buf_map_attachment(attach, dir);
	frame_leave(&frame);
	return table;
}

static bool unmap_warned(const struct dma_buf_attachment *attach,
			 const struct sg_table *sg_table, const char *function)
{
	if (map_warned(attach, function))
		return true;
	if (sg_table)
		return false;
	report_warn(function, "no table");
	return true;
}

void dma_buf_unmap_attachment(struct dma_buf_attachment *attach,
			      struct sg_table *sg_table,
			      enum dma_data_direction dir)
{
	if (unmap_warned(attach, sg_table, __func__))
		return;
	dma_resv_assert_held(attach->dmabuf->resv);
	if (sg_table != attach->sgt)
		exporter_unmap(attach, sg_table, dir);
}

void dma_buf_unmap_attachment_unlocked(struct dma_buf_attachment *attach,
				       struct sg_table *sg_table,
				       enum dma_data_direction dir)
{
	struct frame frame;

	if (unmap_warned(attach, sg_table, __func__))
		return;
	buffer_check_resv(buffer_of(attach->dmabuf), __func__);
	resv_frame_enter(&frame, attach->dmabuf->resv);
	dma_buf_unmap_attachment(attach, sg_table, dir);
	frame_leave(&frame);
}

/* Move */

void dma_buf_move_notify(struct dma_buf *dmabuf)
{
	struct dma_buf_attachment *attach;
	struct frame frame;

	if (!dmabuf) {
		report_warn(__func__, "no buffer");
		return;
	}
	dma_resv_assert_held(dmabuf->resv);
	dmabuf_for_each_attachment(attach, dmabuf) {
		if (!dma_buf_attachment_is_dynamic(attach))
			continue;
		frame_enter(&frame, NULL, NULL);
		attach->importer_ops->move_notify(attach);
		frame_leave(&frame);
	}
}
