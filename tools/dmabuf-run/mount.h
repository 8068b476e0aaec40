/* SPDX-License-Identifier: MIT */
/* mount.h - the nodes in a mount namespace of the program's own */
#ifndef DMABUF_RUN_MOUNT_H
#define DMABUF_RUN_MOUNT_H

/* In the command's process; what the supervisor needs goes to @socket. */
int mount_nodes(int socket, const char **why);

#endif
