/* SPDX-License-Identifier: MIT */
/*
 * inject-regs.h - what a machine must know to make a stopped thread do calls
 *
 * A machine has a header with struct thread_regs, which is what
 * PTRACE_GETREGSET fills, the functions below, and INJECT_LOOP, the code of
 * inject-loop.c. It is named here and in meson.build; what is not is built with
 * inject-none.c.
 */
#ifndef DMABUF_RUN_INJECT_REGS_H
#define DMABUF_RUN_INJECT_REGS_H

#include <stdbool.h>
#include <stdint.h>

/* A system call; the loop's code knows how it is laid out. */
struct inject_call {
	uint64_t nr;
	uint64_t args[6];
};

struct thread_regs;

/*
 * In 64-bit code, and on its way out of that call, with an error? At the start
 * of a signal handler all is as there, but for the error.
 */
static inline bool regs_after_call(const struct thread_regs *regs, uint64_t nr);

/* Go back to the instruction that made a call, and do @call. */
static inline void regs_make_call(struct thread_regs *regs,
				  const struct inject_call *call);

/*
 * At a stop on the way into a call: let it be @call. With REGS_CALL_SET its
 * number is to be set by itself, in this set of registers.
 */
static inline void regs_change_call(struct thread_regs *regs,
				    const struct inject_call *call);

static inline long regs_result(const struct thread_regs *regs);

/*
 * As it is where a filter has kept @call from being made, with a signal? With
 * REGS_TELL_REFUSED it cannot be so otherwise.
 */
static inline bool regs_maybe_refused(const struct thread_regs *regs,
				      const struct inject_call *call);

static inline void regs_set_result(struct thread_regs *regs, long result);

/* Go on at @code, with @first to @end (behind the last one) to be done. */
static inline void regs_enter_loop(struct thread_regs *regs, uint64_t code,
				   uint64_t first, uint64_t end);

/* Which one it ended at: @end, or the one that failed with *ret_result. */
static inline uint64_t regs_loop_at(const struct thread_regs *regs,
				    long *ret_result);

#if defined(__x86_64__) && defined(__LP64__)
#include "inject-x86-64.h"
#elif defined(__aarch64__) && defined(__LP64__)
#include "inject-arm64.h"
#endif

#endif
