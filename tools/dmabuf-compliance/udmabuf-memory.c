/* SPDX-License-Identifier: MIT */
/* udmabuf-memory.c - rows: memory shared by a memfd and a udmabuf */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PAGES 8

/* A udmabuf of pages 5, 0, 1, 7 and 3 of a memfd of eight. */
static const unsigned int order[] = { 5, 0, 1, 7, 3 };
#define NR NR_ELEMS(order)

static int scattered(int memfd)
{
	struct {
		__u32 flags, count;
		struct udmabuf_create_item items[NR];
	} list = { .flags = UDMABUF_FLAGS_CLOEXEC, .count = NR };
	size_t i;

	for (i = 0; i < NR; i++) {
		list.items[i].memfd = (__u32)memfd;
		list.items[i].offset = order[i] * page_size();
		list.items[i].size = page_size();
	}
	return must(ioctl(udmabuf_open(), UDMABUF_CREATE_LIST, &list),
		    "ioctl(udmabuf, UDMABUF_CREATE_LIST, pages 5 0 1 7 3)");
}

static void expect_scattered(const unsigned char *addr, size_t first,
			     size_t pages, unsigned int more)
{
	size_t i;

	for (i = 0; i < pages; i++)
		expect_page_number(addr + i * page_size(),
				   order[first + i] + more, "the mapping");
}

static void offset_read(void)
{
	unsigned char *addr;

	addr = buffer_map(udmabuf_make(sealed_memfd(PAGES), 3, 2), 2);
	expect_page_number(addr, 3, "the first page");
	expect_page_number(addr + page_size(), 4, "the second page");
}

static void offset_written(void)
{
	unsigned char *addr, *memory;
	int memfd = sealed_memfd(PAGES);

	memory = buffer_map(memfd, PAGES);
	addr = buffer_map(udmabuf_make(memfd, 3, 2), 2);
	number_pages(addr, 2, 100);
	expect_page_number(memory + 2 * page_size(), 2, "the page before");
	expect_page_number(memory + 3 * page_size(), 100, "the memfd");
	expect_page_number(memory + 4 * page_size(), 101, "the memfd");
	expect_page_number(memory + 5 * page_size(), 5, "the page behind");
}

static void scattered_read(void)
{
	unsigned char *addr;

	addr = buffer_map(scattered(sealed_memfd(PAGES)), NR);
	expect_scattered(addr, 0, NR, 0);
}

/* What is written to one side is seen on the other, without further ado. */
static void both_directions(void)
{
	unsigned char *addr, *memory;
	int memfd = sealed_memfd(PAGES);
	size_t i;

	memory = buffer_map(memfd, PAGES);
	addr = buffer_map(scattered(memfd), NR);
	number_pages(memory, PAGES, 100);
	expect_scattered(addr, 0, NR, 100);
	number_pages(addr, NR, 200);
	for (i = 0; i < NR; i++)
		expect_page_number(memory + order[i] * page_size(),
				   200 + (unsigned int)i, "the memfd");
	expect_page_number(memory + 2 * page_size(), 102, "a page of none");
}

static void seen_by_read(void)
{
	unsigned int number = 4711;
	unsigned char *addr;
	int memfd = sealed_memfd(PAGES);

	addr = buffer_map(scattered(memfd), NR);
	memcpy(addr, &number, sizeof(number));
	number = 0;
	must((int)pread(memfd, &number, sizeof(number), 5 * page_size()),
	     "pread(memfd)");
	expect_value(4711, number, "what the memfd reads");
	number = 1174;
	must((int)pwrite(memfd, &number, sizeof(number), 7 * page_size()),
	     "pwrite(memfd)");
	memcpy(&number, addr + 3 * page_size(), sizeof(number));
	expect_value(1174, number, "what the buffer shows");
}

