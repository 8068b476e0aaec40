/* SPDX-License-Identifier: MIT */
/* device.c - simulated devices: their bus addresses and their DMA engine */

/*
 * A mapping is one table as one device sees it; each entry of the table is a
 * run of bus addresses. Two trees find them: runs by address, for the DMA
 * engine, and mappings by the table's entries, for unmap and sync. A mapping
 * keeps what it needs itself and trusts the table for nothing, as the table's
 * fields are open to everybody.
 *
 * Addresses go upwards, each run followed by a hole of a page at least. A run
 * that was unmapped is not handed out again before the space is used up, so
 * that a device which goes on with an old address faults.
 *
 * A device that is not coherent has a bounce copy of each run; the CPU's memory
 * is touched only when copies are moved. Only bytes that the device wrote move
 * back: the rest of the copy is old, and another device may have written there.
 *
 * Locks: a device's own mutex is a leaf. devices_lock guards the list of
 * devices that fork needs; only fork takes device mutexes under it.
 * (c) constant after creation  (l) dev->lock held  (d) devices_lock held
 */

#include "memory/device.h"

#include "base/fork.h"
#include "base/report.h"
#include "base/util.h"

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* No address above this is handed out, whatever the mask: sums cannot wrap. */
#define ADDR_LIMIT DMA_BIT_MASK(62)

struct run {
	RB_ENTRY(run) by_addr;
	dma_addr_t addr;
	size_t len;
	char *cpu;			/* where the CPU sees it */
	char *bounce;			/* the device's copy; NULL: coherent */
	char *written;			/* 1: a byte to move back; as @bounce */
	const struct mapping *mapping;
};

struct mapping {
	RB_ENTRY(mapping) by_table;
	const struct scatterlist *sgl;
	enum dma_data_direction dir;
	unsigned int nr_runs;
	struct run *runs;
};

RB_HEAD(run_tree, run);
RB_HEAD(mapping_tree, mapping);

struct device {
	LIST_ENTRY(device) link;	/* (d) */
	char *name;			/* (c) */
	uint64_t mask;			/* (c) */
	unsigned int max_segment;	/* (c) UINT_MAX: no limit */
	bool non_coherent;		/* (c) */
	pthread_mutex_t lock;
	struct run_tree runs;		/* (l) */
	struct mapping_tree mappings;	/* (l) */
	dma_addr_t next;		/* (l) where the next run is tried */
	bool wrapped;			/* (l) addresses are being reused */
};

