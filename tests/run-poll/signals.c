/* SPDX-License-Identifier: MIT */
/* signals.c - what happens to a thread that waits for fences in poll(2) */
#include "waiting.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t handled;

static void handler(int signal)
{
	(void)signal;
	handled++;
}

static void handle(int signal, int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	CHECK(!sigaction(signal, &action, NULL));
	handled = 0;
}

static sigset_t block(int signal)
{
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, signal);
	CHECK(!pthread_sigmask(SIG_BLOCK, &set, &old));
	return old;
}

static void kill_waiter(const struct waiter *waiter, int signal)
{
	CHECK(!syscall(SYS_tgkill, getpid(), waiter->tid, signal) ||
	      errno == ESRCH);
}

/*
 * A signal that comes before the one that answers has heard of the call may be
 * handled before the call, so to say, and then there has to be another one.
 */
static void interrupt(const struct waiter *waiter, int signal)
{
	const struct timespec pause = { 0, 5000000 };

	while (!__atomic_load_n(&waiter->done, __ATOMIC_ACQUIRE)) {
		kill_waiter(waiter, signal);
		nanosleep(&pause, NULL);
	}
}

static void handlers_interrupt(int flags)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	struct waiter waiter;

	handle(SIGUSR1, flags);
	waiter_start(&waiter, waiter_poll, pending.buffer, POLLIN, SYS_poll);
	interrupt(&waiter, SIGUSR1);
	waiter_end(&waiter);
	CHECK(waiter.result == -1 && waiter.error == EINTR && handled);
	pending_close(&pending);
}

/* Signals that are ignored, blocked, or nothing by default do not. */
static void others_do_not(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	sigset_t old = block(SIGUSR2);
	struct waiter waiter;

	signal(SIGUSR1, SIG_IGN);
	waiter_start(&waiter, waiter_poll, pending.buffer, POLLIN, SYS_poll);
	kill_waiter(&waiter, SIGUSR1);
	kill_waiter(&waiter, SIGUSR2);
	kill_waiter(&waiter, SIGCHLD);
	CHECK(!poll_for(pending.buffer, POLLIN, 30));
	pending_step(&pending);
	waiter_end(&waiter);
	CHECK(waiter.result == POLLIN);
	CHECK(!pthread_sigmask(SIG_SETMASK, &old, NULL));
	pending_close(&pending);
}

void case_interrupted(void)
{
	handlers_interrupt(0);
	handlers_interrupt(SA_RESTART);
	others_do_not();
}

/* It waits to be unblocked, and then nobody hears of it. */
static void what_nobody_handles_is_no_reason(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	struct pollfd pollfd = { pending.buffer, POLLIN, 0 };
	struct timespec soon = { 0, 30000000 };
	sigset_t old = block(SIGCHLD);

	CHECK(!raise(SIGCHLD));
	CHECK(!ppoll(&pollfd, 1, &soon, &old));
	CHECK(!pthread_sigmask(SIG_SETMASK, &old, NULL));
	pending_close(&pending);
}

static void handlers_run_in_between(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	struct pollfd pollfd = { pending.buffer, POLLIN, 0x7f };
	struct timespec soon = { 0, 30000000 };
	struct timespec late = { 1000, 0 };
	sigset_t old = block(SIGUSR1);
	sigset_t now;

	handle(SIGUSR1, SA_RESTART);
	CHECK(!raise(SIGUSR1));
	CHECK(!ppoll(&pollfd, 1, &soon, NULL) && !handled);
	CHECK(ppoll(&pollfd, 1, &late, &old) == -1 && errno == EINTR);
	CHECK(handled == 1);
	CHECK(!pthread_sigmask(SIG_SETMASK, NULL, &now));
	CHECK(sigismember(&now, SIGUSR1));
	/* The set is the same, and so is what comes of it. */
	CHECK(!ppoll(&pollfd, 1, &soon, &old));
	CHECK(pollfd.fd == pending.buffer && pollfd.events == POLLIN);
	pending_step(&pending);
	CHECK(!raise(SIGUSR1));
	CHECK(ppoll(&pollfd, 1, &late, &old) == 1);
	CHECK(pollfd.revents == POLLIN);
	CHECK(!pthread_sigmask(SIG_SETMASK, &old, NULL));
	CHECK(handled == 2);
	pending_close(&pending);
}

/* What the program asks for after that is for nobody else to change. */
static void sets_are_the_programs_again(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	struct pollfd pollfd = { pending.buffer, POLLIN, 0 };
	struct timespec late = { 1000, 0 };
	sigset_t old = block(SIGUSR1);
	int i;

	handle(SIGUSR1, 0);
	for (i = 0; i < 20; i++) {
		pollfd.events = POLLIN;
		CHECK(!raise(SIGUSR1));
		CHECK(ppoll(&pollfd, 1, &late, &old) == -1 && errno == EINTR);
		pollfd.events = 0;
		/* Whatever was to be put back is put back by now. */
		CHECK(!poll(NULL, 0, 0));
		CHECK(!pollfd.events);
	}
	CHECK(!pthread_sigmask(SIG_SETMASK, &old, NULL));
	pending_close(&pending);
}

