/* SPDX-License-Identifier: MIT */
/*
 * udmabuf-file.c - a memfd that a buffer has ranges of
 *
 * The buffer has an fd of its own, so that the caller may close his, and one
 * block of the memfd mapped: while a shared mapping can become writable, nobody
 * seals the memfd against writing. Shrinking was ruled out by a seal before.
 */
#include "exporter/udmabuf-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "buffer/handle.h"
#include "memory/pages.h"

#define SEALS_WRITE (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

/* Allocated at once; a signal loses no more than that. */
#define CHUNK_MIN ((uint64_t)1 << 20)

/* Files of tmpfs and hugetlbfs have seals, and no others. */
static int seals_check(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0)
		return -EBADFD;
	if (!(seals & F_SEAL_SHRINK) || (seals & SEALS_WRITE))
		return -EINVAL;
	return 0;
}

static int range_check(int fd, const struct dmabuf_udmabuf_range *range,
		       struct stat *st)
{
	uint64_t size;
	int ret;

	ret = seals_check(fd);
	if (ret)
		return ret;
	if (fstat(fd, st))
		return errno == EBADF ? -EBADFD : -errno;
	size = (uint64_t)st->st_size;
	if (!range->size || range->size > size ||
	    range->offset > size - range->size)
		return -EINVAL;
	return 0;
}

static struct udmabuf_file *file_find(const struct udmabuf_files *files,
				      const struct stat *st)
{
	struct udmabuf_file *file;

	SLIST_FOREACH(file, files, link)
		if (file->ino == st->st_ino && file->dev == st->st_dev)
			break;
	return file;
}

/* Read-write, however the caller's fd was opened: the kernel does not look. */
static int writable_fd(int fd)
{
	char path[FD_PATH_MAX];
	int mode = fcntl(fd, F_GETFL);
	int again;

	if (mode < 0)
		return -errno;
	if ((mode & O_ACCMODE) == O_RDWR)
		return fd;
	fd_path(path, fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	if (again < 0)
		return -errno;
	close(fd);
	return again;
}

static int file_open(struct udmabuf_file *file,
		     const struct dmabuf_udmabuf_range *range)
{
	struct stat st;
	int ret;
	int fd;

	file->fd = fcntl(range->fd, F_DUPFD_CLOEXEC, 0);
	if (file->fd < 0)
		return errno == EBADF ? -EBADFD : -errno;
	/* Another thread may have put another file under the number. */
	ret = range_check(file->fd, range, &st);
	if (!ret)
		ret = file_page_size(file->fd, &st, &file->block);
	if (ret)
		return ret;
	fd = writable_fd(file->fd);
	if (fd < 0)
		return fd;
	file->fd = fd;
	file->dev = st.st_dev;
	file->ino = st.st_ino;
	return 0;
}

/*
 * Without access to it, and so without a huge page being reserved. A seal that
 * came before is seen now: Linux 6.7 maps a sealed file all the same, EPERM
 * comes from older ones.
 */
static int file_guard(struct udmabuf_file *file, uint64_t offset)
{
	file->first = offset / file->block * file->block;
	file->end = file->first;
	file->guard = mmap(NULL, file->block, PROT_NONE,
			   MAP_SHARED | MAP_NORESERVE, file->fd,
			   (off_t)file->first);
	if (file->guard == MAP_FAILED)
		return errno == EPERM ? -EINVAL : -errno;
	return seals_check(file->fd);
}

static void file_free(struct udmabuf_file *file)
{
	if (file->pages.addr)
		munmap(file->pages.addr, file->pages.size);
	if (file->guard != MAP_FAILED)
		munmap(file->guard, file->block);
	if (file->fd >= 0)
		close(file->fd);
	free(file);
}

static int file_add(struct udmabuf_files *files,
		    const struct dmabuf_udmabuf_range *range,
		    struct udmabuf_file **ret_file)
{
	struct udmabuf_file *file = calloc(1, sizeof(*file));
	int ret;

	if (!file)
		return -ENOMEM;
	file->guard = MAP_FAILED;
	ret = file_open(file, range);
	if (!ret)
		ret = file_guard(file, range->offset);
	if (ret) {
		file_free(file);
		return ret;
	}
	SLIST_INSERT_HEAD(files, file, link);
	*ret_file = file;
	return 0;
}

static int chunk_allocate(int fd, uint64_t offset, uint64_t size)
{
	int ret;

	do {
		ret = fallocate(fd, 0, (off_t)offset, (off_t)size);
	} while (ret && errno == EINTR);
	if (!ret)
		return 0;
	return errno == ENOSPC ? -ENOMEM : -errno;
}

/* Pages that are there: who finds no memory later is killed by SIGBUS. */
static int pages_allocate(const struct udmabuf_file *file,
			  const struct dmabuf_udmabuf_range *range)
{
	uint64_t chunk = file->block > CHUNK_MIN ? file->block : CHUNK_MIN;
	uint64_t offset, left;
	int ret = 0;

	for (offset = range->offset, left = range->size; left && !ret;
	     offset += chunk, left -= chunk) {
		if (chunk > left)
			chunk = left;
		ret = chunk_allocate(file->fd, offset, chunk);
	}
	return ret;
}

static void file_span(struct udmabuf_file *file,
		      const struct dmabuf_udmabuf_range *range)
{
	uint64_t first = range->offset / file->block * file->block;
	uint64_t last = (range->offset + range->size - 1) / file->block;

	if (first < file->first)
		file->first = first;
	if ((last + 1) * file->block > file->end)
		file->end = (last + 1) * file->block;
}

int udmabuf_file_get(struct udmabuf_files *files,
		     const struct dmabuf_udmabuf_range *range,
		     struct udmabuf_file **ret_file)
{
	struct udmabuf_file *file;
	struct stat st;
	int ret;

	ret = range_check(range->fd, range, &st);
	if (ret)
		return ret;
	file = file_find(files, &st);
	if (!file)
		ret = file_add(files, range, &file);
	if (!ret)
		ret = pages_allocate(file, range);
	if (ret)
		return ret;
	file_span(file, range);
	*ret_file = file;
	return 0;
}

void udmabuf_files_free(struct udmabuf_files *files)
{
	struct udmabuf_file *file;

	while ((file = SLIST_FIRST(files))) {
		SLIST_REMOVE_HEAD(files, link);
		file_free(file);
	}
}

int udmabuf_file_map_locked(struct udmabuf_file *file)
{
	size_t length;
	void *addr;

	if (file->pages.addr)
		return 0;
	if (__builtin_sub_overflow(file->end, file->first, &length))
		return -ENOMEM;
	addr = mmap(NULL, length, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_NORESERVE, file->fd, (off_t)file->first);
	if (addr == MAP_FAILED)
		return -errno;
	return dmabuf_pages_init_mapping(&file->pages, addr, length);
}
