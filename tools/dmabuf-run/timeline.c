/* SPDX-License-Identifier: MIT */
/*
 * timeline.c - open sw_syncs
 *
 * The program has one end of a socket pair; that it hangs up says that the last
 * copy was closed, in whatever process. Then its fences fail.
 */
#include "timeline.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <bsd/sys/queue.h>

struct timeline {
	LIST_ENTRY(timeline) link;		/* lock */
	unsigned int refs;			/* lock */
	ino_t ino;				/* of the program's end */
	int end;				/* ours */
	struct dmabuf_sw_sync *sw_sync;
};

int timelines_epoll_fd = -1;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, timeline) timelines = LIST_HEAD_INITIALIZER(timelines);

static int watch(struct timeline *timeline)
{
	/* A hang-up is always told. */
	struct epoll_event event = { .data.ptr = timeline };

	return epoll_ctl(timelines_epoll_fd, EPOLL_CTL_ADD, timeline->end,
			 &event) ? -errno : 0;
}

static int timeline_make(const char *name, int end, ino_t ino)
{
	struct timeline *timeline = calloc(1, sizeof(*timeline));
	int ret = timeline ? dmabuf_sw_sync_create(name, &timeline->sw_sync) :
			     -ENOMEM;

	if (ret)
		goto err_free;
	timeline->refs = 1;
	timeline->end = end;
	timeline->ino = ino;
	pthread_mutex_lock(&lock);
	LIST_INSERT_HEAD(&timelines, timeline, link);
	ret = watch(timeline);
	if (ret)
		LIST_REMOVE(timeline, link);
	pthread_mutex_unlock(&lock);
	if (!ret)
		return 0;
	dmabuf_sw_sync_destroy(timeline->sw_sync);
err_free:
	free(timeline);
	return ret;
}

int timeline_open(const char *name)
{
	struct stat st;
	int ends[2];
	int ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	/* Nothing is to be written to it, as it would cost us memory. */
	shutdown(ends[1], SHUT_RD);
	ret = fstat(ends[0], &st) ? -errno :
				    timeline_make(name, ends[1], st.st_ino);
	if (!ret)
		return ends[0];
	close(ends[0]);
	close(ends[1]);
	return ret;
}

struct timeline *timeline_get(const struct stat *st)
{
	struct timeline *timeline;

	pthread_mutex_lock(&lock);
	LIST_FOREACH(timeline, &timelines, link) {
		if (timeline->ino != st->st_ino)
			continue;
		timeline->refs++;
		break;
	}
	pthread_mutex_unlock(&lock);
	return timeline;
}

struct dmabuf_sw_sync *timeline_sw_sync(struct timeline *timeline)
{
	return timeline->sw_sync;
}

void timeline_put(struct timeline *timeline)
{
	bool last;

	pthread_mutex_lock(&lock);
	last = !--timeline->refs;
	pthread_mutex_unlock(&lock);
	if (!last)
		return;
	dmabuf_sw_sync_destroy(timeline->sw_sync);
	free(timeline);
}

static void hung_up(struct timeline *timeline)
{
	pthread_mutex_lock(&lock);
	LIST_REMOVE(timeline, link);
	pthread_mutex_unlock(&lock);
	close(timeline->end);
	timeline_put(timeline);
}

void timelines_dispatch(void)
{
	struct epoll_event event;

	while (epoll_wait(timelines_epoll_fd, &event, 1, 0) == 1)
		hung_up(event.data.ptr);
}
