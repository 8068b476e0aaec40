/* SPDX-License-Identifier: MIT */
/* test-heap-system.c - buffers of the heaps "system" and "contiguous" */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

#include "attached.h"
#include "exporters.h"
#include "leaks.h"
#include "process.h"
#include "warns.h"

#define PAGE ((size_t)4096)
#define BLOCK_4 (16 * PAGE)
#define BLOCK_8 (256 * PAGE)
#define SIZE (4 * PAGE)
#define RW (PROT_READ | PROT_WRITE)

/* One of each kind of block, at least. */
#define SIZE_BLOCKS (2 * BLOCK_8 + 3 * BLOCK_4 + 5 * PAGE)

static int heap_export(const char *name, size_t size, unsigned int flags,
		       struct dma_buf **ret_dmabuf)
{
	struct dma_buf *dmabuf;

	dmabuf = dma_heap_buffer_alloc(dma_heap_find(name), size, flags, 0);
	if (IS_ERR(dmabuf))
		return (int)PTR_ERR(dmabuf);
	*ret_dmabuf = dmabuf;
	return 0;
}

static int system_export(size_t size, unsigned int flags,
			 struct dma_buf **ret_dmabuf)
{
	return heap_export("system", size, flags, ret_dmabuf);
}

static int contiguous_export(size_t size, unsigned int flags,
			     struct dma_buf **ret_dmabuf)
{
	return heap_export("contiguous", size, flags, ret_dmabuf);
}

static const struct kind pages = { "system", system_export, true, 0 };
static const struct kind run = { "contiguous", contiguous_export, true, 0 };

#define HEAP_TESTS(fn) KIND_TEST(fn, pages), KIND_TEST(fn, run)

/* The buffer */

static void buffer_is_named_after_its_heap(void **state)
{
	const struct kind *kind = kind_of(state);
	struct dma_buf *dmabuf = export(kind, 10000);
	char path[32], link[64] = "", expected[64];
	int fd;

	assert_string_equal(dmabuf->exp_name, kind->name);
	assert_int_equal(dmabuf->size, 12288);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	fd = fd_of(dmabuf);
	assert_int_equal(lseek(fd, 0, SEEK_END), 12288);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_true(readlink(path, link, sizeof(link) - 1) > 0);
	snprintf(expected, sizeof(expected), "/memfd:dmabuf:%s (deleted)",
		 kind->name);
	assert_string_equal(link, expected);
	close(fd);
	wait_for_live_buffers(0);
}

/* INV-HEAP-D1 */
static void memory_is_zero(void **state)
{
	enum { NR = 32 };
	static const size_t sizes[] = { PAGE, BLOCK_8 };
	struct dma_buf *dmabufs[NR];
	unsigned int round, i;

	/* The second half does not see what the first one wrote. */
	for (round = 0; round < 4; round++) {
		size_t size = sizes[round / 2];

		for (i = 0; i < NR; i++) {
			char *vaddr;

			dmabufs[i] = export(kind_of(state), size);
			vaddr = vmap_of(dmabufs[i]);
			assert_true(bytes_are(vaddr, 0, size));
			memset(vaddr, 0xff, size);
			dma_buf_vunmap(dmabufs[i], vaddr);
		}
		while (i)
			dma_buf_put(dmabufs[--i]);
	}
}

static void more_than_all_memory_is_enomem(void **state)
{
	static const size_t lens[] = {
		SIZE_MAX - PAGE + 1, (size_t)LONG_MAX + 1, (size_t)1 << 60,
	};
	size_t all = (size_t)sysconf(_SC_PHYS_PAGES) * PAGE;
	struct dma_buf *dmabuf = NULL;
	size_t i;

	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		assert_int_equal(kind_of(state)->export(lens[i], O_RDWR,
							&dmabuf), -ENOMEM);
	assert_int_equal(kind_of(state)->export(all + 1, O_RDWR, &dmabuf),
			 -ENOMEM);
	assert_null(dmabuf);
	assert_no_warning();
	/* Nothing is taken before it is used. */
	dma_buf_put(export(kind_of(state), all));
}

