/* SPDX-License-Identifier: MIT */
/* kept-heap.c - a shared object for --heap that has a buffer of its own */
#include <fcntl.h>
#include <stddef.h>

#include <dmabuf/dma-heap.h>
#include <dmabuf/err.h>

struct dma_heap *dmabuf_run_heap(const char *name)
{
	struct dma_heap *heap;
	int ret = dmabuf_heap_add(name, DMABUF_HEAP_SYSTEM, &heap);

	if (ret)
		return ERR_PTR(ret);
	return IS_ERR(dma_heap_buffer_alloc(heap, 4096, O_RDWR, 0)) ? NULL :
								      heap;
}
