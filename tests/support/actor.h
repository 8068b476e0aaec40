/* SPDX-License-Identifier: MIT */
/* actor.h - a second thread that does what it is told, one thing at a time */
#ifndef TESTS_ACTOR_H
#define TESTS_ACTOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef int64_t (*actor_fn)(void *data);

struct actor {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	actor_fn fn;		/* lock; NULL: it waits for something to do */
	void *data;
	int64_t result;
	bool quit;		/* lock */
};

void actor_start(struct actor *actor);
void actor_stop(struct actor *actor);

/* Have it begin with @fn, which asserts nothing. */
void actor_begin(struct actor *actor, actor_fn fn, void *data);

/* Is it still at it? Only a hint, unless it cannot have ended. */
bool actor_is_busy(struct actor *actor);

/* Wait until it has done so. */
int64_t actor_end(struct actor *actor);

/* Both in one. */
int64_t actor_do(struct actor *actor, actor_fn fn, void *data);

/* actor_end(), interrupting it with signals until then. */
int64_t actor_interrupt(struct actor *actor);

#endif
