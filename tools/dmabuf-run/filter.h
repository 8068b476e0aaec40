/* SPDX-License-Identifier: MIT */
/* filter.h - which calls of the program are stopped */
#ifndef DMABUF_RUN_FILTER_H
#define DMABUF_RUN_FILTER_H

#include <stdbool.h>
#include <sys/syscall.h>

/* Since Linux 6.6; on every architecture. */
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/*
 * fds of buffers are put here in the program, so that the filter can tell them
 * from others by their number alone.
 */
#define FD_BASE 768
#define FD_LIMIT 1024

/*
 * Flags that mmap(2) ignores: how the filter knows calls that inject.c makes in
 * the program's place, and lets them through.
 */
#define MAP_INJECTED (MAP_DENYWRITE | MAP_EXECUTABLE)

/* What a tracer is told by the filter where inject-loop.c has done its calls */
#define INJECT_LOOP_END 0xdb

/*
 * In the process that becomes the command: stop its calls from now on, and
 * those of all that it starts. @paths: also calls with paths (trap mode).
 * Return: the listener; -errno, with *ret_why for a message.
 */
int filter_install(bool paths, const char **ret_why);

#endif
