/* SPDX-License-Identifier: MIT */
/* waiting.h - buffers with fences, and threads that wait for them */
#ifndef TESTS_RUN_POLL_WAITING_H
#define TESTS_RUN_POLL_WAITING_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include "../run-program/client.h"

/* Newer machines have none but those with a mask, and libraries use these. */
#ifndef SYS_poll
#define SYS_poll SYS_ppoll
#define SYS_select SYS_pselect6
#define SYS_epoll_wait SYS_epoll_pwait
#endif

/* A buffer whose first fence is pending until the timeline's next step */
struct pending {
	int buffer, timeline;
};

struct pending pending_new(unsigned int flags);

/* One more, done with step @value of the timeline */
void pending_add(const struct pending *pending, unsigned int flags,
		 unsigned int value);
void pending_step(const struct pending *pending);
void pending_close(const struct pending *pending);

/* What poll(2) of one fd says at once, or within the time; 0: nothing */
int poll_now(int fd, int events);
int poll_for(int fd, int events, int timeout_ms);

/* A thread that runs @run; started: it is stopped in system call @nr. */
struct waiter {
	pthread_t thread;
	void (*run)(struct waiter *waiter);
	pid_t tid;		/* atomic */
	bool done;		/* atomic */
	int fd, events;		/* for @run */
	int result, error;	/* of it */
};

void waiter_start(struct waiter *waiter, void (*run)(struct waiter *waiter),
		  int fd, int events, long nr);
void waiter_end(struct waiter *waiter);

/* poll(2) without a timeout: the result is revents, or -1 */
void waiter_poll(struct waiter *waiter);

/* Until that process or thread is stopped in system call @nr */
void wait_for_call(pid_t pid, pid_t tid, long nr);

/* Is one of the process's threads stopped in it? */
bool has_thread_in(pid_t pid, long nr);

/* The cases, by name */
void case_polls(void);
void case_poll_others(void);
void case_poll_wrong(void);
void case_poll_many(void);
void case_selects(void);
void case_select_others(void);
void case_select_wrong(void);
void case_epolls(void);
void case_epoll_changes(void);
void case_epoll_wrong(void);
void case_epoll_closes(void);
void case_epoll_shared(void);
void case_interrupted(void);
void case_masked(void);
void case_masked_select(void);
void case_stopped(void);
void case_stopped_threads(void);
void case_signalfd(void);
void case_processes(void);
void case_killed(void);

#endif