static int run_compare(const struct run *a, const struct run *b)
{
	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

static int mapping_compare(const struct mapping *a, const struct mapping *b)
{
	uintptr_t x = (uintptr_t)a->sgl, y = (uintptr_t)b->sgl;

	return x < y ? -1 : x > y;
}

/* RB_GENERATE_STATIC() needs a macro that libbsd's plain headers lack. */
#define TREE_FUNCTION __attribute__((unused)) static

RB_GENERATE_INTERNAL(run_tree, run, by_addr, run_compare, TREE_FUNCTION)
RB_GENERATE_INTERNAL(mapping_tree, mapping, by_table, mapping_compare,
		     TREE_FUNCTION)

/* Bus addresses */

/* Where the next run may start when one ends before @end. */
static dma_addr_t addr_after(dma_addr_t end)
{
	dma_addr_t page = page_size();

	return (end + page - 1) / page * page + page;
}

/*
 * The first gap from @from on for a run of @len bytes; 0 when there is none.
 * Only a length that is refused in the end can make a sum wrap.
 */
static dma_addr_t gap_find_locked(struct device *dev, dma_addr_t from,
				  size_t len)
{
	uint64_t top = dev->mask < ADDR_LIMIT ? dev->mask : ADDR_LIMIT;
	struct run key = { .addr = from };
	dma_addr_t addr = from;
	struct run *run;

	for (run = RB_NFIND(run_tree, &dev->runs, &key); run;
	     run = RB_NEXT(run_tree, &dev->runs, run)) {
		if (addr_after(addr + len) <= run->addr)
			break;
		addr = addr_after(run->addr + run->len);
	}
	return addr <= top && len - 1 <= top - addr ? addr : 0;
}

static int run_insert_locked(struct device *dev, struct run *run)
{
	dma_addr_t addr = gap_find_locked(dev, dev->next, run->len);

	if (!addr) {
		addr = gap_find_locked(dev, page_size(), run->len);
		if (!addr)
			return -ENOMEM;
		dev->wrapped = true;
	}
	run->addr = addr;
	RB_INSERT(run_tree, &dev->runs, run);
	dev->next = addr_after(addr + run->len);
	return 0;
}

/* The run that @addr lies in, or NULL. */
static struct run *run_find_locked(struct device *dev, dma_addr_t addr)
{
	struct run *run = RB_ROOT(&dev->runs);

	while (run) {
		if (addr < run->addr)
			run = RB_LEFT(run, by_addr);
		else if (addr - run->addr >= run->len)
			run = RB_RIGHT(run, by_addr);
		else
			break;
	}
	return run;
}

/* Mappings */

static void mapping_free(struct mapping *mapping)
{
	unsigned int i;

	for (i = 0; i < mapping->nr_runs; i++) {
		free(mapping->runs[i].bounce);
		free(mapping->runs[i].written);
	}
	free(mapping->runs);
	free(mapping);
}

static void copy_to_device(const struct mapping *mapping)
{
	const struct run *run = mapping->runs;
	unsigned int i;

	for (i = 0; i < mapping->nr_runs; i++, run++) {
		if (!run->bounce)
			continue;
		memcpy(run->bounce, run->cpu, run->len);
		memset(run->written, 0, run->len);
	}
}

/* The end of the bytes from @from on that are marked as @from is. */
static size_t marked_end(const struct run *run, size_t from)
{
	const char *end = memchr(run->written + from, !run->written[from],
				 run->len - from);

	return end ? (size_t)(end - run->written) : run->len;
}

static void run_copy_to_cpu(const struct run *run)
{
	size_t from, end;

	for (from = 0; from < run->len; from = end) {
		end = marked_end(run, from);
		if (run->written[from])
			memcpy(run->cpu + from, run->bounce + from, end - from);
	}
	memset(run->written, 0, run->len);
}

static void copy_to_cpu(const struct mapping *mapping)
{
	unsigned int i;

	for (i = 0; i < mapping->nr_runs; i++)
		if (mapping->runs[i].bounce)
			run_copy_to_cpu(&mapping->runs[i]);
}

/* Fills in @mapping->runs, one for each entry; no address yet. */
static int runs_alloc(struct mapping *mapping, struct sg_table *sgt,
		      bool bounce)
{
	struct scatterlist *sg;
	struct run *run;
	unsigned int i;

	mapping->runs = calloc(sgt->orig_nents, sizeof(*mapping->runs));
	if (!mapping->runs)
		return -ENOMEM;
	mapping->nr_runs = sgt->orig_nents;
	for_each_sgtable_sg(sgt, sg, i) {
		run = &mapping->runs[i];
		run->mapping = mapping;
		run->cpu = sg_virt(sg);
		run->len = sg->length;
		if (!bounce)
			continue;
		run->bounce = calloc(1, run->len);
		run->written = calloc(1, run->len);
		if (!run->bounce || !run->written)
			return -ENOMEM;
	}
	return 0;
}

/*
 * The copy is made whatever the direction: a device that writes only a part
 * must not take away the rest at unmap.
 */
static struct mapping *mapping_new(const struct device *dev,
				   struct sg_table *sgt,
				   enum dma_data_direction dir,
				   unsigned long attrs)
{
	struct mapping *mapping = calloc(1, sizeof(*mapping));

	if (!mapping)
		return NULL;
	mapping->sgl = sgt->sgl;
	mapping->dir = dir;
	if (runs_alloc(mapping, sgt, dev->non_coherent)) {
		mapping_free(mapping);
		return NULL;
	}
	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		copy_to_device(mapping);
	return mapping;
}

static void mapping_remove_locked(struct device *dev, struct mapping *mapping)
{
	unsigned int i;

	for (i = 0; i < mapping->nr_runs; i++)
		RB_REMOVE(run_tree, &dev->runs, &mapping->runs[i]);
	RB_REMOVE(mapping_tree, &dev->mappings, mapping);
}

static int mapping_insert_locked(struct device *dev, struct mapping *mapping)
{
	dma_addr_t next = dev->next;
	bool wrapped = dev->wrapped;
	unsigned int i;
	int ret;

	if (RB_INSERT(mapping_tree, &dev->mappings, mapping))
		return -EINVAL;
	for (i = 0; i < mapping->nr_runs; i++) {
		ret = run_insert_locked(dev, &mapping->runs[i]);
		if (ret)
			goto err_runs;
	}
	return 0;

err_runs:
	while (i--)
		RB_REMOVE(run_tree, &dev->runs, &mapping->runs[i]);
	RB_REMOVE(mapping_tree, &dev->mappings, mapping);
	dev->next = next;
	dev->wrapped = wrapped;
	return ret;
}

static struct mapping *mapping_find_locked(struct device *dev,
					   const struct sg_table *sgt)
{
	struct mapping key = { .sgl = sgt->sgl };

	return RB_FIND(mapping_tree, &dev->mappings, &key);
}

/* fork */

static pthread_mutex_t devices_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(device_list, device) devices;	/* (d) */

/* No other thread is in the middle of a change while the trees are copied. */
static void devices_lock_all(void)
{
	struct device *dev;

	pthread_mutex_lock(&devices_lock);
	LIST_FOREACH(dev, &devices, link)
		pthread_mutex_lock(&dev->lock);
}

static void devices_unlock_all(void)
{
	struct device *dev;

	LIST_FOREACH(dev, &devices, link)
		pthread_mutex_unlock(&dev->lock);
	pthread_mutex_unlock(&devices_lock);
}

static void devices_fork_child(bool locked)
{
	struct device *dev;

	if (locked) {
		devices_unlock_all();
		return;
	}
	LIST_FOREACH(dev, &devices, link)
		pthread_mutex_init(&dev->lock, NULL);
	pthread_mutex_init(&devices_lock, NULL);
}

static struct fork_hook fork_hook = {
	.lock = devices_lock_all,
	.unlock = devices_unlock_all,
	.child = devices_fork_child,
};

static void device_list_add(struct device *dev)
{
	fork_check(&fork_hook);
	pthread_mutex_lock(&devices_lock);
	LIST_INSERT_HEAD(&devices, dev, link);
	pthread_mutex_unlock(&devices_lock);
}

static void device_list_remove(struct device *dev)
{
	pthread_mutex_lock(&devices_lock);
	LIST_REMOVE(dev, link);
	pthread_mutex_unlock(&devices_lock);
}

/* Devices */

const char *dev_name(const struct device *dev)
{
	return dev->name;
}

uint64_t dma_get_mask(const struct device *dev)
{
	return dev->mask;
}

unsigned int dma_get_max_seg_size(const struct device *dev)
{
	return dev->max_segment;
}

/* A limit of 0 is none. */
static bool limit_is_bad(uint64_t limit)
{
	return limit && limit < page_size();
}

int dmabuf_device_create(const struct dmabuf_device_info *info,
			 struct device **ret_dev)
{
	struct device *dev;

	if (!info || limit_is_bad(info->dma_mask) ||
	    limit_is_bad(info->max_segment_size))
		return -EINVAL;
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	dev->name = strdup(info->name ? info->name : "device");
	if (!dev->name)
		goto err_dev;
	dev->mask = info->dma_mask ? info->dma_mask : UINT64_MAX;
	dev->max_segment =
		info->max_segment_size ? info->max_segment_size : UINT_MAX;
	dev->non_coherent = info->non_coherent;
	RB_INIT(&dev->runs);
	RB_INIT(&dev->mappings);
	dev->next = page_size();
	pthread_mutex_init(&dev->lock, NULL);
	device_list_add(dev);
	*ret_dev = dev;
	return 0;

err_dev:
	free(dev);
	return -ENOMEM;
}

void dmabuf_device_destroy(struct device *dev)
{
	struct mapping *mapping;
	unsigned int left = 0;

	if (!dev)
		return;
	device_list_remove(dev);
	while ((mapping = RB_ROOT(&dev->mappings))) {
		mapping_remove_locked(dev, mapping);
		mapping_free(mapping);
		left++;
	}
	if (left)
		report_warn(__func__, "device %s: %u tables still mapped",
			    dev->name, left);
	pthread_mutex_destroy(&dev->lock);
	free(dev->name);
	free(dev);
}

/* Mapping tables */

static bool direction_is_valid(enum dma_data_direction dir)
{
	return dir == DMA_BIDIRECTIONAL || dir == DMA_TO_DEVICE ||
	       dir == DMA_FROM_DEVICE;
}

static const char *direction_name(enum dma_data_direction dir)
{
	switch (dir) {
	case DMA_BIDIRECTIONAL:
		return "DMA_BIDIRECTIONAL";
	case DMA_TO_DEVICE:
		return "DMA_TO_DEVICE";
	case DMA_FROM_DEVICE:
		return "DMA_FROM_DEVICE";
	case DMA_NONE:
		return "DMA_NONE";
	}
	return "in no direction";
}

/* Why the table cannot be mapped, or NULL. */
static const char *map_refusal(const struct device *dev, struct sg_table *sgt,
			       enum dma_data_direction dir)
{
	struct scatterlist *sg;
	unsigned int i;

	if (!direction_is_valid(dir))
		return "bad direction";
	if (!sgt->sgl || !sgt->orig_nents)
		return "empty table";
	for_each_sgtable_sg(sgt, sg, i) {
		if (!sg_page(sg) || !sg->length)
			return "empty entry";
		if (dev->max_segment != UINT_MAX &&
		    sg->length > dev->max_segment)
			return "entry longer than the device takes";
	}
	return NULL;
}

static void table_fill(struct sg_table *sgt, const struct mapping *mapping)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_sg(sgt, sg, i) {
		sg->dma_address = mapping->runs[i].addr;
		sg->dma_length = mapping->runs[i].len;
	}
	sgt->nents = sgt->orig_nents;
}

