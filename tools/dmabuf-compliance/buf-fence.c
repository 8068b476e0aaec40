/* SPDX-License-Identifier: MIT */
/* buf-fence.c - rows: a buffer with fences that wait (sw_sync makes them) */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ DMA_BUF_SYNC_READ
#define WRITE DMA_BUF_SYNC_WRITE
#define RW DMA_BUF_SYNC_RW
#define BOTH (POLLIN | POLLOUT)

/* What poll must say while the fence waits: by the use it was added with. */
static int ready_beside(unsigned int use)
{
	return use & WRITE ? 0 : POLLIN;
}

/* @a: use. */
static void polled(void)
{
	int timeline = timeline_open(), buf = buffer();

	buffer_import(buf, (unsigned int)the_row->a,
		      timeline_fence(timeline, 1));
	expect_events(ready_beside((unsigned int)the_row->a),
		      fd_poll(buf, BOTH), "poll(buf) while the fence waits");
	timeline_inc(timeline, 1);
	expect_events(BOTH, fd_poll(buf, BOTH), "poll(buf) after the fence");
}

static void polled_by_copy(void)
{
	int timeline = timeline_open(), buf = buffer(), copy;

	copy = must(dup(buf), "dup(buf)");
	buffer_import(buf, WRITE, timeline_fence(timeline, 1));
	expect_events(0, fd_poll(copy, BOTH), "poll(copy)");
	timeline_inc(timeline, 1);
	expect_events(BOTH, fd_poll(copy, BOTH), "poll(copy)");
}

/* Several fences take several rounds, and all must be over. */
static void several(void)
{
	int timeline = timeline_open(), other = timeline_open();
	int buf = buffer();

	buffer_import(buf, WRITE, timeline_fence(timeline, 1));
	buffer_import(buf, WRITE, timeline_fence(other, 1));
	buffer_import(buf, READ, timeline_fence(timeline, 2));
	expect_events(0, fd_poll(buf, BOTH), "poll(buf) before the first");
	timeline_inc(timeline, 1);
	expect_events(0, fd_poll(buf, BOTH), "poll(buf) before the second");
	timeline_inc(other, 1);
	expect_events(POLLIN, fd_poll(buf, BOTH), "poll(buf), one reader left");
	timeline_inc(timeline, 1);
	expect_events(BOTH, fd_poll(buf, BOTH), "poll(buf) after the last");
}

static void child_incs(void *arg)
{
	timeline_inc(*(int *)arg, 1);
}

/* The child may come first or last: the poll ends either way. */
static void expect_wakes(int buf, short events, int timeline)
{
	struct pollfd pollfd = { .fd = buf, .events = events };
	int status;
	pid_t pid;

	pid = must(fork(), "fork()");
	if (!pid) {
		child_incs(&timeline);
		_exit(0);
	}
	expect(1, poll(&pollfd, 1, -1), "poll(buf, %#x, -1)",
	       (unsigned int)events);
	expect_events(events, pollfd.revents, "revents");
	must(waitpid(pid, &status, 0), "waitpid()");
}

/* @a: use, @b: events. */
static void wakes(void)
{
	int timeline = timeline_open(), buf = buffer();

	buffer_import(buf, (unsigned int)the_row->a,
		      timeline_fence(timeline, 1));
	expect_events(0, fd_poll(buf, (short)the_row->b), "poll(buf)");
	expect_wakes(buf, (short)the_row->b, timeline);
}

/* Both wait for one event of one fence. */
static void two_wait(void)
{
	int timeline = timeline_open(), buf = buffer(), status;
	pid_t pid;

	buffer_import(buf, WRITE, timeline_fence(timeline, 1));
	pid = must(fork(), "fork()");
	if (!pid) {
		expect_wait(buf, POLLIN, "buf in the child");
		_exit(0);
	}
	expect_events(0, fd_poll(buf, POLLIN), "poll(buf)");
	expect_wakes(buf, POLLIN, timeline);
	must(waitpid(pid, &status, 0), "waitpid()");
	expect_value(0, status, "the child");
}

