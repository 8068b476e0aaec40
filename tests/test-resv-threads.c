/* SPDX-License-Identifier: MIT */
/*
 * test-resv-threads.c - looking at fences while others change them
 *
 * Run under the thread sanitizer, which sees what the assertions cannot.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "crowd.h"
#include "fenced.h"
#include "leaks.h"
#include "mock-exporter.h"
#include "mock-fence.h"

#define NR_ROUNDS 2000

struct scene {
	struct dma_resv obj, other;
	struct timeline lines[2];	/* the writers' */
	struct mock_fence *anchor;	/* on both, and always pending */
	unsigned int nr_writing;	/* atomic */
};

static void scene_init(struct scene *scene)
{
	memset(scene, 0, sizeof(*scene));
	dma_resv_init(&scene->obj);
	dma_resv_init(&scene->other);
	timeline_init(&scene->lines[0]);
	timeline_init(&scene->lines[1]);
	scene->anchor = mock_fence_new();
	scene->nr_writing = 2;
	add_to(&scene->obj, scene->anchor, DMA_RESV_USAGE_WRITE);
	add_to(&scene->other, scene->anchor, DMA_RESV_USAGE_WRITE);
}

static void scene_fini(struct scene *scene)
{
	dma_resv_fini(&scene->obj);
	dma_resv_fini(&scene->other);
	assert_int_equal(fence_refs(scene->anchor), 1);
	finish(scene->anchor);
	timeline_fini(&scene->lines[0]);
	timeline_fini(&scene->lines[1]);
}

static bool is_writing(struct scene *scene)
{
	return __atomic_load_n(&scene->nr_writing, __ATOMIC_ACQUIRE);
}

/* One change of @scene->obj; @fence is new. */
static void change(struct crowd *crowd, struct mock_fence *fence,
		   unsigned int what)
{
	struct scene *scene = crowd->data;
	struct dma_resv *obj = &scene->obj;

	dma_resv_lock(obj, NULL);
	if (what % 8 == 0)
		HOLDS(crowd, !dma_resv_copy_fences(obj, &scene->other));
	else if (what % 8 == 1)
		dma_resv_replace_fences(obj, fence->base.context, &fence->base,
					usages[what / 8 % NR_USAGES]);
	HOLDS(crowd, !dma_resv_reserve_fences(obj, 1 + what % 5));
	dma_resv_add_fence(obj, &fence->base, usages[what / 8 % NR_USAGES]);
	dma_resv_unlock(obj);
}

static void write_rounds(struct crowd *crowd, unsigned int me)
{
	struct scene *scene = crowd->data;
	struct mock_fence *fence, *before = NULL;
	uint32_t state = me + 1;
	unsigned int i;

	for (i = 0; i < 4 * NR_ROUNDS; i++) {
		fence = timeline_next(&scene->lines[me]);
		change(crowd, fence, dice(&state));
		if (before)
			finish(before);
		before = fence;
	}
	finish(before);
	__atomic_fetch_sub(&scene->nr_writing, 1, __ATOMIC_RELEASE);
}

/* How often a walk meets the anchor, from its last beginning on. */
static unsigned int anchors_met(struct scene *scene, enum dma_resv_usage usage)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	unsigned int nr = 0;

	dma_resv_iter_begin(&cursor, &scene->obj, usage);
	dma_resv_for_each_fence_unlocked(&cursor, fence) {
		if (dma_resv_iter_is_restarted(&cursor))
			nr = 0;
		nr += fence == &scene->anchor->base;
	}
	dma_resv_iter_end(&cursor);
	return nr;
}

static unsigned int anchors_got(struct crowd *crowd, enum dma_resv_usage usage)
{
	struct scene *scene = crowd->data;
	struct dma_fence **fences;
	unsigned int i, nr, found = 0;

	HOLDS(crowd, !dma_resv_get_fences(&scene->obj, usage, &nr, &fences));
	for (i = 0; i < nr; i++) {
		found += fences[i] == &scene->anchor->base;
		dma_fence_put(fences[i]);
	}
	free(fences);
	return found;
}

