/* SPDX-License-Identifier: MIT */
/* uapi.h - the system calls on buffers, heaps and sync files, as functions */
#ifndef DMABUF_UAPI_H
#define DMABUF_UAPI_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* _IOWR() */
#include <linux/ioctl.h>

#include <dmabuf/dma-buf.h>
#include <dmabuf/dma-heap.h>
#include <dmabuf/export.h>
#include <dmabuf/sw-sync.h>
#include <dmabuf/sync-file.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What a kernel answers, for objects of this process: to test a driver's user
 * interface, and for supervisors (dmabuf-run(1), a CUSE server, an emulator)
 * that answer other processes. Commands and structures are those of <linux/dma-
 * buf.h>, <linux/dma-heap.h>, <linux/udmabuf.h>, <linux/sync_file.h>.
 *
 * All return what ioctl(2) would, with -errno for -1. The order of the checks
 * is that of Linux 6.12: of two mistakes the one is reported that Linux
 * reports. A call that fails gives no fd, with one exception: to a caller who
 * takes the memory of his argument away while the call runs.
 */

struct dmabuf_caller;

/**
 * struct dmabuf_caller_ops - whom a call comes from
 * @read: copy @size bytes from @from in the caller's memory; 0 or -EFAULT
 * @write: copy @size bytes to @to in the caller's memory; 0 or -EFAULT. On
 *	-EFAULT part of it may have been written
 * @fd_room: optional: can he have one more fd? 0, -EMFILE, -ENFILE. Asked where
 *	Linux takes the number, which may be before the argument is read
 * @fd_give: make @fd, of this process, an fd of his, with O_CLOEXEC in @flags or
 *	without: its number there, or -errno. @fd is used up, also on failure
 * @fd_open: an fd of this process, close-on-exec, that shows the file behind his
 *	@fd, readable and writable if it can be, or -errno; -EBADF when he has
 *	no such fd
 * @sync_file: the file behind his @fd, with a reference on its fence, to
 *	@ret_file; -EBADF, -ENOTTY for anything else
 */
struct dmabuf_caller_ops {
	int (*read)(struct dmabuf_caller *caller, void *to, uint64_t from,
		    size_t size);
	int (*write)(struct dmabuf_caller *caller, uint64_t to,
		     const void *from, size_t size);
	int (*fd_room)(struct dmabuf_caller *caller);
	int (*fd_give)(struct dmabuf_caller *caller, int fd, int flags);
	int (*fd_open)(struct dmabuf_caller *caller, int fd);
	int (*sync_file)(struct dmabuf_caller *caller, int fd,
			 struct sync_file *ret_file);
};

/**
 * struct dmabuf_caller - one caller; embedded in what the ops know about him
 * @ops: constant
 *
 * NULL in place of one is the calling thread itself: addresses are its own, a
 * bad one is -EFAULT and no crash.
 */
struct dmabuf_caller {
	const struct dmabuf_caller_ops *ops;
};

/**
 * dmabuf_buffer_ioctl() - ioctl(2) on a buffer's fd
 * @dmabuf: buffer
 * @cmd: DMA_BUF_IOCTL_SYNC, DMA_BUF_SET_NAME, _A, _B,
 *	DMA_BUF_IOCTL_EXPORT_SYNC_FILE, DMA_BUF_IOCTL_IMPORT_SYNC_FILE
 * @arg: address in the caller's memory
 * @caller: who calls; NULL: this thread
 *
 * A SYNC that starts waits for fences as dma_buf_begin_cpu_access() does.
 *
 * Return: 0 or -errno; -ENOTTY for another command; -EINVAL, with a warning,
 * without @dmabuf. (dma_buf_ioctl(), Linux 6.12)
 */
DMABUF_API long dmabuf_buffer_ioctl(struct dma_buf *dmabuf, unsigned int cmd,
				    uint64_t arg, struct dmabuf_caller *caller);

