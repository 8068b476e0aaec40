/* SPDX-License-Identifier: MIT */
/* locking-uapi.c - heaps, udmabuf and system calls, for test-locking */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "locking.h"

/* An fd of a buffer that was made for the call: dispatch will tell of it. */
static void fd_close(long fd)
{
	if (fd >= 0)
		nr_closed += !close((int)fd);
}

static void exported(struct dma_buf *dmabuf)
{
	set->exported = IS_ERR(dmabuf) ? NULL : dmabuf;
}

/* Heaps */

/* They stay, so each needs a name of its own, for good. */
static char *new_name(void)
{
	static unsigned int nr;
	char *name;

	assert_true(asprintf(&name, "heap-%u", nr++) > 0);
	return name;
}

void call_heap_add(void)
{
	const struct dma_heap_export_info info = {
		new_name(), &mock_heap_ops, NULL
	};

	assert_false(IS_ERR(dma_heap_add(&info)));
}

void call_heap_find(void)
{
	assert_non_null(dma_heap_find("system"));
}

void call_heap_drvdata(void)
{
	assert_null(dma_heap_get_drvdata(mock_heap()));
}

void call_heap_name(void)
{
	assert_string_equal(dma_heap_get_name(mock_heap()), "mock");
}

void call_heap_buffer_alloc(void)
{
	exported(dma_heap_buffer_alloc(mock_heap(), SIZE, O_RDWR, 0));
}

void call_heap_add_kind(void)
{
	char *name = new_name();
	struct dma_heap *heap;

	assert_int_equal(dmabuf_heap_add(name, DMABUF_HEAP_SYSTEM, &heap), 0);
	free(name);
}

void call_heap_next(void)
{
	assert_non_null(dmabuf_heap_next(NULL));
}

void call_heap_ioctl(void)
{
	struct dma_heap_allocation_data data = {
		.len = SIZE,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};

	if (!dmabuf_heap_ioctl(mock_heap(), DMA_HEAP_IOCTL_ALLOC,
			       (uintptr_t)&data, NULL))
		fd_close(data.fd);
}

void call_alloc(void)
{
	static const char *const preference[] = { "memfd", NULL };
	struct dma_buf *dmabuf;

	assert_int_equal(dmabuf_alloc(SIZE, O_RDWR, preference, &dmabuf), 0);
	set->exported = dmabuf;
}

/* udmabuf */

void call_udmabuf_export(void)
{
	const struct dmabuf_udmabuf_range range = {
		.fd = udmabuf_memfd,
		.size = SIZE,
	};
	struct dma_buf *dmabuf;

	assert_int_equal(dmabuf_udmabuf_export(&range, 1, &dmabuf), 0);
	set->exported = dmabuf;
}

void call_udmabuf_set_limits(void)
{
	dmabuf_udmabuf_set_limits(1024, 64);
}

void call_udmabuf_list_limit(void)
{
	assert_int_equal(dmabuf_udmabuf_list_limit(), 1024);
}

void call_udmabuf_piece(void)
{
	struct dmabuf_udmabuf_range piece;

	assert_int_equal(dmabuf_udmabuf_piece(udmabuf, 0, &piece), 0);
}

void call_udmabuf_view_fd(void)
{
	int fd = dmabuf_udmabuf_view_fd(udmabuf, 0);

	assert_true(fd >= 0);
	fd_close(fd);
}

void call_udmabuf_ioctl(void)
{
	struct udmabuf_create create = {
		.memfd = (uint32_t)udmabuf_memfd,
		.size = SIZE,
	};
	long fd = dmabuf_udmabuf_ioctl(UDMABUF_CREATE, (uintptr_t)&create,
				       NULL);

	assert_true(fd >= 0);
	fd_close(fd);
}

/* Buffers */

static long buffer_ioctl(unsigned int cmd, void *arg)
{
	return dmabuf_buffer_ioctl(buffer, cmd, (uintptr_t)arg, NULL);
}

void call_ioctl_sync(void)
{
	struct dma_buf_sync sync = { DMA_BUF_SYNC_RW | DMA_BUF_SYNC_START };

	buffer_ioctl(DMA_BUF_IOCTL_SYNC, &sync);
	sync.flags = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END;
	buffer_ioctl(DMA_BUF_IOCTL_SYNC, &sync);
}

void call_fd_ioctl_sync(void)
{
	struct dma_buf_sync sync = { DMA_BUF_SYNC_RW | DMA_BUF_SYNC_START };

	dmabuf_ioctl(buffer_fd, DMA_BUF_IOCTL_SYNC, &sync);
	sync.flags = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END;
	dmabuf_ioctl(buffer_fd, DMA_BUF_IOCTL_SYNC, &sync);
}

void call_ioctl_set_name(void)
{
	buffer_ioctl(DMA_BUF_SET_NAME_B, "name");
}

void call_ioctl_export(void)
{
	struct dma_buf_export_sync_file data = { .flags = DMA_BUF_SYNC_RW };

	if (!buffer_ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &data))
		close(data.fd);
}

/* With a fence that is pending for a while: others would not be added. */
void call_ioctl_import(void)
{
	struct dma_buf_import_sync_file data = { .flags = DMA_BUF_SYNC_WRITE };
	struct dmabuf_sw_sync *timeline;
	struct dma_fence *fence;

	assert_int_equal(dmabuf_sw_sync_create("mock", &timeline), 0);
	fence = dmabuf_sw_sync_fence(timeline, 1);
	assert_false(IS_ERR(fence));
	data.fd = dmabuf_sync_file_fd(fence, O_CLOEXEC);
	assert_true(data.fd >= 0);
	buffer_ioctl(DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &data);
	close(data.fd);
	dma_fence_put(fence);
	dmabuf_sw_sync_destroy(timeline);
}

void call_seek(void)
{
	assert_int_equal(dmabuf_buffer_seek(buffer, 0, SEEK_END), SIZE);
}

void call_mmap_check(void)
{
	assert_int_equal(dmabuf_buffer_mmap_check(buffer, SIZE, PROT_READ,
						  MAP_SHARED, 0, O_RDWR), 0);
}

static void print(void (*call)(FILE *file))
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	call(file);
	fclose(file);
	free(text);
}

static void print_fdinfo(FILE *file)
{
	dmabuf_buffer_fdinfo(buffer, file);
}

void call_fdinfo(void)
{
	print(print_fdinfo);
}

static void print_bufinfo(FILE *file)
{
	dmabuf_bufinfo(file);
}

void call_bufinfo(void)
{
	print(print_bufinfo);
}

void call_find(void)
{
	struct stat st;

	/* None inside the op that makes it. */
	if (!fstat(buffer_fd, &st))
		set->refs += dmabuf_find(st.st_dev, st.st_ino) == buffer;
}