static void scattered_part(void)
{
	int buf = scattered(sealed_memfd(PAGES));
	unsigned char *addr;

	addr = expect_map(0, mmap(NULL, 3 * page_size(),
				  PROT_READ | PROT_WRITE, MAP_SHARED, buf,
				  (off_t)page_size()),
			  "mmap(3 pages at the second)");
	expect_scattered(addr, 1, 3, 0);
	addr = expect_map(0, mmap(NULL, page_size(), PROT_READ, MAP_SHARED,
				  buf, (off_t)(4 * page_size())),
			  "mmap(the last page)");
	expect_scattered(addr, 4, 1, 0);
}

static void scattered_bounds(void)
{
	int buf = scattered(sealed_memfd(PAGES));

	expect_map(-EINVAL, mmap(NULL, (NR + 1) * page_size(), PROT_READ,
				 MAP_SHARED, buf, 0), "mmap(a page too many)");
	expect_map(-EINVAL, mmap(NULL, page_size(), PROT_READ, MAP_SHARED,
				 buf, (off_t)(NR * page_size())),
		   "mmap(page at offset = size)");
	expect_map(-EINVAL, mmap(NULL, page_size(), PROT_READ, MAP_PRIVATE,
				 buf, 0), "mmap(page, MAP_PRIVATE)");
}

static void scattered_twice(void)
{
	int buf = scattered(sealed_memfd(PAGES));
	unsigned char *a, *b;

	a = buffer_map(buf, NR);
	b = buffer_map(buf, NR);
	number_pages(a, NR, 300);
	expect_page_number(b + 2 * page_size(), 302, "the second mapping");
	expect(0, munmap(a, NR * page_size()), "munmap(first)");
	expect_page_number(b, 300, "the second mapping");
}

static void scattered_fixed(void)
{
	int buf = scattered(sealed_memfd(PAGES));
	unsigned char *addr, *room;

	room = expect_map(0, mmap(NULL, 8 * page_size(), PROT_NONE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
			  "mmap(8 pages of nothing)");
	addr = expect_map(0, mmap(room + page_size(), NR * page_size(),
				  PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_FIXED, buf, 0),
			  "mmap(buf, MAP_FIXED)");
	if (addr != room + page_size())
		fail("expected the address asked for, got another");
	expect_scattered(addr, 0, NR, 0);
	expect_value(SIGSEGV, touch_read(room), "signal of a read before");
	expect_value(SIGSEGV, touch_read(addr + NR * page_size()),
		     "signal of a read behind");
}

static void scattered_read_only(void)
{
	int buf = scattered(sealed_memfd(PAGES));
	unsigned char *addr;

	addr = expect_map(0, mmap(NULL, NR * page_size(), PROT_READ,
				  MAP_SHARED, buf, 0), "mmap(PROT_READ)");
	expect_scattered(addr, 0, NR, 0);
	expect_value(SIGSEGV, touch_write(addr + page_size()),
		     "signal of a write");
	expect(0, mprotect(addr, NR * page_size(), PROT_READ | PROT_WRITE),
	       "mprotect(PROT_READ | PROT_WRITE)");
	expect_value(0, touch_write(addr + page_size()), "signal of a write");
}

static void child_checks(void *arg)
{
	unsigned char *addr = buffer_map(*(int *)arg, NR);

	expect_scattered(addr, 0, NR, 0);
	number_pages(addr, NR, 400);
}

static void scattered_in_child(void)
{
	int memfd = sealed_memfd(PAGES), buf = scattered(memfd);
	unsigned char *addr = buffer_map(buf, NR);

	in_child(child_checks, &buf);
	expect_page_number(addr + 4 * page_size(), 404, "the mapping");
	expect_page_number(buffer_map(memfd, PAGES), 401, "the memfd");
}

static void scattered_by_copy(void)
{
	int buf = scattered(sealed_memfd(PAGES));

	expect(11, dup2(buf, 11), "dup2(buf, 11)");
	expect(0, close(buf), "close(buf)");
	expect_scattered(buffer_map(11, NR), 0, NR, 0);
}

static void fd_closed(void)
{
	int memfd = sealed_memfd(PAGES), buf = scattered(memfd);
	unsigned char *addr = buffer_map(buf, NR);

	expect(0, close(buf), "close(buf)");
	number_pages(buffer_map(memfd, PAGES), PAGES, 500);
	expect_scattered(addr, 0, NR, 500);
}

static void memfd_closed(void)
{
	int memfd = sealed_memfd(PAGES), buf = scattered(memfd);

	expect(0, close(memfd), "close(memfd)");
	expect_scattered(buffer_map(buf, NR), 0, NR, 0);
}

/* Nothing has ever been written to these pages. */
static void unwritten(void)
{
	int memfd;

	memfd = must(memfd_create("compliance", MFD_CLOEXEC |
				  MFD_ALLOW_SEALING), "memfd_create()");
	must(ftruncate(memfd, PAGES * page_size()), "ftruncate(memfd)");
	must(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK), "F_SEAL_SHRINK");
	expect_filled(buffer_map(udmabuf_make(memfd, 2, 4), 4), 0,
		      4 * page_size(), "the mapping");
}

