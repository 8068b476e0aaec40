/* SPDX-License-Identifier: MIT */
/* test-alloc-device.c - buffers of devices of the kernel, which are faked */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/dma-buf.h>

#include <dmabuf/dmabuf.h>

#include "attached.h"
#include "exporters.h"
#include "fake-device.h"
#include "leaks.h"
#include "process.h"
#include "warns.h"

#define PAGE ((size_t)4096)
#define SIZE (3 * PAGE)
#define RW (PROT_READ | PROT_WRITE)

/* Allocating */

static void heap_is_asked_for_pages_and_the_mode(void **state)
{
	static const unsigned int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	struct dma_buf *dmabuf;
	size_t i;

	(void)state;
	memset(&node, 0, sizeof(node));
	for (i = 0; i < 3; i++) {
		assert_int_equal(dmabuf_alloc(SIZE - 1, modes[i], fake_heap,
					      &dmabuf), 0);
		assert_int_equal(node.len, SIZE);
		assert_int_equal(node.fd_flags, modes[i] | O_CLOEXEC);
		assert_int_equal(dmabuf->size, SIZE);
		assert_string_equal(dmabuf->exp_name, "fake");
		dma_buf_put(dmabuf);
	}
}

static void udmabuf_gets_a_memfd_that_cannot_shrink(void **state)
{
	struct dma_buf *dmabuf;

	(void)state;
	memset(&node, 0, sizeof(node));
	assert_int_equal(dmabuf_alloc(SIZE - 1, O_RDWR, fake_udmabuf,
				      &dmabuf), 0);
	assert_int_equal(node.len, SIZE);
	assert_int_equal(node.seals, F_SEAL_SHRINK);
	assert_string_equal(dmabuf->exp_name, "udmabuf");
	assert_true(bytes_are(vmap_of(dmabuf), 0, SIZE));
	dma_buf_vunmap(dmabuf, dmabuf->vmap_ptr);
	dma_buf_put(dmabuf);
}

static void refusal_leads_to_the_next_one(void **state)
{
	static const char *const list[] = {
		"heap:fake", "udmabuf", "memfd", NULL,
	};
	struct dma_buf *dmabuf;

	(void)state;
	memset(&node, 0, sizeof(node));
	assert_int_equal(dmabuf_alloc(SIZE, O_RDWR, list, &dmabuf), 0);
	dma_buf_put(dmabuf);
	node.alloc_errno = ENODEV;
	assert_int_equal(dmabuf_alloc(SIZE, O_RDWR, list, &dmabuf), 2);
	assert_string_equal(dmabuf->exp_name, "memfd");
	dma_buf_put(dmabuf);
	assert_int_equal(dmabuf_alloc(SIZE, O_RDWR, fake_heap, &dmabuf),
			 -ENODEV);
	node.alloc_errno = EBADFD;
	assert_int_equal(dmabuf_alloc(SIZE, O_RDWR, fake_udmabuf, &dmabuf),
			 -EBADFD);
}

static int alloc_with_fds(unsigned int more, struct dma_buf **ret_dmabuf)
{
	struct rlimit old, new;
	int next = dup(0);
	int ret;

	assert_true(next >= 0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	new = (struct rlimit){ (rlim_t)next + more, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &new), 0);
	ret = dmabuf_alloc(SIZE, O_RDWR, fake_udmabuf, ret_dmabuf);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	return ret;
}

static void without_enough_fds_it_is_emfile(void **state)
{
	struct dma_buf *dmabuf = NULL;
	unsigned int more = 0;

	(void)state;
	memset(&node, 0, sizeof(node));
	while (alloc_with_fds(more, &dmabuf) == -EMFILE) {
		assert_null(dmabuf);
		assert_int_equal(dmabuf_live_buffers(), 0);
		more++;
	}
	/* The device, the memfd, and what the device gives. */
	assert_true(more >= 3);
	assert_non_null(dmabuf);
	assert_int_equal(dmabuf->size, SIZE);
	dma_buf_put(dmabuf);
}

