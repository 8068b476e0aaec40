/* SPDX-License-Identifier: MIT */
/* test-device.c - devices: made, mapped to, used from threads and children */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "device-fixture.h"

#define GIB ((size_t)1 << 30)
#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

/* Creation */

static void device_has_what_it_was_made_with(void **state)
{
	char name[] = "gpu";
	struct device *dev = device_with(name, DMA_BIT_MASK(32), 65536, false);

	(void)state;
	name[0] = 'x';
	assert_string_equal(dev_name(dev), "gpu");
	assert_true(dma_get_mask(dev) == 0xffffffff);
	assert_int_equal(dma_get_max_seg_size(dev), 65536);
	dmabuf_device_destroy(dev);
}

static void device_made_of_nothing_has_no_limits(void **state)
{
	struct device *dev = device_with(NULL, 0, 0, false);

	(void)state;
	assert_string_equal(dev_name(dev), "device");
	assert_true(dma_get_mask(dev) == DMA_BIT_MASK(64));
	assert_true(dma_get_max_seg_size(dev) == UINT_MAX);
	dmabuf_device_destroy(dev);
}

static void limits_below_a_page_are_einval(void **state)
{
	struct dmabuf_device_info info = { "small", page - 1, 0, false };
	struct device *dev = NULL;

	(void)state;
	assert_int_equal(dmabuf_device_create(&info, &dev), -EINVAL);
	info.dma_mask = page;
	info.max_segment_size = (uint32_t)page - 1;
	assert_int_equal(dmabuf_device_create(&info, &dev), -EINVAL);
	assert_null(dev);
	info.max_segment_size = (uint32_t)page;
	assert_int_equal(dmabuf_device_create(&info, &dev), 0);
	dmabuf_device_destroy(dev);
}

static void device_without_info_is_einval(void **state)
{
	struct device *dev = NULL;

	(void)state;
	assert_int_equal(dmabuf_device_create(NULL, &dev), -EINVAL);
	assert_null(dev);
}

static void destroying_no_device_is_nothing(void **state)
{
	(void)state;
	assert_silent(dmabuf_device_destroy(NULL));
}

static void destroying_with_mappings_warns_once(void **state)
{
	struct buffer a, b;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct device *dev = device_with("leaky", 0, 0, i);

		buffer_init(&a, page, UINT_MAX);
		buffer_init(&b, 3 * page, (unsigned int)page);
		assert_int_equal(dma_map_sgtable(dev, &a.sgt, DMA_TO_DEVICE, 0),
				 0);
		assert_int_equal(dma_map_sgtable(dev, &b.sgt, DMA_TO_DEVICE, 0),
				 0);
		/* the tables may be gone by then */
		buffer_fini(&a);
		buffer_fini(&b);
		assert_warns(dmabuf_device_destroy(dev),
			     "device leaky: 2 tables still mapped");
	}
}

/* Mapping */

static void map_fills_the_device_side(void **state)
{
	struct fixture *f = *state;
	struct scatterlist *sg;
	struct buffer b;
	unsigned int i;

	buffer_init(&b, 5 * page, (unsigned int)(2 * page));
	b.sgt.nents = 77;
	assert_int_equal(dma_map_sgtable(f->dev, &b.sgt, DMA_BIDIRECTIONAL, 0),
			 0);
	assert_int_equal(b.sgt.nents, 3);
	for_each_sgtable_dma_sg(&b.sgt, sg, i) {
		assert_true(sg_dma_len(sg) == sg->length);
		assert_true(sg_dma_address(sg) >= page);
		assert_true(sg_dma_address(sg) % page == 0);
	}
	assert_int_equal(i, 3);
	assert_silent(dma_unmap_sgtable(f->dev, &b.sgt, DMA_BIDIRECTIONAL, 0));
	assert_int_equal(b.sgt.nents, 3);
	for_each_sgtable_dma_sg(&b.sgt, sg, i) {
		assert_true(sg_dma_address(sg) == 0);
		assert_true(sg_dma_len(sg) == 0);
		assert_true(sg->length != 0);
	}
	buffer_fini(&b);
}

