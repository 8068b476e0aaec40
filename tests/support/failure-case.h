/* SPDX-License-Identifier: MIT */
/* failure-case.h - one call: each allocation and syscall in it fails once */
#ifndef TESTS_FAILURE_CASE_H
#define TESTS_FAILURE_CASE_H

#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <dmabuf/dmabuf.h>

#include "inject.h"
#include "mock-exporter.h"

struct scene {
	struct dma_buf *dmabuf;
	struct dma_buf *result;
	struct device *dev;
	struct dma_buf_attachment *attach;
	struct sg_table *table;
	struct sg_table own_table;
	struct dmabuf_pages pages;
	struct mock mock;
	void *vaddr;
	int fd;
};

/*
 * A case is one call of the library. It is made with the first of its
 * allocations and syscalls failing, then the second, until none was left to
 * fail. Each time the error must come back, the object must be as before,
 * the same call must then succeed, and after the end nothing may be left.
 */
struct failure_case {
	const char *name;
	void (*begin)(struct scene *s);
	int (*act)(struct scene *s);		/* the call; 0 or -errno */
	void (*undo)(struct scene *s);		/* of a call that succeeded */
	void (*end)(struct scene *s);
	unsigned int calls_min;			/* it makes at least so many */
	const char *harmless;		/* these may fail: "a b" */
	const char *reason;		/* what becomes of it then */
	int ret;	/* an errno that stands for that of the failed call */
};

void play(const struct failure_case *c);
void play_all(const struct failure_case *cases, size_t nr);

/* Dispatch until the fds and mappings that hold references are noticed. */
void wait_for_refs(struct dma_buf *dmabuf, unsigned int refs);

/* In a forked child, which may not assert. */
#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "line %d: %s; failed call: %s\n", \
				__LINE__, #cond, \
				inject_failed() ? inject_failed() : "(none)"); \
			_exit(1); \
		} \
	} while (0)

#endif
