/* SPDX-License-Identifier: MIT */
/* process.h - peers in other processes, and waiting for releases */
#ifndef TESTS_SUPPORT_PROCESS_H
#define TESTS_SUPPORT_PROCESS_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include <dmabuf/dmabuf.h>

/*
 * A forked child. It runs @run with its end of a socket pair and exits with the
 * result: 0 when all is well. The child may not use CMocka's assertions, whose
 * failures belong to the parent; it has PEER_CHECK().
 *
 * A child that was forked before a buffer was made is a stranger to it; one
 * forked afterwards has its private copy.
 */
struct peer {
	pid_t pid;
	int sock;
};

typedef int (*peer_fn)(int sock, void *data);

void peer_start(struct peer *peer, peer_fn run, void *data);

/* By a bare clone(2), of which no handler of pthread_atfork(3) knows. */
void raw_peer_start(struct peer *peer, peer_fn run, void *data);

/* Closes the socket and waits; the child must have ended with 0. */
void peer_join(struct peer *peer);

/* Closes the socket and waits; returns the status of waitpid(2). */
int peer_wait(struct peer *peer);

/* Kills it, waits, and closes the socket. */
void peer_kill(struct peer *peer);

/* In a child: leave with 1, having said why. */
#define PEER_CHECK(condition)                                        \
	do {                                                         \
		if (!(condition)) {                                  \
			fprintf(stderr, "%s:%d: %s: in a child\n",   \
				__FILE__, __LINE__, #condition);     \
			return 1;                                    \
		}                                                    \
	} while (0)

/* One byte with an fd, or without (-1). False: the peer is gone. */
bool fd_send(int sock, int fd);

/* The fd, -1 when the byte came alone, -2 when the peer is gone. */
int fd_recv(int sock);

/* Turns: one waits until the other says so. */
bool turn_give(int sock);
bool turn_take(int sock);

/* Dispatch, waiting on the event fd, until the buffer has @nr references. */
void dispatch_until_refs(const struct dma_buf *dmabuf, unsigned int nr);

/* Dispatch until @nr fds were found closed in all; returns how many were. */
int dispatch_until_closed(int nr);

/* One wait for the event fd. */
void events_wait(void);

/* Nothing is found closed, however often one looks. */
void nothing_closed(void);

/* Skips a test in whose child a lock is made anew, where that is misread. */
void threads_unwatched_or_skip(void);

/*
 * An exporter on a memfd, whose parts can be chosen badly. Its release counts,
 * closes the memfd, and keeps the address of the buffer that went.
 */
struct backing {
	int fd;			/* what the backing_fd op returns */
	int close_fd;		/* closed by the release; -1: nothing */
	unsigned int asked;	/* calls of backing_fd */
	unsigned int releases;
};

/* A memfd of @size with @seals; -1 as @seals: not sealable. */
int memfd_make(const char *name, size_t size, int seals);

/* The same of huge pages, which huge_pages_need() has found. */
int huge_memfd_make(const char *name, size_t size, int seals);

/* Memory without a file, for munmap(2). */
void *anon_map(size_t size);

/* Another description of the same inode, without a lock. */
int fd_reopen(int fd, int flags);

/* dma_buf_fd(), which takes the reference and must succeed. */
int fd_of(struct dma_buf *dmabuf);

/* dmabuf_memfd_export(), which must succeed. */
struct dma_buf *memfd_export(size_t size, unsigned int flags);

/* On a memfd named "dmabuf:test" of its own. */
struct dma_buf *backing_export(struct backing *backing, size_t size, int flags);

/* On @fd, which stays the caller's. */
struct dma_buf *backing_export_fd(struct backing *backing, size_t size,
				  int flags, int fd);

/* No pages at all: an opaque buffer. @releases counts. */
struct dma_buf *opaque_export(unsigned int *releases, size_t size, int flags);

/* Is every byte of the range @value? */
bool bytes_are(const void *addr, int value, size_t size);

/* The huge page size when @nr huge pages are free, else 0 with a reason. */
size_t huge_pages_need(unsigned int nr);

/* Give back what huge_pages_need() reserved. */
void huge_pages_done(void);

/* Threads of this process, those that are just ending too */
int nr_threads(void);

/* Is there a mapping at the page @addr? */
bool addr_is_mapped(const void *addr);

#endif
