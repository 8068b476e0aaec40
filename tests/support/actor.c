/* SPDX-License-Identifier: MIT */
/* actor.c - a second thread that does what it is told, one thing at a time */
#include "actor.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>

static void actor_act(struct actor *actor)
{
	actor_fn fn = actor->fn;
	int64_t result;

	pthread_mutex_unlock(&actor->lock);
	result = fn(actor->data);
	pthread_mutex_lock(&actor->lock);
	actor->result = result;
	actor->fn = NULL;
	pthread_cond_broadcast(&actor->changed);
}

static void *actor_main(void *data)
{
	struct actor *actor = data;

	pthread_mutex_lock(&actor->lock);
	while (!actor->quit) {
		if (actor->fn)
			actor_act(actor);
		else
			pthread_cond_wait(&actor->changed, &actor->lock);
	}
	pthread_mutex_unlock(&actor->lock);
	return NULL;
}

void actor_start(struct actor *actor)
{
	*actor = (struct actor){ 0 };
	pthread_mutex_init(&actor->lock, NULL);
	pthread_cond_init(&actor->changed, NULL);
	if (pthread_create(&actor->thread, NULL, actor_main, actor))
		abort();
}

void actor_stop(struct actor *actor)
{
	actor_end(actor);
	pthread_mutex_lock(&actor->lock);
	actor->quit = true;
	pthread_cond_broadcast(&actor->changed);
	pthread_mutex_unlock(&actor->lock);
	pthread_join(actor->thread, NULL);
	pthread_cond_destroy(&actor->changed);
	pthread_mutex_destroy(&actor->lock);
}

void actor_begin(struct actor *actor, actor_fn fn, void *data)
{
	actor_end(actor);
	pthread_mutex_lock(&actor->lock);
	actor->fn = fn;
	actor->data = data;
	pthread_cond_broadcast(&actor->changed);
	pthread_mutex_unlock(&actor->lock);
}

bool actor_is_busy(struct actor *actor)
{
	bool busy;

	pthread_mutex_lock(&actor->lock);
	busy = actor->fn != NULL;
	pthread_mutex_unlock(&actor->lock);
	return busy;
}

int64_t actor_end(struct actor *actor)
{
	int64_t result;

	pthread_mutex_lock(&actor->lock);
	while (actor->fn)
		pthread_cond_wait(&actor->changed, &actor->lock);
	result = actor->result;
	pthread_mutex_unlock(&actor->lock);
	return result;
}

int64_t actor_do(struct actor *actor, actor_fn fn, void *data)
{
	actor_begin(actor, fn, data);
	return actor_end(actor);
}

static unsigned int nr_heard;		/* atomic */

static void hear(int signal)
{
	(void)signal;
	__atomic_fetch_add(&nr_heard, 1, __ATOMIC_RELEASE);
}

static unsigned int heard(void)
{
	return __atomic_load_n(&nr_heard, __ATOMIC_ACQUIRE);
}

/*
 * A signal that comes before the wait is not seen, so it comes again. Not only
 * after it was heard: a thread sanitizer may hold it back until the thread
 * calls libc, which one that sleeps does not. So one may be left in the end, and
 * the handler stays.
 */
int64_t actor_interrupt(struct actor *actor)
{
	struct sigaction action = { .sa_handler = hear };
	unsigned int before, turns;

	sigemptyset(&action.sa_mask);
	sigaction(SIGUSR1, &action, NULL);
	while (actor_is_busy(actor)) {
		before = heard();
		pthread_kill(actor->thread, SIGUSR1);
		for (turns = 0; turns < 1000 && heard() == before; turns++)
			sched_yield();
	}
	return actor_end(actor);
}
