/* SPDX-License-Identifier: MIT */
/* heap-alloc.c - rows: DMA_HEAP_IOCTL_ALLOC, its checks and their order */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define ALL_BITS_BUT(bits) ((__u32)~(__u32)(bits))

/* The largest structure that is read: 24 bytes are known. */
struct larger {
	struct dma_heap_allocation_data data;
	unsigned char rest[16383 - sizeof(struct dma_heap_allocation_data)];
};

static long long alloc(long long want, int heap, void *arg, size_t size,
		       unsigned int dir)
{
	return expect(want, ioctl(heap, _IOC(dir, 'H', 0, size), arg),
		      "ioctl(heap, DMA_HEAP_IOCTL_ALLOC, %zu bytes%s%s)", size,
		      dir & _IOC_WRITE ? "" : ", not written",
		      dir & _IOC_READ ? "" : ", not read");
}

static void describe_alloc(long long want, int heap,
			   struct dma_heap_allocation_data *data)
{
	expect(want, ioctl(heap, DMA_HEAP_IOCTL_ALLOC, data),
	       "ioctl(heap, DMA_HEAP_IOCTL_ALLOC, {len=%llu, fd=%d, "
	       "fd_flags=%#x, heap_flags=%#llx})",
	       (unsigned long long)data->len, (int)data->fd,
	       (unsigned int)data->fd_flags,
	       (unsigned long long)data->heap_flags);
}

/* Neither the fd table nor the caller's memory changes. */
static void refused(void)
{
	const struct dma_heap_allocation_data *arg = the_row->arg;
	struct dma_heap_allocation_data data = *arg;
	struct fd_snapshot before;
	int heap = heap_open();

	fds_snapshot(&before);
	describe_alloc(-EINVAL, heap, &data);
	expect_no_new_fd(&before);
	if (memcmp(&data, arg, sizeof(data)))
		fail("expected the argument as it was, got another");
}

static void accepted(void)
{
	const struct dma_heap_allocation_data *arg = the_row->arg;
	struct dma_heap_allocation_data data = *arg;
	struct fd_snapshot before;
	int heap = heap_open(), fd;

	fds_snapshot(&before);
	describe_alloc(0, heap, &data);
	expect_value(1, fds_new(&before, &fd), "new fds");
	if (fd != (int)data.fd)
		fail("expected the new fd in the structure, got another");
	if (data.len != arg->len || data.fd_flags != arg->fd_flags ||
	    data.heap_flags != arg->heap_flags)
		fail("expected only fd to change, got another field");
}

/* @a: bytes asked for, or pages and @b bytes. */
static void size_is_rounded(void)
{
	__u64 length = the_row->a * page_size() + the_row->b;
	struct dma_heap_allocation_data data = {
		.len = length, .fd_flags = O_RDWR | O_CLOEXEC,
	};

	describe_alloc(0, heap_open(), &data);
	expect(the_row->want * (long long)page_size(),
	       lseek((int)data.fd, 0, SEEK_END), "lseek(buf, 0, SEEK_END)");
}

static void bad_argument(void)
{
	struct fd_snapshot before;
	int heap = heap_open();

	fds_snapshot(&before);
	expect(-EFAULT, ioctl(heap, DMA_HEAP_IOCTL_ALLOC, bad_pointer()),
	       "ioctl(heap, DMA_HEAP_IOCTL_ALLOC, bad pointer)");
	expect(-EFAULT, ioctl(heap, DMA_HEAP_IOCTL_ALLOC, NULL),
	       "ioctl(heap, DMA_HEAP_IOCTL_ALLOC, NULL)");
	expect_no_new_fd(&before);
}

/* The last 8 bytes cannot be read; that the others are wrong does not count. */
static void argument_half_readable(void)
{
	struct dma_heap_allocation_data data = {
		.fd = 1, .fd_flags = UINT32_MAX,
	};

	expect(-EFAULT, ioctl(heap_open(), DMA_HEAP_IOCTL_ALLOC,
			      at_page_end(&data, sizeof(data) - 8)),
	       "ioctl(heap, DMA_HEAP_IOCTL_ALLOC, 16 readable bytes)");
}

