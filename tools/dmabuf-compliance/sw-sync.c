/* SPDX-License-Identifier: MIT */
/* sw-sync.c - rows: timelines of sw_sync, their fences and deadlines */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void create_do(long long want, int timeline,
		      struct sw_sync_create *create)
{
	expect(want, ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE, create),
	       "ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE, {value=%u})",
	       (unsigned int)create->value);
}

/* @a: where the timeline is, @b: value of the fence, @want: signalled. */
static void born(void)
{
	int timeline = timeline_open(), fence;

	if (the_row->a)
		timeline_inc(timeline, (unsigned int)the_row->a);
	fence = timeline_fence(timeline, (unsigned int)the_row->b);
	expect_signalled(fence, the_row->want, "the new fence");
	expect(FD_CLOEXEC, fcntl(fence, F_GETFD), "fcntl(fence, F_GETFD)");
}

static void own_timeline(void)
{
	int a = timeline_open(), b = timeline_open(), fence;

	fence = timeline_fence(a, 1);
	timeline_inc(b, 5);
	expect_signalled(fence, false, "the other timeline's fence");
	timeline_inc(a, 1);
	expect_signalled(fence, true, "its own timeline's fence");
}

static void in_steps(void)
{
	int timeline = timeline_open(), fence = timeline_fence(timeline, 5);

	expect_signalled(fence, false, "the fence at 0");
	timeline_inc(timeline, 1);
	expect_signalled(fence, false, "the fence at 1");
	timeline_inc(timeline, 4);
	expect_signalled(fence, true, "the fence at 5");
	timeline_inc(timeline, 10);
	expect_signalled(fence, true, "the fence at 15");
}

static void name_ignored(void)
{
	struct sw_sync_create create = { .value = 1 };
	int timeline = timeline_open();

	memset(create.name, 'x', sizeof(create.name));
	create_do(0, timeline, &create);
	expect_signalled(create.fence, false, "the fence");
}

static void create_pointer(void)
{
	int timeline = timeline_open();
	struct fd_snapshot before;

	fds_snapshot(&before);
	expect(-EFAULT, ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE,
			      bad_pointer()),
	       "ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE, bad pointer)");
	expect_no_new_fd(&before);
}

static void create_write_back(void)
{
	struct sw_sync_create create = { .value = 1 };
	int timeline = timeline_open();
	struct fd_snapshot before;
	void *copy = read_only_copy(&create, sizeof(create));

	fds_snapshot(&before);
	expect(-EFAULT, ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE, copy),
	       "ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE, read-only memory)");
	expect_no_new_fd(&before);
}

static void create_half(void)
{
	struct sw_sync_create create = { .value = 1 };

	expect(-EFAULT, ioctl(timeline_open(), SW_SYNC_IOC_CREATE_FENCE,
			      at_page_end(&create, sizeof(create) - 4)),
	       "ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE, 36 readable bytes)");
}

static void create_emfile(void)
{
	struct sw_sync_create create = { .value = 1 };
	void *bad = bad_pointer(), *copy = read_only_copy(&create,
							   sizeof(create));
	int timeline = timeline_open();

	fds_use_up();
	create_do(-EMFILE, timeline, &create);
	expect(-EMFILE, ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE, bad),
	       "ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE, bad pointer), no "
	       "fd free");
	expect(-EMFILE, ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE, copy),
	       "ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE, read-only memory), "
	       "no fd free");
	fds_allow_more();
	create_do(0, timeline, &create);
}

static void inc_pointer(void)
{
	expect(-EFAULT, ioctl(timeline_open(), SW_SYNC_IOC_INC, bad_pointer()),
	       "ioctl(timeline, SW_SYNC_IOC_INC, bad pointer)");
}

static void inc_zero(void)
{
	int timeline = timeline_open(), fence = timeline_fence(timeline, 1);

	timeline_inc(timeline, 0);
	expect_signalled(fence, false, "the fence");
}

