/* SPDX-License-Identifier: MIT */
/*
 * inject-thread.c - a thread of the program that makes calls for us
 *
 *	seize      it waits for the answer to a call
 *	interrupt  it will stop when it has it
 *	stopped    it has; registers and signal mask are noted, signals masked
 *	call ...   back to the instruction that made the call, and over it again
 *	leave      registers and mask put back, with a result; it goes on
 *
 * It can be killed at any time, and is then "gone": what is left of it is to be
 * waited for, or those who wait for its process never see it end. Unless they
 * are we: a child of this process is left to supervise.c.
 *
 * A stop signal cannot be masked, and takes effect as it would otherwise, for
 * the other threads at once, for this one when it is let go. Neither can
 * faults, in effect: the kernel would reset a masked one's handler. Such a
 * signal that a process sends meanwhile is put back into the queue that it came
 * from, and masked from then on. Single steps would be faults: a call is
 * followed by its stops on the way in and out, a loop of calls up to one that
 * the filter stops for a tracer. There it becomes the last one that is wanted.
 */
#include "inject-thread.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "filter.h"
#include "thread.h"

/* With PTRACE_O_TRACESYSGOOD, and PTRACE_O_TRACESECCOMP */
#define CALL_STOP (SIGTRAP | 0x80)
#define FILTER_STOP (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)
#define OPTIONS (PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | \
		 PTRACE_O_TRACESECCOMP)

/* ns, between looks at one that is dying */
#define NAP_MAX 10000000

#define BIT(signal) ((uint64_t)1 << ((signal) - 1))
#define FAULTS (BIT(SIGTRAP) | BIT(SIGSYS) | BIT(SIGSEGV) | BIT(SIGILL) | \
		BIT(SIGBUS) | BIT(SIGFPE))

static int request(struct inject_thread *thread, unsigned int what,
		   uintptr_t addr, void *data)
{
	if (ptrace(what, thread->tid, addr, data) >= 0)
		return 0;
	thread->gone = true;
	return -errno;
}

static int regs_get(struct inject_thread *thread, struct thread_regs *regs)
{
	struct iovec iov = { regs, sizeof(*regs) };

	return request(thread, PTRACE_GETREGSET, NT_PRSTATUS, &iov);
}

static int regs_set(struct inject_thread *thread, struct thread_regs *regs)
{
	struct iovec iov = { regs, sizeof(*regs) };

	return request(thread, PTRACE_SETREGSET, NT_PRSTATUS, &iov);
}

static int mask_set(struct inject_thread *thread, uint64_t mask)
{
	return request(thread, PTRACE_SETSIGMASK, sizeof(mask), &mask);
}

/* Its status: signal, and event above; or -errno, also of one that is dead. */
static int stop_wait(const struct inject_thread *thread)
{
	siginfo_t info;

	/* Not WEXITED: who may take that is seen to in the end. */
	while (waitid(P_PID, (id_t)thread->tid, &info,
		      WSTOPPED | __WALL | __WNOTHREAD))
		if (errno != EINTR)
			return -errno;
	return info.si_status;
}

int inject_thread_seize(struct inject_thread *thread, pid_t tid)
{
	*thread = (struct inject_thread){ .tid = tid, .masked = ~FAULTS };
	/* With half of a mapping and strange registers there is no going on. */
	return request(thread, PTRACE_SEIZE, 0,
		       (void *)(uintptr_t)OPTIONS);
}

void inject_thread_interrupt(struct inject_thread *thread)
{
	request(thread, PTRACE_INTERRUPT, 0, NULL);
}

/* A handler that is about to run is none of our business: let it. */
static int first_stop(struct inject_thread *thread)
{
	int status = stop_wait(thread);
	int ret;

	while (status > 0 && !(status >> 8)) {
		ret = request(thread, PTRACE_CONT, 0,
			      (void *)(uintptr_t)status);
		if (ret)
			return ret;
		status = stop_wait(thread);
	}
	return status < 0 ? status : 0;
}

