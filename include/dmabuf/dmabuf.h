/* SPDX-License-Identifier: MIT */
/* dmabuf.h - the whole of libdmabuf, and the functions the kernel lacks */
#ifndef DMABUF_DMABUF_H
#define DMABUF_DMABUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE, struct sync_file_info */
#include <linux/dma-buf.h>
#include <linux/sync_file.h>

#include <dmabuf/device.h>
#include <dmabuf/dma-buf.h>
#include <dmabuf/dma-fence-array.h>
#include <dmabuf/dma-fence-chain.h>
#include <dmabuf/dma-fence-unwrap.h>
#include <dmabuf/dma-fence.h>
#include <dmabuf/dma-heap.h>
#include <dmabuf/dma-resv.h>
#include <dmabuf/err.h>
#include <dmabuf/export.h>
#include <dmabuf/scatterlist.h>
#include <dmabuf/sw-sync.h>
#include <dmabuf/sync-file.h>
#include <dmabuf/uapi.h>
#include <dmabuf/udmabuf.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Exporters */

/*
 * Huge pages of the default size. Every other bit beside the access mode is
 * refused.
 */
#define DMABUF_EXPORT_HUGETLB 0x40000000u

/**
 * dmabuf_anon_export() - a buffer on anonymous pages of this process
 * @size: bytes, rounded up to pages; read it back from &dma_buf.size
 * @flags: O_RDONLY, O_WRONLY or O_RDWR: the access mode of the fds
 * @ret_dmabuf: the buffer, with one reference; its memory is zero
 *
 * Its fds are opaque: they pass between processes and keep the buffer alive,
 * but only this process sees the pages. What the access mode means is said at
 * &struct dma_buf_export_info.
 *
 * As with all buffers of the library, imported ones too: attaching a device is
 * -EBUSY when the buffer does not fit between the first page, which is never
 * mapped, and dma_get_mask(); a table that is still mapped at detach warns, and
 * is taken down.
 *
 * Return: 0; -EINVAL for no size, one that overflows, or another flag; -ENOMEM.
 */
DMABUF_API int dmabuf_anon_export(size_t size, unsigned int flags,
				  struct dma_buf **ret_dmabuf);

/**
 * dmabuf_memfd_export() - a buffer on pages that any process can map
 * @size: bytes, rounded up to pages (huge ones with DMABUF_EXPORT_HUGETLB)
 * @flags: O_RDONLY, O_WRONLY or O_RDWR: the access mode of the fds; and
 *	DMABUF_EXPORT_HUGETLB
 * @ret_dmabuf: the buffer, with one reference; its memory is zero
 *
 * Access mode and devices are as with dmabuf_anon_export().
 *
 * Buffers on huge pages are mapped and unmapped in whole huge pages. Whoever
 * can write to such an fd can punch holes, which may never be filled again, and
 * an access to a hole raises SIGBUS. With O_RDONLY that is sealed off. With
 * another mode other processes can map the fds by mmap(2), but dma_buf_get()
 * refuses them there (-EINVAL): hand them to processes that you trust.
 *
 * Return: 0; -EINVAL for no size, one that overflows, or another flag; -ENOMEM
 * also when no huge pages are left; -EMFILE, -ENFILE.
 */
DMABUF_API int dmabuf_memfd_export(size_t size, unsigned int flags,
				   struct dma_buf **ret_dmabuf);

/**
 * dmabuf_memfd_import() - a buffer on somebody else's memfd
 * @fd: memfd, sealed at least with F_SEAL_SHRINK, and on huge pages with
 *	F_SEAL_WRITE or F_SEAL_FUTURE_WRITE too; stays the caller's
 * @ret_dmabuf: the buffer, with one reference; the same one for every import
 *	of the memfd while it lives
 *
 * Whether it can be written is decided now, by the access mode of @fd and its
 * seals. A read-only one has a read-only dma_buf_vmap() (a write faults), and
 * device maps other than DMA_TO_DEVICE are -EACCES. A write seal that is added
 * later makes new mappings of a writable one fail: dma_buf_vmap() with -EPERM.
 *
 * Return: 0; -EBADF when @fd is not open; -EINVAL when it is no memfd or
 * empty; -EPERM without the seals; -ENOMEM, -EMFILE, -ENFILE.
 */
DMABUF_API int dmabuf_memfd_import(int fd, struct dma_buf **ret_dmabuf);

