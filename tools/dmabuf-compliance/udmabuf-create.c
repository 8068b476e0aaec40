/* SPDX-License-Identifier: MIT */
/* udmabuf-create.c - rows: the udmabuf device, UDMABUF_CREATE, its checks */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGES 4

static void is_character_device(void)
{
	struct stat st;

	expect(0, fstat(udmabuf_open(), &st), "fstat(udmabuf)");
	expect_octal(S_IFCHR, st.st_mode & S_IFMT, "type of udmabuf");
}

static void access_allowed(void)
{
	expect(0, access(devices.udmabuf_path, R_OK | W_OK),
	       "access(udmabuf, R_OK | W_OK)");
}

/* @a: command. */
static void unknown(void)
{
	unsigned long cmd = (unsigned long)the_row->a;
	char argument[64] = "";

	expect(-ENOTTY, ioctl(udmabuf_open(), cmd, argument),
	       "ioctl(udmabuf, letter %#lx number %#lx size %lu)",
	       (unsigned long)_IOC_TYPE(cmd), (unsigned long)_IOC_NR(cmd),
	       (unsigned long)_IOC_SIZE(cmd));
}

static void unknown_bad_pointer(void)
{
	expect(-ENOTTY, ioctl(udmabuf_open(), _IOW('u', 0x44, char[24]),
			      bad_pointer()),
	       "ioctl(udmabuf, number 0x44, bad pointer)");
}

static void device_read(void)
{
	char byte;

	expect(-EINVAL, read(udmabuf_open(), &byte, 1), "read(udmabuf, 1)");
}

static void device_mmap(void)
{
	expect_map(-ENODEV, mmap(NULL, page_size(), PROT_READ, MAP_SHARED,
				 udmabuf_open(), 0),
		   "mmap(page of udmabuf)");
}

static void device_read_only(void)
{
	struct udmabuf_create create = {
		.memfd = sealed_memfd(1), .flags = UDMABUF_FLAGS_CLOEXEC,
		.size = page_size(),
	};
	int device;

	device = must(open(devices.udmabuf_path, O_RDONLY | O_CLOEXEC),
		      "open(udmabuf, O_RDONLY)");
	expect(ANY_FD, ioctl(device, UDMABUF_CREATE, &create),
	       "ioctl(read-only udmabuf, UDMABUF_CREATE)");
}

