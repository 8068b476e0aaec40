/* SPDX-License-Identifier: MIT */
/* test-locking.c - every cell of the tables in doc/locking.md is tried */
/*
 * usage: test-locking doc/locking.md include/dmabuf/dma-buf.h ...
 *
 * The tables are read at run time (locking-tables.c). A mock exporter whose
 * buffers are page-backed logs its ops (locking-fixture.c); a hook runs inside
 * one of them. How the functions are called is in locking-calls.c and
 * locking-uapi.c. What may end in a BUG runs in a child, which tells by its
 * status.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "locking.h"
#include "locking-tables.h"

static const char *page_path;
static char **header_paths;	/* ends with NULL */

static int page_read(void **state)
{
	(void)state;
	tables_read(page_path);
	return 0;
}

/* An ioctl's name goes on with which one it is. */
static const struct function *function_find(const char *name)
{
	size_t len = strlen(name);
	const struct function *f;

	for_each_function(f)
		if (!strncmp(f->name, name, len) &&
		    (!f->name[len] || f->name[len] == ' '))
			return f;
	return NULL;
}

/* The function that makes an op run */
static const struct function *trigger_of(enum op op)
{
	static const char *const names[NR_OPS] = {
		[OP_ATTACH] = "dma_buf_attach",
		[OP_DETACH] = "dma_buf_detach",
		[OP_PIN] = "dma_buf_pin",
		[OP_UNPIN] = "dma_buf_unpin",
		[OP_MAP] = "dma_buf_map_attachment",
		[OP_UNMAP] = "dma_buf_unmap_attachment",
		[OP_RELEASE] = "dma_buf_put",
		[OP_BEGIN] = "dma_buf_begin_cpu_access",
		[OP_END] = "dma_buf_end_cpu_access",
		[OP_MMAP] = "dma_buf_mmap",
		[OP_VMAP] = "dma_buf_vmap",
		[OP_VUNMAP] = "dma_buf_vunmap",
		[OP_BACKING] = "dma_buf_fd",
		[OP_MOVE] = "dma_buf_move_notify",
		[OP_ALLOCATE] = "dma_heap_buffer_alloc",
	};

	return function_find(names[op]);
}

static struct dma_buf *subject_of(const struct function *f)
{
	return f->how & ON_UDMABUF ? udmabuf : buffer;
}

static void call_holding(const struct function *f, bool hold)
{
	if (hold)
		dma_resv_lock(subject_of(f)->resv, NULL);
	f->call();
	if (hold)
		dma_resv_unlock(subject_of(f)->resv);
}

/* What the function finds */
static void fixture_for(const struct function *f, const struct dma_buf_ops *ops)
{
	fixture_init(ops, f->how & VMAPPED);
	if (f->how & WITH_FD)
		call_fd();
	op_log = 0;
}

/* Children */

/* Statuses that a failed assertion does not end in, and no tool. */
enum outcome { QUIET = 50, WARNED, BUG, BROKEN };

static void bug_exit(const char *report, void *data)
{
	(void)report, (void)data;
	_exit(BUG);
}

static void warn_silently(const char *report, void *data)
{
	(void)report, (void)data;
}

static enum outcome outcome_of(void (*run)(const void *data), const void *data)
{
	unsigned long warnings;
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dmabuf_set_bug_handler(bug_exit, NULL);
		dmabuf_set_warn_handler(warn_silently, NULL);
		warnings = dmabuf_warn_count();
		run(data);
		_exit(dmabuf_warn_count() == warnings ? QUIET : WARNED);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) < QUIET ||
	    WEXITSTATUS(status) > BROKEN)
		return BROKEN;
	return (enum outcome)WEXITSTATUS(status);
}

static void outcome_check(enum outcome is, enum outcome wanted,
			  const char *what, const char *where)
{
	static const char *const names[] = { "quiet", "a warning", "a BUG",
					     "broken" };

	if (is != wanted)
		fail_msg("%s %s: %s, and not %s", what, where,
			 names[is - QUIET], names[wanted - QUIET]);
}

/* Tests */

/* Rows of another table, which say less */
static const char *const of_fences[] = {
	"dmabuf_sync_file_ioctl", "dmabuf_sw_sync_ioctl", "dmabuf_sync_file_id",
	"dmabuf_sync_file_find", NULL
};

