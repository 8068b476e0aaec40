/* SPDX-License-Identifier: MIT */
/*
 * test-udmabuf.c - buffers out of ranges of memfds: what they are made of
 *
 * INV-UDMA-D1 to INV-UDMA-D3
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "exporters.h"
#include "leaks.h"
#include "process.h"
#include "udmabufs.h"

#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

static void buffer_has_the_size_and_the_exporter_of_the_kernel(void **state)
{
	int fd = numbered_memfd(8, 0);
	struct dmabuf_udmabuf_range ranges[] = {
		range_of(fd, 6, 2), range_of(fd, 0, 3),
	};
	struct dma_buf *dmabuf = udmabuf_of(ranges, 2);
	int out;

	(void)state;
	close(fd);
	assert_int_equal(dmabuf->size, 5 * PAGE);
	assert_string_equal(dmabuf->exp_name, "udmabuf");
	out = fd_of(dmabuf);
	assert_int_equal(lseek(out, 0, SEEK_END), 5 * PAGE);
	assert_ptr_equal(dma_buf_get(out), dmabuf);
	dma_buf_put(dmabuf);
	close(out);
	wait_for_live_buffers(0);
}

static blkcnt_t blocks_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_blocks;
}

static void pages_of_the_ranges_are_allocated(void **state)
{
	int fd = memfd_make("sparse", 64 * PAGE, F_SEAL_SHRINK);
	struct dmabuf_udmabuf_range ranges[] = {
		range_of(fd, 8, 4), range_of(fd, 40, 1), range_of(fd, 9, 2),
	};
	struct dma_buf *dmabuf;
	char *vaddr;

	(void)state;
	assert_int_equal(blocks_of(fd), 0);
	dmabuf = udmabuf_of(ranges, 3);
	assert_int_equal(blocks_of(fd), 5 * PAGE / 512);
	vaddr = vmap_of(dmabuf);
	assert_true(bytes_are(vaddr, 0, dmabuf->size));
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	close(fd);
}

/* INV-UDMA-D1 */
static void writes_are_seen_on_both_sides(void **state)
{
	int fd = numbered_memfd(16, 0);
	struct dmabuf_udmabuf_range ranges[] = {
		range_of(fd, 12, 4), range_of(fd, 2, 4),
	};
	struct dma_buf *dmabuf = udmabuf_of(ranges, 2);
	char *vaddr = vmap_of(dmabuf);
	unsigned int i, page;

	(void)state;
	for (i = 0; i < 8; i++) {
		page = i < 4 ? 12 + i : i - 2;
		assert_int_equal(number_at(vaddr + i * PAGE), page);
		number_set(vaddr + i * PAGE, 1000 + i);
		assert_int_equal(number_in(fd, page), 1000 + i);
	}
	pages_number(fd, 16, 50);
	for (i = 0; i < 8; i++)
		assert_int_equal(number_at(vaddr + i * PAGE),
				 50 + (i < 4 ? 12 + i : i - 2));
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	close(fd);
}

/* Each page four times, in all kinds of neighbourhoods */
static void ranges_may_overlap(void **state)
{
	int fd = numbered_memfd(4, 0);
	struct dmabuf_udmabuf_range ranges[] = {
		range_of(fd, 0, 4), range_of(fd, 0, 4), range_of(fd, 1, 3),
		range_of(fd, 0, 1), range_of(fd, 3, 1), range_of(fd, 0, 3),
	};
	static const unsigned int pages[] = {
		0, 1, 2, 3, 0, 1, 2, 3, 1, 2, 3, 0, 3, 0, 1, 2,
	};
	struct dma_buf *dmabuf = udmabuf_of(ranges, 6);
	char *vaddr = vmap_of(dmabuf);
	size_t i;

	(void)state;
	assert_int_equal(dmabuf->size, sizeof(pages) / sizeof(pages[0]) * PAGE);
	for (i = 0; i < NR_ELEMENTS(pages); i++)
		assert_int_equal(number_at(vaddr + i * PAGE), pages[i]);
	number_set(vaddr + 2 * PAGE, 99);
	for (i = 0; i < NR_ELEMENTS(pages); i++)
		assert_int_equal(number_at(vaddr + i * PAGE),
				 pages[i] == 2 ? 99 : pages[i]);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	close(fd);
}

