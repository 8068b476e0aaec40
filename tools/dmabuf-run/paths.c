/* SPDX-License-Identifier: MIT */
/*
 * paths.c - calls with paths, in trap mode
 *
 * What is not about a node, a directory of nodes or an fd of ours goes on to
 * the kernel, and so does what would fail in the same way there.
 */
#include "handlers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "answer.h"
#include "decode.h"
#include "filter.h"
#include "paths-directory.h"
#include "paths-proc.h"
#include "paths-resolve.h"
#include "poll-proxy.h"
#include "target.h"
#include "text.h"
#include "thread.h"
#include "timeline.h"

struct path_call {
	int nr;
	const char *name;
	int dirfd;		/* which argument; -1: from where it is */
	int path;		/* likewise */
	/* False: the kernel's business. */
	bool (*answer)(struct call *call, const struct path *path);
};

/* open(2) */

static int device_open(pid_t tid, struct device_node *device, int flags)
{
	char path[32], name[32];
	FILE *text;
	int fd;

	/*
	 * O_PATH: an fd of that sort cannot be given; one that reads is near.
	 */
	if (device->kind == DEVICE_SW_SYNC && !(flags & O_PATH)) {
		thread_name(tid, name, sizeof(name));
		return timeline_open(name);
	}
	if (device->kind == DEVICE_BUFINFO && !(flags & O_PATH)) {
		text = text_begin();
		/* Not those that have just been closed. */
		polls_dispatch();
		if (text)
			dmabuf_bufinfo(text);
		return text_end(text);
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", device->fd);
	if (flags & O_PATH)
		flags = O_RDONLY;
	fd = open(path, (flags & (O_ACCMODE | O_NONBLOCK | O_APPEND)) |
		  O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void node_open(struct call *call, const struct path *path, int flags)
{
	int cloexec = flags & O_CLOEXEC;
	int fd;

	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		fd = -EEXIST;
	else if (path->slash || flags & O_DIRECTORY)
		fd = flags & O_CREAT && path->slash ? -EISDIR : -ENOTDIR;
	else if (!(flags & O_PATH) && (flags & O_ACCMODE) != O_RDONLY &&
		 !(path->device->mode & 0222))
		fd = -EACCES;
	else
		fd = device_open(call->tid, path->device, flags);
	if (path->device->kind == DEVICE_BUFINFO)
		call_return_low_fd(call, fd, cloexec);
	else
		call_return_fd(call, fd, cloexec);
}

static void directory_opened(struct call *call, const struct path *path,
			     int flags)
{
	int fd;

	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		fd = -EEXIST;
	else if (!(flags & O_PATH) &&
		 ((flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT))
		fd = -EISDIR;
	else
		fd = directory_open(path->directory);
	call_return_low_fd(call, fd, flags & O_CLOEXEC);
}

static bool path_open(struct call *call, const struct path *path, int flags)
{
	switch (path->kind) {
	case PATH_NODE:
		node_open(call, path, flags);
		return true;
	case PATH_BELOW_NODE:
		call_return(call, -ENOTDIR);
		return true;
	case PATH_DIRECTORY:
		directory_opened(call, path, flags);
		return true;
	case PATH_MISSING:
		call_return(call, -ENOENT);
		return true;
	case PATH_OUTSIDE:
		return false;
	case PATH_FD:
	case PATH_FDINFO:
		break;
	}
	return path_fd_open(call, path, flags);
}

static bool answer_open(struct call *call, const struct path *path)
{
	return path_open(call, path, (int)call->args[1]);
}

static bool answer_creat(struct call *call, const struct path *path)
{
	return path_open(call, path, O_CREAT | O_WRONLY | O_TRUNC);
}

static bool answer_openat(struct call *call, const struct path *path)
{
	return path_open(call, path, (int)call->args[2]);
}

/* What it says against links and mount points is nothing to nodes. */
static bool answer_openat2(struct call *call, const struct path *path)
{
	struct open_how how;

	if (call->args[3] < sizeof(how) ||
	    target_read(call->tid, &how, call->args[2], sizeof(how)) ||
	    how.flags > INT_MAX ||
	    how.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT))
		return false;
	return path_open(call, path, (int)how.flags);
}

/* stat(2), statx(2) */

/* As the fd would show it that open(2) gives; 0 or -errno */
static int node_stat(struct device_node *device, unsigned int mask,
		     struct statx *stx)
{
	if (statx(device->fd, "", AT_EMPTY_PATH, mask, stx))
		return -errno;
	stx->stx_mode = (uint16_t)((device->mode & S_IFMT) |
				   (stx->stx_mode & ~S_IFMT));
	stx->stx_rdev_major = device->major;
	stx->stx_rdev_minor = device->minor;
	stx->stx_size = 0;
	stx->stx_blocks = 0;
	stx->stx_nlink = 1;
	return 0;
}

static int directory_stat(struct directory *directory, unsigned int mask,
			  struct statx *stx)
{
	int fd = directory_open(directory);
	int ret;

	if (fd < 0)
		return fd;
	ret = statx(fd, "", AT_EMPTY_PATH, mask, stx) ? -errno : 0;
	close(fd);
	return ret;
}

/* What every call says to a path that leads to nothing; 0: it does. */
static int nowhere(const struct path *path)
{
	if (path->kind == PATH_MISSING)
		return -ENOENT;
	return path->kind == PATH_BELOW_NODE ||
	       (path->kind == PATH_NODE && path->slash) ? -ENOTDIR : 0;
}

/* False: the kernel's business; true with *ret: 0 or -errno. */
static bool path_stat(const struct path *path, unsigned int mask,
		      struct statx *stx, int *ret)
{
	switch (path->kind) {
	case PATH_NODE:
	case PATH_BELOW_NODE:
	case PATH_MISSING:
		*ret = nowhere(path);
		if (!*ret)
			*ret = node_stat(path->device, mask, stx);
		return true;
	case PATH_DIRECTORY:
		*ret = directory_stat(path->directory, mask, stx);
		return true;
	case PATH_OUTSIDE:
		*ret = statx(AT_FDCWD, path->text, 0, mask, stx) ? -errno : 0;
		return true;
	case PATH_FD:
	case PATH_FDINFO:
		break;
	}
	return false;
}

static bool stat_answer(struct call *call, const struct path *path, uint64_t to)
{
	struct stat st;
	struct statx stx;
	int ret;

	if (!path_stat(path, STATX_BASIC_STATS, &stx, &ret))
		return false;
	if (ret) {
		call_return(call, ret);
		return true;
	}
	stat_of_statx(&stx, &st);
	call_return(call, call_write(call, to, &st, sizeof(st)));
	return true;
}

static bool answer_stat(struct call *call, const struct path *path)
{
	return stat_answer(call, path, call->args[1]);
}

static bool answer_newfstatat(struct call *call, const struct path *path)
{
	return stat_answer(call, path, call->args[2]);
}

static bool answer_statx(struct call *call, const struct path *path)
{
	struct statx stx;
	int ret;

	if (!path_stat(path, (unsigned int)call->args[3], &stx, &ret))
		return false;
	if (ret)
		call_return(call, ret);
	else
		call_return(call, call_write(call, call->args[4], &stx,
					     sizeof(stx)));
	return true;
}

static bool is_node_or_near(const struct path *path)
{
	return path->kind == PATH_NODE || path->kind == PATH_BELOW_NODE ||
	       path->kind == PATH_DIRECTORY || path->kind == PATH_MISSING;
}

/* chmod(2), chown(2) */

#define MODE_KEPT ((mode_t)-1)
#define UID_KEPT ((uid_t)-1)
#define GID_KEPT ((gid_t)-1)

struct change {
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

/* An fd of what stat(2) is answered from, to be closed; or -errno */
static int shown_open(const struct path *path)
{
	int fd = nowhere(path);

	if (fd)
		return fd;
	if (path->kind == PATH_DIRECTORY)
		return directory_open(path->directory);
	fd = fcntl(path->device->fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

/* What the kernel asks of the thread, for whom we do it */
static bool may_change(pid_t tid, int fd, const struct change *change)
{
	struct thread_status status;
	struct stat st;

	if (thread_status_read(tid, &status) || fstat(fd, &st))
		return false;
	return !status.fs_uid ||
	       (status.fs_uid == st.st_uid &&
		(change->uid == UID_KEPT || change->uid == st.st_uid) &&
		(change->gid == GID_KEPT || change->gid == st.st_gid ||
		 change->gid == status.fs_gid));
}

static int change_fd(pid_t tid, int fd, const struct change *change)
{
	if (!may_change(tid, fd, change))
		return -EPERM;
	if (change->mode != MODE_KEPT)
		return fchmod(fd, change->mode) ? -errno : 0;
	return fchown(fd, change->uid, change->gid) ? -errno : 0;
}

static bool change_answer(struct call *call, const struct path *path,
			  const struct change *change)
{
	int fd;

	if (!is_node_or_near(path))
		return false;
	fd = shown_open(path);
	call_return(call, fd < 0 ? fd : change_fd(call->tid, fd, change));
	if (fd >= 0)
		close(fd);
	return true;
}

/* What stands for it is ours, who may not be so mighty as to do without. */
static mode_t mode_needed(const struct path *path)
{
	return path->kind == PATH_DIRECTORY ? S_IRWXU : S_IRUSR | S_IWUSR;
}

static bool chmod_answer(struct call *call, const struct path *path,
			 uint64_t mode)
{
	struct change change = {
		(mode & 07777) | mode_needed(path), UID_KEPT, GID_KEPT,
	};

	return change_answer(call, path, &change);
}

static bool answer_chmod(struct call *call, const struct path *path)
{
	return chmod_answer(call, path, call->args[1]);
}

static bool answer_fchmodat(struct call *call, const struct path *path)
{
	return chmod_answer(call, path, call->args[2]);
}

/* Of a node, which is no link, the flags ask nothing; others are errors. */
static bool are_at_flags(uint64_t flags)
{
	return !((unsigned int)flags &
		 ~(unsigned int)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH));
}

static bool answer_fchmodat2(struct call *call, const struct path *path)
{
	return are_at_flags(call->args[3]) &&
	       chmod_answer(call, path, call->args[2]);
}

static bool chown_answer(struct call *call, const struct path *path,
			 uint64_t uid, uint64_t gid)
{
	struct change change = { MODE_KEPT, (uid_t)uid, (gid_t)gid };

	return change_answer(call, path, &change);
}

static bool answer_chown(struct call *call, const struct path *path)
{
	return chown_answer(call, path, call->args[1], call->args[2]);
}

static bool answer_fchownat(struct call *call, const struct path *path)
{
	return are_at_flags(call->args[4]) &&
	       chown_answer(call, path, call->args[2], call->args[3]);
}

/* The rest */

/* Everybody may use the devices. */
static unsigned int refused(const struct path *path)
{
	if (path->kind == PATH_DIRECTORY)
		return W_OK;
	return path->device->mode & 0222 ? X_OK : X_OK | W_OK;
}

static bool access_answer(struct call *call, const struct path *path,
			  unsigned int mode)
{
	if (!is_node_or_near(path))
		return false;
	if (mode & ~(unsigned int)(R_OK | W_OK | X_OK))
		call_return(call, -EINVAL);
	else if (nowhere(path))
		call_return(call, nowhere(path));
	else if (mode & refused(path))
		call_return(call, -EACCES);
	else
		call_return(call, 0);
	return true;
}

static bool answer_access(struct call *call, const struct path *path)
{
	return access_answer(call, path, (unsigned int)call->args[1]);
}

static bool answer_faccessat(struct call *call, const struct path *path)
{
	return access_answer(call, path, (unsigned int)call->args[2]);
}

static bool readlink_answer(struct call *call, const struct path *path,
			    uint64_t to, int size)
{
	if (size <= 0)
		return false;
	if (!is_node_or_near(path))
		return path_fd_readlink(call, path, to, (size_t)size);
	call_return(call, nowhere(path) ? nowhere(path) : -EINVAL);
	return true;
}

static bool answer_readlink(struct call *call, const struct path *path)
{
	return readlink_answer(call, path, call->args[1], (int)call->args[2]);
}

static bool answer_readlinkat(struct call *call, const struct path *path)
{
	return readlink_answer(call, path, call->args[2], (int)call->args[3]);
}

/* Of the file system that would have them */
static bool answer_statfs(struct call *call, const struct path *path)
{
	struct statfs fs;
	const char *name;

	if (!is_node_or_near(path))
		return false;
	name = path->text;
	if (nowhere(path))
		call_return(call, nowhere(path));
	else if (statfs(!strncmp(name, "/dev/", 5) ? "/dev" : "/sys", &fs))
		call_return(call, -errno);
	else
		call_return(call, call_write(call, call->args[1], &fs,
					     sizeof(fs)));
	return true;
}

/* They have none; ls(1) asks for "..", too. */
static bool xattr_answer(struct call *call, const struct path *path, int none)
{
	if (!is_node_or_near(path) && path->kind != PATH_OUTSIDE)
		return false;
	call_return(call, nowhere(path) ? nowhere(path) : none);
	return true;
}

static bool answer_getxattr(struct call *call, const struct path *path)
{
	return xattr_answer(call, path, -ENODATA);
}

static bool answer_listxattr(struct call *call, const struct path *path)
{
	return xattr_answer(call, path, 0);
}

/* What this machine does not have has a number there that no call has. */
static const struct path_call path_calls[] = {
	{ SCMP_SYS(open), "open", -1, 0, answer_open },
	{ SCMP_SYS(creat), "creat", -1, 0, answer_creat },
	{ SCMP_SYS(stat), "stat", -1, 0, answer_stat },
	{ SCMP_SYS(lstat), "lstat", -1, 0, answer_stat },
	{ SCMP_SYS(access), "access", -1, 0, answer_access },
	{ SCMP_SYS(readlink), "readlink", -1, 0, answer_readlink },
	{ SYS_openat, "openat", 0, 1, answer_openat },
	{ SYS_openat2, "openat2", 0, 1, answer_openat2 },
	{ SYS_newfstatat, "newfstatat", 0, 1, answer_newfstatat },
	{ SYS_statx, "statx", 0, 1, answer_statx },
	{ SYS_faccessat, "faccessat", 0, 1, answer_faccessat },
	{ SYS_faccessat2, "faccessat2", 0, 1, answer_faccessat },
	{ SYS_readlinkat, "readlinkat", 0, 1, answer_readlinkat },
	{ SYS_statfs, "statfs", -1, 0, answer_statfs },
	{ SYS_getxattr, "getxattr", -1, 0, answer_getxattr },
	{ SYS_lgetxattr, "lgetxattr", -1, 0, answer_getxattr },
	{ SCMP_SYS(chmod), "chmod", -1, 0, answer_chmod },
	{ SYS_fchmodat, "fchmodat", 0, 1, answer_fchmodat },
	{ SYS_fchmodat2, "fchmodat2", 0, 1, answer_fchmodat2 },
	{ SCMP_SYS(chown), "chown", -1, 0, answer_chown },
	{ SCMP_SYS(lchown), "lchown", -1, 0, answer_chown },
	{ SYS_fchownat, "fchownat", 0, 1, answer_fchownat },
	{ SYS_listxattr, "listxattr", -1, 0, answer_listxattr },
	{ SYS_llistxattr, "llistxattr", -1, 0, answer_listxattr },
};

static const struct path_call *path_call_of(int nr)
{
	size_t i;

	for (i = 0; i < sizeof(path_calls) / sizeof(path_calls[0]); i++)
		if (path_calls[i].nr == nr)
			return &path_calls[i];
	return NULL;
}

bool paths_handle(struct call *call)
{
	const struct path_call *path_call = path_call_of(call->nr);
	struct path path;
	int dirfd;

	if (!path_call)
		return false;
	dirfd = path_call->dirfd < 0 ? AT_FDCWD :
				       (int)call->args[path_call->dirfd];
	if (!path_resolve(call->tid, dirfd, call->args[path_call->path], &path))
		return false;
	decode_path(call, path_call->name, path.given);
	return path_call->answer(call, &path);
}
