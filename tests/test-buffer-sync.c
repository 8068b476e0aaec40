/* SPDX-License-Identifier: MIT */
/* test-buffer-sync.c - the fences of a buffer as sync files, out and in */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-fence.h"
#include "process.h"
#include "sync-fds.h"
#include "warns.h"

#define NR_USAGES 4

static struct dma_buf *buffer_make(void)
{
	return memfd_export(4096, O_RDWR);
}

static struct mock_fence *add_new(struct dma_buf *dmabuf,
				  enum dma_resv_usage usage)
{
	struct mock_fence *mock = mock_fence_new();

	assert_int_equal(dma_resv_lock(dmabuf->resv, NULL), 0);
	assert_int_equal(dma_resv_reserve_fences(dmabuf->resv, 1), 0);
	dma_resv_add_fence(dmabuf->resv, &mock->base, usage);
	dma_resv_unlock(dmabuf->resv);
	return mock;
}

static void done(struct mock_fence *mock)
{
	dma_fence_signal(&mock->base);
	dma_fence_put(&mock->base);
}

/* How many are pending for who asks for @usage. */
static unsigned int nr_pending(struct dma_buf *dmabuf,
			       enum dma_resv_usage usage)
{
	struct dma_fence **fences;
	unsigned int nr, i;

	assert_int_equal(dma_resv_get_fences(dmabuf->resv, usage, &nr, &fences),
			 0);
	for (i = 0; i < nr; i++)
		dma_fence_put(fences[i]);
	free(fences);
	return nr;
}

static int out(struct dma_buf *dmabuf, uint32_t flags)
{
	int fd = dma_buf_export_sync_file(dmabuf, flags);

	assert_true(fd >= 0);
	return fd;
}

/* Both */

static void wrong_flags_are_einval(void **state)
{
	static const uint32_t wrong[] = {
		0, 4, DMA_BUF_SYNC_READ | 4, 8, UINT32_MAX,
	};
	struct dma_buf *dmabuf = buffer_make();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(dma_buf_export_sync_file(dmabuf, wrong[i]),
				 -EINVAL);
		assert_int_equal(dma_buf_import_sync_file(dmabuf, wrong[i], -1),
				 -EINVAL);
	}
	dma_buf_put(dmabuf);
}

static void no_buffer_is_einval_and_warns(void **state)
{
	(void)state;
	assert_int_equal(dma_buf_export_sync_file(NULL, DMA_BUF_SYNC_READ),
			 -EINVAL);
	assert_warned("dma_buf_export_sync_file");
	assert_int_equal(dma_buf_import_sync_file(NULL, DMA_BUF_SYNC_READ, -1),
			 -EINVAL);
	assert_warned("dma_buf_import_sync_file");
}

/* Out */

static void an_idle_buffer_gives_a_file_that_is_done(void **state)
{
	struct dma_buf *dmabuf = buffer_make();
	int fd = out(dmabuf, DMA_BUF_SYNC_RW);

	(void)state;
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(events_of(fd), POLLIN);
	assert_int_equal(status_of(fd), 1);
	close(fd);
	dma_buf_put(dmabuf);
	dmabuf_dispatch();
}

static void a_reader_waits_for_writers_and_a_writer_for_all(void **state)
{
	static const bool for_reader[] = { true, true, false, false };
	static const bool for_writer[] = { true, true, true, false };
	struct dma_buf *dmabuf;
	struct mock_fence *mock;
	int reader, writer, both;
	unsigned int usage;

	(void)state;
	for (usage = 0; usage < NR_USAGES; usage++) {
		dmabuf = buffer_make();
		mock = add_new(dmabuf, usage);
		reader = out(dmabuf, DMA_BUF_SYNC_READ);
		writer = out(dmabuf, DMA_BUF_SYNC_WRITE);
		both = out(dmabuf, DMA_BUF_SYNC_RW);
		assert_int_equal(!events_of(reader), for_reader[usage]);
		assert_int_equal(!events_of(writer), for_writer[usage]);
		assert_int_equal(!events_of(both), for_writer[usage]);
		done(mock);
		assert_int_equal(events_of(reader), POLLIN);
		assert_int_equal(events_of(writer), POLLIN);
		assert_int_equal(events_of(both), POLLIN);
		close(reader);
		close(writer);
		close(both);
		dma_buf_put(dmabuf);
		dmabuf_dispatch();
	}
}

static void one_fence_comes_out_as_itself(void **state)
{
	struct dma_buf *dmabuf = buffer_make();
	struct mock_fence *mock = add_new(dmabuf, DMA_RESV_USAGE_WRITE);
	int fd = out(dmabuf, DMA_BUF_SYNC_READ);
	struct dma_fence *fence = fence_of(fd);

	(void)state;
	assert_ptr_equal(fence, &mock->base);
	dma_fence_put(fence);
	done(mock);
	close(fd);
	dma_buf_put(dmabuf);
	dmabuf_dispatch();
}

