/* SPDX-License-Identifier: MIT */
/* test-uapi-sync-file.c - ioctl(2) on a sync file, as a function */
#include <errno.h>
#include <fcntl.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-caller.h"
#include "mock-fence.h"
#include "process.h"
#include "sync-fds.h"

#define NOWHERE UINT64_C(0x10)
#define LEAVES_AT (2 * HIS_PAGE)	/* in his memory */
#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

/* Not in every installed header. */
struct deadline {
	uint64_t deadline_ns;
	uint64_t pad;
};
#define SET_DEADLINE _IOW('>', 5, struct deadline)

static struct mock_caller him;
static struct dmabuf_sw_sync *timeline, *other;
static int fd;			/* his, of point 1 of the timeline */
static struct sync_file file;	/* behind it */

static void file_of(int number, struct sync_file *ret_file)
{
	uint64_t id;

	assert_int_equal(dmabuf_sync_file_id(his_fd(&him, number), &id), 0);
	assert_int_equal(dmabuf_sync_file_find(id, ret_file), 0);
}

static int begin(void **state)
{
	if (leaks_setup(state))
		return -1;
	mock_caller_init(&him);
	timeline = timeline_make("line");
	other = timeline_make("other");
	fd = his_fd_put(&him, point_fd(timeline, 1));
	file_of(fd, &file);
	return 0;
}

static int end(void **state)
{
	dma_fence_put(file.fence);
	mock_caller_fini(&him);
	dmabuf_sw_sync_destroy(timeline);
	dmabuf_sw_sync_destroy(other);
	dmabuf_dispatch();
	return leaks_teardown(state);
}

#define UAPI_TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

static long call(unsigned int cmd, uint64_t arg)
{
	return dmabuf_sync_file_ioctl(&file, cmd, arg, &him.base);
}

static void other_commands_are_enotty(void **state)
{
	static const unsigned int wrong[] = {
		0, _IO('>', 3), _IOW('>', 3, struct sync_merge_data),
		_IOWR('>', 2, struct sync_merge_data),
		_IOWR('>', 4, struct sync_merge_data),
		_IOR('>', 4, struct sync_file_info), _IO('>', 5),
		_IOWR('>', 6, uint64_t), _IOWR('<', 3, struct sync_merge_data),
	};
	size_t i;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(wrong); i++)
		assert_int_equal(call(wrong[i], NOWHERE), -ENOTTY);
	assert_asked(&him, "");
}

/* MERGE */

static long merge_with(const char *name, int fd2)
{
	struct sync_merge_data data = { .fd2 = fd2, .fence = -7 };

	memcpy(data.name, name, strnlen(name, sizeof(data.name)));
	return call(SYNC_IOC_MERGE, his_put(&him, 0, &data, sizeof(data)));
}

static int merged(void)
{
	struct sync_merge_data data;

	his_get(&him, 0, &data, sizeof(data));
	return data.fence;
}

static void a_merge_is_done_with_both(void **state)
{
	int second = his_fd_put(&him, point_fd(other, 1));
	int both;

	(void)state;
	assert_int_equal(merge_with("both", second), 0);
	assert_asked(&him, "room read sync_file write give write");
	assert_int_equal(merged(), HIS_FD + 2);
	assert_int_equal(him.flags[2], O_CLOEXEC);
	both = his_fd(&him, HIS_FD + 2);
	assert_int_equal(leaves_of(both), 2);
	dmabuf_sw_sync_inc(timeline, 1);
	assert_int_equal(events_of(both), 0);
	dmabuf_sw_sync_inc(other, 1);
	assert_int_equal(events_of(both), POLLIN);
}

/* The teardown looks for the mock. */
static void a_merge_keeps_nothing_but_its_fences(void **state)
{
	struct mock_fence *fence = mock_fence_new();
	int second = his_fd_put(&him, sync_fd(&fence->base));

	(void)state;
	assert_int_equal(merge_with("both", second), 0);
	him.unwritable[0] = true;
	assert_int_equal(merge_with("both", second), -EFAULT);
	dma_fence_signal(&fence->base);
	dma_fence_put(&fence->base);
}

static void merging_with_itself_is_that_fence(void **state)
{
	struct sync_file same;

	(void)state;
	assert_int_equal(merge_with("", fd), 0);
	file_of(merged(), &same);
	assert_ptr_equal(same.fence, file.fence);
	assert_string_equal(same.user_name, "");
	dma_fence_put(same.fence);
}

static void a_name_is_cut(void **state)
{
	struct sync_file same;

	struct sync_merge_data data;

	(void)state;
	assert_int_equal(merge_with("0123456789012345678901234567890123", fd),
			 0);
	his_get(&him, 0, &data, sizeof(data));
	assert_string_equal(data.name, "0123456789012345678901234567890");
	file_of(merged(), &same);
	assert_string_equal(same.user_name, "0123456789012345678901234567890");
	dma_fence_put(same.fence);
}

