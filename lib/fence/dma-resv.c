/* SPDX-License-Identifier: MIT */
/*
 * dma-resv.c - the fences in a reservation
 *
 * They stand in a list that has room for more. Who holds the reservation
 * changes it, in place while the room lasts, and by a larger list after that.
 * Who only looks holds the guard for as long as it takes to find one fence and
 * to take a reference; between two fences a list may have been replaced, and
 * the walk begins again.
 *
 * Written with reservation and guard held: either is enough to read. Nothing of
 * a fence but its count is touched with the guard held: it is a leaf.
 */
#include <dmabuf/dma-resv.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <dmabuf/dma-fence-array.h>

#include "base/report.h"
#include "fence/resv.h"

#define SLOTS_MIN 4

struct slot {
	struct dma_fence *fence;
	enum dma_resv_usage usage;
};

struct dma_resv_list {
	uint64_t id;		/* an address comes back, this does not */
	unsigned int nr;
	unsigned int max;	/* reserved up to here */
	unsigned int room;
	struct slot slots[];
};

/* Lists */

static struct dma_resv_list *list_new(unsigned int room)
{
	static uint64_t last_id;
	struct dma_resv_list *list;

	list = malloc(sizeof(*list) + room * sizeof(list->slots[0]));
	if (!list)
		return NULL;
	list->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
	list->nr = 0;
	list->max = room;
	list->room = room;
	return list;
}

static void list_put(struct dma_resv_list *list)
{
	unsigned int i;

	if (!list)
		return;
	for (i = 0; i < list->nr; i++)
		dma_fence_put(list->slots[i].fence);
	free(list);
}

/* Others see @list from now on. Returns the old one. */
static struct dma_resv_list *list_publish(struct dma_resv *obj,
					  struct dma_resv_list *list)
{
	struct dma_resv_list *old;

	pthread_mutex_lock(&obj->guard);
	old = obj->fences;
	obj->fences = list;
	pthread_mutex_unlock(&obj->guard);
	return old;
}

void resv_fences_drop(struct dma_resv *obj)
{
	list_put(list_publish(obj, NULL));
}

void resv_fences_forget(struct dma_resv *obj)
{
	if (obj->fences)
		obj->fences->nr = 0;
}

void resv_fences_unreserve(struct dma_resv *obj)
{
	if (obj->fences)
		obj->fences->max = obj->fences->nr;
}

void dma_resv_reset_max_fences(struct dma_resv *obj)
{
	dma_resv_assert_held(obj);
	resv_fences_unreserve(obj);
}

/* Adding */

/* 0: more than can be counted. */
static unsigned int room_for(const struct dma_resv_list *old, unsigned int more)
{
	unsigned int room = SLOTS_MIN;
	unsigned int need;

	if (__builtin_add_overflow(old ? old->nr : 0, more, &need) ||
	    need > UINT_MAX / 2)
		return 0;
	if (old)
		return need > 2 * old->room ? need : 2 * old->room;
	while (room < need)
		room *= 2;
	return room;
}

/* What is done stays behind; a reference goes along with the others. */
static void pending_take(struct dma_resv_list *list,
			 const struct dma_resv_list *old)
{
	unsigned int i;

	for (i = 0; i < old->nr; i++)
		if (!dma_fence_is_signaled(old->slots[i].fence))
			list->slots[list->nr++] = old->slots[i];
}

/* After pending_take(), which kept the order. */
static void rest_put(struct dma_resv_list *old,
		     const struct dma_resv_list *list, unsigned int nr_taken)
{
	unsigned int i, taken = 0;

	for (i = 0; i < old->nr; i++) {
		if (taken < nr_taken &&
		    old->slots[i].fence == list->slots[taken].fence &&
		    old->slots[i].usage == list->slots[taken].usage)
			taken++;
		else
			dma_fence_put(old->slots[i].fence);
	}
	free(old);
}

int dma_resv_reserve_fences(struct dma_resv *obj, unsigned int num_fences)
{
	struct dma_resv_list *list, *old = obj->fences;
	unsigned int room;

	if (!num_fences) {
		report_warn(__func__, "room for no fence was asked for");
		return -EINVAL;
	}
	dma_resv_assert_held(obj);
	if (old && num_fences <= old->room - old->nr) {
		old->max = old->room;
		return 0;
	}
	room = room_for(old, num_fences);
	list = room ? list_new(room) : NULL;
	if (!list)
		return -ENOMEM;
	if (!old) {
		list_publish(obj, list);
		return 0;
	}
	pending_take(list, old);
	list_publish(obj, list);
	rest_put(old, list, list->nr);
	return 0;
}

