/* SPDX-License-Identifier: MIT */
/* worker.h - a thread for work that its own thread has no right moment for */
#ifndef LIB_BASE_WORKER_H
#define LIB_BASE_WORKER_H

#include "base/work.h"

/*
 * Have all of @queue run soon, by a thread that holds no lock. The thread lives
 * while there is work. When none can be made, the next worker_help() sees to it.
 */
void worker_give(struct work_queue *queue);

/*
 * If work found no thread: try again, and when there is none still, run it
 * here, unless the caller is in the middle of something.
 */
void worker_help(void);

#endif
