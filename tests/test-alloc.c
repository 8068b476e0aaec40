/* SPDX-License-Identifier: MIT */
/*
 * test-alloc.c - the best memory that this machine has
 *
 * Says what it got: the kernel's devices are tried where they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "attached.h"
#include "exporters.h"
#include "leaks.h"
#include "process.h"
#include "sanitized.h"
#include "warns.h"

#define PAGE ((size_t)4096)
#define SIZE (3 * PAGE)
#define RW (PROT_READ | PROT_WRITE)

#define NOWHERE "heap:there is none of this name"

/* What is asked for */

static void wrong_sizes_and_flags_are_einval(void **state)
{
	static const size_t sizes[] = {
		0, SIZE_MAX, SIZE_MAX - PAGE + 2, (size_t)LONG_MAX,
		(size_t)LONG_MAX + 1,
	};
	static const unsigned int flags[] = {
		O_ACCMODE, O_RDWR | O_CLOEXEC, O_RDWR | O_NONBLOCK,
		O_RDWR | DMABUF_EXPORT_HUGETLB, ~0u,
	};
	struct dma_buf *dmabuf = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_int_equal(dmabuf_alloc(sizes[i], O_RDWR, NULL, &dmabuf),
				 -EINVAL);
	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		assert_int_equal(dmabuf_alloc(SIZE, flags[i], NULL, &dmabuf),
				 -EINVAL);
	assert_null(dmabuf);
	assert_no_warning();
}

static void unknown_words_are_einval_before_anything(void **state)
{
	static char long_name[sizeof("heap:") + NAME_MAX + 1];
	const char *words[] = {
		"", "heap", "heap:", "heap:.", "heap:..", "heap:a/b",
		"heap:../dma_heap/system", "Heap:system", "udmabuf ", "memf",
		"memfd:", "anonymous", "system", long_name,
	};
	const char *list[] = { "memfd", NULL, NULL };
	struct dma_buf *dmabuf = NULL;
	size_t i;

	(void)state;
	memset(long_name, 'n', sizeof(long_name) - 1);
	memcpy(long_name, "heap:", strlen("heap:"));
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		list[1] = words[i];
		assert_int_equal(dmabuf_alloc(SIZE, O_RDWR, list, &dmabuf),
				 -EINVAL);
	}
	list[0] = NULL;
	assert_int_equal(dmabuf_alloc(SIZE, O_RDWR, list, &dmabuf), -EINVAL);
	assert_null(dmabuf);
	/* One byte less is a name, of no device. */
	long_name[sizeof(long_name) - 2] = '\0';
	list[0] = long_name;
	list[1] = NULL;
	assert_int_equal(dmabuf_alloc(SIZE, O_RDWR, list, &dmabuf), -ENOENT);
}

static void next_one_is_tried_without_the_device(void **state)
{
	static const char *const list[] = {
		NOWHERE, NOWHERE, "anon", "memfd", NULL,
	};
	struct dma_buf *dmabuf;

	(void)state;
	assert_int_equal(dmabuf_alloc(SIZE, O_RDWR, list, &dmabuf), 2);
	assert_string_equal(dmabuf->exp_name, "anon");
	dma_buf_put(dmabuf);
}

static void error_is_that_of_the_last_one(void **state)
{
	static const char *const list[] = { NOWHERE, NULL };
	static const char *const modes[] = { NOWHERE, "udmabuf", NULL };
	struct dma_buf *dmabuf = NULL;

	(void)state;
	assert_int_equal(dmabuf_alloc(SIZE, O_RDWR, list, &dmabuf), -ENOENT);
	assert_int_equal(dmabuf_alloc(SIZE, O_RDONLY, modes, &dmabuf),
			 -EOPNOTSUPP);
	assert_null(dmabuf);
}

/* What comes of it: the same, whatever it is */

static void buffer_works(struct dma_buf *dmabuf)
{
	char *vaddr = vmap_of(dmabuf);
	struct use use;
	char *addr;

	assert_int_equal(dmabuf->size, SIZE);
	assert_true(bytes_are(vaddr, 0, SIZE));
	use_begin(&use, dmabuf, device_non_coherent(), DMA_BIDIRECTIONAL);
	device_put_byte(&use, 0, 'd');
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_BIDIRECTIONAL),
			 0);
	assert_int_equal(vaddr[0], 'd');
	addr = dma_buf_mmap(dmabuf, PAGE, RW, MAP_SHARED, 0);
	assert_false(IS_ERR(addr));
	addr[0] = 'c';
	assert_int_equal(vaddr[0], 'c');
	munmap(addr, PAGE);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL), 0);
	assert_int_equal(device_byte(&use), 'c');
	use_end(&use);
	dma_buf_vunmap(dmabuf, vaddr);
	dispatch_until_refs(dmabuf, 1);
	assert_no_warning();
}

