/* SPDX-License-Identifier: MIT */
/*
 * test-udmabuf-failures.c - each allocation and each syscall fails in turn
 *
 * INV-UDMA-D4
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "exporters.h"
#include "failure-acts.h"
#include "leaks.h"
#include "process.h"
#include "udmabufs.h"

#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

/* Three pieces of two memfds, of which the second is opened read-only. */
static int memfds[2];
static struct dmabuf_udmabuf_range ranges[3];
#define NR 4u

static void begin_ranges(struct scene *s)
{
	int fd = numbered_memfd(4, 10);

	(void)s;
	memfds[0] = numbered_memfd(4, 0);
	memfds[1] = fd_reopen(fd, O_RDONLY);
	close(fd);
	ranges[0] = range_of(memfds[0], 1, 2);
	ranges[1] = range_of(memfds[1], 3, 1);
	ranges[2] = range_of(memfds[0], 0, 1);
}

static void close_memfds(void)
{
	close(memfds[0]);
	close(memfds[1]);
}

/* Export */

static int act_export(struct scene *s)
{
	return dmabuf_udmabuf_export(ranges, 3, &s->result);
}

static void end_ranges(struct scene *s)
{
	/* No guard was left behind. */
	assert_int_equal(fcntl(memfds[0], F_ADD_SEALS, F_SEAL_WRITE), 0);
	close_memfds();
	s->result = NULL;
}

static void begin_buffer(struct scene *s)
{
	begin_ranges(s);
	s->dmabuf = udmabuf_of(ranges, 3);
	close_memfds();
}

/* CPU */

static void undo_vmap_of_pieces(struct scene *s)
{
	assert_int_equal(number_at((char *)s->vaddr + 3 * PAGE), 0);
	undo_vmap(s);
}

static int act_mmap(struct scene *s)
{
	s->vaddr = dma_buf_mmap(s->dmabuf, NR * PAGE, PROT_READ, MAP_SHARED, 0);
	return PTR_ERR_OR_ZERO(s->vaddr);
}

static void undo_mmap(struct scene *s)
{
	assert_int_equal(number_at((char *)s->vaddr + 2 * PAGE), 13);
	munmap(s->vaddr, NR * PAGE);
}

/* Devices */

static void begin_attach(struct scene *s)
{
	begin_buffer(s);
	scene_attach(s, device_non_coherent());
}

/* Views */

static int act_view(struct scene *s)
{
	int fd = dmabuf_udmabuf_view_fd(s->dmabuf, 2 * PAGE);

	if (fd < 0)
		return fd;
	s->fd = fd;
	return 0;
}

static void undo_view(struct scene *s)
{
	assert_int_equal(number_in(s->fd, 3), 13);
	assert_int_equal(dmabuf_refcount(s->dmabuf), 2);
	close(s->fd);
	wait_for_refs(s->dmabuf, 1);
}

static void begin_view_again(struct scene *s)
{
	begin_buffer(s);
	assert_int_equal(act_view(s), 0);
	undo_view(s);
}

/*
 * A page-backed buffer, whose memfd has a view of another one: that goes on
 * being watched when the first one's watch is given up again.
 */
static struct dma_buf *udmabuf;
static int other_view;

static void begin_shared(struct scene *s)
{
	struct dmabuf_udmabuf_range range;
	int fd;

	assert_int_equal(dmabuf_memfd_export(NR * PAGE, O_RDWR, &s->dmabuf), 0);
	get_dma_buf(s->dmabuf);
	fd = dma_buf_fd(s->dmabuf, O_CLOEXEC);
	assert_true(fd >= 0);
	range = range_of(fd_reopen(fd, O_RDWR), 0, NR);
	close(fd);
	wait_for_refs(s->dmabuf, 1);
	udmabuf = udmabuf_of(&range, 1);
	close(range.fd);
	other_view = dmabuf_udmabuf_view_fd(udmabuf, 0);
	assert_true(other_view >= 0);
}

static void undo_shared(struct scene *s)
{
	munmap(s->vaddr, NR * PAGE);
	wait_for_refs(s->dmabuf, 1);
}

static void end_shared(struct scene *s)
{
	close(other_view);
	wait_for_refs(udmabuf, 1);
	dma_buf_put(udmabuf);
	dma_buf_put(s->dmabuf);
}

#define POLLED "inotify_add_watch getrandom"
#define POLLED_REASON "closes are then looked for by polling, and the lock's " \
		      "byte is chosen by the clock"

/* Whoever cannot say what seals it has is no memfd. */
static const struct failure_case export_cases[] = {
	{ .name = "dmabuf_udmabuf_export", .begin = begin_ranges,
	  .act = act_export, .undo = undo_result, .end = end_ranges,
	  .calls_min = 20, .ret = -EBADFD },
};

