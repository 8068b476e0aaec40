/* SPDX-License-Identifier: MIT */
/* sync-merge.c - rows: SYNC_IOC_MERGE of signalled sync files, their texts */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int merge(long long want, int fence, struct sync_merge_data *data)
{
	expect(want, ioctl(fence, SYNC_IOC_MERGE, data),
	       "ioctl(fence, SYNC_IOC_MERGE, {flags=%u, pad=%u})",
	       (unsigned int)data->flags, (unsigned int)data->pad);
	return data->fence;
}

static void merge_refused(long long want, int fence,
			  struct sync_merge_data *data)
{
	struct fd_snapshot before;

	data->fence = -7;
	fds_snapshot(&before);
	merge(want, fence, data);
	expect_no_new_fd(&before);
	expect_value(-7, data->fence, "fence field");
}

static void merged(void)
{
	struct sync_merge_data data = { .name = "both" };
	int fence;

	data.fd2 = signalled_fence();
	fence = merge(0, signalled_fence(), &data);
	expect_signalled(fence, true, "the merged fence");
	expect_value(1, fence_status(fence), "its status");
	expect(FD_CLOEXEC, fcntl(fence, F_GETFD), "fcntl(merged, F_GETFD)");
}

static void with_itself(void)
{
	int a = signalled_fence(), fence;
	struct sync_merge_data data = { .name = "itself", .fd2 = a };

	fence = merge(0, a, &data);
	expect_value(1, fence_leaves(fence), "number of fences");
	expect_signalled(fence, true, "the merged fence");
	expect_signalled(a, true, "the fence itself");
}

/* @a: flags, @b: pad. */
static void flags(void)
{
	struct sync_merge_data data = {
		.fd2 = signalled_fence(), .flags = (__u32)the_row->a,
		.pad = (__u32)the_row->b,
	};

	merge_refused(-EINVAL, signalled_fence(), &data);
}

static void flags_first(void)
{
	struct sync_merge_data data = { .fd2 = -1, .flags = 1 };

	merge_refused(-EINVAL, signalled_fence(), &data);
}

static void closed(void)
{
	int fence = signalled_fence();
	struct sync_merge_data data = { .fd2 = 900 };

	merge_refused(-ENOENT, fence, &data);
	data.fd2 = -1;
	merge_refused(-ENOENT, fence, &data);
}

static void a_pipe(void)
{
	struct sync_merge_data data = { .fd2 = a_pipe_fd() };

	merge_refused(-ENOENT, signalled_fence(), &data);
}

static void pointer(void)
{
	int fence = signalled_fence();
	struct fd_snapshot before;

	fds_snapshot(&before);
	expect(-EFAULT, ioctl(fence, SYNC_IOC_MERGE, bad_pointer()),
	       "ioctl(fence, SYNC_IOC_MERGE, bad pointer)");
	expect_no_new_fd(&before);
}

/* What can be read is wrong, and does not count. */
static void pointer_half(void)
{
	struct sync_merge_data data = { .fd2 = -1, .flags = 1 };

	expect(-EFAULT, ioctl(signalled_fence(), SYNC_IOC_MERGE,
			      at_page_end(&data, sizeof(data) - 4)),
	       "ioctl(fence, SYNC_IOC_MERGE, 44 readable bytes)");
}

/* @a: flags, @want: errno; nothing is written where it would not work. */
static void refused_read_only(void)
{
	struct sync_merge_data data = { .fd2 = -1, .flags = (__u32)the_row->a };

	expect(the_row->want, ioctl(signalled_fence(), SYNC_IOC_MERGE,
				    read_only_copy(&data, sizeof(data))),
	       "ioctl(fence, SYNC_IOC_MERGE, {fd2=-1, flags=%lld}, read-only "
	       "memory)", the_row->a);
}

static void write_back(void)
{
	struct sync_merge_data data = { .fd2 = signalled_fence() };
	int fence = signalled_fence();
	struct fd_snapshot before;
	void *copy = read_only_copy(&data, sizeof(data));

	fds_snapshot(&before);
	expect(-EFAULT, ioctl(fence, SYNC_IOC_MERGE, copy),
	       "ioctl(fence, SYNC_IOC_MERGE, read-only memory)");
	expect_no_new_fd(&before);
}

static void emfile(void)
{
	struct sync_merge_data data = { .fd2 = signalled_fence() };
	int fence = signalled_fence();

	fds_use_up();
	merge_refused(-EMFILE, fence, &data);
	fds_allow_more();
	merge(0, fence, &data);
}

/* The fd number comes before everything. */
static void emfile_first(void)
{
	struct sync_merge_data data = { .fd2 = -1, .flags = 1 };
	int fence = signalled_fence();
	void *bad = bad_pointer();

	fds_use_up();
	merge_refused(-EMFILE, fence, &data);
	expect(-EMFILE, ioctl(fence, SYNC_IOC_MERGE, bad),
	       "ioctl(fence, SYNC_IOC_MERGE, bad pointer), no fd free");
}

static void expect_name(int fence, const char *want)
{
	struct sync_file_info info = { .num_fences = 0 };
	char name[sizeof(info.name) + 1] = "";

	expect(0, ioctl(fence, SYNC_IOC_FILE_INFO, &info),
	       "ioctl(fence, SYNC_IOC_FILE_INFO)");
	memcpy(name, info.name, sizeof(info.name));
	expect_text(want, name, "name of the fence");
}