static void write_back(int heap)
{
	struct dma_heap_allocation_data data = {
		.len = page_size(), .fd_flags = O_RDWR | O_CLOEXEC,
	};

	expect(-EFAULT, ioctl(heap, DMA_HEAP_IOCTL_ALLOC,
			      read_only_copy(&data, sizeof(data))),
	       "ioctl(heap, DMA_HEAP_IOCTL_ALLOC, read-only memory)");
}

static void argument_read_only(void)
{
	write_back(heap_open());
}

/* Kernels before some 6.12.y forgot an fd that nobody knew the number of. */
static void fd_after_write_back(void)
{
	struct fd_snapshot before;
	int heap = heap_open(), fd;

	fds_snapshot(&before);
	write_back(heap);
	expect_either(0, 1, fds_new(&before, &fd), "fds left behind");
}

/* Kernels before some 6.12.y wrote it back after a failure too. */
static void refused_read_only(void)
{
	struct dma_heap_allocation_data data = { .len = 0 };
	void *arg = read_only_copy(&data, sizeof(data));

	expect_either(-EINVAL, -EFAULT,
		      ioctl(heap_open(), DMA_HEAP_IOCTL_ALLOC, arg),
		      "ioctl(heap, DMA_HEAP_IOCTL_ALLOC, {len=0}, read-only "
		      "memory)");
}

static void refused_not_read(void)
{
	struct dma_heap_allocation_data data = { .len = 0 };

	alloc(-EINVAL, heap_open(), read_only_copy(&data, sizeof(data)),
	      sizeof(data), _IOC_WRITE);
}

static void no_fd_number(void)
{
	struct dma_heap_allocation_data data = {
		.len = page_size(), .fd_flags = O_RDWR | O_CLOEXEC,
	};
	int heap = heap_open();

	fds_use_up();
	describe_alloc(-EMFILE, heap, &data);
	expect_value(0, (int)data.fd, "fd field after EMFILE");
	fds_allow_more();
	describe_alloc(0, heap, &data);
}

static void length_before_fd_number(void)
{
	struct dma_heap_allocation_data data = { .len = 0 };
	int heap = heap_open();

	fds_use_up();
	describe_alloc(-EINVAL, heap, &data);
}

static void fd_number_before_write_back(void)
{
	struct dma_heap_allocation_data data = { .len = page_size() };
	void *arg = read_only_copy(&data, sizeof(data));
	int heap = heap_open();

	fds_use_up();
	expect_either(-EMFILE, -EFAULT, ioctl(heap, DMA_HEAP_IOCTL_ALLOC, arg),
		      "ioctl(heap, DMA_HEAP_IOCTL_ALLOC, read-only memory), "
		      "no fd free");
}

static void lowest_fd(void)
{
	struct dma_heap_allocation_data data = {
		.len = page_size(), .fd_flags = O_RDWR | O_CLOEXEC,
	};
	int heap = heap_open(), lowest = free_fd();

	describe_alloc(0, heap, &data);
	expect_lowest(lowest, (int)data.fd, "fd");
}

/* @a: size of the structure; the tail that is missing is zero. */
static void smaller_structure(void)
{
	struct dma_heap_allocation_data data = {
		.len = page_size(), .fd_flags = O_RDWR | O_CLOEXEC,
	};
	size_t size = (size_t)the_row->a;
	struct fd_snapshot before;
	int heap = heap_open(), fd = -1;

	fds_snapshot(&before);
	alloc(0, heap, at_page_end(&data, size), size, _IOC_READ | _IOC_WRITE);
	expect_value(1, fds_new(&before, &fd), "new fds");
	expect(page_size(), lseek(fd, 0, SEEK_END), "lseek(buf, 0, SEEK_END)");
}

static void smaller_structure_tells(void)
{
	struct dma_heap_allocation_data data = {
		.len = page_size(), .fd_flags = O_RDWR | O_CLOEXEC,
	};
	struct dma_heap_allocation_data *arg;
	struct fd_snapshot before;
	int heap = heap_open(), fd = -1;

	arg = at_page_end(&data, 16);
	fds_snapshot(&before);
	alloc(0, heap, arg, 16, _IOC_READ | _IOC_WRITE);
	expect_value(1, fds_new(&before, &fd), "new fds");
	if ((int)arg->fd != fd)
		fail("expected the new fd in the structure, got another");
}