static void device_reaches_the_same_bytes(void **state)
{
	struct fixture *f = *state;

	fixture_map(f, DMA_BIDIRECTIONAL);
	f->b.cpu[5] = 'c';
	assert_int_equal(fixture_gets(f, 5), 'c');
	fixture_puts(f, page - 1, 'd');
	assert_int_equal(f->b.cpu[page - 1], 'd');
	fixture_unmap(f, DMA_BIDIRECTIONAL);
	assert_int_equal(f->b.cpu[5], 'c');
	assert_int_equal(f->b.cpu[page - 1], 'd');
}

/* An entry may start and end inside a page: only its bytes are reached. */
static void entry_inside_a_page_is_exact(void **state)
{
	struct fixture *f = *state;
	unsigned char byte = 'b';

	sg_set_page(f->b.sgt.sgl, dmabuf_pages_nth(&f->b.pages, 0), 50, 10);
	fixture_map(f, DMA_BIDIRECTIONAL);
	assert_true(sg_dma_len(f->b.sgt.sgl) == 50);
	fixture_puts(f, 0, 'a');
	fixture_puts(f, 49, 'z');
	assert_int_equal(f->b.cpu[10], 'a');
	assert_int_equal(f->b.cpu[59], 'z');
	assert_warns(dmabuf_device_write(f->dev, buffer_addr(&f->b) + 50, &byte,
					 1), "not mapped");
	fixture_unmap(f, DMA_BIDIRECTIONAL);
}

static void bad_directions_are_einval(void **state)
{
	const enum dma_data_direction bad[] = { DMA_NONE, 4, -1 };
	struct fixture *f = *state;
	size_t i;
	int ret;

	for (i = 0; i < NR_ELEMENTS(bad); i++) {
		assert_warns(ret = dma_map_sgtable(f->dev, &f->b.sgt, bad[i],
						   0), "bad direction");
		assert_int_equal(ret, -EINVAL);
		assert_true(buffer_addr(&f->b) == 0);
	}
}

static void empty_tables_are_einval(void **state)
{
	struct fixture *f = *state;
	struct sg_table empty = { 0 };
	int ret;

	assert_warns(ret = dma_map_sgtable(f->dev, &empty, DMA_TO_DEVICE, 0),
		     "empty table");
	assert_int_equal(ret, -EINVAL);
	assert_int_equal(sg_alloc_table(&empty, 2, GFP_KERNEL), 0);
	assert_warns(ret = dma_map_sgtable(f->dev, &empty, DMA_TO_DEVICE, 0),
		     "empty entry");
	assert_int_equal(ret, -EINVAL);
	sg_set_page(empty.sgl, dmabuf_pages_nth(&f->b.pages, 0), page, 0);
	sg_set_page(empty.sgl + 1, dmabuf_pages_nth(&f->b.pages, 0), 0, 0);
	assert_warns(ret = dma_map_sgtable(f->dev, &empty, DMA_TO_DEVICE, 0),
		     "empty entry");
	assert_int_equal(ret, -EINVAL);
	sg_set_page(empty.sgl + 1, NULL, page, 0);
	assert_warns(ret = dma_map_sgtable(f->dev, &empty, DMA_TO_DEVICE, 0),
		     "empty entry");
	assert_int_equal(ret, -EINVAL);
	sg_free_table(&empty);
}

static void entry_longer_than_the_limit_is_einval(void **state)
{
	struct device *dev = device_with("short", 0, (uint32_t)(2 * page),
					 false);
	struct buffer fits, b;
	int ret;

	(void)state;
	buffer_init(&fits, 5 * page, dma_get_max_seg_size(dev));
	buffer_init(&b, 3 * page, UINT_MAX);
	assert_silent(ret = dma_map_sgtable(dev, &fits.sgt, DMA_TO_DEVICE, 0));
	assert_int_equal(ret, 0);
	assert_warns(ret = dma_map_sgtable(dev, &b.sgt, DMA_TO_DEVICE, 0),
		     "device short: entry longer");
	assert_int_equal(ret, -EINVAL);
	assert_true(buffer_addr(&b) == 0);
	dma_unmap_sgtable(dev, &fits.sgt, DMA_TO_DEVICE, 0);
	assert_silent(dmabuf_device_destroy(dev));
	buffer_fini(&fits);
	buffer_fini(&b);
}