static void vmap_counts_one_mapping(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE);
	char *first = vmap_of(dmabuf);

	assert_ptr_equal(vmap_of(dmabuf), first);
	memset(first, 7, SIZE);
	dma_buf_vunmap(dmabuf, first);
	assert_true(addr_is_mapped(first));
	dma_buf_vunmap(dmabuf, first);
	assert_false(addr_is_mapped(first));
	first = vmap_of(dmabuf);
	assert_true(bytes_are(first, 7, SIZE));
	dma_buf_vunmap(dmabuf, first);
	dma_buf_put(dmabuf);
}

/* Mapping */

struct mode {
	int flags;
	int prot;
	int map_flags;
	int ret;	/* of dma_buf_mmap(); the fd's has the same errno */
};

static void mode_check(const struct kind *kind, const struct mode *mode)
{
	struct dma_buf *dmabuf;
	void *addr;
	int fd;

	assert_int_equal(kind->export(PAGE, (unsigned int)mode->flags, &dmabuf),
			 0);
	addr = dma_buf_mmap(dmabuf, PAGE, mode->prot, mode->map_flags, 0);
	assert_int_equal(PTR_ERR_OR_ZERO(addr), mode->ret);
	if (!IS_ERR(addr))
		munmap(addr, PAGE);
	fd = fd_of(dmabuf);
	addr = mmap(NULL, PAGE, mode->prot, mode->map_flags, fd, 0);
	assert_int_equal(addr == MAP_FAILED ? -errno : 0, mode->ret);
	if (addr != MAP_FAILED)
		munmap(addr, PAGE);
	close(fd);
	wait_for_live_buffers(0);
}

static void access_mode_is_that_of_the_fds(void **state)
{
	static const struct mode modes[] = {
		{ O_RDWR, RW, MAP_SHARED, 0 },
		{ O_RDWR, PROT_READ, MAP_SHARED, 0 },
		{ O_RDONLY, PROT_READ, MAP_SHARED, 0 },
		{ O_RDONLY, RW, MAP_SHARED, -EACCES },
		{ O_WRONLY, PROT_READ, MAP_SHARED, -EACCES },
		{ O_WRONLY, PROT_WRITE, MAP_SHARED, -EACCES },
		{ O_ACCMODE, PROT_READ, MAP_SHARED, -EACCES },
		{ O_ACCMODE, PROT_WRITE, MAP_SHARED, -EACCES },
	};
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		mode_check(kind_of(state), &modes[i]);
}

static void shared_mapping_shows_the_buffer(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE);
	char *vaddr = vmap_of(dmabuf);
	char *addr;

	addr = dma_buf_mmap(dmabuf, 2 * PAGE, RW, MAP_SHARED, (off_t)PAGE);
	assert_false(IS_ERR(addr));
	memset(addr, 1, 2 * PAGE);
	assert_true(bytes_are(vaddr, 0, PAGE));
	assert_true(bytes_are(vaddr + PAGE, 1, 2 * PAGE));
	assert_true(bytes_are(vaddr + 3 * PAGE, 0, PAGE));
	munmap(addr, 2 * PAGE);
	assert_error(dma_buf_mmap(dmabuf, SIZE + PAGE, RW, MAP_SHARED, 0),
		     -EINVAL);
	dma_buf_vunmap(dmabuf, vaddr);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

