/* SPDX-License-Identifier: MIT */
/*
 * sw-sync.c - timelines that a program moves on by itself
 *
 * The points that wait are in a tree by value, so that they are signalled in
 * order. All of them are less than 2^31 above the timeline's value, and so
 * their order by the difference of two is one.
 *
 * One lock for a timeline and its points. A point that is released takes it, so
 * that no reference is put under it. Points outlive the timeline's handle: each
 * has a reference on the timeline.
 */
#include <dmabuf/sw-sync.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <bsd/string.h>
#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include <dmabuf/err.h>

#include "base/util.h"
#include "fence/fence.h"

#define NAME_SIZE 32

/* (c) constant  (l) the timeline's lock held */
struct point {
	struct dma_fence base;		/* first */
	struct dmabuf_sw_sync *timeline;	/* (c) with a reference */
	bool waits;			/* (l) in the tree */
	RB_ENTRY(point) link;		/* (l) */
	SLIST_ENTRY(point) next;	/* being signalled */
	bool has_deadline;		/* (l) */
	int64_t deadline_ns;		/* (l) the earliest */
};

RB_HEAD(point_tree, point);
SLIST_HEAD(point_list, point);

struct dmabuf_sw_sync {
	pthread_mutex_t lock;
	unsigned int refs;		/* atomic: the handle's, and points */
	uint64_t context;		/* (c) */
	uint32_t value;			/* atomic; changed under lock */
	struct point_tree points;	/* (l) */
	char name[NAME_SIZE];		/* (c) */
};

