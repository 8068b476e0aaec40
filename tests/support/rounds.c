/* SPDX-License-Identifier: MIT */
/* rounds.c - crowds that do the same to a new fence again and again */
#include "rounds.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void rounds_check(void (*run)(struct crowd *crowd, unsigned int me),
		  unsigned int nr)
{
	struct round round;
	struct crowd crowd = { .run = run, .data = &round };

	crowd_check(&crowd, nr);
}

void round_begin(struct crowd *crowd, unsigned int me)
{
	struct round *round = crowd->data;

	if (me == 0) {
		memset(round, 0, sizeof(*round));
		round->mock = mock_fence_new();
		round->fence = &round->mock->base;
	}
	crowd_meet(crowd);
}

void round_end(struct crowd *crowd, unsigned int me)
{
	struct round *round = crowd->data;

	crowd_meet(crowd);
	if (me == 0)
		dma_fence_put(round->fence);
}

int signal_somehow(struct dma_fence *fence, unsigned int how)
{
	int ret;

	if (how % 3 == 0)
		return dma_fence_signal(fence);
	if (how % 3 == 1)
		return dma_fence_signal_timestamp(fence, how);
	pthread_mutex_lock(fence->lock);
	ret = dma_fence_signal_locked(fence);
	pthread_mutex_unlock(fence->lock);
	return ret;
}

void add_and_remove(struct crowd *crowd, struct dma_fence *fence,
		    unsigned int keep)
{
	struct count_cb count = { .ran = 0 };
	unsigned int ran;
	int ret;

	ret = dma_fence_add_callback(fence, &count.cb, count_cb_run);
	HOLDS(crowd, ret == 0 || ret == -ENOENT);
	while (keep--)
		sched_yield();
	ran = dma_fence_remove_callback(fence, &count.cb) ? 0 : 1;
	if (ret)
		ran = 0;
	HOLDS(crowd, count.ran == ran);
	/* Who touches it now is too late. */
	memset(&count, 0xa5, sizeof(count));
}

/* xorshift64 */
uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}
