/* SPDX-License-Identifier: MIT */
/* test-mmap.c - dma_buf_mmap(): what it refuses, what it maps, who holds what */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "assert-bug.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "process.h"
#include "sanitized.h"
#include "warns.h"

#define PAGE ((size_t)4096)
#define SIZE (4 * PAGE)
#define RW (PROT_READ | PROT_WRITE)
#define FLAG_UNKNOWN 0x80000000
#define OFFSET_LAST ((off_t)(LONG_MAX & ~4095L))

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif

static struct dma_buf *anon_export(size_t size, unsigned int flags)
{
	struct dma_buf *dmabuf;

	assert_int_equal(dmabuf_anon_export(size, flags, &dmabuf), 0);
	return dmabuf;
}

static void anon_views_needed(void)
{
	if (!under_valgrind())
		return;
	print_message("skipped under valgrind: it does not know mremap(2) "
		      "with an old size of 0\n");
	skip();
}

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

/* The exporters' memory */

static void whole_buffer_is_the_buffers_memory(struct dma_buf *dmabuf)
{
	char *vaddr = dma_buf_vmap(dmabuf);
	char *map = dma_buf_mmap(dmabuf, SIZE, RW, MAP_SHARED, 0);

	assert_false(IS_ERR_OR_NULL(vaddr));
	assert_false(IS_ERR(map));
	assert_ptr_not_equal(map, vaddr);
	memset(map, 0x11, SIZE);
	assert_true(bytes_are(vaddr, 0x11, SIZE));
	memset(vaddr, 0x22, SIZE);
	assert_true(bytes_are(map, 0x22, SIZE));
	munmap(map, SIZE);
	assert_true(bytes_are(vaddr, 0x22, SIZE));
	dma_buf_vunmap(dmabuf, vaddr);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

static void memfd_maps_its_memory(void **state)
{
	(void)state;
	whole_buffer_is_the_buffers_memory(memfd_export(SIZE, O_RDWR));
}

static void anon_maps_its_memory(void **state)
{
	(void)state;
	anon_views_needed();
	whole_buffer_is_the_buffers_memory(anon_export(SIZE, O_RDWR));
}

/* Each page of the buffer says its number; map some of them. */
static void part_is_the_right_part(struct dma_buf *dmabuf)
{
	char *vaddr = dma_buf_vmap(dmabuf);
	size_t first, nr;
	char *map;

	for (first = 0; first < 4; first++)
		memset(vaddr + first * PAGE, (int)first + 1, PAGE);
	for (first = 0; first < 4; first++) {
		for (nr = 1; first + nr <= 4; nr++) {
			map = dma_buf_mmap(dmabuf, nr * PAGE - 5, PROT_READ,
					   MAP_SHARED, (off_t)(first * PAGE));
			assert_false(IS_ERR(map));
			assert_true(bytes_are(map, (int)first + 1, PAGE));
			assert_true(bytes_are(map + (nr - 1) * PAGE,
					      (int)(first + nr), PAGE));
			munmap(map, nr * PAGE);
		}
	}
	dma_buf_vunmap(dmabuf, vaddr);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

static void memfd_maps_parts(void **state)
{
	(void)state;
	part_is_the_right_part(memfd_export(SIZE, O_RDWR));
}

static void anon_maps_parts(void **state)
{
	(void)state;
	anon_views_needed();
	part_is_the_right_part(anon_export(SIZE, O_RDWR));
}

/* "rw-s" and the like, for the mapping at @addr */
static void perms_of(const void *addr, char perms[5])
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uintptr_t at = (uintptr_t)addr;
	unsigned long start, end;
	char line[512];
	char found[5];

	assert_non_null(maps);
	strcpy(perms, "none");
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %4s", &start, &end, found) == 3 &&
		    start <= at && at < end)
			strcpy(perms, found);
	fclose(maps);
}

