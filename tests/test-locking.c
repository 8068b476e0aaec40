/* SPDX-License-Identifier: MIT */
/* test-locking.c - every cell of the tables in doc/locking.md is tried */
/*
 * usage: test-locking doc/locking.md include/dmabuf/dma-buf.h
 *
 * The tables are read at run time. A mock exporter whose buffers are page-backed
 * logs its ops; a hook runs inside one of them. What may end in a BUG runs in a
 * child, which tells by its status.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE 4096
#define CELLS 5

static const char *page_path;
static const char *header_path;

/* The tables */

struct row {
	char cells[CELLS][128];
};

static struct row rows[64];
static size_t nr_rows;

static const struct row *row_find(const char *name)
{
	size_t i;

	for (i = 0; i < nr_rows; i++)
		if (!strcmp(rows[i].cells[0], name))
			return &rows[i];
	fail_msg("%s has no row for %s", page_path, name);
	return NULL;
}

/* Without the blanks around it and the quotes in it */
static void cell_copy(char *cell, size_t size, const char *from, size_t len)
{
	size_t nr = 0, i;

	for (i = 0; i < len && nr < size - 1; i++)
		if (from[i] != '`' && (nr || from[i] != ' '))
			cell[nr++] = from[i];
	while (nr && cell[nr - 1] == ' ')
		nr--;
	cell[nr] = '\0';
}

static void row_read(const char *line)
{
	struct row *row = &rows[nr_rows];
	const char *at = line + 1;
	const char *end;
	int i;

	for (i = 0; i < CELLS; i++, at = end + 1) {
		end = strchr(at, '|');
		if (!end)
			return;
		cell_copy(row->cells[i], sizeof(row->cells[i]), at,
			  (size_t)(end - at));
	}
	assert_true(++nr_rows < sizeof(rows) / sizeof(rows[0]));
}

static int tables_read(void **state)
{
	FILE *page = fopen(page_path, "r");
	char line[512];

	(void)state;
	assert_non_null(page);
	while (fgets(line, sizeof(line), page))
		if (!strncmp(line, "| `", 3))
			row_read(line);
	fclose(page);
	return 0;
}

/* The cell is one of those; which one? */
static int cell_value(const char *name, int column, const char *const *values)
{
	const char *cell = row_find(name)->cells[column];
	int i;

	for (i = 0; values[i]; i++)
		if (!strcmp(cell, values[i]))
			return i;
	fail_msg("%s, column %d: what is \"%s\"?", name, column, cell);
	return -1;
}

enum { RESV_ANY, RESV_HELD, RESV_NOT_HELD, RESV_TAKEN };
enum { LOCK_ANY, LOCK_TAKEN };
enum { OP_NOT_HELD, OP_HELD, OP_CALLERS };
enum { CALL_ALL, CALL_NO_RESV, CALL_NEITHER, CALL_NOTHING };

static const char *const resv_values[] = {
	"any", "held", "not held", "takes it", NULL
};
static const char *const lock_values[] = { "any", "takes it", NULL };
static const char *const block_values[] = { "no", "yes", NULL };
static const char *const op_values[] = { "not held", "held", "caller's", NULL };
static const char *const call_values[] = {
	"all", "what does not take resv", "what takes neither", "nothing", NULL
};

/* The mock exporter */

enum op {
	OP_ATTACH, OP_DETACH, OP_PIN, OP_UNPIN, OP_MAP, OP_UNMAP, OP_RELEASE,
	OP_BEGIN, OP_END, OP_MMAP, OP_VMAP, OP_VUNMAP, OP_BACKING, OP_MOVE,
	NR_OPS
};

static const char *const op_names[NR_OPS] = {
	"attach", "detach", "pin", "unpin", "map_dma_buf", "unmap_dma_buf",
	"release", "begin_cpu_access", "end_cpu_access", "mmap", "vmap",
	"vunmap", "backing_fd", "move_notify",
};

static unsigned int op_log;		/* a bit for each op that ran */
static enum op op_fails = NR_OPS;

static enum op hook_op = NR_OPS;
static void (*hook)(struct dma_buf *dmabuf);	/* runs once, in hook_op */

static int op_run(enum op op, struct dma_buf *dmabuf)
{
	void (*run)(struct dma_buf *) = hook;

	op_log |= 1u << op;
	if (op == hook_op && run) {
		hook = NULL;
		run(dmabuf);
	}
	return op == op_fails ? -EIO : 0;
}