/* INV-F-D9: the anchor is seen once, whatever the others do. */
static void read_once(struct crowd *crowd, enum dma_resv_usage usage)
{
	struct scene *scene = crowd->data;
	bool there = usage >= DMA_RESV_USAGE_WRITE;
	struct dma_fence *single;

	HOLDS(crowd, anchors_met(scene, usage) == there);
	HOLDS(crowd, anchors_got(crowd, usage) == there);
	HOLDS(crowd, !there || !dma_resv_test_signaled(&scene->obj, usage));
	HOLDS(crowd, !there || !dma_resv_wait_timeout(&scene->obj, usage, true,
						      0));
	dma_resv_set_deadline(&scene->obj, usage, 1);
	HOLDS(crowd, !dma_resv_get_singleton(&scene->obj, usage, &single));
	HOLDS(crowd, !there || !dma_fence_is_signaled(single));
	dma_fence_put(single);
}

static void read_rounds(struct crowd *crowd, unsigned int me)
{
	struct scene *scene = crowd->data;
	unsigned int i = me;

	do {
		read_once(crowd, usages[i++ % NR_USAGES]);
	} while (is_writing(scene));
}

static void scene_run(struct crowd *crowd, unsigned int me)
{
	if (me < 2)
		write_rounds(crowd, me);
	else
		read_rounds(crowd, me);
}

static void readers_see_what_stays_while_others_write(void **state)
{
	struct crowd crowd = { .run = scene_run };
	struct scene scene;

	(void)state;
	scene_init(&scene);
	crowd.data = &scene;
	crowd_check(&crowd, NR_THREADS);
	scene_fini(&scene);
}

/* Waits end, though the fences they wait for are replaced all the time. */
static void waiting_run(struct crowd *crowd, unsigned int me)
{
	struct scene *scene = crowd->data;

	if (me < 2) {
		write_rounds(crowd, me);
		return;
	}
	do {
		HOLDS(crowd, dma_resv_wait_timeout(&scene->other,
						   DMA_RESV_USAGE_KERNEL, false,
						   INT64_MAX) == INT64_MAX);
		HOLDS(crowd, dma_resv_wait_timeout(&scene->obj,
						   DMA_RESV_USAGE_BOOKKEEP,
						   false, INT64_MAX) > 0);
	} while (is_writing(scene));
}

static void waits_end_while_others_write(void **state)
{
	struct crowd crowd = { .run = waiting_run };
	struct scene scene;

	(void)state;
	scene_init(&scene);
	dma_fence_signal(&scene.anchor->base);
	crowd.data = &scene;
	crowd_check(&crowd, NR_THREADS);
	scene_fini(&scene);
}

/* Polls and signals of the same buffer */

static void poll_run(struct crowd *crowd, unsigned int me)
{
	struct scene *scene = crowd->data;
	short ready;

	if (me < 2) {
		write_rounds(crowd, me);
		return;
	}
	do {
		ready = dma_buf_poll(crowd->dmabuf, POLLIN | POLLOUT);
		HOLDS(crowd, !(ready & ~(POLLIN | POLLOUT)));
	} while (is_writing(scene));
	while (dma_buf_poll(crowd->dmabuf, POLLIN | POLLOUT) !=
	       (POLLIN | POLLOUT))
		HOLDS(crowd, dmabuf_dispatch() >= 0);
}

static void polls_end_ready(void **state)
{
	struct crowd crowd = { .run = poll_run };
	struct scene scene;
	struct mock mock;

	(void)state;
	scene_init(&scene);
	dma_fence_signal(&scene.anchor->base);
	mock_init(&mock, 4096, 0);
	mock.info.resv = &scene.obj;
	crowd.dmabuf = mock_export_inited(&mock);
	crowd.data = &scene;
	crowd_check(&crowd, NR_THREADS);
	assert_int_equal(dmabuf_refcount(crowd.dmabuf), 1);
	dma_buf_put(crowd.dmabuf);
	assert_log(&mock, "release");
	dmabuf_dispatch();
	scene_fini(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(readers_see_what_stays_while_others_write),
		LEAK_TEST(waits_end_while_others_write),
		LEAK_TEST(polls_end_ready),
	};

	return cmocka_run_group_tests_name("dma_resv/threads", tests,
					   leaks_group_setup, NULL) != 0;
}
