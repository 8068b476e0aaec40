/* SPDX-License-Identifier: MIT */
/* held.c - who holds which lock */
#include "held.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void *try(void *data)
{
	pthread_mutex_t *mutex = data;

	if (pthread_mutex_trylock(mutex))
		return mutex;
	pthread_mutex_unlock(mutex);
	return NULL;
}

bool mutex_is_held(pthread_mutex_t *mutex)
{
	pthread_t thread;
	void *held;

	assert_int_equal(pthread_create(&thread, NULL, try, mutex), 0);
	assert_int_equal(pthread_join(thread, &held), 0);
	return held != NULL;
}
