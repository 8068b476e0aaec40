/* SPDX-License-Identifier: MIT */
/* test-name.c - a buffer's name, for people */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "assert-bug.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "sanitized.h"
#include "warns.h"

#define SIZE 4096
#define BYTES_31 "1234567890123456789012345678901"

/* INV-D-15 */
static void name_of_31_bytes_fits(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	(void)state;
	assert_int_equal(strlen(BYTES_31), 31);
	assert_int_equal(dma_buf_set_name(dmabuf, BYTES_31), 0);
	assert_string_equal(dmabuf->name, BYTES_31);
	dma_buf_put(dmabuf);
}

/* INV-D-15 */
static void name_of_32_bytes_is_einval(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	(void)state;
	assert_int_equal(dma_buf_set_name(dmabuf, BYTES_31 "2"), -EINVAL);
	assert_null(dmabuf->name);
	assert_int_equal(dma_buf_set_name(dmabuf, "kept"), 0);
	assert_int_equal(dma_buf_set_name(dmabuf, BYTES_31 BYTES_31), -EINVAL);
	assert_string_equal(dmabuf->name, "kept");
	dma_buf_put(dmabuf);
}

static void name_of_null_is_efault(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	(void)state;
	assert_int_equal(dma_buf_set_name(dmabuf, NULL), -EFAULT);
	assert_null(dmabuf->name);
	assert_int_equal(dma_buf_set_name(dmabuf, "kept"), 0);
	assert_int_equal(dma_buf_set_name(dmabuf, NULL), -EFAULT);
	assert_string_equal(dmabuf->name, "kept");
	assert_no_warning();
	dma_buf_put(dmabuf);
}

static void name_without_buffer_is_einval(void **state)
{
	(void)state;
	assert_int_equal(dma_buf_set_name(NULL, "name"), -EINVAL);
	assert_warned("WARN: dma_buf_set_name: ");
}

static void name_is_copied_and_replaced(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);
	char name[] = "first";

	(void)state;
	assert_int_equal(dma_buf_set_name(dmabuf, name), 0);
	name[0] = '\0';
	assert_string_equal(dmabuf->name, "first");
	assert_int_equal(dma_buf_set_name(dmabuf, "second"), 0);
	assert_string_equal(dmabuf->name, "second");
	assert_int_equal(dma_buf_set_name(dmabuf, ""), 0);
	assert_string_equal(dmabuf->name, "");
	/* Its own name, too. */
	assert_int_equal(dma_buf_set_name(dmabuf, "third"), 0);
	assert_int_equal(dma_buf_set_name(dmabuf, dmabuf->name), 0);
	assert_string_equal(dmabuf->name, "third");
	dma_buf_put(dmabuf);
}

/* The kernel once refused this with -EBUSY. */
static void name_may_change_while_attached_and_mapped(void **state)
{
	struct device *dev = device_new();
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);
	struct dma_buf_attachment *attach = dma_buf_attach(dmabuf, dev);
	void *vaddr = dma_buf_vmap(dmabuf);

	(void)state;
	assert_int_equal(dma_buf_set_name(dmabuf, "busy"), 0);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_detach(dmabuf, attach);
	dma_buf_put(dmabuf);
	dmabuf_device_destroy(dev);
}

static void do_vunmap(void *data)
{
	dma_buf_vunmap(data, data);
}

static void name_is_in_the_bug_report(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	(void)state;
	assert_int_equal(dma_buf_set_name(dmabuf, BYTES_31), 0);
	assert_bug_caught(do_vunmap, dmabuf, "name \"" BYTES_31 "\"");
	dma_buf_put(dmabuf);
}

static void rename_in_op(struct mock *mock, enum mock_op op,
			 struct dma_buf_attachment *attach)
{
	(void)attach;
	if (op == MOCK_OP_VMAP || op == MOCK_OP_VUNMAP)
		dma_buf_set_name(mock->dmabuf, BYTES_31);
}

static void do_vmap(void *data)
{
	dma_buf_vmap(data);
}

static void do_vunmap_mapped(void *data)
{
	struct dma_buf *dmabuf = data;

	dma_buf_vunmap(dmabuf, dmabuf->vmap_ptr);
}

/* They run under the lock that guards the name. */
static void name_set_in_vmap_and_vunmap_ops_is_a_bug(void **state)
{
	struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);

	(void)state;
	assert_int_equal(dma_buf_set_name(dmabuf, "before"), 0);
	mock.hook = rename_in_op;
	assert_bug_caught(do_vmap, dmabuf, "BUG: dma_buf_set_name: ");
	mock.hook = NULL;
	assert_non_null(dma_buf_vmap(dmabuf));
	mock.hook = rename_in_op;
	assert_bug_caught(do_vunmap_mapped, dmabuf, "BUG: dma_buf_set_name: ");
	mock.hook = NULL;
	assert_string_equal(dmabuf->name, "before");
	assert_false(memory_leaked());
	assert_int_equal(dma_buf_set_name(dmabuf, "after"), 0);
	dma_buf_put(dmabuf);
	assert_log(&mock, "vmap vmap vunmap release");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(name_of_31_bytes_fits),
		LEAK_TEST(name_of_32_bytes_is_einval),
		LEAK_TEST(name_of_null_is_efault),
		LEAK_TEST(name_without_buffer_is_einval),
		LEAK_TEST(name_is_copied_and_replaced),
		LEAK_TEST(name_may_change_while_attached_and_mapped),
		LEAK_TEST(name_is_in_the_bug_report),
		LEAK_TEST(name_set_in_vmap_and_vunmap_ops_is_a_bug),
	};

	return cmocka_run_group_tests_name("dma_buf/name", tests,
					   leaks_group_setup, NULL) != 0;
}
