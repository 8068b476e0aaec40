/* SPDX-License-Identifier: MIT */
/* device.h - synchronising without a warning, for callers that hold a lock */
#ifndef LIB_MEMORY_DEVICE_H
#define LIB_MEMORY_DEVICE_H

#include <dmabuf/dmabuf.h>

/*
 * dma_sync_sgtable_for_cpu() and _for_device() with a valid direction. False:
 * the table is not mapped for the device.
 */
bool device_sync_for_cpu(struct device *dev, const struct sg_table *sgt,
			 enum dma_data_direction dir);
bool device_sync_for_device(struct device *dev, const struct sg_table *sgt,
			    enum dma_data_direction dir);

#endif
