/* SPDX-License-Identifier: MIT */
/*
 * anon.c - an exporter on anonymous pages of this process
 *
 * One shared anonymous mapping is the buffer: it is what vmap gives out and
 * what devices reach. Further views of the same pages are made by mremap(2)
 * with an old size of 0, which duplicates a shared mapping.
 */
#include <dmabuf/dmabuf.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/util.h"
#include "buffer/linear.h"

struct anon {
	void *addr;
	size_t size;
	struct dmabuf_pages pages;
};

static struct sg_table *anon_map(struct dma_buf_attachment *attach,
				 enum dma_data_direction dir)
{
	struct anon *anon = attach->dmabuf->priv;

	return linear_map(attach, dir, &anon->pages);
}

static int anon_mmap(struct dma_buf *dmabuf, void *addr, size_t length,
		     int prot, int flags, off_t offset)
{
	struct anon *anon = dmabuf->priv;
	char *from = (char *)anon->addr + offset;

	/* There is no file to take a private copy of. */
	if ((flags & MAP_TYPE) == MAP_PRIVATE)
		return -EINVAL;
	if (mremap(from, 0, length, MREMAP_MAYMOVE | MREMAP_FIXED, addr) ==
	    MAP_FAILED)
		return -errno;
	return mprotect(addr, length, prot) ? -errno : 0;
}

static void *anon_vmap(struct dma_buf *dmabuf)
{
	struct anon *anon = dmabuf->priv;

	return anon->addr;
}

static void anon_free(struct anon *anon)
{
	dmabuf_pages_fini(&anon->pages);
	munmap(anon->addr, anon->size);
	free(anon);
}

static void anon_release(struct dma_buf *dmabuf)
{
	linear_release(dmabuf);
	anon_free(dmabuf->priv);
}

static const struct dma_buf_ops anon_ops = {
	.attach = linear_attach,
	.detach = linear_detach,
	.map_dma_buf = anon_map,
	.unmap_dma_buf = linear_unmap,
	.release = anon_release,
	.begin_cpu_access = linear_begin_cpu_access,
	.end_cpu_access = linear_end_cpu_access,
	.mmap = anon_mmap,
	.vmap = anon_vmap,
};

static int anon_create(size_t size, struct anon **ret_anon)
{
	struct anon *anon = calloc(1, sizeof(*anon));
	int ret;

	if (!anon)
		return -ENOMEM;
	anon->size = size;
	anon->addr = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (anon->addr == MAP_FAILED) {
		ret = -errno;
		goto err_anon;
	}
	ret = dmabuf_pages_init_mapping(&anon->pages, anon->addr, size);
	if (ret)
		goto err_addr;
	*ret_anon = anon;
	return 0;

err_addr:
	munmap(anon->addr, size);
err_anon:
	free(anon);
	return ret;
}

int dmabuf_anon_export(size_t size, unsigned int flags,
		       struct dma_buf **ret_dmabuf)
{
	struct dma_buf_export_info info = {
		.exp_name = "anon",
		.ops = &anon_ops,
		.flags = (int)flags,
	};
	struct anon *anon = NULL;
	struct dma_buf *dmabuf;
	int ret;

	if (!size || (flags != O_RDONLY && flags != O_WRONLY &&
		      flags != O_RDWR))
		return -EINVAL;
	if (!round_up(size, page_size(), &size) || size > LONG_MAX)
		return -EINVAL;
	ret = anon_create(size, &anon);
	if (ret)
		return ret;
	info.size = size;
	info.priv = anon;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		anon_free(anon);
		return (int)PTR_ERR(dmabuf);
	}
	*ret_dmabuf = dmabuf;
	return 0;
}
