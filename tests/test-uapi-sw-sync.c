/* SPDX-License-Identifier: MIT */
/* test-uapi-sw-sync.c - ioctl(2) on an open sw_sync, as a function */
#include <errno.h>
#include <fcntl.h>
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
#include "process.h"
#include "sync-fds.h"

#define NOWHERE UINT64_C(0x10)
#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

static struct mock_caller him;
static struct dmabuf_sw_sync *timeline;

static int begin(void **state)
{
	if (leaks_setup(state))
		return -1;
	mock_caller_init(&him);
	timeline = timeline_make("line");
	return 0;
}

static int end(void **state)
{
	mock_caller_fini(&him);
	dmabuf_sw_sync_destroy(timeline);
	dmabuf_dispatch();
	return leaks_teardown(state);
}

#define UAPI_TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

static long call(unsigned int cmd, uint64_t arg)
{
	return dmabuf_sw_sync_ioctl(timeline, cmd, arg, &him.base);
}

static void numbers_and_sizes_are_the_kernels(void **state)
{
	(void)state;
	assert_int_equal(DMABUF_SW_SYNC_IOC_CREATE_FENCE, 0xc0285700);
	assert_int_equal(DMABUF_SW_SYNC_IOC_INC, 0x40045701);
	assert_int_equal(DMABUF_SW_SYNC_GET_DEADLINE, 0xc0105702);
}

static void other_commands_are_enotty(void **state)
{
	static const unsigned int wrong[] = {
		0, _IO('W', 0),
		_IOW('W', 0, struct dmabuf_sw_sync_create_fence),
		_IOWR('W', 1, uint32_t), _IOW('W', 1, uint64_t),
		_IOR('W', 2, struct dmabuf_sw_sync_get_deadline), _IO('W', 3),
		_IOW('w', 1, uint32_t),
	};
	size_t i;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(wrong); i++)
		assert_int_equal(call(wrong[i], NOWHERE), -ENOTTY);
	assert_asked(&him, "");
}

/* CREATE_FENCE */

static long create(uint32_t value)
{
	struct dmabuf_sw_sync_create_fence data = { .value = value };

	/* Not even read to its end. */
	memset(data.name, 'x', sizeof(data.name));
	data.fence = -7;
	return call(DMABUF_SW_SYNC_IOC_CREATE_FENCE,
		    his_put(&him, 0, &data, sizeof(data)));
}

static int created(void)
{
	struct dmabuf_sw_sync_create_fence data;

	his_get(&him, 0, &data, sizeof(data));
	return data.fence;
}

static void a_point_comes_out_as_a_file(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(create(2), 0);
	assert_asked(&him, "room read write give write");
	assert_int_equal(created(), HIS_FD);
	assert_int_equal(him.flags[0], O_CLOEXEC);
	fd = his_fd(&him, HIS_FD);
	assert_int_equal(events_of(fd), 0);
	dmabuf_sw_sync_inc(timeline, 1);
	assert_int_equal(events_of(fd), 0);
	dmabuf_sw_sync_inc(timeline, 1);
	assert_int_equal(events_of(fd), POLLIN);
}

static void what_is_reached_is_done(void **state)
{
	(void)state;
	dmabuf_sw_sync_inc(timeline, 5);
	assert_int_equal(create(5), 0);
	assert_int_equal(status_of(his_fd(&him, created())), 1);
	assert_int_equal(create(5 + 0x80000001u), 0);
	assert_int_equal(status_of(his_fd(&him, created())), 1);
	assert_int_equal(create(5 + 0x7fffffffu), 0);
	assert_int_equal(status_of(his_fd(&him, created())), 0);
}

static void one_point_is_one_fence(void **state)
{
	struct dma_fence *one, *two;

	(void)state;
	assert_int_equal(create(1), 0);
	assert_int_equal(create(1), 0);
	one = fence_of(his_fd(&him, HIS_FD));
	two = fence_of(his_fd(&him, HIS_FD + 1));
	assert_ptr_equal(one, two);
	dma_fence_put(one);
	dma_fence_put(two);
}

static void create_fails(long error, const char *asked)
{
	unsigned char before[sizeof(him.memory)];

	memcpy(before, him.memory, sizeof(before));
	assert_int_equal(call(DMABUF_SW_SYNC_IOC_CREATE_FENCE, HIS_MEMORY),
			 error);
	assert_asked(&him, asked);
	assert_memory_equal(before, him.memory, sizeof(before));
	assert_int_equal(his_nr_fds(&him), 0);
	dmabuf_dispatch();
}

static void create_checks_in_order(void **state)
{
	(void)state;
	him.fds_max = 0;
	him.unreadable[0] = him.unwritable[0] = true;
	create_fails(-EMFILE, "room");
	him.fds_max = 1;
	create_fails(-EFAULT, "room read");
	him.unreadable[0] = false;
	create_fails(-EFAULT, "room read write");
	him.unwritable[0] = false;
	him.give_error = -EMFILE;
	create_fails(-EMFILE, "room read write give");
	him.give_error = 0;
	assert_int_equal(create(1), 0);
}

/* INC */

