/* SPDX-License-Identifier: MIT */
/* signaller.h - sync files whose fence this process signals */
#ifndef LIB_SYNC_SIGNALLER_H
#define LIB_SYNC_SIGNALLER_H

#include <stdbool.h>
#include <stdint.h>
#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include <dmabuf/sync-file.h>

#include "base/util.h"

enum signaller_state {
	SIGNALLER_ALONE,		/* not yet open, or being ended */
	SIGNALLER_OPEN,
	SIGNALLER_INHERITED,		/* of the parent, in a forked child */
};

/* (c) constant once it is armed  (l) signaller.c's lock held */
struct signaller {
	struct sync_file base;		/* (c) with a reference on its fence */
	uint64_t id;			/* (c) of the pair, in this process */
	int end;			/* (l) ours of the pair; -1: closed */
	enum signaller_state state;	/* (l) */
	bool armed;			/* (l) */
	bool told;			/* (l) its callback is of no more use */
	union {
		RB_ENTRY(signaller) by_id;		/* (l) open ones */
		LIST_ENTRY(signaller) inherited;	/* (l) */
	};
	struct dma_fence_cb cb;
	struct dmabuf_work work;
};

static inline struct signaller *signaller_of(struct sync_file *sync_file)
{
	return container_of(sync_file, struct signaller, base);
}

/* Without a fence, and without a pair; NULL without memory. */
struct signaller *signaller_new(void);

/* End one without a pair; drops its reference. */
void signaller_free(struct signaller *signaller);

/* Make the pair: the holder's fd, close-on-exec; -EMFILE, -ENFILE, -ENOMEM. */
int signaller_open(struct signaller *signaller);

/* Undo that. */
void signaller_close(struct signaller *signaller, int fd);

/*
 * The fence is set: from now on its signalling is told, and when the last copy
 * of the fd was closed the signaller ends itself.
 */
void signaller_arm(struct signaller *signaller);

/* A copy of the one of the pair @id, with a reference on its fence. */
bool signaller_find(uint64_t id, struct sync_file *ret_copy);

/* Close our ends of pairs that nobody holds any more: there is an fd needed. */
void signallers_make_room(void);

#endif