int inject_thread_stopped(struct inject_thread *thread,
			  const struct inject_call *made)
{
	int ret = first_stop(thread);

	thread->made = *made;
	thread->gone = ret;
	if (!ret)
		ret = regs_get(thread, &thread->regs);
	if (!ret)
		ret = request(thread, PTRACE_GETSIGMASK, sizeof(thread->mask),
			      &thread->mask);
	if (ret)
		return ret;
	if (regs_after_call(&thread->regs, made->nr))
		return mask_set(thread, thread->masked);
	/* Something else happened to it; the answer stands. */
	request(thread, PTRACE_DETACH, 0, NULL);
	thread->gone = true;
	return -EINTR;
}

/*
 * A fault: the run ends here. But when a filter of the program's refuses a call
 * with a signal, that comes after the call is seen to have ended.
 */
static int fault_take(struct inject_thread *thread, int *signal)
{
	if (*signal == SIGSYS && thread->refused) {
		thread->refused = false;
		*signal = 0;
		return 1;
	}
	thread->faulted = true;
	return 0;
}

/* A signal's stop; as below. */
static int signal_take(struct inject_thread *thread, int *signal)
{
	siginfo_t info;
	int ret;

	if (*signal == SIGSTOP)
		return 1;
	ret = request(thread, PTRACE_GETSIGINFO, 0, &info);
	if (ret)
		return ret;
	if (info.si_code > 0)
		return fault_take(thread, signal);
	/* What is masked by the time it is delivered, the kernel puts back. */
	thread->masked |= BIT(*signal);
	ret = mask_set(thread, thread->masked);
	return ret ? ret : 1;
}

/* Is it where it was to go? 0: yes, 1: go on, with *signal, or -errno */
static int stop_take(struct inject_thread *thread, int status, int *signal)
{
	if (status < 0) {
		thread->gone = true;
		return status;
	}
	if (status == CALL_STOP)
		return 0;
	/* An event: its process is stopped, or goes on. */
	*signal = status >> 8 ? 0 : status;
	return *signal ? signal_take(thread, signal) : 1;
}

/* The program's own filter has such stops, too. */
static bool is_loop_end(struct inject_thread *thread, int status)
{
	unsigned long message;

	return status == FILTER_STOP &&
	       !request(thread, PTRACE_GETEVENTMSG, 0, &message) &&
	       message == INJECT_LOOP_END;
}

/* To the next stop of a call, or into the call that ends the loop */
static int run(struct inject_thread *thread, bool loop)
{
	unsigned int how = loop ? PTRACE_CONT : PTRACE_SYSCALL;
	int signal = 0;
	int status;
	int ret;

	thread->faulted = false;
	do {
		ret = request(thread, how, 0, (void *)(uintptr_t)signal);
		if (ret)
			break;
		status = stop_wait(thread);
		if (loop && is_loop_end(thread, status))
			break;
		ret = stop_take(thread, status, &signal);
	} while (ret > 0);
	return ret;
}

/* Is the SIGSYS of a call that was refused to come? */
static bool refusal_waits(struct inject_thread *thread)
{
	struct __ptrace_peeksiginfo_args from = { .nr = 1 };
	siginfo_t info;

	for (; ptrace(PTRACE_PEEKSIGINFO, thread->tid, &from, &info) == 1;
	     from.off++)
		if (info.si_signo == SIGSYS && info.si_code > 0)
			return true;
	return false;
}

/* On its way out */
static int call_end(struct inject_thread *thread,
		    const struct inject_call *call, long *ret_result)
{
	struct thread_regs regs;
	int ret = regs_get(thread, &regs);

	if (ret)
		return ret;
	*ret_result = regs_result(&regs);
	thread->refused = regs_maybe_refused(&regs, call) &&
			  (REGS_TELL_REFUSED || refusal_waits(thread));
	if (thread->faulted || thread->refused)
		*ret_result = -EPERM;
	return 0;
}

