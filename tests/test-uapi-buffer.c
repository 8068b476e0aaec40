/* SPDX-License-Identifier: MIT */
/* test-uapi-buffer.c - ioctl(2) and lseek(2) on a buffer's fd, as functions */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
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
#include "mock-exporter.h"
#include "mock-fence.h"
#include "process.h"
#include "sync-fds.h"
#include "warns.h"

#define NOWHERE UINT64_C(0x10)		/* in nobody's memory */
#define LAST_BYTES(n) (HIS_MEMORY + HIS_PAGES * HIS_PAGE - (n))
#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

static struct mock_caller him;
static struct dma_buf *dmabuf;

static int begin(void **state)
{
	if (leaks_setup(state))
		return -1;
	mock_caller_init(&him);
	dmabuf = memfd_export(3 * 4096, O_RDWR);
	return 0;
}

static int end(void **state)
{
	mock_caller_fini(&him);
	dma_buf_put(dmabuf);
	dmabuf_dispatch();
	return leaks_teardown(state);
}

#define UAPI_TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

static long call(unsigned int cmd, uint64_t arg)
{
	return dmabuf_buffer_ioctl(dmabuf, cmd, arg, &him.base);
}

/* With an argument at the beginning of his memory. */
static long call_with(unsigned int cmd, const void *arg, size_t size)
{
	return call(cmd, his_put(&him, 0, arg, size));
}

/* A fence on the buffer; the caller signals and puts it. */
static struct mock_fence *busy(enum dma_resv_usage usage)
{
	struct mock_fence *fence = mock_fence_new();

	assert_int_equal(dma_resv_lock(dmabuf->resv, NULL), 0);
	assert_int_equal(dma_resv_reserve_fences(dmabuf->resv, 1), 0);
	dma_resv_add_fence(dmabuf->resv, &fence->base, usage);
	dma_resv_unlock(dmabuf->resv);
	return fence;
}

static void done(struct mock_fence *fence)
{
	dma_fence_signal(&fence->base);
	dma_fence_put(&fence->base);
}

/* Commands */

static void other_commands_are_enotty(void **state)
{
	static const unsigned int wrong[] = {
		0, _IO('b', 0), _IOR('b', 0, struct dma_buf_sync),
		_IOWR('b', 0, struct dma_buf_sync), _IOW('b', 0, uint32_t),
		_IOW('c', 0, struct dma_buf_sync), _IOW('b', 1, uint16_t),
		_IOW('b', 2, struct dma_buf_export_sync_file),
		_IOWR('b', 3, struct dma_buf_import_sync_file), _IO('b', 4),
		_IOW('b', 4, uint64_t), UINT32_MAX,
	};
	size_t i;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(wrong); i++)
		assert_int_equal(call(wrong[i], NOWHERE), -ENOTTY);
	assert_asked(&him, "");
}

static void no_buffer_is_einval_and_warns(void **state)
{
	(void)state;
	assert_int_equal(dmabuf_buffer_ioctl(NULL, DMA_BUF_IOCTL_SYNC, NOWHERE,
					     NULL), -EINVAL);
	assert_warned("dmabuf_buffer_ioctl");
	assert_int_equal(dmabuf_buffer_seek(NULL, 0, SEEK_SET), -EINVAL);
	assert_warned("dmabuf_buffer_seek");
}

/* SYNC */

static long sync_with(uint64_t flags)
{
	const struct dma_buf_sync sync = { .flags = flags };

	return call_with(DMA_BUF_IOCTL_SYNC, &sync, sizeof(sync));
}

static void sync_knows_its_flags(void **state)
{
	static const uint64_t good[] = { 1, 2, 3, 5, 6, 7, 7 };
	static const uint64_t bad[] = {
		0, 4, 8, 9, 15, 0x100000001, UINT64_C(1) << 63, UINT64_MAX,
	};
	size_t i;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(good); i++)
		assert_int_equal(sync_with(good[i]), 0);
	for (i = 0; i < NR_ELEMENTS(bad); i++)
		assert_int_equal(sync_with(bad[i]), -EINVAL);
}

static void sync_reads_its_argument_first(void **state)
{
	(void)state;
	assert_int_equal(call(DMA_BUF_IOCTL_SYNC, NOWHERE), -EFAULT);
	/* Half of it is there. */
	assert_int_equal(call(DMA_BUF_IOCTL_SYNC, LAST_BYTES(4)), -EFAULT);
	assert_int_equal(call(DMA_BUF_IOCTL_SYNC, UINT64_MAX - 3), -EFAULT);
	assert_asked(&him, "read read read");
}

static void sync_on(struct mock *mock, uint64_t flags,
		    enum dma_data_direction dir, const char *op)
{
	const struct dma_buf_sync sync = { .flags = flags };
	uint64_t arg = his_put(&him, 0, &sync, sizeof(sync));

