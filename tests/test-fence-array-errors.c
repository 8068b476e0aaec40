/* SPDX-License-Identifier: MIT */
/* test-fence-array-errors.c - the error of a member reaches the array */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "containers.h"
#include "leaks.h"
#include "mock-fence.h"

#define NR 3

/* How the array comes to know that a member is done. */
enum path {
	CALLBACK,	/* waited for before any is signalled */
	MIXED,		/* after the first one */
	ENABLE,		/* after all that are to be */
	QUERY,		/* never waited for: asked at the end */
	OP_QUERY,	/* likewise; the members' ops say so, nobody signals */
	REFUSAL,	/* a member cannot be waited for */
	NR_PATHS
};

static const char *const path_names[NR_PATHS] = {
	"callback", "mixed", "enable", "query", "op query", "refusal",
};

#define PATH(path) (1u << (path))
#define TOLD (PATH(CALLBACK) | PATH(MIXED))
#define ASKED (PATH(ENABLE) | PATH(QUERY) | PATH(OP_QUERY) | PATH(REFUSAL))

/* Members are signalled in @order, as far as it goes. */
struct row {
	bool any;
	int errors[NR];
	unsigned int nr;
	unsigned int order[NR];
	unsigned int paths;	/* those on which @status is expected */
	int status;
};

static const struct row rows[] = {
	/* Nobody fails. */
	{ ALL, { 0, 0, 0 }, 3, { 0, 1, 2 }, TOLD | ASKED, 1 },
	{ ALL, { 0, 0, 0 }, 3, { 2, 1, 0 }, TOLD | ASKED, 1 },
	{ ANY, { 0, 0, 0 }, 1, { 1 }, TOLD | ASKED, 1 },
	/* One fails. */
	{ ALL, { -EIO, 0, 0 }, 3, { 0, 1, 2 }, TOLD | ASKED, -EIO },
	{ ALL, { 0, -EIO, 0 }, 3, { 0, 1, 2 }, TOLD | ASKED, -EIO },
	{ ALL, { 0, 0, -EIO }, 3, { 0, 1, 2 }, TOLD | ASKED, -EIO },
	{ ALL, { -EIO, 0, 0 }, 3, { 2, 1, 0 }, TOLD | ASKED, -EIO },
	/* The first to arrive; when asked, the first in the array. */
	{ ALL, { -EIO, -EPIPE, -ENOENT }, 3, { 2, 1, 0 }, TOLD, -ENOENT },
	{ ALL, { -EIO, -EPIPE, -ENOENT }, 3, { 1, 2, 0 }, TOLD, -EPIPE },
	{ ALL, { -EIO, -EPIPE, -ENOENT }, 3, { 2, 1, 0 }, ASKED, -EIO },
	{ ALL, { 0, -EPIPE, -ENOENT }, 3, { 2, 0, 1 }, TOLD, -ENOENT },
	{ ALL, { 0, -EPIPE, -ENOENT }, 3, { 2, 0, 1 }, ASKED, -EPIPE },
	/* Of any, the first alone counts. */
	{ ANY, { 0, -EIO, 0 }, 1, { 1 }, TOLD | ASKED, -EIO },
	{ ANY, { 0, -EIO, 0 }, 1, { 2 }, TOLD | ASKED, 1 },
	{ ANY, { -EIO, -EPIPE, 0 }, 2, { 1, 0 }, TOLD, -EPIPE },
	{ ANY, { -EIO, -EPIPE, 0 }, 2, { 2, 1 }, TOLD, 1 },
	{ ANY, { -EIO, -EPIPE, 0 }, 2, { 1, 0 }, ASKED, -EIO },
	{ ANY, { -EIO, 0, -EPIPE }, 2, { 2, 1 }, ASKED, 1 },
};

/* Have a member done, in the manner of the path. */
static void member_done(struct mock_fence *member, int error, enum path path)
{
	if (error && path != REFUSAL)
		dma_fence_set_error(&member->base, error);
	if (path == OP_QUERY) {
		member->done = true;
	} else if (path == REFUSAL) {
		member->refuse_enable = true;
		member->error_on_enable = error;
	} else {
		dma_fence_signal(&member->base);
	}
}

static bool enables_after(enum path path, unsigned int nr_done,
			  const struct row *row)
{
	switch (path) {
	case CALLBACK:
		return !nr_done;
	case MIXED:
		return nr_done == 1;
	case ENABLE:
	case REFUSAL:
		return nr_done == row->nr;
	default:
		return false;
	}
}

static int status_on(const struct row *row, enum path path)
{
	struct mock_fence *members[NR];
	struct dma_fence *array;
	unsigned int i;
	int status;

	for (i = 0; i < NR; i++)
		members[i] = mock_fence_new();
	array = array_over(members, NR, row->any);
	for (i = 0; i <= row->nr; i++) {
		if (enables_after(path, i, row))
			dma_fence_enable_sw_signaling(array);
		if (i == row->nr)
			break;
		/* No value of the library's own shows. */
		assert_true(is_marked(array) || !array->error);
		member_done(members[row->order[i]],
			    row->errors[row->order[i]], path);
	}
	status = dma_fence_get_status(array);
	assert_true(is_marked(array));
	assert_int_equal(array->error, status < 0 ? status : 0);
	for (i = 0; i < NR; i++)
		dma_fence_signal(&members[i]->base);
	/* Nor does it change any more. */
	assert_int_equal(dma_fence_get_status(array), status);
	for (i = 0; i < NR; i++)
		dma_fence_put(&members[i]->base);
	dma_fence_put(array);
	return status;
}

