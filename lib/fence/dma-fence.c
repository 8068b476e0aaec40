/* SPDX-License-Identifier: MIT */
/*
 * dma-fence.c - the fence: life, signalling, callbacks, questions
 *
 * A fence goes from pending to signalled once. All that hangs on it happens
 * under the implementer's lock:
 *
 *	error written, timestamp written, SIGNALED set (release),
 *	sleepers woken, callbacks called in the order of adding
 *
 * so who sees SIGNALED (acquire) sees the others, and needs no lock for it.
 *
 * Callbacks may not touch the locks of other fences' waiters, and so a
 * container is not signalled inside its member's lock: see fence_defer().
 */
#include "fence/fence.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include <dmabuf/err.h>

#include "base/list.h"
#include "base/report.h"
#include "base/util.h"
#include "base/worker.h"
#include "fence/futex.h"
#include "fence/lookup.h"

#define SIGNALED (1ul << DMA_FENCE_FLAG_SIGNALED_BIT)
#define TIMESTAMP (1ul << DMA_FENCE_FLAG_TIMESTAMP_BIT)
#define ENABLED (1ul << DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT)

static bool flag_is_set(const struct dma_fence *fence, unsigned long flag)
{
	return __atomic_load_n(&fence->flags, __ATOMIC_ACQUIRE) & flag;
}

/* Making one */

uint64_t dma_fence_context_alloc(unsigned int num)
{
	static uint64_t next = 1;	/* 0 is the stubs' */

	if (!num)
		report_warn(__func__, "no context was asked for");
	return __atomic_fetch_add(&next, num, __ATOMIC_RELAXED);
}

static const char *init_fault(const struct dma_fence_ops *ops,
			      const pthread_mutex_t *lock)
{
	if (!lock)
		return "no lock";
	if (!ops)
		return "no ops";
	if (!ops->get_driver_name)
		return "no get_driver_name op";
	if (!ops->get_timeline_name)
		return "no get_timeline_name op";
	return NULL;
}

void dma_fence_init(struct dma_fence *fence, const struct dma_fence_ops *ops,
		    pthread_mutex_t *lock, uint64_t context, uint64_t seqno)
{
	const char *fault = init_fault(ops, lock);

	if (fault)
		report_bug(__func__, "%s", fault);
	*fence = (struct dma_fence){
		.lock = lock,
		.ops = ops,
		.context = context,
		.seqno = seqno,
		.refcount = 1,
	};
	list_init(&fence->cb_list);
}

struct dma_fence *dma_fence_get(struct dma_fence *fence)
{
	if (fence)
		__atomic_fetch_add(&fence->refcount, 1, __ATOMIC_RELAXED);
	return fence;
}

struct dma_fence *dma_fence_get_rcu(struct dma_fence *fence)
{
	unsigned int refs = __atomic_load_n(&fence->refcount, __ATOMIC_RELAXED);

