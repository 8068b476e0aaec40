/* SPDX-License-Identifier: MIT */
/* command.c - from a fork of the supervisor to the command */
#include "launch.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices.h"
#include "fd-socket.h"
#include "filter.h"
#include "log.h"
#include "run.h"

static enum devices_mode devices_place(void)
{
	const char *why = "";
	int ret;

	if (options.devices == DEVICES_TRAP) {
		log_line("paths are trapped");
		return DEVICES_TRAP;
	}
	ret = devices_mount(&why);
	if (!ret) {
		log_line("nodes are mounted");
		return DEVICES_MOUNT;
	}
	if (options.devices == DEVICES_AUTO) {
		log_line("paths are trapped, as nodes cannot be mounted: "
			 "%s: %s", why, strerror(-ret));
		return DEVICES_TRAP;
	}
	complain("--devices=mount: %s: %s", why, strerror(-ret));
	_exit(STATUS_FAILED);
}

static void range_tell(void)
{
	struct rlimit limit;

	if (!options.low_fds && !getrlimit(RLIMIT_NOFILE, &limit) &&
	    limit.rlim_cur <= FD_BASE)
		log_line("fds of buffers get low numbers, as with --low-fds: "
			 "they would begin at %d, and ulimit -n is %lu",
			 FD_BASE, (unsigned long)limit.rlim_cur);
}

_Noreturn void command_run(int channel, const struct signals *before)
{
	enum devices_mode devices = devices_place();
	const char *why = "";
	int listener = filter_install(devices == DEVICES_TRAP, &why);
	char go;

	range_tell();
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
