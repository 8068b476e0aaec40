/* SPDX-License-Identifier: MIT */
/* buf-mmap-linux.c - rows: mappings, by calls and flags of Linux */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <stdint.h>
#include <sys/uio.h>
#include <unistd.h>

#define RW (PROT_READ | PROT_WRITE)

static void odd_offset(void)
{
	expect(-EINVAL, raw_mmap(page_size(), RW, buffer(), 100),
	       "mmap(page, offset 100)");
}

static void odd_offset_closed(void)
{
	expect(-EINVAL, raw_mmap(page_size(), RW, closed_fd(), 100),
	       "mmap(page of a closed fd, offset 100)");
}

static size_t the_last_page(void)
{
	return SIZE_MAX - page_size() + 1;
}

static void wrapping_offset(void)
{
	expect(-EOVERFLOW, raw_mmap(2 * page_size(), RW, buffer(),
				     the_last_page()),
	       "mmap(2 pages, the last offset there is)");
}

static void length_before_offset(void)
{
	expect(-ENOMEM, raw_mmap(SIZE_MAX, RW, buffer(), the_last_page()),
	       "mmap(SIZE_MAX, the last offset there is)");
	expect(-ENOMEM, raw_mmap(too_long(), RW, buffer(), the_last_page()),
	       "mmap(all but a page, the last offset there is)");
}

/* Of a heap's buffer, as udmabuf has one mode only. */
static void offset_before_mode(void)
{
	if (the_subject->is_udmabuf)
		skip("buffers of udmabuf have one mode");
	expect(-EOVERFLOW, raw_mmap(2 * page_size(), PROT_READ,
				    buffer_with_mode(O_WRONLY),
				    the_last_page()),
	       "mmap(2 pages of write-only buf, the last offset there is)");
}

static void flags_before_mode(void)
{
	int buf;

	if (the_subject->is_udmabuf)
		skip("buffers of udmabuf have one mode");
	buf = buffer_with_mode(O_RDONLY);
	expect_map(-EOPNOTSUPP,
		   mmap(NULL, page_size(), RW, MAP_SHARED_VALIDATE | 0x200000,
			buf, 0),
		   "mmap(read-only buf, MAP_SHARED_VALIDATE | 0x200000)");
}

static void length_before_flags(void)
{
	expect_map(-ENOMEM,
		   mmap(NULL, too_long(), RW, MAP_SHARED_VALIDATE | 0x200000,
			buffer(), 0),
		   "mmap(all but a page of the address space, "
		   "MAP_SHARED_VALIDATE | 0x200000)");
}

static void flags_before_size(void)
{
	expect_map(-EOPNOTSUPP,
		   mmap(NULL, buffer_size() + page_size(), RW,
			MAP_SHARED_VALIDATE | 0x200000, buffer(), 0),
		   "mmap(a page past the end, MAP_SHARED_VALIDATE | "
		   "0x200000)");
}

