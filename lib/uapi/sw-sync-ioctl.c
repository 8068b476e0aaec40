/* SPDX-License-Identifier: MIT */
/* sw-sync-ioctl.c - ioctl(2) on an open sw_sync */
#include <dmabuf/uapi.h>

#include <errno.h>

#include "sync/sync-file.h"
#include "uapi/caller.h"

static long create_fence(struct dmabuf_sw_sync *timeline, uint64_t arg,
			 struct dmabuf_caller *caller)
{
	struct dmabuf_sw_sync_create_fence data;
	const struct answer answer = { caller, arg, &data, sizeof(data) };
	struct fd_reservation reservation;
	struct dma_fence *fence;
	int ret = answer_reserve(caller, &reservation);

	if (ret)
		return ret;
	ret = caller_read(caller, &data, arg, sizeof(data));
	if (ret) {
		fd_unreserve(&reservation);
		return ret;
	}
	fence = dmabuf_sw_sync_fence(timeline, data.value);
	return answer_fence(&answer, &reservation,
			    IS_ERR(fence) ? NULL : fence, NULL, &data.fence);
}

static long inc(struct dmabuf_sw_sync *timeline, uint64_t arg,
		struct dmabuf_caller *caller)
{
	uint32_t count;
	int ret = caller_read(caller, &count, arg, sizeof(count));

	if (!ret)
		dmabuf_sw_sync_inc(timeline, count);
	return ret;
}

/* Whichever timeline was opened: the fence has its own. */
static long get_deadline(uint64_t arg, struct dmabuf_caller *caller)
{
	struct dmabuf_sw_sync_get_deadline data;
	struct sync_file file;
	int64_t deadline;
	int ret = caller_read(caller, &data, arg, sizeof(data));

	if (ret)
		return ret;
	if (data.deadline_ns || data.pad)
		return -EINVAL;
	ret = caller_sync_file(caller, data.fence_fd, &file);
	if (ret)
		return ret == -EBADF || ret == -ENOTTY ? -EINVAL : ret;
	ret = dmabuf_sw_sync_deadline(file.fence, &deadline);
	dma_fence_put(file.fence);
	if (ret)
		return ret;
	data.deadline_ns = (uint64_t)deadline;
	return caller_write(caller, arg, &data, sizeof(data));
}

long dmabuf_sw_sync_ioctl(struct dmabuf_sw_sync *timeline, unsigned int cmd,
			  uint64_t arg, struct dmabuf_caller *caller)
{
	switch (cmd) {
	case DMABUF_SW_SYNC_IOC_CREATE_FENCE:
		return create_fence(timeline, arg, caller);
	case DMABUF_SW_SYNC_IOC_INC:
		return inc(timeline, arg, caller);
	case DMABUF_SW_SYNC_GET_DEADLINE:
		return get_deadline(arg, caller);
	default:
		return -ENOTTY;
	}
}
