/* SPDX-License-Identifier: MIT */
/* work.h - queues of things to be run once, in the order of queueing */
#ifndef LIB_BASE_WORK_H
#define LIB_BASE_WORK_H

#include <stddef.h>

#include <dmabuf/list.h>

/* All zero: empty. */
struct work_queue {
	struct dmabuf_work *first;
	struct dmabuf_work *last;
};

static inline void work_append(struct work_queue *queue,
			       struct dmabuf_work *first,
			       struct dmabuf_work *last)
{
	if (queue->first)
		queue->last->next = first;
	else
		queue->first = first;
	queue->last = last;
}

static inline void work_push(struct work_queue *queue, struct dmabuf_work *work)
{
	work->next = NULL;
	work_append(queue, work, work);
}

/* Take the first one out; NULL when there is none. */
static inline struct dmabuf_work *work_pop(struct work_queue *queue)
{
	struct dmabuf_work *work = queue->first;

	if (work)
		queue->first = work->next;
	return work;
}

#endif
