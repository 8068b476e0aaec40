/* SPDX-License-Identifier: MIT */
/*
 * run.c - runs rows, each in a process of its own, and prints a line for each
 *
 * A row's process says nothing when all was as expected. Else it writes one
 * message to a pipe, whose first letter is F (failed) or S (skipped), and
 * exits. It may die, hang, change limits or leave fds open: the next row does
 * not notice.
 */
#define _GNU_SOURCE
#include "compliance.h"

#include <errno.h>
#include <fnmatch.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The row's own alarm comes first; the parent's patience ends later. */
#define MORE_PATIENCE_MS 1000

enum verdict { OK, FAIL, SKIP, NR_VERDICTS };

struct outcome {
	enum verdict verdict;
	char text[1024];
};

struct tally {
	unsigned int rows;
	unsigned int of[NR_VERDICTS];
};

bool globs_match(const char *globs, const char *id)
{
	char glob[256];
	size_t length;

	while (globs && *globs) {
		length = strcspn(globs, ",");
		snprintf(glob, sizeof(glob), "%.*s", (int)length, globs);
		if (!fnmatch(glob, id, 0))
			return true;
		globs += length;
		globs += *globs == ',';
	}
	return false;
}

bool choice_wants(const struct choice *choice, const char *id)
{
	return !choice->only || globs_match(choice->only, id);
}

static void row_process(int fd, unsigned int seconds)
{
	setpgid(0, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, SIG_DFL);
	alarm(seconds);
	reporting.fd = fd;
	the_row->run();
	_exit(0);
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/*
 * Until the last process of the row has closed the pipe.
 *
 * Return: false when that took too long.
 */
static bool message_read(int fd, unsigned int seconds, char *text,
			 size_t size)
{
	long long end = now_ms() + seconds * 1000LL + MORE_PATIENCE_MS, left;
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	size_t length = 0;
	ssize_t got;
	char drop[256];

	text[0] = '\0';
	while ((left = end - now_ms()) > 0) {
		if (poll(&pollfd, 1, (int)left) <= 0)
			continue;
		if (length < size - 1)
			got = read(fd, text + length, size - 1 - length);
		else
			got = read(fd, drop, sizeof(drop));
		if (got <= 0)
			return true;
		if (length < size - 1)
			length += got;
		text[length] = '\0';
	}
	return false;
}

static void judge(struct outcome *outcome, int status, const char *message,
		  bool in_time, unsigned int seconds)
{
	outcome->verdict = FAIL;
	if (message[0] == 'F' || message[0] == 'S') {
		outcome->verdict = message[0] == 'F' ? FAIL : SKIP;
		snprintf(outcome->text, sizeof(outcome->text), "%s",
			 message + 1);
	} else if (!in_time || (WIFSIGNALED(status) &&
				WTERMSIG(status) == SIGALRM)) {
		snprintf(outcome->text, sizeof(outcome->text),
			 "no end within %u s", seconds);
	} else if (WIFSIGNALED(status)) {
		snprintf(outcome->text, sizeof(outcome->text),
			 "died of signal %d", WTERMSIG(status));
	} else if (WEXITSTATUS(status)) {
		snprintf(outcome->text, sizeof(outcome->text),
			 "exited with status %d", WEXITSTATUS(status));
	} else {
		outcome->verdict = OK;
		outcome->text[0] = '\0';
	}
}

static void row_run(struct outcome *outcome, unsigned int seconds)
{
	char message[sizeof(outcome->text)];
	int fds[2], status = 0;
	bool in_time;
	pid_t pid;

	fflush(stdout);
	if (pipe(fds))
		goto err;
	pid = fork();
	if (pid < 0)
		goto err_pipe;
	if (!pid) {
		close(fds[0]);
		row_process(fds[1], seconds);
	}
	setpgid(pid, pid);
	close(fds[1]);
	in_time = message_read(fds[0], seconds, message, sizeof(message));
	close(fds[0]);
	if (!in_time)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	judge(outcome, status, message, in_time, seconds);
	return;

err_pipe:
	close(fds[0]);
	close(fds[1]);
err:
	outcome->verdict = FAIL;
	snprintf(outcome->text, sizeof(outcome->text), "no process: %s",
		 errno_name(errno));
}

static void print_text(const struct row *row, const char *subject,
		       const struct outcome *outcome)
{
	static const char *const words[] = { "ok   ", "FAIL ", "skip " };

	printf("%s %s%s", words[outcome->verdict], row->id, subject);
	if (outcome->verdict == OK)
		printf(": %s\n", row->title);
	else
		printf(": %s\n", outcome->text);
}

static void print_tap(const struct row *row, const char *subject,
		      const struct outcome *outcome, unsigned int number)
{
	printf("%s %u - %s%s: %s", outcome->verdict == FAIL ? "not ok" : "ok",
	       number, row->id, subject, row->title);
	if (outcome->verdict == SKIP)
		printf(" # SKIP %s", outcome->text);
	printf("\n");
	if (outcome->verdict == FAIL)
		printf("# %s\n", outcome->text);
}

static void row_do(const struct row *row, const struct subject *on,
		   const char *why_not, const struct choice *choice,
		   struct tally *tally)
{
	struct outcome outcome = { .verdict = SKIP };
	char subject[80] = "";

	if (on)
		snprintf(subject, sizeof(subject), " [%s]", on->name);
	if (globs_match(choice->skip, row->id))
		why_not = "left out, as asked";
	the_row = row;
	the_subject = on;
	if (why_not)
		snprintf(outcome.text, sizeof(outcome.text), "%s", why_not);
	else if (on && on->why_not)
		snprintf(outcome.text, sizeof(outcome.text),
			 "cannot be opened: %s", on->why_not);
	else
		row_run(&outcome, choice->seconds);
	tally->rows++;
	tally->of[outcome.verdict]++;
	if (choice->tap)
		print_tap(row, subject, &outcome, tally->rows);
	else
		print_text(row, subject, &outcome);
	fflush(stdout);
}

/* With @tally NULL rows are counted, not run. Return: their number. */
static unsigned int group_run(const struct group *group,
			      const struct choice *choice, struct tally *tally)
{
	const struct subject *subjects[MAX_HEAPS + 1] = { NULL };
	const char *why_not;
	unsigned int rows = 0;
	size_t nr, i, j;

	nr = target_subjects(group->target, subjects, &why_not);
	for (i = 0; i < (nr ? nr : 1); i++) {
		for (j = 0; j < group->nr_rows; j++) {
			if (!choice_wants(choice, group->rows[j].id))
				continue;
			rows++;
			if (tally)
				row_do(&group->rows[j], subjects[i], why_not,
				       choice, tally);
		}
	}
	return rows;
}

/* Return: the exit status. */
int run_all(const struct group *const *groups, size_t nr_groups,
	    const struct choice *choice)
{
	struct tally tally = { .rows = 0 };
	unsigned int rows = 0;
	size_t i;

	for (i = 0; i < nr_groups; i++)
		rows += group_run(groups[i], choice, NULL);
	if (choice->tap)
		printf("TAP version 13\n1..%u\n", rows);
	for (i = 0; i < nr_groups; i++)
		group_run(groups[i], choice, &tally);
	printf("%s%u rows: %u ok, %u failed, %u skipped\n",
	       choice->tap ? "# " : "", tally.rows, tally.of[OK],
	       tally.of[FAIL], tally.of[SKIP]);
	return tally.of[FAIL] ? 1 : 0;
}
