/* SPDX-License-Identifier: MIT */
/* huge.c - pieces of huge pages, of which each case needs six */
#include "client.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NR 3

/* 2 * NR pages of *ret_size bytes, filled */
static int huge_memfd(size_t *ret_size)
{
	int fd = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING |
			      MFD_HUGETLB);
	struct stat st;
	char *addr;
	size_t i;

	CHECK(fd >= 0);
	CHECK(!fstat(fd, &st));
	*ret_size = (size_t)st.st_blksize;
	CHECK(!ftruncate(fd, (off_t)(2 * NR * *ret_size)));
	CHECK(!fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	addr = mmap(NULL, 2 * NR * *ret_size, PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(addr != MAP_FAILED);
	for (i = 0; i < 2 * NR; i++)
		addr[i * *ret_size] = (char)('a' + i);
	CHECK(!munmap(addr, 2 * NR * *ret_size));
	return fd;
}

/* Every other page, from the back */
static int buffer(size_t *ret_size)
{
	struct udmabuf_create_item items[NR] = { 0 };
	int memfd = huge_memfd(ret_size);
	size_t i;

	for (i = 0; i < NR; i++) {
		items[i].memfd = (uint32_t)memfd;
		items[i].offset = client_scatter(i, NR) * *ret_size;
		items[i].size = *ret_size;
	}
	return client_list(items, NR);
}

/* Nothing else is mapped than it, and after it nothing. */
static void map_at(void *hint, int fd, size_t size)
{
	size_t before = client_count_mappings(), i;
	char *addr = mmap(hint, NR * size, PROT_READ, MAP_SHARED, fd, 0);

	CHECK(addr != MAP_FAILED);
	CHECK(!((uintptr_t)addr % size));
	CHECK(client_count_mappings() == before + NR);
	for (i = 0; i < NR; i++)
		CHECK(addr[i * size] == (char)('a' + client_scatter(i, NR)));
	CHECK(!munmap(addr, NR * size));
	CHECK(client_count_mappings() == before);
}

static void huge_pages_are_in_order(void)
{
	size_t size;
	int fd = buffer(&size);

	map_at(NULL, fd, size);
}

/* A place for small pages is none for huge ones, nor is what is in use. */
static void a_hint_between_huge_pages(void)
{
	size_t size;
	int fd = buffer(&size);
	char *room, *used;

	room = mmap(NULL, 3 * NR * size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(room != MAP_FAILED);
	used = room + (size - (uintptr_t)room % size) % size;
	*used = 'o';
	CHECK(!munmap(used + PAGE, 2 * NR * size));
	map_at(used + PAGE, fd, size);
	map_at(used + size / 2, fd, size);
	map_at(used + size - PAGE, fd, size);
	CHECK(*used == 'o');
}

const struct client_case huge_cases[] = {
	{ "huge_pages_are_in_order", huge_pages_are_in_order },
	{ "a_hint_between_huge_pages", a_hint_between_huge_pages },
	{ NULL, NULL },
};
