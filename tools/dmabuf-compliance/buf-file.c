/* SPDX-License-Identifier: MIT */
/* buf-file.c - rows: a buffer as a file: lseek, reading, writing, fstat */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* @a: offset, @b: whence. */
static void seek(void)
{
	expect(the_row->want, lseek(buffer(), the_row->a, (int)the_row->b),
	       "lseek(buf, %lld, %lld)", the_row->a, the_row->b);
}

static void seek_end(void)
{
	expect(buffer_size(), lseek(buffer(), 0, SEEK_END),
	       "lseek(buf, 0, SEEK_END)");
}

static void seek_to_size(void)
{
	expect(-EINVAL, lseek(buffer(), buffer_size(), SEEK_SET),
	       "lseek(buf, size, SEEK_SET)");
}

static void seek_twice(void)
{
	int buf = buffer();

	expect(buffer_size(), lseek(buf, 0, SEEK_END),
	       "lseek(buf, 0, SEEK_END)");
	expect(-EINVAL, lseek(buf, 0, SEEK_CUR), "lseek(buf, 0, SEEK_CUR)");
	expect(buffer_size(), lseek(buf, 0, SEEK_END),
	       "lseek(buf, 0, SEEK_END)");
	expect(0, lseek(buf, 0, SEEK_SET), "lseek(buf, 0, SEEK_SET)");
}

static void seek_closed(void)
{
	expect(-EBADF, lseek(closed_fd(), 0, SEEK_END),
	       "lseek(closed fd, 0, SEEK_END)");
	expect(-EBADF, lseek(closed_fd(), 0, 5), "lseek(closed fd, 0, 5)");
	expect(-EBADF, lseek(closed_fd(), 1, SEEK_CUR),
	       "lseek(closed fd, 1, SEEK_CUR)");
}

static void seek_other_size(void)
{
	int buf = buffer_of(the_subject, 37);

	expect(37 * page_size(), lseek(buf, 0, SEEK_END),
	       "lseek(buf of 37 pages, 0, SEEK_END)");
}

/* What is read or written, were it possible. */
static char byte;
static const struct iovec one_byte = { &byte, 1 };

/* @a: bytes. */
static void do_read(void)
{
	expect(-EINVAL, read(buffer(), &byte, (size_t)the_row->a),
	       "read(buf, %lld)", the_row->a);
}

static void do_write(void)
{
	expect(-EINVAL, write(buffer(), &byte, (size_t)the_row->a),
	       "write(buf, %lld)", the_row->a);
}

static void read_bad_pointer(void)
{
	expect(-EINVAL, read(buffer(), bad_pointer(), 1),
	       "read(buf, bad pointer, 1)");
}

static void write_bad_pointer(void)
{
	expect(-EINVAL, write(buffer(), bad_pointer(), 1),
	       "write(buf, bad pointer, 1)");
}

static void do_pread(void)
{
	expect(-ESPIPE, pread(buffer(), &byte, 1, 0), "pread(buf, 1, 0)");
}

static void do_pwrite(void)
{
	expect(-ESPIPE, pwrite(buffer(), &byte, 1, 0), "pwrite(buf, 1, 0)");
}

static void do_readv(void)
{
	expect(-EINVAL, readv(buffer(), &one_byte, 1), "readv(buf, 1)");
}

static void do_writev(void)
{
	expect(-EINVAL, writev(buffer(), &one_byte, 1), "writev(buf, 1)");
}

/* @a: new size, in pages. */
static void truncated(void)
{
	int buf = buffer();

	expect(-EINVAL, ftruncate(buf, the_row->a * page_size()),
	       "ftruncate(buf, %lld pages)", the_row->a);
	expect(buffer_size(), lseek(buf, 0, SEEK_END),
	       "lseek(buf, 0, SEEK_END)");
}

static void do_fsync(void)
{
	expect(-EINVAL, fsync(buffer()), "fsync(buf)");
}

static void do_fdatasync(void)
{
	expect(-EINVAL, fdatasync(buffer()), "fdatasync(buf)");
}

