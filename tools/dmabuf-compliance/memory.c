/* SPDX-License-Identifier: MIT */
/* memory.c - memory that faults where a row wants it to, and children */
#define _GNU_SOURCE
#include "compliance.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Whole pages, nearly as many as can be counted. */
size_t too_long(void)
{
	return SIZE_MAX - 2 * page_size() + 1;
}

/* libc checks offsets itself; this is the call. Others name it mmap2. */
long raw_mmap(size_t length, int prot, int fd, size_t offset)
{
#if defined(SYS_mmap) && SIZE_MAX > 0xffffffff
	return syscall(SYS_mmap, NULL, length, prot, MAP_SHARED, fd, offset);
#else
	(void)length;
	(void)prot;
	(void)fd;
	(void)offset;
	skip("offsets are counted in pages here");
#endif
}

static unsigned char *map_memory(size_t pages, int prot)
{
	void *addr;

	addr = mmap(NULL, pages * page_size(), prot,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (addr == MAP_FAILED)
		fail("set-up: mmap: %s", errno_name(errno));
	return addr;
}

/* An address that is part of nothing readable. */
void *bad_pointer(void)
{
	return map_memory(1, PROT_NONE);
}

/* A copy of @data whose last byte is the last that can be read. */
void *at_page_end(const void *data, size_t size)
{
	size_t pages = (size + page_size() - 1) / page_size();
	unsigned char *addr = map_memory(pages + 1, PROT_READ | PROT_WRITE);
	unsigned char *end = addr + pages * page_size();

	if (mprotect(end, page_size(), PROT_NONE))
		fail("set-up: mprotect: %s", errno_name(errno));
	return memcpy(end - size, data, size);
}

void *read_only_copy(const void *data, size_t size)
{
	unsigned char *addr = map_memory(1, PROT_READ | PROT_WRITE);

	memcpy(addr, data, size);
	if (mprotect(addr, page_size(), PROT_READ))
		fail("set-up: mprotect: %s", errno_name(errno));
	return addr;
}

/* Belongs to the process: rows have one thread. */
static sigjmp_buf touched;

static void touch_signal(int signal)
{
	siglongjmp(touched, signal);
}

static void touch_catch(void)
{
	struct sigaction action = { .sa_handler = touch_signal };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

/* Return: 0, or the signal that the access raised. */
int touch_read(const volatile void *addr)
{
	int signal;

	touch_catch();
	signal = sigsetjmp(touched, 1);
	if (!signal)
		(void)*(const volatile unsigned char *)addr;
	return signal;
}

int touch_write(volatile void *addr)
{
	int signal;

	touch_catch();
	signal = sigsetjmp(touched, 1);
	if (!signal)
		*(volatile unsigned char *)addr = 1;
	return signal;
}

void expect_filled(const unsigned char *addr, int byte, size_t size,
		   const char *what)
{
	size_t i;

	for (i = 0; i < size; i++) {
		if (addr[i] != byte)
			fail("%s: expected byte %zu to be %#x, got %#x", what,
			     i, byte, addr[i]);
	}
}

/* Each page carries its number at its start and at its end. */
void number_pages(unsigned char *addr, size_t pages, unsigned int first)
{
	size_t size = page_size(), i;
	unsigned int number;

	for (i = 0; i < pages; i++) {
		number = first + (unsigned int)i;
		memcpy(addr + i * size, &number, sizeof(number));
		memcpy(addr + (i + 1) * size - sizeof(number), &number,
		       sizeof(number));
	}
}

void expect_page_number(const unsigned char *addr, unsigned int number,
			const char *what)
{
	unsigned int first, last;

	memcpy(&first, addr, sizeof(first));
	memcpy(&last, addr + page_size() - sizeof(last), sizeof(last));
	if (first != number || last != number)
		fail("%s: expected page %u, got %u and %u at its end", what,
		     number, first, last);
}

/*
 * What the last close of a file sets off is done by the time close returns on
 * Linux; elsewhere it may take a moment, which is no fault.
 *
 * Return: whether it is so within a few seconds.
 */
bool eventually(bool (*is_so)(void *), void *arg)
{
	int tries = 3000;

	while (!is_so(arg)) {
		if (!--tries)
			return false;
		poll(NULL, 0, 1);
	}
	return true;
}

/* A check that fails in the child has been reported by it. */
void in_child(void (*fn)(void *), void *arg)
{
	int status;
	pid_t pid;

	pid = must(fork(), "fork()");
	if (!pid) {
		fn(arg);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			fail("set-up: waitpid: %s", errno_name(errno));
	}
	if (WIFSIGNALED(status))
		fail("a child died of signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status))
		_exit(1);
}
