/* SPDX-License-Identifier: MIT */
/* test-uapi-mmap.c - what mmap(2) on a buffer's fd would say */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-exporter.h"
#include "process.h"
#include "sanitized.h"
#include "warns.h"

#define PAGE 4096
#define SIZE (4 * PAGE)
#define RW (PROT_READ | PROT_WRITE)
#define VALIDATE 3			/* MAP_SHARED_VALIDATE */
#define UNKNOWN 0x80000			/* MAP_SYNC, which is for other files */
#define TOO_LONG (UINT64_C(1) << 60)
#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

struct row {
	uint64_t length;
	int prot;
	int flags;
	uint64_t offset;
	int mode;
	int ret;
};

static void check(struct dma_buf *dmabuf, const struct row *rows, size_t nr)
{
	const struct row *row;
	int ret;

	for (row = rows; row < rows + nr; row++) {
		ret = dmabuf_buffer_mmap_check(dmabuf, row->length, row->prot,
					       row->flags, row->offset,
					       row->mode);
		if (ret == row->ret)
			continue;
		print_error("row %zu: %d, and not %d\n", (size_t)(row - rows),
			    ret, row->ret);
		fail();
	}
}

static void check_on_new(const struct row *rows, size_t nr)
{
	struct dma_buf *dmabuf = memfd_export(SIZE, O_RDWR);

	check(dmabuf, rows, nr);
	dma_buf_put(dmabuf);
}

static void what_can_be_mapped_can_be_mapped(void **state)
{
	static const struct row rows[] = {
		{ SIZE, RW, MAP_SHARED, 0, O_RDWR, 0 },
		{ SIZE, RW, MAP_PRIVATE, 0, O_RDWR, 0 },
		{ SIZE, RW, VALIDATE, 0, O_RDWR, 0 },
		{ 1, RW, MAP_SHARED, 0, O_RDWR, 0 },
		{ SIZE - 1, RW, MAP_SHARED, 0, O_RDWR, 0 },
		{ PAGE, RW, MAP_SHARED, SIZE - PAGE, O_RDWR, 0 },
		{ SIZE, PROT_READ, MAP_SHARED, 0, O_RDONLY, 0 },
		{ SIZE, RW, MAP_PRIVATE, 0, O_RDONLY, 0 },
		{ SIZE, PROT_NONE, MAP_SHARED, 0, O_RDWR, 0 },
		{ SIZE, RW, MAP_SHARED | UNKNOWN, 0, O_RDWR, 0 },
		{ SIZE, RW, MAP_SHARED | MAP_FIXED, 0, O_RDWR, 0 },
		{ SIZE, RW, MAP_SHARED, 0, O_RDWR | O_NONBLOCK, 0 },
	};

	(void)state;
	check_on_new(rows, NR_ELEMENTS(rows));
}

static void each_mistake_has_its_error(void **state)
{
	static const struct row rows[] = {
		{ SIZE, RW, MAP_SHARED, 1, O_RDWR, -EINVAL },
		{ SIZE, RW, MAP_SHARED, PAGE / 2, O_RDWR, -EINVAL },
		{ 0, RW, MAP_SHARED, 0, O_RDWR, -EINVAL },
		{ UINT64_MAX, RW, MAP_SHARED, 0, O_RDWR, -ENOMEM },
		{ TOO_LONG, RW, MAP_SHARED, 0, O_RDWR, -ENOMEM },
		{ PAGE, RW, MAP_SHARED, -(uint64_t)PAGE, O_RDWR, -EOVERFLOW },
		{ SIZE, RW, MAP_SHARED, -(uint64_t)PAGE, O_RDWR, -EOVERFLOW },
		{ SIZE, RW, VALIDATE | UNKNOWN, 0, O_RDWR, -EOPNOTSUPP },
		{ SIZE, RW, MAP_SHARED, 0, O_RDONLY, -EACCES },
		{ SIZE, PROT_WRITE, VALIDATE, 0, O_RDONLY, -EACCES },
		{ SIZE, RW, MAP_SHARED, 0, O_WRONLY, -EACCES },
		{ SIZE, PROT_NONE, MAP_PRIVATE, 0, O_WRONLY, -EACCES },
		{ SIZE, RW, 0, 0, O_RDWR, -EINVAL },
		{ SIZE, RW, 4, 0, O_RDWR, -EINVAL },
		{ SIZE, RW, MAP_TYPE, 0, O_RDWR, -EINVAL },
		{ SIZE, RW, MAP_SHARED | MAP_GROWSDOWN, 0, O_RDWR, -EINVAL },
		{ SIZE, RW, MAP_SHARED | MAP_HUGETLB, 0, O_RDWR, -EINVAL },
		{ SIZE + 1, RW, MAP_SHARED, 0, O_RDWR, -EINVAL },
		{ PAGE, RW, MAP_SHARED, SIZE, O_RDWR, -EINVAL },
		{ 2 * PAGE, RW, MAP_SHARED, SIZE - PAGE, O_RDWR, -EINVAL },
		{ PAGE, RW, MAP_SHARED, UINT64_C(1) << 63, O_RDWR, -EINVAL },
	};

	(void)state;
	check_on_new(rows, NR_ELEMENTS(rows));
}

