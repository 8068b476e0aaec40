/* SPDX-License-Identifier: MIT */
/* test-sync-file-info.c - sync files: names, merging, and asking about them */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-fence.h"
#include "sync-fds.h"

#define LONG_NAME "0123456789012345678901234567890123456789"
#define CUT_NAME "0123456789012345678901234567890"

/* Names */

static void a_name_is_made_of_the_fence(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct mock_fence *mock = mock_fence_at(&lock, UINT64_MAX, UINT64_MAX);
	struct sync_file *file = sync_file_create(&mock->base);
	char name[64];

	(void)state;
	assert_ptr_equal(sync_file_get_name(file, name, sizeof(name)), name);
	assert_string_equal(name, "mock-line18446744073709551615--1");
	dmabuf_sync_file_destroy(file);
	dma_fence_put(&mock->base);
	mock = mock_fence_at(&lock, 12, 34);
	file = sync_file_create(&mock->base);
	sync_file_get_name(file, name, sizeof(name));
	assert_string_equal(name, "mock-line12-34");
	dmabuf_sync_file_destroy(file);
	dma_fence_put(&mock->base);
}

static void a_name_is_cut_to_the_room(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct mock_fence *mock = mock_fence_at(&lock, 12, 34);
	struct sync_file *file = sync_file_create(&mock->base);
	char name[16] = "untouched";

	(void)state;
	sync_file_get_name(file, name, 0);
	sync_file_get_name(file, name, -1);
	assert_string_equal(name, "untouched");
	sync_file_get_name(file, name, 1);
	assert_string_equal(name, "");
	sync_file_get_name(file, name, 6);
	assert_string_equal(name, "mock-");
	assert_int_equal(name[6], 'h');
	strcpy(file->user_name, "user");
	sync_file_get_name(file, name, 4);
	assert_string_equal(name, "use");
	sync_file_get_name(file, name, sizeof(name));
	assert_string_equal(name, "user");
	dmabuf_sync_file_destroy(file);
	dma_fence_put(&mock->base);
}

static void name_of(int fd, char name[32])
{
	struct sync_file_info info = { 0 };

	assert_int_equal(dmabuf_sync_file_info(fd, &info), 0);
	memcpy(name, info.name, sizeof(info.name));
}

static void a_merge_has_the_name_it_was_given(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	int fd = point_fd(timeline, 1);
	int merged = dmabuf_sync_file_merge("given", fd, fd);
	int cut = dmabuf_sync_file_merge(LONG_NAME, fd, fd);
	char name[32];

	(void)state;
	name_of(merged, name);
	assert_string_equal(name, "given");
	name_of(cut, name);
	assert_string_equal(name, CUT_NAME);
	close(fd);
	close(merged);
	close(cut);
	dmabuf_sw_sync_destroy(timeline);
	dmabuf_dispatch();
}

static void a_merge_without_a_name_has_a_generated_one(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	struct dma_fence *fence = point_make(timeline, 1);
	int fd = sync_fd(fence);
	int empty = dmabuf_sync_file_merge("", fd, fd);
	int none = dmabuf_sync_file_merge(NULL, fd, fd);
	char wanted[32], name[32];

	(void)state;
	snprintf(wanted, sizeof(wanted), "sw_sync-line%" PRIu64 "-1",
		 fence->context);
	name_of(empty, name);
	assert_string_equal(name, wanted);
	name_of(none, name);
	assert_string_equal(name, wanted);
	name_of(fd, name);
	assert_string_equal(name, wanted);
	dma_fence_put(fence);
	close(fd);
	close(empty);
	close(none);
	dmabuf_sw_sync_destroy(timeline);
	dmabuf_dispatch();
}

/* Merging */

/* Two fences, a file of each, and one of both */
struct pair {
	struct mock_fence *a, *b;
	int fd1, fd2;
	int fd;
};

static struct pair pair_begin(void)
{
	struct pair pair = { mock_fence_new(), mock_fence_new(), -1, -1, -1 };