static void slot_set(struct dma_resv *obj, struct slot *slot,
		     struct dma_fence *fence, enum dma_resv_usage usage)
{
	pthread_mutex_lock(&obj->guard);
	*slot = (struct slot){ fence, usage };
	pthread_mutex_unlock(&obj->guard);
}

static bool slot_can_be_had(const struct slot *slot, struct dma_fence *fence,
			    enum dma_resv_usage usage)
{
	if (slot->fence->context == fence->context && slot->usage >= usage &&
	    dma_fence_is_later_or_same(fence, slot->fence))
		return true;
	return dma_fence_is_signaled(slot->fence);
}

static void slot_append(struct dma_resv *obj, struct dma_fence *fence,
			enum dma_resv_usage usage)
{
	struct dma_resv_list *list = obj->fences;

	pthread_mutex_lock(&obj->guard);
	list->slots[list->nr++] = (struct slot){ fence, usage };
	pthread_mutex_unlock(&obj->guard);
}

void dma_resv_add_fence(struct dma_resv *obj, struct dma_fence *fence,
			enum dma_resv_usage usage)
{
	struct dma_resv_list *list = obj->fences;
	struct dma_fence *old;
	unsigned int i;

	dma_resv_assert_held(obj);
	if (dma_fence_is_container(fence))
		report_warn(__func__, "an array or a chain");
	for (i = 0; list && i < list->nr; i++) {
		if (!slot_can_be_had(&list->slots[i], fence, usage))
			continue;
		old = list->slots[i].fence;
		slot_set(obj, &list->slots[i], dma_fence_get(fence), usage);
		dma_fence_put(old);
		return;
	}
	if (!list || list->nr >= list->max)
		report_bug(__func__, "no room was reserved in resv %p",
			   (void *)obj);
	slot_append(obj, dma_fence_get(fence), usage);
}

void dma_resv_replace_fences(struct dma_resv *obj, uint64_t context,
			     struct dma_fence *fence, enum dma_resv_usage usage)
{
	struct dma_resv_list *list = obj->fences;
	struct dma_fence *old;
	unsigned int i;

	dma_resv_assert_held(obj);
	for (i = 0; list && i < list->nr; i++) {
		old = list->slots[i].fence;
		if (old->context != context)
			continue;
		slot_set(obj, &list->slots[i], dma_fence_get(fence), usage);
		dma_fence_put(old);
	}
}

/* Looking */

static void walk_restart_locked(struct dma_resv_iter *cursor)
{
	cursor->fences = cursor->obj->fences;
	cursor->id = cursor->fences ? cursor->fences->id : 0;
	cursor->num_fences = cursor->fences ? cursor->fences->nr : 0;
	cursor->index = 0;
	cursor->is_restarted = true;
}

/* The next one with a usage that is asked for, done or not. */
static struct dma_fence *walk_step_locked(struct dma_resv_iter *cursor)
{
	const struct slot *slot;

	while (cursor->index < cursor->num_fences) {
		slot = &cursor->fences->slots[cursor->index++];
		if (slot->usage > cursor->usage)
			continue;
		cursor->fence_usage = slot->usage;
		return slot->fence;
	}
	return NULL;
}

/* What the cursor says may be of a list that is gone: it is only compared. */
static bool is_replaced_locked(const struct dma_resv_iter *cursor)
{
	const struct dma_resv_list *list = cursor->obj->fences;

	return cursor->fences != list || cursor->id != (list ? list->id : 0);
}

static struct dma_fence *walk_on(struct dma_resv_iter *cursor, bool restart)
{
	struct dma_resv *obj = cursor->obj;

	cursor->is_restarted = false;
	do {
		dma_fence_put(cursor->fence);
		pthread_mutex_lock(&obj->guard);
		if (restart || is_replaced_locked(cursor))
			walk_restart_locked(cursor);
		cursor->fence = dma_fence_get(walk_step_locked(cursor));
		pthread_mutex_unlock(&obj->guard);
		restart = false;
	} while (cursor->fence && dma_fence_is_signaled(cursor->fence));
	return cursor->fence;
}

struct dma_fence *dma_resv_iter_first_unlocked(struct dma_resv_iter *cursor)
{
	return walk_on(cursor, true);
}

struct dma_fence *dma_resv_iter_next_unlocked(struct dma_resv_iter *cursor)
{
	return walk_on(cursor, false);
}

struct dma_fence *dma_resv_iter_first(struct dma_resv_iter *cursor)
{
	dma_resv_assert_held(cursor->obj);
	walk_restart_locked(cursor);
	cursor->fence = walk_step_locked(cursor);
	return cursor->fence;
}

struct dma_fence *dma_resv_iter_next(struct dma_resv_iter *cursor)
{
	dma_resv_assert_held(cursor->obj);
	cursor->is_restarted = false;
	cursor->fence = walk_step_locked(cursor);
	return cursor->fence;
}

