/* SPDX-License-Identifier: MIT */
/* notify.h - the loop that answers calls */
#ifndef DMABUF_RUN_NOTIFY_H
#define DMABUF_RUN_NOTIFY_H

/* Answers calls until the program has no process left. */
void notify_loop(void);

#endif