static void ranges_of_many_memfds_are_interleaved(void **state)
{
	struct dmabuf_udmabuf_range ranges[64];
	int fds[16];
	struct dma_buf *dmabuf;
	unsigned int i;
	char *vaddr;

	(void)state;
	for (i = 0; i < 16; i++)
		fds[i] = numbered_memfd(4, 10 * i);
	for (i = 0; i < 64; i++)
		ranges[i] = range_of(fds[i % 16], i / 16, 1);
	dmabuf = udmabuf_of(ranges, 64);
	for (i = 0; i < 16; i++)
		close(fds[i]);
	vaddr = vmap_of(dmabuf);
	for (i = 0; i < 64; i++)
		assert_int_equal(number_at(vaddr + i * PAGE),
				 10 * (i % 16) + i / 16);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

/* INV-UDMA-D2 */
static void closing_the_memfd_does_not_affect_the_buffer(void **state)
{
	struct dma_buf *dmabuf = udmabuf_plain(4);
	char *vaddr = vmap_of(dmabuf);
	unsigned int i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(number_at(vaddr + i * PAGE), i);
	number_set(vaddr, 5);
	dma_buf_vunmap(dmabuf, vaddr);
	vaddr = vmap_of(dmabuf);
	assert_int_equal(number_at(vaddr), 5);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

/* INV-UDMA-D3: vmapped or not, by fcntl(2) of any copy */
static void memfd_cannot_be_sealed_against_writing(void **state)
{
	int fds[] = { numbered_memfd(3, 0), numbered_memfd(3, 0) };
	struct dmabuf_udmabuf_range ranges[] = {
		range_of(fds[0], 1, 1), range_of(fds[1], 0, 2),
		range_of(fds[0], 0, 1),
	};
	struct dma_buf *first = udmabuf_of(ranges, 3);
	struct dma_buf *second = udmabuf_of(ranges, 1);
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		assert_int_equal(fcntl(fds[i], F_ADD_SEALS, F_SEAL_WRITE), -1);
		assert_int_equal(errno, EBUSY);
	}
	dma_buf_put(first);
	assert_int_equal(fcntl(fds[0], F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(fcntl(fds[1], F_ADD_SEALS, F_SEAL_WRITE), 0);
	dma_buf_put(second);
	assert_int_equal(fcntl(fds[0], F_ADD_SEALS, F_SEAL_WRITE), 0);
	close(fds[0]);
	close(fds[1]);
}

static void buffer_can_be_made_of_the_fd_of_another(void **state)
{
	struct dma_buf *memfd_buffer = memfd_export(4 * PAGE, O_RDWR);
	int fd = fd_of(memfd_buffer);
	struct dmabuf_udmabuf_range range = range_of(fd, 2, 1);
	struct dma_buf *dmabuf = udmabuf_of(&range, 1);
	char *vaddr = vmap_of(dmabuf);

	(void)state;
	vaddr[0] = 'u';
	assert_ptr_equal(dma_buf_get(fd), memfd_buffer);
	dma_buf_put(memfd_buffer);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	close(fd);
	wait_for_live_buffers(0);
}

/* Pieces */

static void assert_piece(struct dma_buf *dmabuf, uint64_t at, int file,
			 uint64_t offset, uint64_t size)
{
	struct dmabuf_udmabuf_range piece;
	struct stat a, b;

	assert_int_equal(dmabuf_udmabuf_piece(dmabuf, at, &piece), 0);
	assert_int_equal(fstat(file, &a), 0);
	assert_int_equal(fstat(piece.fd, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(piece.offset, offset);
	assert_int_equal(piece.size, size);
}

static void pieces_are_ranges_with_their_neighbours(void **state)
{
	int a = numbered_memfd(16, 0), b = numbered_memfd(16, 0);
	struct dmabuf_udmabuf_range ranges[] = {
		range_of(a, 4, 2), range_of(a, 6, 1), range_of(b, 7, 1),
		range_of(b, 7, 1), range_of(a, 7, 2), range_of(a, 9, 1),
	};
	struct dma_buf *dmabuf = udmabuf_of(ranges, 6);

	(void)state;
	assert_piece(dmabuf, 0, a, 4 * PAGE, 3 * PAGE);
	assert_piece(dmabuf, 1, a, 4 * PAGE + 1, 3 * PAGE - 1);
	assert_piece(dmabuf, 2 * PAGE, a, 6 * PAGE, PAGE);
	assert_piece(dmabuf, 3 * PAGE - 1, a, 7 * PAGE - 1, 1);
	assert_piece(dmabuf, 3 * PAGE, b, 7 * PAGE, PAGE);
	assert_piece(dmabuf, 4 * PAGE, b, 7 * PAGE, PAGE);
	assert_piece(dmabuf, 5 * PAGE, a, 7 * PAGE, 3 * PAGE);
	assert_piece(dmabuf, 8 * PAGE - 1, a, 10 * PAGE - 1, 1);
	dma_buf_put(dmabuf);
	close(a);
	close(b);
}

static void piece_of_something_else_is_einval(void **state)
{
	struct dma_buf *dmabuf = udmabuf_plain(2);
	struct dma_buf *other = memfd_export(PAGE, O_RDWR);
	struct dmabuf_udmabuf_range piece = { -7, 7, 7 };

	(void)state;
	assert_int_equal(dmabuf_udmabuf_piece(dmabuf, 2 * PAGE, &piece),
			 -EINVAL);
	assert_int_equal(dmabuf_udmabuf_piece(dmabuf, UINT64_MAX, &piece),
			 -EINVAL);
	assert_int_equal(dmabuf_udmabuf_piece(other, 0, &piece), -EINVAL);
	assert_int_equal(dmabuf_udmabuf_piece(NULL, 0, &piece), -EINVAL);
	assert_int_equal(piece.fd, -7);
	assert_int_equal(dmabuf_udmabuf_view_fd(dmabuf, 2 * PAGE), -EINVAL);
	assert_int_equal(dmabuf_udmabuf_view_fd(other, 0), -EINVAL);
	assert_int_equal(dmabuf_udmabuf_view_fd(NULL, 0), -EINVAL);
	dma_buf_put(dmabuf);
	dma_buf_put(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(buffer_has_the_size_and_the_exporter_of_the_kernel),
		LEAK_TEST(pages_of_the_ranges_are_allocated),
		LEAK_TEST(writes_are_seen_on_both_sides),
		LEAK_TEST(ranges_may_overlap),
		LEAK_TEST(ranges_of_many_memfds_are_interleaved),
		LEAK_TEST(closing_the_memfd_does_not_affect_the_buffer),
		LEAK_TEST(memfd_cannot_be_sealed_against_writing),
		LEAK_TEST(buffer_can_be_made_of_the_fd_of_another),
		LEAK_TEST(pieces_are_ranges_with_their_neighbours),
		LEAK_TEST(piece_of_something_else_is_einval),
	};

	return cmocka_run_group_tests_name("udmabuf", tests, leaks_group_setup,
					   NULL) != 0;
}
