/* SPDX-License-Identifier: MIT */
/* buf-linux.c - rows: a buffer as a file, by calls and texts of Linux */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define DMA_BUF_MAGIC_NUMBER 0x444d4142

static void magic(void)
{
	struct statfs fs;

	expect(0, fstatfs(buffer(), &fs), "fstatfs(buf)");
	expect_value(DMA_BUF_MAGIC_NUMBER, (long long)fs.f_type, "f_type");
}

static void extended_stat(void)
{
	struct extended_stat stx;

	expect(0, syscall(SYS_statx, buffer(), "", AT_EMPTY_PATH, STATX_BASIC,
			  &stx), "statx(buf, AT_EMPTY_PATH)");
	expect_octal(0600, stx.mode, "stx_mode");
	expect_value((long long)buffer_size(), (long long)stx.size,
		     "stx_size");
	expect_value((long long)buffer_size() / 512, (long long)stx.blocks,
		     "stx_blocks");
	expect_value(1, stx.nlink, "stx_nlink");
}

/* @a: flags. */
static void stat_refused(void)
{
	int buf = buffer(), flags = (int)the_row->a;
	struct extended_stat stx;
	struct stat st;

	expect(the_row->want, fstatat(buf, "", &st, flags),
	       "fstatat(buf, \"\", %#x)", (unsigned int)flags);
	expect(the_row->want, syscall(SYS_statx, buf, "", flags, STATX_BASIC,
				      &stx),
	       "statx(buf, \"\", %#x)", (unsigned int)flags);
}

/* Both ways to tell how fresh the answer is to be. */
static void stat_how_fresh(void)
{
	struct extended_stat stx;

	expect(-EINVAL, syscall(SYS_statx, buffer(), "",
				AT_EMPTY_PATH | 0x6000, STATX_BASIC, &stx),
	       "statx(buf, AT_EMPTY_PATH | 0x6000)");
}

static void get_seals(void)
{
	expect(-EINVAL, fcntl(buffer(), F_GET_SEALS),
	       "fcntl(buf, F_GET_SEALS)");
}

static void add_seals(void)
{
	expect(-EINVAL, fcntl(buffer(), F_ADD_SEALS, F_SEAL_WRITE),
	       "fcntl(buf, F_ADD_SEALS, F_SEAL_WRITE)");
}

/* Buffers of heaps alone can be read-only. */
static int buffer_opened(int mode)
{
	if (the_subject->is_udmabuf)
		skip("buffers of udmabuf have one mode");
	return buffer_with_mode(mode);
}

static void add_seals_read_only(void)
{
	expect(-EPERM, fcntl(buffer_opened(O_RDONLY), F_ADD_SEALS,
			     F_SEAL_WRITE),
	       "fcntl(read-only buf, F_ADD_SEALS, F_SEAL_WRITE)");
}

/* @a: mode. */
static void allocate(void)
{
	int buf = buffer();

	expect(the_row->want, fallocate(buf, (int)the_row->a, 0, page_size()),
	       "fallocate(buf, %#llx, 0, page)", the_row->a);
	expect(buffer_size(), lseek(buf, 0, SEEK_END),
	       "lseek(buf, 0, SEEK_END)");
}

/* What none of the modes that there are has. */
#define UNKNOWN_MODE 0x40000000

static void allocate_order(void)
{
	int buf = buffer_opened(O_RDONLY);

	expect(-EINVAL, fallocate(buf, UNKNOWN_MODE, -1, page_size()),
	       "fallocate(read-only buf, unknown mode, -1, page)");
	expect(-EINVAL, fallocate(buf, UNKNOWN_MODE, 0, 0),
	       "fallocate(read-only buf, unknown mode, 0, 0)");
	expect(-EOPNOTSUPP, fallocate(buf, UNKNOWN_MODE, 0, page_size()),
	       "fallocate(read-only buf, unknown mode, 0, page)");
	expect(-EBADF, fallocate(buf, 0, 0, page_size()),
	       "fallocate(read-only buf, 0, 0, page)");
}

