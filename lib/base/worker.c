/* SPDX-License-Identifier: MIT */
/* worker.c - a thread for work that its own thread has no right moment for */
#include "base/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "base/context.h"
#include "base/fork.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct work_queue queue;	/* lock */
static bool running;		/* lock: somebody is at it, to the end */
static bool stuck;		/* atomic: there was no thread for it */

static void worker_lock(void)
{
	pthread_mutex_lock(&lock);
}

static void worker_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

/* What threads of the parent were to run is theirs. */
static void worker_fork_child(bool locked)
{
	if (!locked) {
		pthread_mutex_init(&lock, NULL);
		worker_lock();
	}
	queue.first = NULL;
	running = false;
	worker_unlock();
}

static struct fork_hook hook = {
	.lock = worker_lock,
	.unlock = worker_unlock,
	.child = worker_fork_child,
};

static struct dmabuf_work *queue_next(void)
{
	struct dmabuf_work *work;

	worker_lock();
	work = work_pop(&queue);
	if (!work)
		running = false;
	worker_unlock();
	return work;
}

static void *worker_run(void *data)
{
	struct dmabuf_work *work;

	while ((work = queue_next()))
		work->run(work);
	return data;
}

/* A worker that handles signals would do so at odd moments. */
static bool thread_start(void)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	ret = pthread_create(&thread, &attr, worker_run, NULL);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return !ret;
}

/* False: there is work, and nobody is at it. */
static bool worker_start(void)
{
	bool start;

	worker_lock();
	start = !running && queue.first;
	running = running || start;
	worker_unlock();
	if (!start || thread_start())
		return true;
	worker_lock();
	running = false;
	worker_unlock();
	__atomic_store_n(&stuck, true, __ATOMIC_RELAXED);
	return false;
}

void worker_give(struct work_queue *more)
{
	if (!more->first)
		return;
	fork_check(&hook);
	worker_lock();
	work_append(&queue, more->first, more->last);
	worker_unlock();
	more->first = NULL;
	worker_start();
}

void worker_help(void)
{
	struct dmabuf_work *work;

	if (!__atomic_load_n(&stuck, __ATOMIC_RELAXED))
		return;
	__atomic_store_n(&stuck, false, __ATOMIC_RELAXED);
	if (worker_start() || !context_is_idle())
		return;
	while ((work = queue_next()))
		work->run(work);
}
