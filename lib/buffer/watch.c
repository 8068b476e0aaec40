/* SPDX-License-Identifier: MIT */
/*
 * watch.c - noticing that fds handed out were closed
 *
 * inotify says that something of an inode was closed, and the lock bytes say
 * what (description.c). Three things keep them apart:
 *
 * - The event comes before the lock goes. So a handle with an event is suspect,
 *   and looked at again after growing delays, until it has explained itself.
 * - Equal events are merged, so they cannot be counted: a handle that goes on
 *   having fds out stays suspect for a while after a closed one was found.
 * - The queue overflows. Then every handle is suspect.
 *
 * Looking goes through the kept description only: to open the inode, and close
 * it again, would be an event. Where no watch can be had, the handle is suspect
 * all the time.
 *
 * Everything here is guarded by the registry's lock.
 */
#include "buffer/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>

#include <dmabuf/dmabuf.h>

#include "base/clock.h"
#include "base/context.h"
#include "base/dispatch.h"
#include "base/report.h"
#include "base/worker.h"
#include "buffer/fork.h"
#include "buffer/registry.h"
#include "fence/remote.h"

/* Between the looks at a suspect; the last one is repeated. */
static const int64_t delays_ns[] = {
	200 * US_NS, 1 * MS_NS, 5 * MS_NS, 25 * MS_NS, 125 * MS_NS, SECOND_NS,
};

#define LAST_DELAY (sizeof(delays_ns) / sizeof(delays_ns[0]) - 1)

/* Looks at a suspect that has explained itself: a close takes no longer. */
#define LOOKS_EXPLAINED (LAST_DELAY + 10)

#define POLL_DELAY_NS (100 * MS_NS)

/* As many events as the queue holds: more can wait for the next time. */
#define EVENTS_MAX 16384

RB_HEAD(watch_tree, handle);

static int epoll_fd = -1;		/* over what a dispatch takes away */
static int event_fd = -1;		/* over that, and kick_fd */
static int timer_fd = -1;
static int kick_fd = -1;		/* atomic */
static int inotify_fd = -1;		/* may be missing beside epoll_fd */
static int64_t timer_due_ns;		/* 0: not armed */
static struct watch_tree watches = RB_INITIALIZER(&watches);
static TAILQ_HEAD(, handle) suspects = TAILQ_HEAD_INITIALIZER(suspects);

/* Found closed; their references are still to be dropped. */
static struct description_list closed = LIST_HEAD_INITIALIZER(closed);

/* Handles of one inode, each of another buffer, have one watch in common. */
static int watch_compare(const struct handle *a, const struct handle *b)
{
	uintptr_t a_buffer = (uintptr_t)a->buffer;
	uintptr_t b_buffer = (uintptr_t)b->buffer;

	if (a->watch != b->watch)
		return a->watch > b->watch ? 1 : -1;
	return (a_buffer > b_buffer) - (a_buffer < b_buffer);
}

RB_GENERATE_INTERNAL(watch_tree, handle, by_watch, watch_compare,
		     static __attribute__((unused)))

/* Of those with the watch, or NULL; the others are next in the tree. */
static struct handle *watch_first_locked(int watch)
{
	struct handle key = { .watch = watch };
	struct handle *handle = RB_NFIND(watch_tree, &watches, &key);

	return handle && handle->watch == watch ? handle : NULL;
}

/* Closed descriptions */

static struct description *closed_remove_locked(void)
{
	struct description *description = LIST_FIRST(&closed);

	if (description)
		LIST_REMOVE(description, link);
	return description;
}

/* Suspects */

static bool polled(const struct handle *handle)
{
	return handle->watch < 0;
}

static void suspect_locked(struct handle *handle)
{
	if (!handle->suspect) {
		handle->suspect = true;
		handle->explained = false;
		TAILQ_INSERT_TAIL(&suspects, handle, suspects);
	}
	handle->step = 0;
	handle->due_ns = now_ns() +
			 (polled(handle) ? POLL_DELAY_NS : delays_ns[0]);
}

static void clear_locked(struct handle *handle)
{
	if (!handle->suspect)
		return;
	handle->suspect = false;
	TAILQ_REMOVE(&suspects, handle, suspects);
}

/* The fds */