static void table_clear(struct sg_table *sgt)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_sg(sgt, sg, i) {
		sg->dma_address = 0;
		sg->dma_length = 0;
	}
	sgt->nents = sgt->orig_nents;
}

int dma_map_sgtable(struct device *dev, struct sg_table *sgt,
		    enum dma_data_direction dir, unsigned long attrs)
{
	const char *refusal = map_refusal(dev, sgt, dir);
	struct mapping *mapping;
	int ret;

	if (refusal) {
		ret = -EINVAL;
		goto out_warn;
	}
	mapping = mapping_new(dev, sgt, dir, attrs);
	if (!mapping)
		return -ENOMEM;
	pthread_mutex_lock(&dev->lock);
	ret = mapping_insert_locked(dev, mapping);
	if (!ret)
		table_fill(sgt, mapping);
	pthread_mutex_unlock(&dev->lock);
	if (!ret)
		return 0;
	mapping_free(mapping);
	if (ret == -EINVAL)
		refusal = "table is already mapped";
out_warn:
	if (refusal)
		report_warn(__func__, "device %s: %s", dev->name, refusal);
	return ret;
}

void dma_unmap_sgtable(struct device *dev, struct sg_table *sgt,
		       enum dma_data_direction dir, unsigned long attrs)
{
	struct mapping *mapping;

