/* SPDX-License-Identifier: MIT */
/*
 * dma-fence-wait.c - waiting for one fence, or for any of several
 *
 * Who waits for one fence of this process sleeps on a futex word in it. Who
 * waits for several leaves a callback on each, which wakes a word of his own.
 *
 * With fences of other processes about (remote.h), nobody else may be there to
 * look at them, and what is waited for may hang on one, in a chain or an array.
 * So the waiter sleeps in poll(2) instead, looks himself, and is woken by an
 * eventfd where he would be by a word.
 */
#include <dmabuf/dma-fence.h>

#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/report.h"
#include "base/util.h"
#include "base/worker.h"
#include "fence/fence.h"
#include "fence/futex.h"
#include "fence/remote.h"

/*
 * The longest sleep at a time, of a waiter without an fd to be woken by, and of
 * one for a container: it may be signalled by a worker, for whom there was no
 * thread.
 */
#define NAP_NS (10 * MS_NS)
#define CONTAINER_NAP_NS (100 * MS_NS)

struct sleeper {
	uint32_t word;		/* atomic; 1: a fence was signalled */
	bool naps;		/* waits for a container */
	bool polls;
	int event_fd;		/* with polls; -1: none could be had */
	bool intr;
	int64_t deadline_ns;
};

struct sleeper_cb {
	struct dma_fence_cb cb;
	struct sleeper *sleeper;
};

static int64_t at_least_1(int64_t timeout)
{
	return timeout ? timeout : 1;
}

static bool is_over(int64_t deadline_ns)
{
	return deadline_ns != FOREVER_NS && now_ns() >= deadline_ns;
}

/* As futex_wait(), but with naps it returns 0 after each, and helps. */
static int sleep_on(const uint32_t *word, uint32_t value, bool intr, bool naps,
		    int64_t deadline_ns)
{
	int64_t until_ns = deadline_ns;
	int ret;

	if (naps && time_left(deadline_ns) > CONTAINER_NAP_NS)
		until_ns = now_ns() + CONTAINER_NAP_NS;
	ret = futex_wait(word, value, intr, until_ns);
	if (ret != -ETIMEDOUT || until_ns == deadline_ns)
		return ret;
	worker_help();
	return 0;
}

/* Sleeping in one of the two ways: 0, -ETIMEDOUT or -EINTR. */

static void sleeper_init(struct sleeper *sleeper, bool intr, int64_t timeout)
{
	*sleeper = (struct sleeper){
		.polls = remote_any(),
		.event_fd = -1,
		.intr = intr,
		.deadline_ns = deadline_of(timeout),
	};
	if (sleeper->polls)
		sleeper->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void sleeper_fini(struct sleeper *sleeper)
{
	if (sleeper->event_fd >= 0)
		close(sleeper->event_fd);
}

/*
 * A callback: the sleeper stays until it is removed from every fence. write(2)
 * would be a cancellation point, under the lock of the fence.
 */
static void sleeper_wake(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct sleeper *sleeper =
		container_of(cb, struct sleeper_cb, cb)->sleeper;
	uint64_t one = 1;

	(void)fence;
	__atomic_store_n(&sleeper->word, 1, __ATOMIC_RELAXED);
	if (!sleeper->polls)
		futex_wake_all(&sleeper->word);
	else if (sleeper->event_fd >= 0 &&
		 syscall(SYS_write, sleeper->event_fd, &one, sizeof(one)) < 0)
		return;		/* full: it is awake */
}

static int nap(const struct sleeper *sleeper)
{
	struct pollfd fds[] = {
		{ .fd = remote_fd(), .events = POLLIN },
		{ .fd = sleeper->event_fd, .events = POLLIN },
	};
	int64_t left_ns = time_left(sleeper->deadline_ns);
	bool short_nap = fds[0].fd < 0 || fds[1].fd < 0;
	struct timespec ts;
	int ret;

	if (short_nap && left_ns > NAP_NS)
		left_ns = NAP_NS;
	if (sleeper->naps && left_ns > CONTAINER_NAP_NS)
		left_ns = CONTAINER_NAP_NS;
	ts.tv_sec = left_ns / SECOND_NS;
	ts.tv_nsec = left_ns % SECOND_NS;
	ret = ppoll(fds, 2, &ts, NULL);
	return ret < 0 ? -errno : 0;
}

static int sleep_polling(const struct sleeper *sleeper)
{
	int ret = nap(sleeper);

	worker_help();
	remote_look();
	if (ret == -EINTR)
		return ret;
	return is_over(sleeper->deadline_ns) ? -ETIMEDOUT : 0;
}

static int sleep_until_woken(const struct sleeper *sleeper)
{
	int ret;

	if (sleeper->polls)
		ret = sleep_polling(sleeper);
	else
		ret = sleep_on(&sleeper->word, 0, sleeper->intr, sleeper->naps,
			       sleeper->deadline_ns);
	if (ret == -ETIMEDOUT || (ret == -EINTR && sleeper->intr))
		return ret;
	return 0;
}

/* Any of several */

/* A container can be asked; the worker that was to signal it may be late. */
static bool is_done(struct dma_fence *fence)
{
	return fence_signaled_bit(fence) ||
	       (dma_fence_is_container(fence) && dma_fence_is_signaled(fence));
}

/* The lowest index of one that is signalled; false without any. */
static bool find_signaled(struct dma_fence **fences, uint32_t count,
			  uint32_t *ret_idx)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (!is_done(fences[i]))
			continue;
		*ret_idx = i;
		return true;
	}
	return false;
}

