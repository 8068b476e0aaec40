/* SPDX-License-Identifier: MIT */
/* test-fork-raw.c - whatever a child calls first after a bare clone(2) */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "process.h"
#include "udmabufs.h"

/* Of the parent: the child has copies. */
static struct dma_buf *pages;		/* with an fd out */
static struct dma_buf *udmabuf;
static struct dma_buf *import;
static int pages_fd;
static int foreign_fd;

/* The first calls: has it done what it is for? */

static bool makes_a_buffer(void)
{
	struct dma_buf *dmabuf;

	return !dmabuf_anon_export(PAGE, O_RDWR, &dmabuf);
}

static bool makes_an_fd(void)
{
	return dma_buf_fd(pages, O_CLOEXEC) >= 0;
}

static bool makes_a_view(void)
{
	return dmabuf_udmabuf_view_fd(udmabuf, 0) >= 0;
}

static bool gets_by_fd(void)
{
	return dma_buf_get(pages_fd) == pages;
}

static bool finds_by_inode(void)
{
	struct stat st;

	return !fstat(pages_fd, &st) &&
	       dmabuf_find(st.st_dev, st.st_ino) == pages;
}

static bool imports(void)
{
	struct dma_buf *dmabuf;

	return !dmabuf_memfd_import(foreign_fd, &dmabuf);
}

static bool maps(void)
{
	return !IS_ERR(dma_buf_mmap(pages, PAGE, PROT_READ, MAP_SHARED, 0));
}

static bool asks_for_events(void)
{
	return dmabuf_event_fd() >= 0;
}

static bool dispatches(void)
{
	return !dmabuf_dispatch();
}

static bool lists_buffers(void)
{
	char *text;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	return file && !dmabuf_bufinfo(file);
}

static bool finds_a_heap(void)
{
	return dma_heap_find("system");
}

static bool adds_a_heap(void)
{
	struct dma_heap *heap;

	return !dmabuf_heap_add("one more", DMABUF_HEAP_SYSTEM, &heap);
}

struct first {
	bool (*call)(void);
};

/*
 * In the child, which knows of no fork yet. Once it does, its import is dead;
 * dma_buf_vmap() does not look by itself.
 */
static int child_run(int sock, void *data)
{
	const struct first *first = data;

	(void)sock;
	PEER_CHECK(first->call());
	PEER_CHECK(PTR_ERR(dma_buf_vmap(import)) == -EIO);
	return 0;
}

static void first_call_notices(void **state)
{
	struct peer peer;

	raw_peer_start(&peer, child_run, *state);
	peer_join(&peer);
}

static int parent_begin(void **state)
{
	leaks_group_setup(state);
	pages = memfd_export(PAGE, O_RDWR);
	get_dma_buf(pages);
	pages_fd = fd_of(pages);
	udmabuf = udmabuf_plain(1);
	foreign_fd = numbered_memfd(1, 0);
	return dmabuf_memfd_import(foreign_fd, &import);
}

/* A child's fds were the child's: its closes are nothing here. */
static int parent_end(void **state)
{
	(void)state;
	dma_buf_put(import);
	close(foreign_fd);
	dma_buf_put(udmabuf);
	nothing_closed();
	close(pages_fd);
	dma_buf_put(pages);
	wait_for_live_buffers(0);
	return 0;
}

#define CHILD_THAT(fn)                                                     \
	{ "child_that_" #fn "_first_notices_the_fork", first_call_notices, \
	  leaks_setup, leaks_teardown, &(struct first){ fn } }

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHILD_THAT(makes_a_buffer),
		CHILD_THAT(makes_an_fd),
		CHILD_THAT(makes_a_view),
		CHILD_THAT(gets_by_fd),
		CHILD_THAT(finds_by_inode),
		CHILD_THAT(imports),
		CHILD_THAT(maps),
		CHILD_THAT(asks_for_events),
		CHILD_THAT(dispatches),
		CHILD_THAT(lists_buffers),
		CHILD_THAT(finds_a_heap),
		CHILD_THAT(adds_a_heap),
	};

	return cmocka_run_group_tests_name("fork/raw", tests, parent_begin,
					   parent_end) != 0;
}
