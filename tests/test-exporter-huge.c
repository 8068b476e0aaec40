/* SPDX-License-Identifier: MIT */
/* test-exporter-huge.c - buffers on huge pages */
#include <errno.h>
#include <fcntl.h>
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

#include "exporters.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "process.h"

#define PAGE ((size_t)4096)
#define GIB ((size_t)1 << 30)

static unsigned int huge_flags(void)
{
	return O_RDWR | DMABUF_EXPORT_HUGETLB;
}

static void huge_pages_are_reserved_and_given_back(void **state)
{
	size_t huge = huge_pages_need(2);
	struct dma_buf *dmabuf;
	struct use use;
	char *vaddr;

	(void)state;
	if (!huge)
		skip();
	assert_int_equal(dmabuf_memfd_export(huge + 1, huge_flags(), &dmabuf),
			 0);
	assert_int_equal(dmabuf->size, 2 * huge);
	vaddr = vmap_of(dmabuf);
	assert_true(bytes_are(vaddr, 0, PAGE));
	memset(vaddr, 7, 2 * huge);
	use_begin(&use, dmabuf, device_new(), DMA_BIDIRECTIONAL);
	assert_int_equal(use.table->nents, 1);
	assert_int_equal(device_byte(&use), 7);
	use_end(&use);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	assert_int_equal(dmabuf_live_buffers(), 0);
	huge_pages_done();
}

/* Gaps that begin at all kinds of addresses */
static void huge_mappings_begin_at_a_huge_page(void **state)
{
	size_t huge = huge_pages_need(1);
	struct dma_buf *dmabuf;
	char *filler, *vaddr;
	size_t i;

	(void)state;
	if (!huge)
		skip();
	assert_int_equal(dmabuf_memfd_export(huge, huge_flags(), &dmabuf), 0);
	for (i = 0; i < 4; i++) {
		filler = mmap(NULL, huge + i * PAGE, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_ptr_not_equal(filler, MAP_FAILED);
		vaddr = dma_buf_mmap(dmabuf, PAGE, PROT_READ, MAP_SHARED, 0);
		assert_false(IS_ERR(vaddr));
		assert_int_equal((uintptr_t)vaddr % huge, 0);
		assert_int_equal(vaddr[0], 0);
		munmap(vaddr, huge);
		munmap(filler, huge + i * PAGE);
	}
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
	huge_pages_done();
}

/* Holes in huge pages may never be filled again: then SIGBUS would follow. */
static void read_only_huge_pages_cannot_be_punched(void **state)
{
	size_t huge = huge_pages_need(1);
	struct dma_buf *dmabuf;
	struct use use;
	char path[32];
	char *vaddr;
	int fd, writer;

	(void)state;
	if (!huge)
		skip();
	assert_int_equal(dmabuf_memfd_export(huge, O_RDONLY |
					     DMABUF_EXPORT_HUGETLB, &dmabuf),
			 0);
	get_dma_buf(dmabuf);
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	writer = open(path, O_RDWR | O_CLOEXEC);
	assert_true(writer >= 0);
	assert_int_equal(fallocate(writer, FALLOC_FL_PUNCH_HOLE |
				   FALLOC_FL_KEEP_SIZE, 0, (off_t)huge), -1);
	assert_int_equal(errno, EPERM);
	assert_ptr_equal(mmap(NULL, huge, PROT_READ | PROT_WRITE, MAP_SHARED,
			      writer, 0), MAP_FAILED);
	close(writer);
	/* This process writes as before. */
	vaddr = vmap_of(dmabuf);
	memset(vaddr, 7, huge);
	use_begin(&use, dmabuf, device_new(), DMA_BIDIRECTIONAL);
	assert_int_equal(device_byte(&use), 7);
	device_put_byte(&use, 5, 'd');
	assert_int_equal(vaddr[5], 'd');
	use_end(&use);
	dma_buf_vunmap(dmabuf, vaddr);
	close(fd);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
	huge_pages_done();
}

/* More than any machine has: no reservation, so no buffer, and no SIGBUS. */
static void huge_pages_that_are_not_there_are_enomem(void **state)
{
	struct dma_buf *untouched = (struct dma_buf *)(uintptr_t)1;
	struct dma_buf *dmabuf = untouched;
	int fd;

	(void)state;
	address_space_needed();
	fd = memfd_create("probe", MFD_CLOEXEC | MFD_HUGETLB);
	if (fd < 0) {
		print_message("skipped: the kernel has no huge pages\n");
		skip();
	}
	close(fd);
	assert_int_equal(dmabuf_memfd_export(1024 * GIB, huge_flags(),
					     &dmabuf), -ENOMEM);
	assert_int_equal(dmabuf_memfd_export(SIZE_MAX, huge_flags(), &dmabuf),
			 -EINVAL);
	assert_int_equal(dmabuf_memfd_export(SIZE_MAX - PAGE, huge_flags(),
					     &dmabuf), -EINVAL);
	assert_int_equal(dmabuf_memfd_export(0, huge_flags(), &dmabuf),
			 -EINVAL);
	assert_ptr_equal(dmabuf, untouched);
	assert_int_equal(dmabuf_live_buffers(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(huge_pages_are_reserved_and_given_back),
		LEAK_TEST(huge_mappings_begin_at_a_huge_page),
		LEAK_TEST(read_only_huge_pages_cannot_be_punched),
		LEAK_TEST(huge_pages_that_are_not_there_are_enomem),
	};

	return cmocka_run_group_tests_name("exporters/huge", tests,
					   leaks_group_setup, NULL) != 0;
}
