/* SPDX-License-Identifier: MIT */
/*
 * poll-proxy.c - sockets that are ready when buffers are
 *
 * A memfd is always ready. So a buffer that somebody waits for has a pair of
 * sockets: one end is polled, and what is in flight between the two says how. A
 * byte on its way to that end makes it readable, a heavy message from it, which
 * nobody has taken yet, makes it full.
 *
 * A proxy has no reference on its buffer: the last one goes when the program
 * has closed all its fds, and then the proxy goes too, out of all epoll sets.
 * The buffer is found by its inode, and asked again after whatever may have
 * changed what is ready, before the program's call that changed it returns.
 */
#include "poll-proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <bsd/sys/queue.h>

#include "target.h"

/* More than a quarter of the smallest send buffer, and less than the half */
#define HEAVY 2048

struct entry {
	LIST_ENTRY(entry) link;
	int number;		/* in the program */
	int fd;			/* copy of the polled end */
};

struct poll_proxy {
	LIST_ENTRY(poll_proxy) link;
	struct dma_buf *dmabuf;		/* no reference: only to compare */
	dev_t dev;
	ino_t ino;
	unsigned int users;		/* poll_proxy_get() */
	short ready;
	int polled, other;		/* the ends */
	LIST_HEAD(, entry) entries;
};

/* Taken before any lock of the library; everything here is under it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, poll_proxy) proxies = LIST_HEAD_INITIALIZER(proxies);

static unsigned int nr_proxies;		/* atomic; written under the lock */
static bool closed_some;		/* atomic */

int poll_file_of(pid_t tid, int fd, struct file *ret_file)
{
	int ret;

	*ret_file = (struct file){ .kind = FILE_OTHER };
	ret = target_fd_stat(tid, fd, &ret_file->st);
	if (!ret && S_ISSOCK(ret_file->st.st_mode))
		return file_of(tid, fd, ret_file);
	if (ret || !S_ISREG(ret_file->st.st_mode))
		return ret;
	ret_file->dmabuf = dmabuf_find(ret_file->st.st_dev,
				       ret_file->st.st_ino);
	if (ret_file->dmabuf)
		ret_file->kind = FILE_BUFFER;
	return 0;
}

short buffer_ready(struct dma_buf *dmabuf, short events)
{
	short ready = 0;

	if (events & POLLOUT &&
	    dma_resv_test_signaled(dmabuf->resv, DMA_RESV_USAGE_READ))
		ready |= POLLOUT;
	if (events & POLLIN &&
	    dma_resv_test_signaled(dmabuf->resv, DMA_RESV_USAGE_WRITE))
		ready |= POLLIN;
	return ready;
}

/* The sockets */

static void transfer(ssize_t done)
{
	/* What does not fit, or is not there, was there or taken before. */
	(void)done;
}

static void drain(int fd)
{
	char room[HEAVY];

	while (recv(fd, room, sizeof(room), MSG_DONTWAIT) > 0)
		;
}

static void set_writable(struct poll_proxy *proxy, bool on)
{
	static const char message[HEAVY];

	if (on)
		drain(proxy->other);
	else
		transfer(send(proxy->polled, message, sizeof(message),
			      MSG_DONTWAIT | MSG_NOSIGNAL));
}

static void set_readable(struct poll_proxy *proxy, bool on)
{
	if (on)
		transfer(send(proxy->other, "", 1,
			      MSG_DONTWAIT | MSG_NOSIGNAL));
	else
		drain(proxy->polled);
}

static void set_ready_locked(struct poll_proxy *proxy, short ready)
{
	short changed = (short)(proxy->ready ^ ready);

	proxy->ready = ready;
	if (changed & POLLOUT)
		set_writable(proxy, ready & POLLOUT);
	if (changed & POLLIN)
		set_readable(proxy, ready & POLLIN);
}

static int sockets_open(struct poll_proxy *proxy)
{
	int smallest = 0;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &smallest, sizeof(smallest));
	proxy->polled = ends[0];
	proxy->other = ends[1];
	/* That is how they are born. */
	proxy->ready = POLLOUT;
	return 0;
}

/* Proxies */

static struct poll_proxy *find_locked(const struct file *file)
{
	struct poll_proxy *proxy;

	LIST_FOREACH(proxy, &proxies, link)
		if (proxy->dmabuf == file->dmabuf &&
		    proxy->ino == file->st.st_ino &&
		    proxy->dev == file->st.st_dev)
			break;
	return proxy;
}

static int add_locked(const struct file *file, struct poll_proxy **ret_proxy)
{
	struct poll_proxy *proxy = calloc(1, sizeof(*proxy));
	int ret;

	if (!proxy)
		return -ENOMEM;
	ret = sockets_open(proxy);
	if (ret) {
		free(proxy);
		return ret;
	}
	proxy->dmabuf = file->dmabuf;
	proxy->dev = file->st.st_dev;
	proxy->ino = file->st.st_ino;
	LIST_INIT(&proxy->entries);
	LIST_INSERT_HEAD(&proxies, proxy, link);
	__atomic_fetch_add(&nr_proxies, 1, __ATOMIC_SEQ_CST);
	*ret_proxy = proxy;
	return 0;
}

