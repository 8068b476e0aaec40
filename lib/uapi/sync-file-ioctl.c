/* SPDX-License-Identifier: MIT */
/* sync-file-ioctl.c - ioctl(2) on a sync file */
#include <dmabuf/uapi.h>

#include <errno.h>
#include <linux/sync_file.h>
#include <stdlib.h>

#include <dmabuf/dma-fence-unwrap.h>

#include "sync/sync-file.h"
#include "uapi/caller.h"

/* Younger than many an installed header. */
#ifndef SYNC_IOC_SET_DEADLINE
struct sync_set_deadline {
	uint64_t deadline_ns;
	uint64_t pad;
};
#define SYNC_IOC_SET_DEADLINE \
	_IOW(SYNC_IOC_MAGIC, 5, struct sync_set_deadline)
#endif

/* MERGE */

static int second_file(struct dmabuf_caller *caller,
		       const struct sync_merge_data *data,
		       struct sync_file *ret_file)
{
	int ret;

	if (data->flags || data->pad)
		return -EINVAL;
	ret = caller_sync_file(caller, data->fd2, ret_file);
	return ret == -EBADF || ret == -ENOTTY ? -ENOENT : ret;
}

static long merge(struct dma_fence *fence, const struct answer *answer,
		  struct fd_reservation *reservation)
{
	struct sync_merge_data *data = answer->data;
	struct dma_fence *fences[2] = { fence };
	struct sync_file second;
	struct dma_fence *both;
	int ret = caller_read(answer->caller, data, answer->arg, answer->size);

	if (!ret)
		ret = second_file(answer->caller, data, &second);
	if (ret) {
		fd_unreserve(reservation);
		return ret;
	}
	/* He gets it back so. */
	data->name[sizeof(data->name) - 1] = '\0';
	fences[1] = second.fence;
	both = dmabuf_fence_merge(2, fences);
	dma_fence_put(second.fence);
	return answer_fence(answer, reservation, both, data->name,
			    &data->fence);
}

static long file_merge(struct sync_file *file, uint64_t arg,
		       struct dmabuf_caller *caller)
{
	struct sync_merge_data data;
	const struct answer answer = { caller, arg, &data, sizeof(data) };
	struct fd_reservation reservation;
	int ret = answer_reserve(caller, &reservation);

	return ret ? ret : merge(file->fence, &answer, &reservation);
}

/* FILE_INFO */

/* Of records as many as there are by now: not more than were counted. */
static int leaves_tell(struct sync_file *file, struct sync_file_info *info,
		       unsigned int nr, struct dmabuf_caller *caller)
{
	struct sync_fence_info *leaves;
	int ret;

	if (info->num_fences < nr)
		return -EINVAL;
	leaves = calloc(nr ? nr : 1, sizeof(*leaves));
	if (!leaves)
		return -ENOMEM;
	sync_file_describe(file, info, leaves);
	ret = caller_write(caller, info->sync_fence_info, leaves,
			   info->num_fences * sizeof(*leaves));
	free(leaves);
	return ret;
}

static long file_info(struct sync_file *file, uint64_t arg,
		      struct dmabuf_caller *caller)
{
	struct sync_file_info info;
	int ret = caller_read(caller, &info, arg, sizeof(info));

	if (ret)
		return ret;
	if (info.flags || info.pad)
		return -EINVAL;
	if (info.num_fences)
		ret = leaves_tell(file, &info, count_leaves(file->fence),
				  caller);
	else
		sync_file_describe(file, &info, NULL);
	return ret ? ret : caller_write(caller, arg, &info, sizeof(info));
}

/* SET_DEADLINE */

static long set_deadline(struct sync_file *file, uint64_t arg,
			 struct dmabuf_caller *caller)
{
	struct sync_set_deadline data;
	int ret = caller_read(caller, &data, arg, sizeof(data));

	if (ret)
		return ret;
	if (data.pad)
		return -EINVAL;
	dma_fence_set_deadline(file->fence, (int64_t)data.deadline_ns);
	return 0;
}

long dmabuf_sync_file_ioctl(struct sync_file *sync_file, unsigned int cmd,
			    uint64_t arg, struct dmabuf_caller *caller)
{
	switch (cmd) {
	case SYNC_IOC_MERGE:
		return file_merge(sync_file, arg, caller);
	case SYNC_IOC_FILE_INFO:
		return file_info(sync_file, arg, caller);
	case SYNC_IOC_SET_DEADLINE:
		return set_deadline(sync_file, arg, caller);
	default:
		return -ENOTTY;
	}
}
