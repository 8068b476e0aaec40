/* SPDX-License-Identifier: MIT */
/* test-report.c - who hears of misuse and of broken state */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "assert-bug.h"
#include "held.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "warns.h"

#define SIZE 4096

static struct mock mock;

/* What @fn prints on stderr. */
static const char *stderr_of(void (*fn)(void))
{
	static char text[1024];
	int fds[2];
	int kept = dup(STDERR_FILENO);
	ssize_t len;

	assert_int_equal(pipe(fds), 0);
	fflush(stderr);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	fn();
	fflush(stderr);
	dup2(kept, STDERR_FILENO);
	close(kept);
	len = read(fds[0], text, sizeof(text) - 1);
	assert_true(len >= 0);
	text[len] = '\0';
	close(fds[0]);
	return text;
}

static void warn_once(void)
{
	dma_buf_put(NULL);
}

static void warning_is_one_line_on_stderr(void **state)
{
	(void)state;
	dmabuf_set_warn_handler(NULL, NULL);
	assert_string_equal(stderr_of(warn_once),
			    "libdmabuf: WARN: dma_buf_put: no buffer\n");
	assert_int_equal(warns_seen(), 1);
}

static void keep_pointer(const char *report, void *data)
{
	strncat(data, report, 256);
}

static void warning_goes_to_the_handler_instead(void **state)
{
	char text[512] = "";

	(void)state;
	dmabuf_set_warn_handler(keep_pointer, text);
	assert_string_equal(stderr_of(warn_once), "");
	assert_string_equal(text, "libdmabuf: WARN: dma_buf_put: no buffer");
	assert_int_equal(warns_seen(), 1);
}

static void warnings_are_counted(void **state)
{
	unsigned long before = dmabuf_warn_count();

	(void)state;
	dma_buf_put(NULL);
	dma_buf_put(NULL);
	get_dma_buf(NULL);
	assert_int_equal(dmabuf_warn_count(), before + 3);
	assert_int_equal(warns_seen(), 3);
}

/* The library holds no lock of its own around a handler. */
static void use_buffer(const char *report, void *data)
{
	struct dma_buf *dmabuf = data;
	void *vaddr;

	(void)report;
	assert_false(mutex_is_held(&dmabuf->lock));
	assert_false(mutex_is_held(&dmabuf->resv->lock));
	vaddr = dma_buf_vmap(dmabuf);
	dma_buf_vunmap(dmabuf, vaddr);
	assert_int_equal(dma_buf_set_name(dmabuf, "used"), 0);
	assert_true(dmabuf_live_buffers() > 0);
	dmabuf_set_warn_handler(NULL, NULL);
}

static void warn_handler_may_use_the_library(void **state)
{
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	(void)state;
	dmabuf_set_warn_handler(use_buffer, dmabuf);
	dma_buf_detach(dmabuf, NULL);
	assert_int_equal(warns_seen(), 1);
	dma_buf_put(dmabuf);
	assert_log(&mock, "vmap vunmap release");
}

/* The warnings about a lock leave the caller's reservation alone. */
static void note_held(const char *report, void *data)
{
	(void)report;
	*(bool *)data = dma_resv_held(mock.dmabuf->resv);
}

static void warning_under_a_reservation_keeps_it(void **state)
{
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);
	bool held = false;

	(void)state;
	dmabuf_set_warn_handler(note_held, &held);
	dma_resv_lock(dmabuf->resv, NULL);
	dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE);
	dma_resv_unlock(dmabuf->resv);
	assert_true(held);
	assert_int_equal(warns_seen(), 1);
	dma_buf_put(dmabuf);
}

static void do_vunmap(void *data)
{
	dma_buf_vunmap(data, (char *)data + 1);
}

/* Attached once, mapped twice, named. */
static void bug_report_shows_the_object(void **state)
{
	struct device *dev = device_new();
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);
	struct dma_buf_attachment *attach = dma_buf_attach(dmabuf, dev);
	void *vaddr = dma_buf_vmap(dmabuf);
	const char *report;
	char pointer[64];

	(void)state;
	dma_buf_vmap(dmabuf);
	assert_int_equal(dma_buf_set_name(dmabuf, "shown"), 0);
	report = bug_caught(do_vunmap, dmabuf);
	assert_non_null(report);
	assert_ptr_equal(strstr(report, "libdmabuf: BUG: dma_buf_vunmap: "),
			 report);
	assert_non_null(strstr(report, "name \"shown\""));
	assert_non_null(strstr(report, "exporter mock"));
	assert_non_null(strstr(report, "size 4096"));
	assert_non_null(strstr(report, "vmapping_counter 2"));
	snprintf(pointer, sizeof(pointer), "vmap_ptr %p", vaddr);
	assert_non_null(strstr(report, pointer));
	assert_non_null(strstr(report, "attachments 1"));
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_detach(dmabuf, attach);
	dma_buf_put(dmabuf);
	dmabuf_device_destroy(dev);
}

static void bug_report_does_without_names(void **state)
{
	struct dma_buf *dmabuf;

	(void)state;
	mock_init(&mock, SIZE, 0);
	mock.info.exp_name = NULL;
	dmabuf = mock_export_inited(&mock);
	assert_bug_caught(do_vunmap, dmabuf, "exporter (none)");
	dma_buf_put(dmabuf);
}

/* A very long exporter name cuts the report, not the program. */
static void long_bug_report_is_cut(void **state)
{
	static char name[8192];
	struct dma_buf *dmabuf;
	const char *report;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	mock_init(&mock, SIZE, 0);
	mock.info.exp_name = name;
	dmabuf = mock_export_inited(&mock);
	report = bug_caught(do_vunmap, dmabuf);
	assert_non_null(report);
	assert_in_range(strlen(report), 100, 1024);
	dma_buf_put(dmabuf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(warning_is_one_line_on_stderr),
		LEAK_TEST(warning_goes_to_the_handler_instead),
		LEAK_TEST(warnings_are_counted),
		LEAK_TEST(warn_handler_may_use_the_library),
		LEAK_TEST(warning_under_a_reservation_keeps_it),
		LEAK_TEST(bug_report_shows_the_object),
		LEAK_TEST(bug_report_does_without_names),
		LEAK_TEST(long_bug_report_is_cut),
	};

	return cmocka_run_group_tests_name("report", tests, leaks_group_setup,
					   NULL) != 0;
}
