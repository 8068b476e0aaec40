/* SPDX-License-Identifier: MIT */
/*
 * dma-heap.c - heaps by their names
 *
 * Heaps are added and never go. So a heap that was found stays, its link to the
 * older ones does not change any more, and the lock is needed only for the head
 * of the list. The two heaps that are there from the start are the list's
 * oldest; they are not made, so nothing can fail about them.
 */
#include <dmabuf/dma-heap.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <bsd/sys/queue.h>

#include "base/fork.h"
#include "base/report.h"
#include "base/util.h"
#include "heap/heap.h"

#define NR_HEAPS_MAX 128

#define FD_FLAGS (O_CLOEXEC | O_ACCMODE)

/* Constant once it is in the list. */
struct dma_heap {
	const char *name;
	const struct dma_heap_ops *ops;
	void *priv;
	SLIST_ENTRY(dma_heap) link;
};

static struct dma_heap system_heap = {
	.name = "system",
	.ops = &system_heap_ops,
};

static struct dma_heap contiguous_heap = {
	.name = "contiguous",
	.ops = &contiguous_heap_ops,
	.link = { &system_heap },
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static SLIST_HEAD(, dma_heap) heaps = { &contiguous_heap };	/* lock */

/* fork */

static void heaps_lock(void)
{
	pthread_mutex_lock(&lock);
}

static void heaps_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

static void fork_child(bool locked)
{
	if (locked)
		heaps_unlock();
	else
		pthread_mutex_init(&lock, NULL);
}

static struct fork_hook fork_hook = {
	.lock = heaps_lock,
	.unlock = heaps_unlock,
	.child = fork_child,
};

/* The list */

static struct dma_heap *newest(void)
{
	struct dma_heap *heap;

	fork_check(&fork_hook);
	heaps_lock();
	heap = SLIST_FIRST(&heaps);
	heaps_unlock();
	return heap;
}

static struct dma_heap *find_from(struct dma_heap *heap, const char *name)
{
	while (heap && strcmp(heap->name, name))
		heap = SLIST_NEXT(heap, link);
	return heap;
}

static int insert_locked(struct dma_heap *heap)
{
	unsigned int nr = 0;
	struct dma_heap *other;

	SLIST_FOREACH(other, &heaps, link)
		nr++;
	if (nr == NR_HEAPS_MAX)
		return -EBUSY;
	if (find_from(SLIST_FIRST(&heaps), heap->name))
		return -EINVAL;
	SLIST_INSERT_HEAD(&heaps, heap, link);
	return 0;
}

static int insert(struct dma_heap *heap)
{
	int ret;

	fork_check(&fork_hook);
	heaps_lock();
	ret = insert_locked(heap);
	heaps_unlock();
	return ret;
}

static const char *export_info_fault(const struct dma_heap_export_info *info)
{
	if (!info)
		return "no export info";
	if (!info->name || !info->name[0])
		return "no name";
	if (!info->ops || !info->ops->allocate)
		return "no ops, or none to allocate";
	return NULL;
}

struct dma_heap *dma_heap_add(const struct dma_heap_export_info *exp_info)
{
	const char *fault = export_info_fault(exp_info);
	struct dma_heap *heap;
	int ret;

	if (fault) {
		report_warn(__func__, "%s", fault);
		return ERR_PTR(-EINVAL);
	}
	heap = malloc(sizeof(*heap));
	if (!heap)
		return ERR_PTR(-ENOMEM);
	*heap = (struct dma_heap){
		.name = exp_info->name,
		.ops = exp_info->ops,
		.priv = exp_info->priv,
	};
	ret = insert(heap);
	if (!ret)
		return heap;
	free(heap);
	if (ret == -EINVAL)
		report_warn(__func__, "there is a heap named %s already",
			    exp_info->name);
	return ERR_PTR(ret);
}

struct dma_heap *dma_heap_find(const char *name)
{
	return name ? find_from(newest(), name) : NULL;
}

struct dma_heap *dmabuf_heap_next(struct dma_heap *heap)
{
	return heap ? SLIST_NEXT(heap, link) : newest();
}

void *dma_heap_get_drvdata(struct dma_heap *heap)
{
	return heap->priv;
}

const char *dma_heap_get_name(struct dma_heap *heap)
{
	return heap->name;
}

static const struct dma_heap_ops *ops_of_kind(enum dmabuf_heap_kind kind)
{
	switch (kind) {
	case DMABUF_HEAP_SYSTEM:
		return &system_heap_ops;
	case DMABUF_HEAP_CONTIGUOUS:
		return &contiguous_heap_ops;
	}
	return NULL;
}

int dmabuf_heap_add(const char *name, enum dmabuf_heap_kind kind,
		    struct dma_heap **ret_heap)
{
	struct dma_heap_export_info info = { .ops = ops_of_kind(kind) };
	struct dma_heap *heap;
	char *copy = NULL;

	if (!info.ops)
		return -EINVAL;
	if (name) {
		copy = strdup(name);
		if (!copy)
			return -ENOMEM;
	}
	info.name = copy;
	heap = dma_heap_add(&info);
	if (IS_ERR(heap)) {
		free(copy);
		return (int)PTR_ERR(heap);
	}
	*ret_heap = heap;
	return 0;
}

/* Allocating */

struct dma_buf *dma_heap_buffer_alloc(struct dma_heap *heap, size_t len,
				      uint32_t fd_flags, uint64_t heap_flags)
{
	struct dma_buf *dmabuf;

	if (!heap) {
		report_warn(__func__, "no heap");
		return ERR_PTR(-EINVAL);
	}
	if ((fd_flags & ~(uint32_t)FD_FLAGS) || heap_flags)
		return ERR_PTR(-EINVAL);
	if (!len || !round_up(len, page_size(), &len))
		return ERR_PTR(-EINVAL);
	/* A memfd is opened with a mode: the one that cannot be mapped. */
	if ((fd_flags & O_ACCMODE) == O_ACCMODE)
		fd_flags = (fd_flags & ~(uint32_t)O_ACCMODE) | O_WRONLY;
	dmabuf = heap->ops->allocate(heap, len, fd_flags, heap_flags);
	return dmabuf ? dmabuf : ERR_PTR(-ENOMEM);
}
