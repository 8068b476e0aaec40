/* SPDX-License-Identifier: MIT */
/*
 * poll-wait.c - poll(2) and select(2) that have to wait for fences
 *
 * For as long as the program's thread is stopped a thread of ours polls in its
 * place: proxies of buffers, and copies of the other fds. Between two looks at
 * the stopped thread it sleeps, so that a signal for it is late by LOOK_NS.
 */
#include "poll-wait.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "files.h"
#include "interruptions.h"
#include "log.h"
#include "poll-masked.h"
#include "poll-proxy.h"
#include "poll-set.h"
#include "target.h"
#include "thread.h"

#define LOOK_NS INT64_C(10000000)

/* Of wait_for(): the kernel has to go on, for a signal's sake. */
#define WAIT_MASKED LONG_MIN

/* What stands for an entry of the set */
struct stand_in {
	struct file file;	/* of a buffer: with a reference */
	struct poll_proxy *proxy;	/* of a buffer */
	int copy;		/* of another fd, or -1 */
	uint64_t signals;	/* a signalfd's; else 0 */
};

struct wait {
	struct call *call;
	struct poll_set set;
	struct stand_in *stand_ins;
	struct pollfd *fds;
	unsigned int nr_buffers;
	struct interruptions interruptions;
};

/* Standing in */

/*
 * A signalfd shows the signals of who polls it, so polling our copy would be
 * wrong.
 */
static uint64_t signals_of(const struct call *call, int fd)
{
	FILE *file = target_fdinfo(call->tid, fd);
	uint64_t signals = 0;
	const char *mask;
	char text[512];

	if (!file)
		return 0;
	while (fgets(text, sizeof(text), file)) {
		mask = strstr(text, "sigmask:");
		if (mask == text)
			signals = strtoull(mask + strlen("sigmask:"), NULL, 16);
	}
	fclose(file);
	return signals;
}

static int buffer_stand_in(struct wait *wait, unsigned int i)
{
	struct stand_in *in = &wait->stand_ins[i];
	int ret = poll_proxy_get(&in->file, &in->proxy);

	if (ret)
		return ret;
	wait->nr_buffers++;
	wait->set.entries[i].is_buffer = true;
	wait->fds[i].fd = poll_proxy_fd(in->proxy);
	wait->fds[i].events = wait->set.entries[i].events & (POLLIN | POLLOUT);
	return 0;
}

static int other_stand_in(struct wait *wait, unsigned int i)
{
	struct stand_in *in = &wait->stand_ins[i];
	int fd = wait->set.entries[i].fd;

	/* An anonymous inode's file has no type. */
	if (!(in->file.st.st_mode & S_IFMT))
		in->signals = signals_of(wait->call, fd);
	if (in->signals)
		return 0;
	in->copy = target_fd_get(wait->call->tid, fd);
	wait->fds[i].fd = in->copy;
	wait->fds[i].events = wait->set.entries[i].events;
	if (in->file.kind == FILE_SYNC)
		wait->fds[i].events &= POLLIN;
	return in->copy < 0 ? in->copy : 0;
}

/* An fd that is not open is an answer of poll(2), and an error of select(2). */
static int stand_in_make(struct wait *wait, unsigned int i)
{
	struct stand_in *in = &wait->stand_ins[i];
	int fd = wait->set.entries[i].fd;
	int ret;

	in->copy = -1;
	wait->fds[i].fd = -1;
	if (fd < 0)
		return 0;
	ret = poll_file_of(wait->call->tid, fd, &in->file);
	if (!ret && in->file.kind == FILE_BUFFER)
		return buffer_stand_in(wait, i);
	if (!ret)
		ret = other_stand_in(wait, i);
	if (ret == -EBADF && !wait->set.is_select) {
		wait->set.entries[i].revents = POLLNVAL;
		ret = 0;
	}
	return ret;
}

static int wait_init(struct wait *wait, struct call *call)
{
	unsigned int i;
	int ret;

	memset(wait, 0, sizeof(*wait));
	wait->call = call;
	ret = poll_set_read(call, &wait->set);
	if (ret)
		return ret;
	wait->stand_ins = calloc(wait->set.nr + 1, sizeof(*wait->stand_ins));
	wait->fds = calloc(wait->set.nr + 1, sizeof(*wait->fds));
	if (!wait->stand_ins || !wait->fds)
		return -ENOMEM;
	for (i = 0; i < wait->set.nr; i++)
		wait->stand_ins[i].copy = -1;
	for (i = 0; !ret && i < wait->set.nr; i++)
		ret = stand_in_make(wait, i);
	return ret;
}

