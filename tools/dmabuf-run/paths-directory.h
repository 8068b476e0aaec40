/* SPDX-License-Identifier: MIT */
/* paths-directory.h - directories above the nodes, in trap mode */
#ifndef DMABUF_RUN_PATHS_DIRECTORY_H
#define DMABUF_RUN_PATHS_DIRECTORY_H

#include <limits.h>
#include <stdbool.h>
#include <bsd/sys/queue.h>

#include "nodes.h"

/*
 * A directory above nodes that the program is to see: "/dev/dma_heap". It is a
 * real one below a temporary one, made when somebody first asks for it: then
 * listing it, and being there, is the kernel's business.
 */
struct directory {
	TAILQ_ENTRY(directory) link;
	char path[NODE_PATH_MAX];
	bool merged;		/* with the entries that the machine has there */
};

void directories_init(void);
void directories_fini(void);

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
