/* SPDX-License-Identifier: MIT */
/* test-sync-failures.c - no memory and no fds, for each function of sync files */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "inject.h"
#include "leaks.h"
#include "mock-fence.h"
#include "process.h"
#include "sync-fds.h"

/*
 * What the functions work on: a fence of this process and one of another, both
 * pending, with a file each.
 */
struct sync_scene {
	struct dmabuf_sw_sync *timeline;
	struct dma_buf *dmabuf;
	struct mock_fence *mock;
	struct peer peer;
	int own;
	int foreign;
	struct dma_fence *fence;	/* the foreign one, where it is held */
};

struct sync_case {
	const char *name;
	bool holds_foreign;
	/* The call, which undoes itself when it succeeds: 0 or -errno. */
	int (*act)(struct sync_scene *s);
	unsigned int allocs_min;	/* calls in it that can fail */
	unsigned int fds;		/* that it needs at once */
	int ret;		/* stands for any errno; 0: as it failed */
	const char *harmless;	/* this one may also fail with no effect */
	const char *reason;
};

static int fd_result(int fd)
{
	if (fd < 0)
		return fd;
	close(fd);
	dmabuf_dispatch();
	return 0;
}

static int act_create(struct sync_scene *s)
{
	struct sync_file *file = sync_file_create(&s->mock->base);

	dmabuf_sync_file_destroy(file);
	return file ? 0 : -ENOMEM;
}

static int act_install(struct sync_scene *s)
{
	struct sync_file *file = sync_file_create(&s->mock->base);
	int fd;

	if (!file)
		return -ENOMEM;
	fd = dmabuf_sync_file_install(file, O_CLOEXEC);
	/* It is still the caller's then. */
	if (fd < 0)
		dmabuf_sync_file_destroy(file);
	return fd_result(fd);
}

static int act_fd(struct sync_scene *s)
{
	return fd_result(dmabuf_sync_file_fd(&s->mock->base, O_CLOEXEC));
}

static int act_foreign_fd(struct sync_scene *s)
{
	return fd_result(dmabuf_sync_file_fd(s->fence, O_CLOEXEC));
}

static int act_get_own(struct sync_scene *s)
{
	struct dma_fence *fence = sync_file_get_fence(s->own);

	dma_fence_put(fence);
	return fence ? 0 : -ENOMEM;
}

static int act_get_foreign(struct sync_scene *s)
{
	struct dma_fence *fence = sync_file_get_fence(s->foreign);

	dma_fence_put(fence);
	return fence ? 0 : -ENOMEM;
}

static int act_merge_own(struct sync_scene *s)
{
	return fd_result(dmabuf_sync_file_merge("x", s->own, s->own));
}

static int act_merge(struct sync_scene *s)
{
	int fd = dmabuf_sync_file_merge("x", s->own, s->foreign);
	struct dma_fence *fence;

	inject_disarm();
	if (fd < 0)
		return fd;
	/* It waits for two, and keeps itself alive until they are done. */
	fence = fence_of(fd);
	assert_true(dma_fence_is_array(fence));
	dma_fence_signal(&s->mock->base);
	kill(s->peer.pid, SIGKILL);
	assert_int_equal(dma_fence_wait(fence, false), 0);
	dma_fence_put(fence);
	return fd_result(fd);
}

static int act_merge_closed(struct sync_scene *s)
{
	return fd_result(dmabuf_sync_file_merge("x", s->own, -1));
}

static int act_info(struct sync_scene *s)
{
	struct sync_fence_info leaf;
	struct sync_file_info info = {
		.num_fences = 1,
		.sync_fence_info = (uintptr_t)&leaf,
	};

	return dmabuf_sync_file_info(s->own, &info);
}

static int act_info_foreign(struct sync_scene *s)
{
	struct sync_file_info info = { 0 };

	return dmabuf_sync_file_info(s->foreign, &info);
}

static int act_timeline(struct sync_scene *s)
{
	struct dmabuf_sw_sync *timeline;
	int ret = dmabuf_sw_sync_create("x", &timeline);

	(void)s;
	if (!ret)
		dmabuf_sw_sync_destroy(timeline);
	return ret;
}