static void read_at(void)
{
	char byte;
	struct iovec iov = { &byte, 1 };

	expect(-ESPIPE, preadv(buffer(), &iov, 1, 0), "preadv(buf, 1, 0)");
}

static void write_at(void)
{
	char byte = 0;
	struct iovec iov = { &byte, 1 };

	expect(-ESPIPE, pwritev(buffer(), &iov, 1, 0), "pwritev(buf, 1, 0)");
}

static void splice_from(void)
{
	int fds[2];

	must(pipe(fds), "pipe()");
	expect(-EINVAL, splice(buffer(), NULL, fds[1], NULL, 1, 0),
	       "splice(buf, pipe, 1)");
}

static void splice_to(void)
{
	int fds[2];

	must(pipe(fds), "pipe()");
	must((int)write(fds[1], "x", 1), "write(pipe, 1)");
	expect(-EINVAL, splice(fds[0], NULL, buffer(), NULL, 1, 0),
	       "splice(pipe, buf, 1)");
}

static void send_from(void)
{
	int fds[2];

	must(pipe(fds), "pipe()");
	expect(-EINVAL, sendfile(fds[1], buffer(), NULL, 1),
	       "sendfile(pipe, buf, 1)");
}

static void copy_range(void)
{
	int memfd = sealed_memfd(1);

	expect(-EINVAL, copy_file_range(buffer(), NULL, memfd, NULL, 1, 0),
	       "copy_file_range(buf, memfd, 1)");
}

static void list_directory(void)
{
	char entries[256];

	expect(-ENOTDIR, syscall(SYS_getdents64, buffer(), entries,
				 sizeof(entries)), "getdents64(buf)");
}

static void lock_file(void)
{
	expect(0, flock(buffer(), LOCK_EX), "flock(buf, LOCK_EX)");
}

static void record_lock(void)
{
	struct flock lock = { .l_type = F_WRLCK };

	expect(0, fcntl(buffer(), F_SETLK, &lock), "fcntl(buf, F_SETLK)");
}

static void child_locks(void *arg)
{
	struct flock lock = { .l_type = F_WRLCK };
	int buf = *(int *)arg;

	expect(-EAGAIN, fcntl(buf, F_SETLK, &lock),
	       "fcntl(buf, F_SETLK) in the child");
	expect(0, fcntl(buf, F_GETLK, &lock),
	       "fcntl(buf, F_GETLK) in the child");
	expect_value(F_WRLCK, lock.l_type, "l_type");
	if (lock.l_pid != getppid())
		fail("expected the parent to hold the lock, got another");
}

static void record_lock_held(void)
{
	struct flock lock = { .l_type = F_WRLCK };
	int buf = buffer();

	expect(0, fcntl(buf, F_SETLK, &lock), "fcntl(buf, F_SETLK)");
	in_child(child_locks, &buf);
}

/* @a: mode, @b: a lock that it does not allow. */
static void record_lock_mode(void)
{
	struct flock lock = { .l_type = (short)the_row->b };

	expect(-EBADF, fcntl(buffer_opened((int)the_row->a), F_SETLK, &lock),
	       "fcntl(buf, F_SETLK, %s)",
	       lock.l_type == F_WRLCK ? "F_WRLCK" : "F_RDLCK");
}

static void record_lock_get(void)
{
	struct flock lock = { .l_type = F_UNLCK };

	expect(-EINVAL, fcntl(buffer(), F_GETLK, &lock),
	       "fcntl(buf, F_GETLK, F_UNLCK)");
}

static void lease(void)
{
	expect(-EINVAL, fcntl(buffer(), F_SETLEASE, F_RDLCK),
	       "fcntl(buf, F_SETLEASE, F_RDLCK)");
}

/* @a: flag. */
static void set_flag(void)
{
	expect(the_row->want, fcntl(buffer(), F_SETFL, (int)the_row->a),
	       "fcntl(buf, F_SETFL, %#llx)", the_row->a);
}

