/* SPDX-License-Identifier: MIT */
/*
 * mount.c - the nodes in a mount namespace of the program's own
 *
 * A directory that lacks one of the nodes is covered by a tmpfs, which gets all
 * that was there (each entry bound in place, links copied) and the nodes. What
 * was a mount, a device or a directory before still is that very one.
 *
 * A character device is /dev/null, bound once more: everybody may open it, and
 * stat(2) shows a character device. Which of them an fd is open on is told by
 * its mount, see node_place.
 */
#include "devices.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <bsd/string.h>

/* C libraries are slow to have them. */
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#define MOVE_MOUNT_F_EMPTY_PATH 4
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

#define OURS_MAX 16

/* In /dev: all that was there, see ptmx_keep() */
#define HIDDEN ".dev"

/* Directories that we made: tmpfses, and what is in them. */
struct ours {
	char path[OURS_MAX][NODE_PATH_MAX];
	unsigned int nr;
};

/* A directory that one of them was put over */
struct covered {
	int dir;		/* -1: not readable */
	int tree;		/* a copy of its mounts, for ptmx_keep(); -1 */
};

static bool is_ours(const struct ours *ours, const char *path)
{
	unsigned int i;

	for (i = 0; i < ours->nr; i++)
		if (!strcmp(ours->path[i], path))
			return true;
	return false;
}

/*
 * A thing to mount on. It is of the type of what comes there, since that is
 * what readdir(3) tells of it; of devices only this one may be made by
 * everybody.
 */
