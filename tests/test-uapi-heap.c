/* SPDX-License-Identifier: MIT */
/* test-uapi-heap.c - ioctl(2) on a heap's device, as a function */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-caller.h"
#include "process.h"

#define NOWHERE UINT64_C(0x10)
#define FLAGS (O_RDWR | O_CLOEXEC)
#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

struct args {
	struct dma_heap_allocation_data data;
	unsigned char more[1000];
};

static struct mock_caller him;
static struct dma_heap *heap;

static int begin(void **state)
{
	heap = dma_heap_find("system");
	if (!heap || leaks_setup(state))
		return -1;
	mock_caller_init(&him);
	return 0;
}

static int end(void **state)
{
	mock_caller_fini(&him);
	wait_for_live_buffers(0);
	return leaks_teardown(state);
}

#define UAPI_TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

static const struct dma_heap_allocation_data good = {
	.len = 10000,
	.fd_flags = FLAGS,
};

static unsigned int cmd_of(unsigned int dir, size_t size)
{
	return _IOC(dir, DMA_HEAP_IOC_MAGIC, 0, (unsigned int)size);
}

static long call(unsigned int cmd)
{
	return dmabuf_heap_ioctl(heap, cmd, HIS_MEMORY, &him.base);
}

static long call_with(unsigned int cmd,
		      const struct dma_heap_allocation_data *data)
{
	his_put(&him, 0, data, sizeof(*data));
	return call(cmd);
}

static struct dma_heap_allocation_data in_memory(void)
{
	struct dma_heap_allocation_data data;

	his_get(&him, 0, &data, sizeof(data));
	return data;
}

/* Nothing of him changed, nothing is left, and he was asked this. */
static void fails(unsigned int cmd, long error, const char *asked)
{
	unsigned char before[sizeof(him.memory)];

	memcpy(before, him.memory, sizeof(before));
	assert_int_equal(call(cmd), error);
	assert_asked(&him, asked);
	assert_memory_equal(before, him.memory, sizeof(before));
	assert_int_equal(his_nr_fds(&him), 0);
	/* At once, not when somebody dispatches. */
	if (!him.give_error)
		assert_int_equal(dmabuf_live_buffers(), 0);
}

/* A buffer comes out */

static void a_buffer_comes_out(void **state)
{
	struct dma_heap_allocation_data data;

	(void)state;
	assert_int_equal(call_with(DMA_HEAP_IOCTL_ALLOC, &good), 0);
	assert_asked(&him, "read room write give write");
	data = in_memory();
	assert_int_equal(data.fd, HIS_FD);
	assert_int_equal(data.len, good.len);
	assert_int_equal(data.fd_flags, good.fd_flags);
	assert_int_equal(data.heap_flags, 0);
	assert_int_equal(lseek(his_fd(&him, HIS_FD), 0, SEEK_END), 12288);
	assert_int_equal(dmabuf_live_buffers(), 1);
}

static void close_on_exec_is_as_asked_for(void **state)
{
	struct dma_heap_allocation_data data = good;

	(void)state;
	assert_int_equal(call_with(DMA_HEAP_IOCTL_ALLOC, &data), 0);
	data.fd_flags = O_RDWR;
	assert_int_equal(call_with(DMA_HEAP_IOCTL_ALLOC, &data), 0);
	assert_int_equal(him.flags[0], O_CLOEXEC);
	assert_int_equal(him.flags[1], 0);
}

static void the_access_mode_is_that_of_the_fd(void **state)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	struct dma_heap_allocation_data data = good;
	size_t i;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(modes); i++) {
		data.fd_flags = (uint32_t)modes[i];
		assert_int_equal(call_with(DMA_HEAP_IOCTL_ALLOC, &data), 0);
		assert_int_equal(fcntl(him.fds[i], F_GETFL) & O_ACCMODE,
				 modes[i]);
	}
}

/* Commands */

static void another_number_is_einval(void **state)
{
	(void)state;
	his_put(&him, 0, &good, sizeof(good));
	fails(_IOWR('H', 1, struct dma_heap_allocation_data), -EINVAL, "");
	fails(_IO('H', 1), -EINVAL, "");
	fails(_IOWR('H', 255, struct dma_heap_allocation_data), -EINVAL, "");
	fails(UINT32_MAX, -EINVAL, "");
	him.unreadable[0] = true;
	fails(_IOWR('H', 1, struct dma_heap_allocation_data), -EINVAL, "");
}

static void the_letter_is_not_looked_at(void **state)
{
	(void)state;
	assert_int_equal(call_with(_IOWR('b', 0,
					 struct dma_heap_allocation_data),
				   &good), 0);
	assert_int_equal(call_with(_IOWR(0, 0, struct dma_heap_allocation_data),
				   &good), 0);
}

