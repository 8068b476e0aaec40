/* SPDX-License-Identifier: MIT */
/*
 * system.c - the heaps "system" and "contiguous"
 *
 * A buffer of either is one memfd. What differs is what devices are told of it,
 * and what a private mapping is answered: as if the system heap had got its
 * memory in blocks, each the largest that fits into what is left, and the other
 * one in one piece.
 */
#include "heap/heap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>

#include "base/util.h"
#include "exporter/memfd.h"

static const unsigned int orders[] = { 8, 4, 0 };

#define NR_ORDERS (sizeof(orders) / sizeof(orders[0]))

/*
 * The bytes of the block that @done lies in. The large ones come first, so each
 * begins at a multiple of itself.
 */
static size_t block_at(size_t size, size_t done)
{
	size_t block;
	size_t i;

	for (i = 0; i < NR_ORDERS - 1; i++) {
		block = page_size() << orders[i];
		if (done < size - size % block)
			return block;
	}
	return page_size();
}

/* The bytes of the entry at @done: to the end of the block, or the limit. */
static size_t entry_at(size_t size, size_t done, size_t segment)
{
	size_t block = block_at(size, done);
	size_t left = block - done % block;

	return left < segment ? left : segment;
}

static size_t nr_entries(size_t size, size_t segment)
{
	size_t done, nr = 0;

	for (done = 0; done < size; done += entry_at(size, done, segment))
		nr++;
	return nr;
}

/* As dmabuf_pages_sg_table(): an entry for each block, or more by the limit. */
static int blocks_sg_table(const struct dmabuf_pages *pages,
			   unsigned int max_segment, struct sg_table *table)
{
	size_t segment = max_segment - max_segment % page_size();
	size_t nr = nr_entries(pages->size, segment);
	struct scatterlist *sg;
	size_t done = 0;
	unsigned int i;
	int ret;

	if (nr > UINT_MAX)
		return -ENOMEM;
	ret = sg_alloc_table(table, (unsigned int)nr, GFP_KERNEL);
	if (ret)
		return ret;
	for_each_sgtable_sg(table, sg, i) {
		sg_set_page(sg, dmabuf_pages_nth(pages, done / page_size()),
			    entry_at(pages->size, done, segment), 0);
		done += sg->length;
	}
	return 0;
}

/* Ops */

static struct sg_table *system_map(struct dma_buf_attachment *attach,
				   enum dma_data_direction dir)
{
	const struct dmabuf_pages *pages;
	struct sg_table table;
	int ret;

	ret = memfd_map_pages(attach->dmabuf, &pages);
	if (!ret)
		ret = blocks_sg_table(pages, dma_get_max_seg_size(attach->dev),
				      &table);
	if (ret)
		return ERR_PTR(ret);
	return linear_map_table(attach, dir, &table);
}

static struct sg_table *contiguous_map(struct dma_buf_attachment *attach,
				       enum dma_data_direction dir)
{
	struct sg_table *table = memfd_map(attach, dir);

	return IS_ERR(table) ? ERR_PTR(-ENOMEM) : table;
}

/* The kernel inserts page by page, and cannot do so twice in a private one. */
static int system_mmap(struct dma_buf *dmabuf, void *addr, size_t length,
		       int prot, int flags, off_t offset)
{
	if ((flags & MAP_TYPE) == MAP_PRIVATE && length > page_size())
		return -EINVAL;
	return memfd_mmap(dmabuf, addr, length, prot, flags, offset);
}

static int contiguous_mmap(struct dma_buf *dmabuf, void *addr, size_t length,
			   int prot, int flags, off_t offset)
{
	if ((flags & MAP_TYPE) == MAP_PRIVATE)
		return -EINVAL;
	return memfd_mmap(dmabuf, addr, length, prot, flags, offset);
}

static const struct dma_buf_ops system_ops = {
	.attach = linear_attach,
	.detach = linear_detach,
	.map_dma_buf = system_map,
	.unmap_dma_buf = linear_unmap,
	.release = memfd_release,
	.begin_cpu_access = linear_begin_cpu_access,
	.end_cpu_access = linear_end_cpu_access,
	.mmap = system_mmap,
	.vmap = memfd_vmap,
	.vunmap = memfd_vunmap,
	.backing_fd = memfd_backing_fd,
};

static const struct dma_buf_ops contiguous_ops = {
	.attach = linear_attach,
	.detach = linear_detach,
	.map_dma_buf = contiguous_map,
	.unmap_dma_buf = linear_unmap,
	.release = memfd_release,
	.begin_cpu_access = linear_begin_cpu_access,
	.end_cpu_access = linear_end_cpu_access,
	.mmap = contiguous_mmap,
	.vmap = memfd_vmap,
	.vunmap = memfd_vunmap,
	.backing_fd = memfd_backing_fd,
};

/* Heaps */

/*
 * A memfd may be larger than all memory, and would be found out by SIGBUS; what
 * cannot be there at once is refused here.
 */
static struct dma_buf *allocate(struct dma_heap *heap, size_t len,
				uint32_t fd_flags,
				const struct dma_buf_ops *ops)
{
	struct dma_buf_export_info info = {
		.exp_name = dma_heap_get_name(heap),
		.ops = ops,
		.size = len,
		.flags = (int)(fd_flags & O_ACCMODE),
	};
	struct dma_buf *dmabuf;
	int ret;

	if (len / page_size() > (size_t)sysconf(_SC_PHYS_PAGES))
		return ERR_PTR(-ENOMEM);
	ret = memfd_buffer_create(&info, false, &dmabuf);
	return ret ? ERR_PTR(ret) : dmabuf;
}

static struct dma_buf *system_allocate(struct dma_heap *heap, unsigned long len,
				       uint32_t fd_flags, uint64_t heap_flags)
{
	(void)heap_flags;
	return allocate(heap, len, fd_flags, &system_ops);
}

static struct dma_buf *contiguous_allocate(struct dma_heap *heap,
					   unsigned long len, uint32_t fd_flags,
					   uint64_t heap_flags)
{
	(void)heap_flags;
	return allocate(heap, len, fd_flags, &contiguous_ops);
}

const struct dma_heap_ops system_heap_ops = {
	.allocate = system_allocate,
};

const struct dma_heap_ops contiguous_heap_ops = {
	.allocate = contiguous_allocate,
};
