/* SPDX-License-Identifier: MIT */
/* err.h - errors carried in a pointer */
#ifndef DMABUF_ERR_H
#define DMABUF_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The last MAX_ERRNO addresses are no addresses: ERR_PTR(-EINVAL) is one. */
#define MAX_ERRNO 4095

/**
 * ERR_PTR() - put an error into a pointer
 * @error: -errno, in -MAX_ERRNO..-1
 */
static inline void *ERR_PTR(long error)
{
	return (void *)(intptr_t)error;
}

/**
 * PTR_ERR() - take the error out of a pointer
 * @ptr: a pointer for which IS_ERR() holds
 */
static inline long PTR_ERR(const void *ptr)
{
	return (long)(intptr_t)ptr;
}

/** IS_ERR() - does the pointer carry an error? NULL does not. */
static inline bool IS_ERR(const void *ptr)
{
	return (uintptr_t)ptr >= (uintptr_t)-MAX_ERRNO;
}

/** IS_ERR_OR_NULL() - is there no object behind the pointer? */
static inline bool IS_ERR_OR_NULL(const void *ptr)
{
	return !ptr || IS_ERR(ptr);
}

/** ERR_CAST() - pass an error on as a pointer of another type */
static inline void *ERR_CAST(const void *ptr)
{
	return (void *)(uintptr_t)ptr;
}

/** PTR_ERR_OR_ZERO() - the error in the pointer, or 0 when there is none */
static inline int PTR_ERR_OR_ZERO(const void *ptr)
{
	return IS_ERR(ptr) ? (int)PTR_ERR(ptr) : 0;
}

#ifdef __cplusplus
}
#endif

#endif
