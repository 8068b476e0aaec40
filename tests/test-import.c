/* SPDX-License-Identifier: MIT */
/* test-import.c - fds of others: what they become */
#include <errno.h>
#include <fcntl.h>
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

#include "exporters.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "process.h"

#define PAGE ((size_t)4096)
#define SIZE (4 * PAGE)

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static struct dma_buf *import(int fd)
{
	struct dma_buf *dmabuf;

	assert_int_equal(dmabuf_memfd_import(fd, &dmabuf), 0);
	return dmabuf;
}

/* Importing */

static void fd_stays_the_callers(void **state)
{
	int fd = memfd_make("other", SIZE, F_SEAL_SHRINK);
	struct dma_buf *dmabuf = import(fd);
	char *vaddr;

	(void)state;
	assert_int_equal(pwrite(fd, "abc", 4, 0), 4);
	close(fd);
	vaddr = dma_buf_vmap(dmabuf);
	assert_false(IS_ERR_OR_NULL(vaddr));
	assert_string_equal(vaddr, "abc");
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
}

static void import_is_the_same_for_the_same_inode(void **state)
{
	int fd = memfd_make("other", SIZE, F_SEAL_SHRINK);
	int again = fd_reopen(fd, O_RDWR);
	struct dma_buf *dmabuf = import(fd);

	(void)state;
	assert_ptr_equal(import(fd), dmabuf);
	assert_ptr_equal(import(again), dmabuf);
	assert_ptr_equal(dma_buf_get(again), dmabuf);
	assert_int_equal(dmabuf_refcount(dmabuf), 4);
	assert_int_equal(dmabuf_live_buffers(), 1);
	while (dmabuf_refcount(dmabuf) > 1)
		dma_buf_put(dmabuf);
	dma_buf_put(dmabuf);
	close(fd);
	close(again);
}

static void import_of_our_own_buffer_is_the_buffer(void **state)
{
	struct backing backing;
	struct dma_buf *dmabuf = backing_export(&backing, SIZE, O_RDWR);
	int fd = dma_buf_fd(dmabuf, O_CLOEXEC);

	(void)state;
	assert_ptr_equal(import(fd), dmabuf);
	assert_int_equal(dmabuf_refcount(dmabuf), 2);
	dma_buf_put(dmabuf);
	close(fd);
	wait_for_live_buffers(0);
}

static void imported_memory_is_the_memfds(void **state)
{
	int fd = memfd_make("other", SIZE, F_SEAL_SHRINK);
	struct dma_buf *dmabuf = import(fd);
	char *vaddr = dma_buf_vmap(dmabuf);
	char *map = dma_buf_mmap(dmabuf, SIZE, PROT_READ | PROT_WRITE,
				 MAP_SHARED, 0);
	char byte;

	(void)state;
	assert_string_equal(dmabuf->exp_name, "memfd");
	assert_false(IS_ERR_OR_NULL(vaddr));
	assert_false(IS_ERR(map));
	/* Not page-backed for us: the caller keeps his reference. */
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	memset(vaddr, 0x41, SIZE);
	assert_true(bytes_are(map, 0x41, SIZE));
	map[1] = 0x42;
	assert_int_equal(pread(fd, &byte, 1, 1), 1);
	assert_int_equal(byte, 0x42);
	munmap(map, SIZE);
	assert_ptr_equal(dma_buf_vmap(dmabuf), vaddr);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_vunmap(dmabuf, vaddr);
	assert_false(addr_is_mapped(vaddr));
	dma_buf_put(dmabuf);
	close(fd);
}

static void device_works_on_imported_memory(void **state)
{
	int fd = memfd_make("other", SIZE, F_SEAL_SHRINK);
	struct dma_buf *dmabuf = import(fd);
	struct use use;
	char byte = 0;

	(void)state;
	use_begin(&use, dmabuf, device_new(), DMA_BIDIRECTIONAL);
	assert_int_equal(use.table->nents, 1);
	assert_int_equal(sg_dma_len(use.table->sgl), SIZE);
	device_put_byte(&use, 0, 'd');
	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	assert_int_equal(byte, 'd');
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_BIDIRECTIONAL),
			 0);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL), 0);
	use_end(&use);
	dma_buf_put(dmabuf);
	close(fd);
}