	pthread_mutex_lock(&dev->lock);
	mapping = mapping_find_locked(dev, sgt);
	if (mapping) {
		mapping_remove_locked(dev, mapping);
		table_clear(sgt);
	}
	pthread_mutex_unlock(&dev->lock);
	if (!mapping) {
		report_warn(__func__, "device %s: table is not mapped",
			    dev->name);
		return;
	}
	if (dir != mapping->dir)
		report_warn(__func__, "device %s: mapped %s, unmapped %s",
			    dev->name, direction_name(mapping->dir),
			    direction_name(dir));
	else if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		copy_to_cpu(mapping);
	mapping_free(mapping);
}

/* Moves a mapped table's copies by @copy. False: it is not mapped. */
static bool table_sync(struct device *dev, const struct sg_table *sgt,
		       bool moves, void (*copy)(const struct mapping *))
{
	const struct mapping *mapping;

	pthread_mutex_lock(&dev->lock);
	mapping = mapping_find_locked(dev, sgt);
	if (mapping && moves)
		copy(mapping);
	pthread_mutex_unlock(&dev->lock);
	return mapping;
}

bool device_sync_for_cpu(struct device *dev, const struct sg_table *sgt,
			 enum dma_data_direction dir)
{
	return table_sync(dev, sgt, dir != DMA_TO_DEVICE, copy_to_cpu);
}

