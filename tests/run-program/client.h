/* SPDX-License-Identifier: MIT */
/* client.h - what programs do with dma-buf devices, by the uAPI alone */
#ifndef TESTS_RUN_PROGRAM_CLIENT_H
#define TESTS_RUN_PROGRAM_CLIENT_H

#include <errno.h>
#include <linux/dma-buf.h>
#include <linux/types.h>

#define SIZE 12288	/* of the buffers */

/* Says so, and ends with 1, unless @ok. */
#define CHECK(ok) check((ok) != 0, #ok, __FILE__, __LINE__)
void check(int ok, const char *what, const char *file, int line);

/*
 * Under dmabuf-run a handler without SA_RESTART that comes at the very start of
 * a call ends it with EINTR, whichever call it is.
 */
#define RETRY(call)							\
	({								\
		__typeof__(call) result_;				\
		do							\
			result_ = (call);				\
		while (result_ == (__typeof__(call))-1 && errno == EINTR); \
		result_;						\
	})

/* All end the program when they cannot. */
int heap_open(void);
int buffer_new(void);
char *buffer_map(int fd);
void buffer_sync(int fd, __u64 flags);

/* Timelines; the fence's fd is close-on-exec. */
int timeline_new(void);
int timeline_fence(int timeline, unsigned int value);
void timeline_inc(int timeline, unsigned int count);
void fence_import(int buffer, int fence, unsigned int flags);

/* An fd through a socket */
void fd_send(int to, int fd);
int fd_receive(int from);

/* How many buffers bufinfo lists */
unsigned int buffers_listed(void);

/* What a program does in a whole life with a buffer; 0 or -1 with errno */
int life(void);

/* The cases, by name */
void case_threads(void);
void case_forks(void);
void case_vforks(void);
void case_execs(char *self);
void case_crowd(void);
void case_signals(void);
void case_killed(void);
void case_hostile(void);
void case_passed(void);
void case_copies(void);
void case_many_fds(void);
void case_few_fds(void);
void case_owned(void);
void case_no_room(void);
void case_file_server(const char *directory);
void case_waits(void);
void case_wait_counted(void);
void case_wait_interrupted(void);
void case_wait_killed(void);
void case_wait_restarted(void);
void case_argument_changes(void);
void case_second_fds(void);
void case_own_fds(void);
void case_below_directory(void);
void case_timeline_dies(void);
void case_memfds(void);
void case_memfds_hidden(void);
void case_small_pages(void);
void case_list(void);
void case_decoded(void);

#endif