static void several_come_out_together_and_those_added_later_do_not(void **state)
{
	struct dma_buf *dmabuf = buffer_make();
	struct mock_fence *a = add_new(dmabuf, DMA_RESV_USAGE_READ);
	struct mock_fence *b = add_new(dmabuf, DMA_RESV_USAGE_READ);
	int fd = out(dmabuf, DMA_BUF_SYNC_WRITE);
	struct mock_fence *later = add_new(dmabuf, DMA_RESV_USAGE_READ);

	(void)state;
	assert_int_equal(leaves_of(fd), 2);
	done(a);
	assert_int_equal(events_of(fd), 0);
	done(b);
	assert_int_equal(events_of(fd), POLLIN);
	done(later);
	close(fd);
	dma_buf_put(dmabuf);
	dmabuf_dispatch();
}

/* The fd comes first, then memory. */
static void no_fd_is_emfile(void **state)
{
	struct dma_buf *dmabuf;
	struct mock_fence *mock;
	struct rlimit old, none;

	(void)state;
	fds_run_out_or_skip();
	dmabuf = buffer_make();
	mock = add_new(dmabuf, DMA_RESV_USAGE_WRITE);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(dma_buf_export_sync_file(dmabuf, 0), -EINVAL);
	assert_int_equal(dma_buf_export_sync_file(dmabuf, DMA_BUF_SYNC_READ),
			 -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(mock->base.refcount, 2);
	done(mock);
	dma_buf_put(dmabuf);
}

/* In */

static void what_is_no_sync_file_is_einval(void **state)
{
	struct dma_buf *dmabuf = buffer_make();
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(dma_buf_import_sync_file(dmabuf, DMA_BUF_SYNC_READ,
						  fds[0]), -EINVAL);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(dma_buf_import_sync_file(dmabuf, DMA_BUF_SYNC_READ,
						  fds[0]), -EINVAL);
	assert_int_equal(dma_buf_import_sync_file(dmabuf, DMA_BUF_SYNC_READ,
						  -1), -EINVAL);
	dma_buf_put(dmabuf);
}

static void in_as(uint32_t flags, enum dma_resv_usage usage)
{
	struct dma_buf *dmabuf = buffer_make();
	struct mock_fence *mock = mock_fence_new();
	int fd = sync_fd(&mock->base);
	unsigned int other;

	assert_int_equal(dma_buf_import_sync_file(dmabuf, flags, fd), 0);
	assert_false(dma_resv_is_locked(dmabuf->resv));
	for (other = 0; other < NR_USAGES; other++)
		assert_int_equal(nr_pending(dmabuf, other), other >= usage);
	/* The fd is no longer needed. */
	close(fd);
	dmabuf_dispatch();
	assert_int_equal(nr_pending(dmabuf, usage), 1);
	dma_fence_signal(&mock->base);
	assert_int_equal(nr_pending(dmabuf, usage), 0);
	dma_fence_put(&mock->base);
	dma_buf_put(dmabuf);
}

static void a_read_comes_in_as_a_read_and_the_others_as_a_write(void **state)
{
	(void)state;
	in_as(DMA_BUF_SYNC_READ, DMA_RESV_USAGE_READ);
	in_as(DMA_BUF_SYNC_WRITE, DMA_RESV_USAGE_WRITE);
	in_as(DMA_BUF_SYNC_RW, DMA_RESV_USAGE_WRITE);
}

/* INV-RESV-2: no container gets in. */
static void a_merge_comes_in_as_its_parts(void **state)
{
	struct dma_buf *dmabuf = buffer_make();
	struct mock_fence *a = mock_fence_new();
	struct mock_fence *b = mock_fence_new();
	int fd1 = sync_fd(&a->base), fd2 = sync_fd(&b->base);
	int fd = merge_fds(fd1, fd2);

	(void)state;
	assert_int_equal(dma_buf_import_sync_file(dmabuf, DMA_BUF_SYNC_WRITE,
						  fd), 0);
	assert_no_warning();
	assert_int_equal(nr_pending(dmabuf, DMA_RESV_USAGE_WRITE), 2);
	close(fd1);
	close(fd2);
	close(fd);
	done(a);
	assert_int_equal(nr_pending(dmabuf, DMA_RESV_USAGE_WRITE), 1);
	done(b);
	dmabuf_dispatch();
	dma_buf_put(dmabuf);
}

static void a_chain_comes_in_as_its_parts(void **state)
{
	struct dma_buf *dmabuf = buffer_make();
	struct mock_fence *mocks[3];
	struct dma_fence_chain *node;
	struct dma_fence *tail = NULL;
	unsigned int i;
	int fd;

	(void)state;
	for (i = 0; i < 3; i++) {
		mocks[i] = mock_fence_new();
		node = dma_fence_chain_alloc();
		assert_non_null(node);
		dma_fence_chain_init(node, tail, dma_fence_get(&mocks[i]->base),
				     i + 1);
		tail = &node->base;
	}
	fd = sync_fd(tail);
	dma_fence_put(tail);
	assert_int_equal(dma_buf_import_sync_file(dmabuf, DMA_BUF_SYNC_READ,
						  fd), 0);
	assert_no_warning();
	assert_int_equal(nr_pending(dmabuf, DMA_RESV_USAGE_READ), 3);
	close(fd);
	for (i = 0; i < 3; i++)
		done(mocks[i]);
	dmabuf_dispatch();
	dma_buf_put(dmabuf);
}

static void what_is_done_comes_in_and_nobody_waits_for_it(void **state)
{
	struct dma_buf *dmabuf = buffer_make();
	struct mock_fence *mock = mock_fence_new();
	int fd = sync_fd(&mock->base);

	(void)state;
	dma_fence_signal(&mock->base);
	assert_int_equal(dma_buf_import_sync_file(dmabuf, DMA_BUF_SYNC_WRITE,
						  fd), 0);
	assert_int_equal(nr_pending(dmabuf, DMA_RESV_USAGE_BOOKKEEP), 0);
	close(fd);
	dmabuf_dispatch();
	dma_fence_put(&mock->base);
	dma_buf_put(dmabuf);
}

/* The same timeline again takes the place of its earlier point. */
static void a_timeline_comes_in_once(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	struct dma_buf *dmabuf = buffer_make();
	uint32_t i;
	int fd;

	(void)state;
	for (i = 1; i <= 20; i++) {
		fd = point_fd(timeline, i);
		assert_int_equal(dma_buf_import_sync_file(dmabuf,
							  DMA_BUF_SYNC_WRITE,
							  fd), 0);
		close(fd);
		assert_int_equal(nr_pending(dmabuf, DMA_RESV_USAGE_WRITE), 1);
	}
	dmabuf_sw_sync_inc(timeline, 19);
	assert_int_equal(nr_pending(dmabuf, DMA_RESV_USAGE_WRITE), 1);
	dmabuf_sw_sync_inc(timeline, 1);
	assert_int_equal(nr_pending(dmabuf, DMA_RESV_USAGE_WRITE), 0);
	dmabuf_sw_sync_destroy(timeline);
	dma_buf_put(dmabuf);
	dmabuf_dispatch();
}

static void fences_go_from_buffer_to_buffer(void **state)
{
	struct dma_buf *from = buffer_make();
	struct dma_buf *to = buffer_make();
	struct mock_fence *a = add_new(from, DMA_RESV_USAGE_WRITE);
	struct mock_fence *b = add_new(from, DMA_RESV_USAGE_READ);
	int fd = out(from, DMA_BUF_SYNC_WRITE);

	(void)state;
	assert_int_equal(dma_buf_import_sync_file(to, DMA_BUF_SYNC_READ, fd),
			 0);
	close(fd);
	assert_int_equal(nr_pending(to, DMA_RESV_USAGE_READ), 2);
	assert_int_equal(nr_pending(to, DMA_RESV_USAGE_WRITE), 0);
	done(a);
	done(b);
	assert_int_equal(nr_pending(to, DMA_RESV_USAGE_READ), 0);
	dma_buf_put(from);
	dma_buf_put(to);
	dmabuf_dispatch();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(wrong_flags_are_einval),
		LEAK_TEST(no_buffer_is_einval_and_warns),
		LEAK_TEST(an_idle_buffer_gives_a_file_that_is_done),
		LEAK_TEST(a_reader_waits_for_writers_and_a_writer_for_all),
		LEAK_TEST(one_fence_comes_out_as_itself),
		LEAK_TEST(several_come_out_together_and_those_added_later_do_not),
		LEAK_TEST(no_fd_is_emfile),
		LEAK_TEST(what_is_no_sync_file_is_einval),
		LEAK_TEST(a_read_comes_in_as_a_read_and_the_others_as_a_write),
		LEAK_TEST(a_merge_comes_in_as_its_parts),
		LEAK_TEST(a_chain_comes_in_as_its_parts),
		LEAK_TEST(what_is_done_comes_in_and_nobody_waits_for_it),
		LEAK_TEST(a_timeline_comes_in_once),
		LEAK_TEST(fences_go_from_buffer_to_buffer),
	};

	return cmocka_run_group_tests_name("buffer/sync", tests,
					   leaks_group_setup, NULL) != 0;
}