bool device_sync_for_device(struct device *dev, const struct sg_table *sgt,
			    enum dma_data_direction dir)
{
	return table_sync(dev, sgt, dir != DMA_FROM_DEVICE, copy_to_device);
}

static void sync_or_warn(struct device *dev, const struct sg_table *sgt,
			 enum dma_data_direction dir, const char *function,
			 bool (*sync)(struct device *, const struct sg_table *,
				      enum dma_data_direction))
{
	if (!direction_is_valid(dir))
		report_warn(function, "device %s: bad direction", dev->name);
	else if (!sync(dev, sgt, dir))
		report_warn(function, "device %s: table is not mapped",
			    dev->name);
}

void dma_sync_sgtable_for_cpu(struct device *dev, struct sg_table *sgt,
			      enum dma_data_direction dir)
{
	sync_or_warn(dev, sgt, dir, __func__, device_sync_for_cpu);
}

void dma_sync_sgtable_for_device(struct device *dev, struct sg_table *sgt,
				 enum dma_data_direction dir)
{
	sync_or_warn(dev, sgt, dir, __func__, device_sync_for_device);
}

/* The DMA engine */

/*
 * The run in which the device finds the @len bytes at @addr. NULL: the access
 * faults, and @ret_why says why.
 */
static struct run *access_locked(struct device *dev, dma_addr_t addr,
				 size_t len, enum dma_data_direction refused,
				 const char **ret_why)
{
	struct run *run = run_find_locked(dev, addr);

	if (!run && addr >= dev->next && !dev->wrapped)
		*ret_why = "never mapped";
	else if (!run)
		*ret_why = "not mapped, or no longer";
	else if (len > run->len - (addr - run->addr))
		*ret_why = "runs past the end of the segment";
	else if (run->mapping->dir == refused)
		*ret_why = "mapped for the other direction";
	else
		return run;
	return NULL;
}

static char *run_memory(const struct run *run)
{
	return run->bounce ? run->bounce : run->cpu;
}

static int access_fault(const char *function, const struct device *dev,
			dma_addr_t addr, size_t len, const char *why)
{
	report_warn(function, "device %s: %zu bytes at 0x%" PRIx64 ": %s",
		    dev->name, len, addr, why);
	return -EFAULT;
}

int dmabuf_device_read(struct device *dev, dma_addr_t addr, void *buf,
		       size_t len)
{
	const char *why;
	struct run *run;

	if (!len)
		return 0;
	pthread_mutex_lock(&dev->lock);
	run = access_locked(dev, addr, len, DMA_FROM_DEVICE, &why);
	if (run)
		memcpy(buf, run_memory(run) + (addr - run->addr), len);
	pthread_mutex_unlock(&dev->lock);
	return run ? 0 : access_fault(__func__, dev, addr, len, why);
}

int dmabuf_device_write(struct device *dev, dma_addr_t addr, const void *buf,
			size_t len)
{
	const char *why;
	struct run *run;

	if (!len)
		return 0;
	pthread_mutex_lock(&dev->lock);
	run = access_locked(dev, addr, len, DMA_TO_DEVICE, &why);
	if (run) {
		memcpy(run_memory(run) + (addr - run->addr), buf, len);
		if (run->written)
			memset(run->written + (addr - run->addr), 1, len);
	}
	pthread_mutex_unlock(&dev->lock);
	return run ? 0 : access_fault(__func__, dev, addr, len, why);
}
