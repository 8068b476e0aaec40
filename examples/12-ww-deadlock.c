/* SPDX-License-Identifier: MIT */
/* 12-ww-deadlock.c - two who take the same two locks, in opposite order */
/*
 * Shows how reservations are locked without a dead end: of two threads that
 * want what the other one has, the younger backs off, and both get on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <dmabuf/dmabuf.h>

static struct dma_resv resv[2];
static pthread_barrier_t both_hold_one;

struct worker {
	struct dma_resv *first, *second;
	uint64_t stamp;
	int backed_off;
};

static void expect(int ret, int expected)
{
	if (ret != expected)
		exit(1);
}

static void *take_both(void *data)
{
	struct worker *worker = data;
	struct dma_resv *has = worker->first, *wants = worker->second, *tmp;
	struct ww_acquire_ctx ctx;
	int ret;

	ww_acquire_init(&ctx, &reservation_ww_class);
	worker->stamp = ctx.stamp;
	expect(dma_resv_lock(has, &ctx), 0);
	pthread_barrier_wait(&both_hold_one);
	while ((ret = dma_resv_lock(wants, &ctx)) == -EDEADLK) {
		worker->backed_off++;
		dma_resv_unlock(has);
		dma_resv_lock_slow(wants, &ctx);
		tmp = has, has = wants, wants = tmp;
	}
	expect(ret, 0);
	ww_acquire_done(&ctx);
	expect(dma_resv_held(&resv[0]) && dma_resv_held(&resv[1]), 1);
	dma_resv_unlock(wants);
	dma_resv_unlock(has);
	ww_acquire_fini(&ctx);
	return NULL;
}

int main(void)
{
	struct worker workers[2] = { { &resv[0], &resv[1], 0, 0 },
				     { &resv[1], &resv[0], 0, 0 } };
	pthread_t thread[2];
	int younger;

	dma_resv_init(&resv[0]);
	dma_resv_init(&resv[1]);
	expect(pthread_barrier_init(&both_hold_one, NULL, 2), 0);
	for (int i = 0; i < 2; i++)
		if (pthread_create(&thread[i], NULL, take_both, &workers[i]))
			return 1;
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);

	younger = workers[1].stamp > workers[0].stamp;
	for (int i = 0; i < 2; i++)
		printf("thread %d, the %-8s took %d first, backed off %d times, "
		       "had both\n", i, i == younger ? "younger," : "elder,", i,
		       workers[i].backed_off);
	expect(workers[!younger].backed_off, 0);
	expect(workers[younger].backed_off, 1);
	pthread_barrier_destroy(&both_hold_one);
	dma_resv_fini(&resv[0]);
	dma_resv_fini(&resv[1]);
	return 0;
}
