/* SPDX-License-Identifier: MIT */
/*
 * test-close-on-exec.c - no exec of another thread takes an fd along
 *
 * Every fd that the library makes is close-on-exec from the start, one that is
 * gone when its function returns too. Here the calls that make fds are the
 * test's, and look at what they made.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "process.h"
#include "sync-fds.h"
#include "udmabufs.h"

static unsigned int made;	/* atomic */
static unsigned int careless;	/* atomic: not close-on-exec */

static int looked_at(long fd)
{
	if (fd < 0)
		return -1;
	__atomic_fetch_add(&made, 1, __ATOMIC_RELAXED);
	if (!(syscall(SYS_fcntl, (int)fd, F_GETFD) & FD_CLOEXEC))
		__atomic_fetch_add(&careless, 1, __ATOMIC_RELAXED);
	return (int)fd;
}

/* In place of the C library's. */

int open(const char *path, int flags, ...)
{
	/* Devices that are not there are asked for with care, too. */
	if (!(flags & O_CLOEXEC))
		__atomic_fetch_add(&careless, 1, __ATOMIC_RELAXED);
	return looked_at(syscall(SYS_openat, AT_FDCWD, path, flags, 0));
}

int fcntl(int fd, int cmd, ...)
{
	va_list args;
	void *arg;
	long ret;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	ret = syscall(SYS_fcntl, fd, cmd, arg);
	return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC ? looked_at(ret) :
							   (int)ret;
}

int dup(int fd)
{
	return looked_at(syscall(SYS_dup, fd));
}

int memfd_create(const char *name, unsigned int flags)
{
	return looked_at(syscall(SYS_memfd_create, name, flags));
}

int eventfd(unsigned int count, int flags)
{
	return looked_at(syscall(SYS_eventfd2, count, flags));
}

int epoll_create1(int flags)
{
	return looked_at(syscall(SYS_epoll_create1, flags));
}

int timerfd_create(clockid_t clock, int flags)
{
	return looked_at(syscall(SYS_timerfd_create, clock, flags));
}

/* There are few to a user: one that is refused was asked for all the same. */
int inotify_init1(int flags)
{
	long fd = syscall(SYS_inotify_init1, flags);

	if (fd >= 0)
		return looked_at(fd);
	__atomic_fetch_add(&made, 1, __ATOMIC_RELAXED);
	if (!(flags & IN_CLOEXEC))
		__atomic_fetch_add(&careless, 1, __ATOMIC_RELAXED);
	return -1;
}

int socketpair(int domain, int type, int protocol, int fds[2])
{
	long ret = syscall(SYS_socketpair, domain, type, protocol, fds);

	if (ret)
		return -1;
	looked_at(fds[0]);
	looked_at(fds[1]);
	return 0;
}

/* The tests: each begins and ends with what nobody else made. */

static int begin(void **state)
{
	__atomic_store_n(&made, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&careless, 0, __ATOMIC_RELAXED);
	return leaks_setup(state);
}

static int end(void **state)
{
	unsigned int nr = __atomic_load_n(&careless, __ATOMIC_RELAXED);

	if (nr)
		print_error("%u fds were not close-on-exec\n", nr);
	if (!__atomic_load_n(&made, __ATOMIC_RELAXED))
		print_error("no fd was looked at\n");
	return leaks_teardown(state) || nr ||
	       !__atomic_load_n(&made, __ATOMIC_RELAXED);
}

static void buffers_of_the_library(void **state)
{
	static unsigned int releases;
	struct dma_buf *dmabufs[3];
	void *addr;
	size_t i;

	(void)state;
	dmabufs[0] = memfd_export(PAGE, O_RDWR);
	dmabufs[1] = opaque_export(&releases, PAGE, O_RDWR);
	assert_true(dmabuf_alloc(PAGE, O_RDWR, NULL, &dmabufs[2]) >= 0);
	for (i = 0; i < 3; i++) {
		get_dma_buf(dmabufs[i]);
		close(fd_of(dmabufs[i]));
	}
	addr = dma_buf_mmap(dmabufs[0], PAGE, PROT_READ, MAP_SHARED, 0);
	assert_false(IS_ERR(addr));
	munmap(addr, PAGE);
	for (i = 0; i < 3; i++)
		dma_buf_put(dmabufs[i]);
	wait_for_live_buffers(0);
}