/* fds */

static bool same_file(int a, int b)
{
	struct stat first, second;

	assert_int_equal(fstat(a, &first), 0);
	assert_int_equal(fstat(b, &second), 0);
	return first.st_ino == second.st_ino && first.st_dev == second.st_dev;
}

static void fds_are_copies_of_the_kernels(void **state)
{
	struct dma_buf *dmabuf = heap_buffer(SIZE, O_RDWR);
	int fd, other;

	(void)state;
	get_dma_buf(dmabuf);
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	/* It is no memfd of ours: none of our seals, and no lock. */
	assert_int_equal(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	get_dma_buf(dmabuf);
	other = dma_buf_fd(dmabuf, 0);
	assert_false(fcntl(other, F_GETFD) & FD_CLOEXEC);
	assert_true(same_file(fd, other));
	assert_ptr_equal(dma_buf_get(fd), dmabuf);
	assert_ptr_equal(dma_buf_get(other), dmabuf);
	dma_buf_put(dmabuf);
	dma_buf_put(dmabuf);
	close(other);
	dma_buf_put(dmabuf);
	close(fd);
}

/* It keeps the memory, and not the object. */
static void fd_alone_gives_another_object(void **state)
{
	struct dma_buf *dmabuf = heap_buffer(SIZE, O_RDWR);
	int fd;

	(void)state;
	vmap_of(dmabuf)[7] = 'k';
	dma_buf_vunmap(dmabuf, dmabuf->vmap_ptr);
	fd = fd_of(dmabuf);
	assert_int_equal(dmabuf_live_buffers(), 0);
	dmabuf = dma_buf_get(fd);
	assert_false(IS_ERR(dmabuf));
	assert_int_equal(dmabuf->size, SIZE);
	assert_string_equal(dmabuf->exp_name, "fake");
	assert_int_equal(vmap_of(dmabuf)[7], 'k');
	dma_buf_vunmap(dmabuf, dmabuf->vmap_ptr);
	dma_buf_put(dmabuf);
	close(fd);
}

/* Memory */

static void everybody_sees_the_same_memory(void **state)
{
	struct dma_buf *dmabuf = heap_buffer(SIZE, O_RDWR);
	char *vaddr = vmap_of(dmabuf);
	struct use use;
	char *addr, *fd_addr;
	int fd;

	(void)state;
	assert_ptr_equal(vmap_of(dmabuf), vaddr);
	dma_buf_vunmap(dmabuf, vaddr);
	get_dma_buf(dmabuf);
	fd = fd_of(dmabuf);
	fd_addr = mmap(NULL, SIZE, RW, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(fd_addr, MAP_FAILED);
	addr = dma_buf_mmap(dmabuf, PAGE, RW, MAP_SHARED, (off_t)PAGE);
	assert_false(IS_ERR(addr));
	use_begin(&use, dmabuf, device_new(), DMA_BIDIRECTIONAL);
	assert_int_equal(use.table->nents, 1);
	device_put_byte(&use, PAGE + 5, 'x');
	assert_int_equal(vaddr[PAGE + 5], 'x');
	assert_int_equal(addr[5], 'x');
	assert_int_equal(fd_addr[PAGE + 5], 'x');
	use_end(&use);
	munmap(addr, PAGE);
	munmap(fd_addr, SIZE);
	close(fd);
	dma_buf_vunmap(dmabuf, vaddr);
	assert_false(addr_is_mapped(vaddr));
	dma_buf_put(dmabuf);
}

static void read_only_binds_this_process_too(void **state)
{
	struct dma_buf *dmabuf = heap_buffer(SIZE, O_RDONLY);
	struct dma_buf_attachment *attach;
	struct device *gpu;
	struct use use;

	(void)state;
	assert_int_equal(vmap_of(dmabuf)[0], 0);
	assert_int_equal(mprotect(dmabuf->vmap_ptr, PAGE, RW), -1);
	dma_buf_vunmap(dmabuf, dmabuf->vmap_ptr);
	assert_error(dma_buf_mmap(dmabuf, PAGE, RW, MAP_SHARED, 0), -EACCES);
	use_begin(&use, dmabuf, device_new(), DMA_TO_DEVICE);
	assert_int_equal(device_byte(&use), 0);
	use_end(&use);
	gpu = device_new();
	attach = dma_buf_attach(dmabuf, gpu);
	assert_error(device_map(attach, DMA_BIDIRECTIONAL), -EACCES);
	assert_error(device_map(attach, DMA_FROM_DEVICE), -EACCES);
	dma_buf_detach(dmabuf, attach);
	dmabuf_device_destroy(gpu);
	dma_buf_put(dmabuf);
}

static void write_only_cannot_be_mapped(void **state)
{
	struct dma_buf *dmabuf = heap_buffer(SIZE, O_WRONLY);
	struct dma_buf_attachment *attach;
	struct device *gpu = device_new();

	(void)state;
	assert_error(dma_buf_vmap(dmabuf), -EACCES);
	assert_error(dma_buf_mmap(dmabuf, PAGE, PROT_WRITE, MAP_SHARED, 0),
		     -EACCES);
	attach = dma_buf_attach(dmabuf, gpu);
	assert_error(device_map(attach, DMA_TO_DEVICE), -EACCES);
	dma_buf_detach(dmabuf, attach);
	dmabuf_device_destroy(gpu);
	dma_buf_put(dmabuf);
}

static void table_left_at_the_release_is_taken_down(void **state)
{
	struct dma_buf *dmabuf = heap_buffer(SIZE, O_RDWR);
	struct use use;
	char byte;

	(void)state;
	use_begin(&use, dmabuf, device_new(), DMA_BIDIRECTIONAL);
	dma_buf_put(dmabuf);
	assert_warned("released with attachments");
	assert_int_equal(dmabuf_device_read(use.dev, use.addr, &byte, 1),
			 -EFAULT);
	assert_warned("not mapped, or no longer");
	use_detach(&use);
	assert_no_warning();
}

/* CPU access */

static void brackets_reach_the_kernel(void **state)
{
	static const struct {
		enum dma_data_direction dir;
		uint64_t flags;
	} directions[] = {
		{ DMA_BIDIRECTIONAL, DMA_BUF_SYNC_RW },
		{ DMA_TO_DEVICE, DMA_BUF_SYNC_WRITE },
		{ DMA_FROM_DEVICE, DMA_BUF_SYNC_READ },
	};
	struct dma_buf *dmabuf = heap_buffer(SIZE, O_RDWR);
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		enum dma_data_direction dir = directions[i].dir;

		assert_int_equal(dma_buf_begin_cpu_access(dmabuf, dir), 0);
		assert_int_equal(node.sync_flags,
				 directions[i].flags | DMA_BUF_SYNC_START);
		assert_int_equal(dma_buf_end_cpu_access(dmabuf, dir), 0);
		assert_int_equal(node.sync_flags,
				 directions[i].flags | DMA_BUF_SYNC_END);
	}
	assert_int_equal(node.syncs, 6);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_NONE), -EINVAL);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_NONE), -EINVAL);
	assert_int_equal(node.syncs, 6);
	dma_buf_put(dmabuf);
}

