/* SPDX-License-Identifier: MIT */
/*
 * test-threads.c - vmaps, references, names and resv in several threads at once
 *
 * Run under the thread sanitizer, which sees what the assertions cannot.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "assert-bug.h"
#include "crowd.h"
#include "leaks.h"
#include "mock-exporter.h"

#define PAGE ((size_t)4096)
#define NR_ROUNDS 300

/* vmap */

/* Is the mock mapped? Only touched in its ops, under dma_buf.lock. */
struct mapped {
	bool now;
	unsigned int faults;
	size_t offset;
};

static void mapped_hook(struct mock *mock, enum mock_op op,
			struct dma_buf_attachment *attach)
{
	struct mapped *mapped = mock->hook_data;

	(void)attach;
	if (op != MOCK_OP_VMAP && op != MOCK_OP_VUNMAP)
		return;
	mapped->faults += mapped->now != (op == MOCK_OP_VUNMAP);
	mapped->now = op == MOCK_OP_VMAP;
	if (op == MOCK_OP_VMAP) {
		/* Each mapping is at another address than the last one. */
		mapped->offset ^= PAGE;
		mock->addr = (char *)mock->pages.addr + mapped->offset;
	}
}

static void mock_start(struct mock *mock, struct mapped *mapped,
		       struct crowd *crowd)
{
	memset(mapped, 0, sizeof(*mapped));
	memset(crowd, 0, sizeof(*crowd));
	mock_init(mock, 2 * PAGE, 0);
	mock->hook = mapped_hook;
	mock->hook_data = mapped;
	crowd->mock = mock;
	crowd->dmabuf = mock_export_inited(mock);
}

static void mock_end_check(struct mock *mock, struct mapped *mapped)
{
	assert_int_equal(mock->dmabuf->vmapping_counter, 0);
	assert_null(mock->dmabuf->vmap_ptr);
	assert_false(mapped->now);
	assert_int_equal(mapped->faults, 0);
	assert_int_equal(mock_calls(mock, MOCK_OP_VMAP),
			 mock_calls(mock, MOCK_OP_VUNMAP));
	dma_buf_put(mock->dmabuf);
	assert_int_equal(mock_calls(mock, MOCK_OP_RELEASE), 1);
}

struct addresses {
	void *of[NR_THREADS];
};

static void vmap_together(struct crowd *crowd, unsigned int me)
{
	struct addresses *addresses = crowd->data;
	unsigned int i;

	for (i = 0; i < NR_ROUNDS; i++) {
		addresses->of[me] = dma_buf_vmap(crowd->dmabuf);
		HOLDS(crowd, !IS_ERR_OR_NULL(addresses->of[me]));
		crowd_meet(crowd);
		HOLDS(crowd, addresses->of[me] == addresses->of[0]);
		dma_buf_vunmap(crowd->dmabuf, addresses->of[me]);
		crowd_meet(crowd);
	}
}

/* INV-D-1, INV-D-2 */
static void concurrent_vmaps_return_the_same_address(void **state)
{
	struct addresses addresses;
	struct mapped mapped;
	struct crowd crowd;
	struct mock mock;

	(void)state;
	mock_start(&mock, &mapped, &crowd);
	crowd.run = vmap_together;
	crowd.data = &addresses;
	crowd_check(&crowd, NR_THREADS);
	assert_int_equal(mock_calls(&mock, MOCK_OP_VMAP), NR_ROUNDS);
	mock_end_check(&mock, &mapped);
}

static void vmap_deep(struct crowd *crowd, unsigned int depth)
{
	void *vaddrs[3];
	unsigned int i;

	for (i = 0; i < depth; i++)
		vaddrs[i] = dma_buf_vmap(crowd->dmabuf);
	for (i = 0; i < depth; i++)
		HOLDS(crowd, vaddrs[i] == vaddrs[0] && vaddrs[0]);
	for (i = 0; i < depth; i++)
		dma_buf_vunmap(crowd->dmabuf, vaddrs[i]);
}

/* With resv held now and then: vmap does not mind. */
static void vmap_storm(struct crowd *crowd, unsigned int me)
{
	struct dma_resv *resv = crowd->dmabuf->resv;
	unsigned int i;

	for (i = 0; i < 10 * NR_ROUNDS; i++) {
		if (i % 8 == me)
			dma_resv_lock(resv, NULL);
		vmap_deep(crowd, 1 + (i + me) % 3);
		if (i % 8 == me)
			dma_resv_unlock(resv);
	}
}

