/* SPDX-License-Identifier: MIT */
/*
 * test-import-kernel-failures.c - dma-bufs of the kernel, and calls that fail
 *
 * Each allocation and syscall fails in turn.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "attached.h"
#include "failure-acts.h"
#include "fake-device.h"
#include "leaks.h"

#define SIZE ((size_t)12288)

static int act_heap(struct scene *s)
{
	return dmabuf_alloc(SIZE, O_RDWR, fake_heap, &s->result);
}

static int act_udmabuf(struct scene *s)
{
	return dmabuf_alloc(SIZE, O_RDWR, fake_udmabuf, &s->result);
}

static void begin_kernel_fd(struct scene *s)
{
	s->fd = kernel_fd(SIZE, O_RDWR);
}

static int act_get(struct scene *s)
{
	s->result = dma_buf_get(s->fd);
	return PTR_ERR_OR_ZERO(s->result);
}

static void begin_heap(struct scene *s)
{
	s->dmabuf = heap_buffer(SIZE, O_RDWR);
}

static void begin_two_references(struct scene *s)
{
	begin_heap(s);
	get_dma_buf(s->dmabuf);
}

static int act_fd(struct scene *s)
{
	s->fd = dma_buf_fd(s->dmabuf, O_CLOEXEC);
	return s->fd < 0 ? s->fd : 0;
}

static void undo_fd(struct scene *s)
{
	close(s->fd);
}

static void begin_attached(struct scene *s)
{
	begin_heap(s);
	scene_attach(s, device_new());
}

static void failing_calls_come_back_with_the_error(void **state)
{
	static const struct failure_case cases[] = {
		{ .name = "dmabuf_alloc, heap", .act = act_heap,
		  .undo = undo_result, .calls_min = 4 },
		{ .name = "dmabuf_alloc, udmabuf", .act = act_udmabuf,
		  .undo = undo_result, .calls_min = 7 },
		{ .name = "dma_buf_get", .begin = begin_kernel_fd,
		  .act = act_get, .undo = undo_result, .end = end_fd,
		  .calls_min = 10, .ret = -EINVAL,
		  .harmless = "fcntl(F_GET_SEALS)",
		  .reason = "a dma-buf has no seals" },
		{ .name = "dma_buf_fd", .begin = begin_two_references,
		  .act = act_fd, .undo = undo_fd, .end = end_put,
		  .calls_min = 1 },
		{ .name = "dma_buf_vmap", .begin = begin_heap,
		  .act = act_vmap, .undo = undo_vmap, .end = end_put,
		  .calls_min = 1 },
		{ .name = "dma_buf_map_attachment", .begin = begin_attached,
		  .act = act_map, .undo = undo_map, .end = end_attached,
		  .calls_min = 4 },
	};

	(void)state;
	play_all(cases, sizeof(cases) / sizeof(cases[0]));
}

/* It might have been one: that there are no fds is another answer than no. */
static void fdinfo_that_cannot_be_opened_is_not_einval(void **state)
{
	int fd = kernel_fd(SIZE, O_RDWR);
	struct dma_buf *dmabuf;
	unsigned int nth = 0;

	(void)state;
	do {
		inject_arm(++nth);
		dmabuf = dma_buf_get(fd);
		inject_disarm();
		assert_non_null(inject_failed());
		if (!IS_ERR(dmabuf))
			dma_buf_put(dmabuf);
	} while (strncmp(inject_failed(), "open", strlen("open")));
	assert_error(dmabuf, inject_failed_ret());
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failing_calls_come_back_with_the_error),
		LEAK_TEST(fdinfo_that_cannot_be_opened_is_not_einval),
	};

	return cmocka_run_group_tests_name("kernel, failures", tests,
					   leaks_group_setup, NULL) != 0;
}
