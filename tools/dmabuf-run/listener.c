/* SPDX-License-Identifier: MIT */
/* listener.c - where the calls of the program come in */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

int listener_fd = -1;

static struct seccomp_notif *notif;	/* of the thread that receives */
static size_t notif_size;

int listener_open(void)
{
	struct seccomp_notif_sizes sizes = { 0 };

	/* Before Linux 6.6 it is only slower. */
	ioctl(listener_fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS,
	      SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) ||
	    sizes.seccomp_notif < sizeof(*notif))
		sizes.seccomp_notif = sizeof(*notif);
	notif_size = sizes.seccomp_notif;
	notif = malloc(notif_size);
	return notif ? 0 : -ENOMEM;
}

const struct seccomp_notif *listener_receive(void)
{
	for (;;) {
		memset(notif, 0, notif_size);
		if (!ioctl(listener_fd, SECCOMP_IOCTL_NOTIF_RECV, notif))
			return notif;
		if (errno != EINTR && listener_deserted())
			return NULL;
	}
}

bool listener_deserted(void)
{
	struct pollfd listener = { .fd = listener_fd };

	return poll(&listener, 1, 0) == 1 && listener.revents & POLLHUP;
}

bool listener_awaits(uint64_t id)
{
	return !ioctl(listener_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id);
}

void listener_answer(uint64_t id, long result, uint32_t flags)
{
	struct seccomp_notif_resp resp = {
		.id = id,
		.val = result >= 0 ? result : 0,
		.error = result < 0 ? (int)result : 0,
		.flags = flags,
	};

	/* ENOENT: it was killed. */
	while (ioctl(listener_fd, SECCOMP_IOCTL_NOTIF_SEND, &resp) &&
	       errno == EINTR)
		;
}

int listener_put_fd(uint64_t id, int number, int fd, int flags)
{
	struct seccomp_notif_addfd addfd = {
		.id = id,
		.flags = number < 0 ? 0 : SECCOMP_ADDFD_FLAG_SETFD,
		.srcfd = (uint32_t)fd,
		.newfd = number < 0 ? 0 : (uint32_t)number,
		.newfd_flags = (uint32_t)flags & O_CLOEXEC,
	};
	int ret;

	do
		ret = ioctl(listener_fd, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd);
	while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret;
}