static const struct failure_case cases[] = {
	{ .name = "dma_buf_vmap", .begin = begin_buffer, .act = act_vmap,
	  .undo = undo_vmap_of_pieces, .end = end_put, .calls_min = 4 },
	{ .name = "dma_buf_mmap", .begin = begin_buffer, .act = act_mmap,
	  .undo = undo_mmap, .end = end_put, .calls_min = 4 },
	{ .name = "dma_buf_map_attachment_unlocked", .begin = begin_attach,
	  .act = act_map, .end = end_attached, .calls_min = 5 },
	{ .name = "dmabuf_udmabuf_view_fd", .begin = begin_buffer,
	  .act = act_view, .undo = undo_view, .end = end_put,
	  .calls_min = 5, .harmless = POLLED, .reason = POLLED_REASON },
	{ .name = "dmabuf_udmabuf_view_fd, again", .begin = begin_view_again,
	  .act = act_view, .undo = undo_view, .end = end_put,
	  .calls_min = 4, .harmless = POLLED, .reason = POLLED_REASON },
	{ .name = "dma_buf_mmap, of a memfd that has a view",
	  .begin = begin_shared, .act = act_mmap, .undo = undo_shared,
	  .end = end_shared, .calls_min = 6, .harmless = POLLED,
	  .reason = POLLED_REASON },
};

static void failing_export_leaves_nothing(void **state)
{
	(void)state;
	play_all(export_cases, NR_ELEMENTS(export_cases));
}

/* In place of libc's: another process seals the memfd behind the nth one. */
static unsigned int seal_at;

int fstat(int fd, struct stat *st)
{
	int ret = fstatat(fd, "", st, AT_EMPTY_PATH);

	if (seal_at && !--seal_at)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	return ret;
}

/* Whoever comes before the guard is seen, whoever comes later is refused. */
static void seal_that_comes_meanwhile_is_einval(void **state)
{
	struct dmabuf_udmabuf_range range = { .size = PAGE };
	struct dma_buf *dmabuf;
	unsigned int nth;

	(void)state;
	for (nth = 1; nth <= 2; nth++) {
		range.fd = numbered_memfd(1, 0);
		seal_at = nth;
		assert_int_equal(udmabuf_error(&range, 1), -EINVAL);
		assert_int_equal(seal_at, 0);
		close(range.fd);
	}
	range.fd = numbered_memfd(1, 0);
	seal_at = nth;
	dmabuf = udmabuf_of(&range, 1);
	assert_int_equal(seal_at, 1);
	seal_at = 0;
	assert_int_equal(fcntl(range.fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(errno, EBUSY);
	dma_buf_put(dmabuf);
	close(range.fd);
}

/* In place of libc's: signals come while pages are allocated. */
static unsigned int signals;
static unsigned int allocations;

int fallocate(int fd, int mode, off_t offset, off_t size)
{
	allocations++;
	if (!signals)
		return (int)syscall(SYS_fallocate, fd, mode, offset, size);
	signals--;
	errno = EINTR;
	return -1;
}

static void interrupted_allocation_is_tried_again(void **state)
{
	struct dmabuf_udmabuf_range range = range_of(numbered_memfd(1, 7), 0,
						     1);
	struct dma_buf *dmabuf;

	(void)state;
	allocations = 0;
	signals = 3;
	dmabuf = udmabuf_of(&range, 1);
	assert_int_equal(signals, 0);
	assert_int_equal(allocations, 4);
	dma_buf_put(dmabuf);
	close(range.fd);
}

static void failing_uses_leave_the_buffer_as_it_was(void **state)
{
	(void)state;
	play_all(cases, NR_ELEMENTS(cases));
}

/* In a child, which has no events yet. 2: there was no @nth call to fail. */
static int view_fails_at(struct dma_buf *dmabuf, int fd, unsigned int nth)
{
	struct stat first, second;
	int view;

	inject_arm(nth);
	view = dmabuf_udmabuf_view_fd(dmabuf, 0);
	inject_disarm();
	/* Its fds are of the same inode as before. */
	get_dma_buf(dmabuf);
	CHECK(!fstat(fd, &first));
	CHECK(!fstat(dma_buf_fd(dmabuf, O_CLOEXEC), &second));
	CHECK(first.st_ino == second.st_ino);
	if (!inject_failed())
		return 2;
	if (view < 0)
		CHECK(view == inject_failed_ret());
	return 0;
}

static void view_that_cannot_be_watched_leaves_the_fds_alone(void **state)
{
	struct scene s;
	unsigned int nth;
	int status = 0;
	pid_t pid;

	(void)state;
	begin_buffer(&s);
	get_dma_buf(s.dmabuf);
	s.fd = fd_of(s.dmabuf);
	for (nth = 1; !status; nth++) {
		pid = fork();
		assert_true(pid >= 0);
		if (!pid)
			_exit(view_fails_at(s.dmabuf, s.fd, nth));
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
	assert_true(nth > 8);
	close(s.fd);
	wait_for_refs(s.dmabuf, 1);
	end_put(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failing_export_leaves_nothing),
		LEAK_TEST(seal_that_comes_meanwhile_is_einval),
		LEAK_TEST(interrupted_allocation_is_tried_again),
		cmocka_unit_test(failing_uses_leave_the_buffer_as_it_was),
		LEAK_TEST(view_that_cannot_be_watched_leaves_the_fds_alone),
	};

	return cmocka_run_group_tests_name("udmabuf/failures", tests,
					   leaks_group_setup, NULL) != 0;
}
