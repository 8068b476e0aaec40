/* SPDX-License-Identifier: MIT */
/* heap.h - the heaps that the library has */
#ifndef LIB_HEAP_HEAP_H
#define LIB_HEAP_HEAP_H

#include <dmabuf/dma-heap.h>

extern const struct dma_heap_ops system_heap_ops;
extern const struct dma_heap_ops contiguous_heap_ops;

#endif
