/* SPDX-License-Identifier: MIT */
/* png.c - PNG files from and to RGBA pixels */
/*
 * libpng reports errors by calling back and never returning: png_error() leaves
 * by longjmp to the setjmp of the function that called into libpng. Locals that
 * change in between would be lost, so there are none.
 */
#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "framepipe.h"

#define MAX_SIDE 32768u
#define MAX_PIXELS (64u << 20)
#define SIGNATURE_SIZE 8

/* "Invalid IHDR data" alone helps nobody: the warning before it says why. */
static void keep_error(png_structp png, png_const_charp text)
{
	char *error = png_get_error_ptr(png);
	char why[PNG_ERROR_SIZE / 2];

	snprintf(why, sizeof(why), "%s", error);
	if (why[0])
		snprintf(error, PNG_ERROR_SIZE, "%.60s (%s)", text, why);
	else
		snprintf(error, PNG_ERROR_SIZE, "%s", text);
	longjmp(png_jmpbuf(png), 1);
}

static void keep_warning(png_structp png, png_const_charp text)
{
	char *error = png_get_error_ptr(png);

	if (!error[0])
		snprintf(error, PNG_ERROR_SIZE, "%s", text);
}

static void read_bytes(png_structp png, png_bytep bytes, size_t size)
{
	FILE *file = png_get_io_ptr(png);

	if (fread(bytes, 1, size, file) == size)
		return;
	png_error(png, ferror(file) ? strerror(errno) : "the file is cut short");
}

static void write_bytes(png_structp png, png_bytep bytes, size_t size)
{
	if (fwrite(bytes, 1, size, png_get_io_ptr(png)) != size)
		png_error(png, strerror(errno));
}

static void flush_nothing(png_structp png)
{
	(void)png;
}

/* Whatever the colour type: RGBA, 8 bits each. */
static void ask_for_rgba(struct png_picture *picture)
{
	png_set_expand(picture->png);
	png_set_scale_16(picture->png);
	png_set_gray_to_rgb(picture->png);
	png_set_add_alpha(picture->png, 0xff, PNG_FILLER_AFTER);
	picture->passes = png_set_interlace_handling(picture->png);
	png_read_update_info(picture->png, picture->info);
}

static int read_head(struct png_picture *picture)
{
	if (setjmp(png_jmpbuf((png_structp)picture->png)))
		return -1;
	png_set_read_fn(picture->png, picture->file, read_bytes);
	png_set_sig_bytes(picture->png, SIGNATURE_SIZE);
	png_set_user_limits(picture->png, MAX_SIDE, MAX_SIDE);
	png_read_info(picture->png, picture->info);
	picture->width = png_get_image_width(picture->png, picture->info);
	picture->height = png_get_image_height(picture->png, picture->info);
	if ((uint64_t)picture->width * picture->height > MAX_PIXELS)
		png_error(picture->png, "more than 64 million pixels");
	ask_for_rgba(picture);
	if (png_get_rowbytes(picture->png, picture->info) !=
	    (size_t)picture->width * 4)
		png_error(picture->png, "a pixel format without a name");
	return 0;
}

static int check_signature(struct png_picture *picture)
{
	uint8_t bytes[SIGNATURE_SIZE];
	size_t size = fread(bytes, 1, sizeof(bytes), picture->file);
	const char *error = NULL;

	if (ferror(picture->file))
		error = strerror(errno);
	else if (size < sizeof(bytes) || png_sig_cmp(bytes, 0, sizeof(bytes)))
		error = "not a PNG file";
	if (!error)
		return 0;
	snprintf(picture->error, PNG_ERROR_SIZE, "%s", error);
	return -1;
}

const char *irregular(const struct stat *st)
{
	if (S_ISREG(st->st_mode))
		return NULL;
	return S_ISDIR(st->st_mode) ? "is a directory" :
				      "is not a regular file";
}

/* A pipe without a writer, or a device, could keep us waiting for ever. */
static FILE *open_regular(const char *path, char *error)
{
	const char *why = NULL;
	FILE *file = NULL;
	struct stat st;
	int fd = -1;

	if (!stat(path, &st)) {
		why = irregular(&st);
		if (!why)
			fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	}
	if (fd >= 0)
		file = fdopen(fd, "rb");
	if (!file)
		snprintf(error, PNG_ERROR_SIZE, "%s",
			 why ? why : strerror(errno));
	if (!file && fd >= 0)
		close(fd);
	return file;
}

/* Up to the first pixel. After a failure too, png_picture_close() is due. */
int png_picture_open(struct png_picture *picture, const char *path)
{
	memset(picture, 0, sizeof(*picture));
	picture->file = open_regular(path, picture->error);
	if (!picture->file || check_signature(picture))
		return -1;
	picture->png = png_create_read_struct(PNG_LIBPNG_VER_STRING,
					      picture->error, keep_error,
					      keep_warning);
	if (picture->png)
		picture->info = png_create_info_struct(picture->png);
	if (!picture->info) {
		snprintf(picture->error, PNG_ERROR_SIZE, "out of memory");
		return -1;
	}
	return read_head(picture);
}

/* The pixels and all that follows them, so that a missing tail is noticed. */
int png_picture_read(struct png_picture *picture, uint8_t *pixels,
		     size_t stride)
{
	if (setjmp(png_jmpbuf((png_structp)picture->png)))
		return -1;
	picture->error[0] = '\0';
	for (int pass = 0; pass < picture->passes; pass++)
		for (uint32_t y = 0; y < picture->height; y++)
			png_read_row(picture->png, pixels + y * stride, NULL);
	png_read_end(picture->png, NULL);
	return 0;
}

void png_picture_close(struct png_picture *picture)
{
	png_structp png = picture->png;
	png_infop info = picture->info;

	if (png)
		png_destroy_read_struct(&png, &info, NULL);
	if (picture->file)
		fclose(picture->file);
}

static int write_rows(png_structp png, png_infop info, uint32_t height,
		      png_row_fn row, void *data)
{
	if (setjmp(png_jmpbuf(png)))
		return -1;
	png_write_info(png, info);
	for (uint32_t y = 0; y < height; y++)
		png_write_row(png, row(data, y));
	png_write_end(png, info);
	return 0;
}

static int write_head(png_structp png, png_infop info, FILE *file,
		      uint32_t width, uint32_t height)
{
	if (setjmp(png_jmpbuf(png)))
		return -1;
	png_set_write_fn(png, file, write_bytes, flush_nothing);
	png_set_IHDR(png, info, width, height, 8, PNG_COLOR_TYPE_RGB_ALPHA,
		     PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
		     PNG_FILTER_TYPE_DEFAULT);
	return 0;
}

/* @row gives each row in turn; nothing larger than a row is kept here. */
int png_picture_write(FILE *file, uint32_t width, uint32_t height,
		      png_row_fn row, void *data, char *error)
{
	png_structp png;
	png_infop info;
	int ret = -1;

	error[0] = '\0';
	png = png_create_write_struct(PNG_LIBPNG_VER_STRING, error, keep_error,
				      keep_warning);
	info = png ? png_create_info_struct(png) : NULL;
	if (info)
		ret = write_head(png, info, file, width, height);
	else
		snprintf(error, PNG_ERROR_SIZE, "out of memory");
	if (!ret)
		ret = write_rows(png, info, height, row, data);
	png_destroy_write_struct(&png, &info);
	if (!ret && fflush(file)) {
		snprintf(error, PNG_ERROR_SIZE, "%s", strerror(errno));
		ret = -1;
	}
	return ret;
}
