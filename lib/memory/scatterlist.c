/* SPDX-License-Identifier: MIT */
/* scatterlist.c - tables of page runs */

#include <dmabuf/scatterlist.h>

#include "base/util.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

int sg_alloc_table(struct sg_table *table, unsigned int nents, gfp_t gfp)
{
	(void)gfp;
	*table = (struct sg_table){ 0 };
	if (!nents)
		return -EINVAL;
	table->sgl = calloc(nents, sizeof(*table->sgl));
	if (!table->sgl)
		return -ENOMEM;
	table->sgl[nents - 1].last = true;
	table->nents = nents;
	table->orig_nents = nents;
	return 0;
}

/* How many of the @nr pages form one entry of at most @max pages. */
static unsigned int run_of_pages(struct page **pages, unsigned int nr,
				 unsigned int max)
{
	unsigned int n = 1;

	while (n < nr && n < max &&
	       (char *)page_address(pages[n - 1]) + page_size() ==
		       page_address(pages[n]))
		n++;
	return n;
}

static unsigned int count_runs(struct page **pages, unsigned int nr,
			       unsigned int max)
{
	unsigned int first, nr_runs = 0;

	for (first = 0; first < nr; nr_runs++)
		first += run_of_pages(pages + first, nr - first, max);
	return nr_runs;
}

/* Pages that @size bytes from @offset on touch; 0 when there are none. */
static size_t pages_touched(unsigned int offset, size_t size)
{
	size_t end;

	if (!size || offset >= page_size() ||
	    __builtin_add_overflow(size, offset, &end))
		return 0;
	return (end - 1) / page_size() + 1;
}

int sg_alloc_table_from_pages_segment(struct sg_table *table,
				      struct page **pages,
				      unsigned int nr_pages,
				      unsigned int offset, size_t size,
				      unsigned int max_segment, gfp_t gfp)
{
	unsigned int max = max_segment / (unsigned int)page_size();
	size_t touched = pages_touched(offset, size);
	unsigned int i, n, nr;
	struct scatterlist *sg;
	int ret;

	*table = (struct sg_table){ 0 };
	if (!max || !touched || touched > nr_pages)
		return -EINVAL;
	if (max_segment == UINT_MAX)
		max = UINT_MAX;
	nr = (unsigned int)touched;
	ret = sg_alloc_table(table, count_runs(pages, nr, max), gfp);
	if (ret)
		return ret;
	for_each_sgtable_sg(table, sg, i) {
		size_t room;

		n = run_of_pages(pages, nr, max);
		room = n * page_size() - offset;
		sg_set_page(sg, pages[0], size < room ? size : room, offset);
		size -= sg->length;
		offset = 0;
		pages += n;
		nr -= n;
	}
	return 0;
}

int sg_alloc_table_from_pages(struct sg_table *table, struct page **pages,
			      unsigned int nr_pages, unsigned int offset,
			      size_t size, gfp_t gfp)
{
	return sg_alloc_table_from_pages_segment(table, pages, nr_pages, offset,
						 size, UINT_MAX, gfp);
}

void sg_free_table(struct sg_table *table)
{
	free(table->sgl);
	*table = (struct sg_table){ 0 };
}
