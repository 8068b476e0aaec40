/* SPDX-License-Identifier: MIT */
/* buf-mmap.c - rows: mapping a buffer */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#define RW (PROT_READ | PROT_WRITE)

/* @a: first page, @b: pages, @want: 0 or an errno. */
static void part(void)
{
	size_t offset = (size_t)the_row->a * page_size(), i;
	size_t length = (size_t)the_row->b * page_size();
	unsigned char *addr;

	addr = expect_map((int)the_row->want,
			  mmap(NULL, length, RW, MAP_SHARED, numbered_buffer(),
			       (off_t)offset),
			  "mmap(%lld pages of buf, offset %lld pages)",
			  the_row->b, the_row->a);
	for (i = 0; addr && i < (size_t)the_row->b; i++)
		expect_page_number(addr + i * page_size(),
				   10 + (unsigned int)(the_row->a + i),
				   "the mapping");
}

/* @a: length in bytes, from offset @b pages. */
static void odd_length(void)
{
	expect_map((int)the_row->want,
		   mmap(NULL, (size_t)the_row->a, RW, MAP_SHARED, buffer(),
			(off_t)(the_row->b * page_size())),
		   "mmap(%lld bytes of buf, offset %lld pages)", the_row->a,
		   the_row->b);
}

static void two_pages_at_last(void)
{
	expect_map(-EINVAL, mmap(NULL, page_size() + 1, RW, MAP_SHARED,
				 buffer(), (off_t)(2 * page_size())),
		   "mmap(a page and a byte, offset 2 pages)");
}

static void closed(void)
{
	expect_map(-EBADF, mmap(NULL, page_size(), RW, MAP_SHARED, closed_fd(),
				0), "mmap(page of a closed fd)");
}

static void nothing_of_closed(void)
{
	expect_map(-EBADF, mmap(NULL, 0, RW, MAP_SHARED, closed_fd(), 0),
		   "mmap(0 bytes of a closed fd)");
}

static void huge_length(void)
{
	expect_map(-ENOMEM, mmap(NULL, SIZE_MAX, RW, MAP_SHARED, buffer(), 0),
		   "mmap(all bytes of the address space)");
}

static void no_such_space(void)
{
	expect_map(-ENOMEM, mmap(NULL, too_long(), RW, MAP_SHARED, buffer(),
				 0),
		   "mmap(all but a page of the address space)");
}

static void neither_shared_nor_private(void)
{
	expect_map(-EINVAL, mmap(NULL, page_size(), RW, 0, buffer(), 0),
		   "mmap(page, neither shared nor private)");
}

/* Each exporter has its own opinion of private mappings. */
static void private_page(void)
{
	int want = is_system_heap() ? 0 : -EINVAL;

	if (!is_system_heap() && !is_contiguous_heap() &&
	    !the_subject->is_udmabuf)
		skip("not known of this heap");
	expect_map(want, mmap(NULL, page_size(), RW, MAP_PRIVATE, buffer(),
			      0), "mmap(page, MAP_PRIVATE)");
}

/* @a: protection. */
static void private_whole(void)
{
	if (!is_system_heap() && !is_contiguous_heap() &&
	    !the_subject->is_udmabuf)
		skip("not known of this heap");
	expect_map(-EINVAL, mmap(NULL, buffer_size(), (int)the_row->a,
				 MAP_PRIVATE, buffer(), 0),
		   "mmap(3 pages, protection %#llx, MAP_PRIVATE)",
		   the_row->a);
}

static void private_page_is_a_copy(void)
{
	unsigned char *shared, *copy;
	int buf = numbered_buffer();

	if (!is_system_heap())
		skip("private mappings are refused");
	shared = buffer_map(buf, BUFFER_PAGES);
	copy = expect_map(0, mmap(NULL, page_size(), RW, MAP_PRIVATE, buf,
				  (off_t)page_size()),
			  "mmap(second page, MAP_PRIVATE)");
	expect_page_number(copy, 11, "the private mapping");
	number_pages(copy, 1, 99);
	expect_page_number(shared + page_size(), 11, "the shared mapping");
}

static void twice(void)
{
	unsigned char *a, *b;
	int buf = buffer();

	a = buffer_map(buf, BUFFER_PAGES);
	b = buffer_map(buf, BUFFER_PAGES);
	number_pages(a, BUFFER_PAGES, 50);
	expect_page_number(b + 2 * page_size(), 52, "the second mapping");
	number_pages(b, BUFFER_PAGES, 60);
	expect_page_number(a + page_size(), 61, "the first mapping");
}

static void outlives_fd(void)
{
	unsigned char *addr;
	int buf = numbered_buffer();

	addr = buffer_map(buf, BUFFER_PAGES);
	expect(0, close(buf), "close(buf)");
	expect_page_number(addr + page_size(), 11, "the mapping");
	number_pages(addr, BUFFER_PAGES, 20);
	expect_page_number(addr, 20, "the mapping");
}

static void unmap_part(void)
{
	unsigned char *addr;
	int buf = numbered_buffer();

	addr = buffer_map(buf, BUFFER_PAGES);
	expect(0, munmap(addr + page_size(), page_size()),
	       "munmap(second page)");
	expect_page_number(addr, 10, "the first page");
	expect_page_number(addr + 2 * page_size(), 12, "the third page");
}

