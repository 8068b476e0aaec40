/* SPDX-License-Identifier: MIT */
/* test-exporter.c - buffers on anonymous pages and on memfd pages */
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

#include "exporters.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "process.h"
#include "warns.h"

#define PAGE ((size_t)4096)
#define SIZE (4 * PAGE)

/* Sizes and flags */

static void size_is_whole_pages(void **state)
{
	static const size_t sizes[][2] = {
		{ 1, PAGE }, { PAGE - 1, PAGE }, { PAGE, PAGE },
		{ PAGE + 1, 2 * PAGE }, { 3 * PAGE + 100, 4 * PAGE },
	};
	struct dma_buf *dmabuf;
	size_t i;
	int fd;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		dmabuf = export(kind_of(state), sizes[i][0]);
		assert_int_equal(dmabuf->size, sizes[i][1]);
		fd = dma_buf_fd(dmabuf, O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(lseek(fd, 0, SEEK_END), sizes[i][1]);
		close(fd);
		wait_for_live_buffers(0);
	}
}

static void no_size_is_einval(void **state)
{
	struct dma_buf *untouched = (struct dma_buf *)(uintptr_t)1;
	struct dma_buf *dmabuf = untouched;

	assert_int_equal(kind_of(state)->export(0, O_RDWR, &dmabuf), -EINVAL);
	assert_ptr_equal(dmabuf, untouched);
}

static void size_that_overflows_is_einval(void **state)
{
	static const size_t sizes[] = {
		SIZE_MAX, SIZE_MAX - PAGE + 2, SIZE_MAX - PAGE + 1,
		(size_t)LONG_MAX + 1, (size_t)LONG_MAX,
	};
	struct dma_buf *untouched = (struct dma_buf *)(uintptr_t)1;
	struct dma_buf *dmabuf = untouched;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(kind_of(state)->export(sizes[i], O_RDWR,
							&dmabuf), -EINVAL);
		assert_ptr_equal(dmabuf, untouched);
	}
}

static void size_beyond_the_address_space_of_anon_is_enomem(void **state)
{
	struct dma_buf *dmabuf;

	(void)state;
	address_space_needed();
	assert_int_equal(dmabuf_anon_export((size_t)LONG_MAX & ~(PAGE - 1),
					    O_RDWR, &dmabuf), -ENOMEM);
}

/* A memfd may be larger than what can be mapped; then only mapping fails. */
static void memfd_beyond_the_address_space_cannot_be_mapped(void **state)
{
	struct dma_buf_attachment *attach;
	struct dma_buf *dmabuf;
	struct device *dev;

	(void)state;
	address_space_needed();
	dmabuf = export(&memfd, (size_t)1 << 60);
	dev = device_new();
	attach = dma_buf_attach(dmabuf, dev);
	assert_false(IS_ERR(attach));
	assert_int_equal(PTR_ERR(dma_buf_map_attachment_unlocked(attach,
				 DMA_BIDIRECTIONAL)), -ENOMEM);
	assert_int_equal(PTR_ERR(dma_buf_vmap(dmabuf)), -ENOMEM);
	assert_int_equal(dmabuf->vmapping_counter, 0);
	assert_null(dmabuf->vmap_ptr);
	assert_int_equal(PTR_ERR(dma_buf_mmap(dmabuf, dmabuf->size, PROT_READ,
					      MAP_SHARED, 0)), -ENOMEM);
	dma_buf_detach(dmabuf, attach);
	dmabuf_device_destroy(dev);
	dma_buf_put(dmabuf);
	assert_int_equal(dmabuf_live_buffers(), 0);
}

static void unknown_flags_are_einval(void **state)
{
	static const unsigned int flags[] = {
		O_ACCMODE, O_CLOEXEC, O_RDWR | O_CLOEXEC, O_NONBLOCK | O_RDWR,
		1u << 31, 1u << 29, ~0u,
	};
	struct dma_buf *untouched = (struct dma_buf *)(uintptr_t)1;
	struct dma_buf *dmabuf = untouched;
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		assert_int_equal(kind_of(state)->export(SIZE, flags[i],
							&dmabuf), -EINVAL);
		assert_ptr_equal(dmabuf, untouched);
	}
	assert_int_equal(dmabuf_anon_export(SIZE,
					    O_RDWR | DMABUF_EXPORT_HUGETLB,
					    &dmabuf), -EINVAL);
	assert_no_warning();
}