static void error_reaches_the_array_on_every_path(void **state)
{
	enum path path;
	unsigned int i;
	int status;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (path = 0; path < NR_PATHS; path++) {
			if (!(rows[i].paths & PATH(path)))
				continue;
			status = status_on(&rows[i], path);
			if (status != rows[i].status)
				fail_msg("row %u, %s: %d, not %d", i,
					 path_names[path], status,
					 rows[i].status);
		}
	}
}

/* What failed is not told before the array is done. */
static void error_is_not_told_before_the_array_is_done(void **state)
{
	struct mock_fence *members[] = { mock_fence_new(), mock_fence_new() };
	struct dma_fence *waited = array_over(members, 2, ALL);
	struct dma_fence *asked = array_over(members, 2, ALL);

	(void)state;
	dma_fence_enable_sw_signaling(waited);
	finish_with(members[0], -EIO);
	assert_int_equal(dma_fence_get_status(waited), 0);
	assert_int_equal(dma_fence_get_status(asked), 0);
	assert_int_equal(waited->error, 0);
	assert_int_equal(asked->error, 0);
	finish_with(members[1], 0);
	assert_int_equal(dma_fence_get_status(waited), -EIO);
	assert_int_equal(dma_fence_get_status(asked), -EIO);
	dma_fence_put(waited);
	dma_fence_put(asked);
	dma_fence_put(&members[0]->base);
	dma_fence_put(&members[1]->base);
}

/* A partial query leaves nothing behind: the order of arrival decides. */
static void query_before_the_end_does_not_choose_the_error(void **state)
{
	struct mock_fence *members[] = { mock_fence_new(), mock_fence_new() };
	struct dma_fence *array = array_over(members, 2, ALL);

	(void)state;
	finish_with(members[1], -EPIPE);
	assert_int_equal(dma_fence_get_status(array), 0);
	finish_with(members[0], -EIO);
	assert_int_equal(dma_fence_get_status(array), -EIO);
	dma_fence_put(array);
	dma_fence_put(&members[0]->base);
	dma_fence_put(&members[1]->base);
}

/* Asked by the array, it is the last to know: it asks the array itself. */
static struct dma_fence *array_to_ask;

static bool late_signaled(struct dma_fence *fence)
{
	struct mock_fence *late = (struct mock_fence *)fence;

	if (late->nr_signaled++)
		return false;
	assert_int_equal(dma_fence_get_status(array_to_ask), 1);
	dma_fence_set_error(fence, -EIO);
	return true;
}

/* As if another thread had found the other member while this one asked. */
static void any_of_keeps_the_outcome_that_was_found_first(void **state)
{
	struct dma_fence_ops late_ops = mock_fence_ops;
	struct mock_fence *members[] = { mock_fence_new(), mock_fence_new() };

	(void)state;
	late_ops.signaled = late_signaled;
	members[0]->base.ops = &late_ops;
	finish_with(members[1], 0);
	array_to_ask = array_over(members, 2, ANY);
	assert_true(dma_fence_is_signaled(array_to_ask));
	assert_int_equal(dma_fence_get_status(&members[0]->base), -EIO);
	assert_int_equal(dma_fence_get_status(array_to_ask), 1);
	members[0]->base.ops = &mock_fence_ops;
	dma_fence_put(array_to_ask);
	dma_fence_put(&members[0]->base);
	dma_fence_put(&members[1]->base);
}

/* An error of the array's owner is not replaced. */
static void own_error_of_the_array_stays(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *array = array_over(&mock, 1, ALL);

	(void)state;
	dma_fence_set_error(array, -ECANCELED);
	dma_fence_enable_sw_signaling(array);
	finish_with(mock, -EIO);
	assert_int_equal(dma_fence_get_status(array), -ECANCELED);
	dma_fence_put(array);
	dma_fence_put(&mock->base);
}

static void error_of_an_array_in_a_chain_stays_with_the_array(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	struct dma_fence *array = array_over(&mock, 1, ALL);
	struct dma_fence *node = node_over(NULL, array, 1);

	(void)state;
	dma_fence_enable_sw_signaling(node);
	finish_with(mock, -EIO);
	/* The node has none: contained errors are not copied. */
	assert_int_equal(dma_fence_get_status(node), 1);
	assert_int_equal(dma_fence_get_status(array), -EIO);
	dma_fence_put(node);
	dma_fence_put(array);
	dma_fence_put(&mock->base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(error_reaches_the_array_on_every_path),
		LEAK_TEST(error_is_not_told_before_the_array_is_done),
		LEAK_TEST(query_before_the_end_does_not_choose_the_error),
		LEAK_TEST(any_of_keeps_the_outcome_that_was_found_first),
		LEAK_TEST(own_error_of_the_array_stays),
		LEAK_TEST(error_of_an_array_in_a_chain_stays_with_the_array),
	};

	return cmocka_run_group_tests_name("dma_fence_array/errors", tests,
					   leaks_group_setup, NULL) != 0;
}
