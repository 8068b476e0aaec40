/* SPDX-License-Identifier: MIT */
/* place.c - addresses, flags, and mappings that cannot be made */
#include "client.h"

#include <errno.h>
#include <signal.h>
#include <setjmp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define NR 10

static int buffer(unsigned int number)
{
	return client_scattered(client_memfd(number, 2 * NR), NR);
}

static void *map_at(void *addr, size_t nr, int flags, int fd)
{
	return mmap(addr, nr * PAGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | flags, fd, 0);
}

/* Pages that begin with 'o', as many as asked for. */
static char *others(size_t nr)
{
	char *addr = mmap(NULL, nr * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	CHECK(addr != MAP_FAILED);
	for (i = 0; i < nr; i++)
		addr[i * PAGE] = 'o';
	return addr;
}

static void fixed_replaces_what_is_there(size_t nr)
{
	char *there = others(nr + 2);

	CHECK(map_at(there + PAGE, nr, MAP_FIXED, buffer(1)) == there + PAGE);
	CHECK(there[0] == 'o' && there[(nr + 1) * PAGE] == 'o');
	CHECK(client_shows_scattered(there + PAGE, 1, 0, nr, NR));
}

static void fixed_over_an_existing_mapping(void)
{
	fixed_replaces_what_is_there(1);
	fixed_replaces_what_is_there(3);
	fixed_replaces_what_is_there(NR);
}

/* The last piece is longer than what is wanted of it. */
static void nothing_behind_the_end_is_touched(void)
{
	int memfd = client_memfd(13, 8);
	const struct udmabuf_create_item items[] = {
		{ .memfd = (uint32_t)memfd, .offset = 4 * PAGE,
		  .size = 4 * PAGE },
		{ .memfd = (uint32_t)memfd, .offset = 0, .size = 4 * PAGE },
	};
	char *there = others(8);
	size_t i;

	CHECK(mmap(there + PAGE, 5 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED,
		   client_list(items, 2), (off_t)PAGE) == there + PAGE);
	for (i = 0; i < 5; i++)
		CHECK(client_shows(there + (1 + i) * PAGE, 13, (5 + i) % 8));
	CHECK(there[0] == 'o' && there[6 * PAGE] == 'o' &&
	      there[7 * PAGE] == 'o');
}

static void fixed_over_the_same_buffer(void)
{
	int fd = buffer(2);
	char *addr = client_map(fd, 0, NR);

	CHECK(addr != MAP_FAILED);
	CHECK(map_at(addr + 2 * PAGE, 4, MAP_FIXED, fd) == addr + 2 * PAGE);
	CHECK(client_shows_scattered(addr, 2, 0, 2, NR));
	CHECK(client_shows_scattered(addr + 2 * PAGE, 2, 0, 4, NR));
	CHECK(client_shows_scattered(addr + 6 * PAGE, 2, 6, NR - 6, NR));
	close(fd);
	CHECK(!munmap(addr, NR * PAGE));
	client_wait_buffers(0);
}

static void noreplace_replaces_nothing(void)
{
	char *there = others(NR);
	int fd = buffer(3);

	errno = 0;
	CHECK(map_at(there, NR, MAP_FIXED_NOREPLACE, fd) == MAP_FAILED);
	CHECK(errno == EEXIST && there[0] == 'o');
	CHECK(map_at(there, 1, MAP_FIXED_NOREPLACE, fd) == MAP_FAILED);
	CHECK(errno == EEXIST && there[0] == 'o');
	CHECK(!munmap(there, NR * PAGE));
	CHECK(map_at(there, NR, MAP_FIXED_NOREPLACE, fd) == there);
	CHECK(client_shows_scattered(there, 3, 0, NR, NR));
}

static void a_hint_is_taken(void)
{
	char *there = others(NR);
	int fd = buffer(4);
	char *addr;

	addr = map_at(there, NR, 0, fd);
	CHECK(addr != MAP_FAILED && addr != there && there[0] == 'o');
	CHECK(client_shows_scattered(addr, 4, 0, NR, NR));
	CHECK(!munmap(there, NR * PAGE));
	CHECK(map_at(there, NR, 0, fd) == there);
	CHECK(client_shows_scattered(there, 4, 0, NR, NR));
}

/* Beside the mapping, that is, and afterwards */
static void nothing_else_is_mapped(void)
{
	static const size_t sizes[] = { 1, 2, 3, NR };
	int fd = buffer(14);
	char *there = others(NR + 2);
	size_t nr = client_count_mappings();
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		size_t size = sizes[i];
		char *addr = client_map(fd, 0, size);

		CHECK(addr != MAP_FAILED);
		CHECK(client_count_mappings() == nr + size);
		CHECK(!munmap(addr, size * PAGE));
		CHECK(client_count_mappings() == nr);
		/* It has two neighbours then, out of one. */
		CHECK(map_at(there + PAGE, size, MAP_FIXED, fd) ==
		      there + PAGE);
		CHECK(client_count_mappings() == nr + 1 + size);
		CHECK(mmap(there + PAGE, size * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		      there + PAGE);
		CHECK(client_count_mappings() == nr);
	}
}

/* The one that other memory has */
static void the_address_is_the_usual_one(void)
{
	int fd = buffer(15);
	char *first = others(1);
	size_t nr;

	if (others(1) > first) {
		fputs("# not tried: addresses are given from below\n", stderr);
		return;
	}
	for (nr = 1; nr <= NR; nr++) {
		char *room = others(nr + 1), *usual;

		CHECK(!munmap(room, (nr + 1) * PAGE));
		usual = others(nr);
		CHECK(!munmap(usual, nr * PAGE));
		/* A gap that this fits, but not the code of a loop with it */
		if (usual != room + PAGE)
			continue;
		CHECK(client_map(fd, 0, nr) == usual);
		CHECK(client_shows_scattered(usual, 15, 0, nr, NR));
		CHECK(!munmap(usual, nr * PAGE));
	}
}

static void flags_that_change_nothing_to_see(void)
{
	static const int flags[] = {
		MAP_POPULATE, MAP_NORESERVE, MAP_LOCKED, MAP_NONBLOCK,
		MAP_STACK, MAP_POPULATE | MAP_LOCKED,
	};
	int fd = buffer(5);
	char *addr;
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		addr = map_at(NULL, NR, flags[i], fd);
		CHECK(addr != MAP_FAILED);
		CHECK(client_shows_scattered(addr, 5, 0, NR, NR));
		CHECK(!munmap(addr, NR * PAGE));
	}
}

