/* SPDX-License-Identifier: MIT */
/* nodes.c - the device nodes that the program finds, and whose an fd is */
#include "nodes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "run.h"
#include "target.h"

/* Where heaps and udmabuf usually are. */
#define HEAP_MAJOR 251
#define MISC_MAJOR 10
#define UDMABUF_MINOR 126

/* All constant after nodes_init(), but for a node's fd, see devices.c. */
struct device_list device_nodes = TAILQ_HEAD_INITIALIZER(device_nodes);
static unsigned int nr_nodes;

/* Written in the command's process or in devices_set_mode(), then constant. */
static struct node_place *places;

static int node_add(enum device_kind kind, const char *directory,
		    const char *name, mode_t mode)
{
	struct device_node *device;

	device = calloc(1, sizeof(*device));
	if (!device)
		return -ENOMEM;
	device->fd = -1;
	device->kind = kind;
	device->mode = mode;
	if ((size_t)snprintf(device->path, NODE_PATH_MAX, "%s/%s", directory,
			     name) >= NODE_PATH_MAX) {
		free(device);
		return -ENAMETOOLONG;
	}
	if (options.prefer_real && !access(device->path, F_OK)) {
		free(device);
		return 0;
	}
	TAILQ_INSERT_TAIL(&device_nodes, device, link);
	nr_nodes++;
	return 0;
}

static int heaps_add(void)
{
	struct dma_heap *heap = NULL;
	unsigned int minor = 0;
	int ret = 0;

	while (!ret && (heap = dmabuf_heap_next(heap))) {
		struct device_node *device, *last;

		last = TAILQ_LAST(&device_nodes, device_list);
		ret = node_add(DEVICE_HEAP, HEAP_DIRECTORY,
			       dma_heap_get_name(heap), S_IFCHR | 0600);
		device = TAILQ_LAST(&device_nodes, device_list);
		if (ret || device == last)
			continue;
		device->heap = heap;
		device->major = HEAP_MAJOR;
		device->minor = minor++;
	}
	return ret;
}

/* First what is in /dev itself: there is less to bind then. */
static int nodes_add(void)
{
	struct device_node *udmabuf;
	int ret;

	ret = node_add(DEVICE_UDMABUF, "/dev", "udmabuf", S_IFCHR | 0600);
	udmabuf = TAILQ_FIRST(&device_nodes);
	if (!ret && udmabuf) {
		udmabuf->major = MISC_MAJOR;
		udmabuf->minor = UDMABUF_MINOR;
	}
	if (!ret)
		ret = heaps_add();
	if (!ret)
		ret = node_add(DEVICE_SW_SYNC, SYNC_DIRECTORY, "sw_sync",
			       S_IFREG | 0644);
	if (!ret)
		ret = node_add(DEVICE_BUFINFO, DMA_BUF_DIRECTORY, "bufinfo",
			       S_IFREG | 0444);
	return ret;
}

/* Memory that the command's process and we share. */
static int places_make(void)
{
	size_t size = (nr_nodes + 1) * sizeof(*places);
	struct device_node *device;
	unsigned int i = 0;

	places = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (places == MAP_FAILED)
		return -errno;
	TAILQ_FOREACH(device, &device_nodes, link)
		device->place = &places[i++];
	return 0;
}

int nodes_init(void)
{
	int ret = nodes_add();

	return ret ? ret : places_make();
}

void nodes_fini(void)
{
	struct device_node *device;

	while ((device = TAILQ_FIRST(&device_nodes))) {
		TAILQ_REMOVE(&device_nodes, device, link);
		if (device->fd >= 0)
			close(device->fd);
		free(device);
	}
	if (places)
		munmap(places, (nr_nodes + 1) * sizeof(*places));
	places = NULL;
}

/* On whose mount is it? */
static bool mount_is(const struct statx *stx, const struct node_place *place)
{
	return (stx->stx_mask & MOUNT_MASK) == place->mount_mask &&
	       stx->stx_mnt_id == place->mount;
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);

	return length >= end_length &&
	       !strcmp(text + length - end_length, end);
}

/*
 * Who furnishes a container or a chroot makes its nodes anew, by type and
 * number, or mounts them again: as a /dev/null that has a node's path, below
 * another directory.
 */
static const struct device_node *device_of_copy(pid_t tid, int fd)
{
	char path[TARGET_PATH_MAX], text[PATH_MAX];
	struct device_node *device;
	ssize_t size;

	target_fd_path(path, tid, fd);
	size = readlink(path, text, sizeof(text) - 1);
	if (size < 0)
		return NULL;
	text[size] = '\0';
	TAILQ_FOREACH(device, &device_nodes, link)
		if (S_ISCHR(device->mode) && ends_with(text, device->path))
			return device;
	return NULL;
}

static const struct device_node *device_of_mount(pid_t tid, int fd)
{
	struct device_node *device;
	char path[TARGET_PATH_MAX];
	struct statx stx;

	target_fd_path(path, tid, fd);
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, MOUNT_MASK, &stx))
		return NULL;
	TAILQ_FOREACH(device, &device_nodes, link)
		if (device->place->mount &&
		    mount_is(&stx, device->place))
			return device;
	/* Namespaces that the program makes have mounts of their own. */
	return device_of_copy(tid, fd);
}

const struct device_node *device_of_fd(pid_t tid, int fd,
				       const struct stat *st)
{
	struct device_node *device;

	TAILQ_FOREACH(device, &device_nodes, link) {
		const struct node_place *place = device->place;

		if (place->ino != st->st_ino || place->dev != st->st_dev)
			continue;
		return place->mount ? device_of_mount(tid, fd) : device;
	}
	if (S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3))
		return device_of_copy(tid, fd);
	return NULL;
}

struct device_node *device_of_path(const char *path)
{
	struct device_node *device;

	TAILQ_FOREACH(device, &device_nodes, link)
		if (!strcmp(device->path, path))
			return device;
	return NULL;
}