/* @a: size of the structure. Its rest is neither looked at nor changed. */
static void larger_structure(void)
{
	static struct larger arg;
	size_t size = (size_t)the_row->a, rest = size - sizeof(arg.data);

	memset(arg.rest, 0xa5, sizeof(arg.rest));
	arg.data.len = page_size();
	arg.data.fd_flags = O_RDWR | O_CLOEXEC;
	alloc(0, heap_open(), &arg, size, _IOC_READ | _IOC_WRITE);
	expect_filled(arg.rest, 0xa5, rest, "the surplus");
	expect(page_size(), lseek((int)arg.data.fd, 0, SEEK_END),
	       "lseek(buf, 0, SEEK_END)");
}

static void larger_structure_unreadable(void)
{
	struct dma_heap_allocation_data data = {
		.len = page_size(), .heap_flags = 1,
	};

	alloc(-EFAULT, heap_open(), at_page_end(&data, sizeof(data)),
	      sizeof(data) + 24, _IOC_READ | _IOC_WRITE);
}

/* @a: direction, @b: size. Nothing is read, so everything is zero. */
static void reads_nothing(void)
{
	struct dma_heap_allocation_data data = { .len = page_size() };
	struct fd_snapshot before;
	int heap = heap_open();

	fds_snapshot(&before);
	alloc(-EINVAL, heap, &data, (size_t)the_row->b,
	      (unsigned int)the_row->a);
	expect_no_new_fd(&before);
}

static void tells_nothing(void)
{
	struct dma_heap_allocation_data data = {
		.len = page_size(), .fd_flags = O_RDWR | O_CLOEXEC,
	};
	struct fd_snapshot before;
	int heap = heap_open(), fd;

	fds_snapshot(&before);
	alloc(0, heap, &data, sizeof(data), _IOC_WRITE);
	expect_value(1, fds_new(&before, &fd), "new fds");
	expect_value(0, (int)data.fd, "fd field");
}

static void tells_nothing_read_only(void)
{
	struct dma_heap_allocation_data data = {
		.len = page_size(), .fd_flags = O_RDWR | O_CLOEXEC,
	};

	alloc(0, heap_open(), read_only_copy(&data, sizeof(data)),
	      sizeof(data), _IOC_WRITE);
}

static void other_letter(void)
{
	struct dma_heap_allocation_data data = {
		.len = page_size(), .fd_flags = O_RDWR | O_CLOEXEC,
	};

	expect(0, ioctl(heap_open(), _IOC(_IOC_READ | _IOC_WRITE,
					  (unsigned int)the_row->a, 0,
					  sizeof(data)), &data),
	       "ioctl(heap, letter %c number 0)", (char)the_row->a);
	expect(page_size(), lseek((int)data.fd, 0, SEEK_END),
	       "lseek(buf, 0, SEEK_END)");
}

#define ARG(...) \
	.arg = &(const struct dma_heap_allocation_data) { __VA_ARGS__ }
#define REFUSED(name, text, ...) \
	{ .id = "heap.alloc." name, .title = text " is EINVAL", .run = refused, ARG(__VA_ARGS__) }
#define ACCEPTED(name, text, ...) \
	{ .id = "heap.alloc." name, .title = text, .run = accepted, ARG(__VA_ARGS__) }
