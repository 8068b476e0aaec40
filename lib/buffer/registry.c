/* SPDX-License-Identifier: MIT */
/*
 * registry.c - all buffers of the process, and the inodes they are known by
 *
 * A buffer is in the list from export until its release begins, and then among
 * those that go until it has ended: its exporter's memory may be freed by then,
 * so nobody else touches it. It is found by inode from its first fd until its
 * last reference goes: counting down to zero and leaving the index are one step
 * under the lock, so whoever finds a buffer can take a reference.
 */
#include "buffer/registry.h"

#include <errno.h>

#include <dmabuf/dmabuf.h>

#include "buffer/watch.h"

#define NR_BUCKETS 4096

LIST_HEAD(handle_list, handle);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(, buffer) buffers = TAILQ_HEAD_INITIALIZER(buffers);
static TAILQ_HEAD(, buffer) going = TAILQ_HEAD_INITIALIZER(going);
static unsigned int nr_buffers;	/* in both lists */
static struct handle_list inodes[NR_BUCKETS];

/* Inode numbers of memfds are handed out one after the other. */
static struct handle_list *inode_bucket(const struct inode_id *id)
{
	return &inodes[id->ino % NR_BUCKETS];
}

void registry_lock(void)
{
	pthread_mutex_lock(&lock);
}

void registry_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

void registry_fork_child(void)
{
	pthread_mutex_init(&lock, NULL);
}

/* Buffers */

void registry_add(struct buffer *buffer)
{
	registry_lock();
	TAILQ_INSERT_HEAD(&buffers, buffer, link);
	nr_buffers++;
	registry_unlock();
}

void registry_release_begin(struct buffer *buffer)
{
	registry_lock();
	TAILQ_REMOVE(&buffers, buffer, link);
	TAILQ_INSERT_HEAD(&going, buffer, link);
	buffer->release_thread = context_self();
	registry_unlock();
}

static void going_remove_locked(struct buffer *buffer)
{
	/* Here, so that no child is left with it. */
	if (buffer->handle)
		handle_close_locked(buffer->handle);
	TAILQ_REMOVE(&going, buffer, link);
	nr_buffers--;
}

void registry_release_end(struct buffer *buffer)
{
	registry_lock();
	going_remove_locked(buffer);
	registry_unlock();
}

void registry_fork_child_locked(void)
{
	struct buffer *buffer, *next;

	TAILQ_FOREACH_SAFE(buffer, &going, link, next)
		if (buffer->release_thread != context_self())
			going_remove_locked(buffer);
}

void registry_each_buffer_locked(void (*call)(struct buffer *buffer))
{
	struct buffer *buffer;

	TAILQ_FOREACH(buffer, &buffers, link)
		call(buffer);
}

unsigned int dmabuf_live_buffers(void)
{
	unsigned int nr;

	registry_lock();
	nr = nr_buffers;
	registry_unlock();
	return nr;
}

static enum put_result put_last_locked(struct buffer *buffer)
{
	if (!__atomic_load_n(&buffer->refs, __ATOMIC_RELAXED))
		return PUT_NONE;
	if (__atomic_sub_fetch(&buffer->refs, 1, __ATOMIC_ACQ_REL))
		return PUT_SHARED;
	if (buffer->handle)
		registry_unindex_locked(buffer->handle);
	return PUT_LAST;
}

enum put_result registry_put_last(struct buffer *buffer)
{
	enum put_result result;

	registry_lock();
	result = put_last_locked(buffer);
	registry_unlock();
	return result;
}

void registry_revive(struct buffer *buffer)
{
	registry_lock();
	__atomic_store_n(&buffer->refs, 1, __ATOMIC_RELAXED);
	/* The inode is free: the memfd is still the buffer's. */
	if (buffer->handle)
		registry_index_locked(buffer->handle);
	registry_unlock();
}

/* Inodes */

int registry_index_locked(struct handle *handle)
{
	if (registry_find_locked(&handle->id))
		return -EBUSY;
	handle->indexed = true;
	LIST_INSERT_HEAD(inode_bucket(&handle->id), handle, by_inode);
	return 0;
}

void registry_unindex_locked(struct handle *handle)
{
	if (!handle->indexed)
		return;
	handle->indexed = false;
	LIST_REMOVE(handle, by_inode);
	watch_remove_locked(handle);
}

struct handle *registry_find_locked(const struct inode_id *id)
{
	struct handle *handle;

	LIST_FOREACH(handle, inode_bucket(id), by_inode)
		if (handle->id.ino == id->ino && handle->id.dev == id->dev)
			break;
	return handle;
}
