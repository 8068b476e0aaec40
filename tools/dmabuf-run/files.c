/* SPDX-License-Identifier: MIT */
/*
 * files.c - what an fd of the program is
 *
 * An fd is known by the inode that it shows: a buffer's is the library's to
 * find, a sync file's and a timeline's is that of the socket that the program
 * was given.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <bsd/sys/tree.h>

#include "nodes.h"
#include "target.h"
#include "timeline.h"

struct sync_entry {
	RB_ENTRY(sync_entry) by_ino;
	ino_t ino;
	uint64_t id;		/* dmabuf_sync_file_id() */
};

RB_HEAD(sync_tree, sync_entry);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sync_tree syncs = RB_INITIALIZER(&syncs);	/* lock */
static unsigned int nr_syncs;				/* lock */
static unsigned int sweep_at = 64;			/* lock */

static int entry_compare(const struct sync_entry *a, const struct sync_entry *b)
{
	return (a->ino > b->ino) - (a->ino < b->ino);
}

RB_GENERATE_INTERNAL(sync_tree, sync_entry, by_ino, entry_compare,
		     static __attribute__((unused)))

static void remove_locked(struct sync_entry *entry)
{
	RB_REMOVE(sync_tree, &syncs, entry);
	nr_syncs--;
	free(entry);
}

/* Forget those that were closed, whenever there are twice as many. */
static void sweep_locked(void)
{
	struct sync_entry *entry, *next;
	struct sync_file file;

	if (nr_syncs < sweep_at)
		return;
	RB_FOREACH_SAFE(entry, sync_tree, &syncs, next) {
		if (dmabuf_sync_file_find(entry->id, &file))
			remove_locked(entry);
		else
			dma_fence_put(file.fence);
	}
	sweep_at = 2 * nr_syncs < 64 ? 64 : 2 * nr_syncs;
}

/* 0 too for what is no sync file. */
int files_add_sync(int fd)
{
	struct sync_entry *entry, *old;
	struct stat st;
	uint64_t id;

	if (dmabuf_sync_file_id(fd, &id) || fstat(fd, &st))
		return 0;
	entry = malloc(sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	*entry = (struct sync_entry){ .ino = st.st_ino, .id = id };
	pthread_mutex_lock(&lock);
	sweep_locked();
	/* The number of one that was closed may come again. */
	old = RB_FIND(sync_tree, &syncs, entry);
	if (old)
		remove_locked(old);
	RB_INSERT(sync_tree, &syncs, entry);
	nr_syncs++;
	pthread_mutex_unlock(&lock);
	return 0;
}

static bool sync_find(ino_t ino, struct sync_file *ret_file)
{
	struct sync_entry key = { .ino = ino };
	struct sync_entry *entry;
	bool found;

	pthread_mutex_lock(&lock);
	entry = RB_FIND(sync_tree, &syncs, &key);
	found = entry && !dmabuf_sync_file_find(entry->id, ret_file);
	if (entry && !found)
		remove_locked(entry);
	pthread_mutex_unlock(&lock);
	return found;
}

static void socket_of(struct file *file)
{
	if (sync_find(file->st.st_ino, &file->sync)) {
		file->kind = FILE_SYNC;
		return;
	}
	file->timeline = timeline_get(&file->st);
	if (file->timeline)
		file->kind = FILE_TIMELINE;
}

int file_of(pid_t tid, int fd, struct file *ret_file)
{
	int ret;

	*ret_file = (struct file){ .kind = FILE_OTHER };
	ret = target_fd_stat(tid, fd, &ret_file->st);
	if (ret)
		return ret;
	if (S_ISSOCK(ret_file->st.st_mode)) {
		socket_of(ret_file);
		return 0;
	}
	if (S_ISREG(ret_file->st.st_mode)) {
		ret_file->dmabuf = dmabuf_find(ret_file->st.st_dev,
					       ret_file->st.st_ino);
		if (ret_file->dmabuf) {
			ret_file->kind = FILE_BUFFER;
			return 0;
		}
	}
	ret_file->node = device_of_fd(tid, fd, &ret_file->st);
	if (ret_file->node)
		ret_file->kind = FILE_DEVICE;
	return 0;
}

void file_put(struct file *file)
{
	if (file->kind == FILE_BUFFER)
		dma_buf_put(file->dmabuf);
	else if (file->kind == FILE_SYNC)
		dma_fence_put(file->sync.fence);
	else if (file->kind == FILE_TIMELINE)
		timeline_put(file->timeline);
}

/*
 * What a udmabuf's fd shows here is not its memory, and opened otherwise; so is
 * a sync file's.
 */
int file_flags(pid_t tid, int fd, const struct file *file)
{
	int flags = target_fd_flags(tid, fd);
	struct dmabuf_udmabuf_range piece;

	if (flags >= 0 && file->kind == FILE_BUFFER &&
	    !dmabuf_udmabuf_piece(file->dmabuf, 0, &piece))
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	if (flags >= 0 && file->kind == FILE_SYNC)
		flags = (flags & ~O_ACCMODE) | O_RDONLY;
	return flags;
}
