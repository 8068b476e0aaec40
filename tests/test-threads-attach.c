/* SPDX-License-Identifier: MIT */
/*
 * test-threads-attach.c - attaching and mapping in several threads at once
 *
 * Run under the thread sanitizer, which sees what the assertions cannot.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "crowd.h"
#include "leaks.h"
#include "mock-exporter.h"

#define PAGE ((size_t)4096)
#define NR_ROUNDS 300

struct attach_storm {
	struct device *devs[NR_THREADS + 1];
	bool dynamic;
};

static void attach_once(struct crowd *crowd, unsigned int me,
			unsigned int round)
{
	struct attach_storm *storm = crowd->data;
	struct device *dev = storm->devs[me];
	struct dma_buf_attachment *attach;
	uint32_t wrote = me << 16 | round;
	struct sg_table *table;
	uint32_t seen = 0;
	dma_addr_t addr;

	attach = dma_buf_dynamic_attach(crowd->dmabuf, dev,
					storm->dynamic ? &mock_importer : NULL,
					crowd->mock);
	HOLDS(crowd, !IS_ERR_OR_NULL(attach));
	if (IS_ERR_OR_NULL(attach))
		return;
	table = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	HOLDS(crowd, !IS_ERR_OR_NULL(table));
	if (!IS_ERR_OR_NULL(table)) {
		addr = sg_dma_address(table->sgl) + me * sizeof(seen);
		HOLDS(crowd, !dmabuf_device_write(dev, addr, &wrote,
						  sizeof(wrote)));
		HOLDS(crowd, !dmabuf_device_read(dev, addr, &seen,
						 sizeof(seen)));
		HOLDS(crowd, seen == wrote);
		dma_buf_unmap_attachment_unlocked(attach, table,
						  DMA_BIDIRECTIONAL);
	}
	dma_buf_detach(crowd->dmabuf, attach);
}

/* One walks the list, by either lock, and tells of moves. */
static void list_watch(struct crowd *crowd, unsigned int round)
{
	struct dma_buf *dmabuf = crowd->dmabuf;
	struct dma_buf_attachment *attach;
	unsigned int nr = 0;

	if (round % 2) {
		pthread_mutex_lock(&dmabuf->lock);
		dmabuf_for_each_attachment(attach, dmabuf)
			nr += attach->dmabuf == dmabuf;
		pthread_mutex_unlock(&dmabuf->lock);
	} else {
		dma_resv_lock(dmabuf->resv, NULL);
		dmabuf_for_each_attachment(attach, dmabuf)
			nr += attach->dmabuf == dmabuf;
		dma_buf_move_notify(dmabuf);
		dma_resv_unlock(dmabuf->resv);
	}
	HOLDS(crowd, nr <= NR_THREADS);
}

static void attach_storm_run(struct crowd *crowd, unsigned int me)
{
	unsigned int i;

	for (i = 0; i < NR_ROUNDS; i++) {
		if (me < NR_THREADS)
			attach_once(crowd, me, i);
		else
			list_watch(crowd, i);
	}
}

static void storm_devices(struct attach_storm *storm, bool shared)
{
	unsigned int i;

	for (i = 0; i < NR_THREADS; i++)
		storm->devs[i] = shared && i ? storm->devs[0] : device_new();
}

static void storm_devices_end(struct attach_storm *storm)
{
	unsigned int i;

	for (i = 0; i < NR_THREADS; i++)
		if (!i || storm->devs[i] != storm->devs[0])
			dmabuf_device_destroy(storm->devs[i]);
}

