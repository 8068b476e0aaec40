/* SPDX-License-Identifier: MIT */
/* device-fixture.c - a device, and memory with a table over it */
#include "device-fixture.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "warns.h"

size_t page;

static struct fixture fixture;

void device_tests_begin(void)
{
	page = (size_t)sysconf(_SC_PAGESIZE);
	warns_begin();
}

void buffer_init(struct buffer *b, size_t size, unsigned int max_segment)
{
	b->size = size;
	b->cpu = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(b->cpu, MAP_FAILED);
	assert_int_equal(dmabuf_pages_init_mapping(&b->pages, b->cpu, size), 0);
	assert_int_equal(dmabuf_pages_sg_table(&b->pages, max_segment, &b->sgt),
			 0);
}

void buffer_fini(struct buffer *b)
{
	sg_free_table(&b->sgt);
	dmabuf_pages_fini(&b->pages);
	munmap(b->cpu, b->size);
}

dma_addr_t buffer_addr(const struct buffer *b)
{
	return sg_dma_address(b->sgt.sgl);
}

struct device *device_with(const char *name, uint64_t mask,
			   uint32_t max_segment, bool non_coherent)
{
	const struct dmabuf_device_info info = { name, mask, max_segment,
						 non_coherent };
	struct device *dev;

	assert_int_equal(dmabuf_device_create(&info, &dev), 0);
	return dev;
}

int coherent_setup(void **state)
{
	fixture.dev = device_with("gpu", 0, 0, false);
	buffer_init(&fixture.b, page, UINT_MAX);
	*state = &fixture;
	return 0;
}

int non_coherent_setup(void **state)
{
	fixture.dev = device_with("camera", 0, 0, true);
	buffer_init(&fixture.b, page, UINT_MAX);
	*state = &fixture;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	unsigned long before = dmabuf_warn_count();

	dmabuf_device_destroy(f->dev);
	buffer_fini(&f->b);
	return dmabuf_warn_count() == before ? 0 : -1;
}

void fixture_map(struct fixture *f, enum dma_data_direction dir)
{
	assert_int_equal(dma_map_sgtable(f->dev, &f->b.sgt, dir, 0), 0);
}

void fixture_unmap(struct fixture *f, enum dma_data_direction dir)
{
	assert_silent(dma_unmap_sgtable(f->dev, &f->b.sgt, dir, 0));
}

void fixture_puts(struct fixture *f, size_t offset, unsigned char byte)
{
	assert_int_equal(dmabuf_device_write(f->dev,
					     buffer_addr(&f->b) + offset, &byte,
					     1), 0);
}

unsigned char fixture_gets(struct fixture *f, size_t offset)
{
	unsigned char byte = 0;

	assert_int_equal(dmabuf_device_read(f->dev,
					    buffer_addr(&f->b) + offset, &byte,
					    1), 0);
	return byte;
}
