/* SPDX-License-Identifier: MIT */
/*
 * bench-buffer.c - what a buffer costs, against the same work done by hand
 *
 * Prints a table; exit status 1 when a row is over its limit.
 */
#include <dmabuf/dmabuf.h>

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

#define SMALL ((size_t)4096)
#define LARGE ((size_t)64 << 20)

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

#define NR_FILES_MAX 20000	/* as many fds as we ask for */
#define NR_FILES_SPARE 100
#define NR_CLOSES 1000
#define NR_LIVE 100000

/* A step of the set-up failed: there is nothing to measure. */
static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench-buffer: %s failed\n", what);
	exit(1);
}

static struct dma_buf *memfd_buffer(size_t size)
{
	struct dma_buf *dmabuf = NULL;

	need(!dmabuf_memfd_export(size, O_RDWR, &dmabuf), "export");
	return dmabuf;
}

/* Cached vmap and vunmap */

struct vmap_bench {
	struct dma_buf *dmabuf;
	pthread_mutex_t lock;
	unsigned int counter;
};

static void vmap_work(void *data, unsigned int repeat)
{
	struct vmap_bench *bench = data;
	struct dma_buf *dmabuf = bench->dmabuf;

	while (repeat--)
		dma_buf_vunmap(dmabuf, dma_buf_vmap(dmabuf));
}

static void vmap_hand(void *data, unsigned int repeat)
{
	struct vmap_bench *bench = data;

	while (repeat--) {
		pthread_mutex_lock(&bench->lock);
		bench->counter++;
		pthread_mutex_unlock(&bench->lock);
		pthread_mutex_lock(&bench->lock);
		bench->counter++;
		pthread_mutex_unlock(&bench->lock);
	}
}

/* The second thread of a side, which works as much as the first. */
struct second {
	void (*side)(void *data, unsigned int repeat);
	void *data;
	unsigned int repeat;
};

static void *second_main(void *data)
{
	struct second *second = data;

	second->side(second->data, second->repeat);
	return NULL;
}

static void twice(void (*side)(void *data, unsigned int repeat), void *data,
		  unsigned int repeat)
{
	struct second second = { side, data, repeat };
	pthread_t thread;

	need(!pthread_create(&thread, NULL, second_main, &second), "thread");
	side(data, repeat);
	pthread_join(thread, NULL);
}

static void *waiting_main(void *data)
{
	pthread_barrier_wait((pthread_barrier_t *)data);
	return NULL;
}

static void vmap_work_twice(void *data, unsigned int repeat)
{
	twice(vmap_work, data, repeat);
}

static void vmap_hand_twice(void *data, unsigned int repeat)
{
	twice(vmap_hand, data, repeat);
}

/*
 * The C library takes a mutex without atomics as long as the process never had
 * a second thread: by hand a pair then is little more than its calls. So there
 * are two rows with the limit, and the first is the harder one.
 */
static bool vmap_rows(struct vmap_bench *bench)
{
	struct bench_row row = {
		.what = "cached vmap, vunmap; one thread",
		.against = "2 x lock, add, unlock",
		.limit = 1.25,
		.rounds = 301,
		.repeat = 10000,
		.work = vmap_work,
		.hand = vmap_hand,
		.data = bench,
	};
	pthread_barrier_t end;
	pthread_t thread;
	bool inside;

	inside = bench_compare(&row);
	pthread_barrier_init(&end, NULL, 2);
	need(!pthread_create(&thread, NULL, waiting_main, &end), "thread");
	row.what = "the same beside an idle thread";
	inside &= bench_compare(&row);
	pthread_barrier_wait(&end);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&end);
	row.what = "the same from two threads";
	row.limit = 0;
	row.rounds = 51;
	row.work = vmap_work_twice;
	row.hand = vmap_hand_twice;
	bench_compare(&row);
	return inside;
}

static bool bench_vmap(void)
{
	struct vmap_bench bench = { .dmabuf = memfd_buffer(SMALL) };
	void *vaddr = dma_buf_vmap(bench.dmabuf);
	bool inside;

	need(!IS_ERR_OR_NULL(vaddr), "vmap");
	pthread_mutex_init(&bench.lock, NULL);
	inside = vmap_rows(&bench);
	pthread_mutex_destroy(&bench.lock);
	dma_buf_vunmap(bench.dmabuf, vaddr);
	dma_buf_put(bench.dmabuf);
	return inside;
}

/* A buffer's whole life */

static void export_work(void *data, unsigned int repeat)
{
	(void)data;
	while (repeat--) {
		struct dma_buf *dmabuf = memfd_buffer(SMALL);

		dma_buf_vunmap(dmabuf, dma_buf_vmap(dmabuf));
		dma_buf_put(dmabuf);
	}
}

