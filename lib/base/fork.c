/* SPDX-License-Identifier: MIT */
/* fork.c - noticing that this process is the child of a fork */
#include "base/fork.h"

#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/context.h"
#include "base/util.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fork_hook *hooks;	/* lock */

/*
 * A page whose first byte is 1, and which a child finds wiped. NULL where the
 * kernel has no such pages; then the process id has to do.
 */
static char *mark;		/* set once */
static pid_t owner_pid;		/* unused with a mark */

static void mark_set(void)
{
	if (mark)
		__atomic_store_n(mark, 1, __ATOMIC_RELAXED);
	else
		owner_pid = getpid();
}

static bool forked(void)
{
	return mark ? !__atomic_load_n(mark, __ATOMIC_RELAXED) :
		      owner_pid != getpid();
}

static void fork_prepare(void)
{
	struct fork_hook *hook;

	pthread_mutex_lock(&lock);
	for (hook = hooks; hook; hook = hook->next)
		if (hook->lock)
			hook->lock();
}

static void fork_parent(void)
{
	struct fork_hook *hook;

	for (hook = hooks; hook; hook = hook->next)
		if (hook->unlock)
			hook->unlock();
	pthread_mutex_unlock(&lock);
}

static void child_begin(bool locked)
{
	struct fork_hook *hook;

	context_fork_child();
	for (hook = hooks; hook; hook = hook->next)
		hook->child(locked);
	mark_set();
}

/* The locks are this thread's: taken before the fork. */
static void fork_child(void)
{
	child_begin(true);
	pthread_mutex_unlock(&lock);
}

static void mark_setup(void)
{
	char *page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page != MAP_FAILED) {
		if (madvise(page, page_size(), MADV_WIPEONFORK))
			munmap(page, page_size());
		else
			mark = page;
	}
	mark_set();
}

/*
 * As early as can be: handlers that were registered later take their locks
 * first, and ours are leaves. Before main() there is memory for it.
 */
static __attribute__((constructor)) void handlers_setup(void)
{
	pthread_atfork(fork_prepare, fork_parent, fork_child);
}

static void hook_add(struct fork_hook *hook)
{
	pthread_mutex_lock(&lock);
	if (!hook->added) {
		hook->next = hooks;
		hooks = hook;
		__atomic_store_n(&hook->added, true, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&lock);
}

void fork_check(struct fork_hook *hook)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, mark_setup);
	if (forked()) {
		pthread_mutex_init(&lock, NULL);
		child_begin(false);
	}
	if (!__atomic_load_n(&hook->added, __ATOMIC_ACQUIRE))
		hook_add(hook);
}