	assert_int_equal(dmabuf_buffer_ioctl(mock->dmabuf, DMA_BUF_IOCTL_SYNC,
					     arg, &him.base), 0);
	assert_int_equal(mock->dir, dir);
	assert_log(mock, op);
}

static void sync_reaches_the_exporter_with_a_direction(void **state)
{
	struct mock mock;

	(void)state;
	mock_export(&mock, 4096, 0);
	sync_on(&mock, DMA_BUF_SYNC_READ, DMA_FROM_DEVICE, "begin");
	sync_on(&mock, DMA_BUF_SYNC_WRITE, DMA_TO_DEVICE, "begin");
	sync_on(&mock, DMA_BUF_SYNC_RW, DMA_BIDIRECTIONAL, "begin");
	sync_on(&mock, DMA_BUF_SYNC_READ | DMA_BUF_SYNC_END, DMA_FROM_DEVICE,
		"end");
	sync_on(&mock, DMA_BUF_SYNC_WRITE | DMA_BUF_SYNC_END, DMA_TO_DEVICE,
		"end");
	sync_on(&mock, DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END, DMA_BIDIRECTIONAL,
		"end");
	dma_buf_put(mock.dmabuf);
}

static void sync_says_what_the_exporter_says(void **state)
{
	const struct dma_buf_sync start = { .flags = DMA_BUF_SYNC_READ };
	uint64_t arg = his_put(&him, 0, &start, sizeof(start));
	struct mock mock;

	(void)state;
	mock_export(&mock, 4096, 0);
	mock_fail(&mock, MOCK_OP_BEGIN, 1, -EAGAIN);
	assert_int_equal(dmabuf_buffer_ioctl(mock.dmabuf, DMA_BUF_IOCTL_SYNC,
					     arg, &him.base), -EAGAIN);
	dma_buf_put(mock.dmabuf);
}

/* SET_NAME */

static long name_with(unsigned int cmd, const char *name, size_t size)
{
	return call_with(cmd, name, size);
}

static void both_ways_to_name_it_do(void **state)
{
	(void)state;
	assert_int_equal(name_with(DMA_BUF_SET_NAME_A, "a", 2), 0);
	assert_string_equal(dmabuf->name, "a");
	assert_int_equal(name_with(DMA_BUF_SET_NAME_B, "b", 2), 0);
	assert_string_equal(dmabuf->name, "b");
	assert_int_equal(name_with(DMA_BUF_SET_NAME, "c", 2), 0);
	assert_string_equal(dmabuf->name, "c");
	assert_int_equal(name_with(DMA_BUF_SET_NAME, "", 1), 0);
	assert_string_equal(dmabuf->name, "");
}

static void a_name_has_31_characters_at_most(void **state)
{
	char name[100];

	(void)state;
	memset(name, 'x', sizeof(name));
	assert_int_equal(name_with(DMA_BUF_SET_NAME, name, 99), -EINVAL);
	name[32] = '\0';
	assert_int_equal(name_with(DMA_BUF_SET_NAME, name, 33), -EINVAL);
	assert_null(dmabuf->name);
	name[31] = '\0';
	assert_int_equal(name_with(DMA_BUF_SET_NAME, name, 32), 0);
	assert_string_equal(dmabuf->name, name);
}

static void a_name_may_end_where_the_memory_ends(void **state)
{
	(void)state;
	his_put(&him, HIS_PAGES * HIS_PAGE - 4, "end", 4);
	assert_int_equal(call(DMA_BUF_SET_NAME, LAST_BYTES(4)), 0);
	assert_string_equal(dmabuf->name, "end");
	assert_int_equal(call(DMA_BUF_SET_NAME, LAST_BYTES(1)), 0);
	assert_string_equal(dmabuf->name, "");
}

static void a_name_may_cross_pages(void **state)
{
	(void)state;
	his_put(&him, HIS_PAGE - 3, "crossing", 9);
	assert_int_equal(call(DMA_BUF_SET_NAME, HIS_MEMORY + HIS_PAGE - 3), 0);
	assert_string_equal(dmabuf->name, "crossing");
}

static void a_name_that_does_not_end_in_memory_is_efault(void **state)
{
	(void)state;
	memset(him.memory, 'x', sizeof(him.memory));
	assert_int_equal(call(DMA_BUF_SET_NAME, LAST_BYTES(31)), -EFAULT);
	/* Here the end of a name would be, and it is none. */
	assert_int_equal(call(DMA_BUF_SET_NAME, LAST_BYTES(32)), -EINVAL);
	assert_int_equal(call(DMA_BUF_SET_NAME, NOWHERE), -EFAULT);
	assert_int_equal(call(DMA_BUF_SET_NAME, 0), -EFAULT);
	assert_null(dmabuf->name);
}

