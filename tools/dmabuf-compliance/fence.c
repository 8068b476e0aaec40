/* SPDX-License-Identifier: MIT */
/* fence.c - sync files, signalled ones of a buffer and others of sw_sync */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

/* Rows that need a fence that waits skip without the device. */
int timeline_open(void)
{
	if (devices.no_sw_sync)
		skip("no sw_sync: %s", devices.no_sw_sync);
	return must(open(devices.sw_sync_path, O_RDWR | O_CLOEXEC),
		    "open(%s)", devices.sw_sync_path);
}

int timeline_fence(int timeline, unsigned int value)
{
	struct sw_sync_create create = { .value = value };

	must(ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE, &create),
	     "ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE, {value=%u})", value);
	return create.fence;
}

void timeline_inc(int timeline, unsigned int by)
{
	__u32 value = by;

	must(ioctl(timeline, SW_SYNC_IOC_INC, &value),
	     "ioctl(timeline, SW_SYNC_IOC_INC, %u)", by);
}

/* A kernel may be built without sync files. */
int buffer_export(int buf, unsigned int flags)
{
	struct dma_buf_export_sync_file arg = { .flags = flags, .fd = -1 };
	int ret;

	ret = ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &arg);
	if (ret && errno == ENOTTY)
		skip("no sync files of buffers here");
	must(ret, "ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, {flags=%u})",
	     flags);
	return arg.fd;
}

void buffer_import(int buf, unsigned int flags, int fence)
{
	struct dma_buf_import_sync_file arg = { .flags = flags, .fd = fence };
	int ret;

	ret = ioctl(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &arg);
	if (ret && errno == ENOTTY)
		skip("no sync files of buffers here");
	must(ret, "ioctl(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, {flags=%u})",
	     flags);
}

/* Of an idle buffer, or of a timeline that has come so far. */
int signalled_fence(void)
{
	const struct subject *from = NULL;
	size_t i;

	if (!devices.udmabuf.why_not)
		from = &devices.udmabuf;
	for (i = devices.nr_heaps; i-- > 0; ) {
		if (!devices.heaps[i].why_not)
			from = &devices.heaps[i];
	}
	if (!from)
		return timeline_fence(timeline_open(), 0);
	return buffer_export(buffer_of(from, 1), DMA_BUF_SYNC_RW);
}

int fence_merge(int a, int b)
{
	struct sync_merge_data data = { .name = "merged", .fd2 = b };

	must(ioctl(a, SYNC_IOC_MERGE, &data),
	     "ioctl(fence, SYNC_IOC_MERGE, {name=merged})");
	return data.fence;
}

int fence_status(int fence)
{
	struct sync_file_info info = { .num_fences = 0 };

	must(ioctl(fence, SYNC_IOC_FILE_INFO, &info),
	     "ioctl(fence, SYNC_IOC_FILE_INFO, {num_fences=0})");
	return info.status;
}

int fence_leaves(int fence)
{
	struct sync_file_info info = { .num_fences = 0 };

	must(ioctl(fence, SYNC_IOC_FILE_INFO, &info),
	     "ioctl(fence, SYNC_IOC_FILE_INFO, {num_fences=0})");
	return (int)info.num_fences;
}

/* By the clock that tells when a fence was signalled. */
unsigned long long now_ns(void)
{
	struct timespec now;

	must(clock_gettime(CLOCK_MONOTONIC, &now), "clock_gettime()");
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

void expect_signalled(int fence, bool signalled, const char *what)
{
	expect_events(signalled ? POLLIN : 0, fd_poll(fence, POLLIN),
		      "poll(%s)", what);
}

/* Waits for all of @events; who waits in vain is ended by the row's alarm. */
void expect_wait(int fd, short events, const char *what)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	do {
		must(poll(&pollfd, 1, -1), "poll(%s, %#x, -1)", what,
		     (unsigned int)events);
	} while (pollfd.revents != events);
}
