/* SPDX-License-Identifier: MIT */
/* test-resv-restart.c - what collects fences while they are replaced */
/*
 * A fence that meddles: asked whether it is done, it changes the reservation
 * just then, as another thread might. So every call meets the change at the
 * same point, each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "fenced.h"
#include "leaks.h"
#include "mock-fence.h"

static pthread_mutex_t meddler_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mock_fence *first, *last;	/* on @resv around the meddler */
static void (*meddle)(void);		/* NULL: done with that */
static bool meddler_is_done;

static const char *meddler_name(struct dma_fence *fence)
{
	(void)fence;
	return "meddler";
}

static bool meddler_signaled(struct dma_fence *fence)
{
	void (*now)(void) = meddle;

	(void)fence;
	meddle = NULL;
	if (now)
		now();
	return meddler_is_done;
}

static const struct dma_fence_ops meddler_ops = {
	.get_driver_name = meddler_name,
	.get_timeline_name = meddler_name,
	.signaled = meddler_signaled,
};

/* On @resv: the first, the meddler, the last. Asking begins to meddle. */
static struct dma_fence *meddler_begin(void (*how)(void))
{
	struct dma_fence *meddler = malloc(sizeof(*meddler));

	assert_non_null(meddler);
	meddle = NULL;
	meddler_is_done = false;
	dma_fence_init(meddler, &meddler_ops, &meddler_lock,
		       dma_fence_context_alloc(1), 1);
	first = added(DMA_RESV_USAGE_READ);
	dma_resv_lock(&resv, NULL);
	assert_int_equal(dma_resv_reserve_fences(&resv, 1), 0);
	dma_resv_add_fence(&resv, meddler, DMA_RESV_USAGE_READ);
	dma_resv_unlock(&resv);
	last = added(DMA_RESV_USAGE_READ);
	meddle = how;
	return meddler;
}

static void meddler_end(struct dma_fence *meddler)
{
	assert_null(meddle);
	dma_fence_put(meddler);
	finish(first);
	finish(last);
	resv_renew();
}

/* A larger vector, with the same fences or without those that end now. */
static void grow(void)
{
	dma_resv_lock(&resv, NULL);
	assert_int_equal(dma_resv_reserve_fences(&resv, NR_ON_MAX), 0);
	dma_resv_unlock(&resv);
}

static void first_ends(void)
{
	dma_fence_signal(&first->base);
	grow();
}

static void all_end(void)
{
	meddler_is_done = true;
	dma_fence_signal(&last->base);
	first_ends();
}

static unsigned int fences_got(struct dma_fence *got[NR_ON_MAX])
{
	struct dma_fence **fences;
	unsigned int i, nr;

	assert_int_equal(dma_resv_get_fences(&resv, DMA_RESV_USAGE_READ, &nr,
					     &fences), 0);
	assert_int_equal(!nr, !fences);
	for (i = 0; i < nr; i++) {
		got[i] = fences[i];
		dma_fence_put(fences[i]);
	}
	free(fences);
	return nr;
}

static void get_fences_has_each_once(void **state)
{
	struct dma_fence *meddler = meddler_begin(grow);
	struct dma_fence *got[NR_ON_MAX];

	(void)state;
	assert_int_equal(fences_got(got), 3);
	assert_ptr_equal(got[0], &first->base);
	assert_ptr_equal(got[1], meddler);
	assert_ptr_equal(got[2], &last->base);
	assert_int_equal(fence_refs(first), 2);
	meddler_end(meddler);
}

static void get_fences_forgets_what_ended(void **state)
{
	struct dma_fence *meddler = meddler_begin(first_ends);
	struct dma_fence *got[NR_ON_MAX];

	(void)state;
	assert_int_equal(fences_got(got), 2);
	assert_ptr_equal(got[0], meddler);
	assert_ptr_equal(got[1], &last->base);
	assert_int_equal(fence_refs(first), 1);
	meddler_end(meddler);
}

static void get_fences_of_what_ended_meanwhile_gives_none(void **state)
{
	struct dma_fence *meddler = meddler_begin(all_end);
	struct dma_fence *got[NR_ON_MAX];

	(void)state;
	assert_int_equal(fences_got(got), 0);
	assert_int_equal(fence_refs(first), 1);
	meddler_end(meddler);
}

static void singleton_of_what_ended_meanwhile_is_none(void **state)
{
	struct dma_fence *meddler = meddler_begin(all_end);
	struct dma_fence *single = meddler;

	(void)state;
	assert_int_equal(dma_resv_get_singleton(&resv, DMA_RESV_USAGE_READ,
						&single), 0);
	assert_null(single);
	meddler_end(meddler);
}

/* What a copy of @resv has. */
static unsigned int fences_copied(struct on on[NR_ON_MAX])
{
	struct dma_resv dst;
	unsigned int nr;

	dma_resv_init(&dst);
	dma_resv_lock(&dst, NULL);
	assert_int_equal(dma_resv_copy_fences(&dst, &resv), 0);
	nr = on_resv_held(&dst, on);
	dma_resv_unlock(&dst);
	dma_resv_fini(&dst);
	return nr;
}

static void copy_has_each_once(void **state)
{
	struct dma_fence *meddler = meddler_begin(grow);
	struct on on[NR_ON_MAX];

	(void)state;
	assert_int_equal(fences_copied(on), 3);
	assert_ptr_equal(on[0].fence, &first->base);
	assert_ptr_equal(on[1].fence, meddler);
	assert_ptr_equal(on[2].fence, &last->base);
	assert_int_equal(fence_refs(first), 2);
	meddler_end(meddler);
}

static void copy_forgets_what_ended(void **state)
{
	struct dma_fence *meddler = meddler_begin(first_ends);
	struct on on[NR_ON_MAX];

	(void)state;
	assert_int_equal(fences_copied(on), 2);
	assert_ptr_equal(on[0].fence, meddler);
	assert_int_equal(fence_refs(first), 1);
	meddler_end(meddler);
}

static void copy_of_what_ended_meanwhile_is_empty(void **state)
{
	struct dma_fence *meddler = meddler_begin(all_end);
	struct on on[NR_ON_MAX];

	(void)state;
	assert_int_equal(fences_copied(on), 0);
	assert_int_equal(fence_refs(first), 1);
	meddler_end(meddler);
}

static void wait_for_what_ended_meanwhile_is_over(void **state)
{
	struct dma_fence *meddler = meddler_begin(all_end);

	(void)state;
	dma_fence_signal(&first->base);
	assert_int_equal(dma_resv_wait_timeout(&resv, DMA_RESV_USAGE_READ, true,
					       5), 5);
	meddler_end(meddler);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FENCED_TEST(get_fences_has_each_once),
		FENCED_TEST(get_fences_forgets_what_ended),
		FENCED_TEST(get_fences_of_what_ended_meanwhile_gives_none),
		FENCED_TEST(singleton_of_what_ended_meanwhile_is_none),
		FENCED_TEST(copy_has_each_once),
		FENCED_TEST(copy_forgets_what_ended),
		FENCED_TEST(copy_of_what_ended_meanwhile_is_empty),
		FENCED_TEST(wait_for_what_ended_meanwhile_is_over),
	};

	return cmocka_run_group_tests_name("dma_resv/restart", tests,
					   leaks_group_setup, NULL) != 0;
}
