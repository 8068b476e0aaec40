/* SPDX-License-Identifier: MIT */
/* threads.c - mappings by the threads of one process, and registers of one */
#include "client.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NR 8
#define NR_THREADS 8
#define ROUNDS 200

static int shared_fd;
static bool stop;		/* atomic */

static void map_once(int fd, unsigned int number, size_t nr)
{
	char *addr = client_map(fd, 0, nr);

	CHECK(addr != MAP_FAILED);
	CHECK(client_shows_scattered(addr, number, 0, nr, NR));
	CHECK(!munmap(addr, nr * PAGE));
}

static void *map_shared_and_own(void *data)
{
	unsigned int number = (unsigned int)(uintptr_t)data;
	int fd = client_scattered(client_memfd(number, 2 * NR), NR);
	size_t i;

	for (i = 0; i < client_rounds(ROUNDS); i++) {
		map_once(shared_fd, 1, 1 + i % NR);
		map_once(fd, number, NR - i % NR);
	}
	close(fd);
	return NULL;
}

static void threads_start(pthread_t *threads, void *(*run)(void *))
{
	size_t i;

	for (i = 0; i < NR_THREADS; i++)
		CHECK(!pthread_create(&threads[i], NULL, run,
				      (void *)(i + 2)));
}

static void threads_join(pthread_t *threads)
{
	size_t i;

	for (i = 0; i < NR_THREADS; i++)
		CHECK(!pthread_join(threads[i], NULL));
}

static int shared_buffer(void)
{
	return client_scattered(client_memfd(1, 2 * NR), NR);
}

static void threads_at_once(void)
{
	pthread_t threads[NR_THREADS];
	size_t nr_fds;

	shared_fd = shared_buffer();
	nr_fds = client_count_fds();
	threads_start(threads, map_shared_and_own);
	threads_join(threads);
	/* One memfd each is left open. */
	CHECK(client_count_fds() == nr_fds + NR_THREADS);
	close(shared_fd);
	client_wait_buffers(0);
}

/* Opens and closes, and sees no fd that is not its own. */
static void *open_and_close(void *data)
{
	int a[2];

	(void)data;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		CHECK(!pipe2(a, O_CLOEXEC));
		CHECK(write(a[1], "x", 1) == 1);
		CHECK(!close(a[0]) && !close(a[1]));
	}
	return NULL;
}

static void beside_threads_that_open_files(void)
{
	pthread_t threads[NR_THREADS];
	size_t i;

	shared_fd = shared_buffer();
	threads_start(threads, open_and_close);
	for (i = 0; i < client_rounds(5 * ROUNDS); i++)
		map_once(shared_fd, 1, 1 + i % NR);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	threads_join(threads);
	close(shared_fd);
	client_wait_buffers(0);
}

/* Allocates and maps, and finds there what it has written. */
static void *work(void *data)
{
	(void)data;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		char *addr = malloc(64 * PAGE);
		char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		CHECK(addr && page != MAP_FAILED);
		*page = 2;
		memset(addr, 1, 64 * PAGE);
		CHECK(*page == 2);
		free(addr);
		CHECK(!munmap(page, PAGE));
	}
	return NULL;
}

static void beside_threads_that_allocate(void)
{
	pthread_t threads[NR_THREADS];
	size_t i;

	shared_fd = shared_buffer();
	threads_start(threads, work);
	for (i = 0; i < client_rounds(5 * ROUNDS); i++)
		map_once(shared_fd, 1, 1 + i % NR);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	threads_join(threads);
}

static void *map_and_exit(void *data)
{
	pthread_t *first = data;
	size_t i;

	CHECK(!pthread_join(*first, NULL));
	for (i = 0; i < client_rounds(ROUNDS); i++)
		map_once(shared_fd, 1, 1 + i % NR);
	_exit(0);
}

static void after_the_first_thread_has_ended(void)
{
	static pthread_t self;
	pthread_t thread;

	self = pthread_self();
	shared_fd = shared_buffer();
	CHECK(!pthread_create(&thread, NULL, map_and_exit, &self));
	pthread_exit(NULL);
}

#ifdef __x86_64__
/* What a call must leave as it is, of a thread's registers. */
struct registers {
	uint64_t rbx, rdx, rsi, rdi, rbp, r8, r9, r10, r12, r13, r14, r15;
	uint64_t xmm[4];
};

/*
 * mmap(2) with a number in every register that it does not
 * take, and what is in all of them afterwards
 */
