/* SPDX-License-Identifier: MIT */
/* reaper.h - a thread that dispatches */
#ifndef LIB_BUFFER_REAPER_H
#define LIB_BUFFER_REAPER_H

/* In a forked child there is no such thread. */
void reaper_fork_child(void);

#endif
