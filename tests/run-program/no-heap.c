/* SPDX-License-Identifier: MIT */
/* no-heap.c - a shared object for dmabuf-run --heap that adds none */
#include <stddef.h>

#include <dmabuf/dma-heap.h>

struct dma_heap *dmabuf_run_heap(const char *name)
{
	(void)name;
	return NULL;
}
