/* SPDX-License-Identifier: MIT */
/*
 * bench-fence.c - what fences cost, against the same work done by hand
 *
 * Prints a table; exit status 1 when a row is over its limit.
 */
#include <dmabuf/dmabuf.h>

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench-fence.h"
#include "bench.h"

#define NR_TURNS 1000
#define NR_CALLBACKS 1000
#define NR_NODES 100000

static struct bench_line line = BENCH_LINE_INIT;

/* There and back between two threads */

struct turns {
	struct dma_fence *there[NR_TURNS];
	struct dma_fence *back[NR_TURNS];
	struct bench_line lines[2];
	uint32_t words[2];		/* by hand: turns taken */
	void (*partner)(struct turns *turns);
	int cpus[2];
};

static void turns_before(void *data)
{
	struct turns *turns = data;
	int i;

	for (i = 0; i < NR_TURNS; i++) {
		turns->there[i] = bench_fence_new(&turns->lines[0]);
		turns->back[i] = bench_fence_new(&turns->lines[1]);
	}
	turns->words[0] = 0;
	turns->words[1] = 0;
}

static void turns_after(void *data)
{
	struct turns *turns = data;
	int i;

	for (i = 0; i < NR_TURNS; i++) {
		dma_fence_put(turns->there[i]);
		dma_fence_put(turns->back[i]);
	}
}

static void on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	bench_need(!sched_setaffinity(0, sizeof(set), &set), "affinity");
}

static void *partner_main(void *data)
{
	struct turns *turns = data;

	on_cpu(turns->cpus[1]);
	turns->partner(turns);
	return NULL;
}

static pthread_t partner_start(struct turns *turns,
			       void (*partner)(struct turns *turns))
{
	pthread_t thread;

	turns->partner = partner;
	on_cpu(turns->cpus[0]);
	bench_need(!pthread_create(&thread, NULL, partner_main, turns),
		   "thread");
	return thread;
}

static void turns_answer(struct turns *turns)
{
	int i;

	for (i = 0; i < NR_TURNS; i++) {
		dma_fence_wait(turns->there[i], false);
		dma_fence_signal(turns->back[i]);
	}
}

static void turns_work(void *data, unsigned int repeat)
{
	struct turns *turns = data;
	pthread_t thread = partner_start(turns, turns_answer);
	unsigned int i;

	for (i = 0; i < repeat; i++) {
		dma_fence_signal(turns->there[i]);
		dma_fence_wait(turns->back[i], false);
	}
	pthread_join(thread, NULL);
}

static void word_set(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void word_wait(uint32_t *word, uint32_t value)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value - 1, NULL,
			NULL, 0);
}

static void words_answer(struct turns *turns)
{
	uint32_t i;

	for (i = 1; i <= NR_TURNS; i++) {
		word_wait(&turns->words[0], i);
		word_set(&turns->words[1], i);
	}
}

static void turns_hand(void *data, unsigned int repeat)
{
	struct turns *turns = data;
	pthread_t thread = partner_start(turns, words_answer);
	uint32_t i;

	for (i = 1; i <= repeat; i++) {
		word_set(&turns->words[0], i);
		word_wait(&turns->words[1], i);
	}
	pthread_join(thread, NULL);
}

static int cpu_nth(const cpu_set_t *set, int nth)
{
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, set) && nth-- == 0)
			return cpu;
	return -1;
}

/*
 * Where the scheduler puts two such threads is a matter of luck, so each place
 * has its row. On one CPU every turn is a switch; on two the one that waits is
 * often still on its way to sleep.
 */
static bool bench_turns(void)
{
	static struct turns turns = {
		.lines = { BENCH_LINE_INIT, BENCH_LINE_INIT },
	};
	struct bench_row row = {
		.what = "signal, wait for the answer; one CPU",
		.against = "futex there and back",
		.limit = 1.2,
		.rounds = 101,
		.repeat = NR_TURNS,
		.work = turns_work,
		.hand = turns_hand,
		.before = turns_before,
		.after = turns_after,
		.data = &turns,
	};
	cpu_set_t set;
	bool inside;

	bench_need(!sched_getaffinity(0, sizeof(set), &set), "affinity");
	turns.cpus[0] = cpu_nth(&set, 0);
	turns.cpus[1] = turns.cpus[0];
	inside = bench_compare(&row);
	if (CPU_COUNT(&set) > 1) {
		turns.cpus[1] = cpu_nth(&set, 1);
		row.what = "the same on two CPUs";
		inside &= bench_compare(&row);
	}
	bench_need(!sched_setaffinity(0, sizeof(set), &set), "affinity");
	return inside;
}

/* A fence that nobody waits for */

