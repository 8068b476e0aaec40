/* SPDX-License-Identifier: MIT */
/*
 * udmabuf.c - an exporter on ranges of memfds
 *
 * The buffer is a row of pieces, one behind the other:
 *
 *	memfd A  [..1111......2222..]      buffer  [1111][2222][33]
 *	memfd B  [33................]
 *
 * Ranges that follow each other in one memfd are one piece. The pages are the
 * memfds' own. No file shows them in this order, so an fd of the buffer is
 * opaque; whoever maps one into another process asks for the pieces, and maps
 * each of them through a view.
 *
 *	mmap, vmap  reserved addresses, filled piece by piece
 *	devices     what the pieces span in each memfd, mapped until the release;
 *		    a table has an entry for each page, in the buffer's order
 *
 * Addresses and file offsets of huge pages begin at huge pages. A piece that
 * does not cannot be mapped behind another one.
 */
#include "exporter/udmabuf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <dmabuf/dmabuf.h>

#include "base/util.h"
#include "buffer/buffer.h"
#include "buffer/handle.h"
#include "buffer/linear.h"
#include "exporter/udmabuf-file.h"
#include "memory/pages.h"

struct piece {
	struct udmabuf_file *file;
	uint64_t start;			/* in the buffer */
	uint64_t offset;		/* in the file */
	uint64_t size;
};

/* (c) constant  (a) atomic */
struct udmabuf {
	struct udmabuf_files files;	/* (c) but for what a file says */
	bool begun;			/* (a) CPU access, at least once */
	size_t block;			/* (c) the largest one of the files */
	size_t nr_pieces;		/* (c) */
	struct piece pieces[];		/* (c) */
};

/* atomic */
static unsigned int list_limit = 1024;
static unsigned int size_limit_mb = 64;

void dmabuf_udmabuf_set_limits(unsigned int new_list_limit,
			       unsigned int new_size_limit_mb)
{
	__atomic_store_n(&list_limit, new_list_limit, __ATOMIC_RELAXED);
	__atomic_store_n(&size_limit_mb, new_size_limit_mb, __ATOMIC_RELAXED);
}

unsigned int dmabuf_udmabuf_list_limit(void)
{
	return __atomic_load_n(&list_limit, __ATOMIC_RELAXED);
}

/* The piece that the byte is in. */
static const struct piece *piece_at(const struct udmabuf *udmabuf,
				    uint64_t offset)
{
	size_t low = 0, high = udmabuf->nr_pieces, middle;

	while (high - low > 1) {
		middle = low + (high - low) / 2;
		if (udmabuf->pieces[middle].start <= offset)
			low = middle;
		else
			high = middle;
	}
	return &udmabuf->pieces[low];
}

/* Devices */

static int files_map_locked(struct udmabuf *udmabuf)
{
	struct udmabuf_file *file;
	int ret = 0;

	SLIST_FOREACH(file, &udmabuf->files, link) {
		ret = udmabuf_file_map_locked(file);
		if (ret)
			break;
	}
	return ret;
}

/* The entries that are the piece; the one that comes after them. */
static struct scatterlist *piece_fill(const struct piece *piece,
				      struct scatterlist *sg)
{
	uint64_t into = piece->offset - piece->file->first;
	size_t index = (size_t)(into / page_size());
	size_t nr = (size_t)(piece->size / page_size());

	for (; nr; nr--, sg++)
		sg_set_page(sg, dmabuf_pages_nth(&piece->file->pages, index++),
			    page_size(), 0);
	return sg;
}

static int table_make(const struct udmabuf *udmabuf, size_t size,
		      struct sg_table *table)
{
	size_t nr_pages = size / page_size();
	struct scatterlist *sg;
	size_t i;
	int ret;

	if (nr_pages > UINT_MAX)
		return -ENOMEM;
	ret = sg_alloc_table(table, (unsigned int)nr_pages, GFP_KERNEL);
	if (ret)
		return ret;
	sg = table->sgl;
	for (i = 0; i < udmabuf->nr_pieces; i++)
		sg = piece_fill(&udmabuf->pieces[i], sg);
	return 0;
}

static struct sg_table *udmabuf_map(struct dma_buf_attachment *attach,
				    enum dma_data_direction dir)
{
	struct udmabuf *udmabuf = attach->dmabuf->priv;
	struct sg_table table;
	int ret;

	ret = files_map_locked(udmabuf);
	if (!ret)
		ret = table_make(udmabuf, attach->dmabuf->size, &table);
	if (ret)
		return ERR_PTR(ret);
	return linear_map_table(attach, dir, &table);
}

static int udmabuf_begin_cpu_access(struct dma_buf *dmabuf,
				    enum dma_data_direction dir)
{
	struct udmabuf *udmabuf = dmabuf->priv;
	int ret;

	ret = linear_begin_cpu_access(dmabuf, dir);
	if (!ret)
		__atomic_store_n(&udmabuf->begun, true, __ATOMIC_RELAXED);
	return ret;
}

