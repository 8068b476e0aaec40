/* SPDX-License-Identifier: MIT */
/*
 * test-udmabuf-refused.c - buffers out of ranges of memfds: what is refused,
 * and when
 *
 * INV-UDMA-D4
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "exporters.h"
#include "leaks.h"
#include "process.h"
#include "udmabufs.h"

#define MIB ((size_t)1 << 20)
#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

static int error_of(struct dmabuf_udmabuf_range range)
{
	return udmabuf_error(&range, 1);
}

/* Offsets and sizes */

static void offset_and_size_are_whole_pages(void **state)
{
	static const uint64_t odd[] = { 1, 8, PAGE / 2, PAGE - 1, PAGE + 1 };
	int fd = numbered_memfd(4, 0);
	size_t i;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(odd); i++) {
		assert_int_equal(error_of((struct dmabuf_udmabuf_range){
			fd, odd[i], PAGE }), -EINVAL);
		assert_int_equal(error_of((struct dmabuf_udmabuf_range){
			fd, 0, odd[i] }), -EINVAL);
	}
	close(fd);
}

static void range_is_inside_the_file(void **state)
{
	int fd = numbered_memfd(4, 0);
	struct dma_buf *dmabuf;
	unsigned int first, nr;

	(void)state;
	for (first = 0; first < 6; first++) {
		for (nr = 1; nr < 6; nr++) {
			struct dmabuf_udmabuf_range range =
				range_of(fd, first, nr);

			if (first + nr > 4) {
				assert_int_equal(error_of(range), -EINVAL);
				continue;
			}
			dmabuf = udmabuf_of(&range, 1);
			assert_int_equal(dmabuf->size, nr * PAGE);
			dma_buf_put(dmabuf);
		}
	}
	close(fd);
}

static void end_that_overflows_is_einval(void **state)
{
	static const uint64_t offsets[] = {
		UINT64_MAX - PAGE + 1, UINT64_MAX - 2 * PAGE + 1,
		(uint64_t)1 << 63, ((uint64_t)1 << 63) - PAGE,
	};
	int fd = numbered_memfd(2, 0);
	size_t i;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(offsets); i++)
		assert_int_equal(error_of((struct dmabuf_udmabuf_range){
			fd, offsets[i], PAGE }), -EINVAL);
	close(fd);
}

static void half_a_page_at_the_end_of_the_file_does_not_count(void **state)
{
	int fd = memfd_make("half", 4 * PAGE + PAGE / 2, F_SEAL_SHRINK);
	struct dmabuf_udmabuf_range range = range_of(fd, 0, 4);

	(void)state;
	assert_int_equal(error_of(range_of(fd, 0, 5)), -EINVAL);
	assert_int_equal(error_of(range_of(fd, 4, 1)), -EINVAL);
	dma_buf_put(udmabuf_of(&range, 1));
	close(fd);
}

static void empty_range_beside_others_is_einval(void **state)
{
	int fd = numbered_memfd(4, 0);
	struct dmabuf_udmabuf_range ranges[] = {
		range_of(fd, 0, 1), range_of(fd, 2, 0),
	};
	struct dmabuf_udmabuf_range swapped[] = { ranges[1], ranges[0] };

	(void)state;
	assert_int_equal(udmabuf_error(ranges, 2), -EINVAL);
	assert_int_equal(udmabuf_error(swapped, 2), -EINVAL);
	assert_int_equal(udmabuf_error(&ranges[1], 1), -EINVAL);
	close(fd);
}

/* Limits */

static void no_ranges_are_einval(void **state)
{
	(void)state;
	assert_int_equal(udmabuf_error(NULL, 0), -EINVAL);
}

