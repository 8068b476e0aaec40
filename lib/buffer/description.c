/* SPDX-License-Identifier: MIT */
/*
 * description.c - the fds handed out, and how each tells that it is closed
 *
 * Each fd handed out is a description of its own of the handle's memfd. It
 * carries a lock on one byte, far behind the end of the file, that no other
 * description has. The kernel drops the lock with the last reference to the
 * description: copies in other processes, copies in flight in a socket and
 * mappings included. So "is the byte locked?" is "is the fd still in use?", and
 * watch.c asks it whenever something was closed.
 *
 * A peer that unlocks the byte causes an early release, one that re-opens the
 * inode a missing one; neither reaches memory that is not its own.
 */
#include "buffer/description.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#include "buffer/registry.h"
#include "buffer/watch.h"

#define BYTE_BASE ((off_t)1 << 62)
#define BYTE_TRIES 16

static int description_flags(const struct handle *handle)
{
	if (handle->kind == HANDLE_OPAQUE)
		return O_WRONLY;
	return handle->buffer->flags;
}

/*
 * Only so that descriptions of different processes do not meet. Not libbsd's
 * arc4random(): its lock may be held by nobody in a forked child.
 */
static uint64_t random_bits(void)
{
	struct timespec ts;
	uint64_t bits;

	if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) == sizeof(bits))
		return bits;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((uint64_t)getpid() << 32) ^ (uint64_t)ts.tv_nsec;
}

static int byte_lock(int fd, short type, off_t *ret_byte)
{
	struct flock lock = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_len = 1,
	};
	int tries;

	lock.l_start = BYTE_BASE | (off_t)(random_bits() & (BYTE_BASE / 2 - 1));
	for (tries = 0; tries < BYTE_TRIES; tries++, lock.l_start++) {
		if (!fcntl(fd, F_OFD_SETLK, &lock)) {
			*ret_byte = lock.l_start;
			return 0;
		}
		if (errno != EAGAIN && errno != EACCES)
			return -errno;
	}
	return -EAGAIN;
}

static int locked_open(const struct handle *handle, int flags, off_t *ret_byte)
{
	int mode = description_flags(handle);
	bool write_only = (mode & O_ACCMODE) == O_WRONLY;
	char path[FD_PATH_MAX];
	int ret;
	int fd;

	fd_path(path, handle->fd);
	fd = open(path, mode | flags);
	if (fd < 0)
		return -errno;
	ret = byte_lock(fd, write_only ? F_WRLCK : F_RDLCK, ret_byte);
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

/* Makes the description, and with it the handle, known; all or nothing. */
static int description_link(struct handle *handle,
			    struct description *description)
{
	bool published;
	int ret;

	registry_lock();
	published = handle->buffer->handle == handle ||
		    handle->kind == HANDLE_VIEW;
	ret = handle_publish_locked(handle);
	if (!ret) {
		ret = watch_add_locked(handle);
		if (!ret)
			LIST_INSERT_HEAD(&handle->descriptions, description,
					 link);
		else if (!published)
			handle_unpublish_locked(handle);
	}
	registry_unlock();
	return ret;
}

int description_open(struct handle *handle, int flags,
		     struct description **ret_description)
{
	struct description *description = malloc(sizeof(*description));
	int ret;
	int fd;

	if (!description)
		return -ENOMEM;
	description->buffer = handle->buffer;
	fd = locked_open(handle, flags, &description->byte);
	if (fd < 0) {
		free(description);
		return fd;
	}
	ret = description_link(handle, description);
	if (ret) {
		close(fd);
		free(description);
		return ret;
	}
	*ret_description = description;
	return fd;
}

static void description_undo(struct handle *handle,
			     struct description *description)
{
	registry_lock();
	LIST_REMOVE(description, link);
	if (LIST_EMPTY(&handle->descriptions))
		watch_remove_locked(handle);
	registry_unlock();
	free(description);
}

int handle_map(struct handle *handle, void *addr, size_t length, int prot,
	       int flags, off_t offset)
{
	struct dma_buf *dmabuf = &handle->buffer->base;
	struct description *description;
	int ret = 0;
	int fd;

	fd = description_open(handle, O_CLOEXEC, &description);
	if (fd < 0)
		return fd;
	get_dma_buf(dmabuf);
	if (mmap(addr, length, prot, flags | MAP_FIXED, fd, offset) ==
	    MAP_FAILED) {
		ret = -errno;
		description_undo(handle, description);
		dma_buf_put(dmabuf);
	}
	close(fd);
	return ret;
}
