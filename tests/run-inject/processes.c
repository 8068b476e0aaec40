/* SPDX-License-Identifier: MIT */
/* processes.c - mappings in children, and in those that are killed or traced */
#include "client.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define NR 16
#define KILLS 150

/* Shared with children: how often they have mapped. */
static size_t *progress;

static void map_once(int fd, size_t nr)
{
	char *addr = client_map(fd, 0, nr);

	CHECK(addr != MAP_FAILED);
	CHECK(client_shows_scattered(addr, 1, 0, nr, NR));
	CHECK(!munmap(addr, nr * PAGE));
}

static int buffer(void)
{
	progress = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(progress != MAP_FAILED);
	return client_scattered(client_memfd(1, 2 * NR), NR);
}

static _Noreturn void map_for_ever(int fd)
{
	for (;;) {
		map_once(fd, 1 + *progress % NR);
		__atomic_fetch_add(progress, 1, __ATOMIC_RELAXED);
	}
}

static void wait_progress(size_t more)
{
	size_t from = __atomic_load_n(progress, __ATOMIC_RELAXED);

	while (__atomic_load_n(progress, __ATOMIC_RELAXED) - from < more)
		sched_yield();
}

static void children_at_once(void)
{
	int fd = buffer();
	pid_t pids[16];
	size_t i, j;

	for (i = 0; i < 16; i++) {
		pids[i] = fork();
		CHECK(pids[i] >= 0);
		if (pids[i])
			continue;
		for (j = 0; j < client_rounds(100); j++)
			map_once(fd, 1 + j % NR);
		_exit(0);
	}
	for (i = 0; i < 16; i++)
		CHECK(!client_wait(pids[i]));
	close(fd);
	client_wait_buffers(0);
}

static void a_child_inherits_the_mapping(void)
{
	int fd = buffer();
	char *addr = client_map(fd, 0, NR);
	int pipe_fds[2];
	pid_t pid;
	char byte;

	CHECK(addr != MAP_FAILED && !pipe(pipe_fds));
	close(fd);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		close(pipe_fds[1]);
		CHECK(!read(pipe_fds[0], &byte, 1));
		CHECK(client_shows_scattered(addr, 1, 0, NR, NR));
		_exit(0);
	}
	CHECK(!munmap(addr, NR * PAGE));
	client_wait_buffers(1);
	close(pipe_fds[1]);
	CHECK(!client_wait(pid));
	client_wait_buffers(0);
}

/* In its parent's memory, while that one waits. */
static void a_vfork_child_maps(void)
{
	static int fd;
	static char *volatile addr;
	pid_t pid;

	fd = buffer();
	pid = vfork();
	CHECK(pid >= 0);
	if (!pid) {
		addr = client_map(fd, 0, NR);
		_exit(addr == MAP_FAILED);
	}
	CHECK(!client_wait(pid));
	CHECK(client_shows_scattered(addr, 1, 0, NR, NR));
	CHECK(!munmap(addr, NR * PAGE));
}

static void killed_while_mapping(void)
{
	int fd = buffer();
	size_t i;

	for (i = 0; i < client_rounds(KILLS); i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid)
			map_for_ever(fd);
		wait_progress(1 + i % 5);
		CHECK(!kill(pid, SIGKILL));
		CHECK(client_wait(pid) == 128 + SIGKILL);
	}
	map_once(fd, NR);
	close(fd);
	client_wait_buffers(0);
}

static void *map_for_ever_thread(void *data)
{
	map_for_ever(*(int *)data);
}

static void threads_killed_while_mapping(void)
{
	static int fd;
	size_t i, j;

	fd = buffer();
	for (i = 0; i < client_rounds(KILLS); i++) {
		pid_t pid = fork();
		pthread_t thread;

		CHECK(pid >= 0);
		if (!pid) {
			for (j = 0; j < 3; j++)
				CHECK(!pthread_create(&thread, NULL,
						      map_for_ever_thread,
						      &fd));
			wait_progress(1 + i % 5);
			/* Its end, in one way or the other. */
			if (i % 2)
				_exit(3);
			pthread_exit(NULL);
		}
		if (i % 2) {
			CHECK(client_wait(pid) == 3);
			continue;
		}
		wait_progress(8);
		CHECK(!kill(pid, SIGKILL));
		CHECK(client_wait(pid) == 128 + SIGKILL);
	}
	close(fd);
	client_wait_buffers(0);
}

