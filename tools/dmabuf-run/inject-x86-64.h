/* SPDX-License-Identifier: MIT */
/* inject-x86-64.h - registers and code of x86-64; see inject-regs.h */
#ifndef DMABUF_RUN_INJECT_X86_64_H
#define DMABUF_RUN_INJECT_X86_64_H

#include <sys/syscall.h>
#include <sys/user.h>

struct thread_regs {
	struct user_regs_struct user;
};

static inline bool regs_after_call(const struct thread_regs *regs, uint64_t nr)
{
	return regs->user.cs == 0x33 && regs->user.orig_rax == nr &&
	       (long)regs->user.rax < 0;
}

#define REGS_CALL_SET 0
static inline void regs_change_call(struct thread_regs *regs,
				    const struct inject_call *call)
{
	regs->user.orig_rax = call->nr;
	regs->user.rdi = call->args[0];
	regs->user.rsi = call->args[1];
	regs->user.rdx = call->args[2];
	regs->user.r10 = call->args[3];
	regs->user.r8 = call->args[4];
	regs->user.r9 = call->args[5];
}

/* Back by the two bytes of "syscall". */
static inline void regs_make_call(struct thread_regs *regs,
				  const struct inject_call *call)
{
	regs_change_call(regs, call);
	regs->user.rip -= 2;
	regs->user.rax = call->nr;
	/* There is no call to be started again. */
	regs->user.orig_rax = UINT64_MAX;
}

static inline long regs_result(const struct thread_regs *regs)
{
	return (long)regs->user.rax;
}

/* No call returns its number. */
#define REGS_TELL_REFUSED true
static inline bool regs_maybe_refused(const struct thread_regs *regs,
				      const struct inject_call *call)
{
	return regs->user.rax == call->nr;
}

static inline void regs_set_result(struct thread_regs *regs, long result)
{
	regs->user.rax = (uint64_t)result;
}

static inline void regs_enter_loop(struct thread_regs *regs, uint64_t code,
				   uint64_t first, uint64_t end)
{
	regs->user.rip = code;
	regs->user.rbx = first;
	regs->user.rbp = end;
	regs->user.orig_rax = UINT64_MAX;
}

static inline uint64_t regs_loop_at(const struct thread_regs *regs,
				    long *ret_result)
{
	*ret_result = (long)regs->user.r13;
	return regs->user.rbx;
}

/* At rbx, up to rbp, with the last result in r13 */
#define INJECT_LOOP				\
	"0:	cmpq	%rbp, %rbx\n"		\
	"	je	1f\n"			\
	"	movq	(%rbx), %rax\n"		\
	"	movq	8(%rbx), %rdi\n"	\
	"	movq	16(%rbx), %rsi\n"	\
	"	movq	24(%rbx), %rdx\n"	\
	"	movq	32(%rbx), %r10\n"	\
	"	movq	40(%rbx), %r8\n"	\
	"	movq	48(%rbx), %r9\n"	\
	"	syscall\n"			\
	"	movq	%rax, %r13\n"		\
	"	cmpq	$-4095, %rax\n"		\
	"	jae	1f\n"			\
	"	addq	$56, %rbx\n"		\
	"	jmp	0b\n"			\
	"1:	movl	$9, %eax\n"		\
	"	xorl	%edi, %edi\n"		\
	"	xorl	%esi, %esi\n"		\
	"	xorl	%edx, %edx\n"		\
	"	movl	$0x1800, %r10d\n"	\
	"	movq	$-1, %r8\n"		\
	"	movl	$1, %r9d\n"		\
	"	syscall\n"			\
	"	int3\n"

_Static_assert(SYS_mmap == 9, "as the code has it");

#endif