static void list_limit_is_inclusive(void **state)
{
	struct dmabuf_udmabuf_range ranges[1025];
	int fd = numbered_memfd(2, 0);
	struct dma_buf *dmabuf;
	size_t i;

	(void)state;
	assert_int_equal(dmabuf_udmabuf_list_limit(), 1024);
	for (i = 0; i < NR_ELEMENTS(ranges); i++)
		ranges[i] = range_of(fd, i % 2, 1);
	assert_int_equal(udmabuf_error(ranges, 1025), -EINVAL);
	dmabuf = udmabuf_of(ranges, 1024);
	assert_int_equal(dmabuf->size, 1024 * PAGE);
	dma_buf_put(dmabuf);
	dmabuf_udmabuf_set_limits(3, 64);
	assert_int_equal(dmabuf_udmabuf_list_limit(), 3);
	dma_buf_put(udmabuf_of(ranges, 3));
	assert_int_equal(udmabuf_error(ranges, 4), -EINVAL);
	/* A single range needs no list. */
	dmabuf_udmabuf_set_limits(0, 64);
	dma_buf_put(udmabuf_of(ranges, 1));
	assert_int_equal(udmabuf_error(ranges, 2), -EINVAL);
	dmabuf_udmabuf_set_limits(1024, 64);
	close(fd);
}

static void size_limit_is_of_all_ranges_and_inclusive(void **state)
{
	struct dmabuf_udmabuf_range ranges[65];
	int fd = memfd_make("large", MIB, F_SEAL_SHRINK);
	struct dma_buf *dmabuf;
	size_t i;

	(void)state;
	for (i = 0; i < 64; i++)
		ranges[i] = range_of(fd, 0, MIB / PAGE);
	ranges[64] = range_of(fd, 0, 1);
	assert_int_equal(udmabuf_error(ranges, 65), -EINVAL);
	dmabuf = udmabuf_of(ranges, 64);
	assert_int_equal(dmabuf->size, 64 * MIB);
	dma_buf_put(dmabuf);
	dmabuf_udmabuf_set_limits(1024, 1);
	assert_int_equal(udmabuf_error(ranges, 2), -EINVAL);
	dma_buf_put(udmabuf_of(ranges, 1));
	dmabuf_udmabuf_set_limits(1024, 0);
	assert_int_equal(udmabuf_error(&ranges[64], 1), -EINVAL);
	dmabuf_udmabuf_set_limits(UINT_MAX, UINT_MAX);
	dma_buf_put(udmabuf_of(ranges, 65));
	dmabuf_udmabuf_set_limits(1024, 64);
	close(fd);
}

/* Sizes that would come to little if they were added up without care. */
static void sizes_whose_sum_overflows_are_einval(void **state)
{
	struct dmabuf_udmabuf_range ranges[] = {
		range_of(-1, 0, 1),
		{ -1, 0, UINT64_MAX - PAGE + 1 },
		range_of(-1, 0, 2),
	};

	(void)state;
	assert_int_equal(udmabuf_error(ranges, 3), -EINVAL);
	dmabuf_udmabuf_set_limits(1024, UINT_MAX);
	assert_int_equal(udmabuf_error(ranges, 3), -EINVAL);
	dmabuf_udmabuf_set_limits(1024, 64);
}

/* Files */

static void other_files_are_ebadfd(void **state)
{
	int fds[7];
	size_t i;

	(void)state;
	fds[0] = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	fds[1] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[2] = eventfd(0, EFD_CLOEXEC);
	fds[3] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(pipe2(&fds[4], O_CLOEXEC), 0);
	fds[6] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	for (i = 0; i < NR_ELEMENTS(fds); i++) {
		assert_true(fds[i] >= 0);
		assert_int_equal(error_of(range_of(fds[i], 0, 1)), -EBADFD);
		close(fds[i]);
		assert_int_equal(error_of(range_of(fds[i], 0, 1)), -EBADFD);
	}
	assert_int_equal(error_of(range_of(-1, 0, 1)), -EBADFD);
	assert_int_equal(error_of(range_of(1 << 30, 0, 1)), -EBADFD);
}

/* It names a file, and opens none. */
static void path_of_a_memfd_is_ebadfd(void **state)
{
	int fd = numbered_memfd(1, 0);
	int path = fd_reopen(fd, O_PATH);

	(void)state;
	assert_int_equal(error_of(range_of(path, 0, 1)), -EBADFD);
	close(path);
	close(fd);
}

/* A file of tmpfs has seals, though nobody can add one. */
static void file_without_seals_of_its_own_is_einval(void **state)
{
	int fd = memfd_make("plain", PAGE, -1);

	(void)state;
	assert_int_equal(error_of(range_of(fd, 0, 1)), -EINVAL);
	close(fd);
}

