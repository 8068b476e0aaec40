/* SPDX-License-Identifier: MIT */
/* walk-model.h - what a walk knows of its buffers, and the steps it can take */
#ifndef TESTS_WALK_MODEL_H
#define TESTS_WALK_MODEL_H

#include <dmabuf/dmabuf.h>

#include "holds.h"
#include "mock-exporter.h"
#include "walk.h"

#define NR_SLOTS 4
#define NR_FDS 4
#define NR_DESCS 6
#define NR_VIEWS 3
#define NR_ATTACHES 3
#define NR_TABLES 2
#define NR_DEVS 2
#define OWN_MAX 6

#define SIZE ((size_t)8192)
#define NR_CELLS 16
#define CELL (SIZE / NR_CELLS)

enum kind {
	KIND_ANON,
	KIND_MEMFD,
	KIND_IMPORT,
	KIND_MOCK,
	KIND_MOCK_DYNAMIC,
	KIND_MOCK_CACHED,
	KIND_MOCK_PAGES,
	NR_KINDS,
};

static const unsigned int mock_options[NR_KINDS] = {
	[KIND_MOCK_DYNAMIC] = MOCK_DYNAMIC,
	[KIND_MOCK_CACHED] = MOCK_CACHED,
	[KIND_MOCK_PAGES] = MOCK_PAGES,
};

enum desc_state { DESC_FREE, DESC_OPEN, DESC_CLOSED };

struct desc {
	enum desc_state state;
	unsigned int copies;		/* fds and mappings */
};

/* @desc: -1 for one that holds no reference on the buffer */
struct fd {
	bool used;
	int nr;
	int desc;
};

struct view {
	uint8_t *addr;
	int desc;
};

struct table {
	struct sg_table *sgt;
	enum dma_data_direction dir;
	uint8_t seen[NR_CELLS];		/* by a device with a copy */
};

struct attached {
	struct dma_buf_attachment *attach;
	unsigned int dev;
	bool dynamic;
	bool kept;
	enum dma_data_direction kept_dir;
	unsigned int pins;
	struct table tables[NR_TABLES];
};

struct slot {
	struct dma_buf *dmabuf;		/* NULL: empty */
	enum kind kind;
	unsigned int own;
	bool has_handle;
	int origin;			/* memfd that was imported */
	struct desc descs[NR_DESCS];
	struct fd fds[NR_FDS];
	struct view views[NR_VIEWS];
	struct attached attached[NR_ATTACHES];
	unsigned int vmaps;
	uint8_t *vaddr;
	char name[32];
	bool named;
	uint8_t cells[NR_CELLS];
	struct mock mock;
	unsigned int calls[MOCK_NR_OPS];
};

struct walk {
	struct slot slots[NR_SLOTS];
	struct device *devs[NR_DEVS];	/* [1] works on a copy */
	struct dma_resv lent;
	unsigned long warnings;
	unsigned int live;
	struct walk_result *result;
};

/* Pick one of those in use, or a free one; NULL when there is none. */
#define PICK(array, nr, arg, condition)                                      \
	({                                                                   \
		__typeof__(&(array)[0]) found_ = NULL, it;                   \
		unsigned int at_;                                            \
		for (at_ = 0; at_ < (nr) && !found_; at_++) {                \
			it = &(array)[((arg) + at_) % (nr)];                 \
			if (condition)                                       \
				found_ = it;                                 \
		}                                                            \
		found_;                                                      \
	})

/* walk-model.c: the model's answers */
bool is_mock(const struct slot *slot);
bool has_pages(const struct slot *slot);	/* its fds show them to mmap */
bool is_dynamic(const struct slot *slot);
unsigned int refs_of(const struct slot *slot);
unsigned int nr_attached(const struct slot *slot);
bool may_drop(const struct slot *slot);		/* a reference held by hand */

int desc_free(const struct slot *slot);		/* -1: there is none */
void desc_open(struct slot *slot, int desc);
void desc_drop(struct slot *slot, int desc);
struct fd *fd_used(struct slot *slot, unsigned int arg);
struct fd *fd_unused(struct slot *slot);

/* Let the exporter fail the next call of @op; false when it cannot. */
bool fail_next(struct slot *slot, unsigned int arg, enum mock_op op, long ret);

/* The model expects a call of @op. */
void called(struct slot *slot, enum mock_op op);

/* The buffer is gone, if the model says so. */
void settle(struct walk *walk, struct slot *slot);

/* A step returns whether it did something. */
typedef bool (*step_fn)(struct walk *walk, struct slot *slot,
			unsigned int arg);

#define WALK_NR_STEPS 28
extern const step_fn walk_steps[WALK_NR_STEPS];

/* Steps that make a slot empty, in an order that uses nothing that is gone. */
#define WALK_NR_EMPTYING 7
extern const step_fn walk_emptying[WALK_NR_EMPTYING];

/* Comes after them: it looks at all slots. */
bool step_dispatch(struct walk *walk, struct slot *slot, unsigned int arg);

/* walk-devices.c */
bool step_attach(struct walk *walk, struct slot *slot, unsigned int arg);
bool step_detach(struct walk *walk, struct slot *slot, unsigned int arg);
bool step_map(struct walk *walk, struct slot *slot, unsigned int arg);
bool step_unmap(struct walk *walk, struct slot *slot, unsigned int arg);
bool step_pin(struct walk *walk, struct slot *slot, unsigned int arg);
bool step_unpin(struct walk *walk, struct slot *slot, unsigned int arg);
bool step_move(struct walk *walk, struct slot *slot, unsigned int arg);
bool step_dev_write(struct walk *walk, struct slot *slot, unsigned int arg);
bool step_dev_read(struct walk *walk, struct slot *slot, unsigned int arg);

#endif
