/* SPDX-License-Identifier: MIT */
/* report.c - telling of misuse (WARN) and of broken state (BUG) */
#include "base/report.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <dmabuf/dmabuf.h>

#include "base/context.h"
#include "base/fork.h"

struct handler {
	dmabuf_report_fn fn;
	void *data;
};

/* A leaf lock: function and data are set and read together. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct handler bug_handler;	/* lock */
static struct handler warn_handler;	/* lock */
static unsigned long warn_count;	/* atomic */

static void fork_lock(void)
{
	pthread_mutex_lock(&lock);
}

static void fork_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

static void fork_child(bool locked)
{
	if (locked)
		pthread_mutex_unlock(&lock);
	else
		pthread_mutex_init(&lock, NULL);
}

static struct fork_hook hook = {
	.lock = fork_lock,
	.unlock = fork_unlock,
	.child = fork_child,
};

static void handlers_lock(void)
{
	fork_check(&hook);
	pthread_mutex_lock(&lock);
}

static void print_report(const char *report, void *data)
{
	(void)data;
	fprintf(stderr, "%s\n", report);
}

static void handler_set(struct handler *handler, dmabuf_report_fn fn,
			void *data)
{
	handlers_lock();
	*handler = (struct handler){ fn, data };
	pthread_mutex_unlock(&lock);
}

static void handler_call(const struct handler *handler, const char *report)
{
	struct handler now;

	handlers_lock();
	now = *handler;
	pthread_mutex_unlock(&lock);
	if (!now.fn)
		now.fn = print_report;
	now.fn(report, now.data);
}

static void report_format(char *report, const char *kind, const char *function,
			  const char *format, va_list args)
{
	int len = snprintf(report, REPORT_MAX, "libdmabuf: %s: %s: ", kind,
			   function);

	if (len >= 0 && len < REPORT_MAX)
		vsnprintf(report + len, REPORT_MAX - (size_t)len, format, args);
}

void report_warn(const char *function, const char *format, ...)
{
	char report[REPORT_MAX];
	va_list args;

	va_start(args, format);
	report_format(report, "WARN", function, format, args);
	va_end(args);
	__atomic_fetch_add(&warn_count, 1, __ATOMIC_RELAXED);
	handler_call(&warn_handler, report);
}

void report_bug(const char *function, const char *format, ...)
{
	char report[REPORT_MAX];
	va_list args;

	va_start(args, format);
	report_format(report, "BUG", function, format, args);
	va_end(args);
	context_abandon();
	handler_call(&bug_handler, report);
	abort();
}

void dmabuf_set_bug_handler(dmabuf_report_fn fn, void *data)
{
	handler_set(&bug_handler, fn, data);
}

void dmabuf_set_warn_handler(dmabuf_report_fn fn, void *data)
{
	handler_set(&warn_handler, fn, data);
}

unsigned long dmabuf_warn_count(void)
{
	return __atomic_load_n(&warn_count, __ATOMIC_RELAXED);
}