static int udmabuf_end_cpu_access(struct dma_buf *dmabuf,
				  enum dma_data_direction dir)
{
	struct udmabuf *udmabuf = dmabuf->priv;

	if (!__atomic_load_n(&udmabuf->begun, __ATOMIC_RELAXED))
		return -EINVAL;
	return linear_end_cpu_access(dmabuf, dir);
}

/* The CPU */

/* Larger pages than the rest of the system's are mapped as a whole. */
static bool piece_fits(const struct piece *piece, const char *addr,
		       uint64_t offset, size_t length)
{
	size_t block = piece->file->block;

	return block == page_size() ||
	       !((uintptr_t)addr % block || offset % block || length % block);
}

/* Up to the end of a piece; how far it came. */
static int piece_map(const struct udmabuf *udmabuf, uint64_t from, char *addr,
		     size_t left, int prot, int flags, size_t *ret_length)
{
	const struct piece *piece = piece_at(udmabuf, from);
	uint64_t into = from - piece->start;
	uint64_t offset = piece->offset + into;

	if (left > piece->size - into)
		left = (size_t)(piece->size - into);
	if (!piece_fits(piece, addr, offset, left))
		return -EINVAL;
	if (mmap(addr, left, prot, flags | MAP_FIXED, piece->file->fd,
		 (off_t)offset) == MAP_FAILED)
		return -errno;
	*ret_length = left;
	return 0;
}

static int pieces_map(const struct udmabuf *udmabuf, uint64_t from, char *addr,
		      size_t length, int prot, int flags)
{
	size_t done = 0, step = 0;
	int ret = 0;

	for (; done < length && !ret; done += step)
		ret = piece_map(udmabuf, from + done, addr + done,
				length - done, prot, flags, &step);
	return ret;
}

static int udmabuf_mmap(struct dma_buf *dmabuf, void *addr, size_t length,
			int prot, int flags, off_t offset)
{
	if ((flags & MAP_TYPE) == MAP_PRIVATE)
		return -EINVAL;
	return pieces_map(dmabuf->priv, (uint64_t)offset, addr, length, prot,
			  flags);
}

/* One piece begins where it likes: the huge page around it is mapped. */
static size_t vmap_head(const struct udmabuf *udmabuf)
{
	const struct piece *piece = udmabuf->pieces;

	return udmabuf->nr_pieces > 1 ? 0 : piece->offset % udmabuf->block;
}

static bool vmap_length(const struct dma_buf *dmabuf, size_t *ret_length)
{
	const struct udmabuf *udmabuf = dmabuf->priv;

	return round_up(dmabuf->size + vmap_head(udmabuf), udmabuf->block,
			ret_length);
}

static void *vmap_one(const struct udmabuf *udmabuf, size_t length)
{
	const struct piece *piece = udmabuf->pieces;
	size_t head = vmap_head(udmabuf);
	char *addr;

	addr = mmap(NULL, length, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_NORESERVE, piece->file->fd,
		    (off_t)(piece->offset - head));
	return addr == MAP_FAILED ? ERR_PTR(-errno) : addr + head;
}

static void *udmabuf_vmap(struct dma_buf *dmabuf)
{
	const struct udmabuf *udmabuf = dmabuf->priv;
	size_t length;
	void *addr;
	int ret;

	if (!vmap_length(dmabuf, &length))
		return ERR_PTR(-ENOMEM);
	if (udmabuf->nr_pieces == 1)
		return vmap_one(udmabuf, length);
	addr = addresses_reserve(length, udmabuf->block);
	if (IS_ERR(addr))
		return addr;
	ret = pieces_map(udmabuf, 0, addr, dmabuf->size,
			 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE);
	if (!ret)
		return addr;
	munmap(addr, length);
	return ERR_PTR(ret);
}

static void udmabuf_vunmap(struct dma_buf *dmabuf, void *vaddr)
{
	size_t length;

	if (vmap_length(dmabuf, &length))
		munmap((char *)vaddr - vmap_head(dmabuf->priv), length);
}

static void udmabuf_free(struct udmabuf *udmabuf)
{
	udmabuf_files_free(&udmabuf->files);
	free(udmabuf);
}

static void udmabuf_release(struct dma_buf *dmabuf)
{
	linear_release(dmabuf);
	udmabuf_free(dmabuf->priv);
}

static const struct dma_buf_ops udmabuf_ops = {
	.cache_sgt_mapping = true,
	.attach = linear_attach,
	.detach = linear_detach,
	.map_dma_buf = udmabuf_map,
	.unmap_dma_buf = linear_unmap,
	.release = udmabuf_release,
	.begin_cpu_access = udmabuf_begin_cpu_access,
	.end_cpu_access = udmabuf_end_cpu_access,
	.mmap = udmabuf_mmap,
	.vmap = udmabuf_vmap,
	.vunmap = udmabuf_vunmap,
};