static void stat_mode(void)
{
	struct stat st;

	expect(0, fstat(buffer(), &st), "fstat(buf)");
	expect_octal(0600, st.st_mode, "st_mode");
}

static void stat_size(void)
{
	struct stat st;

	expect(0, fstat(buffer(), &st), "fstat(buf)");
	expect_value(buffer_size(), st.st_size, "st_size");
}

static void stat_blocks(void)
{
	struct stat st;

	expect(0, fstat(buffer(), &st), "fstat(buf)");
	expect_value(buffer_size() / 512, st.st_blocks, "st_blocks");
}

static void stat_links(void)
{
	struct stat st;

	expect(0, fstat(buffer(), &st), "fstat(buf)");
	expect_value(1, st.st_nlink, "st_nlink");
}

static void stat_owner(void)
{
	struct stat st;

	expect(0, fstat(buffer(), &st), "fstat(buf)");
	if (st.st_uid != geteuid() || st.st_gid != getegid())
		fail("expected the owner to be this process, got another");
}

static void stat_unique(void)
{
	struct stat a, b;

	expect(0, fstat(buffer(), &a), "fstat(first buf)");
	expect(0, fstat(buffer(), &b), "fstat(second buf)");
	if (a.st_ino == b.st_ino)
		fail("expected two inode numbers, got one");
	if (a.st_dev != b.st_dev)
		fail("expected one file system, got two");
}

static void stat_of_dup(void)
{
	struct stat a, b;
	int buf = buffer();

	expect(0, fstat(buf, &a), "fstat(buf)");
	expect(0, fstat(must(dup(buf), "dup(buf)"), &b), "fstat(copy)");
	if (a.st_ino != b.st_ino || a.st_dev != b.st_dev)
		fail("expected the inode of the original, got another");
}

static void change_mode(void)
{
	struct stat st;
	int buf = buffer();

	expect(the_row->want, fchmod(buf, 0640), "fchmod(buf, 0640)");
	expect(0, fstat(buf, &st), "fstat(buf)");
	expect_octal(the_row->want ? 0600 : 0640, st.st_mode, "st_mode");
}

static void status_flags(void)
{
	int buf = buffer(), flags;

	flags = must(fcntl(buf, F_GETFL), "fcntl(buf, F_GETFL)");
	expect_value(O_RDWR, flags & O_ACCMODE, "access mode");
	expect(0, fcntl(buf, F_SETFL, O_NONBLOCK),
	       "fcntl(buf, F_SETFL, O_NONBLOCK)");
	flags = must(fcntl(buf, F_GETFL), "fcntl(buf, F_GETFL)");
	expect_octal(O_NONBLOCK, flags & O_NONBLOCK, "O_NONBLOCK");
}

static void descriptor_flags(void)
{
	int buf = buffer();

	expect(FD_CLOEXEC, fcntl(buf, F_GETFD), "fcntl(buf, F_GETFD)");
	expect(0, fcntl(buf, F_SETFD, 0), "fcntl(buf, F_SETFD, 0)");
	expect(0, fcntl(buf, F_GETFD), "fcntl(buf, F_GETFD)");
}

static void as_directory(void)
{
	int buf = buffer();

	expect(-ENOTDIR, fchdir(buf), "fchdir(buf)");
	expect(-ENOTDIR, openat(buf, "file", O_RDONLY),
	       "openat(buf, file)");
}

static void close_twice(void)
{
	int buf = buffer();

	expect(0, close(buf), "close(buf)");
	expect(-EBADF, close(buf), "close(buf) again");
}

static void is_terminal(void)
{
	expect_value(0, isatty(buffer()), "isatty(buf)");
	expect_value(ENOTTY, errno, "errno");
}

