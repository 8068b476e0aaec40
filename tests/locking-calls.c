/* SPDX-License-Identifier: MIT */
/* locking-calls.c - the functions on buffers, for test-locking */
/* Each is called in the simplest way that reaches its ops. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/mman.h>

#include "locking.h"

static void call_export(void)
{
	set->exported = mock_export(buffer->ops);
}

static void call_get_reference(void)
{
	get_dma_buf(buffer);
	set->refs++;
}

void call_put(void)
{
	dma_buf_put(set->victim);
	set->victim = NULL;
}

void call_fd(void)
{
	get_dma_buf(buffer);
	buffer_fd = dma_buf_fd(buffer, O_CLOEXEC);
}

static void call_get(void)
{
	if (!IS_ERR(dma_buf_get(buffer_fd)))
		set->refs++;
}

static void made(struct dma_buf_attachment *attach)
{
	set->made = IS_ERR(attach) ? NULL : attach;
}

static void call_attach(void)
{
	made(dma_buf_attach(buffer, dev));
}

static void call_dynamic_attach(void)
{
	made(dma_buf_dynamic_attach(buffer, dev, &importer_ops, NULL));
}

static void call_detach(void)
{
	dma_buf_detach(buffer, set->fixed);
	set->fixed = NULL;
}

static void call_pin(void)
{
	dma_buf_pin(set->moving);
}

static void call_unpin(void)
{
	dma_buf_unpin(set->moving);
}

static void mapped(struct sg_table *table)
{
	set->mapped = IS_ERR(table) ? NULL : table;
}

static void call_map(void)
{
	mapped(dma_buf_map_attachment(set->moving, DMA_BIDIRECTIONAL));
}

static void call_map_unlocked(void)
{
	mapped(dma_buf_map_attachment_unlocked(set->moving, DMA_BIDIRECTIONAL));
}

static void call_unmap(void)
{
	dma_buf_unmap_attachment(set->moving, set->table, DMA_BIDIRECTIONAL);
	set->table = NULL;
}

static void call_unmap_unlocked(void)
{
	dma_buf_unmap_attachment_unlocked(set->moving, set->table,
					  DMA_BIDIRECTIONAL);
	set->table = NULL;
}

static void call_move_notify(void)
{
	dma_buf_move_notify(buffer);
}

void call_begin(void)
{
	dma_buf_begin_cpu_access(buffer, DMA_BIDIRECTIONAL);
}

static void call_end(void)
{
	dma_buf_end_cpu_access(buffer, DMA_BIDIRECTIONAL);
}

static void call_mmap(void)
{
	void *addr = dma_buf_mmap(buffer, SIZE, PROT_READ, MAP_SHARED, 0);

	view = IS_ERR(addr) ? MAP_FAILED : addr;
}

static void call_vmap(void)
{
	vmaps += dma_buf_vmap(buffer) != NULL;
}

static void call_vunmap(void)
{
	dma_buf_vunmap(buffer, buffer->vmap_ptr);
	vmaps--;
}

static void call_set_name(void)
{
	dma_buf_set_name(buffer, "name");
}

static void call_attachment_is_dynamic(void)
{
	assert_true(dma_buf_attachment_is_dynamic(set->moving));
}

static void call_is_dynamic(void)
{
	assert_int_equal(dma_buf_is_dynamic(buffer), buffer->ops->pin != NULL);
}

const struct function functions[] = {
	{ "dma_buf_export", call_export, 0 },
	{ "get_dma_buf", call_get_reference, 0 },
	{ "dma_buf_put", call_put, 0 },
	{ "dma_buf_fd", call_fd, 0 },
	{ "dma_buf_get", call_get, WITH_FD },
	{ "dma_buf_attach", call_attach, 0 },
	{ "dma_buf_dynamic_attach", call_dynamic_attach, 0 },
	{ "dma_buf_detach", call_detach, 0 },
	{ "dma_buf_pin", call_pin, 0 },
	{ "dma_buf_unpin", call_unpin, 0 },
	{ "dma_buf_map_attachment", call_map, 0 },
	{ "dma_buf_map_attachment_unlocked", call_map_unlocked, 0 },
	{ "dma_buf_unmap_attachment", call_unmap, 0 },
	{ "dma_buf_unmap_attachment_unlocked", call_unmap_unlocked, 0 },
	{ "dma_buf_move_notify", call_move_notify, 0 },
	{ "dma_buf_begin_cpu_access", call_begin, 0 },
	{ "dma_buf_end_cpu_access", call_end, 0 },
	{ "dma_buf_mmap", call_mmap, 0 },
	{ "dma_buf_vmap", call_vmap, 0 },
	{ "dma_buf_vunmap", call_vunmap, VMAPPED },
	{ "dma_buf_set_name", call_set_name, 0 },
	{ "dma_buf_attachment_is_dynamic", call_attachment_is_dynamic, 0 },
	{ "dma_buf_is_dynamic", call_is_dynamic, 0 },
	{ "dma_heap_add", call_heap_add, 0 },
	{ "dma_heap_find", call_heap_find, 0 },
	{ "dma_heap_get_drvdata", call_heap_drvdata, 0 },
	{ "dma_heap_get_name", call_heap_name, 0 },
	{ "dma_heap_buffer_alloc", call_heap_buffer_alloc, 0 },
	{ "dmabuf_heap_add", call_heap_add_kind, 0 },
	{ "dmabuf_heap_next", call_heap_next, 0 },
	{ "dmabuf_alloc", call_alloc, 0 },
	{ "dmabuf_udmabuf_export", call_udmabuf_export, ON_UDMABUF },
	{ "dmabuf_udmabuf_set_limits",
	  call_udmabuf_set_limits, ON_UDMABUF },
	{ "dmabuf_udmabuf_list_limit",
	  call_udmabuf_list_limit, ON_UDMABUF },
	{ "dmabuf_udmabuf_piece", call_udmabuf_piece, ON_UDMABUF },
	{ "dmabuf_udmabuf_view_fd", call_udmabuf_view_fd, ON_UDMABUF },
	{ "dmabuf_buffer_ioctl SYNC", call_ioctl_sync, 0 },
	{ "dmabuf_buffer_ioctl SET_NAME", call_ioctl_set_name, 0 },
	{ "dmabuf_buffer_ioctl EXPORT_SYNC_FILE", call_ioctl_export, 0 },
	{ "dmabuf_buffer_ioctl IMPORT_SYNC_FILE", call_ioctl_import, 0 },
	{ "dmabuf_ioctl SYNC", call_fd_ioctl_sync, WITH_FD },
	{ "dmabuf_buffer_seek", call_seek, 0 },
	{ "dmabuf_buffer_mmap_check", call_mmap_check, 0 },
	{ "dmabuf_buffer_fdinfo", call_fdinfo, 0 },
	{ "dmabuf_bufinfo", call_bufinfo, 0 },
	{ "dmabuf_heap_ioctl", call_heap_ioctl, 0 },
	{ "dmabuf_udmabuf_ioctl", call_udmabuf_ioctl, ON_UDMABUF },
	{ "dmabuf_find", call_find, WITH_FD },
};

const size_t nr_functions = sizeof(functions) / sizeof(functions[0]);
