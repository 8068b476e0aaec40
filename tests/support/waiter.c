/* SPDX-License-Identifier: MIT */
/* waiter.c - a thread that waits for fences */
#include "waiter.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

bool thread_is_blocked(pid_t tid)
{
	char path[64], line[256] = "";
	const char *after_name;
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	stat = fopen(path, "re");
	assert_non_null(stat);
	assert_non_null(fgets(line, sizeof(line), stat));
	fclose(stat);
	after_name = strrchr(line, ')');
	return after_name && !strncmp(after_name, ") S", 3);
}

static void *waiter_main(void *data)
{
	struct waiter *waiter = data;

	__atomic_store_n(&waiter->tid, gettid(), __ATOMIC_RELEASE);
	if (waiter->fences)
		waiter->ret = dma_fence_wait_any_timeout(waiter->fences,
							 waiter->count,
							 waiter->intr,
							 waiter->timeout,
							 &waiter->idx);
	else
		waiter->ret = dma_fence_wait_timeout(waiter->fence,
						     waiter->intr,
						     waiter->timeout);
	__atomic_store_n(&waiter->done, true, __ATOMIC_RELEASE);
	return NULL;
}

void waiter_start(struct waiter *waiter)
{
	waiter->tid = 0;
	waiter->done = false;
	assert_int_equal(pthread_create(&waiter->thread, NULL, waiter_main,
					waiter), 0);
}

/* It has asked for all of them to be signalled. */
static bool is_on_its_way(const struct waiter *waiter)
{
	const struct dma_fence *last = waiter->fence;

	if (waiter->fences)
		last = waiter->fences[waiter->count - 1];
	return __atomic_load_n(&last->flags, __ATOMIC_RELAXED) &
	       (1UL << DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT);
}

void waiter_asleep(struct waiter *waiter)
{
	pid_t tid;

	for (;;) {
		tid = __atomic_load_n(&waiter->tid, __ATOMIC_ACQUIRE);
		if (tid && is_on_its_way(waiter) && thread_is_blocked(tid))
			return;
		assert_false(waiter_done(waiter));
		sched_yield();
	}
}

bool waiter_done(const struct waiter *waiter)
{
	return __atomic_load_n(&waiter->done, __ATOMIC_ACQUIRE);
}

int64_t waiter_join(struct waiter *waiter)
{
	assert_int_equal(pthread_join(waiter->thread, NULL), 0);
	return waiter->ret;
}
