/* SPDX-License-Identifier: MIT */
/*
 * handle.c - the file behind a buffer's fds, and the inode it is known by
 *
 * The exporter's memfd, sealed; or, for a buffer without one, a memfd of the
 * right size and without pages. Others have an fd that came from elsewhere, and
 * hand out copies of it.
 */
#include "buffer/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "buffer/description.h"
#include "buffer/fork.h"
#include "buffer/import.h"
#include "buffer/registry.h"
#include "memory/pages.h"

#define SEALS_PAGES (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define SEALS_OPAQUE (SEALS_PAGES | F_SEAL_WRITE)

void fd_path(char path[FD_PATH_MAX], int fd)
{
	snprintf(path, FD_PATH_MAX, "/proc/self/fd/%d", fd);
}

/* The memfd behind a handle */

static int memfd_seal(int fd, int seals)
{
	int have = fcntl(fd, F_GET_SEALS);
	int ret;

	if (have < 0)
		return -EINVAL;
	if (!(seals & ~have) || !fcntl(fd, F_ADD_SEALS, seals))
		return 0;
	ret = -errno;
	/* Another thread may have come first, and sealed the seals. */
	have = fcntl(fd, F_GET_SEALS);
	return have < 0 || (seals & ~have) ? ret : 0;
}

static int opaque_memfd_create(const struct dma_buf *dmabuf)
{
	const char *exporter = dmabuf->exp_name ? dmabuf->exp_name : "";
	char name[128];
	int ret;
	int fd;

	snprintf(name, sizeof(name), "dmabuf:%s", exporter);
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if ((off_t)dmabuf->size < 0)
		ret = -EOVERFLOW;
	else if (ftruncate(fd, (off_t)dmabuf->size))
		ret = -errno;
	else
		ret = memfd_seal(fd, SEALS_OPAQUE);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

/* The file ends where the buffer ends, or with that page. */
static bool size_fits(const struct dma_buf *dmabuf, off_t file_size)
{
	size_t pages, size;

	return round_up(dmabuf->size, page_size(), &pages) &&
	       size_of_off(file_size, &size) && size >= dmabuf->size &&
	       size <= pages;
}

/* Handles */

static int handle_stat(struct handle *handle)
{
	struct stat st;

	if (fstat(handle->fd, &st))
		return errno == EBADF ? -EINVAL : -errno;
	if ((handle->kind == HANDLE_PAGES || handle->kind == HANDLE_OPAQUE) &&
	    !size_fits(&handle->buffer->base, st.st_size))
		return -EINVAL;
	handle->id = (struct inode_id){ st.st_dev, st.st_ino };
	return file_page_size(handle->fd, &st, &handle->block);
}

struct handle *handle_alloc(struct buffer *buffer, enum handle_kind kind,
			    int fd)
{
	struct handle *handle = calloc(1, sizeof(*handle));

	if (!handle) {
		if (kind == HANDLE_OPAQUE)
			close(fd);
		return NULL;
	}
	handle->buffer = buffer;
	handle->kind = kind;
	handle->fd = fd;
	handle->watch = -1;
	LIST_INIT(&handle->descriptions);
	return handle;
}

void handle_close_locked(struct handle *handle)
{
	if ((handle->kind == HANDLE_OPAQUE || handle->kind == HANDLE_IMPORT) &&
	    handle->fd >= 0)
		close(handle->fd);
	handle->fd = -1;
}

void handle_free(struct handle *handle)
{
	handle_close_locked(handle);
	free(handle);
}

static int exporter_memfd(struct dma_buf *dmabuf)
{
	struct frame frame;
	int fd;

	frame_enter(&frame, NULL, NULL);
	fd = dmabuf->ops->backing_fd(dmabuf);
	frame_leave(&frame);
	return fd;
}

/* The exporter's memfd: the size is what it was found to be, once sealed. */
static int handle_back(struct handle *handle)
{
	int ret;

	/* A memfd that is refused stays as it was. */
	ret = handle_stat(handle);
	if (!ret && handle->kind == HANDLE_PAGES) {
		ret = memfd_seal(handle->fd, SEALS_PAGES);
		if (!ret)
			ret = handle_stat(handle);
	}
	return ret;
}

static int handle_create(struct buffer *buffer, struct handle **ret_handle)
{
	bool backed = buffer->base.ops->backing_fd != NULL;
	struct handle *handle;
	int ret;
	int fd;

	/* First, as the op may end in a BUG: there is nothing to undo yet. */
	fd = backed ? exporter_memfd(&buffer->base) :
		      opaque_memfd_create(&buffer->base);
	if (fd < 0)
		return fd;
	handle = handle_alloc(buffer, backed ? HANDLE_PAGES : HANDLE_OPAQUE,
			      fd);
	if (!handle)
		return -ENOMEM;
	ret = handle_back(handle);
	if (ret)
		handle_free(handle);
	else
		*ret_handle = handle;
	return ret;
}

struct handle *handle_peek(struct buffer *buffer)
{
	struct handle *handle;

	registry_lock();
	handle = buffer->handle;
	registry_unlock();
	return handle;
}

int handle_publish_locked(struct handle *handle)
{
	struct buffer *buffer = handle->buffer;
	int ret;

	if (handle->kind == HANDLE_VIEW)
		return 0;
	if (buffer->handle)
		return buffer->handle == handle ? 0 : -EEXIST;
	ret = registry_index_locked(handle);
	if (!ret)
		buffer->handle = handle;
	return ret;
}

void handle_unpublish_locked(struct handle *handle)
{
	registry_unindex_locked(handle);
	handle->buffer->handle = NULL;
}

static int handle_publish(struct handle *handle)
{
	int ret;

	registry_lock();
	ret = handle_publish_locked(handle);
	registry_unlock();
	return ret;
}

/* The buffer's handle, or one that is not the buffer's yet. */
static int handle_prepare(struct buffer *buffer, struct handle **ret_handle)
{
	struct handle *handle = handle_peek(buffer);

	if (!handle)
		return handle_create(buffer, ret_handle);
	*ret_handle = handle;
	return 0;
}

/* After a failure: free @handle, unless it is the buffer's. */
static void handle_discard(struct handle *handle)
{
	if (handle_peek(handle->buffer) != handle)
		handle_free(handle);
}

int handle_of(struct buffer *buffer, struct handle **ret_handle)
{
	struct handle *handle;
	int ret;

	do {
		ret = handle_prepare(buffer, &handle);
		if (ret)
			return ret;
		ret = handle_publish(handle);
		if (ret)
			handle_discard(handle);
	} while (ret == -EEXIST);
	if (!ret)
		*ret_handle = handle;
	return ret;
}

int handle_adopt(struct buffer *buffer, int fd)
{
	struct handle *handle = handle_alloc(buffer, HANDLE_IMPORT, fd);
	int ret;

	if (!handle)
		return -ENOMEM;
	ret = handle_stat(handle);
	if (!ret)
		ret = handle_publish(handle);
	if (ret) {
		handle->fd = -1;
		handle_free(handle);
	}
	return ret;
}

void handle_fork_child_locked(struct handle *handle)
{
	struct description *description;

	/* Their references stay: only the parent learns when they go. */
	while ((description = LIST_FIRST(&handle->descriptions))) {
		LIST_REMOVE(description, link);
		free(description);
	}
	handle->watch = -1;
	handle->suspect = false;
	if (handle->kind == HANDLE_IMPORT)
		handle_close_locked(handle);
}

/* fds */

static int copy_fd(struct handle *handle, int flags)
{
	int fd;

	if (handle->fd < 0)
		return -EIO;
	fd = fcntl(handle->fd, flags ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
	if (fd < 0)
		return -errno;
	/* The copy holds the memory where it came from, not our object. */
	dma_buf_put(&handle->buffer->base);
	return fd;
}

int dma_buf_fd(struct dma_buf *dmabuf, int flags)
{
	struct description *description;
	struct handle *handle;
	int fd;

	if (!dmabuf)
		return -EINVAL;
	buffer_fork_check();
	flags &= O_CLOEXEC;
	do {
		fd = handle_prepare(buffer_of(dmabuf), &handle);
		if (fd < 0)
			return fd;
		if (handle->kind == HANDLE_IMPORT)
			return copy_fd(handle, flags);
		fd = description_open(handle, flags, &description);
		if (fd < 0)
			handle_discard(handle);
	} while (fd == -EEXIST);
	return fd;
}

struct dma_buf *handle_lookup(const struct inode_id *id)
{
	struct dma_buf *dmabuf = NULL;
	struct handle *handle;

	registry_lock();
	handle = registry_find_locked(id);
	if (handle) {
		dmabuf = &handle->buffer->base;
		get_dma_buf(dmabuf);
	}
	registry_unlock();
	return dmabuf;
}

int inode_id_read(int fd, struct inode_id *ret_id)
{
	struct statx stx;

	/* fstat(2) would wait for the server of a FUSE file, dead or alive. */
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &stx))
		return -errno;
	ret_id->dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	ret_id->ino = stx.stx_ino;
	return 0;
}

struct dma_buf *dma_buf_get(int fd)
{
	struct dma_buf *dmabuf;
	struct inode_id id;
	int ret;

	buffer_fork_check();
	ret = inode_id_read(fd, &id);
	if (ret)
		return ERR_PTR(ret);
	dmabuf = handle_lookup(&id);
	if (dmabuf)
		return dmabuf;
	return import_buffer(fd);
}
