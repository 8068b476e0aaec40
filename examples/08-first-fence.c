/* SPDX-License-Identifier: MIT */
/* 08-first-fence.c - a promise that work will be done */
/*
 * Shows the life of a fence: it is made before the work begins, asked, waited
 * for and told of by a callback, and it says how the work ended.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <dmabuf/dmabuf.h>

static const char *painter(struct dma_fence *fence)
{
	(void)fence;
	return "painter";
}

/* Without a release op, the last put frees the memory. */
static const struct dma_fence_ops painter_ops = {
	.get_driver_name = painter, .get_timeline_name = painter,
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int picture[3], nr_told;

static void check(const char *what, int ok)
{
	printf("%-60s %s\n", what, ok ? "yes" : "NO");
	if (!ok)
		exit(1);
}

static struct dma_fence *promise(uint64_t context, uint64_t seqno)
{
	struct dma_fence *fence = malloc(sizeof(*fence));

	if (!fence)
		exit(1);
	dma_fence_init(fence, &painter_ops, &lock, context, seqno);
	return fence;
}

static void tell(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	(void)fence, (void)cb;
	nr_told++;
}

static void *paint(void *fence)
{
	for (int i = 0; i < 3; i++)
		picture[i] = i + 1;
	dma_fence_signal(fence);
	return NULL;
}

int main(void)
{
	uint64_t timeline = dma_fence_context_alloc(1);
	struct dma_fence *first = promise(timeline, 1);
	struct dma_fence *second = promise(timeline, 2);
	struct dma_fence_cb cb;
	pthread_t thread;

	check("before the work begins its fence is pending: status 0",
	      dma_fence_get_status(first) == 0);
	check("a callback waits", !dma_fence_add_callback(first, &cb, tell));
	if (pthread_create(&thread, NULL, paint, first))
		return 1;
	check("we wait, and the picture is whole",
	      !dma_fence_wait(first, false) && picture[2] == 3);
	pthread_join(thread, NULL);
	check("the callback was called, once", nr_told == 1);
	check("done: status 1", dma_fence_get_status(first) == 1);
	check("there is no way back, nor a second time: -EINVAL",
	      dma_fence_signal(first) == -EINVAL);
	check("a callback comes too late: -ENOENT",
	      dma_fence_add_callback(first, &cb, tell) == -ENOENT);

	dma_fence_set_error(second, -EIO);
	check("work that failed is signalled too",
	      !dma_fence_signal(second) && !dma_fence_wait(second, false));
	check("its status says why: -EIO",
	      dma_fence_get_status(second) == -EIO);
	dma_fence_put(first);
	dma_fence_put(second);
	return 0;
}