static int mock_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	(void)attach;
	return op_run(OP_ATTACH, dmabuf);
}

static void mock_detach(struct dma_buf *dmabuf,
			struct dma_buf_attachment *attach)
{
	(void)attach;
	op_run(OP_DETACH, dmabuf);
}

static int mock_pin(struct dma_buf_attachment *attach)
{
	return op_run(OP_PIN, attach->dmabuf);
}

static void mock_unpin(struct dma_buf_attachment *attach)
{
	op_run(OP_UNPIN, attach->dmabuf);
}

static struct sg_table *mock_map(struct dma_buf_attachment *attach,
				 enum dma_data_direction dir)
{
	struct sg_table *table;
	int ret = op_run(OP_MAP, attach->dmabuf);

	(void)dir;
	if (ret)
		return ERR_PTR(ret);
	table = malloc(sizeof(*table));
	assert_non_null(table);
	assert_int_equal(sg_alloc_table(table, 1, GFP_KERNEL), 0);
	return table;
}

static void mock_unmap(struct dma_buf_attachment *attach,
		       struct sg_table *table, enum dma_data_direction dir)
{
	(void)dir;
	op_run(OP_UNMAP, attach->dmabuf);
	sg_free_table(table);
	free(table);
}

static void mock_release(struct dma_buf *dmabuf)
{
	int *fd = dmabuf->priv;

	op_run(OP_RELEASE, dmabuf);
	close(*fd);
	free(fd);
}

static int mock_begin(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	(void)dir;
	return op_run(OP_BEGIN, dmabuf);
}

static int mock_end(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	(void)dir;
	return op_run(OP_END, dmabuf);
}

static int mock_mmap(struct dma_buf *dmabuf, void *addr, size_t length,
		     int prot, int flags, off_t offset)
{
	(void)addr, (void)length, (void)prot, (void)flags, (void)offset;
	return op_run(OP_MMAP, dmabuf);
}

static void *mock_vmap(struct dma_buf *dmabuf)
{
	op_run(OP_VMAP, dmabuf);
	return dmabuf->priv;
}

static void mock_vunmap(struct dma_buf *dmabuf, void *vaddr)
{
	(void)vaddr;
	op_run(OP_VUNMAP, dmabuf);
}

static int mock_backing_fd(struct dma_buf *dmabuf)
{
	const int *fd = dmabuf->priv;

	op_run(OP_BACKING, dmabuf);
	return *fd;
}

static void mock_move_notify(struct dma_buf_attachment *attach)
{
	op_run(OP_MOVE, attach->dmabuf);
}

#define MOCK_OPS \
	.attach = mock_attach, .detach = mock_detach, \
	.map_dma_buf = mock_map, .unmap_dma_buf = mock_unmap, \
	.release = mock_release, .begin_cpu_access = mock_begin, \
	.end_cpu_access = mock_end, .mmap = mock_mmap, .vmap = mock_vmap, \
	.vunmap = mock_vunmap, .backing_fd = mock_backing_fd

static const struct dma_buf_ops static_ops = { MOCK_OPS };
static const struct dma_buf_ops dynamic_ops = {
	MOCK_OPS, .pin = mock_pin, .unpin = mock_unpin,
};
static const struct dma_buf_attach_ops importer_ops = {
	.move_notify = mock_move_notify,
};

static struct dma_buf *mock_export(const struct dma_buf_ops *ops)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;
	int *fd = malloc(sizeof(*fd));

	assert_non_null(fd);
	*fd = memfd_create("dmabuf:mock", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(*fd >= 0 && !ftruncate(*fd, SIZE));
	info.ops = ops;
	info.size = SIZE;
	info.flags = O_RDWR;
	info.priv = fd;
	dmabuf = dma_buf_export(&info);
	assert_false(IS_ERR(dmabuf));
	return dmabuf;
}

/* What the functions work on: one set for the test, one for the hook */

struct set {
	struct dma_buf_attachment *fixed;	/* static importer */
	struct dma_buf_attachment *moving;	/* dynamic importer */
	struct sg_table *table;			/* mapped through moving */
	struct dma_buf *victim;			/* one reference */
	struct dma_buf_attachment *made;
	struct sg_table *mapped;
	struct dma_buf *exported;
	int refs;
};

static struct dma_buf *buffer;
static struct device *dev;
static struct set sets[2], *set;
static int buffer_fd;
static void *view;
static unsigned int vmaps;