/* The first to end is not the last: the poll goes on waiting. */
static void wakes_at_last(void)
{
	struct pollfd pollfd = { .events = POLLIN };
	int first = timeline_open(), last = timeline_open(), status;
	pid_t pid;

	pollfd.fd = buffer();
	buffer_import(pollfd.fd, WRITE, timeline_fence(first, 1));
	buffer_import(pollfd.fd, WRITE, timeline_fence(last, 1));
	expect_events(0, fd_poll(pollfd.fd, POLLIN), "poll(buf)");
	pid = must(fork(), "fork()");
	if (!pid) {
		timeline_inc(first, 1);
		timeline_inc(last, 1);
		_exit(0);
	}
	expect(1, poll(&pollfd, 1, -1), "poll(buf, POLLIN, -1)");
	expect_events(POLLIN, pollfd.revents, "revents");
	expect_signalled(buffer_export(pollfd.fd, READ), true,
			 "what is exported then");
	must(waitpid(pid, &status, 0), "waitpid()");
}

static void caught(int signal)
{
	(void)signal;
}

/* Its signals come again and again, so that one comes during the call. */
static void child_disturbs(void)
{
	pid_t parent = getppid();

	while (getppid() == parent) {
		kill(parent, SIGUSR1);
		poll(NULL, 0, 1);
	}
	_exit(0);
}

/* Nobody signals: SYNC ends by a signal of the other kind, or did not wait. */
static void sync_disturbed(void)
{
	struct dma_buf_sync sync = { .flags = (unsigned int)the_row->b };
	struct sigaction action = { .sa_handler = caught };
	int timeline = timeline_open(), buf = buffer(), status;
	pid_t pid;

	buffer_import(buf, (unsigned int)the_row->a,
		      timeline_fence(timeline, 1));
	must(sigaction(SIGUSR1, &action, NULL), "sigaction(SIGUSR1)");
	pid = must(fork(), "fork()");
	if (!pid)
		child_disturbs();
	expect(-EINTR, ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync),
	       "ioctl(buf, DMA_BUF_IOCTL_SYNC, START | %#llx)", the_row->b);
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		continue;
}

/* SYNC returns when the fences are over that its direction waits for. */
static void sync_waits(void)
{
	struct dma_buf_sync sync = { .flags = (unsigned int)the_row->b };
	int timeline = timeline_open(), buf = buffer(), fence, status;
	pid_t pid;

	fence = timeline_fence(timeline, 1);
	buffer_import(buf, (unsigned int)the_row->a, fence);
	pid = must(fork(), "fork()");
	if (!pid) {
		child_incs(&timeline);
		_exit(0);
	}
	expect(0, ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync),
	       "ioctl(buf, DMA_BUF_IOCTL_SYNC, START | %#llx)", the_row->b);
	expect_value(1, fence_status(fence), "the fence after SYNC");
	must(waitpid(pid, &status, 0), "waitpid()");
}

/* Nobody signals: were SYNC to wait, it would wait for ever. */
static void sync_waits_not(void)
{
	struct dma_buf_sync sync = { .flags = (unsigned int)the_row->b };
	int timeline = timeline_open(), buf = buffer(), fence;

	fence = timeline_fence(timeline, 1);
	buffer_import(buf, (unsigned int)the_row->a, fence);
	expect(0, ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync),
	       "ioctl(buf, DMA_BUF_IOCTL_SYNC, %#llx)", the_row->b);
	expect_value(0, fence_status(fence), "the fence after SYNC");
}

/* Refused at once: nobody signals. */
static void sync_refused(void)
{
	struct dma_buf_sync sync = { .flags = (unsigned int)the_row->b };
	int timeline = timeline_open(), buf = buffer();

	buffer_import(buf, (unsigned int)the_row->a,
		      timeline_fence(timeline, 1));
	expect(-EINVAL, ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync),
	       "ioctl(buf, DMA_BUF_IOCTL_SYNC, %#llx)", the_row->b);
}

