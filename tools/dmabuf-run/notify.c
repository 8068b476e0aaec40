/* SPDX-License-Identifier: MIT */
/*
 * notify.c - the loop that answers calls
 *
 * One thread waits for them, and does nothing else that could block: to poll
 * and then to receive can, when the caller was killed in between. What may take
 * its time goes on in a thread of its own, see call_defer().
 */
#include "notify.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "account.h"
#include "answer.h"
#include "handlers.h"
#include "listener.h"
#include "poll-proxy.h"
#include "run.h"

static void answer(struct call *call)
{
	switch (call->nr) {
	case SYS_ioctl:
		ioctl_handle(call);
		return;
	case SYS_mmap:
		mmap_handle(call);
		return;
	case SYS_memfd_create:
		memfd_handle(call);
		return;
	case SYS_epoll_ctl:
		epoll_handle(call);
		return;
	case SYS_exit_group:
		account_exit(call);
		return;
	default:
		break;
	}
	if (rows_handle(call) || poll_handle(call))
		return;
	paths_handle(call);
}

static void handle(const struct seccomp_notif *notif)
{
	struct call call = {
		.caller = { .ops = &caller_ops },
		.id = notif->id,
		.tid = (pid_t)notif->pid,
		.nr = notif->data.nr,
	};
	unsigned int i;

	for (i = 0; i < 6; i++)
		call.args[i] = notif->data.args[i];
	pthread_mutex_lock(&call_lock);
	answer(&call);
	polls_settle();
	/* Nobody wanted it. */
	if (!call.ended)
		call_continue(&call);
	pthread_mutex_unlock(&call_lock);
}

void notify_loop(void)
{
	const struct seccomp_notif *notif;

	/* The program's calls fail then, and do not wait for ever. */
	if (listener_open())
		_exit(STATUS_FAILED);
	while ((notif = listener_receive()))
		handle(notif);
}
