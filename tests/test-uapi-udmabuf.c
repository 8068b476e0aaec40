/* SPDX-License-Identifier: MIT */
/* test-uapi-udmabuf.c - ioctl(2) on the device udmabuf, as a function */
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-caller.h"
#include "process.h"

#define PAGE 4096
#define NOWHERE UINT64_C(0x10)
#define LIST_LIMIT 1024
#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

/* struct udmabuf_create_list, with room. */
struct list {
	uint32_t flags;
	uint32_t count;
	struct udmabuf_create_item items[LIST_LIMIT + 1];
};

static struct mock_caller him;
static struct list list;
static int memfd;	/* his number for four pages that can be had */

/* Each page carries its number. */
static int pages_make(unsigned int nr)
{
	int fd = memfd_make("pages", nr * PAGE, F_SEAL_SHRINK);
	unsigned char number;

	for (number = 0; number < nr; number++)
		assert_int_equal(pwrite(fd, &number, 1, number * PAGE), 1);
	return fd;
}

static int begin(void **state)
{
	if (leaks_setup(state))
		return -1;
	mock_caller_init(&him);
	memset(&list, 0, sizeof(list));
	memfd = his_fd_put(&him, pages_make(4));
	return 0;
}

static int end(void **state)
{
	mock_caller_fini(&him);
	wait_for_live_buffers(0);
	return leaks_teardown(state);
}

#define UAPI_TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

static long create(uint32_t fd, uint32_t flags, uint64_t offset, uint64_t size)
{
	const struct udmabuf_create data = { fd, flags, offset, size };
	uint64_t arg = his_put(&him, 0, &data, sizeof(data));

	return dmabuf_udmabuf_ioctl(UDMABUF_CREATE, arg, &him.base);
}

/* @nr of @list, which ends with his memory when that is asked for. */
static long create_list(uint32_t count, size_t nr)
{
	size_t size = offsetof(struct list, items) + nr * sizeof(list.items[0]);
	uint64_t arg;

	list.count = count;
	arg = his_put(&him, sizeof(him.memory) - size, &list, size);
	return dmabuf_udmabuf_ioctl(UDMABUF_CREATE_LIST, arg, &him.base);
}

static void item_set(size_t i, int fd, uint64_t page, uint64_t pages)
{
	list.items[i] = (struct udmabuf_create_item){
		.memfd = (uint32_t)fd,
		.offset = page * PAGE,
		.size = pages * PAGE,
	};
}

/* Page by page, the buffer behind his fd has these numbers. */
static void shows(long number, const char *pages)
{
	struct dma_buf *dmabuf = dma_buf_get(his_fd(&him, (int)number));
	const char *vaddr;
	size_t i;

	assert_false(IS_ERR(dmabuf));
	assert_int_equal(dmabuf->size, strlen(pages) * PAGE);
	vaddr = dma_buf_vmap(dmabuf);
	assert_false(IS_ERR_OR_NULL(vaddr));
	for (i = 0; pages[i]; i++)
		assert_int_equal(vaddr[i * PAGE], pages[i] - '0');
	dma_buf_vunmap(dmabuf, (void *)(uintptr_t)vaddr);
	dma_buf_put(dmabuf);
}

static void fails(long ret, long error, const char *asked)
{
	assert_int_equal(ret, error);
	assert_asked(&him, asked);
	assert_int_equal(his_nr_fds(&him), 1);
	assert_int_equal(dmabuf_live_buffers(), 0);
}

static void one_range_comes_out(void **state)
{
	long number = create((uint32_t)memfd, UDMABUF_FLAGS_CLOEXEC, PAGE,
			     2 * PAGE);

	(void)state;
	/* The result is the number; nothing is written. */
	assert_int_equal(number, HIS_FD + 1);
	assert_asked(&him, "read open room give");
	assert_int_equal(him.flags[1], O_CLOEXEC);
	shows(number, "12");
}

static void flags_other_than_close_on_exec_are_ignored(void **state)
{
	(void)state;
	assert_int_equal(create((uint32_t)memfd, ~UDMABUF_FLAGS_CLOEXEC, 0,
				PAGE), HIS_FD + 1);
	assert_int_equal(create((uint32_t)memfd, UINT32_MAX, 0, PAGE),
			 HIS_FD + 2);
	assert_int_equal(him.flags[1], 0);
	assert_int_equal(him.flags[2], O_CLOEXEC);
}

static void a_list_comes_out_in_its_order(void **state)
{
	int other = his_fd_put(&him, pages_make(9));
	long number;

	(void)state;
	item_set(0, memfd, 3, 1);
	item_set(1, other, 7, 2);
	item_set(2, memfd, 0, 2);
	item_set(3, memfd, 3, 1);
	list.items[2].__pad = UINT32_MAX;
	list.flags = UDMABUF_FLAGS_CLOEXEC;
	number = create_list(4, 4);
	assert_int_equal(number, HIS_FD + 2);
	/* Each memfd is opened once. */
	assert_asked(&him, "read read open open room give");
	assert_int_equal(him.flags[2], O_CLOEXEC);
	shows(number, "378013");
}

