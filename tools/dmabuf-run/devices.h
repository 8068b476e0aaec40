/* SPDX-License-Identifier: MIT */
/* devices.h - how the program comes to its device nodes */
#ifndef DMABUF_RUN_DEVICES_H
#define DMABUF_RUN_DEVICES_H

#include "run.h"

/*
 * In the supervisor, before the command is started: which nodes there will be.
 * 0 or -errno (complained about).
 */
int devices_init(void);

/*
 * In the process that will be the command, before the filter is installed: make
 * namespaces and nodes. 0; -errno: nothing has changed, or only things that do
 * not matter, and the paths have to be trapped. @why: what failed, for a
 * message.
 */
int devices_mount(const char **why);

/* In the supervisor: how it went there. */
void devices_set_mode(enum devices_mode mode);

/* At the end, in the supervisor: remove what devices_init() made. */
void devices_fini(void);

#endif