static void export_hand(void *data, unsigned int repeat)
{
	void *addr;
	int fd;

	(void)data;
	while (repeat--) {
		fd = memfd_create("dmabuf:bench",
				  MFD_CLOEXEC | MFD_ALLOW_SEALING);
		need(fd >= 0 && !ftruncate(fd, (off_t)SMALL) &&
		     !fcntl(fd, F_ADD_SEALS, SEALS), "memfd");
		addr = mmap(NULL, SMALL, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			    0);
		munmap(addr, SMALL);
		close(fd);
	}
}

static bool bench_export(void)
{
	const struct bench_row row = {
		.what = "export memfd, vmap, vunmap, put",
		.against = "memfd, size, seal, map, close",
		.limit = 1.10,
		.rounds = 301,
		.repeat = 50,
		.work = export_work,
		.hand = export_hand,
	};

	return bench_compare(&row);
}

/* Finding buffers by fd */

struct get_bench {
	int *fds;
	unsigned int nr;
};

static void get_work(void *data, unsigned int repeat)
{
	const struct get_bench *bench = data;
	struct dma_buf *dmabuf;
	unsigned int at = 0;

	while (repeat--) {
		dmabuf = dma_buf_get(bench->fds[at]);
		need(!IS_ERR(dmabuf), "dma_buf_get");
		dma_buf_put(dmabuf);
		if (++at == bench->nr)
			at = 0;
	}
}

static void get_hand(void *data, unsigned int repeat)
{
	const struct get_bench *bench = data;
	unsigned int at = 0;
	struct stat st;

	while (repeat--) {
		need(!fstat(bench->fds[at], &st), "fstat");
		if (++at == bench->nr)
			at = 0;
	}
}

static void fds_open(struct get_bench *bench, unsigned int nr)
{
	bench->fds = calloc(nr, sizeof(*bench->fds));
	need(bench->fds != NULL, "calloc");
	for (bench->nr = 0; bench->nr < nr; bench->nr++) {
		int fd = dma_buf_fd(memfd_buffer(SMALL), O_CLOEXEC);

		need(fd >= 0, "dma_buf_fd");
		bench->fds[bench->nr] = fd;
	}
}

/* Also waits until the library has noticed. */
static void fds_close(struct get_bench *bench)
{
	while (bench->nr)
		close(bench->fds[--bench->nr]);
	free(bench->fds);
	while (dmabuf_live_buffers())
		need(dmabuf_dispatch() >= 0, "dispatch");
}

