/* SPDX-License-Identifier: MIT */
/* log.c - a line for each call that was answered, in the manner of strace */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bsd/string.h>

#include "run.h"

static FILE *file;	/* constant after log_open() */

/*
 * The supervisor's own: what the program writes to its stderr is not mixed up.
 */
int log_open(void)
{
	if (!options.log)
		return 0;
	if (options.log_file) {
		file = fopen(options.log_file, "we");
	} else {
		int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

		file = fd < 0 ? NULL : fdopen(fd, "w");
	}
	if (!file) {
		complain("%s: %s", options.log_file ? options.log_file :
						      "stderr",
			 strerror(errno));
		return -errno;
	}
	setvbuf(file, NULL, _IOLBF, 0);
	return 0;
}

static void result_print(char *to, size_t size, long result)
{
	/* Of the kernel's own: the call is made again, or ends with EINTR. */
	if (result < 0 && !strerrorname_np((int)-result))
		snprintf(to, size, "? (interrupted)");
	else if (result < 0)
		snprintf(to, size, "-1 %s (%s)", strerrorname_np((int)-result),
			 strerrordesc_np((int)-result));
	else if (result > 0xffff)
		snprintf(to, size, "%#lx", result);
	else
		snprintf(to, size, "%ld", result);
}

/* A log with holes is not to look like a whole one. */
static void holes_tell(void)
{
	static bool said;	/* atomic */

	if (ferror(file) && !__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
		complain("the log: %s", strerror(errno));
}

static void line_print(const struct call *call, const char *text)
{
	if (call->detail[0])
		fprintf(file, "%d %s = %s\n", call->tid, call->detail, text);
	else
		fprintf(file, "%d %s(%#llx, %#llx, %#llx) = %s\n", call->tid,
			call->name ? call->name : "call",
			(unsigned long long)call->args[0],
			(unsigned long long)call->args[1],
			(unsigned long long)call->args[2], text);
	holes_tell();
}

void log_call(const struct call *call, long result)
{
	char text[96];

	if (!file)
		return;
	result_print(text, sizeof(text), result);
	if (call->note) {
		strlcat(text, " ", sizeof(text));
		strlcat(text, call->note, sizeof(text));
	}
	line_print(call, text);
}

void log_passed(const struct call *call)
{
	if (file)
		line_print(call, "? (the kernel's answer)");
}

void log_line(const char *format, ...)
{
	va_list args;

	if (!file)
		return;
	va_start(args, format);
	flockfile(file);
	fputs("dmabuf-run: ", file);
	vfprintf(file, format, args);
	fputc('\n', file);
	funlockfile(file);
	holes_tell();
	va_end(args);
}