static void imports(void **state)
{
	static const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int ours = memfd_make("dmabuf:of-others", PAGE, seals);
	int plain = memfd_make("plain", PAGE, seals);
	struct dma_buf *dmabuf;

	(void)state;
	dmabuf = dma_buf_get(ours);
	assert_false(IS_ERR(dmabuf));
	close(fd_of(dmabuf));
	assert_int_equal(dmabuf_memfd_import(plain, &dmabuf), 0);
	dma_buf_put(dmabuf);
	close(ours);
	close(plain);
}

static void udmabufs_and_views(void **state)
{
	int fd = numbered_memfd(2, 0);
	int read_only = fd_reopen(fd, O_RDONLY);
	const struct dmabuf_udmabuf_range ranges[] = {
		range_of(read_only, 1, 1), range_of(fd, 0, 1),
	};
	struct dma_buf *dmabuf = udmabuf_of(ranges, 2);

	(void)state;
	close(dmabuf_udmabuf_view_fd(dmabuf, 0));
	close(fd_of(dmabuf));
	wait_for_live_buffers(0);
	close(read_only);
	close(fd);
}

static void system_calls(void **state)
{
	struct dma_heap_allocation_data alloc = {
		.len = PAGE,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int memfd = numbered_memfd(1, 0);
	struct udmabuf_create create = {
		.memfd = (uint32_t)memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = PAGE,
	};
	struct dma_buf_export_sync_file pending = {
		.flags = DMA_BUF_SYNC_RW,
	};
	long fd;

	(void)state;
	assert_int_equal(dmabuf_heap_ioctl(dma_heap_find("system"),
					   DMA_HEAP_IOCTL_ALLOC,
					   (uintptr_t)&alloc, NULL), 0);
	assert_int_equal(dmabuf_ioctl((int)alloc.fd,
				      DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
				      &pending), 0);
	close(pending.fd);
	close((int)alloc.fd);
	fd = dmabuf_udmabuf_ioctl(UDMABUF_CREATE, (uintptr_t)&create, NULL);
	assert_true(fd >= 0);
	close((int)fd);
	wait_for_live_buffers(0);
	close(memfd);
}

static void sync_files_and_waits(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("t");
	int one = point_fd(timeline, 1), two = point_fd(timeline, 2);
	struct dma_fence *foreign;
	struct peer producer;

	(void)state;
	close(merge_fds(one, two));
	close(one);
	close(two);
	dmabuf_sw_sync_destroy(timeline);
	foreign = foreign_fence(&producer);
	assert_int_equal(dma_fence_wait_timeout(foreign, false, 1), 0);
	close(sync_fd(foreign));
	assert_true(turn_give(producer.sock));
	assert_int_equal(dma_fence_wait(foreign, false), 0);
	peer_join(&producer);
	dma_fence_put(foreign);
}

static void reaper(void **state)
{
	(void)state;
	assert_int_equal(dmabuf_reaper_start(), 0);
	dmabuf_reaper_stop();
}

/* All that the library opens for itself, as README.md counts it. */
#define LIBRARY_FDS 6

/* A child has to make them anew. */
static int child_makes_events(int sock, void *data)
{
	unsigned int before = made;

	(void)sock;
	(void)data;
	PEER_CHECK(dmabuf_event_fd() >= 0);
	PEER_CHECK(made - before == LIBRARY_FDS);
	PEER_CHECK(!careless);
	return 0;
}

static void events(void **state)
{
	struct peer peer;

	(void)state;
	peer_start(&peer, child_makes_events, NULL);
	peer_join(&peer);
}

#define FD_TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FD_TEST(buffers_of_the_library),
		FD_TEST(imports),
		FD_TEST(udmabufs_and_views),
		FD_TEST(system_calls),
		FD_TEST(sync_files_and_waits),
		FD_TEST(reaper),
		FD_TEST(events),
	};

	return cmocka_run_group_tests_name("close_on_exec", tests,
					   leaks_group_setup, NULL) != 0;
}
