/* SPDX-License-Identifier: MIT */
/* caller.c - what the library asks for a call: the program's memory and fds */
#include "handlers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "account.h"
#include "files.h"
#include "log.h"
#include "target.h"
#include "thread.h"

static int caller_read(struct dmabuf_caller *caller, void *to, uint64_t from,
		       size_t size)
{
	struct call *call = call_of(caller);

	if (from == call->args[2])
		return call_read_argument(call, to, size);
	return target_read(call->tid, to, from, size);
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
	long max = target_max_fds(tid);

	return max >= 0 && nr >= max ? -EMFILE : 0;
}

/* It is that user's who asked for it: root may run programs as another one. */
static void owner_set(pid_t tid, int fd)
{
	struct thread_status status;
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", tid);
	if (!stat(path, &st) && st.st_uid == geteuid() &&
	    st.st_gid == getegid())
		return;
	if (!thread_status_read(tid, &status) &&
	    fchown(fd, status.fs_uid, status.fs_gid))
		log_line("the owner of an fd: %s", strerror(errno));
}

static int caller_fd_give(struct dmabuf_caller *caller, int fd, int flags)
{
	int ret = files_add_sync(fd);

	/* As a dma-buf's; a socket does not mind. */
	fchmod(fd, S_IRUSR | S_IWUSR);
	owner_set(call_of(caller)->tid, fd);
	if (!ret) {
		ret = account_room(fd);
		call_of(caller)->note = ret ? "(--limit)" : NULL;
	}
	if (!ret)
		ret = call_fd_add(call_of(caller), fd, flags);
	if (ret >= 0)
		account_fd(call_of(caller), fd);
	close(fd);
	return ret;
}

/* The program's own, which it may have although it could not open it again. */
static int memory_get(pid_t tid, int number, const struct stat *st)
{
	int fd = target_fd_get(tid, number);
	struct stat now;

	if (fd < 0)
		return fd;
	if (!fstat(fd, &now) && now.st_dev == st->st_dev &&
	    now.st_ino == st->st_ino)
		return fd;
	close(fd);
	return -EBADF;
}

/*
 * Only what a udmabuf can be made of is opened: to open a device or a pipe does
 * something. @pin: an O_PATH fd of @number
 */
static int memory_open(pid_t tid, int number, int pin)
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
	if (ret < 0 && errno == EACCES)
		return memory_get(tid, number, &st);
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
	int ret, pin, flags;

	ret = file_of(call_of(caller)->tid, fd, &file);
	if (ret)
		return ret;
	ret = file.kind == FILE_OTHER && S_ISREG(file.st.st_mode) ? 0 : -EBADF;
	file_put(&file);
	if (ret)
		return ret;
	/* One of O_PATH is none to most calls. */
	flags = target_fd_flags(call_of(caller)->tid, fd);
	if (flags >= 0 && flags & O_PATH)
		return -EBADF;
	target_fd_path(path, call_of(caller)->tid, fd);
	pin = open(path, O_PATH | O_CLOEXEC);
	if (pin < 0)
		return errno == ENOENT ? -EBADF : -errno;
	ret = memory_open(call_of(caller)->tid, fd, pin);
	close(pin);
	return ret;
}

static int caller_sync_file(struct dmabuf_caller *caller, int fd,
			    struct sync_file *ret_file)
{
	struct file file;
	int ret = file_of(call_of(caller)->tid, fd, &file);

	if (ret)
		return ret;
	if (file.kind != FILE_SYNC) {
		file_put(&file);
		return -ENOTTY;
	}
	*ret_file = file.sync;
	return 0;
}

const struct dmabuf_caller_ops caller_ops = {
	.read = caller_read,
	.write = caller_write,
	.fd_room = caller_fd_room,
	.fd_give = caller_fd_give,
	.fd_open = caller_fd_open,
	.sync_file = caller_sync_file,
};
