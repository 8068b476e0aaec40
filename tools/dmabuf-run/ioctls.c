/* SPDX-License-Identifier: MIT */
/*
 * ioctls.c - ioctl(2) on what is ours
 *
 * The library answers; here is only what it cannot know: when an answer takes
 * its time, and what the options want.
 */
#include "handlers.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "answer.h"
#include "decode.h"
#include "fail.h"
#include "files.h"
#include "interruptions.h"
#include "nodes.h"
#include "poll-proxy.h"
#include "target.h"
#include "thread.h"
#include "timeline.h"

/*
 * Between two looks at a thread that waits for a fence, for each 32 that wait
 */
#define LOOK_NS (10 * 1000 * 1000)

static unsigned int nr_waiting;		/* atomic */

/* How often an allocation that failed is tried again */
#define LOOKS_MAX 4

static unsigned int cmd_of(const struct call *call)
{
	return (unsigned int)call->args[1];
}

/* Buffers */

/* A right SYNC that begins, on a buffer with fences that are not done */
static bool would_wait(const struct call *call, struct dma_buf *dmabuf,
		       enum dma_resv_usage *ret_usage)
{
	struct dma_buf_sync sync;

	if (cmd_of(call) != DMA_BUF_IOCTL_SYNC ||
	    call_read_argument(call, &sync, sizeof(sync)) ||
	    !sync.flags || sync.flags & ~(uint64_t)DMA_BUF_SYNC_RW)
		return false;
	*ret_usage = dma_resv_usage_rw(sync.flags & DMA_BUF_SYNC_WRITE);
	return !dma_resv_test_signaled(dmabuf->resv, *ret_usage);
}

/* No other thread can take one of the signals that interrupt this one. */
static bool is_its_own(const struct interruptions *look,
		       const struct thread_status *status)
{
	return status->threads <= 1 || look->signals & status->pending_own;
}

/* 0: go on waiting */
static int interruption(const struct call *call, struct interruptions *look)
{
	struct thread_status status;

	if (!call_valid(call) || thread_status_read(call->tid, &status))
		return -EINTR;
	switch (interruptions_look(look, &status)) {
	case INTERRUPTION_HANDLER:
		return is_its_own(look, &status) ? -ERESTARTSYS : -EINTR;
	case INTERRUPTION_RESTART:
		return -ERESTARTSYS;
	default:
		return 0;
	}
}

/* All looks together are to take a small part of the time. */
static int64_t look_ns(void)
{
	unsigned int nr = __atomic_load_n(&nr_waiting, __ATOMIC_RELAXED);

	return LOOK_NS * (int64_t)(1 + nr / 32);
}

/* The library does not wait here: under call_lock no fence is added. */
static void buffer_answer(struct call *call, struct dma_buf *dmabuf)
{
	long ret = dmabuf_buffer_ioctl(dmabuf, cmd_of(call), call->args[2],
				       &call->caller);

	if (cmd_of(call) == DMA_BUF_IOCTL_IMPORT_SYNC_FILE)
		polls_refresh();
	call_return(call, ret);
}

/*
 * False: there are fences still, or again. Else the reference is given back,
 * under the lock: bufinfo counts it, and the program may look there next.
 */
static bool sync_try(struct call *call, enum dma_resv_usage *ret_usage)
{
	bool waits;

	pthread_mutex_lock(&call_lock);
	waits = would_wait(call, call->dmabuf, ret_usage);
	if (!waits) {
		buffer_answer(call, call->dmabuf);
		dma_buf_put(call->dmabuf);
	}
	pthread_mutex_unlock(&call_lock);
	return !waits;
}

static void sync_wait(struct call *call)
{
	struct interruptions look = { 0 };
	enum dma_resv_usage usage = DMA_RESV_USAGE_WRITE;
	bool done;
	int ret = 0;

	__atomic_fetch_add(&nr_waiting, 1, __ATOMIC_RELAXED);
	done = sync_try(call, &usage);
	while (!done && !ret) {
		dma_resv_wait_timeout(call->dmabuf->resv, usage, false,
				      look_ns());
		done = sync_try(call, &usage);
		if (!done)
			ret = interruption(call, &look);
	}
	__atomic_fetch_sub(&nr_waiting, 1, __ATOMIC_RELAXED);
	if (done)
		return;
	dma_buf_put(call->dmabuf);
	call_return(call, ret);
}

/* The fd may be closed, or be another file's, while its SYNC waits. */
static void buffer_ioctl(struct call *call, struct dma_buf *dmabuf)
{
	enum dma_resv_usage usage;

	if (!would_wait(call, dmabuf, &usage)) {
		buffer_answer(call, dmabuf);
		return;
	}
	get_dma_buf(dmabuf);
	call->dmabuf = dmabuf;
	if (!call_defer(call, sync_wait))
		dma_buf_put(dmabuf);
}