/* Who compares them with the mode itself has no bits in the way. */
static void all_flags(void)
{
	int buf = buffer();

	expect(O_RDWR, fcntl(buf, F_GETFL), "fcntl(buf, F_GETFL)");
	expect(0, fcntl(buf, F_SETFL, O_NONBLOCK | O_APPEND),
	       "fcntl(buf, F_SETFL, O_NONBLOCK | O_APPEND)");
	expect(O_RDWR | O_NONBLOCK | O_APPEND, fcntl(buf, F_GETFL),
	       "fcntl(buf, F_GETFL) with two flags");
	expect(0, fcntl(buf, F_SETFL, 0), "fcntl(buf, F_SETFL, 0)");
	expect(O_RDWR, fcntl(buf, F_GETFL), "fcntl(buf, F_GETFL) again");
}

static void read_ahead(void)
{
	expect(-EINVAL, readahead(buffer(), 0, page_size()),
	       "readahead(buf, 0, page)");
}

static void sync_range(void)
{
	expect(-ESPIPE, sync_file_range(buffer(), 0, 0, 0),
	       "sync_file_range(buf)");
}

static void sync_system(void)
{
	expect(0, syncfs(buffer()), "syncfs(buf)");
}

static void link_text(void)
{
	expect_link("/dmabuf:", buffer());
}

static void reopen(void)
{
	char path[64];

	proc_path("fd", buffer(), path, sizeof(path));
	expect(the_row->want, open(path, (int)the_row->a),
	       "open(/proc/self/fd/buf, %#llx)", the_row->a);
}

static void reopen_path(void)
{
	char path[64];
	int fd;

	proc_path("fd", buffer(), path, sizeof(path));
	fd = (int)expect(ANY_FD, open(path, O_PATH | O_CLOEXEC),
			 "open(/proc/self/fd/buf, O_PATH)");
	expect_link("/dmabuf:", fd);
}

static void path_fd_ioctl(void)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_RW };
	char path[64];
	int fd;

	proc_path("fd", buffer(), path, sizeof(path));
	fd = must(open(path, O_PATH | O_CLOEXEC), "open(O_PATH)");
	expect(-EBADF, ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync),
	       "ioctl(O_PATH fd, DMA_BUF_IOCTL_SYNC)");
	expect(-EBADF, ioctl(fd, DMA_BUF_SET_NAME, "name"),
	       "ioctl(O_PATH fd, DMA_BUF_SET_NAME)");
	expect(-EBADF, lseek(fd, 0, SEEK_END), "lseek(O_PATH fd)");
	expect_map(-EBADF, mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd,
				0), "mmap(O_PATH fd)");
}

static void stat_by_path(void)
{
	struct stat st, by_path;
	char path[64];
	int buf = buffer();

	proc_path("fd", buf, path, sizeof(path));
	expect(0, fstat(buf, &st), "fstat(buf)");
	expect(0, stat(path, &by_path), "stat(/proc/self/fd/buf)");
	expect_octal(0600, by_path.st_mode, "st_mode");
	expect_value(buffer_size(), by_path.st_size, "st_size");
	if (st.st_ino != by_path.st_ino)
		fail("expected the inode of the fd, got another");
}

static void truncate_by_path(void)
{
	char path[64];

	proc_path("fd", buffer(), path, sizeof(path));
	expect(-EINVAL, truncate(path, 0), "truncate(/proc/self/fd/buf, 0)");
}

static void execute(void)
{
	char *args[] = { "buf", NULL };
	char path[64];

	proc_path("fd", buffer(), path, sizeof(path));
	expect(-EACCES, execv(path, args), "execv(/proc/self/fd/buf)");
}

/* @arg: key. */
static void fdinfo_value(int fd, const char *want)
{
	const char *key = the_row->arg;
	char value[256];

	if (!fdinfo_field(fd, key, value, sizeof(value)))
		fail("fdinfo: expected a line %s, got none", key);
	expect_text(want, value, "fdinfo %s", key);
}

static void fdinfo_size(void)
{
	char want[32];

	snprintf(want, sizeof(want), "%zu", buffer_size());
	fdinfo_value(buffer(), want);
}

static void fdinfo_count(void)
{
	fdinfo_value(buffer(), "1");
}

