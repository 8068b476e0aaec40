/* SPDX-License-Identifier: MIT */
/* map.c - what mappings show, and how long they hold the buffer */
#include "client.h"

#include <sys/mman.h>
#include <unistd.h>

static void range_that_does_not_begin_at_zero(void)
{
	int memfd = client_memfd(1, 8);
	int fd = client_udmabuf(memfd, 3, 4);
	char *addr = client_map(fd, 0, 4);
	size_t i;

	CHECK(addr != MAP_FAILED);
	for (i = 0; i < 4; i++)
		CHECK(client_shows(addr + i * PAGE, 1, 3 + i));
}

static void range_that_begins_at_zero(void)
{
	int fd = client_udmabuf(client_memfd(1, 8), 0, 4);
	char *addr = client_map(fd, 1, 3);

	CHECK(addr != MAP_FAILED);
	CHECK(client_shows(addr, 1, 1));
	CHECK(client_shows(addr + 2 * PAGE, 1, 3));
}

static void scattered(size_t nr)
{
	int fd = client_scattered(client_memfd(2, 2 * nr), nr);
	size_t nr_fds = client_count_fds();
	char *addr = client_map(fd, 0, nr);

	CHECK(addr != MAP_FAILED);
	CHECK(client_shows_scattered(addr, 2, 0, nr, nr));
	CHECK(client_count_fds() == nr_fds);
	CHECK(!munmap(addr, nr * PAGE));
	CHECK(!client_mapped(addr));
	close(fd);
}

static void scattered_pages_are_in_order(void)
{
	static const size_t nrs[] = { 1, 2, 3, 4, 5, 6, 16, 17, 300, 1024 };
	size_t i;

	for (i = 0; i < sizeof(nrs) / sizeof(*nrs); i++)
		scattered(nrs[i]);
}

static void every_part_of_a_scattered_buffer(void)
{
	int fd = client_scattered(client_memfd(3, 20), 10);
	size_t first, nr;

	for (first = 0; first < 10; first++) {
		for (nr = 1; first + nr <= 10; nr++) {
			char *addr = client_map(fd, first, nr);

			CHECK(addr != MAP_FAILED);
			CHECK(client_shows_scattered(addr, 3, first, nr, 10));
			CHECK(!munmap(addr, nr * PAGE));
		}
	}
}

static void a_length_that_is_no_whole_page(void)
{
	int fd = client_scattered(client_memfd(3, 20), 10);
	char *addr = mmap(NULL, 7 * PAGE + 1, PROT_READ, MAP_SHARED, fd, 0);

	CHECK(addr != MAP_FAILED);
	CHECK(client_shows_scattered(addr, 3, 0, 8, 10));
}

static void pages_of_many_memfds(void)
{
	struct udmabuf_create_item items[120];
	int memfds[40];
	size_t i, nr_fds;
	char *addr;
	int fd;

	for (i = 0; i < 40; i++)
		memfds[i] = client_memfd((unsigned int)i, 4);
	for (i = 0; i < 120; i++)
		items[i] = (struct udmabuf_create_item){
			.memfd = (uint32_t)memfds[i % 40],
			.offset = (3 - i / 40) * PAGE,
			.size = PAGE,
		};
	fd = client_list(items, 120);
	nr_fds = client_count_fds();
	addr = client_map(fd, 0, 120);
	CHECK(addr != MAP_FAILED);
	CHECK(client_count_fds() == nr_fds);
	for (i = 0; i < 120; i++)
		CHECK(client_shows(addr + i * PAGE, (unsigned int)i % 40,
				   3 - i / 40));
}

static void memory_is_the_memfds(void)
{
	int memfd = client_memfd(4, 20);
	int fd = client_scattered(memfd, 10);
	char *addr = client_map(fd, 0, 10);
	char *other = client_map(fd, 5, 1);
	char byte = 'x';

	CHECK(addr != MAP_FAILED && other != MAP_FAILED);
	addr[5 * PAGE + 100] = 'y';
	CHECK(pread(memfd, &byte, 1,
		    (off_t)(client_scatter(5, 10) * PAGE + 100)) == 1);
	CHECK(byte == 'y' && other[100] == 'y');
	byte = 'z';
	CHECK(pwrite(memfd, &byte, 1,
		     (off_t)(client_scatter(9, 10) * PAGE)) == 1);
	CHECK(addr[9 * PAGE] == 'z');
}