/* The begin is the one that waits; its caller may have had enough. */
static void interrupted_begin_is_eintr(void **state)
{
	static const int errnos[] = { EAGAIN, EINTR };
	struct dma_buf *dmabuf = heap_buffer(SIZE, O_RDWR);

	(void)state;
	memcpy(node.sync_errnos, errnos, sizeof(errnos));
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_BIDIRECTIONAL),
			 -EINTR);
	assert_int_equal(node.sync_tries, 2);
	assert_int_equal(node.syncs, 0);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_BIDIRECTIONAL),
			 0);
	assert_int_equal(node.syncs, 1);
	dma_buf_put(dmabuf);
}

static void interrupted_end_is_tried_again(void **state)
{
	static const int errnos[] = { EINTR, EAGAIN, EINTR };
	struct dma_buf *dmabuf = heap_buffer(SIZE, O_RDWR);

	(void)state;
	memcpy(node.sync_errnos, errnos, sizeof(errnos));
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL), 0);
	assert_int_equal(node.syncs, 1);
	dma_buf_put(dmabuf);
}

static void failing_brackets_pass_the_error_on(void **state)
{
	struct dma_buf *dmabuf = heap_buffer(SIZE, O_RDWR);

	(void)state;
	node.sync_errnos[0] = EIO;
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_BIDIRECTIONAL),
			 -EIO);
	node.sync_tries = 0;
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL),
			 -EIO);
	assert_int_equal(node.syncs, 0);
	dma_buf_put(dmabuf);
}