/* Not ours to call: an inline, and what others define */
static const char *const of_others[] = {
	"dmabuf_list_attachment", "dmabuf_run_heap", NULL
};

static bool is_in(const char *const *list, const char *name)
{
	while (*list && strcmp(*list, name))
		list++;
	return *list;
}

static void header_check(const char *path)
{
	FILE *header = fopen(path, "r");
	char line[512], name[128];
	size_t nr = 0;

	assert_non_null(header);
	while (fgets(line, sizeof(line), header)) {
		if (!strstr(line, "() - ") ||
		    sscanf(line, "%*[ */]%127[a-z0-9_]()", name) != 1 ||
		    is_in(of_others, name))
			continue;
		nr++;
		if (is_in(of_fences, name))
			row_elsewhere_needed(name);
		else if (!function_find(name))
			fail_msg("%s is not tried here", name);
	}
	fclose(header);
	assert_true(nr > 0);
}

static void every_public_function_is_tried(void **state)
{
	const struct function *f;
	char **path;

	(void)state;
	for (path = header_paths; *path; path++)
		header_check(*path);
	for_each_function(f)
		row_needed(f->name);
	assert_int_equal(nr_rows(), nr_functions + NR_OPS);
}

static void call_free(const void *f)
{
	fixture_for(f, &dynamic_ops);
	call_holding(f, false);
}

static void call_held(const void *f)
{
	fixture_for(f, &dynamic_ops);
	call_holding(f, true);
}

static void functions_want_resv_as_said(void **state)
{
	static const enum outcome wanted[][2] = {
		[RESV_ANY] = { QUIET, QUIET },
		[RESV_HELD] = { WARNED, QUIET },
		[RESV_NOT_HELD] = { QUIET, WARNED },
		[RESV_TAKEN] = { QUIET, BUG },
	};
	const struct function *f;

	(void)state;
	for_each_function(f) {
		outcome_check(outcome_of(call_free, f), wanted[resv_of(f)][0],
			      f->name, "without resv");
		outcome_check(outcome_of(call_held, f), wanted[resv_of(f)][1],
			      f->name, "with resv held");
	}
}

/* All that is held around ops, in another thread */
struct holder {
	pthread_barrier_t barrier;
	pthread_t thread;
	struct dma_buf *dmabuf;
};

static void *hold_all(void *data)
{
	struct holder *holder = data;

	dma_resv_lock(holder->dmabuf->resv, NULL);
	pthread_mutex_lock(&holder->dmabuf->lock);
	pthread_barrier_wait(&holder->barrier);
	pthread_barrier_wait(&holder->barrier);
	pthread_mutex_unlock(&holder->dmabuf->lock);
	dma_resv_unlock(holder->dmabuf->resv);
	return NULL;
}

/* A function that waits for one of the locks would hang here. */
static void call_beside_holder(const struct function *f)
{
	struct holder holder = { .dmabuf = subject_of(f) };

	pthread_barrier_init(&holder.barrier, NULL, 2);
	assert_int_equal(pthread_create(&holder.thread, NULL, hold_all,
					&holder), 0);
	pthread_barrier_wait(&holder.barrier);
	f->call();
	pthread_barrier_wait(&holder.barrier);
	pthread_join(holder.thread, NULL);
	pthread_barrier_destroy(&holder.barrier);
}

static void functions_block_as_said(void **state)
{
	const struct function *f;
	bool waits;

	(void)state;
	for_each_function(f) {
		waits = resv_of(f) == RESV_TAKEN || takes_lock(f) ||
			*ops_named(f);
		assert_int_equal(may_block(f), waits);
		if (waits)
			continue;
		fixture_for(f, &dynamic_ops);
		call_beside_holder(f);
		fixture_fini();
	}
}

static unsigned int ops_run_by(const struct function *f,
			       const struct dma_buf_ops *ops, enum op fails)
{
	unsigned int log;

	fixture_for(f, ops);
	op_fails = fails;
	call_holding(f, resv_of(f) == RESV_HELD);
	op_fails = NR_OPS;
	log = op_log;
	fixture_fini();
	return log;
}

