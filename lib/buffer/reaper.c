/* SPDX-License-Identifier: MIT */
/* reaper.c - a thread that dispatches, for programs without an event loop */
#include "buffer/reaper.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <dmabuf/dmabuf.h>

#include "base/context.h"
#include "base/report.h"
#include "buffer/fork.h"
#include "buffer/watch.h"

struct reaper {
	pthread_t thread;
	int event_fd;
	int stop_fd;	/* readable: end */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct reaper *reaper;	/* lock; NULL: none runs */

static void *reaper_run(void *data)
{
	const struct reaper *self = data;
	struct pollfd fds[] = {
		{ .fd = self->event_fd, .events = POLLIN },
		{ .fd = self->stop_fd, .events = POLLIN },
	};

	while (!fds[1].revents) {
		if (poll(fds, 2, -1) > 0 && fds[0].revents)
			watch_dispatch();
	}
	return NULL;
}

static int thread_create_masked(struct reaper *self)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&self->thread, NULL, reaper_run, self);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -ret;
}

static int reaper_create(struct reaper **ret_reaper)
{
	struct reaper *self = calloc(1, sizeof(*self));
	int ret;

	if (!self)
		return -ENOMEM;
	self->event_fd = watch_fd();
	if (self->event_fd < 0) {
		ret = self->event_fd;
		goto err_reaper;
	}
	self->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (self->stop_fd < 0) {
		ret = -errno;
		goto err_reaper;
	}
	ret = thread_create_masked(self);
	if (ret)
		goto err_stop_fd;
	*ret_reaper = self;
	return 0;

err_stop_fd:
	close(self->stop_fd);
err_reaper:
	free(self);
	return ret;
}

int dmabuf_reaper_start(void)
{
	int ret = 0;

	buffer_fork_check();
	pthread_mutex_lock(&lock);
	if (!reaper)
		ret = reaper_create(&reaper);
	pthread_mutex_unlock(&lock);
	return ret;
}

void dmabuf_reaper_stop(void)
{
	struct reaper *old;
	uint64_t one = 1;

	if (context_in_callback()) {
		report_warn(__func__, "called from inside an op");
		return;
	}
	buffer_fork_check();
	pthread_mutex_lock(&lock);
	old = reaper;
	reaper = NULL;
	pthread_mutex_unlock(&lock);
	if (!old)
		return;
	while (write(old->stop_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_join(old->thread, NULL);
	close(old->stop_fd);
	free(old);
}

void reaper_fork_child(void)
{
	pthread_mutex_init(&lock, NULL);
	if (!reaper)
		return;
	close(reaper->stop_fd);
	free(reaper);
	reaper = NULL;
}
