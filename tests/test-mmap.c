/* SPDX-License-Identifier: MIT */
/* test-mmap.c - dma_buf_mmap(): what it refuses, and what the op gets */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "assert-bug.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "process.h"
#include "warns.h"

#define PAGE ((size_t)4096)
#define SIZE (4 * PAGE)
#define RW (PROT_READ | PROT_WRITE)
#define FLAG_UNKNOWN 0x80000000
#define OFFSET_LAST ((off_t)(LONG_MAX & ~4095L))

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif

/* Refusals */

struct attempt {
	unsigned int mode;	/* of the export */
	size_t length;
	int prot;
	unsigned int flags;
	off_t offset;
	int error;
};

static void attempt_check(struct mock *mock, const struct attempt *attempt,
			  size_t nr)
{
	struct dma_buf *dmabuf;
	void *map;

	mock_init(mock, SIZE, 0);
	mock->info.flags = (int)attempt->mode;
	dmabuf = mock_export_inited(mock);
	map = dma_buf_mmap(dmabuf, attempt->length, attempt->prot,
			   (int)attempt->flags, attempt->offset);
	if (PTR_ERR(map) != attempt->error)
		fail_msg("attempt %zu: %ld instead of %d", nr, PTR_ERR(map),
			 attempt->error);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	dma_buf_put(dmabuf);
	assert_log(mock, "release");
}

/*
 * Rows of the reference (7.7): in each, the condition of the row and those of
 * later rows hold, so that the order shows.
 */
static void refusals_come_in_the_order_of_the_kernel(void **state)
{
	static const struct attempt attempts[] = {
		/* row 1: offset inside a page; or negative */
		{ O_RDWR, PAGE, PROT_READ, MAP_SHARED, 1, -EINVAL },
		{ O_WRONLY, SIZE_MAX, RW, MAP_SHARED, 4095, -EINVAL },
		{ O_WRONLY, SIZE_MAX, RW, MAP_SHARED, -1, -EINVAL },
		{ O_RDWR, PAGE, PROT_READ, MAP_SHARED, -4096, -EINVAL },
		/* row 3: no length */
		{ O_WRONLY, 0, RW, MAP_SHARED, 0, -EINVAL },
		{ O_RDWR, 0, PROT_READ, MAP_SHARED, OFFSET_LAST, -EINVAL },
		/* row 4: length rounds up to 0 */
		{ O_WRONLY, SIZE_MAX, RW, FLAG_UNKNOWN, OFFSET_LAST, -ENOMEM },
		{ O_RDWR, SIZE_MAX - PAGE + 2, PROT_READ, MAP_SHARED, 0,
		  -ENOMEM },
		/* row 5: offset + length wraps */
		{ O_WRONLY, 2 * PAGE, RW, FLAG_UNKNOWN, OFFSET_LAST,
		  -EOVERFLOW },
		{ O_RDWR, LONG_MAX, PROT_READ, MAP_SHARED, PAGE, -EOVERFLOW },
		/* row 7: a flag that is not known, when asked to look */
		{ O_RDONLY, 9 * PAGE, RW, MAP_SHARED_VALIDATE | FLAG_UNKNOWN,
		  0, -EOPNOTSUPP },
		{ O_WRONLY, PAGE, RW, MAP_SHARED_VALIDATE | MAP_SYNC, 0,
		  -EOPNOTSUPP },
		/* row 8: writing through a read-only fd */
		{ O_RDONLY, 9 * PAGE, RW, MAP_SHARED, 0, -EACCES },
		{ O_RDONLY, PAGE, PROT_WRITE, MAP_SHARED_VALIDATE, 0, -EACCES },
		/* row 9: nothing through a write-only fd */
		{ O_WRONLY, 9 * PAGE, PROT_READ, MAP_SHARED, 0, -EACCES },
		{ O_WRONLY, PAGE, PROT_WRITE, MAP_SHARED, 0, -EACCES },
		{ O_WRONLY, PAGE, PROT_NONE, MAP_SHARED, 0, -EACCES },
		{ O_WRONLY, PAGE, PROT_READ, MAP_PRIVATE, 0, -EACCES },
		/* row 10: neither shared nor private */
		{ O_RDWR, 9 * PAGE, PROT_READ, 0, 0, -EINVAL },
		{ O_RDONLY, 9 * PAGE, RW, 0, 0, -EINVAL },
		/* flags that choose the address or the memory */
		{ O_RDWR, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, 0, -EINVAL },
		{ O_RDWR, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, 0,
		  -EINVAL },
		/* row 12: past the end */
		{ O_RDWR, SIZE + 1, PROT_READ, MAP_SHARED, 0, -EINVAL },
		{ O_RDWR, SIZE, PROT_READ, MAP_SHARED, PAGE, -EINVAL },
		{ O_RDWR, PAGE, PROT_READ, MAP_SHARED, SIZE, -EINVAL },
		{ O_RDWR, 1, PROT_READ, MAP_SHARED, OFFSET_LAST - 4095 * 2,
		  -EINVAL },
		/* nor are there so many addresses */
		{ O_RDWR, LONG_MAX - PAGE, PROT_READ, MAP_SHARED, 0, -EINVAL },
	};
	static struct mock mock;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		attempt_check(&mock, &attempts[i], i);
}

