/* SPDX-License-Identifier: MIT */
/* main.c - options, and the list of all rows */
#define _GNU_SOURCE
#include "compliance.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "0.1.0"
#endif

enum { EXIT_USAGE = 2, EXIT_NO_DEVICES = 3 };

/* In the order of output. */
static const struct group *const groups[] = {
	&heaps_group, &heap_device_group, &heap_device_linux_group,
	&heap_alloc_group, &heap_mode_group,
	&heap_memory_group, &buf_file_group, &buf_linux_group,
	&buf_mmap_group, &buf_mmap_linux_group, &buf_ioctl_group,
	&buf_name_group, &buf_name_linux_group, &buf_share_group,
	&buf_poll_group, &buf_poll_linux_group, &buf_export_group,
	&buf_import_group, &buf_fence_group, &bufinfo_group,
	&udmabuf_device_group, &udmabuf_create_group, &udmabuf_list_group,
	&udmabuf_memory_group, &udmabuf_linux_group,
	&sync_file_group, &sync_info_group, &sync_merge_group,
	&sync_linux_group, &sync_poll_linux_group,
	&sw_sync_group, &sw_sync_info_group, &sw_sync_merge_group,
};

static void usage(FILE *out)
{
	fputs("usage: dmabuf-compliance [OPTION...]\n\n"
"Finds the dma-buf devices of this system, does to them what is listed, and\n"
"says for each row whether the result was that of Linux 6.12: ok; FAIL, what\n"
"was expected, and what came; or skip, and why.\n\n"
"  --only GLOB[,GLOB...]  only rows with such an id; may be repeated\n"
"  --skip GLOB[,GLOB...]  leave rows with such an id out; may be repeated\n"
"  --heap NAME            no other heap\n"
"  --timeout SECONDS      for each row; 10\n"
"  --list                 ids and titles of the rows; nothing is run\n"
"  --tap                  Test Anything Protocol, version 13\n"
"  --verbose              each call and its result\n"
"  --heap-dir PATH        /dev/dma_heap\n"
"  --udmabuf PATH         /dev/udmabuf\n"
"  --sw-sync PATH         /sys/kernel/debug/sync/sw_sync\n"
"  --bufinfo PATH         /sys/kernel/debug/dma_buf/bufinfo\n"
"  --help                 this text\n"
"  --version              the version\n\n"
"Exit status: 0 no row failed, 1 one did, 2 usage, 3 no device to test, or\n"
"not one that an option names.\n",
	      out);
}

static const char *target_text(const struct group *group)
{
	switch (group->target) {
	case TARGET_HEAP:
		return " [each heap]";
	case TARGET_BUFFER:
		return " [each exporter]";
	default:
		return "";
	}
}

static void list(const struct choice *choice)
{
	const struct row *row;
	size_t i, j;

	for (i = 0; i < NR_ELEMS(groups); i++) {
		for (j = 0; j < groups[i]->nr_rows; j++) {
			row = &groups[i]->rows[j];
			if (!choice_wants(choice, row->id) ||
			    globs_match(choice->skip, row->id))
				continue;
			printf("%s%s: %s%s\n", row->id, target_text(groups[i]),
			       row->title,
			       groups[i]->linux_only ? " (Linux)" : "");
		}
	}
}

static bool matches_a_row(const char *globs)
{
	size_t i, j;

	for (i = 0; i < NR_ELEMS(groups); i++) {
		for (j = 0; j < groups[i]->nr_rows; j++) {
			if (globs_match(globs, groups[i]->rows[j].id))
				return true;
		}
	}
	return false;
}

/* Return: the globs of all options so far, of which each matches a row. */
static const char *globs_add(const char *globs, const char *more)
{
	char *copy = strdup(more), *rest = copy, *glob, *all;

	while (copy && (glob = strsep(&rest, ","))) {
		if (matches_a_row(glob))
			continue;
		fprintf(stderr, "dmabuf-compliance: no row is called %s\n",
			glob);
		exit(EXIT_USAGE);
	}
	if (!copy || asprintf(&all, "%s%s%s", globs ? globs : "",
			      globs ? "," : "", more) < 0) {
		fputs("dmabuf-compliance: no memory\n", stderr);
		exit(EXIT_USAGE);
	}
	free(copy);
	free((char *)globs);
	return all;
}