static void set_init(struct set *self, const struct dma_buf_ops *ops)
{
	memset(self, 0, sizeof(*self));
	self->fixed = dma_buf_attach(buffer, dev);
	self->moving = dma_buf_dynamic_attach(buffer, dev, &importer_ops, NULL);
	assert_false(IS_ERR(self->fixed) || IS_ERR(self->moving));
	self->table = dma_buf_map_attachment_unlocked(self->moving,
						      DMA_BIDIRECTIONAL);
	assert_false(IS_ERR(self->table));
	self->victim = mock_export(ops);
}

static void set_fini(struct set *self)
{
	if (self->table)
		dma_buf_unmap_attachment_unlocked(self->moving, self->table,
						  DMA_BIDIRECTIONAL);
	if (self->mapped)
		dma_buf_unmap_attachment_unlocked(self->moving, self->mapped,
						  DMA_BIDIRECTIONAL);
	if (self->made)
		dma_buf_detach(buffer, self->made);
	if (self->fixed)
		dma_buf_detach(buffer, self->fixed);
	dma_buf_detach(buffer, self->moving);
	if (self->victim)
		dma_buf_put(self->victim);
	if (self->exported)
		dma_buf_put(self->exported);
	while (self->refs--)
		dma_buf_put(buffer);
}

static void fixture_init(const struct dma_buf_ops *ops, bool vmapped)
{
	const struct dmabuf_device_info info = { 0 };

	assert_int_equal(dmabuf_device_create(&info, &dev), 0);
	buffer = mock_export(ops);
	buffer_fd = -1;
	view = MAP_FAILED;
	vmaps = 0;
	set_init(&sets[0], ops);
	set_init(&sets[1], ops);
	set = &sets[0];
	if (vmapped)
		vmaps = dma_buf_vmap(buffer) != NULL;
	op_log = 0;
}

static void fixture_fini(void)
{
	bool out = buffer_fd >= 0 || view != MAP_FAILED;

	if (buffer_fd >= 0)
		close(buffer_fd);
	if (view != MAP_FAILED)
		munmap(view, SIZE);
	while (out && dmabuf_dispatch() == 0)
		;
	while (vmaps--)
		dma_buf_vunmap(buffer, buffer->vmap_ptr);
	set_fini(&sets[0]);
	set_fini(&sets[1]);
	dma_buf_put(buffer);
	dmabuf_device_destroy(dev);
	assert_int_equal(dmabuf_live_buffers(), 0);
}

/* The functions, called in the simplest way that reaches their ops */

static void call_export(void)
{
	set->exported = mock_export(buffer->ops);
}

static void call_get_reference(void)
{
	get_dma_buf(buffer);
	set->refs++;
}

static void call_put(void)
{
	dma_buf_put(set->victim);
	set->victim = NULL;
}

static void call_fd(void)
{
	get_dma_buf(buffer);
	buffer_fd = dma_buf_fd(buffer, O_CLOEXEC);
}

static void call_get(void)
{
	if (!IS_ERR(dma_buf_get(buffer_fd)))
		set->refs++;
}

static void made(struct dma_buf_attachment *attach)
{
	set->made = IS_ERR(attach) ? NULL : attach;
}

static void call_attach(void)
{
	made(dma_buf_attach(buffer, dev));
}

static void call_dynamic_attach(void)
{
	made(dma_buf_dynamic_attach(buffer, dev, &importer_ops, NULL));
}

static void call_detach(void)
{
	dma_buf_detach(buffer, set->fixed);
	set->fixed = NULL;
}

static void call_pin(void)
{
	dma_buf_pin(set->moving);
}

static void call_unpin(void)
{
	dma_buf_unpin(set->moving);
}

static void mapped(struct sg_table *table)
{
	set->mapped = IS_ERR(table) ? NULL : table;
}

static void call_map(void)
{
	mapped(dma_buf_map_attachment(set->moving, DMA_BIDIRECTIONAL));
}

static void call_map_unlocked(void)
{
	mapped(dma_buf_map_attachment_unlocked(set->moving, DMA_BIDIRECTIONAL));
}

static void call_unmap(void)
{
	dma_buf_unmap_attachment(set->moving, set->table, DMA_BIDIRECTIONAL);
	set->table = NULL;
}

