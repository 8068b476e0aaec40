/* SPDX-License-Identifier: MIT */
/*
 * mount.c - the nodes in a mount namespace of the program's own
 *
 * A directory that lacks one of the nodes is covered (cover.c) by one of ours,
 * which has them too.
 *
 * A character device is another /dev/null: everybody may open it, and stat(2)
 * shows a character device. It is a node of its own where we may make one, so
 * that chmod(2) of it is no affair of the machine's; in a user namespace nobody
 * may, and it is the machine's, bound once more, read-only. Which of those an
 * fd is open on is told by its mount, see node_place.
 */
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
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

/* A mount of its own forbids that its look is changed, not to write. */
static int null_bind(const char *path)
{
	struct statvfs st;
	unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY;

	if (mount("/dev/null", path, NULL, MS_BIND, NULL) || statvfs(path, &st))
		return -errno;
	/* Who may not take these away has to name them. */
	flags |= st.f_flag & (ST_NOSUID | ST_NOEXEC | ST_NOATIME |
			      ST_NODIRATIME);
	if (st.f_flag & ST_RELATIME)
		flags |= MS_RELATIME;
	return mount(NULL, path, NULL, flags, NULL) ? -errno : 0;
}

static bool is_usable(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* @there: so is something to mount on. */
static int null_make(const char *path, bool there)
{
	int ret = 0;

	if (!there && !mknod(path, S_IFCHR | 0666, makedev(1, 3))) {
		if (is_usable(path))
			return 0;
		unlink(path);
	}
	if (!there)
		ret = point_make(path, S_IFCHR);
	return ret ? ret : null_bind(path);
}

static int file_make(const char *path, mode_t mode)
{
	int ret = point_make(path, mode);

	if (!ret && chmod(path, mode & 07777))
		ret = -errno;
	return ret;
}

/* The machine has one: that will do to mount on. */
static bool is_there(const struct device_node *device)
{
	return device->kind == DEVICE_UDMABUF && !access(device->path, F_OK);
}

static int node_make(const struct device_node *device, int socket)
{
	char directory[NODE_PATH_MAX];

	if (S_ISCHR(device->mode))
		return null_make(device->path, is_there(device));
	if (device->kind != DEVICE_BUFINFO)
		return file_make(device->path, device->mode);
	parent_of(directory, device->path);
	return bufinfo_make(directory, socket);
}

static bool is_machines(const struct statx *stx)
{
	struct stat null;

	return !stat("/dev/null", &null) && null.st_ino == stx->stx_ino &&
	       null.st_dev == makedev(stx->stx_dev_major, stx->stx_dev_minor);
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
	if (is_machines(&stx))
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

static int directories_take(struct ours *ours, const char **why)
{
	const struct device_node *device;
	char directory[NODE_PATH_MAX];
	int ret = 0;

	TAILQ_FOREACH(device, &device_nodes, link) {
		*why = device->path;
		parent_of(directory, device->path);
		if (!is_there(device))
			ret = directory_take(ours, directory);
		if (ret)
			break;
	}
	return ret;
}

/* In the end, as what covers a directory has none of its nodes. */
static int nodes_make(int socket, const char **why)
{
	struct device_node *device;
	int ret = 0;

	TAILQ_FOREACH(device, &device_nodes, link) {
		*why = device->path;
		ret = node_make(device, socket);
		if (!ret)
			ret = place_note(device, device->place);
		if (ret)
			break;
	}
	return ret;
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
	ret = directories_take(&ours, why);
	if (!ret)
		ret = nodes_make(socket, why);
	umask(mask);
	if (!ret)
		directory_update(&ours);
	else
		while (ours.nr)
			umount2(ours.path[--ours.nr], MNT_DETACH);
	return ret;
}