static void protection_is_as_asked(struct dma_buf *dmabuf)
{
	static const struct {
		int prot;
		const char *perms;
	} cases[] = {
		{ PROT_READ, "r--s" },
		{ RW, "rw-s" },
		{ PROT_NONE, "---s" },
	};
	char perms[5];
	size_t i;
	void *map;

	for (i = 0; i < 3; i++) {
		map = dma_buf_mmap(dmabuf, SIZE, cases[i].prot, MAP_SHARED, 0);
		assert_false(IS_ERR(map));
		perms_of(map, perms);
		assert_string_equal(perms, cases[i].perms);
		munmap(map, SIZE);
	}
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

static void memfd_maps_with_the_protection_asked_for(void **state)
{
	(void)state;
	protection_is_as_asked(memfd_export(SIZE, O_RDWR));
}

static void anon_maps_with_the_protection_asked_for(void **state)
{
	(void)state;
	anon_views_needed();
	protection_is_as_asked(anon_export(SIZE, O_RDWR));
}

static void read_only_memfd_stays_read_only(void **state)
{
	struct dma_buf *dmabuf = memfd_export(SIZE, O_RDONLY);
	void *map = dma_buf_mmap(dmabuf, SIZE, PROT_READ, MAP_SHARED, 0);

	(void)state;
	assert_false(IS_ERR(map));
	assert_int_equal(mprotect(map, SIZE, RW), -1);
	assert_int_equal(errno, EACCES);
	munmap(map, SIZE);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

static void private_mapping_of_memfd_is_a_copy(void **state)
{
	struct dma_buf *dmabuf = memfd_export(SIZE, O_RDONLY);
	char *vaddr = dma_buf_vmap(dmabuf);
	char *map;

	(void)state;
	memset(vaddr, 1, SIZE);
	map = dma_buf_mmap(dmabuf, SIZE, RW, MAP_PRIVATE, 0);
	assert_false(IS_ERR(map));
	assert_true(bytes_are(map, 1, SIZE));
	memset(map, 2, PAGE);
	assert_true(bytes_are(vaddr, 1, SIZE));
	munmap(map, SIZE);
	dma_buf_vunmap(dmabuf, vaddr);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

static void private_mapping_of_anon_is_einval(void **state)
{
	struct dma_buf *dmabuf = anon_export(SIZE, O_RDWR);

	(void)state;
	assert_int_equal(PTR_ERR(dma_buf_mmap(dmabuf, SIZE, RW, MAP_PRIVATE,
					      0)), -EINVAL);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	dma_buf_put(dmabuf);
}

static void validated_flags_are_taken(void **state)
{
	struct dma_buf *dmabuf = memfd_export(SIZE, O_RDWR);
	char *map;

	(void)state;
	map = dma_buf_mmap(dmabuf, SIZE, RW,
			   MAP_SHARED_VALIDATE | MAP_POPULATE, 0);
	assert_false(IS_ERR(map));
	assert_true(bytes_are(map, 0, SIZE));
	munmap(map, SIZE);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

/* Who holds the buffer */

static void mapping_of_memfd_holds_a_reference(void **state)
{
	struct dma_buf *dmabuf = memfd_export(SIZE, O_RDWR);
	void *a = dma_buf_mmap(dmabuf, SIZE, RW, MAP_SHARED, 0);
	void *b = dma_buf_mmap(dmabuf, PAGE, PROT_READ, MAP_PRIVATE, PAGE);

	(void)state;
	assert_false(IS_ERR(a));
	assert_false(IS_ERR(b));
	assert_int_equal(dmabuf_refcount(dmabuf), 3);
	munmap(a, SIZE);
	dispatch_until_refs(dmabuf, 2);
	munmap(b, PAGE);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

static void mapping_of_memfd_outlives_the_last_put(void **state)
{
	struct dma_buf *dmabuf = memfd_export(SIZE, O_RDWR);
	char *map = dma_buf_mmap(dmabuf, SIZE, RW, MAP_SHARED, 0);

	(void)state;
	assert_false(IS_ERR(map));
	dma_buf_put(dmabuf);
	assert_int_equal(dmabuf_dispatch(), 0);
	assert_int_equal(dmabuf_live_buffers(), 1);
	memset(map, 0x77, SIZE);
	assert_true(bytes_are(map, 0x77, SIZE));
	munmap(map, SIZE);
	wait_for_live_buffers(0);
}

static void half_an_unmap_keeps_the_reference(void **state)
{
	struct dma_buf *dmabuf = memfd_export(SIZE, O_RDWR);
	char *map = dma_buf_mmap(dmabuf, SIZE, RW, MAP_SHARED, 0);
	int i;

	(void)state;
	assert_false(IS_ERR(map));
	dma_buf_put(dmabuf);
	munmap(map + PAGE, PAGE);
	munmap(map, PAGE);
	for (i = 0; i < 10; i++)
		assert_int_equal(dmabuf_dispatch(), 0);
	munmap(map + 2 * PAGE, 2 * PAGE);
	wait_for_live_buffers(0);
}

static int hold_the_inherited_mapping(int sock, void *map)
{
	PEER_CHECK(bytes_are(map, 0x55, SIZE));
	turn_take(sock);
	return 0;
}

static void mapping_that_a_child_inherits_holds_too(void **state)
{
	struct dma_buf *dmabuf = memfd_export(SIZE, O_RDWR);
	char *map = dma_buf_mmap(dmabuf, SIZE, RW, MAP_SHARED, 0);
	struct peer peer;
	int i;

	(void)state;
	assert_false(IS_ERR(map));
	dma_buf_put(dmabuf);
	memset(map, 0x55, SIZE);
	peer_start(&peer, hold_the_inherited_mapping, map);
	munmap(map, SIZE);
	for (i = 0; i < 10; i++)
		assert_int_equal(dmabuf_dispatch(), 0);
	peer_join(&peer);
	wait_for_live_buffers(0);
}

/* A mock that maps nothing by itself: the library lays the view over it. */
static void page_backed_buffer_is_mapped_by_the_library(void **state)
{
	struct backing backing;
	struct dma_buf *dmabuf = backing_export(&backing, SIZE, O_RDWR);
	char *map = dma_buf_mmap(dmabuf, 2 * PAGE, RW, MAP_SHARED, PAGE);
	char byte = 0;

	(void)state;
	assert_false(IS_ERR(map));
	map[0] = 42;
	assert_int_equal(pread(backing.fd, &byte, 1, PAGE), 1);
	assert_int_equal(byte, 42);
	munmap(map, 2 * PAGE);
	dma_buf_put(dmabuf);
	wait_for_live_buffers(0);
	assert_int_equal(backing.releases, 1);
}

/* Huge pages */

static void huge_buffer_maps_whole_and_by_parts(void **state)
{
	size_t huge = huge_pages_need(2);
	struct dma_buf *dmabuf;
	char *vaddr, *map;

	(void)state;
	if (!huge)
		skip();
	dmabuf = memfd_export(2 * huge, O_RDWR | DMABUF_EXPORT_HUGETLB);
	vaddr = dma_buf_vmap(dmabuf);
	assert_false(IS_ERR_OR_NULL(vaddr));
	vaddr[0] = 1;
	vaddr[huge] = 2;
	map = dma_buf_mmap(dmabuf, 2 * huge, RW, MAP_SHARED, 0);
	assert_false(IS_ERR(map));
	assert_int_equal((uintptr_t)map % huge, 0);
	assert_int_equal(map[0], 1);
	assert_int_equal(map[huge], 2);
	assert_int_equal(munmap(map, 2 * huge), 0);
	map = dma_buf_mmap(dmabuf, huge, PROT_READ, MAP_SHARED, (off_t)huge);
	assert_false(IS_ERR(map));
	assert_int_equal(map[0], 2);
	assert_int_equal(munmap(map, huge), 0);
	/* A part of a huge page comes with the whole of it. */
	map = dma_buf_mmap(dmabuf, PAGE, PROT_READ, MAP_SHARED, 0);
	assert_false(IS_ERR(map));
	assert_int_equal(map[0], 1);
	assert_int_equal(munmap(map, huge), 0);
	/* And not from the middle. */
	assert_int_equal(PTR_ERR(dma_buf_mmap(dmabuf, PAGE, PROT_READ,
					      MAP_SHARED, PAGE)), -EINVAL);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	huge_pages_done();
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
		LEAK_TEST(memfd_maps_its_memory),
		LEAK_TEST(anon_maps_its_memory),
		LEAK_TEST(memfd_maps_parts),
		LEAK_TEST(anon_maps_parts),
		LEAK_TEST(memfd_maps_with_the_protection_asked_for),
		LEAK_TEST(anon_maps_with_the_protection_asked_for),
		LEAK_TEST(read_only_memfd_stays_read_only),
		LEAK_TEST(private_mapping_of_memfd_is_a_copy),
		LEAK_TEST(private_mapping_of_anon_is_einval),
		LEAK_TEST(validated_flags_are_taken),
		LEAK_TEST(mapping_of_memfd_holds_a_reference),
		LEAK_TEST(mapping_of_memfd_outlives_the_last_put),
		LEAK_TEST(half_an_unmap_keeps_the_reference),
		LEAK_TEST(mapping_that_a_child_inherits_holds_too),
		LEAK_TEST(page_backed_buffer_is_mapped_by_the_library),
		LEAK_TEST(huge_buffer_maps_whole_and_by_parts),
	};

	alarm(120);
	return cmocka_run_group_tests_name("dma_buf/mmap", tests,
					   leaks_group_setup, NULL) != 0;
}