static void brackets_reach_our_devices_too(void **state)
{
	struct dma_buf *dmabuf = heap_buffer(SIZE, O_RDWR);
	char *vaddr = vmap_of(dmabuf);
	struct use use;

	(void)state;
	use_begin(&use, dmabuf, device_non_coherent(), DMA_BIDIRECTIONAL);
	device_put_byte(&use, 0, 'd');
	assert_int_equal(vaddr[0], 0);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	assert_int_equal(vaddr[0], 'd');
	vaddr[0] = 'c';
	assert_int_equal(device_byte(&use), 'd');
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	assert_int_equal(device_byte(&use), 'c');
	use_end(&use);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

static void syncs_by_system_call_reach_our_devices_too(void **state)
{
	struct dma_buf *dmabuf = heap_buffer(SIZE, O_RDWR);
	struct dma_buf_sync sync = {
		.flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ,
	};
	char *vaddr = vmap_of(dmabuf);
	struct use use;
	int fd;

	(void)state;
	get_dma_buf(dmabuf);
	fd = fd_of(dmabuf);
	use_begin(&use, dmabuf, device_non_coherent(), DMA_BIDIRECTIONAL);
	device_put_byte(&use, 0, 'd');
	assert_int_equal(dmabuf_ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync), 0);
	assert_int_equal(vaddr[0], 'd');
	vaddr[0] = 'c';
	sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE;
	assert_int_equal(dmabuf_ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync), 0);
	assert_int_equal(device_byte(&use), 'c');
	assert_int_equal(node.syncs, 2);
	use_end(&use);
	dma_buf_vunmap(dmabuf, vaddr);
	close(fd);
	dma_buf_put(dmabuf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(heap_is_asked_for_pages_and_the_mode),
		LEAK_TEST(udmabuf_gets_a_memfd_that_cannot_shrink),
		LEAK_TEST(refusal_leads_to_the_next_one),
		LEAK_TEST(without_enough_fds_it_is_emfile),
		LEAK_TEST(fds_are_copies_of_the_kernels),
		LEAK_TEST(fd_alone_gives_another_object),
		LEAK_TEST(everybody_sees_the_same_memory),
		LEAK_TEST(read_only_binds_this_process_too),
		LEAK_TEST(write_only_cannot_be_mapped),
		LEAK_TEST(table_left_at_the_release_is_taken_down),
		LEAK_TEST(brackets_reach_the_kernel),
		LEAK_TEST(interrupted_begin_is_eintr),
		LEAK_TEST(interrupted_end_is_tried_again),
		LEAK_TEST(failing_brackets_pass_the_error_on),
		LEAK_TEST(brackets_reach_our_devices_too),
		LEAK_TEST(syncs_by_system_call_reach_our_devices_too),
	};

	return cmocka_run_group_tests_name("devices", tests, leaks_group_setup,
					   NULL) != 0;
}