/* All callbacks are on. */
static int64_t wait_any_sleeping(struct dma_fence **fences, uint32_t count,
				 const struct sleeper *sleeper,
				 uint32_t *ret_idx)
{
	int ret;

	worker_help();
	while (!find_signaled(fences, count, ret_idx)) {
		ret = sleep_until_woken(sleeper);
		if (ret == -ETIMEDOUT)
			return 0;
		if (ret)
			return ret;
	}
	return time_left(sleeper->deadline_ns);
}

static int64_t wait_any_with(struct dma_fence **fences, uint32_t count,
			     struct sleeper_cb *cbs, bool intr, int64_t timeout,
			     uint32_t *ret_idx)
{
	struct sleeper sleeper;
	int64_t ret = 0;
	uint32_t i;
	int cancel;

	/* The callbacks that are out are on the stack: no way out but the end. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	sleeper_init(&sleeper, intr, timeout);
	for (i = 0; i < count; i++) {
		cbs[i].sleeper = &sleeper;
		sleeper.naps |= dma_fence_is_container(fences[i]);
		if (dma_fence_add_callback(fences[i], &cbs[i].cb,
					   sleeper_wake)) {
			*ret_idx = i;
			ret = timeout;
			break;
		}
	}
	count = i;
	if (!ret)
		ret = wait_any_sleeping(fences, count, &sleeper, ret_idx);
	while (i--)
		dma_fence_remove_callback(fences[i], &cbs[i].cb);
	sleeper_fini(&sleeper);
	pthread_setcancelstate(cancel, NULL);
	return ret;
}

static int64_t any_signaled_now(struct dma_fence **fences, uint32_t count,
				uint32_t *ret_idx)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (!dma_fence_is_signaled(fences[i]))
			continue;
		*ret_idx = i;
		return 1;
	}
	return 0;
}

int64_t dma_fence_wait_any_timeout(struct dma_fence **fences, uint32_t count,
				   bool intr, int64_t timeout, uint32_t *idx)
{
	struct sleeper_cb *cbs;
	uint32_t found;
	int64_t ret;

	if (!fences || !count || timeout < 0) {
		report_warn(__func__, "no fences, or a negative timeout");
		return -EINVAL;
	}
	if (timeout) {
		cbs = calloc(count, sizeof(*cbs));
		if (!cbs)
			return -ENOMEM;
		ret = wait_any_with(fences, count, cbs, intr, timeout, &found);
		free(cbs);
	} else {
		ret = any_signaled_now(fences, count, &found);
	}
	if (ret > 0 && idx)
		*idx = found;
	return ret;
}

/* One */

/* False when it is signalled; else its signalling wakes the word from now on. */
static bool sleepers_note(struct dma_fence *fence)
{
	bool pending;

	pthread_mutex_lock(fence->lock);
	pending = !fence_signaled_bit(fence);
	if (pending)
		__atomic_store_n(&fence->sleepers, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(fence->lock);
	return pending;
}

static int64_t wait_sleeping(struct dma_fence *fence, bool intr,
			     int64_t timeout)
{
	bool naps = dma_fence_is_container(fence);
	int64_t deadline_ns = deadline_of(timeout);
	int ret;

	if (!sleepers_note(fence))
		return timeout;
	worker_help();
	do {
		ret = sleep_on(&fence->sleepers, 1, intr, naps, deadline_ns);
		if (ret == -EINTR && intr)
			return ret;
		if (is_done(fence))
			return time_left(deadline_ns);
	} while (ret != -ETIMEDOUT);
	return 0;
}

int64_t dma_fence_default_wait(struct dma_fence *fence, bool intr,
			       int64_t timeout)
{
	struct sleeper_cb cb;
	uint32_t idx;

	if (remote_any())
		remote_look();
	if (fence_signaled_bit(fence))
		return at_least_1(timeout);
	if (!timeout)
		return 0;
	if (remote_any())
		return wait_any_with(&fence, 1, &cb, intr, timeout, &idx);
	return wait_sleeping(fence, intr, timeout);
}

int64_t dma_fence_wait_timeout(struct dma_fence *fence, bool intr,
			       int64_t timeout)
{
	if (timeout < 0) {
		report_warn(__func__, "a negative timeout");
		return -EINVAL;
	}
	dma_fence_enable_sw_signaling(fence);
	if (fence->ops->wait)
		return fence->ops->wait(fence, intr, timeout);
	return dma_fence_default_wait(fence, intr, timeout);
}

long dma_fence_wait(struct dma_fence *fence, bool intr)
{
	int64_t ret = dma_fence_wait_timeout(fence, intr, FOREVER_NS);

	return ret < 0 ? (long)ret : 0;
}
