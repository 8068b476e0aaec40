/* SPDX-License-Identifier: MIT */
/* 04-attach-a-device.c - what a device can reach, and what it cannot */
/*
 * Shows that a device sees a buffer only through addresses of its own, cut to
 * its limits, and that an access outside of what is mapped faults.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dmabuf/dmabuf.h>

static void check(const char *what, int ok)
{
	printf("%-52s %s\n", what, ok ? "yes" : "NO");
	if (!ok)
		exit(1);
}

static void print_warning(const char *report, void *data)
{
	(void)data;
	printf("  (%s)\n", report);
}

static void check_segments(struct sg_table *table, struct device *dev)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_dma_sg(table, sg, i) {
		printf("  segment %u: address 0x%" PRIx64 ", %zu bytes\n", i,
		       sg_dma_address(sg), sg_dma_len(sg));
		check("  within the mask and the longest segment",
		      sg_dma_address(sg) + sg_dma_len(sg) - 1 <= dma_get_mask(dev) &&
		      sg_dma_len(sg) <= dma_get_max_seg_size(dev));
	}
}

int main(void)
{
	const struct dmabuf_device_info info = {
		.name = "old-camera",
		.dma_mask = DMA_BIT_MASK(24),
		.max_segment_size = 8192,
	};
	struct dma_buf_attachment *attach;
	struct dma_buf *dmabuf;
	struct sg_table *table;
	struct device *dev;
	dma_addr_t addr;
	char text[8] = "";

	dmabuf_set_warn_handler(print_warning, NULL);
	if (dmabuf_device_create(&info, &dev) ||
	    dmabuf_memfd_export(20480, O_RDWR, &dmabuf))
		return 1;
	attach = dma_buf_attach(dmabuf, dev);
	check("attached", !IS_ERR(attach));
	table = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	check("mapped", !IS_ERR(table));
	check("20480 bytes are 3 segments for this device", table->nents == 3);
	check_segments(table, dev);

	addr = sg_dma_address(table->sgl);
	check("the device writes", !dmabuf_device_write(dev, addr, "frame", 6));
	check("and reads it back", !dmabuf_device_read(dev, addr, text, 6) &&
	      !strcmp(text, "frame"));
	check("past the end of a segment it faults",
	      dmabuf_device_read(dev, addr + 8190, text, 4) == -EFAULT);

	dma_buf_unmap_attachment_unlocked(attach, table, DMA_BIDIRECTIONAL);
	check("after the unmap it faults everywhere",
	      dmabuf_device_read(dev, addr, text, 6) == -EFAULT);
	check("each fault was a warning", dmabuf_warn_count() == 2);
	dma_buf_detach(dmabuf, attach);
	dma_buf_put(dmabuf);
	dmabuf_device_destroy(dev);
	return 0;
}
