/* SPDX-License-Identifier: MIT */
/* udmabuf-linux.c - rows: seals while a udmabuf lives, tmpfs, huge pages */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void seal_do(long long want, int memfd, int seal)
{
	expect(want, fcntl(memfd, F_ADD_SEALS, seal),
	       "fcntl(memfd, F_ADD_SEALS, %#x)", (unsigned int)seal);
}

static bool can_be_sealed(void *memfd)
{
	return !fcntl(*(int *)memfd, F_ADD_SEALS, F_SEAL_WRITE);
}

static void expect_seal_eventually(int memfd)
{
	if (!eventually(can_be_sealed, &memfd))
		seal_do(0, memfd, F_SEAL_WRITE);
}

static void seal_while_alive(void)
{
	int memfd = sealed_memfd(2), buf;

	buf = udmabuf_make(memfd, 0, 2);
	seal_do(-EBUSY, memfd, F_SEAL_WRITE);
	expect(0, close(buf), "close(buf)");
}

static void seal_of_part(void)
{
	int memfd = sealed_memfd(4);

	udmabuf_make(memfd, 2, 1);
	seal_do(-EBUSY, memfd, F_SEAL_WRITE);
}

static void seal_afterwards(void)
{
	int memfd = sealed_memfd(2);

	expect(0, close(udmabuf_make(memfd, 0, 2)), "close(buf)");
	expect_seal_eventually(memfd);
}

static void seal_while_mapped(void)
{
	int memfd = sealed_memfd(2), buf;

	buf = udmabuf_make(memfd, 0, 2);
	buffer_map(buf, 2);
	expect(0, close(buf), "close(buf)");
	seal_do(-EBUSY, memfd, F_SEAL_WRITE);
}

static void seal_after_unmap(void)
{
	int memfd = sealed_memfd(2), buf;
	unsigned char *addr;

	buf = udmabuf_make(memfd, 0, 2);
	addr = buffer_map(buf, 2);
	expect(0, close(buf), "close(buf)");
	expect(0, munmap(addr, 2 * page_size()), "munmap(buf)");
	expect_seal_eventually(memfd);
}

static void other_seals(void)
{
	int memfd = sealed_memfd(2);

	udmabuf_make(memfd, 0, 2);
	seal_do(0, memfd, F_SEAL_GROW);
	seal_do(0, memfd, F_SEAL_SEAL);
}

/* Who may not write to the memfd any more may still map the buffer. */
static void future_write(void)
{
	int memfd = sealed_memfd(2), buf;
	unsigned char *addr;

	buf = udmabuf_make(memfd, 0, 2);
	seal_do(0, memfd, F_SEAL_FUTURE_WRITE);
	addr = buffer_map(buf, 2);
	number_pages(addr, 2, 30);
	expect_page_number(buffer_map(buf, 2) + page_size(), 31,
			   "the second page");
}

static void grows(void)
{
	int memfd = sealed_memfd(2), buf;

	buf = udmabuf_make(memfd, 0, 2);
	expect(0, ftruncate(memfd, 4 * page_size()), "ftruncate(memfd, more)");
	expect(-EPERM, ftruncate(memfd, 0), "ftruncate(memfd, 0)");
	expect(2 * (long long)page_size(), lseek(buf, 0, SEEK_END),
	       "lseek(buf, 0, SEEK_END)");
}

