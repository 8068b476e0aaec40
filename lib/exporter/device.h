/* SPDX-License-Identifier: MIT */
/* device.h - buffers that are dma-bufs of the kernel */
#ifndef LIB_EXPORTER_DEVICE_H
#define LIB_EXPORTER_DEVICE_H

#include <dmabuf/dmabuf.h>

/*
 * By /dev/dma_heap/NAME, and by /dev/udmabuf. @size: whole pages. @name: no
 * longer than NAME_MAX. @mode: O_RDONLY, O_WRONLY or O_RDWR. 0 or -errno.
 */
int device_heap_alloc(const char *name, size_t size, int mode,
		      struct dma_buf **ret_dmabuf);
int device_udmabuf_alloc(size_t size, int mode, struct dma_buf **ret_dmabuf);

#endif
