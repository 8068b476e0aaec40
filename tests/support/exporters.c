/* SPDX-License-Identifier: MIT */
/* exporters.c - what tests of both exporters have in common */
#include "exporters.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sanitized.h"

#define GIB ((size_t)1 << 30)

const struct kind anon = { "anon", dmabuf_anon_export, false, GIB };
const struct kind memfd = { "memfd", dmabuf_memfd_export, true, 5 * GIB };

const struct kind *kind_of(void **state)
{
	return *state;
}

struct dma_buf *export(const struct kind *kind, size_t size)
{
	struct dma_buf *dmabuf;

	assert_int_equal(kind->export(size, O_RDWR, &dmabuf), 0);
	return dmabuf;
}

struct device *device_of(const struct dmabuf_device_info *info)
{
	struct device *dev;

	assert_int_equal(dmabuf_device_create(info, &dev), 0);
	return dev;
}

struct device *device_non_coherent(void)
{
	const struct dmabuf_device_info info = {
		.name = "far", .non_coherent = true,
	};

	return device_of(&info);
}

void use_begin(struct use *use, struct dma_buf *dmabuf,
	       struct device *dev, enum dma_data_direction dir)
{
	use->dmabuf = dmabuf;
	use->dev = dev;
	use->dir = dir;
	use->attach = dma_buf_attach(dmabuf, dev);
	assert_false(IS_ERR(use->attach));
	use->table = dma_buf_map_attachment_unlocked(use->attach, dir);
	assert_false(IS_ERR(use->table));
	use->addr = sg_dma_address(use->table->sgl);
}

void use_unmap(const struct use *use)
{
	dma_buf_unmap_attachment_unlocked(use->attach, use->table, use->dir);
}

void use_detach(const struct use *use)
{
	dma_buf_detach(use->dmabuf, use->attach);
	dmabuf_device_destroy(use->dev);
}

void use_end(const struct use *use)
{
	use_unmap(use);
	use_detach(use);
}

void device_put_byte(const struct use *use, size_t at, char byte)
{
	assert_int_equal(dmabuf_device_write(use->dev, use->addr + at, &byte,
					     1), 0);
}

char device_byte(const struct use *use)
{
	char byte = 0;

	assert_int_equal(dmabuf_device_read(use->dev, use->addr, &byte, 1), 0);
	return byte;
}

char *vmap_of(struct dma_buf *dmabuf)
{
	char *vaddr = dma_buf_vmap(dmabuf);

	assert_false(IS_ERR_OR_NULL(vaddr));
	return vaddr;
}

void address_space_needed(void)
{
	if (!under_valgrind())
		return;
	print_message("skipped under valgrind: its address space is not the "
		      "kernel's\n");
	skip();
}
