/* SPDX-License-Identifier: MIT */
/* pages.h - what the pages of a file are like, and room for them */
#ifndef LIB_MEMORY_PAGES_H
#define LIB_MEMORY_PAGES_H

#include <stddef.h>
#include <sys/stat.h>

/*
 * What mmap(2) and munmap(2) of a memfd round to: more than page_size() when it
 * has huge pages. @st is of @fd. 0 or -errno.
 */
int file_page_size(int fd, const struct stat *st, size_t *ret_size);

/*
 * Addresses that mmap(2) may fill with MAP_FIXED, from a multiple of @block on,
 * as huge pages need it; or ERR_PTR.
 */
void *addresses_reserve(size_t length, size_t block);

#endif