static bool seals_are_right(int seals)
{
	return (seals & F_SEAL_SHRINK) &&
	       !(seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE));
}

static void seals_decide(void **state)
{
	static const int seals[] = {
		F_SEAL_SHRINK, F_SEAL_WRITE, F_SEAL_FUTURE_WRITE, F_SEAL_GROW,
		F_SEAL_SEAL, F_SEAL_EXEC,
	};
	struct dmabuf_udmabuf_range range;
	unsigned int set, i;
	int all, fd;

	(void)state;
	for (set = 0; set < 1u << NR_ELEMENTS(seals); set++) {
		for (all = 0, i = 0; i < NR_ELEMENTS(seals); i++)
			all |= set & 1u << i ? seals[i] : 0;
		fd = memfd_make("sealed", PAGE, 0);
		if (fcntl(fd, F_ADD_SEALS, all))
			/* F_SEAL_EXEC is younger than the others. */
			assert_true(errno == EINVAL && (all & F_SEAL_EXEC));
		else if (!seals_are_right(fcntl(fd, F_GET_SEALS)))
			assert_int_equal(error_of(range_of(fd, 0, 1)), -EINVAL);
		range = range_of(fd, 0, 1);
		if (seals_are_right(fcntl(fd, F_GET_SEALS)))
			dma_buf_put(udmabuf_of(&range, 1));
		close(fd);
	}
}

/* The kernel does not look at how the memfd was opened. */
static void access_mode_of_the_memfd_does_not_matter(void **state)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	int fd = numbered_memfd(2, 7);
	struct dmabuf_udmabuf_range range;
	struct dma_buf *dmabuf;
	char *vaddr;
	size_t i;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(modes); i++) {
		range = range_of(fd_reopen(fd, modes[i]), 1, 1);
		dmabuf = udmabuf_of(&range, 1);
		close(range.fd);
		vaddr = vmap_of(dmabuf);
		number_set(vaddr, (unsigned int)(100 + i));
		assert_int_equal(number_in(fd, 1), 100 + i);
		dma_buf_vunmap(dmabuf, vaddr);
		dma_buf_put(dmabuf);
	}
	close(fd);
}

static int forbidden_memfd_is_eacces(int sock, void *data)
{
	struct dmabuf_udmabuf_range *range = data;
	struct dma_buf *dmabuf;

	(void)sock;
	if (!geteuid())
		PEER_CHECK(!setresuid(65534, 65534, 65534));
	PEER_CHECK(dmabuf_udmabuf_export(range, 1, &dmabuf) == -EACCES);
	return 0;
}

/* Then it is opened again, and that may be forbidden. */
static void read_only_memfd_that_may_not_be_written_is_eacces(void **state)
{
	int fd = numbered_memfd(1, 0);
	struct dmabuf_udmabuf_range range;
	struct peer peer;

	(void)state;
	range = range_of(fd_reopen(fd, O_RDONLY), 0, 1);
	assert_int_equal(fchmod(fd, 0), 0);
	peer_start(&peer, forbidden_memfd_is_eacces, &range);
	peer_join(&peer);
	close(range.fd);
	close(fd);
}

/* Order */

static void sums_are_checked_before_any_file(void **state)
{
	struct dmabuf_udmabuf_range ranges[] = {
		range_of(-1, 0, 1), range_of(-1, 0, 1),
	};

	(void)state;
	assert_int_equal(udmabuf_error(ranges, 2), -EBADFD);
	ranges[1].offset = 1;
	assert_int_equal(udmabuf_error(ranges, 2), -EINVAL);
	ranges[1] = range_of(-1, 0, 1);
	ranges[1].size = PAGE + 1;
	assert_int_equal(udmabuf_error(ranges, 2), -EINVAL);
	ranges[1].size = 64 * MIB;
	assert_int_equal(udmabuf_error(ranges, 2), -EINVAL);
	ranges[0].size = 0;
	assert_int_equal(udmabuf_error(ranges, 2), -EBADFD);
	ranges[1].size = 0;
	assert_int_equal(udmabuf_error(ranges, 2), -EINVAL);
}

