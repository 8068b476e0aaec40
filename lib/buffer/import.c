/* SPDX-License-Identifier: MIT */
/*
 * import.c - buffers whose memory came as an fd
 *
 * A buffer of another process, or a memfd of somebody who does not know the
 * library. The object keeps a duplicate of the fd, and with it the origin's
 * buffer. An fd counts as ours by its seals and its name: that recognises, it
 * does not authenticate. What keeps us from SIGBUS are the seals: nobody can
 * shrink the file, nor punch holes where a hole cannot be filled (huge pages).
 *
 * After fork(2) the child's copy of the object is dead: its fd is closed, so
 * that the child does not keep the origin's buffer, and its mappings were not
 * inherited.
 */
#include "buffer/import.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bsd/string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "buffer/fork.h"
#include "buffer/handle.h"
#include "buffer/linear.h"
#include "buffer/registry.h"
#include "memory/pages.h"

#define LINK_PREFIX "/memfd:dmabuf:"
#define LINK_SUFFIX " (deleted)"

#define NAME_SIZE 64	/* longer names are cut */

#define SEALS_OURS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define SEALS_WRITE (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

/* (r) resv held */
struct import {
	int fd;				/* the handle's, once there is one */
	bool adopted;			/* there is one */
	int mode;			/* as fcntl(F_GETFL) gives it */
	bool writable;			/* by mode and seals, when imported */
	struct dmabuf_pages pages;	/* (r) made by the first map */
	char exp_name[NAME_SIZE];
};

static bool dead(const struct dma_buf *dmabuf)
{
	return buffer_of(dmabuf)->dead;
}

/* Ops */

static int import_attach(struct dma_buf *dmabuf,
			 struct dma_buf_attachment *attach)
{
	if (dead(dmabuf))
		return -EIO;
	return linear_attach(dmabuf, attach);
}

/*
 * No fork comes between a mapping and its advice: fork(2) waits for the
 * registry's lock.
 */
static int import_pages_locked(struct dma_buf *dmabuf, struct import *import)
{
	struct dmabuf_pages pages;
	int ret;

	if (import->pages.addr)
		return 0;
	registry_lock();
	ret = dmabuf_pages_init_memfd(&pages, import->fd, 0, dmabuf->size);
	if (!ret && madvise(pages.addr, pages.size, MADV_DONTFORK)) {
		ret = -errno;
		dmabuf_pages_fini(&pages);
	}
	registry_unlock();
	if (!ret)
		import->pages = pages;
	return ret;
}

static struct sg_table *import_map(struct dma_buf_attachment *attach,
				   enum dma_data_direction dir)
{
	struct import *import = attach->dmabuf->priv;
	int ret;

	if (dead(attach->dmabuf))
		return ERR_PTR(-EIO);
	ret = import_pages_locked(attach->dmabuf, import);
	if (ret)
		return ERR_PTR(ret);
	return linear_map(attach, dir, &import->pages);
}

static int import_begin_cpu_access(struct dma_buf *dmabuf,
				   enum dma_data_direction dir)
{
	if (dead(dmabuf))
		return -EIO;
	return linear_begin_cpu_access(dmabuf, dir);
}

static int import_end_cpu_access(struct dma_buf *dmabuf,
				 enum dma_data_direction dir)
{
	if (dead(dmabuf))
		return -EIO;
	return linear_end_cpu_access(dmabuf, dir);
}

static int import_mmap(struct dma_buf *dmabuf, void *addr, size_t length,
		       int prot, int flags, off_t offset)
{
	struct import *import = dmabuf->priv;

	if (dead(dmabuf))
		return -EIO;
	if (mmap(addr, length, prot, flags | MAP_FIXED, import->fd, offset) ==
	    MAP_FAILED)
		return -errno;
	return 0;
}

/*
 * Read-only where fd and seals said so at the import. A seal that came later is
 * an error: the importer would find out by a fault.
 */
static void *import_vmap(struct dma_buf *dmabuf)
{
	struct import *import = dmabuf->priv;
	int prot = import->writable ? PROT_READ | PROT_WRITE : PROT_READ;
	void *vaddr;
	int ret;

	if (dead(dmabuf))
		return ERR_PTR(-EIO);
	registry_lock();
	vaddr = mmap(NULL, dmabuf->size, prot, MAP_SHARED, import->fd, 0);
	if (vaddr == MAP_FAILED) {
		vaddr = ERR_PTR(-errno);
	} else if (madvise(vaddr, dmabuf->size, MADV_DONTFORK)) {
		ret = -errno;
		munmap(vaddr, dmabuf->size);
		vaddr = ERR_PTR(ret);
	}
	registry_unlock();
	return vaddr;
}

static void import_vunmap(struct dma_buf *dmabuf, void *vaddr)
{
	munmap(vaddr, dmabuf->size);
}

static void import_free(struct import *import)
{
	dmabuf_pages_fini(&import->pages);
	if (!import->adopted && import->fd >= 0)
		close(import->fd);
	free(import);
}

static void import_release(struct dma_buf *dmabuf)
{
	linear_release(dmabuf);
	import_free(dmabuf->priv);
}

static const struct dma_buf_ops import_ops = {
	.attach = import_attach,
	.detach = linear_detach,
	.map_dma_buf = import_map,
	.unmap_dma_buf = linear_unmap,
	.release = import_release,
	.begin_cpu_access = import_begin_cpu_access,
	.end_cpu_access = import_end_cpu_access,
	.mmap = import_mmap,
	.vmap = import_vmap,
	.vunmap = import_vunmap,
};

