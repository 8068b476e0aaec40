/* SPDX-License-Identifier: MIT */
/* test-mmap-memory.c - what dma_buf_mmap() maps, and who holds the buffer */
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

#include "leaks.h"
#include "process.h"
#include "sanitized.h"

#define PAGE ((size_t)4096)
#define SIZE (4 * PAGE)
#define RW (PROT_READ | PROT_WRITE)

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
	return cmocka_run_group_tests_name("dma_buf/mmap, memory", tests,
					   leaks_group_setup, NULL) != 0;
}
