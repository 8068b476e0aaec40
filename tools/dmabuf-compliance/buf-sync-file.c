/* SPDX-License-Identifier: MIT */
/* buf-sync-file.c - rows: EXPORT_SYNC_FILE and IMPORT_SYNC_FILE */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <unistd.h>

#define RW DMA_BUF_SYNC_RW
#define END DMA_BUF_SYNC_END

/* Without sync files in the kernel every row of this file skips. */
static int buffer_with_sync_files(void)
{
	int buf = buffer();

	close(buffer_export(buf, RW));
	return buf;
}

static void exported(void)
{
	int buf = buffer_with_sync_files(), fence;

	fence = buffer_export(buf, (unsigned int)the_row->a);
	expect_signalled(fence, true, "the exported fence");
	expect_value(1, fence_status(fence), "its status");
	expect_value(1, fence_leaves(fence), "its number of fences");
	expect_value(FD_CLOEXEC, fcntl(fence, F_GETFD), "close-on-exec");
}

static void export_do(long long want, int buf, unsigned int flags)
{
	struct dma_buf_export_sync_file arg = { .flags = flags, .fd = -7 };
	struct fd_snapshot before;

	fds_snapshot(&before);
	expect(want, ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &arg),
	       "ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, {flags=%#x})",
	       flags);
	expect_no_new_fd(&before);
	expect_value(-7, arg.fd, "fd field");
}

/* @a: flags. */
static void export_refused(void)
{
	export_do(-EINVAL, buffer_with_sync_files(),
		  (unsigned int)the_row->a);
}

static void export_pointer(void)
{
	int buf = buffer_with_sync_files();

	expect(-EFAULT, ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
			      bad_pointer()),
	       "ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, bad pointer)");
}

/* What can be read is wrong, and does not count. */
static void export_half(void)
{
	struct dma_buf_export_sync_file arg = { .flags = 8 };

	expect(-EFAULT, ioctl(buffer_with_sync_files(),
			      DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
			      at_page_end(&arg, 4)),
	       "ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, 4 readable bytes)");
}

static void export_flags_first(void)
{
	struct dma_buf_export_sync_file arg = { .flags = 8 };

	expect(-EINVAL, ioctl(buffer_with_sync_files(),
			      DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
			      read_only_copy(&arg, sizeof(arg))),
	       "ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, {flags=8}, "
	       "read-only memory)");
}

static void export_emfile_first(void)
{
	struct dma_buf_export_sync_file arg = { .flags = RW };
	int buf = buffer_with_sync_files();
	void *copy = read_only_copy(&arg, sizeof(arg));

	fds_use_up();
	expect(-EMFILE, ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, copy),
	       "ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, read-only memory), "
	       "no fd free");
}

static void export_write_back(void)
{
	struct dma_buf_export_sync_file arg = { .flags = RW };
	int buf = buffer_with_sync_files();
	struct fd_snapshot before;
	void *copy = read_only_copy(&arg, sizeof(arg));

	fds_snapshot(&before);
	expect(-EFAULT, ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, copy),
	       "ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, read-only memory)");
	expect_no_new_fd(&before);
}

/* @a: flags, @want: errno, when no fd is free. */
static void export_emfile(void)
{
	int buf = buffer_with_sync_files();

	fds_use_up();
	export_do(the_row->want, buf, (unsigned int)the_row->a);
}

static void export_emfile_pointer(void)
{
	int buf = buffer_with_sync_files();

	fds_use_up();
	expect(-EFAULT, ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
			      bad_pointer()),
	       "ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, bad pointer), no "
	       "fd free");
}

static void export_outlives(void)
{
	int buf = buffer_with_sync_files(), fence;

	fence = buffer_export(buf, RW);
	expect(0, close(buf), "close(buf)");
	expect_signalled(fence, true, "the exported fence");
}

