/* SPDX-License-Identifier: MIT */
/*
 * mount.c - the nodes in a mount namespace of the program's own
 *
 * A directory that lacks one of the nodes is covered (cover.c) by one of ours,
 * which has them too.
 *
 * A character device is /dev/null, bound once more: everybody may open it, and
 * stat(2) shows a character device. Which of them an fd is open on is told by
 * its mount, see node_place.
 */
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <bsd/string.h>

#include "bufinfo.h"
#include "cover.h"
#include "fd-socket.h"
#include "namespaces.h"
#include "nodes.h"
#include "run.h"

#define OURS_MAX 16

/* Directories that we made: what covers others, and what is in it. */
struct ours {
	char path[OURS_MAX][NODE_PATH_MAX];
	unsigned int nr;
};

static bool is_ours(const struct ours *ours, const char *path)
{
	unsigned int i;

	for (i = 0; i < ours->nr; i++)
		if (!strcmp(ours->path[i], path))
			return true;
	return false;
}

static int ours_add(struct ours *ours, const char *directory)
{
	if (ours->nr == OURS_MAX)
		return -ENOSPC;
	strlcpy(ours->path[ours->nr++], directory, sizeof(ours->path[0]));
	return 0;
}

static void parent_of(char parent[NODE_PATH_MAX], const char *path)
{
	strlcpy(parent, path, NODE_PATH_MAX);
	*strrchr(parent, '/') = '\0';
}

/* Make @directory one that we can put nodes into. */
static int directory_take(struct ours *ours, const char *directory)
{
	char parent[NODE_PATH_MAX];
	int ret;

	if (is_ours(ours, directory))
		return 0;
	/* Heaps that are not ours are hidden, unless they are asked for. */
	if (!access(directory, F_OK)) {
		ret = cover(directory, options.prefer_real ||
				       strcmp(directory, HEAP_DIRECTORY));
		return ret ? ret : ours_add(ours, directory);
	}
	parent_of(parent, directory);
	if (!parent[0])
		return -ENOENT;
	ret = directory_take(ours, parent);
	if (!ret && mkdir(directory, 0755))
		ret = -errno;
	if (!ret)
		ret = ours_add(ours, directory);
	return ret;
}

/* The supervisor gets what it needs to write the file. */
static int bufinfo_make(const char *directory, int socket)
{
	int fds[2], ret;

	fds[0] = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fds[0] < 0)
		return -errno;
	ret = fds[1] = bufinfo_create(fds[0]);
	if (fds[1] >= 0) {
		ret = fds_send(socket, "", 1, fds, 2);
		close(fds[1]);
	}
	close(fds[0]);
	return ret;
}

static int node_make(struct ours *ours, const struct device_node *device,
		     int socket)
{
	char directory[NODE_PATH_MAX];
	bool there = false;
	int ret = 0;

	parent_of(directory, device->path);
	/* The machine has one: that will do to mount on. */
	if (device->kind == DEVICE_UDMABUF)
		there = !access(device->path, F_OK);
	if (!there)
		ret = directory_take(ours, directory);
	if (!ret && device->kind == DEVICE_BUFINFO)
		return bufinfo_make(directory, socket);
	if (!ret && !there)
		ret = point_make(device->path, device->mode);
	if (ret)
		return ret;
	if (S_ISCHR(device->mode))
		ret = mount("/dev/null", device->path, NULL, MS_BIND, NULL);
	else
		ret = chmod(device->path, device->mode & 07777);
	return ret ? -errno : 0;
}

/* For the supervisor: how an fd that is open on the node looks. */
static int place_note(const struct device_node *device,
		      struct node_place *place)
{
	struct statx stx;

	if (statx(AT_FDCWD, device->path, 0, STATX_BASIC_STATS | MOUNT_MASK,
		  &stx))
		return -errno;
	place->dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	place->ino = stx.stx_ino;
	place->mount_mask = stx.stx_mask & MOUNT_MASK;
	if (S_ISCHR(device->mode))
		place->mount = stx.stx_mnt_id;
	return 0;
}

/* Where we are may be covered now. By its path it is what is shown. */
static void directory_update(const struct ours *ours)
{
	char path[PATH_MAX];
	unsigned int i;

	if (!getcwd(path, sizeof(path)))
		return;
	for (i = 0; i < ours->nr; i++) {
		size_t length = strlen(ours->path[i]);

		if (!strncmp(path, ours->path[i], length) &&
		    (!path[length] || path[length] == '/') && chdir(path))
			complain("%s: %s", path, strerror(errno));
	}
}

static int nodes_make(struct ours *ours, int socket, const char **why)
{
	struct device_node *device;
	int ret;

	TAILQ_FOREACH(device, &device_nodes, link) {
		*why = device->path;
		ret = node_make(ours, device, socket);
		if (ret)
			return ret;
	}
	/* Not before: covering a directory binds again what was bound in it. */
	TAILQ_FOREACH(device, &device_nodes, link) {
		*why = device->path;
		ret = place_note(device, device->place);
		if (ret)
			return ret;
	}
	return 0;
}

int mount_nodes(int socket, const char **why)
{
	struct ours ours = { .nr = 0 };
	mode_t mask;
	int ret;

	ret = namespaces_make(why);
	if (ret)
		return ret;
	mask = umask(0);
	ret = nodes_make(&ours, socket, why);
	umask(mask);
	if (!ret)
		directory_update(&ours);
	else
		while (ours.nr)
			umount2(ours.path[--ours.nr], MNT_DETACH);
	return ret;
}
