/* SPDX-License-Identifier: MIT */
/* buffer-file.c - lseek(2), mmap(2) and fdinfo of a buffer's fd */
#include <dmabuf/uapi.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <bsd/string.h>

#include <dmabuf/dmabuf.h>

#include "base/report.h"
#include "base/util.h"
#include "buffer/buffer.h"

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif

/* Where x86-64 ends a process's addresses, less a page; others do nearby. */
#define ADDRESSES_MAX \
	(UINT64_C(1) << (sizeof(void *) < sizeof(uint64_t) ? 32 : 47))

/* Two that only x86 knows: the older one, and what lies above it. */
#ifdef MAP_32BIT
#define FLAGS_X86 (MAP_32BIT | 0x80)
#else
#define FLAGS_X86 0
#endif

/* The sizes of huge pages among the flags: 2 MiB and 1 GiB. */
#define FLAGS_HUGE (21 << MAP_HUGE_SHIFT | 30 << MAP_HUGE_SHIFT)

/*
 * Flags that were there before MAP_SHARED_VALIDATE. Of those that came later no
 * one is for buffers, MAP_FIXED_NOREPLACE included.
 */
#define FLAGS_OLD                                                          \
	(MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_GROWSDOWN |            \
	 MAP_DENYWRITE | MAP_EXECUTABLE | MAP_LOCKED | MAP_NORESERVE |     \
	 MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB |           \
	 FLAGS_HUGE | FLAGS_X86)

static bool no_buffer(const struct dma_buf *dmabuf, const char *function)
{
	if (!dmabuf)
		report_warn(function, "no buffer");
	return !dmabuf;
}

off_t dmabuf_buffer_seek(struct dma_buf *dmabuf, off_t offset, int whence)
{
	if (no_buffer(dmabuf, __func__) || offset)
		return -EINVAL;
	switch (whence) {
	case SEEK_SET:
		return 0;
	case SEEK_END:
		return (off_t)dmabuf->size;
	default:
		return -EINVAL;
	}
}

/* mmap(2) */

/* Before anything is asked about the file, beside its being one. */
static int range_check(uint64_t length, int flags, uint64_t offset,
		       size_t *ret_length)
{
	uint64_t end;

	if (offset % page_size() || (flags & MAP_HUGETLB) || !length)
		return -EINVAL;
	if (length >= ADDRESSES_MAX - page_size() ||
	    !round_up((size_t)length, page_size(), ret_length))
		return -ENOMEM;
	if (__builtin_add_overflow(offset, *ret_length, &end))
		return -EOVERFLOW;
	return 0;
}

static int shared_check(int prot, int mode)
{
	return (prot & PROT_WRITE) && mode == O_RDONLY ? -EACCES : 0;
}

static int type_check(int prot, int flags, int mode)
{
	switch (flags & MAP_TYPE) {
	case MAP_SHARED:
		return shared_check(prot, mode);
	case MAP_SHARED_VALIDATE:
		if (flags & ~FLAGS_OLD)
			return -EOPNOTSUPP;
		return shared_check(prot, mode);
	case MAP_PRIVATE:
		return 0;
	default:
		return -EINVAL;
	}
}

/* Of whole pages: so a buffer's last part of a page cannot be mapped. */
static int bounds_check(const struct dma_buf *dmabuf, size_t length,
			uint64_t offset)
{
	if (offset > dmabuf->size || length > dmabuf->size - (size_t)offset)
		return -EINVAL;
	return 0;
}

int dmabuf_buffer_mmap_check(struct dma_buf *dmabuf, uint64_t length, int prot,
			     int flags, uint64_t offset, int mode)
{
	size_t rounded;
	int ret;

	if (no_buffer(dmabuf, __func__))
		return -EINVAL;
	ret = range_check(length, flags, offset, &rounded);
	if (!ret)
		ret = type_check(prot, flags, mode & O_ACCMODE);
	if (ret)
		return ret;
	if ((mode & O_ACCMODE) == O_WRONLY)
		return -EACCES;
	if ((flags & MAP_GROWSDOWN) || !dmabuf->ops->mmap)
		return -EINVAL;
	return bounds_check(dmabuf, rounded, offset);
}

/* fdinfo */

static bool name_copy(struct dma_buf *dmabuf, char *name, size_t size)
{
	bool named;

	buffer_lock(buffer_of(dmabuf), "dmabuf_buffer_fdinfo");
	named = dmabuf->name;
	if (named)
		strlcpy(name, dmabuf->name, size);
	buffer_unlock(buffer_of(dmabuf));
	return named;
}

int dmabuf_buffer_fdinfo(struct dma_buf *dmabuf, FILE *file)
{
	char name[DMA_BUF_NAME_LEN];

	if (no_buffer(dmabuf, __func__))
		return -EINVAL;
	if (fprintf(file, "size:\t%zu\ncount:\t%u\nexp_name:\t%s\n",
		    dmabuf->size, dmabuf_refcount(dmabuf) - 1,
		    dmabuf->exp_name ? dmabuf->exp_name : "") < 0)
		return -EIO;
	if (name_copy(dmabuf, name, sizeof(name)) &&
	    fprintf(file, "name:\t%s\n", name) < 0)
		return -EIO;
	return 0;
}