static void call_unmap_unlocked(void)
{
	dma_buf_unmap_attachment_unlocked(set->moving, set->table,
					  DMA_BIDIRECTIONAL);
	set->table = NULL;
}

static void call_move_notify(void)
{
	dma_buf_move_notify(buffer);
}

static void call_begin(void)
{
	dma_buf_begin_cpu_access(buffer, DMA_BIDIRECTIONAL);
}

static void call_end(void)
{
	dma_buf_end_cpu_access(buffer, DMA_BIDIRECTIONAL);
}

static void call_mmap(void)
{
	void *addr = dma_buf_mmap(buffer, SIZE, PROT_READ, MAP_SHARED, 0);

	view = IS_ERR(addr) ? MAP_FAILED : addr;
}

static void call_vmap(void)
{
	vmaps += dma_buf_vmap(buffer) != NULL;
}

static void call_vunmap(void)
{
	dma_buf_vunmap(buffer, buffer->vmap_ptr);
	vmaps--;
}

static void call_set_name(void)
{
	dma_buf_set_name(buffer, "name");
}

static void call_attachment_is_dynamic(void)
{
	assert_true(dma_buf_attachment_is_dynamic(set->moving));
}

static void call_is_dynamic(void)
{
	assert_int_equal(dma_buf_is_dynamic(buffer), buffer->ops->pin != NULL);
}

static const struct function {
	const char *name;
	void (*call)(void);
	bool vmapped;		/* wants a vmap before */
	bool fd;		/* wants an fd before */
} functions[] = {
	{ "dma_buf_export", call_export, false, false },
	{ "get_dma_buf", call_get_reference, false, false },
	{ "dma_buf_put", call_put, false, false },
	{ "dma_buf_fd", call_fd, false, false },
	{ "dma_buf_get", call_get, false, true },
	{ "dma_buf_attach", call_attach, false, false },
	{ "dma_buf_dynamic_attach", call_dynamic_attach, false, false },
	{ "dma_buf_detach", call_detach, false, false },
	{ "dma_buf_pin", call_pin, false, false },
	{ "dma_buf_unpin", call_unpin, false, false },
	{ "dma_buf_map_attachment", call_map, false, false },
	{ "dma_buf_map_attachment_unlocked", call_map_unlocked, false, false },
	{ "dma_buf_unmap_attachment", call_unmap, false, false },
	{ "dma_buf_unmap_attachment_unlocked", call_unmap_unlocked, false,
	  false },
	{ "dma_buf_move_notify", call_move_notify, false, false },
	{ "dma_buf_begin_cpu_access", call_begin, false, false },
	{ "dma_buf_end_cpu_access", call_end, false, false },
	{ "dma_buf_mmap", call_mmap, false, false },
	{ "dma_buf_vmap", call_vmap, false, false },
	{ "dma_buf_vunmap", call_vunmap, true, false },
	{ "dma_buf_set_name", call_set_name, false, false },
	{ "dma_buf_attachment_is_dynamic", call_attachment_is_dynamic, false,
	  false },
	{ "dma_buf_is_dynamic", call_is_dynamic, false, false },
};

#define NR_FUNCTIONS (sizeof(functions) / sizeof(functions[0]))
#define for_each_function(f) \
	for ((f) = functions; (f) < functions + NR_FUNCTIONS; (f)++)

static int resv_of(const struct function *f)
{
	return cell_value(f->name, 1, resv_values);
}

static int lock_of(const struct function *f)
{
	return cell_value(f->name, 2, lock_values);
}

static const struct function *function_find(const char *name)
{
	const struct function *f;

	for_each_function(f)
		if (!strcmp(f->name, name))
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
	};

	return function_find(names[op]);
}

static void call_holding(const struct function *f, bool hold)
{
	if (hold)
		dma_resv_lock(buffer->resv, NULL);
	f->call();
	if (hold)
		dma_resv_unlock(buffer->resv);
}

/* Children */

enum outcome { QUIET, WARNED, BUG, BROKEN };

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
	return WIFEXITED(status) ? (enum outcome)WEXITSTATUS(status) : BROKEN;
}

static void outcome_check(enum outcome is, enum outcome wanted,
			  const char *what, const char *where)
{
	static const char *const names[] = { "quiet", "a warning", "a BUG",
					     "broken" };

	if (is != wanted)
		fail_msg("%s %s: %s, and not %s", what, where,
			 is <= BROKEN ? names[is] : "an odd exit",
			 names[wanted]);
}