/**
 * dmabuf_buffer_seek() - lseek(2) on a buffer's fd
 * @dmabuf: buffer
 * @offset: bytes; only 0 is valid
 * @whence: SEEK_SET gives 0, SEEK_END the size
 *
 * Return: bytes; -EINVAL for anything else and, with a warning, without
 * @dmabuf. (dma_buf_llseek(), Linux 6.12)
 */
DMABUF_API off_t dmabuf_buffer_seek(struct dma_buf *dmabuf, off_t offset,
				    int whence);

/**
 * dmabuf_buffer_mmap_check() - what mmap(2) on a buffer's fd would say
 * @dmabuf: buffer
 * @length: bytes
 * @prot: PROT_ bits
 * @flags: MAP_ bits
 * @offset: bytes into the buffer
 * @mode: O_RDONLY, O_WRONLY or O_RDWR: how the fd was opened
 *
 * Leaves to the real call what that decides by the address space, and to the
 * exporter's mmap what that refuses: some refuse private mappings.
 *
 * Return: 0, or -errno of the first check that fails: -EINVAL, -ENOMEM,
 * -EOVERFLOW, -EOPNOTSUPP, -EACCES; -EINVAL, with a warning, without @dmabuf.
 * (dma_buf_mmap_internal(), Linux 6.12)
 */
DMABUF_API int dmabuf_buffer_mmap_check(struct dma_buf *dmabuf, uint64_t length,
					int prot, int flags, uint64_t offset,
					int mode);

/**
 * dmabuf_buffer_fdinfo() - the buffer's lines of /proc/PID/fdinfo/FD
 * @dmabuf: buffer; the caller's reference is not in the count, as that of who
 *	reads the file in /proc is not
 * @file: gets size, count, exp_name, and name when one was set
 *
 * Context: takes &dma_buf.lock.
 * Return: 0; -EIO; -EINVAL, with a warning, without @dmabuf.
 * (dma_buf_show_fdinfo(), Linux 6.12)
 */
DMABUF_API int dmabuf_buffer_fdinfo(struct dma_buf *dmabuf, FILE *file);

/**
 * dmabuf_bufinfo() - all buffers, as debugfs shows them in dma_buf/bufinfo
 * @file: gets a table: size, flags, mode, references, exporter, inode, name;
 *	under each buffer its fences and its attached devices; and the totals
 *
 * The fences of a buffer whose reservation another thread holds are "busy". A
 * buffer has an inode from its first fd on, and 0 before.
 *
 * Context: takes &dma_buf.lock, and &dma_buf.resv where that needs no waiting.
 * What is written to @file is written without a lock.
 * Return: 0; -ENOMEM, -EIO. (dma_buf_debug_show(), Linux 6.12)
 */
DMABUF_API int dmabuf_bufinfo(FILE *file);

/**
 * dmabuf_heap_ioctl() - ioctl(2) on a heap's device
 * @heap: heap
 * @cmd: DMA_HEAP_IOCTL_ALLOC, of any size; its type letter is not looked at
 * @arg: address in the caller's memory
 * @caller: who calls; NULL: this thread
 *
 * The structure is written back only after success, and when it cannot be, no
 * fd is left. (Linux 6.12.107 did otherwise: -EFAULT came before other errors,
 * and the fd stayed.)
 *
 * Return: 0 or -errno; -EINVAL for another number and, with a warning, without
 * @heap. (dma_heap_ioctl(), Linux 6.12.117)
 */
DMABUF_API long dmabuf_heap_ioctl(struct dma_heap *heap, unsigned int cmd,
				  uint64_t arg, struct dmabuf_caller *caller);

/**
 * dmabuf_udmabuf_ioctl() - ioctl(2) on the device udmabuf
 * @cmd: UDMABUF_CREATE, UDMABUF_CREATE_LIST
 * @arg: address in the caller's memory
 * @caller: who calls; NULL: this thread
 *
 * Return: the new fd or -errno; -ENOTTY for another command.
 * (udmabuf_ioctl(), Linux 6.12)
 */
