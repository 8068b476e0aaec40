/* SPDX-License-Identifier: MIT */
/* fork.h - what a forked child keeps of its buffers */
#ifndef LIB_BUFFER_FORK_H
#define LIB_BUFFER_FORK_H

/* Before slow work: notice a fork that no handler saw (a raw clone). */
void buffer_fork_check(void);

#endif