/* EXPORT_SYNC_FILE */

static long export_with(uint32_t flags)
{
	const struct dma_buf_export_sync_file data = { flags, -7 };

	return call_with(DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &data, sizeof(data));
}

static int fd_in_memory(void)
{
	struct dma_buf_export_sync_file data;

	his_get(&him, 0, &data, sizeof(data));
	return data.fd;
}

static void what_is_pending_comes_out_as_a_file(void **state)
{
	struct mock_fence *fence = busy(DMA_RESV_USAGE_WRITE);
	int fd;

	(void)state;
	assert_int_equal(export_with(DMA_BUF_SYNC_READ), 0);
	assert_asked(&him, "read room write give write");
	assert_int_equal(fd_in_memory(), HIS_FD);
	assert_int_equal(him.flags[0], O_CLOEXEC);
	fd = his_fd(&him, HIS_FD);
	assert_int_equal(events_of(fd), 0);
	done(fence);
	assert_int_equal(events_of(fd), POLLIN);
}

static void export_chooses_by_the_flags(void **state)
{
	struct mock_fence *fence = busy(DMA_RESV_USAGE_READ);

	(void)state;
	assert_int_equal(export_with(DMA_BUF_SYNC_READ), 0);
	assert_int_equal(export_with(DMA_BUF_SYNC_WRITE), 0);
	assert_int_equal(export_with(DMA_BUF_SYNC_RW), 0);
	assert_int_equal(events_of(his_fd(&him, HIS_FD)), POLLIN);
	assert_int_equal(events_of(his_fd(&him, HIS_FD + 1)), 0);
	assert_int_equal(events_of(his_fd(&him, HIS_FD + 2)), 0);
	done(fence);
}

/* Nothing of him changed, and he was asked no more than in @asked. */
static void export_fails(long error, const char *asked)
{
	unsigned char before[sizeof(him.memory)];
	struct dma_buf_export_sync_file data;

	his_get(&him, 0, &data, sizeof(data));
	memcpy(before, him.memory, sizeof(before));
	assert_int_equal(call(DMA_BUF_IOCTL_EXPORT_SYNC_FILE, HIS_MEMORY),
			 error);
	assert_asked(&him, asked);
	assert_memory_equal(before, him.memory, sizeof(before));
	assert_int_equal(his_nr_fds(&him), 0);
}

static void export_checks_in_order(void **state)
{
	const struct dma_buf_export_sync_file good = { DMA_BUF_SYNC_RW, -7 };
	static const uint32_t bad[] = { 0, 4, 5, 7, 8, UINT32_MAX };
	struct dma_buf_export_sync_file data = good;
	size_t i;

	(void)state;
	/* Everything is wrong, and then one thing less each time. */
	him.fds_max = 0;
	him.unreadable[0] = him.unwritable[0] = true;
	export_fails(-EFAULT, "read");
	him.unreadable[0] = false;
	for (i = 0; i < NR_ELEMENTS(bad); i++) {
		data.flags = bad[i];
		his_put(&him, 0, &data, sizeof(data));
		export_fails(-EINVAL, "read");
	}
	his_put(&him, 0, &good, sizeof(good));
	export_fails(-EMFILE, "read room");
	him.fds_max = 1;
	export_fails(-EFAULT, "read room write");
	him.unwritable[0] = false;
	him.give_error = -ENFILE;
	export_fails(-ENFILE, "read room write give");
	him.give_error = 0;
	assert_int_equal(call(DMA_BUF_IOCTL_EXPORT_SYNC_FILE, HIS_MEMORY), 0);
	assert_int_equal(fd_in_memory(), HIS_FD);
}

/* IMPORT_SYNC_FILE */

static long import_with(uint32_t flags, int fd)
{
	const struct dma_buf_import_sync_file data = { flags, fd };

	return call_with(DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &data, sizeof(data));
}

static bool is_idle_for(enum dma_resv_usage usage)
{
	return dma_resv_test_signaled(dmabuf->resv, usage);
}

static void a_file_goes_in_as_reader_or_writer(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	int reader = his_fd_put(&him, point_fd(timeline, 1));
	int writer = his_fd_put(&him, point_fd(timeline, 2));

	(void)state;
	assert_int_equal(import_with(DMA_BUF_SYNC_READ, reader), 0);
	assert_asked(&him, "read sync_file");
	assert_true(is_idle_for(DMA_RESV_USAGE_WRITE));
	assert_false(is_idle_for(DMA_RESV_USAGE_READ));
	assert_int_equal(import_with(DMA_BUF_SYNC_RW, writer), 0);
	assert_false(is_idle_for(DMA_RESV_USAGE_WRITE));
	assert_true(is_idle_for(DMA_RESV_USAGE_KERNEL));
	dmabuf_sw_sync_inc(timeline, 2);
	assert_true(is_idle_for(DMA_RESV_USAGE_BOOKKEEP));
	dmabuf_sw_sync_destroy(timeline);
}

