/* SPDX-License-Identifier: MIT */
/* locking-tables.h - what the tables of doc/locking.md say */
#ifndef LOCKING_TABLES_H
#define LOCKING_TABLES_H

#include <stdbool.h>
#include <stddef.h>

#include "locking.h"

/* First of all. @path: doc/locking.md */
void tables_read(const char *path);

/* Rows of functions and of callbacks, in all. */
size_t nr_rows(void);

/* A row that is missing, or a cell that is none of those, fails the test. */
void row_needed(const char *name);

/* Fails as well: the row may be in a table that says less. */
void row_elsewhere_needed(const char *name);

/* Of a function */

enum resv_entry { RESV_ANY, RESV_HELD, RESV_NOT_HELD, RESV_TAKEN };

enum resv_entry resv_of(const struct function *f);
bool takes_lock(const struct function *f);
bool may_block(const struct function *f);

/* The names of ops that it calls, with blanks between them. */
const char *ops_named(const struct function *f);

/* Of a callback */

enum op_held { OP_NOT_HELD, OP_HELD, OP_CALLERS };
enum op_may { CALL_ALL, CALL_NO_RESV, CALL_NEITHER, CALL_NOTHING };

enum op_held op_resv(enum op op);
enum op_held op_lock(enum op op);
bool op_may_block(enum op op);
enum op_may op_may_call(enum op op);

#endif
