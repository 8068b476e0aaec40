/* SPDX-License-Identifier: MIT */
/*
 * supervise.c - the process that answers
 *
 * The main thread looks after everything but the calls: signals, the command's
 * end, closed fds. Another one answers the calls, and alone traces threads of
 * the program, so that the two do not take each other's waits.
 *
 * When the command has ended, and others of the program live on, so does this.
 */
#include "launch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account.h"
#include "call.h"
#include "devices.h"
#include "fd-socket.h"
#include "inject.h"
#include "listener.h"
#include "notify.h"
#include "poll-proxy.h"
#include "run.h"
#include "target.h"
#include "timeline.h"

static pid_t command_pid;	/* 0: it has ended */
static int parent_channel;
static int signal_fd = -1;

static _Noreturn void give_up(const char *what, int error)
{
	complain("%s: %s", what, strerror(error));
	devices_fini();
	_exit(STATUS_FAILED);
}

/*
 * What we were started with, and the command alone has a use for: somebody may
 * wait for the other end of a pipe. What was opened here closes on exec.
 */
static void inherited_close(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *dirent;

	while (dir && (dirent = readdir(dir))) {
		int fd = atoi(dirent->d_name);

		if (fd > STDERR_FILENO && !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
			close(fd);
	}
	if (dir)
		closedir(dir);
}

/* Nobody waits for us any more; the log has a copy of its own. */
static void stdio_close(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fd;

	for (fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
}

/* What limits the program is not for buffers, which are files of ours. */
static void limit_raise(int resource)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(resource, &limit);
}

/* The command's end */

/* A call of a process that was killed may still be looked at. */
static void devices_remove(void)
{
	pthread_mutex_lock(&call_lock);
	devices_fini();
	pthread_mutex_unlock(&call_lock);
}

static void tell_end(int status)
{
	struct news ending = { .status = status };

	ending.leaks = account_report();
	/* Whoever waits for the command is to find nothing of us left. */
	ending.last = listener_fd < 0 || listener_deserted();
	if (ending.last)
		devices_remove();
	/* Who waits may be gone. */
	send(parent_channel, &ending, sizeof(ending), MSG_NOSIGNAL);
	close(parent_channel);
	parent_channel = -1;
	stdio_close();
}

static void reap(void)
{
	int command_status = 0;
	bool ended = false;
	int status;
	pid_t pid;

	pthread_mutex_lock(&trace_lock);
	while ((pid = waitpid(-1, &status, WNOHANG | __WNOTHREAD)) > 0) {
		if (pid != command_pid)
			continue;
		command_pid = 0;
		command_status = status;
		ended = true;
	}
	pthread_mutex_unlock(&trace_lock);
	if (ended)
		tell_end(command_status);
}

/*
 * Those of a terminal go to all processes in front of it, the command too; only
 * what was sent to dmabuf-run alone has to be passed on.
 */
static void signals_take(void)
{
	struct signalfd_siginfo info;

	while (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap();
		else if (command_pid && info.ssi_pid == (uint32_t)getppid())
			kill(command_pid, (int)info.ssi_signo);
	}
}

/* The event loop */

#define DEAF_MS 1

enum { EVENT_SIGNAL, EVENT_LIBRARY, EVENT_TIMELINES, EVENT_LISTENER };

static void watch(int set, int fd, uint32_t events, uint32_t what)
{
	struct epoll_event event = { .events = events, .data.u32 = what };

	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event))
		give_up("epoll", errno);
}

static int events_open(void)
{
	int set = epoll_create1(EPOLL_CLOEXEC);
	int library = dmabuf_event_fd();

	if (set < 0)
		give_up("epoll", errno);
	if (library < 0)
		give_up("events", -library);
	watch(set, signal_fd, EPOLLIN, EVENT_SIGNAL);
	watch(set, library, EPOLLIN, EVENT_LIBRARY);
	watch(set, timelines_epoll_fd, EPOLLIN, EVENT_TIMELINES);
	watch(set, listener_fd, 0, EVENT_LISTENER);	/* its hang-up */
	return set;
}