/**
 * dmabuf_alloc() - a buffer of the best memory that there is
 * @size: bytes, rounded up to pages; read it back from &dma_buf.size
 * @flags: O_RDONLY, O_WRONLY or O_RDWR: the access mode of the fds
 * @preference: what to try, in order, ending with NULL: "heap:NAME" for the
 *	kernel's device /dev/dma_heap/NAME; "udmabuf" for /dev/udmabuf; "memfd",
 *	"anon" for dmabuf_memfd_export(), dmabuf_anon_export(). NULL for
 *	"heap:system", "udmabuf", "memfd"
 * @ret_dmabuf: the buffer, with one reference; its memory is zero
 *
 * From one of the kernel's devices it is a dma-buf of the kernel, imported as
 * dma_buf_get() imports one. Its fds can be imported by drivers. They keep the
 * kernel's buffer, and no reference on this one: when its last reference is
 * gone, dma_buf_get() makes another one of the fd. In a forked child it is dead
 * (-EIO), and the fds are not. Fences of drivers are not in &dma_buf.resv;
 * dma_buf_begin_cpu_access() waits for them.
 *
 * There the access mode binds this process too: O_RDONLY makes dma_buf_vmap()
 * read-only (a write faults) and device maps other than DMA_TO_DEVICE -EACCES,
 * O_WRONLY makes all mapping -EACCES. "udmabuf" has O_RDWR only (-EOPNOTSUPP).
 *
 * Return: the index in @preference of what it got, 0 or more; -EINVAL for no
 * size, one that overflows, another flag, an empty list or an unknown word,
 * before anything is tried; else the error of the last one tried: -ENOENT
 * without the device, -EACCES when it must not be opened, what its ioctl
 * returned, -ENOMEM, -EMFILE, -ENFILE.
 */
DMABUF_API int dmabuf_alloc(size_t size, unsigned int flags,
			    const char *const *preference,
			    struct dma_buf **ret_dmabuf);

/* Noticing that fds were closed, and that others have signalled */

/**
 * dmabuf_event_fd() - when to call dmabuf_dispatch()
 *
 * Readable when fds of buffers may have been closed, when a fence of another
 * process may be done, and when who was not ready at a dma_buf_poll() may ask
 * again. After fork(2) the child asks for the fd again.
 *
 * Return: the fd, owned by the library: poll it, never close it; -errno.
 */
DMABUF_API int dmabuf_event_fd(void);

/**
 * dmabuf_dispatch() - drop the references of closed fds, signal proxies
 *
 * Runs the release of buffers and fences whose last reference this was, and the
 * callbacks on fences of other processes that are done, with no lock held. Never
 * blocks, except in those, and when a peer has put a socket with a lingering
 * close into a sync file that is to be closed.
 *
 * Return: the number of fds of buffers (with all their copies and mappings) found
 * closed; -EDEADLK with a warning when called inside an op or a callback.
 */
DMABUF_API int dmabuf_dispatch(void);

/**
 * dmabuf_reaper_start() - a thread that dispatches
 *
 * For programs without an event loop. Releases then run in that thread, which
 * has all signals blocked. Idempotent; not inherited by fork(2).
 *
 * Return: 0 or -errno.
 */
DMABUF_API int dmabuf_reaper_start(void);

/**
 * dmabuf_reaper_stop() - end that thread, waiting for a release it is in
 *
 * Nothing happens when it does not run; inside a release it warns.
 */
DMABUF_API void dmabuf_reaper_stop(void);

/* Fences as fds: also sync-file.h */

/**
 * dmabuf_sync_file_fd() - a fence as an fd
 * @fence: fence; the fd takes a reference
 * @flags: O_CLOEXEC or 0; other bits are ignored
 *
 * sync_file_create() and dmabuf_sync_file_install() in one. Of a proxy
 * it gives a copy of the fd that the fence came by.
 *
 * Return: the fd; -EINVAL without @fence; -EMFILE, -ENFILE, -ENOMEM.
 */
DMABUF_API int dmabuf_sync_file_fd(struct dma_fence *fence, int flags);

/**
 * dmabuf_sync_file_merge() - one fd for two
 * @name: its name, cut at 31 bytes; NULL or "": one is generated
 * @fd1: sync file
 * @fd2: sync file, the same one or another; both stay the caller's
 *
 * The new one is signalled by this process: when one of the two comes from
 * another process, somebody here has to dispatch, or to wait for a fence, or it
 * never is. In the order of the checks (SYNC_IOC_MERGE, Linux 6.12):
 * Return: the fd, close-on-exec; -EBADF when @fd1 is not open, -ENOTTY when it
 * is something else; -EMFILE, -ENFILE; -ENOENT when @fd2 is not open or
 * something else; -ENOMEM.
 */
DMABUF_API int dmabuf_sync_file_merge(const char *name, int fd1, int fd2);

