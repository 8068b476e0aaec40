/* SPDX-License-Identifier: MIT */
/* uapi.h - the kernel's interface, and what older headers lack of it */
#ifndef COMPLIANCE_UAPI_H
#define COMPLIANCE_UAPI_H

#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <linux/types.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#if __has_include(<linux/dma-heap.h>)
#include <linux/dma-heap.h>
#endif
#if __has_include(<linux/udmabuf.h>)
#include <linux/udmabuf.h>
#endif

#ifndef DMA_HEAP_IOCTL_ALLOC
struct dma_heap_allocation_data {
	__u64 len;
	__u32 fd;
	__u32 fd_flags;
	__u64 heap_flags;
};

#define DMA_HEAP_IOCTL_ALLOC _IOWR('H', 0, struct dma_heap_allocation_data)
#endif

#ifndef UDMABUF_CREATE
struct udmabuf_create {
	__u32 memfd;
	__u32 flags;
	__u64 offset;
	__u64 size;
};

struct udmabuf_create_item {
	__u32 memfd;
	__u32 __pad;
	__u64 offset;
	__u64 size;
};

struct udmabuf_create_list {
	__u32 flags;
	__u32 count;
	struct udmabuf_create_item list[];
};

#define UDMABUF_FLAGS_CLOEXEC 0x01
#define UDMABUF_CREATE _IOW('u', 0x42, struct udmabuf_create)
#define UDMABUF_CREATE_LIST _IOW('u', 0x43, struct udmabuf_create_list)
#endif

#ifndef DMA_BUF_SET_NAME
#define DMA_BUF_SET_NAME _IOW('b', 1, const char *)
#endif
#ifndef DMA_BUF_SET_NAME_A
#define DMA_BUF_SET_NAME_A _IOW('b', 1, __u32)
#define DMA_BUF_SET_NAME_B _IOW('b', 1, __u64)
#endif

#ifndef DMA_BUF_IOCTL_EXPORT_SYNC_FILE
struct dma_buf_export_sync_file {
	__u32 flags;
	__s32 fd;
};

struct dma_buf_import_sync_file {
	__u32 flags;
	__s32 fd;
};

#define DMA_BUF_IOCTL_EXPORT_SYNC_FILE \
	_IOWR('b', 2, struct dma_buf_export_sync_file)
#define DMA_BUF_IOCTL_IMPORT_SYNC_FILE \
	_IOW('b', 3, struct dma_buf_import_sync_file)
#endif

/* The structure has this name wherever it is declared; ours has another. */
struct deadline {
	__u64 deadline_ns;
	__u64 pad;
};

#ifndef SYNC_IOC_SET_DEADLINE
#define SYNC_IOC_SET_DEADLINE _IOW('>', 5, struct deadline)
#endif

/* sw_sync is in no header of the kernel. */
struct sw_sync_create {
	__u32 value;
	char name[32];
	__s32 fence;
};

struct sw_sync_deadline {
	__u64 deadline_ns;
	__u32 pad;
	__s32 fence_fd;
};

#define SW_SYNC_IOC_CREATE_FENCE _IOWR('W', 0, struct sw_sync_create)
#define SW_SYNC_IOC_INC _IOW('W', 1, __u32)
#define SW_SYNC_GET_DEADLINE _IOWR('W', 2, struct sw_sync_deadline)

/* As struct statx, which not every libc declares; times are left out. */
struct extended_stat {
	__u32 mask, blksize;
	__u64 attributes;
	__u32 nlink, uid, gid;
	__u16 mode, unused;
	__u64 ino, size, blocks, attributes_mask;
	__u64 more[24];
};

#define STATX_BASIC 0x7ffU

#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#define F_GET_SEALS 1034
#define F_SEAL_SEAL 0x1
#define F_SEAL_SHRINK 0x2
#define F_SEAL_GROW 0x4
#define F_SEAL_WRITE 0x8
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif
#ifndef MFD_CLOEXEC
#define MFD_CLOEXEC 0x1U
#endif
#ifndef MFD_ALLOW_SEALING
#define MFD_ALLOW_SEALING 0x2U
#endif
#ifndef MFD_HUGETLB
#define MFD_HUGETLB 0x4U
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x8U
#endif
#ifndef EBADFD
#define EBADFD 77
#endif

#endif
