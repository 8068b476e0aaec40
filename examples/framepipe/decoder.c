/* SPDX-License-Identifier: MIT */
/* decoder.c - reads the file, frame by frame, and exports the pictures */
/*
 * The picture scrolls to the left, once around in a whole run: each frame is
 * another one, and the last one is the picture as it is in the file.
 */
#include <stdlib.h>
#include <string.h>

#include "framepipe.h"

/* The picture's column that comes first in a frame. */
static uint32_t first_column(const struct job *job, uint32_t width)
{
	uint32_t frames = job->stage->options->frames;
	uint32_t step = (job->number + 1) % frames;

	return (uint32_t)((uint64_t)width * step / frames);
}

static int scroll(const struct job *job, const struct frame *frame,
		  uint8_t *pixels)
{
	size_t left = (size_t)first_column(job, frame->width) * 4;
	size_t row_size = (size_t)frame->width * 4;
	uint8_t *row = malloc(row_size);
	uint64_t sum = 0;

	if (!row)
		return stage_fail(job->stage, "out of memory");
	for (uint32_t y = 0; y < frame->height; y++) {
		uint8_t *to = pixels + (size_t)y * frame->stride;

		memcpy(row, to, row_size);
		memcpy(to, row + left, row_size - left);
		memcpy(to + row_size - left, row, left);
		sum = sum_row(sum, to, frame->width);
	}
	free(row);
	job->span->sums[PICTURE] = sum;
	return 0;
}

/* The rows are decoded straight into the buffer that the others will see. */
static int decode(const struct job *job, const struct frame *frame,
		  struct png_picture *png)
{
	uint8_t *pixels = dma_buf_vmap(frame->dmabuf);
	int ret;

	if (IS_ERR_OR_NULL(pixels))
		return stage_fail(job->stage, "the picture cannot be mapped");
	ret = png_picture_read(png, pixels, frame->stride);
	stage_midway(job->stage, job->number);
	if (ret)
		stage_fail(job->stage, "'%s': %s", job->stage->options->picture,
			   png->error);
	else
		ret = scroll(job, frame, pixels);
	dma_buf_vunmap(frame->dmabuf, pixels);
	return ret;
}

static int frame_ready(const struct stage *stage, struct frame *frame,
		       const struct png_picture *png, uint32_t number)
{
	if (!frame->dmabuf)
		return frame_create(stage, frame, PICTURE, png->width,
				    png->height, number % NR_SLOTS);
	if (frame->width != png->width || frame->height != png->height)
		return stage_fail(stage, "'%s': its size has changed",
				  stage->options->picture);
	return 0;
}

/* Whoever read the buffer's last frame is done with it. */
static int wait_for_readers(struct job *job, const struct frame *frame)
{
	int ret;

	job_use(job, frame, true);
	ret = release_receive(job, DECODER_FILTER, frame);
	if (!ret)
		ret = release_receive(job, DECODER_VIEWER, frame);
	return ret ? ret : job_wait_cpu(job);
}

/* The frame is on its way before its first pixel is written. */
static int work(const struct stage *stage, uint32_t number,
		struct frame *frame, struct png_picture *png)
{
	struct job job;
	int ret;

	job_init(&job, stage, number);
	ret = wait_for_readers(&job, frame);
	if (!ret)
		ret = job_arm(&job);
	if (!ret)
		ret = frame_send(&job, DECODER_FILTER, frame);
	if (!ret)
		ret = frame_send(&job, DECODER_VIEWER, frame);
	if (!ret)
		ret = decode(&job, frame, png);
	return job_end(&job, ret);
}

static int do_frame(const struct stage *stage, uint32_t number,
		    struct frame *frame)
{
	const char *path = stage->options->picture;
	struct png_picture png;
	int ret;

	ret = png_picture_open(&png, path);
	if (ret)
		stage_fail(stage, "'%s': %s", path, png.error);
	if (!ret)
		ret = frame_ready(stage, frame, &png, number);
	if (!ret)
		ret = work(stage, number, frame, &png);
	if (!ret && number == 0)
		ret = stage_note(stage, "decoded %u x %u pixels into %zu bytes",
				 frame->width, frame->height,
				 frame->dmabuf->size);
	png_picture_close(&png);
	return ret;
}

static int drain(const struct stage *stage, uint32_t number,
		 const struct frame *frame)
{
	struct job job;

	job_init(&job, stage, number);
	return job_end(&job, wait_for_readers(&job, frame));
}

int decoder_main(const struct stage *stage)
{
	uint32_t frames = stage->options->frames;
	struct frame pictures[NR_SLOTS] = { 0 };
	int ret = 0;

	for (uint32_t n = 0; !ret && n < frames; n++)
		ret = do_frame(stage, n, &pictures[n % NR_SLOTS]);
	for (uint32_t n = frames; !ret && n < frames + NR_SLOTS; n++)
		if (n >= NR_SLOTS)
			ret = drain(stage, n, &pictures[n % NR_SLOTS]);
	if (frames_close(stage, pictures) || ret)
		return 1;
	return frames_wait_released(stage, PICTURE) != 0;
}
