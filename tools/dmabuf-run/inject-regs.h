/* SPDX-License-Identifier: MIT */
/*
 * inject-regs.h - registers of a stopped thread, for each machine
 *
 * A machine has struct thread_regs (what PTRACE_GETREGSET fills), the functions
 * below, and the code in inject-loop.c. Others are built with inject-none.c.
 */
#ifndef DMABUF_RUN_INJECT_REGS_H
#define DMABUF_RUN_INJECT_REGS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/user.h>

/* A system call; the loop's code knows how it is laid out. */
struct inject_call {
	uint64_t nr;
	uint64_t args[6];
};

#if defined(__x86_64__) && defined(__LP64__)

struct thread_regs {
	struct user_regs_struct user;
};

/*
 * In 64-bit code, and on its way out of that call, with an error? At the start
 * of a signal handler all is as there, but for the error.
 */
static inline bool regs_after_call(const struct thread_regs *regs, uint64_t nr)
{
	return regs->user.cs == 0x33 && regs->user.orig_rax == nr &&
	       (long)regs->user.rax < 0;
}

/* Go back by the two bytes of "syscall", and do @call. */
static inline void regs_make_call(struct thread_regs *regs,
				  const struct inject_call *call)
{
	regs->user.rip -= 2;
	regs->user.rax = call->nr;
	regs->user.rdi = call->args[0];
	regs->user.rsi = call->args[1];
	regs->user.rdx = call->args[2];
	regs->user.r10 = call->args[3];
	regs->user.r8 = call->args[4];
	regs->user.r9 = call->args[5];
	/* There is no call to be started again. */
	regs->user.orig_rax = UINT64_MAX;
}

static inline long regs_result(const struct thread_regs *regs)
{
	return (long)regs->user.rax;
}

static inline void regs_set_result(struct thread_regs *regs, long result)
{
	regs->user.rax = (uint64_t)result;
}

/* As if it had not been made yet. */
static inline void regs_set_again(struct thread_regs *regs)
{
	regs->user.rip -= 2;
	regs->user.rax = regs->user.orig_rax;
	regs->user.orig_rax = UINT64_MAX;
}

/* Go on at @code, with @first to @end (behind the last one) to be done. */
static inline void regs_enter_loop(struct thread_regs *regs, uint64_t code,
				   uint64_t first, uint64_t end)
{
	regs->user.rip = code;
	regs->user.rbx = first;
	regs->user.rbp = end;
	regs->user.orig_rax = UINT64_MAX;
}

/* Which one it ended at: @end, or the one that failed with *ret_result. */
static inline uint64_t regs_loop_at(const struct thread_regs *regs,
				    long *ret_result)
{
	*ret_result = (long)regs->user.r13;
	return regs->user.rbx;
}

#endif

#endif
