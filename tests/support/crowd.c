/* SPDX-License-Identifier: MIT */
/* crowd.c - threads that run the same function, starting together */
#include "crowd.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct member {
	struct crowd *crowd;
	unsigned int me;
	pthread_t thread;
};

static void *member_main(void *data)
{
	struct member *member = data;

	pthread_barrier_wait(&member->crowd->barrier);
	member->crowd->run(member->crowd, member->me);
	return NULL;
}

void crowd_meet(struct crowd *crowd)
{
	pthread_barrier_wait(&crowd->barrier);
}

void crowd_run(struct crowd *crowd, unsigned int nr)
{
	struct member members[NR_THREADS + 1];
	unsigned int i;

	crowd->nr = nr;
	crowd->faults = 0;
	pthread_barrier_init(&crowd->barrier, NULL, nr);
	for (i = 0; i < nr; i++) {
		members[i].crowd = crowd;
		members[i].me = i;
		if (pthread_create(&members[i].thread, NULL, member_main,
				   &members[i]))
			abort();
	}
	for (i = 0; i < nr; i++)
		pthread_join(members[i].thread, NULL);
	pthread_barrier_destroy(&crowd->barrier);
}

void crowd_check(struct crowd *crowd, unsigned int nr)
{
	crowd_run(crowd, nr);
	assert_int_equal(crowd->faults, 0);
}
