/* SPDX-License-Identifier: MIT */
/* command.c - from a fork of the supervisor to the command */
#include "launch.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices.h"
#include "fd-socket.h"
#include "filter.h"
#include "run.h"

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
	if (fds_send(channel, &devices, sizeof(devices), &listener, 1))
		_exit(STATUS_FAILED);
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