/* Nothing of him changed, and he was asked no more than in @asked. */
static void merge_fails(const struct sync_merge_data *data, long error,
			const char *asked)
{
	unsigned char before[sizeof(him.memory)];
	unsigned int nr = his_nr_fds(&him);

	his_put(&him, 0, data, sizeof(*data));
	memcpy(before, him.memory, sizeof(before));
	assert_int_equal(call(SYNC_IOC_MERGE, HIS_MEMORY), error);
	assert_asked(&him, asked);
	assert_memory_equal(before, him.memory, sizeof(before));
	assert_int_equal(his_nr_fds(&him), nr);
	dmabuf_dispatch();
}

static void merge_checks_in_order(void **state)
{
	int memfd = his_fd_put(&him, memfd_make("other", 4096, 0));
	struct sync_merge_data data = { .fd2 = -1, .flags = 1, .pad = 1 };

	(void)state;
	/* Everything is wrong, and then one thing less each time. */
	him.fds_max = 2;
	him.unreadable[0] = him.unwritable[0] = true;
	merge_fails(&data, -EMFILE, "room");
	him.fds_max = HIS_FDS;
	merge_fails(&data, -EFAULT, "room read");
	him.unreadable[0] = false;
	merge_fails(&data, -EINVAL, "room read");
	data.flags = 0;
	merge_fails(&data, -EINVAL, "room read");
	data.pad = 0;
	data.flags = 0x80000000;
	merge_fails(&data, -EINVAL, "room read");
	data.flags = 0;
	merge_fails(&data, -ENOENT, "room read sync_file");
	data.fd2 = memfd;
	merge_fails(&data, -ENOENT, "room read sync_file");
	data.fd2 = fd;
	merge_fails(&data, -EFAULT, "room read sync_file write");
	him.unwritable[0] = false;
	him.give_error = -EMFILE;
	merge_fails(&data, -EMFILE, "room read sync_file write give");
	him.give_error = 0;
	assert_int_equal(call(SYNC_IOC_MERGE, HIS_MEMORY), 0);
}

/* FILE_INFO */

static long info_with(uint32_t num_fences, uint64_t leaves)
{
	struct sync_file_info info = {
		.num_fences = num_fences,
		.sync_fence_info = leaves,
	};

	memset(info.name, 'x', sizeof(info.name));
	info.status = -99;
	return call(SYNC_IOC_FILE_INFO, his_put(&him, 0, &info, sizeof(info)));
}

static struct sync_file_info info_there(void)
{
	struct sync_file_info info;

	his_get(&him, 0, &info, sizeof(info));
	return info;
}

static struct sync_fence_info leaf_there(size_t nr)
{
	struct sync_fence_info leaf;

	his_get(&him, LEAVES_AT + nr * sizeof(leaf), &leaf, sizeof(leaf));
	return leaf;
}

static void without_room_there_is_a_summary(void **state)
{
	struct sync_file_info info;

	(void)state;
	assert_int_equal(info_with(0, NOWHERE), 0);
	info = info_there();
	assert_int_equal(info.status, 0);
	assert_int_equal(info.num_fences, 1);
	assert_int_equal(info.sync_fence_info, NOWHERE);
	assert_int_equal(strncmp(info.name, "sw_sync-line", 12), 0);
	dmabuf_sw_sync_inc(timeline, 1);
	assert_int_equal(info_with(0, NOWHERE), 0);
	assert_int_equal(info_there().status, 1);
}

static void with_room_there_is_a_record_each(void **state)
{
	struct sync_fence_info leaf;

	(void)state;
	assert_int_equal(info_with(1, HIS_MEMORY + LEAVES_AT), 0);
	assert_asked(&him, "read write write");
	assert_int_equal(info_there().status, 0);
	leaf = leaf_there(0);
	assert_string_equal(leaf.driver_name, "sw_sync");
	assert_string_equal(leaf.obj_name, "line");
	assert_int_equal(leaf.status, 0);
	assert_int_equal(leaf.timestamp_ns, 0);
	dmabuf_sw_sync_inc(timeline, 1);
	assert_int_equal(info_with(1, HIS_MEMORY + LEAVES_AT), 0);
	assert_int_equal(info_there().status, 1);
	leaf = leaf_there(0);
	assert_int_equal(leaf.status, 1);
	assert_int_equal(leaf.timestamp_ns, dma_fence_timestamp(file.fence));
}

/* He, and @file, look at a merge of three from now on. */
static void merge_three(struct dmabuf_sw_sync *third)
{
	int a = point_fd(timeline, 1), b = point_fd(other, 1);
	int c = point_fd(third, 1);
	int ab = merge_fds(a, b);

	dma_fence_put(file.fence);
	file_of(his_fd_put(&him, merge_fds(ab, c)), &file);
	close(a);
	close(b);
	close(c);
	close(ab);
}