static long registers_mmap(int fd, size_t length, struct registers *after)
{
	register long r10 __asm__("r10") = MAP_SHARED;
	register long r8 __asm__("r8") = fd;
	register long r9 __asm__("r9") = 0;
	long ret;

	__asm__ volatile(
		"leaq -128(%%rsp), %%rsp\n\t"
		"pushq %%rbx\n\tpushq %%rbp\n\t"
		"pushq %%r12\n\tpushq %%r13\n\tpushq %%r14\n\tpushq %%r15\n\t"
		"pushq %[after]\n\t"
		"movq $0x1111, %%rbx\n\tmovq $0x2222, %%rbp\n\t"
		"movq $0x3333, %%r12\n\tmovq $0x4444, %%r13\n\t"
		"movq $0x5555, %%r14\n\tmovq $0x6666, %%r15\n\t"
		"movq %%rbx, %%xmm0\n\tmovq %%rbp, %%xmm7\n\t"
		"movq %%r12, %%xmm8\n\tmovq %%r13, %%xmm15\n\t"
		"movl $9, %%eax\n\t"
		"syscall\n\t"
		"popq %%rcx\n\t"
		"movq %%rbx, 0(%%rcx)\n\tmovq %%rdx, 8(%%rcx)\n\t"
		"movq %%rsi, 16(%%rcx)\n\tmovq %%rdi, 24(%%rcx)\n\t"
		"movq %%rbp, 32(%%rcx)\n\tmovq %%r8, 40(%%rcx)\n\t"
		"movq %%r9, 48(%%rcx)\n\tmovq %%r10, 56(%%rcx)\n\t"
		"movq %%r12, 64(%%rcx)\n\tmovq %%r13, 72(%%rcx)\n\t"
		"movq %%r14, 80(%%rcx)\n\tmovq %%r15, 88(%%rcx)\n\t"
		"movq %%xmm0, 96(%%rcx)\n\tmovq %%xmm7, 104(%%rcx)\n\t"
		"movq %%xmm8, 112(%%rcx)\n\tmovq %%xmm15, 120(%%rcx)\n\t"
		"popq %%r15\n\tpopq %%r14\n\tpopq %%r13\n\tpopq %%r12\n\t"
		"popq %%rbp\n\tpopq %%rbx\n\t"
		"leaq 128(%%rsp), %%rsp\n\t"
		: "=a"(ret)
		: "D"(0L), "S"(length), "d"((long)(PROT_READ | PROT_WRITE)),
		  "r"(r10), "r"(r8), "r"(r9), [after] "a"(after)
		: "rcx", "r11", "memory", "xmm0", "xmm7", "xmm8", "xmm15");
	return ret;
}

static void registers_keep(int fd, size_t nr)
{
	const struct registers expected = {
		0x1111, PROT_READ | PROT_WRITE, nr * PAGE, 0, 0x2222,
		(uint64_t)fd, 0, MAP_SHARED, 0x3333, 0x4444, 0x5555, 0x6666,
		{ 0x1111, 0x2222, 0x3333, 0x4444 },
	};
	struct registers after;
	char *addr = (char *)registers_mmap(fd, nr * PAGE, &after);

	CHECK(client_shows_scattered(addr, 1, 0, nr, NR));
	CHECK(!memcmp(&after, &expected, sizeof(after)));
}
#endif

#ifdef __aarch64__
/* What a call must leave as it is: all but the first, which has the result */
struct registers {
	uint64_t x[29];		/* 0, 17 and 18: not looked at */
	uint64_t d[4];		/* 0, 7, 8, 15 */
};

/* mmap(2) with 256 times its number in every register that it does not take */
static long registers_mmap(int fd, size_t length, struct registers *after)
{
	register long x0 __asm__("x0") = 0;
	register long x1 __asm__("x1") = (long)length;
	register long x2 __asm__("x2") = PROT_READ | PROT_WRITE;
	register long x3 __asm__("x3") = MAP_SHARED;
	register long x4 __asm__("x4") = fd;
	register long x5 __asm__("x5") = 0;
	register struct registers *x17 __asm__("x17") = after;

	__asm__ volatile(
		".irp n, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16\n\t"
		"mov x\\n, #(\\n * 256)\n\t.endr\n\t"
		".irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28\n\t"
		"mov x\\n, #(\\n * 256)\n\t.endr\n\t"
		"fmov d0, x6\n\tfmov d7, x7\n\t"
		"fmov d8, x9\n\tfmov d15, x28\n\t"
		"mov x8, #222\n\t"
		"svc #0\n\t"
		".irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14\n\t"
		"str x\\n, [x17, #(\\n * 8)]\n\t.endr\n\t"
		".irp n, 15, 16, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28\n\t"
		"str x\\n, [x17, #(\\n * 8)]\n\t.endr\n\t"
		"stp d0, d7, [x17, #(29 * 8)]\n\t"
		"stp d8, d15, [x17, #(31 * 8)]\n\t"
		: "+r"(x0)
		: "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x17)
		: "memory", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
		  "x14", "x15", "x16", "x19", "x20", "x21", "x22", "x23", "x24",
		  "x25", "x26", "x27", "x28", "d0", "d7", "d8", "d15");
	return x0;
}

static void registers_keep(int fd, size_t nr)
{
	struct registers expected = {
		.x = { 0, nr * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		       (uint64_t)fd, 0 },
		.d = { 6 * 256, 7 * 256, 9 * 256, 28 * 256 },
	};
	struct registers after = { .x = { 0 } };
	unsigned int i;
	char *addr;

	for (i = 6; i <= 28; i++)
		expected.x[i] = i == 17 || i == 18 ? 0 : i * 256;
	expected.x[8] = 222;
	addr = (char *)registers_mmap(fd, nr * PAGE, &after);
	CHECK(client_shows_scattered(addr, 1, 0, nr, NR));
	CHECK(!memcmp(&after, &expected, sizeof(after)));
}
#endif

#if defined(__x86_64__) || defined(__aarch64__)
static void registers_are_as_after_any_call(void)
{
	int fd = shared_buffer();

	registers_keep(fd, 1);
	registers_keep(fd, 3);
	registers_keep(fd, NR);
}
#endif

const struct client_case thread_cases[] = {
	{ "threads_at_once", threads_at_once },
	{ "beside_threads_that_open_files", beside_threads_that_open_files },
	{ "beside_threads_that_allocate", beside_threads_that_allocate },
	{ "after_the_first_thread_has_ended",
	  after_the_first_thread_has_ended },
#if defined(__x86_64__) || defined(__aarch64__)
	{ "registers_are_as_after_any_call", registers_are_as_after_any_call },
#endif
	{ NULL, NULL },
};