static void fixed(void)
{
	unsigned char *addr;
	int buf = numbered_buffer();

	addr = buffer_map(buffer(), BUFFER_PAGES);
	expect_map(0, mmap(addr + page_size(), page_size(), RW,
			   MAP_SHARED | MAP_FIXED, buf,
			   (off_t)(2 * page_size())),
		   "mmap(third page, MAP_FIXED over another buffer)");
	expect_page_number(addr + page_size(), 12, "the piece in the middle");
	expect_filled(addr + 2 * page_size(), 0, page_size(),
		      "what is behind it");
}

static void make_writable(void)
{
	unsigned char *addr;
	int buf = numbered_buffer();

	addr = expect_map(0, mmap(NULL, buffer_size(), PROT_NONE, MAP_SHARED,
				  buf, 0), "mmap(buf, PROT_NONE)");
	expect(0, mprotect(addr, buffer_size(), RW),
	       "mprotect(PROT_READ | PROT_WRITE)");
	expect_page_number(addr + page_size(), 11, "the mapping");
	number_pages(addr, BUFFER_PAGES, 30);
	expect_page_number(addr, 30, "the mapping");
}

static void read_only_mapping(void)
{
	unsigned char *addr;

	addr = expect_map(0, mmap(NULL, buffer_size(), PROT_READ, MAP_SHARED,
				  numbered_buffer(), 0),
			  "mmap(buf, PROT_READ)");
	expect_page_number(addr, 10, "the mapping");
	expect_value(SIGSEGV, touch_write(addr), "signal of a write");
}

static void last_byte(void)
{
	unsigned char *addr = buffer_map(buffer(), BUFFER_PAGES);

	expect_value(0, touch_write(addr + buffer_size() - 1),
		     "signal of a write");
	expect_value(0, touch_read(addr + buffer_size() - 1),
		     "signal of a read");
}

static void msync_works(void)
{
	unsigned char *addr = buffer_map(buffer(), BUFFER_PAGES);

	expect(the_row->want, msync(addr, buffer_size(), (int)the_row->a),
	       "msync(buf, %s)", (const char *)the_row->arg);
}

#define ROW(name, text, function, ...) \
	{ .id = "buf.mmap." name, .title = text, .run = function, ##__VA_ARGS__ }
#define PART(name, text, first, pages, result) \
	ROW(name, text, part, .a = first, .b = pages, .want = result)

static const struct row buf_mmap_rows[] = {
	PART("whole", "the whole buffer", 0, 3, 0),
	PART("first", "the first page", 0, 1, 0),
	PART("middle", "the page in the middle", 1, 1, 0),
	PART("last", "the last page", 2, 1, 0),
	PART("tail", "all but the first page", 1, 2, 0),
	PART("past-end", "one page past the end is EINVAL", 0, 4, -EINVAL),
	PART("tail-past-end", "one page past the end from an offset is EINVAL", 1, 3, -EINVAL),
	PART("offset-size", "offset = size is EINVAL", 3, 1, -EINVAL),
	PART("offset-beyond", "an offset beyond the size is EINVAL", 1000, 1, -EINVAL),
	ROW("length-one", "one byte is a page", odd_length, .a = 1),
	ROW("length-odd", "10000 bytes are three pages of 4096", odd_length, .a = 10000),
	ROW("length-odd-past-end", "a page and a byte do not fit into the last page", two_pages_at_last),
	ROW("length-zero", "length 0 is EINVAL", odd_length, .a = 0, .want = -EINVAL),
	ROW("length-huge", "a length that rounds up to 0 is ENOMEM", huge_length),
	ROW("length-address-space", "a length that no address space has is ENOMEM", no_such_space),
	ROW("no-kind", "neither shared nor private is EINVAL", neither_shared_nor_private),
	ROW("closed", "a closed fd is EBADF", closed),
	ROW("order.closed-length", "the fd is checked before the length", nothing_of_closed),
	ROW("private-page", "one page private: as the exporter allows", private_page),
	ROW("private-whole", "three pages private are EINVAL", private_whole, .a = RW),
	ROW("private-read", "even to be read only", private_whole, .a = PROT_READ),
	ROW("private-copy", "a private page is a copy once written to", private_page_is_a_copy),
	ROW("twice", "two mappings show the same memory", twice),
	ROW("outlives-fd", "a mapping outlives the fd", outlives_fd),
	ROW("unmap-part", "a page can be unmapped out of the middle", unmap_part),
	ROW("fixed", "MAP_FIXED puts a page over another buffer's", fixed),
	ROW("mprotect", "a mapping without access can be made writable", make_writable),
	ROW("read-only", "a write to a read-only mapping is SIGSEGV", read_only_mapping),
	ROW("last-byte", "the last byte is there", last_byte),
	ROW("msync", "MS_SYNC is EINVAL", msync_works, .a = MS_SYNC, .arg = "MS_SYNC", .want = -EINVAL),
	ROW("msync-async", "MS_ASYNC works", msync_works, .a = MS_ASYNC, .arg = "MS_ASYNC"),
};

const struct group buf_mmap_group = GROUP(TARGET_BUFFER, buf_mmap_rows);