static void more_room_than_fences_is_no_mistake(void **state)
{
	struct dmabuf_sw_sync *third = timeline_make("third");
	unsigned char nothing[sizeof(struct sync_fence_info)] = { 0 };
	struct sync_fence_info behind;

	(void)state;
	merge_three(third);
	assert_int_equal(info_with(2, HIS_MEMORY + LEAVES_AT), -EINVAL);
	assert_int_equal(info_with(UINT32_MAX, HIS_MEMORY + LEAVES_AT), 0);
	assert_int_equal(info_there().num_fences, 3);
	assert_string_equal(leaf_there(2).driver_name, "sw_sync");
	/* Behind them nothing is written. */
	behind = leaf_there(3);
	assert_memory_equal(&behind, nothing, sizeof(behind));
	/* The summary is the container's; the sum of the leaves the first. */
	dmabuf_sw_sync_destroy(third);
	assert_int_equal(info_with(0, 0), 0);
	assert_int_equal(info_there().status, 0);
	assert_int_equal(info_there().num_fences, 3);
	assert_int_equal(info_with(3, HIS_MEMORY + LEAVES_AT), 0);
	assert_true(info_there().status <= 0);
}

static void info_fails(const struct sync_file_info *info, long error,
		       const char *asked)
{
	struct sync_file_info after;

	his_put(&him, 0, info, sizeof(*info));
	assert_int_equal(call(SYNC_IOC_FILE_INFO, HIS_MEMORY), error);
	assert_asked(&him, asked);
	his_get(&him, 0, &after, sizeof(after));
	assert_memory_equal(&after, info, sizeof(after));
}

static void flags_and_pad_are_0(void **state)
{
	struct sync_file_info info = { .flags = 1 };

	(void)state;
	info_fails(&info, -EINVAL, "read");
	info.flags = 0;
	info.pad = 0x80000000;
	info_fails(&info, -EINVAL, "read");
	info.pad = 0;
	his_put(&him, 0, &info, sizeof(info));
	assert_int_equal(call(SYNC_IOC_FILE_INFO, HIS_MEMORY), 0);
}

static void info_checks_in_order(void **state)
{
	struct dmabuf_sw_sync *third = timeline_make("third");
	struct sync_file_info info = {
		.flags = 1,
		.num_fences = 1,
		.pad = 1,
		.sync_fence_info = NOWHERE,
	};

	(void)state;
	merge_three(third);
	him.unreadable[0] = him.unwritable[0] = true;
	info_fails(&info, -EFAULT, "read");
	him.unreadable[0] = false;
	info_fails(&info, -EINVAL, "read");
	info.flags = 0;
	info_fails(&info, -EINVAL, "read");
	info.pad = 0;
	info_fails(&info, -EINVAL, "read");
	info.num_fences = 3;
	info_fails(&info, -EFAULT, "read write");
	info.sync_fence_info = HIS_MEMORY + LEAVES_AT;
	info_fails(&info, -EFAULT, "read write write");
	info.num_fences = 0;
	info_fails(&info, -EFAULT, "read write");
	him.unwritable[0] = false;
	assert_int_equal(call(SYNC_IOC_FILE_INFO, HIS_MEMORY), 0);
	dmabuf_sw_sync_destroy(third);
}

/* SET_DEADLINE */

static long deadline_with(uint64_t deadline_ns, uint64_t pad)
{
	const struct deadline data = { deadline_ns, pad };

	return call(SET_DEADLINE, his_put(&him, 0, &data, sizeof(data)));
}

static void a_deadline_reaches_the_fence(void **state)
{
	int64_t deadline;

	(void)state;
	assert_int_equal(deadline_with(2000, 0), 0);
	assert_int_equal(deadline_with(1000, 0), 0);
	assert_int_equal(deadline_with(3000, 0), 0);
	assert_int_equal(dmabuf_sw_sync_deadline(file.fence, &deadline), 0);
	assert_int_equal(deadline, 1000);
}

static void deadline_checks_in_order(void **state)
{
	int64_t deadline;

	(void)state;
	assert_int_equal(call(SET_DEADLINE, NOWHERE), -EFAULT);
	assert_int_equal(deadline_with(1000, 1), -EINVAL);
	assert_int_equal(deadline_with(1000, UINT64_C(1) << 63), -EINVAL);
	assert_int_equal(dmabuf_sw_sync_deadline(file.fence, &deadline),
			 -ENOENT);
}

static void a_fence_without_deadlines_takes_one(void **state)
{
	struct dma_fence *stub = dma_fence_get_stub();

	(void)state;
	dma_fence_put(file.fence);
	file.fence = stub;
	assert_int_equal(deadline_with(1000, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UAPI_TEST(other_commands_are_enotty),
		UAPI_TEST(a_merge_is_done_with_both),
		UAPI_TEST(a_merge_keeps_nothing_but_its_fences),
		UAPI_TEST(merging_with_itself_is_that_fence),
		UAPI_TEST(a_name_is_cut),
		UAPI_TEST(merge_checks_in_order),
		UAPI_TEST(without_room_there_is_a_summary),
		UAPI_TEST(with_room_there_is_a_record_each),
		UAPI_TEST(more_room_than_fences_is_no_mistake),
		UAPI_TEST(flags_and_pad_are_0),
		UAPI_TEST(info_checks_in_order),
		UAPI_TEST(a_deadline_reaches_the_fence),
		UAPI_TEST(deadline_checks_in_order),
		UAPI_TEST(a_fence_without_deadlines_takes_one),
	};

	return cmocka_run_group_tests_name("uapi/sync_file", tests,
					   leaks_group_setup, NULL) != 0;
}
