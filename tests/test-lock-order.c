/* SPDX-License-Identifier: MIT */
/*
 * test-lock-order.c - takes resv and dma_buf.lock in both orders
 *
 * An exporter that takes resv in its vmap op has the order wrong: an importer
 * may vmap with resv held. One thread does both, one after the other, so that
 * nothing hangs; the thread sanitizer must report it nevertheless, since it
 * knows the library's mutexes for what they are. test-lock-order.sh looks.
 */
#include <dmabuf/dmabuf.h>

#include <stdio.h>

static char memory[4096];

static struct sg_table *no_map(struct dma_buf_attachment *attach,
			       enum dma_data_direction dir)
{
	(void)attach;
	(void)dir;
	return NULL;
}

static void no_unmap(struct dma_buf_attachment *attach, struct sg_table *table,
		     enum dma_data_direction dir)
{
	(void)attach;
	(void)table;
	(void)dir;
}

static void no_release(struct dma_buf *dmabuf)
{
	(void)dmabuf;
}

/* Unless its importer has resv: then it would hang. */
static void *wrong_vmap(struct dma_buf *dmabuf)
{
	if (dma_resv_held(dmabuf->resv))
		return memory;
	dma_resv_lock(dmabuf->resv, NULL);
	dma_resv_unlock(dmabuf->resv);
	return memory;
}

static const struct dma_buf_ops wrong_ops = {
	.map_dma_buf = no_map,
	.unmap_dma_buf = no_unmap,
	.release = no_release,
	.vmap = wrong_vmap,
};

int main(void)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;

	info.ops = &wrong_ops;
	info.size = sizeof(memory);
	info.priv = memory;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		return 1;
	dma_resv_lock(dmabuf->resv, NULL);
	dma_buf_vunmap(dmabuf, dma_buf_vmap(dmabuf));
	dma_resv_unlock(dmabuf->resv);
	dma_buf_vunmap(dmabuf, dma_buf_vmap(dmabuf));
	dma_buf_put(dmabuf);
	puts("nobody objected");
	return 0;
}
