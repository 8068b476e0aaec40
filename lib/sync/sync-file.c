/* SPDX-License-Identifier: MIT */
/*
 * sync-file.c - fences as file descriptors
 *
 * A file of a fence of this process has a pair of its own (carrier.h), and a
 * signaller. A file of a proxy is a copy of the fd that the proxy looks at: so
 * it does not matter to the next process whether this one lives. Only a file
 * with a name of its own has a pair, as the copies of an fd share theirs.
 */
#include "sync/sync-file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <bsd/string.h>

#include <dmabuf/dmabuf.h>

#include "sync/carrier.h"
#include "sync/proxy.h"

struct sync_file *sync_file_create(struct dma_fence *fence)
{
	struct signaller *signaller;

	if (!fence)
		return NULL;
	signaller = signaller_new();
	if (!signaller)
		return NULL;
	signaller->base.fence = dma_fence_get(fence);
	return &signaller->base;
}

void dmabuf_sync_file_destroy(struct sync_file *sync_file)
{
	if (sync_file)
		signaller_free(signaller_of(sync_file));
}

char *sync_file_get_name(struct sync_file *sync_file, char *buf, int len)
{
	struct dma_fence *fence = sync_file->fence;

	if (len <= 0)
		return buf;
	if (sync_file->user_name[0])
		strlcpy(buf, sync_file->user_name, (size_t)len);
	else
		snprintf(buf, (size_t)len, "%s-%s%" PRIu64 "-%" PRId64,
			 fence->ops->get_driver_name(fence),
			 fence->ops->get_timeline_name(fence), fence->context,
			 (int64_t)fence->seqno);
	return buf;
}

/* Making fds */

static bool is_a_copy(const struct sync_file *sync_file)
{
	return fence_is_proxy(sync_file->fence) && !sync_file->user_name[0];
}

static int proxy_fd_copy(struct dma_fence *proxy, int flags)
{
	int cmd = flags & O_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD;
	int fd = fcntl(proxy_fd(proxy), cmd, 0);

	if (fd >= 0 || (errno != EMFILE && errno != ENFILE))
		return fd < 0 ? -errno : fd;
	signallers_make_room();
	fd = fcntl(proxy_fd(proxy), cmd, 0);
	return fd < 0 ? -errno : fd;
}

int dmabuf_sync_file_install(struct sync_file *sync_file, int flags)
{
	struct signaller *signaller = signaller_of(sync_file);
	int fd;

	if (is_a_copy(sync_file)) {
		fd = proxy_fd_copy(sync_file->fence, flags);
		if (fd >= 0)
			signaller_free(signaller);
		return fd;
	}
	fd = signaller_open(signaller);
	if (fd < 0)
		return fd;
	if (!(flags & O_CLOEXEC))
		fcntl(fd, F_SETFD, 0);
	signaller_arm(signaller);
	return fd;
}

int dmabuf_sync_file_fd(struct dma_fence *fence, int flags)
{
	struct sync_file *sync_file;
	int fd;

	if (!fence)
		return -EINVAL;
	sync_file = sync_file_create(fence);
	if (!sync_file)
		return -ENOMEM;
	fd = dmabuf_sync_file_install(sync_file, flags);
	if (fd < 0)
		dmabuf_sync_file_destroy(sync_file);
	return fd;
}

int fd_reserve(struct fd_reservation *reservation)
{
	int fd;

	reservation->fd = -1;
	reservation->signaller = signaller_new();
	if (!reservation->signaller)
		return 0;
	fd = signaller_open(reservation->signaller);
	if (fd >= 0)
		reservation->fd = fd;
	else
		signaller_free(reservation->signaller);
	return fd < 0 ? fd : 0;
}

void fd_unreserve(struct fd_reservation *reservation)
{
	if (!reservation->signaller)
		return;
	signaller_close(reservation->signaller, reservation->fd);
	signaller_free(reservation->signaller);
}

int fd_install(struct fd_reservation *reservation, struct dma_fence *fence,
	       const char *name)
{
	struct signaller *signaller = reservation->signaller;
	int fd = reservation->fd;

	if (!fence || !signaller) {
		dma_fence_put(fence);
		fd_unreserve(reservation);
		return -ENOMEM;
	}
	signaller->base.fence = fence;
	if (name)
		strlcpy(signaller->base.user_name, name,
			sizeof(signaller->base.user_name));
	if (!is_a_copy(&signaller->base)) {
		signaller_arm(signaller);
		return fd;
	}
	signaller_close(signaller, fd);
	fd = proxy_fd_copy(fence, O_CLOEXEC);
	signaller_free(signaller);
	return fd;
}

/* Looking behind them */

/*
 * Is it a pair that this process made, and knows? That another made it cannot
 * be hidden: the kernel says who did. A holder can write an id of his choice, but
 * knows none but those of the fds that he has.
 */
static bool own_file_find(int fd, uint64_t id, struct sync_file *ret_file)
{
	return carrier_maker(fd) == getpid() && signaller_find(id, ret_file);
}

