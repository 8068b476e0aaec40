/* SPDX-License-Identifier: MIT */
/* fence-walk-model.h - what a walk knows of reservations and their fences */
#ifndef TESTS_FENCE_WALK_MODEL_H
#define TESTS_FENCE_WALK_MODEL_H

#include <dmabuf/dmabuf.h>

#include "fence-walk.h"
#include "fenced.h"
#include "holds.h"
#include "mock-exporter.h"
#include "mock-fence.h"

#define NR_FENCES 16
#define NR_RESVS 3
#define NR_LINES 4
#define NR_ENTRIES 40
#define OWN_MAX 4

struct model_fence {
	struct mock_fence *mock;	/* NULL: none */
	unsigned int own;		/* references of the walk */
	bool signalled;			/* by the walk */
	int error;
	unsigned int nr_deadline;
};

/* On a reservation since step @since. */
struct entry {
	struct model_fence *fence;
	enum dma_resv_usage usage;
	unsigned int since;
};

struct model_resv {
	struct dma_resv obj;
	struct entry entries[NR_ENTRIES];
	unsigned int nr;
	bool held;
	bool with_ctx;
	unsigned int room;		/* so many can be added for certain */
	bool none;			/* for certain, there is no more */
};

/* A walk without the lock, over several steps. */
struct model_cursor {
	struct dma_resv_iter iter;
	struct model_resv *res;	/* NULL: there is no walk */
	struct model_fence *at;
	unsigned int since;		/* the step of its beginning */
	struct entry seen[NR_ENTRIES * 2];
	unsigned int nr_seen;
};

struct fence_walk {
	struct timeline lines[NR_LINES];
	struct model_fence fences[NR_FENCES];
	struct model_resv resvs[NR_RESVS];
	struct ww_acquire_ctx ctx;
	struct model_cursor cursor;
	struct dma_fence *single;	/* an array of those in @members */
	struct model_fence *members[NR_ENTRIES];
	unsigned int nr_members;
	struct mock mock;		/* a buffer on resvs[0] */
	struct model_fence *armed_in, *armed_out;
	unsigned int step;
	unsigned long warnings;
	unsigned int live;		/* fences before the walk */
	struct fence_walk_result *result;
};

/* fence-walk-model.c: the model's answers. Marked: the flag is set. */
bool is_marked(const struct model_fence *fence);
bool is_pending(const struct model_fence *fence);
bool ends_when_asked(const struct model_fence *fence);
unsigned int refs_of(const struct fence_walk *walk,
		     const struct model_fence *fence);
struct model_fence *fence_found(struct fence_walk *walk,
				const struct dma_fence *fence);

/* The pending ones in order; how many. */
unsigned int pending_of(const struct model_resv *res,
			enum dma_resv_usage usage,
			struct entry pending[NR_ENTRIES]);

/* Where a fence goes: an entry whose place it takes, or NULL. */
struct entry *place_for(struct model_resv *res, struct mock_fence *fence,
			enum dma_resv_usage usage);

/* What is there now; how many. */
unsigned int entries_read(struct fence_walk *walk, struct model_resv *res,
			  struct entry entries[NR_ENTRIES]);

/* Fences without references are gone, and callbacks have fired. */
void walk_settle(struct fence_walk *walk);

/* Compare all that can be seen; false when something does not hold. */
bool walk_check(struct fence_walk *walk);

/* A step returns whether it did something. */
typedef bool (*fence_step_fn)(struct fence_walk *walk, struct model_resv *res,
			      struct model_fence *fence, unsigned int arg);

#define FENCE_WALK_NR_STEPS 40
extern const fence_step_fn fence_walk_steps[FENCE_WALK_NR_STEPS];

/* fence-walk-looks.c: steps that only look */
bool step_get_fences(struct fence_walk *walk, struct model_resv *res,
		     struct model_fence *fence, unsigned int arg);
bool step_single(struct fence_walk *walk, struct model_resv *res,
		 struct model_fence *fence, unsigned int arg);
bool step_single_drop(struct fence_walk *walk, struct model_resv *res,
		      struct model_fence *fence, unsigned int arg);
bool step_wait(struct fence_walk *walk, struct model_resv *res,
	       struct model_fence *fence, unsigned int arg);
bool step_deadline(struct fence_walk *walk, struct model_resv *res,
		   struct model_fence *fence, unsigned int arg);
bool step_describe(struct fence_walk *walk, struct model_resv *res,
		   struct model_fence *fence, unsigned int arg);
bool step_cursor_open(struct fence_walk *walk, struct model_resv *res,
		      struct model_fence *fence, unsigned int arg);
bool step_cursor_next(struct fence_walk *walk, struct model_resv *res,
		      struct model_fence *fence, unsigned int arg);
bool step_cursor_end(struct fence_walk *walk, struct model_resv *res,
		     struct model_fence *fence, unsigned int arg);
bool step_poll(struct fence_walk *walk, struct model_resv *res,
	       struct model_fence *fence, unsigned int arg);
bool step_cpu_access(struct fence_walk *walk, struct model_resv *res,
		     struct model_fence *fence, unsigned int arg);

#endif
