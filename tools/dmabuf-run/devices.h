/* SPDX-License-Identifier: MIT */
/* devices.h - what devices.c shares with mount.c, bufinfo.c and paths.c */
#ifndef DMABUF_RUN_DEVICES_H
#define DMABUF_RUN_DEVICES_H

#include "run.h"

#define HEAP_DIRECTORY "/dev/dma_heap"
#define SYNC_DIRECTORY "/sys/kernel/debug/sync"
#define DMA_BUF_DIRECTORY "/sys/kernel/debug/dma_buf"
#define BUFINFO_PATH DMA_BUF_DIRECTORY "/bufinfo"

#define NODE_PATH_MAX sizeof(((struct device_node *)0)->path)

/* Since Linux 6.8: the number of a mount that is not used again. */
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif
#define MOUNT_MASK (STATX_MNT_ID | STATX_MNT_ID_UNIQUE)

/*
 * How an fd of a node is known again. In the mount namespace the character
 * devices are one file, bound several times: then the mount tells.
 */
struct node_place {
	dev_t dev;
	ino_t ino;
	uint64_t mount;		/* 0: @dev and @ino tell */
	uint32_t mount_mask;	/* of statx(2): which sort of number @mount is */
};

/* A node, with what others need not know of it. */
struct node {
	struct device_node device;
	struct node_place *place;
	int fd;			/* trap mode: what is opened again; or -1 */
};

static inline struct node *node_of(struct device_node *device)
{
	return (struct node *)device;
}

/* The node of a path in its shortest form; NULL. */
struct device_node *device_of_path(const char *path);

/* mount.c: in the command's process; what we need to know goes to @socket. */
int mount_nodes(int socket, const char **why);

/*
 * namespaces.c: the calling process gets mounts of its own. 0, or -errno and
 * nothing has changed that matters. @why: what failed.
 */
int namespaces_make(const char **why);

/* bufinfo.c: a file that is written when somebody opens it. */

/* In the command's process, in the directory @dir: its fd, or -errno. */
int bufinfo_create(int dir);

/* In the supervisor: a thread does it, and has @dir and @file. 0 or -errno. */
int bufinfo_serve(int dir, int file);

/* paths-directory.c: for trap mode */
void directories_init(void);
void directories_fini(void);

#endif
