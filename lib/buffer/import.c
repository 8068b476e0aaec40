/* SPDX-License-Identifier: MIT */
/*
 * import.c - buffers whose memory came as an fd
 *
 * A buffer of another process, a memfd of somebody who does not know the
 * library, or a dma-buf of the kernel (origin.c says which). The object keeps a
 * duplicate of the fd, and with it the origin's buffer; copies of it are what
 * is handed out. Its access mode binds us as it binds everybody.
 *
 * For the kernel's, the brackets of CPU access are the kernel's and those of
 * our own devices, which work on our mapping, inside of them.
 *
 * After fork(2) the child's copy of the object is dead: its fd is closed, so
 * that the child does not keep the origin's buffer, and its mappings were not
 * inherited.
 */
#include "buffer/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <bsd/string.h>
#include <linux/dma-buf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "buffer/fork.h"
#include "buffer/handle.h"
#include "buffer/linear.h"
#include "buffer/origin.h"
#include "buffer/registry.h"

#define SEALS_WRITE (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

/* (r) resv held */
struct import {
	int fd;				/* the handle's, once there is one */
	bool adopted;			/* there is one */
	int mode;			/* as fcntl(F_GETFL) gives it */
	bool writable;			/* by mode and seals, when imported */
	struct dmabuf_pages pages;	/* (r) made by the first map */
	struct origin origin;
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
static void *whole_mapping(struct dma_buf *dmabuf)
{
	const struct import *import = dmabuf->priv;
	int prot = import->writable ? PROT_READ | PROT_WRITE : PROT_READ;
	void *addr;
	int ret;

	registry_lock();
	addr = mmap(NULL, dmabuf->size, prot, MAP_SHARED, import->fd, 0);
	if (addr == MAP_FAILED) {
		addr = ERR_PTR(-errno);
	} else if (madvise(addr, dmabuf->size, MADV_DONTFORK)) {
		ret = -errno;
		munmap(addr, dmabuf->size);
		addr = ERR_PTR(ret);
	}
	registry_unlock();
	return addr;
}

static int memfd_pages(struct dma_buf *dmabuf, struct dmabuf_pages *pages)
{
	const struct import *import = dmabuf->priv;
	int ret;

	registry_lock();
	ret = dmabuf_pages_init_memfd(pages, import->fd, 0, dmabuf->size);
	if (!ret && madvise(pages->addr, pages->size, MADV_DONTFORK)) {
		ret = -errno;
		dmabuf_pages_fini(pages);
	}
	registry_unlock();
	return ret;
}

static int kernel_pages(struct dma_buf *dmabuf, struct dmabuf_pages *pages)
{
	const struct import *import = dmabuf->priv;
	void *addr = whole_mapping(dmabuf);

	if (IS_ERR(addr))
		return (int)PTR_ERR(addr);
	*pages = (struct dmabuf_pages){
		.addr = addr,
		.size = dmabuf->size,
		.mapped = true,
		.writable = import->writable,
	};
	return 0;
}

static int import_pages_locked(struct dma_buf *dmabuf, struct import *import)
{
	struct dmabuf_pages pages;
	int ret;

	if (import->pages.addr)
		return 0;
	ret = import->origin.kernel ? kernel_pages(dmabuf, &pages) :
				      memfd_pages(dmabuf, &pages);
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

/* 0: no direction at all. The kernel's flags are seen from the CPU. */
static uint64_t sync_flags(enum dma_data_direction dir)
{
	switch (dir) {
	case DMA_BIDIRECTIONAL:
		return DMA_BUF_SYNC_RW;
	case DMA_TO_DEVICE:
		return DMA_BUF_SYNC_WRITE;
	case DMA_FROM_DEVICE:
		return DMA_BUF_SYNC_READ;
	case DMA_NONE:
		break;
	}
	return 0;
}

static int kernel_sync(const struct import *import, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };
	int ret;

	do {
		ret = ioctl(import->fd, DMA_BUF_IOCTL_SYNC, &sync);
	} while (ret && errno == EAGAIN);
	return ret ? -errno : 0;
}

/* Waits for the drivers' fences, until a signal handler runs. */
static int kernel_begin(const struct import *import,
			enum dma_data_direction dir)
{
	uint64_t flags = sync_flags(dir);

	if (!flags)
		return -EINVAL;
	return kernel_sync(import, flags | DMA_BUF_SYNC_START);
}

/* It does not wait for others; a signal is no reason to call again. */
static int kernel_end(const struct import *import, enum dma_data_direction dir)
{
	int ret;

	do {
		ret = kernel_sync(import, sync_flags(dir) | DMA_BUF_SYNC_END);
	} while (ret == -EINTR);
	return ret;
}

static int import_begin_cpu_access(struct dma_buf *dmabuf,
				   enum dma_data_direction dir)
{
	const struct import *import = dmabuf->priv;
	int ret = 0;

