/* SPDX-License-Identifier: MIT */
/*
 * target.c - the program's memory and fds, to look at and to write to
 *
 * Memory is reached by process_vm_readv(2), which respects how it is protected.
 * fds are looked at through /proc/TID/fd, since pidfd_getfd(2) is not allowed
 * everywhere.
 */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "run.h"
#include "thread.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

/* Once is enough: there may be many calls. */
static void target_unreadable(pid_t tid)
{
	static bool said;	/* atomic */
	struct thread_status status;
	const char *why = "not dumpable?";

	if (__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
		return;
	if (!thread_status_read(tid, &status) && status.uid != geteuid())
		why = "it is another user's, and CAP_SYS_PTRACE is missing; "
		      "--devices=mount may do without";
	complain("process %d cannot be looked into (%s): it has no devices",
		 tid, why);
}

/* Memory */

typedef ssize_t (*copy_fn)(pid_t, const struct iovec *, unsigned long,
			   const struct iovec *, unsigned long, unsigned long);

static int copy(copy_fn fn, pid_t tid, void *here, uint64_t there, size_t size)
{
	struct iovec local = { here, size };
	struct iovec remote = { (void *)(uintptr_t)there, size };
	ssize_t done = fn(tid, &local, 1, &remote, 1, 0);

	if (done < 0 && errno == EPERM)
		target_unreadable(tid);
	return done == (ssize_t)size ? 0 : -EFAULT;
}

int target_read(pid_t tid, void *to, uint64_t from, size_t size)
{
	return copy(process_vm_readv, tid, to, from, size);
}

int target_write(pid_t tid, uint64_t to, const void *from, size_t size)
{
	return copy(process_vm_writev, tid, (void *)(uintptr_t)from, to, size);
}

/* Up to the end of a page at a time: the next one may not be there. */
int target_read_string(pid_t tid, char *to, uint64_t from, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t done = 0;

	while (done < size) {
		size_t part = page - (from + done) % page;

		if (part > size - done)
			part = size - done;
		if (target_read(tid, to + done, from + done, part))
			return -EFAULT;
		if (memchr(to + done, '\0', part))
			return 0;
		done += part;
	}
	return -ENAMETOOLONG;
}

/* fds */

void target_fd_path(char path[TARGET_PATH_MAX], pid_t tid, int fd)
{
	snprintf(path, TARGET_PATH_MAX, "/proc/%d/fd/%d", tid, fd);
}

void stat_of_statx(const struct statx *stx, struct stat *st)
{
	*st = (struct stat){
		.st_dev = makedev(stx->stx_dev_major, stx->stx_dev_minor),
		.st_ino = stx->stx_ino,
		.st_nlink = stx->stx_nlink,
		.st_mode = stx->stx_mode,
		.st_uid = stx->stx_uid,
		.st_gid = stx->stx_gid,
		.st_rdev = makedev(stx->stx_rdev_major, stx->stx_rdev_minor),
		.st_size = (off_t)stx->stx_size,
		.st_blksize = (blksize_t)stx->stx_blksize,
		.st_blocks = (blkcnt_t)stx->stx_blocks,
		.st_atim = { stx->stx_atime.tv_sec, stx->stx_atime.tv_nsec },
		.st_mtim = { stx->stx_mtime.tv_sec, stx->stx_mtime.tv_nsec },
		.st_ctim = { stx->stx_ctime.tv_sec, stx->stx_ctime.tv_nsec },
	};
}

/*
 * Without asking a file system's server, which may be one of the program's own
 * processes, and wait for us.
 */
int target_fd_stat(pid_t tid, int fd, struct stat *st)
{
	char path[TARGET_PATH_MAX];
	struct statx stx;

	if (fd < 0)
		return -EBADF;
	target_fd_path(path, tid, fd);
	if (!statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_BASIC_STATS,
		   &stx)) {
		stat_of_statx(&stx, st);
		return 0;
	}
	if (errno == EACCES || errno == EPERM)
		target_unreadable(tid);
	return errno == ENOENT ? -EBADF : -errno;
}

FILE *target_fdinfo(pid_t tid, int fd)
{
	char path[TARGET_PATH_MAX];

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", tid, fd);
	return fopen(path, "re");
}

int target_fd_flags(pid_t tid, int fd)
{
	FILE *file = target_fdinfo(tid, fd);
	unsigned int flags;
	char line[256];
	int ret = -EIO;

	if (!file)
		return errno == ENOENT ? -EBADF : -errno;
	while (ret < 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, "flags: %o", &flags) == 1)
			ret = (int)flags;
	fclose(file);
	return ret;
}

int target_fd_get(pid_t tid, int fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD);
	int ret;

	if (pidfd < 0 && errno == EINVAL)
		pidfd = (int)syscall(SYS_pidfd_open, thread_process(tid), 0);
	if (pidfd < 0)
		return -errno;
	ret = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (ret < 0)
		ret = -errno;
	close(pidfd);
	return ret;
}

off_t target_nr_fds(pid_t tid)
{
	char path[TARGET_PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/fd", tid);
	return stat(path, &st) ? -errno : st.st_size;
}

/* Without CAP_SYS_RESOURCE prlimit(2) is not for another user's. */
static long limit_shown(pid_t tid)
{
	char path[TARGET_PATH_MAX], line[256];
	long ret = -EPERM;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/limits", tid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Max open files %ld", &ret) == 1)
			break;
	if (file)
		fclose(file);
	return ret;
}

long target_max_fds(pid_t tid)
{
	struct rlimit limit;

	if (!prlimit(tid, RLIMIT_NOFILE, NULL, &limit))
		return (long)limit.rlim_cur;
	return errno == EPERM ? limit_shown(tid) : -errno;
}

bool target_fd_taken(pid_t tid, int fd)
{
	char path[TARGET_PATH_MAX];
	struct stat st;

	target_fd_path(path, tid, fd);
	return !lstat(path, &st);
}
