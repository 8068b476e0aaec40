/* SPDX-License-Identifier: MIT */
/* scatterlist.h - pages, and the lists of page runs that devices work on */
#ifndef DMABUF_SCATTERLIST_H
#define DMABUF_SCATTERLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dmabuf/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t dma_addr_t;

/*
 * Kept for the shape of kernel calls; every value means an ordinary allocation.
 */
typedef unsigned int gfp_t;
#define GFP_KERNEL 0u

/*
 * One page of a file or of a mapping, got from dmabuf_pages_nth(). Opaque, and
 * not an element of an array: the next page comes from dmabuf_pages_nth() too.
 */
struct page;

/*
 * One run of pages. The CPU side (page, offset, length) is the exporter's; the
 * device side (dma_address, dma_length) is written by dma_map_sgtable(). Read
 * both through the helpers below.
 */
struct scatterlist {
	struct page *page;	/* first page of the run */
	size_t offset;		/* bytes into @page where the run starts */
	size_t length;		/* bytes; size_t: one run may be of any size */
	dma_addr_t dma_address;
	size_t dma_length;
	bool last;
};

struct sg_table {
	struct scatterlist *sgl;
	unsigned int nents;		/* entries with a device side */
	unsigned int orig_nents;	/* entries with a CPU side */
};

/**
 * sg_alloc_table() - make a table of empty entries
 * @table: filled in; given back to sg_free_table()
 * @nents: number of entries, at least 1
 * @gfp: ignored
 *
 * Return: 0, -EINVAL for no entries, -ENOMEM. On failure @table is empty.
 * (sg_alloc_table(), Linux 6.12)
 */
DMABUF_API int sg_alloc_table(struct sg_table *table, unsigned int nents,
			      gfp_t gfp);

/**
 * sg_alloc_table_from_pages() - make a table over pages, joining neighbours
 * @table: filled in; given back to sg_free_table()
 * @pages: @nr_pages pages in order; not kept
 * @nr_pages: at least 1; pages behind the end of the data are left out
 * @offset: bytes into the first page where the data starts, less than a page
 * @size: bytes of data, at least 1
 * @gfp: ignored
 *
 * Return: 0, -EINVAL when the pages do not hold the data, -ENOMEM. On failure
 * @table is empty. (sg_alloc_table_from_pages(), Linux 6.12)
 */
DMABUF_API int sg_alloc_table_from_pages(struct sg_table *table,
					 struct page **pages,
					 unsigned int nr_pages,
					 unsigned int offset, size_t size,
					 gfp_t gfp);

/**
 * sg_alloc_table_from_pages_segment() - the same with a longest entry
 * @table: filled in; given back to sg_free_table()
 * @pages: @nr_pages pages in order; not kept
 * @nr_pages: at least 1; pages behind the end of the data are left out
 * @offset: bytes into the first page where the data starts, less than a page
 * @size: bytes of data, at least 1
 * @max_segment: longest entry in bytes, at least a page, rounded down to pages;
 *	dma_get_max_seg_size() of the device it is for. UINT_MAX: no limit
 * @gfp: ignored
 *
 * Entries are cut between pages.
 *
 * Return: 0, -EINVAL when the pages do not hold the data or the limit is below
 * a page, -ENOMEM. On failure @table is empty.
 * (sg_alloc_table_from_pages_segment(), Linux 6.12)
 */
DMABUF_API int sg_alloc_table_from_pages_segment(struct sg_table *table,
						 struct page **pages,
						 unsigned int nr_pages,
						 unsigned int offset,
						 size_t size,
						 unsigned int max_segment,
						 gfp_t gfp);

/**
 * sg_free_table() - free the entries of a table
 * @table: from one of the functions above; empty afterwards, and an empty table
 *	may be freed again
 */
DMABUF_API void sg_free_table(struct sg_table *table);

/**
 * page_address() - where the CPU sees a page
 * @page: a page of a live &struct dmabuf_pages
 */
DMABUF_API void *page_address(const struct page *page);

/**
 * sg_set_page() - point an entry at a run of pages
 * @sg: entry
 * @page: first page; the run goes on through the pages that follow it
 * @len: bytes
 * @offset: bytes into @page
 */
static inline void sg_set_page(struct scatterlist *sg, struct page *page,
			       size_t len, size_t offset)
{
	sg->page = page;
	sg->offset = offset;
	sg->length = len;
}

/** sg_page() - the first page of the run */
static inline struct page *sg_page(const struct scatterlist *sg)
{
	return sg->page;
}

/** sg_virt() - where the CPU sees the run */
static inline void *sg_virt(const struct scatterlist *sg)
{
	return (char *)page_address(sg->page) + sg->offset;
}

/** sg_next() - the entry after @sg, NULL after the last */
static inline struct scatterlist *sg_next(struct scatterlist *sg)
{
	return sg->last ? NULL : sg + 1;
}

#define sg_dma_address(sg) ((sg)->dma_address)
#define sg_dma_len(sg) ((sg)->dma_length)

/* Walk @nr entries; @sg is NULL after the loop. */
#define for_each_sg(sglist, sg, nr, i)                                         \
	for ((i) = 0, (sg) = (sglist); (i) < (nr); (i)++, (sg) = sg_next(sg))

/* The CPU side: sg_page(), ->offset, ->length. */
#define for_each_sgtable_sg(sgt, sg, i)                                        \
	for_each_sg((sgt)->sgl, sg, (sgt)->orig_nents, i)

/* The device side: sg_dma_address(), sg_dma_len(). */
#define for_each_sgtable_dma_sg(sgt, sg, i)                                    \
	for_each_sg((sgt)->sgl, sg, (sgt)->nents, i)

#ifdef __cplusplus
}
#endif

#endif