static void validated_flags(void)
{
	char *addr = mmap(NULL, NR * PAGE, PROT_READ, MAP_SHARED_VALIDATE,
			  buffer(5), 0);

	CHECK(addr != MAP_FAILED);
	CHECK(client_shows_scattered(addr, 5, 0, NR, NR));
}

#ifdef MAP_32BIT
static void low_addresses(void)
{
	int fd = buffer(6);
	char *addr = map_at(NULL, NR, MAP_32BIT, fd);

	CHECK(addr != MAP_FAILED);
	CHECK((uintptr_t)addr + NR * PAGE <= (uint64_t)1 << 31);
	CHECK(client_shows_scattered(addr, 6, 0, NR, NR));
	addr = map_at(NULL, 1, MAP_32BIT, fd);
	CHECK(addr != MAP_FAILED);
	CHECK((uintptr_t)addr + PAGE <= (uint64_t)1 << 31);
}
#endif

static sigjmp_buf fault;

static void fault_handler(int signal)
{
	siglongjmp(fault, signal);
}

/* Does it fault? */
static bool faults(volatile char *addr, bool write)
{
	if (sigsetjmp(fault, 1))
		return true;
	if (write)
		*addr = 1;
	else
		(void)*addr;
	return false;
}

static void protection_is_as_asked(void)
{
	int fd = buffer(7);
	char *addr;

	signal(SIGSEGV, fault_handler);
	addr = mmap(NULL, NR * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(addr != MAP_FAILED);
	CHECK(!faults(addr + PAGE, false) && faults(addr + PAGE, true));
	CHECK(!mprotect(addr, NR * PAGE, PROT_READ | PROT_WRITE));
	CHECK(!faults(addr + PAGE, true));
	addr = mmap(NULL, NR * PAGE, PROT_NONE, MAP_SHARED, fd, 0);
	CHECK(addr != MAP_FAILED);
	CHECK(faults(addr, false) && faults(addr + (NR - 1) * PAGE, false));
}

/* mmap(2) fails so, and leaves nothing behind. */
static void refused(void *addr, size_t nr, int flags, int fd, size_t first,
		    int error)
{
	size_t nr_fds = client_count_fds();

	errno = 0;
	CHECK(mmap(addr, nr * PAGE, PROT_READ | PROT_WRITE, flags, fd,
		   (off_t)(first * PAGE)) == MAP_FAILED);
	CHECK(errno == error);
	CHECK(client_count_fds() == nr_fds);
}

static void mistakes(void)
{
	char *there = others(NR);
	int fd = buffer(8);

	refused(NULL, NR + 1, MAP_SHARED, fd, 0, EINVAL);
	refused(NULL, 1, MAP_SHARED, fd, NR, EINVAL);
	refused(NULL, 0, MAP_SHARED, fd, 0, EINVAL);
	refused(NULL, NR, MAP_PRIVATE, fd, 0, EINVAL);
	refused(there + 1, NR, MAP_SHARED | MAP_FIXED, fd, 0, EINVAL);
	refused(there + 1, 1, MAP_SHARED | MAP_FIXED, fd, 0, EINVAL);
	refused((void *)(UINTPTR_MAX / PAGE / 4 * PAGE), NR,
		MAP_SHARED | MAP_FIXED, fd, 0, ENOMEM);
	CHECK(there[0] == 'o' && there[(NR - 1) * PAGE] == 'o');
	CHECK(client_map(fd, 0, NR) != MAP_FAILED);
}

/* Of this process, in pages */
static size_t address_space(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	size_t nr;

	CHECK(file && fscanf(file, "%zu", &nr) == 1);
	fclose(file);
	return nr;
}

static void no_address_space(void)
{
	struct rlimit old;
	int fd = buffer(9);
	int one = client_udmabuf(client_memfd(10, 4), 2, 2);

	CHECK(!getrlimit(RLIMIT_AS, &old));
	CHECK(!setrlimit(RLIMIT_AS, &(struct rlimit){ 0, old.rlim_max }));
	errno = 0;
	CHECK(client_map(fd, 0, NR) == MAP_FAILED && errno == ENOMEM);
	errno = 0;
	CHECK(client_map(one, 0, 2) == MAP_FAILED && errno == ENOMEM);
	CHECK(!setrlimit(RLIMIT_AS, &old));
	CHECK(client_map(fd, 0, NR) != MAP_FAILED);
	CHECK(client_map(one, 0, 2) != MAP_FAILED);
}

/* Not one page more than is asked for */
static void room_for_the_mapping_alone(void)
{
	static const size_t sizes[] = { 1, 2, 3, NR };
	int fd = buffer(16);
	struct rlimit old, low;
	size_t i;

	CHECK(!getrlimit(RLIMIT_AS, &old));
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		char *addr;

		low = old;
		low.rlim_cur = (address_space() + sizes[i]) * PAGE;
		CHECK(!setrlimit(RLIMIT_AS, &low));
		addr = client_map(fd, 0, sizes[i]);
		CHECK(addr != MAP_FAILED);
		CHECK(client_shows_scattered(addr, 16, 0, sizes[i], NR));
		CHECK(!munmap(addr, sizes[i] * PAGE));
		low.rlim_cur -= PAGE;
		CHECK(!setrlimit(RLIMIT_AS, &low));
		refused(NULL, sizes[i], MAP_SHARED, fd, 0, ENOMEM);
		CHECK(!setrlimit(RLIMIT_AS, &old));
	}
}

