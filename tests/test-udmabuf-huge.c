/* SPDX-License-Identifier: MIT */
/*
 * test-udmabuf-huge.c - ranges of memfds with huge pages
 *
 * INV-UDMA-D3
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "exporters.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "process.h"
#include "udmabufs.h"

#define TIB ((size_t)1 << 40)

/* @nr huge pages whose ordinary pages have numbers; skips without them. */
static int huge_memfd(unsigned int nr, unsigned int *ret_pages)
{
	size_t huge = huge_pages_need(nr);
	int fd;

	if (!huge)
		skip();
	fd = huge_memfd_make("huge", nr * huge, F_SEAL_SHRINK);
	pages_number(fd, (unsigned int)(nr * huge / PAGE), 0);
	*ret_pages = (unsigned int)(huge / PAGE);
	return fd;
}

static char *map_all(struct dma_buf *dmabuf)
{
	return dma_buf_mmap(dmabuf, dmabuf->size, PROT_READ | PROT_WRITE,
			    MAP_SHARED, 0);
}

/* What the device finds in each page, in the buffer's order */
static void device_finds(struct dma_buf *dmabuf, const unsigned int *numbers)
{
	struct scatterlist *sg;
	char copy[PAGE];
	struct use use;
	unsigned int i;

	use_begin(&use, dmabuf, device_new(), DMA_BIDIRECTIONAL);
	assert_int_equal(use.table->nents, dmabuf->size / PAGE);
	for_each_sgtable_dma_sg(use.table, sg, i) {
		assert_int_equal(dmabuf_device_read(use.dev, sg_dma_address(sg),
						    copy, PAGE), 0);
		assert_int_equal(number_at(copy), numbers[i]);
	}
	use_end(&use);
}

/* As the kernel's test does it, of which mmap(2) can show none. */
static void devices_reach_scattered_parts_of_huge_pages(void **state)
{
	unsigned int pages;
	int fd = huge_memfd(4, &pages);
	const struct dmabuf_udmabuf_range ranges[] = {
		range_of(fd, 0, 2), range_of(fd, 2 * pages - 1, 2),
		range_of(fd, 3 * pages + 7, 2), range_of(fd, 3, 1),
	};
	const unsigned int numbers[] = {
		0, 1, 2 * pages - 1, 2 * pages, 3 * pages + 7, 3 * pages + 8,
		3,
	};
	struct dma_buf *dmabuf = udmabuf_of(ranges, 4);

	(void)state;
	device_finds(dmabuf, numbers);
	assert_int_equal(PTR_ERR(dma_buf_vmap(dmabuf)), -EINVAL);
	assert_int_equal(PTR_ERR(map_all(dmabuf)), -EINVAL);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(errno, EBUSY);
	dma_buf_put(dmabuf);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	close(fd);
	huge_pages_done();
}

static void one_part_of_huge_pages_can_be_vmapped(void **state)
{
	unsigned int pages, nr, i;
	int fd = huge_memfd(2, &pages);
	struct dmabuf_udmabuf_range range;
	struct dma_buf *dmabuf;
	char *vaddr;

	(void)state;
	for (nr = 1; nr < 10; nr += 4) {
		range = range_of(fd, pages - 3, nr);
		dmabuf = udmabuf_of(&range, 1);
		vaddr = vmap_of(dmabuf);
		for (i = 0; i < nr; i++)
			assert_int_equal(number_at(vaddr + i * PAGE),
					 pages - 3 + i);
		number_set(vaddr, pages - 3);
		dma_buf_vunmap(dmabuf, vaddr);
		assert_false(addr_is_mapped(vaddr));
		assert_int_equal(PTR_ERR(map_all(dmabuf)), -EINVAL);
		dma_buf_put(dmabuf);
	}
	close(fd);
	huge_pages_done();
}

