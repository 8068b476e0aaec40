/* SPDX-License-Identifier: MIT */
/* util.h - small helpers */
#ifndef LIB_BASE_UTIL_H
#define LIB_BASE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#define container_of(ptr, type, member) \
	((type *)((char *)(uintptr_t)(ptr) - offsetof(type, member)))

static inline size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Round up to a power of two; false when the result does not fit. */
static inline bool round_up(size_t size, size_t align, size_t *ret_size)
{
	if (__builtin_add_overflow(size, align - 1, ret_size))
		return false;
	*ret_size &= ~(align - 1);
	return true;
}

/* A file's size or offset as a size_t; false when it does not fit. */
static inline bool size_of_off(off_t value, size_t *ret_size)
{
	return !__builtin_add_overflow(value, 0, ret_size);
}

#endif
