/* SPDX-License-Identifier: MIT */
/* sw-sync-info.c - rows: what sync files tell of fences that wait, merging */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MOST 4

struct leaves {
	struct sync_file_info file;
	struct sync_fence_info of[MOST];
};

static void info(int fence, struct leaves *leaves)
{
	memset(leaves, 0, sizeof(*leaves));
	leaves->file.num_fences = MOST;
	leaves->file.sync_fence_info = (uintptr_t)leaves->of;
	expect(0, ioctl(fence, SYNC_IOC_FILE_INFO, &leaves->file),
	       "ioctl(fence, SYNC_IOC_FILE_INFO, {num_fences=%d})", MOST);
}

/* How many leaves have this status. */
static unsigned int with_status(int fence, int status)
{
	unsigned int nr = 0, i;
	struct leaves leaves;

	info(fence, &leaves);
	for (i = 0; i < leaves.file.num_fences; i++)
		nr += leaves.of[i].status == status;
	return nr;
}

static void expect_leaves(int fence, unsigned int waiting, unsigned int done)
{
	expect_value(waiting, with_status(fence, 0), "leaves that wait");
	expect_value(done, with_status(fence, 1), "leaves signalled");
}

static void waiting(void)
{
	struct leaves leaves;

	info(timeline_fence(timeline_open(), 1), &leaves);
	expect_value(0, leaves.file.status, "status");
	expect_value(1, leaves.file.num_fences, "num_fences");
	expect_value(0, leaves.of[0].status, "status of the leaf");
	expect_value(0, (long long)leaves.of[0].timestamp_ns, "time");
}

static void signalled(void)
{
	int timeline = timeline_open(), fence = timeline_fence(timeline, 1);
	unsigned long long before = now_ns(), time;
	struct leaves leaves;

	timeline_inc(timeline, 1);
	info(fence, &leaves);
	expect_value(1, leaves.file.status, "status");
	expect_value(1, leaves.of[0].status, "status of the leaf");
	time = leaves.of[0].timestamp_ns;
	if (time < before || time > now_ns())
		fail("expected the time of signalling, got %s",
		     time ? time < before ? "one before" : "one to come" : "0");
}

static void failed(void)
{
	int timeline = timeline_open(), fence = timeline_fence(timeline, 1);
	struct leaves leaves;

	expect(0, close(timeline), "close(timeline)");
	expect_wait(fence, POLLIN, "the fence");
	info(fence, &leaves);
	expect_value(-ENOENT, leaves.file.status, "status");
	expect_value(-ENOENT, leaves.of[0].status, "status of the leaf");
}

/* The timeline is called as the process was when it opened it. */
static void names(void)
{
	struct leaves leaves;
	int fence;

	must(prctl(PR_SET_NAME, "timekeeper"), "prctl(PR_SET_NAME)");
	fence = timeline_fence(timeline_open(), 1);
	must(prctl(PR_SET_NAME, "somebody"), "prctl(PR_SET_NAME)");
	info(fence, &leaves);
	expect_text("sw_sync", leaves.of[0].driver_name, "driver name");
	expect_text("timekeeper", leaves.of[0].obj_name, "timeline name");
}

/* "sw_sync-timekeeper<context>-<value>", of which the context is not told. */
static void generated_name(void)
{
	static const char start[] = "sw_sync-timekeeper";
	struct leaves leaves;
	const char *end;

	must(prctl(PR_SET_NAME, "timekeeper"), "prctl(PR_SET_NAME)");
	info(timeline_fence(timeline_open(), 42), &leaves);
	if (strncmp(leaves.file.name, start, strlen(start)))
		fail("expected a name that starts with %s, got %s", start,
		     leaves.file.name);
	end = leaves.file.name + strlen(start);
	end += strspn(end, "0123456789");
	expect_text("-42", end, "end of the name");
}

/* "sw_sync-fifteen letters<context>-2147483647" is longer than 31. */
static void generated_name_cut(void)
{
	struct leaves leaves;

	must(prctl(PR_SET_NAME, "fifteen letters"), "prctl(PR_SET_NAME)");
	info(timeline_fence(timeline_open(), INT_MAX), &leaves);
	expect_value(31, (long long)strnlen(leaves.file.name,
					    sizeof(leaves.file.name)),
		     "length of the name");
	leaves.file.name[strlen("sw_sync-fifteen letters")] = '\0';
	expect_text("sw_sync-fifteen letters", leaves.file.name,
		    "start of the name");
}

static void too_little_room(void)
{
	int timeline = timeline_open(), other = timeline_open(), fence;
	struct sync_file_info file = {
		.num_fences = 1, .sync_fence_info = (uintptr_t)bad_pointer(),
	};

	fence = fence_merge(timeline_fence(timeline, 1),
			    timeline_fence(other, 1));
	expect(-EINVAL, ioctl(fence, SYNC_IOC_FILE_INFO, &file),
	       "ioctl(merged, SYNC_IOC_FILE_INFO, {num_fences=1})");
	expect_value(2, fence_leaves(fence), "number of fences");
}