static void table_mapped_already_is_einval(void **state)
{
	struct fixture *f = *state;
	dma_addr_t addr;
	int ret;

	fixture_map(f, DMA_BIDIRECTIONAL);
	addr = buffer_addr(&f->b);
	assert_warns(ret = dma_map_sgtable(f->dev, &f->b.sgt,
					   DMA_BIDIRECTIONAL, 0),
		     "already mapped");
	assert_int_equal(ret, -EINVAL);
	assert_true(buffer_addr(&f->b) == addr);
	fixture_puts(f, 0, 'x');
	fixture_unmap(f, DMA_BIDIRECTIONAL);
}

static void two_devices_have_two_address_spaces(void **state)
{
	struct fixture *f = *state;
	struct device *other = device_with("other", 0, 0, false);
	struct buffer b;
	unsigned char byte = 'o';

	buffer_init(&b, page, UINT_MAX);
	assert_int_equal(dma_map_sgtable(other, &b.sgt, DMA_BIDIRECTIONAL, 0),
			 0);
	fixture_map(f, DMA_BIDIRECTIONAL);
	assert_true(buffer_addr(&b) == buffer_addr(&f->b));
	assert_int_equal(dmabuf_device_write(other, buffer_addr(&b), &byte, 1),
			 0);
	assert_int_equal(b.cpu[0], 'o');
	assert_int_equal(f->b.cpu[0], 0);
	fixture_unmap(f, DMA_BIDIRECTIONAL);
	assert_int_equal(dmabuf_device_write(other, buffer_addr(&b), &byte, 1),
			 0);
	dma_unmap_sgtable(other, &b.sgt, DMA_BIDIRECTIONAL, 0);
	assert_silent(dmabuf_device_destroy(other));
	buffer_fini(&b);
}

static void unmapping_what_is_not_mapped_warns(void **state)
{
	struct fixture *f = *state;

	assert_warns(dma_unmap_sgtable(f->dev, &f->b.sgt, DMA_TO_DEVICE, 0),
		     "device gpu: table is not mapped");
	fixture_map(f, DMA_TO_DEVICE);
	fixture_unmap(f, DMA_TO_DEVICE);
	assert_warns(dma_unmap_sgtable(f->dev, &f->b.sgt, DMA_TO_DEVICE, 0),
		     "not mapped");
}

static void unmapping_the_other_way_warns_but_unmaps(void **state)
{
	struct fixture *f = *state;
	dma_addr_t addr;
	char byte;
	int ret;

	fixture_map(f, DMA_TO_DEVICE);
	addr = buffer_addr(&f->b);
	assert_warns(dma_unmap_sgtable(f->dev, &f->b.sgt, DMA_FROM_DEVICE, 0),
		     "mapped DMA_TO_DEVICE, unmapped DMA_FROM_DEVICE");
	assert_true(buffer_addr(&f->b) == 0);
	assert_warns(ret = dmabuf_device_read(f->dev, addr, &byte, 1),
		     "not mapped");
	assert_int_equal(ret, -EFAULT);
	fixture_map(f, DMA_BIDIRECTIONAL);
	assert_warns(dma_unmap_sgtable(f->dev, &f->b.sgt, DMA_NONE, 0),
		     "mapped DMA_BIDIRECTIONAL, unmapped DMA_NONE");
	fixture_map(f, DMA_FROM_DEVICE);
	assert_warns(dma_unmap_sgtable(f->dev, &f->b.sgt,
				       (enum dma_data_direction)7, 0),
		     "mapped DMA_FROM_DEVICE, unmapped in no direction");
}

