/* SPDX-License-Identifier: MIT */
/* device.c - which devices there are, and what rows run on */
#define _GNU_SOURCE
#include "compliance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Written by main() and devices_find() before the first row runs. */
struct devices devices = {
	.heap_dir = "/dev/dma_heap",
	.udmabuf_path = "/dev/udmabuf",
	.sw_sync_path = "/sys/kernel/debug/sync/sw_sync",
	.bufinfo_path = "/sys/kernel/debug/dma_buf/bufinfo",
};

/* Return: NULL when it can be opened, else the name of the errno. */
static const char *why_not_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? "not there" : errno_name(errno);
	close(fd);
	return NULL;
}

static bool heap_wanted(const char *name)
{
	if (name[0] == '.')
		return false;
	return !devices.only_heap || !strcmp(devices.only_heap, name);
}

static void heap_add(const char *name)
{
	struct subject *heap = &devices.heaps[devices.nr_heaps];
	int length;

	if (strlen(name) >= sizeof(heap->name))
		return;
	strcpy(heap->name, name);
	length = snprintf(heap->path, sizeof(heap->path), "%s/%s",
			  devices.heap_dir, name);
	if (length >= (int)sizeof(heap->path))
		return;
	heap->why_not = why_not_open(heap->path);
	devices.nr_heaps++;
}

/* "system" first, then by name: the order does not depend on the directory. */
static int heap_order(const void *a, const void *b)
{
	const struct subject *x = a, *y = b;
	bool x_first = !strcmp(x->name, "system");
	bool y_first = !strcmp(y->name, "system");

	if (x_first != y_first)
		return x_first ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void heaps_find(void)
{
	struct dirent *entry;
	DIR *dir;

	dir = opendir(devices.heap_dir);
	if (!dir)
		return;
	while ((entry = readdir(dir)) && devices.nr_heaps < MAX_HEAPS) {
		if (heap_wanted(entry->d_name))
			heap_add(entry->d_name);
	}
	closedir(dir);
	qsort(devices.heaps, devices.nr_heaps, sizeof(devices.heaps[0]),
	      heap_order);
}

static bool heap_opens(void)
{
	size_t i;

	for (i = 0; i < devices.nr_heaps; i++) {
		if (!devices.heaps[i].why_not)
			return true;
	}
	return false;
}

static bool any_opens(void)
{
	return heap_opens() || !devices.udmabuf.why_not || !devices.no_sw_sync;
}

/* Return: whether there is one that can be opened. */
bool devices_find(void)
{
	struct subject *udmabuf = &devices.udmabuf;

	heaps_find();
	strcpy(udmabuf->name, "udmabuf");
	snprintf(udmabuf->path, sizeof(udmabuf->path), "%s",
		 devices.udmabuf_path);
	udmabuf->is_udmabuf = true;
	udmabuf->why_not = why_not_open(udmabuf->path);
	devices.no_sw_sync = why_not_open(devices.sw_sync_path);
	return any_opens();
}

/* Of heaps that are there and cannot be opened, the first tells why. */
static const char *why_no_heap(const char *none)
{
	if (heap_opens())
		return NULL;
	return devices.nr_heaps ? devices.heaps[0].why_not : none;
}

static bool is_missing(char *text, size_t size, bool is_named,
		       const char *option, const char *value,
		       const char *why_not)
{
	if (!is_named || !why_not)
		return false;
	snprintf(text, size, "--%s %s: %s", option, value, why_not);
	return true;
}

/*
 * After devices_find(). A name that was mistyped must not end with all rows
 * skipped and none failed.
 *
 * Return: whether what an option names cannot be opened; @text then says which.
 */
bool devices_named_missing(char *text, size_t size)
{
	const char *no_bufinfo = NULL;

	if (devices.bufinfo_named && access(devices.bufinfo_path, R_OK))
		no_bufinfo = errno == ENOENT ? "not there" : errno_name(errno);
	return is_missing(text, size, devices.only_heap, "heap",
			  devices.only_heap,
			  why_no_heap("no such heap")) ||
	       is_missing(text, size, devices.heap_dir_named, "heap-dir",
			  devices.heap_dir,
			  why_no_heap("no heap there")) ||
	       is_missing(text, size, devices.udmabuf_named, "udmabuf",
			  devices.udmabuf_path, devices.udmabuf.why_not) ||
	       is_missing(text, size, devices.sw_sync_named, "sw-sync",
			  devices.sw_sync_path, devices.no_sw_sync) ||
	       is_missing(text, size, devices.bufinfo_named, "bufinfo",
			  devices.bufinfo_path, no_bufinfo);
}

/* What to say when devices_find() found none. */
void devices_none(char *text, size_t size)
{
	snprintf(text, size, "no dma-buf device that can be opened: no heap "
		 "in %s (%s), no %s (%s), no %s (%s)", devices.heap_dir,
		 why_no_heap("none there"), devices.udmabuf_path,
		 devices.udmabuf.why_not, devices.sw_sync_path,
		 devices.no_sw_sync);
}

static const char *without(const char *device, const char *why_not)
{
	static char text[80];

	if (!why_not)
		return NULL;
	snprintf(text, sizeof(text), "no %s: %s", device, why_not);
	return text;
}

/*
 * Return: how many @subjects a group has; none when it runs once, and then
 * @ret_why_not is NULL or says why it cannot.
 */
size_t target_subjects(enum target target, const struct subject **subjects,
		       const char **ret_why_not)
{
	const char *why_not = NULL;
	size_t nr = 0;

	if (target == TARGET_HEAP || target == TARGET_BUFFER) {
		for (; nr < devices.nr_heaps; nr++)
			subjects[nr] = &devices.heaps[nr];
	}
	if (target == TARGET_BUFFER && !devices.udmabuf.why_not)
		subjects[nr++] = &devices.udmabuf;

	if (target == TARGET_UDMABUF)
		why_not = without("udmabuf", devices.udmabuf.why_not);
	else if (target == TARGET_SW_SYNC)
		why_not = without("sw_sync", devices.no_sw_sync);
	else if (target == TARGET_SYNC_FILE && !any_opens())
		why_not = "nothing here makes sync files";
	else if (target == TARGET_HEAPS && !devices.nr_heaps)
		why_not = "no heap";
	else if (target == TARGET_HEAP && !nr)
		why_not = "no heap";
	else if (target == TARGET_BUFFER && !nr)
		why_not = "no heap and no udmabuf";
	*ret_why_not = why_not;
	return nr;
}
