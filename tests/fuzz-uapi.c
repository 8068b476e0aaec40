/* SPDX-License-Identifier: MIT */
/*
 * fuzz-uapi.c - libFuzzer makes up system calls of somebody else
 *
 * The input is a row of calls: on what, which command, where its argument is,
 * what is in it, which pages can be reached, how many fds he may have. Each is
 * answered with a documented error or done; what fails has no effect, and in the
 * end nothing is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/sync_file.h>
#include <linux/udmabuf.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dmabuf/dmabuf.h>

#include "mock-caller.h"

#define PAGE 4096
#define FDS_SEEN 256
#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

enum object { BUFFER, HEAP, UDMABUF, SYNC_FILE, SW_SYNC, NR_OBJECTS };

struct step {
	uint8_t object;
	uint8_t cmd;		/* one that is known, or @raw */
	uint8_t denied;		/* pages: 4 bits unreadable, 4 unwritable */
	uint8_t fds;		/* how many he may have; 0x80: takes none */
	uint8_t fd_at;		/* 0x80: one of his fds into the argument */
	uint8_t spare;
	uint16_t at;		/* the argument */
	uint32_t raw;
	uint8_t arg[48];
};

/* Of the bytes that SET_DEADLINE has in headers that know it. */
#define SET_DEADLINE _IOW('>', 5, char[16])

static const unsigned int cmds[NR_OBJECTS][5] = {
	[BUFFER] = {
		DMA_BUF_IOCTL_SYNC, DMA_BUF_SET_NAME_A, DMA_BUF_SET_NAME_B,
		DMA_BUF_IOCTL_EXPORT_SYNC_FILE, DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
	},
	[HEAP] = {
		DMA_HEAP_IOCTL_ALLOC, DMA_HEAP_IOCTL_ALLOC,
		_IOWR('H', 0, char[16]), _IOWR('H', 0, char[200]),
		_IOW('H', 0, char[24]),
	},
	[UDMABUF] = {
		UDMABUF_CREATE, UDMABUF_CREATE_LIST, UDMABUF_CREATE,
		UDMABUF_CREATE_LIST, 0,
	},
	[SYNC_FILE] = {
		SYNC_IOC_MERGE, SYNC_IOC_FILE_INFO, SET_DEADLINE,
		SYNC_IOC_FILE_INFO, SYNC_IOC_MERGE,
	},
	[SW_SYNC] = {
		DMABUF_SW_SYNC_IOC_CREATE_FENCE, DMABUF_SW_SYNC_IOC_INC,
		DMABUF_SW_SYNC_GET_DEADLINE, DMABUF_SW_SYNC_IOC_CREATE_FENCE, 0,
	},
};

static struct mock_caller him;
static struct dma_buf *dmabuf;
static struct dmabuf_sw_sync *timeline;
static struct sync_file file;

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fuzz-uapi: not so: %s\n", what);
	abort();
}

/* What the calls are on, and what he has: a sync file, and a sealed memfd. */
static void begin(void)
{
	int fd;

	mock_caller_init(&him);
	need(!dmabuf_memfd_export(4 * PAGE, O_RDWR, &dmabuf), "buffer");
	need(!dmabuf_sw_sync_create("line", &timeline), "timeline");
	file = (struct sync_file){ .fence = dmabuf_sw_sync_fence(timeline, 1) };
	his_fd_put(&him, dmabuf_sync_file_fd(file.fence, O_CLOEXEC));
	fd = memfd_create("pages", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	need(fd >= 0 && !ftruncate(fd, 4 * PAGE) &&
	     !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), "memfd");
	his_fd_put(&him, fd);
}

static void end(void)
{
	struct pollfd event = { .fd = dmabuf_event_fd(), .events = POLLIN };
	int tries;

	mock_caller_fini(&him);
	dmabuf_sw_sync_destroy(timeline);
	dma_fence_put(file.fence);
	dma_buf_put(dmabuf);
	dmabuf_dispatch();
	for (tries = 0; dmabuf_live_buffers() && tries < 100; tries++) {
		poll(&event, 1, 100);
		dmabuf_dispatch();
	}
	need(!dmabuf_live_buffers(), "no buffer is left");
}

/* Of buffers, memfds and sync files: libFuzzer opens others meanwhile. */
static unsigned int nr_fds(void)
{
	unsigned int nr = 0;
	struct stat st;
	int fd;

	for (fd = 0; fd < FDS_SEEN; fd++)
		nr += !fstat(fd, &st) &&
		      (S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode));
	return nr;
}

/* Steps */

static unsigned int cmd_of(const struct step *step, enum object object)
{
	if (step->cmd & 0x80)
		return step->raw;
	return cmds[object][step->cmd % NR_ELEMENTS(cmds[object])];
}