/* The polled end first: it is not to be seen hanging up. */
static void remove_locked(struct poll_proxy *proxy)
{
	struct entry *entry, *next;

	LIST_REMOVE(proxy, link);
	__atomic_fetch_sub(&nr_proxies, 1, __ATOMIC_SEQ_CST);
	LIST_FOREACH_SAFE(entry, &proxy->entries, link, next) {
		close(entry->fd);
		free(entry);
	}
	close(proxy->polled);
	close(proxy->other);
	free(proxy);
}

/* Arms the buffer's callbacks, which make dmabuf_event_fd() readable. */
static void ask_locked(struct poll_proxy *proxy, struct dma_buf *dmabuf)
{
	set_ready_locked(proxy,
			 (short)dma_buf_poll(dmabuf, POLLIN | POLLOUT));
}

int poll_proxy_get(struct file *file, struct poll_proxy **ret_proxy)
{
	int ret = 0;

	pthread_mutex_lock(&lock);
	*ret_proxy = find_locked(file);
	if (!*ret_proxy)
		ret = add_locked(file, ret_proxy);
	if (!ret) {
		(*ret_proxy)->users++;
		ask_locked(*ret_proxy, file->dmabuf);
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

void poll_proxy_put(struct poll_proxy *proxy)
{
	pthread_mutex_lock(&lock);
	if (!--proxy->users && LIST_EMPTY(&proxy->entries))
		remove_locked(proxy);
	pthread_mutex_unlock(&lock);
}

int poll_proxy_fd(const struct poll_proxy *proxy)
{
	return proxy->polled;
}

short poll_proxy_ready(struct poll_proxy *proxy)
{
	short ready;

	pthread_mutex_lock(&lock);
	ready = proxy->ready;
	pthread_mutex_unlock(&lock);
	return ready;
}

static int entry_add_locked(struct poll_proxy *proxy, int number)
{
	struct entry *entry = malloc(sizeof(*entry));
	int fd = entry ? fcntl(proxy->polled, F_DUPFD_CLOEXEC, 0) :
			-1;

	if (fd < 0) {
		free(entry);
		return -ENOMEM;
	}
	entry->number = number;
	entry->fd = fd;
	LIST_INSERT_HEAD(&proxy->entries, entry, link);
	return fd;
}

int poll_proxy_entry(struct poll_proxy *proxy, int number)
{
	struct entry *entry;
	int fd;

	pthread_mutex_lock(&lock);
	LIST_FOREACH(entry, &proxy->entries, link)
		if (entry->number == number)
			break;
	fd = entry ? entry->fd : entry_add_locked(proxy, number);
	pthread_mutex_unlock(&lock);
	return fd;
}

/* What may have changed */

/* Whoever has the last reference is about to drop it. */
static bool is_going(const struct poll_proxy *proxy,
		     const struct dma_buf *dmabuf)
{
	return dmabuf != proxy->dmabuf || dmabuf_refcount(dmabuf) == 1;
}

static void look_locked(struct poll_proxy *proxy)
{
	struct dma_buf *dmabuf = dmabuf_find(proxy->dev, proxy->ino);

	if (dmabuf && dmabuf == proxy->dmabuf)
		ask_locked(proxy, dmabuf);
	if (!proxy->users && (!dmabuf || is_going(proxy, dmabuf)))
		remove_locked(proxy);
	if (dmabuf)
		dma_buf_put(dmabuf);
}

void polls_refresh(void)
{
	struct poll_proxy *proxy, *next;

	if (!__atomic_load_n(&nr_proxies, __ATOMIC_SEQ_CST))
		return;
	pthread_mutex_lock(&lock);
	LIST_FOREACH_SAFE(proxy, &proxies, link, next)
		look_locked(proxy);
	pthread_mutex_unlock(&lock);
}

/*
 * A call that is being answered may still have a reference on a buffer whose
 * last fd was closed. So the next end of a call looks once more.
 */
int polls_dispatch(void)
{
	static pthread_mutex_t dispatching = PTHREAD_MUTEX_INITIALIZER;
	int nr;

	/* Who comes second finds released what the first one is at. */
	pthread_mutex_lock(&dispatching);
	nr = dmabuf_dispatch();
	pthread_mutex_unlock(&dispatching);
	if (nr > 0)
		__atomic_store_n(&closed_some, true, __ATOMIC_SEQ_CST);
	polls_refresh();
	return nr;
}

void polls_settle(void)
{
	if (__atomic_load_n(&closed_some, __ATOMIC_RELAXED) &&
	    __atomic_exchange_n(&closed_some, false, __ATOMIC_SEQ_CST))
		polls_refresh();
}