static long inc(uint32_t count)
{
	return call(DMABUF_SW_SYNC_IOC_INC,
		    his_put(&him, 0, &count, sizeof(count)));
}

static void inc_reaches_points(void **state)
{
	int fd = point_fd(timeline, 3);

	(void)state;
	assert_int_equal(inc(2), 0);
	assert_int_equal(status_of(fd), 0);
	assert_int_equal(inc(0), 0);
	assert_int_equal(status_of(fd), 0);
	assert_int_equal(inc(1), 0);
	assert_int_equal(status_of(fd), 1);
	assert_asked(&him, "read read read");
	close(fd);
}

static void inc_by_the_largest_number_reaches_all(void **state)
{
	int fd = point_fd(timeline, 0x7fffffff);

	(void)state;
	assert_int_equal(inc(UINT32_MAX), 0);
	assert_int_equal(status_of(fd), 1);
	close(fd);
	/* It is 2^32 - 1 now, and one more is 0. */
	fd = point_fd(timeline, 0);
	assert_int_equal(status_of(fd), 0);
	assert_int_equal(inc(1), 0);
	assert_int_equal(status_of(fd), 1);
	close(fd);
}

static void inc_without_its_argument_is_efault(void **state)
{
	int fd = point_fd(timeline, 1);

	(void)state;
	assert_int_equal(call(DMABUF_SW_SYNC_IOC_INC, NOWHERE), -EFAULT);
	assert_int_equal(status_of(fd), 0);
	close(fd);
}

/* GET_DEADLINE */

static long deadline_with(uint64_t deadline_ns, uint32_t pad, int fd)
{
	const struct dmabuf_sw_sync_get_deadline data = {
		deadline_ns, pad, fd
	};

	return call(DMABUF_SW_SYNC_GET_DEADLINE,
		    his_put(&him, 0, &data, sizeof(data)));
}

static void the_earliest_deadline_is_told(void **state)
{
	struct dmabuf_sw_sync_get_deadline data;
	struct dma_fence *fence = point_make(timeline, 1);
	int fd = his_fd_put(&him, sync_fd(fence));

	(void)state;
	dma_fence_set_deadline(fence, 2000);
	dma_fence_set_deadline(fence, 1000);
	assert_int_equal(deadline_with(0, 0, fd), 0);
	assert_asked(&him, "read sync_file write");
	his_get(&him, 0, &data, sizeof(data));
	assert_int_equal(data.deadline_ns, 1000);
	assert_int_equal(data.fence_fd, fd);
	dma_fence_put(fence);
}

static void deadline_checks_in_order(void **state)
{
	struct dma_fence *fence = point_make(timeline, 1);
	struct dma_fence *stub = dma_fence_get_stub();
	int fd = his_fd_put(&him, sync_fd(fence));
	int foreign = his_fd_put(&him, sync_fd(stub));
	int memfd = his_fd_put(&him, memfd_make("other", 4096, 0));

	(void)state;
	assert_int_equal(call(DMABUF_SW_SYNC_GET_DEADLINE, NOWHERE), -EFAULT);
	assert_int_equal(deadline_with(1, 0, -1), -EINVAL);
	assert_int_equal(deadline_with(0, 1, -1), -EINVAL);
	assert_asked(&him, "read read read");
	assert_int_equal(deadline_with(0, 0, -1), -EINVAL);
	assert_int_equal(deadline_with(0, 0, memfd), -EINVAL);
	assert_int_equal(deadline_with(0, 0, foreign), -EINVAL);
	him.unwritable[0] = true;
	assert_int_equal(deadline_with(0, 0, fd), -ENOENT);
	dma_fence_set_deadline(fence, 1000);
	assert_int_equal(deadline_with(0, 0, fd), -EFAULT);
	dma_fence_put(stub);
	dma_fence_put(fence);
}

static void a_merge_has_no_deadline(void **state)
{
	struct dmabuf_sw_sync *other = timeline_make("other");
	int fd1 = point_fd(timeline, 1), fd2 = point_fd(other, 1);

	(void)state;
	assert_int_equal(deadline_with(0, 0, his_fd_put(&him,
							merge_fds(fd1, fd2))),
			 -EINVAL);
	close(fd1);
	close(fd2);
	dmabuf_sw_sync_destroy(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UAPI_TEST(numbers_and_sizes_are_the_kernels),
		UAPI_TEST(other_commands_are_enotty),
		UAPI_TEST(a_point_comes_out_as_a_file),
		UAPI_TEST(what_is_reached_is_done),
		UAPI_TEST(one_point_is_one_fence),
		UAPI_TEST(create_checks_in_order),
		UAPI_TEST(inc_reaches_points),
		UAPI_TEST(inc_by_the_largest_number_reaches_all),
		UAPI_TEST(inc_without_its_argument_is_efault),
		UAPI_TEST(the_earliest_deadline_is_told),
		UAPI_TEST(deadline_checks_in_order),
		UAPI_TEST(a_merge_has_no_deadline),
	};

	return cmocka_run_group_tests_name("uapi/sw_sync", tests,
					   leaks_group_setup, NULL) != 0;
}
