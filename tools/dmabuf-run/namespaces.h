/* SPDX-License-Identifier: MIT */
/* namespaces.h - a mount namespace for the command */
#ifndef DMABUF_RUN_NAMESPACES_H
#define DMABUF_RUN_NAMESPACES_H

/*
 * The calling process gets mounts of its own. 0, or -errno and nothing has
 * changed that matters. @why: what failed.
 */
int namespaces_make(const char **why);

#endif
