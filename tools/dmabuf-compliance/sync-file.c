/* SPDX-License-Identifier: MIT */
/* sync-file.c - rows: a signalled sync file: poll, FILE_INFO, deadlines */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void polled(void)
{
	expect_events(the_row->want,
		      fd_poll(signalled_fence(), (short)the_row->a),
		      "poll(fence, %#llx)", the_row->a);
}

static void waited_for(void)
{
	struct pollfd pollfd = { .fd = signalled_fence(), .events = POLLIN };

	expect(1, poll(&pollfd, 1, -1), "poll(fence, POLLIN, -1)");
	expect_events(POLLIN, pollfd.revents, "revents");
}

static void do_read(void)
{
	char byte;

	expect(-EINVAL, read(signalled_fence(), &byte, 1), "read(fence, 1)");
}

static void do_write(void)
{
	expect(the_row->want, write(signalled_fence(), "x", 1),
	       "write(fence, 1)");
}

static void do_lseek(void)
{
	expect(-ESPIPE, lseek(signalled_fence(), 0, SEEK_SET),
	       "lseek(fence, 0, SEEK_SET)");
}

static void do_mmap(void)
{
	expect_map(-ENODEV, mmap(NULL, page_size(), PROT_READ, MAP_SHARED,
				 signalled_fence(), 0),
		   "mmap(page of fence)");
}

static void do_ftruncate(void)
{
	expect(-EINVAL, ftruncate(signalled_fence(), 0),
	       "ftruncate(fence, 0)");
}

/* Whoever has a copy could end the waiting of all else. */
static void do_shutdown(void)
{
	int fence = signalled_fence();

	expect(-ENOTSOCK, shutdown(fence, SHUT_RDWR),
	       "shutdown(fence, SHUT_RDWR)");
	expect_signalled(fence, true, "fence");
}

static void do_recv(void)
{
	char byte;

	expect(-ENOTSOCK, recv(signalled_fence(), &byte, 1, MSG_DONTWAIT),
	       "recv(fence, 1)");
}

static void do_send(void)
{
	expect(-ENOTSOCK, send(signalled_fence(), "x", 1,
			       MSG_DONTWAIT | MSG_NOSIGNAL),
	       "send(fence, 1)");
}

static void do_getsockopt(void)
{
	int type;
	socklen_t size = sizeof(type);

	expect(-ENOTSOCK, getsockopt(signalled_fence(), SOL_SOCKET, SO_TYPE,
				     &type, &size),
	       "getsockopt(fence, SO_TYPE)");
}

static void descriptor_flags(void)
{
	expect(FD_CLOEXEC, fcntl(signalled_fence(), F_GETFD),
	       "fcntl(fence, F_GETFD)");
}

/* @a: command. */
static void unknown(void)
{
	unsigned long cmd = (unsigned long)the_row->a;
	char argument[256] = "";

	expect(-ENOTTY, ioctl(signalled_fence(), cmd, argument),
	       "ioctl(fence, letter %#lx number %lu size %lu)",
	       (unsigned long)_IOC_TYPE(cmd), (unsigned long)_IOC_NR(cmd),
	       (unsigned long)_IOC_SIZE(cmd));
}

static void unknown_bad_pointer(void)
{
	expect(-ENOTTY, ioctl(signalled_fence(), _IOWR('>', 2, char[56]),
			      bad_pointer()),
	       "ioctl(fence, number 2, bad pointer)");
}

/* Kernels before 6.4 do not know it. */
static void deadline_do(long long want, struct deadline *deadline)
{
	int ret;

	ret = ioctl(signalled_fence(), SYNC_IOC_SET_DEADLINE, deadline);
	if (ret && errno == ENOTTY)
		skip("no deadlines before Linux 6.4");
	expect(want, ret, "ioctl(fence, SYNC_IOC_SET_DEADLINE)");
}

/* @a: nanoseconds. */
static void deadline(void)
{
	struct deadline arg = { .deadline_ns = (__u64)the_row->a };

	deadline_do(0, &arg);
}

static void deadline_pad(void)
{
	struct deadline arg = { .deadline_ns = 1, .pad = (__u64)the_row->a };

	deadline_do(-EINVAL, &arg);
}

static void deadline_pointer(void)
{
	deadline_do(-EFAULT, bad_pointer());
}

static void deadline_half(void)
{
	struct deadline arg = { .deadline_ns = 1 };

	deadline_do(-EFAULT, at_page_end(&arg, 8));
}

static void deadline_read_only(void)
{
	struct deadline arg = { .deadline_ns = 1 };

	deadline_do(0, read_only_copy(&arg, sizeof(arg)));
}

