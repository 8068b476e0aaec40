/* SPDX-License-Identifier: MIT */
/*
 * paths-directory.c - directories above the nodes, in trap mode
 *
 * They are below one temporary directory, with a file for each node, so that
 * the kernel can list them. Who opens such a file by its path there gets the
 * node, as its path is translated. While the supervisor lives it has the
 * temporary directory locked; what one that was killed has left, the next one
 * removes.
 */
#include "paths-directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <bsd/string.h>

#include "run.h"

#define PREFIX "dmabuf-run."

/* Constant after directories_init(). */
static TAILQ_HEAD(, directory) directories =
	TAILQ_HEAD_INITIALIZER(directories);

/*
 * The temporary directory, made with the first directory_open() by the thread
 * that answers calls; its name without links.
 */
static char root[PATH_MAX];
static int root_fd = -1;	/* has the lock */

/* What the program is to see */

static void directory_add(const char *path, bool merged)
{
	struct directory *directory;

	if (directory_of_path(path))
		return;
	directory = calloc(1, sizeof(*directory));
	if (!directory)
		return;
	strlcpy(directory->path, path, sizeof(directory->path));
	directory->merged = merged;
	TAILQ_INSERT_TAIL(&directories, directory, link);
}

/*
 * All above the node that the machine does not have, or does not show; heaps of
 * the machine are hidden, unless they are asked for.
 */
void directories_init(void)
{
	struct device_node *device;
	char path[NODE_PATH_MAX];
	char *slash;

	TAILQ_FOREACH(device, &device_nodes, link) {
		strlcpy(path, device->path, sizeof(path));
		while ((slash = strrchr(path, '/')) && slash > path) {
			bool there;

			*slash = '\0';
			there = !access(path, F_OK);
			if (there && strcmp(path, HEAP_DIRECTORY))
				break;
			directory_add(path, there && options.prefer_real);
		}
	}
}

struct directory *directory_of_path(const char *path)
{
	struct directory *directory;

	TAILQ_FOREACH(directory, &directories, link)
		if (!strcmp(directory->path, path))
			return directory;
	return NULL;
}

bool directory_has_name(const char *name)
{
	struct directory *directory;

	TAILQ_FOREACH(directory, &directories, link)
		if (!strcmp(strrchr(directory->path, '/') + 1, name))
			return true;
	return false;
}

struct directory *directory_above(const char *path)
{
	struct directory *directory;

	TAILQ_FOREACH(directory, &directories, link) {
		size_t length = strlen(directory->path);

		if (!strncmp(directory->path, path, length) &&
		    path[length] == '/')
			break;
	}
	return directory;
}

/* The temporary directory */

static int removed(const char *path, const struct stat *st, int type,
		   struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	/* What cannot be removed stays; the rest need not. */
	remove(path);
	return 0;
}

static void tree_remove(const char *path)
{
	nftw(path, removed, 8, FTW_DEPTH | FTW_PHYS);
}

/* Nobody has it locked, and it is not one that is being made right now. */
static bool is_left(const char *path)
{
	struct stat st;
	bool left;
	int fd;

	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	left = !fstat(fd, &st) && st.st_uid == geteuid() &&
	       st.st_mtime < time(NULL) - 60 && !flock(fd, LOCK_EX | LOCK_NB);
	close(fd);
	return left;
}

static void left_remove(const char *tmp)
{
	struct dirent *entry;
	char path[PATH_MAX];
	DIR *dir;

	dir = opendir(tmp);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)))
			continue;
		snprintf(path, sizeof(path), "%s/%s", tmp, entry->d_name);
		if (is_left(path))
			tree_remove(path);
	}
	closedir(dir);
}

/* Whatever the file creation mask takes away. */
static int directory_make(const char *path)
{
	if (!mkdir(path, 0755))
		return chmod(path, 0755) ? -errno : 0;
	return errno == EEXIST ? 0 : -errno;
}

/* @path is below the temporary directory. */
static int directories_make(char *path)
{
	char *slash = path + strlen(root);
	int ret = 0;

	while (!ret && (slash = strchr(slash + 1, '/'))) {
		*slash = '\0';
		ret = directory_make(path);
		*slash = '/';
	}
	return ret ? ret : directory_make(path);
}

/* Of the type that readdir(3) should tell; everybody may make this device. */
static int entry_make(const char *directory, const char *name, mode_t mode)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s%s/%s", root, directory,
			     name) >= sizeof(path))
		return -ENAMETOOLONG;
	if (!mknod(path, (mode & S_IFMT) | 0600, 0) || errno == EEXIST)
		return 0;
	/* Not on every file system. */
	return mknod(path, S_IFREG | 0600, 0) ? -errno : 0;
}

static int real_entries_make(const char *directory)
{
	struct dirent *entry;
	int ret = 0;
	DIR *dir;

	dir = opendir(directory);
	if (!dir)
		return 0;
	while (!ret && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			ret = entry_make(directory, entry->d_name, S_IFCHR);
	closedir(dir);
	return ret;
}

static int entries_make(void)
{
	struct device_node *device;
	struct directory *directory;
	char path[PATH_MAX];
	int ret = 0;

	TAILQ_FOREACH(directory, &directories, link) {
		if ((size_t)snprintf(path, sizeof(path), "%s%s", root,
				     directory->path) >= sizeof(path))
			return -ENAMETOOLONG;
		ret = directories_make(path);
		if (!ret && directory->merged)
			ret = real_entries_make(directory->path);
		if (ret)
			return ret;
	}
	TAILQ_FOREACH(device, &device_nodes, link) {
		char parent[NODE_PATH_MAX];
		char *name;

		strlcpy(parent, device->path, sizeof(parent));
		name = strrchr(parent, '/');
		*name++ = '\0';
		if (directory_of_path(parent))
			ret = entry_make(parent, name, device->mode);
		if (ret)
			return ret;
	}
	return 0;
}

static void root_forget(void)
{
	root[0] = '\0';
	if (root_fd >= 0)
		close(root_fd);
	root_fd = -1;
}

static int root_make(void)
{
	const char *tmp = getenv("TMPDIR");
	char path[PATH_MAX];
	int ret = 0;

	if (!tmp || tmp[0] != '/')
		tmp = "/tmp";
	left_remove(tmp);
	snprintf(path, sizeof(path), "%s/" PREFIX "XXXXXX", tmp);
	if (!mkdtemp(path))
		return -errno;
	root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0 || flock(root_fd, LOCK_SH) || !realpath(path, root))
		ret = -errno;
	if (!ret)
		ret = entries_make();
	if (ret) {
		tree_remove(path);
		root_forget();
	}
	return ret;
}

int directory_open(struct directory *directory)
{
	char path[PATH_MAX];
	int fd, ret = 0;

	if (!root[0])
		ret = root_make();
	if (ret)
		return ret;
	if ((size_t)snprintf(path, sizeof(path), "%s%s", root,
			     directory->path) >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void directory_translate(char path[PATH_MAX])
{
	size_t length = strlen(root);

	if (length && !strncmp(path, root, length) && path[length] == '/')
		memmove(path, path + length, strlen(path + length) + 1);
}

void directories_fini(void)
{
	struct directory *directory;

	if (root[0])
		tree_remove(root);
	root_forget();
	while ((directory = TAILQ_FIRST(&directories))) {
		TAILQ_REMOVE(&directories, directory, link);
		free(directory);
	}
}
