/* SPDX-License-Identifier: MIT */
/*
 * client.h - udmabufs, for a program that knows nothing but system calls
 *
 * Memory is filled with the numbers of its pages, so that a mapping says what
 * it shows: a page begins with a word, the memfd's number above its own.
 */
#ifndef TESTS_RUN_INJECT_CLIENT_H
#define TESTS_RUN_INJECT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/udmabuf.h>

#define PAGE ((size_t)4096)

/* Says what is wrong, with errno, and ends the process with status 1. */
#define CHECK(condition) \
	((condition) ? (void)0 : client_fail(__FILE__, __LINE__, #condition))

_Noreturn void client_fail(const char *file, int line, const char *what);

/* So many, and so long, or what a slow machine can do */
size_t client_rounds(size_t nr);
long client_usec(long usec);

/* A sealed memfd of so many pages, filled */
int client_memfd(unsigned int number, size_t nr_pages);

/* A udmabuf: of one range, of several, or of single pages in this order */
int client_udmabuf(int memfd, size_t first, size_t nr_pages);
int client_list(const struct udmabuf_create_item *items, size_t nr);
int client_scattered(int memfd, size_t nr_pages);

/* In client_scattered(), of nr_pages: which page of the memfd is the nth? */
size_t client_scatter(size_t n, size_t nr_pages);

/* mmap(2), shared, read-write; MAP_FAILED with errno */
void *client_map(int fd, size_t first, size_t nr_pages);
bool client_shows(const void *page, unsigned int number, size_t which);

/* A mapping of nr_pages of client_scattered(.., all), from the nth: right? */
bool client_shows_scattered(const void *addr, unsigned int number, size_t n,
			    size_t nr_pages, size_t all);

/* Is the page at @addr one of a mapping? */
bool client_mapped(const void *addr);
size_t client_count_fds(void);
size_t client_count_mappings(void);

/* Returns when there are so many udmabufs; fails if that takes too long. */
void client_wait_buffers(size_t nr);

/* The child's exit status, 128 + signal if one ended it. */
int client_wait(pid_t pid);

struct client_case {
	const char *name;
	void (*run)(void);
};

/* Each ends without a name. */
extern const struct client_case map_cases[], place_cases[], signal_cases[],
	fault_cases[], thread_cases[], process_cases[], filter_cases[],
	huge_cases[];

/* processes.c: returns when it is none. @after: mappings */
void client_option(const char *option, size_t after);

#endif