static int act_point(struct sync_scene *s)
{
	struct dma_fence *fence = dmabuf_sw_sync_fence(s->timeline, 7);

	if (IS_ERR(fence))
		return (int)PTR_ERR(fence);
	dma_fence_put(fence);
	return 0;
}

static int act_out(struct sync_scene *s)
{
	return fd_result(dma_buf_export_sync_file(s->dmabuf,
						  DMA_BUF_SYNC_RW));
}

static int act_in(struct sync_scene *s)
{
	return dma_buf_import_sync_file(s->dmabuf, DMA_BUF_SYNC_READ, s->own);
}

static int act_in_foreign(struct sync_scene *s)
{
	return dma_buf_import_sync_file(s->dmabuf, DMA_BUF_SYNC_READ,
					s->foreign);
}

#define REMOVED \
	.harmless = "epoll_ctl", .reason = "the second one is clean-up"

static const struct sync_case cases[] = {
	{ "sync_file_create", .act = act_create, .allocs_min = 1 },
	{ "dmabuf_sync_file_install", .act = act_install, .allocs_min = 1,
	  .fds = 2 },
	{ "dmabuf_sync_file_fd", .act = act_fd, .allocs_min = 1, .fds = 2 },
	{ "dmabuf_sync_file_fd, foreign", .holds_foreign = true,
	  .act = act_foreign_fd, .allocs_min = 1, .fds = 1,
	  .harmless = "fcntl(F_DUPFD_CLOEXEC)",
	  .reason = "it is tried again after making room" },
	{ "sync_file_get_fence, own", .act = act_get_own },
	{ "sync_file_get_fence, foreign", .act = act_get_foreign,
	  .allocs_min = 3, .fds = 1, .ret = -ENOMEM, REMOVED },
	{ "sync_file_get_fence, again", .holds_foreign = true,
	  .act = act_get_foreign },
	{ "dmabuf_sync_file_merge, own", .act = act_merge_own, .allocs_min = 2,
	  .fds = 2 },
	{ "dmabuf_sync_file_merge, both", .holds_foreign = true,
	  .act = act_merge, .allocs_min = 3, .fds = 2 },
	{ "dmabuf_sync_file_info", .act = act_info },
	{ "dmabuf_sync_file_info, foreign", .act = act_info_foreign,
	  .allocs_min = 3, .fds = 1, REMOVED },
	{ "dmabuf_sw_sync_create", .act = act_timeline, .allocs_min = 1 },
	{ "dmabuf_sw_sync_fence", .act = act_point, .allocs_min = 1 },
	{ "dma_buf_export_sync_file", .act = act_out, .allocs_min = 1,
	  .fds = 2 },
	{ "dma_buf_import_sync_file", .act = act_in, .allocs_min = 1 },
	{ "dma_buf_import_sync_file, foreign", .act = act_in_foreign,
	  .allocs_min = 4, .fds = 1 },
};

static int produce(int sock, void *data)
{
	struct mock_fence *mock = mock_fence_new();
	int fd = dmabuf_sync_file_fd(&mock->base, O_CLOEXEC);

	(void)data;
	PEER_CHECK(fd_send(sock, fd));
	close(fd);
	turn_take(sock);
	return 0;
}

static void scene_begin(struct sync_scene *s, const struct sync_case *c)
{
	peer_start(&s->peer, produce, NULL);
	s->foreign = fd_recv(s->peer.sock);
	s->fence = c->holds_foreign ? fence_of(s->foreign) : NULL;
	s->mock = mock_fence_new();
	s->own = sync_fd(&s->mock->base);
	s->timeline = timeline_make("line");
	s->dmabuf = memfd_export(4096, O_RDWR);
}