static const struct option options[] = {
	{ "only", required_argument, NULL, 'o' },
	{ "skip", required_argument, NULL, 's' },
	{ "heap", required_argument, NULL, 'H' },
	{ "timeout", required_argument, NULL, 'T' },
	{ "list", no_argument, NULL, 'l' },
	{ "tap", no_argument, NULL, 't' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "heap-dir", required_argument, NULL, 'd' },
	{ "udmabuf", required_argument, NULL, 'u' },
	{ "sw-sync", required_argument, NULL, 'w' },
	{ "bufinfo", required_argument, NULL, 'b' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static void take_path(int option, const char *path)
{
	switch (option) {
	case 'd':
		devices.heap_dir = path;
		devices.heap_dir_named = true;
		return;
	case 'u':
		devices.udmabuf_path = path;
		devices.udmabuf_named = true;
		return;
	case 'w':
		devices.sw_sync_path = path;
		devices.sw_sync_named = true;
		return;
	default:
		devices.bufinfo_path = path;
		devices.bufinfo_named = true;
	}
}

static bool take_seconds(unsigned int *ret_seconds, const char *text)
{
	char *end;
	long value;

	value = strtol(text, &end, 10);
	if (end == text || *end || value < 1 || value > 86400) {
		fprintf(stderr, "dmabuf-compliance: --timeout %s: not a "
			"number of seconds from 1 to 86400\n", text);
		return false;
	}
	*ret_seconds = (unsigned int)value;
	return true;
}

/* Return: an exit status, or -1 to go on. */
static int take(int option, struct choice *choice, bool *ret_list)
{
	switch (option) {
	case 'o':
		choice->only = globs_add(choice->only, optarg);
		break;
	case 's':
		choice->skip = globs_add(choice->skip, optarg);
		break;
	case 'H':
		devices.only_heap = optarg;
		break;
	case 'T':
		if (!take_seconds(&choice->seconds, optarg))
			return EXIT_USAGE;
		break;
	case 'l':
		*ret_list = true;
		break;
	case 't':
		choice->tap = true;
		reporting.prefix = "# ";
		break;
	case 'v':
		reporting.verbose = true;
		break;
	case 'h':
		usage(stdout);
		return 0;
	case 'V':
		puts("dmabuf-compliance " VERSION);
		return 0;
	case '?':
		usage(stderr);
		return EXIT_USAGE;
	default:
		take_path(option, optarg);
	}
	return -1;
}

static int no_devices(const struct choice *choice)
{
	char text[3 * PATH_MAX + 200];

	devices_none(text, sizeof(text));
	if (choice->tap)
		printf("TAP version 13\n1..0 # SKIP %s\n", text);
	fprintf(stderr, "dmabuf-compliance: %s\n", text);
	return EXIT_NO_DEVICES;
}

static int missing(const struct choice *choice, const char *text)
{
	if (choice->tap)
		printf("TAP version 13\nBail out! %s\n", text);
	fprintf(stderr, "dmabuf-compliance: %s\n", text);
	return EXIT_NO_DEVICES;
}

static int run(const struct choice *choice)
{
	char text[PATH_MAX + 64];
	bool found = devices_find();

	if (devices_named_missing(text, sizeof(text)))
		return missing(choice, text);
	if (!found)
		return no_devices(choice);
	return run_all(groups, NR_ELEMS(groups), choice);
}

/* Rows copy fd 0, and the runner writes to fd 1. */
static void open_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

int main(int argc, char **argv)
{
	/* Owns its globs until the end. */
	static struct choice choice = { .seconds = 10 };
	bool only_list = false;
	int option, status;

	open_standard_fds();
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		status = take(option, &choice, &only_list);
		if (status >= 0)
			return status;
	}
	if (optind < argc) {
		fprintf(stderr, "dmabuf-compliance: %s: there are only "
			"options\n", argv[optind]);
		usage(stderr);
		return EXIT_USAGE;
	}
	if (only_list) {
		list(&choice);
		return 0;
	}
	return run(&choice);
}
