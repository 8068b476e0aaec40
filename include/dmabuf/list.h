/* SPDX-License-Identifier: MIT */
/* list.h - links that objects of the library are chained by */
#ifndef DMABUF_LIST_H
#define DMABUF_LIST_H

/* A link of a ring; the ring's head is a link too. */
struct dmabuf_list {
	struct dmabuf_list *next;
	struct dmabuf_list *prev;
};

/* Something to be run once, where no lock of a fence is held. */
struct dmabuf_work {
	struct dmabuf_work *next;
	void (*run)(struct dmabuf_work *work);
};

#endif