/* Tests */

static void every_public_function_is_tried(void **state)
{
	FILE *header = fopen(header_path, "r");
	char line[512], name[128];
	size_t nr = 0;

	(void)state;
	assert_non_null(header);
	while (fgets(line, sizeof(line), header)) {
		if (!strstr(line, "() - ") ||
		    sscanf(line, "%*[ */]%127[a-z0-9_]()", name) != 1 ||
		    !strcmp(name, "dmabuf_list_attachment"))
			continue;
		nr++;
		if (!function_find(name))
			fail_msg("%s is not tried here", name);
		row_find(name);
	}
	fclose(header);
	assert_int_equal(nr, NR_FUNCTIONS);
	assert_int_equal(nr_rows, NR_FUNCTIONS + NR_OPS);
}

static void call_free(const void *f)
{
	fixture_init(&dynamic_ops, ((const struct function *)f)->vmapped);
	call_holding(f, false);
}

static void call_held(const void *f)
{
	fixture_init(&dynamic_ops, ((const struct function *)f)->vmapped);
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
};

static void *hold_all(void *data)
{
	struct holder *holder = data;

	dma_resv_lock(buffer->resv, NULL);
	pthread_mutex_lock(&buffer->lock);
	pthread_barrier_wait(&holder->barrier);
	pthread_barrier_wait(&holder->barrier);
	pthread_mutex_unlock(&buffer->lock);
	dma_resv_unlock(buffer->resv);
	return NULL;
}

/* A function that waits for one of the locks would hang here. */
static void call_beside_holder(const struct function *f)
{
	struct holder holder;

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
		waits = resv_of(f) == RESV_TAKEN || lock_of(f) == LOCK_TAKEN ||
			*row_find(f->name)->cells[4];
		assert_int_equal(cell_value(f->name, 3, block_values), waits);
		if (waits)
			continue;
		fixture_init(&dynamic_ops, f->vmapped);
		if (f->fd)
			call_fd();
		call_beside_holder(f);
		fixture_fini();
	}
}

static unsigned int ops_run_by(const struct function *f,
			       const struct dma_buf_ops *ops, enum op fails)
{
	unsigned int log;

	fixture_init(ops, f->vmapped);
	if (f->fd)
		call_fd();
	op_log = 0;
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

	snprintf(cell, sizeof(cell), "%s", row_find(f->name)->cells[4]);
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
	fixture_init(&dynamic_ops, f->vmapped);
	hook_op = op;
	hook = hook_look;
	call_holding(f, hold);
	hook_op = NR_OPS;
	fixture_fini();
	assert_true(found.ran);
}

static void op_locks_check(enum op op, bool hold)
{
	int resv = cell_value(op_names[op], 1, op_values);
	int lock = cell_value(op_names[op], 2, op_values);

	op_look(op, hold);
	if (found.resv != (resv == OP_CALLERS ? hold : resv == OP_HELD))
		fail_msg("%s: resv is%s held", op_names[op],
			 found.resv ? "" : " not");
	if (found.lock != (lock == OP_HELD))
		fail_msg("%s: lock is%s held", op_names[op],
			 found.lock ? "" : " not");
	assert_string_equal(row_find(op_names[op])->cells[3], "yes");
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
	fixture_init(&dynamic_ops, trigger->vmapped || (pair->f->vmapped &&
							pair->op != OP_VMAP));
	hook_op = pair->op;
	hook = hook_call;
	call_holding(trigger, pair->hold);
	if (hook)
		_exit(BROKEN);
}

static bool is_bug(const struct pair *p)
{
	int may = cell_value(op_names[p->op], 4, call_values);
	bool resv = resv_of(p->f) == RESV_TAKEN;
	bool lock = lock_of(p->f) == LOCK_TAKEN;

	switch (may) {
	case CALL_NO_RESV:
		return resv;
	case CALL_NEITHER:
		return lock || (resv && p->hold);
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
	for (op = 0; op < NR_OPS; op++) {
		f = trigger_of((enum op)op);
		fixture_init(&dynamic_ops, f->vmapped);
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

	if (argc != 3) {
		fprintf(stderr, "usage: test-locking LOCKING.md DMA-BUF.H\n");
		return 1;
	}
	page_path = argv[1];
	header_path = argv[2];
	return cmocka_run_group_tests_name("locking", tests, tables_read,
					   NULL) != 0;
}