static void scene_end(struct sync_scene *s)
{
	close(s->own);
	dma_fence_signal(&s->mock->base);
	dma_fence_put(&s->mock->base);
	dma_fence_put(s->fence);
	close(s->foreign);
	dma_buf_put(s->dmabuf);
	dmabuf_sw_sync_destroy(s->timeline);
	dmabuf_dispatch();
	peer_wait(&s->peer);
	assert_true(mock_fences_wait(0));
}

static bool is_as_wanted(const struct sync_case *c, const char *failed, int ret)
{
	if (!failed)
		return !ret;
	if (!ret)
		return c->harmless && !strcmp(failed, c->harmless);
	return ret == (c->ret ? c->ret : inject_failed_ret());
}

/* False when there was no @nth call to fail. */
static bool fails_at(const struct sync_case *c, unsigned int nth)
{
	struct sync_scene s;
	const char *failed;
	int ret;

	scene_begin(&s, c);
	inject_arm(nth);
	ret = c->act(&s);
	inject_disarm();
	failed = inject_failed();
	if (!is_as_wanted(c, failed, ret))
		print_error("%s, %s fails: %d\n", c->name,
			    failed ? failed : "nothing", ret);
	assert_true(is_as_wanted(c, failed, ret));
	/* What failed has left nothing in the way of the next one. */
	if (ret)
		assert_int_equal(c->act(&s), 0);
	scene_end(&s);
	return failed;
}

static void each_call_reports_what_fails_in_it(void **state)
{
	unsigned int nth;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (nth = 1; fails_at(&cases[i], nth); nth++)
			;
		if (nth - 1 < cases[i].allocs_min)
			print_error("%s: %u\n", cases[i].name, nth - 1);
		assert_true(nth - 1 >= cases[i].allocs_min);
	}
}

static void limit_set(rlim_t nr)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = nr;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Fill the numbers below the limit, but for @nr at the top. */
static unsigned int fds_fill(int *fds, unsigned int limit, unsigned int nr)
{
	unsigned int filled = 0, i;
	int fd;

	while ((fd = fcntl(0, F_DUPFD_CLOEXEC, 0)) >= 0) {
		assert_true(filled < limit);
		fds[filled++] = fd;
	}
	for (i = 0; i < nr; i++)
		close(fds[--filled]);
	return filled;
}

#define FD_LIMIT 64

/* INV-F-D7: with no fd, with one, and with as many as it takes. */
static void fds_run_out_at(const struct sync_case *c, unsigned int nr)
{
	struct sync_scene s;
	struct rlimit old;
	int fds[FD_LIMIT];
	unsigned int filled;
	int ret;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	scene_begin(&s, c);
	limit_set(FD_LIMIT);
	filled = fds_fill(fds, FD_LIMIT, nr);
	ret = c->act(&s);
	while (filled)
		close(fds[--filled]);
	limit_set(old.rlim_cur);
	if (nr >= c->fds)
		assert_int_equal(ret, 0);
	else
		assert_int_equal(ret, c->ret ? c->ret : -EMFILE);
	scene_end(&s);
}

static void each_call_reports_that_fds_ran_out(void **state)
{
	unsigned int nr;
	size_t i;

	(void)state;
	fds_run_out_or_skip();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (nr = 0; nr <= cases[i].fds; nr++)
			fds_run_out_at(&cases[i], nr);
}

/* The order of the checks: no fd, then no second file, then no memory. */
static void a_merge_fails_in_the_kernels_order(void **state)
{
	static const struct sync_case merge_closed = { .act = act_merge_closed };
	struct sync_scene s;
	unsigned int nth;

	(void)state;
	for (nth = 1;; nth++) {
		scene_begin(&s, &merge_closed);
		inject_arm(nth);
		assert_int_equal(act_merge_closed(&s), -ENOENT);
		inject_disarm();
		scene_end(&s);
		if (!inject_failed())
			break;
	}
	assert_true(nth > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(each_call_reports_what_fails_in_it),
		LEAK_TEST(each_call_reports_that_fds_ran_out),
		LEAK_TEST(a_merge_fails_in_the_kernels_order),
	};

	return cmocka_run_group_tests_name("sync/failures", tests,
					   leaks_group_setup, NULL) != 0;
}
