/* SPDX-License-Identifier: MIT */
/* test-fork-import.c - what was imported ends in a forked child */
#include <dirent.h>
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

#include "leaks.h"
#include "mock-exporter.h"
#include "process.h"
#include "sanitized.h"

#define SIZE ((size_t)16384)

static int nr_fds_of(ino_t ino)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	struct stat st;
	int nr = 0;

	while (dir && (entry = readdir(dir)))
		if (!fstatat(dirfd(dir), entry->d_name, &st, 0) &&
		    st.st_ino == ino)
			nr++;
	if (dir)
		closedir(dir);
	return nr;
}

struct imported {
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	struct device *dev;
	void *vaddr;	/* NULL: not mapped at the fork */
	ino_t ino;
};

static int child_of_an_importer(int sock, void *data)
{
	struct imported *imported = data;
	struct dma_buf *dmabuf = imported->dmabuf;

	(void)sock;
	PEER_CHECK(nr_fds_of(imported->ino) == 0);
	if (imported->vaddr)
		PEER_CHECK(!addr_is_mapped(imported->vaddr));
	PEER_CHECK(PTR_ERR(dma_buf_vmap(dmabuf)) == -EIO);
	PEER_CHECK(PTR_ERR(dma_buf_mmap(dmabuf, SIZE, PROT_READ, MAP_SHARED,
					0)) == -EIO);
	PEER_CHECK(PTR_ERR(dma_buf_attach(dmabuf, imported->dev)) == -EIO);
	PEER_CHECK(PTR_ERR(dma_buf_map_attachment_unlocked(imported->attach,
			   DMA_TO_DEVICE)) == -EIO);
	PEER_CHECK(dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE) == -EIO);
	PEER_CHECK(dma_buf_end_cpu_access(dmabuf, DMA_TO_DEVICE) == -EIO);
	PEER_CHECK(dma_buf_fd(dmabuf, 0) == -EIO);
	PEER_CHECK(dmabuf_refcount(dmabuf) == 1);
	if (imported->vaddr)
		dma_buf_vunmap(dmabuf, imported->vaddr);
	dma_buf_detach(dmabuf, imported->attach);
	dma_buf_put(dmabuf);
	PEER_CHECK(dmabuf_live_buffers() == 0);
	return 0;
}

static void import_is_dead_in_the_child(bool vmapped)
{
	int fd = memfd_make("other", SIZE, F_SEAL_SHRINK);
	struct imported imported = { 0 };
	struct peer peer;
	struct stat st;
	int status;

	assert_int_equal(fstat(fd, &st), 0);
	imported.ino = st.st_ino;
	imported.dev = device_new();
	assert_int_equal(dmabuf_memfd_import(fd, &imported.dmabuf), 0);
	close(fd);
	imported.attach = dma_buf_attach(imported.dmabuf, imported.dev);
	if (vmapped)
		imported.vaddr = dma_buf_vmap(imported.dmabuf);
	peer_start(&peer, child_of_an_importer, &imported);
	status = peer_wait(&peer);
	/* The parent noticed nothing. */
	if (vmapped) {
		memset(imported.vaddr, 1, SIZE);
		dma_buf_vunmap(imported.dmabuf, imported.vaddr);
	}
	assert_int_equal(nr_fds_of(imported.ino), 1);
	dma_buf_detach(imported.dmabuf, imported.attach);
	dma_buf_put(imported.dmabuf);
	dmabuf_device_destroy(imported.dev);
	assert_int_equal(status, 0);
}

static void import_answers_eio_in_the_child(void **state)
{
	(void)state;
	import_is_dead_in_the_child(false);
}

static void vmapped_import_answers_eio_in_the_child(void **state)
{
	(void)state;
	import_is_dead_in_the_child(true);
}

struct mapped_import {
	struct imported imported;
	struct sg_table *table;
};

/* A device that still points at the pages meets no hole. */
static int child_of_a_mapped_importer(int sock, void *data)
{
	struct mapped_import *mapped = data;
	struct imported *imported = &mapped->imported;
	char byte = 0;

	(void)sock;
	dmabuf_device_read(imported->dev, sg_dma_address(mapped->table->sgl),
			   &byte, 1);
	PEER_CHECK(byte != 's');
	dma_buf_unmap_attachment_unlocked(imported->attach, mapped->table,
					  DMA_BIDIRECTIONAL);
	PEER_CHECK(PTR_ERR(dma_buf_map_attachment_unlocked(imported->attach,
			   DMA_BIDIRECTIONAL)) == -EIO);
	dma_buf_detach(imported->dmabuf, imported->attach);
	dma_buf_put(imported->dmabuf);
	PEER_CHECK(dmabuf_live_buffers() == 0);
	return 0;
}

static void device_mapping_of_an_import_is_harmless_in_the_child(void **state)
{
	struct mapped_import mapped = { 0 };
	struct imported *imported = &mapped.imported;
	struct peer peer;
	int status, fd;

	(void)state;
	if (under_valgrind()) {
		print_message("skipped under valgrind: it does not know what "
			      "MADV_DONTFORK took away\n");
		skip();
	}
	fd = memfd_make("other", SIZE, F_SEAL_SHRINK);
	assert_int_equal(pwrite(fd, "s", 1, 0), 1);
	imported->dev = device_new();
	assert_int_equal(dmabuf_memfd_import(fd, &imported->dmabuf), 0);
	close(fd);
	imported->attach = dma_buf_attach(imported->dmabuf, imported->dev);
	mapped.table = dma_buf_map_attachment_unlocked(imported->attach,
						       DMA_BIDIRECTIONAL);
	assert_false(IS_ERR(mapped.table));
	peer_start(&peer, child_of_a_mapped_importer, &mapped);
	status = peer_wait(&peer);
	dma_buf_unmap_attachment_unlocked(imported->attach, mapped.table,
					  DMA_BIDIRECTIONAL);
	dma_buf_detach(imported->dmabuf, imported->attach);
	dma_buf_put(imported->dmabuf);
	dmabuf_device_destroy(imported->dev);
	assert_int_equal(status, 0);
}

/* The child can import the inode anew from an fd that it has. */
static int child_imports_anew(int sock, void *data)
{
	struct dma_buf *dead = *(struct dma_buf **)data;
	struct dma_buf *dmabuf;
	int fd = fd_recv(sock);

	PEER_CHECK(fd >= 0);
	PEER_CHECK(!dmabuf_memfd_import(fd, &dmabuf));
	PEER_CHECK(dmabuf != dead);
	PEER_CHECK(!IS_ERR_OR_NULL(dma_buf_vmap(dmabuf)));
	dma_buf_vunmap(dmabuf, dmabuf->vmap_ptr);
	dma_buf_put(dmabuf);
	return 0;
}

static void child_may_import_anew(void **state)
{
	int fd = memfd_make("other", SIZE, F_SEAL_SHRINK);
	struct dma_buf *dmabuf;
	struct peer peer;

	(void)state;
	assert_int_equal(dmabuf_memfd_import(fd, &dmabuf), 0);
	peer_start(&peer, child_imports_anew, &dmabuf);
	assert_true(fd_send(peer.sock, fd));
	peer_join(&peer);
	dma_buf_put(dmabuf);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(import_answers_eio_in_the_child),
		LEAK_TEST(vmapped_import_answers_eio_in_the_child),
		LEAK_TEST(device_mapping_of_an_import_is_harmless_in_the_child),
		LEAK_TEST(child_may_import_anew),
	};

	alarm(240);
	return cmocka_run_group_tests_name("fork/import", tests,
					   leaks_group_setup, NULL) != 0;
}
