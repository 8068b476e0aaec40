/* SPDX-License-Identifier: MIT */
/* decode-text.c - what the words for calls are made of */
#include "decode-text.h"

#include <inttypes.h>
#include <string.h>

#include "nodes.h"

FILE *detail_open(struct call *call)
{
	memset(call->detail, 0, sizeof(call->detail));
	return fmemopen(call->detail, sizeof(call->detail) - 1, "w");
}

void flags_print(FILE *out, uint64_t value, const struct flag_text *flags,
		 const char *none)
{
	const char *sep = "";

	for (; flags->name; flags++) {
		if ((value & flags->bits) != flags->bits)
			continue;
		fprintf(out, "%s%s", sep, flags->name);
		value &= ~flags->bits;
		sep = "|";
	}
	if (value)
		fprintf(out, "%s%#" PRIx64, sep, value);
	else if (!*sep)
		fputs(none, out);
}

void value_print(FILE *out, int value, const struct flag_text *names)
{
	while (names->name && (int)names->bits != value)
		names++;
	if (names->name)
		fputs(names->name, out);
	else
		fprintf(out, "%d", value);
}

void string_print(FILE *out, const char *string, size_t size)
{
	size_t i;

	fputc('"', out);
	for (i = 0; i < size && string[i]; i++) {
		unsigned char c = (unsigned char)string[i];

		if (c < ' ' || c >= 0x7f || c == '"' || c == '\\')
			fprintf(out, "\\%03o", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

const char *file_text(const struct file *file)
{
	switch (file->kind) {
	case FILE_BUFFER:
		return "dmabuf";
	case FILE_SYNC:
		return "sync_file";
	case FILE_TIMELINE:
		return "sw_sync";
	case FILE_DEVICE:
		return file->node->path;
	default:
		return "?";
	}
}
