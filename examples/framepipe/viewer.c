/* SPDX-License-Identifier: MIT */
/* viewer.c - puts picture and result side by side into a PNG file */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "framepipe.h"

#define GAP 8u

/* Both frames as the CPU sees them, and a row to compose into. */
struct canvas {
	const struct frame *frames[NR_FRAMES];
	const uint8_t *pixels[NR_FRAMES];
	uint8_t *row;
	uint32_t width, height;
	const struct stage *stage;
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
		stage_midway(canvas->stage);
	fill_row(canvas);
	if (y < GAP || y >= canvas->height - GAP)
		return canvas->row;
	for (int id = 0; id < NR_FRAMES; id++) {
		const struct frame *frame = canvas->frames[id];

		memcpy(to, canvas->pixels[id] + (size_t)(y - GAP) * frame->stride,
		       (size_t)frame->width * 4);
		to += ((size_t)frame->width + GAP) * 4;
	}
	return canvas->row;
}

static int compose(const struct stage *stage, struct canvas *canvas)
{
	const struct frame *left = canvas->frames[PICTURE];
	char error[PNG_ERROR_SIZE];
	int ret;

	canvas->stage = stage;
	canvas->width = left->width + canvas->frames[RESULT]->width + 3 * GAP;
	canvas->height = left->height + 2 * GAP;
	canvas->row = malloc((size_t)canvas->width * 4);
	if (!canvas->row)
		return stage_fail(stage, "out of memory");
	ret = png_picture_write(stage->output, canvas->width, canvas->height,
				compose_row, canvas, error);
	free(canvas->row);
	if (ret)
		return stage_fail(stage, "'%s': %s", stage->options->output,
				  error);
	return stage_note(stage, "composed %u x %u pixels", canvas->width,
			  canvas->height);
}

/* The pixels, with the brackets of somebody who reads them. */
static int frame_map(const struct stage *stage, const struct frame *frame,
		     const uint8_t **ret_pixels)
{
	void *pixels = dma_buf_vmap(frame->dmabuf);
	int ret;

	if (IS_ERR_OR_NULL(pixels))
		return stage_fail(stage, "the %s cannot be mapped",
				  frame_names[frame->id]);
	ret = dma_buf_begin_cpu_access(frame->dmabuf, DMA_FROM_DEVICE);
	if (ret) {
		dma_buf_vunmap(frame->dmabuf, pixels);
		return stage_fail(stage, "begin_cpu_access: %s",
				  strerror(-ret));
	}
	*ret_pixels = pixels;
	return 0;
}

static void frame_unmap(const struct frame *frame, const uint8_t *pixels)
{
	dma_buf_end_cpu_access(frame->dmabuf, DMA_FROM_DEVICE);
	dma_buf_vunmap(frame->dmabuf, (void *)(uintptr_t)pixels);
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

static int view(const struct stage *stage, const struct frame *picture,
		const struct frame *result)
{
	struct canvas canvas = { .frames = { picture, result } };
	int ret;

	if (picture->height != result->height)
		return stage_fail(stage, "the frames differ in height");
	ret = frame_map(stage, picture, &canvas.pixels[PICTURE]);
	if (ret)
		return ret;
	ret = frame_map(stage, result, &canvas.pixels[RESULT]);
	if (ret)
		goto out_picture;
	ret = count_maps(stage, picture, canvas.pixels[PICTURE]);
	if (!ret)
		ret = count_maps(stage, result, canvas.pixels[RESULT]);
	if (!ret)
		ret = compose(stage, &canvas);
	frame_unmap(result, canvas.pixels[RESULT]);
out_picture:
	frame_unmap(picture, canvas.pixels[PICTURE]);
	return ret;
}

/*
 * The result is closed first, and the picture only when the filter has told of
 * the release and ended: so the order of the releases is no matter of luck.
 */
int viewer_main(const struct stage *stage)
{
	struct frame picture, result;
	int ret;

	if (frame_receive(stage, DECODER_VIEWER, &picture, PICTURE))
		return 1;
	ret = frame_receive(stage, FILTER_VIEWER, &result, RESULT);
	if (!ret) {
		ret = view(stage, &picture, &result);
		if (frame_close(stage, &result))
			ret = -1;
	}
	if (!ret)
		ret = link_wait_closed(stage, FILTER_VIEWER);
	if (frame_close(stage, &picture))
		ret = -1;
	return ret != 0;
}
