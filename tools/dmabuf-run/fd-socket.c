/* SPDX-License-Identifier: MIT */
/* fd-socket.c - fds over a socket, with a message */
#include "fd-socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(FD_SOCKET_MAX * sizeof(int))];
};

int fds_send(int socket, const void *message, size_t size, const int *fds,
	     unsigned int nr_fds)
{
	union control control = { 0 };
	struct iovec data = { (void *)message, size };
	struct msghdr msg = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int)),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
	memcpy(CMSG_DATA(header), fds, nr_fds * sizeof(int));
	return sendmsg(socket, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int fds_receive(int socket, void *message, size_t size, int *fds,
		unsigned int nr_fds, int flags)
{
	union control control;
	struct iovec data = { message, size };
	struct msghdr msg = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int)),
	};
	struct cmsghdr *header;
	ssize_t done = recvmsg(socket, &msg, flags | MSG_CMSG_CLOEXEC);

	if (done < 0)
		return -errno;
	header = CMSG_FIRSTHDR(&msg);
	if (done != (ssize_t)size || !header ||
	    header->cmsg_len != CMSG_LEN(nr_fds * sizeof(int)))
		return -EIO;
	memcpy(fds, CMSG_DATA(header), nr_fds * sizeof(int));
	return 0;
}
