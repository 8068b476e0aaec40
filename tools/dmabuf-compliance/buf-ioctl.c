/* SPDX-License-Identifier: MIT */
/* buf-ioctl.c - rows: SYNC, and commands that a buffer does not know */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <stdint.h>

static void sync_do(long long want, int buf, unsigned long long flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	expect(want, ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync),
	       "ioctl(buf, DMA_BUF_IOCTL_SYNC, %#llx)", flags);
}

/* @a: flags. */
static void sync_one(void)
{
	sync_do(the_row->want, buffer(), (unsigned long long)the_row->a);
}

/* udmabuf alone wants a START before the first END. */
static void sync_end_first(void)
{
	long long want = the_subject->is_udmabuf ? -EINVAL : 0;

	sync_do(want, buffer(), (unsigned long long)the_row->a);
}

/* @a: flags of the first call, @b: of two more. */
static void sync_three(void)
{
	int buf = buffer();

	sync_do(0, buf, (unsigned long long)the_row->a);
	sync_do(0, buf, (unsigned long long)the_row->b);
	sync_do(0, buf, (unsigned long long)the_row->b);
}

static void sync_around_writing(void)
{
	unsigned char *addr;
	int buf = buffer();

	addr = buffer_map(buf, BUFFER_PAGES);
	sync_do(0, buf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
	number_pages(addr, BUFFER_PAGES, 5);
	sync_do(0, buf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
	sync_do(0, buf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
	expect_page_number(addr + page_size(), 6, "the mapping");
	sync_do(0, buf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
}

static void sync_pointer(void)
{
	int buf = buffer();

	expect(-EFAULT, ioctl(buf, DMA_BUF_IOCTL_SYNC, bad_pointer()),
	       "ioctl(buf, DMA_BUF_IOCTL_SYNC, bad pointer)");
	expect(-EFAULT, ioctl(buf, DMA_BUF_IOCTL_SYNC, NULL),
	       "ioctl(buf, DMA_BUF_IOCTL_SYNC, NULL)");
}

static void sync_read_only(void)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_RW };

	expect(0, ioctl(buffer(), DMA_BUF_IOCTL_SYNC,
			read_only_copy(&sync, sizeof(sync))),
	       "ioctl(buf, DMA_BUF_IOCTL_SYNC, read-only memory)");
}

static void sync_half(void)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_RW };

	expect(-EFAULT, ioctl(buffer(), DMA_BUF_IOCTL_SYNC,
			      at_page_end(&sync, 4)),
	       "ioctl(buf, DMA_BUF_IOCTL_SYNC, 4 readable bytes)");
}

/* @a: command. */
static void unknown(void)
{
	unsigned long cmd = (unsigned long)the_row->a;
	char argument[256] = "";

	expect(-ENOTTY, ioctl(buffer(), cmd, argument),
	       "ioctl(buf, letter %#lx number %lu size %lu)",
	       (unsigned long)_IOC_TYPE(cmd), (unsigned long)_IOC_NR(cmd),
	       (unsigned long)_IOC_SIZE(cmd));
}

static void unknown_bad_pointer(void)
{
	expect(-ENOTTY, ioctl(buffer(), _IOW('b', 9, __u64), bad_pointer()),
	       "ioctl(buf, number 9, bad pointer)");
}

static void not_a_buffer(void)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_RW };

	expect(-ENOTTY, ioctl(a_pipe_fd(), DMA_BUF_IOCTL_SYNC, &sync),
	       "ioctl(pipe, DMA_BUF_IOCTL_SYNC)");
	expect(-EBADF, ioctl(closed_fd(), DMA_BUF_IOCTL_SYNC, &sync),
	       "ioctl(closed fd, DMA_BUF_IOCTL_SYNC)");
}

static void close_on_exec(void)
{
	int buf = buffer();

	expect(0, ioctl(buf, FIONCLEX), "ioctl(buf, FIONCLEX)");
	expect(0, fcntl(buf, F_GETFD), "fcntl(buf, F_GETFD)");
	expect(0, ioctl(buf, FIOCLEX), "ioctl(buf, FIOCLEX)");
	expect(FD_CLOEXEC, fcntl(buf, F_GETFD), "fcntl(buf, F_GETFD)");
}

