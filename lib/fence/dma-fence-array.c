/* SPDX-License-Identifier: MIT */
/*
 * dma-fence-array.c - one fence for all, or for any, of several
 *
 * Once somebody waits, a callback sits on each member, with a reference on the
 * array. The one that brings the count to 0 has the array signalled after the
 * member's lock is given back. While nobody waits, a query asks the members.
 *
 * Several threads may find the array done at a time, and each may be the one
 * that signals it. So what it ends with is settled first, by the first to know;
 * everybody hands on that value, and it does not change any more:
 *
 * - of any, by the first member seen done;
 * - of all, by the first member seen to fail, as all of them have been seen
 *   before anybody says done.
 */
#include <dmabuf/dma-fence-array.h>

#include <stdlib.h>

#include "base/report.h"
#include "base/util.h"
#include "fence/fence.h"
#include "fence/remote.h"

/* What &array.outcome is beside -errno. */
enum { OUTCOME_OPEN = 0, OUTCOME_SUCCESS = 1 };

struct array {
	struct dma_fence_array public;	/* first */
	bool any;			/* constant */
	int outcome;			/* atomic; constant once not OPEN */
	struct dma_fence_array_cb callbacks[];
};

static struct array *array_of(struct dma_fence *fence)
{
	return container_of(fence, struct array, public.base);
}

/* Settling the outcome */

static void store_once(int *where, int value)
{
	int unset = 0;

	/* Acquire and release: the value is visible to all that go on. */
	if (!__atomic_load_n(where, __ATOMIC_ACQUIRE))
		__atomic_compare_exchange_n(where, &unset, value, false,
					    __ATOMIC_ACQ_REL,
					    __ATOMIC_ACQUIRE);
}

/* Members are done, with this error or with 0. */
static void outcome_note(struct array *array, int error)
{
	if (error)
		store_once(&array->outcome, error);
	else if (array->any)
		store_once(&array->outcome, OUTCOME_SUCCESS);
}

/* Before it is signalled, by each that may be the first to do so. */
static void outcome_publish(struct array *array)
{
	int outcome = __atomic_load_n(&array->outcome, __ATOMIC_ACQUIRE);

	if (outcome < 0)
		store_once(&array->public.base.error, outcome);
}

/* Being signalled */

static void array_signal(struct dmabuf_work *work)
{
	struct array *array = container_of(work, struct array, public.work);

	outcome_publish(array);
	dma_fence_signal(&array->public.base);
	dma_fence_put(&array->public.base);
}

static void array_free(struct array *array)
{
	struct dma_fence_array *public = &array->public;
	unsigned int i;

	for (i = 0; i < public->num_fences; i++)
		dma_fence_put(public->fences[i]);
	free(public->fences);
	pthread_mutex_destroy(&public->lock);
	dma_fence_free(&public->base);
}

static void array_end(struct dmabuf_work *work)
{
	struct array *array = container_of(work, struct array, public.work);

	fence_end(&array->public.base);
	array_free(array);
}

static void array_defer(struct array *array,
			void (*run)(struct dmabuf_work *work))
{
	array->public.work.run = run;
	fence_defer(&array->public.work);
}

/* A member is signalled. True: the array was waiting for this one. */
static bool member_count(struct array *array, struct dma_fence *member)
{
	outcome_note(array, __atomic_load_n(&member->error, __ATOMIC_RELAXED));
	/* Release, pairs with the acquire in array_signaled(). */
	return __atomic_fetch_sub(&array->public.num_pending, 1,
				  __ATOMIC_ACQ_REL) == 1;
}

/* The member's lock is held. */
static void member_signaled(struct dma_fence *member, struct dma_fence_cb *cb)
{
	struct array *array = array_of(
		&container_of(cb, struct dma_fence_array_cb, cb)->array->base);

	if (member_count(array, member))
		array_defer(array, array_signal);
	else if (fence_put_last(&array->public.base))
		/*
		 * A release puts members, whose own release may take the lock
		 * held here. The work is free: it has held a reference too.
		 */
		array_defer(array, array_end);
}

/* Ops */

static const char *array_driver_name(struct dma_fence *fence)
{
	(void)fence;
	return "dma_fence_array";
}

static const char *array_timeline_name(struct dma_fence *fence)
{
	(void)fence;
	return "unbound";
}

static bool array_enable_signaling(struct dma_fence *fence)
{
	struct array *array = array_of(fence);
	struct dma_fence_array_cb *cb;
	struct dma_fence *member;
	unsigned int i;

	for (i = 0; i < array->public.num_fences; i++) {
		member = array->public.fences[i];
		cb = &array->public.callbacks[i];
		cb->array = &array->public;
		dma_fence_get(fence);
		if (!dma_fence_add_callback(member, &cb->cb, member_signaled))
			continue;
		dma_fence_put(fence);
		if (!member_count(array, member))
			continue;
		outcome_publish(array);
		return false;
	}
	/* All of none are done; no member will say so. */
	return array->public.num_fences || array->any;
}

