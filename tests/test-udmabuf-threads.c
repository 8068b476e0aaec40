/* SPDX-License-Identifier: MIT */
/* test-udmabuf-threads.c - buffers of the same memfds in several threads */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "crowd.h"
#include "leaks.h"
#include "process.h"
#include "udmabufs.h"

#define NR_ROUNDS 200
#define NR_PAGES 8u

/* A view, mapped and gone again: its reference comes back by a dispatch. */
static void view_round(struct crowd *crowd, struct dma_buf *dmabuf,
		       unsigned int round)
{
	int fd = dmabuf_udmabuf_view_fd(dmabuf, 0);
	char *addr;

	HOLDS(crowd, fd >= 0);
	if (fd < 0)
		return;
	addr = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	HOLDS(crowd, addr != MAP_FAILED);
	HOLDS(crowd, dmabuf_refcount(dmabuf) >= 2);
	HOLDS(crowd, dmabuf_dispatch() >= 0);
	if (addr == MAP_FAILED)
		return;
	__atomic_store_n(addr + 8, (char)round, __ATOMIC_RELAXED);
	munmap(addr, PAGE);
}

static void buffer_round(struct crowd *crowd, int fd, unsigned int round)
{
	const struct dmabuf_udmabuf_range ranges[] = {
		range_of(fd, round % NR_PAGES, 1), range_of(fd, 0, NR_PAGES),
		range_of(fd, 1, 2),
	};
	struct dma_buf *dmabuf;
	char *vaddr;
	int ret;

	ret = dmabuf_udmabuf_export(ranges, 3, &dmabuf);
	HOLDS(crowd, !ret);
	if (ret)
		return;
	vaddr = dma_buf_vmap(dmabuf);
	HOLDS(crowd, !IS_ERR_OR_NULL(vaddr));
	HOLDS(crowd, number_at(vaddr) == round % NR_PAGES);
	dma_buf_vunmap(dmabuf, vaddr);
	view_round(crowd, dmabuf, round);
	HOLDS(crowd, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == -1);
	dma_buf_put(dmabuf);
}

static void buffers_run(struct crowd *crowd, unsigned int me)
{
	const int *fds = crowd->data;
	unsigned int round;

	for (round = 0; round < NR_ROUNDS; round++)
		buffer_round(crowd, fds[(me + round) % 2], round);
}

static void buffers_of_one_memfd_come_and_go(void **state)
{
	int fds[] = {
		numbered_memfd(NR_PAGES, 0), numbered_memfd(NR_PAGES, 0),
	};
	struct crowd crowd = { .run = buffers_run, .data = fds };

	(void)state;
	crowd_check(&crowd, NR_THREADS);
	wait_for_live_buffers(0);
	assert_int_equal(fcntl(fds[0], F_ADD_SEALS, F_SEAL_WRITE), 0);
	close(fds[0]);
	close(fds[1]);
}

/* The first views of a buffer, all at once; two memfds */
static void views_run(struct crowd *crowd, unsigned int me)
{
	unsigned int round;
	int fd;

	for (round = 0; round < NR_ROUNDS; round++) {
		if (!me)
			crowd->dmabuf = udmabuf_plain(1);
		crowd_meet(crowd);
		fd = dmabuf_udmabuf_view_fd(crowd->dmabuf, 0);
		HOLDS(crowd, fd >= 0);
		crowd_meet(crowd);
		HOLDS(crowd, dmabuf_refcount(crowd->dmabuf) == crowd->nr + 1);
		crowd_meet(crowd);
		close(fd);
		if (!me)
			dma_buf_put(crowd->dmabuf);
		HOLDS(crowd, dmabuf_dispatch() >= 0);
		crowd_meet(crowd);
	}
}

static void first_views_meet(void **state)
{
	struct crowd crowd = { .run = views_run };

	(void)state;
	crowd_check(&crowd, NR_THREADS);
	wait_for_live_buffers(0);
}

/* Whichever limits a buffer meets, it is made or refused. */
static void limits_run(struct crowd *crowd, unsigned int me)
{
	struct dmabuf_udmabuf_range range = range_of(*(int *)crowd->data, 0, 1);
	struct dma_buf *dmabuf;
	unsigned int round;
	int ret;

	for (round = 0; round < NR_ROUNDS; round++) {
		if (me % 2) {
			dmabuf_udmabuf_set_limits(round % 2, 64 * (round % 2));
			continue;
		}
		ret = dmabuf_udmabuf_export(&range, 1, &dmabuf);
		HOLDS(crowd, !ret || ret == -EINVAL);
		if (!ret)
			dma_buf_put(dmabuf);
	}
}

static void limits_change_meanwhile(void **state)
{
	int fd = numbered_memfd(1, 0);
	struct crowd crowd = { .run = limits_run, .data = &fd };

	(void)state;
	crowd_check(&crowd, NR_THREADS);
	dmabuf_udmabuf_set_limits(1024, 64);
	close(fd);
}

static struct device *devs[NR_THREADS];

/* The first tables of a buffer: one mapping of the memfd serves all. */
static void tables_run(struct crowd *crowd, unsigned int me)
{
	struct dma_buf_attachment *attach;
	struct sg_table *table;
	char byte = 0;

	attach = dma_buf_attach(crowd->dmabuf, devs[me]);
	HOLDS(crowd, !IS_ERR(attach));
	crowd_meet(crowd);
	table = dma_buf_map_attachment_unlocked(attach, DMA_TO_DEVICE);
	HOLDS(crowd, !IS_ERR(table));
	HOLDS(crowd, !dmabuf_device_read(devs[me],
					 sg_dma_address(&table->sgl[me]), &byte,
					 1));
	HOLDS(crowd, byte == (char)me);
	dma_buf_detach(crowd->dmabuf, attach);
}

static void first_tables_meet(void **state)
{
	const struct dmabuf_device_info info = { .name = "gpu" };
	struct crowd crowd = { .run = tables_run };
	unsigned int i;

	(void)state;
	crowd.dmabuf = udmabuf_plain(NR_THREADS);
	for (i = 0; i < NR_THREADS; i++)
		assert_int_equal(dmabuf_device_create(&info, &devs[i]), 0);
	crowd_check(&crowd, NR_THREADS);
	for (i = 0; i < NR_THREADS; i++)
		dmabuf_device_destroy(devs[i]);
	dma_buf_put(crowd.dmabuf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(buffers_of_one_memfd_come_and_go),
		LEAK_TEST(first_views_meet),
		LEAK_TEST(limits_change_meanwhile),
		LEAK_TEST(first_tables_meet),
	};

	return cmocka_run_group_tests_name("udmabuf/threads", tests,
					   leaks_group_setup, NULL) != 0;
}