/**
 * dmabuf_sync_file_info() - ask about a sync file, and its plain fences
 * @fd: sync file
 * @info: flags and pad 0. With num_fences 0
 *	it gets name, status and the number of fences; otherwise also a record
 *	each, in room for num_fences at sync_fence_info
 *
 * Return: 0; -EBADF when @fd is not open, -ENOTTY when it is something else;
 * -EFAULT without @info, or without room; -EINVAL for flags, pad, or too
 * little room; -ENOMEM. (SYNC_IOC_FILE_INFO, Linux 6.12)
 */
DMABUF_API int dmabuf_sync_file_info(int fd, struct sync_file_info *info);

/* Buffers and fences */

/**
 * dma_buf_poll() - what could be done with the buffer now?
 * @dmabuf: buffer
 * @events: of poll(2): POLLIN: read it, POLLOUT: write to it
 *
 * POLLIN is ready without pending fences of usage KERNEL or WRITE, POLLOUT
 * without any up to READ. What is not ready has a callback on the first fence
 * that is pending, with a reference on the buffer until that is signalled.
 * dmabuf_event_fd() turns readable then, and stays so until dmabuf_dispatch():
 * so dispatch first, ask then, and sleep last, in one thread.
 *
 * Context: takes &dma_buf.resv.
 * Return: those of @events that are ready; POLLERR without @dmabuf.
 * (dma_buf_poll(), Linux 6.12)
 */
DMABUF_API int dma_buf_poll(struct dma_buf *dmabuf, short events);

/**
 * dma_buf_export_sync_file() - what is pending on the buffer, as an fd
 * @dmabuf: buffer
 * @flags: DMA_BUF_SYNC_READ: whom a reader waits for; DMA_BUF_SYNC_WRITE, also
 *	with READ: whom a writer waits for
 *
 * Fences that are added later are not in it. Several fences are merged, as by
 * dmabuf_sync_file_merge(). In the order of the checks:
 * Return: the fd, close-on-exec; -EINVAL for other flags or none, and, with a
 * warning, without @dmabuf; -EMFILE, -ENFILE; -ENOMEM.
 * (DMA_BUF_IOCTL_EXPORT_SYNC_FILE, Linux 6.12)
 */
DMABUF_API int dma_buf_export_sync_file(struct dma_buf *dmabuf, uint32_t flags);

/**
 * dma_buf_import_sync_file() - others wait for this fd from now on
 * @dmabuf: buffer
 * @flags: DMA_BUF_SYNC_WRITE: the work writes; only DMA_BUF_SYNC_READ: it reads
 * @fd: sync file; stays the caller's
 *
 * Context: takes &dma_buf.resv.
 * Return: 0; -EINVAL for other flags or none, when @fd is no sync file, and,
 * with a warning, without @dmabuf; -ENOMEM; -EMFILE and -ENFILE when @fd comes
 * from another process.
 * (DMA_BUF_IOCTL_IMPORT_SYNC_FILE, Linux 6.12)
 */
DMABUF_API int dma_buf_import_sync_file(struct dma_buf *dmabuf, uint32_t flags,
					int fd);

/* Misuse and broken state */

/**
 * dmabuf_report_fn - takes a report
 * @report: one or more lines without a newline at the end; valid in the call
 * @data: as given with the function
 *
 * The library holds no lock of its own around it, except that a warning raised
 * inside an op comes with what is held around that op. A BUG handler may leave
 * by longjmp(3) to a point outside of all ops; the objects are usable then.
 */
typedef void (*dmabuf_report_fn)(const char *report, void *data);

/**
 * dmabuf_set_bug_handler() - who hears of broken state
 * @fn: NULL for the default, which prints the report. When it returns, the
 *	process is aborted.
 * @data: for @fn
 */
DMABUF_API void dmabuf_set_bug_handler(dmabuf_report_fn fn, void *data);

/**
 * dmabuf_set_warn_handler() - who hears of misuse
 * @fn: NULL for the default, which prints the report
 * @data: for @fn
 */
DMABUF_API void dmabuf_set_warn_handler(dmabuf_report_fn fn, void *data);

/** dmabuf_warn_count() - warnings since the program started */
DMABUF_API unsigned long dmabuf_warn_count(void);

/** dmabuf_refcount() - references on a buffer now; for tests and teaching */
DMABUF_API unsigned int dmabuf_refcount(const struct dma_buf *dmabuf);

/** dmabuf_live_buffers() - buffers of this process not yet released */
DMABUF_API unsigned int dmabuf_live_buffers(void);

/* Pages */

/*
 * A run of pages that exporters hand to devices; the fields are the library's.
 */
struct dmabuf_pages {
	void *addr;
	size_t size;
	bool mapped;
	bool writable;
};

