/* SPDX-License-Identifier: MIT */
/* 09-merge.c - one fence for several */
/*
 * Shows what a merge is made of: of each timeline only the latest fence, and
 * none that is done; it is signalled when all of these are.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <dmabuf/dmabuf.h>

static void check(const char *what, int ok)
{
	printf("%-60s %s\n", what, ok ? "yes" : "NO");
	if (!ok)
		exit(1);
}

/* How many plain fences @head is made of, each on a line. */
static int list(struct dma_fence *head)
{
	struct dma_fence_unwrap cursor;
	struct dma_fence *fence;
	int nr = 0;

	dma_fence_unwrap_for_each(fence, &cursor, head) {
		printf("  %s %" PRIu64 "\n",
		       fence->ops->get_timeline_name(fence), fence->seqno);
		nr++;
	}
	return nr;
}

int main(void)
{
	struct dmabuf_sw_sync *camera, *screen;
	struct dma_fence *fences[4], *merged, *left;

	if (dmabuf_sw_sync_create("camera", &camera) ||
	    dmabuf_sw_sync_create("screen", &screen))
		return 1;
	fences[0] = dmabuf_sw_sync_fence(camera, 1);
	fences[1] = dmabuf_sw_sync_fence(camera, 2);
	fences[2] = dmabuf_sw_sync_fence(screen, 7);
	fences[3] = dma_fence_get_stub();	/* was always done */
	for (int i = 0; i < 4; i++)
		if (IS_ERR(fences[i]))
			return 1;

	merged = dmabuf_fence_merge(4, fences);
	check("camera 1, camera 2, screen 7 and a stub merged", !!merged);
	check("are an array", dma_fence_is_array(merged));
	check("of two: camera 1 is before camera 2, the stub is done",
	      list(merged) == 2);

	dmabuf_sw_sync_inc(screen, 7);
	check("the screen is at 7: still pending",
	      !dma_fence_is_signaled(merged));
	left = dmabuf_fence_merge(1, &merged);
	check("merged again there is no array: what is left is camera 2",
	      left == fences[1]);
	dmabuf_sw_sync_inc(camera, 2);
	check("the camera is at 2: done", dma_fence_is_signaled(merged));

	dma_fence_put(left);
	dma_fence_put(merged);
	for (int i = 0; i < 4; i++)
		dma_fence_put(fences[i]);
	dmabuf_sw_sync_destroy(camera);
	dmabuf_sw_sync_destroy(screen);
	return 0;
}
