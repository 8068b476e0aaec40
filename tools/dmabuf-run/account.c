/* SPDX-License-Identifier: MIT */
/*
 * account.c - what the program has allocated, and may allocate
 *
 * A buffer's entry goes when the library has none with its inode any more: that
 * is asked when the entries are looked at.
 *
 * The kernel closes what a process leaves open. So leaks are looked for when it
 * is about to exit: buffers that it made itself, and still has an fd or a
 * mapping of.
 */
#include "account.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <bsd/string.h>
#include <bsd/sys/queue.h>

#include "fail.h"
#include "poll-proxy.h"
#include "run.h"
#include "target.h"
#include "thread.h"

#define NR_HEAPS 130	/* as many as there can be, udmabuf, and one more */

struct entry {
	LIST_ENTRY(entry) link;
	dev_t dev;
	ino_t ino;
	uint64_t size;
	struct sum *sum;
	pid_t pid;		/* of the process that made it */
	char detail[CALL_DETAIL_SIZE];	/* the call that did */
};

struct sum {
	char name[64];
	unsigned long nr_buffers, nr_alive;
	uint64_t bytes, alive, peak;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* All below is under it. */
static LIST_HEAD(entry_list, entry) entries = LIST_HEAD_INITIALIZER(entries);
static struct entry_list leaked = LIST_HEAD_INITIALIZER(leaked);
static unsigned int nr_leaked;
static struct sum sums[NR_HEAPS];	/* by exporter; the last is all */
static struct sum *const total = &sums[NR_HEAPS - 1];

/* Entries */

static void sum_add(struct sum *sum, uint64_t size)
{
	sum->nr_buffers++;
	sum->nr_alive++;
	sum->bytes += size;
	sum->alive += size;
	if (sum->alive > sum->peak)
		sum->peak = sum->alive;
}

static void sum_remove(struct sum *sum, uint64_t size)
{
	sum->nr_alive--;
	sum->alive -= size;
}

static struct sum *sum_of(const char *name)
{
	struct sum *sum = sums;

	while (sum < total - 1 && sum->name[0] && strcmp(sum->name, name))
		sum++;
	strlcpy(sum->name, name, sizeof(sum->name));
	return sum;
}

static bool is_alive(const struct entry *entry)
{
	struct dma_buf *dmabuf = dmabuf_find(entry->dev, entry->ino);

	if (dmabuf)
		dma_buf_put(dmabuf);
	return dmabuf;
}

static void sweep_locked(void)
{
	struct entry *entry, *next;

	LIST_FOREACH_SAFE(entry, &entries, link, next) {
		if (is_alive(entry))
			continue;
		LIST_REMOVE(entry, link);
		sum_remove(entry->sum, entry->size);
		sum_remove(total, entry->size);
		free(entry);
	}
}

static bool wanted(void)
{
	return options.stats || options.leaks || options.limit;
}

/* With a reference; NULL */
static struct dma_buf *buffer_of(int fd, struct stat *st)
{
	return fstat(fd, st) ? NULL : dmabuf_find(st->st_dev, st->st_ino);
}

static bool is_full_locked(uint64_t size)
{
	return size > options.limit || total->alive > options.limit - size;
}

/* By the buffer itself: what was asked for may have changed since. */
int account_room(int fd)
{
	struct dma_buf *dmabuf;
	struct stat st;
	bool full;

	dmabuf = options.limit ? buffer_of(fd, &st) : NULL;
	if (!dmabuf)
		return 0;
	pthread_mutex_lock(&lock);
	full = is_full_locked(dmabuf->size);
	if (full) {
		sweep_locked();
		full = is_full_locked(dmabuf->size);
	}
	pthread_mutex_unlock(&lock);
	dma_buf_put(dmabuf);
	return full ? -ENOMEM : 0;
}

static void entry_add(const struct call *call, const struct dma_buf *dmabuf,
		      const struct stat *st)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return;
	entry->dev = st->st_dev;
	entry->ino = st->st_ino;
	entry->size = dmabuf->size;
	entry->pid = thread_process(call->tid);
	strlcpy(entry->detail, call->detail, sizeof(entry->detail));
	pthread_mutex_lock(&lock);
	/* For the peak; where a heap has buffers of its own it may be late. */
	if (dmabuf_live_buffers() < total->nr_alive + 1)
		sweep_locked();
	entry->sum = sum_of(dmabuf->exp_name ? dmabuf->exp_name : "");
	sum_add(entry->sum, entry->size);
	sum_add(total, entry->size);
	LIST_INSERT_HEAD(&entries, entry, link);
	pthread_mutex_unlock(&lock);
}