	if (dead(dmabuf))
		return -EIO;
	if (import->origin.kernel)
		ret = kernel_begin(import, dir);
	return ret ? ret : linear_begin_cpu_access(dmabuf, dir);
}

static int import_end_cpu_access(struct dma_buf *dmabuf,
				 enum dma_data_direction dir)
{
	const struct import *import = dmabuf->priv;
	int ret;

	if (dead(dmabuf))
		return -EIO;
	ret = linear_end_cpu_access(dmabuf, dir);
	if (!ret && import->origin.kernel)
		ret = kernel_end(import, dir);
	return ret;
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
	return dead(dmabuf) ? ERR_PTR(-EIO) : whole_mapping(dmabuf);
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

bool import_is_kernel(const struct dma_buf *dmabuf)
{
	return dmabuf->ops == &import_ops &&
	       ((const struct import *)dmabuf->priv)->origin.kernel;
}

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

static struct import *import_create(int fd, const struct origin *origin)
{
	struct import *import = calloc(1, sizeof(*import));
	int error;

	if (!import)
		return ERR_PTR(-ENOMEM);
	import->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	import->mode = import->fd < 0 ? -1 : fcntl(import->fd, F_GETFL);
	if (import->mode < 0) {
		error = errno;
		import_free(import);
		return ERR_PTR(-error);
	}
	import->writable = (import->mode & O_ACCMODE) != O_RDONLY &&
			   !(origin->seals & SEALS_WRITE);
	import->origin = *origin;
	return import;
}

/* -EBUSY when the inode has a buffer by now. */
static int import_export(struct import *import, size_t size,
			 struct dma_buf **ret_dmabuf)
{
	const struct dma_buf_export_info info = {
		.exp_name = import->origin.exp_name,
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
	ret = handle_adopt(buffer_of(dmabuf), import->fd);
	if (ret) {
		dma_buf_put(dmabuf);
		return ret;
	}
	import->adopted = true;
	*ret_dmabuf = dmabuf;
	return 0;
}

/* The end is where the kernel's say their size; a memfd's place stays. */
static int size_of_file(int fd, const struct origin *origin,
			const struct stat *st, size_t *ret_size)
{
	off_t size = origin->kernel ? lseek(fd, 0, SEEK_END) : st->st_size;

	if (size < 0)
		return -errno;
	return size_of_off(size, ret_size) ? 0 : -EOVERFLOW;
}

/* @fd is the caller's own, and checked: nobody else puts another file there. */
static struct dma_buf *import_or_lookup(int fd, const struct origin *origin)
{
	struct dma_buf *dmabuf;
	struct import *import;
	struct inode_id id;
	struct stat st;
	size_t size = 0;
	int ret;

	if (fstat(fd, &st))
		return ERR_PTR(-errno);
	ret = size_of_file(fd, origin, &st, &size);
	if (ret)
		return ERR_PTR(ret);
	id = (struct inode_id){ st.st_dev, st.st_ino };
	do {
		dmabuf = handle_lookup(&id);
		if (dmabuf)
			return dmabuf;
		import = import_create(fd, origin);
		if (IS_ERR(import))
			return ERR_CAST(import);
		ret = import_export(import, size, &dmabuf);
	} while (ret == -EBUSY);
	return ret ? ERR_PTR(ret) : dmabuf;
}

typedef int (*origin_fn)(int fd, struct origin *origin);

static struct dma_buf *import_checked(int fd, origin_fn origin_of)
{
	struct dma_buf *dmabuf;
	struct origin origin;
	int copy;
	int ret;

	ret = origin_of(fd, &origin);
	if (ret)
		return ERR_PTR(ret);
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return ERR_PTR(-errno);
	/* Another thread may have put another file under the number. */
	ret = origin_of(copy, &origin);
	dmabuf = ret ? ERR_PTR(ret) : import_or_lookup(copy, &origin);
	close(copy);
	return dmabuf;
}

struct dma_buf *import_buffer(int fd)
{
	return import_checked(fd, origin_of_buffer);
}

int import_kernel(int fd, const char *exp_name, struct dma_buf **ret_dmabuf)
{
	struct origin origin = { .kernel = true };
	struct dma_buf *dmabuf;

	buffer_fork_check();
	strlcpy(origin.exp_name, exp_name, sizeof(origin.exp_name));
	dmabuf = import_or_lookup(fd, &origin);
	if (IS_ERR(dmabuf))
		return (int)PTR_ERR(dmabuf);
	*ret_dmabuf = dmabuf;
	return 0;
}

int dmabuf_memfd_import(int fd, struct dma_buf **ret_dmabuf)
{
	struct dma_buf *dmabuf;

	buffer_fork_check();
	dmabuf = import_checked(fd, origin_of_memfd);
	if (IS_ERR(dmabuf))
		return (int)PTR_ERR(dmabuf);
	*ret_dmabuf = dmabuf;
	return 0;
}
