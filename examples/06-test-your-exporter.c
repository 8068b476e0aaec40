/* SPDX-License-Identifier: MIT */
/* 06-test-your-exporter.c - tests for an exporter of one's own */
/*
 * Shows how an exporter is tested at a desk: a fresh buffer for each case, the
 * real library in between, and a look at what the library left behind.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dmabuf/dmabuf.h>

/* The exporter under test: one device at a time, and none can map yet. */
static struct { bool busy; int releases; } camera;

static int camera_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *a)
{
	(void)dmabuf, (void)a;
	if (camera.busy)
		return -EBUSY;
	camera.busy = true;
	return 0;
}

static void camera_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *a)
{
	(void)dmabuf, (void)a;
	camera.busy = false;
}

static struct sg_table *camera_map(struct dma_buf_attachment *a,
				   enum dma_data_direction dir)
{
	(void)a, (void)dir;
	return ERR_PTR(-ENODEV);
}

static void camera_unmap(struct dma_buf_attachment *a, struct sg_table *table,
			 enum dma_data_direction dir)
{
	(void)a, (void)table, (void)dir;
}

static void camera_release(struct dma_buf *dmabuf)
{
	(void)dmabuf;
	camera.releases++;
}

static const struct dma_buf_ops camera_ops = {
	.attach = camera_attach, .detach = camera_detach,
	.map_dma_buf = camera_map, .unmap_dma_buf = camera_unmap,
	.release = camera_release,
};

/* The desk: what each case finds, and what it must leave. */
static struct dma_buf *dmabuf;
static struct device *dev;

static int setup(void **state)
{
	const struct dmabuf_device_info info = { .name = "desk" };
	DEFINE_DMA_BUF_EXPORT_INFO(export);

	(void)state;
	camera.releases = 0;
	export.ops = &camera_ops;
	export.size = 4096;
	export.priv = &camera;
	dmabuf = dma_buf_export(&export);
	return IS_ERR(dmabuf) || dmabuf_device_create(&info, &dev);
}

static int teardown(void **state)
{
	(void)state;
	dma_buf_put(dmabuf);
	dmabuf_device_destroy(dev);
	return camera.releases != 1 || camera.busy || dmabuf_live_buffers() ||
	       dmabuf_warn_count();
}

static void second_device_is_ebusy(void **state)
{
	struct dma_buf_attachment *attach = dma_buf_attach(dmabuf, dev);

	(void)state;
	assert_false(IS_ERR(attach));
	assert_int_equal(PTR_ERR(dma_buf_attach(dmabuf, dev)), -EBUSY);
	dma_buf_detach(dmabuf, attach);
}

static void error_of_map_reaches_the_importer(void **state)
{
	struct dma_buf_attachment *attach = dma_buf_attach(dmabuf, dev);

	(void)state;
	assert_false(IS_ERR(attach));
	assert_int_equal(PTR_ERR(dma_buf_map_attachment_unlocked(attach,
						DMA_TO_DEVICE)), -ENODEV);
	dma_buf_detach(dmabuf, attach);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(second_device_is_ebusy, setup,
						teardown),
		cmocka_unit_test_setup_teardown(error_of_map_reaches_the_importer,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
