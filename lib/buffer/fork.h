/* SPDX-License-Identifier: MIT */
/* fork.h - noticing that this process is a forked child */
#ifndef LIB_BUFFER_FORK_H
#define LIB_BUFFER_FORK_H

/* Before slow work: notice a fork that no handler saw (a raw clone). */
void fork_check(void);

#endif
