/* SPDX-License-Identifier: MIT */
/* heap-memory.c - rows: modes of a heap's buffers, and their memory */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static void cloexec(void)
{
	struct dma_heap_allocation_data data = {
		.len = page_size(), .fd_flags = (__u32)the_row->a,
	};

	expect(0, ioctl(heap_open(), DMA_HEAP_IOCTL_ALLOC, &data),
	       "ioctl(heap, DMA_HEAP_IOCTL_ALLOC, {fd_flags=%#llx})",
	       the_row->a);
	expect(the_row->want, fcntl((int)data.fd, F_GETFD),
	       "fcntl(buf, F_GETFD)");
}

static void file_mode(void)
{
	int flags, buf = buffer_with_mode((int)the_row->a);

	flags = must(fcntl(buf, F_GETFL), "fcntl(buf, F_GETFL)");
	expect_value(the_row->a, flags & O_ACCMODE, "access mode");
}

/* @a: access mode of the buffer; @b: protection; @want: 0 or an errno. */
static void mapping_shared(void)
{
	int buf = buffer_with_mode((int)the_row->a);

	expect_map((int)the_row->want,
		   mmap(NULL, buffer_size(), (int)the_row->b, MAP_SHARED, buf,
			0),
		   "mmap(buf, protection %#llx, MAP_SHARED)", the_row->b);
}

static void mapping_private_page(void)
{
	int buf = buffer_with_mode((int)the_row->a);

	if (!is_system_heap())
		skip("a rule of the system heap");
	expect_map((int)the_row->want,
		   mmap(NULL, page_size(), (int)the_row->b, MAP_PRIVATE, buf,
			0),
		   "mmap(one page of buf, protection %#llx, MAP_PRIVATE)",
		   the_row->b);
}

static void mprotect_read_only(void)
{
	int buf = buffer_with_mode(O_RDONLY);
	void *addr;

	addr = expect_map(0, mmap(NULL, buffer_size(), PROT_READ, MAP_SHARED,
				  buf, 0), "mmap(buf, PROT_READ, MAP_SHARED)");
	expect(-EACCES, mprotect(addr, buffer_size(), PROT_READ | PROT_WRITE),
	       "mprotect(PROT_READ | PROT_WRITE)");
}

/* @a: access mode; @b: protection that it does not allow. */
static void mode_before_size(void)
{
	int buf = buffer_with_mode((int)the_row->a);

	expect_map(-EACCES, mmap(NULL, buffer_size() + page_size(),
				 (int)the_row->b, MAP_SHARED, buf, 0),
		   "mmap(buf, a page past the end)");
}

/* Likewise. What is wrong with the call itself comes before the mode. */
static void length_before_mode(void)
{
	int buf = buffer_with_mode((int)the_row->a), prot = (int)the_row->b;

	expect_map(-EINVAL, mmap(NULL, 0, prot, MAP_SHARED, buf, 0),
		   "mmap(0 bytes of buf)");
	expect_map(-ENOMEM, mmap(NULL, SIZE_MAX, prot, MAP_SHARED, buf, 0),
		   "mmap(buf, SIZE_MAX)");
	expect_map(-ENOMEM, mmap(NULL, too_long(), prot, MAP_SHARED, buf, 0),
		   "mmap(buf, all but a page of the address space)");
}

static void no_kind_of_mapping(void)
{
	int buf = buffer_with_mode(O_WRONLY);

	expect_map(-EINVAL, mmap(NULL, page_size(), PROT_READ, 0, buf, 0),
		   "mmap(write-only buf, neither shared nor private)");
}

static void sync_ignores_mode(void)
{
	struct dma_buf_sync sync = {
		.flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW,
	};
	int buf = buffer_with_mode((int)the_row->a);

	expect(0, ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync),
	       "ioctl(buf, DMA_BUF_IOCTL_SYNC, START | RW)");
	sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
	expect(0, ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync),
	       "ioctl(buf, DMA_BUF_IOCTL_SYNC, END | RW)");
}

