/* SPDX-License-Identifier: MIT */
/* attached.h - a buffer that logs, and a device to attach to it */
#ifndef TESTS_ATTACHED_H
#define TESTS_ATTACHED_H

#include <dmabuf/dmabuf.h>

#include "mock-exporter.h"

/* Of the test that runs: made by stage_begin(). */
extern struct mock mock;
extern struct device *dev;

/* @options: MOCK_... */
struct dma_buf *stage_begin(unsigned int options);

/* Puts the buffer, which must have ended with @log since one last looked. */
void stage_end(const char *log);

/* These succeed. */
struct dma_buf_attachment *attach_static(void);
struct dma_buf_attachment *attach_dynamic(void);

unsigned int nr_attachments(const struct dma_buf *dmabuf);

/* The unlocked forms, under names that leave room for what follows. */
struct sg_table *device_map(struct dma_buf_attachment *attach,
			    enum dma_data_direction dir);
void device_unmap(struct dma_buf_attachment *attach, struct sg_table *table,
		  enum dma_data_direction dir);

/* device_map() of the attachment @data, to be caught with a BUG. */
void do_map(void *data);

/* @ptr is ERR_PTR(@err). */
void assert_error(const void *ptr, int err);

#endif