static void every_access_mode_is_taken(void **state)
{
	static const unsigned int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	struct dma_buf *dmabuf;
	size_t i;

	for (i = 0; i < 3; i++) {
		assert_int_equal(kind_of(state)->export(SIZE, modes[i],
							&dmabuf), 0);
		/* The mode is that of the fds: the exporter's side writes. */
		memset(vmap_of(dmabuf), 1, SIZE);
		dma_buf_vunmap(dmabuf, dmabuf->vmap_ptr);
		dma_buf_put(dmabuf);
	}
}

static void buffer_is_what_was_asked_for(void **state)
{
	const struct kind *kind = kind_of(state);
	struct dma_buf *dmabuf = export(kind, SIZE);

	assert_string_equal(dmabuf->exp_name, kind->name);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	assert_null(dmabuf->name);
	assert_non_null(dmabuf->priv);
	assert_int_equal(dmabuf_live_buffers(), 1);
	assert_false(dma_buf_is_dynamic(dmabuf));
	dma_buf_put(dmabuf);
	assert_int_equal(dmabuf_live_buffers(), 0);
}

static void memory_is_zero(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), 256 * PAGE);
	char *vaddr = vmap_of(dmabuf);

	assert_true(bytes_are(vaddr, 0, 256 * PAGE));
	memset(vaddr, 0xff, 256 * PAGE);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	/* Old data does not come back with the next one. */
	dmabuf = export(kind_of(state), 256 * PAGE);
	vaddr = vmap_of(dmabuf);
	assert_true(bytes_are(vaddr, 0, 256 * PAGE));
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

/* Pages come when they are touched. */
static void large_size_is_one_segment(void **state)
{
	size_t size = kind_of(state)->large;
	struct dma_buf *dmabuf = export(kind_of(state), size);
	struct use use;

	use_begin(&use, dmabuf, device_new(), DMA_BIDIRECTIONAL);
	assert_int_equal(use.table->nents, 1);
	assert_int_equal(sg_dma_len(use.table->sgl), size);
	assert_int_equal(dmabuf_device_write(use.dev, use.addr + size - 1, "x",
					     1), 0);
	use_end(&use);
	dma_buf_put(dmabuf);
}

/* vmap */

static void vmap_is_the_whole_buffer(void **state)
{
	const struct kind *kind = kind_of(state);
	struct dma_buf *dmabuf = export(kind, SIZE);
	char *first = vmap_of(dmabuf);
	char *second = vmap_of(dmabuf);

	assert_ptr_equal(first, second);
	assert_int_equal(dmabuf->vmapping_counter, 2);
	memset(first, 3, SIZE);
	dma_buf_vunmap(dmabuf, first);
	assert_true(addr_is_mapped(second));
	dma_buf_vunmap(dmabuf, second);
	assert_int_equal(addr_is_mapped(first), !kind->fresh_vmap);
	/* The contents stay. */
	first = vmap_of(dmabuf);
	assert_true(bytes_are(first, 3, SIZE));
	dma_buf_vunmap(dmabuf, first);
	dma_buf_put(dmabuf);
	assert_false(addr_is_mapped(first));
}

/* The device's mapping and vmap are different ones of the same pages. */
static void memfd_vmap_is_a_mapping_of_its_own(void **state)
{
	struct dma_buf *dmabuf = export(&memfd, SIZE);
	struct use use;
	char *vaddr;

	(void)state;
	use_begin(&use, dmabuf, device_new(), DMA_BIDIRECTIONAL);
	vaddr = vmap_of(dmabuf);
	assert_ptr_not_equal(vaddr, sg_virt(use.table->sgl));
	vaddr[5] = 9;
	assert_int_equal(((char *)sg_virt(use.table->sgl))[5], 9);
	dma_buf_vunmap(dmabuf, vaddr);
	assert_true(addr_is_mapped(sg_virt(use.table->sgl)));
	use_end(&use);
	dma_buf_put(dmabuf);
}

