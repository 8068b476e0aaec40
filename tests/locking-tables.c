/* SPDX-License-Identifier: MIT */
/* locking-tables.c - reading the tables of doc/locking.md */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "locking-tables.h"

#define CELLS 5

struct row {
	char cells[CELLS][128];
};

static const char *page_path;
static struct row rows[128];
static size_t rows_read;

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
	struct row *row = &rows[rows_read];
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
	assert_true(++rows_read < sizeof(rows) / sizeof(rows[0]));
}

void tables_read(const char *path)
{
	FILE *page = fopen(path, "r");
	char line[512];

	page_path = path;
	assert_non_null(page);
	while (fgets(line, sizeof(line), page))
		if (!strncmp(line, "| `", 3))
			row_read(line);
	fclose(page);
}

size_t nr_rows(void)
{
	return rows_read;
}

/* A row begins with its @name. */
static const char *cell_of(const char *name, int column)
{
	size_t i;

	for (i = 0; i < rows_read; i++)
		if (!strcmp(rows[i].cells[0], name))
			return rows[i].cells[column];
	fail_msg("%s has no row for %s", page_path, name);
	return NULL;
}

void row_needed(const char *name)
{
	cell_of(name, 0);
}

void row_elsewhere_needed(const char *name)
{
	FILE *page = fopen(page_path, "r");
	char quoted[130], line[512];
	bool found = false;

	assert_non_null(page);
	snprintf(quoted, sizeof(quoted), "`%s`", name);
	while (fgets(line, sizeof(line), page))
		found |= line[0] == '|' && strstr(line, quoted);
	fclose(page);
	if (!found)
		fail_msg("%s has no row for %s", page_path, name);
}

/* The cell is one of those; which one? */
static int cell_value(const char *name, int column, const char *const *values)
{
	const char *cell = cell_of(name, column);
	int i;

	for (i = 0; values[i]; i++)
		if (!strcmp(cell, values[i]))
			return i;
	fail_msg("%s, column %d: what is \"%s\"?", name, column, cell);
	return -1;
}

static const char *const resv_values[] = {
	"any", "held", "not held", "takes it", NULL
};
static const char *const lock_values[] = { "any", "takes it", NULL };
static const char *const block_values[] = { "no", "yes", NULL };
static const char *const held_values[] = {
	"not held", "held", "caller's", NULL
};
static const char *const call_values[] = {
	"all", "what does not take resv", "what takes neither", "nothing", NULL
};

enum resv_entry resv_of(const struct function *f)
{
	return (enum resv_entry)cell_value(f->name, 1, resv_values);
}

bool takes_lock(const struct function *f)
{
	return cell_value(f->name, 2, lock_values);
}

bool may_block(const struct function *f)
{
	return cell_value(f->name, 3, block_values);
}

const char *ops_named(const struct function *f)
{
	return cell_of(f->name, 4);
}

enum op_held op_resv(enum op op)
{
	return (enum op_held)cell_value(op_names[op], 1, held_values);
}

enum op_held op_lock(enum op op)
{
	return (enum op_held)cell_value(op_names[op], 2, held_values);
}

bool op_may_block(enum op op)
{
	return cell_value(op_names[op], 3, block_values);
}

enum op_may op_may_call(enum op op)
{
	return (enum op_may)cell_value(op_names[op], 4, call_values);
}
