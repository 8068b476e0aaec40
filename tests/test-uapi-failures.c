/* SPDX-License-Identifier: MIT */
/* test-uapi-failures.c - no memory and no fds, for each system call */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/sync_file.h>
#include <linux/udmabuf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "failure-case.h"
#include "leaks.h"
#include "mock-caller.h"
#include "mock-fence.h"
#include "process.h"
#include "sync-fds.h"

#define PAGE 4096
#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

static struct dmabuf_sw_sync *timeline;
static struct sync_file file;	/* of the timeline */
static int file_fd;
static int memfd;
static long given;		/* fd that came out */
static struct mock_caller him;
static struct mock_fence *fences[2];
static char text[4096];

/* A call that fails says so, and leaves no fd and no live buffer. */
static int result(long ret, int fd)
{
	given = ret < 0 ? -1 : fd;
	return ret < 0 ? (int)ret : 0;
}

static void undo_fd(struct scene *s)
{
	(void)s;
	close((int)given);
	dmabuf_dispatch();
}

static void undo_buffer(struct scene *s)
{
	close((int)given);
	wait_for_live_buffers(s->dmabuf ? 1 : 0);
}

/* Buffers that come out */

static int act_heap(struct scene *s)
{
	struct dma_heap_allocation_data data = {
		.len = 10000,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	long ret = dmabuf_heap_ioctl(dma_heap_find("system"),
				     DMA_HEAP_IOCTL_ALLOC, (uintptr_t)&data,
				     NULL);

	(void)s;
	if (ret)
		CHECK(!data.fd);
	return result(ret, (int)data.fd);
}

/* An argument of a size that needs memory. */
static int act_heap_large(struct scene *s)
{
	union {
		struct dma_heap_allocation_data data;
		char bytes[1000];
	} args = { .bytes = "" };
	long ret;

	(void)s;
	args.data.len = PAGE;
	args.data.fd_flags = O_CLOEXEC;
	ret = dmabuf_heap_ioctl(dma_heap_find("contiguous"),
				_IOWR('H', 0, args), (uintptr_t)&args, NULL);
	return result(ret, (int)args.data.fd);
}

static void begin_memfd(struct scene *s)
{
	(void)s;
	memfd = memfd_make("pages", 4 * PAGE, F_SEAL_SHRINK);
}

static void end_memfd(struct scene *s)
{
	(void)s;
	close(memfd);
}

static int act_udmabuf(struct scene *s)
{
	struct udmabuf_create data = {
		.memfd = (uint32_t)memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = PAGE,
	};
	long ret = dmabuf_udmabuf_ioctl(UDMABUF_CREATE, (uintptr_t)&data, NULL);

	(void)s;
	return result(ret, (int)ret);
}

static int act_udmabuf_list(struct scene *s)
{
	struct {
		uint32_t flags;
		uint32_t count;
		struct udmabuf_create_item items[2];
	} list = {
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.count = 2,
		.items = {
			{ .memfd = (uint32_t)memfd, .size = PAGE },
			{ .memfd = (uint32_t)memfd, .offset = 2 * PAGE,
			  .size = PAGE },
		},
	};
	long ret = dmabuf_udmabuf_ioctl(UDMABUF_CREATE_LIST, (uintptr_t)&list,
					NULL);

	(void)s;
	return result(ret, (int)ret);
}

/* For another caller: his memfd is opened here. */

static void begin_his_memfd(struct scene *s)
{
	(void)s;
	mock_caller_init(&him);
	his_fd_put(&him, memfd_make("pages", 4 * PAGE, F_SEAL_SHRINK));
}

static void end_his_memfd(struct scene *s)
{
	(void)s;
	mock_caller_fini(&him);
	wait_for_live_buffers(0);
}

static int act_his_udmabuf(struct scene *s)
{
	const struct udmabuf_create data = {
		.memfd = HIS_FD,
		.size = PAGE,
	};
	uint64_t arg = his_put(&him, 0, &data, sizeof(data));
	long ret = dmabuf_udmabuf_ioctl(UDMABUF_CREATE, arg, &him.base);

	(void)s;
	return ret < 0 ? (int)ret : 0;
}

/* Sync files that come out */

static void fence_add(struct dma_buf *dmabuf, struct mock_fence *fence)
{
	dma_resv_lock(dmabuf->resv, NULL);
	assert_int_equal(dma_resv_reserve_fences(dmabuf->resv, 1), 0);
	dma_resv_add_fence(dmabuf->resv, &fence->base, DMA_RESV_USAGE_WRITE);
	dma_resv_unlock(dmabuf->resv);
}

static void begin_busy(struct scene *s)
{
	size_t i;

	s->dmabuf = memfd_export(PAGE, O_RDWR);
	for (i = 0; i < 2; i++) {
		fences[i] = mock_fence_new();
		fence_add(s->dmabuf, fences[i]);
	}
}

static void end_busy(struct scene *s)
{
	size_t i;

	for (i = 0; i < 2; i++) {
		dma_fence_signal(&fences[i]->base);
		dma_fence_put(&fences[i]->base);
	}
	dma_buf_put(s->dmabuf);
	dmabuf_dispatch();
}

static int act_export(struct scene *s)
{
	struct dma_buf_export_sync_file data = { DMA_BUF_SYNC_RW, -7 };
	long ret = dmabuf_buffer_ioctl(s->dmabuf,
				       DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
				       (uintptr_t)&data, NULL);

	if (ret)
		CHECK(data.fd == -7);
	return result(ret, data.fd);
}

static void begin_file(struct scene *s)
{
	s->dmabuf = memfd_export(PAGE, O_RDWR);
	timeline = timeline_make("line");
	file = (struct sync_file){ .fence = point_make(timeline, 1) };
	file_fd = sync_fd(file.fence);
}

static void end_file(struct scene *s)
{
	close(file_fd);
	dma_fence_put(file.fence);
	dmabuf_sw_sync_destroy(timeline);
	dma_buf_put(s->dmabuf);
	dmabuf_dispatch();
}

static int act_merge(struct scene *s)
{
	struct sync_merge_data data = { .fd2 = file_fd, .fence = -7 };
	long ret = dmabuf_sync_file_ioctl(&file, SYNC_IOC_MERGE,
					  (uintptr_t)&data, NULL);

	(void)s;
	if (ret)
		CHECK(data.fence == -7);
	return result(ret, data.fence);
}

static int act_create(struct scene *s)
{
	struct dmabuf_sw_sync_create_fence data = { .value = 2, .fence = -7 };
	long ret = dmabuf_sw_sync_ioctl(timeline,
					DMABUF_SW_SYNC_IOC_CREATE_FENCE,
					(uintptr_t)&data, NULL);

	(void)s;
	if (ret)
		CHECK(data.fence == -7);
	return result(ret, data.fence);
}

/* The rest */

static int act_import(struct scene *s)
{
	struct dma_buf_import_sync_file data = { DMA_BUF_SYNC_READ, file_fd };

	return (int)dmabuf_buffer_ioctl(s->dmabuf,
					DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
					(uintptr_t)&data, NULL);
}

static int act_info(struct scene *s)
{
	struct sync_fence_info leaf;
	struct sync_file_info info = {
		.num_fences = 1,
		.sync_fence_info = (uintptr_t)&leaf,
	};

	(void)s;
	return (int)dmabuf_sync_file_ioctl(&file, SYNC_IOC_FILE_INFO,
					   (uintptr_t)&info, NULL);
}

static int act_name(struct scene *s)
{
	return (int)dmabuf_buffer_ioctl(s->dmabuf, DMA_BUF_SET_NAME,
					(uintptr_t)"name", NULL);
}

static void begin_text(struct scene *s)
{
	s->dmabuf = memfd_export(PAGE, O_RDWR);
}

static void end_text(struct scene *s)
{
	dma_buf_put(s->dmabuf);
}

static int act_bufinfo(struct scene *s)
{
	FILE *out = fmemopen(text, sizeof(text), "w");
	int ret = dmabuf_bufinfo(out);

	(void)s;
	fclose(out);
	return ret;
}

#define HARMLESS "inotify_add_watch getrandom", \
	"closes are then looked for by polling, and the lock's byte is " \
	"chosen by the clock"

/* What an fd is, the exporter asks again. */
#define HARMLESS_MEMFD \
	"fcntl(F_GET_SEALS) readlink inotify_add_watch getrandom", \
	"a buffer's fd is refused by what it is, if it can be told; closes " \
	"are looked for by polling, and the lock's byte is chosen by the clock"

static const struct failure_case cases[] = {
	{ "DMA_HEAP_IOCTL_ALLOC", NULL, act_heap, undo_buffer, NULL, 8,
	  HARMLESS, 0 },
	{ "DMA_HEAP_IOCTL_ALLOC of 1000 bytes", NULL, act_heap_large,
	  undo_buffer, NULL, 8, HARMLESS, 0 },
	{ "UDMABUF_CREATE", begin_memfd, act_udmabuf, undo_buffer, end_memfd, 8,
	  HARMLESS_MEMFD, -EBADFD },
	{ "UDMABUF_CREATE_LIST", begin_memfd, act_udmabuf_list, undo_buffer,
	  end_memfd, 8, HARMLESS_MEMFD, -EBADFD },
	{ "UDMABUF_CREATE by another", begin_his_memfd, act_his_udmabuf, NULL,
	  end_his_memfd, 8, HARMLESS_MEMFD, -EBADFD },
	{ "DMA_BUF_IOCTL_EXPORT_SYNC_FILE", begin_busy, act_export, undo_fd,
	  end_busy, 3, NULL, NULL, -ENOMEM },
	{ "SYNC_IOC_MERGE", begin_file, act_merge, undo_fd, end_file, 1, NULL,
	  NULL, 0 },
	{ "SW_SYNC_IOC_CREATE_FENCE", begin_file, act_create, undo_fd, end_file,
	  2, NULL, NULL, 0 },
	{ "DMA_BUF_IOCTL_IMPORT_SYNC_FILE", begin_file, act_import, NULL,
	  end_file, 1, NULL, NULL, 0 },
	{ "SYNC_IOC_FILE_INFO", begin_file, act_info, NULL, end_file, 1, NULL,
	  NULL, 0 },
	{ "DMA_BUF_SET_NAME", begin_text, act_name, NULL, end_text, 1, NULL,
	  NULL, 0 },
	{ "bufinfo", begin_text, act_bufinfo, NULL, end_text, 1, NULL, NULL,
	  0 },
};

static void each_call_fails_as_a_whole(void **state)
{
	(void)state;
	play_all(cases, NR_ELEMENTS(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_fails_as_a_whole),
	};

	/* What is made once is no part of a call. */
	if (!dma_heap_find("system"))
		return 1;
	return cmocka_run_group_tests_name("uapi/failures", tests,
					   leaks_group_setup, NULL) != 0;
}