static void private_mapping_of_system_is_one_page(void **state)
{
	struct dma_buf *dmabuf = export(&pages, SIZE);
	char *vaddr = vmap_of(dmabuf);
	char *addr;

	(void)state;
	vaddr[PAGE] = 'a';
	addr = dma_buf_mmap(dmabuf, PAGE, RW, MAP_PRIVATE, (off_t)PAGE);
	assert_false(IS_ERR(addr));
	assert_int_equal(addr[0], 'a');
	addr[0] = 'b';
	assert_int_equal(vaddr[PAGE], 'a');
	munmap(addr, PAGE);
	assert_error(dma_buf_mmap(dmabuf, 2 * PAGE, PROT_READ, MAP_PRIVATE, 0),
		     -EINVAL);
	assert_error(dma_buf_mmap(dmabuf, PAGE + 1, PROT_READ, MAP_PRIVATE, 0),
		     -EINVAL);
	dma_buf_vunmap(dmabuf, vaddr);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

static void private_mapping_of_contiguous_is_einval(void **state)
{
	struct dma_buf *dmabuf = export(&run, SIZE);

	(void)state;
	assert_error(dma_buf_mmap(dmabuf, PAGE, PROT_READ, MAP_PRIVATE, 0),
		     -EINVAL);
	assert_error(dma_buf_mmap(dmabuf, SIZE, PROT_READ, MAP_PRIVATE, 0),
		     -EINVAL);
	dma_buf_put(dmabuf);
}

/* Tables */

/* What the kernel does, written down in its own way. */
static size_t next_block(size_t left, size_t last)
{
	size_t blocks[] = { BLOCK_8, BLOCK_4, PAGE };
	size_t i = 0;

	while (blocks[i] > left || blocks[i] > last)
		i++;
	return blocks[i];
}

static void table_check(const struct sg_table *table, size_t size)
{
	const char *next = page_address(sg_page(table->sgl));
	size_t left = size, last = SIZE_MAX;
	struct scatterlist *sg;
	unsigned int i;

	assert_int_equal(table->nents, table->orig_nents);
	for_each_sgtable_sg(table, sg, i) {
		size_t block = next_block(left, last);

		assert_int_equal(sg->length, block);
		assert_int_equal(sg_dma_len(sg), block);
		assert_int_equal(sg->offset, 0);
		assert_ptr_equal(page_address(sg_page(sg)), next);
		next += block;
		left -= block;
		last = block;
	}
	assert_int_equal(left, 0);
}

static void blocks_check(size_t size)
{
	struct dma_buf *dmabuf = export(&pages, size);
	struct use use;

	use_begin(&use, dmabuf, device_new(), DMA_BIDIRECTIONAL);
	table_check(use.table, dmabuf->size);
	use_end(&use);
	dma_buf_put(dmabuf);
}

/* INV-HEAP-D5 */
static void blocks_of_system_never_grow(void **state)
{
	static const size_t sizes[] = {
		1, PAGE, 2 * PAGE, BLOCK_4 - PAGE, BLOCK_4 - 1, BLOCK_4,
		BLOCK_4 + 1, 2 * BLOCK_4, BLOCK_8 - PAGE, BLOCK_8 - BLOCK_4,
		BLOCK_8, BLOCK_8 + PAGE, BLOCK_8 + BLOCK_4 - PAGE,
		BLOCK_8 + BLOCK_4, SIZE_BLOCKS, 64 * BLOCK_8,
		64 * BLOCK_8 - PAGE,
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		blocks_check(sizes[i]);
	for (i = 1; i < 600; i += 7)
		blocks_check(i * PAGE);
}

static void system_has_an_entry_for_each_block(void **state)
{
	struct dma_buf *dmabuf = export(&pages, SIZE_BLOCKS);
	struct use use;

	(void)state;
	use_begin(&use, dmabuf, device_new(), DMA_BIDIRECTIONAL);
	assert_int_equal(use.table->nents, 2 + 3 + 5);
	use_end(&use);
	dma_buf_put(dmabuf);
}

static void contiguous_is_one_entry(void **state)
{
	struct dma_buf *dmabuf = export(&run, SIZE_BLOCKS);
	struct use use;

	(void)state;
	use_begin(&use, dmabuf, device_new(), DMA_BIDIRECTIONAL);
	assert_int_equal(use.table->nents, 1);
	assert_int_equal(sg_dma_len(use.table->sgl), SIZE_BLOCKS);
	use_end(&use);
	dma_buf_put(dmabuf);
}

/* An entry ends with its block, or where the device wants it to. */
static void blocks_are_cut_for_the_device(void **state)
{
	const struct dmabuf_device_info small = {
		.max_segment_size = 3 * PAGE + 5,
	};
	/* 17 pages: a block of 16 in six pieces, and one page */
	static const size_t expected[] = { 3, 3, 3, 3, 3, 1, 1 };
	struct dma_buf *dmabuf = export(&pages, BLOCK_4 + PAGE);
	struct scatterlist *sg;
	struct use use;
	unsigned int i;

	(void)state;
	use_begin(&use, dmabuf, device_of(&small), DMA_BIDIRECTIONAL);
	assert_int_equal(use.table->nents, 7);
	for_each_sgtable_dma_sg(use.table, sg, i)
		assert_int_equal(sg_dma_len(sg), expected[i] * PAGE);
	use_end(&use);
	dma_buf_put(dmabuf);
}

/* INV-HEAP-D2 */
static void each_attachment_has_its_own_table(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE_BLOCKS);
	struct scatterlist *a, *b;
	struct use first, second;

	use_begin(&first, dmabuf, device_new(), DMA_BIDIRECTIONAL);
	use_begin(&second, dmabuf, device_new(), DMA_TO_DEVICE);
	assert_ptr_not_equal(first.table, second.table);
	assert_ptr_not_equal(first.table->sgl, second.table->sgl);
	assert_int_equal(first.table->nents, second.table->nents);
	for (a = first.table->sgl, b = second.table->sgl; a;
	     a = sg_next(a), b = sg_next(b)) {
		assert_ptr_equal(sg_page(a), sg_page(b));
		assert_int_equal(a->length, b->length);
	}
	use_end(&second);
	device_put_byte(&first, SIZE, 'x');
	use_end(&first);
	dma_buf_put(dmabuf);
}

/* A device goes through its list and finds the memory in order. */
static void devices_read_what_the_cpu_wrote(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE_BLOCKS);
	unsigned char *vaddr = (void *)vmap_of(dmabuf);
	struct scatterlist *sg;
	unsigned char byte;
	struct use use;
	size_t at = 0;
	unsigned int i;

	for (i = 0; i < SIZE_BLOCKS / PAGE; i++)
		vaddr[i * PAGE] = (unsigned char)(i * 7 + 1);
	use_begin(&use, dmabuf, device_new(), DMA_BIDIRECTIONAL);
	for_each_sgtable_dma_sg(use.table, sg, i) {
		assert_int_equal(dmabuf_device_read(use.dev, sg_dma_address(sg),
						    &byte, 1), 0);
		assert_int_equal(byte, (unsigned char)(at / PAGE * 7 + 1));
		assert_int_equal(dmabuf_device_write(use.dev,
				 sg_dma_address(sg) + sg_dma_len(sg) - 1, "e",
				 1), 0);
		at += sg_dma_len(sg);
		assert_int_equal(vaddr[at - 1], 'e');
	}
	assert_int_equal(at, SIZE_BLOCKS);
	use_end(&use);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

static void map_errors(const struct kind *kind, int map_ret)
{
	struct dma_buf *dmabuf = export(kind, SIZE);
	struct device *device = device_new();
	struct dma_buf_attachment *attach = dma_buf_attach(dmabuf, device);

	assert_false(IS_ERR(attach));
	assert_error(device_map(attach, DMA_NONE), map_ret);
	assert_int_equal(warns_seen(), 1);
	dma_buf_detach(dmabuf, attach);
	dmabuf_device_destroy(device);
	dma_buf_put(dmabuf);
}

static void failed_map_of_contiguous_is_enomem(void **state)
{
	(void)state;
	map_errors(&pages, -EINVAL);
	map_errors(&run, -ENOMEM);
}

static void attach_needs_a_mask_that_reaches(void **state)
{
	const struct dmabuf_device_info near = { .dma_mask = SIZE - 1 };
	struct dma_buf *dmabuf = export(kind_of(state), SIZE);
	struct device *device = device_of(&near);

	assert_error(dma_buf_attach(dmabuf, device), -EBUSY);
	dmabuf_device_destroy(device);
	dma_buf_put(dmabuf);
}

static void table_left_at_detach_is_taken_down(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE_BLOCKS);
	struct use use;

	use_begin(&use, dmabuf, device_new(), DMA_BIDIRECTIONAL);
	use_detach(&use);
	assert_warned("still mapped");
	dma_buf_put(dmabuf);
}

