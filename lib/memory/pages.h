/* SPDX-License-Identifier: MIT */
/* pages.h - what the pages of a file are like */
#ifndef LIB_MEMORY_PAGES_H
#define LIB_MEMORY_PAGES_H

#include <stddef.h>
#include <sys/stat.h>

/*
 * What mmap(2) and munmap(2) of a memfd round to: more than page_size() when it
 * has huge pages. @st is of @fd. 0 or -errno.
 */
int file_page_size(int fd, const struct stat *st, size_t *ret_size);

#endif
