/* SPDX-License-Identifier: MIT */
/*
 * proxy.c - fences that another process signals
 *
 * A proxy has a copy of the holder's end of a pair, and looks at it: when it is
 * asked, and when remote.c finds it readable. What it sees then is the end of
 * it: later looks are of no importance, so that nobody can make a fence pending
 * again by taking the record away.
 *
 * Proxies are found by the kernel's number of the socket, under a lock that is
 * a leaf.
 */
#include "sync/proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <bsd/sys/tree.h>

#include <dmabuf/err.h>

#include "base/clock.h"
#include "base/fork.h"
#include "base/list.h"
#include "base/util.h"
#include "fence/fence.h"
#include "fence/remote.h"
#include "sync/carrier.h"

/* (c) constant once it is indexed  (l) the index's lock held */
struct proxy {
	struct dma_fence base;		/* first */
	pthread_mutex_t lock;		/* base.lock; knows its owner */
	struct remote remote;		/* with the copy of the fd */
	uint64_t cookie;		/* (c) of the holder's end */
	bool indexed;			/* (l) */
	RB_ENTRY(proxy) link;		/* (l) */
	char timeline[sizeof("pid -2147483648")];	/* (c) */
};

RB_HEAD(proxy_tree, proxy);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct proxy_tree proxies = RB_INITIALIZER(&proxies);	/* lock */

static int proxy_compare(const struct proxy *a, const struct proxy *b)
{
	return (a->cookie > b->cookie) - (a->cookie < b->cookie);
}

RB_GENERATE_INTERNAL(proxy_tree, proxy, link, proxy_compare,
		     static __attribute__((unused)))

static void proxies_lock(void)
{
	pthread_mutex_lock(&lock);
}

static void proxies_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

static struct proxy *proxy_of(struct dma_fence *fence)
{
	return container_of(fence, struct proxy, base);
}

static void proxy_lock_init(struct proxy *proxy)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&proxy->lock, &attr);
	pthread_mutexattr_destroy(&attr);
}

/* Signalling */

static void complete_locked(struct dma_fence *fence,
			    const struct carrier_record *record)
{
	if (fence_signaled_bit(fence))
		return;
	if (record->status < 0)
		dma_fence_set_error(fence, record->status);
	dma_fence_signal_timestamp_locked(fence, record->timestamp_ns);
}

/* Here and not by the query that asked, which does not know the time. */
static void complete(struct proxy *proxy, const struct carrier_record *record)
{
	struct fence_section section;

	/* A query may come with the lock held, and does not say so. */
	if (pthread_mutex_lock(&proxy->lock) == EDEADLK) {
		complete_locked(&proxy->base, record);
	} else {
		pthread_mutex_unlock(&proxy->lock);
		fence_section_enter(&section, &proxy->lock);
		complete_locked(&proxy->base, record);
		fence_section_leave(&section);
	}
	remote_remove(&proxy->remote);
}

static bool proxy_signaled(struct dma_fence *fence)
{
	struct proxy *proxy = proxy_of(fence);
	struct carrier_record record;

	if (!carrier_look(proxy->remote.fd, &record))
		return false;
	complete(proxy, &record);
	return true;
}

static bool proxy_remote_get(struct remote *remote)
{
	struct proxy *proxy = container_of(remote, struct proxy, remote);

	return dma_fence_get_rcu(&proxy->base);
}

static bool is_readable(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	int cancel, nr;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	nr = poll(&pollfd, 1, 0);
	pthread_setcancelstate(cancel, NULL);
	return nr > 0;
}

static void proxy_remote_ready(struct remote *remote)
{
	struct proxy *proxy = container_of(remote, struct proxy, remote);
	struct dma_fence *fence = &proxy->base;
	struct carrier_record spoilt = { .status = -EBADMSG };

	/*
	 * Readable, and nothing to be seen: a holder has set SO_PEEK_OFF, for
	 * all copies. It would be found readable again and again.
	 */
	if (!proxy_signaled(fence) && is_readable(remote->fd) &&
	    !proxy_signaled(fence)) {
		spoilt.timestamp_ns = now_ns();
		complete(proxy, &spoilt);
	}
	dma_fence_put(fence);
}

/* The other ops */

static const char *proxy_driver_name(struct dma_fence *fence)
{
	(void)fence;
	return "sync_file";
}

static const char *proxy_timeline_name(struct dma_fence *fence)
{
	return proxy_of(fence)->timeline;
}

static void unindex_locked(struct proxy *proxy)
{
	if (proxy->indexed)
		RB_REMOVE(proxy_tree, &proxies, proxy);
	proxy->indexed = false;
}

