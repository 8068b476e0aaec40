/* SPDX-License-Identifier: MIT */
/* test-events.c - closes and unmaps are noticed, and dispatched */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "process.h"

#define SIZE ((size_t)16384)

/* The last one out */

enum holder { HOLDER_FD, HOLDER_REF, HOLDER_MAP, NR_HOLDERS };

struct held {
	struct backing backing;
	struct dma_buf *dmabuf;
	int fd;
	void *map;
};

static void held_drop(struct held *held, enum holder holder)
{
	switch (holder) {
	case HOLDER_FD:
		close(held->fd);
		break;
	case HOLDER_REF:
		dma_buf_put(held->dmabuf);
		break;
	default:
		munmap(held->map, SIZE);
	}
	assert_true(dmabuf_dispatch() >= 0);
}

/* INV-D-5: six orders; the mapping is made by mmap(2) or by the library. */
static void release_follows_the_last_of_fd_reference_mapping(bool by_library)
{
	static const enum holder orders[][NR_HOLDERS] = {
		{ HOLDER_FD, HOLDER_REF, HOLDER_MAP },
		{ HOLDER_FD, HOLDER_MAP, HOLDER_REF },
		{ HOLDER_REF, HOLDER_FD, HOLDER_MAP },
		{ HOLDER_REF, HOLDER_MAP, HOLDER_FD },
		{ HOLDER_MAP, HOLDER_FD, HOLDER_REF },
		{ HOLDER_MAP, HOLDER_REF, HOLDER_FD },
	};
	struct held held;
	size_t i;

	for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		held.dmabuf = backing_export(&held.backing, SIZE, O_RDWR);
		get_dma_buf(held.dmabuf);
		held.fd = fd_of(held.dmabuf);
		held.map = by_library ?
			dma_buf_mmap(held.dmabuf, SIZE, PROT_READ, MAP_SHARED,
				     0) :
			mmap(NULL, SIZE, PROT_READ, MAP_SHARED, held.fd, 0);
		assert_false(IS_ERR(held.map));
		held_drop(&held, orders[i][0]);
		assert_int_equal(held.backing.releases, 0);
		held_drop(&held, orders[i][1]);
		assert_int_equal(held.backing.releases, 0);
		held_drop(&held, orders[i][2]);
		wait_for_live_buffers(0);
		assert_int_equal(held.backing.releases, 1);
	}
}

/* INV-D-5 */
static void release_follows_the_last_with_mmap(void **state)
{
	(void)state;
	release_follows_the_last_of_fd_reference_mapping(false);
}

/* INV-D-5 */
static void release_follows_the_last_with_dma_buf_mmap(void **state)
{
	(void)state;
	release_follows_the_last_of_fd_reference_mapping(true);
}

static void every_copy_of_the_fd_counts(void **state)
{
	struct backing backing;
	int fd = fd_of(backing_export(&backing, SIZE, O_RDWR));
	int copies[5];
	int i;

	(void)state;
	for (i = 0; i < 5; i++)
		copies[i] = dup(fd);
	close(fd);
	for (i = 0; i < 5; i++) {
		assert_int_equal(dmabuf_dispatch(), 0);
		assert_int_equal(backing.releases, 0);
		close(copies[i]);
	}
	wait_for_live_buffers(0);
	assert_int_equal(backing.releases, 1);
}

static void number_taken_over_by_dup2_is_a_close(void **state)
{
	struct backing backing;
	int fd = fd_of(backing_export(&backing, SIZE, O_RDWR));

	(void)state;
	assert_int_equal(dup2(STDIN_FILENO, fd), fd);
	wait_for_live_buffers(0);
	assert_int_equal(backing.releases, 1);
	close(fd);
}

static void mapping_made_over_is_an_unmap(void **state)
{
	struct backing backing;
	int fd = fd_of(backing_export(&backing, SIZE, O_RDWR));
	void *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);

	(void)state;
	assert_ptr_not_equal(map, MAP_FAILED);
	close(fd);
	assert_int_equal(dmabuf_dispatch(), 0);
	assert_ptr_equal(mmap(map, SIZE, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 map);
	wait_for_live_buffers(0);
	assert_int_equal(backing.releases, 1);
	munmap(map, SIZE);
}

