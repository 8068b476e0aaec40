/* SPDX-License-Identifier: MIT */
/*
 * linear.c - the device side of buffers whose pages stay where they are
 *
 * Every mapping of an attachment is remembered, so that the CPU access brackets
 * reach all devices that work on the buffer at that moment. The lists are
 * guarded by dma_buf.lock, as the list of attachments is: begin and end run
 * without resv.
 */
#include "buffer/linear.h"

#include <errno.h>
#include <stdlib.h>
#include <bsd/sys/queue.h>

#include "base/report.h"
#include "base/util.h"
#include "memory/device.h"

struct linear_mapping {
	struct sg_table table;
	enum dma_data_direction dir;
	LIST_ENTRY(linear_mapping) link;
};

LIST_HEAD(linear_attachment, linear_mapping);

int linear_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct linear_attachment *mappings;

	/* The first page of a device's addresses is never mapped. */
	if (dma_get_mask(attach->dev) - page_size() < dmabuf->size - 1)
		return -EBUSY;
	mappings = malloc(sizeof(*mappings));
	if (!mappings)
		return -ENOMEM;
	LIST_INIT(mappings);
	attach->priv = mappings;
	return 0;
}

static int mapping_begin(struct dma_buf_attachment *attach,
			 struct linear_mapping *mapping,
			 enum dma_data_direction dir)
{
	struct linear_attachment *mappings = attach->priv;
	int ret;

	ret = dma_map_sgtable(attach->dev, &mapping->table, dir, 0);
	if (ret)
		return ret;
	mapping->dir = dir;
	pthread_mutex_lock(&attach->dmabuf->lock);
	LIST_INSERT_HEAD(mappings, mapping, link);
	pthread_mutex_unlock(&attach->dmabuf->lock);
	return 0;
}

struct sg_table *linear_map_table(struct dma_buf_attachment *attach,
				  enum dma_data_direction dir,
				  const struct sg_table *table)
{
	struct linear_mapping *mapping = malloc(sizeof(*mapping));
	struct sg_table rest = *table;
	int ret = -ENOMEM;

	if (!mapping)
		goto err_table;
	mapping->table = rest;
	ret = mapping_begin(attach, mapping, dir);
	if (ret)
		goto err_mapping;
	return &mapping->table;

err_mapping:
	free(mapping);
err_table:
	sg_free_table(&rest);
	return ERR_PTR(ret);
}

struct sg_table *linear_map(struct dma_buf_attachment *attach,
			    enum dma_data_direction dir,
			    const struct dmabuf_pages *pages)
{
	struct sg_table table;
	int ret;

	if (!pages->writable && dir != DMA_TO_DEVICE)
		return ERR_PTR(-EACCES);
	ret = dmabuf_pages_sg_table(pages, dma_get_max_seg_size(attach->dev),
				    &table);
	if (ret)
		return ERR_PTR(ret);
	return linear_map_table(attach, dir, &table);
}

static void mapping_end(struct dma_buf_attachment *attach,
			struct linear_mapping *mapping,
			enum dma_data_direction dir)
{
	pthread_mutex_lock(&attach->dmabuf->lock);
	LIST_REMOVE(mapping, link);
	pthread_mutex_unlock(&attach->dmabuf->lock);
	dma_unmap_sgtable(attach->dev, &mapping->table, dir, 0);
	sg_free_table(&mapping->table);
	free(mapping);
}

void linear_unmap(struct dma_buf_attachment *attach, struct sg_table *table,
		  enum dma_data_direction dir)
{
	mapping_end(attach, container_of(table, struct linear_mapping, table),
		    dir);
}

typedef bool (*sync_fn)(struct device *dev, const struct sg_table *sgt,
			enum dma_data_direction dir);

/* False: a table that the exporter handed out is not mapped any more. */
static bool linear_sync_locked(struct dma_buf *dmabuf,
			       enum dma_data_direction dir, sync_fn sync)
{
	struct dma_buf_attachment *attach;
	struct linear_attachment *mappings;
	struct linear_mapping *mapping;
	bool mapped = true;

	dmabuf_for_each_attachment(attach, dmabuf) {
		mappings = attach->priv;
		LIST_FOREACH(mapping, mappings, link)
			mapped &= sync(attach->dev, &mapping->table, dir);
	}
	return mapped;
}

static int linear_sync(struct dma_buf *dmabuf, enum dma_data_direction dir,
		       sync_fn sync, const char *function)
{
	bool mapped;

	if (dir != DMA_BIDIRECTIONAL && dir != DMA_TO_DEVICE &&
	    dir != DMA_FROM_DEVICE)
		return -EINVAL;
	pthread_mutex_lock(&dmabuf->lock);
	mapped = linear_sync_locked(dmabuf, dir, sync);
	pthread_mutex_unlock(&dmabuf->lock);
	if (!mapped)
		report_warn(function, "an importer unmapped the table himself");
	return 0;
}

int linear_begin_cpu_access(struct dma_buf *dmabuf,
			    enum dma_data_direction dir)
{
	return linear_sync(dmabuf, dir, device_sync_for_cpu,
			   "dma_buf_begin_cpu_access");
}

int linear_end_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	return linear_sync(dmabuf, dir, device_sync_for_device,
			   "dma_buf_end_cpu_access");
}

/* Ends what is still mapped, and returns whether there was any. */
static bool attachment_end(struct dma_buf_attachment *attach)
{
	struct linear_attachment *mappings = attach->priv;
	bool mapped = !LIST_EMPTY(mappings);
	struct linear_mapping *mapping;

	while ((mapping = LIST_FIRST(mappings)))
		mapping_end(attach, mapping, mapping->dir);
	free(mappings);
	attach->priv = NULL;
	return mapped;
}

void linear_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	(void)dmabuf;
	if (attachment_end(attach))
		report_warn("dma_buf_detach", "device %s: still mapped",
			    dev_name(attach->dev));
}

void linear_release(struct dma_buf *dmabuf)
{
	struct dma_buf_attachment *attach;

	dmabuf_for_each_attachment(attach, dmabuf)
		attachment_end(attach);
}
