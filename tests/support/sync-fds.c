/* SPDX-License-Identifier: MIT */
/* sync-fds.c - making sync files, and looking at them */
#include "sync-fds.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "mock-fence.h"
#include "sanitized.h"

#define WAIT_S 10

short events_of(int fd)
{
	struct pollfd pollfd = {
		.fd = fd,
		.events = POLLIN | POLLPRI | POLLRDHUP,
	};

	return poll(&pollfd, 1, 0) > 0 ? pollfd.revents : 0;
}

bool wait_readable(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return poll(&pollfd, 1, WAIT_S * 1000) == 1 &&
	       (pollfd.revents & POLLIN);
}

struct dmabuf_sw_sync *timeline_make(const char *name)
{
	struct dmabuf_sw_sync *timeline;

	assert_int_equal(dmabuf_sw_sync_create(name, &timeline), 0);
	return timeline;
}

struct dma_fence *point_make(struct dmabuf_sw_sync *timeline, uint32_t value)
{
	struct dma_fence *fence = dmabuf_sw_sync_fence(timeline, value);

	assert_false(IS_ERR_OR_NULL(fence));
	return fence;
}

int sync_fd(struct dma_fence *fence)
{
	int fd = dmabuf_sync_file_fd(fence, O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

int point_fd(struct dmabuf_sw_sync *timeline, uint32_t value)
{
	struct dma_fence *fence = point_make(timeline, value);
	int fd = sync_fd(fence);

	dma_fence_put(fence);
	return fd;
}

int merge_fds(int fd1, int fd2)
{
	int fd = dmabuf_sync_file_merge("merged", fd1, fd2);

	assert_true(fd >= 0);
	return fd;
}

struct dma_fence *fence_of(int fd)
{
	struct dma_fence *fence = sync_file_get_fence(fd);

	assert_non_null(fence);
	return fence;
}

static int give_an_fd(int sock, void *data)
{
	struct mock_fence *mock = mock_fence_new();
	int fd = dmabuf_sync_file_fd(&mock->base, O_CLOEXEC);

	(void)data;
	PEER_CHECK(fd >= 0 && fd_send(sock, fd));
	close(fd);
	PEER_CHECK(turn_take(sock));
	dma_fence_signal(&mock->base);
	turn_take(sock);
	return 0;
}

struct dma_fence *foreign_fence(struct peer *producer)
{
	struct dma_fence *fence;
	int fd;

	peer_start(producer, give_an_fd, NULL);
	fd = fd_recv(producer->sock);
	fence = fence_of(fd);
	close(fd);
	return fence;
}

static unsigned int info_read(int fd, struct sync_fence_info leaves[LEAVES_MAX])
{
	struct sync_file_info info = {
		.num_fences = LEAVES_MAX,
		.sync_fence_info = (uintptr_t)leaves,
	};

	assert_int_equal(dmabuf_sync_file_info(fd, &info), 0);
	return info.num_fences;
}

unsigned int leaves_of(int fd)
{
	struct sync_fence_info leaves[LEAVES_MAX];

	return info_read(fd, leaves);
}

unsigned int leaves_with(int fd, int status)
{
	struct sync_fence_info leaves[LEAVES_MAX];
	unsigned int nr = info_read(fd, leaves);
	unsigned int nr_with = 0, i;

	for (i = 0; i < nr; i++)
		nr_with += leaves[i].status == status;
	return nr_with;
}

int status_of(int fd)
{
	struct sync_file_info info = { 0 };

	return dmabuf_sync_file_info(fd, &info) ? INT_MIN : info.status;
}

bool is_no_sync_file(int fd)
{
	struct dma_fence *fence = sync_file_get_fence(fd);

	dma_fence_put(fence);
	return !fence;
}

void fds_run_out_or_skip(void)
{
	if (!under_valgrind())
		return;
	print_message("skipped under valgrind: where fds run out, its "
		      "socketpair(2) is EBADF\n");
	skip();
}

bool refs_get_down_to(struct dma_fence *fence, unsigned int refs)
{
	time_t end = time(NULL) + WAIT_S;

	while (__atomic_load_n(&fence->refcount, __ATOMIC_ACQUIRE) > refs) {
		if (time(NULL) > end)
			return false;
		dmabuf_dispatch();
		/* A worker may be at it. */
		sched_yield();
	}
	return true;
}
