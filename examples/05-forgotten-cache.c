/* SPDX-License-Identifier: MIT */
/* 05-forgotten-cache.c - why the CPU announces what it does */
/*
 * Shows what a forgotten dma_buf_begin_cpu_access() costs: beside a device that
 * does not snoop the caches, the CPU reads and leaves stale data.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dmabuf/dmabuf.h>

static void expect(const char *what, const char *seen, const char *expected)
{
	printf("%-56s \"%s\"\n", what, seen);
	if (strcmp(seen, expected))
		exit(1);
}

/* The device writes; the CPU reads, first without the brackets. */
static void cpu_reads(struct dma_buf *dmabuf, struct device *dev,
		      dma_addr_t addr, char *cpu)
{
	if (dmabuf_device_write(dev, addr, "new", 4))
		exit(1);
	expect("the device wrote \"new\"; without brackets the CPU reads", cpu,
	       "old");
	if (dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE))
		exit(1);
	expect("after dma_buf_begin_cpu_access() it reads", cpu, "new");
	if (dma_buf_end_cpu_access(dmabuf, DMA_FROM_DEVICE))
		exit(1);
}

/* The CPU writes; the device reads, first without the brackets. */
static void cpu_writes(struct dma_buf *dmabuf, struct device *dev,
		       dma_addr_t addr, char *cpu)
{
	char seen[4];

	if (dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE))
		exit(1);
	strcpy(cpu, "top");
	if (dmabuf_device_read(dev, addr, seen, sizeof(seen)))
		exit(1);
	expect("the CPU wrote \"top\"; before the end the device reads", seen,
	       "new");
	if (dma_buf_end_cpu_access(dmabuf, DMA_TO_DEVICE) ||
	    dmabuf_device_read(dev, addr, seen, sizeof(seen)))
		exit(1);
	expect("after dma_buf_end_cpu_access() it reads", seen, "top");
}

int main(void)
{
	const struct dmabuf_device_info info = {
		.name = "no-snooping", .non_coherent = true,
	};
	struct dma_buf_attachment *attach;
	struct dma_buf *dmabuf;
	struct sg_table *table;
	struct device *dev;
	char *cpu;

	if (dmabuf_device_create(&info, &dev) ||
	    dmabuf_memfd_export(4096, O_RDWR, &dmabuf))
		return 1;
	cpu = dma_buf_vmap(dmabuf);
	if (IS_ERR_OR_NULL(cpu))
		return 1;
	strcpy(cpu, "old");
	attach = dma_buf_attach(dmabuf, dev);
	if (IS_ERR(attach))
		return 1;
	table = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(table))
		return 1;

	cpu_reads(dmabuf, dev, sg_dma_address(table->sgl), cpu);
	cpu_writes(dmabuf, dev, sg_dma_address(table->sgl), cpu);

	dma_buf_unmap_attachment_unlocked(attach, table, DMA_BIDIRECTIONAL);
	dma_buf_detach(dmabuf, attach);
	dma_buf_vunmap(dmabuf, cpu);
	dma_buf_put(dmabuf);
	dmabuf_device_destroy(dev);
	return 0;
}
