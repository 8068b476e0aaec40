/* SPDX-License-Identifier: MIT */
/* registry.h - all buffers of the process, and the inodes they are known by */
#ifndef LIB_BUFFER_REGISTRY_H
#define LIB_BUFFER_REGISTRY_H

#include "buffer/buffer.h"
#include "buffer/handle.h"

/*
 * The registry's lock is the innermost one: nothing of others is called under
 * it. It also guards handles and their descriptions.
 */
void registry_lock(void);
void registry_unlock(void);

void registry_add(struct buffer *buffer);

/* Around the release op: the buffer is listed as one that goes. */
void registry_release_begin(struct buffer *buffer);
void registry_release_end(struct buffer *buffer);

/* Every buffer, newest first; @call leaves the list as it is. */
void registry_each_buffer_locked(void (*call)(struct buffer *buffer));

enum put_result {
	PUT_SHARED,	/* somebody took another reference meanwhile */
	PUT_LAST,	/* nobody finds the buffer any more */
	PUT_NONE,	/* there was none: the buffer waits for its release */
};

/* Drop what looked like the last reference. */
enum put_result registry_put_last(struct buffer *buffer);

/* The last reference was not to go: it is the caller's again. */
void registry_revive(struct buffer *buffer);

/* Make a handle findable by its inode; -EBUSY when the inode is taken. */
int registry_index_locked(struct handle *handle);
void registry_unindex_locked(struct handle *handle);
struct handle *registry_find_locked(const struct inode_id *id);

/* Make the lock anew in a child whose parent's threads may have held it. */
void registry_fork_child(void);

/* In a forked child: what another thread was releasing is nobody's. */
void registry_fork_child_locked(void);

#endif
