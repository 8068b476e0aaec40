/* SPDX-License-Identifier: MIT */
/* inject-arm64.h - registers and code of arm64; see inject-regs.h */
#ifndef DMABUF_RUN_INJECT_ARM64_H
#define DMABUF_RUN_INJECT_ARM64_H

#include <elf.h>
#include <sys/syscall.h>
#include <sys/user.h>

struct thread_regs {
	struct user_regs_struct user;
};

/* 32-bit code has other registers; the filter stops none of its calls. */
static inline bool regs_after_call(const struct thread_regs *regs, uint64_t nr)
{
	return regs->user.regs[8] == nr && (long)regs->user.regs[0] < 0;
}

/* Its number is none of the registers by then. */
#define REGS_CALL_SET NT_ARM_SYSTEM_CALL
static inline void regs_change_call(struct thread_regs *regs,
				    const struct inject_call *call)
{
	int i;

	for (i = 0; i < 6; i++)
		regs->user.regs[i] = call->args[i];
}

/*
 * Back by the four bytes of "svc". By now the kernel has forgotten the number
 * of the call that the thread comes out of: none is started again. Registers
 * from x6 on keep what they had; x7, which says way in or way out while the
 * thread is stopped at a call, gets that back as it goes on.
 */
static inline void regs_make_call(struct thread_regs *regs,
				  const struct inject_call *call)
{
	regs_change_call(regs, call);
	regs->user.pc -= 4;
	regs->user.regs[8] = call->nr;
}

static inline long regs_result(const struct thread_regs *regs)
{
	return (long)regs->user.regs[0];
}

/* Its first argument again; mmap(2) at a fixed place returns that, too. */
#define REGS_TELL_REFUSED false
static inline bool regs_maybe_refused(const struct thread_regs *regs,
				      const struct inject_call *call)
{
	return regs->user.regs[0] == call->args[0];
}

static inline void regs_set_result(struct thread_regs *regs, long result)
{
	regs->user.regs[0] = (uint64_t)result;
}

static inline void regs_enter_loop(struct thread_regs *regs, uint64_t code,
				   uint64_t first, uint64_t end)
{
	regs->user.pc = code;
	regs->user.regs[19] = first;
	regs->user.regs[20] = end;
}

static inline uint64_t regs_loop_at(const struct thread_regs *regs,
				    long *ret_result)
{
	*ret_result = (long)regs->user.regs[21];
	return regs->user.regs[19];
}

/*
 * At x19, up to x20, with the last result in x21. The first argument of the
 * call at the end is the code's address: see regs_maybe_refused().
 */
#define INJECT_LOOP				\
	"0:	cmp	x19, x20\n"		\
	"	b.eq	1f\n"			\
	"	ldp	x8, x0, [x19]\n"	\
	"	ldp	x1, x2, [x19, #16]\n"	\
	"	ldp	x3, x4, [x19, #32]\n"	\
	"	ldr	x5, [x19, #48]\n"	\
	"	svc	#0\n"			\
	"	mov	x21, x0\n"		\
	"	cmn	x0, #4095\n"		\
	"	b.hs	1f\n"			\
	"	add	x19, x19, #56\n"	\
	"	b	0b\n"			\
	"1:	mov	x8, #222\n"		\
	"	adr	x0, 0b\n"		\
	"	mov	x1, #0\n"		\
	"	mov	x2, #0\n"		\
	"	mov	x3, #0x1800\n"		\
	"	mov	x4, #-1\n"		\
	"	mov	x5, #1\n"		\
	"	svc	#0\n"			\
	"	brk	#0\n"

_Static_assert(SYS_mmap == 222, "as the code has it");

#endif
