/* SPDX-License-Identifier: MIT */
/*
 * inject-loop.c - many calls at one go
 *
 * Each call costs several switches between processes. Beyond a few calls it is
 * cheaper to map some code that makes all of them, from a table behind it, and
 * stops at the end or where one fails. Code and table are a memfd of ours, and
 * the program maps that to run it. Nothing is left of it afterwards: the call
 * by which it says that it has come to the end is made its munmap(2).
 */
#include "inject-loop.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filter.h"

/* The table begins here, behind the code. It is written when that is mapped. */
#define TABLE 128

/*
 * INJECT_LOOP of the machine, with two registers at the first call and behind
 * the last one:
 *
 * for (; first != end; first += sizeof(struct inject_call))
 *	if (the call at first fails)
 *		break;
 * mmap(NULL, 0, 0, MAP_INJECTED, -1, 1);
 *
 * The filter knows this last call, which is of no use otherwise, and stops it
 * for the tracer. A signal would be mistaken for one that somebody else sends.
 * The breakpoint is for programs whose own filter does not allow the call. It
 * is not for all: where SIGTRAP is ignored the kernel makes its action the
 * default one, and why a call failed is not told.
 */
extern const char inject_loop_code[] __attribute__((visibility("hidden")));
extern const char inject_loop_code_end[] __attribute__((visibility("hidden")));

__asm__(".pushsection .rodata\n"
	".balign 8\n"
	"inject_loop_code:\n"
	INJECT_LOOP
	"inject_loop_code_end:\n"
	".popsection\n");

_Static_assert(sizeof(struct inject_call) == 56 && MAP_INJECTED == 0x1800,
	       "as the code has it");

static uint64_t entry(const struct inject_loop *loop, size_t index)
{
	return loop->address + TABLE + index * sizeof(struct inject_call);
}

static bool put(int fd, const void *data, size_t size, off_t offset)
{
	return pwrite(fd, data, size, offset) == (ssize_t)size;
}

void inject_loop_open(struct inject_loop *loop, size_t nr_calls)
{
	uint64_t size = TABLE + nr_calls * sizeof(struct inject_call);
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	*loop = (struct inject_loop){
		.fd = memfd_create("dmabuf-run", MFD_CLOEXEC),
		.number = -1,
		.size = (size + page - 1) / page * page,
	};
	if (loop->fd < 0)
		return;
	if (put(loop->fd, inject_loop_code,
		(size_t)(inject_loop_code_end - inject_loop_code), 0))
		return;
	inject_loop_close(loop);
}

void inject_loop_close(struct inject_loop *loop)
{
	if (loop->fd >= 0)
		close(loop->fd);
	loop->fd = -1;
}

void inject_loop_map(struct inject_loop *loop, struct inject_thread *thread,
		     uint64_t more, int flags)
{
	const struct inject_call map = {
		SYS_mmap,
		{ 0, loop->size + more, PROT_READ | PROT_EXEC,
		  MAP_PRIVATE | MAP_INJECTED | (uint64_t)flags,
		  (uint64_t)loop->number, 0 },
	};
	long result;

	if (loop->number >= 0 && !inject_thread_call(thread, &map, &result) &&
	    (result >= 0 || result < -4095))
		loop->address = (uint64_t)result;
}

bool inject_loop_fill(const struct inject_loop *loop,
		      const struct inject_call *calls, size_t nr_calls)
{
	return put(loop->fd, calls, nr_calls * sizeof(*calls), TABLE);
}

static struct inject_call unmap_call(const struct inject_loop *loop)
{
	return (struct inject_call){
		SYS_munmap, { loop->address, loop->size },
	};
}

void inject_loop_unmap(struct inject_loop *loop, struct inject_thread *thread)
{
	const struct inject_call unmap = unmap_call(loop);
	long result;

	if (loop->address)
		inject_thread_call(thread, &unmap, &result);
	loop->address = 0;
}

int inject_loop_run(struct inject_loop *loop, struct inject_thread *thread,
		    size_t first, size_t end, size_t *ret_at, long *ret_result)
{
	const struct inject_call unmap = unmap_call(loop);
	bool unmapped;
	uint64_t at;
	int ret;

	ret = inject_thread_loop(thread, loop->address, entry(loop, first),
				 entry(loop, end), &unmap, &at, ret_result,
				 &unmapped);
	if (ret)
		return ret;
	*ret_at = (size_t)(at - entry(loop, 0)) / sizeof(struct inject_call);
	if (unmapped)
		loop->address = 0;
	return 0;
}