static unsigned int ops_said(const struct function *f)
{
	char cell[128], *word, *rest;
	unsigned int log = 0;
	int op;

	snprintf(cell, sizeof(cell), "%s", ops_named(f));
	for (word = strtok_r(cell, " ", &rest); word;
	     word = strtok_r(NULL, " ", &rest)) {
		for (op = 0; op < NR_OPS; op++)
			if (!strcmp(word, op_names[op]))
				log |= 1u << op;
	}
	return log;
}

static void functions_call_what_is_said(void **state)
{
	static const enum op fails[] = { NR_OPS, OP_ATTACH, OP_PIN, OP_MAP };
	const struct function *f;
	unsigned int log, i;

	(void)state;
	for_each_function(f) {
		log = 0;
		for (i = 0; i < sizeof(fails) / sizeof(fails[0]); i++) {
			log |= ops_run_by(f, &static_ops, fails[i]);
			log |= ops_run_by(f, &dynamic_ops, fails[i]);
		}
		if (log != ops_said(f))
			fail_msg("%s: ops 0x%x ran, 0x%x are said", f->name,
				 log, ops_said(f));
	}
}

/* What the hook finds inside an op */
static struct {
	bool ran;
	bool resv;
	bool lock;
} found;

/* Comes back only when the registry is not held either. */
static void *look_at_locks(void *data)
{
	struct dma_buf *dmabuf = data;

	found.lock = pthread_mutex_trylock(&dmabuf->lock) != 0;
	if (!found.lock)
		pthread_mutex_unlock(&dmabuf->lock);
	dmabuf_live_buffers();
	return NULL;
}

static void hook_look(struct dma_buf *dmabuf)
{
	pthread_t thread;

	found.ran = true;
	found.resv = dma_resv_held(dmabuf->resv);
	assert_int_equal(pthread_create(&thread, NULL, look_at_locks, dmabuf),
			 0);
	pthread_join(thread, NULL);
}

static void op_look(enum op op, bool hold)
{
	const struct function *f = trigger_of(op);

	memset(&found, 0, sizeof(found));
	fixture_init(&dynamic_ops, f->how & VMAPPED);
	hook_op = op;
	hook = hook_look;
	call_holding(f, hold);
	hook_op = NR_OPS;
	fixture_fini();
	assert_true(found.ran);
}

static void op_locks_check(enum op op, bool hold)
{
	enum op_held resv = op_resv(op);

	op_look(op, hold);
	if (found.resv != (resv == OP_CALLERS ? hold : resv == OP_HELD))
		fail_msg("%s: resv is%s held", op_names[op],
			 found.resv ? "" : " not");
	if (found.lock != (op_lock(op) == OP_HELD))
		fail_msg("%s: lock is%s held", op_names[op],
			 found.lock ? "" : " not");
	assert_true(op_may_block(op));
}

static void callbacks_find_the_locks_as_said(void **state)
{
	int op, resv;

	(void)state;
	for (op = 0; op < NR_OPS; op++) {
		resv = resv_of(trigger_of((enum op)op));
		if (resv != RESV_HELD)
			op_locks_check((enum op)op, false);
		if (resv == RESV_HELD || resv == RESV_ANY)
			op_locks_check((enum op)op, true);
	}
}

/* A function called inside an op of the same buffer */
struct pair {
	enum op op;
	const struct function *f;
	bool hold;
};

static const struct pair *pair;

static void hook_call(struct dma_buf *dmabuf)
{
	(void)dmabuf;
	set = &sets[1];
	call_holding(pair->f, resv_of(pair->f) == RESV_HELD &&
				      !dma_resv_held(buffer->resv));
	set = &sets[0];
}

static void call_in_op(const void *data)
{
	const struct function *trigger;

	pair = data;
	trigger = trigger_of(pair->op);
	fixture_init(&dynamic_ops, (trigger->how & VMAPPED) ||
		     ((pair->f->how & VMAPPED) && pair->op != OP_VMAP));
	if ((pair->f->how & WITH_FD) && pair->op != OP_BACKING)
		call_fd();
	hook_op = pair->op;
	hook = hook_call;
	call_holding(trigger, pair->hold);
	if (hook)
		_exit(BROKEN);
}