/* Devices */

static void attach_needs_a_mask_that_reaches(void **state)
{
	const struct dmabuf_device_info near = { .dma_mask = SIZE - 1 };
	const struct dmabuf_device_info far = { .dma_mask = DMA_BIT_MASK(32) };
	struct dma_buf *dmabuf = export(kind_of(state), SIZE);
	struct device *dev = device_of(&near);
	struct use use;

	assert_int_equal(PTR_ERR(dma_buf_attach(dmabuf, dev)), -EBUSY);
	assert_ptr_equal(dmabuf->attachments.next, &dmabuf->attachments);
	dmabuf_device_destroy(dev);
	use_begin(&use, dmabuf, device_of(&far), DMA_BIDIRECTIONAL);
	assert_true(use.addr + SIZE - 1 <= DMA_BIT_MASK(32));
	use_end(&use);
	dma_buf_put(dmabuf);
	assert_no_warning();
}

static void map_gives_one_segment_or_what_the_device_takes(void **state)
{
	const struct dmabuf_device_info small = {
		.max_segment_size = 2 * PAGE + 100,
	};
	struct dma_buf *dmabuf = export(kind_of(state), 5 * PAGE);
	struct scatterlist *sg;
	struct use use;
	size_t sum = 0;
	unsigned int i;

	use_begin(&use, dmabuf, device_new(), DMA_TO_DEVICE);
	assert_int_equal(use.table->nents, 1);
	assert_int_equal(sg_dma_len(use.table->sgl), 5 * PAGE);
	use_end(&use);
	use_begin(&use, dmabuf, device_of(&small), DMA_TO_DEVICE);
	assert_int_equal(use.table->nents, 3);
	for_each_sgtable_dma_sg(use.table, sg, i) {
		assert_true(sg_dma_len(sg) <= 2 * PAGE);
		sum += sg_dma_len(sg);
	}
	assert_int_equal(sum, 5 * PAGE);
	use_end(&use);
	dma_buf_put(dmabuf);
}

struct direction {
	enum dma_data_direction dir;
	bool reads;
	bool writes;
};

static void direction_check(struct dma_buf *dmabuf, char *vaddr,
			    const struct direction *direction)
{
	char text[4] = "";
	struct use use;

	memcpy(vaddr + 100, "abc", 4);
	use_begin(&use, dmabuf, device_new(), direction->dir);
	assert_int_equal(dmabuf_device_read(use.dev, use.addr + 100, text, 4),
			 direction->reads ? 0 : -EFAULT);
	assert_string_equal(text, direction->reads ? "abc" : "");
	assert_int_equal(warns_seen(), !direction->reads);
	assert_int_equal(dmabuf_device_write(use.dev, use.addr + 100, "xyz",
					     4), direction->writes ? 0 :
								     -EFAULT);
	assert_string_equal(vaddr + 100, direction->writes ? "xyz" : "abc");
	assert_int_equal(warns_seen(), !direction->writes);
	use_end(&use);
}

static void every_direction_maps(void **state)
{
	static const struct direction directions[] = {
		{ DMA_BIDIRECTIONAL, true, true },
		{ DMA_TO_DEVICE, true, false },
		{ DMA_FROM_DEVICE, false, true },
	};
	struct dma_buf *dmabuf = export(kind_of(state), SIZE);
	char *vaddr = vmap_of(dmabuf);
	size_t i;

	for (i = 0; i < 3; i++)
		direction_check(dmabuf, vaddr, &directions[i]);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

static void no_direction_is_einval(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE);
	struct device *dev = device_new();
	struct dma_buf_attachment *attach = dma_buf_attach(dmabuf, dev);

	assert_int_equal(PTR_ERR(dma_buf_map_attachment_unlocked(attach,
				 DMA_NONE)), -EINVAL);
	assert_int_equal(warns_seen(), 1);
	dma_buf_detach(dmabuf, attach);
	dmabuf_device_destroy(dev);
	dma_buf_put(dmabuf);
}

