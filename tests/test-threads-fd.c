/* SPDX-License-Identifier: MIT */
/*
 * test-threads-fd.c - fds made, found, closed and imported in several threads
 *
 * Run under the thread sanitizer, which sees what the assertions cannot.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "crowd.h"
#include "leaks.h"
#include "mock-exporter.h"

#define PAGE ((size_t)4096)
#define NR_ROUNDS 300

/*
 * Numbers that open(2) never gives out, as it takes the lowest: each is a
 * buffer's fd, or closed.
 */
#define SHARED_FD 900
#define NR_SHARED 3

/*
 * Straight to the kernel: that threads meet at a number is the point here, and
 * to the thread sanitizer a fault.
 */
static bool shared_set(int fd, unsigned int which)
{
	return syscall(SYS_dup3, fd, SHARED_FD + (int)(which % NR_SHARED),
		       O_CLOEXEC) >= 0;
}

static void shared_close(unsigned int which)
{
	syscall(SYS_close, SHARED_FD + (int)(which % NR_SHARED));
}

static struct dma_buf *storm_export(unsigned int round)
{
	struct dma_buf *dmabuf;
	int ret;

	if (round % 3)
		ret = dmabuf_memfd_export(PAGE, O_RDWR, &dmabuf);
	else
		ret = dmabuf_anon_export(PAGE, O_RDWR, &dmabuf);
	return ret ? NULL : dmabuf;
}

/* Makes buffers, and puts their fds under the shared numbers. */
static void fd_maker(struct crowd *crowd, unsigned int round)
{
	struct dma_buf *dmabuf = storm_export(round);
	struct dma_buf *found;
	int fd;

	HOLDS(crowd, dmabuf != NULL);
	if (!dmabuf)
		return;
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	HOLDS(crowd, fd >= 0);
	if (fd < 0) {
		dma_buf_put(dmabuf);
		return;
	}
	found = dma_buf_get(fd);
	HOLDS(crowd, found == dmabuf);
	HOLDS(crowd, shared_set(fd, round));
	close(fd);
	HOLDS(crowd, dmabuf_refcount(dmabuf) >= 1);
	dma_buf_put(dmabuf);
}

/* Looks up what others may close at any moment. */
static void fd_finder(struct crowd *crowd, unsigned int round)
{
	struct dma_buf *dmabuf;
	void *vaddr;

	dmabuf = dma_buf_get(SHARED_FD + (int)(round % NR_SHARED));
	if (IS_ERR(dmabuf)) {
		HOLDS(crowd, PTR_ERR(dmabuf) == -EBADF);
		return;
	}
	HOLDS(crowd, dmabuf->size == PAGE);
	vaddr = dma_buf_vmap(dmabuf);
	HOLDS(crowd, !IS_ERR_OR_NULL(vaddr));
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

static void fd_storm_run(struct crowd *crowd, unsigned int me)
{
	unsigned int i;

	for (i = 0; i < NR_ROUNDS; i++) {
		switch (me % 4) {
		case 0:
		case 1:
			fd_maker(crowd, i + me);
			break;
		case 2:
			fd_finder(crowd, i);
			break;
		case 3:
			shared_close(i);
			HOLDS(crowd, dmabuf_dispatch() >= 0);
		}
	}
}

static void fd_storm(bool reaper)
{
	struct crowd crowd = { .run = fd_storm_run };
	unsigned int i;

	if (reaper)
		assert_int_equal(dmabuf_reaper_start(), 0);
	crowd_check(&crowd, 4);
	for (i = 0; i < NR_SHARED; i++)
		shared_close(i);
	dmabuf_reaper_stop();
	wait_for_live_buffers(0);
}

/* INV-D-5 */
static void fd_storm_leaves_nothing(void **state)
{
	(void)state;
	fd_storm(false);
}

/* INV-D-5 */
static void fd_storm_beside_the_reaper_leaves_nothing(void **state)
{
	(void)state;
	fd_storm(true);
}

#define NR_CLOSES 1000

struct close_race {
	unsigned int nr_found;		/* atomic */
	bool done;			/* atomic: all are closed */
};

static void closes_note(struct crowd *crowd)
{
	struct close_race *race = crowd->data;
	int nr = dmabuf_dispatch();

	HOLDS(crowd, nr >= 0);
	__atomic_fetch_add(&race->nr_found, (unsigned int)nr, __ATOMIC_RELAXED);
}

static void close_or_dispatch(struct crowd *crowd, unsigned int me)
{
	struct close_race *race = crowd->data;
	unsigned int i;
	int fd;

	for (i = 0; me == 0 && i < NR_CLOSES; i++) {
		get_dma_buf(crowd->dmabuf);
		fd = dma_buf_fd(crowd->dmabuf, O_CLOEXEC);
		HOLDS(crowd, fd >= 0);
		close(fd);
	}
	if (me == 0)
		__atomic_store_n(&race->done, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&race->done, __ATOMIC_ACQUIRE))
		closes_note(crowd);
}