/* @arg: as many of its bytes as fit are the name. */
static void name(void)
{
	struct sync_merge_data data = { .fd2 = signalled_fence() };
	const char *text = the_row->arg;
	char want[32] = "";
	size_t length = strlen(text);

	if (length > sizeof(data.name))
		length = sizeof(data.name);
	memcpy(data.name, text, length);
	memcpy(want, text, length < 31 ? length : 31);
	expect_name(merge(0, signalled_fence(), &data), want);
	expect_value(0, data.name[sizeof(data.name) - 1],
		     "last byte of the name");
}

static void inputs_stay(void)
{
	int a = signalled_fence(), b = signalled_fence();

	expect(0, close(fence_merge(a, b)), "close(merged)");
	expect_signalled(a, true, "the first fence");
	expect_signalled(b, true, "the second fence");
}

static void outlives_inputs(void)
{
	int a = signalled_fence(), b = signalled_fence(), fence;

	fence = fence_merge(a, b);
	expect(0, close(a), "close(first)");
	expect(0, close(b), "close(second)");
	expect_signalled(fence, true, "the merged fence");
	expect_value(1, fence_status(fence), "its status");
}

#define ROW(name, text, function, ...) \
	{ .id = "sync." name, .title = text, .run = function, ##__VA_ARGS__ }

static const struct row sync_merge_rows[] = {
	ROW("merge.two", "two signalled fences are a signalled one", merged),
	ROW("merge.itself", "a fence with itself", with_itself),
	ROW("merge.inputs-stay", "both inputs stay valid", inputs_stay),
	ROW("merge.outlives", "the result outlives its inputs", outlives_inputs),
	ROW("merge.name", "the name given is the name", name, .arg = "both"),
	ROW("merge.name-31", "a name of 31 characters", name, .arg = "1234567890123456789012345678901"),
	ROW("merge.name-32", "a name without an end is cut", name, .arg = "12345678901234567890123456789012"),
	ROW("merge.flags", "flags set are EINVAL", flags, .a = 1),
	ROW("merge.pad", "pad set is EINVAL", flags, .b = 1),
	ROW("merge.closed", "a closed second fd is ENOENT", closed),
	ROW("merge.pipe", "a pipe as second fd is ENOENT", a_pipe),
	ROW("merge.order.flags-closed", "flags are checked before the second fd", flags_first),
	ROW("merge.pointer", "an unreadable argument is EFAULT", pointer),
	ROW("merge.pointer-half", "an argument readable in part is EFAULT", pointer_half),
	ROW("merge.order.flags-write-back", "flags are checked before the argument is written", refused_read_only, .a = 1, .want = -EINVAL),
	ROW("merge.order.closed-write-back", "so is the second fd", refused_read_only, .want = -ENOENT),
	ROW("merge.write-back", "an unwritable argument is EFAULT and leaves no fd", write_back),
	ROW("merge.emfile", "no free fd is EMFILE, and passes", emfile),
	ROW("merge.order.emfile-first", "the fd number comes before everything", emfile_first),
};

const struct group sync_merge_group = GROUP(TARGET_SYNC_FILE, sync_merge_rows);

static void link_text(void)
{
	expect_link("anon_inode:sync_file", signalled_fence());
}

static void access_mode(void)
{
	int mode = must(fcntl(signalled_fence(), F_GETFL),
			"fcntl(fence, F_GETFL)");

	expect_value(O_RDONLY, mode & O_ACCMODE, "access mode");
}

static void all_flags(void)
{
	expect(O_RDONLY, fcntl(signalled_fence(), F_GETFL),
	       "fcntl(fence, F_GETFL)");
}

/* A fence that no driver made. */
static struct sync_fence_info stub_leaf(int fence)
{
	struct sync_fence_info leaf = { .status = 77 };
	struct sync_file_info info = {
		.num_fences = 1, .sync_fence_info = (uintptr_t)&leaf,
	};

	expect(0, ioctl(fence, SYNC_IOC_FILE_INFO, &info),
	       "ioctl(fence, SYNC_IOC_FILE_INFO, {num_fences=1})");
	if (!strcmp(leaf.driver_name, "sw_sync"))
		skip("a fence of sw_sync");
	return leaf;
}

static void stub_names(void)
{
	struct sync_fence_info leaf = stub_leaf(signalled_fence());

	expect_text("stub", leaf.driver_name, "driver name");
	expect_text("stub", leaf.obj_name, "timeline name");
}

/* Neither exporting nor merging gives a name. */
static void stub_file_name(void)
{
	struct sync_merge_data data = { .fd2 = signalled_fence() };
	int fence = signalled_fence();

	stub_leaf(fence);
	expect_name(fence, "stub-stub0-0");
	expect_name(merge(0, fence, &data), "stub-stub0-0");
}

static const struct row sync_linux_rows[] = {
	ROW("link", "the link text is anon_inode:sync_file", link_text),
	ROW("mode", "the fd is read-only", access_mode),
	ROW("flags", "F_GETFL is the mode alone", all_flags),
	ROW("info.stub", "an idle buffer's fence is called stub", stub_names),
	ROW("info.stub-name", "its sync file is called stub-stub0-0", stub_file_name),
};

const struct group sync_linux_group = LINUX_GROUP(TARGET_SYNC_FILE, sync_linux_rows);