/**
 * dmabuf_pages_init_memfd() - the pages of a range of a memfd
 * @pages: caller's memory; ended by dmabuf_pages_fini()
 * @fd: memfd, needed only during the call; sealed against shrinking, as pages
 *	that a file loses raise SIGBUS
 * @offset: bytes into it, whole pages
 * @size: bytes, rounded up to pages; on huge pages, to these
 *
 * The pages are read-only when @fd was opened so or is sealed against writing.
 *
 * Return: 0; -EINVAL when the range is empty or not inside the file, or @offset
 * inside a page; the error of fstat(2), fstatfs(2) or mmap(2): -EBADF, -EACCES
 * when @fd is write-only, -ENOMEM.
 */
DMABUF_API int dmabuf_pages_init_memfd(struct dmabuf_pages *pages, int fd,
				       off_t offset, size_t size);

/**
 * dmabuf_pages_init_mapping() - the pages that a mapping shows
 * @pages: caller's memory; ended by dmabuf_pages_fini()
 * @addr: page-aligned; stays the caller's, mapped until dmabuf_pages_fini()
 * @size: bytes, rounded up to pages
 *
 * Return: 0; -EINVAL for no size, no address or one inside a page, or a range
 * that overflows.
 */
DMABUF_API int dmabuf_pages_init_mapping(struct dmabuf_pages *pages, void *addr,
					 size_t size);

/**
 * dmabuf_pages_fini() - the pages are used by no device and no table
 * @pages: empty afterwards; empty pages may be ended again
 */
DMABUF_API void dmabuf_pages_fini(struct dmabuf_pages *pages);

/** dmabuf_pages_nth() - page @index, counted from 0; NULL past the end */
DMABUF_API struct page *dmabuf_pages_nth(const struct dmabuf_pages *pages,
					 size_t index);

/**
 * dmabuf_pages_sg_table() - a table over a whole run, in as few entries as can
 * be
 * @pages: pages
 * @max_segment: longest entry in bytes; dma_get_max_seg_size() of the device it
 *	is for. UINT_MAX: no limit
 * @table: filled in; given back to sg_free_table()
 *
 * The limit is rounded down to pages.
 *
 * Return: 0; -EINVAL for a limit below a page, or empty pages; -ENOMEM. On
 * failure @table is empty.
 */
DMABUF_API int dmabuf_pages_sg_table(const struct dmabuf_pages *pages,
				     unsigned int max_segment,
				     struct sg_table *table);

/* Devices */

/**
 * struct dmabuf_device_info - a device to make
 * @name: copied; NULL for "device"
 * @dma_mask: highest bus address, at least a page; 0: no limit. The first page
 *	is never mapped
 * @max_segment_size: longest segment in bytes, at least a page; 0: no limit
 * @non_coherent: the device works on a copy, made at map and at sync for the
 *	device; the bytes that it wrote reach the CPU at unmap and at sync for
 *	the CPU. So a forgotten bracket shows
 */
struct dmabuf_device_info {
	const char *name;
	uint64_t dma_mask;
	uint32_t max_segment_size;
	bool non_coherent;
};

/**
 * dmabuf_device_create() - make a simulated device
 * @info: description; read during the call only
 * @ret_dev: the device, given back to dmabuf_device_destroy()
 *
 * Return: 0; -EINVAL without @info or for a limit below a page; -ENOMEM.
 */
DMABUF_API int dmabuf_device_create(const struct dmabuf_device_info *info,
				    struct device **ret_dev);

/**
 * dmabuf_device_destroy() - end a device
 * @dev: device or NULL; attached to nothing any more, since a detach would
 *	still use it. Mappings left over warn
 */
DMABUF_API void dmabuf_device_destroy(struct device *dev);

/**
 * dmabuf_device_read() - the device's DMA engine reads
 * @dev: device
 * @addr: bus address, from sg_dma_address()
 * @buf: gets @len bytes
 * @len: bytes, all inside one segment; 0 is no access and never faults
 *
 * Context: takes the device's lock.
 * Return: 0; -EFAULT with a warning when a byte of it is not mapped, no longer
 * mapped, or mapped DMA_FROM_DEVICE. Nothing is moved then.
 */
DMABUF_API int dmabuf_device_read(struct device *dev, dma_addr_t addr,
				  void *buf, size_t len);

/**
 * dmabuf_device_write() - the device's DMA engine writes
 * @dev: device
 * @addr: bus address, from sg_dma_address()
 * @buf: @len bytes
 * @len: bytes, all inside one segment; 0 is no access and never faults
 *
 * Context: takes the device's lock.
 * Return: 0; -EFAULT with a warning when a byte of it is not mapped, no longer
 * mapped, or mapped DMA_TO_DEVICE. Nothing is moved then.
 */
DMABUF_API int dmabuf_device_write(struct device *dev, dma_addr_t addr,
				   const void *buf, size_t len);

#ifdef __cplusplus
}
#endif

#endif