/* A page and a bit: the rest of the last page is there, and zero. */
static void imported_size_is_the_files(void **state)
{
	int fd = memfd_make("other", PAGE + 1, F_SEAL_SHRINK);
	struct dma_buf *dmabuf = import(fd);
	struct use use;
	char *vaddr;

	(void)state;
	assert_int_equal(dmabuf->size, PAGE + 1);
	vaddr = dma_buf_vmap(dmabuf);
	assert_true(bytes_are(vaddr, 0, 2 * PAGE));
	dma_buf_vunmap(dmabuf, vaddr);
	use_begin(&use, dmabuf, device_new(), DMA_TO_DEVICE);
	use_end(&use);
	dma_buf_put(dmabuf);
	close(fd);
}

/* A file that may grow does not change the buffer. */
static void memfd_that_grows_keeps_the_size(void **state)
{
	int fd = memfd_make("other", SIZE, F_SEAL_SHRINK);
	struct dma_buf *dmabuf = import(fd);

	(void)state;
	assert_int_equal(ftruncate(fd, 2 * SIZE), 0);
	assert_int_equal(dmabuf->size, SIZE);
	assert_int_equal(PTR_ERR(dma_buf_mmap(dmabuf, 2 * SIZE, PROT_READ,
					      MAP_SHARED, 0)), -EINVAL);
	dma_buf_put(dmabuf);
	close(fd);
}

/* Punched pages come back as zeros: no SIGBUS. */
static void punched_holes_are_zero(void **state)
{
	int fd = memfd_make("other", SIZE, F_SEAL_SHRINK);
	struct dma_buf *dmabuf = import(fd);
	char *vaddr = dma_buf_vmap(dmabuf);

	(void)state;
	memset(vaddr, 1, SIZE);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE |
				   FALLOC_FL_KEEP_SIZE, 0, SIZE), 0);
	assert_true(bytes_are(vaddr, 0, SIZE));
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
	close(fd);
}

/* Read-only */

/*
 * A buffer that can only be read: vmap and TO_DEVICE work, everything that
 * writes is refused by an error, not by a signal.
 */
static void read_only_check(struct dma_buf *dmabuf, int write_error)
{
	struct device *dev = device_new();
	struct dma_buf_attachment *attach = dma_buf_attach(dmabuf, dev);
	struct sg_table *table;
	char *vaddr = dma_buf_vmap(dmabuf);
	char text[4] = "";
	void *map;

	assert_false(IS_ERR_OR_NULL(vaddr));
	assert_string_equal(vaddr, "abc");
	dma_buf_vunmap(dmabuf, vaddr);
	assert_false(IS_ERR(attach));
	table = dma_buf_map_attachment_unlocked(attach, DMA_FROM_DEVICE);
	assert_int_equal(PTR_ERR(table), -EACCES);
	table = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	assert_int_equal(PTR_ERR(table), -EACCES);
	table = dma_buf_map_attachment_unlocked(attach, DMA_TO_DEVICE);
	assert_false(IS_ERR(table));
	assert_int_equal(dmabuf_device_read(dev, sg_dma_address(table->sgl),
					    text, 4), 0);
	assert_string_equal(text, "abc");
	dma_buf_unmap_attachment_unlocked(attach, table, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, attach);
	dmabuf_device_destroy(dev);
	map = dma_buf_mmap(dmabuf, dmabuf->size, PROT_READ | PROT_WRITE,
			   MAP_SHARED, 0);
	assert_int_equal(PTR_ERR(map), write_error);
	map = dma_buf_mmap(dmabuf, dmabuf->size, PROT_READ, MAP_SHARED, 0);
	assert_false(IS_ERR(map));
	assert_string_equal((char *)map, "abc");
	munmap(map, dmabuf->size);
}

static void read_only_fd_makes_a_read_only_buffer(void **state)
{
	int fd = memfd_make("other", SIZE, F_SEAL_SHRINK);
	int reader = fd_reopen(fd, O_RDONLY);
	struct dma_buf *dmabuf;

	(void)state;
	assert_int_equal(pwrite(fd, "abc", 4, 0), 4);
	dmabuf = import(reader);
	read_only_check(dmabuf, -EACCES);
	dma_buf_put(dmabuf);
	close(reader);
	close(fd);
}