/* @a: flags. At an address that is free, and that everybody may have. */
static void validated(void)
{
	void *addr = mmap(NULL, page_size(), PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(addr, page_size());
	expect_map((int)the_row->want,
		   mmap(addr, page_size(), RW, (int)the_row->a, buffer(), 0),
		   "mmap(page, flags %#llx)", the_row->a);
}

static void grow(void)
{
	unsigned char *addr = buffer_map(buffer(), BUFFER_PAGES);

	expect_map(-EFAULT, mremap(addr, buffer_size(),
				   buffer_size() + page_size(),
				   MREMAP_MAYMOVE), "mremap(a page more)");
}

static void grow_within(void)
{
	unsigned char *addr = buffer_map(buffer(), 1);

	expect_map(-EFAULT, mremap(addr, page_size(), 2 * page_size(),
				   MREMAP_MAYMOVE),
		   "mremap(two pages instead of the first)");
}

static void shrink(void)
{
	unsigned char *addr = buffer_map(numbered_buffer(), BUFFER_PAGES);

	expect_map(0, mremap(addr, buffer_size(), page_size(), 0),
		   "mremap(one page instead of three)");
	expect_page_number(addr, 10, "the first page");
}

static void move(void)
{
	unsigned char *addr = buffer_map(numbered_buffer(), BUFFER_PAGES);
	unsigned char *to = bad_pointer();

	addr = expect_map(0, mremap(addr + page_size(), page_size(),
				    page_size(), MREMAP_MAYMOVE | MREMAP_FIXED,
				    to), "mremap(second page, moved)");
	expect_page_number(addr, 11, "the second page");
}

static void map_populate(void)
{
	unsigned char *addr;

	addr = expect_map(0, mmap(NULL, buffer_size(), RW,
				  MAP_SHARED | MAP_POPULATE,
				  numbered_buffer(), 0),
			  "mmap(buf, MAP_POPULATE)");
	expect_page_number(addr + page_size(), 11, "the second page");
}

static void grow_from_nothing(void)
{
	unsigned char *addr = buffer_map(buffer(), BUFFER_PAGES);

	expect_map(-EFAULT, mremap(addr, 0, page_size(), MREMAP_MAYMOVE),
		   "mremap(a second mapping)");
}

static void huge_flag(void)
{
	expect_map(-EINVAL, mmap(NULL, page_size(), RW,
				 MAP_SHARED | MAP_HUGETLB, buffer(), 0),
		   "mmap(page, MAP_HUGETLB)");
}

/* @a: advice. */
static void advised(void)
{
	unsigned char *addr = buffer_map(numbered_buffer(), BUFFER_PAGES);

	expect(the_row->want, madvise(addr, buffer_size(), (int)the_row->a),
	       "madvise(buf, %s)", (const char *)the_row->arg);
	expect_page_number(addr + page_size(), 11, "the second page");
}

static void locked(void)
{
	unsigned char *addr = buffer_map(buffer(), BUFFER_PAGES);

	expect(0, mlock(addr, page_size()), "mlock(first page)");
}

/* Memory that others write into, and read from, through the kernel. */
static void through_pipe(void)
{
	unsigned char *addr = buffer_map(numbered_buffer(), BUFFER_PAGES);
	ssize_t size = (ssize_t)page_size();
	int fds[2];

	must(pipe(fds), "pipe()");
	expect(size, write(fds[1], addr, page_size()),
	       "write(pipe, first page)");
	expect(size, read(fds[0], addr + page_size(), page_size()),
	       "read(pipe, second page)");
	expect_page_number(addr + page_size(), 10, "the second page");
}

/* No reference to a page can be taken: it is no ordinary memory. */
static void spliced(void)
{
	unsigned char *addr = buffer_map(buffer(), BUFFER_PAGES);
	struct iovec iov = { addr, page_size() };
	int fds[2];

	must(pipe(fds), "pipe()");
	expect(-EFAULT, vmsplice(fds[1], &iov, 1, 0),
	       "vmsplice(pipe, first page)");
}

static void read_from_afar(void)
{
	unsigned char *addr = buffer_map(buffer(), BUFFER_PAGES), byte;
	struct iovec here = { &byte, 1 }, there = { addr, 1 };

	expect(-EFAULT, process_vm_readv(getpid(), &here, 1, &there, 1, 0),
	       "process_vm_readv(first byte)");
}

static void read_by_file(void)
{
	unsigned char *addr = buffer_map(buffer(), BUFFER_PAGES), byte;
	int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);

	if (memory < 0)
		skip("no /proc/self/mem: %s", errno_name(errno));
	expect(-EIO, pread(memory, &byte, 1, (off_t)(uintptr_t)addr),
	       "pread(/proc/self/mem, first byte)");
}