/* INV-MMAP-1 */
static void no_buffer_warns_and_is_einval(void **state)
{
	(void)state;
	assert_int_equal(PTR_ERR(dma_buf_mmap(NULL, PAGE, PROT_READ, MAP_SHARED,
					      0)), -EINVAL);
	assert_warned("dma_buf_mmap");
	/* Before everything else. */
	assert_int_equal(PTR_ERR(dma_buf_mmap(NULL, 0, 0, 0, 1)), -EINVAL);
	assert_warned("dma_buf_mmap");
}

/* Row 11 */
static void no_mmap_op_is_einval(void **state)
{
	static struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, MOCK_BARE);

	(void)state;
	assert_int_equal(PTR_ERR(dma_buf_mmap(dmabuf, PAGE, PROT_READ,
					      MAP_SHARED, 0)), -EINVAL);
	/* The access mode is looked at before. */
	assert_int_equal(PTR_ERR(dma_buf_mmap(dmabuf, PAGE, PROT_READ, 0, 0)),
			 -EINVAL);
	dma_buf_put(dmabuf);
	assert_log(&mock, "release");
}

/* Row 13 */
static void error_of_the_op_is_the_answer(void **state)
{
	static struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);
	void *map;

	(void)state;
	mock_fail(&mock, MOCK_OP_MMAP, 1, -ENXIO);
	map = dma_buf_mmap(dmabuf, PAGE, PROT_READ, MAP_SHARED, 0);
	assert_int_equal(PTR_ERR(map), -ENXIO);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	map = dma_buf_mmap(dmabuf, PAGE, PROT_READ, MAP_SHARED, 0);
	assert_false(IS_ERR(map));
	munmap(map, PAGE);
	dma_buf_put(dmabuf);
	assert_log(&mock, "mmap mmap release");
}

/* A positive value would make an address of nothing. */
static void positive_result_of_the_op_is_einval(void **state)
{
	static struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, 0);
	void *map;

	(void)state;
	mock_fail(&mock, MOCK_OP_MMAP, 1, 5);
	map = dma_buf_mmap(dmabuf, PAGE, PROT_READ, MAP_SHARED, 0);
	assert_true(IS_ERR(map));
	assert_int_equal(PTR_ERR(map), -EINVAL);
	assert_warned("WARN: dma_buf_mmap: the mmap op returned 5");
	dma_buf_put(dmabuf);
	assert_log(&mock, "mmap release");
}

static void break_in_mmap(struct mock *mock, enum mock_op op,
			  struct dma_buf_attachment *attach)
{
	(void)attach;
	if (op == MOCK_OP_MMAP)
		dma_buf_vunmap(mock->dmabuf, mock->addr);
}

static void do_mmap(void *data)
{
	dma_buf_mmap(data, SIZE, PROT_READ, MAP_SHARED, 0);
}

static void bug_in_the_op_leaves_no_addresses_of(unsigned int options,
						 const char *log)
{
	static struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, options);
	void *map;

	mock.hook = break_in_mmap;
	assert_bug_caught(do_mmap, dmabuf, "BUG: dma_buf_vunmap: ");
	mock.hook = NULL;
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	map = dma_buf_mmap(dmabuf, SIZE, PROT_READ, MAP_SHARED, 0);
	assert_false(IS_ERR(map));
	munmap(map, SIZE);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
	assert_log(&mock, log);
	assert_no_warning();
}

static void bug_in_the_op_leaves_no_addresses(void **state)
{
	(void)state;
	bug_in_the_op_leaves_no_addresses_of(0, "mmap mmap release");
	bug_in_the_op_leaves_no_addresses_of(MOCK_PAGES,
					     "backing_fd mmap mmap release");
}

static void error_of_the_op_of_a_page_backed_buffer(void **state)
{
	static struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, MOCK_PAGES);

	(void)state;
	mock_fail(&mock, MOCK_OP_MMAP, 1, -ENXIO);
	assert_int_equal(PTR_ERR(dma_buf_mmap(dmabuf, PAGE, PROT_READ,
					      MAP_SHARED, 0)), -ENXIO);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	assert_int_equal(dmabuf_dispatch(), 0);
	dma_buf_put(dmabuf);
	assert_log(&mock, "backing_fd mmap release");
}

