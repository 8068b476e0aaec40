/* SPDX-License-Identifier: MIT */
/*
 * test-udmabuf-map.c - scattered buffers, seen by the CPU and by devices
 *
 * INV-UDMA-D1
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "exporters.h"
#include "leaks.h"
#include "process.h"
#include "udmabufs.h"
#include "warns.h"

#define NR 16u

/* 16 pages out of two memfds; what each has as its number */
static const unsigned int numbers[NR] = {
	12, 13, 14, 15, 104, 105, 0, 1, 2, 107, 106, 3, 4, 5, 100, 15,
};

static struct dma_buf *scattered(void)
{
	int a = numbered_memfd(16, 0), b = numbered_memfd(8, 100);
	const struct dmabuf_udmabuf_range ranges[] = {
		range_of(a, 12, 4), range_of(b, 4, 2), range_of(a, 0, 3),
		range_of(b, 7, 1), range_of(b, 6, 1), range_of(a, 3, 3),
		range_of(b, 0, 1), range_of(a, 15, 1),
	};
	struct dma_buf *dmabuf = udmabuf_of(ranges, 8);

	close(a);
	close(b);
	assert_int_equal(dmabuf->size, NR * PAGE);
	return dmabuf;
}

/* mmap */

static char *map_pages(struct dma_buf *dmabuf, unsigned int first,
		       unsigned int nr, int prot, int flags)
{
	return dma_buf_mmap(dmabuf, nr * PAGE, prot, flags,
			    (off_t)(first * PAGE));
}

static void every_part_can_be_mapped(void **state)
{
	struct dma_buf *dmabuf = scattered();
	unsigned int first, nr, i;
	char *addr;

	(void)state;
	for (first = 0; first < NR; first++) {
		for (nr = 1; first + nr <= NR; nr++) {
			addr = map_pages(dmabuf, first, nr, PROT_READ,
					 MAP_SHARED);
			assert_false(IS_ERR(addr));
			for (i = 0; i < nr; i++)
				assert_int_equal(number_at(addr + i * PAGE),
						 numbers[first + i]);
			munmap(addr, nr * PAGE);
		}
	}
	dma_buf_put(dmabuf);
}

static void mapping_of_part_of_a_page_is_of_whole_pages(void **state)
{
	struct dma_buf *dmabuf = scattered();
	char *addr = dma_buf_mmap(dmabuf, 3 * PAGE + 1, PROT_READ, MAP_SHARED,
				  3 * PAGE);

	(void)state;
	assert_false(IS_ERR(addr));
	assert_int_equal(number_at(addr + 3 * PAGE), numbers[6]);
	munmap(addr, 4 * PAGE);
	dma_buf_put(dmabuf);
}

static void mappings_are_shared_and_writable(void **state)
{
	struct dma_buf *dmabuf = scattered();
	char *one = map_pages(dmabuf, 0, NR, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_POPULATE);
	char *two = map_pages(dmabuf, 3, 9, PROT_READ | PROT_WRITE,
			      MAP_SHARED_VALIDATE);
	unsigned int i;

	(void)state;
	assert_false(IS_ERR(one));
	assert_false(IS_ERR(two));
	for (i = 3; i < 12; i++) {
		number_set(one + i * PAGE, 500 + i);
		assert_int_equal(number_at(two + (i - 3) * PAGE), 500 + i);
	}
	/* The page that is in the buffer twice */
	assert_int_equal(number_at(one + 15 * PAGE), 503);
	munmap(one, NR * PAGE);
	munmap(two, 9 * PAGE);
	dma_buf_put(dmabuf);
}

static void private_mapping_is_einval(void **state)
{
	struct dma_buf *dmabuf = scattered();

	(void)state;
	assert_int_equal(PTR_ERR(map_pages(dmabuf, 0, 1, PROT_READ,
					   MAP_PRIVATE)), -EINVAL);
	assert_int_equal(PTR_ERR(map_pages(dmabuf, 0, NR,
					   PROT_READ | PROT_WRITE,
					   MAP_PRIVATE)), -EINVAL);
	dma_buf_put(dmabuf);
}