static void segment_of_5_gib_is_mapped_whole(void **state)
{
	struct fixture *f = *state;
	int fd = memfd_create("dmabuf:test", 0), ret;
	struct device *narrow = device_with("32 bits", DMA_BIT_MASK(32), 0,
					    false);
	struct dmabuf_pages pages;
	struct sg_table sgt;
	char byte = 0;

	assert_int_equal(ftruncate(fd, (off_t)(5 * GIB)), 0);
	assert_int_equal(dmabuf_pages_init_memfd(&pages, fd, 0, 5 * GIB), 0);
	assert_int_equal(dmabuf_pages_sg_table(&pages, UINT_MAX, &sgt), 0);
	assert_silent(ret = dma_map_sgtable(narrow, &sgt, DMA_TO_DEVICE, 0));
	assert_int_equal(ret, -ENOMEM);
	assert_int_equal(dma_map_sgtable(f->dev, &sgt, DMA_FROM_DEVICE, 0), 0);
	assert_true(sg_dma_len(sgt.sgl) == 5 * GIB);
	ret = dmabuf_device_write(f->dev, sg_dma_address(sgt.sgl) + 5 * GIB - 1,
				  "!", 1);
	assert_int_equal(ret, 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)(5 * GIB - 1)), 1);
	assert_int_equal(byte, '!');
	assert_warns(ret = dmabuf_device_write(f->dev, sg_dma_address(sgt.sgl) +
					       5 * GIB - 1, "!!", 2),
		     "past the end");
	assert_int_equal(ret, -EFAULT);
	dma_unmap_sgtable(f->dev, &sgt, DMA_FROM_DEVICE, 0);
	sg_free_table(&sgt);
	dmabuf_pages_fini(&pages);
	close(fd);
	assert_silent(dmabuf_device_destroy(narrow));
}

/* Threads and processes */

#define NR_THREADS 4
#define NR_ROUNDS 400

struct worker {
	struct fixture *shared;		/* mapped DMA_TO_DEVICE meanwhile */
	pthread_barrier_t *start;
	unsigned char mark;
	unsigned int wrong;
};

/* Map, write, read back, unmap; CMocka's assertions are not for threads. */
static unsigned int worker_round(struct device *dev, struct worker *w,
				 struct buffer *b)
{
	unsigned char got = 0;
	unsigned int wrong;
	dma_addr_t addr;

	if (dma_map_sgtable(dev, &b->sgt, DMA_BIDIRECTIONAL, 0))
		return 1;
	addr = buffer_addr(b) + page - 1;
	wrong = dmabuf_device_write(dev, addr, &w->mark, 1) != 0;
	wrong += dmabuf_device_read(dev, addr, &got, 1) != 0;
	wrong += got != w->mark;
	dma_sync_sgtable_for_cpu(dev, &b->sgt, DMA_FROM_DEVICE);
	wrong += b->cpu[page - 1] != w->mark;
	dma_unmap_sgtable(dev, &b->sgt, DMA_BIDIRECTIONAL, 0);
	wrong += dmabuf_device_read(dev, buffer_addr(&w->shared->b), &got, 1);
	return wrong + (got != 'S');
}

static void *worker_run(void *data)
{
	struct worker *w = data;
	struct buffer b;
	unsigned int i;

	buffer_init(&b, 2 * page, (unsigned int)page);
	pthread_barrier_wait(w->start);
	for (i = 0; i < NR_ROUNDS; i++)
		w->wrong += worker_round(w->shared->dev, w, &b);
	buffer_fini(&b);
	return NULL;
}

/* Runs the workers, and @meanwhile, which counts what went wrong, with them. */
static void run_workers(struct fixture *f,
			unsigned int (*meanwhile)(struct fixture *f))
{
	struct worker workers[NR_THREADS] = { 0 };
	unsigned int wrong = 0;
	pthread_t threads[NR_THREADS];
	pthread_barrier_t start;
	size_t i;

	f->b.cpu[0] = 'S';
	fixture_map(f, DMA_TO_DEVICE);
	pthread_barrier_init(&start, NULL, NR_THREADS + 1);
	for (i = 0; i < NR_THREADS; i++) {
		workers[i] = (struct worker){ f, &start,
					      (unsigned char)(i + 1), 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, worker_run,
						&workers[i]), 0);
	}
	pthread_barrier_wait(&start);
	if (meanwhile)
		wrong = meanwhile(f);
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&start);
	fixture_unmap(f, DMA_TO_DEVICE);
	for (i = 0; i < NR_THREADS; i++)
		assert_int_equal(workers[i].wrong, 0);
	assert_int_equal(wrong, 0);
}

static void threads_share_one_device(void **state)
{
	struct fixture *f = *state;

	assert_silent(run_workers(f, NULL));
}