/* Values are compared as signed differences: 2^31 - 1 is as far as it goes. */
static void inc_far(void)
{
	int timeline = timeline_open(), near, far;

	near = timeline_fence(timeline, 1);
	far = timeline_fence(timeline, INT_MAX);
	timeline_inc(timeline, INT_MAX - 1);
	expect_signalled(near, true, "the fence at 1");
	expect_signalled(far, false, "the fence at INT_MAX");
	timeline_inc(timeline, 1);
	expect_signalled(far, true, "the fence at INT_MAX");
}

/* More than INT_MAX is done in steps, so nothing on the way is missed. */
static void inc_very_far(void)
{
	int timeline = timeline_open(), fence = timeline_fence(timeline, 1);

	timeline_inc(timeline, UINT_MAX);
	expect_signalled(fence, true, "the fence at 1");
	expect_signalled(timeline_fence(timeline, UINT_MAX), true,
			 "a fence where the timeline is");
	expect_signalled(timeline_fence(timeline, 0), false,
			 "a fence one further");
}

static void inc_wraps(void)
{
	int timeline = timeline_open(), fence;

	timeline_inc(timeline, UINT_MAX);
	fence = timeline_fence(timeline, 2);
	expect_signalled(fence, false, "a fence at 2, seen from -1");
	timeline_inc(timeline, 2);
	expect_signalled(fence, false, "a fence at 2, seen from 1");
	timeline_inc(timeline, 1);
	expect_signalled(fence, true, "a fence at 2, seen from 2");
}

static void born_beyond(void)
{
	int timeline = timeline_open();

	expect_signalled(timeline_fence(timeline, 0x80000001), true,
			 "a fence more than 2^31 - 1 ahead");
	expect_signalled(timeline_fence(timeline, 0x7fffffff), false,
			 "a fence 2^31 - 1 ahead");
}

/* @a: command. */
static void unknown(void)
{
	unsigned long cmd = (unsigned long)the_row->a;
	char argument[256] = "";

	expect(-ENOTTY, ioctl(timeline_open(), cmd, argument),
	       "ioctl(timeline, letter %#lx number %lu size %lu)",
	       (unsigned long)_IOC_TYPE(cmd), (unsigned long)_IOC_NR(cmd),
	       (unsigned long)_IOC_SIZE(cmd));
}

static void closed_timeline(void)
{
	int timeline = timeline_open(), waiting, done;

	done = timeline_fence(timeline, 1);
	waiting = timeline_fence(timeline, 2);
	timeline_inc(timeline, 1);
	expect(0, close(timeline), "close(timeline)");
	expect_wait(waiting, POLLIN, "the fence that waited");
	expect_value(-ENOENT, fence_status(waiting), "its status");
	expect_value(1, fence_status(done), "status of the fence before it");
}

static void closed_copy(void)
{
	int timeline = timeline_open(), fence = timeline_fence(timeline, 1);
	int copy = must(dup(timeline), "dup(timeline)");

	expect(0, close(timeline), "close(timeline)");
	expect_signalled(fence, false, "the fence");
	timeline_inc(copy, 1);
	expect_value(1, fence_status(fence), "its status");
}

static void wakes(void)
{
	int timeline = timeline_open(), fence = timeline_fence(timeline, 1);
	struct pollfd pollfd = { .fd = fence, .events = POLLIN };
	int status;
	pid_t pid;

	pid = must(fork(), "fork()");
	if (!pid) {
		timeline_inc(timeline, 1);
		_exit(0);
	}
	expect(1, poll(&pollfd, 1, -1), "poll(fence, POLLIN, -1)");
	expect_events(POLLIN, pollfd.revents, "revents");
	must(waitpid(pid, &status, 0), "waitpid()");
}

static void two_wait(void)
{
	int timeline = timeline_open(), fence = timeline_fence(timeline, 1);
	int status;
	pid_t pid;

	pid = must(fork(), "fork()");
	if (!pid) {
		expect_wait(fence, POLLIN, "fence in the child");
		_exit(0);
	}
	expect_signalled(fence, false, "the fence");
	timeline_inc(timeline, 1);
	expect_wait(fence, POLLIN, "fence");
	must(waitpid(pid, &status, 0), "waitpid()");
	expect_value(0, status, "the child");
}

