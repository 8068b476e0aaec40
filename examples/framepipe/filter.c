/* SPDX-License-Identifier: MIT */
/* filter.c - a simulated device that turns a picture into glowing edges */
/*
 * The device is not coherent and takes segments of 64 KiB. It works as one
 * behind a driver: its job is sent off, with a fence for each side, before it
 * has anything to work on, and begins when the fences of the others say so.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "framepipe.h"

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

/* Reads the next row of the source that is not yet at hand. */
static int read_row(struct job *job, struct dma_frame *from, uint32_t y,
		    uint8_t *row)
{
	uint64_t *sum = &job->span->sums[PICTURE];
	int ret = dma_frame_row(from, y, row);

	*sum = sum_row(y ? *sum : 0, row, from->frame->width);
	return ret;
}

static int write_row(struct job *job, struct dma_frame *to, uint32_t y,
		     uint8_t *row)
{
	uint64_t *sum = &job->span->sums[RESULT];

	*sum = sum_row(y ? *sum : 0, row, to->frame->width);
	return dma_frame_row(to, y, row);
}

/* Three rows of the source are at hand; at the borders one counts twice. */
static int glow(struct job *job, struct dma_frame *from, struct dma_frame *to)
{
	uint32_t width = from->frame->width, height = from->frame->height;
	uint8_t *memory = calloc(4, (size_t)width * 4);
	uint8_t *slots[4], *rows[3];
	int ret;

	if (!memory)
		return -ENOMEM;
	for (size_t i = 0; i < 4; i++)
		slots[i] = memory + i * width * 4;
	ret = read_row(job, from, 0, slots[0]);
	for (uint32_t y = 0; !ret && y < height; y++) {
		if (y == height / 2)
			stage_midway(job->stage, job->number);
		rows[0] = slots[(y ? y - 1 : y) % 3];
		rows[1] = slots[y % 3];
		rows[2] = slots[(y + 1 < height ? y + 1 : y) % 3];
		if (rows[2] != rows[1])
			ret = read_row(job, from, y + 1, rows[2]);
		glow_row(rows, slots[3], width);
		if (!ret)
			ret = write_row(job, to, y, slots[3]);
	}
	free(memory);
	return ret;
}

static int run_device(struct job *job, struct device *dev,
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
	if (job->number == 0)
		stage_note(job->stage, "device '%s' has it at DMA address 0x%"
			   PRIx64 ", in %u segments", dev_name(dev),
			   sg_dma_address(from.table->sgl), from.table->nents);
	ret = glow(job, &from, &to);
	dma_frame_unmap(&to);
err_from:
	dma_frame_unmap(&from);
err:
	return ret ? stage_fail(job->stage, "the device: %s",
				strerror(-ret)) : 0;
}

/* Both frames are at hand, and the fences of those who had them before. */
static int prepare(struct job *job, struct frame *picture, struct frame *result)
{
	int ret;

	ret = frame_receive(job, DECODER_FILTER, picture, PICTURE);
	if (!ret && !result->dmabuf)
		ret = frame_create(job->stage, result, RESULT, picture->width,
				   picture->height, picture->slot);
	if (!ret)
		ret = release_receive(job, FILTER_VIEWER, result);
	if (ret)
		return ret;
	job_use(job, picture, false);
	job_use(job, result, true);
	return job_collect(job);
}

static int do_frame(const struct stage *stage, uint32_t number,
		    struct device *dev, struct frame *picture,
		    struct frame *result)
{
	struct job job;
	int ret;

	job_init(&job, stage, number);
	ret = prepare(&job, picture, result);
	if (!ret)
		ret = job_arm(&job);
	if (!ret)
		ret = release_send(&job, DECODER_FILTER, PICTURE);
	if (!ret)
		ret = frame_send(&job, FILTER_VIEWER, result);
	if (!ret)
		ret = job_wait_device(&job);
	if (!ret)
		ret = run_device(&job, dev, picture, result);
	return job_end(&job, ret);
}

/* Nobody reads the last results any more. */
static int drain(const struct stage *stage, uint32_t number,
		 const struct frame *result)
{
	struct job job;
	int ret;

	job_init(&job, stage, number);
	job_use(&job, result, true);
	ret = release_receive(&job, FILTER_VIEWER, result);
	if (!ret)
		ret = job_collect(&job);
	if (!ret)
		ret = job_wait_device(&job);
	return job_end(&job, ret);
}

static int run(const struct stage *stage, struct frame pictures[NR_SLOTS],
	       struct frame results[NR_SLOTS])
{
	const struct dmabuf_device_info info = {
		.name = "edge-glow",
		.dma_mask = DMA_BIT_MASK(32),
		.max_segment_size = 65536,
		.non_coherent = true,
	};
	uint32_t frames = stage->options->frames;
	struct device *dev;
	int ret;

	ret = dmabuf_device_create(&info, &dev);
	if (ret)
		return stage_fail(stage, "no device: %s", strerror(-ret));
	for (uint32_t n = 0; !ret && n < frames; n++)
		ret = do_frame(stage, n, dev, &pictures[n % NR_SLOTS],
			       &results[n % NR_SLOTS]);
	for (uint32_t n = frames; !ret && n < frames + NR_SLOTS; n++)
		if (n >= NR_SLOTS)
			ret = drain(stage, n, &results[n % NR_SLOTS]);
	dmabuf_device_destroy(dev);
	return ret;
}

int filter_main(const struct stage *stage)
{
	struct frame pictures[NR_SLOTS] = { 0 }, results[NR_SLOTS] = { 0 };
	int ret;

	ret = run(stage, pictures, results);
	if (frames_close(stage, results))
		ret = -1;
	if (frames_close(stage, pictures) || ret)
		return 1;
	return frames_wait_released(stage, RESULT) != 0;
}
