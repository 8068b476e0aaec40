/* SPDX-License-Identifier: MIT */
/* timeline.h - open sw_syncs; closed when the program has no copy any more */
#ifndef DMABUF_RUN_TIMELINE_H
#define DMABUF_RUN_TIMELINE_H

#include <sys/stat.h>

#include <dmabuf/dmabuf.h>

struct timeline;

/* An fd for the program, close-on-exec, or -errno; name: of the opening task */
int timeline_open(const char *name);
struct timeline *timeline_get(const struct stat *st);	/* NULL: none */
struct dmabuf_sw_sync *timeline_sw_sync(struct timeline *timeline);
void timeline_put(struct timeline *timeline);

/* For the event loop: fds whose hang-up is for timelines_dispatch(). */
extern int timelines_epoll_fd;
void timelines_dispatch(void);

#endif
