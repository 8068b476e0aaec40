/* SPDX-License-Identifier: MIT */
/* warns.c - expecting warnings of the library */
#include "warns.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <bsd/string.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char last[1024];			/* lock */
static unsigned long asked;		/* of the asking thread */

static void keep(const char *report, void *data)
{
	(void)data;
	pthread_mutex_lock(&lock);
	strlcpy(last, report, sizeof(last));
	pthread_mutex_unlock(&lock);
}

void warns_begin(void)
{
	dmabuf_set_warn_handler(keep, NULL);
	asked = dmabuf_warn_count();
	pthread_mutex_lock(&lock);
	last[0] = '\0';
	pthread_mutex_unlock(&lock);
}

unsigned long warns_seen(void)
{
	unsigned long now = dmabuf_warn_count();
	unsigned long seen = now - asked;

	asked = now;
	return seen;
}

const char *warns_last(void)
{
	static char copy[sizeof(last)];

	pthread_mutex_lock(&lock);
	strlcpy(copy, last, sizeof(copy));
	pthread_mutex_unlock(&lock);
	return copy;
}

void warns_check(const char *text, const char *file, int line)
{
	unsigned long seen = warns_seen();

	if (seen == 1 && strstr(warns_last(), text))
		return;
	print_error("%lu warnings, the last one is \"%s\", not \"%s\"\n", seen,
		    warns_last(), text);
	_fail(file, line);
}