static void own_inode(void)
{
	int memfd = sealed_memfd(2);
	struct stat a, b;

	expect(0, fstat(memfd, &a), "fstat(memfd)");
	expect(0, fstat(udmabuf_make(memfd, 0, 2), &b), "fstat(buf)");
	if (a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		fail("expected an inode of its own, got the memfd's");
}

/* Sealing is sealed there, without F_SEAL_SHRINK. */
static void tmpfs_file(void)
{
	struct udmabuf_create create = { .size = page_size() };
	char path[] = "/dev/shm/compliance-XXXXXX";
	int fd;

	fd = mkstemp(path);
	if (fd < 0)
		skip("no /dev/shm: %s", errno_name(errno));
	unlink(path);
	must(ftruncate(fd, 2 * page_size()), "ftruncate(file)");
	if (fcntl(fd, F_GET_SEALS) < 0)
		skip("/dev/shm is not on tmpfs");
	create.memfd = (__u32)fd;
	expect(-EINVAL, ioctl(udmabuf_open(), UDMABUF_CREATE, &create),
	       "ioctl(udmabuf, UDMABUF_CREATE, file on tmpfs)");
}

/* A file of no memory; most file systems' are, but which there are varies. */
static void proc_file(void)
{
	struct udmabuf_create create = { .size = page_size() };
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		skip("no /proc: %s", errno_name(errno));
	create.memfd = (__u32)fd;
	expect(-EBADFD, ioctl(udmabuf_open(), UDMABUF_CREATE, &create),
	       "ioctl(udmabuf, UDMABUF_CREATE, /proc/self/status)");
}

/* @a: how the memfd is opened again, @want: an fd or an errno. */
static void reopened_memfd(void)
{
	struct udmabuf_create create = { .size = page_size() };
	char path[64];

	proc_path("fd", sealed_memfd(1), path, sizeof(path));
	create.memfd = (__u32)must(open(path, (int)the_row->a | O_CLOEXEC),
				   "open(/proc/self/fd/memfd, %#llx)",
				   the_row->a);
	expect(the_row->want, ioctl(udmabuf_open(), UDMABUF_CREATE, &create),
	       "ioctl(udmabuf, UDMABUF_CREATE, memfd opened with %#llx)",
	       the_row->a);
}

/* With all seals but that against writing, too. @arg: name */
static void named_memfd(void)
{
	struct udmabuf_create create = { .size = page_size() };
	int memfd;

	memfd = must(memfd_create(the_row->arg, MFD_CLOEXEC |
				  MFD_ALLOW_SEALING), "memfd_create()");
	must(ftruncate(memfd, page_size()), "ftruncate(memfd)");
	must(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
		   F_SEAL_SEAL), "F_ADD_SEALS");
	create.memfd = (__u32)memfd;
	expect(ANY_FD, ioctl(udmabuf_open(), UDMABUF_CREATE, &create),
	       "ioctl(udmabuf, UDMABUF_CREATE, memfd named %s)",
	       (const char *)the_row->arg);
}

/* What the fd may do was settled when it was opened. @a: mode */
static void memfd_of_mode(void)
{
	struct udmabuf_create create = { .size = page_size() };
	int memfd = sealed_memfd(1);

	must(fchmod(memfd, (mode_t)the_row->a), "fchmod(memfd, %#llo)",
	     the_row->a);
	create.memfd = (__u32)memfd;
	expect(ANY_FD, ioctl(udmabuf_open(), UDMABUF_CREATE, &create),
	       "ioctl(udmabuf, UDMABUF_CREATE, memfd of mode %#llo)",
	       the_row->a);
}

/* A hole is for the memfd: the buffer has the pages that were there. */
static void hole(void)
{
	int memfd = sealed_memfd(2);
	unsigned char *addr;

	addr = buffer_map(udmabuf_make(memfd, 0, 2), 2);
	must(fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		       page_size(), page_size()), "fallocate(memfd, hole)");
	expect_page_number(addr + page_size(), 1, "the buffer");
	expect_filled(buffer_map(memfd, 2) + page_size(), 0, page_size(),
		      "the memfd");
}

static void path_fd(void)
{
	struct udmabuf_create create = { .size = page_size() };
	int device;

	device = must(open(devices.udmabuf_path, O_PATH | O_CLOEXEC),
		      "open(udmabuf, O_PATH)");
	create.memfd = (__u32)sealed_memfd(1);
	expect(-EBADF, ioctl(device, UDMABUF_CREATE, &create),
	       "ioctl(O_PATH udmabuf, UDMABUF_CREATE)");
}

static void allocated(void)
{
	struct stat st;
	int memfd;

	memfd = must(memfd_create("compliance", MFD_CLOEXEC |
				  MFD_ALLOW_SEALING), "memfd_create()");
	must(ftruncate(memfd, 16 * page_size()), "ftruncate(memfd)");
	must(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK), "F_SEAL_SHRINK");
	udmabuf_make(memfd, 2, 4);
	expect(0, fstat(memfd, &st), "fstat(memfd)");
	expect_value((long long)(4 * page_size() / 512), st.st_blocks,
		     "blocks of the memfd");
}

static void directory(void)
{
	struct udmabuf_create create = { .size = page_size() };

	create.memfd = (__u32)must(open("/", O_RDONLY | O_DIRECTORY),
				   "open(/)");
	expect(-EBADFD, ioctl(udmabuf_open(), UDMABUF_CREATE, &create),
	       "ioctl(udmabuf, UDMABUF_CREATE, /)");
}

/*
 * Of one huge page, in which each small page carries its number; or of as many
 * as the rows look at, where all pages are small (dmabuf-run --small-pages).
 */