#define ROW(name, text, function, ...) \
	{ .id = "sw_sync." name, .title = text, .run = function, ##__VA_ARGS__ }

static const struct row sw_sync_info_rows[] = {
	ROW("info.waiting", "a fence that waits: status 0, time 0", waiting),
	ROW("info.signalled", "a signalled fence: status 1 and a time", signalled),
	ROW("info.failed", "a fence of a closed timeline: ENOENT", failed),
	ROW("info.names", "driver sw_sync, timeline as its opener", names),
	ROW("info.generated-name", "the sync file's name is made of them", generated_name),
	ROW("info.generated-name-cut", "and is cut to 31 characters", generated_name_cut),
	ROW("info.too-little-room", "room for fewer than there are is EINVAL, never EFAULT", too_little_room),
};

const struct group sw_sync_info_group = LINUX_GROUP(TARGET_SW_SYNC, sw_sync_info_rows);

static void one_timeline(void)
{
	int timeline = timeline_open(), a, b, c, fence;

	a = timeline_fence(timeline, 1);
	b = timeline_fence(timeline, 2);
	c = timeline_fence(timeline, 3);
	fence = fence_merge(fence_merge(a, b), c);
	expect_leaves(fence, 1, 0);
	timeline_inc(timeline, 1);
	expect_signalled(a, true, "the first fence");
	expect_signalled(fence, false, "the merged fence at 1");
	timeline_inc(timeline, 1);
	expect_signalled(fence, false, "the merged fence at 2");
	timeline_inc(timeline, 1);
	expect_signalled(fence, true, "the merged fence at 3");
	expect_leaves(fence, 0, 1);
}

/* The later fence of a timeline is the one that stays. */
static void later_stays(void)
{
	int timeline = timeline_open(), a, b, fence;

	a = timeline_fence(timeline, 9);
	b = timeline_fence(timeline, 4);
	fence = fence_merge(a, b);
	timeline_inc(timeline, 8);
	expect_signalled(fence, false, "the merged fence at 8");
	timeline_inc(timeline, 1);
	expect_signalled(fence, true, "the merged fence at 9");
}

static void with_itself(void)
{
	int timeline = timeline_open(), a = timeline_fence(timeline, 5);
	int fence = fence_merge(a, a);

	expect_leaves(fence, 1, 0);
	timeline_inc(timeline, 5);
	expect_leaves(fence, 0, 1);
}

static void three_timelines(void)
{
	int timelines[3], fences[3], fence, i;

	for (i = 0; i < 3; i++) {
		timelines[i] = timeline_open();
		fences[i] = timeline_fence(timelines[i], 5);
	}
	fence = fence_merge(fence_merge(fences[0], fences[1]), fences[2]);
	for (i = 0; i < 3; i++) {
		expect_leaves(fence, 3 - i, i);
		expect_signalled(fence, false, "the merged fence");
		timeline_inc(timelines[i], 5);
	}
	expect_leaves(fence, 0, 3);
	expect_signalled(fence, true, "the merged fence");
}

static void signalled_drops_out(void)
{
	int timeline = timeline_open(), other = timeline_open(), a, fence;

	a = timeline_fence(timeline, 1);
	timeline_inc(timeline, 1);
	fence = fence_merge(a, timeline_fence(other, 1));
	expect_leaves(fence, 1, 0);
}

/* Its status, told with the leaves, is that of the first that is not done. */
static void expect_status_of_leaves(int fence)
{
	struct leaves leaves;
	int want = 1;
	unsigned int i;

	info(fence, &leaves);
	for (i = 0; i < leaves.file.num_fences && want == 1; i++)
		want = leaves.of[i].status;
	expect_value(want, leaves.file.status, "status told with the leaves");
}

/*
 * Read as a whole the file waits; read leaf by leaf one has failed. @a: the
 * second of two timelines, so that it is the first leaf once, and the last.
 */
static void half_failed(void)
{
	int timelines[2] = { timeline_open(), timeline_open() }, a, fence;
	int timeline = timelines[the_row->a], other = timelines[!the_row->a];

	a = timeline_fence(timeline, 1);
	fence = fence_merge(a, timeline_fence(other, 1));
	expect(0, close(timeline), "close(timeline)");
	expect_wait(a, POLLIN, "the fence that failed");
	expect_value(0, fence_status(fence), "status as a whole");
	expect_value(1, with_status(fence, -ENOENT), "leaves that failed");
	expect_value(1, with_status(fence, 0), "leaves that wait");
	expect_status_of_leaves(fence);
	expect_signalled(fence, false, "the merged fence");
}

static void all_failed(void)
{
	int timeline = timeline_open(), other = timeline_open(), fence;

	fence = fence_merge(timeline_fence(timeline, 1),
			    timeline_fence(other, 1));
	expect(0, close(timeline), "close(timeline)");
	timeline_inc(other, 1);
	expect_wait(fence, POLLIN, "the merged fence");
	expect_value(-ENOENT, fence_status(fence), "status as a whole");
	expect_status_of_leaves(fence);
}

static void waiting_merge_named(void)
{
	int timeline = timeline_open(), other = timeline_open();
	struct leaves leaves;

	info(fence_merge(timeline_fence(timeline, 1),
			 timeline_fence(other, 1)), &leaves);
	expect_text("merged", leaves.file.name, "name of the merged fence");
}

static const struct row sw_sync_merge_rows[] = {
	ROW("merge.one-timeline", "fences of one timeline merge into the latest", one_timeline),
	ROW("merge.later-stays", "in whatever order they come", later_stays),
	ROW("merge.itself", "a fence with itself is one", with_itself),
	ROW("merge.three-timelines", "fences of three timelines are three", three_timelines),
	ROW("merge.signalled", "a signalled fence drops out", signalled_drops_out),
	ROW("merge.half-failed", "one failed and one waiting: waits as a whole", half_failed),
	ROW("merge.half-failed-second", "likewise the other way round", half_failed, .a = 1),
	ROW("merge.failed", "one failed and one done: failed as a whole", all_failed),
	ROW("merge.name", "a merged fence has the name given", waiting_merge_named),
};

const struct group sw_sync_merge_group = GROUP(TARGET_SW_SYNC, sw_sync_merge_rows);