/* INV-D-1 */
static void vmap_storm_calls_the_exporter_in_turns(void **state)
{
	struct mapped mapped;
	struct crowd crowd;
	struct mock mock;

	(void)state;
	mock_start(&mock, &mapped, &crowd);
	crowd.run = vmap_storm;
	crowd_check(&crowd, NR_THREADS);
	mock_end_check(&mock, &mapped);
}

/* Race R3: balanced callers beside one that holds a mapping. */
static void vmap_storm_beside_a_holder_never_reaches_the_exporter(void **state)
{
	struct mapped mapped;
	struct crowd crowd;
	struct mock mock;
	void *vaddr;

	(void)state;
	mock_start(&mock, &mapped, &crowd);
	vaddr = dma_buf_vmap(crowd.dmabuf);
	crowd.run = vmap_storm;
	crowd_check(&crowd, NR_THREADS);
	assert_int_equal(crowd.dmabuf->vmapping_counter, 1);
	assert_ptr_equal(crowd.dmabuf->vmap_ptr, vaddr);
	assert_int_equal(mock_calls(&mock, MOCK_OP_VMAP), 1);
	assert_int_equal(mock_calls(&mock, MOCK_OP_VUNMAP), 0);
	dma_buf_vunmap(crowd.dmabuf, vaddr);
	mock_end_check(&mock, &mapped);
}

/* The races of the unmatched vunmap */

struct race {
	struct mock *mock;
	void *vaddr;			/* what the stale caller holds */
	void *fresh;			/* what the mapper was given */
	unsigned int nr_bugs;		/* atomic */
	unsigned int nr_no_mapping;	/* atomic */
};

static void race_vunmap(void *data)
{
	struct race *race = data;

	dma_buf_vunmap(race->mock->dmabuf, race->vaddr);
}

/* A vunmap that may be a BUG: counts it. */
static void race_vunmap_caught(struct race *race)
{
	const char *report = bug_caught(race_vunmap, race);

	if (!report)
		return;
	__atomic_fetch_add(&race->nr_bugs, 1, __ATOMIC_RELAXED);
	if (strstr(report, "there is no mapping"))
		__atomic_fetch_add(&race->nr_no_mapping, 1, __ATOMIC_RELAXED);
}

static void both_vunmap(struct crowd *crowd, unsigned int me)
{
	(void)me;
	race_vunmap_caught(crowd->data);
}

/* Race R1, INV-VMAP-6 */
static void second_of_two_racing_vunmaps_is_a_bug(void **state)
{
	struct mapped mapped;
	struct crowd crowd;
	struct mock mock;
	unsigned int i;

	(void)state;
	mock_start(&mock, &mapped, &crowd);
	for (i = 0; i < NR_ROUNDS; i++) {
		struct race race = { .mock = &mock };

		race.vaddr = dma_buf_vmap(crowd.dmabuf);
		crowd.run = both_vunmap;
		crowd.data = &race;
		crowd_check(&crowd, 2);
		assert_int_equal(race.nr_bugs, 1);
		assert_int_equal(race.nr_no_mapping, 1);
		assert_int_equal(crowd.dmabuf->vmapping_counter, 0);
		assert_null(crowd.dmabuf->vmap_ptr);
	}
	assert_int_equal(mock_calls(&mock, MOCK_OP_VUNMAP), NR_ROUNDS);
	mock_end_check(&mock, &mapped);
}

static void both_vunmap_for_good(struct crowd *crowd, unsigned int me)
{
	(void)me;
	race_vunmap(crowd->data);
}

static void two_vunmaps_die(void *data)
{
	struct race *race = data;
	struct crowd crowd = { .run = both_vunmap_for_good, .data = race };

	crowd_run(&crowd, 2);
}

/* The race is a child's: the mapping of this process stays. */
static void race_is_fatal(bug_fn run, const char *text)
{
	struct mapped mapped;
	struct race race;
	struct crowd crowd;
	struct mock mock;

	mock_start(&mock, &mapped, &crowd);
	race.mock = &mock;
	race.vaddr = dma_buf_vmap(crowd.dmabuf);
	assert_bug(run, &race, text);
	dma_buf_vunmap(crowd.dmabuf, race.vaddr);
	mock_end_check(&mock, &mapped);
}

/* Race R1, INV-VMAP-6 */
static void second_of_two_racing_vunmaps_is_fatal(void **state)
{
	(void)state;
	race_is_fatal(two_vunmaps_die, "there is no mapping");
}

