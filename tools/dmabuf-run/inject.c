/* SPDX-License-Identifier: MIT */
/*
 * inject.c - mappings that the program cannot make by itself
 *
 * A udmabuf is pieces of memfds; what mmap(2) of its fd is to show is a mapping
 * of each piece. While the thread waits for the answer, it is seized and gets
 * fds of the memfds, views that hold the buffer for as long as they or mappings
 * of them exist. Then it is stopped on its way out, and made to do
 *
 *	one piece		several
 *	mmap of the view	mmap that reserves the addresses
 *				mmap of each piece, over that
 *	close of the view	close of each view
 *
 * A call stops it twice, which costs more than all else. So several pieces are
 * left to inject-loop.c; and where no address is asked for, the first mmap has
 * the code of the loop, too.
 *
 * Its signal handlers do not see it half done, other threads nothing but fds
 * that are open for a moment: they close on exec, a fork just then keeps them.
 * Before Linux 5.19 a handler that runs just then makes them stay open, too.
 *
 * If the supervisor dies meanwhile the program does too: it could not go on.
 * A thread that somebody else traces cannot be had; its call fails with ENODEV.
 */
#include "inject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "answer.h"
#include "filter.h"
#include "inject-loop.h"
#include "inject-plan.h"
#include "inject-thread.h"
#include "log.h"

/* Beyond so many pieces inject-loop.c is faster. */
#define LOOP_PIECES 2

#ifdef MAP_32BIT
#define MAP_PLACE (MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_32BIT)
#else
#define MAP_PLACE (MAP_FIXED | MAP_FIXED_NOREPLACE)
#endif

pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;

struct injection {
	struct call *call;
	struct inject_plan plan;
	struct inject_thread thread;
	struct inject_loop loop;
	struct inject_call *calls;	/* a mmap each piece, then the closes */
	size_t nr_calls;
};

static bool failed(long result)
{
	return result < 0 && result >= -4095;
}

/* What mmap(2) has for it; it has the fds of the program for a moment only. */
static int fd_error(int ret)
{
	return ret == -EMFILE ? -ENFILE : ret;
}

/* fds for the program */

static int fd_send(struct injection *injection, int fd, int *ret_number)
{
	int number = call_fd_put(injection->call, -1, fd, O_CLOEXEC);

	if (number < 0)
		return fd_error(number);
	*ret_number = number;
	return 0;
}

static int fds_send(struct injection *injection)
{
	struct inject_plan *plan = &injection->plan;
	struct inject_loop *loop = &injection->loop;
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < plan->nr_views; i++)
		ret = fd_send(injection, plan->views[i].fd,
			      &plan->views[i].number);
	/* It goes without, slowly. */
	if (!ret && loop->fd >= 0)
		fd_send(injection, loop->fd, &loop->number);
	return ret;
}

/* What is to be done */

static struct inject_call piece_call(const struct injection *injection,
				     const struct inject_piece *piece,
				     uint64_t base)
{
	const uint64_t *args = injection->call->args;
	const struct inject_view *view = &injection->plan.views[piece->view];

	return (struct inject_call){
		SYS_mmap,
		{ base + piece->at, piece->size, args[2],
		  (args[3] & ~(uint64_t)MAP_PLACE) | MAP_FIXED | MAP_INJECTED,
		  (uint64_t)view->number, piece->offset },
	};
}

static void close_add(struct injection *injection, int number)
{
	if (number >= 0)
		injection->calls[injection->nr_calls++] = (struct inject_call){
			SYS_close, { (uint64_t)number },
		};
}

static void closes_add(struct injection *injection)
{
	size_t i;

	for (i = 0; i < injection->plan.nr_views; i++)
		close_add(injection, injection->plan.views[i].number);
	close_add(injection, injection->loop.number);
}

static void unmap(struct injection *injection, uint64_t from, uint64_t to)
{
	const struct inject_call call = { SYS_munmap, { from, to - from } };
	long result;

	if (from < to)
		inject_thread_call(&injection->thread, &call, &result);
}