#define ROW(name, text, function, ...) \
	{ .id = "buf." name, .title = text, .run = function, ##__VA_ARGS__ }
#define SEEK(name, text, offset, whence, result) \
	ROW("lseek." name, text, seek, .a = offset, .b = whence, .want = result)

static const struct row buf_file_rows[] = {
	ROW("lseek.end", "lseek 0 SEEK_END is the size", seek_end),
	ROW("lseek.end-37-pages", "lseek 0 SEEK_END is the size of another buffer", seek_other_size),
	SEEK("set", "lseek 0 SEEK_SET is 0", 0, SEEK_SET, 0),
	SEEK("set-1", "lseek 1 SEEK_SET is EINVAL", 1, SEEK_SET, -EINVAL),
	SEEK("set-page", "lseek 4096 SEEK_SET is EINVAL", 4096, SEEK_SET, -EINVAL),
	SEEK("set-negative", "lseek -1 SEEK_SET is EINVAL", -1, SEEK_SET, -EINVAL),
	ROW("lseek.set-size", "lseek to the size with SEEK_SET is EINVAL", seek_to_size),
	SEEK("end-1", "lseek 1 SEEK_END is EINVAL", 1, SEEK_END, -EINVAL),
	SEEK("end-negative", "lseek -1 SEEK_END is EINVAL", -1, SEEK_END, -EINVAL),
	SEEK("cur", "lseek 0 SEEK_CUR is EINVAL", 0, SEEK_CUR, -EINVAL),
	SEEK("cur-1", "lseek 1 SEEK_CUR is EINVAL", 1, SEEK_CUR, -EINVAL),
	SEEK("data", "lseek 0 SEEK_DATA is EINVAL", 0, 3, -EINVAL),
	SEEK("hole", "lseek 0 SEEK_HOLE is EINVAL", 0, 4, -EINVAL),
	SEEK("whence-5", "lseek with whence 5 is EINVAL", 0, 5, -EINVAL),
	SEEK("whence-negative", "lseek with whence -1 is EINVAL", 0, -1, -EINVAL),
	ROW("lseek.no-position", "there is no position that lseek could move", seek_twice),
	ROW("lseek.closed", "lseek of a closed fd is EBADF, whatever else is wrong", seek_closed),
	ROW("read", "read is EINVAL", do_read, .a = 1),
	ROW("read-nothing", "read of 0 bytes is EINVAL", do_read, .a = 0),
	ROW("read-bad-pointer", "read to a bad pointer is EINVAL", read_bad_pointer),
	ROW("write", "write is EINVAL", do_write, .a = 1),
	ROW("write-nothing", "write of 0 bytes is EINVAL", do_write, .a = 0),
	ROW("write-bad-pointer", "write from a bad pointer is EINVAL", write_bad_pointer),
	ROW("pread", "pread is ESPIPE", do_pread),
	ROW("pwrite", "pwrite is ESPIPE", do_pwrite),
	ROW("readv", "readv is EINVAL", do_readv),
	ROW("writev", "writev is EINVAL", do_writev),
	ROW("ftruncate.zero", "ftruncate to 0 is EINVAL", truncated, .a = 0),
	ROW("ftruncate.same", "ftruncate to the size is EINVAL", truncated, .a = BUFFER_PAGES),
	ROW("ftruncate.more", "ftruncate to more is EINVAL", truncated, .a = BUFFER_PAGES + 1),
	ROW("fsync", "fsync is EINVAL", do_fsync),
	ROW("fdatasync", "fdatasync is EINVAL", do_fdatasync),
	ROW("fstat.mode", "fstat gives mode 0600 without a type", stat_mode),
	ROW("fstat.size", "fstat gives the size", stat_size),
	ROW("fstat.blocks", "fstat gives the size in blocks of 512", stat_blocks),
	ROW("fstat.nlink", "fstat gives one link", stat_links),
	ROW("fstat.owner", "fstat gives the creator's ids", stat_owner),
	ROW("fstat.inode", "each buffer has an inode number of its own", stat_unique),
	ROW("fstat.dup", "a copy of the fd has the same inode", stat_of_dup),
	ROW("fchmod", "fchmod works", change_mode),
	ROW("fcntl.status", "the fd is read-write and takes O_NONBLOCK", status_flags),
	ROW("fcntl.descriptor", "close-on-exec is set and can be cleared", descriptor_flags),
	ROW("directory", "it is no directory", as_directory),
	ROW("close", "a second close is EBADF", close_twice),
	ROW("isatty", "it is no terminal", is_terminal),
};

const struct group buf_file_group = GROUP(TARGET_BUFFER, buf_file_rows);
