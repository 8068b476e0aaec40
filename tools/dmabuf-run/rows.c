/* SPDX-License-Identifier: MIT */
/*
 * rows.c - calls on fds in the range that a dma-buf answers otherwise than what
 * it is made of here
 *
 * A dma-buf is neither a regular file nor a socket. For the rest the kernel's
 * own answer is right.
 */
#include "handlers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "answer.h"
#include "decode.h"
#include "files.h"
#include "filter.h"
#include "nodes.h"
#include "run.h"
#include "target.h"

#ifndef DMA_BUF_MAGIC
#define DMA_BUF_MAGIC 0x444d4142
#endif

struct row {
	int nr;
	const char *name;
	void (*answer)(struct call *call, struct file *file);
};

/* Neither is provided; which error it is the way it was opened decides. */
static void transfer(struct call *call, struct file *file, int refused)
{
	int flags = file_flags(call->tid, (int)call->args[0], file);

	if (flags < 0)
		call_return(call, flags);
	else if ((flags & O_ACCMODE) == refused)
		call_return(call, -EBADF);
	else
		call_return(call, -EINVAL);
}

static void answer_read(struct call *call, struct file *file)
{
	transfer(call, file, O_WRONLY);
}

static void answer_write(struct call *call, struct file *file)
{
	if (file->kind == FILE_SYNC)
		call_return(call, -EBADF);
	else
		transfer(call, file, O_RDONLY);
}

/* There is no place in it to read from, before anything else is looked at. */
static void answer_at(struct call *call, struct file *file)
{
	(void)file;
	call_return(call, (off_t)call->args[3] < 0 ? -EINVAL : -ESPIPE);
}

/* preadv2(2) and pwritev2(2) at -1 are readv(2) and writev(2). */
static void answer_preadv2(struct call *call, struct file *file)
{
	if (call->args[3] == (uint64_t)-1)
		answer_read(call, file);
	else
		answer_at(call, file);
}

static void answer_pwritev2(struct call *call, struct file *file)
{
	if (call->args[3] == (uint64_t)-1)
		answer_write(call, file);
	else
		answer_at(call, file);
}

static void answer_lseek(struct call *call, struct file *file)
{
	long ret = -ESPIPE;

	if (file->kind == FILE_BUFFER)
		ret = dmabuf_buffer_seek(file->dmabuf, (off_t)call->args[1],
					 (int)call->args[2]);
	call_return(call, ret);
}

static void answer_einval(struct call *call, struct file *file)
{
	(void)file;
	call_return(call, -EINVAL);
}

static void answer_enotsock(struct call *call, struct file *file)
{
	(void)file;
	call_return(call, -ENOTSOCK);
}

static void answer_espipe(struct call *call, struct file *file)
{
	(void)file;
	call_return(call, -ESPIPE);
}

/* All that Linux 6.12 knows, one at a time */
static bool is_fallocate_mode(int mode)
{
	bool keeps = mode & FALLOC_FL_KEEP_SIZE;

	switch (mode & ~FALLOC_FL_KEEP_SIZE) {
	case 0:
	case FALLOC_FL_ZERO_RANGE:
	case FALLOC_FL_UNSHARE_RANGE:
		return true;
	case FALLOC_FL_PUNCH_HOLE:
		return keeps;
	case FALLOC_FL_COLLAPSE_RANGE:
	case FALLOC_FL_INSERT_RANGE:
		return !keeps;
	default:
		return false;
	}
}

static void answer_fallocate(struct call *call, struct file *file)
{
	int flags = file_flags(call->tid, (int)call->args[0], file);

	if (flags < 0)
		call_return(call, flags);
	else if ((off_t)call->args[2] < 0 || (off_t)call->args[3] <= 0)
		call_return(call, -EINVAL);
	else if (!is_fallocate_mode((int)call->args[1]))
		call_return(call, -EOPNOTSUPP);
	else if ((flags & O_ACCMODE) == O_RDONLY)
		call_return(call, -EBADF);
	else
		call_return(call, -ENODEV);
}

/* Not when the thread has fds of its own, and this is one of its process. */
static bool is_file(int fd, const struct file *file)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_dev == file->st.st_dev &&
	       st.st_ino == file->st.st_ino;
}

/*
 * The copy is to be in the range too. Where its file cannot be had, or there is
 * no room, the kernel makes it, at the number that it would have anywhere.
 */
static void duplicate(struct call *call, const struct file *file, int flags)
{
	int fd = target_fd_get(call->tid, (int)call->args[0]);
	int number = -EBADF;

	if (fd < 0)
		return;
	if (is_file(fd, file))
		number = call_fd_add_in_range(call, fd, flags);
	close(fd);
	if (number != -EBADF)
		call_return(call, number);
}

static void answer_dup(struct call *call, struct file *file)
{
	duplicate(call, file, 0);
}

