/* SPDX-License-Identifier: MIT */
/* device-fixture.h - a device, and memory with a table over it */
#ifndef TESTS_DEVICE_FIXTURE_H
#define TESTS_DEVICE_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <dmabuf/dmabuf.h>

#include "warns.h"

/* Called by main(). */
void device_tests_begin(void);

extern size_t page;	/* bytes of one, from device_tests_begin() on */

/* Exactly one warning by @statement, that says @text. */
#define assert_warns(statement, text)                                        \
	do {                                                                 \
		unsigned long before_ = dmabuf_warn_count();                 \
		statement;                                                   \
		assert_int_equal(dmabuf_warn_count() - before_, 1);          \
		if (!strstr(warns_last(), text))                             \
			fail_msg("\"%s\" does not say \"%s\"", warns_last(), \
				 text);                                      \
	} while (0)

/* No warning at all by @statement. */
#define assert_silent(statement)                                      \
	do {                                                          \
		unsigned long before_ = dmabuf_warn_count();          \
		statement;                                            \
		assert_int_equal(dmabuf_warn_count() - before_, 0);   \
	} while (0)

/* Memory with a table over it, whose entries have @max_segment bytes at most */
struct buffer {
	unsigned char *cpu;
	size_t size;
	struct dmabuf_pages pages;
	struct sg_table sgt;
};

void buffer_init(struct buffer *b, size_t size, unsigned int max_segment);
void buffer_fini(struct buffer *b);
dma_addr_t buffer_addr(const struct buffer *b);

struct device *device_with(const char *name, uint64_t mask,
			   uint32_t max_segment, bool non_coherent);

/* A device without limits, "gpu" or "camera", and a buffer of one page. */
struct fixture {
	struct device *dev;
	struct buffer b;
};

int coherent_setup(void **state);
int non_coherent_setup(void **state);

/* A mapping that a test left behind shows here. */
int fixture_teardown(void **state);

#define coherent(test) \
	cmocka_unit_test_setup_teardown(test, coherent_setup, fixture_teardown)
#define non_coherent(test)                                        \
	cmocka_unit_test_setup_teardown(test, non_coherent_setup, \
					fixture_teardown)

/* Map and unmap the buffer: without a fault, the latter without a warning. */
void fixture_map(struct fixture *f, enum dma_data_direction dir);
void fixture_unmap(struct fixture *f, enum dma_data_direction dir);

/* The device writes or reads one byte of the mapped buffer. */
void fixture_puts(struct fixture *f, size_t offset, unsigned char byte);
unsigned char fixture_gets(struct fixture *f, size_t offset);

#endif
