/* SPDX-License-Identifier: MIT */
/* 10-timeline.c - fences as fds, on a timeline moved by hand */
/*
 * Shows points of a sw_sync timeline as sync files: poll(2) is all that it
 * takes to wait for one, and a timeline that ends leaves nobody waiting.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <dmabuf/dmabuf.h>
#include <linux/sync_file.h>

static struct pollfd points[4];

/* Which of the points are readable now, and the status behind each. */
static void show(const char *when, int readable, int last_status)
{
	struct sync_file_info info = { .num_fences = 0 };

	if (poll(points, 4, 0) != readable)
		exit(1);
	printf("%-28s", when);
	for (int i = 0; i < 4; i++) {
		if (dmabuf_sync_file_info(points[i].fd, &info))
			exit(1);
		printf("  %d: %-8s", i + 1, !(points[i].revents & POLLIN) ?
		       "pending" : info.status == 1 ? "done" : "failed");
		info.num_fences = 0;
	}
	printf("\n");
	if (info.status != last_status)
		exit(1);
}

/* An fd is all that stays here of the fence. */
static int point_fd(struct dmabuf_sw_sync *timeline, uint32_t value)
{
	struct dma_fence *fence = dmabuf_sw_sync_fence(timeline, value);
	int fd = IS_ERR(fence) ? -1 : dmabuf_sync_file_fd(fence, O_CLOEXEC);

	if (fd < 0)
		exit(1);
	dma_fence_put(fence);
	return fd;
}

int main(void)
{
	struct dmabuf_sw_sync *timeline;

	if (dmabuf_sw_sync_create("conveyor", &timeline))
		return 1;
	for (uint32_t i = 0; i < 4; i++) {
		points[i].fd = point_fd(timeline, i + 1);
		points[i].events = POLLIN;
	}
	show("timeline at 0", 0, 0);
	dmabuf_sw_sync_inc(timeline, 1);
	show("moved on by 1", 1, 0);
	dmabuf_sw_sync_inc(timeline, 2);
	show("by 2 more", 3, 0);
	show("looked at again: unchanged", 3, 0);
	dmabuf_sw_sync_destroy(timeline);
	show("timeline ended: -ENOENT", 4, -ENOENT);
	for (int i = 0; i < 4; i++)
		close(points[i].fd);
	return 0;
}