/* The fd may say read and write: the seal decides. */
static void memfd_sealed_against_writing_is_read_only(void **state)
{
	int fd = memfd_make("other", SIZE, 0);
	struct dma_buf *dmabuf;

	(void)state;
	assert_int_equal(pwrite(fd, "abc", 4, 0), 4);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_WRITE),
			 0);
	dmabuf = import(fd);
	read_only_check(dmabuf, -EPERM);
	dma_buf_put(dmabuf);
	close(fd);
}

/* What was writable at the import does not become read-only in silence. */
static void memfd_sealed_after_the_import_gives_errors(void **state)
{
	int fd = memfd_make("other", SIZE, F_SEAL_SHRINK);
	struct dma_buf *dmabuf = import(fd);
	struct device *dev = device_new();
	struct dma_buf_attachment *attach = dma_buf_attach(dmabuf, dev);
	struct sg_table *table;
	void *vaddr = dma_buf_vmap(dmabuf);

	(void)state;
	assert_false(IS_ERR_OR_NULL(vaddr));
	memset(vaddr, 'x', SIZE);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	/* The mapping that is there stays as it was given out. */
	assert_ptr_equal(dma_buf_vmap(dmabuf), vaddr);
	memset(vaddr, 'y', SIZE);
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_vunmap(dmabuf, vaddr);
	assert_int_equal(PTR_ERR(dma_buf_vmap(dmabuf)), -EPERM);
	assert_int_equal(dmabuf->vmapping_counter, 0);
	assert_null(dmabuf->vmap_ptr);
	assert_int_equal(PTR_ERR(dma_buf_map_attachment_unlocked(attach,
				 DMA_BIDIRECTIONAL)), -EACCES);
	assert_int_equal(PTR_ERR(dma_buf_map_attachment_unlocked(attach,
				 DMA_FROM_DEVICE)), -EACCES);
	table = dma_buf_map_attachment_unlocked(attach, DMA_TO_DEVICE);
	assert_false(IS_ERR(table));
	dma_buf_unmap_attachment_unlocked(attach, table, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, attach);
	dmabuf_device_destroy(dev);
	dma_buf_put(dmabuf);
	close(fd);
}

static void write_only_fd_cannot_be_mapped(void **state)
{
	int fd = memfd_make("other", SIZE, F_SEAL_SHRINK);
	int writer = fd_reopen(fd, O_WRONLY);
	struct dma_buf *dmabuf = import(writer);
	struct device *dev = device_new();
	struct dma_buf_attachment *attach = dma_buf_attach(dmabuf, dev);

	(void)state;
	assert_int_equal(PTR_ERR(dma_buf_vmap(dmabuf)), -EACCES);
	assert_int_equal(dmabuf->vmapping_counter, 0);
	assert_false(IS_ERR(attach));
	assert_int_equal(PTR_ERR(dma_buf_map_attachment_unlocked(attach,
				 DMA_FROM_DEVICE)), -EACCES);
	dma_buf_detach(dmabuf, attach);
	dmabuf_device_destroy(dev);
	dma_buf_put(dmabuf);
	close(writer);
	close(fd);
}