static void memfd_that_is_closed(void)
{
	int memfd = client_memfd(5, 20);
	int fd = client_scattered(memfd, 10);
	char *addr;

	close(memfd);
	addr = client_map(fd, 0, 10);
	close(fd);
	CHECK(addr != MAP_FAILED);
	CHECK(client_shows_scattered(addr, 5, 0, 10, 10));
}

static void copy_of_the_fd(void)
{
	int fd = client_scattered(client_memfd(6, 20), 10);
	int copy = dup(fd);
	char *addr;

	CHECK(copy >= 0);
	close(fd);
	addr = client_map(copy, 0, 10);
	CHECK(addr != MAP_FAILED);
	CHECK(client_shows_scattered(addr, 6, 0, 10, 10));
}

static void last_munmap_releases_the_buffer(void)
{
	int fd = client_scattered(client_memfd(7, 20), 10);
	char *first = client_map(fd, 0, 10);
	char *second = client_map(fd, 4, 2);

	CHECK(first != MAP_FAILED && second != MAP_FAILED);
	close(fd);
	CHECK(!munmap(first, 10 * PAGE));
	CHECK(!munmap(second, PAGE));
	client_wait_buffers(1);
	CHECK(client_shows_scattered(second + PAGE, 7, 5, 1, 10));
	CHECK(!munmap(second + PAGE, PAGE));
	client_wait_buffers(0);
}

static void last_close_releases_the_buffer(void)
{
	int fd = client_scattered(client_memfd(7, 20), 10);

	CHECK(!munmap(client_map(fd, 0, 10), 10 * PAGE));
	client_wait_buffers(1);
	close(fd);
	client_wait_buffers(0);
}

static void mapped_over_is_released(void)
{
	int fd = client_scattered(client_memfd(8, 20), 10);
	char *addr = client_map(fd, 0, 10);

	CHECK(addr != MAP_FAILED);
	close(fd);
	CHECK(mmap(addr, 10 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
		   MAP_FIXED, -1, 0) == addr);
	client_wait_buffers(0);
}

static void a_thousand_times(void)
{
	int fd = client_scattered(client_memfd(9, 16), 8);
	size_t nr_fds = client_count_fds();
	size_t i;

	for (i = 0; i < client_rounds(1000); i++) {
		char *addr = client_map(fd, i % 8, 8 - i % 8);

		CHECK(addr != MAP_FAILED);
		CHECK(client_shows_scattered(addr, 9, i % 8, 8 - i % 8, 8));
		CHECK(!munmap(addr, (8 - i % 8) * PAGE));
	}
	CHECK(client_count_fds() == nr_fds);
	close(fd);
	client_wait_buffers(0);
}

const struct client_case map_cases[] = {
	{ "range_that_does_not_begin_at_zero",
	  range_that_does_not_begin_at_zero },
	{ "range_that_begins_at_zero", range_that_begins_at_zero },
	{ "scattered_pages_are_in_order", scattered_pages_are_in_order },
	{ "every_part_of_a_scattered_buffer",
	  every_part_of_a_scattered_buffer },
	{ "a_length_that_is_no_whole_page", a_length_that_is_no_whole_page },
	{ "pages_of_many_memfds", pages_of_many_memfds },
	{ "memory_is_the_memfds", memory_is_the_memfds },
	{ "memfd_that_is_closed", memfd_that_is_closed },
	{ "copy_of_the_fd", copy_of_the_fd },
	{ "last_munmap_releases_the_buffer", last_munmap_releases_the_buffer },
	{ "last_close_releases_the_buffer", last_close_releases_the_buffer },
	{ "mapped_over_is_released", mapped_over_is_released },
	{ "a_thousand_times", a_thousand_times },
	{ NULL, NULL },
};