/* A START comes first, without which udmabuf takes no END. */
static void sync_ends_at_once(void)
{
	struct dma_buf_sync sync = { .flags = (unsigned int)the_row->b };
	int timeline = timeline_open(), buf = buffer(), fence;

	expect(0, ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync),
	       "ioctl(buf, DMA_BUF_IOCTL_SYNC, START | %#llx)", the_row->b);
	fence = timeline_fence(timeline, 1);
	buffer_import(buf, (unsigned int)the_row->a, fence);
	sync.flags |= DMA_BUF_SYNC_END;
	expect(0, ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync),
	       "ioctl(buf, DMA_BUF_IOCTL_SYNC, END | %#llx)", the_row->b);
	expect_value(0, fence_status(fence), "the fence after SYNC");
}

/* @a: use at import, @b: flags at export, @want: leaves that wait. */
static void exported(void)
{
	int timeline = timeline_open(), buf = buffer(), fence;

	buffer_import(buf, (unsigned int)the_row->a,
		      timeline_fence(timeline, 1));
	fence = buffer_export(buf, (unsigned int)the_row->b);
	expect_signalled(fence, !the_row->want, "the exported fence");
	timeline_inc(timeline, 1);
	expect_signalled(fence, true, "the exported fence afterwards");
}

static void export_is_a_snapshot(void)
{
	int timeline = timeline_open(), buf = buffer(), early, late;

	early = buffer_export(buf, RW);
	buffer_import(buf, WRITE, timeline_fence(timeline, 1));
	late = buffer_export(buf, RW);
	expect_signalled(early, true, "the fence exported before");
	expect_signalled(late, false, "the fence exported afterwards");
	timeline_inc(timeline, 1);
	expect_signalled(late, true, "the fence exported afterwards");
}

static void export_of_several(void)
{
	int timeline = timeline_open(), other = timeline_open();
	int buf = buffer(), fence;

	buffer_import(buf, WRITE, timeline_fence(timeline, 1));
	buffer_import(buf, READ, timeline_fence(other, 1));
	fence = buffer_export(buf, WRITE);
	expect_value(2, fence_leaves(fence), "number of fences");
	fence = buffer_export(buf, READ);
	expect_value(1, fence_leaves(fence), "number of fences");
}

static void export_of_unsignalled(void)
{
	int timeline = timeline_open(), other = timeline_open();
	int buf = buffer(), fence;

	buffer_import(buf, WRITE, timeline_fence(timeline, 1));
	buffer_import(buf, WRITE, timeline_fence(other, 1));
	timeline_inc(timeline, 1);
	fence = buffer_export(buf, RW);
	expect_value(1, fence_leaves(fence), "number of fences");
	expect_signalled(fence, false, "the exported fence");
	timeline_inc(other, 1);
	expect_signalled(fence, true, "the exported fence afterwards");
}

/* @first ends before @last, whichever comes first in the sync file. */
static void import_both(int fence, int first, int last)
{
	int buf = buffer();

	buffer_import(buf, WRITE, fence);
	timeline_inc(first, 1);
	expect_events(0, fd_poll(buf, BOTH), "poll(buf), one fence left");
	timeline_inc(last, 1);
	expect_events(BOTH, fd_poll(buf, BOTH), "poll(buf) after both");
}

static void import_of_merged(void)
{
	int a = timeline_open(), b = timeline_open();

	import_both(fence_merge(timeline_fence(a, 1), timeline_fence(b, 1)),
		    a, b);
	import_both(fence_merge(timeline_fence(a, 2), timeline_fence(b, 2)),
		    b, a);
}

/* Closing a timeline ends its fences with an error, which poll never tells. */
static void timeline_closed(void)
{
	int timeline = timeline_open(), buf = buffer();

	buffer_import(buf, WRITE, timeline_fence(timeline, 1));
	expect_events(0, fd_poll(buf, BOTH), "poll(buf)");
	expect(0, close(timeline), "close(timeline)");
	expect_wait(buf, BOTH, "buf");
}

static int select_now(int buf, fd_set *in, fd_set *out)
{
	struct timeval now = { 0, 0 };

	FD_ZERO(in);
	FD_ZERO(out);
	FD_SET(buf, in);
	FD_SET(buf, out);
	return select(buf + 1, in, out, NULL, &now);
}