static int32_t value_diff(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

static uint32_t point_value(const struct point *point)
{
	return (uint32_t)point->base.seqno;
}

static int point_compare(const struct point *a, const struct point *b)
{
	return value_diff(point_value(a), point_value(b));
}

RB_GENERATE_INTERNAL(point_tree, point, link, point_compare,
		     static __attribute__((unused)))

static uint32_t timeline_value(const struct dmabuf_sw_sync *timeline)
{
	return __atomic_load_n(&timeline->value, __ATOMIC_ACQUIRE);
}

static bool is_reached(const struct point *point)
{
	return value_diff(point_value(point),
			  timeline_value(point->timeline)) <= 0;
}

static void timeline_get(struct dmabuf_sw_sync *timeline)
{
	__atomic_fetch_add(&timeline->refs, 1, __ATOMIC_RELAXED);
}

static void timeline_put(struct dmabuf_sw_sync *timeline)
{
	if (__atomic_sub_fetch(&timeline->refs, 1, __ATOMIC_ACQ_REL))
		return;
	pthread_mutex_destroy(&timeline->lock);
	free(timeline);
}

static void point_remove_locked(struct point *point)
{
	if (point->waits)
		RB_REMOVE(point_tree, &point->timeline->points, point);
	point->waits = false;
}

/* The ops */

static struct point *point_of(struct dma_fence *fence)
{
	return container_of(fence, struct point, base);
}

static const char *point_driver_name(struct dma_fence *fence)
{
	(void)fence;
	return "sw_sync";
}

static const char *point_timeline_name(struct dma_fence *fence)
{
	return point_of(fence)->timeline->name;
}

static bool point_signaled(struct dma_fence *fence)
{
	return is_reached(point_of(fence));
}

static void point_release(struct dma_fence *fence)
{
	struct point *point = point_of(fence);
	struct dmabuf_sw_sync *timeline = point->timeline;

	pthread_mutex_lock(&timeline->lock);
	point_remove_locked(point);
	pthread_mutex_unlock(&timeline->lock);
	dma_fence_free(fence);
	timeline_put(timeline);
}

static void point_value_str(struct dma_fence *fence, char *str, int size)
{
	snprintf(str, (size_t)size, "%" PRIu32, point_value(point_of(fence)));
}

static void point_timeline_str(struct dma_fence *fence, char *str, int size)
{
	snprintf(str, (size_t)size, "%" PRIu32,
		 timeline_value(point_of(fence)->timeline));
}

static void point_set_deadline(struct dma_fence *fence, int64_t deadline)
{
	struct point *point = point_of(fence);

	pthread_mutex_lock(fence->lock);
	if (!point->has_deadline || deadline < point->deadline_ns)
		point->deadline_ns = deadline;
	point->has_deadline = true;
	pthread_mutex_unlock(fence->lock);
}

static const struct dma_fence_ops point_ops = {
	.get_driver_name = point_driver_name,
	.get_timeline_name = point_timeline_name,
	.signaled = point_signaled,
	.release = point_release,
	.fence_value_str = point_value_str,
	.timeline_value_str = point_timeline_str,
	.set_deadline = point_set_deadline,
};

/* Timelines */

int dmabuf_sw_sync_create(const char *name,
			  struct dmabuf_sw_sync **ret_timeline)
{
	struct dmabuf_sw_sync *timeline = calloc(1, sizeof(*timeline));

	if (!timeline)
		return -ENOMEM;
	pthread_mutex_init(&timeline->lock, NULL);
	timeline->refs = 1;
	timeline->context = dma_fence_context_alloc(1);
	RB_INIT(&timeline->points);
	strlcpy(timeline->name, name ? name : "sw_sync",
		sizeof(timeline->name));
	*ret_timeline = timeline;
	return 0;
}

/* Those that come next, with a reference each, put by points_put(). */
static void signal_next_locked(struct point *point, struct point_list *signaled)
{
	point_remove_locked(point);
	/* None: it is on its way out, and nobody waits for it. */
	if (!dma_fence_get_rcu(&point->base))
		return;
	SLIST_INSERT_HEAD(signaled, point, next);
	dma_fence_signal_locked(&point->base);
}

static void points_put(struct point_list *signaled)
{
	struct point *point, *next;

	SLIST_FOREACH_SAFE(point, signaled, next, next)
		dma_fence_put(&point->base);
}

static void timeline_inc(struct dmabuf_sw_sync *timeline, uint32_t count)
{
	struct point_list signaled = SLIST_HEAD_INITIALIZER(signaled);
	struct fence_section section;
	struct point *point;

	fence_section_enter(&section, &timeline->lock);
	__atomic_store_n(&timeline->value, timeline->value + count,
			 __ATOMIC_RELEASE);
	while ((point = RB_MIN(point_tree, &timeline->points)) &&
	       is_reached(point))
		signal_next_locked(point, &signaled);
	fence_section_leave(&section);
	points_put(&signaled);
}

void dmabuf_sw_sync_inc(struct dmabuf_sw_sync *timeline, uint32_t count)
{
	/* A longer step would jump over points, and leave them ahead. */
	for (; count > INT_MAX; count -= INT_MAX)
		timeline_inc(timeline, INT_MAX);
	timeline_inc(timeline, count);
}

void dmabuf_sw_sync_destroy(struct dmabuf_sw_sync *timeline)
{
	struct point_list signaled = SLIST_HEAD_INITIALIZER(signaled);
	struct fence_section section;
	struct point *point;

	if (!timeline)
		return;
	fence_section_enter(&section, &timeline->lock);
	while ((point = RB_MIN(point_tree, &timeline->points))) {
		/* Unless it was signalled by hand. */
		if (!dma_fence_is_signaled_locked(&point->base))
			dma_fence_set_error(&point->base, -ENOENT);
		signal_next_locked(point, &signaled);
	}
	fence_section_leave(&section);
	points_put(&signaled);
	timeline_put(timeline);
}

/* Points */

/* One that waits for the same value already, with a reference. */
static struct point *find_locked(struct dmabuf_sw_sync *timeline,
				 struct point *like)
{
	struct point *found =
		RB_FIND(point_tree, &timeline->points, like);

	if (!found)
		return NULL;
	if (!dma_fence_is_signaled_locked(&found->base) &&
	    dma_fence_get_rcu(&found->base))
		return found;
	/* Signalled by hand, or on its way out: make place for the next. */
	point_remove_locked(found);
	return NULL;
}

/* The new one, or one that was there. */
static struct point *insert(struct dmabuf_sw_sync *timeline,
			    struct point *point)
{
	struct point *found = NULL;

	pthread_mutex_lock(&timeline->lock);
	if (!dma_fence_is_signaled_locked(&point->base)) {
		found = find_locked(timeline, point);
		point->waits = !found;
	}
	if (point->waits)
		RB_INSERT(point_tree, &timeline->points, point);
	pthread_mutex_unlock(&timeline->lock);
	return found ? found : point;
}

struct dma_fence *dmabuf_sw_sync_fence(struct dmabuf_sw_sync *timeline,
				       uint32_t value)
{
	struct point *point = calloc(1, sizeof(*point));
	struct point *used;

	if (!point)
		return ERR_PTR(-ENOMEM);
	dma_fence_init(&point->base, &point_ops, &timeline->lock,
		       timeline->context, value);
	point->timeline = timeline;
	timeline_get(timeline);
	used = insert(timeline, point);
	if (used != point)
		dma_fence_put(&point->base);
	return &used->base;
}

int dmabuf_sw_sync_deadline(struct dma_fence *fence, int64_t *ret_deadline)
{
	struct point *point;
	int ret = -ENOENT;

	if (!fence || fence->ops != &point_ops)
		return -EINVAL;
	point = point_of(fence);
	pthread_mutex_lock(fence->lock);
	if (point->has_deadline) {
		*ret_deadline = point->deadline_ns;
		ret = 0;
	}
	pthread_mutex_unlock(fence->lock);
	return ret;
}