static unsigned long long signalled_at(int fence)
{
	struct sync_fence_info leaf = { .timestamp_ns = 0 };
	struct sync_file_info info = {
		.num_fences = 1, .sync_fence_info = (uintptr_t)&leaf,
	};

	expect(0, ioctl(fence, SYNC_IOC_FILE_INFO, &info),
	       "ioctl(fence, SYNC_IOC_FILE_INFO, {num_fences=1})");
	return leaf.timestamp_ns;
}

/* The latest is made first, so that it is not the order of making. */
static void signalled_in_order(void)
{
	int timeline = timeline_open(), fences[20], i;

	for (i = 19; i >= 0; i--)
		fences[i] = timeline_fence(timeline, (unsigned int)i + 1);
	timeline_inc(timeline, 20);
	for (i = 1; i < 20; i++) {
		if (signalled_at(fences[i]) < signalled_at(fences[i - 1]))
			fail("expected the fence at %d after that at %d, got "
			     "an earlier time", i + 1, i);
	}
}

/* What waits for a signal is given up with the last fd of a fence. */
static void closed_fence(void)
{
	int timeline = timeline_open(), fence = timeline_fence(timeline, 1);
	int later = timeline_fence(timeline, 2);

	expect_signalled(fence, false, "the fence");
	expect(0, close(fence), "close(fence)");
	timeline_inc(timeline, 1);
	expect_signalled(later, false, "a later fence at 1");
	timeline_inc(timeline, 1);
	expect_signalled(later, true, "a later fence at 2");
}

/* Two fences of one value are one fence: one deadline for both. */
static void same_value(void)
{
	int timeline = timeline_open(), a, b;
	struct deadline deadline = { .deadline_ns = 12345 };
	struct sw_sync_deadline get = { .deadline_ns = 0 };

	a = timeline_fence(timeline, 3);
	b = timeline_fence(timeline, 3);
	expect_value(1, fence_leaves(fence_merge(a, b)), "number of fences");
	expect(0, ioctl(a, SYNC_IOC_SET_DEADLINE, &deadline),
	       "ioctl(fence, SYNC_IOC_SET_DEADLINE, 12345)");
	get.fence_fd = b;
	expect(0, ioctl(timeline, SW_SYNC_GET_DEADLINE, &get),
	       "ioctl(timeline, SW_SYNC_GET_DEADLINE, the other fence)");
	expect_value(12345, (long long)get.deadline_ns, "deadline_ns");
}

static void deadline_set(int fence, unsigned long long ns)
{
	struct deadline deadline = { .deadline_ns = ns };

	expect(0, ioctl(fence, SYNC_IOC_SET_DEADLINE, &deadline),
	       "ioctl(fence, SYNC_IOC_SET_DEADLINE, %llu)", ns);
}

static void deadline_get(long long want, int timeline, int fence,
			 unsigned long long ns, unsigned int pad)
{
	struct sw_sync_deadline get = {
		.deadline_ns = ns, .pad = pad, .fence_fd = fence,
	};

	expect(want, ioctl(timeline, SW_SYNC_GET_DEADLINE, &get),
	       "ioctl(timeline, SW_SYNC_GET_DEADLINE, {deadline_ns=%llu, "
	       "pad=%u})", ns, pad);
	if (!want)
		expect_value(the_row->a, (long long)get.deadline_ns,
			     "deadline_ns");
}

/* @a: the earliest, which wins. */
static void deadline_earliest(void)
{
	int timeline = timeline_open(), fence = timeline_fence(timeline, 1);

	deadline_set(fence, 3000);
	deadline_set(fence, 1000);
	deadline_set(fence, 2000);
	deadline_get(0, timeline, fence, 0, 0);
}

static void deadline_none(void)
{
	int timeline = timeline_open();

	deadline_get(-ENOENT, timeline, timeline_fence(timeline, 1), 0, 0);
}

