/* SPDX-License-Identifier: MIT */
/* held.h - who holds which lock */
#ifndef TESTS_HELD_H
#define TESTS_HELD_H

#include <pthread.h>
#include <stdbool.h>

/* Does some thread, the caller included, hold it? Asks another thread. */
bool mutex_is_held(pthread_mutex_t *mutex);

#endif
