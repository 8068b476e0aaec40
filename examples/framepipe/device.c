/* SPDX-License-Identifier: MIT */
/* device.c - a frame as a device sees it, row by row */
/*
 * The device does not share memory with the process: it reads and writes by the
 * DMA addresses of a mapping, and a row may lie in two of its segments.
 */
#include "framepipe.h"

int dma_frame_map(struct dma_frame *dma, const struct frame *frame,
		  struct device *dev, enum dma_data_direction dir)
{
	int ret;

	dma->frame = frame;
	dma->dev = dev;
	dma->dir = dir;
	dma->attach = dma_buf_attach(frame->dmabuf, dev);
	if (IS_ERR(dma->attach))
		return (int)PTR_ERR(dma->attach);
	dma->table = dma_buf_map_attachment_unlocked(dma->attach, dir);
	if (!IS_ERR(dma->table))
		return 0;
	ret = (int)PTR_ERR(dma->table);
	dma_buf_detach(frame->dmabuf, dma->attach);
	return ret;
}

void dma_frame_unmap(struct dma_frame *dma)
{
	dma_buf_unmap_attachment_unlocked(dma->attach, dma->table, dma->dir);
	dma_buf_detach(dma->frame->dmabuf, dma->attach);
}

/* Read or write, whichever the mapping is for, row @y, piece by piece. */
int dma_frame_row(struct dma_frame *dma, uint32_t y, uint8_t *pixels)
{
	size_t offset = (size_t)y * dma->frame->stride;
	size_t left = (size_t)dma->frame->width * 4;
	struct scatterlist *sg;
	unsigned int i;
	int ret = 0;

	for_each_sgtable_dma_sg(dma->table, sg, i) {
		dma_addr_t addr = sg_dma_address(sg) + offset;
		size_t len = sg_dma_len(sg);

		if (offset >= len) {
			offset -= len;
			continue;
		}
		len -= offset;
		if (len > left)
			len = left;
		ret = dma->dir == DMA_TO_DEVICE ?
			dmabuf_device_read(dma->dev, addr, pixels, len) :
			dmabuf_device_write(dma->dev, addr, pixels, len);
		pixels += len;
		left -= len;
		offset = 0;
		if (ret || !left)
			break;
	}
	return ret;
}