#define ROW(name, text, function, ...) \
	{ .id = "buf." name, .title = text, .run = function, ##__VA_ARGS__ }
#define ADVICE(name, text, advice, result) \
	ROW("memory.madvise-" name, text, advised, .a = advice, \
	    .arg = #advice, .want = result)

static const struct row buf_mmap_linux_rows[] = {
	ROW("mmap.offset-odd", "an offset within a page is EINVAL", odd_offset),
	ROW("mmap.offset-wraps", "offset and length that wrap are EOVERFLOW", wrapping_offset),
	ROW("mmap.order.offset-closed", "the offset is checked before the fd", odd_offset_closed),
	ROW("mmap.order.length-wraps", "the length is checked before the offset", length_before_offset),
	ROW("mmap.order.wraps-mode", "an offset that wraps comes before the mode", offset_before_mode),
	ROW("mmap.order.length-flags", "too long a length comes before unknown flags", length_before_flags),
	ROW("mmap.order.flags-mode", "unknown flags come before the mode", flags_before_mode),
	ROW("mmap.order.flags-size", "unknown flags come before the size", flags_before_size),
	ROW("mmap.validate", "MAP_SHARED_VALIDATE without more works", validated, .a = MAP_SHARED_VALIDATE),
	ROW("mmap.validate-unknown", "MAP_SHARED_VALIDATE with an unknown flag is EOPNOTSUPP", validated, .a = MAP_SHARED_VALIDATE | 0x200000, .want = -EOPNOTSUPP),
	ROW("mmap.validate-sync", "MAP_SYNC is EOPNOTSUPP", validated, .a = MAP_SHARED_VALIDATE | 0x80000, .want = -EOPNOTSUPP),
	ROW("mmap.shared-unknown", "MAP_SHARED with an unknown flag works", validated, .a = MAP_SHARED | 0x200000),
	ROW("mmap.validate-noreplace", "so is MAP_FIXED_NOREPLACE", validated, .a = MAP_SHARED_VALIDATE | 0x100000, .want = -EOPNOTSUPP),
	ROW("mmap.grows-down", "MAP_GROWSDOWN is EINVAL", validated, .a = MAP_SHARED | MAP_GROWSDOWN, .want = -EINVAL),
	ROW("mmap.mremap-grow", "a mapping cannot grow: EFAULT", grow),
	ROW("mmap.mremap-grow-within", "nor within the buffer: EFAULT", grow_within),
	ROW("mmap.mremap-shrink", "a mapping can shrink", shrink),
	ROW("mmap.mremap-move", "a page can be moved", move),
	ROW("mmap.populate", "MAP_POPULATE works", map_populate),
	ROW("mmap.hugetlb", "MAP_HUGETLB is EINVAL", huge_flag),
	ROW("mmap.mremap-copy", "no second mapping by mremap: EFAULT", grow_from_nothing),
	ADVICE("dontneed", "MADV_DONTNEED is EINVAL", MADV_DONTNEED, -EINVAL),
	ADVICE("remove", "MADV_REMOVE is ENODEV", MADV_REMOVE, -ENODEV),
	ADVICE("dodump", "MADV_DODUMP is EINVAL: it is never dumped", MADV_DODUMP, -EINVAL),
	ADVICE("dontfork", "MADV_DONTFORK works", MADV_DONTFORK, 0),
	ADVICE("willneed", "MADV_WILLNEED works", MADV_WILLNEED, 0),
	ROW("memory.mlock", "mlock works", locked),
	ROW("memory.pipe", "pipes are written from it and read into it", through_pipe),
	ROW("memory.vmsplice", "vmsplice from it is EFAULT", spliced),
	ROW("memory.process-vm", "process_vm_readv of it is EFAULT", read_from_afar),
	ROW("memory.proc-mem", "/proc/self/mem of it is EIO", read_by_file),
};

const struct group buf_mmap_linux_group = LINUX_GROUP(TARGET_BUFFER, buf_mmap_linux_rows);