/* Each row has its own mistake, and all that come after it. */
static void of_two_mistakes_the_first_counts(void **state)
{
	static const struct row rows[] = {
		{ 0, RW, VALIDATE | UNKNOWN, SIZE + 1, O_WRONLY, -EINVAL },
		{ 0, RW, VALIDATE | UNKNOWN, SIZE, O_WRONLY, -EINVAL },
		{ UINT64_MAX, RW, VALIDATE | UNKNOWN, -(uint64_t)PAGE, O_WRONLY,
		  -ENOMEM },
		{ TOO_LONG, RW, VALIDATE | UNKNOWN, -(uint64_t)PAGE, O_WRONLY,
		  -ENOMEM },
		{ SIZE, RW, VALIDATE | UNKNOWN, -(uint64_t)PAGE, O_WRONLY,
		  -EOVERFLOW },
		{ SIZE, RW, VALIDATE | UNKNOWN, SIZE, O_RDONLY, -EOPNOTSUPP },
		{ SIZE, RW, VALIDATE | UNKNOWN, SIZE, O_WRONLY, -EOPNOTSUPP },
		{ SIZE, RW, MAP_SHARED, SIZE, O_RDONLY, -EACCES },
		{ SIZE, RW, MAP_SHARED, SIZE, O_WRONLY, -EACCES },
		/* What is neither shared nor private is not looked at. */
		{ SIZE, RW, 0, SIZE, O_WRONLY, -EINVAL },
	};

	(void)state;
	check_on_new(rows, NR_ELEMENTS(rows));
}

static void without_the_op_mapping_is_einval_but_not_first(void **state)
{
	static const struct row rows[] = {
		{ PAGE, RW, MAP_SHARED, 0, O_RDWR, -EINVAL },
		{ PAGE, RW, MAP_SHARED, 0, O_RDONLY, -EACCES },
		{ TOO_LONG, RW, MAP_SHARED, 0, O_RDWR, -ENOMEM },
	};
	struct mock mock;

	(void)state;
	mock_export(&mock, SIZE, MOCK_BARE);
	check(mock.dmabuf, rows, NR_ELEMENTS(rows));
	dma_buf_put(mock.dmabuf);
}

/* The exporter is not asked: his rules come after. */
static void the_last_part_of_a_page_cannot_be_mapped(void **state)
{
	static const struct row odd[] = {
		{ PAGE, RW, MAP_SHARED, 0, O_RDWR, 0 },
		{ PAGE + 1, RW, MAP_SHARED, 0, O_RDWR, -EINVAL },
		{ 1, RW, MAP_SHARED, PAGE, O_RDWR, -EINVAL },
	};
	static const struct row small[] = {
		{ 1, RW, MAP_SHARED, 0, O_RDWR, -EINVAL },
	};
	struct mock mock;

	(void)state;
	mock_init(&mock, SIZE, 0);
	mock.info.size = PAGE + 100;
	check(mock_export_inited(&mock), odd, NR_ELEMENTS(odd));
	assert_log(&mock, "");
	dma_buf_put(mock.dmabuf);
	mock_init(&mock, SIZE, 0);
	mock.info.size = 100;
	check(mock_export_inited(&mock), small, NR_ELEMENTS(small));
	dma_buf_put(mock.dmabuf);
}

