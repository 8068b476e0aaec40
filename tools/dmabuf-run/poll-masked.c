/* SPDX-License-Identifier: MIT */
/*
 * poll-masked.c - signals that only the mask of ppoll(2) lets through
 *
 * A handler for them can run only if the kernel itself puts the mask in place,
 * so the call has to be the kernel's. But to the kernel buffers are ready, and
 * then it takes no signal. So their events in the program's memory are changed
 * before to what a memfd never has, and put back when the signal was taken, or
 * the thread makes the next such call. As the signal is there already, the
 * kernel does not wait meanwhile.
 *
 * By then the program may have the memory for something else. So it is only
 * written to where it still is what no program would write there.
 */
#include "poll-masked.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <bsd/sys/queue.h>

#include "answer.h"
#include "log.h"
#include "target.h"
#include "thread.h"

#define LOOK_NS 100000
#define LOOKS 10000

/* To be polled for: a memfd has none of it, and nobody would ask for it. */
#define NEVER (POLLMSG | POLLRDBAND | POLLWRBAND)

/* In the last word of a set, past the bits that count */
#define MARK 0xa5a5a5a5a5a5a5a5UL

#define WORD_BITS (8 * sizeof(unsigned long))

/* A number in the program's memory; both are zero-extended. */
struct patch {
	uint64_t addr;
	uint64_t whole, blank;
	unsigned int size;
};

struct masked {
	LIST_ENTRY(masked) link;
	pid_t tid;
	int mem;		/* of the process as it was then */
	bool ended;
	bool is_select;
	bool is_marked;		/* its sets have a MARK */
	unsigned int nr;
	struct patch *patches;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, masked) all = LIST_HEAD_INITIALIZER(all);	/* lock */
static unsigned int nr_all;	/* atomic; written under the lock */

/* What is blanked */

static void poll_patches(const struct poll_set *set, struct masked *masked)
{
	const struct poll_entry *entry = set->entries;
	unsigned int i;

	for (i = 0; i < set->nr; i++, entry++) {
		struct patch *patch = &masked->patches[masked->nr];

		if (!entry->is_buffer)
			continue;
		patch->addr = set->addr[0] + i * sizeof(struct pollfd) +
			      offsetof(struct pollfd, events);
		patch->whole = (unsigned short)entry->events;
		patch->blank = NEVER;
		patch->size = sizeof(short);
		masked->nr++;
	}
}

/* The last patch if it is the same word, or the next one */
static struct patch *word_patch(const struct call *call, struct masked *masked,
				uint64_t addr)
{
	struct patch *patch = &masked->patches[masked->nr];
	unsigned long word;

	if (masked->nr && patch[-1].addr == addr)
		return patch - 1;
	if (target_read(call->tid, &word, addr, sizeof(word)))
		return NULL;
	*patch = (struct patch){ addr, word, word, sizeof(word) };
	masked->nr++;
	return patch;
}

/* So it is seen that the set is still the same one. */
static void set_mark(const struct call *call, const struct poll_set *set,
		     struct masked *masked, uint64_t addr)
{
	unsigned long past = ~0UL << set->nr_bits % WORD_BITS;
	struct patch *patch;

	if (!(set->nr_bits % WORD_BITS))
		return;
	patch = word_patch(call, masked,
			   addr + set->set_size - sizeof(unsigned long));
	if (!patch)
		return;
	patch->blank = (patch->blank & ~past) | (MARK & past);
	masked->is_marked = true;
}

static void set_patches(const struct call *call, const struct poll_set *set,
			struct masked *masked, uint64_t addr)
{
	bool changed = false;
	unsigned int i;

	for (i = 0; i < set->nr; i++) {
		unsigned int fd = (unsigned int)set->entries[i].fd;
		struct patch *patch;

		if (!set->entries[i].is_buffer)
			continue;
		patch = word_patch(call, masked, addr + fd / WORD_BITS *
							sizeof(unsigned long));
		if (!patch)
			continue;
		patch->blank &= ~(1UL << fd % WORD_BITS);
		changed |= patch->blank != patch->whole;
	}
	if (changed)
		set_mark(call, set, masked, addr);
}

static void select_patches(const struct call *call, const struct poll_set *set,
			   struct masked *masked)
{
	int which;

	for (which = 0; which < 3; which++)
		if (set->addr[which])
			set_patches(call, set, masked, set->addr[which]);
}

static void masked_free(struct masked *masked)
{
	if (masked->mem >= 0)
		close(masked->mem);
	free(masked->patches);
	free(masked);
}