#define ROW(name, text, function, ...) \
	{ .id = "buf." name, .title = text, .run = function, ##__VA_ARGS__ }
#define SYNC(name, text, function, flags, ...) \
	ROW("sync." name, text, function, .a = (long long)(flags), ##__VA_ARGS__)
#define UNKNOWN(name, text, cmd) \
	ROW("ioctl." name, text " is ENOTTY", unknown, .a = (cmd))

#define R DMA_BUF_SYNC_READ
#define W DMA_BUF_SYNC_WRITE
#define END DMA_BUF_SYNC_END

static const struct row buf_ioctl_rows[] = {
	SYNC("none", "flags 0 are EINVAL", sync_one, 0, .want = -EINVAL),
	SYNC("start-read", "START READ", sync_one, R),
	SYNC("start-write", "START WRITE", sync_one, W),
	SYNC("start-both", "START RW", sync_one, R | W),
	SYNC("end-none", "END alone is EINVAL", sync_one, END, .want = -EINVAL),
	SYNC("end-read-first", "END READ without a START", sync_end_first, END | R),
	SYNC("end-write-first", "END WRITE without a START", sync_end_first, END | W),
	SYNC("end-both-first", "END RW without a START", sync_end_first, END | R | W),
	SYNC("end-twice", "END RW twice after a START", sync_three, R | W, .b = END | R | W),
	SYNC("start-twice", "START RW three times", sync_three, R | W, .b = R | W),
	SYNC("other-direction", "START READ and END WRITE", sync_three, R, .b = END | W),
	SYNC("bit-3", "bit 3 is EINVAL", sync_one, 8 | R | W, .want = -EINVAL),
	SYNC("bit-31", "bit 31 is EINVAL", sync_one, (1ULL << 31) | R, .want = -EINVAL),
	SYNC("bit-32", "bit 32 is EINVAL", sync_one, (1ULL << 32) | R, .want = -EINVAL),
	SYNC("bit-63", "bit 63 is EINVAL", sync_one, (1ULL << 63) | R, .want = -EINVAL),
	SYNC("all-bits", "all bits are EINVAL", sync_one, UINT64_MAX, .want = -EINVAL),
	ROW("sync.memory", "memory written between START and END is there", sync_around_writing),
	ROW("sync.pointer", "an unreadable argument is EFAULT", sync_pointer),
	ROW("sync.pointer-half", "an argument readable in part is EFAULT", sync_half),
	ROW("sync.read-only", "the argument is not written to", sync_read_only),
	UNKNOWN("number-4", "b 4", _IOW('b', 4, __u64)),
	UNKNOWN("number-255", "b 255", _IO('b', 255)),
	UNKNOWN("letter", "another letter", _IOW('x', 0, __u64)),
	UNKNOWN("heap", "the heap's allocation", DMA_HEAP_IOCTL_ALLOC),
	UNKNOWN("udmabuf", "udmabuf's creation", UDMABUF_CREATE),
	UNKNOWN("merge", "a sync file's merge", SYNC_IOC_MERGE),
	UNKNOWN("sync-size-4", "SYNC with 4 bytes", _IOW('b', 0, __u32)),
	UNKNOWN("sync-size-16", "SYNC with 16 bytes", _IOW('b', 0, char[16])),
	UNKNOWN("sync-direction", "SYNC encoded to be read", _IOR('b', 0, __u64)),
	UNKNOWN("sync-no-direction", "SYNC encoded without direction", _IO('b', 0)),
	UNKNOWN("name-size-16", "SET_NAME with 16 bytes", _IOW('b', 1, char[16])),
	UNKNOWN("name-direction", "SET_NAME encoded to be read", _IOR('b', 1, __u64)),
	UNKNOWN("export-direction", "EXPORT_SYNC_FILE encoded to be written", _IOW('b', 2, __u64)),
	UNKNOWN("import-direction", "IMPORT_SYNC_FILE encoded to be both", _IOWR('b', 3, __u64)),
	UNKNOWN("fionread", "FIONREAD", FIONREAD),
	UNKNOWN("terminal", "a terminal's", 0x5401),
	ROW("ioctl.bad-pointer", "the number is checked before the pointer", unknown_bad_pointer),
	ROW("ioctl.not-a-buffer", "SYNC of a pipe is ENOTTY", not_a_buffer),
	ROW("ioctl.fioclex", "FIOCLEX and FIONCLEX work", close_on_exec),
};

const struct group buf_ioctl_group = GROUP(TARGET_BUFFER, buf_ioctl_rows);
