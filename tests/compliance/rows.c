/* SPDX-License-Identifier: MIT */
/*
 * rows.c - dmabuf-compliance's runner on rows that go wrong in every way
 *
 * usage: compliance-rows [--tap | --verbose]
 * What it prints is compared by check.sh.
 */
#define _GNU_SOURCE
#include "compliance.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static void right(void)
{
	expect(0, close(must(dup(0), "dup(0)")), "close(copy)");
	expect(ANY_FD, dup(0), "dup(0)");
	expect(-EBADF, close(900), "close(900)");
	expect_either(-EINVAL, -EBADF, close(900), "close(900)");
	expect_text("same", "same", "a text");
}

static void other_errno(void)
{
	expect(-EINVAL, close(900), "close(900)");
}

static void success(void)
{
	expect(-EINVAL, dup(0), "dup(0)");
}

static void no_fd(void)
{
	expect(ANY_FD, dup(900), "dup(900)");
}

static void neither(void)
{
	expect_either(-EINVAL, ANY_FD, close(900), "close(900)");
}

static void value(void)
{
	expect_value(3, 4, "a number");
}

static void mode(void)
{
	expect_octal(0600, 0600, "a mode");
	expect_octal(0600, 0100640, "a mode");
}

static void events(void)
{
	expect_events(0, 0, "events");
	expect_events(POLLOUT, POLLIN | POLLRDNORM, "events");
}

static void no_events(void)
{
	expect_events(POLLIN, 0, "events");
}

static void odd_events(void)
{
	expect_events(POLLIN, POLLIN | 1u << 20, "events");
}

static void text(void)
{
	expect_text("abc", "abd", "a text");
}

static void mapping(void)
{
	errno = ENOMEM;
	expect_map(0, MAP_FAILED, "mmap(nothing)");
}

static void no_mapping(void)
{
	expect_map(-EINVAL, bad_pointer(), "mmap(a page)");
}

static void unknown_errno(void)
{
	errno = 4095;
	expect(0, -1, "nothing");
}

static void skips(void)
{
	skip("not today");
}

/* Not to be taken for an error of the program by a sanitizer. */
static void crashes(void)
{
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
}

static void aborts(void)
{
	abort();
}

static void exits(void)
{
	_exit(7);
}

static void hangs(void)
{
	for (;;)
		pause();
}

/* Neither the alarm nor a polite signal ends it. */
static void hangs_deaf(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	for (;;)
		pause();
}

static void leaves_child_hanging(void)
{
	if (!fork())
		hangs_deaf();
}

static void fails_child(void *arg)
{
	(void)arg;
	expect(0, close(900), "close(900) in a child");
}

static void child_fails(void)
{
	in_child(fails_child, NULL);
	fail("not reached");
}

static void dies_child(void *arg)
{
	raise(*(int *)arg);
}

static void child_dies(void)
{
	int signal = SIGKILL;

	in_child(dies_child, &signal);
}

static void leaks(void)
{
	while (dup(0) >= 0)
		continue;
}

static void no_leak_is_left(void)
{
	struct fd_snapshot before;

	fds_snapshot(&before);
	expect_no_new_fd(&before);
	fds_use_up();
	expect(-EMFILE, dup(0), "dup(0)");
	fds_allow_more();
	close(must(dup(0), "dup(0)"));
	expect_no_new_fd(&before);
}

static void touches(void)
{
	char *addr = read_only_copy("x", 1);

	expect_value(0, touch_read(addr), "signal of a read");
	expect_value(SIGSEGV, touch_write(addr), "signal of a write");
	expect_value(SIGSEGV, touch_read(bad_pointer()), "signal of a read");
	expect_value(SIGSEGV, touch_read((char *)at_page_end("xy", 2) + 2),
		     "signal of a read");
}

static void long_text(void)
{
	char many[2000];

	memset(many, 'x', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	fail("%s", many);
}

#define ROW(name, function) \
	{ .id = name, .title = "title of " name, .run = function }

static const struct row rows[] = {
	ROW("right", right),
	ROW("other-errno", other_errno),
	ROW("success", success),
	ROW("no-fd", no_fd),
	ROW("neither", neither),
	ROW("value", value),
	ROW("text", text),
	ROW("mode", mode),
	ROW("events", events),
	ROW("no-events", no_events),
	ROW("odd-events", odd_events),
	ROW("mapping", mapping),
	ROW("no-mapping", no_mapping),
	ROW("unknown-errno", unknown_errno),
	ROW("skips", skips),
	ROW("crashes", crashes),
	ROW("aborts", aborts),
	ROW("exits", exits),
	ROW("hangs", hangs),
	ROW("hangs-deaf", hangs_deaf),
	ROW("leaves-child-hanging", leaves_child_hanging),
	ROW("child-fails", child_fails),
	ROW("child-dies", child_dies),
	ROW("leaks", leaks),
	ROW("no-leak-is-left", no_leak_is_left),
	ROW("touches", touches),
	ROW("long-text", long_text),
	ROW("left-out", aborts),
};

static const struct group group = GROUP(TARGET_SYNC_FILE, rows);

int main(int argc, char **argv)
{
	const struct group *groups[] = { &group };
	struct choice choice = {
		.skip = "nothing,left-*", .seconds = 1,
		.tap = argc > 1 && !strcmp(argv[1], "--tap"),
	};
	struct rlimit no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	reporting.verbose = argc > 1 && !strcmp(argv[1], "--verbose");
	return run_all(groups, NR_ELEMS(groups), &choice);
}