static void transfer(void)
{
	int buf = buffer_with_mode((int)the_row->a);
	char byte = 0;
	ssize_t ret;

	ret = the_row->b ? write(buf, &byte, 1) : read(buf, &byte, 1);
	expect(the_row->want, ret, "%s(buf, 1)",
	       the_row->b ? "write" : "read");
}

#define ROW(name, text, function, ...) \
	{ .id = "heap.mode." name, .title = text, .run = function, ##__VA_ARGS__ }
#define RW (PROT_READ | PROT_WRITE)

static const struct row heap_mode_rows[] = {
	ROW("cloexec", "O_CLOEXEC sets close-on-exec", cloexec, .a = O_RDWR | O_CLOEXEC, .want = FD_CLOEXEC),
	ROW("no-cloexec", "without O_CLOEXEC the fd survives exec", cloexec, .a = O_RDWR),
	ROW("read-only", "O_RDONLY becomes the file's mode", file_mode, .a = O_RDONLY),
	ROW("write-only", "O_WRONLY becomes the file's mode", file_mode, .a = O_WRONLY),
	ROW("read-write", "O_RDWR becomes the file's mode", file_mode, .a = O_RDWR),
	ROW("read-only.map-read", "O_RDONLY maps for reading", mapping_shared, .a = O_RDONLY, .b = PROT_READ),
	ROW("read-only.map-write", "O_RDONLY mapped for writing is EACCES", mapping_shared, .a = O_RDONLY, .b = RW, .want = -EACCES),
	ROW("read-only.map-write-only", "O_RDONLY mapped for writing alone is EACCES", mapping_shared, .a = O_RDONLY, .b = PROT_WRITE, .want = -EACCES),
	ROW("read-only.map-private", "one page of O_RDONLY maps private and writable", mapping_private_page, .a = O_RDONLY, .b = RW),
	ROW("read-only.mprotect", "a mapping of O_RDONLY is never made writable", mprotect_read_only),
	ROW("read-only.order", "EACCES comes before the size", mode_before_size, .a = O_RDONLY, .b = RW),
	ROW("write-only.order", "for O_WRONLY as well", mode_before_size, .a = O_WRONLY, .b = PROT_READ),
	ROW("order.length-read-only", "lengths of 0 and too long ones come before EACCES", length_before_mode, .a = O_RDONLY, .b = RW),
	ROW("order.length-write-only", "for O_WRONLY as well", length_before_mode, .a = O_WRONLY, .b = PROT_READ),
	ROW("order.no-kind", "so does a mapping neither shared nor private", no_kind_of_mapping),
	ROW("write-only.map-read", "O_WRONLY mapped for reading is EACCES", mapping_shared, .a = O_WRONLY, .b = PROT_READ, .want = -EACCES),
	ROW("write-only.map-write", "O_WRONLY mapped for writing is EACCES", mapping_shared, .a = O_WRONLY, .b = PROT_WRITE, .want = -EACCES),
	ROW("write-only.map-none", "O_WRONLY mapped for nothing is EACCES", mapping_shared, .a = O_WRONLY, .b = PROT_NONE, .want = -EACCES),
	ROW("write-only.map-private", "O_WRONLY mapped private is EACCES", mapping_private_page, .a = O_WRONLY, .b = PROT_READ, .want = -EACCES),
	ROW("mode-3.map-read", "access mode 3 mapped for reading is EACCES", mapping_shared, .a = 3, .b = PROT_READ, .want = -EACCES),
	ROW("read-only.sync", "SYNC for writing works with O_RDONLY", sync_ignores_mode, .a = O_RDONLY),
	ROW("write-only.sync", "SYNC for reading works with O_WRONLY", sync_ignores_mode, .a = O_WRONLY),
	ROW("read-only.read", "read of O_RDONLY is EINVAL", transfer, .a = O_RDONLY, .want = -EINVAL),
	ROW("read-only.write", "write to O_RDONLY is EBADF", transfer, .a = O_RDONLY, .b = 1, .want = -EBADF),
	ROW("write-only.read", "read of O_WRONLY is EBADF", transfer, .a = O_WRONLY, .want = -EBADF),
	ROW("write-only.write", "write to O_WRONLY is EINVAL", transfer, .a = O_WRONLY, .b = 1, .want = -EINVAL),
};

const struct group heap_mode_group = GROUP(TARGET_HEAP, heap_mode_rows);

/* Memory that others have written to and given back comes out clean. */
static void zeroed_after_use(void)
{
	size_t pages = (size_t)the_row->a / page_size(), size, i;
	int nr = (int)the_row->b, round, buf[32], n;
	unsigned char *addr;

	if (!pages)
		pages = 1;
	size = pages * page_size();
	for (round = 0; round < 2; round++) {
		for (n = 0; n < nr; n++) {
			buf[n] = buffer_of(the_subject, pages);
			addr = buffer_map(buf[n], pages);
			for (i = 0; i < pages; i++)
				expect_filled(addr + i * page_size(), 0,
					      page_size(), "a new buffer");
			memset(addr, 0xff, size);
			munmap(addr, size);
		}
		for (n = 0; n < nr; n++)
			close(buf[n]);
	}
}

static void buffers_are_distinct(void)
{
	unsigned char *a = buffer_map(buffer(), BUFFER_PAGES);
	unsigned char *b = buffer_map(buffer(), BUFFER_PAGES);

	memset(a, 1, buffer_size());
	memset(b, 2, buffer_size());
	expect_filled(a, 1, buffer_size(), "the first buffer");
	expect_filled(b, 2, buffer_size(), "the second buffer");
}

static void heap_closed(void)
{
	struct dma_heap_allocation_data data = {
		.len = buffer_size(), .fd_flags = O_RDWR | O_CLOEXEC,
	};
	int heap = heap_open();
	unsigned char *addr;

	expect(0, ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data),
	       "ioctl(heap, DMA_HEAP_IOCTL_ALLOC)");
	expect(0, close(heap), "close(heap)");
	addr = buffer_map((int)data.fd, BUFFER_PAGES);
	number_pages(addr, BUFFER_PAGES, 1);
	expect_page_number(addr + 2 * page_size(), 3, "the last page");
}

