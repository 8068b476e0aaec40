/* SPDX-License-Identifier: MIT */
/* run.h - what every part of dmabuf-run knows: its options */
#ifndef DMABUF_RUN_RUN_H
#define DMABUF_RUN_RUN_H

#include <stdbool.h>
#include <stdint.h>

/* Exit statuses of our own, as env(1) has them. */
#define STATUS_FAILED 125	/* dmabuf-run itself */
#define STATUS_NOT_RUN 126
#define STATUS_NOT_FOUND 127
#define STATUS_LEAKS 99		/* --leaks found some */

enum devices_mode {
	DEVICES_AUTO,
	DEVICES_MOUNT,		/* nodes in a mount namespace */
	DEVICES_TRAP,		/* calls with paths are answered */
};

/* Constant after options_parse() */
struct options {
	enum devices_mode devices;
	bool prefer_real;
	bool poll;
	bool low_fds;		/* no range for fds of buffers */
	bool small_pages;	/* memfds have no huge ones */
	bool stats;
	bool leaks;
	bool log;
	const char *log_file;	/* NULL: stderr */
	uint64_t limit;		/* bytes; 0: none */
	char **command;		/* NULL-terminated */
};

extern struct options options;

/* "dmabuf-run: ..." and a newline, on stderr */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