	pair.fd1 = sync_fd(&pair.a->base);
	pair.fd2 = sync_fd(&pair.b->base);
	pair.fd = merge_fds(pair.fd1, pair.fd2);
	return pair;
}

static void pair_end(struct pair *pair)
{
	close(pair->fd1);
	close(pair->fd2);
	close(pair->fd);
	dmabuf_dispatch();
	dma_fence_signal(&pair->a->base);
	dma_fence_signal(&pair->b->base);
	dma_fence_put(&pair->a->base);
	dma_fence_put(&pair->b->base);
}

static void a_merge_is_done_with_both(void **state)
{
	struct mock_fence *a = mock_fence_new();
	struct mock_fence *b = mock_fence_new();
	int fd1 = sync_fd(&a->base);
	int fd2 = sync_fd(&b->base);
	int merged = merge_fds(fd1, fd2);

	(void)state;
	assert_int_equal(fcntl(merged, F_GETFD), FD_CLOEXEC);
	assert_int_equal(leaves_of(merged), 2);
	/* Both stay as they are. */
	close(fd1);
	assert_int_equal(status_of(fd2), 0);
	dma_fence_signal(&b->base);
	assert_int_equal(events_of(merged), 0);
	assert_int_equal(events_of(fd2), POLLIN);
	dma_fence_signal(&a->base);
	assert_int_equal(events_of(merged), POLLIN);
	close(fd2);
	close(merged);
	dmabuf_dispatch();
	dma_fence_put(&a->base);
	dma_fence_put(&b->base);
}

static void a_merge_of_what_is_done_is_done(void **state)
{
	struct mock_fence *a = mock_fence_new();
	struct mock_fence *b = mock_fence_new();
	int fd1 = sync_fd(&a->base);
	int fd2 = sync_fd(&b->base);
	int merged;
	struct dma_fence *fence;

	(void)state;
	dma_fence_signal_timestamp(&a->base, 1000);
	dma_fence_signal_timestamp(&b->base, 2000);
	merged = merge_fds(fd2, fd1);
	assert_int_equal(events_of(merged), POLLIN);
	fence = fence_of(merged);
	assert_int_equal(dma_fence_timestamp(fence), 2000);
	dma_fence_put(fence);
	close(fd1);
	close(fd2);
	close(merged);
	dmabuf_dispatch();
	dma_fence_put(&a->base);
	dma_fence_put(&b->base);
}

static void merge_checks_in_the_kernels_order(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	int fd = sync_fd(&mock->base);
	int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int closed = dup(other);

	(void)state;
	close(closed);
	assert_int_equal(dmabuf_sync_file_merge("x", closed, closed), -EBADF);
	assert_int_equal(dmabuf_sync_file_merge("x", other, closed), -ENOTTY);
	/* Also when that number is the next one to be given out. */
	assert_int_equal(dmabuf_sync_file_merge("x", fd, closed), -ENOENT);
	assert_int_equal(dmabuf_sync_file_merge("x", fd, other), -ENOENT);
	assert_int_equal(dmabuf_sync_file_merge("x", fd, -1), -ENOENT);
	close(fd);
	close(other);
	dmabuf_dispatch();
	assert_int_equal(mock->base.refcount, 1);
	dma_fence_put(&mock->base);
}

