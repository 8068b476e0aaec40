/* SPDX-License-Identifier: MIT */
/*
 * target.c - the program's memory and fds
 *
 * Memory is reached by process_vm_readv(2), which respects how it is protected.
 * fds are put in by the listener, and looked at through /proc/TID/fd, since
 * pidfd_getfd(2) is not allowed everywhere.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

/* After so many that are taken the range counts as full. */
#define PLACE_TRIES 16

/*
 * A process with more fds than FD_BASE less these may be about to open one in
 * the range, and would lose it to one of ours.
 */
#define FD_ROOM 64

pid_t target_process(pid_t tid)
{
	char path[32], line[128];
	pid_t pid = tid;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Tgid: %d", &pid) == 1)
			break;
	if (file)
		fclose(file);
	return pid;
}

void target_task_name(pid_t tid, char *name, int size)
{
	char path[32];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", tid);
	file = fopen(path, "re");
	if (!file || !fgets(name, size, file))
		name[0] = '\0';
	if (file)
		fclose(file);
	name[strcspn(name, "\n")] = '\0';
}

/* Once is enough: there may be many calls. */
static void target_unreadable(pid_t tid)
{
	static bool said;	/* atomic */

	if (!__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
		complain("process %d cannot be looked into (not dumpable?): "
			 "it has no devices", tid);
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

static void stat_of_statx(const struct statx *stx, struct stat *st)
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

int target_fd_flags(pid_t tid, int fd)
{
	char path[TARGET_PATH_MAX], text[256];
	const char *flags;
	ssize_t size;
	int info;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", tid, fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return errno == ENOENT ? -EBADF : -errno;
	size = read(info, text, sizeof(text) - 1);
	close(info);
	if (size < 0)
		return -EIO;
	text[size] = '\0';
	flags = strstr(text, "flags:");
	return flags ? (int)strtol(flags + strlen("flags:"), NULL, 8) : -EIO;
}

int target_fd_get(pid_t tid, int fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD);
	int ret;

	if (pidfd < 0 && errno == EINVAL)
		pidfd = (int)syscall(SYS_pidfd_open, target_process(tid), 0);
	if (pidfd < 0)
		return -errno;
	ret = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (ret < 0)
		ret = -errno;
	close(pidfd);
	return ret;
}

static bool target_fd_taken(pid_t tid, int fd)
{
	char path[TARGET_PATH_MAX];
	struct stat st;

	target_fd_path(path, tid, fd);
	return !lstat(path, &st);
}

int target_fd_put(struct call *call, int number, int fd, int flags)
{
	struct seccomp_notif_addfd addfd = {
		.id = call->id,
		.flags = number < 0 ? 0 : SECCOMP_ADDFD_FLAG_SETFD,
		.srcfd = (uint32_t)fd,
		.newfd = number < 0 ? 0 : (uint32_t)number,
		.newfd_flags = (uint32_t)flags & O_CLOEXEC,
	};
	int ret;

	do
		ret = ioctl(notify_fd, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd);
	while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret;
}

/* How many it has; -errno. 0 before Linux 6.2. */
static off_t target_nr_fds(pid_t tid)
{
	char path[TARGET_PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/fd", tid);
	return stat(path, &st) ? -errno : st.st_size;
}

/*
 * Which number of the range is tried first goes round: then the first one is
 * nearly always free.
 */
int target_fd_add_in_range(struct call *call, int fd, int flags)
{
	static unsigned int next;	/* atomic */
	int tries, number;

	if (target_nr_fds(call->tid) >= FD_BASE - FD_ROOM)
		return -EBADF;
	for (tries = 0; tries < PLACE_TRIES; tries++) {
		number = FD_BASE +
			 (int)(__atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) %
			       (FD_LIMIT - FD_BASE));
		if (target_fd_taken(call->tid, number))
			continue;
		number = target_fd_put(call, number, fd, flags);
		/* Somebody is just opening a file there. */
		if (number != -EBUSY)
			return number;
	}
	return -EBADF;
}

int target_fd_add(struct call *call, int fd, int flags)
{
	int number = -EBADF;

	if (!options.low_fds)
		number = target_fd_add_in_range(call, fd, flags);
	return number == -EBADF ? target_fd_put(call, -1, fd, flags) : number;
}

/* As a caller of the library */

void call_fix_argument(struct call *call, size_t size)
{
	if (size > sizeof(call->argument))
		size = sizeof(call->argument);
	call->argument_size = size;
	call->argument_error = target_read(call->tid, call->argument,
					   call->args[2], size);
}

/*
 * Of other than its own size it need not be a structure, and of a string there
 * may be less to read; what is longer begins with what is known.
 */
int call_read_argument(const struct call *call, void *to, size_t size)
{
	size_t known = call->argument_error ? 0 : call->argument_size;

	if (call->argument_error && size == call->argument_size)
		return call->argument_error;
	if (size > known && target_read(call->tid, to, call->args[2], size))
		return -EFAULT;
	memcpy(to, call->argument, size < known ? size : known);
	return 0;
}

static int caller_read(struct dmabuf_caller *caller, void *to, uint64_t from,
		       size_t size)
{
	struct call *call = call_of(caller);

	if (from == call->args[2])
		return call_read_argument(call, to, size);
	return target_read(call->tid, to, from, size);
}

int call_write(const struct call *call, uint64_t to, const void *from,
	       size_t size)
{
	return call_valid(call) ? target_write(call->tid, to, from, size) :
				  -EFAULT;
}

static int caller_write(struct dmabuf_caller *caller, uint64_t to,
			const void *from, size_t size)
{
	return call_write(call_of(caller), to, from, size);
}

static int caller_fd_room(struct dmabuf_caller *caller)
{
	pid_t tid = call_of(caller)->tid;
	off_t nr = target_nr_fds(tid);
	struct rlimit limit;

	if (nr < 0 || prlimit(tid, RLIMIT_NOFILE, NULL, &limit))
		return 0;
	return (rlim_t)nr >= limit.rlim_cur ? -EMFILE : 0;
}

static int caller_fd_give(struct dmabuf_caller *caller, int fd, int flags)
{
	int ret = files_add_sync(fd);

	/* As a dma-buf's; a socket does not mind. */
	fchmod(fd, S_IRUSR | S_IWUSR);
	if (!ret)
		ret = account_room(fd);
	if (!ret)
		ret = target_fd_add(call_of(caller), fd, flags);
	if (ret >= 0)
		account_fd(call_of(caller), fd);
	close(fd);
	return ret;
}

/*
 * Only what a udmabuf can be made of is opened: to open a device or a pipe does
 * something. @pin: an O_PATH fd
 */
static int memory_open(int pin)
{
	char path[TARGET_PATH_MAX];
	struct statfs fs;
	struct stat st;
	int ret;

	if (fstat(pin, &st) || !S_ISREG(st.st_mode) || fstatfs(pin, &fs) ||
	    (fs.f_type != TMPFS_MAGIC && fs.f_type != HUGETLBFS_MAGIC))
		return -EBADF;
	target_fd_path(path, getpid(), pin);
	/* It may be under a lease: that would have us wait for who holds it. */
	ret = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (ret < 0 && errno != EAGAIN)
		ret = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (ret < 0)
		return errno == EAGAIN ? -EBADF : -errno;
	return ret;
}

/* Pinned, as another thread may put something else in the fd's place. */
static int caller_fd_open(struct dmabuf_caller *caller, int fd)
{
	char path[TARGET_PATH_MAX];
	struct file file;
	int ret, pin;

	ret = file_of(call_of(caller), fd, &file);
	if (ret)
		return ret;
	ret = file.kind == FILE_OTHER && S_ISREG(file.st.st_mode) ? 0 : -EBADF;
	file_put(&file);
	if (ret)
		return ret;
	target_fd_path(path, call_of(caller)->tid, fd);
	pin = open(path, O_PATH | O_CLOEXEC);
	if (pin < 0)
		return errno == ENOENT ? -EBADF : -errno;
	ret = memory_open(pin);
	close(pin);
	return ret;
}

static int caller_sync_file(struct dmabuf_caller *caller, int fd,
			    struct sync_file *ret_file)
{
	struct file file;
	int ret = file_of(call_of(caller), fd, &file);

	if (ret)
		return ret;
	if (file.kind != FILE_SYNC) {
		file_put(&file);
		return -ENOTTY;
	}
	*ret_file = file.sync;
	return 0;
}

const struct dmabuf_caller_ops target_ops = {
	.read = caller_read,
	.write = caller_write,
	.fd_room = caller_fd_room,
	.fd_give = caller_fd_give,
	.fd_open = caller_fd_open,
	.sync_file = caller_sync_file,
};
