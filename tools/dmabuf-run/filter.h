/* SPDX-License-Identifier: MIT */
/* filter.h - which calls of the program are stopped */
#ifndef DMABUF_RUN_FILTER_H
#define DMABUF_RUN_FILTER_H

#include <stdbool.h>

/*
 * In the process that becomes the command: stop its calls from now on, and
 * those of all that it starts. @paths: also calls with paths (trap mode).
 * Return: the listener; -errno, with *ret_why for a message.
 */
int filter_install(bool paths, const char **ret_why);

#endif
