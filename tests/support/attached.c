/* SPDX-License-Identifier: MIT */
/* attached.c - a buffer that logs, and a device to attach to it */
#include "attached.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define STAGE_SIZE 8192

struct mock mock;
struct device *dev;

struct dma_buf *stage_begin(unsigned int options)
{
	dev = device_new();
	return mock_export(&mock, STAGE_SIZE, options);
}

void stage_end(const char *log)
{
	dma_buf_put(mock.dmabuf);
	assert_log(&mock, log);
	dmabuf_device_destroy(dev);
}

struct dma_buf_attachment *attach_static(void)
{
	struct dma_buf_attachment *attach = dma_buf_attach(mock.dmabuf, dev);

	assert_false(IS_ERR_OR_NULL(attach));
	return attach;
}

struct dma_buf_attachment *attach_dynamic(void)
{
	struct dma_buf_attachment *attach = dma_buf_dynamic_attach(
		mock.dmabuf, dev, &mock_importer, &mock);

	assert_false(IS_ERR_OR_NULL(attach));
	return attach;
}

unsigned int nr_attachments(const struct dma_buf *dmabuf)
{
	struct dma_buf_attachment *attach;
	unsigned int nr = 0;

	dmabuf_for_each_attachment(attach, dmabuf)
		nr++;
	return nr;
}

struct sg_table *device_map(struct dma_buf_attachment *attach,
			    enum dma_data_direction dir)
{
	return dma_buf_map_attachment_unlocked(attach, dir);
}

void device_unmap(struct dma_buf_attachment *attach, struct sg_table *table,
		  enum dma_data_direction dir)
{
	dma_buf_unmap_attachment_unlocked(attach, table, dir);
}

void assert_error(const void *ptr, int err)
{
	assert_true(IS_ERR(ptr));
	assert_int_equal(PTR_ERR(ptr), err);
}

void do_map(void *data)
{
	dma_buf_map_attachment_unlocked(data, DMA_TO_DEVICE);
}