DMABUF_API long dmabuf_udmabuf_ioctl(unsigned int cmd, uint64_t arg,
				     struct dmabuf_caller *caller);

/**
 * dmabuf_sync_file_ioctl() - ioctl(2) on a sync file
 * @sync_file: file; only looked at
 * @cmd: SYNC_IOC_MERGE, SYNC_IOC_FILE_INFO, SYNC_IOC_SET_DEADLINE (which
 *	headers before Linux 6.4 do not have: _IOW('>', 5, ...) of 16 bytes)
 * @arg: address in the caller's memory
 * @caller: who calls; NULL: this thread
 *
 * Return: 0 or -errno; -ENOTTY for another command.
 * (sync_file_ioctl(), Linux 6.12)
 */
DMABUF_API long dmabuf_sync_file_ioctl(struct sync_file *sync_file,
				       unsigned int cmd, uint64_t arg,
				       struct dmabuf_caller *caller);

/* Of sw_sync, which has no installed header. */
struct dmabuf_sw_sync_create_fence {
	uint32_t value;
	char name[32];
	int32_t fence;
};

struct dmabuf_sw_sync_get_deadline {
	uint64_t deadline_ns;
	uint32_t pad;
	int32_t fence_fd;
};

#define DMABUF_SW_SYNC_IOC_CREATE_FENCE \
	_IOWR('W', 0, struct dmabuf_sw_sync_create_fence)
#define DMABUF_SW_SYNC_IOC_INC _IOW('W', 1, uint32_t)
#define DMABUF_SW_SYNC_GET_DEADLINE \
	_IOWR('W', 2, struct dmabuf_sw_sync_get_deadline)

/**
 * dmabuf_sw_sync_ioctl() - ioctl(2) on an open sw_sync
 * @timeline: what was opened
 * @cmd: DMABUF_SW_SYNC_IOC_CREATE_FENCE, DMABUF_SW_SYNC_IOC_INC,
 *	DMABUF_SW_SYNC_GET_DEADLINE
 * @arg: address in the caller's memory
 * @caller: who calls; NULL: this thread
 *
 * Return: 0 or -errno; -ENOTTY for another command.
 * (sw_sync_ioctl(), Linux 6.12)
 */
DMABUF_API long dmabuf_sw_sync_ioctl(struct dmabuf_sw_sync *timeline,
				     unsigned int cmd, uint64_t arg,
				     struct dmabuf_caller *caller);

/**
 * dmabuf_ioctl() - ioctl(2) on an fd of the library
 * @fd: of a buffer or a sync file
 * @cmd: of these
 * @arg: address
 *
 * Return: as the functions above; -EBADF when @fd is not open, -ENOTTY when it
 * is something else.
 */
DMABUF_API long dmabuf_ioctl(int fd, unsigned int cmd, void *arg);

/* What an fd of another process is, by what stat(2) says of it */

/**
 * dmabuf_find() - the buffer of this process that has an inode
 * @dev: as fstat(2) of any copy of its fd, in whatever process, says
 * @ino: likewise
 *
 * Return: with a reference; NULL.
 */
DMABUF_API struct dma_buf *dmabuf_find(dev_t dev, ino_t ino);

/**
 * dmabuf_sync_file_id() - a number for all copies of a sync file
 * @fd: sync file that this process made
 * @ret_id: the number; not used again by the process
 *
 * Return: 0; -EBADF; -ENOTTY for anything else.
 */
DMABUF_API int dmabuf_sync_file_id(int fd, uint64_t *ret_id);

/**
 * dmabuf_sync_file_find() - the sync file of a number
 * @id: from dmabuf_sync_file_id()
 * @ret_file: a copy, with a reference on its fence: the caller puts that
 *
 * Return: 0; -ENOENT when all copies were found closed.
 */
DMABUF_API int dmabuf_sync_file_find(uint64_t id, struct sync_file *ret_file);

#ifdef __cplusplus
}
#endif

#endif