static void closes_are_found_once_by_many_dispatchers(void **state)
{
	struct close_race race = { 0 };
	struct crowd crowd = { .run = close_or_dispatch, .data = &race };
	struct pollfd event = { .fd = dmabuf_event_fd(), .events = POLLIN };

	(void)state;
	assert_int_equal(dmabuf_memfd_export(PAGE, O_RDWR, &crowd.dmabuf), 0);
	crowd_check(&crowd, NR_THREADS);
	for (;;) {
		closes_note(&crowd);
		if (race.nr_found >= NR_CLOSES)
			break;
		assert_int_equal(poll(&event, 1, 10000), 1);
	}
	assert_int_equal(race.nr_found, NR_CLOSES);
	assert_int_equal(dmabuf_refcount(crowd.dmabuf), 1);
	dma_buf_put(crowd.dmabuf);
}

static void reaper_toggle(struct crowd *crowd, unsigned int me)
{
	unsigned int i;

	for (i = 0; i < NR_ROUNDS / 10; i++) {
		if ((i + me) % 2)
			HOLDS(crowd, !dmabuf_reaper_start());
		else
			dmabuf_reaper_stop();
	}
}

static void reaper_is_started_and_stopped_from_all_sides(void **state)
{
	struct crowd crowd = { .run = reaper_toggle };

	(void)state;
	crowd_check(&crowd, NR_THREADS);
	dmabuf_reaper_stop();
}

struct first_fds {
	int of[NR_THREADS];
};

static void first_fd(struct crowd *crowd, unsigned int me)
{
	struct first_fds *fds = crowd->data;
	struct dma_buf *found;

	get_dma_buf(crowd->dmabuf);
	crowd_meet(crowd);
	fds->of[me] = dma_buf_fd(crowd->dmabuf, O_CLOEXEC);
	HOLDS(crowd, fds->of[me] >= 0);
	found = dma_buf_get(fds->of[me]);
	HOLDS(crowd, found == crowd->dmabuf);
	dma_buf_put(crowd->dmabuf);
}

static void first_fds_of(struct dma_buf *dmabuf)
{
	struct first_fds fds;
	struct crowd crowd = {
		.run = first_fd,
		.dmabuf = dmabuf,
		.data = &fds,
	};
	struct stat first, st;
	unsigned int i;

	crowd_check(&crowd, NR_THREADS);
	assert_int_equal(dmabuf_refcount(dmabuf), 1 + NR_THREADS);
	assert_int_equal(fstat(fds.of[0], &first), 0);
	for (i = 0; i < NR_THREADS; i++) {
		assert_int_equal(fstat(fds.of[i], &st), 0);
		assert_int_equal(st.st_ino, first.st_ino);
		assert_int_equal(st.st_dev, first.st_dev);
		close(fds.of[i]);
	}
	dma_buf_put(dmabuf);
	wait_for_live_buffers(0);
}

/* INV-D-11 */
static void concurrent_first_fds_are_of_one_inode(void **state)
{
	struct dma_buf *dmabuf;
	struct mock mock;
	unsigned int i;

	(void)state;
	for (i = 0; i < NR_ROUNDS; i++) {
		first_fds_of(mock_export(&mock, PAGE, MOCK_PAGES));
		assert_int_equal(mock_calls(&mock, MOCK_OP_RELEASE), 1);
		assert_int_equal(dmabuf_anon_export(PAGE, O_RDWR, &dmabuf), 0);
		first_fds_of(dmabuf);
	}
}

/* What another process would have sent. */
static int stranger_open(void)
{
	int fd = memfd_create("dmabuf:stranger",
			      MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)PAGE), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS,
			       F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	return fd;
}

struct import_race {
	int fd;
	struct dma_buf *got[NR_THREADS];
};

static void import_once(struct crowd *crowd, unsigned int me)
{
	struct import_race *race = crowd->data;

	race->got[me] = dma_buf_get(race->fd);
	HOLDS(crowd, !IS_ERR(race->got[me]));
	crowd_meet(crowd);
	HOLDS(crowd, race->got[me] == race->got[0]);
	HOLDS(crowd, dmabuf_refcount(race->got[0]) == crowd->nr);
	crowd_meet(crowd);
	dma_buf_put(race->got[me]);
}

