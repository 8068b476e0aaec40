/* SPDX-License-Identifier: MIT */
/*
 * devices.c - the nodes that the program finds, and how their fds are known
 *
 * In mount mode they are real nodes of a mount namespace of the program
 * (mount.c), which the kernel opens. In trap mode calls with their paths are
 * answered (paths.c), and what is open then is a memfd: one for each node.
 */
#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Where heaps and udmabuf usually are. */
#define HEAP_MAJOR 251
#define MISC_MAJOR 10
#define UDMABUF_MINOR 126

/* All constant after devices_init(), but for the places: see below. */
struct device_list device_nodes = TAILQ_HEAD_INITIALIZER(device_nodes);
static unsigned int nr_nodes;

/* Written in the command's process or in devices_set_mode(), then constant. */
static struct node_place *places;

/* The command's process sends through them what bufinfo_serve() takes. */
static int sockets[2] = { -1, -1 };

static int node_add(enum device_kind kind, const char *directory,
		    const char *name, mode_t node_mode)
{
	struct node *node;

	node = calloc(1, sizeof(*node));
	if (!node)
		return -ENOMEM;
	node->fd = -1;
	node->device.kind = kind;
	node->device.mode = node_mode;
	if ((size_t)snprintf(node->device.path, NODE_PATH_MAX, "%s/%s",
			     directory, name) >= NODE_PATH_MAX) {
		free(node);
		return -ENAMETOOLONG;
	}
	if (options.prefer_real && !access(node->device.path, F_OK)) {
		free(node);
		return 0;
	}
	TAILQ_INSERT_TAIL(&device_nodes, &node->device, link);
	nr_nodes++;
	return 0;
}

static int heaps_add(void)
{
	struct dma_heap *heap = NULL;
	unsigned int minor = 0;
	int ret = 0;

	while (!ret && (heap = dmabuf_heap_next(heap))) {
		struct device_node *last = TAILQ_LAST(&device_nodes, device_list);
		struct device_node *device;

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
		node_of(device)->place = &places[i++];
	return 0;
}

int devices_init(void)
{
	int ret;

	ret = nodes_add();
	if (!ret)
		ret = places_make();
	if (!ret && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
			       sockets))
		ret = -errno;
	if (ret)
		complain("device nodes: %s", strerror(-ret));
	return ret;
}

int devices_mount(const char **why)
{
	return mount_nodes(sockets[1], why);
}

/* 0 with two fds, or -errno */
static int fds_receive(int fds[2])
{
	union {
		char space[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header;

	if (recvmsg(sockets[0], &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return -errno;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_len != CMSG_LEN(2 * sizeof(int)))
		return -EIO;
	memcpy(fds, CMSG_DATA(header), 2 * sizeof(int));
	return 0;
}

static void bufinfo_start(void)
{
	int fds[2], ret;

	if (!device_of_path(BUFINFO_PATH))
		return;
	ret = fds_receive(fds);
	if (!ret) {
		ret = bufinfo_serve(fds[0], fds[1]);
		if (ret) {
			close(fds[0]);
			close(fds[1]);
		}
	}
	if (ret)
		log_line("bufinfo stays empty: %s", strerror(-ret));
}

/* What an open node is, in trap mode; without, it cannot be opened. */
static void file_make(struct node *node)
{
	struct stat st;
	int fd;

	fd = memfd_create("device", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return;
	/* It is to have no content: nobody counts its pages. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SEAL) ||
	    fstat(fd, &st)) {
		close(fd);
		return;
	}
	node->place->dev = st.st_dev;
	node->place->ino = st.st_ino;
	node->fd = fd;
}

void devices_set_mode(enum devices_mode mode)
{
	struct device_node *device;

	if (mode == DEVICES_MOUNT) {
		bufinfo_start();
	} else {
		directories_init();
		TAILQ_FOREACH(device, &device_nodes, link)
			file_make(node_of(device));
	}
	close(sockets[0]);
	close(sockets[1]);
}

/* On whose mount is it? */
static bool mount_is(const struct statx *stx, const struct node_place *place)
{
	return (stx->stx_mask & MOUNT_MASK) == place->mount_mask &&
	       stx->stx_mnt_id == place->mount;
}

static const struct device_node *device_of_mount(pid_t tid, int fd)
{
	struct device_node *device;
	char path[TARGET_PATH_MAX], text[NODE_PATH_MAX];
	struct statx stx;
	ssize_t size;

	target_fd_path(path, tid, fd);
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, MOUNT_MASK, &stx))
		return NULL;
	TAILQ_FOREACH(device, &device_nodes, link)
		if (node_of(device)->place->mount &&
		    mount_is(&stx, node_of(device)->place))
			return device;
	/*
	 * The program has made itself a namespace, which has mounts of its own.
	 */
	size = readlink(path, text, sizeof(text) - 1);
	if (size < 0)
		return NULL;
	text[size] = '\0';
	device = device_of_path(text);
	return device && S_ISCHR(device->mode) ? device : NULL;
}

const struct device_node *device_of_fd(pid_t tid, int fd, const struct stat *st)
{
	struct device_node *device;

	TAILQ_FOREACH(device, &device_nodes, link) {
		const struct node_place *place = node_of(device)->place;

		if (place->ino != st->st_ino || place->dev != st->st_dev)
			continue;
		return place->mount ? device_of_mount(tid, fd) : device;
	}
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

void devices_fini(void)
{
	struct device_node *device;

	while ((device = TAILQ_FIRST(&device_nodes))) {
		TAILQ_REMOVE(&device_nodes, device, link);
		if (node_of(device)->fd >= 0)
			close(node_of(device)->fd);
		free(device);
	}
	directories_fini();
	if (places)
		munmap(places, (nr_nodes + 1) * sizeof(*places));
	places = NULL;
}