/* The part of the last page is not mappable, as in the kernel. */
static void tail_of_an_odd_size_cannot_be_mapped(void **state)
{
	static struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, PAGE + 1000, 0);
	void *map;

	(void)state;
	assert_int_equal(PTR_ERR(dma_buf_mmap(dmabuf, PAGE + 1000, PROT_READ,
					      MAP_SHARED, 0)), -EINVAL);
	assert_int_equal(PTR_ERR(dma_buf_mmap(dmabuf, 1000, PROT_READ,
					      MAP_SHARED, PAGE)), -EINVAL);
	map = dma_buf_mmap(dmabuf, PAGE, PROT_READ, MAP_SHARED, 0);
	assert_false(IS_ERR(map));
	munmap(map, PAGE);
	dma_buf_put(dmabuf);
	dmabuf = mock_export(&mock, PAGE - 1, 0);
	assert_int_equal(PTR_ERR(dma_buf_mmap(dmabuf, 1, PROT_READ, MAP_SHARED,
					      0)), -EINVAL);
	dma_buf_put(dmabuf);
}

/* What the op gets */

struct call {
	void *addr;
	size_t length;
	int prot;
	int flags;
	off_t offset;
	bool reserved;
	unsigned int nr;
};

static struct call last_call;

static struct sg_table *call_map(struct dma_buf_attachment *attach,
				 enum dma_data_direction dir)
{
	(void)attach;
	(void)dir;
	return NULL;
}

static void call_unmap(struct dma_buf_attachment *attach,
		       struct sg_table *table, enum dma_data_direction dir)
{
	(void)attach;
	(void)table;
	(void)dir;
}

static void call_release(struct dma_buf *dmabuf)
{
	(void)dmabuf;
}

static int call_mmap(struct dma_buf *dmabuf, void *addr, size_t length,
		     int prot, int flags, off_t offset)
{
	(void)dmabuf;
	last_call = (struct call){ addr, length, prot, flags, offset,
				   addr_is_mapped(addr), last_call.nr + 1 };
	if (mmap(addr, length, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) != addr)
		return -errno;
	memset(addr, 0x3c, length);
	return 0;
}

static struct dma_buf *call_export(void)
{
	static const struct dma_buf_ops ops = {
		.map_dma_buf = call_map,
		.unmap_dma_buf = call_unmap,
		.release = call_release,
		.mmap = call_mmap,
	};
	const struct dma_buf_export_info info = {
		.ops = &ops,
		.size = SIZE,
		.flags = O_RDWR,
		.priv = &last_call,
	};
	struct dma_buf *dmabuf = dma_buf_export(&info);

	assert_false(IS_ERR(dmabuf));
	last_call = (struct call){ 0 };
	return dmabuf;
}

static void op_gets_reserved_addresses_and_whole_pages(void **state)
{
	const int flags = MAP_SHARED | MAP_NORESERVE;
	struct dma_buf *dmabuf = call_export();
	char *map = dma_buf_mmap(dmabuf, PAGE + 1, RW, flags, PAGE);

	(void)state;
	assert_false(IS_ERR(map));
	assert_int_equal(last_call.nr, 1);
	assert_ptr_equal(last_call.addr, map);
	assert_int_equal(last_call.length, 2 * PAGE);
	assert_int_equal(last_call.prot, RW);
	assert_int_equal(last_call.flags & ~MAP_FIXED, flags);
	assert_int_equal(last_call.offset, PAGE);
	assert_true(last_call.reserved);
	assert_true(bytes_are(map, 0x3c, 2 * PAGE));
	munmap(map, 2 * PAGE);
	dma_buf_put(dmabuf);
}

static void mapping_of_an_opaque_buffer_holds_no_reference(void **state)
{
	struct dma_buf *dmabuf = call_export();
	void *map = dma_buf_mmap(dmabuf, SIZE, RW, MAP_SHARED, 0);

	(void)state;
	assert_false(IS_ERR(map));
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	munmap(map, SIZE);
	assert_int_equal(dmabuf_dispatch(), 0);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	dma_buf_put(dmabuf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(refusals_come_in_the_order_of_the_kernel),
		LEAK_TEST(no_buffer_warns_and_is_einval),
		LEAK_TEST(no_mmap_op_is_einval),
		LEAK_TEST(error_of_the_op_is_the_answer),
		LEAK_TEST(positive_result_of_the_op_is_einval),
		LEAK_TEST(bug_in_the_op_leaves_no_addresses),
		LEAK_TEST(error_of_the_op_of_a_page_backed_buffer),
		LEAK_TEST(tail_of_an_odd_size_cannot_be_mapped),
		LEAK_TEST(op_gets_reserved_addresses_and_whole_pages),
		LEAK_TEST(mapping_of_an_opaque_buffer_holds_no_reference),
	};

	alarm(120);
	return cmocka_run_group_tests_name("dma_buf/mmap", tests,
					   leaks_group_setup, NULL) != 0;
}
