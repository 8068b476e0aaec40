/* SPDX-License-Identifier: MIT */
/* decode-text.h - what the words for calls are made of */
#ifndef DMABUF_RUN_DECODE_TEXT_H
#define DMABUF_RUN_DECODE_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "call.h"
#include "files.h"

/* Tables of them end with one that has no name. */
struct flag_text {
	uint64_t bits;
	const char *name;
};

#define FLAG_TEXT(flag) { flag, #flag }

/*
 * Writes to @call->detail, from its beginning; to be closed. NULL: no memory.
 * The line is cut where there is no room for more.
 */
FILE *detail_open(struct call *call);

/* Names of bits, with what has none behind them; @none: of 0 */
void flags_print(FILE *out, uint64_t value, const struct flag_text *flags,
		 const char *none);

/* The name of a number, or the number */
void value_print(FILE *out, int value, const struct flag_text *names);

/* In quotes, up to its end or @size; whatever it says, the line stays one. */
void string_print(FILE *out, const char *string, size_t size);

/* What a file is called behind the number of its fd */
const char *file_text(const struct file *file);

#endif
