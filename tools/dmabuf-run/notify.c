/* SPDX-License-Identifier: MIT */
/*
 * notify.c - calls that threads of the program are stopped in
 *
 * One thread waits for them, and does nothing else that could block: to poll
 * and then to receive can, when the caller was killed in between. What may take
 * its time goes on in a thread of its own.
 *
 * A stopped thread can be killed at any time, and its number be used again. So
 * what is done to it is either done through the listener, which knows, or is
 * nothing but reading; and before its memory is written the call is looked at
 * again.
 */
#include "run.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "poll-proxy.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

/* Of a call's own thread: there may be thousands of them. */
#define STACK_SIZE (256 * 1024)

int notify_fd = -1;
pthread_mutex_t notify_lock = PTHREAD_MUTEX_INITIALIZER;

struct deferred {
	struct call call;
	void (*handle)(struct call *call);
};

static void respond(struct call *call, long result, uint32_t flags)
{
	struct seccomp_notif_resp resp = {
		.id = call->id,
		.val = result >= 0 ? result : 0,
		.error = result < 0 ? (int)result : 0,
		.flags = flags,
	};

	call->ended = true;
	/* ENOENT: it was killed. */
	while (ioctl(notify_fd, SECCOMP_IOCTL_NOTIF_SEND, &resp) &&
	       errno == EINTR)
		;
}

/* Logged first: then the lines of a program have the order of its calls. */
void call_return(struct call *call, long result)
{
	if (options.log && result >= 0)
		decode_result(call);
	log_call(call, result);
	respond(call, result, 0);
}

void call_answer(struct call *call, long result)
{
	respond(call, result, 0);
}

void call_continue(struct call *call)
{
	respond(call, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

void call_return_fd(struct call *call, int fd, int flags)
{
	int number = target_fd_add(call, fd, flags);

	close(fd);
	call_return(call, number);
}

void call_return_low_fd(struct call *call, int fd, int flags)
{
	int number = target_fd_put(call, -1, fd, flags);

	close(fd);
	call_return(call, number);
}

bool call_valid(const struct call *call)
{
	uint64_t id = call->id;

	return !ioctl(notify_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id);
}

static void *deferred_run(void *data)
{
	struct deferred *deferred = data;

	deferred->handle(&deferred->call);
	polls_refresh();
	free(deferred);
	return NULL;
}

bool call_defer(struct call *call, void (*handle)(struct call *call))
{
	struct deferred *deferred = malloc(sizeof(*deferred));
	pthread_attr_t attr;
	pthread_t thread;
	int ret = ENOMEM;

	call->ended = true;
	if (deferred) {
		deferred->call = *call;
		deferred->call.ended = false;
		deferred->handle = handle;
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, STACK_SIZE);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		ret = pthread_create(&thread, &attr, deferred_run, deferred);
		pthread_attr_destroy(&attr);
	}
	if (!ret)
		return true;
	free(deferred);
	call_return(call, -ENOMEM);
	return false;
}

static void handle(const struct seccomp_notif *notif)
{
	struct call call = {
		.caller = { .ops = &target_ops },
		.id = notif->id,
		.tid = (pid_t)notif->pid,
		.nr = notif->data.nr,
	};
	unsigned int i;

	for (i = 0; i < 6; i++)
		call.args[i] = notif->data.args[i];
	pthread_mutex_lock(&notify_lock);
	call_handle(&call);
	/* Nobody wanted it. */
	if (!call.ended)
		call_continue(&call);
	pthread_mutex_unlock(&notify_lock);
}

bool notify_deserted(void)
{
	struct pollfd listener = { .fd = notify_fd };

	return poll(&listener, 1, 0) == 1 && listener.revents & POLLHUP;
}

static void sizes_check(struct seccomp_notif_sizes *sizes)
{
	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, sizes) ||
	    sizes->seccomp_notif < sizeof(struct seccomp_notif))
		sizes->seccomp_notif = sizeof(struct seccomp_notif);
}

void notify_loop(void)
{
	struct seccomp_notif_sizes sizes = { 0 };
	struct seccomp_notif *notif;

	/* Before Linux 6.6 it is only slower. */
	ioctl(notify_fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS,
	      SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	sizes_check(&sizes);
	notif = malloc(sizes.seccomp_notif);
	/* The program's calls fail then, and do not wait for ever. */
	if (!notif)
		_exit(STATUS_FAILED);
	for (;;) {
		memset(notif, 0, sizes.seccomp_notif);
		if (!ioctl(notify_fd, SECCOMP_IOCTL_NOTIF_RECV, notif))
			handle(notif);
		else if (errno != EINTR && notify_deserted())
			break;
	}
	free(notif);
}