static void timeline_ioctl(struct call *call, struct timeline *timeline)
{
	long ret = dmabuf_sw_sync_ioctl(timeline_sw_sync(timeline),
					cmd_of(call), call->args[2],
					&call->caller);

	polls_refresh();
	call_return(call, ret);
}

/* Allocations */

/*
 * True: try again. Buffers that were closed just now may have had the memory,
 * or fds of ours; the kernel tells of a close a little later, but not much.
 */
static bool look_again(long ret, int *tries)
{
	struct pollfd closes = { .fd = dmabuf_event_fd(), .events = POLLIN };

	if (ret != -ENOMEM && ret != -EMFILE && ret != -ENFILE)
		return false;
	if (*tries == LOOKS_MAX)
		return false;
	if ((*tries)++ && dmabuf_live_buffers())
		poll(&closes, 1, 1);
	polls_dispatch();
	return true;
}

static long device_ask(struct call *call, const struct device_node *node)
{
	if (node->kind == DEVICE_HEAP)
		return dmabuf_heap_ioctl(node->heap, cmd_of(call),
					 call->args[2], &call->caller);
	return dmabuf_udmabuf_ioctl(cmd_of(call), call->args[2], &call->caller);
}

static void alloc_ioctl(struct call *call, const struct device_node *node)
{
	int tries = 0;
	long ret;

	do {
		call->note = NULL;
		ret = device_ask(call, node);
	} while (look_again(ret, &tries));
	call_return(call, ret);
}

/* sw_sync */

/*
 * The node is one file for all who open it. So the fd becomes that of a
 * timeline of its own with the first ioctl.
 */
static void sw_sync_open(struct call *call)
{
	int number = (int)call->args[0];
	int flags = target_fd_flags(call->tid, number);
	struct file file = { .kind = FILE_OTHER };
	char name[32];
	long ret;
	int fd;

	thread_name(call->tid, name, sizeof(name));
	fd = flags < 0 ? flags : timeline_open(name);
	if (fd < 0) {
		call_return(call, fd);
		return;
	}
	ret = call_fd_put(call, number, fd, flags);
	close(fd);
	if (ret >= 0)
		ret = file_of(call->tid, number, &file);
	if (!ret && file.kind == FILE_TIMELINE)
		ret = dmabuf_sw_sync_ioctl(timeline_sw_sync(file.timeline),
					   cmd_of(call), call->args[2],
					   &call->caller);
	call_return(call, ret);
	file_put(&file);
}

static void device_ioctl(struct call *call, const struct device_node *node)
{
	switch (node->kind) {
	case DEVICE_HEAP:
	case DEVICE_UDMABUF:
		alloc_ioctl(call, node);
		break;
	case DEVICE_SW_SYNC:
		sw_sync_open(call);
		break;
	case DEVICE_BUFINFO:
		call_return(call, -ENOTTY);
		break;
	}
}

static void answer(struct call *call, struct file *file)
{
	switch (file->kind) {
	case FILE_BUFFER:
		buffer_ioctl(call, file->dmabuf);
		break;
	case FILE_SYNC:
		call_return(call, dmabuf_sync_file_ioctl(&file->sync,
							 cmd_of(call),
							 call->args[2],
							 &call->caller));
		break;
	case FILE_TIMELINE:
		timeline_ioctl(call, file->timeline);
		break;
	case FILE_DEVICE:
		device_ioctl(call, file->node);
		break;
	case FILE_OTHER:
		break;
	}
}

static bool allocates(const struct file *file)
{
	if (file->kind != FILE_DEVICE)
		return false;
	return file->node->kind == DEVICE_HEAP ||
	       file->node->kind == DEVICE_UDMABUF;
}

/* Those that the kernel answers for files of any kind */
static bool is_generic(unsigned int cmd)
{
	return cmd == FIOCLEX || cmd == FIONCLEX || cmd == FIONBIO ||
	       cmd == FIOASYNC;
}

void ioctl_handle(struct call *call)
{
	struct file file;
	int ret;

	if (is_generic(cmd_of(call)) ||
	    file_of(call->tid, (int)call->args[0], &file))
		return;
	if (file.kind != FILE_OTHER) {
		call_fix_argument(call, _IOC_SIZE(cmd_of(call)));
		decode_ioctl(call, &file);
		ret = fail_take(call, allocates(&file));
		if (ret)
			call_return(call, ret);
		else
			answer(call, &file);
	}
	file_put(&file);
}
