/* SPDX-License-Identifier: MIT */
/* leaks.c - nothing is left after a test */
#include "leaks.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bsd/string.h>
#include <sys/mman.h>
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#else
#define __libc_single_threaded 0
#endif
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "mock-fence.h"
#include "sanitized.h"
#include "warns.h"

#define TEXT_MAX 65536

/* Written by the thread that runs the tests. */
struct snapshot {
	char fds[TEXT_MAX];		/* "3 /memfd:x (deleted)\n" ... */
	char mappings[TEXT_MAX];	/* the lines of shared mappings */
	size_t reserved;		/* bytes without access */
	unsigned int live_buffers;
	unsigned int live_fences;	/* mocks */
};

static struct snapshot before, after;

static void fds_read(char text[TEXT_MAX])
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	char target[256];
	char line[512];
	ssize_t len;
	int fd;

	assert_non_null(dir);
	text[0] = '\0';
	while ((entry = readdir(dir))) {
		fd = atoi(entry->d_name);
		if (entry->d_name[0] == '.' || fd == dirfd(dir))
			continue;
		len = readlinkat(dirfd(dir), entry->d_name, target,
				 sizeof(target) - 1);
		target[len < 0 ? 0 : len] = '\0';
		snprintf(line, sizeof(line), "%d %s\n", fd, target);
		strlcat(text, line, TEXT_MAX);
	}
	closedir(dir);
}

static void mapping_note(struct snapshot *snapshot, const char *line)
{
	unsigned long start, end;
	char perms[5];

	if (sscanf(line, "%lx-%lx %4s", &start, &end, perms) != 3)
		return;
	if (perms[3] == 's')
		strlcat(snapshot->mappings, line, TEXT_MAX);
	else if (!strcmp(perms, "---p"))
		snapshot->reserved += end - start;
}

static void mappings_read(struct snapshot *snapshot)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];

	assert_non_null(maps);
	snapshot->mappings[0] = '\0';
	snapshot->reserved = 0;
	while (fgets(line, sizeof(line), maps))
		mapping_note(snapshot, line);
	fclose(maps);
	/* Watchers and the heaps of threads reserve as they like. */
	if (is_sanitized() || under_valgrind())
		snapshot->reserved = 0;
}

static void snapshot_take(struct snapshot *snapshot)
{
	fds_read(snapshot->fds);
	mappings_read(snapshot);
	snapshot->live_buffers = dmabuf_live_buffers();
	snapshot->live_fences = mock_fences_live();
}

int leaks_group_setup(void **state)
{
	(void)state;
	return dmabuf_event_fd() < 0;
}

int leaks_setup(void **state)
{
	(void)state;
	warns_begin();
	snapshot_take(&before);
	return 0;
}

static int differ(const char *what, const char *was, const char *is)
{
	if (!strcmp(was, is))
		return 0;
	print_error("%s before:\n%s%s after:\n%s", what, was, what, is);
	return 1;
}

/* Stacks and heaps of threads stay reserved when the threads are gone. */
static int reserved_differ(void)
{
	if (before.reserved == after.reserved || !__libc_single_threaded)
		return 0;
	print_error("reserved bytes before: %zu, after: %zu\n",
		    before.reserved, after.reserved);
	return 1;
}

/* Mocks that an earlier test lost may go meanwhile: fewer is well. */
static int fences_differ(void)
{
	if (mock_fences_wait(before.live_fences))
		return 0;
	print_error("live fences before: %u, after: %u\n", before.live_fences,
		    mock_fences_live());
	return 1;
}

int leaks_teardown(void **state)
{
	int fences_left = fences_differ();
	unsigned long warnings = warns_seen();
	int bad;

	(void)state;
	dmabuf_set_warn_handler(NULL, NULL);
	snapshot_take(&after);
	bad = differ("fds", before.fds, after.fds);
	bad |= differ("mappings", before.mappings, after.mappings);
	bad |= reserved_differ();
	bad |= fences_left;
	if (before.live_buffers != after.live_buffers) {
		print_error("live buffers before: %u, after: %u\n",
			    before.live_buffers, after.live_buffers);
		bad = 1;
	}
	if (warnings) {
		print_error("%lu warnings, the last one is \"%s\"\n", warnings,
			    warns_last());
		bad = 1;
	}
	return bad;
}

void wait_for_live_buffers(unsigned int nr)
{
	struct pollfd event = { .fd = dmabuf_event_fd(), .events = POLLIN };

	for (;;) {
		assert_true(dmabuf_dispatch() >= 0);
		if (dmabuf_live_buffers() <= nr)
			break;
		assert_int_equal(poll(&event, 1, 10000), 1);
	}
	assert_int_equal(dmabuf_live_buffers(), nr);
}
