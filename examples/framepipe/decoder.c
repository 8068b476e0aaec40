/* SPDX-License-Identifier: MIT */
/* decoder.c - reads the file and exports the picture */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "framepipe.h"

/* The rows are decoded straight into the buffer that the others will see. */
static int decode_rows(const struct stage *stage, struct frame *frame,
		       struct png_picture *png, uint8_t *pixels)
{
	int ret = dma_buf_begin_cpu_access(frame->dmabuf, DMA_TO_DEVICE);

	if (ret)
		return stage_fail(stage, "begin_cpu_access: %s",
				  strerror(-ret));
	ret = png_picture_read(png, pixels, frame->stride);
	dma_buf_end_cpu_access(frame->dmabuf, DMA_TO_DEVICE);
	if (ret)
		return stage_fail(stage, "'%s': %s", stage->options->picture,
				  png->error);
	return 0;
}

static int decode_into(const struct stage *stage, struct frame *frame,
		       struct png_picture *png)
{
	uint8_t *pixels = dma_buf_vmap(frame->dmabuf);
	int ret;

	if (IS_ERR_OR_NULL(pixels))
		return stage_fail(stage, "the picture cannot be mapped");
	ret = decode_rows(stage, frame, png, pixels);
	dma_buf_vunmap(frame->dmabuf, pixels);
	return ret;
}

static int decode(const struct stage *stage, struct frame *frame)
{
	const char *path = stage->options->picture;
	struct png_picture png;
	int ret;

	ret = png_picture_open(&png, path);
	if (ret)
		stage_fail(stage, "'%s': %s", path, png.error);
	if (!ret)
		ret = frame_create(stage, frame, PICTURE, png.width, png.height);
	if (!ret) {
		ret = decode_into(stage, frame, &png);
		if (ret)
			dma_buf_put(frame->dmabuf);
	}
	png_picture_close(&png);
	return ret;
}

static int share(const struct stage *stage, const struct frame *frame)
{
	int fd = frame_fd(stage, frame);
	int ret;

	if (fd < 0)
		return -1;
	ret = frame_send(stage, DECODER_FILTER, frame, fd);
	stage_midway(stage);
	if (!ret)
		ret = frame_send(stage, DECODER_VIEWER, frame, fd);
	close(fd);
	return ret;
}

int decoder_main(const struct stage *stage)
{
	struct frame frame;
	int ret;

	if (decode(stage, &frame))
		return 1;
	ret = stage_note(stage, "decoded %u x %u pixels into %zu bytes",
			 frame.width, frame.height, frame.dmabuf->size);
	if (!ret)
		ret = share(stage, &frame);
	if (frame_close(stage, &frame) || ret)
		return 1;
	return frame_wait_released(stage, PICTURE) != 0;
}
