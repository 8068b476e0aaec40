/* SPDX-License-Identifier: MIT */
/* fail.c - calls that are to fail: --fail */
#include "fail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <bsd/string.h>
#include <bsd/sys/queue.h>

#include "decode.h"
#include "run.h"

struct failure {
	SLIST_ENTRY(failure) link;
	char call[64];
	unsigned long nr;	/* of the call that fails */
	unsigned long left;	/* atomic: calls up to that one */
	int error;
};

/* Constant after options_parse(), but for what is left. */
static SLIST_HEAD(, failure) failures = SLIST_HEAD_INITIALIZER(failures);

static int error_parse(const char *word)
{
	char *end;
	long number = strtol(word, &end, 10);
	int i;

	if (end != word && !*end)
		return number > 0 && number < 4096 ? (int)number : 0;
	for (i = 1; i < 200; i++) {
		const char *name = strerrorname_np(i);

		if (name && !strcasecmp(name, word))
			return i;
	}
	return 0;
}

static bool is_call(const char *name)
{
	return !strcasecmp(name, "alloc") || !strcasecmp(name, "mmap") ||
	       decode_knows(name);
}

static bool failure_parse(struct failure *failure, char *arg)
{
	const char *call = strsep(&arg, ":");
	const char *number = strsep(&arg, ":");
	char *end = NULL;

	/* Both are one name, as headers have it. */
	if (!strcasecmp(call, "DMA_BUF_SET_NAME"))
		call = "DMA_BUF_SET_NAME_B";
	strlcpy(failure->call, call, sizeof(failure->call));
	errno = 0;
	failure->nr = number ? strtoul(number, &end, 10) : 0;
	failure->left = failure->nr;
	failure->error = arg ? error_parse(arg) : ENOMEM;
	if (!is_call(call))
		complain("--fail: %s is neither alloc, mmap, nor an ioctl that "
			 "--log shows", call);
	else if (!failure->nr || *end || *number == '-' || errno)
		complain("--fail wants CALL:N or CALL:N:ERRNO, N from 1 on");
	else if (!failure->error)
		complain("--fail: %s is no errno", arg);
	else
		return true;
	return false;
}

bool fail_parse(char *arg)
{
	struct failure *failure = calloc(1, sizeof(*failure));

	if (!failure) {
		complain("no memory");
		return false;
	}
	if (!failure_parse(failure, arg)) {
		free(failure);
		return false;
	}
	SLIST_INSERT_HEAD(&failures, failure, link);
	return true;
}

static bool is_its_turn(struct failure *failure)
{
	unsigned long left = __atomic_load_n(&failure->left, __ATOMIC_RELAXED);

	while (left)
		if (__atomic_compare_exchange_n(&failure->left, &left, left - 1,
						true, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return left == 1;
	return false;
}

/* All count it; who was given last is the first here, and is heard. */
int fail_take(struct call *call, bool allocates)
{
	struct failure *failure;
	int ret = 0;

	SLIST_FOREACH(failure, &failures, link)
		if (!strcasecmp(failure->call, call->name) ||
		    (allocates && !strcasecmp(failure->call, "alloc")))
			if (is_its_turn(failure) && !ret)
				ret = -failure->error;
	if (ret)
		call->note = "(INJECTED)";
	return ret;
}

/* Who waits for a failure that never comes wants to know. */
void fail_report(void)
{
	struct failure *failure;
	unsigned long left;

	SLIST_FOREACH(failure, &failures, link) {
		left = __atomic_load_n(&failure->left, __ATOMIC_RELAXED);
		if (left)
			complain("--fail %s:%lu: number %lu never came; calls "
				 "in all: %lu", failure->call, failure->nr,
				 failure->nr, failure->nr - left);
	}
}