/* Asking them one by one */

static bool all_signaled(struct array *array)
{
	int error = 0;
	unsigned int i;
	int status;

	for (i = 0; i < array->public.num_fences; i++) {
		status = dma_fence_get_status(array->public.fences[i]);
		if (!status)
			return false;
		if (status < 0 && !error)
			error = status;
	}
	outcome_note(array, error);
	return true;
}

static bool any_signaled(struct array *array)
{
	unsigned int i;
	int status;

	for (i = 0; i < array->public.num_fences; i++) {
		status = dma_fence_get_status(array->public.fences[i]);
		if (!status)
			continue;
		outcome_note(array, status < 0 ? status : 0);
		return true;
	}
	return false;
}

static bool array_signaled(struct dma_fence *fence)
{
	struct array *array = array_of(fence);
	unsigned long flags = __atomic_load_n(&fence->flags, __ATOMIC_ACQUIRE);
	bool enabled = flags & (1ul << DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT);
	bool done = enabled && __atomic_load_n(&array->public.num_pending,
					       __ATOMIC_ACQUIRE) <= 0;

	/* A member of another process is not heard of without being asked. */
	if (!done && (!enabled || remote_any()))
		done = array->any ? any_signaled(array) : all_signaled(array);
	if (done)
		outcome_publish(array);
	return done;
}

static void array_release(struct dma_fence *fence)
{
	array_free(array_of(fence));
}

static void array_set_deadline(struct dma_fence *fence, int64_t deadline)
{
	struct dma_fence *member;
	unsigned int i;

	dma_fence_array_for_each(member, i, fence)
		dma_fence_set_deadline(member, deadline);
}

const struct dma_fence_ops dma_fence_array_ops = {
	.get_driver_name = array_driver_name,
	.get_timeline_name = array_timeline_name,
	.enable_signaling = array_enable_signaling,
	.signaled = array_signaled,
	.release = array_release,
	.set_deadline = array_set_deadline,
};

/* Making one */

struct dma_fence_array *dma_fence_array_alloc(int num_fences)
{
	struct array *array;
	size_t size;

	if (__builtin_mul_overflow(num_fences, sizeof(array->callbacks[0]),
				   &size) ||
	    __builtin_add_overflow(size, sizeof(*array), &size))
		return NULL;
	array = calloc(1, size);
	return array ? &array->public : NULL;
}

static void members_check(const struct dma_fence_array *array)
{
	unsigned int i;

	for (i = 0; i < array->num_fences; i++)
		if (dma_fence_is_container(array->fences[i]))
			report_warn("dma_fence_array_init",
				    "member %u is an array or a chain", i);
}

void dma_fence_array_init(struct dma_fence_array *public, int num_fences,
			  struct dma_fence **fences, uint64_t context,
			  unsigned int seqno, bool signal_on_any)
{
	struct array *array = container_of(public, struct array, public);

	if (num_fences <= 0 || !fences) {
		report_warn(__func__, "no members");
		num_fences = 0;
	}
	pthread_mutex_init(&public->lock, NULL);
	dma_fence_init(&public->base, &dma_fence_array_ops, &public->lock,
		       context, seqno);
	public->num_fences = (unsigned int)num_fences;
	public->num_pending = signal_on_any ? 1 : num_fences;
	public->fences = fences;
	public->callbacks = array->callbacks;
	array->any = signal_on_any;
	array->outcome = OUTCOME_OPEN;
	members_check(public);
}

struct dma_fence_array *
dma_fence_array_create(int num_fences, struct dma_fence **fences,
		       uint64_t context, unsigned int seqno, bool signal_on_any)
{
	struct dma_fence_array *array;

	if (num_fences <= 0 || !fences) {
		report_warn(__func__, "no members");
		return NULL;
	}
	array = dma_fence_array_alloc(num_fences);
	if (array)
		dma_fence_array_init(array, num_fences, fences, context, seqno,
				     signal_on_any);
	return array;
}

/* Looking into one */

bool dma_fence_match_context(struct dma_fence *fence, uint64_t context)
{
	struct dma_fence *member;
	unsigned int i;

	dma_fence_array_for_each(member, i, fence)
		if (member->context != context)
			return false;
	return true;
}

struct dma_fence *dma_fence_array_first(struct dma_fence *head)
{
	struct dma_fence_array *array = to_dma_fence_array(head);

	if (!array)
		return head;
	return array->num_fences ? array->fences[0] : NULL;
}

struct dma_fence *dma_fence_array_next(struct dma_fence *head,
				       unsigned int index)
{
	struct dma_fence_array *array = to_dma_fence_array(head);

	if (!array || index >= array->num_fences)
		return NULL;
	return array->fences[index];
}