/* Of blocks of all orders: 1 MiB, 64 KiB and single pages. */
static void every_page_is_its_own(void)
{
	size_t pages = (size_t)the_row->a, i;
	unsigned char *addr, *again;
	int buf;

	buf = buffer_of(the_subject, pages);
	addr = buffer_map(buf, pages);
	number_pages(addr, pages, 7);
	munmap(addr, pages * page_size());
	again = buffer_map(buf, pages);
	for (i = 0; i < pages; i++)
		expect_page_number(again + i * page_size(),
				   (unsigned int)i + 7, "the buffer");
}

static void child_allocates(void *arg)
{
	struct dma_heap_allocation_data data = {
		.len = page_size(), .fd_flags = O_RDWR | O_CLOEXEC,
	};

	expect(0, ioctl(*(int *)arg, DMA_HEAP_IOCTL_ALLOC, &data),
	       "ioctl(inherited heap, DMA_HEAP_IOCTL_ALLOC)");
	buffer_map((int)data.fd, 1)[0] = 1;
}

static void inherited_heap(void)
{
	int heap = heap_open();

	in_child(child_allocates, &heap);
}

#undef ROW
#define ROW(name, text, function, ...) \
	{ .id = "heap.memory." name, .title = text, .run = function, ##__VA_ARGS__ }

static const struct row heap_memory_rows[] = {
	ROW("zeroed-small", "32 buffers of a page are zero after 32 dirty ones", zeroed_after_use, .a = 4096, .b = 32),
	ROW("zeroed-large", "4 buffers of 1 MiB are zero after 4 dirty ones", zeroed_after_use, .a = 1 << 20, .b = 4),
	ROW("distinct", "two buffers do not share memory", buffers_are_distinct),
	ROW("heap-closed", "a buffer survives the heap's fd", heap_closed),
	ROW("large", "every page of 533 is its own", every_page_is_its_own, .a = 533),
	ROW("child", "a child allocates through an inherited fd", inherited_heap),
};

const struct group heap_memory_group = GROUP(TARGET_HEAP, heap_memory_rows);
