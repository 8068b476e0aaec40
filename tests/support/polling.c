/* SPDX-License-Identifier: MIT */
/* polling.c - tests of waiting, while a fence of another process is about */
#include "polling.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fence/remote.h"
#include "leaks.h"

static bool silent_get(struct remote *remote)
{
	(void)remote;
	return false;
}

static void silent_ready(struct remote *remote)
{
	(void)remote;
	abort();
}

static struct remote silent = {
	.fd = -1,
	.get = silent_get,
	.ready = silent_ready,
};

int polling_setup(void **state)
{
	silent.fd = eventfd(0, EFD_CLOEXEC);
	if (silent.fd < 0 || remote_add(&silent) || !remote_any())
		return 1;
	return leaks_group_setup(state);
}

int polling_teardown(void **state)
{
	(void)state;
	remote_remove(&silent);
	close(silent.fd);
	return remote_any();
}