static void fdinfo_count_dup(void)
{
	int buf = buffer();

	must(dup(buf), "dup(buf)");
	fdinfo_value(buf, "2");
}

static void fdinfo_count_map(void)
{
	int buf = buffer();

	buffer_map(buf, BUFFER_PAGES);
	fdinfo_value(buf, "2");
}

static void fdinfo_exporter(void)
{
	fdinfo_value(buffer(), the_subject->name);
}

static void fdinfo_pos(void)
{
	int buf = buffer();

	expect(buffer_size(), lseek(buf, 0, SEEK_END),
	       "lseek(buf, 0, SEEK_END)");
	fdinfo_value(buf, "0");
}

static void fdinfo_flags(void)
{
	char value[64];
	long flags;

	if (!fdinfo_field(buffer(), "flags", value, sizeof(value)))
		fail("fdinfo: expected a line flags, got none");
	flags = strtol(value, NULL, 8);
	expect_octal(O_RDWR | O_CLOEXEC, flags & (O_ACCMODE | O_CLOEXEC),
		     "fdinfo flags");
}

static void fdinfo_inode(void)
{
	int buf = buffer();
	struct stat st;
	char want[32];

	expect(0, fstat(buf, &st), "fstat(buf)");
	snprintf(want, sizeof(want), "%llu", (unsigned long long)st.st_ino);
	fdinfo_value(buf, want);
}

static void fdinfo_no_name(void)
{
	char value[64];

	if (fdinfo_field(buffer(), "name", value, sizeof(value)))
		fail("fdinfo: expected no line name, got one");
}

/* Each key of the buffer is followed by a colon and a tab, in this order. */
static void fdinfo_order(void)
{
	static const char *const keys[] = {
		"pos:\t", "flags:\t", "mnt_id:\t", "ino:\t", "size:\t",
		"count:\t", "exp_name:\t", "name:\t",
	};
	char path[64], line[256];
	int buf = buffer();
	FILE *file;
	size_t i;

	must(ioctl(buf, DMA_BUF_SET_NAME, "order"),
	     "ioctl(buf, DMA_BUF_SET_NAME, order)");
	proc_path("fdinfo", buf, path, sizeof(path));
	file = fopen(path, "r");
	if (!file)
		fail("set-up: fdinfo: %s", errno_name(errno));
	for (i = 0; i < NR_ELEMS(keys); i++) {
		if (!fgets(line, sizeof(line), file))
			fail("fdinfo: expected line %s, got no more", keys[i]);
		if (strncmp(line, keys[i], strlen(keys[i])))
			fail("fdinfo: expected line %.*s in place %zu, got "
			     "another", (int)strlen(keys[i]) - 1, keys[i], i);
	}
	if (fgets(line, sizeof(line), file))
		fail("fdinfo: expected no more lines, got one");
	fclose(file);
}

