/* SPDX-License-Identifier: MIT */
/* calls.c - who answers which call */
#include "run.h"

#include <errno.h>
#include <sys/syscall.h>

#include "poll-proxy.h"

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

void call_handle(struct call *call)
{
	answer(call);
	polls_settle();
}