/* Making one */

int udmabuf_ranges_check(const struct dmabuf_udmabuf_range *ranges, size_t nr,
			 size_t *ret_size)
{
	uint64_t limit = __atomic_load_n(&size_limit_mb, __ATOMIC_RELAXED);
	uint64_t size = 0;
	size_t i;

	/* A buffer of one range is made without a list. */
	if (nr > 1 && nr > dmabuf_udmabuf_list_limit())
		return -EINVAL;
	limit <<= 20;
	for (i = 0; i < nr; i++) {
		if (ranges[i].offset % page_size() ||
		    ranges[i].size % page_size() ||
		    ranges[i].size > limit - size)
			return -EINVAL;
		size += ranges[i].size;
	}
	if (!size)
		return -EINVAL;
	return __builtin_add_overflow(size, 0, ret_size) ? -ENOMEM : 0;
}

static struct piece *last_piece(struct udmabuf *udmabuf)
{
	if (!udmabuf->nr_pieces)
		return NULL;
	return &udmabuf->pieces[udmabuf->nr_pieces - 1];
}

static void piece_add(struct udmabuf *udmabuf, struct udmabuf_file *file,
		      const struct dmabuf_udmabuf_range *range)
{
	struct piece *last = last_piece(udmabuf);

	if (last && last->file == file &&
	    last->offset + last->size == range->offset) {
		last->size += range->size;
		return;
	}
	udmabuf->pieces[udmabuf->nr_pieces++] = (struct piece){
		.file = file,
		.start = last ? last->start + last->size : 0,
		.offset = range->offset,
		.size = range->size,
	};
	if (file->block > udmabuf->block)
		udmabuf->block = file->block;
}

static int ranges_add(struct udmabuf *udmabuf,
		      const struct dmabuf_udmabuf_range *ranges, size_t nr)
{
	struct udmabuf_file *file;
	size_t i;
	int ret;

	for (i = 0; i < nr; i++) {
		ret = udmabuf_file_get(&udmabuf->files, &ranges[i], &file);
		if (ret)
			return ret;
		piece_add(udmabuf, file, &ranges[i]);
	}
	return 0;
}

static int udmabuf_wrap(struct udmabuf *udmabuf, size_t size,
			struct dma_buf **ret_dmabuf)
{
	const struct dma_buf_export_info info = {
		.exp_name = "udmabuf",
		.ops = &udmabuf_ops,
		.size = size,
		.flags = O_RDWR,
		.priv = udmabuf,
	};
	struct dma_buf *dmabuf = dma_buf_export(&info);

	if (IS_ERR(dmabuf))
		return (int)PTR_ERR(dmabuf);
	buffer_of(dmabuf)->block = udmabuf->block;
	*ret_dmabuf = dmabuf;
	return 0;
}

int dmabuf_udmabuf_export(const struct dmabuf_udmabuf_range *ranges,
			  size_t nr_ranges, struct dma_buf **ret_dmabuf)
{
	struct udmabuf *udmabuf;
	size_t size = 0;
	int ret;

	ret = udmabuf_ranges_check(ranges, nr_ranges, &size);
	if (ret)
		return ret;
	udmabuf = calloc(1, sizeof(*udmabuf) +
				    nr_ranges * sizeof(udmabuf->pieces[0]));
	if (!udmabuf)
		return -ENOMEM;
	SLIST_INIT(&udmabuf->files);
	ret = ranges_add(udmabuf, ranges, nr_ranges);
	if (!ret)
		ret = udmabuf_wrap(udmabuf, size, ret_dmabuf);
	if (ret)
		udmabuf_free(udmabuf);
	return ret;
}

/* Pieces, for others */

static int piece_find(struct dma_buf *dmabuf, uint64_t offset,
		      const struct piece **ret_piece)
{
	if (!dmabuf || dmabuf->ops != &udmabuf_ops || offset >= dmabuf->size)
		return -EINVAL;
	*ret_piece = piece_at(dmabuf->priv, offset);
	return 0;
}

int dmabuf_udmabuf_piece(struct dma_buf *dmabuf, uint64_t offset,
			 struct dmabuf_udmabuf_range *ret_piece)
{
	const struct piece *piece;
	uint64_t into;
	int ret;

	ret = piece_find(dmabuf, offset, &piece);
	if (ret)
		return ret;
	into = offset - piece->start;
	*ret_piece = (struct dmabuf_udmabuf_range){
		.fd = piece->file->fd,
		.offset = piece->offset + into,
		.size = piece->size - into,
	};
	return 0;
}

int dmabuf_udmabuf_view_fd(struct dma_buf *dmabuf, uint64_t offset)
{
	const struct piece *piece;
	int ret;

	ret = piece_find(dmabuf, offset, &piece);
	if (ret)
		return ret;
	return handle_view_fd(buffer_of(dmabuf), piece->file->fd, O_CLOEXEC);
}
