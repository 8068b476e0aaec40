/* SPDX-License-Identifier: MIT */
/* linear.h - the device side of buffers whose pages stay where they are */
#ifndef LIB_BUFFER_LINEAR_H
#define LIB_BUFFER_LINEAR_H

#include <dmabuf/dmabuf.h>

/* Ops as they stand in a table; &dma_buf_attachment.priv is theirs. */
int linear_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach);
void linear_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach);
void linear_unmap(struct dma_buf_attachment *attach, struct sg_table *table,
		  enum dma_data_direction dir);
int linear_begin_cpu_access(struct dma_buf *dmabuf,
			    enum dma_data_direction dir);
int linear_end_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir);

/* First thing in a release op: ends what attachments left over have mapped. */
void linear_release(struct dma_buf *dmabuf);

/* What a map_dma_buf op does with its pages; -EACCES: they are read-only. */
struct sg_table *linear_map(struct dma_buf_attachment *attach,
			    enum dma_data_direction dir,
			    const struct dmabuf_pages *pages);

/* The same with a table of the exporter's own, which is taken, or freed. */
struct sg_table *linear_map_table(struct dma_buf_attachment *attach,
				  enum dma_data_direction dir,
				  const struct sg_table *table);

#endif