/* Collecting */

int dma_resv_copy_fences(struct dma_resv *dst, struct dma_resv *src)
{
	struct dma_resv_list *list = NULL;
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	dma_resv_assert_held(dst);
	dma_resv_iter_begin(&cursor, src, DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_for_each_fence_unlocked(&cursor, fence) {
		if (dma_resv_iter_is_restarted(&cursor)) {
			list_put(list);
			list = list_new(cursor.num_fences);
			if (!list) {
				dma_resv_iter_end(&cursor);
				return -ENOMEM;
			}
		}
		list->slots[list->nr++] = (struct slot){
			dma_fence_get(fence), dma_resv_iter_usage(&cursor)
		};
	}
	dma_resv_iter_end(&cursor);
	if (dma_resv_iter_is_restarted(&cursor)) {
		list_put(list);
		list = NULL;
	}
	if (list)
		list->max = list->nr;
	list_put(list_publish(dst, list));
	return 0;
}

static void fences_put(struct dma_fence **fences, unsigned int nr)
{
	while (nr--)
		dma_fence_put(fences[nr]);
	free(fences);
}

int dma_resv_get_fences(struct dma_resv *obj, enum dma_resv_usage usage,
			unsigned int *num_fences, struct dma_fence ***fences)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	*num_fences = 0;
	*fences = NULL;
	dma_resv_iter_begin(&cursor, obj, usage);
	dma_resv_for_each_fence_unlocked(&cursor, fence) {
		if (dma_resv_iter_is_restarted(&cursor)) {
			fences_put(*fences, *num_fences);
			*num_fences = 0;
			*fences = calloc(cursor.num_fences, sizeof(**fences));
			if (!*fences) {
				dma_resv_iter_end(&cursor);
				return -ENOMEM;
			}
		}
		(*fences)[(*num_fences)++] = dma_fence_get(fence);
	}
	dma_resv_iter_end(&cursor);
	/* Begun again, and nothing was pending any more. */
	if (dma_resv_iter_is_restarted(&cursor)) {
		fences_put(*fences, *num_fences);
		*num_fences = 0;
		*fences = NULL;
	}
	return 0;
}

int dma_resv_get_singleton(struct dma_resv *obj, enum dma_resv_usage usage,
			   struct dma_fence **fence)
{
	struct dma_fence_array *array;
	struct dma_fence **fences;
	unsigned int nr;
	int ret;

	ret = dma_resv_get_fences(obj, usage, &nr, &fences);
	if (ret)
		return ret;
	if (nr < 2) {
		*fence = nr ? fences[0] : NULL;
		free(fences);
		return 0;
	}
	array = dma_fence_array_create((int)nr, fences,
				       dma_fence_context_alloc(1), 1, false);
	if (!array) {
		fences_put(fences, nr);
		return -ENOMEM;
	}
	*fence = &array->base;
	return 0;
}

/* Asking and waiting */

int64_t dma_resv_wait_timeout(struct dma_resv *obj, enum dma_resv_usage usage,
			      bool intr, int64_t timeout)
{
	int64_t ret = timeout ? timeout : 1;
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	dma_resv_iter_begin(&cursor, obj, usage);
	dma_resv_for_each_fence_unlocked(&cursor, fence) {
		ret = dma_fence_wait_timeout(fence, intr, timeout);
		if (ret <= 0)
			break;
		if (timeout)
			timeout = ret;
	}
	dma_resv_iter_end(&cursor);
	return ret;
}

void dma_resv_set_deadline(struct dma_resv *obj, enum dma_resv_usage usage,
			   int64_t deadline)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	dma_resv_iter_begin(&cursor, obj, usage);
	dma_resv_for_each_fence_unlocked(&cursor, fence)
		dma_fence_set_deadline(fence, deadline);
	dma_resv_iter_end(&cursor);
}

bool dma_resv_test_signaled(struct dma_resv *obj, enum dma_resv_usage usage)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	dma_resv_iter_begin(&cursor, obj, usage);
	fence = dma_resv_iter_first_unlocked(&cursor);
	dma_resv_iter_end(&cursor);
	return !fence;
}

void dma_resv_describe(struct dma_resv *obj, FILE *out)
{
	static const char *const words[] = {
		[DMA_RESV_USAGE_KERNEL] = "kernel",
		[DMA_RESV_USAGE_WRITE] = "write",
		[DMA_RESV_USAGE_READ] = "read",
	};
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	dma_resv_for_each_fence(&cursor, obj, DMA_RESV_USAGE_READ, fence) {
		fprintf(out, "\t%s fence:",
			words[dma_resv_iter_usage(&cursor)]);
		dma_fence_describe(fence, out);
	}
}
