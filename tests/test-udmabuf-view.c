/* SPDX-License-Identifier: MIT */
/* test-udmabuf-view.c - fds of the memfds of a buffer, in any process */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "process.h"
#include "udmabufs.h"

static int view_of(struct dma_buf *dmabuf, uint64_t offset)
{
	int fd = dmabuf_udmabuf_view_fd(dmabuf, offset);

	assert_true(fd >= 0);
	return fd;
}

/* In a child too: MAP_FAILED for an error. */
static char *map_view(int fd, unsigned int page)
{
	return mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    (off_t)(page * PAGE));
}

static ino_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

/* In this process */

static void view_is_the_memfd_and_holds_the_buffer(void **state)
{
	int a = numbered_memfd(4, 0), b = numbered_memfd(4, 10);
	const struct dmabuf_udmabuf_range ranges[] = {
		range_of(a, 1, 1), range_of(b, 2, 1),
	};
	struct dma_buf *dmabuf = udmabuf_of(ranges, 2);
	int view_a = view_of(dmabuf, 0), view_b = view_of(dmabuf, PAGE);

	(void)state;
	assert_int_equal(dmabuf_refcount(dmabuf), 3);
	assert_int_equal(inode_of(view_a), inode_of(a));
	assert_int_equal(inode_of(view_b), inode_of(b));
	assert_int_equal(number_in(view_b, 2), 12);
	assert_int_equal(fcntl(view_a, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(view_a, F_GETFL) & O_ACCMODE, O_RDWR);
	close(view_a);
	dispatch_until_refs(dmabuf, 2);
	dma_buf_put(dmabuf);
	close(view_b);
	wait_for_live_buffers(0);
	close(a);
	close(b);
}

static void buffer_is_not_found_by_a_view(void **state)
{
	struct dma_buf *dmabuf = udmabuf_plain(2);
	int view = view_of(dmabuf, 0);
	int fd;

	(void)state;
	assert_int_equal(PTR_ERR(dma_buf_get(view)), -EINVAL);
	get_dma_buf(dmabuf);
	fd = fd_of(dmabuf);
	assert_ptr_equal(dma_buf_get(fd), dmabuf);
	dma_buf_put(dmabuf);
	assert_int_equal(PTR_ERR(dma_buf_get(view)), -EINVAL);
	close(view);
	close(fd);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

static void copies_and_mappings_of_a_view_count_once(void **state)
{
	struct dma_buf *dmabuf = udmabuf_plain(4);
	int view = view_of(dmabuf, 0);
	int copy = dup(view);
	char *one = map_view(view, 0), *two = map_view(copy, 3);

	(void)state;
	assert_int_equal(dmabuf_refcount(dmabuf), 2);
	close(view);
	close(copy);
	nothing_closed();
	munmap(one, PAGE);
	nothing_closed();
	assert_int_equal(number_at(two), 3);
	munmap(two, PAGE);
	assert_int_equal(dispatch_until_closed(1), 1);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	dma_buf_put(dmabuf);
}

static void each_view_counts(void **state)
{
	struct dma_buf *dmabuf = udmabuf_plain(1);
	int views[20];
	unsigned int i;

	(void)state;
	for (i = 0; i < 20; i++)
		views[i] = view_of(dmabuf, 0);
	assert_int_equal(dmabuf_refcount(dmabuf), 21);
	for (i = 0; i < 20; i += 2)
		close(views[i]);
	dispatch_until_refs(dmabuf, 11);
	for (i = 1; i < 20; i += 2)
		close(views[i]);
	dispatch_until_refs(dmabuf, 1);
	/* And begins anew. */
	close(view_of(dmabuf, 0));
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

/* Whose view goes says the lock, and not the inode that both have. */
static void buffers_on_one_memfd_are_told_apart(void **state)
{
	int fd = numbered_memfd(4, 0);
	struct dmabuf_udmabuf_range range = range_of(fd, 0, 4);
	static const unsigned int order[] = { 2, 5, 0, 4, 1, 3 };
	struct dma_buf *dmabufs[6];
	int views[6];
	unsigned int i, left;

	(void)state;
	for (i = 0; i < 6; i++) {
		dmabufs[i] = udmabuf_of(&range, 1);
		views[i] = view_of(dmabufs[i], 0);
	}
	for (i = 0; i < 6; i++) {
		close(views[order[i]]);
		dispatch_until_refs(dmabufs[order[i]], 1);
		dma_buf_put(dmabufs[order[i]]);
		assert_int_equal(dmabuf_live_buffers(), 5 - i);
		nothing_closed();
		for (left = i + 1; left < 6; left++)
			assert_int_equal(dmabuf_refcount(dmabufs[order[left]]),
					 2);
	}
	close(fd);
}

/* The fds of a page-backed buffer, and views of a buffer out of its pages */
static void views_and_fds_of_one_memfd_are_told_apart(void **state)
{
	struct dma_buf *pages = memfd_export(4 * PAGE, O_RDWR);
	struct dmabuf_udmabuf_range range;
	struct dma_buf *dmabuf;
	int fd, view, again;

	(void)state;
	get_dma_buf(pages);
	fd = fd_of(pages);
	range = range_of(fd, 1, 2);
	dmabuf = udmabuf_of(&range, 1);
	view = view_of(dmabuf, 0);
	assert_ptr_equal(dma_buf_get(view), pages);
	dma_buf_put(pages);
	close(view);
	dispatch_until_refs(dmabuf, 1);
	assert_int_equal(dmabuf_refcount(pages), 2);
	view = view_of(dmabuf, 0);
	/* The buffer has a copy of it. */
	close(fd);
	nothing_closed();
	assert_int_equal(dmabuf_refcount(pages), 2);
	close(view);
	dispatch_until_refs(dmabuf, 1);
	get_dma_buf(pages);
	again = fd_of(pages);
	dma_buf_put(dmabuf);
	dispatch_until_refs(pages, 2);
	close(again);
	dispatch_until_refs(pages, 1);
	dma_buf_put(pages);
}

static void closes_of_the_memfd_itself_are_none(void **state)
{
	int fd = numbered_memfd(2, 0);
	struct dmabuf_udmabuf_range range = range_of(fd, 0, 2);
	struct dma_buf *dmabuf = udmabuf_of(&range, 1);
	int view = view_of(dmabuf, 0);
	unsigned int i;

	(void)state;
	for (i = 0; i < 50; i++)
		close(fd_reopen(fd, O_RDWR));
	close(fd);
	nothing_closed();
	assert_int_equal(dmabuf_refcount(dmabuf), 2);
	close(view);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

/* A page is in three places, and each mapping is one of the buffer. */
static void pieces_can_be_mapped_in_the_buffers_order(void **state)
{
	int fd = numbered_memfd(8, 0);
	const struct dmabuf_udmabuf_range ranges[] = {
		range_of(fd, 6, 2), range_of(fd, 1, 1), range_of(fd, 6, 1),
	};
	static const unsigned int numbers[] = { 6, 7, 1, 6 };
	struct dma_buf *dmabuf = udmabuf_of(ranges, 3);
	int view = view_of(dmabuf, 0);
	struct dmabuf_udmabuf_range piece;
	uint64_t at;
	char *addr;

	(void)state;
	addr = mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	for (at = 0; at < dmabuf->size; at += piece.size) {
		assert_int_equal(dmabuf_udmabuf_piece(dmabuf, at, &piece), 0);
		assert_ptr_equal(mmap(addr + at, piece.size, PROT_READ,
				      MAP_SHARED | MAP_FIXED, view,
				      (off_t)piece.offset), addr + at);
	}
	close(view);
	close(fd);
	dma_buf_put(dmabuf);
	for (at = 0; at < 4; at++)
		assert_int_equal(number_at(addr + at * PAGE), numbers[at]);
	munmap(addr, 3 * PAGE);
	nothing_closed();
	assert_int_equal(dmabuf_live_buffers(), 1);
	munmap(addr + 3 * PAGE, PAGE);
	wait_for_live_buffers(0);
}

/* In other processes */

static int maps_what_it_gets(int sock, void *data)
{
	int fd = fd_recv(sock);
	char *addr;

	(void)data;
	PEER_CHECK(fd >= 0);
	addr = map_view(fd, 1);
	PEER_CHECK(addr != MAP_FAILED);
	close(fd);
	PEER_CHECK(number_at(addr) == 1);
	number_set(addr, 77);
	PEER_CHECK(turn_give(sock));
	PEER_CHECK(turn_take(sock));
	munmap(addr, PAGE);
	PEER_CHECK(turn_give(sock));
	PEER_CHECK(turn_take(sock));
	return 0;
}

static void mapping_in_another_process_holds_the_buffer(void **state)
{
	struct dma_buf *dmabuf;
	struct peer peer;
	int view;

	(void)state;
	peer_start(&peer, maps_what_it_gets, NULL);
	dmabuf = udmabuf_plain(2);
	view = view_of(dmabuf, PAGE);
	assert_true(fd_send(peer.sock, view));
	close(view);
	assert_true(turn_take(peer.sock));
	nothing_closed();
	assert_int_equal(dmabuf_refcount(dmabuf), 2);
	assert_true(turn_give(peer.sock));
	assert_true(turn_take(peer.sock));
	dispatch_until_refs(dmabuf, 1);
	assert_true(turn_give(peer.sock));
	peer_join(&peer);
	dma_buf_put(dmabuf);
}

static int maps_and_waits(int sock, void *data)
{
	int fd = fd_recv(sock);

	(void)data;
	PEER_CHECK(fd >= 0);
	PEER_CHECK(map_view(fd, 0) != MAP_FAILED);
	close(fd);
	PEER_CHECK(turn_give(sock));
	pause();
	return 0;
}

static void killed_process_gives_its_mapping_back(void **state)
{
	struct dma_buf *dmabuf;
	struct peer peer;
	int view;

	(void)state;
	peer_start(&peer, maps_and_waits, NULL);
	dmabuf = udmabuf_plain(2);
	view = view_of(dmabuf, 0);
	assert_true(fd_send(peer.sock, view));
	close(view);
	assert_true(turn_take(peer.sock));
	dma_buf_put(dmabuf);
	nothing_closed();
	assert_int_equal(dmabuf_live_buffers(), 1);
	peer_kill(&peer);
	wait_for_live_buffers(0);
}

/* Sent to nobody: it lives in the socket, until that goes. */
static void view_in_flight_holds_the_buffer(void **state)
{
	struct dma_buf *dmabuf;
	struct peer peer;
	int view;

	(void)state;
	peer_start(&peer, maps_and_waits, NULL);
	dmabuf = udmabuf_plain(1);
	view = view_of(dmabuf, 0);
	assert_int_equal(kill(peer.pid, SIGSTOP), 0);
	assert_true(fd_send(peer.sock, view));
	close(view);
	nothing_closed();
	assert_int_equal(dmabuf_refcount(dmabuf), 2);
	peer_kill(&peer);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

/* fork */

static int child_has_a_copy_of_its_own(int sock, void *data)
{
	struct dma_buf *dmabuf = data;
	unsigned int refs = dmabuf_refcount(dmabuf);
	char *vaddr = dma_buf_vmap(dmabuf);
	int view;

	(void)sock;
	PEER_CHECK(!IS_ERR_OR_NULL(vaddr) && number_at(vaddr) == 0);
	dma_buf_vunmap(dmabuf, vaddr);
	PEER_CHECK(dmabuf_dispatch() == 0);
	view = dmabuf_udmabuf_view_fd(dmabuf, 0);
	PEER_CHECK(view >= 0);
	PEER_CHECK(dmabuf_refcount(dmabuf) == refs + 1);
	close(view);
	while (dmabuf_refcount(dmabuf) > refs) {
		struct pollfd pfd = { dmabuf_event_fd(), POLLIN, 0 };

		PEER_CHECK(poll(&pfd, 1, -1) == 1);
		PEER_CHECK(dmabuf_dispatch() >= 0);
	}
	return 0;
}

static void forked_child_tracks_its_own_views_only(void **state)
{
	struct dma_buf *dmabuf;
	struct peer peer;
	int view;

	(void)state;
	threads_unwatched_or_skip();
	dmabuf = udmabuf_plain(2);
	view = view_of(dmabuf, 0);
	peer_start(&peer, child_has_a_copy_of_its_own, dmabuf);
	peer_join(&peer);
	nothing_closed();
	assert_int_equal(dmabuf_refcount(dmabuf), 2);
	close(view);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

static int child_keeps_a_view(int sock, void *data)
{
	(void)data;
	PEER_CHECK(turn_take(sock));
	return 0;
}

static void view_that_a_child_inherited_holds_the_buffer(void **state)
{
	struct dma_buf *dmabuf = udmabuf_plain(2);
	int view = view_of(dmabuf, 0);
	struct peer peer;

	(void)state;
	peer_start(&peer, child_keeps_a_view, NULL);
	close(view);
	nothing_closed();
	assert_int_equal(dmabuf_refcount(dmabuf), 2);
	assert_true(turn_give(peer.sock));
	peer_join(&peer);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

/* Reaper */

static void reaper_notices_views(void **state)
{
	struct dma_buf *dmabuf = udmabuf_plain(2);
	char *addr;
	int view;

	(void)state;
	assert_int_equal(dmabuf_reaper_start(), 0);
	view = view_of(dmabuf, 0);
	addr = map_view(view, 0);
	close(view);
	dma_buf_put(dmabuf);
	munmap(addr, PAGE);
	while (dmabuf_live_buffers())
		assert_int_equal(sched_yield(), 0);
	dmabuf_reaper_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(view_is_the_memfd_and_holds_the_buffer),
		LEAK_TEST(buffer_is_not_found_by_a_view),
		LEAK_TEST(copies_and_mappings_of_a_view_count_once),
		LEAK_TEST(each_view_counts),
		LEAK_TEST(buffers_on_one_memfd_are_told_apart),
		LEAK_TEST(views_and_fds_of_one_memfd_are_told_apart),
		LEAK_TEST(closes_of_the_memfd_itself_are_none),
		LEAK_TEST(pieces_can_be_mapped_in_the_buffers_order),
		LEAK_TEST(mapping_in_another_process_holds_the_buffer),
		LEAK_TEST(killed_process_gives_its_mapping_back),
		LEAK_TEST(view_in_flight_holds_the_buffer),
		LEAK_TEST(forked_child_tracks_its_own_views_only),
		LEAK_TEST(view_that_a_child_inherited_holds_the_buffer),
		LEAK_TEST(reaper_notices_views),
	};

	return cmocka_run_group_tests_name("udmabuf/view", tests,
					   leaks_group_setup, NULL) != 0;
}