static void two_fds_hold_two_references(void **state)
{
	struct backing backing;
	struct dma_buf *dmabuf = backing_export(&backing, SIZE, O_RDWR);
	int a, b;

	(void)state;
	get_dma_buf(dmabuf);
	a = fd_of(dmabuf);
	b = fd_of(dmabuf);
	assert_int_equal(dmabuf_refcount(dmabuf), 2);
	close(a);
	dispatch_until_refs(dmabuf, 1);
	assert_int_equal(backing.releases, 0);
	close(b);
	wait_for_live_buffers(0);
	assert_int_equal(backing.releases, 1);
}

/* Events and dispatch */

static bool event_ready(void)
{
	struct pollfd pfd = { .fd = dmabuf_event_fd(), .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

static void event_fd_is_one_and_close_on_exec(void **state)
{
	int fd = dmabuf_event_fd();

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(dmabuf_event_fd(), fd);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

/* Watches that went leave an event behind, which explains nothing. */
static void events_drain(void)
{
	while (event_ready())
		assert_int_equal(dmabuf_dispatch(), 0);
}

static void event_fd_is_ready_after_a_close_only(void **state)
{
	struct backing backing;
	int fd = fd_of(backing_export(&backing, SIZE, O_RDWR));
	int copy = dup(fd);

	(void)state;
	events_drain();
	close(copy);
	assert_false(event_ready());
	close(fd);
	assert_true(event_ready());
	wait_for_live_buffers(0);
	events_drain();
	assert_false(event_ready());
}

static void event_fd_is_ready_after_the_last_munmap(void **state)
{
	struct dma_buf *dmabuf = memfd_export(SIZE, O_RDWR);
	void *map = dma_buf_mmap(dmabuf, SIZE, PROT_READ, MAP_SHARED, 0);

	(void)state;
	assert_false(IS_ERR(map));
	events_drain();
	munmap(map, SIZE);
	assert_true(event_ready());
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

static void dispatch_counts_descriptions(void **state)
{
	struct dma_buf *a = memfd_export(SIZE, O_RDWR);
	struct dma_buf *b = memfd_export(SIZE, O_RDWR);
	int fds[4];
	int i;

	(void)state;
	assert_int_equal(dmabuf_dispatch(), 0);
	for (i = 0; i < 3; i++) {
		get_dma_buf(a);
		fds[i] = fd_of(a);
	}
	get_dma_buf(b);
	fds[3] = fd_of(b);
	assert_int_equal(dmabuf_dispatch(), 0);
	close(dup(fds[0]));
	assert_int_equal(dmabuf_dispatch(), 0);
	for (i = 0; i < 4; i++)
		close(fds[i]);
	assert_int_equal(dispatch_until_closed(4), 4);
	assert_int_equal(dmabuf_refcount(a), 1);
	assert_int_equal(dmabuf_refcount(b), 1);
	dma_buf_put(a);
	dma_buf_put(b);
	assert_int_equal(dmabuf_dispatch(), 0);
}

/* Equal events are merged into one; a hundred closes are still a hundred. */
static void merged_events_lose_no_close(void **state)
{
	enum { NR_FDS = 100 };
	struct dma_buf *dmabuf = memfd_export(SIZE, O_RDWR);
	int fds[NR_FDS];
	int i;

	(void)state;
	for (i = 0; i < NR_FDS; i++) {
		get_dma_buf(dmabuf);
		fds[i] = fd_of(dmabuf);
	}
	for (i = 0; i < NR_FDS; i += 2)
		close(fds[i]);
	assert_int_equal(dispatch_until_closed(NR_FDS / 2), NR_FDS / 2);
	for (i = 1; i < NR_FDS; i += 2)
		close(fds[i]);
	assert_int_equal(dispatch_until_closed(NR_FDS / 2), NR_FDS / 2);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	dma_buf_put(dmabuf);
}

static unsigned int queue_length(void)
{
	FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
	unsigned int length = 0;

	if (file) {
		if (fscanf(file, "%u", &length) != 1)
			length = 0;
		fclose(file);
	}
	return length;
}

/* Turns between two inodes, so that no two events merge. */
static void queue_fill(int a, int b, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		close(fd_reopen(i % 2 ? a : b, O_RDONLY));
}

static void overflow_of_the_queue_loses_no_close(void **state)
{
	unsigned int length = queue_length();
	struct backing a, b, c;
	int fd_a, fd_b, fd_c;

	(void)state;
	if (!length || length > 100000) {
		print_message("skipped: the inotify queue holds %u events\n",
			      length);
		skip();
	}
	fd_a = fd_of(backing_export(&a, SIZE, O_RDWR));
	fd_b = fd_of(backing_export(&b, SIZE, O_RDWR));
	fd_c = fd_of(backing_export(&c, SIZE, O_RDWR));
	queue_fill(fd_a, fd_b, length + 100);
	close(fd_c);
	close(fd_a);
	wait_for_live_buffers(1);
	assert_int_equal(c.releases, 1);
	assert_int_equal(a.releases, 1);
	assert_int_equal(b.releases, 0);
	close(fd_b);
	wait_for_live_buffers(0);
	assert_int_equal(b.releases, 1);
}

/* A peer that opens the inode anew holds nothing, and ends nothing. */
static void reopened_inode_neither_holds_nor_releases(void **state)
{
	struct backing backing;
	int fd = fd_of(backing_export(&backing, SIZE, O_RDWR));
	int again = fd_reopen(fd, O_RDWR);
	int i;

	(void)state;
	assert_true(again >= 0);
	close(again);
	for (i = 0; i < 100; i++)
		assert_int_equal(dmabuf_dispatch(), 0);
	again = fd_reopen(fd, O_RDWR);
	close(fd);
	wait_for_live_buffers(0);
	assert_int_equal(backing.releases, 1);
	close(again);
}

/* The lock alone does not count: something must have been closed. */
static void unlocked_byte_alone_releases_nothing(void **state)
{
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
	struct backing backing;
	int fd = fd_of(backing_export(&backing, SIZE, O_RDWR));
	int i;

	(void)state;
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	for (i = 0; i < 100; i++)
		assert_int_equal(dmabuf_dispatch(), 0);
	assert_int_equal(backing.releases, 0);
	close(fd);
	wait_for_live_buffers(0);
	assert_int_equal(backing.releases, 1);
}

struct releasing {
	struct dma_buf *other;
	int fd;
};

static struct sg_table *releasing_map(struct dma_buf_attachment *attach,
				      enum dma_data_direction dir)
{
	(void)attach;
	(void)dir;
	return NULL;
}

static void releasing_unmap(struct dma_buf_attachment *attach,
			    struct sg_table *table, enum dma_data_direction dir)
{
	(void)attach;
	(void)table;
	(void)dir;
}

/* All of this needs the locks that dispatch has dropped. */
static void releasing_release(struct dma_buf *dmabuf)
{
	struct releasing *releasing = dmabuf->priv;

	releasing->fd = dma_buf_fd(releasing->other, O_CLOEXEC);
	if (dma_buf_get(releasing->fd) == releasing->other)
		dma_buf_put(releasing->other);
}

static void release_in_dispatch_may_use_other_buffers(void **state)
{
	static const struct dma_buf_ops ops = {
		.map_dma_buf = releasing_map,
		.unmap_dma_buf = releasing_unmap,
		.release = releasing_release,
	};
	struct releasing releasing = { memfd_export(SIZE, O_RDWR), -1 };
	const struct dma_buf_export_info info = {
		.ops = &ops,
		.size = SIZE,
		.priv = &releasing,
	};

	(void)state;
	close(fd_of(dma_buf_export(&info)));
	wait_for_live_buffers(1);
	assert_true(releasing.fd >= 0);
	assert_int_equal(dmabuf_refcount(releasing.other), 1);
	close(releasing.fd);
	wait_for_live_buffers(0);
}

/* Without inotify, /proc */

/*
 * From now on the kernel refuses this one call, to this process alone: to use
 * up what a user may have would reach every test that runs beside.
 */
static bool syscall_refuse(unsigned int nr, unsigned int err)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {
		sizeof(filter) / sizeof(filter[0]), filter,
	};

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Wait for the release of one page-backed buffer with two fds. */
static int release_is_noticed(void)
{
	struct dma_buf *dmabuf;
	struct pollfd pfd;
	int a, b;

	PEER_CHECK(!dmabuf_memfd_export(SIZE, O_RDWR, &dmabuf));
	get_dma_buf(dmabuf);
	a = dma_buf_fd(dmabuf, O_CLOEXEC);
	b = dma_buf_fd(dmabuf, O_CLOEXEC);
	PEER_CHECK(a >= 0 && b >= 0);
	PEER_CHECK(dmabuf_dispatch() == 0);
	close(a);
	pfd = (struct pollfd){ .fd = dmabuf_event_fd(), .events = POLLIN };
	while (dmabuf_refcount(dmabuf) > 1) {
		PEER_CHECK(poll(&pfd, 1, -1) == 1);
		PEER_CHECK(dmabuf_dispatch() >= 0);
	}
	close(b);
	while (dmabuf_live_buffers()) {
		PEER_CHECK(poll(&pfd, 1, -1) == 1);
		PEER_CHECK(dmabuf_dispatch() >= 0);
	}
	return 0;
}

#define NOT_POSSIBLE 77

static int without_instances(int sock, void *data)
{
	(void)sock;
	(void)data;
	if (!syscall_refuse(SYS_inotify_init1, EMFILE))
		return NOT_POSSIBLE;
	PEER_CHECK(inotify_init1(IN_CLOEXEC) < 0 && errno == EMFILE);
	return release_is_noticed();
}

static int without_watches(int sock, void *data)
{
	int fd;

	(void)sock;
	(void)data;
	if (!syscall_refuse(SYS_inotify_add_watch, ENOSPC))
		return NOT_POSSIBLE;
	fd = inotify_init1(IN_CLOEXEC);
	PEER_CHECK(fd >= 0);
	PEER_CHECK(inotify_add_watch(fd, "/", IN_CLOSE) < 0);
	close(fd);
	return release_is_noticed();
}

static void peer_join_or_skip(struct peer *peer, const char *why)
{
	int status = peer_wait(peer);

	if (status == NOT_POSSIBLE << 8) {
		print_message("skipped: %s\n", why);
		skip();
	}
	assert_int_equal(status, 0);
}

#define NO_FILTER "the kernel has no filter of syscalls (seccomp)"

static void closes_are_noticed_without_inotify_instances(void **state)
{
	struct peer peer;

	(void)state;
	peer_start(&peer, without_instances, NULL);
	peer_join_or_skip(&peer, NO_FILTER);
}

static void closes_are_noticed_without_inotify_watches(void **state)
{
	struct peer peer;

	(void)state;
	peer_start(&peer, without_watches, NULL);
	peer_join_or_skip(&peer, NO_FILTER);
}

static int without_proc(int sock, void *data)
{
	struct dma_buf *dmabuf;
	int fd;

	(void)sock;
	(void)data;
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, "") ||
	    mount("none", "/proc", "tmpfs", 0, ""))
		return NOT_POSSIBLE;
	PEER_CHECK(!dmabuf_memfd_export(SIZE, O_RDWR, &dmabuf));
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	PEER_CHECK(fd == -ENOENT);
	PEER_CHECK(dmabuf_refcount(dmabuf) == 1);
	dma_buf_put(dmabuf);
	PEER_CHECK(!dmabuf_live_buffers());
	return 0;
}

static void fd_without_proc_is_enoent(void **state)
{
	struct peer peer;

	(void)state;
	peer_start(&peer, without_proc, NULL);
	peer_join_or_skip(&peer, "not allowed to hide /proc (be root)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(release_follows_the_last_with_mmap),
		LEAK_TEST(release_follows_the_last_with_dma_buf_mmap),
		LEAK_TEST(every_copy_of_the_fd_counts),
		LEAK_TEST(number_taken_over_by_dup2_is_a_close),
		LEAK_TEST(mapping_made_over_is_an_unmap),
		LEAK_TEST(two_fds_hold_two_references),
		LEAK_TEST(event_fd_is_one_and_close_on_exec),
		LEAK_TEST(event_fd_is_ready_after_a_close_only),
		LEAK_TEST(event_fd_is_ready_after_the_last_munmap),
		LEAK_TEST(dispatch_counts_descriptions),
		LEAK_TEST(merged_events_lose_no_close),
		LEAK_TEST(overflow_of_the_queue_loses_no_close),
		LEAK_TEST(reopened_inode_neither_holds_nor_releases),
		LEAK_TEST(unlocked_byte_alone_releases_nothing),
		LEAK_TEST(release_in_dispatch_may_use_other_buffers),
		LEAK_TEST(closes_are_noticed_without_inotify_instances),
		LEAK_TEST(closes_are_noticed_without_inotify_watches),
		LEAK_TEST(fd_without_proc_is_enoent),
	};

	/* A close that goes unnoticed is a failure, not a hang. */
	alarm(120);
	return cmocka_run_group_tests_name("dma_buf/events", tests,
					   leaks_group_setup, NULL) != 0;
}