/* By a copy of the fd, and in another process, it is the same. */
static void child_looks(void *arg)
{
	int fence = *(int *)arg;

	expect_signalled(fence, true, "the fence");
	expect_value(1, fence_status(fence), "its status");
}

static void copied(void)
{
	int fence = signalled_fence();

	expect(12, dup2(fence, 12), "dup2(fence, 12)");
	expect(0, close(fence), "close(fence)");
	fence = 12;
	child_looks(&fence);
	in_child(child_looks, &fence);
}

#define ROW(name, text, function, ...) \
	{ .id = "sync." name, .title = text, .run = function, ##__VA_ARGS__ }
#define UNKNOWN(name, text, cmd) \
	ROW("ioctl." name, text " is ENOTTY", unknown, .a = (cmd))

static const struct row sync_file_rows[] = {
	ROW("poll.in", "poll for POLLIN says POLLIN", polled, .a = POLLIN, .want = POLLIN),
	ROW("poll.out", "poll for POLLOUT says nothing", polled, .a = POLLOUT),
	ROW("poll.all", "poll for everything says POLLIN", polled, .a = POLLIN | POLLOUT | POLLPRI, .want = POLLIN),
	ROW("poll.infinite", "poll without a timeout returns", waited_for),
	ROW("read", "read is EINVAL", do_read),
	ROW("write", "write is EBADF: it is read-only", do_write, .want = -EBADF),
	ROW("lseek", "lseek is ESPIPE", do_lseek),
	ROW("mmap", "mmap is ENODEV", do_mmap),
	ROW("ftruncate", "ftruncate is EINVAL", do_ftruncate),
	ROW("shutdown", "shutdown is ENOTSOCK", do_shutdown),
	ROW("recv", "recv is ENOTSOCK", do_recv),
	ROW("send", "send is ENOTSOCK", do_send),
	ROW("getsockopt", "getsockopt is ENOTSOCK", do_getsockopt),
	ROW("cloexec", "close-on-exec is set", descriptor_flags),
	ROW("share", "a copy, and a child's, is the same sync file", copied),
	UNKNOWN("number-0", "> 0", _IOWR('>', 0, char[8])),
	UNKNOWN("number-1", "> 1", _IOWR('>', 1, char[48])),
	UNKNOWN("number-2", "> 2", _IOWR('>', 2, char[56])),
	UNKNOWN("number-6", "> 6", _IOWR('>', 6, char[16])),
	UNKNOWN("letter", "another letter", _IOWR('x', 3, char[48])),
	UNKNOWN("buffer", "a buffer's SYNC", DMA_BUF_IOCTL_SYNC),
	UNKNOWN("merge-size", "MERGE of another size", _IOWR('>', 3, char[56])),
	UNKNOWN("merge-direction", "MERGE encoded to be written", _IOW('>', 3, char[48])),
	UNKNOWN("info-size", "FILE_INFO of another size", _IOWR('>', 4, char[48])),
	ROW("ioctl.bad-pointer", "the number is checked before the pointer", unknown_bad_pointer),
	ROW("deadline.past", "a deadline in the past", deadline, .a = 1),
	ROW("deadline.never", "the last deadline there is", deadline, .a = -1),
	ROW("deadline.pad", "a deadline with pad set is EINVAL", deadline_pad, .a = 1),
	ROW("deadline.pad-high", "a deadline with bit 63 of pad is EINVAL", deadline_pad, .a = INT64_MIN),
	ROW("deadline.pointer", "an unreadable deadline is EFAULT", deadline_pointer),
	ROW("deadline.pointer-half", "a deadline readable in part is EFAULT", deadline_half),
	ROW("deadline.read-only", "a deadline is not written to", deadline_read_only),
};

const struct group sync_file_group = GROUP(TARGET_SYNC_FILE, sync_file_rows);

static long long info_do(long long want, int fence,
			 struct sync_file_info *info)
{
	return expect(want, ioctl(fence, SYNC_IOC_FILE_INFO, info),
		      "ioctl(fence, SYNC_IOC_FILE_INFO, {flags=%u, pad=%u, "
		      "num_fences=%u})", (unsigned int)info->flags,
		      (unsigned int)info->pad,
		      (unsigned int)info->num_fences);
}

static void info_count(void)
{
	struct sync_file_info info = { .status = 77 };

	info_do(0, signalled_fence(), &info);
	expect_value(1, info.status, "status");
	expect_value(1, info.num_fences, "num_fences");
	expect_value(0, info.flags, "flags");
	expect_value(0, info.pad, "pad");
}

static void info_leaf(void)
{
	struct sync_fence_info leaf = { .status = 77, .flags = 77 };
	struct sync_file_info info = {
		.num_fences = 1, .sync_fence_info = (uintptr_t)&leaf,
	};

	info_do(0, signalled_fence(), &info);
	expect_value(1, info.status, "status");
	expect_value(1, info.num_fences, "num_fences");
	expect_value(1, leaf.status, "status of the leaf");
	expect_value(0, leaf.flags, "flags of the leaf");
	if (!leaf.timestamp_ns || leaf.timestamp_ns > now_ns())
		fail("expected a time of signalling, got 0 or a later one");
}

/* Room for more than there are: the rest of it stays. */
static void info_more_room(void)
{
	struct sync_fence_info leaves[3];
	struct sync_file_info info = {
		.num_fences = 3, .sync_fence_info = (uintptr_t)leaves,
	};

	memset(leaves, 0x5a, sizeof(leaves));
	info_do(0, signalled_fence(), &info);
	expect_value(1, info.num_fences, "num_fences");
	expect_value(1, leaves[0].status, "status of the leaf");
	expect_filled((unsigned char *)&leaves[1], 0x5a,
		      2 * sizeof(leaves[1]), "the rest of the room");
}

static void info_flags(void)
{
	struct sync_file_info info = {
		.flags = (__u32)the_row->a, .pad = (__u32)the_row->b,
	};

	info_do(-EINVAL, signalled_fence(), &info);
}

/* What is checked first: flags, before the array is touched. */
static void info_flags_first(void)
{
	struct sync_file_info info = { .flags = 1, .num_fences = 1 };

	info.sync_fence_info = (uintptr_t)bad_pointer();
	info_do(-EINVAL, signalled_fence(), &info);
}

static void info_flags_before_write_back(void)
{
	struct sync_file_info info = { .pad = 1 };

	expect(-EINVAL, ioctl(signalled_fence(), SYNC_IOC_FILE_INFO,
			      read_only_copy(&info, sizeof(info))),
	       "ioctl(fence, SYNC_IOC_FILE_INFO, {pad=1}, read-only memory)");
}

static void info_pointer(void)
{
	expect(-EFAULT, ioctl(signalled_fence(), SYNC_IOC_FILE_INFO,
			      bad_pointer()),
	       "ioctl(fence, SYNC_IOC_FILE_INFO, bad pointer)");
}

/* What can be read is wrong, and does not count. */
static void info_half(void)
{
	struct sync_file_info info = { .flags = 1 };

	expect(-EFAULT, ioctl(signalled_fence(), SYNC_IOC_FILE_INFO,
			      at_page_end(&info, sizeof(info) - 8)),
	       "ioctl(fence, SYNC_IOC_FILE_INFO, 48 readable bytes)");
}

static void info_array(void)
{
	struct sync_file_info info = { .num_fences = 1, .status = 77 };

	info.sync_fence_info = (uintptr_t)bad_pointer();
	info_do(-EFAULT, signalled_fence(), &info);
	expect_value(77, info.status, "status after EFAULT");
}

static void info_write_back(void)
{
	struct sync_file_info info = { .num_fences = 0 };

	expect(-EFAULT, ioctl(signalled_fence(), SYNC_IOC_FILE_INFO,
			      read_only_copy(&info, sizeof(info))),
	       "ioctl(fence, SYNC_IOC_FILE_INFO, read-only memory)");
}

/* The caller's name, flags and status are only written to. */
static void info_ignores_input(void)
{
	struct sync_file_info info = { .status = -5 };

	memset(info.name, 'x', sizeof(info.name));
	info_do(0, signalled_fence(), &info);
	expect_value(1, info.status, "status");
	if (!memchr(info.name, '\0', sizeof(info.name)))
		fail("expected a name with an end, got none");
}

static const struct row sync_info_rows[] = {
	ROW("info.count", "num_fences 0 gives status and number", info_count),
	ROW("info.leaf", "a leaf's status, flags and time", info_leaf),
	ROW("info.more-room", "room for more than there are", info_more_room),
	ROW("info.input", "status and name are results only", info_ignores_input),
	ROW("info.flags", "flags set are EINVAL", info_flags, .a = 1),
	ROW("info.pad", "pad set is EINVAL", info_flags, .b = 1),
	ROW("info.order.flags-array", "flags are checked before the array", info_flags_first),
	ROW("info.order.flags-write-back", "flags are checked before the argument is written", info_flags_before_write_back),
	ROW("info.pointer", "an unreadable argument is EFAULT", info_pointer),
	ROW("info.pointer-half", "an argument readable in part is EFAULT", info_half),
	ROW("info.array", "an unwritable array is EFAULT", info_array),
	ROW("info.write-back", "an unwritable argument is EFAULT", info_write_back),
};

const struct group sync_info_group = GROUP(TARGET_SYNC_FILE, sync_info_rows);