/* CPU access: a device that is not coherent counts the syncs by its bytes. */

#define LAST (SIZE_BLOCKS - 1)

static void put_last(const struct use *use, const char *byte)
{
	struct scatterlist *sg = use->table->sgl;

	while (!sg->last)
		sg = sg_next(sg);
	assert_int_equal(dmabuf_device_write(use->dev, sg_dma_address(sg) +
					     sg_dma_len(sg) - 1, byte, 1), 0);
}

/* INV-HEAP-D3 */
static void begin_reaches_every_mapped_attachment(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE_BLOCKS);
	char *vaddr = vmap_of(dmabuf);
	struct use first, second;

	use_begin(&first, dmabuf, device_non_coherent(), DMA_BIDIRECTIONAL);
	use_begin(&second, dmabuf, device_non_coherent(), DMA_FROM_DEVICE);
	device_put_byte(&first, 0, '1');
	put_last(&second, "2");
	assert_int_equal(vaddr[0], 0);
	assert_int_equal(vaddr[LAST], 0);
	/* The direction says what moves. */
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	assert_int_equal(vaddr[0], 0);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	assert_int_equal(vaddr[0], '1');
	assert_int_equal(vaddr[LAST], '2');
	use_end(&first);
	use_end(&second);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

/* INV-HEAP-D3 */
static void end_reaches_every_mapped_attachment(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE_BLOCKS);
	char *vaddr = vmap_of(dmabuf);
	struct use first, second;

	use_begin(&first, dmabuf, device_non_coherent(), DMA_BIDIRECTIONAL);
	use_begin(&second, dmabuf, device_non_coherent(), DMA_TO_DEVICE);
	vaddr[0] = 'c';
	assert_int_equal(device_byte(&first), 0);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	assert_int_equal(device_byte(&second), 0);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	assert_int_equal(device_byte(&first), 'c');
	assert_int_equal(device_byte(&second), 'c');
	use_end(&first);
	use_end(&second);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

