/* SPDX-License-Identifier: MIT */
/* device.h - devices, and mapping memory for them */
#ifndef DMABUF_DEVICE_H
#define DMABUF_DEVICE_H

#include <stdint.h>

#include <dmabuf/export.h>
#include <dmabuf/scatterlist.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Who writes and who reads, seen from the CPU. */
enum dma_data_direction {
	DMA_BIDIRECTIONAL,
	DMA_TO_DEVICE,		/* the device reads */
	DMA_FROM_DEVICE,	/* the device writes */
	DMA_NONE,
};

/*
 * A simulated device with an address space of its own; made by
 * dmabuf_device_create() in dmabuf.h.
 */
struct device;

#define DMA_BIT_MASK(n) ((n) == 64 ? ~(uint64_t)0 : ((uint64_t)1 << (n)) - 1)

/* Map and unmap without moving data; the caller synchronises himself. */
#define DMA_ATTR_SKIP_CPU_SYNC (1ul << 5)

/** dev_name() - the name given at creation */
DMABUF_API const char *dev_name(const struct device *dev);

/**
 * dma_get_mask() - the highest bus address that the device can reach
 *
 * The first page of a device's addresses is never mapped.
 */
DMABUF_API uint64_t dma_get_mask(const struct device *dev);

/**
 * dma_get_max_seg_size() - longest segment that the device takes, in bytes;
 * UINT_MAX when it has no limit
 */
DMABUF_API unsigned int dma_get_max_seg_size(const struct device *dev);

/**
 * dma_map_sgtable() - make a table's memory reachable by a device
 * @dev: device
 * @sgt: table with its CPU side filled in; its device side is written
 * @dir: who will read and who write; DMA_NONE is refused
 * @attrs: 0 or DMA_ATTR_SKIP_CPU_SYNC
 *
 * Each entry gets one run of bus addresses, from the start of a page and with a
 * hole behind it, so that an access past the end faults. Addresses are not used
 * again until all that the mask allows were used, so that an access after the
 * unmap faults too. A device that is not coherent gets a copy of the memory as
 * it is now, whatever @dir; with DMA_ATTR_SKIP_CPU_SYNC the copy is zero until
 * dma_sync_sgtable_for_device().
 *
 * Context: takes the device's lock. May block.
 * Return: 0; -EINVAL with a warning for a bad direction, an empty table or
 * entry, an entry longer than the device takes, or a table that is mapped for
 * @dev already; -ENOMEM when memory or bus addresses run out. On failure all is
 * as before. (dma_map_sgtable(), Linux 6.12)
 */
DMABUF_API int dma_map_sgtable(struct device *dev, struct sg_table *sgt,
			       enum dma_data_direction dir,
			       unsigned long attrs);

/**
 * dma_unmap_sgtable() - take the memory away from the device
 * @dev: the device it was mapped for
 * @sgt: table, with the entries it was mapped with; its device side is zero
 *	afterwards
 * @dir: as it was mapped
 * @attrs: 0 or DMA_ATTR_SKIP_CPU_SYNC
 *
 * The bytes that a device that is not coherent wrote reach the CPU here, and no
 * others, so that old parts of its copy undo nobody's work. Another direction
 * than that of the mapping warns; the memory is taken away, and nothing is
 * moved. A table that is not mapped for @dev warns, and nothing happens.
 *
 * Context: takes the device's lock.
 */
DMABUF_API void dma_unmap_sgtable(struct device *dev, struct sg_table *sgt,
				  enum dma_data_direction dir,
				  unsigned long attrs);

/**
 * dma_sync_sgtable_for_cpu() - let the CPU see what the device wrote
 * @dev: device
 * @sgt: mapped table
 * @dir: how the CPU is about to use it; DMA_TO_DEVICE moves nothing
 *
 * Only bytes that the device wrote since the last sync move: none for a
 * coherent device, nor where the mapping does not let the device write. A bad
 * direction, or a table that is not mapped for @dev, warns.
 *
 * Context: takes the device's lock.
 */
DMABUF_API void dma_sync_sgtable_for_cpu(struct device *dev,
					 struct sg_table *sgt,
					 enum dma_data_direction dir);

/**
 * dma_sync_sgtable_for_device() - let the device see what the CPU wrote
 * @dev: device
 * @sgt: mapped table
 * @dir: how the CPU used it; DMA_FROM_DEVICE moves nothing
 *
 * The device's copy is made anew, over what it wrote and nobody fetched.
 * Nothing moves for a coherent device. A bad direction, or a table that is not
 * mapped for @dev, warns.
 *
 * Context: takes the device's lock.
 */
DMABUF_API void dma_sync_sgtable_for_device(struct device *dev,
					    struct sg_table *sgt,
					    enum dma_data_direction dir);

#ifdef __cplusplus
}
#endif

#endif
