/* SPDX-License-Identifier: MIT */
/* test-uapi-threads.c - calls and texts while buffers come and go */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "exporters.h"
#include "leaks.h"
#include "process.h"

#define ROUNDS 300
#define NR_MAKERS 2

static struct dma_buf *shared;
static unsigned int makers;	/* atomic: still at it */

/* False: a call did not do what it should. */
static bool allocate(struct dma_heap *heap)
{
	struct dma_heap_allocation_data data = {
		.len = 4096,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	struct dma_buf_sync sync = { DMA_BUF_SYNC_RW };
	char name[] = "short-lived";
	bool right;

	if (dmabuf_heap_ioctl(heap, DMA_HEAP_IOCTL_ALLOC, (uintptr_t)&data,
			      NULL))
		return false;
	right = !dmabuf_ioctl((int)data.fd, DMA_BUF_SET_NAME, name) &&
		!dmabuf_ioctl((int)data.fd, DMA_BUF_IOCTL_SYNC, &sync);
	close((int)data.fd);
	dmabuf_dispatch();
	return right;
}

static bool use_shared(struct device *dev)
{
	struct dma_buf_export_sync_file data = { DMA_BUF_SYNC_RW, -1 };
	struct dma_buf_attachment *attach = dma_buf_attach(shared, dev);
	bool right;

	if (IS_ERR(attach))
		return false;
	right = !dmabuf_buffer_ioctl(shared, DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
				     (uintptr_t)&data, NULL);
	if (right)
		close(data.fd);
	dma_buf_detach(shared, attach);
	return right;
}

static void *make(void *data)
{
	struct dma_heap *heap = dma_heap_find("system");
	unsigned int round;
	void *wrong = NULL;

	for (round = 0; round < ROUNDS && !wrong; round++)
		if (!allocate(heap) || !use_shared(data))
			wrong = data;
	__atomic_fetch_sub(&makers, 1, __ATOMIC_RELEASE);
	return wrong;
}

/* The text has a beginning, and an end with a total of what it shows. */
static bool text_is_whole(char *text)
{
	unsigned int lines = 0, total = 0;
	char *at = text;

	while ((at = strstr(at, "Attached Devices:"))) {
		lines++;
		at++;
	}
	at = strstr(text, "\n\nTotal ");
	while (at && strstr(at + 1, "\n\nTotal "))
		at = strstr(at + 1, "\n\nTotal ");
	return !strncmp(text, "\nDma-buf Objects:\n", 18) && at &&
	       sscanf(at, "\n\nTotal %u objects,", &total) == 1 &&
	       total == lines;
}

static bool look(void)
{
	static char text[65536];
	FILE *file = fmemopen(text, sizeof(text), "w");
	int ret = dmabuf_bufinfo(file);

	fclose(file);
	return !ret && text_is_whole(text);
}

static void buffers_are_listed_while_they_come_and_go(void **state)
{
	static const struct dmabuf_device_info info = { .name = "device" };
	struct device *devices[NR_MAKERS];
	pthread_t threads[NR_MAKERS];
	void *wrong;
	size_t i;

	(void)state;
	shared = memfd_export(4096, O_RDWR);
	makers = NR_MAKERS;
	for (i = 0; i < NR_MAKERS; i++) {
		devices[i] = device_of(&info);
		assert_int_equal(pthread_create(&threads[i], NULL, make,
						devices[i]), 0);
	}
	do
		assert_true(look());
	while (__atomic_load_n(&makers, __ATOMIC_ACQUIRE));
	for (i = 0; i < NR_MAKERS; i++) {
		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
		dmabuf_device_destroy(devices[i]);
	}
	dma_buf_put(shared);
	wait_for_live_buffers(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(buffers_are_listed_while_they_come_and_go),
	};

	return cmocka_run_group_tests_name("uapi/threads", tests,
					   leaks_group_setup, NULL) != 0;
}