static struct masked *masked_make(const struct call *call,
				  const struct poll_set *set)
{
	struct masked *masked = calloc(1, sizeof(*masked));
	char path[32];

	if (!masked)
		return NULL;
	snprintf(path, sizeof(path), "/proc/%d/mem", call->tid);
	masked->tid = call->tid;
	masked->mem = open(path, O_RDWR | O_CLOEXEC);
	/* One for each of the entries, and a mark */
	masked->patches = calloc(3 * (set->nr + 1), sizeof(*masked->patches));
	if (masked->mem < 0 || !masked->patches || !call_valid(call)) {
		masked_free(masked);
		return NULL;
	}
	masked->is_select = set->is_select;
	if (set->is_select)
		select_patches(call, set, masked);
	else
		poll_patches(set, masked);
	return masked;
}

/* Blanking, and back */

static bool patch_write(const struct masked *masked, const struct patch *patch,
			uint64_t value)
{
	return pwrite(masked->mem, &value, patch->size, (off_t)patch->addr) ==
	       (ssize_t)patch->size;
}

static void blank(const struct masked *masked)
{
	const struct patch *patch = masked->patches;
	unsigned int i;

	for (i = 0; i < masked->nr; i++, patch++)
		if (patch->blank != patch->whole &&
		    !patch_write(masked, patch, patch->blank))
			return;
}

/*
 * Nobody has written to it since. With a mark other bits of the set may be
 * different.
 */
static bool is_blank(const struct masked *masked, const struct patch *patch,
		     uint64_t *ret_now)
{
	uint64_t counts = masked->is_marked ? patch->whole ^ patch->blank :
					      UINT64_MAX;

	*ret_now = 0;
	return pread(masked->mem, ret_now, patch->size, (off_t)patch->addr) ==
		       (ssize_t)patch->size &&
	       !((*ret_now ^ patch->blank) & counts);
}

static bool are_blank(const struct masked *masked)
{
	uint64_t now;
	unsigned int i;

	for (i = 0; i < masked->nr; i++)
		if (!is_blank(masked, &masked->patches[i], &now))
			return false;
	return true;
}

static void put_back(const struct masked *masked, const struct patch *patch)
{
	uint64_t now;

	if (patch->whole != patch->blank && is_blank(masked, patch, &now))
		patch_write(masked, patch, now ^ patch->blank ^ patch->whole);
}

/* Each of the entries by itself, but sets all or not at all */
static void end_locked(struct masked *masked)
{
	unsigned int i;

	LIST_REMOVE(masked, link);
	masked->ended = true;
	if (!masked->is_select || are_blank(masked))
		for (i = 0; i < masked->nr; i++)
			put_back(masked, &masked->patches[i]);
	/* Last: who sees none left does not wait for this. */
	__atomic_fetch_sub(&nr_all, 1, __ATOMIC_SEQ_CST);
}

void masked_end(pid_t tid)
{
	struct masked *masked;

	if (!__atomic_load_n(&nr_all, __ATOMIC_SEQ_CST))
		return;
	pthread_mutex_lock(&lock);
	LIST_FOREACH(masked, &all, link)
		if (masked->tid == tid)
			break;
	if (masked)
		end_locked(masked);
	pthread_mutex_unlock(&lock);
}

static bool is_ended(const struct masked *masked)
{
	bool ended;

	pthread_mutex_lock(&lock);
	ended = masked->ended;
	pthread_mutex_unlock(&lock);
	return ended;
}

/* Once it is, the kernel has seen what it was to see. */
static void taken_wait(const struct masked *masked, uint64_t signals)
{
	struct timespec look = { .tv_nsec = LOOK_NS };
	struct thread_status status;
	int i;

	for (i = 0; i < LOOKS && !is_ended(masked); i++) {
		if (thread_status_read(masked->tid, &status) ||
		    !(status.pending & signals))
			return;
		nanosleep(&look, NULL);
	}
}

void masked_continue(struct call *call, const struct poll_set *set,
		     uint64_t signals)
{
	struct masked *masked = masked_make(call, set);

	if (!masked) {
		call_return(call, -ENOMEM);
		return;
	}
	pthread_mutex_lock(&lock);
	LIST_INSERT_HEAD(&all, masked, link);
	__atomic_fetch_add(&nr_all, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&lock);
	blank(masked);
	log_passed(call);
	call_continue(call);
	taken_wait(masked, signals);
	pthread_mutex_lock(&lock);
	if (!masked->ended)
		end_locked(masked);
	pthread_mutex_unlock(&lock);
	masked_free(masked);
}
