/* SPDX-License-Identifier: MIT */
/* 02-vmap-counting.c - many users of one CPU mapping */
/*
 * Shows that dma_buf_vmap() asks the exporter once and counts after that, and
 * that only the last dma_buf_vunmap() gives the mapping back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <dmabuf/dmabuf.h>

static char memory[4096];
static unsigned int vmaps, vunmaps;

static void *counting_vmap(struct dma_buf *dmabuf)
{
	vmaps++;
	return dmabuf->priv;
}

static void counting_vunmap(struct dma_buf *dmabuf, void *vaddr)
{
	(void)dmabuf, (void)vaddr;
	vunmaps++;
}

static struct sg_table *no_map(struct dma_buf_attachment *attach,
			       enum dma_data_direction dir)
{
	(void)attach, (void)dir;
	return ERR_PTR(-ENODEV);
}

static void no_unmap(struct dma_buf_attachment *attach,
		     struct sg_table *table, enum dma_data_direction dir)
{
	(void)attach, (void)table, (void)dir;
}

static void no_release(struct dma_buf *dmabuf)
{
	(void)dmabuf;
}

static const struct dma_buf_ops counting_ops = {
	.map_dma_buf = no_map,
	.unmap_dma_buf = no_unmap,
	.release = no_release,
	.vmap = counting_vmap,
	.vunmap = counting_vunmap,
};

/* One row: counter, pointer and calls of the exporter must be as told. */
static void show(struct dma_buf *dmabuf, const char *after,
		 unsigned int counter, unsigned int nr_vunmaps)
{
	printf("after %-14s counter %u, pointer %-4s  exporter: %u vmap, %u vunmap\n",
	       after, dmabuf->vmapping_counter,
	       dmabuf->vmap_ptr ? "set" : "NULL", vmaps, vunmaps);
	if (dmabuf->vmapping_counter != counter || vunmaps != nr_vunmaps ||
	    vmaps != (counter || nr_vunmaps) || !dmabuf->vmap_ptr != !counter)
		exit(1);
}

int main(void)
{
	DEFINE_DMA_BUF_EXPORT_INFO(export);
	struct dma_buf *dmabuf;

	export.ops = &counting_ops;
	export.size = sizeof(memory);
	export.priv = memory;
	dmabuf = dma_buf_export(&export);
	if (IS_ERR(dmabuf))
		return 1;
	show(dmabuf, "dma_buf_export", 0, 0);
	for (unsigned int i = 1; i <= 3; i++) {
		if (dma_buf_vmap(dmabuf) != memory)
			return 1;
		show(dmabuf, "dma_buf_vmap", i, 0);
	}
	for (unsigned int i = 1; i <= 3; i++) {
		dma_buf_vunmap(dmabuf, memory);
		show(dmabuf, "dma_buf_vunmap", 3 - i, i == 3);
	}
	dma_buf_put(dmabuf);
	return 0;
}