static int point_make(const char *path, mode_t mode)
{
	int fd;

	if (S_ISDIR(mode))
		return mkdir(path, 0755) ? -errno : 0;
	if (S_ISCHR(mode) || S_ISFIFO(mode) || S_ISSOCK(mode))
		return mknod(path, (mode & S_IFMT) | 0600, 0) ? -errno : 0;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int link_copy(int dir, const char *name, const char *path)
{
	char text[PATH_MAX];
	ssize_t size;

	size = readlinkat(dir, name, text, sizeof(text) - 1);
	if (size < 0)
		return -errno;
	text[size] = '\0';
	return symlink(text, path) ? -errno : 0;
}

/* A copy of what is mounted at @name in @dir, and below; or -errno. */
static int tree_open(int dir, const char *name)
{
	int tree = (int)syscall(SYS_open_tree, dir, name,
				OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
				AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);

	return tree < 0 ? -errno : tree;
}

static int tree_mount(int tree, const char *path)
{
	return syscall(SYS_move_mount, tree, "", AT_FDCWD, path,
		       MOVE_MOUNT_F_EMPTY_PATH) ? -errno : 0;
}

/*
 * The node ptmx looks for a directory pts beside it, which it does not find
 * when it is mounted by itself. Who may makes it anew. For others all that was
 * there is mounted in a directory more, and a link leads there.
 */
static int ptmx_keep(const struct covered *covered, const struct stat *st)
{
	if (!mknod("/dev/ptmx", st->st_mode, st->st_rdev))
		return chown("/dev/ptmx", st->st_uid, st->st_gid) ||
		       chmod("/dev/ptmx", st->st_mode & 07777) ? -errno : 0;
	if (mkdir("/dev/" HIDDEN, 0755) || symlink(HIDDEN "/ptmx", "/dev/ptmx"))
		return -errno;
	return tree_mount(covered->tree, "/dev/" HIDDEN);
}

/* Bring an entry of the directory to @path. */
static int entry_keep(const struct covered *covered, const char *name,
		      const char *path)
{
	struct stat st;
	int tree, ret;

	if (fstatat(covered->dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (S_ISLNK(st.st_mode))
		return link_copy(covered->dir, name, path);
	if (S_ISCHR(st.st_mode) && !strcmp(path, "/dev/ptmx"))
		return ptmx_keep(covered, &st);
	tree = tree_open(covered->dir, name);
	/* Gone meanwhile: ttys of other people come and go. */
	if (tree < 0)
		return tree == -ENOENT ? 0 : tree;
	ret = point_make(path, st.st_mode);
	if (!ret)
		ret = tree_mount(tree, path);
	close(tree);
	return ret;
}

/* All but our nodes. */
static int entries_keep(const struct covered *covered, const char *directory)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int ret = 0;
	DIR *dir;

	dir = fdopendir(openat(covered->dir, ".",
			       O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (!dir)
		return -errno;
	while (!ret && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (!device_of_path(path))
			ret = entry_keep(covered, entry->d_name, path);
	}
	closedir(dir);
	return ret;
}

static unsigned long flags_of(const char *path)
{
	unsigned long flags = MS_NOSUID;
	struct statvfs st;

	if (!statvfs(path, &st) && (st.f_flag & ST_NOEXEC))
		flags |= MS_NOEXEC;
	return flags;
}

/* Who owns the directory and what they may do with it, as far as we can. */
static int look_keep(const char *directory, const struct stat *st,
		     bool writable)
{
	mode_t mode = st->st_mode & 07777;

	/* In a user namespace an owner may be nobody that there is. */
	if (!geteuid() && !chown(directory, st->st_uid, st->st_gid))
		return chmod(directory, mode) ? -errno : 0;
	/*
	 * The new one is ours: what we could not do in the old one, not here.
	 */
	if (!writable)
		mode &= ~0222;
	return chmod(directory, mode | 0555) ? -errno : 0;
}

static int ours_add(struct ours *ours, const char *directory)
{
	if (ours->nr == OURS_MAX)
		return -ENOSPC;
	strlcpy(ours->path[ours->nr++], directory, sizeof(ours->path[0]));
	return 0;
}

/* Before it is covered: later on the way there leads to what covers it. */
static int covered_open(struct covered *covered, const char *directory)
{
	covered->tree = -1;
	covered->dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Not readable by us: nothing in there that we could miss. */
	if (covered->dir < 0)
		return errno == EACCES ? 0 : -errno;
	if (strcmp(directory, "/dev"))
		return 0;
	covered->tree = tree_open(covered->dir, ".");
	return covered->tree < 0 ? covered->tree : 0;
}

static void covered_close(struct covered *covered)
{
	if (covered->tree >= 0)
		close(covered->tree);
	if (covered->dir >= 0)
		close(covered->dir);
}

/* Put a tmpfs over @directory; with @keep, one that shows what was there. */
static int cover(struct ours *ours, const char *directory, bool keep)
{
	bool writable = !access(directory, W_OK);
	struct covered covered;
	struct stat st;
	int ret;

	if (stat(directory, &st))
		return -errno;
	ret = covered_open(&covered, directory);
	if (!ret && mount("tmpfs", directory, "tmpfs", flags_of(directory),
			  "mode=755"))
		ret = -errno;
	if (!ret)
		ret = ours_add(ours, directory);
	if (!ret && keep && covered.dir >= 0)
		ret = entries_keep(&covered, directory);
	if (!ret)
		ret = look_keep(directory, &st, writable);
	covered_close(&covered);
	return ret;
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
	if (!access(directory, F_OK))
		return cover(ours, directory, options.prefer_real ||
			     strcmp(directory, HEAP_DIRECTORY));
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

static int fds_send(int socket, int dir, int file)
{
	union {
		char space[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { "", 1 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int fds[2] = { dir, file };

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(header), fds, sizeof(fds));
	return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The supervisor gets what it needs to write the file. */
static int bufinfo_make(const char *directory, int socket)
{
	int dir, file, ret;

	dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	file = bufinfo_create(dir);
	if (file >= 0) {
		ret = fds_send(socket, dir, file);
		close(file);
	} else {
		ret = file;
	}
	close(dir);
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
		ret = place_note(device, node_of(device)->place);
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
