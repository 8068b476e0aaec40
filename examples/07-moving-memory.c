/* SPDX-License-Identifier: MIT */
/* 07-moving-memory.c - memory that moves, and an importer that follows */
/*
 * Shows a dynamic exporter with two places for its memory, an importer that
 * lets go when it is told of a move, and a pin that keeps the memory still.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dmabuf/dmabuf.h>

/* The exporter, for one buffer and one device; its reservation guards it. */
static _Alignas(4096) char memory[2][4096];
static struct dmabuf_pages pages;
static struct sg_table pool_table;
static size_t here, pins;

static int pool_pin(struct dma_buf_attachment *attach)
{
	(void)attach;
	pins++;
	return 0;
}

static void pool_unpin(struct dma_buf_attachment *attach)
{
	(void)attach;
	pins--;
}

static struct sg_table *pool_map(struct dma_buf_attachment *attach,
				 enum dma_data_direction dir)
{
	if (sg_alloc_table(&pool_table, 1, GFP_KERNEL))
		return ERR_PTR(-ENOMEM);
	sg_set_page(pool_table.sgl, dmabuf_pages_nth(&pages, here), 4096, 0);
	if (!dma_map_sgtable(attach->dev, &pool_table, dir, 0))
		return &pool_table;
	sg_free_table(&pool_table);
	return ERR_PTR(-ENOMEM);
}

static void pool_unmap(struct dma_buf_attachment *attach,
		       struct sg_table *table, enum dma_data_direction dir)
{
	dma_unmap_sgtable(attach->dev, table, dir, 0);
	sg_free_table(table);
}

static void pool_release(struct dma_buf *dmabuf)
{
	dmabuf_pages_fini(dmabuf->priv);
}

static const struct dma_buf_ops pool_ops = {
	.pin = pool_pin, .unpin = pool_unpin, .release = pool_release,
	.map_dma_buf = pool_map, .unmap_dma_buf = pool_unmap,
};

/* Once all importers have been told, none has the memory mapped. */
static int pool_move(struct dma_buf *dmabuf)
{
	int ret = -EBUSY;

	dma_resv_lock(dmabuf->resv, NULL);
	if (!pins) {
		dma_buf_move_notify(dmabuf);
		memcpy(memory[!here], memory[here], sizeof(memory[0]));
		strcpy(memory[here], "nothing");
		here = !here;
		ret = 0;
	}
	dma_resv_unlock(dmabuf->resv);
	return ret;
}

/* The importer: its table while it has one; the reservation guards that too. */
static struct sg_table *viewer_table;

static void viewer_move_notify(struct dma_buf_attachment *attach)
{
	if (viewer_table)
		dma_buf_unmap_attachment(attach, viewer_table, DMA_TO_DEVICE);
	viewer_table = NULL;
}

static const struct dma_buf_attach_ops viewer_ops = {
	.move_notify = viewer_move_notify,
};

/* Maps when it must, wherever the memory is now, and lets the device read. */
static int viewer_sees(struct dma_buf_attachment *attach, const char *text)
{
	char seen[16] = "";

	dma_resv_lock(attach->dmabuf->resv, NULL);
	if (!viewer_table)
		viewer_table = dma_buf_map_attachment(attach, DMA_TO_DEVICE);
	if (IS_ERR(viewer_table))
		exit(1);
	dmabuf_device_read(attach->dev, sg_dma_address(viewer_table->sgl), seen,
			   sizeof(seen) - 1);
	dma_resv_unlock(attach->dmabuf->resv);
	return !strcmp(seen, text);
}

static void check(const char *what, int ok)
{
	printf("%-52s %s\n", what, ok ? "yes" : "NO");
	if (!ok)
		exit(1);
}

int main(void)
{
	const struct dmabuf_device_info info = { .name = "viewer" };
	DEFINE_DMA_BUF_EXPORT_INFO(export);
	struct dma_buf_attachment *attach;
	struct dma_buf *dmabuf;
	struct device *dev;

	if (dmabuf_pages_init_mapping(&pages, memory, sizeof(memory)))
		return 1;
	strcpy(memory[0], "picture");
	export.ops = &pool_ops;
	export.size = 4096;
	export.priv = &pages;
	dmabuf = dma_buf_export(&export);
	if (IS_ERR(dmabuf) || dmabuf_device_create(&info, &dev))
		return 1;
	attach = dma_buf_dynamic_attach(dmabuf, dev, &viewer_ops, NULL);
	check("attached, with a move_notify", !IS_ERR(attach));
	check("the device sees the picture", viewer_sees(attach, "picture"));
	check("the memory moves to its other place", !pool_move(dmabuf) && here);
	check("the importer was told, and has let go", !viewer_table);
	check("mapped again, the device sees the same picture",
	      viewer_sees(attach, "picture"));
	dma_resv_lock(dmabuf->resv, NULL);
	check("it pins the memory", !dma_buf_pin(attach));
	dma_resv_unlock(dmabuf->resv);
	check("now no move, and the table stays",
	      pool_move(dmabuf) == -EBUSY && viewer_table);
	dma_resv_lock(dmabuf->resv, NULL);
	dma_buf_unpin(attach);
	dma_resv_unlock(dmabuf->resv);
	check("unpinned, the memory moves again", !pool_move(dmabuf) && !here);
	check("and the device sees it there", viewer_sees(attach, "picture"));
	dma_buf_unmap_attachment_unlocked(attach, viewer_table, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, attach);
	dma_buf_put(dmabuf);
	dmabuf_device_destroy(dev);
	return 0;
}
