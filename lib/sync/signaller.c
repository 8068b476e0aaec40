/* SPDX-License-Identifier: MIT */
/*
 * signaller.c - sync files whose fence this process signals
 *
 * A signaller lives, and has a reference on its fence, until all copies of the
 * holder's end are closed, in whatever process. Its own end says so by a
 * hang-up, and somebody has to look: dmabuf_dispatch(); the send of the record,
 * which fails; and whoever makes one more when there are twice as many as after
 * the last look.
 *
 * To end one may run the release op of a fence. dmabuf_dispatch() is the place
 * for that. Elsewhere the end is closed at once, and a worker does the rest,
 * unless it is known that nothing of others runs.
 *
 * The lock is a leaf. It is held around the making and the use of an end, so that
 * a forked child finds its copy here, and shuts it: otherwise the death of the
 * parent would go unnoticed. An end that nobody holds is closed without it.
 */
#include "sync/signaller.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/dispatch.h"
#include "base/fork.h"
#include "base/worker.h"
#include "fence/fence.h"
#include "sync/carrier.h"

#define SWEEP_MIN 4		/* fewer are not worth a look */
#define SWEEP_STEP 64		/* looked at under the lock in one go */

RB_HEAD(signaller_tree, signaller);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct signaller_tree open_ones = RB_INITIALIZER(&open_ones); /* lock */
static unsigned int nr_open;		/* lock */
static unsigned int sweep_at = SWEEP_MIN;	/* lock: look when so many */
static uint64_t ids[64];		/* lock: the first nr_ids are unused */
static unsigned int nr_ids;		/* lock */

/* They go when the child signals its copies of the fences. */
static LIST_HEAD(, signaller) inherited = LIST_HEAD_INITIALIZER(inherited);

static int signaller_compare(const struct signaller *a,
			     const struct signaller *b)
{
	return (a->id > b->id) - (a->id < b->id);
}

RB_GENERATE_INTERNAL(signaller_tree, signaller, by_id, signaller_compare,
		     static __attribute__((unused)))

static void signallers_lock(void)
{
	pthread_mutex_lock(&lock);
}

static void signallers_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

/*
 * By who is alone with it, and without the lock where that can be: what a holder
 * has sent along may make close(2) take its time. (It is a cancellation point,
 * too.)
 */
static void end_close(struct signaller *signaller)
{
	int cancel;

	if (signaller->end < 0)
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	close(signaller->end);
	pthread_setcancelstate(cancel, NULL);
	signaller->end = -1;
}

static void remove_locked(struct signaller *signaller)
{
	if (signaller->state == SIGNALLER_OPEN) {
		RB_REMOVE(signaller_tree, &open_ones, signaller);
		nr_open--;
	} else {
		LIST_REMOVE(signaller, inherited);
	}
	signaller->state = SIGNALLER_ALONE;
}

/* Life */

struct signaller *signaller_new(void)
{
	struct signaller *signaller = calloc(1, sizeof(*signaller));

	if (signaller)
		signaller->end = -1;
	return signaller;
}

void signaller_free(struct signaller *signaller)
{
	dma_fence_put(signaller->base.fence);
	free(signaller);
}

/* It is alone; no lock is held. */
static void signaller_end(struct dmabuf_work *work)
{
	struct signaller *signaller =
		container_of(work, struct signaller, work);

	end_close(signaller);
	/* Also waits for a callback that is just running. */
	dma_fence_remove_callback(signaller->base.fence, &signaller->cb);
	signaller_free(signaller);
}

/*
 * Drop the reference, where that runs no op and takes no lock: there are
 * others, or the fence is freed as it is.
 */
static bool put_quietly(struct dma_fence *fence)
{
	if (fence_put_unless_last(fence))
		return true;
	if (fence->ops->release)
		return false;
	dma_fence_put(fence);
	return true;
}

/* The same, behind the back of a caller who may be anywhere. */
static void end_quietly(struct work_queue *gone)
{
	struct work_queue left = { 0 };
	struct dmabuf_work *work;
	struct signaller *signaller;

	while ((work = work_pop(gone))) {
		signaller = container_of(work, struct signaller, work);
		end_close(signaller);
		if (signaller->told && put_quietly(signaller->base.fence))
			free(signaller);
		else
			work_push(&left, work);
	}
	worker_give(&left);
}

/* An armed one, that nobody holds. */
static void give_up_locked(struct signaller *signaller, struct work_queue *gone)
{
	remove_locked(signaller);
	signaller->work.run = signaller_end;
	work_push(gone, &signaller->work);
}

/* Looking for those that nobody holds */

static bool sweep_some(uint64_t *from, struct work_queue *gone)
{
	struct signaller *some[SWEEP_STEP];
	struct pollfd ends[SWEEP_STEP];
	struct signaller key = { .id = *from };
	struct signaller *next;
	unsigned int nr = 0, i;
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	signallers_lock();
	next = RB_NFIND(signaller_tree, &open_ones, &key);
	for (; next && nr < SWEEP_STEP;
	     next = RB_NEXT(signaller_tree, &open_ones, next)) {
		*from = next->id + 1;
		if (!next->armed)
			continue;
		ends[nr] = (struct pollfd){ .fd = next->end };
		some[nr++] = next;
	}
	if (nr && poll(ends, nr, 0) > 0)
		for (i = 0; i < nr; i++)
			if (ends[i].revents & POLLHUP)
				give_up_locked(some[i], gone);
	signallers_unlock();
	pthread_setcancelstate(cancel, NULL);
	return next;
}

