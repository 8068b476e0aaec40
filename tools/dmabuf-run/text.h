/* SPDX-License-Identifier: MIT */
/* text.h - files with a text, for the program */
#ifndef DMABUF_RUN_TEXT_H
#define DMABUF_RUN_TEXT_H

#include <stdio.h>

/*
 * One is written to text_begin(), which may fail with NULL; text_end() takes it
 * and gives an fd, or -errno.
 */
FILE *text_begin(void);
int text_end(FILE *text);

#endif
