/* SPDX-License-Identifier: MIT */
/* main.c - a program for dmabuf-run: run-program CASE */
#include "client.h"

#include <linux/dma-heap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "threads", case_threads },
	{ "forks", case_forks },
	{ "vforks", case_vforks },
	{ "crowd", case_crowd },
	{ "signals", case_signals },
	{ "killed", case_killed },
	{ "hostile", case_hostile },
	{ "passed", case_passed },
	{ "copies", case_copies },
	{ "many-fds", case_many_fds },
	{ "few-fds", case_few_fds },
	{ "owned", case_owned },
	{ "no-room", case_no_room },
	{ "waits", case_waits },
	{ "wait-counted", case_wait_counted },
	{ "wait-interrupted", case_wait_interrupted },
	{ "wait-killed", case_wait_killed },
	{ "wait-restarted", case_wait_restarted },
	{ "argument-changes", case_argument_changes },
	{ "timeline-dies", case_timeline_dies },
	{ "second-fds", case_second_fds },
	{ "own-fds", case_own_fds },
	{ "below-directory", case_below_directory },
	{ "memfds", case_memfds },
	{ "memfds-hidden", case_memfds_hidden },
	{ "small-pages", case_small_pages },
	{ "list", case_list },
	{ "decoded", case_decoded },
};

/* With two mistakes, if there is a limit: the kernel tells of this one. */
static int wrong_buffer(void)
{
	struct dma_heap_allocation_data data = {
		.len = 10000,
		.heap_flags = 1,
	};

	return ioctl(heap_open(), DMA_HEAP_IOCTL_ALLOC, &data) == -1 &&
	       errno == EINVAL;
}

/* For shells that want to see something happen */
static int simple(const char *name)
{
	if (!strcmp(name, "life")) {
		if (!life())
			return 0;
		perror("life");
		return 1;
	}
	if (!strcmp(name, "lives")) {
		int i = 0;

		while (i < 2000 && !life())
			i++;
		return i < 2000;
	}
	if (!strcmp(name, "leak"))
		return buffer_new() < 0;
	if (!strcmp(name, "leak-mapped"))
		return !buffer_map(buffer_new());
	if (!strcmp(name, "two-lines"))
		return ioctl(buffer_new(), DMA_BUF_SET_NAME_A, "one\ntwo") < 0;
	if (!strcmp(name, "wrong-buffer"))
		return !wrong_buffer();
	if (!strcmp(name, "two-buffers"))
		return buffer_new() < 0 || buffer_new() < 0;
	return 2;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc == 3 && !strcmp(argv[1], "inherited")) {
		strcpy(buffer_map(atoi(argv[2])), "from the other program");
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "file-server")) {
		case_file_server(argv[2]);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "execs")) {
		case_execs(argv[0]);
		return 0;
	}
	for (i = 0; argc == 2 && i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(argv[1], cases[i].name)) {
			cases[i].run();
			return 0;
		}
	return argc == 2 ? simple(argv[1]) : 2;
}