#define ROW(name, text, function, ...) \
	{ .id = "heap.alloc." name, .title = text, .run = function, ##__VA_ARGS__ }

static const struct row heap_alloc_rows[] = {
	ACCEPTED("basic", "one new fd, told in the structure", .len = 1, .fd_flags = O_RDWR | O_CLOEXEC),
	ACCEPTED("access-mode-3", "access mode 3 is accepted", .len = 1, .fd_flags = 3 | O_CLOEXEC),
	REFUSED("fd-set", "fd set on input", .len = 1, .fd = 1, .fd_flags = O_RDWR),
	REFUSED("fd-negative", "fd -1 on input", .len = 1, .fd = (__u32)-1, .fd_flags = O_RDWR),
	REFUSED("fd-flags-append", "O_APPEND in fd_flags", .len = 1, .fd_flags = O_RDWR | O_APPEND),
	REFUSED("fd-flags-nonblock", "O_NONBLOCK in fd_flags", .len = 1, .fd_flags = O_RDWR | O_NONBLOCK),
	REFUSED("fd-flags-create", "O_CREAT in fd_flags", .len = 1, .fd_flags = O_RDWR | O_CREAT),
	REFUSED("fd-flags-high", "bit 31 in fd_flags", .len = 1, .fd_flags = O_RDWR | 0x80000000),
	REFUSED("fd-flags-all", "every unknown bit in fd_flags", .len = 1, .fd_flags = ALL_BITS_BUT(O_ACCMODE | O_CLOEXEC)),
	REFUSED("heap-flags-1", "bit 0 in heap_flags", .len = 1, .fd_flags = O_RDWR, .heap_flags = 1),
	REFUSED("heap-flags-several", "several bits in heap_flags", .len = 1, .fd_flags = O_RDWR, .heap_flags = 0x111111),
	REFUSED("heap-flags-high", "bit 63 in heap_flags", .len = 1, .fd_flags = O_RDWR, .heap_flags = (__u64)1 << 63),
	REFUSED("len-zero", "length 0", .len = 0, .fd_flags = O_RDWR),
	REFUSED("len-wraps", "a length that rounds up to 0", .len = UINT64_MAX, .fd_flags = O_RDWR),
	REFUSED("everything-wrong", "everything wrong at once", .len = 0, .fd = 1, .fd_flags = UINT32_MAX, .heap_flags = UINT64_MAX),
	ROW("size-one", "length 1 is a page", size_is_rounded, .b = 1, .want = 1),
	ROW("size-page", "a page is a page", size_is_rounded, .a = 1, .want = 1),
	ROW("size-page-and-one", "a page and a byte are two pages", size_is_rounded, .a = 1, .b = 1, .want = 2),
	ROW("size-not-whole", "two pages and a half are three", size_is_rounded, .a = 2, .b = 2048, .want = 3),
	ROW("size-many", "273 pages are 273 pages", size_is_rounded, .a = 273, .want = 273),
	ROW("pointer", "an unreadable argument is EFAULT", bad_argument),
	ROW("pointer-half", "an argument readable in part is EFAULT", argument_half_readable),
	ROW("write-back", "an unwritable argument is EFAULT", argument_read_only),
	ROW("write-back-fd", "and leaves no fd (one before some 6.12.y)", fd_after_write_back),
	ROW("order.length-write-back", "length 0 is EINVAL in read-only memory (EFAULT before some 6.12.y)", refused_read_only),
	ROW("order.length-not-read", "and without the read direction", refused_not_read),
	ROW("order.emfile-write-back", "no free fd is EMFILE there (EFAULT before some 6.12.y)", fd_number_before_write_back),
	ROW("order.length-emfile", "length 0 is EINVAL without a free fd", length_before_fd_number),
	ROW("emfile", "no free fd is EMFILE, and passes", no_fd_number),
	ROW("lowest-fd", "the fd is the lowest free number", lowest_fd),
	ROW("smaller-16", "a structure without heap_flags works", smaller_structure_tells),
	ROW("smaller-12", "a structure of 12 bytes works", smaller_structure, .a = 12),
	ROW("smaller-8", "a structure of 8 bytes makes an fd and cannot tell it", smaller_structure, .a = 8),
	ROW("larger-48", "24 more bytes do not matter and stay", larger_structure, .a = 48),
	ROW("larger-128", "a structure of 128 bytes works", larger_structure, .a = 128),
	ROW("larger-152", "a structure of 152 bytes works", larger_structure, .a = 152),
	ROW("larger-16383", "the largest structure works", larger_structure, .a = 16383),
	ROW("larger-unreadable", "unreadable surplus is EFAULT", larger_structure_unreadable),
	ROW("no-write-direction", "without the write direction all is zero: EINVAL", reads_nothing, .a = _IOC_READ, .b = 24),
	ROW("no-direction", "without a direction all is zero: EINVAL", reads_nothing, .a = _IOC_NONE, .b = 24),
	ROW("no-size", "with size 0 all is zero: EINVAL", reads_nothing, .a = _IOC_READ | _IOC_WRITE, .b = 0),
	ROW("no-read-direction", "without the read direction the fd is not told", tells_nothing),
	ROW("no-read-direction-read-only", "without the read direction nothing is written", tells_nothing_read_only),
	ROW("other-letter-b", "type letter b does not matter", other_letter, .a = 'b'),
	ROW("other-letter-z", "type letter Z does not matter", other_letter, .a = 'Z'),
};

const struct group heap_alloc_group = GROUP(TARGET_HEAP, heap_alloc_rows);