static void attach_storm_mock(unsigned int options, bool dynamic, bool shared)
{
	struct attach_storm storm = { .dynamic = dynamic };
	struct crowd crowd = { .run = attach_storm_run, .data = &storm };
	struct mock mock;

	storm_devices(&storm, shared);
	crowd.mock = &mock;
	crowd.dmabuf = mock_export(&mock, PAGE, options);
	crowd_check(&crowd, NR_THREADS + 1);
	assert_ptr_equal(crowd.dmabuf->attachments.next,
			 &crowd.dmabuf->attachments);
	assert_int_equal(mock_calls(&mock, MOCK_OP_ATTACH),
			 NR_THREADS * NR_ROUNDS);
	assert_int_equal(mock_calls(&mock, MOCK_OP_DETACH),
			 NR_THREADS * NR_ROUNDS);
	assert_int_equal(mock_calls(&mock, MOCK_OP_MAP),
			 NR_THREADS * NR_ROUNDS);
	assert_int_equal(mock_calls(&mock, MOCK_OP_UNMAP),
			 NR_THREADS * NR_ROUNDS);
	assert_int_equal(mock_calls(&mock, MOCK_OP_PIN),
			 mock_calls(&mock, MOCK_OP_UNPIN));
	dma_buf_put(crowd.dmabuf);
	storm_devices_end(&storm);
}

static void attach_storm_of_static_sides(void **state)
{
	(void)state;
	attach_storm_mock(0, false, false);
}

static void attach_storm_of_one_device(void **state)
{
	(void)state;
	attach_storm_mock(0, false, true);
}

static void attach_storm_of_dynamic_sides(void **state)
{
	(void)state;
	attach_storm_mock(MOCK_DYNAMIC, true, false);
}

static void attach_storm_of_a_dynamic_exporter(void **state)
{
	(void)state;
	attach_storm_mock(MOCK_DYNAMIC, false, false);
}

static void attach_storm_of_dynamic_importers(void **state)
{
	(void)state;
	attach_storm_mock(0, true, false);
}

static void attach_storm_with_kept_mappings(void **state)
{
	(void)state;
	attach_storm_mock(MOCK_CACHED, false, false);
}

static void bracket_storm(struct crowd *crowd)
{
	HOLDS(crowd, !dma_buf_begin_cpu_access(crowd->dmabuf,
					       DMA_FROM_DEVICE));
	HOLDS(crowd, !dma_buf_end_cpu_access(crowd->dmabuf, DMA_FROM_DEVICE));
}

static void attach_and_bracket(struct crowd *crowd, unsigned int me)
{
	unsigned int i;

	for (i = 0; i < NR_ROUNDS; i++) {
		if (me < NR_THREADS)
			attach_once(crowd, me, i);
		else
			bracket_storm(crowd);
	}
}

static void attach_storm_beside_cpu_access(struct dma_buf *dmabuf)
{
	struct attach_storm storm = { .dynamic = false };
	struct crowd crowd = {
		.run = attach_and_bracket,
		.dmabuf = dmabuf,
		.data = &storm,
	};

	storm_devices(&storm, false);
	crowd_check(&crowd, NR_THREADS + 1);
	storm_devices_end(&storm);
	dma_buf_put(dmabuf);
}

static void anon_attach_storm_beside_cpu_access(void **state)
{
	struct dma_buf *dmabuf;

	(void)state;
	assert_int_equal(dmabuf_anon_export(PAGE, O_RDWR, &dmabuf), 0);
	attach_storm_beside_cpu_access(dmabuf);
}

static void memfd_attach_storm_beside_cpu_access(void **state)
{
	struct dma_buf *dmabuf;

	(void)state;
	assert_int_equal(dmabuf_memfd_export(PAGE, O_RDWR, &dmabuf), 0);
	attach_storm_beside_cpu_access(dmabuf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(attach_storm_of_static_sides),
		LEAK_TEST(attach_storm_of_one_device),
		LEAK_TEST(attach_storm_of_dynamic_sides),
		LEAK_TEST(attach_storm_of_a_dynamic_exporter),
		LEAK_TEST(attach_storm_of_dynamic_importers),
		LEAK_TEST(attach_storm_with_kept_mappings),
		LEAK_TEST(anon_attach_storm_beside_cpu_access),
		LEAK_TEST(memfd_attach_storm_beside_cpu_access),
	};

	return cmocka_run_group_tests_name("threads/attach", tests,
					   leaks_group_setup, NULL) != 0;
}
