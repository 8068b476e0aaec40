/* SPDX-License-Identifier: MIT */
/* inject-plan.h - which part of which memfd goes where in a mapping */
#ifndef DMABUF_RUN_INJECT_PLAN_H
#define DMABUF_RUN_INJECT_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include <dmabuf/dmabuf.h>

struct inject_piece {
	uint64_t at;		/* in the mapping; bytes, as all here */
	uint64_t size;
	uint64_t offset;	/* in the memfd */
	size_t view;
};

struct inject_view {
	int memfd;		/* the buffer's: says which one it is */
	int fd;			/* ours */
	int number;		/* the program's */
};

struct inject_plan {
	uint64_t length;	/* whole pages */
	struct inject_piece *pieces;
	size_t nr_pieces;
	struct inject_view *views;
	size_t nr_views;
	uint64_t align;		/* of the first page: that of the largest */
};

/* 0 or -errno. The views hold the buffer until inject_plan_free(). */
int inject_plan_make(struct inject_plan *plan, struct dma_buf *dmabuf,
		     uint64_t offset, uint64_t length);
void inject_plan_free(struct inject_plan *plan);

#endif