/* The stale caller against one that makes a new mapping. */
static void stale_vunmap_and_vmap(struct crowd *crowd, unsigned int me)
{
	struct race *race = crowd->data;

	if (me)
		race->fresh = dma_buf_vmap(crowd->dmabuf);
	else
		race_vunmap_caught(race);
}

/* Race R2, INV-VMAP-8 or, when the stale one is first, INV-VMAP-6 */
static void stale_vunmap_never_takes_a_new_mapping(void **state)
{
	struct mapped mapped;
	struct crowd crowd;
	struct mock mock;
	unsigned int i;

	(void)state;
	mock_start(&mock, &mapped, &crowd);
	for (i = 0; i < NR_ROUNDS; i++) {
		struct race race = { .mock = &mock };

		race.vaddr = dma_buf_vmap(crowd.dmabuf);
		dma_buf_vunmap(crowd.dmabuf, race.vaddr);
		crowd.run = stale_vunmap_and_vmap;
		crowd.data = &race;
		crowd_check(&crowd, 2);
		assert_int_equal(race.nr_bugs, 1);
		assert_int_equal(crowd.dmabuf->vmapping_counter, 1);
		assert_ptr_equal(crowd.dmabuf->vmap_ptr, race.fresh);
		assert_ptr_not_equal(race.fresh, race.vaddr);
		assert_true(mapped.now);
		dma_buf_vunmap(crowd.dmabuf, race.fresh);
	}
	mock_end_check(&mock, &mapped);
}

/* In the order that the race has: unmapped, mapped anew, then the stale one. */
static void stale_vunmap_last(struct crowd *crowd, unsigned int me)
{
	struct race *race = crowd->data;

	if (me == 0)
		race_vunmap(race);
	crowd_meet(crowd);
	if (me == 1)
		race->fresh = dma_buf_vmap(crowd->dmabuf);
	crowd_meet(crowd);
	if (me == 2)
		race_vunmap(race);
}

static void stale_vunmap_dies(void *data)
{
	struct race *race = data;
	struct crowd crowd = {
		.run = stale_vunmap_last,
		.dmabuf = race->mock->dmabuf,
		.data = race,
	};

	crowd_run(&crowd, 3);
}

/* Race R2, INV-VMAP-8 */
static void stale_vunmap_of_a_new_mapping_is_fatal(void **state)
{
	(void)state;
	race_is_fatal(stale_vunmap_dies,
		      "the address is not the one that was mapped");
}

/* References */

static void put_one(struct crowd *crowd, unsigned int me)
{
	(void)me;
	dma_buf_put(crowd->dmabuf);
}

/* INV-D-5 */
static void racing_puts_release_once(void **state)
{
	struct mapped mapped;
	struct crowd crowd;
	struct mock mock;
	unsigned int i, j;

	(void)state;
	for (i = 0; i < NR_ROUNDS; i++) {
		mock_start(&mock, &mapped, &crowd);
		for (j = 1; j < NR_THREADS; j++)
			get_dma_buf(crowd.dmabuf);
		crowd.run = put_one;
		crowd_check(&crowd, NR_THREADS);
		assert_log(&mock, "release");
	}
}

/* Names */

#define NAME_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAME_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void vunmap_nothing(void *dmabuf)
{
	dma_buf_vunmap(dmabuf, dmabuf);
}

/* A name is read in BUG reports, by people. */
static void name_and_report(struct crowd *crowd, unsigned int me)
{
	const char *report;
	unsigned int i;

	for (i = 0; i < NR_ROUNDS; i++) {
		if (me == 0) {
			HOLDS(crowd, !dma_buf_set_name(crowd->dmabuf, i % 2 ?
						       NAME_A : NAME_B));
			continue;
		}
		report = bug_caught(vunmap_nothing, crowd->dmabuf);
		HOLDS(crowd, report &&
		      (strstr(report, "\"" NAME_A "\"") ||
		       strstr(report, "\"" NAME_B "\"")));
	}
}

/* INV-D-15 */
static void name_is_replaced_in_one_piece(void **state)
{
	struct crowd crowd = { .run = name_and_report };

	(void)state;
	assert_int_equal(dmabuf_anon_export(PAGE, O_RDWR, &crowd.dmabuf), 0);
	assert_int_equal(dma_buf_set_name(crowd.dmabuf, NAME_A), 0);
	crowd_check(&crowd, 3);
	dma_buf_put(crowd.dmabuf);
}