static void commands_are_compared_as_a_whole(void **state)
{
	static const unsigned int wrong[] = {
		0, _IO('u', 0x42), _IOR('u', 0x42, struct udmabuf_create),
		_IOW('U', 0x42, struct udmabuf_create),
		_IOW('u', 0x41, struct udmabuf_create),
		_IOW('u', 0x44, struct udmabuf_create_list),
		_IOW('u', 0x43, struct udmabuf_create), UINT32_MAX,
	};
	size_t i;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(wrong); i++)
		fails(dmabuf_udmabuf_ioctl(wrong[i], NOWHERE, &him.base),
		      -ENOTTY, "");
}

static void what_cannot_be_read_is_efault(void **state)
{
	(void)state;
	fails(dmabuf_udmabuf_ioctl(UDMABUF_CREATE, NOWHERE, &him.base),
	      -EFAULT, "read");
	fails(dmabuf_udmabuf_ioctl(UDMABUF_CREATE_LIST, NOWHERE, &him.base),
	      -EFAULT, "read");
	item_set(0, memfd, 0, 1);
	item_set(1, memfd, 1, 1);
	/* The last item is not there. */
	fails(create_list(3, 2), -EFAULT, "read read");
	/* Nor need it be: nobody reads so many. */
	fails(create_list(LIST_LIMIT + 1, 2), -EINVAL, "read");
	fails(create_list(UINT32_MAX, 2), -EINVAL, "read");
}

static void no_item_is_einval(void **state)
{
	(void)state;
	fails(create_list(0, 0), -EINVAL, "read");
}

static void as_many_items_as_the_limit_says(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < LIST_LIMIT; i++)
		item_set(i, memfd, i % 4, 1);
	assert_int_equal(create_list(LIST_LIMIT, LIST_LIMIT), HIS_FD + 1);
	assert_asked(&him, "read read open room give");
	assert_int_equal(lseek(his_fd(&him, HIS_FD + 1), 0, SEEK_END),
			 LIST_LIMIT * PAGE);
}

/* Row by row: all items are looked at before the first fd is. */
static void errors_come_in_order(void **state)
{
	(void)state;
	item_set(0, HIS_FD + 5, 0, 1);
	item_set(1, memfd, 0, 1);
	list.items[1].offset = PAGE / 2;
	fails(create_list(2, 2), -EINVAL, "read read");
	item_set(1, memfd, 0, 65 * 256);
	fails(create_list(2, 2), -EINVAL, "read read");
	item_set(1, memfd, 4, 1);
	fails(create_list(2, 2), -EBADFD, "read read open open");
	item_set(0, memfd, 0, 1);
	fails(create_list(2, 2), -EINVAL, "read read open");
	item_set(1, memfd, 0, 0);
	fails(create_list(2, 2), -EINVAL, "read read open");
	item_set(1, -1, 0, 1);
	fails(create_list(2, 2), -EBADFD, "read read open open");
	item_set(0, -1, 0, 1);
	fails(create_list(2, 2), -EBADFD, "read read open");
}

static void the_number_comes_last(void **state)
{
	(void)state;
	him.fds_max = 1;
	fails(create(HIS_FD + 5, 0, 0, PAGE), -EBADFD, "read open");
	fails(create((uint32_t)memfd, 0, 0, PAGE), -EMFILE, "read open room");
	him.fds_max = 2;
	assert_true(create((uint32_t)memfd, 0, 0, PAGE) > 0);
}

static void who_takes_no_fd_has_none(void **state)
{
	(void)state;
	him.give_error = -EMFILE;
	assert_int_equal(create((uint32_t)memfd, 0, 0, PAGE), -EMFILE);
	assert_int_equal(his_nr_fds(&him), 1);
	wait_for_live_buffers(0);
}

/* His fds are opened in this process, which may have no room for them. */
static void running_out_of_fds_closes_those_that_were_opened(void **state)
{
	struct rlimit old, new;
	int other = his_fd_put(&him, pages_make(4));
	int next = dup(0);
	long ret;

	(void)state;
	item_set(0, memfd, 0, 1);
	item_set(1, other, 0, 1);
	assert_true(next >= 0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	new = (struct rlimit){ (rlim_t)next + 1, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &new), 0);
	ret = create_list(2, 2);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(ret, -EMFILE);
	assert_asked(&him, "read read open open");
	assert_int_equal(fcntl(next, F_GETFD), -1);
}

static void fd_0_is_an_fd_too(void **state)
{
	int saved = fcntl(0, F_DUPFD_CLOEXEC, 0);
	long ret;
	int left;

	(void)state;
	assert_true(saved > 0);
	close(0);
	/* His memfd has that number here. What is wrong is the range. */
	ret = create((uint32_t)memfd, 0, 0, 5 * PAGE);
	left = fcntl(0, F_GETFD);
	assert_int_equal(dup2(saved, 0), 0);
	close(saved);
	assert_int_equal(ret, -EINVAL);
	assert_int_equal(left, -1);
}