/* INV-D-11 */
static void concurrent_imports_are_one_object(void **state)
{
	struct import_race race;
	struct crowd crowd = { .run = import_once, .data = &race };
	unsigned int i;

	(void)state;
	race.fd = stranger_open();
	for (i = 0; i < NR_ROUNDS / 3; i++) {
		crowd_check(&crowd, NR_THREADS);
		assert_int_equal(dmabuf_live_buffers(), 0);
	}
	close(race.fd);
}

static void import_storm_run(struct crowd *crowd, unsigned int me)
{
	struct import_race *race = crowd->data;
	struct dma_buf *dmabuf;
	unsigned int i;

	(void)me;
	for (i = 0; i < NR_ROUNDS; i++) {
		dmabuf = dma_buf_get(race->fd);
		HOLDS(crowd, !IS_ERR(dmabuf));
		if (!IS_ERR(dmabuf))
			dma_buf_put(dmabuf);
	}
}

/* The last put of one thread beside the first get of another. */
static void import_storm_leaves_nothing(void **state)
{
	struct import_race race;
	struct crowd crowd = { .run = import_storm_run, .data = &race };

	(void)state;
	race.fd = stranger_open();
	crowd_check(&crowd, NR_THREADS);
	assert_int_equal(dmabuf_live_buffers(), 0);
	close(race.fd);
}

/* One number, under which another thread puts one file after the other. */

static bool sized_as_one_of_them(const struct dma_buf *dmabuf, const char *end)
{
	return (dmabuf->size == PAGE && *end == 'a') ||
	       (dmabuf->size == 2 * PAGE && *end == 'b');
}

static void changing_fd_get(struct crowd *crowd)
{
	struct dma_buf *dmabuf = dma_buf_get(SHARED_FD);
	char *vaddr;

	if (IS_ERR(dmabuf)) {
		HOLDS(crowd, PTR_ERR(dmabuf) == -EBADF ||
		      PTR_ERR(dmabuf) == -EINVAL);
		return;
	}
	vaddr = dma_buf_vmap(dmabuf);
	HOLDS(crowd, !IS_ERR_OR_NULL(vaddr));
	if (!IS_ERR_OR_NULL(vaddr)) {
		HOLDS(crowd, sized_as_one_of_them(dmabuf, vaddr +
						  dmabuf->size - 1));
		dma_buf_vunmap(dmabuf, vaddr);
	}
	dma_buf_put(dmabuf);
}

/* Two buffers of others, one of which is in use here, and a bare file. */
static void fd_changes_or_is_got(struct crowd *crowd, unsigned int me)
{
	const int *fds = crowd->data;
	unsigned int i;

	for (i = 0; i < 10 * NR_ROUNDS; i++) {
		if (me)
			changing_fd_get(crowd);
		else if (i % 7 == 6)
			shared_close(0);
		else
			HOLDS(crowd, shared_set(fds[i % 3], 0));
	}
}

static int stranger_ending_in(char end, size_t size)
{
	int fd = memfd_create("dmabuf:stranger",
			      MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(pwrite(fd, &end, 1, (off_t)size - 1), 1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS,
			       F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	return fd;
}

/* INV-D-11 */
static void get_of_a_number_that_changes_hands_is_one_of_them(void **state)
{
	int fds[3] = {
		stranger_ending_in('a', PAGE),
		stranger_ending_in('b', 2 * PAGE),
		memfd_create("dmabuf:bare", MFD_CLOEXEC | MFD_ALLOW_SEALING),
	};
	struct crowd crowd = { .run = fd_changes_or_is_got, .data = fds };
	struct dma_buf *used = dma_buf_get(fds[1]);
	unsigned int i;

	(void)state;
	assert_false(IS_ERR(used));
	crowd_check(&crowd, 3);
	dma_buf_put(used);
	assert_int_equal(dmabuf_live_buffers(), 0);
	shared_close(0);
	for (i = 0; i < 3; i++)
		close(fds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(fd_storm_leaves_nothing),
		LEAK_TEST(fd_storm_beside_the_reaper_leaves_nothing),
		LEAK_TEST(closes_are_found_once_by_many_dispatchers),
		LEAK_TEST(reaper_is_started_and_stopped_from_all_sides),
		LEAK_TEST(concurrent_first_fds_are_of_one_inode),
		LEAK_TEST(concurrent_imports_are_one_object),
		LEAK_TEST(import_storm_leaves_nothing),
		LEAK_TEST(get_of_a_number_that_changes_hands_is_one_of_them),
	};

	return cmocka_run_group_tests_name("threads/fd", tests,
					   leaks_group_setup, NULL) != 0;
}