/* Each buffer with an fd out has two. */
static unsigned int nr_buffers_max(void)
{
	struct rlimit limit;

	need(!getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (limit.rlim_cur > NR_FILES_MAX)
		limit.rlim_cur = NR_FILES_MAX;
	need(!setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
	return ((unsigned int)limit.rlim_cur - NR_FILES_SPARE) / 2;
}

static bool bench_get_of(unsigned int nr)
{
	struct get_bench bench;
	char what[40];
	struct bench_row row = {
		.what = what,
		.against = "fstat of the same fds",
		.limit = 1.5,
		.rounds = 301,
		.repeat = nr > 1000 ? nr : 1000,
		.work = get_work,
		.hand = get_hand,
		.data = &bench,
	};
	bool inside;

	if (nr > 1000)
		row.rounds = 101;
	snprintf(what, sizeof(what), "dma_buf_get, put; %u buffers", nr);
	fds_open(&bench, nr);
	inside = bench_compare(&row);
	fds_close(&bench);
	return inside;
}

static bool bench_get(void)
{
	bool few = bench_get_of(10);

	return bench_get_of(nr_buffers_max()) && few;
}

/* Attaching buffers of different sizes */

struct attach_bench {
	struct device *dev;
	struct dma_buf *large;
	struct dma_buf *small;
};

static void attach_one(struct dma_buf *dmabuf, struct device *dev,
		       unsigned int repeat)
{
	struct dma_buf_attachment *attach;
	struct sg_table *table;

	while (repeat--) {
		attach = dma_buf_attach(dmabuf, dev);
		need(!IS_ERR(attach), "attach");
		table = dma_buf_map_attachment_unlocked(attach,
							DMA_BIDIRECTIONAL);
		need(!IS_ERR(table) && table->nents == 1, "map");
		dma_buf_unmap_attachment_unlocked(attach, table,
						  DMA_BIDIRECTIONAL);
		dma_buf_detach(dmabuf, attach);
	}
}

static void attach_large(void *data, unsigned int repeat)
{
	const struct attach_bench *bench = data;

	attach_one(bench->large, bench->dev, repeat);
}

static void attach_small(void *data, unsigned int repeat)
{
	const struct attach_bench *bench = data;

	attach_one(bench->small, bench->dev, repeat);
}

static bool bench_attach(void)
{
	struct attach_bench bench = {
		.large = memfd_buffer(LARGE),
		.small = memfd_buffer(SMALL),
	};
	const struct dmabuf_device_info info = { .name = "bench" };
	const struct bench_row row = {
		.what = "attach, map, unmap, detach 64 MiB",
		.against = "4 KiB",
		.limit = 1.2,
		.rounds = 301,
		.repeat = 500,
		.work = attach_large,
		.hand = attach_small,
		.data = &bench,
	};
	bool inside;

	need(!dmabuf_device_create(&info, &bench.dev), "device");
	inside = bench_compare(&row);
	dmabuf_device_destroy(bench.dev);
	dma_buf_put(bench.large);
	dma_buf_put(bench.small);
	return inside;
}

/* Noticing closes */

struct close_bench {
	struct dma_buf *dmabufs[NR_CLOSES];
	int ours[NR_CLOSES];
	int memfds[NR_CLOSES];
	int bare[NR_CLOSES];
};

static void close_before(void *data)
{
	struct close_bench *bench = data;
	char path[32];
	int i;

	for (i = 0; i < NR_CLOSES; i++) {
		get_dma_buf(bench->dmabufs[i]);
		bench->ours[i] = dma_buf_fd(bench->dmabufs[i], O_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d",
			 bench->memfds[i]);
		bench->bare[i] = open(path, O_RDWR | O_CLOEXEC);
		need(bench->ours[i] >= 0 && bench->bare[i] >= 0, "open");
	}
}

static void closes(int *fds)
{
	int i;

	for (i = 0; i < NR_CLOSES; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

static void noticed_closes(int *fds)
{
	int left = NR_CLOSES;
	int nr;

	closes(fds);
	for (; left > 0; left -= nr) {
		nr = dmabuf_dispatch();
		need(nr >= 0, "dispatch");
	}
}

static void close_work(void *data, unsigned int repeat)
{
	struct close_bench *bench = data;

	(void)repeat;
	noticed_closes(bench->ours);
}

static void close_hand(void *data, unsigned int repeat)
{
	struct close_bench *bench = data;

	(void)repeat;
	closes(bench->bare);
}

/* The other side's fds were not closed by the sample. */
static void close_after(void *data)
{
	struct close_bench *bench = data;

	closes(bench->bare);
	if (bench->ours[0] >= 0)
		noticed_closes(bench->ours);
}

static void bench_close(void)
{
	static struct close_bench bench;
	const struct bench_row row = {
		.what = "1000 closes and their dispatch",
		.against = "1000 closes",
		.rounds = 31,
		.repeat = 1,
		.work = close_work,
		.hand = close_hand,
		.before = close_before,
		.after = close_after,
		.data = &bench,
	};
	int i;

	for (i = 0; i < NR_CLOSES; i++) {
		bench.dmabufs[i] = memfd_buffer(SMALL);
		bench.memfds[i] = memfd_create("dmabuf:bench", MFD_CLOEXEC);
		need(bench.memfds[i] >= 0, "memfd_create");
	}
	bench_compare(&row);
	for (i = 0; i < NR_CLOSES; i++) {
		dma_buf_put(bench.dmabufs[i]);
		close(bench.memfds[i]);
	}
}

/* Bookkeeping of live buffers */

static struct sg_table *nothing_map(struct dma_buf_attachment *attach,
				    enum dma_data_direction dir)
{
	(void)attach;
	(void)dir;
	return NULL;
}

static void nothing_unmap(struct dma_buf_attachment *attach,
			  struct sg_table *table, enum dma_data_direction dir)
{
	(void)attach;
	(void)table;
	(void)dir;
}

static void nothing_release(struct dma_buf *dmabuf)
{
	(void)dmabuf;
}

static const struct dma_buf_ops nothing_ops = {
	.map_dma_buf = nothing_map,
	.unmap_dma_buf = nothing_unmap,
	.release = nothing_release,
};

static size_t heap_used(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static bool bench_memory(void)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf **dmabufs = calloc(NR_LIVE, sizeof(struct dma_buf *));
	size_t used = heap_used();
	int i;

	need(dmabufs != NULL, "calloc");
	info.ops = &nothing_ops;
	info.size = SMALL;
	info.priv = &info;
	for (i = 0; i < NR_LIVE; i++) {
		dmabufs[i] = dma_buf_export(&info);
		need(!IS_ERR(dmabufs[i]), "export");
	}
	used = heap_used() - used;
	for (i = 0; i < NR_LIVE; i++)
		dma_buf_put(dmabufs[i]);
	free(dmabufs);
	return bench_amount("100000 live buffers, bookkeeping", (double)used /
			    NR_LIVE, "bytes each", 512);
}

int main(void)
{
	bool inside;

	bench_begin();
	inside = bench_vmap();
	inside = bench_export() && inside;
	inside = bench_get() && inside;
	inside = bench_attach() && inside;
	bench_close();
	inside = bench_memory() && inside;
	return inside ? 0 : 1;
}