#define ROW(name, text, function, ...) \
	{ .id = "udmabuf." name, .title = text, .run = function, ##__VA_ARGS__ }

static const struct row udmabuf_device_rows[] = {
	ROW("device.fstat", "fstat says character device", is_character_device),
	ROW("device.access", "access allows what open does", access_allowed),
	ROW("device.read", "read is EINVAL", device_read),
	ROW("device.mmap", "mmap is ENODEV", device_mmap),
	ROW("device.open-read-only", "opened for reading it creates", device_read_only),
	ROW("device.ioctl-number", "u 0x44 is ENOTTY", unknown, .a = _IOW('u', 0x44, char[24])),
	ROW("device.ioctl-letter", "another letter is ENOTTY", unknown, .a = _IOW('x', 0x42, char[24])),
	ROW("device.ioctl-size", "UDMABUF_CREATE of another size is ENOTTY", unknown, .a = _IOW('u', 0x42, char[32])),
	ROW("device.ioctl-direction", "UDMABUF_CREATE of another direction is ENOTTY", unknown, .a = _IOWR('u', 0x42, char[24])),
	ROW("device.ioctl-list-size", "UDMABUF_CREATE_LIST of another size is ENOTTY", unknown, .a = _IOW('u', 0x43, char[32])),
	ROW("device.ioctl-bad-pointer", "the number is checked before the pointer", unknown_bad_pointer),
	ROW("device.ioctl-heap", "a heap's allocation is ENOTTY", unknown, .a = DMA_HEAP_IOCTL_ALLOC),
};

const struct group udmabuf_device_group = GROUP(TARGET_UDMABUF, udmabuf_device_rows);

static long long create_do(long long want, int memfd, unsigned int flags,
			   unsigned long long offset, unsigned long long size)
{
	struct udmabuf_create create = {
		.memfd = (__u32)memfd, .flags = flags, .offset = offset,
		.size = size,
	};

	return expect(want, ioctl(udmabuf_open(), UDMABUF_CREATE, &create),
		      "ioctl(udmabuf, UDMABUF_CREATE, {flags=%#x, "
		      "offset=%llu, size=%llu})", flags, offset, size);
}

static void refused(long long want, int memfd, unsigned long long offset,
		    unsigned long long size)
{
	struct fd_snapshot before;
	struct udmabuf_create create = {
		.memfd = (__u32)memfd, .offset = offset, .size = size,
	};
	int device = udmabuf_open();

	fds_snapshot(&before);
	expect(want, ioctl(device, UDMABUF_CREATE, &create),
	       "ioctl(udmabuf, UDMABUF_CREATE, {offset=%llu, size=%llu})",
	       offset, size);
	expect_no_new_fd(&before);
}

/* @a: flags; @want: close-on-exec. */
static void flags(void)
{
	int buf;

	buf = (int)create_do(ANY_FD, sealed_memfd(PAGES),
			     (unsigned int)the_row->a, 0, page_size());
	expect(the_row->want, fcntl(buf, F_GETFD), "fcntl(buf, F_GETFD)");
	expect_value(O_RDWR, must(fcntl(buf, F_GETFL), "fcntl(buf, F_GETFL)") &
		     O_ACCMODE, "access mode");
}

/* @a: first page, @b: pages. */
static void part(void)
{
	int buf;

	buf = (int)create_do(ANY_FD, sealed_memfd(PAGES), 0,
			     the_row->a * page_size(),
			     the_row->b * page_size());
	expect(the_row->b * (long long)page_size(), lseek(buf, 0, SEEK_END),
	       "lseek(buf, 0, SEEK_END)");
}

/* @a: first page, @b: pages. */
static void part_refused(void)
{
	refused(-EINVAL, sealed_memfd(PAGES), the_row->a * page_size(),
		the_row->b * page_size());
}

/* @a: offset, @b: size, in bytes. */
static void bytes_refused(void)
{
	refused(-EINVAL, sealed_memfd(PAGES), (unsigned long long)the_row->a,
		(unsigned long long)the_row->b);
}

static void half_pages_refused(void)
{
	refused(-EINVAL, sealed_memfd(PAGES), page_size() / 2, page_size());
	refused(-EINVAL, sealed_memfd(PAGES), 0, page_size() / 2);
}

static int memfd_with(unsigned int memfd_flags, int seals)
{
	int memfd;

	memfd = must(memfd_create("compliance", MFD_CLOEXEC | memfd_flags),
		     "memfd_create(%#x)", memfd_flags);
	must(ftruncate(memfd, PAGES * page_size()), "ftruncate(memfd)");
	if (seals && fcntl(memfd, F_ADD_SEALS, seals))
		skip("no seal %#x: %s", seals, errno_name(errno));
	return memfd;
}

/* @a: seals. */
static void seals_refused(void)
{
	int memfd = memfd_with(MFD_ALLOW_SEALING, (int)the_row->a);

	refused(-EINVAL, memfd, 0, page_size());
}

static void seals_accepted(void)
{
	int memfd = memfd_with(MFD_ALLOW_SEALING, (int)the_row->a);

	create_do(ANY_FD, memfd, 0, 0, page_size());
}

static void no_sealing(void)
{
	refused(-EINVAL, memfd_with(0, 0), 0, page_size());
}

/* On a file that can be executed this seal would bring F_SEAL_WRITE along. */
static void exec_seal(void)
{
	int memfd;

	memfd = memfd_create("compliance", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	if (memfd < 0)
		skip("no MFD_NOEXEC_SEAL: %s", errno_name(errno));
	must(ftruncate(memfd, PAGES * page_size()), "ftruncate(memfd)");
	must(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK), "F_SEAL_SHRINK");
	create_do(ANY_FD, memfd, 0, 0, page_size());
}

/* A seal that kernels before some 6.12.y did not look at. */
static void future_write(void)
{
	struct udmabuf_create create = { .size = page_size() };

	create.memfd = (__u32)memfd_with(MFD_ALLOW_SEALING, F_SEAL_SHRINK |
					 F_SEAL_FUTURE_WRITE);
	expect_either(-EINVAL, ANY_FD, ioctl(udmabuf_open(), UDMABUF_CREATE,
					     &create),
		      "ioctl(udmabuf, UDMABUF_CREATE, F_SEAL_FUTURE_WRITE)");
}

static void closed(void)
{
	refused(-EBADFD, closed_fd(), 0, page_size());
}

static void negative(void)
{
	refused(-EBADFD, -1, 0, page_size());
}

static void a_pipe(void)
{
	refused(-EBADFD, a_pipe_fd(), 0, page_size());
}

static void a_device(void)
{
	int null;

	null = must(open("/dev/null", O_RDWR | O_CLOEXEC), "open(/dev/null)");
	refused(-EBADFD, null, 0, page_size());
}

static void a_udmabuf(void)
{
	refused(-EBADFD, udmabuf_make(sealed_memfd(1), 0, 1), 0, page_size());
}

static void a_heap_buffer(void)
{
	size_t i;

	for (i = 0; i < devices.nr_heaps; i++) {
		if (devices.heaps[i].why_not)
			continue;
		refused(-EBADFD, buffer_of(&devices.heaps[i], 1), 0,
			page_size());
		return;
	}
	skip("no heap");
}

static void a_sync_file(void)
{
	refused(-EBADFD, signalled_fence(), 0, page_size());
}

static void the_device(void)
{
	refused(-EBADFD, udmabuf_open(), 0, page_size());
}

static void pointer(void)
{
	expect(-EFAULT, ioctl(udmabuf_open(), UDMABUF_CREATE, bad_pointer()),
	       "ioctl(udmabuf, UDMABUF_CREATE, bad pointer)");
}

/* What can be read is wrong, and does not count. */
static void pointer_half(void)
{
	struct udmabuf_create create = { .memfd = (__u32)-1, .offset = 1 };

	expect(-EFAULT, ioctl(udmabuf_open(), UDMABUF_CREATE,
			      at_page_end(&create, sizeof(create) - 8)),
	       "ioctl(udmabuf, UDMABUF_CREATE, 16 readable bytes)");
}

static void read_only(void)
{
	struct udmabuf_create create = {
		.memfd = (__u32)sealed_memfd(1), .size = page_size(),
	};

	expect(ANY_FD, ioctl(udmabuf_open(), UDMABUF_CREATE,
			     read_only_copy(&create, sizeof(create))),
	       "ioctl(udmabuf, UDMABUF_CREATE, read-only memory)");
}

static void order_closed(void)
{
	refused(-EINVAL, closed_fd(), (unsigned long long)the_row->a,
		(unsigned long long)the_row->b);
}

/* Without memory in it. */
static int large_memfd(unsigned long long size)
{
	int memfd = memfd_with(MFD_ALLOW_SEALING, F_SEAL_SHRINK);

	must(ftruncate(memfd, (off_t)size), "ftruncate(memfd)");
	return memfd;
}

static void over_limit(void)
{
	unsigned long long size = udmabuf_size_limit() + page_size();

	refused(-EINVAL, large_memfd(size), 0, size);
}

static void over_limit_closed(void)
{
	refused(-EINVAL, closed_fd(), 0, udmabuf_size_limit() + page_size());
}

static void at_limit(void)
{
	unsigned long long size = udmabuf_size_limit();
	struct udmabuf_create create = {
		.memfd = (__u32)large_memfd(size), .size = size,
	};
	int buf;

	buf = ioctl(udmabuf_open(), UDMABUF_CREATE, &create);
	if (buf < 0 && errno == ENOMEM)
		skip("not enough memory");
	expect(ANY_FD, buf, "ioctl(udmabuf, UDMABUF_CREATE, {size=limit})");
	expect((long long)size, lseek(buf, 0, SEEK_END),
	       "lseek(buf, 0, SEEK_END)");
}

static void emfile(void)
{
	struct udmabuf_create create = {
		.memfd = (__u32)sealed_memfd(1), .size = page_size(),
	};
	int device = udmabuf_open();

	fds_use_up();
	expect(-EMFILE, ioctl(device, UDMABUF_CREATE, &create),
	       "ioctl(udmabuf, UDMABUF_CREATE), no fd free");
	fds_allow_more();
	expect(0, fcntl((int)create.memfd, F_ADD_SEALS, F_SEAL_WRITE),
	       "fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE)");
}

static void emfile_closed(void)
{
	int device = udmabuf_open(), memfd = closed_fd();
	struct udmabuf_create create = {
		.memfd = (__u32)memfd, .size = page_size(),
	};

	fds_use_up();
	expect(-EBADFD, ioctl(device, UDMABUF_CREATE, &create),
	       "ioctl(udmabuf, UDMABUF_CREATE, closed fd), no fd free");
}

static void emfile_range(void)
{
	struct udmabuf_create create = {
		.memfd = (__u32)sealed_memfd(1), .size = 2 * page_size(),
	};
	int device = udmabuf_open();

	fds_use_up();
	expect(-EINVAL, ioctl(device, UDMABUF_CREATE, &create),
	       "ioctl(udmabuf, UDMABUF_CREATE, a page past the end), no fd "
	       "free");
}

static void lowest_fd(void)
{
	struct udmabuf_create create = {
		.memfd = (__u32)sealed_memfd(1), .size = page_size(),
	};
	int device = udmabuf_open(), lowest = free_fd();
	int buf = ioctl(device, UDMABUF_CREATE, &create);

	expect(ANY_FD, buf, "ioctl(udmabuf, UDMABUF_CREATE)");
	expect_lowest(lowest, buf, "fd");
}

static void exporter(void)
{
	char value[64];
	int buf = udmabuf_make(sealed_memfd(1), 0, 1);

	if (!fdinfo_field(buf, "exp_name", value, sizeof(value)))
		fail("fdinfo: expected a line exp_name, got none");
	expect_text("udmabuf", value, "fdinfo exp_name");
}

#define ACCEPTED(name, text, function, ...) \
	ROW("create." name, text, function, ##__VA_ARGS__)
#define REFUSED(name, text, function, ...) \
	ROW("create." name, text " is EINVAL", function, ##__VA_ARGS__)
#define BADFD(name, text, function) \
	ROW("create." name, text " is EBADFD", function)

static const struct row udmabuf_create_rows[] = {
	ACCEPTED("flags-none", "flags 0: read-write, survives exec", flags, .a = 0),
	ACCEPTED("flags-cloexec", "UDMABUF_FLAGS_CLOEXEC sets close-on-exec", flags, .a = UDMABUF_FLAGS_CLOEXEC, .want = FD_CLOEXEC),
	ACCEPTED("flags-all", "flags ~0 are accepted", flags, .a = UINT32_MAX, .want = FD_CLOEXEC),
	ACCEPTED("flags-unknown", "unknown flags do not matter", flags, .a = UINT32_MAX - 1),
	ACCEPTED("whole", "the whole memfd", part, .a = 0, .b = PAGES),
	ACCEPTED("part", "two pages at the second", part, .a = 1, .b = 2),
	ACCEPTED("last-page", "the last page", part, .a = PAGES - 1, .b = 1),
	REFUSED("offset-1", "offset 1", bytes_refused, .a = 1, .b = 4096),
	REFUSED("half-pages", "half a page, of offset or of size,", half_pages_refused),
	REFUSED("size-100", "size 100", bytes_refused, .a = 0, .b = 100),
	REFUSED("size-0", "size 0", bytes_refused, .a = 0, .b = 0),
	REFUSED("size-past-end", "a size past the memfd", part_refused, .a = 0, .b = PAGES + 1),
	REFUSED("range-past-end", "a range past the memfd", part_refused, .a = PAGES - 1, .b = 2),
	REFUSED("offset-past-end", "an offset at the end", part_refused, .a = PAGES, .b = 1),
	REFUSED("offset-wraps", "an offset that wraps", bytes_refused, .a = -65536, .b = 65536),
	REFUSED("size-huge", "the largest size", bytes_refused, .a = 0, .b = -65536),
	REFUSED("no-shrink-seal", "a memfd without F_SEAL_SHRINK", seals_refused, .a = 0),
	REFUSED("grow-seal", "a memfd with F_SEAL_GROW alone", seals_refused, .a = F_SEAL_GROW),
	REFUSED("no-sealing", "a memfd that takes no seals", no_sealing),
	REFUSED("write-seal", "F_SEAL_WRITE", seals_refused, .a = F_SEAL_SHRINK | F_SEAL_WRITE),
	ACCEPTED("future-write-seal", "F_SEAL_FUTURE_WRITE is EINVAL (accepted before 6.12.y)", future_write),
	ACCEPTED("other-seals", "F_SEAL_GROW and F_SEAL_SEAL do not matter", seals_accepted, .a = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
	ACCEPTED("exec-seal", "F_SEAL_EXEC does not matter", exec_seal),
	BADFD("closed", "a closed fd", closed),
	BADFD("negative", "fd -1", negative),
	BADFD("pipe", "a pipe", a_pipe),
	BADFD("null", "/dev/null", a_device),
	BADFD("udmabuf", "a udmabuf", a_udmabuf),
	BADFD("device", "the device itself", the_device),
	BADFD("heap", "a buffer of a heap", a_heap_buffer),
	BADFD("sync-file", "a sync file", a_sync_file),
	ACCEPTED("pointer", "an unreadable argument is EFAULT", pointer),
	ACCEPTED("pointer-half", "an argument readable in part is EFAULT", pointer_half),
	ACCEPTED("read-only", "the argument is not written to", read_only),
	REFUSED("order.offset-closed", "offset 1 of a closed fd", order_closed, .a = 1, .b = 4096),
	REFUSED("order.size-closed", "size 100 of a closed fd", order_closed, .a = 0, .b = 100),
	REFUSED("order.empty-closed", "size 0 of a closed fd", order_closed, .a = 0, .b = 0),
	REFUSED("order.limit-closed", "a size over the limit, of a closed fd,", over_limit_closed),
	BADFD("order.closed-emfile", "a closed fd, no fd number being free,", emfile_closed),
	REFUSED("order.range-emfile", "a range past the memfd, no fd number being free,", emfile_range),
	REFUSED("limit-passed", "a page over the size limit", over_limit),
	ACCEPTED("limit", "the size limit itself is accepted", at_limit),
	ACCEPTED("emfile", "no free fd is EMFILE, and nothing stays pinned", emfile),
	ACCEPTED("lowest-fd", "the fd is the lowest free number", lowest_fd),
	ACCEPTED("exporter", "the exporter is called udmabuf", exporter),
};

const struct group udmabuf_create_group = GROUP(TARGET_UDMABUF, udmabuf_create_rows);