/* At once, wherever it is to be */
static int map_one(struct injection *injection, long *ret_base)
{
	const uint64_t *args = injection->call->args;
	struct inject_call call = piece_call(injection, injection->plan.pieces,
					     0);

	call.args[0] = args[0];
	call.args[1] = args[1];
	call.args[3] = args[3] | MAP_INJECTED;
	return inject_thread_call(&injection->thread, &call, ret_base);
}

/*
 * Addresses for the pieces, @slack bytes more than they need: what is in front
 * of the first place for a huge page, and behind the end, is given back.
 */
static int reserve(struct injection *injection, uint64_t slack, long *ret_base)
{
	const uint64_t *args = injection->call->args;
	const struct inject_plan *plan = &injection->plan;
	const struct inject_call call = {
		SYS_mmap,
		{ args[0], plan->length + slack, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
			  (args[3] & MAP_PLACE),
		  UINT64_MAX, 0 },
	};
	uint64_t from, base;
	int ret;

	ret = inject_thread_call(&injection->thread, &call, ret_base);
	if (ret || failed(*ret_base) || !slack)
		return ret;
	from = (uint64_t)*ret_base;
	base = (from + slack) / plan->align * plan->align;
	unmap(injection, from, base);
	unmap(injection, base + plan->length, from + plan->length + slack);
	*ret_base = (long)base;
	return 0;
}

/*
 * Where the mapping will be; one piece is mapped by this. Or an error.
 *
 * The loop is in front of it, if mmap(2) chooses the place: it looks for one
 * from above, mostly, so that the mapping has the one that it has otherwise.
 */
static int place(struct injection *injection, long *ret_base)
{
	const uint64_t *args = injection->call->args;
	const struct inject_plan *plan = &injection->plan;
	struct inject_loop *loop = &injection->loop;
	bool fixed = args[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE);
	uint64_t slack = plan->align - (uint64_t)sysconf(_SC_PAGESIZE);

	if (plan->nr_pieces == 1)
		return map_one(injection, ret_base);
	if (fixed || slack)
		return reserve(injection, fixed ? 0 : slack, ret_base);
	if (!args[0])
		inject_loop_map(loop, &injection->thread, plan->length,
				(int)args[3] & MAP_PLACE);
	if (!loop->address)
		return reserve(injection, 0, ret_base);
	*ret_base = (long)(loop->address + loop->size);
	return 0;
}

/* Doing it */

/* For the calls; they are made without it when it cannot be had. */
static void loop_make(struct injection *injection)
{
	struct inject_loop *loop = &injection->loop;

	if (!loop->address)
		inject_loop_map(loop, &injection->thread, 0, 0);
	if (loop->address && !inject_loop_fill(loop, injection->calls,
					       injection->nr_calls))
		inject_loop_unmap(loop, &injection->thread);
}

/* The calls from @first on; *ret_at: the end, or the one that failed. */
static int calls_step(struct injection *injection, size_t first,
		      size_t *ret_at, long *ret_result)
{
	size_t i;
	int ret;

	for (i = first; i < injection->nr_calls; i++) {
		ret = inject_thread_call(&injection->thread,
					 &injection->calls[i], ret_result);
		if (ret)
			return ret;
		if (failed(*ret_result))
			break;
	}
	*ret_at = i;
	return 0;
}

static int calls_run(struct injection *injection, size_t first, size_t *ret_at,
		     long *ret_result)
{
	if (!injection->loop.address)
		return calls_step(injection, first, ret_at, ret_result);
	return inject_loop_run(&injection->loop, &injection->thread, first,
			       injection->nr_calls, ret_at, ret_result);
}