static void merge_needs_an_fd_before_it_looks_at_the_second_file(void **state)
{
	struct mock_fence *mock;
	struct rlimit old, none;
	int fd, other;

	(void)state;
	fds_run_out_or_skip();
	mock = mock_fence_new();
	fd = sync_fd(&mock->base);
	other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 3;	/* which are open */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(dmabuf_sync_file_merge("x", other, -1), -ENOTTY);
	assert_int_equal(dmabuf_sync_file_merge("x", fd, -1), -EMFILE);
	assert_int_equal(dmabuf_sync_file_merge("x", fd, fd), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	close(fd);
	close(other);
	dmabuf_dispatch();
	assert_int_equal(mock->base.refcount, 1);
	dma_fence_put(&mock->base);
}

/* Info */

static void info_checks_in_the_kernels_order(void **state)
{
	struct sync_file_info info = { .flags = 1, .pad = 1 };
	struct sync_fence_info leaves[2];
	struct pair pair = pair_begin();
	int fd = pair.fd;
	int other = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(dmabuf_sync_file_info(-1, NULL), -EBADF);
	assert_int_equal(dmabuf_sync_file_info(other, NULL), -ENOTTY);
	assert_int_equal(dmabuf_sync_file_info(fd, NULL), -EFAULT);
	assert_int_equal(dmabuf_sync_file_info(fd, &info), -EINVAL);
	info.flags = 0;
	assert_int_equal(dmabuf_sync_file_info(fd, &info), -EINVAL);
	info.pad = 0;
	info.num_fences = 1;
	assert_int_equal(dmabuf_sync_file_info(fd, &info), -EINVAL);
	info.sync_fence_info = (uintptr_t)leaves;
	assert_int_equal(dmabuf_sync_file_info(fd, &info), -EINVAL);
	info.sync_fence_info = 0;
	info.num_fences = 2;
	assert_int_equal(dmabuf_sync_file_info(fd, &info), -EFAULT);
	/* What failed left no trace. */
	assert_int_equal(info.num_fences, 2);
	assert_string_equal(info.name, "");
	info.sync_fence_info = (uintptr_t)leaves;
	assert_int_equal(dmabuf_sync_file_info(fd, &info), 0);
	close(other);
	pair_end(&pair);
}

static void info_without_room_tells_how_much_is_needed(void **state)
{
	struct sync_file_info info = { .status = 77 };
	struct pair pair = pair_begin();

	(void)state;
	assert_int_equal(dmabuf_sync_file_info(pair.fd, &info), 0);
	assert_int_equal(info.num_fences, 2);
	assert_int_equal(info.status, 0);
	assert_string_equal(info.name, "merged");
	pair_end(&pair);
}

/* With more room than is needed. */
static void info_describes_each_leaf(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make(LONG_NAME);
	struct sync_fence_info leaves[4];
	struct sync_file_info info = {
		.num_fences = 4,
		.sync_fence_info = (uintptr_t)leaves,
	};
	struct mock_fence *mock = mock_fence_new();
	int fd1 = point_fd(timeline, 1);
	int fd2 = sync_fd(&mock->base);
	int fd = merge_fds(fd1, fd2);
	unsigned int sw;

	(void)state;
	memset(leaves, 0xff, sizeof(leaves));
	dma_fence_set_error(&mock->base, -EIO);
	dma_fence_signal_timestamp(&mock->base, 123456789);
	assert_int_equal(dmabuf_sync_file_info(fd, &info), 0);
	assert_int_equal(info.num_fences, 2);
	sw = !strcmp(leaves[1].driver_name, "sw_sync");
	assert_string_equal(leaves[sw].driver_name, "sw_sync");
	assert_string_equal(leaves[sw].obj_name, CUT_NAME);
	assert_int_equal(leaves[sw].status, 0);
	assert_int_equal(leaves[sw].flags, 0);
	assert_int_equal(leaves[sw].timestamp_ns, 0);
	assert_string_equal(leaves[!sw].driver_name, "mock");
	assert_string_equal(leaves[!sw].obj_name, "line");
	assert_int_equal(leaves[!sw].status, -EIO);
	assert_int_equal(leaves[!sw].flags, 0);
	assert_int_equal(leaves[!sw].timestamp_ns, 123456789);
	/* The first leaf that is not well; the first one made is the first. */
	assert_int_equal(info.status, leaves[0].status);
	assert_int_equal((unsigned char)leaves[2].obj_name[0], 0xff);
	/* The file as a whole waits for the other one. */
	assert_int_equal(status_of(fd), 0);
	dmabuf_sw_sync_inc(timeline, 1);
	info.num_fences = 4;
	assert_int_equal(dmabuf_sync_file_info(fd, &info), 0);
	assert_int_equal(info.status, -EIO);
	assert_int_equal(status_of(fd), -EIO);
	close(fd1);
	close(fd2);
	close(fd);
	dmabuf_sw_sync_destroy(timeline);
	dmabuf_dispatch();
	dma_fence_put(&mock->base);
}

static void info_of_what_is_done_is_1(void **state)
{
	struct sync_fence_info leaf;
	struct sync_file_info info = {
		.num_fences = 1,
		.sync_fence_info = (uintptr_t)&leaf,
	};
	struct mock_fence *mock = mock_fence_new();
	int fd = sync_fd(&mock->base);

	(void)state;
	dma_fence_signal(&mock->base);
	assert_int_equal(dmabuf_sync_file_info(fd, &info), 0);
	assert_int_equal(info.status, 1);
	assert_int_equal(leaf.status, 1);
	assert_int_equal(leaf.timestamp_ns, dma_fence_timestamp(&mock->base));
	close(fd);
	dmabuf_dispatch();
	dma_fence_put(&mock->base);
}

/* A query is exact, whether somebody was told or not. */
static void info_asks_the_fence_itself(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	int fd = sync_fd(&mock->base);

	(void)state;
	assert_int_equal(status_of(fd), 0);
	assert_int_equal(events_of(fd), 0);
	__atomic_store_n(&mock->done, true, __ATOMIC_RELEASE);
	assert_int_equal(status_of(fd), 1);
	assert_int_equal(events_of(fd), POLLIN);
	close(fd);
	dmabuf_dispatch();
	dma_fence_put(&mock->base);
}

#define NR_NODES 20

static struct dma_fence *chain_of(struct mock_fence **mocks)
{
	struct dma_fence_chain *node;
	struct dma_fence *tail = NULL;
	unsigned int i;

	for (i = 0; i < NR_NODES; i++) {
		mocks[i] = mock_fence_new();
		node = dma_fence_chain_alloc();
		assert_non_null(node);
		dma_fence_chain_init(node, tail, dma_fence_get(&mocks[i]->base),
				     i + 1);
		tail = &node->base;
	}
	return tail;
}

static void info_of_a_chain_leaves_out_what_is_done(void **state)
{
	struct mock_fence *mocks[NR_NODES];
	struct dma_fence *tail = chain_of(mocks);
	int fd = sync_fd(tail);
	unsigned int i;

	(void)state;
	assert_int_equal(leaves_of(fd), NR_NODES);
	for (i = 0; i < NR_NODES / 2; i++)
		dma_fence_signal(&mocks[i]->base);
	assert_int_equal(leaves_of(fd), NR_NODES / 2);
	assert_int_equal(leaves_with(fd, 0), NR_NODES / 2);
	assert_int_equal(events_of(fd), 0);
	for (; i < NR_NODES; i++)
		dma_fence_signal(&mocks[i]->base);
	assert_int_equal(events_of(fd), POLLIN);
	assert_int_equal(status_of(fd), 1);
	close(fd);
	dma_fence_put(tail);
	dmabuf_dispatch();
	for (i = 0; i < NR_NODES; i++)
		dma_fence_put(&mocks[i]->base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(a_name_is_made_of_the_fence),
		LEAK_TEST(a_name_is_cut_to_the_room),
		LEAK_TEST(a_merge_has_the_name_it_was_given),
		LEAK_TEST(a_merge_without_a_name_has_a_generated_one),
		LEAK_TEST(a_merge_is_done_with_both),
		LEAK_TEST(a_merge_of_what_is_done_is_done),
		LEAK_TEST(merge_checks_in_the_kernels_order),
		LEAK_TEST(merge_needs_an_fd_before_it_looks_at_the_second_file),
		LEAK_TEST(info_checks_in_the_kernels_order),
		LEAK_TEST(info_without_room_tells_how_much_is_needed),
		LEAK_TEST(info_describes_each_leaf),
		LEAK_TEST(info_of_what_is_done_is_1),
		LEAK_TEST(info_asks_the_fence_itself),
		LEAK_TEST(info_of_a_chain_leaves_out_what_is_done),
	};

	return cmocka_run_group_tests_name("sync_file/info", tests,
					   leaks_group_setup, NULL) != 0;
}