void account_fd(const struct call *call, int fd)
{
	struct dma_buf *dmabuf;
	struct stat st;

	dmabuf = wanted() ? buffer_of(fd, &st) : NULL;
	if (!dmabuf)
		return;
	entry_add(call, dmabuf, &st);
	dma_buf_put(dmabuf);
}

/* Leaks */

static void leak_add_locked(struct entry *entry)
{
	struct entry *leak = malloc(sizeof(*leak));

	if (!leak)
		return;
	*leak = *entry;
	LIST_INSERT_HEAD(&leaked, leak, link);
	nr_leaked++;
	/* Once: its other copies are found too. */
	entry->pid = 0;
}

static void held_locked(pid_t pid, dev_t dev, ino_t ino)
{
	struct entry *entry;

	LIST_FOREACH(entry, &entries, link)
		if (entry->pid == pid && entry->ino == ino && entry->dev == dev)
			leak_add_locked(entry);
}

static void fds_look_locked(pid_t pid)
{
	char path[TARGET_PATH_MAX];
	struct dirent *dirent;
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (dirent = readdir(dir)))
		if (!target_fd_stat(pid, atoi(dirent->d_name), &st))
			held_locked(pid, st.st_dev, st.st_ino);
	if (dir)
		closedir(dir);
}

static void mappings_look_locked(pid_t pid)
{
	char path[TARGET_PATH_MAX], line[256];
	unsigned int dev_major, dev_minor;
	unsigned long ino;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*s %*s %*s %x:%x %lu", &dev_major,
			   &dev_minor, &ino) == 3)
			held_locked(pid, makedev(dev_major, dev_minor), ino);
	if (file)
		fclose(file);
}

void account_exit(const struct call *call)
{
	pid_t pid = thread_process(call->tid);

	pthread_mutex_lock(&lock);
	if (!LIST_EMPTY(&entries)) {
		fds_look_locked(pid);
		mappings_look_locked(pid);
	}
	pthread_mutex_unlock(&lock);
}

/* At the end */

/* The kernel may be about to drop a lock of what was closed. */
static void settle(void)
{
	struct pollfd events = { .fd = dmabuf_event_fd(), .events = POLLIN };
	int quiet = 0;

	while (quiet < 3 && dmabuf_live_buffers()) {
		quiet = poll(&events, 1, 10) > 0 ? quiet : quiet + 1;
		if (polls_dispatch() > 0)
			quiet = 0;
	}
}

static void sum_print(const struct sum *sum, const char *name)
{
	fprintf(stderr, "%-20s %10lu %16" PRIu64 " %16" PRIu64 " %8lu\n", name,
		sum->nr_buffers, sum->bytes, sum->peak, sum->nr_alive);
}

static void stats_print(void)
{
	const struct sum *sum;

	fprintf(stderr, "%-20s %10s %16s %16s %8s\n", "dmabuf-run: heap",
		"buffers", "bytes", "peak bytes", "left");
	for (sum = sums; sum < total && sum->name[0]; sum++)
		sum_print(sum, sum->name);
	sum_print(total, "total");
}

static void leaks_print(void)
{
	const struct entry *entry;

	LIST_FOREACH(entry, &leaked, link)
		fprintf(stderr,
			"dmabuf-run: leaked: %" PRIu64 " bytes of %s, made by "
			"%d: %s\n", entry->size, entry->sum->name, entry->pid,
			entry->detail);
}

unsigned int account_report(void)
{
	unsigned int nr;

	settle();
	fail_report();
	pthread_mutex_lock(&lock);
	sweep_locked();
	nr = nr_leaked;
	if (options.stats)
		stats_print();
	if (options.leaks)
		leaks_print();
	pthread_mutex_unlock(&lock);
	return nr;
}