/* exec(2) ends the other threads; the first one's number stays in use. */
static void *exec_thread(void *data)
{
	(void)data;
	wait_progress(3);
	execl("/proc/self/exe", "client", "range_that_begins_at_zero", NULL);
	CHECK(!"exec");
	return NULL;
}

static void exec_while_another_thread_maps(void)
{
	static int fd;
	size_t i;

	fd = buffer();
	for (i = 0; i < client_rounds(60); i++) {
		pid_t pid = fork();
		pthread_t thread;

		CHECK(pid >= 0);
		if (!pid) {
			CHECK(freopen("/dev/null", "w", stdout));
			CHECK(!pthread_create(&thread, NULL, exec_thread,
					      NULL));
			if (i % 2)
				map_for_ever(fd);
			CHECK(!pthread_create(&thread, NULL,
					      map_for_ever_thread, &fd));
			CHECK(!pthread_join(thread, NULL));
		}
		CHECK(!client_wait(pid));
	}
	close(fd);
	client_wait_buffers(0);
}

/* Nobody of the program waits for them. */
static void orphans_killed_while_mapping(void)
{
	int fd = buffer();
	size_t i;

	for (i = 0; i < client_rounds(KILLS / 3); i++) {
		int pids[2];
		pid_t pid, orphan;

		CHECK(!pipe(pids));
		pid = fork();
		CHECK(pid >= 0);
		if (!pid) {
			orphan = fork();
			CHECK(orphan >= 0);
			if (!orphan)
				map_for_ever(fd);
			CHECK(write(pids[1], &orphan, sizeof(orphan)) ==
			      sizeof(orphan));
			_exit(0);
		}
		CHECK(!client_wait(pid));
		CHECK(read(pids[0], &orphan, sizeof(orphan)) ==
		      sizeof(orphan));
		close(pids[0]);
		close(pids[1]);
		wait_progress(1 + i % 5);
		CHECK(!kill(orphan, SIGKILL));
		while (!kill(orphan, 0))
			sched_yield();
	}
	close(fd);
	client_wait_buffers(0);
}

/* A tracer is there: only what it would be in the way of fails. */
static void traced_by_somebody_else(void)
{
	int fd = buffer();
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (!pid) {
		CHECK(!ptrace(PTRACE_TRACEME, 0, 0, 0));
		CHECK(!raise(SIGSTOP));
		errno = 0;
		CHECK(client_map(fd, 0, NR) == MAP_FAILED && errno == ENODEV);
		errno = 0;
		CHECK(client_map(fd, 0, 1) == MAP_FAILED && errno == ENODEV);
		CHECK(!raise(SIGSTOP));
		/* It has let go. */
		map_once(fd, NR);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	CHECK(!ptrace(PTRACE_CONT, pid, 0, 0));
	CHECK(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	CHECK(!ptrace(PTRACE_DETACH, pid, 0, 0));
	CHECK(!client_wait(pid));
	close(fd);
	client_wait_buffers(0);
}

/* @victim is killed by a child that ends with this process. */
static _Noreturn void map_until_killed(pid_t victim, size_t after)
{
	int fd = buffer();
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid)
		map_for_ever(fd);
	CHECK(!prctl(PR_SET_PDEATHSIG, SIGKILL));
	wait_progress(after);
	CHECK(!kill(victim, SIGKILL));
	_exit(0);
}

static _Noreturn void show_error(void)
{
	int fd = buffer();

	if (client_map(fd, 0, NR) == MAP_FAILED)
		printf("mmap: %s\n", strerror(errno));
	exit(0);
}

void client_option(const char *option, size_t after)
{
	if (!strcmp(option, "--be-killed"))
		map_until_killed(getpid(), after);
	if (!strcmp(option, "--orphan"))
		map_until_killed(getppid(), after);
	if (!strcmp(option, "--show-error"))
		show_error();
}

const struct client_case process_cases[] = {
	{ "children_at_once", children_at_once },
	{ "a_child_inherits_the_mapping", a_child_inherits_the_mapping },
	{ "a_vfork_child_maps", a_vfork_child_maps },
	{ "killed_while_mapping", killed_while_mapping },
	{ "threads_killed_while_mapping", threads_killed_while_mapping },
	{ "exec_while_another_thread_maps", exec_while_another_thread_maps },
	{ "orphans_killed_while_mapping", orphans_killed_while_mapping },
	{ "traced_by_somebody_else", traced_by_somebody_else },
	{ NULL, NULL },
};