/* All mappings from now on are in memory, and stay there. */
static void locked_memory(void)
{
	int fd = buffer(17);
	struct rlimit limit;
	size_t nr;

	CHECK(!getrlimit(RLIMIT_MEMLOCK, &limit));
	if (geteuid() && limit.rlim_cur < 64 * PAGE) {
		fputs("# not tried: ulimit -l\n", stderr);
		return;
	}
	CHECK(!mlockall(MCL_FUTURE));
	for (nr = 1; nr <= NR; nr++) {
		char *addr = client_map(fd, 0, nr);

		CHECK(addr != MAP_FAILED);
		CHECK(client_shows_scattered(addr, 17, 0, nr, NR));
		CHECK(!munmap(addr, nr * PAGE));
	}
}

/* Until no more mappings fit: neighbours that do not merge. */
static char *mappings_use_up(size_t size, size_t *ret_nr)
{
	char *addr = mmap(NULL, size * PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t i;

	CHECK(addr != MAP_FAILED);
	for (i = 0; i < size; i += 2)
		if (mprotect(addr + i * PAGE, PAGE, PROT_READ))
			break;
	CHECK(i < size);
	*ret_nr = i;
	return addr;
}

/* The reservation can be made, and some of the pieces. */
static void a_failure_in_the_middle_undoes_all(void)
{
	size_t size = 1 << 21, nr, nr_fds, nr_mappings, back;
	char *place = others(64);
	char *filler;
	int fd = client_scattered(client_memfd(11, 128), 64);

	nr_fds = client_count_fds();
	filler = mappings_use_up(size, &nr);
	for (back = 2; back <= 40; back += 2) {
		CHECK(!mprotect(filler + (nr - back) * PAGE, PAGE, PROT_NONE));
		errno = 0;
		CHECK(mmap(place, 64 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED,
			   fd, 0) == MAP_FAILED);
		CHECK(errno == ENOMEM);
		CHECK(!client_mapped(place + 63 * PAGE) ||
		      place[63 * PAGE] == 'o');
		nr_mappings = client_count_mappings();
		refused(NULL, 64, MAP_SHARED, fd, 0, ENOMEM);
		CHECK(client_count_mappings() == nr_mappings);
	}
	CHECK(!munmap(filler, size * PAGE));
	CHECK(client_count_fds() == nr_fds);
	CHECK(!client_mapped(place) && !client_mapped(place + 3 * PAGE));
	CHECK(mmap(place, 64 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
		   0) == place);
	CHECK(client_shows_scattered(place, 11, 0, 64, 64));
	close(fd);
	CHECK(!munmap(place, 64 * PAGE));
	client_wait_buffers(0);
}

/* Nothing is taken away while there is no room for the temporary fds. */
static void no_room_for_fds(void)
{
	int fd = buffer(12);
	struct rlimit old, low;
	char *addr;

	CHECK(!getrlimit(RLIMIT_NOFILE, &old));
	low = old;
	low.rlim_cur = 0;
	CHECK(!setrlimit(RLIMIT_NOFILE, &low));
	errno = 0;
	addr = client_map(fd, 0, NR);
	CHECK(addr != MAP_FAILED || errno == ENFILE);
	CHECK(!setrlimit(RLIMIT_NOFILE, &old));
	addr = client_map(fd, 0, NR);
	CHECK(addr != MAP_FAILED);
	CHECK(client_shows_scattered(addr, 12, 0, NR, NR));
}

const struct client_case place_cases[] = {
	{ "fixed_over_an_existing_mapping", fixed_over_an_existing_mapping },
	{ "nothing_behind_the_end_is_touched",
	  nothing_behind_the_end_is_touched },
	{ "fixed_over_the_same_buffer", fixed_over_the_same_buffer },
	{ "noreplace_replaces_nothing", noreplace_replaces_nothing },
	{ "a_hint_is_taken", a_hint_is_taken },
	{ "nothing_else_is_mapped", nothing_else_is_mapped },
	{ "the_address_is_the_usual_one", the_address_is_the_usual_one },
	{ "flags_that_change_nothing_to_see",
	  flags_that_change_nothing_to_see },
	{ "validated_flags", validated_flags },
#ifdef MAP_32BIT
	{ "low_addresses", low_addresses },
#endif
	{ "protection_is_as_asked", protection_is_as_asked },
	{ "mistakes", mistakes },
	{ "no_address_space", no_address_space },
	{ "room_for_the_mapping_alone", room_for_the_mapping_alone },
	{ "locked_memory", locked_memory },
	{ "a_failure_in_the_middle_undoes_all",
	  a_failure_in_the_middle_undoes_all },
	{ "no_room_for_fds", no_room_for_fds },
	{ NULL, NULL },
};