/*
 * Before the call is answered: bufinfo counts references, and the program may
 * look there next.
 */
static void stand_ins_free(struct wait *wait)
{
	unsigned int i;

	for (i = 0; wait->stand_ins && i < wait->set.nr; i++) {
		struct stand_in *in = &wait->stand_ins[i];

		if (in->proxy)
			poll_proxy_put(in->proxy);
		if (in->copy >= 0)
			close(in->copy);
		file_put(&in->file);
	}
	free(wait->stand_ins);
	wait->stand_ins = NULL;
}

static void wait_fini(struct wait *wait)
{
	stand_ins_free(wait);
	free(wait->fds);
	poll_set_fini(&wait->set);
}

/* Waiting */

static void sleep_until(struct wait *wait, int64_t until_ns)
{
	int64_t left = until_ns - poll_now();
	struct timespec timeout = { .tv_nsec = left < 0 ? 0 : left };

	/*
	 * All signals are blocked here. It fails where the program may have
	 * more fds than we: then there are no answers but those of buffers.
	 */
	if (ppoll(wait->fds, wait->set.nr, &timeout, NULL) < 0)
		nanosleep(&timeout, NULL);
}

static short answer_of(const struct wait *wait, unsigned int i,
		       const struct thread_status *status)
{
	const struct stand_in *in = &wait->stand_ins[i];
	short events = wait->set.entries[i].events;

	if (in->proxy)
		return events & poll_proxy_ready(in->proxy);
	if (in->signals)
		return status->pending & in->signals ?
			       events & (POLLIN | POLLRDNORM) : 0;
	if (in->copy >= 0)
		return wait->fds[i].revents;
	return wait->set.entries[i].revents;
}

/* How many are ready; poll_set_write() counts a select's bits. */
static long answers_take(struct wait *wait, const struct thread_status *status)
{
	long nr = 0;
	unsigned int i;

	for (i = 0; i < wait->set.nr; i++) {
		wait->set.entries[i].revents = answer_of(wait, i, status);
		nr += wait->set.entries[i].revents != 0;
	}
	return nr;
}

static long interrupted(struct wait *wait, const struct thread_status *status)
{
	switch (interruptions_look(&wait->interruptions, status)) {
	case INTERRUPTION_HANDLER:
		return -EINTR;
	case INTERRUPTION_RESTART:
		return -ERESTARTNOHAND;
	case INTERRUPTION_MASKED:
		return WAIT_MASKED;
	default:
		return 0;
	}
}

/* As in the kernel: first what is ready, then signals, then time. */
static long wait_for(struct wait *wait)
{
	struct thread_status status;
	int64_t until = 0;
	long ret;

	if (wait->set.has_mask)
		wait->interruptions.mask = &wait->set.mask;
	for (;;) {
		sleep_until(wait, until);
		if (!call_valid(wait->call) ||
		    thread_status_read(wait->call->tid, &status))
			return -EINTR;
		ret = answers_take(wait, &status);
		if (!ret)
			ret = interrupted(wait, &status);
		if (ret || poll_now() >= wait->set.deadline_ns)
			return ret;
		until = poll_now() + LOOK_NS;
		if (until > wait->set.deadline_ns)
			until = wait->set.deadline_ns;
	}
}

/* No copies can be made: it is told, wrongly, that buffers are ready. */
static void give_up(struct call *call, int error)
{
	log_line("%d: %s: its other fds cannot be copied (%s): buffers look "
		 "ready", call->tid, call->name, strerrordesc_np(error));
	call_continue(call);
}

static void answer(struct wait *wait)
{
	long ret = wait_for(wait);

	stand_ins_free(wait);
	if (ret != WAIT_MASKED) {
		call_return(wait->call, poll_set_write(wait->call, &wait->set,
						       ret));
		return;
	}
	poll_set_write_timeout(wait->call, &wait->set);
	masked_continue(wait->call, &wait->set, wait->interruptions.signals);
}

void poll_wait(struct call *call)
{
	struct wait wait;
	int ret = wait_init(&wait, call);

	if (ret == -ENOMEM || ret == -EMFILE || ret == -ENFILE)
		call_return(call, -ENOMEM);
	else if (ret && ret != -EBADF && wait.nr_buffers)
		give_up(call, -ret);
	else if (ret)
		call_continue(call);
	else
		answer(&wait);
	wait_fini(&wait);
}