static bool is_bug(const struct pair *p)
{
	bool resv = resv_of(p->f) == RESV_TAKEN;

	switch (op_may_call(p->op)) {
	case CALL_NO_RESV:
		return resv;
	case CALL_NEITHER:
		return takes_lock(p->f) || (resv && p->hold);
	default:
		return false;	/* of a released buffer, others are tried */
	}
}

static void pair_check(enum op op, const struct function *f, bool hold)
{
	const struct pair p = { op, f, hold };
	enum outcome is = outcome_of(call_in_op, &p);

	if (is == WARNED && !is_bug(&p))
		is = QUIET;
	outcome_check(is, is_bug(&p) ? BUG : QUIET, f->name, op_names[op]);
}

/* To take resv inside an op that runs under dma_buf.lock is the wrong order. */
static bool wants_resv_first(int op, const struct function *f)
{
	return (op == OP_VMAP || op == OP_VUNMAP) &&
	       (resv_of(f) == RESV_HELD || resv_of(f) == RESV_TAKEN);
}

static void callbacks_may_call_what_is_said(void **state)
{
	const struct function *f;
	int op, resv;

	(void)state;
	for (op = 0; op < NR_OPS; op++) {
		resv = resv_of(trigger_of((enum op)op));
		for_each_function(f) {
			pair_check((enum op)op, f,
				   resv == RESV_HELD || wants_resv_first(op, f));
		}
	}
}

static void hook_dispatch(struct dma_buf *dmabuf)
{
	(void)dmabuf;
	found.ran = dmabuf_dispatch() == -EDEADLK;
	dmabuf_reaper_stop();
}

static void callbacks_may_not_dispatch(void **state)
{
	const struct function *f;
	unsigned long warnings;
	int op;

	(void)state;
	dmabuf_set_warn_handler(warn_silently, NULL);
	/* A heap's allocate is a plain call, as the page says. */
	for (op = 0; op < OP_ALLOCATE; op++) {
		f = trigger_of((enum op)op);
		fixture_init(&dynamic_ops, f->how & VMAPPED);
		warnings = dmabuf_warn_count();
		found.ran = false;
		hook_op = (enum op)op;
		hook = hook_dispatch;
		call_holding(f, resv_of(f) == RESV_HELD);
		hook_op = NR_OPS;
		assert_true(found.ran);
		assert_int_equal(dmabuf_warn_count(), warnings + 2);
		fixture_fini();
	}
	dmabuf_set_warn_handler(NULL, NULL);
}

/* "Never behind the caller's back" */
static void release_waits_for_the_reservation(void **state)
{
	(void)state;
	fixture_init(&static_ops, false);
	dma_resv_lock(buffer->resv, NULL);
	call_put();
	assert_false(op_log & (1u << OP_RELEASE));
	dma_resv_unlock(buffer->resv);
	assert_true(op_log & (1u << OP_RELEASE));
	fixture_fini();
}

static void hook_put(struct dma_buf *dmabuf)
{
	(void)dmabuf;
	call_put();
	found.ran = !(op_log & (1u << OP_RELEASE));
}

static void release_waits_for_the_callback(void **state)
{
	(void)state;
	fixture_init(&static_ops, false);
	hook_op = OP_BEGIN;
	hook = hook_put;
	call_begin();
	hook_op = NR_OPS;
	assert_true(found.ran);
	assert_true(op_log & (1u << OP_RELEASE));
	fixture_fini();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_public_function_is_tried),
		cmocka_unit_test(functions_want_resv_as_said),
		cmocka_unit_test(functions_block_as_said),
		cmocka_unit_test(functions_call_what_is_said),
		cmocka_unit_test(callbacks_find_the_locks_as_said),
		cmocka_unit_test(callbacks_may_call_what_is_said),
		cmocka_unit_test(callbacks_may_not_dispatch),
		cmocka_unit_test(release_waits_for_the_reservation),
		cmocka_unit_test(release_waits_for_the_callback),
	};

	if (argc < 3) {
		fprintf(stderr, "usage: test-locking LOCKING.md HEADER...\n");
		return 1;
	}
	page_path = argv[1];
	header_paths = argv + 2;
	return cmocka_run_group_tests_name("locking", tests, page_read,
					   NULL) != 0;
}
