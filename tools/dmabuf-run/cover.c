/* SPDX-License-Identifier: MIT */
/*
 * cover.c - a directory that nodes can be put into, in the place of another
 *
 * It is covered by a tmpfs, which gets all that was there: each entry bound in
 * place, links copied. What was a mount, a device or a directory before still
 * is that very one.
 */
#include "cover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nodes.h"

/* C libraries are slow to have them. */
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#define MOVE_MOUNT_F_EMPTY_PATH 4
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

/* In /dev: all that was there, see ptmx_keep() */
#define HIDDEN ".dev"

/* What was there */
struct covered {
	int dir;		/* -1: not readable */
	int tree;		/* a copy of its mounts, for ptmx_keep(); -1 */
};

int point_make(const char *path, mode_t mode)
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
	int fd, ret = 0;
	DIR *dir;

	fd = openat(covered->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		ret = -errno;
		close(fd);
		return ret;
	}
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

int cover(const char *directory, bool keep)
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
	if (ret)
		goto out;
	if (keep && covered.dir >= 0)
		ret = entries_keep(&covered, directory);
	if (!ret)
		ret = look_keep(directory, &st, writable);
	if (ret)
		umount2(directory, MNT_DETACH);
out:
	covered_close(&covered);
	return ret;
}