/* The teardown looks for the mock. */
static void import_keeps_nothing_but_the_fence(void **state)
{
	struct mock_fence *fence = mock_fence_new();
	int fd = his_fd_put(&him, sync_fd(&fence->base));

	(void)state;
	assert_int_equal(import_with(DMA_BUF_SYNC_READ, fd), 0);
	done(fence);
}

static void import_checks_in_order(void **state)
{
	int other = his_fd_put(&him, memfd_make("other", 4096, 0));

	(void)state;
	assert_int_equal(call(DMA_BUF_IOCTL_IMPORT_SYNC_FILE, NOWHERE),
			 -EFAULT);
	assert_asked(&him, "read");
	assert_int_equal(import_with(0, HIS_FD + 1), -EINVAL);
	assert_int_equal(import_with(4, HIS_FD + 1), -EINVAL);
	assert_int_equal(import_with(8 | DMA_BUF_SYNC_READ, HIS_FD + 1),
			 -EINVAL);
	assert_asked(&him, "read read read");
	assert_int_equal(import_with(DMA_BUF_SYNC_READ, HIS_FD + 1), -EINVAL);
	assert_int_equal(import_with(DMA_BUF_SYNC_READ, -1), -EINVAL);
	assert_int_equal(import_with(DMA_BUF_SYNC_READ, other), -EINVAL);
	assert_asked(&him, "read sync_file read sync_file read sync_file");
	assert_true(is_idle_for(DMA_RESV_USAGE_BOOKKEEP));
}

static void a_merged_file_goes_in_as_its_fences(void **state)
{
	struct dmabuf_sw_sync *a = timeline_make("a");
	struct dmabuf_sw_sync *b = timeline_make("b");
	int fd1 = point_fd(a, 1), fd2 = point_fd(b, 1);
	int both = his_fd_put(&him, merge_fds(fd1, fd2));

	(void)state;
	assert_int_equal(import_with(DMA_BUF_SYNC_WRITE, both), 0);
	dmabuf_sw_sync_inc(a, 1);
	assert_false(is_idle_for(DMA_RESV_USAGE_WRITE));
	dmabuf_sw_sync_inc(b, 1);
	assert_true(is_idle_for(DMA_RESV_USAGE_WRITE));
	close(fd1);
	close(fd2);
	dmabuf_sw_sync_destroy(a);
	dmabuf_sw_sync_destroy(b);
}

/* lseek */

static void seek_knows_the_start_and_the_end(void **state)
{
	static const int others[] = {
		SEEK_CUR, SEEK_DATA, SEEK_HOLE, 5, 100, -1,
	};
	size_t i;

	(void)state;
	assert_int_equal(dmabuf_buffer_seek(dmabuf, 0, SEEK_SET), 0);
	assert_int_equal(dmabuf_buffer_seek(dmabuf, 0, SEEK_END), 3 * 4096);
	for (i = 0; i < NR_ELEMENTS(others); i++)
		assert_int_equal(dmabuf_buffer_seek(dmabuf, 0, others[i]),
				 -EINVAL);
	for (i = 0; i < 3; i++) {
		assert_int_equal(dmabuf_buffer_seek(dmabuf, 1, (int)i),
				 -EINVAL);
		assert_int_equal(dmabuf_buffer_seek(dmabuf, -4096, (int)i),
				 -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UAPI_TEST(other_commands_are_enotty),
		UAPI_TEST(no_buffer_is_einval_and_warns),
		UAPI_TEST(sync_knows_its_flags),
		UAPI_TEST(sync_reads_its_argument_first),
		UAPI_TEST(sync_reaches_the_exporter_with_a_direction),
		UAPI_TEST(sync_says_what_the_exporter_says),
		UAPI_TEST(both_ways_to_name_it_do),
		UAPI_TEST(a_name_has_31_characters_at_most),
		UAPI_TEST(a_name_may_end_where_the_memory_ends),
		UAPI_TEST(a_name_may_cross_pages),
		UAPI_TEST(a_name_that_does_not_end_in_memory_is_efault),
		UAPI_TEST(what_is_pending_comes_out_as_a_file),
		UAPI_TEST(export_chooses_by_the_flags),
		UAPI_TEST(export_checks_in_order),
		UAPI_TEST(a_file_goes_in_as_reader_or_writer),
		UAPI_TEST(import_keeps_nothing_but_the_fence),
		UAPI_TEST(import_checks_in_order),
		UAPI_TEST(a_merged_file_goes_in_as_its_fences),
		UAPI_TEST(seek_knows_the_start_and_the_end),
	};

	return cmocka_run_group_tests_name("uapi/buffer", tests,
					   leaks_group_setup, NULL) != 0;
}