static void life_work(void *data, unsigned int repeat)
{
	struct dma_fence *fence;

	(void)data;
	while (repeat--) {
		fence = bench_fence_new(&line);
		dma_fence_signal(fence);
		dma_fence_put(fence);
	}
}

static void life_hand(void *data, unsigned int repeat)
{
	pthread_mutex_t *lock = data;
	struct timespec *now;

	while (repeat--) {
		now = malloc(sizeof(struct dma_fence));
		bench_need(now != NULL, "malloc");
		pthread_mutex_lock(lock);
		clock_gettime(CLOCK_MONOTONIC, now);
		pthread_mutex_unlock(lock);
		free(now);
	}
}

static void *waiting_main(void *data)
{
	pthread_barrier_wait((pthread_barrier_t *)data);
	return NULL;
}

/* As with vmap: the C library's mutex has no atomics without threads. */
static bool bench_life(void)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct bench_row row = {
		.what = "create, signal, put; one thread",
		.against = "malloc, lock, clock, free",
		.limit = 1.5,
		.rounds = 301,
		.repeat = 10000,
		.work = life_work,
		.hand = life_hand,
		.data = &lock,
	};
	pthread_barrier_t end;
	pthread_t thread;
	bool inside;

	inside = bench_compare(&row);
	pthread_barrier_init(&end, NULL, 2);
	bench_need(!pthread_create(&thread, NULL, waiting_main, &end),
		   "thread");
	row.what = "the same beside an idle thread";
	inside &= bench_compare(&row);
	pthread_barrier_wait(&end);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&end);
	return inside;
}

/* Many callbacks */

struct call {
	void (*func)(void *data);
	void *data;
};

struct callbacks {
	struct dma_fence *fence;
	struct dma_fence_cb cbs[NR_CALLBACKS];
	struct call calls[NR_CALLBACKS];
	unsigned int nr_called;
};

static struct callbacks callbacks;

static void callback(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	(void)fence;
	(void)cb;
	callbacks.nr_called++;
}

static void call(void *data)
{
	(void)data;
	callbacks.nr_called++;
}

static void callbacks_before(void *data)
{
	int i;

	(void)data;
	callbacks.nr_called = 0;
	callbacks.fence = bench_fence_new(&line);
	for (i = 0; i < NR_CALLBACKS; i++) {
		callbacks.calls[i] = (struct call){ call, &callbacks };
		bench_need(!dma_fence_add_callback(callbacks.fence,
						   &callbacks.cbs[i],
						   callback), "callback");
	}
}

static void callbacks_work(void *data, unsigned int repeat)
{
	(void)data;
	(void)repeat;
	dma_fence_signal(callbacks.fence);
}

static void callbacks_hand(void *data, unsigned int repeat)
{
	struct call *end = callbacks.calls + NR_CALLBACKS;
	struct call *one;

	(void)data;
	(void)repeat;
	for (one = callbacks.calls; one < end; one++)
		one->func(one->data);
}

static void callbacks_after(void *data)
{
	(void)data;
	bench_need(callbacks.nr_called == NR_CALLBACKS, "calling back");
	dma_fence_signal(callbacks.fence);
	dma_fence_put(callbacks.fence);
}

static bool bench_callbacks(void)
{
	const struct bench_row row = {
		.what = "signal with 1000 callbacks",
		.against = "1000 calls from an array",
		.limit = 3,
		.rounds = 1001,
		.repeat = 1,
		.work = callbacks_work,
		.hand = callbacks_hand,
		.before = callbacks_before,
		.after = callbacks_after,
	};

	return bench_compare(&row);
}

/* Chains */

#define SHORT_LENGTH 10u

/* A node behind @prev, whose reference it takes, that stands for @fence. */
static struct dma_fence *chain_append(struct dma_fence *prev,
				      struct dma_fence *fence, uint64_t seqno)
{
	struct dma_fence_chain *node = dma_fence_chain_alloc();

	bench_need(node != NULL, "chain node");
	dma_fence_chain_init(node, prev, dma_fence_get(fence), seqno);
	return &node->base;
}

static struct dma_fence *chain_of(struct dma_fence *fence, unsigned int length)
{
	struct dma_fence *head = NULL;
	unsigned int i;

	for (i = 1; i <= length; i++)
		head = chain_append(head, fence, i);
	return head;
}

/*
 * Each step appends a pending node to a chain that is done, and walks on from
 * there, which collects the chain. Both sides have the same number of nodes, so
 * that the caches have the same share in both, in longer chains and in shorter.
 */
struct chains {
	struct dma_fence *heads[NR_NODES / SHORT_LENGTH];
	unsigned int length;
	unsigned int nr;
};

