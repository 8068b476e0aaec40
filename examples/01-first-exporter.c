/* SPDX-License-Identifier: MIT */
/* 01-first-exporter.c - a whole exporter, on memory of its own */
/*
 * Shows the least that an exporter does: three functions and a table make
 * ordinary memory a buffer that a device can reach.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dmabuf/dmabuf.h>

static _Alignas(4096) char memory[16384];
static struct dmabuf_pages pages;
static int releases;

static struct sg_table *first_map(struct dma_buf_attachment *attach,
				  enum dma_data_direction dir)
{
	struct sg_table *table = calloc(1, sizeof(*table));
	int ret = table ? 0 : -ENOMEM;

	if (!ret)
		ret = dmabuf_pages_sg_table(&pages,
				dma_get_max_seg_size(attach->dev), table);
	if (!ret)
		ret = dma_map_sgtable(attach->dev, table, dir, 0);
	if (!ret)
		return table;
	if (table)
		sg_free_table(table);
	free(table);
	return ERR_PTR(ret);
}

static void first_unmap(struct dma_buf_attachment *attach,
			struct sg_table *table, enum dma_data_direction dir)
{
	dma_unmap_sgtable(attach->dev, table, dir, 0);
	sg_free_table(table);
	free(table);
}

static void first_release(struct dma_buf *dmabuf)
{
	dmabuf_pages_fini(dmabuf->priv);
	releases++;
}

static const struct dma_buf_ops first_ops = {
	.map_dma_buf = first_map,
	.unmap_dma_buf = first_unmap,
	.release = first_release,
};

static void check(const char *what, int ok)
{
	printf("%-48s %s\n", what, ok ? "yes" : "NO");
	if (!ok)
		exit(1);
}

int main(void)
{
	const struct dmabuf_device_info info = { .name = "painter" };
	DEFINE_DMA_BUF_EXPORT_INFO(export);
	struct dma_buf_attachment *attach;
	struct dma_buf *dmabuf;
	struct sg_table *table;
	struct device *dev;

	if (dmabuf_pages_init_mapping(&pages, memory, sizeof(memory)) ||
	    dmabuf_device_create(&info, &dev))
		return 1;
	export.ops = &first_ops;
	export.size = sizeof(memory);
	export.flags = O_RDWR;
	export.priv = &pages;
	dmabuf = dma_buf_export(&export);
	check("dma_buf_export() made a buffer", !IS_ERR(dmabuf));
	attach = dma_buf_attach(dmabuf, dev);
	check("a device is attached", !IS_ERR(attach));
	table = dma_buf_map_attachment_unlocked(attach, DMA_FROM_DEVICE);
	check("and the memory mapped for it", !IS_ERR(table));
	check("the device writes by DMA address",
	      !dmabuf_device_write(dev, sg_dma_address(table->sgl), "hi", 3));
	dma_buf_unmap_attachment_unlocked(attach, table, DMA_FROM_DEVICE);
	check("what it wrote is in our memory", !strcmp(memory, "hi"));
	dma_buf_detach(dmabuf, attach);
	check("before dma_buf_put(): release called 0 times", releases == 0);
	dma_buf_put(dmabuf);
	check("after dma_buf_put():  release called 1 time", releases == 1);
	dmabuf_device_destroy(dev);
	return 0;
}