void import_fork_child(struct dma_buf *dmabuf)
{
	struct import *import = dmabuf->priv;

	if (dead(dmabuf))
		return;
	buffer_of(dmabuf)->dead = true;
	dmabuf->vmapping_counter = 0;
	dmabuf->vmap_ptr = NULL;
	import->fd = -1;
	/* A device that the child inherited may still point at these pages. */
	if (import->pages.addr &&
	    mmap(import->pages.addr, import->pages.size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
			 MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
		import->pages.mapped = false;
}

/* Making one */

static struct import *import_create(int fd, const char *exp_name)
{
	struct import *import = calloc(1, sizeof(*import));
	int error;
	int seals;

	if (!import)
		return ERR_PTR(-ENOMEM);
	import->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	import->mode = import->fd < 0 ? -1 : fcntl(import->fd, F_GETFL);
	seals = import->mode < 0 ? -1 : fcntl(import->fd, F_GET_SEALS);
	if (seals < 0) {
		error = errno;
		import_free(import);
		return ERR_PTR(-error);
	}
	import->writable = (import->mode & O_ACCMODE) != O_RDONLY &&
			   !(seals & SEALS_WRITE);
	strlcpy(import->exp_name, exp_name, sizeof(import->exp_name));
	return import;
}

/* -EBUSY when the inode has a buffer by now. */
static int import_export(struct import *import, size_t size,
			 struct dma_buf **ret_dmabuf)
{
	const struct dma_buf_export_info info = {
		.exp_name = import->exp_name,
		.ops = &import_ops,
		.size = size,
		.flags = import->mode,
		.priv = import,
	};
	struct dma_buf *dmabuf = dma_buf_export(&info);
	int ret;

	if (IS_ERR(dmabuf)) {
		import_free(import);
		return (int)PTR_ERR(dmabuf);
	}
	ret = handle_adopt_import(buffer_of(dmabuf), import->fd);
	if (ret) {
		dma_buf_put(dmabuf);
		return ret;
	}
	import->adopted = true;
	*ret_dmabuf = dmabuf;
	return 0;
}

/* @fd is the caller's own, and checked: nobody else puts another file there. */
static struct dma_buf *import_or_lookup(int fd, const char *exp_name)
{
	struct dma_buf *dmabuf;
	struct import *import;
	struct inode_id id;
	struct stat st;
	size_t size;
	int ret;

	if (fstat(fd, &st))
		return ERR_PTR(-errno);
	if (!size_of_off(st.st_size, &size))
		return ERR_PTR(-EOVERFLOW);
	id = (struct inode_id){ st.st_dev, st.st_ino };
	do {
		dmabuf = handle_lookup(&id);
		if (dmabuf)
			return dmabuf;
		import = import_create(fd, exp_name);
		if (IS_ERR(import))
			return ERR_CAST(import);
		ret = import_export(import, size, &dmabuf);
	} while (ret == -EBUSY);
	return ret ? ERR_PTR(ret) : dmabuf;
}

/* Pages that were punched out of a huge file may never come back. */
static bool holes_possible(int fd, int seals)
{
	struct stat st;
	size_t page;

	if (seals & SEALS_WRITE)
		return false;
	return fstat(fd, &st) || file_page_size(fd, &st, &page) ||
	       page > page_size();
}

/* The exporter's name from the link text; false when it is not ours. */
static bool link_name(int fd, char name[NAME_SIZE])
{
	char path[FD_PATH_MAX];
	char link[PATH_MAX];
	ssize_t len;
	char *end;

	fd_path(path, fd);
	len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		return false;
	link[len] = '\0';
	if (strncmp(link, LINK_PREFIX, strlen(LINK_PREFIX)))
		return false;
	end = strstr(link, LINK_SUFFIX);
	if (end)
		*end = '\0';
	strlcpy(name, link + strlen(LINK_PREFIX), NAME_SIZE);
	return true;
}

typedef int (*check_fn)(int fd, char name[NAME_SIZE]);

/* What a buffer of the library is known by. */
static int ours_check(int fd, char name[NAME_SIZE])
{
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0)
		return errno == EBADF ? -EBADF : -EINVAL;
	if ((SEALS_OURS & ~seals) || holes_possible(fd, seals) ||
	    !link_name(fd, name))
		return -EINVAL;
	return 0;
}

/* What a memfd of anybody needs to be safe. */
static int foreign_check(int fd, char name[NAME_SIZE])
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0)
		return errno == EBADF ? -EBADF : -EINVAL;
	if (!(seals & F_SEAL_SHRINK) || holes_possible(fd, seals))
		return -EPERM;
	if (fstat(fd, &st))
		return -errno;
	strlcpy(name, "memfd", NAME_SIZE);
	return st.st_size > 0 ? 0 : -EINVAL;
}

static struct dma_buf *import_checked(int fd, check_fn check)
{
	struct dma_buf *dmabuf;
	char name[NAME_SIZE];
	int copy;
	int ret;

	ret = check(fd, name);
	if (ret)
		return ERR_PTR(ret);
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return ERR_PTR(-errno);
	/* Another thread may have put another file under the number. */
	ret = check(copy, name);
	dmabuf = ret ? ERR_PTR(ret) : import_or_lookup(copy, name);
	close(copy);
	return dmabuf;
}

struct dma_buf *import_ours(int fd)
{
	return import_checked(fd, ours_check);
}

int dmabuf_memfd_import(int fd, struct dma_buf **ret_dmabuf)
{
	struct dma_buf *dmabuf;

	buffer_fork_check();
	dmabuf = import_checked(fd, foreign_check);
	if (IS_ERR(dmabuf))
		return (int)PTR_ERR(dmabuf);
	*ret_dmabuf = dmabuf;
	return 0;
}