/* With its name, when it is of this process; proxies have none. */
int sync_file_look(int fd, struct sync_file *ret_file)
{
	uint64_t id;
	int ret = carrier_id(fd, &id);

	if (ret || own_file_find(fd, id, ret_file))
		return ret;
	*ret_file = (struct sync_file){ .fence = proxy_get(fd) };
	return PTR_ERR_OR_ZERO(ret_file->fence);
}

struct dma_fence *sync_file_fence(int fd)
{
	struct sync_file file;
	int ret = sync_file_look(fd, &file);

	return ret ? ERR_PTR(ret) : file.fence;
}

struct dma_fence *sync_file_get_fence(int fd)
{
	struct dma_fence *fence = sync_file_fence(fd);

	return IS_ERR(fence) ? NULL : fence;
}

/* Merging */

/* What is no sync file is -ENOENT, as the second one. */
static struct dma_fence *second_fence(int fd)
{
	struct dma_fence *fence = sync_file_fence(fd);

	if (fence == ERR_PTR(-EBADF) || fence == ERR_PTR(-ENOTTY))
		return ERR_PTR(-ENOENT);
	return fence;
}

static int merge(const char *name, struct dma_fence *fences[2])
{
	struct fd_reservation reservation;
	int ret = fd_reserve(&reservation);

	if (ret)
		return ret;
	if (!IS_ERR(fences[1]))
		return fd_install(&reservation, dmabuf_fence_merge(2, fences),
				  name);
	fd_unreserve(&reservation);
	return (int)PTR_ERR(fences[1]);
}

int dmabuf_sync_file_merge(const char *name, int fd1, int fd2)
{
	struct dma_fence *fences[2];
	int ret;

	fences[0] = sync_file_fence(fd1);
	if (IS_ERR(fences[0]))
		return (int)PTR_ERR(fences[0]);
	/* Looked up now: a closed one's number may be that of the new fd. */
	fences[1] = second_fence(fd2);
	ret = merge(name, fences);
	if (!IS_ERR(fences[1]))
		dma_fence_put(fences[1]);
	dma_fence_put(fences[0]);
	return ret;
}

/* Asking */

unsigned int count_leaves(struct dma_fence *fence)
{
	struct dma_fence_unwrap cursor;
	struct dma_fence *leaf;
	unsigned int nr = 0;

	dma_fence_unwrap_for_each(leaf, &cursor, fence)
		nr++;
	return nr;
}

static void leaf_describe(struct dma_fence *leaf, struct sync_fence_info *info)
{
	memset(info, 0, sizeof(*info));
	strlcpy(info->obj_name, leaf->ops->get_timeline_name(leaf),
		sizeof(info->obj_name));
	strlcpy(info->driver_name, leaf->ops->get_driver_name(leaf),
		sizeof(info->driver_name));
	info->status = dma_fence_get_status(leaf);
	if (info->status)
		info->timestamp_ns = (uint64_t)dma_fence_timestamp(leaf);
}

/* The first of them that is not well stands for the file. */
static void leaves_describe(struct dma_fence *fence,
			    struct sync_file_info *info,
			    struct sync_fence_info *leaves)
{
	struct dma_fence_unwrap cursor;
	struct dma_fence *leaf;
	uint32_t nr = 0;

	info->status = 1;
	dma_fence_unwrap_for_each(leaf, &cursor, fence) {
		/* A chain never grows; what is done may go from it. */
		leaf_describe(leaf, &leaves[nr]);
		if (info->status > 0)
			info->status = leaves[nr].status;
		nr++;
	}
	info->num_fences = nr;
}

static int info_check(const struct sync_file_info *info, uint32_t nr_leaves)
{
	if (info->flags || info->pad)
		return -EINVAL;
	if (info->num_fences && info->num_fences < nr_leaves)
		return -EINVAL;
	if (info->num_fences && !info->sync_fence_info)
		return -EFAULT;
	return 0;
}

void sync_file_describe(struct sync_file *file, struct sync_file_info *info,
			struct sync_fence_info *leaves)
{
	if (leaves) {
		leaves_describe(file->fence, info, leaves);
	} else {
		info->status = dma_fence_get_status(file->fence);
		info->num_fences = count_leaves(file->fence);
	}
	sync_file_get_name(file, info->name, sizeof(info->name));
}

static int file_describe(struct sync_file *file, struct sync_file_info *info)
{
	int ret = info_check(info, count_leaves(file->fence));

	if (ret)
		return ret;
	sync_file_describe(file, info,
			   info->num_fences ?
				   (struct sync_fence_info *)(uintptr_t)
					   info->sync_fence_info : NULL);
	return 0;
}

int dmabuf_sync_file_info(int fd, struct sync_file_info *info)
{
	struct sync_file file;
	int ret = sync_file_look(fd, &file);

	if (ret)
		return ret;
	ret = info ? file_describe(&file, info) : -EFAULT;
	dma_fence_put(file.fence);
	return ret;
}
