/* SPDX-License-Identifier: MIT */
/* command.c - from a fork of the supervisor to the command */
#include "launch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "filter.h"
#include "run.h"

static void send_listener(int channel, int listener, int devices)
{
	struct listener_message message = { .devices = devices };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec data = { &message, sizeof(message) };
	struct msghdr msg = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &listener, sizeof(int));
	if (sendmsg(channel, &msg, MSG_NOSIGNAL) != sizeof(message))
		_exit(STATUS_FAILED);
}

static enum devices_mode devices_place(void)
{
	const char *why = "";
	int ret;

	if (options.devices == DEVICES_TRAP)
		return DEVICES_TRAP;
	ret = devices_mount(&why);
	if (!ret)
		return DEVICES_MOUNT;
	if (options.devices == DEVICES_AUTO)
		return DEVICES_TRAP;
	complain("--devices=mount: %s: %s", why, strerror(-ret));
	_exit(STATUS_FAILED);
}

_Noreturn void command_run(int channel, const struct signals *before)
{
	enum devices_mode devices = devices_place();
	const char *why = "";
	int listener = filter_install(devices == DEVICES_TRAP, &why);
	char go;

	if (listener < 0) {
		complain("%s: %s", why, strerror(-listener));
		_exit(STATUS_FAILED);
	}
	send_listener(channel, listener, devices);
	close(listener);
	/* The end of the channel: the supervisor could not go on. */
	if (recv(channel, &go, 1, 0) != 1)
		_exit(STATUS_FAILED);
	close(channel);
	sigaction(SIGCHLD, &before->child, NULL);
	sigprocmask(SIG_SETMASK, &before->mask, NULL);
	execvp(options.command[0], options.command);
	complain("%s: %s", options.command[0], strerror(errno));
	_exit(errno == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_RUN);
}