/* All calls; a close does not fail. What the first mmap that failed said. */
static int calls_do(struct injection *injection, size_t nr_maps)
{
	size_t at = 0;
	long result;
	int failure = 0;
	int ret;

	while (at < injection->nr_calls) {
		ret = calls_run(injection, at, &at, &result);
		if (ret)
			return ret;
		if (at < nr_maps) {
			failure = (int)result;
			at = nr_maps;
		} else {
			at++;
		}
	}
	return failure;
}

static size_t pieces_add(struct injection *injection, uint64_t base)
{
	const struct inject_plan *plan = &injection->plan;
	size_t i;

	if (plan->nr_pieces == 1)
		return 0;
	for (i = 0; i < plan->nr_pieces; i++)
		injection->calls[i] = piece_call(injection, &plan->pieces[i],
						 base);
	return injection->nr_calls = plan->nr_pieces;
}

/* The address, or -errno. */
static long mapping_make(struct injection *injection)
{
	size_t nr_maps = 0;
	long base;
	int ret;

	ret = place(injection, &base);
	if (ret)
		return ret;
	if (!failed(base))
		nr_maps = pieces_add(injection, (uint64_t)base);
	closes_add(injection);
	if (nr_maps)
		loop_make(injection);
	ret = calls_do(injection, nr_maps);
	inject_loop_unmap(&injection->loop, &injection->thread);
	if (!ret)
		return base;
	unmap(injection, (uint64_t)base,
	      (uint64_t)base + injection->plan.length);
	return ret;
}

/* Not all fds could be sent: take back those that were. */
static long fds_take_back(struct injection *injection, int why)
{
	closes_add(injection);
	calls_do(injection, 0);
	/* Before Linux 5.19 a signal ends the wait for the answer. */
	return why == -ENOENT ? INJECT_AGAIN : why;
}

/* From the answer on the thread is ours. */
static void traced(struct injection *injection)
{
	struct inject_thread *thread = &injection->thread;
	struct inject_call made = { .nr = SYS_mmap };
	long result = INJECT_AGAIN;
	int ret;

	ret = fds_send(injection);
	memcpy(made.args, injection->call->args, sizeof(made.args));
	inject_thread_interrupt(thread);
	call_answer(injection->call, -ENODEV);
	if (!inject_thread_stopped(thread, &made))
		result = ret ? fds_take_back(injection, ret) :
			       mapping_make(injection);
	/* First, as always: see call_return(). */
	if (result != INJECT_AGAIN)
		log_call(injection->call, result);
	inject_thread_leave(thread, result);
}

static void inject(struct injection *injection)
{
	struct call *call = injection->call;
	int ret;

	pthread_mutex_lock(&trace_lock);
	ret = inject_thread_seize(&injection->thread, call->tid);
	if (!ret)
		traced(injection);
	pthread_mutex_unlock(&trace_lock);
	inject_thread_bury(&injection->thread);
	if (!ret)
		return;
	log_line("thread %d cannot be stopped to map a udmabuf: %s", call->tid,
		 ret == -EPERM ? "is a debugger or tracer there?" :
				 strerrordesc_np(-ret));
	call_return(call, -ENODEV);
}

void inject_mmap(struct call *call, struct dma_buf *dmabuf)
{
	struct injection injection = {
		.call = call,
		.loop = { .fd = -1, .number = -1 },
	};
	struct inject_plan *plan = &injection.plan;
	int ret;

	ret = inject_plan_make(plan, dmabuf, call->args[5], call->args[1]);
	if (ret) {
		call_return(call, fd_error(ret));
		return;
	}
	injection.calls = calloc(plan->nr_pieces + plan->nr_views + 1,
				 sizeof(*injection.calls));
	if (injection.calls && plan->nr_pieces > LOOP_PIECES)
		inject_loop_open(&injection.loop,
				 plan->nr_pieces + plan->nr_views + 1);
	if (injection.calls)
		inject(&injection);
	else
		call_return(call, -ENOMEM);
	inject_loop_close(&injection.loop);
	free(injection.calls);
	inject_plan_free(plan);
}