static void sweep(struct work_queue *gone)
{
	uint64_t from = 0;

	while (sweep_some(&from, gone))
		;
	signallers_lock();
	sweep_at = 2 * nr_open < SWEEP_MIN ? SWEEP_MIN : 2 * nr_open;
	signallers_unlock();
}

void signallers_make_room(void)
{
	struct work_queue gone = { 0 };

	sweep(&gone);
	end_quietly(&gone);
}

static void look(void)
{
	struct work_queue gone = { 0 };
	struct dmabuf_work *work;

	sweep(&gone);
	while ((work = work_pop(&gone)))
		work->run(work);
}

static struct dispatch_hook dispatch_hook = { .look = look };

/* Forks */

static void fork_child(bool locked)
{
	struct signaller *signaller;

	if (!locked) {
		pthread_mutex_init(&lock, NULL);
		signallers_lock();
	}
	while ((signaller = RB_ROOT(&open_ones))) {
		remove_locked(signaller);
		end_close(signaller);
		signaller->state = SIGNALLER_INHERITED;
		LIST_INSERT_HEAD(&inherited, signaller, inherited);
	}
	nr_ids = 0;
	signallers_unlock();
}

static struct fork_hook fork_hook = {
	.lock = signallers_lock,
	.unlock = signallers_unlock,
	.child = fork_child,
};

/* Opening */

/*
 * A holder can write another id on his fd. So that he cannot reach a fence
 * whose fd he was not given, ids are not to be guessed.
 */
static uint64_t random_id_locked(void)
{
	/* Shorter, or none, only before the system has any: then by time. */
	if (!nr_ids &&
	    getrandom(ids, sizeof(ids), GRND_NONBLOCK) == (ssize_t)sizeof(ids))
		nr_ids = sizeof(ids) / sizeof(ids[0]);
	return (nr_ids ? ids[--nr_ids] : (uint64_t)now_ns()) & CARRIER_ID_MAX;
}

static uint64_t unused_id_locked(void)
{
	struct signaller key;

	do
		key.id = random_id_locked();
	while (RB_FIND(signaller_tree, &open_ones, &key));
	return key.id;
}

static int open_locked(struct signaller *signaller)
{
	struct carrier carrier;
	uint64_t id = unused_id_locked();
	int ret = carrier_open(id, &carrier);

	if (ret)
		return ret;
	signaller->id = id;
	signaller->end = carrier.signaller;
	signaller->state = SIGNALLER_OPEN;
	RB_INSERT(signaller_tree, &open_ones, signaller);
	nr_open++;
	return carrier.holder;
}

static bool is_crowded(void)
{
	bool crowded;

	signallers_lock();
	crowded = nr_open >= sweep_at;
	signallers_unlock();
	return crowded;
}

static int open_once(struct signaller *signaller)
{
	int fd;

	signallers_lock();
	fd = open_locked(signaller);
	signallers_unlock();
	return fd;
}

int signaller_open(struct signaller *signaller)
{
	int fd;

	fork_check(&fork_hook);
	dispatch_add(&dispatch_hook);
	/* First: what was used last is what the kernel hands out fastest. */
	if (is_crowded())
		signallers_make_room();
	fd = open_once(signaller);
	if (fd != -EMFILE && fd != -ENFILE)
		return fd;
	signallers_make_room();
	return open_once(signaller);
}

void signaller_close(struct signaller *signaller, int fd)
{
	close(fd);
	signallers_lock();
	remove_locked(signaller);
	signallers_unlock();
	end_close(signaller);
}

/* Telling */

/* Until it is armed its maker goes on with it, and ends it. */
static void settle_locked(struct signaller *signaller, struct work_queue *gone)
{
	if (signaller->armed && signaller->end < 0)
		give_up_locked(signaller, gone);
}

/*
 * The fence is signalled: so nothing of it is asked that would lock. Who has
 * taken it out goes on with it alone.
 */
static void tell_locked(struct signaller *signaller, struct work_queue *gone)
{
	struct dma_fence *fence = signaller->base.fence;

	if (signaller->state == SIGNALLER_ALONE)
		return;
	/* Better a hang-up than a holder who waits for a lost record. */
	if (signaller->end >= 0 &&
	    !carrier_send(signaller->end, dma_fence_get_status(fence),
			  dma_fence_timestamp(fence)))
		end_close(signaller);
	signaller->told = true;
	settle_locked(signaller, gone);
}

static void fence_signaled(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct signaller *signaller = container_of(cb, struct signaller, cb);
	struct work_queue gone = { 0 };

	(void)fence;
	signallers_lock();
	tell_locked(signaller, &gone);
	signallers_unlock();
	end_quietly(&gone);
}

void signaller_arm(struct signaller *signaller)
{
	struct work_queue gone = { 0 };
	int late = dma_fence_add_callback(signaller->base.fence, &signaller->cb,
					  fence_signaled);

	signallers_lock();
	if (late)
		tell_locked(signaller, &gone);
	signaller->armed = true;
	settle_locked(signaller, &gone);
	signallers_unlock();
	end_quietly(&gone);
}

bool signaller_find(uint64_t id, struct sync_file *ret_copy)
{
	struct signaller key = { .id = id };
	struct signaller *found;

	fork_check(&fork_hook);
	signallers_lock();
	found = RB_FIND(signaller_tree, &open_ones, &key);
	if (found && !found->armed)
		found = NULL;
	if (found) {
		*ret_copy = found->base;
		dma_fence_get(ret_copy->fence);
	}
	signallers_unlock();
	return found;
}
