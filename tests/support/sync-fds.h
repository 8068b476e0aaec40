/* SPDX-License-Identifier: MIT */
/* sync-fds.h - making sync files, and looking at them */
#ifndef TESTS_SYNC_FDS_H
#define TESTS_SYNC_FDS_H

#include <stdbool.h>
#include <stdint.h>

#include <dmabuf/dmabuf.h>

#include "process.h"

/* What poll(2) says about @fd now. */
short events_of(int fd);

/* Poll until @fd is readable; for ten seconds at most. */
bool wait_readable(int fd);

/* Each asserts that it succeeds. */
struct dmabuf_sw_sync *timeline_make(const char *name);
struct dma_fence *point_make(struct dmabuf_sw_sync *timeline, uint32_t value);
int sync_fd(struct dma_fence *fence);
int point_fd(struct dmabuf_sw_sync *timeline, uint32_t value);
int merge_fds(int fd1, int fd2);
struct dma_fence *fence_of(int fd);

/*
 * Of another process: @producer is started, makes the fence, and signals it at
 * its turn.
 */
struct dma_fence *foreign_fence(struct peer *producer);

/* Leaves of @fd in all, and those with the status. */
#define LEAVES_MAX 64
unsigned int leaves_of(int fd);
unsigned int leaves_with(int fd, int status);

/*
 * Status of the file as a whole; usable in a forked child: INT_MIN when @fd is
 * none.
 */
int status_of(int fd);

/* sync_file_get_fence() gives none. */
bool is_no_sync_file(int fd);

/*
 * Skips a test in which fds run out, where somebody keeps the numbers himself:
 * in valgrind socketpair(2) fails with EBADF then.
 */
void fds_run_out_or_skip(void);

/* Dispatch until @fence has @refs references, for ten seconds at most. */
bool refs_get_down_to(struct dma_fence *fence, unsigned int refs);

#endif