/* @a: deadline_ns on input, @b: pad. */
static void deadline_refused(void)
{
	int timeline = timeline_open(), fence = timeline_fence(timeline, 1);

	deadline_set(fence, 1000);
	deadline_get(-EINVAL, timeline, fence,
		     (unsigned long long)the_row->a,
		     (unsigned int)the_row->b);
}

static void deadline_of_pipe(void)
{
	deadline_get(-EINVAL, timeline_open(), a_pipe_fd(), 0, 0);
}

static void deadline_of_merged(void)
{
	int timeline = timeline_open(), other = timeline_open(), fence;

	fence = fence_merge(timeline_fence(timeline, 1),
			    timeline_fence(other, 1));
	deadline_get(-EINVAL, timeline, fence, 0, 0);
}

static void deadline_of_stub(void)
{
	struct sync_fence_info leaf = { .driver_name = "" };
	struct sync_file_info info = {
		.num_fences = 1, .sync_fence_info = (uintptr_t)&leaf,
	};
	int fence = signalled_fence();

	expect(0, ioctl(fence, SYNC_IOC_FILE_INFO, &info),
	       "ioctl(fence, SYNC_IOC_FILE_INFO, {num_fences=1})");
	if (!strcmp(leaf.driver_name, "sw_sync"))
		skip("no fence that is not of sw_sync");
	deadline_get(-EINVAL, timeline_open(), fence, 0, 0);
}

/* It does not matter which timeline is asked. */
static void deadline_by_other(void)
{
	int fence = timeline_fence(timeline_open(), 1);

	deadline_set(fence, 5000);
	deadline_get(0, timeline_open(), fence, 0, 0);
}

static void deadline_of_signalled(void)
{
	int timeline = timeline_open(), fence = timeline_fence(timeline, 0);

	deadline_set(fence, 1000);
	deadline_get(-ENOENT, timeline, fence, 0, 0);
}

static void deadline_none_pad(void)
{
	int timeline = timeline_open();

	deadline_get(-EINVAL, timeline, timeline_fence(timeline, 1), 0, 1);
}

static void deadline_none_write_back(void)
{
	int timeline = timeline_open();
	struct sw_sync_deadline get = {
		.fence_fd = timeline_fence(timeline, 1),
	};

	expect(-ENOENT, ioctl(timeline, SW_SYNC_GET_DEADLINE,
			      read_only_copy(&get, sizeof(get))),
	       "ioctl(timeline, SW_SYNC_GET_DEADLINE, read-only memory)");
}

static void deadline_half(void)
{
	struct sw_sync_deadline get = { .pad = 1 };

	expect(-EFAULT, ioctl(timeline_open(), SW_SYNC_GET_DEADLINE,
			      at_page_end(&get, sizeof(get) - 4)),
	       "ioctl(timeline, SW_SYNC_GET_DEADLINE, 12 readable bytes)");
}

static void deadline_pointer(void)
{
	expect(-EFAULT, ioctl(timeline_open(), SW_SYNC_GET_DEADLINE,
			      bad_pointer()),
	       "ioctl(timeline, SW_SYNC_GET_DEADLINE, bad pointer)");
}

static void deadline_write_back(void)
{
	int timeline = timeline_open(), fence = timeline_fence(timeline, 1);
	struct sw_sync_deadline get = { .fence_fd = fence };

	deadline_set(fence, 1000);
	expect(-EFAULT, ioctl(timeline, SW_SYNC_GET_DEADLINE,
			      read_only_copy(&get, sizeof(get))),
	       "ioctl(timeline, SW_SYNC_GET_DEADLINE, read-only memory)");
}

/* A merged fence hands a deadline on to what it was made of. */
static void deadline_through_merged(void)
{
	int timeline = timeline_open(), other = timeline_open(), a;

	a = timeline_fence(timeline, 1);
	deadline_set(fence_merge(a, timeline_fence(other, 1)), 4000);
	deadline_get(0, timeline, a, 0, 0);
}