static uint64_t arg_put(const struct step *step)
{
	size_t at = step->at % (sizeof(him.memory) - sizeof(step->arg));
	int32_t number = HIS_FD + (step->fd_at & 7);

	his_put(&him, at, step->arg, sizeof(step->arg));
	if (step->fd_at & 0x80)
		his_put(&him, at + (step->fd_at >> 3 & 0xf) % 12 * 4, &number,
			sizeof(number));
	/* Sometimes where his memory ends. */
	return HIS_MEMORY + at + (step->cmd & 0x40 ? sizeof(step->arg) : 0);
}

static void moods_set(const struct step *step)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		him.unreadable[i] = step->denied >> i & 1;
		him.unwritable[i] = step->denied >> (i + 4) & 1;
	}
	him.fds_max = step->fds & 0x40 ? step->fds & 7 : HIS_FDS;
	him.give_error = step->fds & 0x80 ? -EMFILE : 0;
}

static long call(enum object object, unsigned int cmd, uint64_t arg)
{
	struct dma_heap *heap;

	switch (object) {
	case BUFFER:
		/* It waits for fences, and nobody else signals them. */
		if (cmd == DMA_BUF_IOCTL_SYNC)
			dmabuf_sw_sync_inc(timeline, UINT32_MAX);
		return dmabuf_buffer_ioctl(dmabuf, cmd, arg, &him.base);
	case HEAP:
		heap = dma_heap_find(arg & 1 ? "system" : "contiguous");
		return dmabuf_heap_ioctl(heap, cmd, arg, &him.base);
	case UDMABUF:
		return dmabuf_udmabuf_ioctl(cmd, arg, &him.base);
	case SYNC_FILE:
		return dmabuf_sync_file_ioctl(&file, cmd, arg, &him.base);
	default:
		return dmabuf_sw_sync_ioctl(timeline, cmd, arg, &him.base);
	}
}

static bool is_documented(enum object object, long ret)
{
	static const long errors[] = {
		-EINVAL, -EFAULT, -EMFILE, -ENOTTY, -ENOENT, -ENOMEM, -EBADFD,
	};
	size_t i;

	if (!ret)
		return object != UDMABUF;
	if (ret > 0)
		return object == UDMABUF && his_fd(&him, (int)ret) >= 0;
	for (i = 0; i < NR_ELEMENTS(errors); i++)
		if (ret == errors[i])
			return true;
	return false;
}

/* These write, or cut a name, before they can fail. */
static bool writes_early(enum object object, unsigned int cmd)
{
	if (object == HEAP)
		return !(_IOC_DIR(cmd) & _IOC_WRITE);
	return cmd == SYNC_IOC_FILE_INFO || cmd == SYNC_IOC_MERGE;
}

static void try(const struct step *step)
{
	static unsigned char before[sizeof(him.memory)];
	enum object object = step->object % NR_OBJECTS;
	unsigned int cmd = cmd_of(step, object);
	uint64_t arg = arg_put(step);
	unsigned int nr = his_nr_fds(&him);
	long ret;

	moods_set(step);
	memcpy(before, him.memory, sizeof(before));
	him.log[0] = '\0';
	ret = call(object, cmd, arg);
	if (!is_documented(object, ret))
		fprintf(stderr, "fuzz-uapi: %ld for %#x\n", ret, cmd);
	need(is_documented(object, ret), "a documented result");
	if (ret >= 0)
		return;
	need(his_nr_fds(&him) == nr, "who gets an error gets no fd");
	need(writes_early(object, cmd) ||
	     !memcmp(before, him.memory, sizeof(before)),
	     "what fails changes nothing");
}

/* Any questions, for any numbers. */
static void ask(const struct step *step)
{
	int ret = dmabuf_buffer_mmap_check(dmabuf, step->raw, step->arg[0] & 7,
					   (int)step->raw, step->at * 512u,
					   step->fds % 3);

	need(!ret || ret == -EINVAL || ret == -ENOMEM || ret == -EOVERFLOW ||
	     ret == -EOPNOTSUPP || ret == -EACCES, "a documented error");
	need(dmabuf_buffer_seek(dmabuf, step->at % 2, step->cmd) ==
	     (step->at % 2 || (step->cmd && step->cmd != SEEK_END) ? -EINVAL :
	      step->cmd == SEEK_END ? 4 * PAGE : 0), "the end or the start");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	unsigned int nr_before = nr_fds();
	struct step step;

	begin();
	for (; len; bytes += sizeof(step), len -= sizeof(step)) {
		memset(&step, 0, sizeof(step));
		memcpy(&step, bytes, len < sizeof(step) ? len : sizeof(step));
		try(&step);
		ask(&step);
		if (len < sizeof(step))
			break;
	}
	end();
	need(nr_fds() == nr_before, "no fd is left");
	return 0;
}
