/* SPDX-License-Identifier: MIT */
/*
 * main.c - dmabuf-run: programs find dma-buf devices, on any machine
 *
 * Three processes. This one is what the user sees: it passes signals on, and
 * ends as the command does. Its child is the supervisor, which answers calls
 * for as long as any process of the program is there. The supervisor's child
 * becomes the command.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <poll.h>
#include <unistd.h>

#include "launch.h"
#include "log.h"
#include "options.h"
#include "run.h"

static pid_t supervisor;
static pid_t command;		/* 0: not known yet */

/*
 * To all processes in front of a terminal, the command too. Only who leads the
 * session is told that the terminal is gone.
 */
static bool from_terminal(const struct signalfd_siginfo *info)
{
	if (info->ssi_code <= 0)
		return false;
	switch (info->ssi_signo) {
	case SIGHUP:
		return getsid(0) != getpid();
	case SIGINT:
	case SIGQUIT:
	case SIGCONT:
	case SIGWINCH:
		return true;
	default:
		/* A timer, for one, that was set before we were executed */
		return false;
	}
}

/*
 * Whoever stops a job by the terminal stops us too. What was for us alone goes
 * on through the supervisor, which knows whether the command still lives.
 */
static void signals_pass(int signal_fd, pid_t to)
{
	struct signalfd_siginfo info;

	while (read(signal_fd, &info, sizeof(info)) == sizeof(info))
		if (to && info.ssi_signo != SIGCHLD && !from_terminal(&info))
			kill(to, (int)info.ssi_signo);
}

/* True: the command has ended, or none is there any more. */
static bool command_reap(int *ret_status)
{
	int status;
	pid_t pid;

	*ret_status = STATUS_FAILED << 8;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (command && pid != command)
			continue;
		*ret_status = status;
		return true;
	}
	return pid < 0;
}

/*
 * The supervisor is gone, and the command is our child now, if it was not gone
 * before: its calls fail with ENOSYS, and nothing waits for anybody.
 */
static int command_wait(int signal_fd)
{
	struct pollfd signals = { .fd = signal_fd, .events = POLLIN };
	int status;

	/* First: the command may have been killed along with it. */
	if (waitpid(supervisor, &status, 0) == supervisor &&
	    WIFSIGNALED(status))
		complain("the supervisor was killed: the devices are gone");
	while (!command_reap(&status)) {
		poll(&signals, 1, -1);
		signals_pass(signal_fd, command);
	}
	return status;
}

static struct news ending_wait(int channel, int signal_fd)
{
	struct news news;
	struct pollfd fds[] = {
		{ .fd = channel, .events = POLLIN },
		{ .fd = signal_fd, .events = POLLIN },
	};

	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents)
			signals_pass(signal_fd, supervisor);
		if (!fds[0].revents)
			continue;
		if (recv(channel, &news, sizeof(news), 0) != sizeof(news))
			return (struct news){
				.status = command_wait(signal_fd),
			};
		if (!news.command)
			return news;
		command = news.command;
	}
}

/* End as the command did; a signal's core is the command's alone. */
static _Noreturn void end_as(const struct news *ending)
{
	int status = ending->status;
	sigset_t its;

	if (WIFSIGNALED(status)) {
		/* No limit says so to those who take cores by a pipe. */
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
		sigemptyset(&its);
		sigaddset(&its, WTERMSIG(status));
		sigprocmask(SIG_UNBLOCK, &its, NULL);
		_exit(128 + WTERMSIG(status));
	}
	status = WEXITSTATUS(status);
	if (!status && ending->leaks && options.leaks)
		status = STATUS_LEAKS;
	exit(status);
}

/*
 * Where a standard stream is closed, our own fds would get its number, and what
 * is printed would go there. The command finds it closed.
 */
static bool stdio_reserve(void)
{
	int fd;

	do
		fd = open("/", O_PATH | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Not those by which a terminal stops a job */
static int signals_block(struct signals *ret_before)
{
	const struct sigaction ends_only = {
		.sa_handler = SIG_DFL,
		.sa_flags = SA_NOCLDSTOP,
	};
	sigset_t set;

	sigfillset(&set);
	sigdelset(&set, SIGTSTP);
	sigdelset(&set, SIGTTIN);
	sigdelset(&set, SIGTTOU);
	sigprocmask(SIG_SETMASK, &set, &ret_before->mask);
	sigaction(SIGCHLD, &ends_only, &ret_before->child);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int start(const struct signals *before)
{
	int channel[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel))
		return -errno;
	/* If the supervisor dies, the command is ours to wait for. */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	supervisor = fork();
	if (supervisor < 0)
		return -errno;
	if (!supervisor) {
		close(channel[0]);
		supervise(channel[1], before);
	}
	close(channel[1]);
	return channel[0];
}

int main(int argc, char **argv)
{
	struct signals before;
	struct news ending;
	int signal_fd, channel, status;

	if (!stdio_reserve())
		return STATUS_FAILED;
	if (!options_parse(argc, argv, &status))
		return status;
	/* With signals: who reads a pipe may be long in coming. */
	if (log_open())
		return STATUS_FAILED;
	signal_fd = signals_block(&before);
	channel = signal_fd < 0 ? -errno : start(&before);
	if (channel < 0) {
		complain("%s", strerror(-channel));
		return STATUS_FAILED;
	}
	ending = ending_wait(channel, signal_fd);
	/* Else it goes on, and is somebody else's to wait for. */
	if (ending.last)
		waitpid(supervisor, NULL, 0);
	end_as(&ending);
}