static void no_buffer_is_einval_and_warns(void **state)
{
	(void)state;
	assert_int_equal(dmabuf_buffer_mmap_check(NULL, PAGE, RW, MAP_SHARED, 0,
						  O_RDWR), -EINVAL);
	assert_warned("dmabuf_buffer_mmap_check");
}

/* The first rows are those of every file: this kernel's own answers. */

static int kernel_says(int fd, int prot, int flags)
{
	/* By number: sanitizers have their own ideas of mmap(2). */
	long addr = syscall(SYS_mmap, NULL, (size_t)PAGE, prot, flags, fd, 0l);

	if (addr == -1)
		return -errno;
	syscall(SYS_munmap, addr, (size_t)PAGE);
	return 0;
}

static void compare(struct dma_buf *dmabuf, int fd, int mode, int flags)
{
	static const int prots[] = {
		PROT_NONE, PROT_READ, PROT_WRITE, RW,
	};
	size_t i;
	int ret;

	for (i = 0; i < NR_ELEMENTS(prots); i++) {
		ret = dmabuf_buffer_mmap_check(dmabuf, PAGE, prots[i], flags, 0,
					       mode);
		if (ret == kernel_says(fd, prots[i], flags))
			continue;
		print_error("mode %d, prot %d, flags %#x: %d\n", mode, prots[i],
			    (unsigned int)flags, ret);
		fail();
	}
}

static void compare_all_types(struct dma_buf *dmabuf, int memfd, int mode)
{
	/* Not those that choose or lock addresses. */
	static const int flags[] = {
		0, MAP_GROWSDOWN, MAP_DENYWRITE, MAP_EXECUTABLE, MAP_NORESERVE,
		MAP_NONBLOCK, MAP_STACK, MAP_HUGETLB, 21 << 26, 30 << 26,
		63 << 26, UNKNOWN, 0x200, 0x400, (int)0x80000000,
		MAP_GROWSDOWN | UNKNOWN, MAP_HUGETLB | UNKNOWN,
#ifdef MAP_32BIT
		MAP_32BIT, 0x80,
#endif
	};
	int fd = fd_reopen(memfd, mode);
	size_t i;
	int type;

	for (type = 0; type < 8; type++)
		for (i = 0; i < NR_ELEMENTS(flags); i++)
			compare(dmabuf, fd, mode, type | flags[i]);
	close(fd);
}

static void flags_and_modes_are_as_for_any_file(void **state)
{
	struct dma_buf *dmabuf;
	int memfd;

	(void)state;
	if (under_valgrind()) {
		print_message("skipped under valgrind: it has its own ideas of "
			      "mmap(2)\n");
		skip();
	}
	dmabuf = memfd_export(SIZE, O_RDWR);
	memfd = memfd_make("other", SIZE, 0);
	compare_all_types(dmabuf, memfd, O_RDONLY);
	compare_all_types(dmabuf, memfd, O_WRONLY);
	compare_all_types(dmabuf, memfd, O_RDWR);
	close(memfd);
	dma_buf_put(dmabuf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(what_can_be_mapped_can_be_mapped),
		LEAK_TEST(each_mistake_has_its_error),
		LEAK_TEST(of_two_mistakes_the_first_counts),
		LEAK_TEST(without_the_op_mapping_is_einval_but_not_first),
		LEAK_TEST(the_last_part_of_a_page_cannot_be_mapped),
		LEAK_TEST(no_buffer_is_einval_and_warns),
		LEAK_TEST(flags_and_modes_are_as_for_any_file),
	};

	return cmocka_run_group_tests_name("uapi/mmap", tests,
					   leaks_group_setup, NULL) != 0;
}