static void ranges_are_checked_in_their_order(void **state)
{
	int good = numbered_memfd(1, 0);
	int unsealed = memfd_make("unsealed", PAGE, 0);
	struct dmabuf_udmabuf_range bad[] = {
		range_of(unsealed, 0, 1), range_of(good, 1, 1),
		range_of(good, 0, 0),
	};
	struct dmabuf_udmabuf_range ranges[3] = { range_of(good, 0, 1) };
	size_t i;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(bad); i++) {
		ranges[1] = bad[i];
		ranges[2] = range_of(-1, 0, 1);
		assert_int_equal(udmabuf_error(ranges, 3), -EINVAL);
		ranges[1] = ranges[2];
		ranges[2] = bad[i];
		assert_int_equal(udmabuf_error(ranges, 3), -EBADFD);
	}
	/* Of one range, the file comes first. */
	ranges[1] = range_of(-1, 0, 0);
	assert_int_equal(udmabuf_error(ranges, 2), -EBADFD);
	close(good);
	close(unsealed);
}

/* Lets the next fd be the last, or fail. */
static struct rlimit nofile_limit(unsigned int more)
{
	struct rlimit old, new;
	int next = dup(0);

	assert_true(next >= 0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	new = (struct rlimit){ (rlim_t)next + more, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &new), 0);
	return old;
}

static void fds_run_out_after_the_checks(void **state)
{
	int good = numbered_memfd(2, 0);
	struct dmabuf_udmabuf_range range = range_of(good, 1, 2);
	struct dma_buf *dmabuf;
	struct rlimit old;
	int ret, again;

	(void)state;
	old = nofile_limit(0);
	ret = dmabuf_udmabuf_export(&range, 1, &dmabuf);
	range = range_of(good, 0, 2);
	again = dmabuf_udmabuf_export(&range, 1, &dmabuf);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(ret, -EINVAL);
	assert_int_equal(again, -EMFILE);
	assert_int_equal(dmabuf_live_buffers(), 0);
	close(good);
}

/* INV-UDMA-D4 */
static void failing_range_undoes_the_earlier_ones(void **state)
{
	struct dmabuf_udmabuf_range ranges[4];
	unsigned int i, bad;
	int fds[4];

	(void)state;
	for (bad = 0; bad < 4; bad++) {
		for (i = 0; i < 4; i++) {
			fds[i] = numbered_memfd(2, 0);
			ranges[i] = range_of(fds[i], 0, 2);
		}
		ranges[bad].offset = PAGE;
		assert_int_equal(udmabuf_error(ranges, 4), -EINVAL);
		/* Nothing holds them any more. */
		for (i = 0; i < 4; i++) {
			assert_int_equal(fcntl(fds[i], F_ADD_SEALS,
					       F_SEAL_WRITE), 0);
			close(fds[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(offset_and_size_are_whole_pages),
		LEAK_TEST(range_is_inside_the_file),
		LEAK_TEST(end_that_overflows_is_einval),
		LEAK_TEST(half_a_page_at_the_end_of_the_file_does_not_count),
		LEAK_TEST(empty_range_beside_others_is_einval),
		LEAK_TEST(no_ranges_are_einval),
		LEAK_TEST(list_limit_is_inclusive),
		LEAK_TEST(size_limit_is_of_all_ranges_and_inclusive),
		LEAK_TEST(sizes_whose_sum_overflows_are_einval),
		LEAK_TEST(other_files_are_ebadfd),
		LEAK_TEST(path_of_a_memfd_is_ebadfd),
		LEAK_TEST(file_without_seals_of_its_own_is_einval),
		LEAK_TEST(seals_decide),
		LEAK_TEST(access_mode_of_the_memfd_does_not_matter),
		LEAK_TEST(read_only_memfd_that_may_not_be_written_is_eacces),
		LEAK_TEST(sums_are_checked_before_any_file),
		LEAK_TEST(ranges_are_checked_in_their_order),
		LEAK_TEST(fds_run_out_after_the_checks),
		LEAK_TEST(failing_range_undoes_the_earlier_ones),
	};

	return cmocka_run_group_tests_name("udmabuf/refused", tests,
					   leaks_group_setup, NULL) != 0;
}
