/* SPDX-License-Identifier: MIT */
/*
 * memfd.c - an exporter on the pages of a memfd, which any process can map
 *
 * The memfd is the buffer: the CPU and devices reach its pages through shared
 * mappings of it, and the library hands out fds of it.
 *
 *	vmap       a mapping made for it, gone with the last vunmap
 *	devices    one mapping, made by the first map, gone at release
 *	fds        backing_fd gives the memfd to the library
 *
 * The heaps' buffers are made so too, with maps and mmaps of their own.
 *
 * Huge pages have that one mapping from the start, since it reserves them, and
 * vmap gives it out too. Whoever may write to a huge memfd may punch holes into
 * it that cannot be filled. So one that is exported read-only is sealed against
 * writing by all but that mapping.
 */
#include "exporter/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/util.h"

/* (c) constant  (r) resv held */
struct memfd {
	int fd;				/* (c) */
	bool huge;			/* (c) */
	struct dmabuf_pages pages;	/* (r), huge (c); addr may be NULL */
};

static int memfd_pages_locked(struct memfd *memfd, size_t size)
{
	if (memfd->pages.addr)
		return 0;
	return dmabuf_pages_init_memfd(&memfd->pages, memfd->fd, 0, size);
}

int memfd_map_pages(struct dma_buf *dmabuf,
		    const struct dmabuf_pages **ret_pages)
{
	struct memfd *memfd = dmabuf->priv;

	*ret_pages = &memfd->pages;
	return memfd_pages_locked(memfd, dmabuf->size);
}

struct sg_table *memfd_map(struct dma_buf_attachment *attach,
			   enum dma_data_direction dir)
{
	const struct dmabuf_pages *pages;
	int ret;

	ret = memfd_map_pages(attach->dmabuf, &pages);
	if (ret)
		return ERR_PTR(ret);
	return linear_map(attach, dir, pages);
}

int memfd_mmap(struct dma_buf *dmabuf, void *addr, size_t length, int prot,
	       int flags, off_t offset)
{
	struct memfd *memfd = dmabuf->priv;

	if (mmap(addr, length, prot, flags | MAP_FIXED, memfd->fd, offset) ==
	    MAP_FAILED)
		return -errno;
	return 0;
}

void *memfd_vmap(struct dma_buf *dmabuf)
{
	struct memfd *memfd = dmabuf->priv;
	void *vaddr;

	if (memfd->huge)
		return memfd->pages.addr;
	vaddr = mmap(NULL, dmabuf->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		     memfd->fd, 0);
	return vaddr == MAP_FAILED ? ERR_PTR(-errno) : vaddr;
}

void memfd_vunmap(struct dma_buf *dmabuf, void *vaddr)
{
	struct memfd *memfd = dmabuf->priv;

	if (!memfd->huge)
		munmap(vaddr, dmabuf->size);
}

int memfd_backing_fd(struct dma_buf *dmabuf)
{
	struct memfd *memfd = dmabuf->priv;

	return memfd->fd;
}

static void memfd_free(struct memfd *memfd)
{
	dmabuf_pages_fini(&memfd->pages);
	close(memfd->fd);
	free(memfd);
}

void memfd_release(struct dma_buf *dmabuf)
{
	linear_release(dmabuf);
	memfd_free(dmabuf->priv);
}

static const struct dma_buf_ops memfd_ops = {
	.attach = linear_attach,
	.detach = linear_detach,
	.map_dma_buf = memfd_map,
	.unmap_dma_buf = linear_unmap,
	.release = memfd_release,
	.begin_cpu_access = linear_begin_cpu_access,
	.end_cpu_access = linear_end_cpu_access,
	.mmap = memfd_mmap,
	.vmap = memfd_vmap,
	.vunmap = memfd_vunmap,
	.backing_fd = memfd_backing_fd,
};

#define NAME_SIZE 128	/* longer names are cut */

/* @info: its size becomes whole pages, of the memfd's own kind */
static int memfd_open(struct memfd *memfd, struct dma_buf_export_info *info)
{
	unsigned int flags = memfd->huge ? MFD_HUGETLB : 0;
	char name[NAME_SIZE];
	struct stat st = { 0 };
	size_t page = page_size();
	int ret = 0;

	snprintf(name, sizeof(name), "dmabuf:%s", info->exp_name);
	memfd->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
	if (memfd->fd < 0)
		return -errno;
	if (memfd->huge) {
		if (fstat(memfd->fd, &st))
			ret = -errno;
		else
			page = (size_t)st.st_blksize;
	}
	if (!ret && (!round_up(info->size, page, &info->size) ||
		     info->size > LONG_MAX))
		ret = -EINVAL;
	if (!ret && ftruncate(memfd->fd, (off_t)info->size))
		ret = -errno;
	if (ret)
		close(memfd->fd);
	return ret;
}

static int memfd_seal(const struct memfd *memfd, int mode)
{
	int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

	if (memfd->huge && mode == O_RDONLY)
		seals |= F_SEAL_FUTURE_WRITE;
	return fcntl(memfd->fd, F_ADD_SEALS, seals) ? -errno : 0;
}

static int memfd_make(struct dma_buf_export_info *info, bool huge,
		      struct memfd **ret_memfd)
{
	struct memfd *memfd = malloc(sizeof(*memfd));
	int ret;

	if (!memfd)
		return -ENOMEM;
	*memfd = (struct memfd){ .huge = huge };
	ret = memfd_open(memfd, info);
	if (ret) {
		free(memfd);
		return ret;
	}
	if (huge)
		ret = memfd_pages_locked(memfd, info->size);
	if (!ret)
		ret = memfd_seal(memfd, info->flags);
	if (ret)
		memfd_free(memfd);
	else
		*ret_memfd = memfd;
	return ret;
}

int memfd_buffer_create(struct dma_buf_export_info *info, bool huge,
			struct dma_buf **ret_dmabuf)
{
	struct memfd *memfd = NULL;
	struct dma_buf *dmabuf;
	int ret;

	ret = memfd_make(info, huge, &memfd);
	if (ret)
		return ret;
	info->priv = memfd;
	dmabuf = dma_buf_export(info);
	if (IS_ERR(dmabuf)) {
		memfd_free(memfd);
		return (int)PTR_ERR(dmabuf);
	}
	*ret_dmabuf = dmabuf;
	return 0;
}

int dmabuf_memfd_export(size_t size, unsigned int flags,
			struct dma_buf **ret_dmabuf)
{
	bool huge = flags & DMABUF_EXPORT_HUGETLB;
	int mode = (int)(flags & ~DMABUF_EXPORT_HUGETLB);
	struct dma_buf_export_info info = {
		.exp_name = "memfd",
		.ops = &memfd_ops,
		.size = size,
		.flags = mode,
	};

	if (!size || (mode != O_RDONLY && mode != O_WRONLY && mode != O_RDWR))
		return -EINVAL;
	return memfd_buffer_create(&info, huge, ret_dmabuf);
}
