/* SPDX-License-Identifier: MIT */
/*
 * bench-resv.c - how the cost of a reservation grows with its fences
 *
 * Prints a table; exit status 1 when a row is over its limit, which is the
 * ratio of the numbers of fences: an add looks at all that are there.
 */
#include <dmabuf/dmabuf.h>

#include <pthread.h>

#include "bench-fence.h"
#include "bench.h"

#define NR_MAX 64u

struct resvs {
	struct dma_fence *fences[NR_MAX];	/* each of its own timeline */
	struct dma_resv many;
	struct dma_resv few;
	unsigned int nr_many;
	unsigned int nr_few;
};

/* The question is about writes, so every one of these reads is looked at. */
static void resv_add(struct dma_resv *resv, struct dma_fence **fences,
		     unsigned int nr)
{
	dma_resv_lock(resv, NULL);
	bench_need(!dma_resv_reserve_fences(resv, nr), "reserving");
	while (nr--)
		dma_resv_add_fence(resv, fences[nr], DMA_RESV_USAGE_READ);
	bench_need(dma_resv_test_signaled(resv, DMA_RESV_USAGE_WRITE), "test");
	dma_resv_unlock(resv);
}

/* One fence more, in the place of the last one of its timeline */

static void add_many(void *data, unsigned int repeat)
{
	struct resvs *resvs = data;

	while (repeat--)
		resv_add(&resvs->many, resvs->fences, 1);
}

static void add_few(void *data, unsigned int repeat)
{
	struct resvs *resvs = data;

	while (repeat--)
		resv_add(&resvs->few, resvs->fences, 1);
}

/* @nr at once, into one that is new, @repeat in all */

static void fill(struct dma_fence **fences, unsigned int nr,
		 unsigned int repeat)
{
	struct dma_resv resv;

	for (repeat /= nr; repeat; repeat--) {
		dma_resv_init(&resv);
		resv_add(&resv, fences, nr);
		dma_resv_fini(&resv);
	}
}

static void fill_many(void *data, unsigned int repeat)
{
	struct resvs *resvs = data;

	fill(resvs->fences, resvs->nr_many, repeat);
}

static void fill_few(void *data, unsigned int repeat)
{
	struct resvs *resvs = data;

	fill(resvs->fences, resvs->nr_few, repeat);
}

static bool bench_fill(struct resvs *resvs, const char *what,
		       const char *against)
{
	const struct bench_row row = {
		.what = what,
		.against = against,
		.limit = (double)resvs->nr_many / resvs->nr_few,
		.rounds = 301,
		.repeat = 100 * NR_MAX,
		.work = fill_many,
		.hand = fill_few,
		.data = resvs,
	};

	return bench_compare(&row);
}

/* The one that is added again takes the last place. */
static bool bench_add(struct resvs *resvs, const char *what,
		      const char *against)
{
	const struct bench_row row = {
		.what = what,
		.against = against,
		.limit = (double)resvs->nr_many / resvs->nr_few,
		.rounds = 301,
		.repeat = 3000,
		.work = add_many,
		.hand = add_few,
		.data = resvs,
	};
	bool inside;

	dma_resv_init(&resvs->many);
	dma_resv_init(&resvs->few);
	resv_add(&resvs->many, resvs->fences, resvs->nr_many);
	resv_add(&resvs->few, resvs->fences, resvs->nr_few);
	inside = bench_compare(&row);
	dma_resv_fini(&resvs->many);
	dma_resv_fini(&resvs->few);
	return inside;
}

int main(void)
{
	static struct bench_line lines[NR_MAX];
	static struct resvs resvs;
	bool inside;
	unsigned int i;

	for (i = 0; i < NR_MAX; i++) {
		pthread_mutex_init(&lines[i].lock, NULL);
		resvs.fences[i] = bench_fence_new(&lines[i]);
	}
	bench_begin();
	resvs.nr_many = 8;
	resvs.nr_few = 1;
	inside = bench_add(&resvs, "reserve, add, test; 8 are there", "1");
	inside &= bench_fill(&resvs, "reserve, add 8, test; a fence", "1");
	resvs.nr_many = NR_MAX;
	resvs.nr_few = 8;
	inside &= bench_add(&resvs, "reserve, add, test; 64 are there", "8");
	inside &= bench_fill(&resvs, "reserve, add 64, test; a fence", "8");
	for (i = 0; i < NR_MAX; i++) {
		dma_fence_signal(resvs.fences[i]);
		dma_fence_put(resvs.fences[i]);
	}
	return inside ? 0 : 1;
}