struct collecting {
	struct chains longer;
	struct chains shorter;
	struct dma_fence *done;
	struct dma_fence *pending;
	bool longer_last;		/* which memory is the warmer */
};

static void chains_make(struct chains *chains, struct dma_fence *fence)
{
	for (chains->nr = 0; chains->nr < NR_NODES / chains->length;
	     chains->nr++)
		chains->heads[chains->nr] = chain_of(fence, chains->length);
}

static void chains_collect(struct chains *chains, struct dma_fence *pending)
{
	struct dma_fence *head;

	while (chains->nr) {
		head = chain_append(chains->heads[--chains->nr], pending,
				    chains->length + 1);
		bench_need(!dma_fence_chain_walk(dma_fence_get(head)),
			   "collecting");
		dma_fence_put(head);
	}
}

static void collect_before(void *data)
{
	struct collecting *collecting = data;
	bool longer_last = collecting->longer_last;

	if (!longer_last)
		chains_make(&collecting->longer, collecting->done);
	chains_make(&collecting->shorter, collecting->done);
	if (longer_last)
		chains_make(&collecting->longer, collecting->done);
	collecting->longer_last = !longer_last;
}

static void collect_longer(void *data, unsigned int repeat)
{
	struct collecting *collecting = data;

	(void)repeat;
	chains_collect(&collecting->longer, collecting->pending);
}

static void collect_shorter(void *data, unsigned int repeat)
{
	struct collecting *collecting = data;

	(void)repeat;
	chains_collect(&collecting->shorter, collecting->pending);
}

/* One of them is left. */
static void collect_after(void *data)
{
	collect_longer(data, 1);
	collect_shorter(data, 1);
}

static bool bench_collect(const char *what, unsigned int length)
{
	static struct collecting collecting;
	const struct bench_row row = {
		.what = what,
		.against = "in chains of 10",
		.limit = 1.25,
		.rounds = 31,
		.repeat = NR_NODES,
		.work = collect_longer,
		.hand = collect_shorter,
		.before = collect_before,
		.after = collect_after,
		.data = &collecting,
	};
	bool inside;

	collecting.longer.length = length;
	collecting.shorter.length = SHORT_LENGTH;
	collecting.done = dma_fence_get_stub();
	collecting.pending = bench_fence_new(&line);
	inside = bench_compare(&row);
	dma_fence_signal(collecting.pending);
	dma_fence_put(collecting.pending);
	dma_fence_put(collecting.done);
	return inside;
}

/* Appending to chains of which nothing is done */

struct appending {
	struct dma_fence *pending;
	struct dma_fence *longer;
	struct dma_fence *shorter;
};

static void append_to(struct dma_fence *chain, struct dma_fence *pending,
		      unsigned int repeat)
{
	struct dma_fence *head;

	while (repeat--) {
		head = chain_append(dma_fence_get(chain), pending, NR_NODES + 1);
		head = dma_fence_chain_walk(head);
		bench_need(head == chain, "a step");
		dma_fence_put(head);
	}
}

static void append_longer(void *data, unsigned int repeat)
{
	const struct appending *appending = data;

	append_to(appending->longer, appending->pending, repeat);
}

static void append_shorter(void *data, unsigned int repeat)
{
	const struct appending *appending = data;

	append_to(appending->shorter, appending->pending, repeat);
}

static bool bench_append(const char *what, unsigned int length)
{
	struct appending appending = { .pending = bench_fence_new(&line) };
	const struct bench_row row = {
		.what = what,
		.against = "to 10",
		.limit = 1.25,
		.rounds = 301,
		.repeat = 1000,
		.work = append_longer,
		.hand = append_shorter,
		.data = &appending,
	};
	bool inside;

	appending.longer = chain_of(appending.pending, length);
	appending.shorter = chain_of(appending.pending, SHORT_LENGTH);
	inside = bench_compare(&row);
	dma_fence_signal(appending.pending);
	dma_fence_put(appending.longer);
	dma_fence_put(appending.shorter);
	dma_fence_put(appending.pending);
	return inside;
}

static bool bench_chain(void)
{
	bool inside = bench_append("append one, a step; to 10^3 pending", 1000);

	inside &= bench_append("append one, a step; to 10^5 pending", NR_NODES);
	inside &= bench_collect("append one, collect 10^3; a node", 1000);
	inside &= bench_collect("append one, collect 10^5; a node", NR_NODES);
	return inside;
}

int main(void)
{
	bool inside;

	bench_begin();
	inside = bench_life();
	inside &= bench_callbacks();
	inside &= bench_chain();
	inside &= bench_turns();
	return inside ? 0 : 1;
}
