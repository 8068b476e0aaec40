/* SPDX-License-Identifier: MIT */
/* inject.h - mappings that the program cannot make by itself */
#ifndef DMABUF_RUN_INJECT_H
#define DMABUF_RUN_INJECT_H

#include "call.h"

/*
 * @call is an mmap(2) of an fd of @dmabuf (a reference is the caller's) that
 * dmabuf_buffer_mmap_check() has found right: make the mapping, piece by piece,
 * in the stopped thread, and end the call.
 */
void inject_mmap(struct call *call, struct dma_buf *dmabuf);

/*
 * Held while a thread of the program is traced: its stops are not to be taken
 * for the end of a child.
 */
extern pthread_mutex_t trace_lock;

#endif