#define ROW(name, text, function, ...) \
	{ .id = "buf." name, .title = text, .run = function, ##__VA_ARGS__ }
#define FDINFO(name, key, text, function) \
	ROW("fdinfo." name, text, function, .arg = key)

static const struct row buf_linux_rows[] = {
	ROW("fstatfs", "fstatfs gives magic 0x444d4142", magic),
	ROW("statx", "statx tells the same as fstat", extended_stat),
	ROW("stat-no-path", "an empty path without AT_EMPTY_PATH is ENOENT", stat_refused, .want = -ENOENT),
	ROW("stat-flags", "unknown flags beside AT_EMPTY_PATH are EINVAL", stat_refused, .a = AT_EMPTY_PATH | 0x40000000, .want = -EINVAL),
	ROW("statx-sync", "statx both fresh and not is EINVAL", stat_how_fresh),
	ROW("seals.get", "F_GET_SEALS is EINVAL", get_seals),
	ROW("seals.add", "F_ADD_SEALS is EINVAL", add_seals),
	ROW("seals.add-read-only", "F_ADD_SEALS of a read-only one is EPERM", add_seals_read_only),
	ROW("fallocate", "fallocate is ENODEV", allocate, .want = -ENODEV),
	ROW("fallocate-punch", "punching a hole is ENODEV", allocate, .a = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, .want = -ENODEV),
	ROW("fallocate-mode", "an unknown mode is EOPNOTSUPP", allocate, .a = UNKNOWN_MODE, .want = -EOPNOTSUPP),
	ROW("fallocate-punch-grow", "a hole that may grow it is EOPNOTSUPP", allocate, .a = FALLOC_FL_PUNCH_HOLE, .want = -EOPNOTSUPP),
	ROW("fallocate-order", "offset, length and mode are checked before the fd's mode", allocate_order),
	ROW("preadv", "preadv is ESPIPE", read_at),
	ROW("pwritev", "pwritev is ESPIPE", write_at),
	ROW("splice-from", "splice from it is EINVAL", splice_from),
	ROW("splice-to", "splice to it is EINVAL", splice_to),
	ROW("sendfile", "sendfile from it is EINVAL", send_from),
	ROW("copy-file-range", "copy_file_range from it is EINVAL", copy_range),
	ROW("getdents", "getdents64 is ENOTDIR", list_directory),
	ROW("flock", "flock works", lock_file),
	ROW("record-lock", "F_SETLK works", record_lock),
	ROW("record-lock.held", "F_SETLK of what another process holds is EAGAIN", record_lock_held),
	ROW("record-lock.read-only", "F_WRLCK of a read-only one is EBADF", record_lock_mode, .a = O_RDONLY, .b = F_WRLCK),
	ROW("record-lock.write-only", "F_RDLCK of a write-only one is EBADF", record_lock_mode, .a = O_WRONLY, .b = F_RDLCK),
	ROW("record-lock.get", "F_GETLK of F_UNLCK is EINVAL", record_lock_get),
	ROW("lease", "F_SETLEASE is EINVAL", lease),
	ROW("fcntl.append", "O_APPEND can be set", set_flag, .a = O_APPEND),
	ROW("fcntl.direct", "O_DIRECT is EINVAL", set_flag, .a = O_DIRECT, .want = -EINVAL),
	ROW("fcntl.all", "F_GETFL is the mode, and what was set", all_flags),
	ROW("readahead", "readahead is EINVAL", read_ahead),
	ROW("sync-file-range", "sync_file_range is ESPIPE", sync_range),
	ROW("syncfs", "syncfs works", sync_system),
	ROW("link", "the link text is /dmabuf: without a name", link_text),
	ROW("reopen", "it cannot be opened again by its link", reopen, .a = O_RDWR, .want = -ENXIO),
	ROW("reopen-read-only", "nor for reading", reopen, .a = O_RDONLY, .want = -ENXIO),
	ROW("reopen-path", "O_PATH opens it by its link", reopen_path),
	ROW("path-ioctl", "an O_PATH fd is good for nothing: EBADF", path_fd_ioctl),
	ROW("stat-link", "stat of the link is fstat of the fd", stat_by_path),
	ROW("truncate-link", "truncate of the link is EINVAL", truncate_by_path),
	ROW("exec-link", "it cannot be executed", execute),
	FDINFO("size", "size", "fdinfo tells the size in bytes", fdinfo_size),
	FDINFO("count", "count", "fdinfo tells 1 reference", fdinfo_count),
	FDINFO("count-dup", "count", "a copy of the fd is a reference", fdinfo_count_dup),
	FDINFO("count-map", "count", "a mapping is a reference", fdinfo_count_map),
	FDINFO("exporter", "exp_name", "fdinfo tells the exporter", fdinfo_exporter),
	FDINFO("position", "pos", "the position stays 0", fdinfo_pos),
	FDINFO("flags", "flags", "fdinfo tells mode and close-on-exec", fdinfo_flags),
	FDINFO("inode", "ino", "fdinfo tells the inode number", fdinfo_inode),
	FDINFO("no-name", "name", "there is no name before one is set", fdinfo_no_name),
	FDINFO("order", "", "fdinfo has eight lines in order", fdinfo_order),
};

const struct group buf_linux_group = LINUX_GROUP(TARGET_BUFFER, buf_linux_rows);