static int huge_memfd(size_t *ret_pages)
{
	unsigned char *addr;
	struct stat st;
	size_t size;
	int memfd;

	memfd = memfd_create("compliance", MFD_CLOEXEC | MFD_ALLOW_SEALING |
			     MFD_HUGETLB);
	if (memfd < 0)
		skip("no huge pages: %s", errno_name(errno));
	must(fstat(memfd, &st), "fstat(huge memfd)");
	size = (size_t)st.st_blksize;
	if (size == page_size())
		size = 8 * page_size();
	must(ftruncate(memfd, (off_t)size), "ftruncate(huge memfd)");
	must(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK), "F_SEAL_SHRINK");
	*ret_pages = size / page_size();
	addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (addr == MAP_FAILED)
		skip("no huge pages: %s", errno_name(errno));
	if (touch_write(addr))
		skip("no huge pages: %s", errno_name(ENOMEM));
	number_pages(addr, *ret_pages, 0);
	return memfd;
}

static void huge_part(void)
{
	unsigned char *addr;
	size_t pages;
	int memfd = huge_memfd(&pages);

	addr = buffer_map(udmabuf_make(memfd, 3, 2), 2);
	expect_page_number(addr, 3, "the first page");
	expect_page_number(addr + page_size(), 4, "the second page");
}

static void huge_whole(void)
{
	unsigned char *addr, *memory;
	size_t pages;
	int memfd = huge_memfd(&pages);

	memory = buffer_map(memfd, pages);
	addr = buffer_map(udmabuf_make(memfd, 0, pages), pages);
	expect_page_number(addr + (pages - 1) * page_size(),
			   (unsigned int)pages - 1, "the last page");
	number_pages(addr + 5 * page_size(), 1, 900);
	expect_page_number(memory + 5 * page_size(), 900, "the memfd");
}

static void huge_bounds(void)
{
	struct udmabuf_create create = { .size = page_size() };
	size_t pages;

	create.memfd = (__u32)huge_memfd(&pages);
	create.offset = pages * page_size();
	expect(-EINVAL, ioctl(udmabuf_open(), UDMABUF_CREATE, &create),
	       "ioctl(udmabuf, UDMABUF_CREATE, past the huge page)");
}

#define ROW(name, text, function, ...) \
	{ .id = "udmabuf." name, .title = text, .run = function, ##__VA_ARGS__ }

static const struct row udmabuf_linux_rows[] = {
	ROW("seal.alive", "F_SEAL_WRITE is EBUSY while the udmabuf lives", seal_while_alive),
	ROW("seal.part", "F_SEAL_WRITE is EBUSY if it is of one page", seal_of_part),
	ROW("seal.closed", "F_SEAL_WRITE works once it is closed", seal_afterwards),
	ROW("seal.mapped", "F_SEAL_WRITE is EBUSY while it is mapped", seal_while_mapped),
	ROW("seal.unmapped", "F_SEAL_WRITE works once it is unmapped", seal_after_unmap),
	ROW("seal.others", "F_SEAL_GROW and F_SEAL_SEAL can be added", other_seals),
	ROW("seal.future-write", "F_SEAL_FUTURE_WRITE can be added: it can still be mapped", future_write),
	ROW("memfd-grows", "a memfd that grows leaves the udmabuf alone", grows),
	ROW("inode", "a udmabuf has an inode of its own", own_inode),
	ROW("create.tmpfs", "a file on tmpfs is EINVAL", tmpfs_file),
	ROW("create.directory", "a directory is EBADFD", directory),
	ROW("create.proc", "a file of /proc is EBADFD", proc_file),
	ROW("create.path", "an O_PATH fd of a memfd is EBADFD", reopened_memfd, .a = O_PATH, .want = -EBADFD),
	ROW("create.read-only-memfd", "a memfd opened for reading will do", reopened_memfd, .a = O_RDONLY, .want = ANY_FD),
	ROW("create.named", "a memfd may be called like a buffer", named_memfd, .arg = "dmabuf:x"),
	ROW("create.mode-0", "a memfd that nobody may open will do", memfd_of_mode, .a = 0),
	ROW("create.mode-0400", "so will one that its owner may only read", memfd_of_mode, .a = 0400),
	ROW("device.path-ioctl", "an O_PATH fd of it is good for nothing: EBADF", path_fd),
	ROW("memory.hole", "a hole in the memfd leaves the udmabuf its page", hole),
	ROW("memory.allocated", "pages of the memfd are allocated, and no others", allocated),
	ROW("huge.part", "two small pages of a huge one", huge_part),
	ROW("huge.whole", "a whole huge page, written to", huge_whole),
	ROW("huge.past-end", "past the huge page is EINVAL", huge_bounds),
};

const struct group udmabuf_linux_group = LINUX_GROUP(TARGET_UDMABUF, udmabuf_linux_rows);
