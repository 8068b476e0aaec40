/* SPDX-License-Identifier: MIT */
/* udmabuf.h - buffers out of ranges of memfds */
#ifndef DMABUF_UDMABUF_H
#define DMABUF_UDMABUF_H

#include <stddef.h>
#include <stdint.h>

#include <dmabuf/dma-buf.h>
#include <dmabuf/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct dmabuf_udmabuf_range - a range of a memfd
 * @fd: memfd with F_SEAL_SHRINK and without F_SEAL_WRITE and
 *	F_SEAL_FUTURE_WRITE; stays the caller's
 * @offset: bytes, a multiple of the page size, on huge pages too
 * @size: bytes, likewise
 */
struct dmabuf_udmabuf_range {
	int fd;
	uint64_t offset;
	uint64_t size;
};

/**
 * dmabuf_udmabuf_export() - a buffer out of ranges of memfds
 * @ranges: in the order in which the buffer shows them; the same memfd may come
 *	more than once, and ranges may overlap
 * @nr_ranges: how many
 * @ret_dmabuf: the buffer, with one reference
 *
 * The pages are those of the memfds: what one side writes the other one sees.
 * Those that were never written are allocated now. The buffer keeps the memfds,
 * and while it lives they cannot get F_SEAL_WRITE (-EBUSY from fcntl(2)).
 *
 * The access mode is O_RDWR, however the memfds were opened. The fds of the
 * buffer are opaque: they have the size, and hold the buffer, but only
 * dma_buf_mmap() in this process maps them, MAP_SHARED (MAP_PRIVATE is
 * -EINVAL). Other processes can map dmabuf_udmabuf_view_fd().
 *
 * A device's table has an entry for each page. The first one that is made for
 * an attachment is kept until the detach: another direction is -EBUSY, unless
 * that one is DMA_BIDIRECTIONAL. An end of CPU access is -EINVAL before the
 * first begin.
 *
 * Differs from the kernel: the brackets of CPU access synchronise every device
 * that is attached, not one of the buffer's own. Who punches a hole into the
 * memfd takes the page from the buffer too, which shows a new one; of huge
 * pages there may be none left, and an access raises SIGBUS. When a memfd gets
 * F_SEAL_FUTURE_WRITE, new mappings of the buffer are -EPERM, but those that
 * dma_buf_mmap() makes for reading only. Where ranges of huge pages do not
 * begin and end at one, dma_buf_mmap() is -EINVAL, and so is dma_buf_vmap()
 * unless there is only one range; devices reach them. The fd of a page-backed
 * buffer that can be written is taken as the memfd that it is, where
 * dmabuf_udmabuf_ioctl() says -EBADFD, as the kernel does.
 *
 * In the order of the checks:
 * Return: 0; -EINVAL for more ranges than the limit; -EINVAL for the first
 * range with an offset or a size that is no multiple of the page size, or with
 * which the bytes exceed the limit; -EINVAL for no bytes at all; -ENOMEM; then
 * for each range in turn: -EBADFD when fd is not open, or is on neither
 * tmpfs nor hugetlbfs; -EINVAL for the seals, an empty range beside others, or
 * one that is not inside the file; -EMFILE, -ENFILE, -ENOMEM; and when fd was
 * not opened read-write, the errors of opening it so: -EACCES, and -ENOENT
 * without /proc. (udmabuf_create(), Linux 6.12)
 */
DMABUF_API int
dmabuf_udmabuf_export(const struct dmabuf_udmabuf_range *ranges,
		      size_t nr_ranges, struct dma_buf **ret_dmabuf);

/**
 * dmabuf_udmabuf_set_limits() - how much one buffer may take
 * @list_limit: ranges, as many as that are allowed, and one always is; 1024 at
 *	the start
 * @size_limit_mb: MiB of all ranges together, likewise; 64 at the start
 *
 * For the whole process, and buffers made from now on; one that is made at this
 * moment may meet one of the old limits. (Module parameters, Linux 6.12)
 */
DMABUF_API void dmabuf_udmabuf_set_limits(unsigned int list_limit,
					  unsigned int size_limit_mb);

/** dmabuf_udmabuf_list_limit() - how many ranges one buffer may have now */
DMABUF_API unsigned int dmabuf_udmabuf_list_limit(void);

/**
 * dmabuf_udmabuf_piece() - where a byte of the buffer is
 * @dmabuf: any buffer
 * @offset: bytes into it
 * @ret_piece: the memfd (borrowed: the buffer's own fd, until its release),
 *	where in it, and how many bytes go on there; ranges that follow each
 *	other in a memfd as in the buffer count as one
 *
 * For supervisors, which map a buffer into other processes piece by piece.
 * Return: 0; -EINVAL for a buffer of another exporter, NULL, or @offset behind
 * the end.
 */
DMABUF_API int dmabuf_udmabuf_piece(struct dma_buf *dmabuf, uint64_t offset,
				    struct dmabuf_udmabuf_range *ret_piece);

/**
 * dmabuf_udmabuf_view_fd() - an fd of a piece's memfd that holds the buffer
 * @dmabuf: buffer of dmabuf_udmabuf_export(); the caller keeps his reference
 * @offset: bytes into the buffer: says which memfd
 *
 * The fd shows the whole memfd, at the memfd's offsets. With all its copies and
 * all that is mapped through it, in whatever process, it has one reference on
 * the buffer. dmabuf_dispatch() notices that they are gone, and counts it among
 * the fds of buffers. dma_buf_get() does not find the buffer by it: the memfd
 * may be part of many.
 *
 * Return: a new fd, close-on-exec; -EINVAL for a buffer of another exporter,
 * NULL, or @offset behind the end; -EMFILE, -ENFILE, -ENOMEM; -ENOENT without
 * /proc; -EACCES when the memfd cannot be opened again; -EAGAIN when a peer has
 * locked the bytes that the library locks to see closes.
 */
DMABUF_API int dmabuf_udmabuf_view_fd(struct dma_buf *dmabuf, uint64_t offset);

#ifdef __cplusplus
}
#endif

#endif
