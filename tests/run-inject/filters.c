/* SPDX-License-Identifier: MIT */
/* filters.c - programs that have a seccomp filter of their own */
#include "client.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NR 16

#define WORD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define SKIP_UNLESS(value, lines) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, lines)
#define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, action)

static void filter(struct sock_filter *code, unsigned short size)
{
	const struct sock_fprog prog = { size, code };

	CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CHECK(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog));
}

/* A call whose argument has one of these bits */
static void forbid(unsigned int nr, unsigned int which, unsigned int bits,
		   unsigned int action)
{
	struct sock_filter code[] = {
		WORD(nr),
		SKIP_UNLESS(nr, 3),
		WORD(args[which]),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1),
		ANSWER(action),
		ANSWER(SECCOMP_RET_ALLOW),
	};

	filter(code, sizeof(code) / sizeof(*code));
}

static int buffer(void)
{
	return client_scattered(client_memfd(1, 2 * NR), NR);
}

static void works(int fd)
{
	size_t nr_fds = client_count_fds();
	size_t nr_mappings = client_count_mappings();
	size_t nr;

	for (nr = 1; nr <= NR; nr++) {
		char *addr = client_map(fd, 0, nr);

		CHECK(addr != MAP_FAILED);
		CHECK(client_shows_scattered(addr, 1, 0, nr, NR));
		CHECK(!munmap(addr, nr * PAGE));
		CHECK(client_count_mappings() == nr_mappings);
	}
	CHECK(client_count_fds() == nr_fds);
}

static void fails(int fd, size_t nr)
{
	size_t nr_fds = client_count_fds();
	size_t nr_mappings = client_count_mappings();

	errno = 0;
	CHECK(client_map(fd, 0, nr) == MAP_FAILED && errno == EPERM);
	CHECK(client_count_mappings() == nr_mappings);
	CHECK(client_count_fds() == nr_fds);
}

static void no_memory_to_execute(void)
{
	int fd = buffer();

	forbid(SYS_mmap, 2, PROT_EXEC, SECCOMP_RET_ERRNO | EPERM);
	works(fd);
}

static void no_memory_to_execute_by_signal(void)
{
	int fd = buffer();

	forbid(SYS_mmap, 2, PROT_EXEC, SECCOMP_RET_TRAP);
	works(fd);
}

/* The call by which a loop says that it is over: the one with such an offset */
static void no_end_of_a_loop(void)
{
	int fd = buffer();

	forbid(SYS_mmap, 5, 1, SECCOMP_RET_ERRNO | EPERM);
	works(fd);
}

static void no_end_of_a_loop_by_signal(void)
{
	int fd = buffer();

	forbid(SYS_mmap, 5, 1, SECCOMP_RET_TRAP);
	works(fd);
}

/* The code of the loop stays: nobody is told of that, by a signal neither. */
static void no_unmapping_by_signal(void)
{
	int fd = buffer();
	char *addr;

	forbid(SYS_munmap, 1, UINT32_MAX, SECCOMP_RET_TRAP);
	addr = client_map(fd, 0, NR);
	CHECK(addr != MAP_FAILED);
	CHECK(client_shows_scattered(addr, 1, 0, NR, NR));
}

/* Whom the pieces of a mapping do not concern */
static void filters_that_ask_a_tracer(void)
{
	int fd = buffer();

	forbid(SYS_mmap, 3, MAP_FIXED, SECCOMP_RET_TRACE | 7);
	works(fd);
}

static void every_mapping_fails(unsigned int action)
{
	int fd = buffer();

	forbid(SYS_mmap, 3, MAP_DENYWRITE, action);
	fails(fd, 1);
	fails(fd, 2);
	fails(fd, 3);
	fails(fd, NR);
	close(fd);
	client_wait_buffers(0);
}

static void no_unusual_flags(void)
{
	every_mapping_fails(SECCOMP_RET_ERRNO | EPERM);
}

/* It would not see a SIGSYS that is not of its own making. */
static void no_unusual_flags_by_signal(void)
{
	every_mapping_fails(SECCOMP_RET_TRAP);
}

const struct client_case filter_cases[] = {
	{ "no_memory_to_execute", no_memory_to_execute },
	{ "no_memory_to_execute_by_signal", no_memory_to_execute_by_signal },
	{ "no_end_of_a_loop", no_end_of_a_loop },
	{ "no_end_of_a_loop_by_signal", no_end_of_a_loop_by_signal },
	{ "no_unmapping_by_signal", no_unmapping_by_signal },
	{ "filters_that_ask_a_tracer", filters_that_ask_a_tracer },
	{ "no_unusual_flags", no_unusual_flags },
	{ "no_unusual_flags_by_signal", no_unusual_flags_by_signal },
	{ NULL, NULL },
};
