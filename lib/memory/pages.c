/* SPDX-License-Identifier: MIT */
/* pages.c - runs of pages, behind which stands a memfd or a mapping */

/*
 * A struct page has no storage: the pointer is the address at which the CPU
 * sees the page. Neighbours in the address space are neighbours in memory, so
 * a page costs nothing, and neither does counting or joining millions of them.
 */

#include "memory/pages.h"

#include <dmabuf/dmabuf.h>

#include "base/util.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

void *page_address(const struct page *page)
{
	return (void *)(uintptr_t)page;
}

int file_page_size(int fd, const struct stat *st, size_t *ret_size)
{
	struct statfs fs;

	*ret_size = page_size();
	if ((size_t)st->st_blksize == *ret_size)
		return 0;
	/* A large block alone may also be a wish of an ordinary memfd. */
	if (fstatfs(fd, &fs))
		return -errno;
	if (fs.f_type == HUGETLBFS_MAGIC)
		*ret_size = (size_t)fs.f_bsize;
	return 0;
}

void *addresses_reserve(size_t length, size_t block)
{
	size_t slack = block > page_size() ? block - page_size() : 0;
	size_t size, head;
	char *start, *addr;

	if (__builtin_add_overflow(length, slack, &size))
		return ERR_PTR(-ENOMEM);
	start = mmap(NULL, size, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (start == MAP_FAILED)
		return ERR_PTR(-errno);
	if (!slack)
		return start;
	head = (block - (uintptr_t)start % block) % block;
	addr = start + head;
	if (head)
		munmap(start, head);
	if (slack > head)
		munmap(addr + length, slack - head);
	return addr;
}

/* The length to map; pages wholly behind the end of the file would SIGBUS. */
static int memfd_range(int fd, off_t offset, size_t size, size_t *ret_length)
{
	uint64_t end, file_end;
	size_t unit, length;
	struct stat st;
	int ret;

	if (fstat(fd, &st))
		return -errno;
	ret = file_page_size(fd, &st, &unit);
	if (ret)
		return ret;
	if (!size || offset < 0 || offset % (off_t)unit ||
	    !round_up(size, unit, &length))
		return -EINVAL;
	file_end = ((uint64_t)st.st_size + unit - 1) / unit * unit;
	if (__builtin_add_overflow(offset, length, &end) || end > file_end)
		return -EINVAL;
	*ret_length = length;
	return 0;
}

int dmabuf_pages_init_memfd(struct dmabuf_pages *pages, int fd, off_t offset,
			    size_t size)
{
	size_t length = 0;
	bool writable = true;
	void *addr;
	int ret;

	ret = memfd_range(fd, offset, size, &length);
	if (ret)
		return ret;
	addr = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    offset);
	/* EACCES: opened read-only; EPERM: sealed against writing */
	if (addr == MAP_FAILED && (errno == EACCES || errno == EPERM)) {
		writable = false;
		addr = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, offset);
	}
	if (addr == MAP_FAILED)
		return -errno;
	*pages = (struct dmabuf_pages){ addr, length, true, writable };
	return 0;
}

int dmabuf_pages_init_mapping(struct dmabuf_pages *pages, void *addr,
			      size_t size)
{
	uintptr_t end;
	size_t length;

	if (!addr || (uintptr_t)addr % page_size() || !size ||
	    !round_up(size, page_size(), &length) ||
	    __builtin_add_overflow((uintptr_t)addr, length, &end))
		return -EINVAL;
	*pages = (struct dmabuf_pages){ addr, length, false, true };
	return 0;
}

void dmabuf_pages_fini(struct dmabuf_pages *pages)
{
	if (pages->mapped)
		munmap(pages->addr, pages->size);
	*pages = (struct dmabuf_pages){ 0 };
}

struct page *dmabuf_pages_nth(const struct dmabuf_pages *pages, size_t index)
{
	if (index >= pages->size / page_size())
		return NULL;
	return (struct page *)((char *)pages->addr + index * page_size());
}

int dmabuf_pages_sg_table(const struct dmabuf_pages *pages,
			  unsigned int max_segment, struct sg_table *table)
{
	size_t segment = max_segment - max_segment % page_size();
	size_t nr_entries, done = 0;
	struct scatterlist *sg;
	unsigned int i;
	int ret;

	*table = (struct sg_table){ 0 };
	if (!segment || !pages->size)
		return -EINVAL;
	if (max_segment == UINT_MAX)
		segment = pages->size;
	nr_entries = (pages->size - 1) / segment + 1;
	if (nr_entries > UINT_MAX)
		return -ENOMEM;
	ret = sg_alloc_table(table, (unsigned int)nr_entries, GFP_KERNEL);
	if (ret)
		return ret;
	for_each_sgtable_sg(table, sg, i) {
		size_t left = pages->size - done;

		sg_set_page(sg, dmabuf_pages_nth(pages, done / page_size()),
			    left < segment ? left : segment, 0);
		done += sg->length;
	}
	return 0;
}
