/* SPDX-License-Identifier: MIT */
/*
 * bench-sync.c - what a sync file costs, against a socket pair by hand
 *
 * Prints a table; exit status 1 when a row is over its limit.
 */
#include <dmabuf/dmabuf.h>

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench-fence.h"
#include "bench.h"

static void readable(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	bench_need(poll(&pollfd, 1, -1) == 1 && (pollfd.revents & POLLIN),
		   "poll");
}

/* What was closed is looked for at the end, as the others pay for it. */
static void sync_work(void *data, unsigned int repeat)
{
	static struct bench_line line = BENCH_LINE_INIT;
	struct dma_fence *fence;
	int fd;

	(void)data;
	while (repeat--) {
		fence = bench_fence_new(&line);
		fd = dmabuf_sync_file_fd(fence, O_CLOEXEC);
		bench_need(fd >= 0, "sync file");
		dma_fence_signal(fence);
		readable(fd);
		close(fd);
		dma_fence_put(fence);
	}
	bench_need(dmabuf_dispatch() >= 0, "dispatch");
}

static void sync_hand(void *data, unsigned int repeat)
{
	const struct {
		int32_t status;
		uint32_t zero;
		int64_t timestamp_ns;
	} record = { .status = 1 };
	int fds[2];

	(void)data;
	while (repeat--) {
		bench_need(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC,
				       0, fds), "socketpair");
		bench_need(send(fds[0], &record, sizeof(record),
				MSG_DONTWAIT | MSG_NOSIGNAL) ==
			   (ssize_t)sizeof(record), "send");
		readable(fds[1]);
		close(fds[1]);
		close(fds[0]);
	}
}

int main(void)
{
	const struct bench_row row = {
		.what = "sync file: make, signal, poll, close",
		.against = "socketpair, send, poll, close",
		.limit = 1.15,
		.rounds = 51,
		.repeat = 4000,
		.work = sync_work,
		.hand = sync_hand,
	};

	bench_begin();
	return bench_compare(&row) ? 0 : 1;
}
