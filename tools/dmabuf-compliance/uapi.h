/* SPDX-License-Identifier: MIT */
/* uapi.h - the kernel's interface, and what older headers lack of it */
#ifndef COMPLIANCE_UAPI_H
#define COMPLIANCE_UAPI_H

#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/sync_file.h>
#include <linux/types.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

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
