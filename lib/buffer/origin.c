/* SPDX-License-Identifier: MIT */
/*
 * origin.c - what an fd from elsewhere is, and whether it is safe to use
 *
 * A memfd counts as a buffer of the library by its seals and its name: that
 * recognises, it does not authenticate. What keeps us from SIGBUS are the
 * seals: nobody can shrink the file, nor punch holes where a hole cannot be
 * filled (huge pages).
 *
 * A dma-buf of the kernel is told by what /proc says of it. Not by fstatfs(2)
 * nor by an ioctl: these wait for the server of a FUSE file, dead or alive.
 */
#include "buffer/origin.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bsd/string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/util.h"
#include "buffer/handle.h"
#include "memory/pages.h"

#define LINK_OURS "/memfd:dmabuf:"
#define LINK_KERNEL "/dmabuf:"
#define LINK_SUFFIX " (deleted)"

/* The lines before it are numbers; what users can write comes behind it. */
#define FDINFO_LINE "\nexp_name:\t"
#define FDINFO_SIZE 1024

#define SEALS_OURS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define SEALS_WRITE (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

/* Pages that were punched out of a huge file may never come back. */
static bool holes_possible(int fd, int seals)
{
	struct stat st;
	size_t page;

	if (seals & SEALS_WRITE)
		return false;
	return fstat(fd, &st) || file_page_size(fd, &st, &page) ||
	       page > page_size();
}

/* Empty without /proc: nothing is recognised then. */
static void link_read(int fd, char link[PATH_MAX])
{
	char path[FD_PATH_MAX];
	ssize_t len;

	fd_path(path, fd);
	len = readlink(path, link, PATH_MAX - 1);
	link[len < 0 ? 0 : len] = '\0';
}

static bool begins(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

static int fdinfo_read(int fd, char text[FDINFO_SIZE])
{
	char path[FD_PATH_MAX];
	ssize_t len;
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return errno == ENOENT ? -EINVAL : -errno;
	len = read(info, text, FDINFO_SIZE - 1);
	close(info);
	text[len < 0 ? 0 : len] = '\0';
	return 0;
}

/* A file in the root folder may be named like one: only a dma-buf has these. */
static int kernel_check(int fd, struct origin *origin)
{
	char text[FDINFO_SIZE];
	char *name;
	int ret;

	ret = fdinfo_read(fd, text);
	if (ret)
		return ret;
	name = strstr(text, FDINFO_LINE);
	if (!name)
		return -EINVAL;
	name += strlen(FDINFO_LINE);
	name[strcspn(name, "\n")] = '\0';
	origin->kernel = true;
	origin->seals = 0;
	strlcpy(origin->exp_name, name, sizeof(origin->exp_name));
	return 0;
}

/* A memfd's name cannot be had there by another file. */
static int lies_where_memfds_do(int fd)
{
	struct inode_id id, other;
	int memfd;
	int ret;

	memfd = memfd_create("dmabuf", MFD_CLOEXEC);
	if (memfd < 0)
		return -errno;
	ret = inode_id_read(fd, &id);
	if (!ret)
		ret = inode_id_read(memfd, &other);
	if (!ret && id.dev != other.dev)
		ret = -EINVAL;
	close(memfd);
	return ret;
}

/*
 * Every memfd has seals and a place in the file. One that denies both stands in
 * for a dma-buf, under a dmabuf-run that leaves /proc as it is.
 */
static int stand_in_check(int fd, struct origin *origin)
{
	int ret = lies_where_memfds_do(fd);

	if (!ret && lseek(fd, 0, SEEK_CUR) >= 0)
		ret = -EINVAL;
	origin->kernel = !ret;
	origin->seals = 0;
	return ret;
}

static int ours_check(int fd, const struct origin *origin)
{
	if ((SEALS_OURS & ~origin->seals) ||
	    holes_possible(fd, origin->seals))
		return -EINVAL;
	return 0;
}

static void name_of_link(char *link, struct origin *origin)
{
	char *end = strstr(link, LINK_SUFFIX);

	if (end)
		*end = '\0';
	strlcpy(origin->exp_name, link + strlen(LINK_OURS),
		sizeof(origin->exp_name));
}

int origin_of_buffer(int fd, struct origin *origin)
{
	char link[PATH_MAX];

	origin->kernel = false;
	origin->seals = fcntl(fd, F_GET_SEALS);
	if (origin->seals < 0 && errno == EBADF)
		return -EBADF;
	link_read(fd, link);
	if (begins(link, LINK_KERNEL))
		return kernel_check(fd, origin);
	if (!begins(link, LINK_OURS))
		return -EINVAL;
	name_of_link(link, origin);
	return origin->seals < 0 ? stand_in_check(fd, origin) :
				   ours_check(fd, origin);
}

int origin_of_memfd(int fd, struct origin *origin)
{
	struct stat st;

	origin->kernel = false;
	origin->seals = fcntl(fd, F_GET_SEALS);
	if (origin->seals < 0)
		return errno == EBADF ? -EBADF : -EINVAL;
	if (!(origin->seals & F_SEAL_SHRINK) ||
	    holes_possible(fd, origin->seals))
		return -EPERM;
	if (fstat(fd, &st))
		return -errno;
	strlcpy(origin->exp_name, "memfd", sizeof(origin->exp_name));
	return st.st_size > 0 ? 0 : -EINVAL;
}
