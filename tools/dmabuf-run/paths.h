/* SPDX-License-Identifier: MIT */
/* paths.h - what the files paths*.c share */
#ifndef DMABUF_RUN_PATHS_H
#define DMABUF_RUN_PATHS_H

#include <limits.h>

#include "devices.h"

/*
 * A directory above nodes that the program is to see: "/dev/dma_heap". It is a
 * real one below a temporary one, made when somebody first asks for it: then
 * listing it, and being there, is the kernel's business.
 */
struct directory {
	TAILQ_ENTRY(directory) link;
	char path[128];
	bool merged;		/* the machine has it too, and its entries count */
};

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
};

/* The path at @address in the program, relative to @dirfd; false: not ours. */
bool path_resolve(const struct call *call, int dirfd, uint64_t address,
		  struct path *ret_path);

/*
 * A file with a text for the program: it is written to text_begin(), which may
 * fail with NULL; text_end() takes it and gives an fd, or -errno.
 */
FILE *text_begin(void);
int text_end(FILE *text);

/* paths-proc.c: PATH_FD and PATH_FDINFO. False: the kernel's business. */
bool path_fd_open(struct call *call, const struct path *path, int flags);
bool path_fd_readlink(struct call *call, const struct path *path, uint64_t to,
		      size_t size);

/* paths-directory.c */

/* The directory of a path in its shortest form; NULL. */
struct directory *directory_of_path(const char *path);

/* One that an absolute path leads through; NULL. */
struct directory *directory_above(const char *path);

/* Is the last part of a path the name of one? */
bool directory_has_name(const char *name);

/* An fd of the real one, or -errno */
int directory_open(struct directory *directory);

/*
 * @path, when it is below the temporary directory: as the program calls it, in
 * place.
 */
void directory_translate(char path[PATH_MAX]);

#endif
