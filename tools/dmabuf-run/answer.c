/* SPDX-License-Identifier: MIT */
/* answer.c - how a call ends */
#include "answer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "decode.h"
#include "listener.h"
#include "log.h"
#include "poll-proxy.h"
#include "run.h"

/* Of a call's own thread: there may be thousands of them. */
#define STACK_SIZE (256 * 1024)

struct deferred {
	struct call call;
	void (*handle)(struct call *call);
};

static void respond(struct call *call, long result, uint32_t flags)
{
	call->ended = true;
	listener_answer(call->id, result, flags);
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
	int number = fd;

	if (fd >= 0) {
		number = call_fd_add(call, fd, flags);
		close(fd);
	}
	call_return(call, number);
}

void call_return_low_fd(struct call *call, int fd, int flags)
{
	int number = fd;

	if (fd >= 0) {
		number = call_fd_put(call, -1, fd, flags);
		close(fd);
	}
	call_return(call, number);
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