static void other_files_are_ebadfd(void **state)
{
	int pipes[2];

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(create((uint32_t)his_fd_put(&him, pipes[0]), 0, 0,
				PAGE), -EBADFD);
	close(pipes[1]);
	assert_int_equal(create((uint32_t)-1, 0, 0, PAGE), -EBADFD);
}

/* Heaps, memfds and udmabufs, read-only ones too. */
static int buffer_fd(unsigned int kind)
{
	struct dma_heap *heap = dma_heap_find("system");
	struct dmabuf_udmabuf_range range = { .size = PAGE };
	struct dma_buf *dmabuf;

	switch (kind) {
	case 0:
		return fd_of(dma_heap_buffer_alloc(heap, PAGE, O_RDWR, 0));
	case 1:
		return fd_of(dma_heap_buffer_alloc(heap, PAGE, O_RDONLY, 0));
	case 2:
		assert_int_equal(dmabuf_anon_export(PAGE, O_RDWR, &dmabuf), 0);
		return fd_of(dmabuf);
	default:
		range.fd = his_fd(&him, memfd);
		assert_int_equal(dmabuf_udmabuf_export(&range, 1, &dmabuf), 0);
		return fd_of(dmabuf);
	}
}

static long create_here(int fd)
{
	const struct udmabuf_create data = {
		.memfd = (uint32_t)fd,
		.size = PAGE,
	};

	return dmabuf_udmabuf_ioctl(UDMABUF_CREATE, (uintptr_t)&data, NULL);
}

/* Though some are memfds, with the seals that it takes. */
static void buffers_are_ebadfd(void **state)
{
	unsigned int kind;
	int fd, number;

	(void)state;
	for (kind = 0; kind < 4; kind++) {
		fd = buffer_fd(kind);
		number = his_fd_put(&him, fd);
		assert_int_equal(create((uint32_t)number, 0, 0, PAGE),
				 -EBADFD);
		/* The range is asked for later. */
		assert_int_equal(create((uint32_t)number, 0, PAGE, PAGE),
				 -EBADFD);
		assert_int_equal(create_here(fd), -EBADFD);
	}
}

/* Nor one with the name, too: whose it is counts. */
static void memfd_with_the_seals_of_a_buffer_is_none(void **state)
{
	static const char *const names[] = { "sealed", "dmabuf:", "dmabuf:x" };
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(names); i++) {
		fd = memfd_make(names[i], PAGE, F_SEAL_SHRINK | F_SEAL_GROW |
				F_SEAL_SEAL);
		fd = his_fd_put(&him, fd);
		assert_true(create((uint32_t)fd, 0, 0, PAGE) >= 0);
	}
}

/* This thread */

static void this_thread_can_ask_too(void **state)
{
	struct udmabuf_create data = {
		.memfd = (uint32_t)his_fd(&him, memfd),
		.size = PAGE,
		.flags = UDMABUF_FLAGS_CLOEXEC,
	};
	long fd;

	(void)state;
	fd = dmabuf_udmabuf_ioctl(UDMABUF_CREATE, (uintptr_t)&data, NULL);
	assert_true(fd >= 0);
	assert_int_equal(fcntl((int)fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(lseek((int)fd, 0, SEEK_END), PAGE);
	close((int)fd);
	data.flags = 0;
	fd = dmabuf_udmabuf_ioctl(UDMABUF_CREATE, (uintptr_t)&data, NULL);
	assert_int_equal(fcntl((int)fd, F_GETFD), 0);
	close((int)fd);
	data.memfd = 9999;
	assert_int_equal(dmabuf_udmabuf_ioctl(UDMABUF_CREATE, (uintptr_t)&data,
					      NULL), -EBADFD);
	assert_int_equal(dmabuf_udmabuf_ioctl(UDMABUF_CREATE, NOWHERE, NULL),
			 -EFAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UAPI_TEST(one_range_comes_out),
		UAPI_TEST(flags_other_than_close_on_exec_are_ignored),
		UAPI_TEST(a_list_comes_out_in_its_order),
		UAPI_TEST(commands_are_compared_as_a_whole),
		UAPI_TEST(what_cannot_be_read_is_efault),
		UAPI_TEST(no_item_is_einval),
		UAPI_TEST(as_many_items_as_the_limit_says),
		UAPI_TEST(errors_come_in_order),
		UAPI_TEST(the_number_comes_last),
		UAPI_TEST(who_takes_no_fd_has_none),
		UAPI_TEST(running_out_of_fds_closes_those_that_were_opened),
		UAPI_TEST(fd_0_is_an_fd_too),
		UAPI_TEST(other_files_are_ebadfd),
		UAPI_TEST(buffers_are_ebadfd),
		UAPI_TEST(memfd_with_the_seals_of_a_buffer_is_none),
		UAPI_TEST(this_thread_can_ask_too),
	};

	return cmocka_run_group_tests_name("uapi/udmabuf", tests,
					   leaks_group_setup, NULL) != 0;
}
