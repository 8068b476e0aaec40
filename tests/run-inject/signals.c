/* SPDX-License-Identifier: MIT */
/* signals.c - signals that come while a mapping is being made */
#include "client.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define NR 8
#define ROUNDS 1000

static volatile sig_atomic_t nr_signals;
static int shared_fd;

static void count_signal(int signal)
{
	(void)signal;
	nr_signals++;
}

static void handle(int signal, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	CHECK(!sigaction(signal, &action, NULL));
}

static void timer_set(long usec)
{
	const struct itimerval timer = { { 0, usec }, { 0, usec } };

	CHECK(!setitimer(ITIMER_REAL, &timer, NULL));
}

static void map_once(int fd, size_t nr)
{
	char *addr = client_map(fd, 0, nr);

	CHECK(addr != MAP_FAILED);
	CHECK(client_shows_scattered(addr, 1, 0, nr, NR));
	CHECK(!munmap(addr, nr * PAGE));
}

static void map_often(int fd)
{
	size_t i;

	for (i = 0; i < client_rounds(ROUNDS); i++)
		map_once(fd, i % 2 ? NR : 2);
}

static int buffer(void)
{
	return client_scattered(client_memfd(1, 2 * NR), NR);
}

static void interrupted(int flags)
{
	int fd = buffer();

	nr_signals = 0;
	handle(SIGALRM, count_signal, flags);
	timer_set(client_usec(1000));
	while (nr_signals < (int)client_rounds(100))
		map_often(fd);
	timer_set(0);
	alarm(60);
	close(fd);
	client_wait_buffers(0);
}

static void a_thousand_signals_a_second(void)
{
	interrupted(SA_RESTART);
}

static void map_in_handler(int signal)
{
	int saved = errno;

	(void)signal;
	map_once(shared_fd, 3);
	nr_signals++;
	errno = saved;
}

static void handlers_that_map(void)
{
	shared_fd = buffer();
	handle(SIGALRM, map_in_handler, SA_RESTART);
	timer_set(client_usec(2000));
	while (nr_signals < (int)client_rounds(50))
		map_often(shared_fd);
	timer_set(0);
	alarm(60);
}

static void the_mask_is_as_before(void)
{
	sigset_t mask, after;
	int fd = buffer();
	int signal;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigaddset(&mask, SIGTRAP);
	sigaddset(&mask, SIGRTMAX);
	CHECK(!sigprocmask(SIG_SETMASK, &mask, NULL));
	handle(SIGUSR1, count_signal, 0);
	CHECK(!raise(SIGUSR1));
	map_once(fd, NR);
	map_once(fd, 1);
	CHECK(!sigprocmask(SIG_SETMASK, NULL, &after));
	for (signal = 1; signal <= SIGRTMAX; signal++)
		CHECK(sigismember(&mask, signal) ==
		      sigismember(&after, signal));
	CHECK(!nr_signals);
	sigemptyset(&mask);
	CHECK(!sigprocmask(SIG_SETMASK, &mask, NULL));
	CHECK(nr_signals == 1);
}

static void actions_are_as_before(void)
{
	static const int signals[] = { SIGTRAP, SIGSEGV, SIGCHLD, SIGUSR1 };
	int fd = buffer();
	struct sigaction action;
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		handle(signals[i], SIG_IGN, 0);
	map_once(fd, NR);
	map_once(fd, 1);
	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		CHECK(!sigaction(signals[i], NULL, &action));
		CHECK(action.sa_handler == SIG_IGN);
		handle(signals[i], count_signal, 0);
	}
	map_once(fd, NR);
	map_once(fd, 1);
	CHECK(!nr_signals);
	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		CHECK(!raise(signals[i]));
	CHECK((size_t)nr_signals == i);
}

/* Children that map until they are told to stop: told by the handler. */

static volatile sig_atomic_t told;

static void tell(int signal)
{
	(void)signal;
	told = 1;
}

static pid_t mapper_start(int fd)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid)
		return pid;
	handle(SIGTERM, tell, SA_RESTART);
	/* SIGTSTP is for groups that have their parent in their session. */
	CHECK(!setpgid(0, 0) && !prctl(PR_SET_PDEATHSIG, SIGKILL));
	CHECK(!raise(SIGSTOP));
	while (!told)
		map_often(fd);
	_exit(7);
}

static void wait_for(pid_t pid, bool (*what)(int status))
{
	int status;

	CHECK(waitpid(pid, &status, WUNTRACED | WCONTINUED) == pid);
	CHECK(what(status));
}

static bool is_stopped(int status)
{
	return WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP;
}

static bool is_continued(int status)
{
	return WIFCONTINUED(status);
}

/* A stopped one */
static void mapper_end(pid_t pid)
{
	CHECK(!kill(pid, SIGTERM));
	CHECK(!kill(pid, SIGCONT));
	wait_for(pid, is_continued);
	CHECK(client_wait(pid) == 7);
}

static void stopped_and_continued(void)
{
	pid_t pid = mapper_start(buffer());
	size_t i;

	for (i = 0; i < client_rounds(500); i++) {
		wait_for(pid, is_stopped);
		CHECK(!kill(pid, SIGCONT));
		wait_for(pid, is_continued);
		if (i % 2)
			sched_yield();
		CHECK(!kill(pid, SIGSTOP));
	}
	wait_for(pid, is_stopped);
	mapper_end(pid);
}

/* Nobody waits in between: it goes on whatever the order was. */
static void stops_and_continues_at_random(void)
{
	pid_t pid = mapper_start(buffer());
	size_t i;

	wait_for(pid, is_stopped);
	for (i = 0; i < client_rounds(20000); i++)
		CHECK(!kill(pid, i % 2 ? SIGSTOP : SIGCONT));
	CHECK(!kill(pid, SIGTERM));
	CHECK(!kill(pid, SIGCONT));
	CHECK(client_wait(pid) == 7);
}

static bool is_stopped_by_terminal(int status)
{
	return WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP;
}

static void terminal_stops(void)
{
	pid_t pid = mapper_start(buffer());
	size_t i;

	wait_for(pid, is_stopped);
	for (i = 0; i < client_rounds(200); i++) {
		CHECK(!kill(pid, SIGCONT));
		wait_for(pid, is_continued);
		CHECK(!kill(pid, SIGTSTP));
		wait_for(pid, is_stopped_by_terminal);
	}
	mapper_end(pid);
}

const struct client_case signal_cases[] = {
	{ "a_thousand_signals_a_second", a_thousand_signals_a_second },
	{ "handlers_that_map", handlers_that_map },
	{ "the_mask_is_as_before", the_mask_is_as_before },
	{ "actions_are_as_before", actions_are_as_before },
	{ "stopped_and_continued", stopped_and_continued },
	{ "stops_and_continues_at_random", stops_and_continues_at_random },
	{ "terminal_stops", terminal_stops },
	{ NULL, NULL },
};
