/* SPDX-License-Identifier: MIT */
/* check.c - what was expected of a call and what it did */
#define _GNU_SOURCE
#include "compliance.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* These three belong to the process, which has one thread. */
const struct subject *the_subject;
const struct row *the_row;
struct reporting reporting = { .fd = -1, .prefix = "      " };

#define NAME(error) { error, #error }

static const struct {
	int error;
	const char *name;
} names[] = {
	NAME(EPERM), NAME(ENOENT), NAME(EINTR), NAME(EIO), NAME(ENXIO),
	NAME(E2BIG), NAME(EBADF), NAME(ECHILD), NAME(EAGAIN), NAME(ENOMEM),
	NAME(EACCES), NAME(EFAULT), NAME(EBUSY), NAME(EEXIST), NAME(EXDEV),
	NAME(ENODEV), NAME(ENOTDIR), NAME(EISDIR), NAME(EINVAL), NAME(ENFILE),
	NAME(EMFILE), NAME(ENOTTY), NAME(ETXTBSY), NAME(EFBIG), NAME(ENOSPC),
	NAME(ESPIPE), NAME(EROFS), NAME(EPIPE), NAME(EDOM), NAME(ERANGE),
	NAME(EDEADLK), NAME(ENOSYS), NAME(ELOOP), NAME(EOVERFLOW),
	NAME(EOPNOTSUPP), NAME(ETIMEDOUT), NAME(ENOBUFS), NAME(ENOTSOCK),
#ifdef EBADFD
	NAME(EBADFD),
#endif
};

const char *errno_name(int error)
{
	static char number[32];
	size_t i;

	for (i = 0; i < NR_ELEMS(names); i++) {
		if (names[i].error == error)
			return names[i].name;
	}
	snprintf(number, sizeof(number), "errno %d", error);
	return number;
}

/* The first letter tells the parent what it is; one write is one message. */
static _Noreturn void report(char kind, const char *fmt, va_list args)
{
	char message[1000] = { kind };
	int length;

	vsnprintf(message + 1, sizeof(message) - 1, fmt, args);
	length = (int)strlen(message);
	if (write(reporting.fd, message, length) != length)
		_exit(2);
	_exit(1);
}

void fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	report('F', fmt, args);
}

void skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	report('S', fmt, args);
}

static void describe(char *text, size_t size, long long result,
		     bool as_number)
{
	if (result == ANY_FD)
		snprintf(text, size, "an fd");
	else if (result < 0)
		snprintf(text, size, "%s", errno_name((int)-result));
	else if (as_number)
		snprintf(text, size, "%lld", result);
	else
		snprintf(text, size, "success");
}

static void say(const char *what, long long result)
{
	char text[64];

	if (!reporting.verbose)
		return;
	describe(text, sizeof(text), result, true);
	printf("%s%s = %s\n", reporting.prefix, what, text);
	fflush(stdout);
}

/* Numbers of fds differ from run to run: they are not told. */
static bool result_is(long long want, long long got)
{
	return want == ANY_FD ? got >= 0 : want == got;
}

static void wrong(const char *what, long long want, long long other,
		  long long got)
{
	char want_text[64], other_text[64], got_text[64];
	bool as_number = want >= 0;

	describe(want_text, sizeof(want_text), want, as_number);
	describe(other_text, sizeof(other_text), other, as_number);
	describe(got_text, sizeof(got_text), got, as_number);
	if (want == other)
		fail("%s: expected %s, got %s", what, want_text, got_text);
	fail("%s: expected %s or %s, got %s", what, want_text, other_text,
	     got_text);
}

static void compare_results(long long want, long long other, long long got,
			    const char *fmt, va_list args)
{
	char what[512];

	vsnprintf(what, sizeof(what), fmt, args);
	say(what, got);
	if (!result_is(want, got) && !result_is(other, got))
		wrong(what, want, other, got);
}

long long expect(long long want, long long ret, const char *fmt, ...)
{
	long long got = ret == -1 ? -errno : ret;
	va_list args;

	va_start(args, fmt);
	compare_results(want, want, got, fmt, args);
	va_end(args);
	return got;
}