static void mapped_both_ways(void)
{
	unsigned char *a, *b;
	int memfd = sealed_memfd(PAGES);

	a = buffer_map(udmabuf_make(memfd, 0, 4), 4);
	b = buffer_map(udmabuf_make(memfd, 2, 4), 4);
	number_pages(a + 2 * page_size(), 1, 600);
	expect_page_number(b, 600, "the second udmabuf");
	number_pages(b + page_size(), 1, 700);
	expect_page_number(a + 3 * page_size(), 700, "the first udmabuf");
}

static void written_between_sync(void)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_RW };
	int memfd = sealed_memfd(PAGES), buf = scattered(memfd);
	unsigned char *addr = buffer_map(buf, NR);

	expect(0, ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync),
	       "ioctl(buf, DMA_BUF_IOCTL_SYNC, START | RW)");
	number_pages(addr, NR, 800);
	sync.flags |= DMA_BUF_SYNC_END;
	expect(0, ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync),
	       "ioctl(buf, DMA_BUF_IOCTL_SYNC, END | RW)");
	expect_page_number(buffer_map(memfd, PAGES) + 3 * page_size(), 804,
			   "the memfd");
}

#define ROW(name, text, function, ...) \
	{ .id = "udmabuf.memory." name, .title = text, .run = function, ##__VA_ARGS__ }

static const struct row udmabuf_memory_rows[] = {
	ROW("offset-read", "a udmabuf at an offset shows those pages", offset_read),
	ROW("offset-written", "writes to it reach those pages alone", offset_written),
	ROW("scattered", "a scattered udmabuf shows each page in its place", scattered_read),
	ROW("scattered-written", "writes are seen on both sides", both_directions),
	ROW("scattered-file", "the memfd's read and write see the same", seen_by_read),
	ROW("scattered-part", "parts of a scattered udmabuf", scattered_part),
	ROW("scattered-bounds", "past the end, and private, is EINVAL", scattered_bounds),
	ROW("scattered-twice", "two mappings of a scattered udmabuf", scattered_twice),
	ROW("scattered-fixed", "MAP_FIXED of a scattered udmabuf", scattered_fixed),
	ROW("scattered-read-only", "a read-only mapping, made writable", scattered_read_only),
	ROW("scattered-child", "a child maps it as its parent does", scattered_in_child),
	ROW("scattered-dup", "a copy of the fd maps the same", scattered_by_copy),
	ROW("scattered-sync", "written between START and END", written_between_sync),
	ROW("closed", "a mapping outlives the fd", fd_closed),
	ROW("memfd-closed", "the buffer outlives the memfd", memfd_closed),
	ROW("unwritten", "pages never written to are zero", unwritten),
	ROW("two", "two udmabufs of one memfd share pages", mapped_both_ways),
};

const struct group udmabuf_memory_group = GROUP(TARGET_UDMABUF, udmabuf_memory_rows);