static void name_or_read(struct crowd *crowd, unsigned int me)
{
	struct dma_buf *dmabuf = crowd->dmabuf;
	unsigned int i;

	for (i = 0; i < 10 * NR_ROUNDS; i++) {
		if (me == 0) {
			HOLDS(crowd, !dma_buf_set_name(dmabuf, i % 2 ?
						       NAME_A : NAME_B));
			continue;
		}
		pthread_mutex_lock(&dmabuf->lock);
		HOLDS(crowd, !strcmp(dmabuf->name, NAME_A) ||
		      !strcmp(dmabuf->name, NAME_B));
		pthread_mutex_unlock(&dmabuf->lock);
	}
}

/* INV-D-15 */
static void name_may_be_read_under_the_lock(void **state)
{
	struct crowd crowd = { .run = name_or_read };

	(void)state;
	assert_int_equal(dmabuf_anon_export(PAGE, O_RDWR, &crowd.dmabuf), 0);
	assert_int_equal(dma_buf_set_name(crowd.dmabuf, NAME_A), 0);
	crowd_check(&crowd, 3);
	dma_buf_put(crowd.dmabuf);
}

/* Cancelling */

static void *dispatch_for_ever(void *data)
{
	pthread_barrier_wait(data);
	for (;;) {
		dmabuf_dispatch();
		pthread_testcancel();
	}
	return NULL;
}

static void cancelled_dispatcher_leaves_no_lock(void **state)
{
	pthread_barrier_t started;
	pthread_t thread;
	void *result;
	int i;

	(void)state;
	pthread_barrier_init(&started, NULL, 2);
	for (i = 0; i < 50; i++) {
		assert_int_equal(pthread_create(&thread, NULL,
						dispatch_for_ever, &started),
				 0);
		pthread_barrier_wait(&started);
		assert_int_equal(dmabuf_dispatch(), 0);
		assert_int_equal(pthread_cancel(thread), 0);
		pthread_join(thread, &result);
		assert_ptr_equal(result, PTHREAD_CANCELED);
		assert_int_equal(dmabuf_dispatch(), 0);
	}
	pthread_barrier_destroy(&started);
}

/* resv */

struct guarded {
	struct dma_resv resv;
	unsigned int value;	/* resv */
};

static void resv_storm_run(struct crowd *crowd, unsigned int me)
{
	struct guarded *guarded = crowd->data;
	unsigned int i;

	for (i = 0; i < 10 * NR_ROUNDS; i++) {
		if (me % 2 || !dma_resv_trylock(&guarded->resv))
			dma_resv_lock(&guarded->resv, NULL);
		HOLDS(crowd, dma_resv_held(&guarded->resv));
		HOLDS(crowd, dma_resv_is_locked(&guarded->resv));
		guarded->value++;
		dma_resv_unlock(&guarded->resv);
		HOLDS(crowd, !dma_resv_held(&guarded->resv));
	}
}

static void resv_excludes_and_knows_its_owner(void **state)
{
	struct guarded guarded = { .value = 0 };
	struct crowd crowd = { .run = resv_storm_run, .data = &guarded };

	(void)state;
	dma_resv_init(&guarded.resv);
	crowd_check(&crowd, NR_THREADS);
	assert_int_equal(guarded.value, 10 * NR_ROUNDS * NR_THREADS);
	dma_resv_fini(&guarded.resv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(concurrent_vmaps_return_the_same_address),
		LEAK_TEST(vmap_storm_calls_the_exporter_in_turns),
		LEAK_TEST(vmap_storm_beside_a_holder_never_reaches_the_exporter),
		LEAK_TEST(second_of_two_racing_vunmaps_is_a_bug),
		LEAK_TEST(second_of_two_racing_vunmaps_is_fatal),
		LEAK_TEST(stale_vunmap_never_takes_a_new_mapping),
		LEAK_TEST(stale_vunmap_of_a_new_mapping_is_fatal),
		LEAK_TEST(racing_puts_release_once),
		LEAK_TEST(name_is_replaced_in_one_piece),
		LEAK_TEST(name_may_be_read_under_the_lock),
		LEAK_TEST(cancelled_dispatcher_leaves_no_lock),
		LEAK_TEST(resv_excludes_and_knows_its_owner),
	};

	return cmocka_run_group_tests_name("threads", tests,
					   leaks_group_setup, NULL) != 0;
}
