/* SPDX-License-Identifier: MIT */
/*
 * ioctls.c - ioctl(2) on what is ours
 *
 * The library answers; here is only what it cannot know: when an answer takes
 * its time, and what the options want.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "poll-proxy.h"
#include "poll-signal.h"

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

/* A SYNC that begins, on a buffer with fences that are not done */
static bool would_wait(const struct call *call, struct dma_buf *dmabuf,
		       enum dma_resv_usage *ret_usage)
{
	struct dma_buf_sync sync;

	if (cmd_of(call) != DMA_BUF_IOCTL_SYNC ||
	    call_read_argument(call, &sync, sizeof(sync)) ||
	    sync.flags & ~(uint64_t)DMA_BUF_SYNC_RW)
		return false;
	*ret_usage = dma_resv_usage_rw(sync.flags & DMA_BUF_SYNC_WRITE);
	return !dma_resv_test_signaled(dmabuf->resv, *ret_usage);
}

/* 0: go on waiting */
static int interruption(const struct call *call, struct interruptions *look)
{
	struct thread_status status;

	if (!call_valid(call) || thread_status_read(call->tid, &status))
		return -EINTR;
	switch (interruptions_look(look, &status)) {
	case INTERRUPTION_HANDLER:
		return -EINTR;
	case INTERRUPTION_RESTART:
		return -ERESTARTNOHAND;
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

static int fences_wait(struct call *call, struct dma_buf *dmabuf)
{
	struct interruptions look = { 0 };
	enum dma_resv_usage usage;
	int ret = 0;

	__atomic_fetch_add(&nr_waiting, 1, __ATOMIC_RELAXED);
	while (!ret && would_wait(call, dmabuf, &usage)) {
		dma_resv_wait_timeout(dmabuf->resv, usage, false, look_ns());
		ret = interruption(call, &look);
	}
	__atomic_fetch_sub(&nr_waiting, 1, __ATOMIC_RELAXED);
	return ret;
}

static void sync_wait(struct call *call)
{
	struct file file;
	long ret = file_of(call, (int)call->args[0], &file);

	if (ret || file.kind != FILE_BUFFER) {
		call_return(call, ret ? ret : -ENOTTY);
		if (!ret)
			file_put(&file);
		return;
	}
	ret = fences_wait(call, file.dmabuf);
	if (!ret)
		ret = dmabuf_buffer_ioctl(file.dmabuf, cmd_of(call),
					  call->args[2], &call->caller);
	call_return(call, ret);
	file_put(&file);
}

static void buffer_ioctl(struct call *call, struct dma_buf *dmabuf)
{
	enum dma_resv_usage usage;
	long ret;

	if (would_wait(call, dmabuf, &usage)) {
		call_defer(call, sync_wait);
		return;
	}
	ret = dmabuf_buffer_ioctl(dmabuf, cmd_of(call), call->args[2],
				  &call->caller);
	if (cmd_of(call) == DMA_BUF_IOCTL_IMPORT_SYNC_FILE)
		polls_refresh();
	call_return(call, ret);
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

static uint64_t heap_size(struct call *call)
{
	struct dma_heap_allocation_data data;

	if (_IOC_NR(cmd_of(call)) ||
	    call_read_argument(call, &data, sizeof(data.len)))
		return 0;
	return data.len;
}

static uint64_t udmabuf_list_size(struct call *call)
{
	struct udmabuf_create_item item;
	struct udmabuf_create_list list;
	uint64_t at = call->args[2] + sizeof(list);
	uint64_t size = 0;
	uint32_t i;

	if (call_read_argument(call, &list, sizeof(list)) ||
	    list.count > dmabuf_udmabuf_list_limit())
		return 0;
	for (i = 0; i < list.count; i++, at += sizeof(item)) {
		if (target_read(call->tid, &item, at, sizeof(item)))
			return 0;
		size += item.size;
	}
	return size;
}

static uint64_t udmabuf_size(struct call *call)
{
	struct udmabuf_create create;

	if (cmd_of(call) == UDMABUF_CREATE_LIST)
		return udmabuf_list_size(call);
	if (cmd_of(call) != UDMABUF_CREATE ||
	    call_read_argument(call, &create, sizeof(create)))
		return 0;
	return create.size;
}

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

static void heap_ioctl(struct call *call, struct dma_heap *heap)
{
	uint64_t size = options.limit ? heap_size(call) : 0;
	int tries = 0;
	long ret;

	do {
		ret = account_room(size);
		if (!ret)
			ret = dmabuf_heap_ioctl(heap, cmd_of(call),
						call->args[2], &call->caller);
	} while (look_again(ret, &tries));
	call_return(call, ret);
}

static void udmabuf_ioctl(struct call *call)
{
	uint64_t size = options.limit ? udmabuf_size(call) : 0;
	int tries = 0;
	long ret;

	do {
		ret = account_room(size);
		if (!ret)
			ret = dmabuf_udmabuf_ioctl(cmd_of(call), call->args[2],
						   &call->caller);
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

	target_task_name(call->tid, name, sizeof(name));
	fd = flags < 0 ? flags : timeline_open(name);
	if (fd < 0) {
		call_return(call, fd);
		return;
	}
	ret = target_fd_put(call, number, fd, flags);
	close(fd);
	if (ret >= 0)
		ret = file_of(call, number, &file);
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
		heap_ioctl(call, node->heap);
		break;
	case DEVICE_UDMABUF:
		udmabuf_ioctl(call);
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
	return file->kind == FILE_DEVICE && (file->node->kind == DEVICE_HEAP ||
					     file->node->kind == DEVICE_UDMABUF);
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
	    file_of(call, (int)call->args[0], &file))
		return;
	if (file.kind != FILE_OTHER) {
		call_fix_argument(call, _IOC_SIZE(cmd_of(call)));
		decode_ioctl(call, &file);
		ret = account_fail(call->name, allocates(&file));
		if (ret)
			call_return(call, ret);
		else
			answer(call, &file);
	}
	file_put(&file);
}
