/* SPDX-License-Identifier: MIT */
/* buffer.h - the library's side of a buffer */
#ifndef LIB_BUFFER_BUFFER_H
#define LIB_BUFFER_BUFFER_H

#include <bsd/sys/queue.h>

#include <dmabuf/dma-buf.h>

#include "base/context.h"
#include "base/util.h"

struct handle;

/* (c) constant after export  (a) atomic  (g) registry lock held */
struct buffer {
	struct dma_buf base;
	const void *op_thread;		/* (a) inside vmap, vunmap: base.lock */
	unsigned int refs;		/* (a) reaches 0 only under (g) */
	int flags;			/* (c) access mode and O_NONBLOCK */
	bool dead;			/* (c) an import, in a forked child */
	struct handle *handle;		/* (g) NULL until one is needed */
	LIST_HEAD(, handle) views;	/* (g) each of a memfd of its own */
	size_t block;			/* (c) where dma_buf_mmap() begins, or 0 */
	struct dma_resv own_resv;	/* used unless one was lent */
	struct dmabuf_work release;	/* runs when refs is 0 */
	const void *release_thread;	/* (g) inside the release op */
	TAILQ_ENTRY(buffer) link;	/* (g) newest first */
};

static inline struct buffer *buffer_of(const struct dma_buf *dmabuf)
{
	return container_of(dmabuf, struct buffer, base);
}

/*
 * Take base.lock. A thread that is inside the buffer's vmap or vunmap op, and
 * so holds it, is told apart from one that has to wait: it is a BUG in the name
 * of @function.
 */
void buffer_lock(struct buffer *buffer, const char *function);
void buffer_unlock(struct buffer *buffer);

/* Report re-entry as buffer_lock() would, before anything is begun. */
void buffer_check_entry(struct buffer *buffer, const char *function);

/* The same for a thread that holds the reservation it is about to take. */
void buffer_check_resv(struct buffer *buffer, const char *function);

/*
 * What an op returned, in the name of @function. A positive value would become
 * an address that is none: it warns, and is -EINVAL.
 */
int op_result(int ret, const char *function, const char *op);

/* The buffer's attachments outlive it: an attachment learns of it here. */
void attachments_orphan(struct buffer *buffer);

/* In a forked child: the list may have been in the middle of a change. */
void attachments_mend(struct buffer *buffer);

#endif
