/* SPDX-License-Identifier: MIT */
/* paths-resolve.h - which paths are ours */
#ifndef DMABUF_RUN_PATHS_RESOLVE_H
#define DMABUF_RUN_PATHS_RESOLVE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "decode.h"
#include "nodes.h"
#include "paths-directory.h"

enum path_kind {
	PATH_NODE,
	PATH_BELOW_NODE,	/* "/dev/udmabuf/x" */
	PATH_DIRECTORY,
	PATH_MISSING,		/* "/dev/dma_heap/x" */
	PATH_OUTSIDE,		/* "/dev/dma_heap/..": only the way is ours */
	PATH_FD,		/* "/proc/self/fd/7" */
	PATH_FDINFO,
};

/* A path that is ours to answer, if only perhaps: PATH_FD of whatever file. */
struct path {
	enum path_kind kind;
	struct device_node *device;	/* PATH_NODE */
	struct directory *directory;	/* PATH_DIRECTORY */
	pid_t tid;			/* PATH_FD, PATH_FDINFO: whose */
	int fd;
	bool slash;			/* it ends so: a directory is meant */
	char text[PATH_MAX];		/* the shortest form */
	char given[DECODE_SHOWN + 2];	/* as the program gave it, cut */
};

/* The path at @address in the thread, relative to @dirfd; false: not ours. */
bool path_resolve(pid_t tid, int dirfd, uint64_t address,
		  struct path *ret_path);

#endif
