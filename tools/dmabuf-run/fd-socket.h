/* SPDX-License-Identifier: MIT */
/* fd-socket.h - fds over a socket, with a message */
#ifndef DMABUF_RUN_FD_SOCKET_H
#define DMABUF_RUN_FD_SOCKET_H

#include <stddef.h>

#define FD_SOCKET_MAX 2

/*
 * @socket: SOCK_SEQPACKET. 0 or -errno; -EIO: what came has another size, or
 * other fds. @flags: recvmsg(2)'s; fds that are received close on exec.
 */
int fds_send(int socket, const void *message, size_t size, const int *fds,
	     unsigned int nr_fds);
int fds_receive(int socket, void *message, size_t size, int *fds,
		unsigned int nr_fds, int flags);

#endif