static int epoll_watch(int set_fd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(set_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* kick_fd is read without the lock. */
static void fd_close(int *fd)
{
	int old = __atomic_exchange_n(fd, -1, __ATOMIC_RELAXED);

	if (old >= 0)
		close(old);
}

static int timer_open(void)
{
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return timer_fd < 0 ? -errno : epoll_watch(epoll_fd, timer_fd);
}

/* Known last of all: who kicks takes no lock, and would write to a number. */
static int kick_open(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int ret = fd < 0 ? -errno : epoll_watch(event_fd, fd);

	if (!ret)
		__atomic_store_n(&kick_fd, fd, __ATOMIC_RELAXED);
	else
		fd_close(&fd);
	return ret;
}

static int user_open(void)
{
	int ret;

	event_fd = epoll_create1(EPOLL_CLOEXEC);
	if (event_fd < 0)
		return -errno;
	ret = epoll_watch(event_fd, epoll_fd);
	return ret ? ret : kick_open();
}

void watch_kick(void)
{
	int fd = __atomic_load_n(&kick_fd, __ATOMIC_RELAXED);
	uint64_t one = 1;

	/*
	 * Full: it is readable. write(2) would be a cancellation point, under
	 * the lock of a fence.
	 */
	if (fd >= 0 && syscall(SYS_write, fd, &one, sizeof(one)) < 0)
		return;
}

static void kick_read(void)
{
	int fd = __atomic_load_n(&kick_fd, __ATOMIC_RELAXED);
	uint64_t nr;

	/* Empty: somebody else was faster. */
	if (fd >= 0 && syscall(SYS_read, fd, &nr, sizeof(nr)) < 0)
		return;
}

static int remote_open(void)
{
	int fd = remote_fd();

	return fd < 0 ? fd : epoll_watch(epoll_fd, fd);
}

/* There are few inotify instances to a user: without one we poll. */
static void inotify_open(void)
{
	inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (inotify_fd >= 0 && epoll_watch(epoll_fd, inotify_fd))
		fd_close(&inotify_fd);
}

static void events_close(void)
{
	fd_close(&inotify_fd);
	fd_close(&timer_fd);
	fd_close(&kick_fd);
	fd_close(&event_fd);
	fd_close(&epoll_fd);
}

static int epoll_open(void)
{
	int ret;

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		return -errno;
	ret = timer_open();
	if (!ret)
		ret = remote_open();
	if (!ret)
		ret = user_open();
	if (ret)
		events_close();
	timer_due_ns = 0;
	return ret;
}

static int events_open_locked(void)
{
	int ret = epoll_fd < 0 ? epoll_open() : 0;

	if (!ret && inotify_fd < 0)
		inotify_open();
	return ret;
}

static int events_fd(const int *fd)
{
	int ret;

	buffer_fork_check();
	registry_lock();
	ret = events_open_locked();
	if (!ret)
		ret = *fd;
	registry_unlock();
	return ret;
}

int dmabuf_event_fd(void)
{
	return events_fd(&event_fd);
}

int watch_fd(void)
{
	return events_fd(&epoll_fd);
}

void watch_fork_child_locked(void)
{
	events_close();
	RB_INIT(&watches);
	TAILQ_INIT(&suspects);
	/* Their references stay, as those of the fds that are still open. */
	while (!LIST_EMPTY(&closed))
		free(closed_remove_locked());
}

static void timer_arm_locked(void)
{
	struct itimerspec when = { 0 };
	struct handle *handle;
	int64_t due_ns = 0;

	TAILQ_FOREACH(handle, &suspects, suspects)
		if (!due_ns || handle->due_ns < due_ns)
			due_ns = handle->due_ns;
	if (due_ns == timer_due_ns)
		return;
	when.it_value.tv_sec = due_ns / SECOND_NS;
	when.it_value.tv_nsec = due_ns % SECOND_NS;
	/* Also makes a timer that ran out unreadable again. */
	if (!timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL))
		timer_due_ns = due_ns;
}

/* Watches */

int watch_add_locked(struct handle *handle)
{
	char path[FD_PATH_MAX];
	int ret;

	ret = events_open_locked();
	if (ret || handle->watch >= 0)
		return ret;
	if (inotify_fd >= 0) {
		fd_path(path, handle->fd);
		handle->watch = inotify_add_watch(inotify_fd, path, IN_CLOSE);
	}
	if (!polled(handle)) {
		RB_INSERT(watch_tree, &watches, handle);
		return 0;
	}
	suspect_locked(handle);
	timer_arm_locked();
	return 0;
}

void watch_remove_locked(struct handle *handle)
{
	clear_locked(handle);
	if (polled(handle))
		return;
	RB_REMOVE(watch_tree, &watches, handle);
	if (!watch_first_locked(handle->watch))
		inotify_rm_watch(inotify_fd, handle->watch);
	handle->watch = -1;
}

/* Events */

static void suspect_all_locked(void)
{
	struct handle *handle;

	RB_FOREACH(handle, watch_tree, &watches)
		suspect_locked(handle);
}

static void event_take_locked(const struct inotify_event *event)
{
	struct handle *handle;

	if (event->mask & IN_Q_OVERFLOW) {
		suspect_all_locked();
		return;
	}
	if (!(event->mask & IN_CLOSE))
		return;
	/* None: the last event of a watch that was removed. */
	handle = watch_first_locked(event->wd);
	while (handle && handle->watch == event->wd) {
		suspect_locked(handle);
		handle = RB_NEXT(watch_tree, &watches, handle);
	}
}

static size_t events_take_locked(const char *events, ssize_t len)
{
	struct inotify_event event;
	size_t nr = 0;
	ssize_t at;

	for (at = 0; at < len; at += (ssize_t)(sizeof(event) + event.len)) {
		memcpy(&event, events + at, sizeof(event));
		event_take_locked(&event);
		nr++;
	}
	return nr;
}

static void events_read_locked(void)
{
	char events[4096];
	size_t nr = 0;
	ssize_t len;

	while (inotify_fd >= 0 && nr < EVENTS_MAX) {
		len = read(inotify_fd, events, sizeof(events));
		if (len <= 0)
			return;
		nr += events_take_locked(events, len);
	}
}

/* Looking */

static bool byte_is_locked(int fd, off_t byte)
{
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = byte,
		.l_len = 1,
	};

	/* If the kernel does not tell, the fd counts as open. */
	return fcntl(fd, F_OFD_GETLK, &lock) || lock.l_type != F_UNLCK;
}