#define ROW(name, text, function, ...) \
	{ .id = "sw_sync." name, .title = text, .run = function, ##__VA_ARGS__ }
#define UNKNOWN(name, text, cmd) \
	ROW("ioctl." name, text " is ENOTTY", unknown, .a = (cmd))

static const struct row sw_sync_rows[] = {
	ROW("create.ahead", "a fence ahead waits", born, .b = 1),
	ROW("create.here", "a fence where the timeline is, is signalled", born, .a = 3, .b = 3, .want = 1),
	ROW("create.behind", "a fence behind is signalled", born, .a = 3, .b = 2, .want = 1),
	ROW("create.zero", "a fence at 0 is signalled", born, .b = 0, .want = 1),
	ROW("create.beyond", "2^31 ahead is behind", born_beyond),
	ROW("create.name", "the name does not matter", name_ignored),
	ROW("create.same-value", "two fences of one value are one", same_value),
	ROW("create.pointer", "an unreadable argument is EFAULT", create_pointer),
	ROW("create.pointer-half", "an argument readable in part is EFAULT", create_half),
	ROW("create.write-back", "an unwritable argument is EFAULT and leaves no fd", create_write_back),
	ROW("create.emfile", "no free fd is EMFILE, before all else", create_emfile),
	ROW("open", "each open is a timeline of its own", own_timeline),
	ROW("inc", "a fence is signalled when its value is reached", in_steps),
	ROW("inc.zero", "an increment of 0", inc_zero),
	ROW("inc.far", "an increment of INT_MAX - 1 and one", inc_far),
	ROW("inc.very-far", "an increment of UINT_MAX misses nothing", inc_very_far),
	ROW("inc.wraps", "a timeline wraps", inc_wraps),
	ROW("inc.pointer", "an unreadable increment is EFAULT", inc_pointer),
	ROW("inc.wakes", "an increment wakes a poll", wakes),
	ROW("inc.wakes-two", "an increment wakes two that poll", two_wait),
	ROW("inc.order", "an increment signals in the order of values", signalled_in_order),
	UNKNOWN("number-3", "W 3", _IOWR('W', 3, char[16])),
	UNKNOWN("letter", "another letter", _IOWR('x', 0, struct sw_sync_create)),
	UNKNOWN("size", "CREATE_FENCE of another size", _IOWR('W', 0, char[48])),
	UNKNOWN("direction", "INC of another direction", _IOWR('W', 1, __u32)),
	ROW("close", "a closed timeline ends its fences with ENOENT", closed_timeline),
	ROW("close.copy", "a copy of the fd keeps the timeline", closed_copy),
	ROW("close.fence", "a fence closed while it waits leaves the others alone", closed_fence),
	ROW("deadline.earliest", "the earliest deadline counts", deadline_earliest, .a = 1000),
	ROW("deadline.merged", "a merged fence hands deadlines on", deadline_through_merged, .a = 4000),
	ROW("deadline.none", "without a deadline it is ENOENT", deadline_none),
	ROW("deadline.set", "deadline_ns set is EINVAL", deadline_refused, .a = 1),
	ROW("deadline.pad", "pad set is EINVAL", deadline_refused, .b = 1),
	ROW("deadline.pipe", "a pipe is EINVAL", deadline_of_pipe),
	ROW("deadline.of-merged", "a merged fence is EINVAL", deadline_of_merged),
	ROW("deadline.stub", "a fence of another driver is EINVAL", deadline_of_stub),
	ROW("deadline.other-timeline", "any timeline may be asked", deadline_by_other, .a = 5000),
	ROW("deadline.signalled", "a signalled fence takes no deadline", deadline_of_signalled),
	ROW("deadline.order.pad-none", "pad is checked before the deadline", deadline_none_pad),
	ROW("deadline.order.none-write-back", "so is the deadline before it is written", deadline_none_write_back),
	ROW("deadline.pointer-half", "an argument readable in part is EFAULT", deadline_half),
	ROW("deadline.pointer", "an unreadable argument is EFAULT", deadline_pointer),
	ROW("deadline.write-back", "an unwritable argument is EFAULT", deadline_write_back),
};

const struct group sw_sync_group = GROUP(TARGET_SW_SYNC, sw_sync_rows);
