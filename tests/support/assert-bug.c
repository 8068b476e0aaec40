/* SPDX-License-Identifier: MIT */
/* assert-bug.c - expecting a BUG */
#include "assert-bug.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bsd/string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#define REPORT_MAX 4096

/* In a child */

static _Noreturn void child_run(bug_fn fn, void *data, int err)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	signal(SIGABRT, SIG_DFL);
	dup2(err, STDERR_FILENO);
	dmabuf_set_bug_handler(NULL, NULL);
	fn(data);
	_exit(EXIT_SUCCESS);
}

/* Read to the end; what does not fit is dropped. */
static void read_all(int fd, char text[REPORT_MAX])
{
	char chunk[512];
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk) - 1)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		assert_true(n > 0);
		chunk[n] = '\0';
		len = strlcpy(text + len, chunk, REPORT_MAX - len) + len;
		if (len >= REPORT_MAX)
			len = REPORT_MAX - 1;
	}
	text[len] = '\0';
}

void bug_check(bug_fn fn, void *data, const char *text, const char *file,
	       int line)
{
	char report[REPORT_MAX];
	int fds[2];
	int status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child_run(fn, data, fds[1]);
	close(fds[1]);
	read_all(fds[0], report);
	close(fds[0]);
	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
	    strstr(report, "libdmabuf: BUG: ") && strstr(report, text))
		return;
	print_error("no BUG with \"%s\" in a child; it ended with status 0x%x, "
		    "having printed:\n%s\n", text, (unsigned int)status,
		    report);
	_fail(file, line);
}

/* In this process */

static pthread_mutex_t catchers_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int nr_catchers;	/* catchers_lock */

static __thread jmp_buf way_out;
static __thread char caught[REPORT_MAX];

static void catch(const char *report, void *data)
{
	(void)data;
	strlcpy(caught, report, sizeof(caught));
	longjmp(way_out, 1);
}

static void catcher_add(void)
{
	pthread_mutex_lock(&catchers_lock);
	if (!nr_catchers++)
		dmabuf_set_bug_handler(catch, NULL);
	pthread_mutex_unlock(&catchers_lock);
}

static void catcher_remove(void)
{
	pthread_mutex_lock(&catchers_lock);
	if (!--nr_catchers)
		dmabuf_set_bug_handler(NULL, NULL);
	pthread_mutex_unlock(&catchers_lock);
}

const char *bug_caught(bug_fn fn, void *data)
{
	const char *volatile report = NULL;

	catcher_add();
	if (setjmp(way_out))
		report = caught;
	else
		fn(data);
	catcher_remove();
	return report;
}

void bug_caught_check(bug_fn fn, void *data, const char *text,
		      const char *file, int line)
{
	const char *report = bug_caught(fn, data);

	if (report && strstr(report, text))
		return;
	print_error("the BUG is \"%s\", not \"%s\"\n",
		    report ? report : "(none)", text);
	_fail(file, line);
}