static void mapping_past_the_end_is_einval(void **state)
{
	struct dma_buf *dmabuf = scattered();

	(void)state;
	assert_int_equal(PTR_ERR(map_pages(dmabuf, 0, NR + 1, PROT_READ,
					   MAP_SHARED)), -EINVAL);
	assert_int_equal(PTR_ERR(map_pages(dmabuf, NR, 1, PROT_READ,
					   MAP_SHARED)), -EINVAL);
	assert_int_equal(PTR_ERR(map_pages(dmabuf, NR - 1, 2, PROT_READ,
					   MAP_SHARED)), -EINVAL);
	dma_buf_put(dmabuf);
}

/* vmap */

static void vmap_is_linear(void **state)
{
	struct dma_buf *dmabuf = scattered();
	char *vaddr = vmap_of(dmabuf);
	unsigned int i;

	(void)state;
	for (i = 0; i < NR; i++)
		assert_int_equal(number_at(vaddr + i * PAGE), numbers[i]);
	assert_ptr_equal(vmap_of(dmabuf), vaddr);
	dma_buf_vunmap(dmabuf, vaddr);
	number_set(vaddr, 3);
	dma_buf_vunmap(dmabuf, vaddr);
	assert_false(addr_is_mapped(vaddr));
	assert_false(addr_is_mapped(vaddr + (NR - 1) * PAGE));
	dma_buf_put(dmabuf);
}

static void vmap_of_one_range_is_one_mapping(void **state)
{
	int fd = numbered_memfd(8, 0);
	/* In the buffer, these are neighbours. */
	const struct dmabuf_udmabuf_range ranges[] = {
		range_of(fd, 2, 3), range_of(fd, 5, 2),
	};
	struct dma_buf *dmabuf = udmabuf_of(ranges, 2);
	char *vaddr = vmap_of(dmabuf);
	unsigned int i;

	(void)state;
	for (i = 0; i < 5; i++)
		assert_int_equal(number_at(vaddr + i * PAGE), 2 + i);
	dma_buf_vunmap(dmabuf, vaddr);
	assert_false(addr_is_mapped(vaddr));
	dma_buf_put(dmabuf);
	close(fd);
}

/* Anybody may do this to a memfd that is in a buffer, in the kernel too. */
static void memfd_sealed_against_new_writers_cannot_be_mapped(void **state)
{
	int fd = numbered_memfd(8, 0);
	const struct dmabuf_udmabuf_range ranges[] = {
		range_of(fd, 2, 3), range_of(fd, 0, 2),
	};
	struct dma_buf *one = udmabuf_of(ranges, 1);
	struct dma_buf *two = udmabuf_of(ranges, 2);
	char *vaddr = vmap_of(one);

	(void)state;
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	number_set(vaddr, 42);
	assert_int_equal(number_in(fd, 2), 42);
	assert_int_equal(PTR_ERR(dma_buf_vmap(two)), -EPERM);
	assert_int_equal(PTR_ERR(map_pages(one, 0, 1, PROT_WRITE,
					   MAP_SHARED)), -EPERM);
	dma_buf_vunmap(one, vaddr);
	assert_int_equal(PTR_ERR(dma_buf_vmap(one)), -EPERM);
	dma_buf_put(one);
	dma_buf_put(two);
	close(fd);
}

/* The test of the kernel with 4 pages at each quarter of a memfd */
static void quarters_are_found_after_a_rewrite(void **state)
{
	int fd = numbered_memfd(1024, 0);
	const struct dmabuf_udmabuf_range ranges[] = {
		range_of(fd, 0, 4), range_of(fd, 256, 4),
		range_of(fd, 512, 4), range_of(fd, 768, 4),
	};
	struct dma_buf *dmabuf = udmabuf_of(ranges, 4);
	char *addr = map_pages(dmabuf, 0, 16, PROT_READ | PROT_WRITE,
			       MAP_SHARED);
	unsigned int i;

	(void)state;
	assert_false(IS_ERR(addr));
	pages_number(fd, 1024, 5000);
	for (i = 0; i < 16; i++)
		assert_int_equal(number_at(addr + i * PAGE),
				 5000 + i / 4 * 256 + i % 4);
	munmap(addr, 16 * PAGE);
	dma_buf_put(dmabuf);
	close(fd);
}