int inject_thread_call(struct inject_thread *thread,
		       const struct inject_call *call, long *ret_result)
{
	struct thread_regs regs = thread->regs;
	int ret;

	if (thread->gone)
		return -ESRCH;
	regs_make_call(&regs, call);
	ret = regs_set(thread, &regs);
	if (!ret)
		ret = run(thread, false);
	if (!ret && !thread->faulted)
		ret = run(thread, false);
	return ret ? ret : call_end(thread, call, ret_result);
}

/* Where it is about to make the call that ends the loop: another one */
static int call_change(struct inject_thread *thread, struct thread_regs *regs,
		       const struct inject_call *call)
{
	int nr = (int)call->nr;
	struct iovec iov = { &nr, sizeof(nr) };
	int ret = 0;

	regs_change_call(regs, call);
	if (REGS_CALL_SET)
		ret = request(thread, PTRACE_SETREGSET, REGS_CALL_SET, &iov);
	return ret ? ret : regs_set(thread, regs);
}

int inject_thread_loop(struct inject_thread *thread, uint64_t code,
		       uint64_t first, uint64_t end,
		       const struct inject_call *last, uint64_t *ret_at,
		       long *ret_result, bool *ret_last)
{
	struct thread_regs regs = thread->regs;
	long result;
	int ret;

	if (thread->gone)
		return -ESRCH;
	regs_enter_loop(&regs, code, first, end);
	ret = regs_set(thread, &regs);
	if (!ret)
		ret = run(thread, true);
	if (!ret)
		ret = regs_get(thread, &regs);
	if (ret)
		return ret;
	*ret_at = regs_loop_at(&regs, ret_result);
	*ret_last = !thread->faulted && *ret_at == end;
	if (thread->faulted) {
		*ret_result = -EPERM;
		return 0;
	}
	if (*ret_last)
		ret = call_change(thread, &regs, last);
	if (!ret)
		ret = run(thread, false);
	return ret ? ret : call_end(thread, last, &result);
}

/*
 * The first thread of a process that is our child: its end is for supervise.c,
 * which sees it although it is traced.
 */
static bool is_child(pid_t tid)
{
	struct thread_status status;

	return !thread_status_read(tid, &status) && status.leader &&
	       status.parent == getpid();
}

/* The signal comes with the next call, and is not the program's to see. */
static void refusal_take(struct inject_thread *thread)
{
	const struct inject_call call = { SYS_gettid, { 0 } };
	long result;

	inject_thread_call(thread, &call, &result);
}

void inject_thread_leave(struct inject_thread *thread, long result)
{
	struct thread_regs regs = thread->regs;

	if (thread->refused)
		refusal_take(thread);
	if (!thread->gone) {
		if (result == INJECT_AGAIN)
			regs_make_call(&regs, &thread->made);
		else
			regs_set_result(&regs, result);
		regs_set(thread, &regs);
		mask_set(thread, thread->mask);
	}
	/* One that is not dead after all must not stay as it is. */
	while (ptrace(PTRACE_DETACH, thread->tid, 0, 0))
		if (stop_wait(thread) < 0) {
			thread->dead = true;
			break;
		}
}

/*
 * Looked at again and again: to wait for the first thread of a process, when an
 * exec(2) by another one takes its place, can last for ever.
 */
void inject_thread_bury(struct inject_thread *thread)
{
	struct timespec nap = { 0, 100000 };
	siginfo_t info = { 0 };

	if (!thread->dead || is_child(thread->tid))
		return;
	while (!waitid(P_PID, (id_t)thread->tid, &info,
		       WEXITED | WNOHANG | __WALL | __WNOTHREAD) &&
	       !info.si_pid) {
		nanosleep(&nap, NULL);
		if (nap.tv_nsec < NAP_MAX)
			nap.tv_nsec *= 2;
	}
}