#define ROW(name, text, function, ...) \
	{ .id = "buf." name, .title = text, .run = function, ##__VA_ARGS__ }

static const struct row buf_export_rows[] = {
	ROW("export.read", "READ of an idle buffer is signalled", exported, .a = DMA_BUF_SYNC_READ),
	ROW("export.write", "WRITE of an idle buffer is signalled", exported, .a = DMA_BUF_SYNC_WRITE),
	ROW("export.both", "RW of an idle buffer is signalled", exported, .a = RW),
	ROW("export.none", "flags 0 are EINVAL", export_refused, .a = 0),
	ROW("export.end", "END is EINVAL", export_refused, .a = END | RW),
	ROW("export.bit-3", "bit 3 is EINVAL", export_refused, .a = 8 | RW),
	ROW("export.bit-31", "bit 31 is EINVAL", export_refused, .a = 0x80000000 | RW),
	ROW("export.pointer", "an unreadable argument is EFAULT", export_pointer),
	ROW("export.write-back", "an unwritable argument is EFAULT and leaves no fd", export_write_back),
	ROW("export.emfile", "no free fd is EMFILE", export_emfile, .a = RW, .want = -EMFILE),
	ROW("export.order.flags-emfile", "flags are checked before the fd number", export_emfile, .a = 0, .want = -EINVAL),
	ROW("export.order.pointer-emfile", "the argument is read before the fd number", export_emfile_pointer),
	ROW("export.pointer-half", "an argument readable in part is EFAULT", export_half),
	ROW("export.order.flags-write-back", "flags are checked before the argument is written", export_flags_first),
	ROW("export.order.emfile-write-back", "so is the fd number", export_emfile_first),
	ROW("export.outlives", "the sync file outlives the buffer", export_outlives),
};

const struct group buf_export_group = GROUP(TARGET_BUFFER, buf_export_rows);

static void import_do(long long want, int buf, unsigned int flags, int fd)
{
	struct dma_buf_import_sync_file arg = { .flags = flags, .fd = fd };

	expect(want, ioctl(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &arg),
	       "ioctl(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, {flags=%#x})",
	       flags);
	if (arg.flags != flags || arg.fd != fd)
		fail("expected the argument as it was, got another");
}

/* @a: flags, of a signalled fence. */
static void imported(void)
{
	int buf = buffer_with_sync_files();

	import_do(the_row->want, buf, (unsigned int)the_row->a,
		  buffer_export(buf, RW));
}

static void import_stays_open(void)
{
	int buf = buffer_with_sync_files(), fence;

	fence = buffer_export(buf, RW);
	import_do(0, buf, RW, fence);
	import_do(0, buffer(), RW, fence);
	expect_signalled(fence, true, "the imported fence");
}

static void import_closed(void)
{
	import_do(-EINVAL, buffer_with_sync_files(), RW, closed_fd());
}

static void import_negative(void)
{
	import_do(-EINVAL, buffer_with_sync_files(), RW, -1);
}

static void import_pipe(void)
{
	import_do(-EINVAL, buffer_with_sync_files(), RW, a_pipe_fd());
}

static void import_itself(void)
{
	int buf = buffer_with_sync_files();

	import_do(-EINVAL, buf, RW, buf);
}

static void import_pointer(void)
{
	int buf = buffer_with_sync_files();

	expect(-EFAULT, ioctl(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
			      bad_pointer()),
	       "ioctl(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, bad pointer)");
}

static void import_half(void)
{
	struct dma_buf_import_sync_file arg = { .flags = 8, .fd = -1 };

	expect(-EFAULT, ioctl(buffer_with_sync_files(),
			      DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
			      at_page_end(&arg, 4)),
	       "ioctl(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, 4 readable bytes)");
}

static void import_read_only(void)
{
	int buf = buffer_with_sync_files();
	struct dma_buf_import_sync_file arg = {
		.flags = RW, .fd = buffer_export(buf, RW),
	};

	expect(0, ioctl(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
			read_only_copy(&arg, sizeof(arg))),
	       "ioctl(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, read-only memory)");
}

static void import_signalled_is_idle(void)
{
	int buf = buffer_with_sync_files(), i;

	for (i = 0; i < 20; i++)
		import_do(0, buf, DMA_BUF_SYNC_WRITE, buffer_export(buf, RW));
	expect_signalled(buf, true, "the buffer");
}

static const struct row buf_import_rows[] = {
	ROW("import.read", "READ of a signalled fence", imported, .a = DMA_BUF_SYNC_READ),
	ROW("import.write", "WRITE of a signalled fence", imported, .a = DMA_BUF_SYNC_WRITE),
	ROW("import.both", "RW of a signalled fence", imported, .a = RW),
	ROW("import.none", "flags 0 are EINVAL", imported, .a = 0, .want = -EINVAL),
	ROW("import.end", "END is EINVAL", imported, .a = END | RW, .want = -EINVAL),
	ROW("import.bit-31", "bit 31 is EINVAL", imported, .a = 0x80000000 | RW, .want = -EINVAL),
	ROW("import.stays-open", "the sync file can be used again", import_stays_open),
	ROW("import.closed", "a closed fd is EINVAL", import_closed),
	ROW("import.negative", "fd -1 is EINVAL", import_negative),
	ROW("import.pipe", "a pipe is EINVAL", import_pipe),
	ROW("import.itself", "the buffer itself is EINVAL", import_itself),
	ROW("import.pointer", "an unreadable argument is EFAULT", import_pointer),
	ROW("import.pointer-half", "an argument readable in part is EFAULT", import_half),
	ROW("import.read-only", "the argument is not written to", import_read_only),
	ROW("import.idle", "signalled fences leave the buffer idle", import_signalled_is_idle),
};

const struct group buf_import_group = GROUP(TARGET_BUFFER, buf_import_rows);
