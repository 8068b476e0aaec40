/* SPDX-License-Identifier: MIT */
/* poll-linux.c - rows: epoll and ppoll of a buffer, epoll of a sync file */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void ppolled(void)
{
	struct pollfd pollfd = { .fd = buffer(), .events = POLLIN | POLLOUT };
	struct timespec now = { 0, 0 };

	expect(1, ppoll(&pollfd, 1, &now, NULL), "ppoll(buf)");
	expect_events(POLLIN | POLLOUT, pollfd.revents, "revents");
}

static int epoll_of(int fd, unsigned int events)
{
	struct epoll_event event = { .events = events };
	int epoll;

	epoll = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1()");
	expect(0, epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event),
	       "epoll_ctl(ADD, fd, %#x)", events);
	return epoll;
}

/* @a: events; those that are there are wanted, or none. */
static void epoll_once(int fd)
{
	struct epoll_event event = { .events = 0 };
	int epoll = epoll_of(fd, (unsigned int)the_row->a);

	expect(the_row->want ? 1 : 0, epoll_wait(epoll, &event, 1, 0),
	       "epoll_wait()");
	expect_events(the_row->want, event.events, "events");
}

static void epolled(void)
{
	epoll_once(buffer());
}

static void epolled_fence(void)
{
	epoll_once(signalled_fence());
}

static void epoll_twice(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int buf = buffer(), epoll;

	epoll = epoll_of(buf, EPOLLIN);
	expect(-EEXIST, epoll_ctl(epoll, EPOLL_CTL_ADD, buf, &event),
	       "epoll_ctl(ADD, buf) again");
}

static void epoll_changed(void)
{
	struct epoll_event event = { .events = EPOLLOUT };
	int buf = buffer(), epoll;

	epoll = epoll_of(buf, EPOLLIN);
	expect(0, epoll_ctl(epoll, EPOLL_CTL_MOD, buf, &event),
	       "epoll_ctl(MOD, buf, EPOLLOUT)");
	expect(1, epoll_wait(epoll, &event, 1, 0), "epoll_wait()");
	expect_events(EPOLLOUT, event.events, "events");
	expect(0, epoll_ctl(epoll, EPOLL_CTL_DEL, buf, NULL),
	       "epoll_ctl(DEL, buf)");
	expect(0, epoll_wait(epoll, &event, 1, 0), "epoll_wait()");
	expect(-ENOENT, epoll_ctl(epoll, EPOLL_CTL_DEL, buf, NULL),
	       "epoll_ctl(DEL, buf) again");
}

/* @a: events that a writer's fence holds. */
static void epoll_fence(void)
{
	int timeline = timeline_open(), buf = buffer(), epoll;
	struct epoll_event event = { .events = 0 };

	buffer_import(buf, DMA_BUF_SYNC_WRITE, timeline_fence(timeline, 1));
	epoll = epoll_of(buf, (unsigned int)the_row->a);
	expect(0, epoll_wait(epoll, &event, 1, 0), "epoll_wait()");
	timeline_inc(timeline, 1);
	expect(1, epoll_wait(epoll, &event, 1, -1),
	       "epoll_wait() after the fence");
	expect_events((unsigned int)the_row->a, event.events, "events");
}

static void epoll_wakes(void)
{
	int timeline = timeline_open(), buf = buffer(), epoll, status;
	struct epoll_event event = { .events = 0 };
	pid_t pid;

	buffer_import(buf, DMA_BUF_SYNC_WRITE, timeline_fence(timeline, 1));
	epoll = epoll_of(buf, EPOLLIN);
	pid = must(fork(), "fork()");
	if (!pid) {
		timeline_inc(timeline, 1);
		_exit(0);
	}
	expect(1, epoll_wait(epoll, &event, 1, -1), "epoll_wait()");
	expect_events(EPOLLIN, event.events, "events");
	must(waitpid(pid, &status, 0), "waitpid()");
}

static void ppoll_fence(void)
{
	int timeline = timeline_open(), buf = buffer();
	struct pollfd pollfd = { .fd = buf, .events = POLLIN };
	struct timespec now = { 0, 0 };

	buffer_import(buf, DMA_BUF_SYNC_WRITE, timeline_fence(timeline, 1));
	expect(0, ppoll(&pollfd, 1, &now, NULL), "ppoll(buf)");
	timeline_inc(timeline, 1);
	expect(1, ppoll(&pollfd, 1, &now, NULL), "ppoll(buf) after the fence");
	expect_events(POLLIN, pollfd.revents, "revents");
}

/* Whoever asks wakes those who wait, itself among them: a new edge. */
static void epoll_edge(void)
{
	struct epoll_event event = { .events = 0 };
	int epoll = epoll_of(buffer(), EPOLLIN | EPOLLET);

	expect(1, epoll_wait(epoll, &event, 1, 0), "epoll_wait()");
	expect(1, epoll_wait(epoll, &event, 1, 0), "epoll_wait() again");
}

#define ROW(name, text, function, ...) \
	{ .id = name, .title = text, .run = function, ##__VA_ARGS__ }

static const struct row buf_poll_linux_rows[] = {
	ROW("buf.poll.ppoll", "ppoll says readable and writable", ppolled),
	ROW("buf.epoll.in-out", "epoll says readable and writable", epolled, .a = EPOLLIN | EPOLLOUT, .want = EPOLLIN | EPOLLOUT),
	ROW("buf.epoll.in", "epoll for EPOLLIN says EPOLLIN", epolled, .a = EPOLLIN, .want = EPOLLIN),
	ROW("buf.epoll.none", "epoll for EPOLLPRI says nothing", epolled, .a = EPOLLPRI),
	ROW("buf.epoll.twice", "a second ADD is EEXIST", epoll_twice),
	ROW("buf.epoll.change", "MOD and DEL work", epoll_changed),
	ROW("buf.epoll.edge", "an edge is told again and again", epoll_edge),
	ROW("buf.fence.ppoll", "ppoll follows the fences", ppoll_fence),
	ROW("buf.fence.epoll-in", "epoll for EPOLLIN follows the fences", epoll_fence, .a = EPOLLIN),
	ROW("buf.fence.epoll-out", "epoll for EPOLLOUT follows the fences", epoll_fence, .a = EPOLLOUT),
	ROW("buf.fence.epoll-wakes", "an epoll wakes", epoll_wakes),
};

static const struct row sync_poll_linux_rows[] = {
	ROW("sync.epoll.in", "epoll for EPOLLIN says EPOLLIN", epolled_fence, .a = EPOLLIN, .want = EPOLLIN),
	ROW("sync.epoll.out", "epoll for EPOLLOUT says nothing", epolled_fence, .a = EPOLLOUT),
	ROW("sync.epoll.all", "epoll for everything says EPOLLIN", epolled_fence, .a = EPOLLIN | EPOLLOUT | EPOLLPRI, .want = EPOLLIN),
};

const struct group buf_poll_linux_group = LINUX_GROUP(TARGET_BUFFER, buf_poll_linux_rows);
const struct group sync_poll_linux_group = LINUX_GROUP(TARGET_SYNC_FILE, sync_poll_linux_rows);
