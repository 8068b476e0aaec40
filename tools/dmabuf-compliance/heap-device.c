/* SPDX-License-Identifier: MIT */
/* heap-device.c - rows: the heaps' devices, apart from allocation */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void system_heap_is_there(void)
{
	size_t i;

	for (i = 0; i < devices.nr_heaps; i++) {
		if (!strcmp(devices.heaps[i].name, "system"))
			return;
	}
	if (devices.only_heap)
		skip("--heap %s", devices.only_heap);
	fail("expected a heap system in %s, got others", devices.heap_dir);
}

static const struct row heaps_rows[] = {
	{ .id = "heap.system", .title = "there is a heap called system",
	  .run = system_heap_is_there },
};

const struct group heaps_group = GROUP(TARGET_HEAPS, heaps_rows);

static void is_character_device(void)
{
	struct stat st;

	expect(0, stat(the_subject->path, &st), "stat(heap)");
	expect_octal(S_IFCHR, st.st_mode & S_IFMT, "type of the heap");
}

static void fd_is_character_device(void)
{
	struct stat st;

	expect(0, fstat(heap_open(), &st), "fstat(heap)");
	expect_octal(S_IFCHR, st.st_mode & S_IFMT, "type of the heap");
}

static void access_allowed(void)
{
	expect(0, access(the_subject->path, R_OK | W_OK),
	       "access(heap, R_OK | W_OK)");
	expect(-EACCES, access(the_subject->path, X_OK),
	       "access(heap, X_OK)");
}

static void no_link(void)
{
	char text[64];

	expect(-EINVAL, readlink(the_subject->path, text, sizeof(text)),
	       "readlink(heap)");
}

static void allocates_opened_with(void)
{
	struct dma_heap_allocation_data data = {
		.len = page_size(), .fd_flags = O_CLOEXEC | O_RDWR,
	};
	unsigned char *addr;
	int heap;

	heap = (int)expect(ANY_FD, open(the_subject->path, (int)the_row->a),
			   "open(heap, %#llx)", the_row->a);
	expect(0, ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data),
	       "ioctl(heap, DMA_HEAP_IOCTL_ALLOC)");
	addr = buffer_map((int)data.fd, 1);
	addr[0] = 1;
}

static void allocates_as_nobody(void *arg)
{
	struct dma_heap_allocation_data data = {
		.len = page_size(), .fd_flags = O_CLOEXEC | O_RDWR,
	};

	if (setgid(65534) || setuid(65534))
		skip("no other user: %s", errno_name(errno));
	expect(0, ioctl(*(int *)arg, DMA_HEAP_IOCTL_ALLOC, &data),
	       "ioctl(heap, DMA_HEAP_IOCTL_ALLOC) by user 65534");
	buffer_map((int)data.fd, 1)[0] = 1;
}

/* Who may open is asked once. */
static void opened_by_other(void)
{
	int heap = heap_open();

	if (geteuid())
		skip("not root");
	in_child(allocates_as_nobody, &heap);
}

static void device_lseek(void)
{
	expect(-ESPIPE, lseek(heap_open(), 0, (int)the_row->a),
	       "lseek(heap, 0, %lld)", the_row->a);
}

static void device_read(void)
{
	char byte;

	expect(-EINVAL, read(heap_open(), &byte, 1), "read(heap, 1)");
}

static void device_write(void)
{
	expect(-EINVAL, write(heap_open(), "x", 1), "write(heap, 1)");
}

static void device_mmap(void)
{
	expect_map(-ENODEV, mmap(NULL, page_size(), PROT_READ, MAP_SHARED,
				 heap_open(), 0),
		   "mmap(page, PROT_READ, MAP_SHARED, heap)");
}

static void device_poll(void)
{
	expect_events(POLLIN | POLLOUT, fd_poll(heap_open(), POLLIN | POLLOUT),
		      "poll(heap, POLLIN | POLLOUT)");
}

static void device_ftruncate(void)
{
	expect(-EINVAL, ftruncate(heap_open(), 0), "ftruncate(heap, 0)");
}

/* Only the number of a command is looked at, and is wrong here. */
static void unknown_ioctl(void)
{
	unsigned long cmd = (unsigned long)the_row->a;
	struct dma_heap_allocation_data data = { .len = page_size() };
	struct fd_snapshot before;
	int heap = heap_open();

	fds_snapshot(&before);
	expect(the_row->want, ioctl(heap, cmd, &data),
	       "ioctl(heap, letter %#lx number %lu size %lu)",
	       (unsigned long)_IOC_TYPE(cmd), (unsigned long)_IOC_NR(cmd),
	       (unsigned long)_IOC_SIZE(cmd));
	expect_no_new_fd(&before);
}