/* Devices */

static void table_has_an_entry_for_each_page(void **state)
{
	struct dma_buf *dmabuf = scattered();
	struct scatterlist *sg;
	struct use use;
	unsigned int i;

	(void)state;
	use_begin(&use, dmabuf, device_of(&(struct dmabuf_device_info){
		.name = "gpu" }), DMA_BIDIRECTIONAL);
	assert_int_equal(use.table->orig_nents, NR);
	assert_int_equal(use.table->nents, NR);
	for_each_sgtable_sg(use.table, sg, i) {
		assert_int_equal(sg->length, PAGE);
		assert_int_equal(sg_dma_len(sg), PAGE);
		assert_int_equal(number_at(sg_virt(sg)), numbers[i]);
	}
	use_end(&use);
	dma_buf_put(dmabuf);
}

static unsigned int device_number(const struct use *use,
				  const struct scatterlist *sg)
{
	char copy[PAGE];

	assert_int_equal(dmabuf_device_read(use->dev, sg_dma_address(sg), copy,
					    PAGE), 0);
	return number_at(copy);
}

static void device_number_set(const struct use *use,
			      const struct scatterlist *sg, unsigned int number)
{
	char copy[PAGE] = { 0 };

	number_set(copy, number);
	assert_int_equal(dmabuf_device_write(use->dev, sg_dma_address(sg),
					     copy, PAGE), 0);
}

static void devices_read_and_write_the_right_pages(void **state)
{
	struct dma_buf *dmabuf = scattered();
	char *vaddr = vmap_of(dmabuf);
	struct scatterlist *sg;
	struct use use;
	unsigned int i;

	(void)state;
	use_begin(&use, dmabuf, device_of(&(struct dmabuf_device_info){
		.name = "gpu" }), DMA_BIDIRECTIONAL);
	for_each_sgtable_dma_sg(use.table, sg, i)
		assert_int_equal(device_number(&use, sg), numbers[i]);
	for_each_sgtable_dma_sg(use.table, sg, i) {
		device_number_set(&use, sg, 900 + i);
		assert_int_equal(number_at(vaddr + i * PAGE), 900 + i);
	}
	use_end(&use);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

static void brackets_reach_devices_with_copies(void **state)
{
	struct dma_buf *dmabuf = scattered();
	char *vaddr = vmap_of(dmabuf);
	struct scatterlist *sg;
	struct use use;
	unsigned int i;

	(void)state;
	use_begin(&use, dmabuf, device_non_coherent(), DMA_BIDIRECTIONAL);
	sg = use.table->sgl;
	device_number_set(&use, &sg[5], 700);
	assert_int_equal(number_at(vaddr + 5 * PAGE), numbers[5]);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_BIDIRECTIONAL),
			 0);
	assert_int_equal(number_at(vaddr + 5 * PAGE), 700);
	for (i = 0; i < NR - 1; i++)
		number_set(vaddr + i * PAGE, 800 + i);
	assert_int_equal(device_number(&use, &sg[9]), numbers[9]);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL), 0);
	for (i = 0; i < NR - 1; i++)
		assert_int_equal(device_number(&use, &sg[i]), 800 + i);
	use_end(&use);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

static void end_without_begin_is_einval(void **state)
{
	struct dma_buf *dmabuf = scattered();

	(void)state;
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL),
			 -EINVAL);
	/* A begin that fails is none. */
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_NONE), -EINVAL);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL),
			 -EINVAL);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	/* Once is enough. */
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL), 0);
	dma_buf_put(dmabuf);
}

static struct sg_table *map_again(const struct use *use,
				  enum dma_data_direction dir)
{
	return dma_buf_map_attachment_unlocked(use->attach, dir);
}

