/* SPDX-License-Identifier: MIT */
/*
 * remote.c - fences that are signalled by an fd's turning readable
 *
 * All these fds are in one epoll set, each under a number that is never used
 * again: what epoll_wait(2) has told may be gone by the time it is looked up.
 * The lock is a leaf. A forked child shares the set with its parent, and so
 * makes its own.
 */
#include "fence/remote.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fork.h"

#define NR_EVENTS 32

RB_HEAD(remote_tree, remote);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct remote_tree remotes = RB_INITIALIZER(&remotes);	/* lock */
static int epoll_fd = -1;		/* lock; with all of remotes */
static uint64_t last_id;		/* lock */
static unsigned int nr_remotes;		/* atomic; changed under lock */

static int remote_compare(const struct remote *a, const struct remote *b)
{
	return (a->id > b->id) - (a->id < b->id);
}

RB_GENERATE_INTERNAL(remote_tree, remote, link, remote_compare,
		     static __attribute__((unused)))

static void remotes_lock(void)
{
	pthread_mutex_lock(&lock);
}

static void remotes_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

static int watch_locked(struct remote *remote)
{
	struct epoll_event event = {
		.events = EPOLLIN,
		.data.u64 = remote->id,
	};

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, remote->fd, &event) ?
		       -errno : 0;
}

static int watch_all_locked(void)
{
	struct remote *remote;
	int ret = 0;

	RB_FOREACH(remote, remote_tree, &remotes)
		if (!ret)
			ret = watch_locked(remote);
	return ret;
}

static int epoll_open_locked(void)
{
	int ret;

	if (epoll_fd >= 0)
		return epoll_fd;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		return -errno;
	ret = watch_all_locked();
	if (!ret)
		return epoll_fd;
	close(epoll_fd);
	epoll_fd = -1;
	return ret;
}

/* Where no set can be had now, the next one who needs it tries again. */
static void fork_child(bool locked)
{
	if (!locked) {
		pthread_mutex_init(&lock, NULL);
		remotes_lock();
	}
	if (epoll_fd >= 0)
		close(epoll_fd);
	epoll_fd = -1;
	remotes_unlock();
}

static struct fork_hook fork_hook = {
	.lock = remotes_lock,
	.unlock = remotes_unlock,
	.child = fork_child,
};

static int add_locked(struct remote *remote)
{
	int ret = epoll_open_locked();

	if (ret < 0)
		return ret;
	remote->id = last_id + 1;
	ret = watch_locked(remote);
	if (ret) {
		remote->id = 0;
		return ret;
	}
	last_id++;
	RB_INSERT(remote_tree, &remotes, remote);
	__atomic_add_fetch(&nr_remotes, 1, __ATOMIC_RELEASE);
	return 0;
}

int remote_add(struct remote *remote)
{
	int ret;

	fork_check(&fork_hook);
	remotes_lock();
	ret = remote->id ? 0 : add_locked(remote);
	remotes_unlock();
	return ret;
}

void remote_remove(struct remote *remote)
{
	fork_check(&fork_hook);
	remotes_lock();
	if (remote->id) {
		RB_REMOVE(remote_tree, &remotes, remote);
		if (epoll_fd >= 0)
			epoll_ctl(epoll_fd, EPOLL_CTL_DEL, remote->fd, NULL);
		remote->id = 0;
		__atomic_sub_fetch(&nr_remotes, 1, __ATOMIC_RELEASE);
	}
	remotes_unlock();
}

bool remote_any(void)
{
	return __atomic_load_n(&nr_remotes, __ATOMIC_ACQUIRE);
}

void remote_fork_check(void)
{
	fork_check(&fork_hook);
}

int remote_fd(void)
{
	int ret;

	remotes_lock();
	ret = epoll_open_locked();
	remotes_unlock();
	return ret;
}

static void look_at(uint64_t id)
{
	struct remote key = { .id = id };
	struct remote *remote;

	remotes_lock();
	remote = RB_FIND(remote_tree, &remotes, &key);
	if (remote && !remote->get(remote))
		remote = NULL;
	remotes_unlock();
	if (remote)
		remote->ready(remote);
}

/* The number of the first one from @id on; 0: none. */
static uint64_t id_from(uint64_t id)
{
	struct remote key = { .id = id };
	struct remote *remote;

	remotes_lock();
	remote = RB_NFIND(remote_tree, &remotes, &key);
	id = remote ? remote->id : 0;
	remotes_unlock();
	return id;
}

/* A child that finds no fd for a set of its own asks all of them. */
static void look_at_all(void)
{
	uint64_t id = 0;

	while ((id = id_from(id + 1)))
		look_at(id);
}

/* What is ready leaves the set, and so this comes to an end. */
void remote_look(void)
{
	struct epoll_event events[NR_EVENTS];
	int fd, nr, i;

	if (!remote_any())
		return;
	fd = remote_fd();
	if (fd < 0)
		look_at_all();
	do {
		nr = epoll_wait(fd, events, NR_EVENTS, 0);
		for (i = 0; i < nr; i++)
			look_at(events[i].data.u64);
	} while (nr == NR_EVENTS);
}