static void whole_huge_pages_are_mapped_in_any_order(void **state)
{
	unsigned int pages, i;
	int fd = huge_memfd(3, &pages);
	const struct dmabuf_udmabuf_range ranges[] = {
		range_of(fd, 2 * pages, pages), range_of(fd, 0, pages),
	};
	struct dma_buf *dmabuf = udmabuf_of(ranges, 2);
	char *vaddr = vmap_of(dmabuf), *addr = map_all(dmabuf);

	(void)state;
	assert_false(IS_ERR(addr));
	for (i = 0; i < 2 * pages; i++) {
		assert_int_equal(number_at(vaddr + i * PAGE),
				 i < pages ? 2 * pages + i : i - pages);
		number_set(vaddr + i * PAGE, i);
		assert_int_equal(number_at(addr + i * PAGE), i);
	}
	assert_int_equal(munmap(addr, dmabuf->size), 0);
	/* Part of one is none. */
	assert_int_equal(PTR_ERR(dma_buf_mmap(dmabuf, PAGE, PROT_READ,
					      MAP_SHARED, 0)), -EINVAL);
	assert_int_equal(PTR_ERR(dma_buf_mmap(dmabuf, PAGE * pages, PROT_READ,
					      MAP_SHARED, PAGE)), -EINVAL);
	dma_buf_vunmap(dmabuf, vaddr);
	assert_false(addr_is_mapped(vaddr + (2 * pages - 1) * PAGE));
	dma_buf_put(dmabuf);
	close(fd);
	huge_pages_done();
}

static void small_pages_may_follow_huge_ones(void **state)
{
	unsigned int pages;
	int fd = huge_memfd(1, &pages);
	int small = numbered_memfd(4, 9000);
	const struct dmabuf_udmabuf_range ranges[] = {
		range_of(fd, 0, pages), range_of(small, 3, 1),
		range_of(small, 0, 1), range_of(fd, 0, pages),
	};
	struct dma_buf *dmabuf = udmabuf_of(ranges, 3);
	struct dma_buf *displaced = udmabuf_of(ranges, 4);
	char *vaddr = vmap_of(dmabuf), *addr = map_all(dmabuf);

	(void)state;
	assert_false(IS_ERR(addr));
	assert_int_equal(number_at(vaddr + (pages - 1) * PAGE), pages - 1);
	assert_int_equal(number_at(vaddr + pages * PAGE), 9003);
	assert_int_equal(number_at(vaddr + (pages + 1) * PAGE), 9000);
	assert_int_equal(number_at(addr + (pages + 1) * PAGE), 9000);
	assert_int_equal(munmap(addr, dmabuf->size), 0);
	dma_buf_vunmap(dmabuf, vaddr);
	assert_int_equal(PTR_ERR(dma_buf_vmap(displaced)), -EINVAL);
	assert_int_equal(PTR_ERR(map_all(displaced)), -EINVAL);
	dma_buf_put(dmabuf);
	dma_buf_put(displaced);
	close(small);
	close(fd);
	huge_pages_done();
}

/* More than any machine has: no buffer, and no SIGBUS later. */
static void huge_pages_that_are_not_there_are_enomem(void **state)
{
	struct dmabuf_udmabuf_range range = { -1, 0, TIB };

	(void)state;
	range.fd = memfd_create("probe", MFD_CLOEXEC | MFD_ALLOW_SEALING |
					 MFD_HUGETLB);
	if (range.fd < 0) {
		print_message("skipped: the kernel has no huge pages\n");
		skip();
	}
	assert_int_equal(ftruncate(range.fd, (off_t)TIB), 0);
	assert_int_equal(fcntl(range.fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	dmabuf_udmabuf_set_limits(1024, UINT32_MAX);
	assert_int_equal(udmabuf_error(&range, 1), -ENOMEM);
	dmabuf_udmabuf_set_limits(1024, 64);
	assert_int_equal(fcntl(range.fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	close(range.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(devices_reach_scattered_parts_of_huge_pages),
		LEAK_TEST(one_part_of_huge_pages_can_be_vmapped),
		LEAK_TEST(whole_huge_pages_are_mapped_in_any_order),
		LEAK_TEST(small_pages_may_follow_huge_ones),
		LEAK_TEST(huge_pages_that_are_not_there_are_enomem),
	};

	return cmocka_run_group_tests_name("udmabuf/huge", tests,
					   leaks_group_setup, NULL) != 0;
}