static void fd_works(struct dma_buf *dmabuf)
{
	int fd = fd_of(dmabuf);

	assert_int_equal(lseek(fd, 0, SEEK_END), SIZE);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_ptr_equal(dma_buf_get(fd), dmabuf);
	dma_buf_put(dmabuf);
	close(fd);
}

/* With whatever memory: what is left is the fd, and it gives the buffer. */
static void fd_alone_works(struct dma_buf *dmabuf)
{
	char *vaddr = vmap_of(dmabuf);
	int fd;

	vaddr[1] = 'k';
	dma_buf_vunmap(dmabuf, vaddr);
	fd = fd_of(dmabuf);
	dmabuf = dma_buf_get(fd);
	assert_false(IS_ERR(dmabuf));
	close(fd);
	assert_int_equal(dmabuf->size, SIZE);
	vaddr = vmap_of(dmabuf);
	assert_int_equal(vaddr[1], 'k');
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_BIDIRECTIONAL),
			 0);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL), 0);
	dma_buf_vunmap(dmabuf, vaddr);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
}

/* False: @word cannot be had here. */
static bool word_works(const char *word)
{
	const char *const list[] = { word, NULL };
	struct dma_buf *dmabuf;
	int ret = dmabuf_alloc(SIZE - 100, O_RDWR, list, &dmabuf);

	if (ret < 0) {
		assert_true(ret == -ENOENT || ret == -EACCES);
		print_message("%s: left out, there is no such device\n", word);
		return false;
	}
	assert_int_equal(ret, 0);
	print_message("%s: a buffer of \"%s\"\n", word, dmabuf->exp_name);
	buffer_works(dmabuf);
	get_dma_buf(dmabuf);
	fd_works(dmabuf);
	dispatch_until_refs(dmabuf, 1);
	fd_alone_works(dmabuf);
	wait_for_live_buffers(0);
	return true;
}

static void each_memory_works(void **state)
{
	(void)state;
	word_works("heap:system");
	word_works("heap:contiguous");
	word_works("heap:reserved");
	word_works("udmabuf");
	assert_true(word_works("memfd"));
	if (under_valgrind())
		print_message("anon: left out under valgrind, which does not "
			      "know mremap(2) with an old size of 0\n");
	else
		assert_true(word_works("anon"));
}

static void usual_list_gives_something(void **state)
{
	static const char *const names[] = { "system", "udmabuf", "memfd" };
	struct dma_buf *dmabuf;
	int ret = dmabuf_alloc(SIZE, O_RDWR, NULL, &dmabuf);

	(void)state;
	assert_in_range(ret, 0, 2);
	assert_string_equal(dmabuf->exp_name, names[ret]);
	print_message("without a preference: %s\n", names[ret]);
	buffer_works(dmabuf);
	dma_buf_put(dmabuf);
}

static void every_access_mode_can_be_had(void **state)
{
	static const unsigned int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	struct dma_buf *dmabuf;
	void *addr;
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < 3; i++) {
		assert_true(dmabuf_alloc(SIZE, modes[i], NULL, &dmabuf) >= 0);
		fd = fd_of(dmabuf);
		addr = mmap(NULL, SIZE, RW, MAP_SHARED, fd, 0);
		assert_int_equal(addr != MAP_FAILED, modes[i] == O_RDWR);
		if (addr != MAP_FAILED)
			munmap(addr, SIZE);
		close(fd);
		wait_for_live_buffers(0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(wrong_sizes_and_flags_are_einval),
		LEAK_TEST(unknown_words_are_einval_before_anything),
		LEAK_TEST(next_one_is_tried_without_the_device),
		LEAK_TEST(error_is_that_of_the_last_one),
		LEAK_TEST(each_memory_works),
		LEAK_TEST(usual_list_gives_something),
		LEAK_TEST(every_access_mode_can_be_had),
	};

	return cmocka_run_group_tests_name("alloc", tests, leaks_group_setup,
					   NULL) != 0;
}
