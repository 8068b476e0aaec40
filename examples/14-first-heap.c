/* SPDX-License-Identifier: MIT */
/* 14-first-heap.c - memory of one's own that others allocate by name */
/*
 * Shows what makes an exporter a heap: one function, and a name. This one has
 * memory for a single buffer, and for a single device at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dmabuf/dmabuf.h>

static _Alignas(4096) char memory[16384];
static struct dmabuf_pages pages;
static struct sg_table table;
static int taken;

static struct sg_table *video_map(struct dma_buf_attachment *attach,
				  enum dma_data_direction dir)
{
	int ret = dmabuf_pages_sg_table(&pages,
			dma_get_max_seg_size(attach->dev), &table);

	if (!ret)
		ret = dma_map_sgtable(attach->dev, &table, dir, 0);
	if (!ret)
		return &table;
	sg_free_table(&table);
	return ERR_PTR(ret);
}

static void video_unmap(struct dma_buf_attachment *attach,
			struct sg_table *sgt, enum dma_data_direction dir)
{
	dma_unmap_sgtable(attach->dev, sgt, dir, 0);
	sg_free_table(sgt);
}

static void video_release(struct dma_buf *dmabuf)
{
	(void)dmabuf;
	taken = 0;
}

static const struct dma_buf_ops video_ops = {
	.map_dma_buf = video_map,
	.unmap_dma_buf = video_unmap,
	.release = video_release,
};

/* The one function more. Every buffer of a heap begins with zeroes. */
static struct dma_buf *video_allocate(struct dma_heap *heap, unsigned long len,
				      uint32_t fd_flags, uint64_t heap_flags)
{
	const struct dma_buf_export_info info = {
		.exp_name = dma_heap_get_name(heap),
		.ops = &video_ops,
		.size = len,
		.flags = (int)fd_flags,
		.priv = memory,
	};

	if (heap_flags || taken || len > sizeof(memory))
		return ERR_PTR(-ENOMEM);
	memset(memory, 0, sizeof(memory));
	taken = 1;
	return dma_buf_export(&info);
}

static const struct dma_heap_ops heap_ops = { .allocate = video_allocate };

static void check(const char *what, int ok)
{
	printf("%-60s %s\n", what, ok ? "yes" : "NO");
	if (!ok)
		exit(1);
}

int main(void)
{
	const struct dma_heap_export_info info = { "video", &heap_ops, NULL };
	struct dma_heap *heap;
	struct dma_buf *dmabuf;

	if (dmabuf_pages_init_mapping(&pages, memory, sizeof(memory)))
		return 1;
	check("the heap is added", !IS_ERR(dma_heap_add(&info)));
	heap = dma_heap_find("video");
	check("and found by its name", heap != NULL);
	dmabuf = dma_heap_buffer_alloc(heap, 10000, O_RDWR, 0);
	check("a buffer of 10000 bytes has whole pages: 12288",
	      !IS_ERR(dmabuf) && dmabuf->size == 12288);
	check("its exporter is the heap", !strcmp(dmabuf->exp_name, "video"));
	strcpy(dmabuf->priv, "a frame");
	check("a second one: no memory",
	      PTR_ERR(dma_heap_buffer_alloc(heap, 1, O_RDWR, 0)) == -ENOMEM);
	dma_buf_put(dmabuf);
	dmabuf = dma_heap_buffer_alloc(heap, 1, O_RDWR, 0);
	check("after dma_buf_put(): there is one again", !IS_ERR(dmabuf));
	check("and nothing is left of the frame", !memory[0]);
	dma_buf_put(dmabuf);
	return 0;
}