static void unknown_ioctl_bad_pointer(void)
{
	expect(-EINVAL, ioctl(heap_open(), _IOWR('H', 1, char[24]),
			      bad_pointer()),
	       "ioctl(heap, number 1, bad pointer)");
}

static void not_a_heap(void)
{
	struct dma_heap_allocation_data data = { .len = page_size() };

	expect(-ENOTTY, ioctl(a_pipe_fd(), DMA_HEAP_IOCTL_ALLOC, &data),
	       "ioctl(pipe, DMA_HEAP_IOCTL_ALLOC)");
}

static void closed_heap(void)
{
	struct dma_heap_allocation_data data = { .len = page_size() };

	expect(-EBADF, ioctl(closed_fd(), DMA_HEAP_IOCTL_ALLOC, &data),
	       "ioctl(closed fd, DMA_HEAP_IOCTL_ALLOC)");
}

#define ROW(name, text, function, ...) \
	{ .id = "heap.device." name, .title = text, .run = function, ##__VA_ARGS__ }

static const struct row heap_device_rows[] = {
	ROW("stat", "stat says character device", is_character_device),
	ROW("fstat", "fstat says character device", fd_is_character_device),
	ROW("access", "access allows what open does", access_allowed),
	ROW("readlink", "the node is no link", no_link),
	ROW("open-read-only", "a heap opened for reading allocates", allocates_opened_with, .a = O_RDONLY),
	ROW("open-write-only", "a heap opened for writing allocates", allocates_opened_with, .a = O_WRONLY),
	ROW("open-read-write", "a heap opened for both allocates", allocates_opened_with, .a = O_RDWR),
	ROW("open-truncate", "O_TRUNC and O_APPEND do not matter", allocates_opened_with, .a = O_RDWR | O_TRUNC | O_APPEND),
	ROW("open-mode-3", "a heap opened with access mode 3 allocates", allocates_opened_with, .a = 3),
	ROW("other-user", "whoever has the fd allocates", opened_by_other),
	ROW("lseek-set", "lseek SEEK_SET is ESPIPE", device_lseek, .a = SEEK_SET),
	ROW("lseek-end", "lseek SEEK_END is ESPIPE", device_lseek, .a = SEEK_END),
	ROW("read", "read is EINVAL", device_read),
	ROW("write", "write is EINVAL", device_write),
	ROW("mmap", "mmap is ENODEV", device_mmap),
	ROW("poll", "poll is always ready", device_poll),
	ROW("ftruncate", "ftruncate is EINVAL", device_ftruncate),
	ROW("ioctl-number-1", "ioctl H 1 is EINVAL, not ENOTTY", unknown_ioctl, .a = _IOWR('H', 1, char[24]), .want = -EINVAL),
	ROW("ioctl-number-255", "ioctl H 255 is EINVAL", unknown_ioctl, .a = _IOWR('H', 255, char[24]), .want = -EINVAL),
	ROW("ioctl-other-letter-1", "ioctl u 1 is EINVAL", unknown_ioctl, .a = _IOWR('u', 1, char[24]), .want = -EINVAL),
	ROW("ioctl-terminal", "a terminal's ioctl is EINVAL", unknown_ioctl, .a = 0x5401, .want = -EINVAL),
	ROW("ioctl-number-bad-pointer", "the number is checked before the pointer", unknown_ioctl_bad_pointer),
	ROW("not-a-heap", "allocation from a pipe is ENOTTY", not_a_heap),
	ROW("closed", "allocation from a closed fd is EBADF", closed_heap),
};

const struct group heap_device_group = GROUP(TARGET_HEAP, heap_device_rows);

static void path_fd(void)
{
	struct dma_heap_allocation_data data = { .len = page_size() };
	int heap;

	heap = must(open(the_subject->path, O_PATH | O_CLOEXEC),
		    "open(heap, O_PATH)");
	expect(-EBADF, ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data),
	       "ioctl(O_PATH heap, DMA_HEAP_IOCTL_ALLOC)");
}

static const struct row heap_device_linux_rows[] = {
	ROW("path-ioctl", "an O_PATH fd of it is good for nothing: EBADF", path_fd),
};

const struct group heap_device_linux_group = LINUX_GROUP(TARGET_HEAP, heap_device_linux_rows);
