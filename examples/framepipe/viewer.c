/* SPDX-License-Identifier: MIT */
/* viewer.c - puts picture and result side by side, the last ones into a file */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "framepipe.h"

#define GAP 8u

/* Both frames as the CPU sees them, and a row to compose into. */
struct canvas {
	struct job *job;
	const struct frame *frames[NR_FRAMES];
	const uint8_t *pixels[NR_FRAMES];
	uint8_t *row;
	uint32_t width, height;
	uint64_t sums[NR_FRAMES];
};

static void fill_row(struct canvas *canvas)
{
	const uint8_t background[4] = { 24, 24, 30, 255 };

	for (uint32_t x = 0; x < canvas->width; x++)
		memcpy(canvas->row + (size_t)x * 4, background, 4);
}

static const uint8_t *compose_row(void *data, uint32_t y)
{
	struct canvas *canvas = data;
	uint8_t *to = canvas->row + (size_t)GAP * 4;

	if (y == canvas->height / 2)
		stage_midway(canvas->job->stage, canvas->job->number);
	fill_row(canvas);
	if (y < GAP || y >= canvas->height - GAP)
		return canvas->row;
	for (int id = 0; id < NR_FRAMES; id++) {
		const struct frame *frame = canvas->frames[id];
		size_t from = (size_t)(y - GAP) * frame->stride;

		memcpy(to, canvas->pixels[id] + from, (size_t)frame->width * 4);
		canvas->sums[id] = sum_row(canvas->sums[id], to, frame->width);
		to += ((size_t)frame->width + GAP) * 4;
	}
	return canvas->row;
}

/* Every frame is looked at as a whole; the last one is written to the file. */
static int show(struct canvas *canvas)
{
	const struct stage *stage = canvas->job->stage;
	struct span *span = canvas->job->span;
	char error[PNG_ERROR_SIZE];

	for (uint32_t y = 0; y < canvas->height; y++)
		compose_row(canvas, y);
	memcpy(span->sums, canvas->sums, sizeof(span->sums));
	if (canvas->job->number + 1 < stage->options->frames)
		return 0;
	span->end = now_ns();		/* the file is no part of the pipe */
	if (png_picture_write(stage->output, canvas->width, canvas->height,
			      compose_row, canvas, error))
		return stage_fail(stage, "'%s': %s", stage->options->output,
				  error);
	return stage_note(stage, "composed %u x %u pixels of the last frame",
			  canvas->width, canvas->height);
}

static int compose(struct canvas *canvas)
{
	const struct stage *stage = canvas->job->stage;
	const struct frame *left = canvas->frames[PICTURE];
	const struct frame *right = canvas->frames[RESULT];
	int ret;

	if (left->height != right->height)
		return stage_fail(stage, "the frames differ in height");
	canvas->width = left->width + right->width + 3 * GAP;
	canvas->height = left->height + 2 * GAP;
	canvas->row = malloc((size_t)canvas->width * 4);
	if (!canvas->row)
		return stage_fail(stage, "out of memory");
	ret = show(canvas);
	free(canvas->row);
	return ret;
}

/* Mapped again and again: the counter moves, the address does not. */
static int count_maps(const struct stage *stage, const struct frame *frame,
		      const uint8_t *pixels)
{
	struct dma_buf *dmabuf = frame->dmabuf;
	unsigned int up[2], down[2];
	bool same = true;

	for (int i = 0; i < 2; i++) {
		same = dma_buf_vmap(dmabuf) == pixels && same;
		up[i] = dmabuf->vmapping_counter;
	}
	for (int i = 0; i < 2; i++) {
		dma_buf_vunmap(dmabuf, dmabuf->vmap_ptr);
		down[i] = dmabuf->vmapping_counter;
	}
	if (!same || up[0] != 2 || up[1] != 3 || down[0] != 2 || down[1] != 1)
		return stage_fail(stage, "the vmap counter of the %s is wrong",
				  frame_names[frame->id]);
	return stage_note(stage, "vmaps the %s three times: counter 1 %u %u, "
			  "one address; vunmaps twice: %u %u",
			  frame_names[frame->id], up[0], up[1], down[0],
			  down[1]);
}

static int frame_map(const struct stage *stage, const struct frame *frame,
		     const uint8_t **ret_pixels)
{
	void *pixels = dma_buf_vmap(frame->dmabuf);

	if (IS_ERR_OR_NULL(pixels))
		return stage_fail(stage, "the %s cannot be mapped",
				  frame_names[frame->id]);
	*ret_pixels = pixels;
	return 0;
}

static void frame_unmap(const struct frame *frame, const uint8_t *pixels)
{
	dma_buf_vunmap(frame->dmabuf, (void *)(uintptr_t)pixels);
}

static int view(struct job *job, const struct frame *picture,
		const struct frame *result)
{
	struct canvas canvas = { .job = job, .frames = { picture, result } };
	const struct stage *stage = job->stage;
	int ret;

	ret = frame_map(stage, picture, &canvas.pixels[PICTURE]);
	if (ret)
		return ret;
	ret = frame_map(stage, result, &canvas.pixels[RESULT]);
	if (ret)
		goto out_picture;
	if (job->number == 0)
		ret = count_maps(stage, picture, canvas.pixels[PICTURE]);
	if (!ret && job->number == 0)
		ret = count_maps(stage, result, canvas.pixels[RESULT]);
	if (!ret)
		ret = compose(&canvas);
	frame_unmap(result, canvas.pixels[RESULT]);
out_picture:
	frame_unmap(picture, canvas.pixels[PICTURE]);
	return ret;
}

/* Both may be overwritten when the fence that goes back is signalled. */
static int do_frame(const struct stage *stage, uint32_t number,
		    struct frame *picture, struct frame *result)
{
	struct job job;
	int ret;

	job_init(&job, stage, number);
	ret = frame_receive(&job, DECODER_VIEWER, picture, PICTURE);
	if (!ret)
		ret = frame_receive(&job, FILTER_VIEWER, result, RESULT);
	if (!ret) {
		job_use(&job, picture, false);
		job_use(&job, result, false);
		ret = job_arm(&job);
	}
	if (!ret)
		ret = release_send(&job, DECODER_VIEWER, PICTURE);
	if (!ret)
		ret = release_send(&job, FILTER_VIEWER, RESULT);
	if (!ret)
		ret = job_wait_cpu(&job);
	if (!ret)
		ret = view(&job, picture, result);
	return job_end(&job, ret);
}

/*
 * The results are closed first, and the pictures only when the filter has told
 * of the release and ended: so the order of the releases is no matter of luck.
 */
int viewer_main(const struct stage *stage)
{
	struct frame pictures[NR_SLOTS] = { 0 }, results[NR_SLOTS] = { 0 };
	int ret = 0;

	for (uint32_t n = 0; !ret && n < stage->options->frames; n++)
		ret = do_frame(stage, n, &pictures[n % NR_SLOTS],
			       &results[n % NR_SLOTS]);
	if (frames_close(stage, results))
		ret = -1;
	if (!ret)
		ret = link_wait_closed(stage, FILTER_VIEWER);
	if (frames_close(stage, pictures))
		ret = -1;
	return ret != 0;
}
