/* SPDX-License-Identifier: MIT */
/* filter.c - a simulated device that turns a picture into glowing edges */
/*
 * The device does not share memory with the process: it reads and writes by the
 * DMA addresses of its two mappings. It is not coherent and takes segments of
 * 64 KiB, so a row may lie in two of them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "framepipe.h"

/* One frame as the device sees it. */
struct dma_frame {
	const struct frame *frame;
	struct device *dev;
	struct dma_buf_attachment *attach;
	struct sg_table *table;
	enum dma_data_direction dir;
};

static int dma_frame_map(struct dma_frame *dma, const struct frame *frame,
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

static void dma_frame_unmap(struct dma_frame *dma)
{
	dma_buf_unmap_attachment_unlocked(dma->attach, dma->table, dma->dir);
	dma_buf_detach(dma->frame->dmabuf, dma->attach);
}

/* Read or write, whichever the mapping is for, row @y, piece by piece. */
static int dma_frame_row(struct dma_frame *dma, uint32_t y, uint8_t *pixels)
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

static int brightness(const uint8_t *row, uint32_t x, uint32_t width)
{
	const uint8_t *p = row + (size_t)(x < width ? x : width - 1) * 4;

	return (p[0] * 2 + p[1] * 5 + p[2]) / 8;
}

/* How much the brightness changes around a pixel (Sobel), 0 and up. */
static int edge_at(uint8_t *const rows[3], uint32_t x, uint32_t width)
{
	uint32_t left = x ? x - 1 : 0, right = x + 1;
	int dx = 0, dy = 0;

	for (int i = 0; i < 3; i++)
		dx += (i == 1 ? 2 : 1) * (brightness(rows[i], right, width) -
					  brightness(rows[i], left, width));
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t at = i == 0 ? left : x + i - 1;

		dy += (i == 1 ? 2 : 1) * (brightness(rows[2], at, width) -
					  brightness(rows[0], at, width));
	}
	return abs(dx) + abs(dy);
}

/* Edges glow in the colour of what they surround; the rest goes dark. */
static void glow_row(uint8_t *const rows[3], uint8_t *out, uint32_t width)
{
	for (uint32_t x = 0; x < width; x++) {
		const uint8_t *in = rows[1] + (size_t)x * 4;
		uint8_t *to = out + (size_t)x * 4;
		int edge = edge_at(rows, x, width);

		for (int c = 0; c < 3; c++) {
			int value = in[c] * edge / 96 + edge / 8 + in[c] / 10;

			to[c] = (uint8_t)(value > 255 ? 255 : value);
		}
		to[3] = in[3];
	}
}

/* Three rows of the source are at hand; at the borders one counts twice. */
static int glow(const struct stage *stage, struct dma_frame *from,
		struct dma_frame *to)
{
	uint32_t width = from->frame->width, height = from->frame->height;
	uint8_t *memory = calloc(4, (size_t)width * 4);
	uint8_t *slots[4], *rows[3];
	int ret;

	if (!memory)
		return -ENOMEM;
	for (size_t i = 0; i < 4; i++)
		slots[i] = memory + i * width * 4;
	ret = dma_frame_row(from, 0, slots[0]);
	for (uint32_t y = 0; !ret && y < height; y++) {
		if (y == height / 2)
			stage_midway(stage);
		rows[0] = slots[(y ? y - 1 : y) % 3];
		rows[1] = slots[y % 3];
		rows[2] = slots[(y + 1 < height ? y + 1 : y) % 3];
		if (rows[2] != rows[1])
			ret = dma_frame_row(from, y + 1, rows[2]);
		glow_row(rows, slots[3], width);
		if (!ret)
			ret = dma_frame_row(to, y, slots[3]);
	}
	free(memory);
	return ret;
}

static int run_device(const struct stage *stage, struct device *dev,
		      const struct frame *picture, const struct frame *result)
{
	struct dma_frame from, to;
	int ret;

	ret = dma_frame_map(&from, picture, dev, DMA_TO_DEVICE);
	if (ret)
		goto err;
	ret = dma_frame_map(&to, result, dev, DMA_FROM_DEVICE);
	if (ret)
		goto err_from;
	stage_note(stage, "device '%s' has it at DMA address 0x%" PRIx64
		   ", in %u segments", dev_name(dev),
		   sg_dma_address(from.table->sgl), from.table->nents);
	ret = glow(stage, &from, &to);
	dma_frame_unmap(&to);
err_from:
	dma_frame_unmap(&from);
err:
	return ret ? stage_fail(stage, "the device: %s", strerror(-ret)) : 0;
}

static int filter_frame(const struct stage *stage, const struct frame *picture,
			const struct frame *result)
{
	const struct dmabuf_device_info info = {
		.name = "edge-glow",
		.dma_mask = DMA_BIT_MASK(32),
		.max_segment_size = 65536,
		.non_coherent = true,
	};
	struct device *dev;
	int ret;

	ret = dmabuf_device_create(&info, &dev);
	if (ret)
		return stage_fail(stage, "no device: %s", strerror(-ret));
	ret = run_device(stage, dev, picture, result);
	dmabuf_device_destroy(dev);
	return ret;
}

static int share(const struct stage *stage, const struct frame *result)
{
	int fd = frame_fd(stage, result);
	int ret;

	if (fd < 0)
		return -1;
	ret = frame_send(stage, FILTER_VIEWER, result, fd);
	close(fd);
	return ret;
}

int filter_main(const struct stage *stage)
{
	struct frame picture, result;
	int ret;

	if (frame_receive(stage, DECODER_FILTER, &picture, PICTURE))
		return 1;
	ret = frame_create(stage, &result, RESULT, picture.width,
			   picture.height);
	if (!ret) {
		ret = filter_frame(stage, &picture, &result);
		if (!ret)
			ret = share(stage, &result);
		if (frame_close(stage, &result))
			ret = -1;
	}
	if (frame_close(stage, &picture) || ret)
		return 1;
	return frame_wait_released(stage, RESULT) != 0;
}