static void selected(void)
{
	int timeline = timeline_open(), buf = buffer();
	fd_set in, out;

	if (buf >= FD_SETSIZE)
		skip("the fd does not fit into an fd_set");
	buffer_import(buf, READ, timeline_fence(timeline, 1));
	expect(1, select_now(buf, &in, &out), "select(buf)");
	if (!FD_ISSET(buf, &in))
		fail("select: expected readable, got writable");
	timeline_inc(timeline, 1);
	expect(2, select_now(buf, &in, &out), "select(buf) after the fence");
}

/* The armed slots are left to a buffer whose last fd is closed. */
static void closed_while_armed(void)
{
	int timeline = timeline_open(), buf = buffer();

	buffer_import(buf, WRITE, timeline_fence(timeline, 1));
	expect_events(0, fd_poll(buf, BOTH), "poll(buf)");
	expect(0, close(buf), "close(buf)");
	timeline_inc(timeline, 1);
}

#define ROW(name, text, function, ...) \
	{ .id = "buf.fence." name, .title = text, .run = function, ##__VA_ARGS__ }

static const struct row buf_fence_rows[] = {
	ROW("poll-write", "a writer's fence holds both events", polled, .a = WRITE),
	ROW("poll-read", "a reader's fence holds POLLOUT alone", polled, .a = READ),
	ROW("poll-both", "a fence added as RW is a writer's", polled, .a = RW),
	ROW("poll-dup", "a copy of the fd follows the fences as well", polled_by_copy),
	ROW("poll-several", "several fences must all be over", several),
	ROW("select", "select follows the fences", selected),
	ROW("wake-in", "a poll for POLLIN wakes", wakes, .a = WRITE, .b = POLLIN),
	ROW("wake-out", "a poll for POLLOUT wakes", wakes, .a = READ, .b = POLLOUT),
	ROW("wake-two", "two that poll both wake", two_wait),
	ROW("wake-last", "a poll wakes after the last of two fences", wakes_at_last),
	ROW("sync-ends", "SYNC returns after the fence it waits for", sync_waits, .a = WRITE, .b = RW),
	ROW("sync-read-write", "SYNC READ waits for a writer, till a signal: EINTR", sync_disturbed, .a = WRITE, .b = READ),
	ROW("sync-write-write", "SYNC WRITE waits for a writer, till a signal: EINTR", sync_disturbed, .a = WRITE, .b = WRITE),
	ROW("sync-write-read", "SYNC WRITE waits for a reader, till a signal: EINTR", sync_disturbed, .a = READ, .b = WRITE),
	ROW("sync-both-read", "SYNC RW waits for a reader, till a signal: EINTR", sync_disturbed, .a = READ, .b = RW),
	ROW("sync-read-read", "SYNC READ does not wait for a reader", sync_waits_not, .a = READ, .b = READ),
	ROW("sync-order", "SYNC with an unknown bit is EINVAL before it waits", sync_refused, .a = WRITE, .b = RW | 8),
	ROW("sync-order-none", "so is SYNC for neither READ nor WRITE", sync_refused, .a = WRITE),
	ROW("sync-end-write", "SYNC END does not wait", sync_ends_at_once, .a = WRITE, .b = RW),
	ROW("export-write-read", "READ of a buffer with a writer waits", exported, .a = WRITE, .b = READ, .want = 1),
	ROW("export-write-write", "WRITE of a buffer with a writer waits", exported, .a = WRITE, .b = WRITE, .want = 1),
	ROW("export-read-read", "READ of a buffer with a reader is signalled", exported, .a = READ, .b = READ),
	ROW("export-read-write", "WRITE of a buffer with a reader waits", exported, .a = READ, .b = WRITE, .want = 1),
	ROW("export-read-both", "RW of a buffer with a reader waits", exported, .a = READ, .b = RW, .want = 1),
	ROW("export-snapshot", "fences added later are not in it", export_is_a_snapshot),
	ROW("export-several", "two fences are exported as two", export_of_several),
	ROW("export-unsignalled", "fences that are over are not exported", export_of_unsignalled),
	ROW("import-merged", "each fence of a merged sync file counts", import_of_merged),
	ROW("timeline-closed", "a fence that failed is over", timeline_closed),
	ROW("close-armed", "a buffer can be closed while its fence waits", closed_while_armed),
};

const struct group buf_fence_group = GROUP(TARGET_BUFFER, buf_fence_rows);
