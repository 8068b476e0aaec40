/* SPDX-License-Identifier: MIT */
/* inject-plan.c - which part of which memfd goes where in a mapping */
#include "inject-plan.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <dmabuf/udmabuf.h>

/* Huge pages are mapped at multiples of their size. */
static void align_for(struct inject_plan *plan, int memfd)
{
	struct statfs fs;

	if (!fstatfs(memfd, &fs) && fs.f_type == HUGETLBFS_MAGIC &&
	    (uint64_t)fs.f_bsize > plan->align)
		plan->align = (uint64_t)fs.f_bsize;
}

/* The view of a memfd; made when it is the first piece of it. */
static int view_of(struct inject_plan *plan, struct dma_buf *dmabuf,
		   uint64_t offset, int memfd, size_t *ret_view)
{
	struct inject_view *view;
	size_t i;
	int fd;

	for (i = 0; i < plan->nr_views; i++)
		if (plan->views[i].memfd == memfd)
			break;
	*ret_view = i;
	if (i < plan->nr_views)
		return 0;
	fd = dmabuf_udmabuf_view_fd(dmabuf, offset);
	if (fd < 0)
		return fd;
	align_for(plan, memfd);
	view = &plan->views[plan->nr_views++];
	*view = (struct inject_view){ .memfd = memfd, .fd = fd, .number = -1 };
	return 0;
}

static int pieces_count(struct dma_buf *dmabuf, uint64_t offset,
			uint64_t length, size_t *ret_nr)
{
	struct dmabuf_udmabuf_range range;
	uint64_t done = 0;
	size_t nr;
	int ret;

	for (nr = 0; done < length; nr++) {
		ret = dmabuf_udmabuf_piece(dmabuf, offset + done, &range);
		if (ret)
			return ret;
		done += range.size;
	}
	*ret_nr = nr;
	return 0;
}

static int pieces_fill(struct inject_plan *plan, struct dma_buf *dmabuf,
		       uint64_t offset)
{
	struct dmabuf_udmabuf_range range;
	struct inject_piece *piece;
	uint64_t done = 0;
	int ret;

	for (piece = plan->pieces; done < plan->length; piece++) {
		ret = dmabuf_udmabuf_piece(dmabuf, offset + done, &range);
		if (!ret)
			ret = view_of(plan, dmabuf, offset + done, range.fd,
				      &piece->view);
		if (ret)
			return ret;
		if (range.size > plan->length - done)
			range.size = plan->length - done;
		piece->at = done;
		piece->size = range.size;
		piece->offset = range.offset;
		done += range.size;
		plan->nr_pieces++;
	}
	return 0;
}

int inject_plan_make(struct inject_plan *plan, struct dma_buf *dmabuf,
		     uint64_t offset, uint64_t length)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	size_t nr;
	int ret;

	*plan = (struct inject_plan){
		.length = (length + page - 1) / page * page,
		.align = page,
	};
	ret = pieces_count(dmabuf, offset, plan->length, &nr);
	if (ret)
		return ret;
	plan->pieces = calloc(nr, sizeof(*plan->pieces));
	plan->views = calloc(nr, sizeof(*plan->views));
	ret = -ENOMEM;
	if (plan->pieces && plan->views)
		ret = pieces_fill(plan, dmabuf, offset);
	if (ret)
		inject_plan_free(plan);
	return ret;
}

void inject_plan_free(struct inject_plan *plan)
{
	while (plan->nr_views)
		close(plan->views[--plan->nr_views].fd);
	free(plan->views);
	free(plan->pieces);
}
