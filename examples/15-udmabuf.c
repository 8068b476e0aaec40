/* SPDX-License-Identifier: MIT */
/* 15-udmabuf.c - a buffer out of pages that lie apart */
/*
 * Shows a memfd as an emulator has one for the memory of its guest, and a
 * buffer out of four ranges of it. CPU and device see one row of pages, which
 * are the guest's own: nothing is copied.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <dmabuf/dmabuf.h>

#define PAGE 4096

static void check(const char *what, int ok)
{
	printf("%-52s %s\n", what, ok ? "yes" : "NO");
	if (!ok)
		exit(1);
}

static int device_reads(struct dma_buf *dmabuf, const char *letters)
{
	const struct dmabuf_device_info info = { .name = "screen" };
	struct dma_buf_attachment *attach;
	struct scatterlist *sg;
	struct sg_table *table;
	struct device *dev;
	char letter, right = 1;
	unsigned int i;

	if (dmabuf_device_create(&info, &dev))
		return 0;
	attach = dma_buf_attach(dmabuf, dev);
	table = dma_buf_map_attachment_unlocked(attach, DMA_TO_DEVICE);
	for_each_sgtable_dma_sg(table, sg, i)
		right &= !dmabuf_device_read(dev, sg_dma_address(sg), &letter,
					     1) && letter == letters[i];
	dma_buf_unmap_attachment_unlocked(attach, table, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, attach);
	dmabuf_device_destroy(dev);
	return right && i == 6;
}

int main(void)
{
	int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const struct dmabuf_udmabuf_range ranges[] = {
		{ fd, 10 * PAGE, PAGE }, { fd, 2 * PAGE, 2 * PAGE },
		{ fd, 6 * PAGE, 2 * PAGE }, { fd, 0, PAGE },
	};
	const char *guest = "!.AG..ES..P.";
	struct dma_buf *dmabuf;
	char *vaddr;
	int i;

	/* Pages must not go away under the buffer: no shrinking. */
	if (ftruncate(fd, 12 * PAGE) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK))
		return 1;
	if (dmabuf_udmabuf_export(ranges, 4, &dmabuf))
		return 1;
	for (i = 0; guest[i]; i++)
		if (pwrite(fd, &guest[i], 1, i * PAGE) != 1)
			return 1;
	vaddr = dma_buf_vmap(dmabuf);
	if (IS_ERR_OR_NULL(vaddr))
		return 1;
	printf("the guest's pages: %s, the buffer's: ", guest);
	for (i = 0; i < 6; i++)
		putchar(vaddr[i * PAGE]);
	putchar('\n');
	check("the device reads them in the buffer's order",
	      device_reads(dmabuf, "PAGES!"));
	vaddr[5 * PAGE] = '?';
	check("what the buffer's user writes is in the guest's page",
	      pread(fd, &vaddr[1], 1, 0) == 1 && vaddr[1] == '?');
	dma_buf_vunmap(dmabuf, vaddr);
	check("the guest cannot forbid writing meanwhile",
	      fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
	dma_buf_put(dmabuf);
	check("afterwards it can", !fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	return close(fd);
}