	while (refs)
		if (__atomic_compare_exchange_n(&fence->refcount, &refs,
						refs + 1, true,
						__ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return fence;
	return NULL;
}

struct dma_fence *dma_fence_get_rcu_safe(struct dma_fence **fencep)
{
	struct dma_fence *fence;
	unsigned int lookup;

	/* One that is on its way out will be replaced: time for others. */
	do {
		lookup = lookup_begin();
		fence = __atomic_load_n(fencep, __ATOMIC_SEQ_CST);
		if (fence)
			fence = dma_fence_get_rcu(fence);
		lookup_end(lookup);
	} while (!fence && __atomic_load_n(fencep, __ATOMIC_SEQ_CST));
	return fence;
}

void dma_fence_free(struct dma_fence *fence)
{
	lookups_wait();
	free(fence);
}

bool fence_put_last(struct dma_fence *fence)
{
	return __atomic_fetch_sub(&fence->refcount, 1, __ATOMIC_SEQ_CST) == 1;
}

bool fence_put_unless_last(struct dma_fence *fence)
{
	unsigned int refs = __atomic_load_n(&fence->refcount, __ATOMIC_RELAXED);

	while (refs > 1)
		if (__atomic_compare_exchange_n(&fence->refcount, &refs,
						refs - 1, true,
						__ATOMIC_RELEASE,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

void fence_end(struct dma_fence *fence)
{
	if (flag_is_set(fence, SIGNALED) || list_empty(&fence->cb_list))
		return;
	report_warn("dma_fence_put", "%s %s: the last reference goes while "
		    "callbacks wait", fence->ops->get_driver_name(fence),
		    fence->ops->get_timeline_name(fence));
	fence->error = -EDEADLK;
	dma_fence_signal(fence);
}

void dma_fence_put(struct dma_fence *fence)
{
	if (!fence || !fence_put_last(fence))
		return;
	fence_end(fence);
	if (fence->ops->release)
		fence->ops->release(fence);
	else
		dma_fence_free(fence);
}

/* Sections */

static void section_drop(void *what)
{
	struct fence_section *section = what;

	pthread_mutex_unlock(section->lock);
	context_section_leave();
}

/* The lock is taken. */
static void section_begin(struct fence_section *section, pthread_mutex_t *lock)
{
	section->lock = lock;
	frame_enter_locked(&section->frame, section_drop, section);
	context_section_enter();
}

void fence_section_enter(struct fence_section *section, pthread_mutex_t *lock)
{
	pthread_mutex_lock(lock);
	section_begin(section, lock);
}

void fence_section_leave(struct fence_section *section)
{
	frame_leave(&section->frame);
	worker_help();
}

void fence_defer(struct dmabuf_work *work)
{
	context_defer_signal(work);
}

static void borrowed_drop(void *what)
{
	(void)what;
	context_section_leave();
}

/* A section inside a caller's. */
static void borrowed_enter(struct frame *frame)
{
	frame_enter(frame, borrowed_drop, NULL);
	context_section_enter();
}

/* Nobody can tell whether it is this thread that has the lock. */
static void lock_assert_held(struct dma_fence *fence, const char *function)
{
	if (pthread_mutex_trylock(fence->lock))
		return;
	pthread_mutex_unlock(fence->lock);
	report_warn(function, "the lock of the fence is not held");
}

/* Signalling */

void dma_fence_set_error(struct dma_fence *fence, int error)
{
	if (flag_is_set(fence, SIGNALED))
		report_warn(__func__, "the fence is signalled already");
	else if (error >= 0 || error < -MAX_ERRNO)
		report_warn(__func__, "%d is no error", error);
	else
		fence->error = error;
}

static void callbacks_run(struct dma_fence *fence)
{
	struct dmabuf_list *node;
	struct dma_fence_cb *cb;

	/* In place: what would change the list waits for the lock. */
	while (!list_empty(&fence->cb_list)) {
		node = fence->cb_list.next;
		list_del_init(node);
		cb = container_of(node, struct dma_fence_cb, node);
		cb->func(fence, cb);
	}
}

static void signaled_set_locked(struct dma_fence *fence, int64_t timestamp)
{
	fence->timestamp = timestamp;
	/* Release, pairs with the acquire of flag_is_set(). */
	__atomic_fetch_or(&fence->flags, SIGNALED | TIMESTAMP,
			  __ATOMIC_RELEASE);
}

/* True: there are some to be woken. */
static bool sleepers_take_locked(struct dma_fence *fence)
{
	if (!fence->sleepers)
		return false;
	__atomic_store_n(&fence->sleepers, 0, __ATOMIC_RELAXED);
	return true;
}

/* The lock is held, in a section. */
static int fence_signal_locked(struct dma_fence *fence, int64_t timestamp)
{
	if (flag_is_set(fence, SIGNALED))
		return -EINVAL;
	signaled_set_locked(fence, timestamp);
	if (sleepers_take_locked(fence))
		futex_wake_all(&fence->sleepers);
	callbacks_run(fence);
	return 0;
}

/*
 * Without callbacks nothing else runs with the lock held, and it is given back
 * before those are woken who may want it next.
 */
static void signal_alone_unlock(struct dma_fence *fence, int64_t timestamp)
{
	bool sleepers;

	signaled_set_locked(fence, timestamp);
	sleepers = sleepers_take_locked(fence);
	pthread_mutex_unlock(fence->lock);
	if (sleepers)
		futex_wake_all(&fence->sleepers);
}

int dma_fence_signal_timestamp(struct dma_fence *fence, int64_t timestamp)
{
	struct fence_section section;
	int ret;

	if (!fence)
		return -EINVAL;
	/* Also when it is signalled: after this its callbacks are over. */
	pthread_mutex_lock(fence->lock);
	if (list_empty(&fence->cb_list) && !flag_is_set(fence, SIGNALED)) {
		signal_alone_unlock(fence, timestamp);
		return 0;
	}
	section_begin(&section, fence->lock);
	ret = fence_signal_locked(fence, timestamp);
	fence_section_leave(&section);
	return ret;
}

int dma_fence_signal(struct dma_fence *fence)
{
	return dma_fence_signal_timestamp(fence, now_ns());
}

static int signal_borrowed(struct dma_fence *fence, int64_t timestamp,
			   const char *function)
{
	struct frame frame;
	int ret;

	if (!fence)
		return -EINVAL;
	lock_assert_held(fence, function);
	borrowed_enter(&frame);
	ret = fence_signal_locked(fence, timestamp);
	frame_leave_borrowed(&frame);
	return ret;
}

int dma_fence_signal_timestamp_locked(struct dma_fence *fence,
				      int64_t timestamp)
{
	return signal_borrowed(fence, timestamp, __func__);
}

int dma_fence_signal_locked(struct dma_fence *fence)
{
	return signal_borrowed(fence, now_ns(), __func__);
}

/* The lock is held, in a section. True: it will be signalled. */
static bool fence_enable_locked(struct dma_fence *fence)
{
	unsigned long was = __atomic_fetch_or(&fence->flags, ENABLED,
					      __ATOMIC_ACQUIRE);

	if (was & SIGNALED)
		return false;
	if ((was & ENABLED) || !fence->ops->enable_signaling)
		return true;
	if (!fence->ops->enable_signaling(fence))
		fence_signal_locked(fence, now_ns());
	return !flag_is_set(fence, SIGNALED);
}

void dma_fence_enable_sw_signaling(struct dma_fence *fence)
{
	struct fence_section section;

	if (flag_is_set(fence, SIGNALED))
		return;
	if (!fence->ops->enable_signaling) {
		__atomic_fetch_or(&fence->flags, ENABLED, __ATOMIC_RELAXED);
		return;
	}
	fence_section_enter(&section, fence->lock);
	fence_enable_locked(fence);
	fence_section_leave(&section);
}

/* Asking */

static bool done_by_its_op(struct dma_fence *fence)
{
	return fence->ops->signaled && fence->ops->signaled(fence);
}

bool dma_fence_is_signaled(struct dma_fence *fence)
{
	if (flag_is_set(fence, SIGNALED))
		return true;
	if (!done_by_its_op(fence))
		return false;
	dma_fence_signal(fence);
	return true;
}

bool dma_fence_is_signaled_locked(struct dma_fence *fence)
{
	struct frame frame;
	bool done;

	if (flag_is_set(fence, SIGNALED))
		return true;
	lock_assert_held(fence, __func__);
	/* The op may find others done, which the lock's holder is made of. */
	borrowed_enter(&frame);
	done = done_by_its_op(fence);
	if (done)
		fence_signal_locked(fence, now_ns());
	frame_leave_borrowed(&frame);
	return done;
}

static int status_of_signaled(const struct dma_fence *fence)
{
	int error = __atomic_load_n(&fence->error, __ATOMIC_RELAXED);

	return error ? error : 1;
}

int dma_fence_get_status(struct dma_fence *fence)
{
	return dma_fence_is_signaled(fence) ? status_of_signaled(fence) : 0;
}

int dma_fence_get_status_locked(struct dma_fence *fence)
{
	return dma_fence_is_signaled_locked(fence) ?
		       status_of_signaled(fence) : 0;
}

int64_t dma_fence_timestamp(struct dma_fence *fence)
{
	if (flag_is_set(fence, TIMESTAMP))
		return fence->timestamp;
	report_warn(__func__, "the fence is not signalled");
	return now_ns();
}

static bool seqno_is_later(const struct dma_fence *f1,
			   const struct dma_fence *f2)
{
	if (f1->ops->use_64bit_seqno)
		return f1->seqno > f2->seqno;
	return (int32_t)((uint32_t)f1->seqno - (uint32_t)f2->seqno) > 0;
}

static bool contexts_differ(const struct dma_fence *f1,
			    const struct dma_fence *f2, const char *function)
{
	if (f1->context == f2->context)
		return false;
	report_warn(function, "the fences are of two contexts, %" PRIu64
		    " and %" PRIu64, f1->context, f2->context);
	return true;
}

bool dma_fence_is_later(struct dma_fence *f1, struct dma_fence *f2)
{
	return !contexts_differ(f1, f2, __func__) && seqno_is_later(f1, f2);
}

bool dma_fence_is_later_or_same(struct dma_fence *f1, struct dma_fence *f2)
{
	return f1 == f2 || dma_fence_is_later(f1, f2);
}

struct dma_fence *dma_fence_later(struct dma_fence *f1, struct dma_fence *f2)
{
	struct dma_fence *later;

	if (contexts_differ(f1, f2, __func__))
		return NULL;
	later = seqno_is_later(f1, f2) ? f1 : f2;
	return dma_fence_is_signaled(later) ? NULL : later;
}

void dma_fence_set_deadline(struct dma_fence *fence, int64_t deadline)
{
	if (fence->ops->set_deadline && !dma_fence_is_signaled(fence))
		fence->ops->set_deadline(fence, deadline);
}

void dma_fence_describe(struct dma_fence *fence, FILE *out)
{
	fprintf(out, "%s %s seq %" PRIu64 " %ssignalled\n",
		fence->ops->get_driver_name(fence),
		fence->ops->get_timeline_name(fence), fence->seqno,
		dma_fence_is_signaled(fence) ? "" : "un");
}

/* Callbacks */

int dma_fence_add_callback(struct dma_fence *fence, struct dma_fence_cb *cb,
			   dma_fence_func_t func)
{
	struct fence_section section;
	int ret = -ENOENT;

	if (!fence || !func) {
		report_warn(__func__, "no fence or no function");
		return -EINVAL;
	}
	list_init(&cb->node);
	if (flag_is_set(fence, SIGNALED))
		return ret;
	fence_section_enter(&section, fence->lock);
	if (fence_enable_locked(fence)) {
		cb->func = func;
		list_add_before(&cb->node, &fence->cb_list);
		ret = 0;
	}
	fence_section_leave(&section);
	return ret;
}

bool dma_fence_remove_callback(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	bool waits;

	pthread_mutex_lock(fence->lock);
	waits = !list_empty(&cb->node);
	list_del_init(&cb->node);
	pthread_mutex_unlock(fence->lock);
	return waits;
}

/* Kinds */

bool dma_fence_is_array(const struct dma_fence *fence)
{
	return fence->ops == &dma_fence_array_ops;
}

bool dma_fence_is_chain(const struct dma_fence *fence)
{
	return fence->ops == &dma_fence_chain_ops;
}

/* Stubs: signalled from the start */

static const char *stub_name(struct dma_fence *fence)
{
	(void)fence;
	return "stub";
}

static const struct dma_fence_ops stub_ops = {
	.get_driver_name = stub_name,
	.get_timeline_name = stub_name,
};

static pthread_mutex_t stub_lock = PTHREAD_MUTEX_INITIALIZER;
static struct dma_fence stub;		/* its first reference stays */

static void stub_init(struct dma_fence *fence, int64_t timestamp)
{
	dma_fence_init(fence, &stub_ops, &stub_lock, 0, 0);
	fence->timestamp = timestamp;
	fence->flags = SIGNALED | TIMESTAMP | ENABLED;
}

static void stub_setup(void)
{
	stub_init(&stub, now_ns());
}

struct dma_fence *dma_fence_get_stub(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, stub_setup);
	return dma_fence_get(&stub);
}

struct dma_fence *dma_fence_allocate_private_stub(int64_t timestamp)
{
	struct dma_fence *fence = malloc(sizeof(*fence));

	if (fence)
		stub_init(fence, timestamp);
	return fence;
}
