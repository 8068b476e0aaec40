/* SPDX-License-Identifier: MIT */
/* memfd.h - buffers that are one memfd each */
#ifndef LIB_EXPORTER_MEMFD_H
#define LIB_EXPORTER_MEMFD_H

#include <dmabuf/dmabuf.h>

#include "buffer/linear.h"

/*
 * Make one. @info: without priv; the size, which is not 0, gets rounded up; the
 * memfd is named after exp_name; the ops are those below and those of linear.h,
 * or call them. 0 or -errno.
 */
int memfd_buffer_create(struct dma_buf_export_info *info, bool huge,
			struct dma_buf **ret_dmabuf);

/* Ops as they stand in a table; &dma_buf.priv is theirs. */
struct sg_table *memfd_map(struct dma_buf_attachment *attach,
			   enum dma_data_direction dir);
int memfd_mmap(struct dma_buf *dmabuf, void *addr, size_t length, int prot,
	       int flags, off_t offset);
void *memfd_vmap(struct dma_buf *dmabuf);
void memfd_vunmap(struct dma_buf *dmabuf, void *vaddr);
int memfd_backing_fd(struct dma_buf *dmabuf);
void memfd_release(struct dma_buf *dmabuf);

/* For other tables: the pages, mapped until the release. Hold resv. */
int memfd_map_pages(struct dma_buf *dmabuf,
		    const struct dmabuf_pages **ret_pages);

#endif