static void first_mapping_of_an_attachment_is_kept(void **state)
{
	struct dma_buf *dmabuf = scattered();
	struct use one, two;

	(void)state;
	use_begin(&one, dmabuf, device_of(&(struct dmabuf_device_info){
		.name = "reads" }), DMA_TO_DEVICE);
	use_begin(&two, dmabuf, device_of(&(struct dmabuf_device_info){
		.name = "both" }), DMA_BIDIRECTIONAL);
	assert_ptr_not_equal(one.table, two.table);
	use_unmap(&one);
	assert_ptr_equal(map_again(&one, DMA_TO_DEVICE), one.table);
	assert_int_equal(PTR_ERR(map_again(&one, DMA_FROM_DEVICE)), -EBUSY);
	assert_int_equal(PTR_ERR(map_again(&one, DMA_BIDIRECTIONAL)), -EBUSY);
	assert_ptr_equal(map_again(&two, DMA_FROM_DEVICE), two.table);
	use_detach(&one);
	use_detach(&two);
	dma_buf_put(dmabuf);
}

/* Pages far from each other, in a file that is larger than all memory. */
static void little_of_a_large_memfd_is_little(void **state)
{
	const unsigned int far = 1u << 26;	/* 256 GiB */
	struct dmabuf_udmabuf_range ranges[2];
	struct dma_buf *dmabuf;
	struct use use;
	char *vaddr;
	int fd;

	(void)state;
	address_space_needed();
	fd = memfd_make("huge", ((size_t)far + 1) * PAGE, F_SEAL_SHRINK);
	ranges[0] = range_of(fd, far, 1);
	ranges[1] = range_of(fd, 0, 1);
	dmabuf = udmabuf_of(ranges, 2);
	vaddr = vmap_of(dmabuf);
	number_set(vaddr, 11);
	number_set(vaddr + PAGE, 12);
	use_begin(&use, dmabuf, device_of(&(struct dmabuf_device_info){
		.name = "gpu" }), DMA_TO_DEVICE);
	assert_int_equal(device_number(&use, use.table->sgl), 11);
	assert_int_equal(device_number(&use, &use.table->sgl[1]), 12);
	use_end(&use);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	close(fd);
}

static void table_left_at_detach_warns(void **state)
{
	struct dma_buf *dmabuf = scattered();
	struct device *dev = device_non_coherent();
	struct dma_buf_attachment *attach = dma_buf_attach(dmabuf, dev);

	(void)state;
	assert_false(IS_ERR(attach));
	assert_false(IS_ERR(dma_buf_map_attachment_unlocked(attach,
							    DMA_TO_DEVICE)));
	/* It is kept, and ends with the attachment. */
	dma_buf_detach(dmabuf, attach);
	assert_no_warning();
	attach = dma_buf_attach(dmabuf, dev);
	assert_false(IS_ERR(dma_buf_map_attachment_unlocked(attach,
							    DMA_TO_DEVICE)));
	dma_buf_put(dmabuf);
	assert_warned("attachments");
	dma_buf_detach(NULL, attach);
	dmabuf_device_destroy(dev);
	assert_int_equal(dmabuf_live_buffers(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(every_part_can_be_mapped),
		LEAK_TEST(mapping_of_part_of_a_page_is_of_whole_pages),
		LEAK_TEST(mappings_are_shared_and_writable),
		LEAK_TEST(private_mapping_is_einval),
		LEAK_TEST(mapping_past_the_end_is_einval),
		LEAK_TEST(vmap_is_linear),
		LEAK_TEST(vmap_of_one_range_is_one_mapping),
		LEAK_TEST(memfd_sealed_against_new_writers_cannot_be_mapped),
		LEAK_TEST(quarters_are_found_after_a_rewrite),
		LEAK_TEST(table_has_an_entry_for_each_page),
		LEAK_TEST(devices_read_and_write_the_right_pages),
		LEAK_TEST(brackets_reach_devices_with_copies),
		LEAK_TEST(end_without_begin_is_einval),
		LEAK_TEST(first_mapping_of_an_attachment_is_kept),
		LEAK_TEST(little_of_a_large_memfd_is_little),
		LEAK_TEST(table_left_at_detach_warns),
	};

	return cmocka_run_group_tests_name("udmabuf/map", tests,
					   leaks_group_setup, NULL) != 0;
}
