/* SPDX-License-Identifier: MIT */
/* dispatch.c - what dmabuf_dispatch() looks at, beside the floor it is on */
#include "base/dispatch.h"

#include <pthread.h>
#include <stddef.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct dispatch_hook *hooks;	/* atomic; added to under lock */

void dispatch_add(struct dispatch_hook *hook)
{
	if (__atomic_load_n(&hook->added, __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&lock);
	if (!hook->added) {
		hook->next = hooks;
		__atomic_store_n(&hooks, hook, __ATOMIC_RELEASE);
		__atomic_store_n(&hook->added, true, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&lock);
}

void dispatch_look(void)
{
	struct dispatch_hook *hook = __atomic_load_n(&hooks, __ATOMIC_ACQUIRE);

	for (; hook; hook = hook->next)
		hook->look();
}
