/* SPDX-License-Identifier: MIT */
/* fenced.h - a reservation, and fences to put on it */
#ifndef TESTS_FENCED_H
#define TESTS_FENCED_H

#include <stdbool.h>
#include <stdint.h>

#include <dmabuf/dmabuf.h>

#include "mock-fence.h"

#define NR_USAGES 4

/* A timeline, whose fences are made in order. It outlives them. */
struct timeline {
	pthread_mutex_t lock;
	uint64_t context;
	uint64_t seqno;
};

void timeline_init(struct timeline *timeline);
struct mock_fence *timeline_next(struct timeline *timeline);
void timeline_fini(struct timeline *timeline);

/* Of the test that runs: made by fenced_begin(), around leaks_setup(). */
extern struct dma_resv resv;
extern struct timeline line;

int fenced_begin(void **state);
int fenced_end(void **state);

#define FENCED_TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, fenced_begin, fenced_end)

/* Once with each usage; usage_of() is the one. */
#define USAGE_TEST(fn, usage)                              \
	{ #fn "/" #usage, fn, fenced_begin, fenced_end,    \
	  (void *)(uintptr_t)&usages[DMA_RESV_USAGE_##usage] }
#define USAGE_TESTS(fn)                                    \
	USAGE_TEST(fn, KERNEL), USAGE_TEST(fn, WRITE),     \
	USAGE_TEST(fn, READ), USAGE_TEST(fn, BOOKKEEP)

extern const enum dma_resv_usage usages[NR_USAGES];
enum dma_resv_usage usage_of(void **state);

/* Lock, make room for one, add, unlock. */
void add_to(struct dma_resv *obj, struct mock_fence *fence,
	    enum dma_resv_usage usage);

/* Add to @resv a new fence with a timeline of its own; the caller's too. */
struct mock_fence *added(enum dma_resv_usage usage);

/* Signal it unless it is, and drop the caller's reference. */
void finish(struct mock_fence *fence);
void finish_all(struct mock_fence *const *fences, unsigned int nr);

/* End @resv, with what is on it, and begin with an empty one. */
void resv_renew(void);

bool fence_is_marked(const struct dma_fence *fence); /* signalled, unasked */
unsigned int fence_refs(const struct mock_fence *fence);

/* xorshift32; each thread has a state of its own, which is not 0. */
unsigned int dice(uint32_t *state);

/* What is on a reservation, done or not, in the order of a locked walk. */
#define NR_ON_MAX 64

struct on {
	struct dma_fence *fence;
	enum dma_resv_usage usage;
};

unsigned int on_resv_held(struct dma_resv *obj, struct on on[NR_ON_MAX]);
unsigned int on_resv(struct dma_resv *obj, struct on on[NR_ON_MAX]);

/* On @resv are exactly these, in this order. */
void on_resv_check(const struct on *expected, unsigned int nr,
		   const char *file, int at);

#define ON(fence, usage) { &(fence)->base, DMA_RESV_USAGE_##usage }
#define assert_on_resv(...)                                                  \
	do {                                                                 \
		const struct on on_[] = { __VA_ARGS__ };                     \
		on_resv_check(on_, sizeof(on_) / sizeof(*on_), __FILE__,     \
			      __LINE__);                                     \
	} while (0)
#define assert_resv_empty() on_resv_check(NULL, 0, __FILE__, __LINE__)

#endif
