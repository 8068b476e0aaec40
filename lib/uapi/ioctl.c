/* SPDX-License-Identifier: MIT */
/* ioctl.c - what an fd is, here or in another process */
#include <dmabuf/uapi.h>

#include <errno.h>
#include <linux/dma-buf.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "buffer/fork.h"
#include "buffer/handle.h"
#include "buffer/import.h"
#include "sync/carrier.h"
#include "sync/signaller.h"
#include "sync/sync-file.h"

static long buffer_fd_ioctl(int fd, unsigned int cmd, uint64_t arg)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);
	long ret;

	if (dmabuf == ERR_PTR(-EINVAL))
		return -ENOTTY;
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	/*
	 * Of the kernel's it is the kernel that knows names and fences; a SYNC
	 * is also for the devices of this process.
	 */
	if (import_is_kernel(dmabuf) && cmd != DMA_BUF_IOCTL_SYNC)
		ret = ioctl(fd, cmd, arg) < 0 ? -errno : 0;
	else
		ret = dmabuf_buffer_ioctl(dmabuf, cmd, arg, NULL);
	dma_buf_put(dmabuf);
	return ret;
}

long dmabuf_ioctl(int fd, unsigned int cmd, void *arg)
{
	struct sync_file file;
	long ret = sync_file_look(fd, &file);

	if (ret == -ENOTTY)
		return buffer_fd_ioctl(fd, cmd, (uintptr_t)arg);
	if (ret)
		return ret;
	ret = dmabuf_sync_file_ioctl(&file, cmd, (uintptr_t)arg, NULL);
	dma_fence_put(file.fence);
	return ret;
}

struct dma_buf *dmabuf_find(dev_t dev, ino_t ino)
{
	const struct inode_id id = { dev, ino };

	buffer_fork_check();
	return handle_lookup(&id);
}

int dmabuf_sync_file_id(int fd, uint64_t *ret_id)
{
	struct sync_file file;
	uint64_t id;
	int ret = carrier_id(fd, &id);

	if (ret)
		return ret;
	if (carrier_maker(fd) != getpid() || !signaller_find(id, &file))
		return -ENOTTY;
	dma_fence_put(file.fence);
	*ret_id = id;
	return 0;
}

int dmabuf_sync_file_find(uint64_t id, struct sync_file *ret_file)
{
	return signaller_find(id, ret_file) ? 0 : -ENOENT;
}