/* INV-HEAP-D3: a sync of a table that is not mapped would warn. */
static void attachment_that_is_not_mapped_is_left_alone(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE_BLOCKS);
	struct use mapped, unmapped;
	char *vaddr = vmap_of(dmabuf);

	use_begin(&mapped, dmabuf, device_non_coherent(), DMA_BIDIRECTIONAL);
	use_begin(&unmapped, dmabuf, device_non_coherent(), DMA_BIDIRECTIONAL);
	use_unmap(&unmapped);
	device_put_byte(&mapped, 3, 'm');
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_BIDIRECTIONAL),
			 0);
	assert_int_equal(vaddr[3], 'm');
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL), 0);
	/* A second end is one too many, and 0 as in the kernel. */
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL), 0);
	assert_no_warning();
	use_detach(&unmapped);
	use_end(&mapped);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HEAP_TESTS(buffer_is_named_after_its_heap),
		HEAP_TESTS(memory_is_zero),
		HEAP_TESTS(more_than_all_memory_is_enomem),
		HEAP_TESTS(vmap_counts_one_mapping),
		HEAP_TESTS(access_mode_is_that_of_the_fds),
		HEAP_TESTS(shared_mapping_shows_the_buffer),
		LEAK_TEST(private_mapping_of_system_is_one_page),
		LEAK_TEST(private_mapping_of_contiguous_is_einval),
		LEAK_TEST(blocks_of_system_never_grow),
		LEAK_TEST(system_has_an_entry_for_each_block),
		LEAK_TEST(contiguous_is_one_entry),
		LEAK_TEST(blocks_are_cut_for_the_device),
		HEAP_TESTS(each_attachment_has_its_own_table),
		HEAP_TESTS(devices_read_what_the_cpu_wrote),
		LEAK_TEST(failed_map_of_contiguous_is_enomem),
		HEAP_TESTS(attach_needs_a_mask_that_reaches),
		HEAP_TESTS(table_left_at_detach_is_taken_down),
		HEAP_TESTS(begin_reaches_every_mapped_attachment),
		HEAP_TESTS(end_reaches_every_mapped_attachment),
		HEAP_TESTS(attachment_that_is_not_mapped_is_left_alone),
	};

	return cmocka_run_group_tests_name("system", tests, leaks_group_setup,
					   NULL) != 0;
}