static bool collect_closed_locked(struct handle *handle)
{
	struct description *description, *next;
	bool found = false;

	LIST_FOREACH_SAFE(description, &handle->descriptions, link, next) {
		if (byte_is_locked(handle->fd, description->byte))
			continue;
		LIST_REMOVE(description, link);
		LIST_INSERT_HEAD(&closed, description, link);
		found = true;
	}
	return found;
}

/* All handles of the inode have heard of the same close. */
static void explain_locked(const struct handle *handle)
{
	struct handle *each = watch_first_locked(handle->watch);

	while (each && each->watch == handle->watch) {
		each->explained = true;
		each = RB_NEXT(watch_tree, &watches, each);
	}
}

static void look_again_locked(struct handle *handle, int64_t now)
{
	size_t delay;

	if (now < handle->due_ns)
		return;
	if (polled(handle)) {
		handle->due_ns = now + POLL_DELAY_NS;
		return;
	}
	handle->step++;
	if (handle->explained && handle->step > LOOKS_EXPLAINED) {
		clear_locked(handle);
		return;
	}
	delay = handle->step < LAST_DELAY ? handle->step : LAST_DELAY;
	handle->due_ns = now + delays_ns[delay];
}

static void suspects_look_locked(void)
{
	struct handle *handle, *next;
	int64_t now;

	if (TAILQ_EMPTY(&suspects))
		return;
	now = now_ns();
	TAILQ_FOREACH_SAFE(handle, &suspects, suspects, next) {
		if (collect_closed_locked(handle))
			explain_locked(handle);
		if (LIST_EMPTY(&handle->descriptions))
			watch_remove_locked(handle);
		else
			look_again_locked(handle, now);
	}
}

static struct dma_buf *closed_take(void)
{
	struct description *description;
	struct dma_buf *dmabuf = NULL;

	registry_lock();
	description = closed_remove_locked();
	if (description)
		dmabuf = &description->buffer->base;
	registry_unlock();
	free(description);
	return dmabuf;
}

/* One by one: when a put is a BUG, the others are there the next time. */
static int closed_drop(void)
{
	struct dma_buf *dmabuf;
	int nr = 0;

	while ((dmabuf = closed_take())) {
		dma_buf_put(dmabuf);
		nr++;
	}
	return nr;
}

/* A thread that is cancelled in read(2) would take the lock with it. */
static void look_for_closed(void)
{
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	registry_lock();
	events_read_locked();
	suspects_look_locked();
	if (timer_fd >= 0)
		timer_arm_locked();
	registry_unlock();
	pthread_setcancelstate(cancel, NULL);
}

int watch_dispatch(void)
{
	buffer_fork_check();
	context_settle();
	worker_help();
	remote_look();
	dispatch_look();
	look_for_closed();
	return closed_drop();
}

int dmabuf_dispatch(void)
{
	if (context_in_callback()) {
		report_warn(__func__, "called from inside an op");
		return -EDEADLK;
	}
	kick_read();
	return watch_dispatch();
}
