/* SPDX-License-Identifier: MIT */
/* paths-proc.h - what /proc shows of fds that are ours */
#ifndef DMABUF_RUN_PATHS_PROC_H
#define DMABUF_RUN_PATHS_PROC_H

#include "call.h"
#include "paths-resolve.h"

/* PATH_FD and PATH_FDINFO. False: the kernel's business. */
bool path_fd_open(struct call *call, const struct path *path, int flags);
bool path_fd_readlink(struct call *call, const struct path *path, uint64_t to,
		      size_t size);

#endif