static void huge_memfd_with_a_write_seal_is_read_only(void **state)
{
	size_t huge = huge_pages_need(2);
	struct dma_buf *dmabuf;
	void *map;
	int fd;

	(void)state;
	if (!huge)
		skip();
	fd = huge_memfd_make("other", 2 * huge, F_SEAL_SHRINK);
	map = mmap(NULL, huge, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	strcpy(map, "abc");
	munmap(map, huge);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	dmabuf = import(fd);
	assert_int_equal(dmabuf->size, 2 * huge);
	read_only_check(dmabuf, -EPERM);
	dma_buf_put(dmabuf);
	close(fd);
	huge_pages_done();
}

/* fds of an importing object */

static void fd_of_an_import_is_a_copy_of_the_fd(void **state)
{
	int fd = memfd_make("other", SIZE, F_SEAL_SHRINK);
	struct dma_buf *dmabuf = import(fd);
	struct stat a, b;
	int copy;

	(void)state;
	get_dma_buf(dmabuf);
	copy = dma_buf_fd(dmabuf, O_CLOEXEC);
	assert_true(copy >= 0);
	/* The reference was taken, and is nowhere. */
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	assert_int_equal(fcntl(copy, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fstat(fd, &a), 0);
	assert_int_equal(fstat(copy, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_ptr_equal(dma_buf_get(copy), dmabuf);
	dma_buf_put(dmabuf);
	close(copy);
	assert_int_equal(dmabuf_dispatch(), 0);
	assert_int_equal(dmabuf_refcount(dmabuf), 1);
	copy = dma_buf_fd(dmabuf, 0);
	assert_int_equal(fcntl(copy, F_GETFD), 0);
	assert_int_equal(dmabuf_live_buffers(), 0);
	close(copy);
	close(fd);
}

/* Across processes: the origin waits for the importer. */

struct origin {
	unsigned int flags;
	bool opaque;
};

static struct dma_buf *import_the_received(int sock, int *ret_fd)
{
	*ret_fd = fd_recv(sock);
	return *ret_fd < 0 ? ERR_PTR(-EIO) : dma_buf_get(*ret_fd);
}

static int importer_of_pages(int sock, void *data)
{
	struct dma_buf *dmabuf;
	char *vaddr;
	int fd, copy;

	(void)data;
	dmabuf = import_the_received(sock, &fd);
	PEER_CHECK(!IS_ERR(dmabuf));
	PEER_CHECK(dma_buf_get(fd) == dmabuf);
	PEER_CHECK(dmabuf_refcount(dmabuf) == 2);
	dma_buf_put(dmabuf);
	PEER_CHECK(dmabuf->size == SIZE);
	PEER_CHECK(!strcmp(dmabuf->exp_name, "test"));
	vaddr = dma_buf_vmap(dmabuf);
	PEER_CHECK(!IS_ERR_OR_NULL(vaddr));
	PEER_CHECK(bytes_are(vaddr, 0x33, SIZE));
	memset(vaddr, 0x44, SIZE);
	dma_buf_vunmap(dmabuf, vaddr);
	get_dma_buf(dmabuf);
	copy = dma_buf_fd(dmabuf, O_CLOEXEC);
	PEER_CHECK(copy >= 0);
	PEER_CHECK(dma_buf_get(copy) == dmabuf);
	dma_buf_put(dmabuf);
	close(fd);
	/* Three times the origin looks: object and copy, object, nothing. */
	PEER_CHECK(turn_give(sock) && turn_take(sock));
	close(copy);
	PEER_CHECK(turn_give(sock) && turn_take(sock));
	dma_buf_put(dmabuf);
	PEER_CHECK(dmabuf_live_buffers() == 0);
	PEER_CHECK(turn_give(sock));
	turn_take(sock);
	return 0;
}

static void release_of_the_origin_waits_for_the_importer(void **state)
{
	struct backing backing;
	struct dma_buf *dmabuf;
	struct peer peer;
	char byte;
	int fd;

	(void)state;
	peer_start(&peer, importer_of_pages, NULL);
	dmabuf = backing_export(&backing, SIZE, O_RDWR);
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	for (byte = 0; byte < 4; byte++) {
		char page[4096];

		memset(page, 0x33, sizeof(page));
		assert_int_equal(pwrite(backing.fd, page, PAGE,
					(off_t)(byte * PAGE)), PAGE);
	}
	assert_true(fd_send(peer.sock, fd));
	close(fd);
	assert_true(turn_take(peer.sock));
	assert_int_equal(dmabuf_dispatch(), 0);
	assert_int_equal(pread(backing.fd, &byte, 1, SIZE - 1), 1);
	assert_int_equal(byte, 0x44);
	assert_true(turn_give(peer.sock) && turn_take(peer.sock));
	assert_int_equal(dmabuf_dispatch(), 0);
	assert_int_equal(backing.releases, 0);
	assert_true(turn_give(peer.sock) && turn_take(peer.sock));
	wait_for_live_buffers(0);
	assert_int_equal(backing.releases, 1);
	peer_join(&peer);
}

static int importer_of_nothing_to_map(int sock, void *data)
{
	struct dma_buf *dmabuf;
	struct device *dev = device_new();
	struct dma_buf_attachment *attach;
	int fd;

	(void)data;
	dmabuf = import_the_received(sock, &fd);
	PEER_CHECK(!IS_ERR(dmabuf));
	close(fd);
	PEER_CHECK(dmabuf->size == SIZE);
	PEER_CHECK(!strcmp(dmabuf->exp_name, "opaque"));
	PEER_CHECK(IS_ERR(dma_buf_vmap(dmabuf)));
	PEER_CHECK(IS_ERR(dma_buf_mmap(dmabuf, SIZE, PROT_READ, MAP_SHARED,
				       0)));
	attach = dma_buf_attach(dmabuf, dev);
	PEER_CHECK(!IS_ERR(attach));
	PEER_CHECK(IS_ERR(dma_buf_map_attachment_unlocked(attach,
							  DMA_TO_DEVICE)));
	dma_buf_detach(dmabuf, attach);
	dmabuf_device_destroy(dev);
	PEER_CHECK(turn_give(sock) && turn_take(sock));
	dma_buf_put(dmabuf);
	PEER_CHECK(turn_give(sock));
	turn_take(sock);
	return 0;
}

static void opaque_buffer_is_held_but_not_seen_by_another_process(void **state)
{
	unsigned int releases = 0;
	struct peer peer;
	int fd;

	(void)state;
	peer_start(&peer, importer_of_nothing_to_map, NULL);
	fd = dma_buf_fd(opaque_export(&releases, SIZE, O_RDWR), O_CLOEXEC);
	assert_true(fd_send(peer.sock, fd));
	close(fd);
	assert_true(turn_take(peer.sock));
	assert_int_equal(dmabuf_dispatch(), 0);
	assert_int_equal(releases, 0);
	assert_true(turn_give(peer.sock) && turn_take(peer.sock));
	wait_for_live_buffers(0);
	assert_int_equal(releases, 1);
	peer_join(&peer);
}

static int importer_read_only(int sock, void *data)
{
	struct dma_buf *dmabuf;
	int fd;

	(void)data;
	dmabuf = import_the_received(sock, &fd);
	PEER_CHECK(!IS_ERR(dmabuf));
	PEER_CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
	close(fd);
	PEER_CHECK(PTR_ERR(dma_buf_mmap(dmabuf, SIZE, PROT_WRITE, MAP_SHARED,
					0)) == -EACCES);
	PEER_CHECK(!IS_ERR_OR_NULL(dma_buf_vmap(dmabuf)));
	PEER_CHECK(bytes_are(dmabuf->vmap_ptr, 0x21, SIZE));
	dma_buf_vunmap(dmabuf, dmabuf->vmap_ptr);
	dma_buf_put(dmabuf);
	return 0;
}

static void access_mode_of_the_origin_counts_for_the_importer(void **state)
{
	struct dma_buf *dmabuf;
	struct peer peer;
	int fd;

	(void)state;
	peer_start(&peer, importer_read_only, NULL);
	assert_int_equal(dmabuf_memfd_export(SIZE, O_RDONLY, &dmabuf), 0);
	memset(dma_buf_vmap(dmabuf), 0x21, SIZE);
	dma_buf_vunmap(dmabuf, dmabuf->vmap_ptr);
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	assert_true(fd_send(peer.sock, fd));
	close(fd);
	peer_join(&peer);
	wait_for_live_buffers(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(fd_stays_the_callers),
		LEAK_TEST(import_is_the_same_for_the_same_inode),
		LEAK_TEST(import_of_our_own_buffer_is_the_buffer),
		LEAK_TEST(imported_memory_is_the_memfds),
		LEAK_TEST(device_works_on_imported_memory),
		LEAK_TEST(imported_size_is_the_files),
		LEAK_TEST(memfd_that_grows_keeps_the_size),
		LEAK_TEST(punched_holes_are_zero),
		LEAK_TEST(read_only_fd_makes_a_read_only_buffer),
		LEAK_TEST(memfd_sealed_against_writing_is_read_only),
		LEAK_TEST(memfd_sealed_after_the_import_gives_errors),
		LEAK_TEST(write_only_fd_cannot_be_mapped),
		LEAK_TEST(huge_memfd_with_a_write_seal_is_read_only),
		LEAK_TEST(fd_of_an_import_is_a_copy_of_the_fd),
		LEAK_TEST(release_of_the_origin_waits_for_the_importer),
		LEAK_TEST(opaque_buffer_is_held_but_not_seen_by_another_process),
		LEAK_TEST(access_mode_of_the_origin_counts_for_the_importer),
	};

	alarm(120);
	return cmocka_run_group_tests_name("dma_buf/import", tests,
					   leaks_group_setup, NULL) != 0;
}
