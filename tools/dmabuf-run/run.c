/* SPDX-License-Identifier: MIT */
/* run.c - what every part of dmabuf-run knows: its options */
#include "run.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

struct options options;

/* In one write(2): other processes complain here too. */
void complain(const char *format, ...)
{
	char text[2 * PATH_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "dmabuf-run: %s\n", text);
}
