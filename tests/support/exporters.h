/* SPDX-License-Identifier: MIT */
/* exporters.h - what tests of both exporters have in common */
#ifndef TESTS_EXPORTERS_H
#define TESTS_EXPORTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"

/* What both exporters promise is tested on both. */
struct kind {
	const char *name;
	int (*export)(size_t size, unsigned int flags, struct dma_buf **ret);
	bool fresh_vmap;	/* each first vmap is a mapping of its own */
	size_t large;		/* anonymous memory is counted at once */
};

extern const struct kind anon;
extern const struct kind memfd;

/* A test's line, and its two lines. */
#define KIND_TEST(fn, kind)                                          \
	{ #fn "/" #kind, fn, leaks_setup, leaks_teardown,            \
	  (void *)(uintptr_t)&(kind) }
#define KIND_TESTS(fn) KIND_TEST(fn, anon), KIND_TEST(fn, memfd)

/* CMocka hands the initial state over by reference. */
const struct kind *kind_of(void **state);

/* These succeed. */
struct dma_buf *export(const struct kind *kind, size_t size);
char *vmap_of(struct dma_buf *dmabuf);
struct device *device_of(const struct dmabuf_device_info *info);
struct device *device_non_coherent(void);	/* named "far" */

/* One device's use of a buffer, mapped. The device is ended with it. */
struct use {
	struct dma_buf *dmabuf;
	struct device *dev;
	struct dma_buf_attachment *attach;
	struct sg_table *table;
	enum dma_data_direction dir;
	dma_addr_t addr;
};

void use_begin(struct use *use, struct dma_buf *dmabuf, struct device *dev,
	       enum dma_data_direction dir);
void use_end(const struct use *use);

/* The two halves of use_end() */
void use_unmap(const struct use *use);
void use_detach(const struct use *use);

/* The device writes one byte, or reads the first one. */
void device_put_byte(const struct use *use, size_t at, char byte);
char device_byte(const struct use *use);

/* Skips under valgrind, whose mmap(2) refuses sizes with another error. */
void address_space_needed(void);

#endif