/* The mask of the call alone lets the signal through. */
void case_masked(void)
{
	what_nobody_handles_is_no_reason();
	handlers_run_in_between();
	sets_are_the_programs_again();
}

static void select_interrupted(fd_set *in, const struct pending *pending,
			       const sigset_t *mask)
{
	struct timespec late = { 1000, 0 };

	FD_ZERO(in);
	FD_SET(pending->buffer, in);
	CHECK(!raise(SIGUSR1));
	CHECK(pselect(pending->buffer + 1, in, NULL, NULL, &late, mask) == -1 &&
	      errno == EINTR);
}

static bool is_set_of(const fd_set *set, int a, int b)
{
	fd_set wanted;

	FD_ZERO(&wanted);
	FD_SET(a, &wanted);
	FD_SET(b, &wanted);
	return !memcmp(set, &wanted, sizeof(wanted));
}

/* Whatever was to be put back is put back when the next poll(2) ends. */
static void select_sets_are_the_programs_again(const struct pending *pending,
					       const sigset_t *mask)
{
	fd_set in;
	int i;

	for (i = 0; i < 20; i++) {
		select_interrupted(&in, pending, mask);
		FD_ZERO(&in);
		CHECK(!poll(NULL, 0, 0));
		CHECK(!FD_ISSET(pending->buffer, &in));
		select_interrupted(&in, pending, mask);
		FD_SET(0, &in);
		CHECK(!poll(NULL, 0, 0));
		CHECK(is_set_of(&in, pending->buffer, 0));
	}
}

void case_masked_select(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	struct timespec late = { 1000, 0 };
	sigset_t old = block(SIGUSR1);
	fd_set in;

	handle(SIGUSR1, 0);
	select_interrupted(&in, &pending, &old);
	CHECK(handled == 1);
	select_sets_are_the_programs_again(&pending, &old);
	pending_step(&pending);
	FD_ZERO(&in);
	FD_SET(pending.buffer, &in);
	CHECK(pselect(pending.buffer + 1, &in, NULL, NULL, &late, &old) == 1);
	CHECK(FD_ISSET(pending.buffer, &in));
	pending_close(&pending);
}

static void wait_in_poll(int buffer)
{
	_exit(poll_for(buffer, POLLIN, -1) != POLLIN);
}

/* A mask of all signals lets this one through nevertheless. */
static void wait_with_mask(int buffer)
{
	struct pollfd pollfd = { buffer, POLLIN, 0 };
	sigset_t all;

	sigfillset(&all);
	_exit(ppoll(&pollfd, 1, NULL, &all) != 1);
}

/* To be stopped is for the first thread; the other has to stop with it. */
static void wait_in_thread(int buffer)
{
	struct waiter waiter;

	waiter_start(&waiter, waiter_poll, buffer, POLLIN, SYS_poll);
	waiter_end(&waiter);
	_exit(waiter.result != POLLIN);
}

/* Until a thread of it, whichever, is stopped in system call @nr */
static void wait_for_thread(pid_t pid, long nr)
{
	const struct timespec pause = { 0, 1000000 };

	while (!has_thread_in(pid, nr))
		nanosleep(&pause, NULL);
}

/* A process that is stopped, and goes on, still waits. */
static void stopped_while(void (*wait)(int buffer), long nr)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (!pid)
		wait(pending.buffer);
	wait_for_thread(pid, nr);
	CHECK(!kill(pid, SIGSTOP));
	CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
	CHECK(!kill(pid, SIGCONT));
	wait_for_thread(pid, nr);
	pending_step(&pending);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
	pending_close(&pending);
}

void case_stopped(void)
{
	stopped_while(wait_in_poll, SYS_poll);
	stopped_while(wait_with_mask, SYS_ppoll);
}

void case_stopped_threads(void)
{
	stopped_while(wait_in_thread, SYS_poll);
}

static void poll_with_signalfd(struct waiter *waiter)
{
	struct pollfd fds[2] = {
		{ waiter->fd, POLLIN, 0 },
		{ waiter->events, POLLIN, 0 },
	};

	waiter->result = poll(fds, 2, -1);
	waiter->error = fds[0].revents << 8 | fds[1].revents;
}

/* A signalfd shows the program's signals, not somebody else's. */
void case_signalfd(void)
{
	struct pending pending = pending_new(DMA_BUF_SYNC_WRITE);
	sigset_t old = block(SIGUSR1);
	struct signalfd_siginfo info;
	struct waiter waiter;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	CHECK(fd >= 0);
	waiter_start(&waiter, poll_with_signalfd, pending.buffer, fd, SYS_poll);
	CHECK(!kill(getpid(), SIGUSR1));
	waiter_end(&waiter);
	CHECK(waiter.result == 1 && waiter.error == POLLIN);
	CHECK(read(fd, &info, sizeof(info)) == sizeof(info));
	waiter_start(&waiter, poll_with_signalfd, pending.buffer, fd, SYS_poll);
	pending_step(&pending);
	waiter_end(&waiter);
	CHECK(waiter.result == 1 && waiter.error == POLLIN << 8);
	CHECK(!pthread_sigmask(SIG_SETMASK, &old, NULL));
	close(fd);
	pending_close(&pending);
}