/* What the kernel says to a lock on a file of this size, opened so: 0 or -errno */
static int lock_try(struct flock *lock, int cmd, size_t size, int flags)
{
	char path[TARGET_PATH_MAX];
	int file = memfd_create("lock", MFD_CLOEXEC);
	int fd = -1, ret = 0;

	target_fd_path(path, getpid(), file);
	if (file >= 0 && !ftruncate(file, (off_t)size))
		fd = open(path, (flags & O_ACCMODE) | O_CLOEXEC);
	if (fd < 0)
		ret = -ENOLCK;
	else if (fcntl(fd, cmd, lock))
		ret = -errno;
	if (fd >= 0)
		close(fd);
	if (file >= 0)
		close(file);
	return ret;
}

/*
 * The library keeps a lock of its own on the file. So those of the program are
 * granted, if they are locks, and not kept.
 */
static void answer_lock(struct call *call, const struct file *file)
{
	int flags = file_flags(call->tid, (int)call->args[0], file);
	size_t size = file->kind == FILE_BUFFER ? file->dmabuf->size : 0;
	int cmd = (int)call->args[1];
	struct flock lock;
	int ret;

	ret = target_read(call->tid, &lock, call->args[2], sizeof(lock));
	if (!ret)
		ret = flags < 0 ? flags : lock_try(&lock, cmd, size, flags);
	if (!ret && (cmd == F_GETLK || cmd == F_OFD_GETLK))
		ret = call_write(call, call->args[2], &lock, sizeof(lock));
	call_return(call, ret);
}

/* What it was opened with here, and is not there, is not shown. */
static void answer_getfl(struct call *call, struct file *file)
{
	int shown = O_ACCMODE | O_APPEND | O_NONBLOCK | O_ASYNC | O_NOATIME;
	int flags = file_flags(call->tid, (int)call->args[0], file);

	if (file->kind != FILE_BUFFER && file->kind != FILE_SYNC)
		shown = ~O_CLOEXEC;
	call_return(call, flags < 0 ? flags : flags & shown);
}

/* That it has none comes after that its file is not to be written. */
static void answer_add_seals(struct call *call, struct file *file)
{
	int flags = file_flags(call->tid, (int)call->args[0], file);

	if (flags < 0)
		call_return(call, flags);
	else if ((flags & O_ACCMODE) == O_RDONLY)
		call_return(call, -EPERM);
	else
		call_return(call, -EINVAL);
}

/* Seals and leases are not for it; the rest but copies the kernel answers. */
static void answer_fcntl(struct call *call, struct file *file)
{
	int cmd = (int)call->args[1];

	switch (cmd) {
	case F_GETFL:
		answer_getfl(call, file);
		return;
	case F_SETFL:
		if (call->args[2] & O_DIRECT)
			call_return(call, -EINVAL);
		return;
	case F_GETLK:
	case F_OFD_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		answer_lock(call, file);
		return;
	case F_SETLEASE:
	case F_GET_SEALS:
		call_return(call, -EINVAL);
		return;
	case F_ADD_SEALS:
		answer_add_seals(call, file);
		return;
	default:
		break;
	}
	if ((cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) &&
	    (int)call->args[2] >= 0 && (int)call->args[2] <= FD_BASE)
		duplicate(call, file, cmd == F_DUPFD_CLOEXEC ? O_CLOEXEC : 0);
}

/* What the file would be in a kernel that has it */
static void stat_fill(const struct file *file, struct stat *st)
{
	*st = file->st;
	switch (file->kind) {
	case FILE_BUFFER:
		st->st_mode &= (mode_t)~S_IFMT;
		st->st_size = (off_t)file->dmabuf->size;
		st->st_blocks = (blkcnt_t)(file->dmabuf->size / 512);
		break;
	case FILE_SYNC:
		st->st_mode = S_IRUSR | S_IWUSR;
		st->st_size = 0;
		st->st_blocks = 0;
		break;
	case FILE_TIMELINE:
		st->st_mode = S_IFREG | S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH;
		break;
	case FILE_DEVICE:
		st->st_mode = (file->node->mode & S_IFMT) |
			      (file->st.st_mode & ~(mode_t)S_IFMT);
		st->st_rdev = makedev(file->node->major, file->node->minor);
		st->st_size = 0;
		st->st_blocks = 0;
		break;
	case FILE_OTHER:
		break;
	}
	st->st_nlink = 1;
}

static void stat_write(struct call *call, const struct file *file, uint64_t to)
{
	struct stat st;

	stat_fill(file, &st);
	call_return(call, call_write(call, to, &st, sizeof(st)));
}

static void answer_fstat(struct call *call, struct file *file)
{
	stat_write(call, file, call->args[1]);
}

/*
 * AT_EMPTY_PATH with a path is not about this fd; relative to it there is none.
 */
static bool path_is_empty(struct call *call, uint64_t path)
{
	char first = 0;

	return !path || (!target_read(call->tid, &first, path, 1) && !first);
}

/* Without the flag it is a path that is empty, which the kernel refuses. */
static bool is_about_fd(struct call *call, uint64_t path, uint64_t flags)
{
	return flags & AT_EMPTY_PATH && path_is_empty(call, path);
}

/* The kernel has not always looked at them. */
static bool flags_are_known(uint64_t flags)
{
	return !((uint32_t)flags & ~(uint32_t)(AT_EMPTY_PATH |
					       AT_SYMLINK_NOFOLLOW |
					       AT_NO_AUTOMOUNT |
					       AT_STATX_SYNC_TYPE));
}

