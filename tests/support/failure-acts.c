/* SPDX-License-Identifier: MIT */
/* failure-acts.c - what the cases of several tests of failures are made of */
#include "failure-acts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

void scene_attach(struct scene *s, struct device *dev)
{
	s->dev = dev;
	s->attach = dma_buf_attach(s->dmabuf, dev);
	assert_false(IS_ERR(s->attach));
}

int act_vmap(struct scene *s)
{
	s->vaddr = dma_buf_vmap(s->dmabuf);
	return PTR_ERR_OR_ZERO(s->vaddr);
}

void undo_vmap(struct scene *s)
{
	dma_buf_vunmap(s->dmabuf, s->vaddr);
}

int act_map(struct scene *s)
{
	s->table = dma_buf_map_attachment_unlocked(s->attach,
						   DMA_BIDIRECTIONAL);
	return PTR_ERR_OR_ZERO(s->table);
}

void undo_map(struct scene *s)
{
	dma_buf_unmap_attachment_unlocked(s->attach, s->table,
					  DMA_BIDIRECTIONAL);
}

void undo_result(struct scene *s)
{
	dma_buf_put(s->result);
}

void undo_pages(struct scene *s)
{
	dmabuf_pages_fini(&s->pages);
}

void end_attached(struct scene *s)
{
	dma_buf_detach(s->dmabuf, s->attach);
	dmabuf_device_destroy(s->dev);
	dma_buf_put(s->dmabuf);
}

void end_put(struct scene *s)
{
	dma_buf_put(s->dmabuf);
}

void end_fd(struct scene *s)
{
	close(s->fd);
}