static void proxy_release(struct dma_fence *fence)
{
	struct proxy *proxy = proxy_of(fence);
	int cancel;

	remote_remove(&proxy->remote);
	proxies_lock();
	unindex_locked(proxy);
	proxies_unlock();
	/* Not under the lock: what a peer has sent along may take its time. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	close(proxy->remote.fd);
	pthread_setcancelstate(cancel, NULL);
	pthread_mutex_destroy(&proxy->lock);
	dma_fence_free(fence);
}

static const struct dma_fence_ops proxy_ops = {
	.get_driver_name = proxy_driver_name,
	.get_timeline_name = proxy_timeline_name,
	.signaled = proxy_signaled,
	.release = proxy_release,
};

bool fence_is_proxy(const struct dma_fence *fence)
{
	return fence->ops == &proxy_ops;
}

int proxy_fd(struct dma_fence *fence)
{
	return proxy_of(fence)->remote.fd;
}

/* Forks: the fds are the child's too, and its proxies go on */

/* Those who wait for it are threads of the parent, and their stacks gone. */
static void proxy_fork_child(struct proxy *proxy)
{
	proxy_lock_init(proxy);
	proxy->base.sleepers = 0;
	while (!list_empty(&proxy->base.cb_list))
		list_del_init(proxy->base.cb_list.next);
}

static void fork_child(bool locked)
{
	struct proxy *proxy;

	if (!locked) {
		pthread_mutex_init(&lock, NULL);
		proxies_lock();
	}
	RB_FOREACH(proxy, proxy_tree, &proxies)
		proxy_fork_child(proxy);
	proxies_unlock();
}

static struct fork_hook fork_hook = {
	.lock = proxies_lock,
	.unlock = proxies_unlock,
	.child = fork_child,
};

/* Finding and making */

static struct dma_fence *find_locked(uint64_t cookie)
{
	struct proxy key = { .cookie = cookie };
	struct proxy *proxy = RB_FIND(proxy_tree, &proxies, &key);

	if (!proxy)
		return NULL;
	if (dma_fence_get_rcu(&proxy->base))
		return &proxy->base;
	/* It is on its way out: make place for the next one. */
	unindex_locked(proxy);
	return NULL;
}

static struct dma_fence *find(uint64_t cookie)
{
	struct dma_fence *fence;

	proxies_lock();
	fence = find_locked(cookie);
	proxies_unlock();
	return fence;
}

static void proxy_init_locked(struct proxy *proxy, uint64_t cookie)
{
	snprintf(proxy->timeline, sizeof(proxy->timeline), "pid %d",
		 (int)carrier_maker(proxy->remote.fd));
	proxy_lock_init(proxy);
	proxy->remote.get = proxy_remote_get;
	proxy->remote.ready = proxy_remote_ready;
	dma_fence_init(&proxy->base, &proxy_ops, &proxy->lock,
		       dma_fence_context_alloc(1), 1);
	proxy->cookie = cookie;
	proxy->indexed = true;
	RB_INSERT(proxy_tree, &proxies, proxy);
}

/* The copy is asked again, as the number may have changed hands. */
static struct dma_fence *index_locked(struct proxy *proxy)
{
	struct dma_fence *fence;
	uint64_t cookie, id;
	int ret = carrier_id(proxy->remote.fd, &id);

	if (ret)
		return ERR_PTR(ret);
	cookie = carrier_cookie(proxy->remote.fd);
	fence = find_locked(cookie);
	if (fence)
		return fence;
	proxy_init_locked(proxy, cookie);
	return &proxy->base;
}

static struct dma_fence *copy_and_index_locked(struct proxy *proxy, int fd)
{
	struct dma_fence *fence;

	proxy->remote.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (proxy->remote.fd < 0)
		return ERR_PTR(-errno);
	fence = index_locked(proxy);
	if (fence != &proxy->base)
		close(proxy->remote.fd);
	return fence;
}

static struct dma_fence *make(int fd)
{
	struct proxy *proxy = calloc(1, sizeof(*proxy));
	struct dma_fence *fence;
	int cancel;

	if (!proxy)
		return ERR_PTR(-ENOMEM);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	proxies_lock();
	fence = copy_and_index_locked(proxy, fd);
	proxies_unlock();
	pthread_setcancelstate(cancel, NULL);
	if (fence != &proxy->base)
		free(proxy);
	return fence;
}

struct dma_fence *proxy_get(int fd)
{
	struct dma_fence *fence;
	int ret;

	fork_check(&fork_hook);
	fence = find(carrier_cookie(fd));
	if (!fence)
		fence = make(fd);
	if (IS_ERR(fence) || dma_fence_is_signaled(fence))
		return fence;
	/* Before anybody waits for it; a second time it does nothing. */
	ret = remote_add(&proxy_of(fence)->remote);
	if (!ret)
		return fence;
	dma_fence_put(fence);
	return ERR_PTR(ret);
}