static void answer_newfstatat(struct call *call, struct file *file)
{
	if (!is_about_fd(call, call->args[1], call->args[3]))
		return;
	if (flags_are_known(call->args[3]))
		stat_write(call, file, call->args[2]);
	else
		call_return(call, -EINVAL);
}

static void statx_fill(const struct file *file, struct statx *stx)
{
	struct stat st;

	stat_fill(file, &st);
	stx->stx_mode = (uint16_t)st.st_mode;
	stx->stx_nlink = (uint32_t)st.st_nlink;
	stx->stx_size = (uint64_t)st.st_size;
	stx->stx_blocks = (uint64_t)st.st_blocks;
	stx->stx_rdev_major = major(st.st_rdev);
	stx->stx_rdev_minor = minor(st.st_rdev);
}

static void answer_statx(struct call *call, struct file *file)
{
	char path[TARGET_PATH_MAX];
	struct statx stx;
	long ret;

	if (!is_about_fd(call, call->args[1], call->args[2]))
		return;
	if (!flags_are_known(call->args[2]) ||
	    (call->args[2] & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE) {
		call_return(call, -EINVAL);
		return;
	}
	target_fd_path(path, call->tid, (int)call->args[0]);
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC,
		  (unsigned int)call->args[3], &stx)) {
		call_return(call, -errno);
		return;
	}
	statx_fill(file, &stx);
	ret = call_write(call, call->args[4], &stx, sizeof(stx));
	call_return(call, ret);
}

static void answer_fstatfs(struct call *call, struct file *file)
{
	struct statfs fs = {
		.f_type = file->kind == FILE_BUFFER ? DMA_BUF_MAGIC :
						      ANON_INODE_FS_MAGIC,
		.f_bsize = sysconf(_SC_PAGESIZE),
		.f_frsize = sysconf(_SC_PAGESIZE),
		.f_namelen = 255,
		.f_flags = 0x20,	/* valid */
	};

	if (file->kind == FILE_BUFFER || file->kind == FILE_SYNC)
		call_return(call, call_write(call, call->args[1], &fs,
					     sizeof(fs)));
}

static const struct row rows[] = {
	{ SYS_lseek, "lseek", answer_lseek },
	{ SYS_read, "read", answer_read },
	{ SYS_pread64, "pread64", answer_at },
	{ SYS_readv, "readv", answer_read },
	{ SYS_preadv, "preadv", answer_at },
	{ SYS_preadv2, "preadv2", answer_preadv2 },
	{ SYS_write, "write", answer_write },
	{ SYS_pwrite64, "pwrite64", answer_at },
	{ SYS_writev, "writev", answer_write },
	{ SYS_pwritev, "pwritev", answer_at },
	{ SYS_pwritev2, "pwritev2", answer_pwritev2 },
	{ SYS_fstat, "fstat", answer_fstat },
	{ SYS_newfstatat, "newfstatat", answer_newfstatat },
	{ SYS_statx, "statx", answer_statx },
	{ SYS_ftruncate, "ftruncate", answer_einval },
	{ SYS_fallocate, "fallocate", answer_fallocate },
	{ SYS_fcntl, "fcntl", answer_fcntl },
	{ SYS_dup, "dup", answer_dup },
	{ SYS_fstatfs, "fstatfs", answer_fstatfs },
	{ SYS_fsync, "fsync", answer_einval },
	{ SYS_fdatasync, "fdatasync", answer_einval },
	{ SYS_sendfile, "sendfile", answer_einval },
	{ SYS_splice, "splice", answer_einval },
	{ SYS_copy_file_range, "copy_file_range", answer_einval },
	{ SYS_readahead, "readahead", answer_einval },
	{ SYS_sync_file_range, "sync_file_range", answer_espipe },
	{ SYS_shutdown, "shutdown", answer_enotsock },
};

/* Calls with a second fd, and which argument that is */
static unsigned int second_fd(int nr)
{
	if (nr == SYS_sendfile)
		return 1;
	return nr == SYS_splice || nr == SYS_copy_file_range ? 2 : 0;
}

static const struct row *row_of(int nr)
{
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].nr == nr)
			return &rows[i];
	return NULL;
}

static bool in_range(int fd)
{
	return !options.low_fds && fd >= FD_BASE && fd < FD_LIMIT;
}

static void row_try(struct call *call, const struct row *row, int fd)
{
	struct file file;

	if (!in_range(fd) || file_of(call->tid, fd, &file))
		return;
	if (file.kind != FILE_OTHER) {
		decode_fd(call, row->name, fd, &file);
		row->answer(call, &file);
	}
	file_put(&file);
}

/* What is not answered may still be a call with a path. */
bool rows_handle(struct call *call)
{
	const struct row *row = row_of(call->nr);
	unsigned int second = second_fd(call->nr);

	if (!row)
		return false;
	row_try(call, row, (int)call->args[0]);
	if (!call->ended && second)
		row_try(call, row, (int)call->args[second]);
	return call->ended;
}