long long expect_either(long long want, long long other, long long ret,
			const char *fmt, ...)
{
	long long got = ret == -1 ? -errno : ret;
	va_list args;

	va_start(args, fmt);
	compare_results(want, other, got, fmt, args);
	va_end(args);
	return got;
}

/* @want: 0, or an errno with a minus sign. Return: the address, or NULL. */
void *expect_map(int want, void *addr, const char *fmt, ...)
{
	long long got = addr == MAP_FAILED ? -errno : 0;
	char what[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	say(what, got);
	if (want != got && want)
		wrong(what, want, want, got);
	if (want != got)
		fail("%s: expected a mapping, got %s", what,
		     errno_name((int)-got));
	return got ? NULL : addr;
}

void expect_value(long long want, long long got, const char *fmt, ...)
{
	char what[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	say(what, got);
	if (want != got)
		fail("%s: expected %lld, got %lld", what, want, got);
}

/* Numbers of fds differ from run to run: only --verbose tells them. */
void expect_lowest(int lowest, int fd, const char *what)
{
	say("lowest free number", lowest);
	say(what, fd);
	if (fd != lowest)
		fail("%s: expected the lowest free number, got another", what);
}

/* Into @text; of which kind @bits are. */
typedef void describe_fn(char *text, size_t size, unsigned int bits);

/* @quote: around both, "" where they are numbers or names */
static void compare_texts(const char *want, const char *got, const char *quote,
			  const char *fmt, va_list args)
{
	char what[512];

	vsnprintf(what, sizeof(what), fmt, args);
	if (reporting.verbose) {
		printf("%s%s = %s%s%s\n", reporting.prefix, what, quote, got,
		       quote);
		fflush(stdout);
	}
	if (strcmp(want, got))
		fail("%s: expected %s%s%s, got %s%s%s", what, quote, want,
		     quote, quote, got, quote);
}

static void compare_bits(describe_fn *describe_bits, unsigned int want,
			 unsigned int got, const char *fmt, va_list args)
{
	char want_text[128], got_text[128];

	describe_bits(want_text, sizeof(want_text), want);
	describe_bits(got_text, sizeof(got_text), got);
	compare_texts(want_text, got_text, "", fmt, args);
}

static void describe_octal(char *text, size_t size, unsigned int bits)
{
	snprintf(text, size, "%#o", bits);
}

void expect_octal(unsigned int want, unsigned int got, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	compare_bits(describe_octal, want, got, fmt, args);
	va_end(args);
}

static void describe_events(char *text, size_t size, unsigned int events)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} bits[] = {
		{ POLLIN, "POLLIN" }, { POLLPRI, "POLLPRI" },
		{ POLLOUT, "POLLOUT" }, { POLLERR, "POLLERR" },
		{ POLLHUP, "POLLHUP" }, { POLLNVAL, "POLLNVAL" },
		{ POLLRDNORM, "POLLRDNORM" }, { POLLWRNORM, "POLLWRNORM" },
	};
	size_t length = 0, i;

	text[0] = '\0';
	for (i = 0; i < NR_ELEMS(bits); i++) {
		if (!(events & bits[i].bit))
			continue;
		length += snprintf(text + length, size - length, "%s%s",
				   length ? " | " : "", bits[i].name);
		events &= ~bits[i].bit;
	}
	if (events || !length)
		snprintf(text + length, size - length, "%s%#x",
			 length ? " | " : "", events);
}

/* Of epoll, whose bits are the same, as well. */
void expect_events(unsigned int want, unsigned int got, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	compare_bits(describe_events, want, got, fmt, args);
	va_end(args);
}

void expect_text(const char *want, const char *got, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	compare_texts(want, got, "\"", fmt, args);
	va_end(args);
}

int must(long long ret, const char *fmt, ...)
{
	long long got = ret == -1 ? -errno : ret;
	char what[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	say(what, got);
	if (got < 0)
		fail("set-up: %s: %s", what, errno_name((int)-got));
	return (int)got;
}