/* In the child: old mappings work on, new ones can be made. 0 or 1. */
static int child_uses_device(struct fixture *f)
{
	struct device *own = device_with("child", 0, 0, false);
	unsigned char byte = 'c';
	struct buffer b;
	int wrong = 0;

	buffer_init(&b, page, UINT_MAX);
	wrong |= dmabuf_device_read(f->dev, buffer_addr(&f->b), &byte, 1);
	wrong |= byte != 'S';
	wrong |= dma_map_sgtable(f->dev, &b.sgt, DMA_FROM_DEVICE, 0);
	wrong |= dmabuf_device_write(f->dev, buffer_addr(&b), "x", 1);
	dma_unmap_sgtable(f->dev, &b.sgt, DMA_FROM_DEVICE, 0);
	wrong |= b.cpu[0] != 'x';
	wrong |= dma_map_sgtable(own, &b.sgt, DMA_FROM_DEVICE, 0);
	dma_unmap_sgtable(own, &b.sgt, DMA_FROM_DEVICE, 0);
	dmabuf_device_destroy(own);
	buffer_fini(&b);
	return wrong ? 1 : 0;
}

/*
 * The child of a busy process ends by a signal, SIGUSR1 when all was well: at
 * an exit, valgrind and thread sanitizer would complain of the parent's other
 * threads, whose memory the child cannot free.
 */
static int fork_and_check(struct fixture *f, bool busy)
{
	int status = -1, wrong;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		alarm(20);
		wrong = child_uses_device(f);
		if (busy)
			raise(wrong ? SIGKILL : SIGUSR1);
		exit(wrong);
	}
	waitpid(pid, &status, 0);
	return status;
}

static unsigned int fork_many(struct fixture *f)
{
	unsigned int i, wrong = 0;
	int status;

	for (i = 0; i < 20; i++) {
		status = fork_and_check(f, true);
		wrong += !WIFSIGNALED(status) || WTERMSIG(status) != SIGUSR1;
	}
	return wrong;
}

static void child_of_a_quiet_process_can_use_the_device(void **state)
{
	struct fixture *f = *state;
	int status;

	f->b.cpu[0] = 'S';
	fixture_map(f, DMA_TO_DEVICE);
	status = fork_and_check(f, false);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(fixture_gets(f, 0), 'S');
	fixture_unmap(f, DMA_TO_DEVICE);
}

/* The fork catches other threads in the middle of map and unmap. */
static void child_of_a_busy_process_can_use_the_device(void **state)
{
	struct fixture *f = *state;

	run_workers(f, fork_many);
}

static const struct CMUnitTest device_tests[] = {
	cmocka_unit_test(device_has_what_it_was_made_with),
	cmocka_unit_test(device_made_of_nothing_has_no_limits),
	cmocka_unit_test(limits_below_a_page_are_einval),
	cmocka_unit_test(device_without_info_is_einval),
	cmocka_unit_test(destroying_no_device_is_nothing),
	cmocka_unit_test(destroying_with_mappings_warns_once),
};

static const struct CMUnitTest map_tests[] = {
	coherent(map_fills_the_device_side),
	coherent(device_reaches_the_same_bytes),
	coherent(entry_inside_a_page_is_exact),
	coherent(bad_directions_are_einval),
	coherent(empty_tables_are_einval),
	cmocka_unit_test(entry_longer_than_the_limit_is_einval),
	coherent(table_mapped_already_is_einval),
	coherent(two_devices_have_two_address_spaces),
	coherent(unmapping_what_is_not_mapped_warns),
	coherent(unmapping_the_other_way_warns_but_unmaps),
	coherent(segment_of_5_gib_is_mapped_whole),
};

static const struct CMUnitTest thread_tests[] = {
	coherent(threads_share_one_device),
	non_coherent(threads_share_one_device),
	coherent(child_of_a_quiet_process_can_use_the_device),
	non_coherent(child_of_a_quiet_process_can_use_the_device),
	non_coherent(child_of_a_busy_process_can_use_the_device),
};

#define run_group(name, tests) \
	cmocka_run_group_tests_name(name, tests, NULL, NULL)

int main(void)
{
	int failed = 0;

	device_tests_begin();
	failed += run_group("device", device_tests);
	failed += run_group("device/map", map_tests);
	failed += run_group("device/threads", thread_tests);
	return failed ? 1 : 0;
}