/* False: no process of the program is left. */
static bool event_take(uint32_t what)
{
	switch (what) {
	case EVENT_SIGNAL:
		signals_take();
		return true;
	case EVENT_LIBRARY:
		polls_dispatch();
		return true;
	case EVENT_TIMELINES:
		timelines_dispatch();
		return true;
	default:
		return false;
	}
}

static void library_listen(int set, bool listens)
{
	struct epoll_event event = {
		.events = listens ? EPOLLIN : 0,
		.data.u32 = EVENT_LIBRARY,
	};

	epoll_ctl(set, EPOLL_CTL_MOD, dmabuf_event_fd(), &event);
}

/*
 * A program that allocates and closes all the time would wake us with each
 * close. So we are deaf to the library for a moment after it had something to
 * tell; who has to know at once dispatches himself.
 */
static void events_loop(int set)
{
	struct epoll_event event;
	bool listens = true;

	for (;;) {
		int nr = epoll_wait(set, &event, 1, listens ? -1 : DEAF_MS);
		bool library = nr == 1 && event.data.u32 == EVENT_LIBRARY;

		if (nr == 1 && !event_take(event.data.u32))
			break;
		if (library == listens)
			library_listen(set, listens = !library);
	}
	close(set);
	/* Its last process may still be a zombie. */
	while (command_pid) {
		sigset_t chld;
		int signal;

		sigemptyset(&chld);
		sigaddset(&chld, SIGCHLD);
		reap();
		if (command_pid)
			sigwait(&chld, &signal);
	}
}

/* Starting */

static void signals_open(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0)
		give_up("signalfd", errno);
}

static void *answer(void *data)
{
	(void)data;
	notify_loop();
	return NULL;
}

static void answer_start(void)
{
	pthread_t thread;
	int ret = pthread_create(&thread, NULL, answer, NULL);

	if (ret)
		give_up("thread", ret);
	pthread_detach(thread);
}

/* It has said itself why it could not start. */
static _Noreturn void never_started(void)
{
	int status = STATUS_FAILED << 8;

	waitpid(command_pid, &status, 0);
	tell_end(status);
	_exit(0);
}

/* Who looks at a thread's /proc by its number is to find that thread. */
static bool proc_is_ours(void)
{
	char name[16] = "";

	return readlink("/proc/self", name, sizeof(name) - 1) > 0 &&
	       atoi(name) == getpid();
}

/* Its end of a channel; it comes as far as it can without us. */
static int command_fork(const struct signals *before)
{
	struct news news = { 0 };
	int channel[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel))
		give_up("socketpair", errno);
	if (!proc_is_ours())
		give_up("/proc is missing, or of another pid namespace",
			ENOENT);
	command_pid = fork();
	if (command_pid < 0)
		give_up("fork", errno);
	if (!command_pid) {
		close(channel[0]);
		command_run(channel[1], before);
	}
	close(channel[1]);
	news.command = command_pid;
	send(parent_channel, &news, sizeof(news), MSG_NOSIGNAL);
	return channel[0];
}

/* Returns the event loop's fds. */
static int command_start(const struct signals *before)
{
	int channel = command_fork(before);
	enum devices_mode devices;
	char byte;
	int set;

	if (fds_receive(channel, &devices, sizeof(devices), &listener_fd, 1, 0))
		never_started();
	if (target_read(command_pid, &byte, (uintptr_t)&byte, 1))
		give_up("other processes' memory cannot be read here (yama's "
			"ptrace_scope, or a container's profile?)", EPERM);
	inherited_close();
	limit_raise(RLIMIT_NOFILE);
	limit_raise(RLIMIT_FSIZE);
	devices_set_mode(devices);
	set = events_open();
	answer_start();
	if (send(channel, "", 1, MSG_NOSIGNAL) != 1)
		give_up("the command", EPIPE);
	close(channel);
	return set;
}

_Noreturn void supervise(int channel, const struct signals *before)
{
	parent_channel = channel;
	signals_open();
	/* Orphans stay ours: yama lets ancestors look at memory. */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	timelines_epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (timelines_epoll_fd < 0)
		give_up("epoll", errno);
	if (devices_init())
		_exit(STATUS_FAILED);
	events_loop(command_start(before));
	devices_remove();
	_exit(0);
}
