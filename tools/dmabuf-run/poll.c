/* SPDX-License-Identifier: MIT */
/*
 * poll.c - waiting for buffers' fences
 *
 * A buffer is a memfd here, which the kernel calls ready whatever is asked.
 * That is right, and the kernel may answer, unless a buffer in the set has
 * fences, or is asked for more than a buffer ever says. Sync files are sockets
 * that follow their fence, and so only the latter counts.
 */
#include "handlers.h"

#include <poll.h>
#include <seccomp.h>
#include <sys/syscall.h>

#include "answer.h"
#include "decode.h"
#include "files.h"
#include "poll-masked.h"
#include "poll-proxy.h"
#include "poll-set.h"
#include "poll-wait.h"

static bool is_as_memfd(struct dma_buf *dmabuf, short events)
{
	return buffer_ready(dmabuf, events) == events;
}

/* A socket says nothing wrong unless it is asked for more than POLLIN. */
static bool is_as_socket(short events)
{
	return !(events & ~POLLIN);
}

/* True: the kernel's answer would be right. */
static bool entry_is_native(const struct call *call, const struct poll_set *set,
			    const struct poll_entry *entry)
{
	short events = entry->events;
	struct file file;
	bool native = true;

	if (entry->fd < 0 || poll_file_of(call->tid, entry->fd, &file))
		return true;
	/* select(2) makes no difference between one and the other POLLIN. */
	if (set->is_select)
		events &= POLLIN | POLLOUT;
	if (file.kind == FILE_BUFFER)
		native = is_as_memfd(file.dmabuf, events &
				     (POLLIN | POLLOUT | POLLRDNORM |
				      POLLWRNORM));
	else if (file.kind == FILE_SYNC)
		native = is_as_socket(events);
	file_put(&file);
	return native;
}

/* What is not left to the kernel is shown in words, when it is answered. */
static bool set_is_native(struct call *call)
{
	struct poll_set set;
	bool native = true;
	unsigned int i;

	if (poll_set_read(call, &set))
		return true;
	for (i = 0; native && i < set.nr; i++)
		native = entry_is_native(call, &set, &set.entries[i]);
	if (!native)
		decode_poll(call, &set);
	poll_set_fini(&set);
	return native;
}

static const char *name_of(int nr)
{
	switch (nr) {
	case SCMP_SYS(poll):
		return "poll";
	case SCMP_SYS(select):
		return "select";
	case SYS_ppoll:
		return "ppoll";
	case SYS_pselect6:
		return "pselect6";
	default:
		return NULL;
	}
}

bool poll_handle(struct call *call)
{
	const char *name = name_of(call->nr);

	if (!name)
		return false;
	call->name = name;
	masked_end(call->tid);
	if (!set_is_native(call))
		call_defer(call, poll_wait);
	return true;
}