static void one_attachment_may_map_often(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE);
	struct sg_table *second;
	struct use use;
	char byte = 0;

	use_begin(&use, dmabuf, device_new(), DMA_BIDIRECTIONAL);
	second = dma_buf_map_attachment_unlocked(use.attach, DMA_TO_DEVICE);
	assert_false(IS_ERR(second));
	assert_ptr_not_equal(second, use.table);
	assert_int_equal(dmabuf_device_write(use.dev, use.addr, "q", 1), 0);
	assert_int_equal(dmabuf_device_read(use.dev,
					    sg_dma_address(second->sgl),
					    &byte, 1), 0);
	assert_int_equal(byte, 'q');
	dma_buf_unmap_attachment_unlocked(use.attach, second, DMA_TO_DEVICE);
	use_end(&use);
	dma_buf_put(dmabuf);
}

static void unmapped_addresses_fault(void **state)
{
	struct dma_buf *dmabuf = export(kind_of(state), SIZE);
	struct use use;
	char byte;

	use_begin(&use, dmabuf, device_new(), DMA_BIDIRECTIONAL);
	assert_int_equal(dmabuf_device_read(use.dev, use.addr + SIZE, &byte, 1),
			 -EFAULT);
	dma_buf_unmap_attachment_unlocked(use.attach, use.table, use.dir);
	assert_int_equal(dmabuf_device_read(use.dev, use.addr, &byte, 1),
			 -EFAULT);
	assert_int_equal(warns_seen(), 2);
	dma_buf_detach(dmabuf, use.attach);
	dmabuf_device_destroy(use.dev);
	dma_buf_put(dmabuf);
}

/* All at once */

static void many_buffers_leave_nothing(void **state)
{
	enum { NR = 200 };
	struct dma_buf *dmabufs[NR];
	int i;

	for (i = 0; i < NR; i++)
		dmabufs[i] = export(kind_of(state), (size_t)(i + 1) * 100);
	assert_int_equal(dmabuf_live_buffers(), NR);
	for (i = 0; i < NR; i++) {
		memset(vmap_of(dmabufs[i]), i, dmabufs[i]->size);
		dma_buf_vunmap(dmabufs[i], dmabufs[i]->vmap_ptr);
	}
	for (i = NR; i-- > 0;)
		dma_buf_put(dmabufs[i]);
	assert_int_equal(dmabuf_live_buffers(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIND_TESTS(size_is_whole_pages),
		KIND_TESTS(no_size_is_einval),
		KIND_TESTS(size_that_overflows_is_einval),
		LEAK_TEST(size_beyond_the_address_space_of_anon_is_enomem),
		LEAK_TEST(memfd_beyond_the_address_space_cannot_be_mapped),
		KIND_TESTS(unknown_flags_are_einval),
		KIND_TESTS(every_access_mode_is_taken),
		KIND_TESTS(buffer_is_what_was_asked_for),
		KIND_TESTS(memory_is_zero),
		KIND_TESTS(large_size_is_one_segment),
		KIND_TESTS(vmap_is_the_whole_buffer),
		LEAK_TEST(memfd_vmap_is_a_mapping_of_its_own),
		KIND_TESTS(attach_needs_a_mask_that_reaches),
		KIND_TESTS(map_gives_one_segment_or_what_the_device_takes),
		KIND_TESTS(every_direction_maps),
		KIND_TESTS(no_direction_is_einval),
		KIND_TESTS(one_attachment_may_map_often),
		KIND_TESTS(unmapped_addresses_fault),
		KIND_TESTS(many_buffers_leave_nothing),
	};

	return cmocka_run_group_tests_name("exporters", tests,
					   leaks_group_setup, NULL) != 0;
}