/* Errors */

static void errors_come_in_order(void **state)
{
	struct dma_heap_allocation_data data = {
		.len = 0,
		.fd = 1,
		.fd_flags = O_APPEND,
		.heap_flags = 1,
	};

	(void)state;
	/* Everything is wrong, and then one thing less each time. */
	him.fds_max = 0;
	him.unreadable[0] = him.unwritable[0] = true;
	his_put(&him, 0, &data, sizeof(data));
	fails(DMA_HEAP_IOCTL_ALLOC, -EFAULT, "read");
	him.unreadable[0] = false;
	fails(DMA_HEAP_IOCTL_ALLOC, -EINVAL, "read");
	data = good;
	his_put(&him, 0, &data, sizeof(data));
	fails(DMA_HEAP_IOCTL_ALLOC, -EMFILE, "read room");
	him.fds_max = 1;
	fails(DMA_HEAP_IOCTL_ALLOC, -EFAULT, "read room write");
	him.unwritable[0] = false;
	him.give_error = -EMFILE;
	fails(DMA_HEAP_IOCTL_ALLOC, -EMFILE, "read room write give");
	him.give_error = 0;
	assert_int_equal(call(DMA_HEAP_IOCTL_ALLOC), 0);
}

static void wrong_fields_are_einval(void **state)
{
	static const struct dma_heap_allocation_data wrong[] = {
		{ 4096, 1, FLAGS, 0 },
		{ 4096, UINT32_MAX, FLAGS, 0 },
		{ 4096, 0, FLAGS | O_APPEND, 0 },
		{ 4096, 0, ~(uint32_t)FLAGS, 0 },
		{ 4096, 0, UINT32_MAX, 0 },
		{ 4096, 0, FLAGS, 1 },
		{ 4096, 0, FLAGS, UINT64_C(1) << 63 },
		{ 0, 0, FLAGS, 0 },
		{ UINT64_MAX, 0, FLAGS, 0 },
		{ UINT64_MAX - 4094, 0, FLAGS, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < NR_ELEMENTS(wrong); i++) {
		his_put(&him, 0, &wrong[i], sizeof(wrong[i]));
		fails(DMA_HEAP_IOCTL_ALLOC, -EINVAL, "read");
	}
}

static struct dma_buf *refuse(struct dma_heap *which, unsigned long len,
			      uint32_t fd_flags, uint64_t heap_flags)
{
	(void)which;
	(void)len;
	(void)fd_flags;
	(void)heap_flags;
	return ERR_PTR(-EXDEV);
}

static void what_the_heap_says_comes_through(void **state)
{
	static const struct dma_heap_ops ops = { .allocate = refuse };
	static const struct dma_heap_export_info info = {
		.name = "refuses",
		.ops = &ops,
	};

	(void)state;
	heap = dma_heap_add(&info);
	assert_false(IS_ERR(heap));
	him.fds_max = 0;
	his_put(&him, 0, &good, sizeof(good));
	fails(DMA_HEAP_IOCTL_ALLOC, -EXDEV, "read");
}

/* Structures of other sizes */

static void an_older_structure_works(void **state)
{
	struct dma_heap_allocation_data data = good;

	(void)state;
	/* What comes behind it is not his argument. */
	data.heap_flags = 0x111111;
	assert_int_equal(call_with(cmd_of(_IOC_READ | _IOC_WRITE, 16), &data),
			 0);
	assert_int_equal(in_memory().fd, HIS_FD);
	assert_int_equal(in_memory().heap_flags, 0x111111);
}

static void each_shorter_structure_lacks_its_end(void **state)
{
	const unsigned int dir = _IOC_READ | _IOC_WRITE;

	(void)state;
	/* Without its flags it has none: a buffer that is only read. */
	assert_int_equal(call_with(cmd_of(dir, 12), &good), 0);
	assert_int_equal(in_memory().fd, HIS_FD);
	assert_int_equal(fcntl(him.fds[0], F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(him.flags[0], 0);
	/* Without room for the number there is an fd all the same. */
	assert_int_equal(call_with(cmd_of(dir, 8), &good), 0);
	assert_int_equal(in_memory().fd, 0);
	assert_int_equal(his_nr_fds(&him), 2);
	/* Half of a length: 10000 fits. */
	assert_int_equal(call_with(cmd_of(dir, 4), &good), 0);
	assert_int_equal(call_with(cmd_of(dir, 0), &good), -EINVAL);
}

static void a_newer_structure_works(void **state)
{
	static const size_t sizes[] = {
		25, 48, 127, 128, 129, 500, sizeof(struct args),
	};
	struct args args = { .data = good };
	struct args after;
	size_t i;

	(void)state;
	memset(args.more, 0xa5, sizeof(args.more));
	for (i = 0; i < NR_ELEMENTS(sizes); i++) {
		his_put(&him, 0, &args, sizeof(args));
		assert_int_equal(call(cmd_of(_IOC_READ | _IOC_WRITE,
					     sizes[i])), 0);
		his_get(&him, 0, &after, sizeof(after));
		assert_int_equal(after.data.fd, HIS_FD + (int)i);
		assert_memory_equal(after.more, args.more, sizeof(args.more));
	}
}

static void a_newer_structure_must_be_there(void **state)
{
	const unsigned int dir = _IOC_READ | _IOC_WRITE;

	(void)state;
	his_put(&him, 0, &good, sizeof(good));
	him.unreadable[1] = true;
	fails(cmd_of(dir, HIS_PAGE + 1), -EFAULT, "read");
	him.unreadable[1] = false;
	him.unwritable[1] = true;
	fails(cmd_of(dir, HIS_PAGE + 1), -EFAULT, "read room write");
	assert_int_equal(call(cmd_of(dir, HIS_PAGE)), 0);
}

static void the_largest_structure_works(void **state)
{
	(void)state;
	assert_int_equal(call_with(cmd_of(_IOC_READ | _IOC_WRITE,
					  _IOC_SIZEMASK), &good), 0);
	assert_int_equal(in_memory().fd, HIS_FD);
}

static void what_is_not_written_reads_as_zero(void **state)
{
	(void)state;
	his_put(&him, 0, &good, sizeof(good));
	fails(cmd_of(_IOC_NONE, sizeof(good)), -EINVAL, "");
	fails(cmd_of(_IOC_READ, sizeof(good)), -EINVAL, "");
}

static void what_is_not_read_is_not_written_back(void **state)
{
	(void)state;
	him.unwritable[0] = true;
	assert_int_equal(call_with(cmd_of(_IOC_WRITE, sizeof(good)), &good), 0);
	assert_asked(&him, "read room give");
	assert_int_equal(in_memory().fd, 0);
	assert_int_equal(his_nr_fds(&him), 1);
}

/* This thread */

static void this_thread_can_ask_too(void **state)
{
	struct dma_heap_allocation_data data = good;
	char *map;
	int fd;

	(void)state;
	assert_int_equal(dmabuf_heap_ioctl(heap, DMA_HEAP_IOCTL_ALLOC,
					   (uintptr_t)&data, NULL), 0);
	fd = (int)data.fd;
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	map = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	map[12287] = 1;
	munmap(map, 12288);
	close(fd);
	data = good;
	data.fd_flags = O_RDWR;
	assert_int_equal(dmabuf_heap_ioctl(heap, DMA_HEAP_IOCTL_ALLOC,
					   (uintptr_t)&data, NULL), 0);
	assert_int_equal(fcntl((int)data.fd, F_GETFD), 0);
	close((int)data.fd);
}

static void a_bad_address_of_this_thread_is_efault(void **state)
{
	struct dma_heap_allocation_data *data;

	(void)state;
	assert_int_equal(dmabuf_heap_ioctl(heap, DMA_HEAP_IOCTL_ALLOC, NOWHERE,
					   NULL), -EFAULT);
	data = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(data, MAP_FAILED);
	*data = good;
	assert_int_equal(mprotect(data, 4096, PROT_READ), 0);
	assert_int_equal(dmabuf_heap_ioctl(heap, DMA_HEAP_IOCTL_ALLOC,
					   (uintptr_t)data, NULL), -EFAULT);
	assert_int_equal(dmabuf_live_buffers(), 0);
	munmap(data, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UAPI_TEST(a_buffer_comes_out),
		UAPI_TEST(close_on_exec_is_as_asked_for),
		UAPI_TEST(the_access_mode_is_that_of_the_fd),
		UAPI_TEST(another_number_is_einval),
		UAPI_TEST(the_letter_is_not_looked_at),
		UAPI_TEST(errors_come_in_order),
		UAPI_TEST(wrong_fields_are_einval),
		UAPI_TEST(an_older_structure_works),
		UAPI_TEST(each_shorter_structure_lacks_its_end),
		UAPI_TEST(a_newer_structure_works),
		UAPI_TEST(a_newer_structure_must_be_there),
		UAPI_TEST(the_largest_structure_works),
		UAPI_TEST(what_is_not_written_reads_as_zero),
		UAPI_TEST(what_is_not_read_is_not_written_back),
		UAPI_TEST(this_thread_can_ask_too),
		UAPI_TEST(a_bad_address_of_this_thread_is_efault),
		/* Its heap stays. */
		UAPI_TEST(what_the_heap_says_comes_through),
	};

	return cmocka_run_group_tests_name("uapi/heap", tests,
					   leaks_group_setup, NULL) != 0;
}
