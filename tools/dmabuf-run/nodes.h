/* SPDX-License-Identifier: MIT */
/* nodes.h - the device nodes that the program finds */
#ifndef DMABUF_RUN_NODES_H
#define DMABUF_RUN_NODES_H

#include <stdint.h>
#include <sys/stat.h>
#include <bsd/sys/queue.h>

#include <dmabuf/dmabuf.h>

#define HEAP_DIRECTORY "/dev/dma_heap"
#define SYNC_DIRECTORY "/sys/kernel/debug/sync"
#define DMA_BUF_DIRECTORY "/sys/kernel/debug/dma_buf"
#define BUFINFO_PATH DMA_BUF_DIRECTORY "/bufinfo"

#define NODE_PATH_MAX 128

/* Since Linux 6.8: the number of a mount that is not used again. */
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif
#define MOUNT_MASK (STATX_MNT_ID | STATX_MNT_ID_UNIQUE)

/*
 * How an fd of a node is known again. Where the character devices are one file,
 * bound several times, the mount tells.
 */
struct node_place {
	dev_t dev;
	ino_t ino;
	uint64_t mount;		/* 0: @dev and @ino tell */
	uint32_t mount_mask;	/* of statx(2): what sort of number that is */
};

enum device_kind {
	DEVICE_HEAP, DEVICE_UDMABUF, DEVICE_SW_SYNC, DEVICE_BUFINFO,
};

struct device_node {
	TAILQ_ENTRY(device_node) link;
	enum device_kind kind;
	char path[NODE_PATH_MAX];	/* "/dev/dma_heap/system" */
	mode_t mode;			/* with the type, as elsewhere */
	unsigned int major, minor;	/* 0: a file */
	struct dma_heap *heap;		/* DEVICE_HEAP */
	struct node_place *place;	/* see nodes.c */
	int fd;				/* trap mode: to be opened again; -1 */
};

TAILQ_HEAD(device_list, device_node);
extern struct device_list device_nodes;

/*
 * In the supervisor, before the command is started: a node for each heap that
 * dmabuf_heap_next() knows, and the others; without those that exist here when
 * --prefer-real is given. 0 or -errno.
 */
int nodes_init(void);

/* At the end, there too */
void nodes_fini(void);

/* The node that the program's fd is open on, by its stat; or NULL. */
const struct device_node *device_of_fd(pid_t tid, int fd,
				       const struct stat *st);

/* The node of a path in its shortest form; NULL. */
struct device_node *device_of_path(const char *path);

#endif
