/* SPDX-License-Identifier: MIT */
/*
 * fuzz-import.c - libFuzzer makes up fds that another process could send
 *
 * The input says what the fd is: kind, name, size, seals, access mode. The
 * library must take exactly those that the documents promise to take, work on
 * them without a signal, and keep nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <dmabuf/dmabuf.h>

#define SEALS_OURS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define SEALS_WRITE (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)
#define PAGE 4096

struct recipe {
	uint8_t kind;
	uint8_t seals;
	uint8_t mode;
	uint8_t how;
	uint16_t size;
	char name[32];
};

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fuzz-import: not so: %s\n", what);
	abort();
}

/* Its size is in whole bytes: a file need not end with a page. */
static int memfd_make(const struct recipe *recipe)
{
	char name[48];
	int fd;

	snprintf(name, sizeof(name), "%s%s", recipe->how & 1 ? "dmabuf:" : "",
		 recipe->name);
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	need(!ftruncate(fd, recipe->size), "ftruncate");
	need(!fcntl(fd, F_ADD_SEALS, recipe->seals & 31), "seals");
	return fd;
}

/* The same inode through another access mode. */
static int reopen(int fd, int mode)
{
	char path[32];
	int other;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	other = open(path, mode | O_CLOEXEC);
	close(fd);
	return other;
}

static int fd_make(const struct recipe *recipe)
{
	static const int modes[] = { O_RDWR, O_RDONLY, O_WRONLY, O_PATH };
	int pipes[2];
	int fd;

	switch (recipe->kind) {
	case 0:
		return open("/", O_RDONLY | O_CLOEXEC);
	case 1:
		return open("/dev/zero", O_RDWR | O_CLOEXEC);
	case 2:
		return eventfd(0, EFD_CLOEXEC);
	case 3:
		need(!pipe2(pipes, O_CLOEXEC), "pipe");
		close(pipes[1]);
		return pipes[0];
	default:
		fd = memfd_make(recipe);
		if (fd < 0 || !(recipe->mode & 3))
			return fd;
		return reopen(fd, modes[recipe->mode & 3]);
	}
}

/* Use everything that can fault. */
static void use(struct dma_buf *dmabuf, int fd, bool writable)
{
	volatile char *vaddr = dma_buf_vmap(dmabuf);
	size_t at;

	if (IS_ERR_OR_NULL((const void *)(uintptr_t)vaddr))
		return;
	/* Whoever sent it may give its pages back at any time. */
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		  (off_t)dmabuf->size);
	need(ftruncate(fd, 0) || !dmabuf->size, "it cannot be cut");
	for (at = 0; at < dmabuf->size; at += PAGE / 2) {
		need(!vaddr[at], "it is empty");
		if (writable)
			vaddr[at] = 0;
	}
	dma_buf_vunmap(dmabuf, (void *)(uintptr_t)vaddr);
}

static void attach(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	const struct dmabuf_device_info info = {
		.name = "fuzz",
		.non_coherent = true,
	};
	struct dma_buf_attachment *attachment;
	struct sg_table *table;
	struct device *dev;
	char byte;

	need(!dmabuf_device_create(&info, &dev), "device");
	attachment = dma_buf_attach(dmabuf, dev);
	if (!IS_ERR(attachment)) {
		table = dma_buf_map_attachment_unlocked(attachment, dir);
		if (!IS_ERR(table)) {
			need(dir == DMA_FROM_DEVICE ||
			     !dmabuf_device_read(dev,
						 sg_dma_address(table->sgl),
						 &byte, 1), "device read");
			dma_buf_unmap_attachment_unlocked(attachment, table,
							  dir);
		}
		dma_buf_detach(dmabuf, attachment);
	}
	dmabuf_device_destroy(dev);
}

static void import(const struct recipe *recipe, int fd, struct dma_buf *dmabuf)
{
	int seals = fcntl(fd, F_GET_SEALS);
	bool writable = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR &&
			!(seals & SEALS_WRITE);
	struct dma_buf *again;

	need(dmabuf->size == recipe->size, "the size is the file's");
	need(!dmabuf_memfd_import(fd, &again) || !recipe->size,
	     "what was imported can be imported");
	if (recipe->size) {
		need(again == dmabuf, "there is one object");
		dma_buf_put(again);
		use(dmabuf, fd, writable);
		attach(dmabuf, (enum dma_data_direction)(recipe->how / 2 % 3));
	}
	need(dmabuf_refcount(dmabuf) == 1, "one reference");
	dma_buf_put(dmabuf);
}

static void try(const struct recipe *recipe, int fd)
{
	bool memfd = recipe->kind > 3 && (recipe->mode & 3) != 3;
	int seals = memfd ? fcntl(fd, F_GET_SEALS) : 0;
	bool ours = memfd && (seals & SEALS_OURS) == SEALS_OURS &&
		    (recipe->how & 1 || !strncmp(recipe->name, "dmabuf:", 7));
	bool taken = memfd && seals & F_SEAL_SHRINK && recipe->size;
	struct dma_buf *dmabuf;
	int ret;

	dmabuf = dma_buf_get(fd);
	if (IS_ERR(dmabuf))
		need(!ours, "a buffer is found");
	else
		need(ours, "what is no buffer is refused");
	if (!IS_ERR(dmabuf))
		import(recipe, fd, dmabuf);
	ret = dmabuf_memfd_import(fd, &dmabuf);
	need(!ret == taken, "the sealed ones are imported");
	if (!ret)
		import(recipe, fd, dmabuf);
	else
		need(ret == -EBADF || ret == -EINVAL || ret == -EPERM,
		     "a documented error");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct recipe recipe = { 0 };
	int fd;

	memcpy(&recipe, bytes, len < sizeof(recipe) ? len : sizeof(recipe));
	recipe.name[sizeof(recipe.name) - 1] = '\0';
	fd = fd_make(&recipe);
	if (fd < 0)
		return 0;
	try(&recipe, fd);
	close(fd);
	need(!dmabuf_live_buffers(), "nothing is kept");
	return 0;
}
