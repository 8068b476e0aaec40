/* SPDX-License-Identifier: MIT */
/* main.c - waiting for buffers under dmabuf-run --poll: run-poll CASE */
#include "waiting.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "polls", case_polls },
	{ "poll-others", case_poll_others },
	{ "poll-wrong", case_poll_wrong },
	{ "poll-many", case_poll_many },
	{ "selects", case_selects },
	{ "select-others", case_select_others },
	{ "select-wrong", case_select_wrong },
	{ "epolls", case_epolls },
	{ "epoll-changes", case_epoll_changes },
	{ "epoll-wrong", case_epoll_wrong },
	{ "epoll-closes", case_epoll_closes },
	{ "epoll-shared", case_epoll_shared },
	{ "interrupted", case_interrupted },
	{ "masked", case_masked },
	{ "masked-select", case_masked_select },
	{ "stopped", case_stopped },
	{ "stopped-threads", case_stopped_threads },
	{ "signalfd", case_signalfd },
	{ "processes", case_processes },
	{ "killed", case_killed },
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (argc == 2 && !strcmp(argv[1], cases[i].name)) {
			cases[i].run();
			return 0;
		}
		if (argc == 1)
			puts(cases[i].name);
	}
	return argc == 1 ? 0 : 2;
}
