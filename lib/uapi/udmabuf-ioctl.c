/* SPDX-License-Identifier: MIT */
/* udmabuf-ioctl.c - ioctl(2) on the device udmabuf */
#include <dmabuf/uapi.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dmabuf/udmabuf.h>

#include "buffer/origin.h"
#include "exporter/udmabuf.h"
#include "uapi/caller.h"

/* What the caller asks for, and the same with fds of this process. */
struct request {
	uint32_t flags;
	uint32_t count;
	struct udmabuf_create_item *items;
	struct dmabuf_udmabuf_range *ranges;
};

static int request_alloc(struct request *request)
{
	/* With one too many, as none at all is a request too. */
	size_t room = (size_t)request->count + 1;

	request->items = calloc(room, sizeof(*request->items));
	request->ranges = calloc(room, sizeof(*request->ranges));
	return request->items && request->ranges ? 0 : -ENOMEM;
}

static void request_free(struct request *request)
{
	free(request->items);
	free(request->ranges);
}

/* Many ranges are of few memfds: the first one of each opens it. */
static uint32_t opener_of(const struct request *request, uint32_t i)
{
	uint32_t first = 0;

	while (request->items[first].memfd != request->items[i].memfd)
		first++;
	return first;
}

static void fds_close(const struct request *request, uint32_t nr,
		      struct dmabuf_caller *caller)
{
	uint32_t i;

	/* Those of this thread are its own. */
	for (i = 0; caller && i < nr; i++)
		if (opener_of(request, i) == i && request->ranges[i].fd >= 0)
			close(request->ranges[i].fd);
}

/*
 * No memory to make others of, though one of the library may be a memfd. A
 * caller's memfd may have the name of one: of his fds only ours are buffers.
 */
static bool is_buffer(int fd, const struct dmabuf_caller *caller)
{
	struct dma_buf *dmabuf;
	struct origin origin;
	struct stat st;

	if (!caller)
		return !origin_of_buffer(fd, &origin);
	if (fstat(fd, &st))
		return true;
	dmabuf = dmabuf_find(st.st_dev, st.st_ino);
	if (dmabuf)
		dma_buf_put(dmabuf);
	return dmabuf;
}

/* A buffer is as good as closed: the error is the same. */
static int memory_open(struct dmabuf_caller *caller, int number)
{
	int fd = number;

	if (caller)
		fd = caller->ops->fd_open(caller, number);
	if (fd < 0 || !is_buffer(fd, caller))
		return fd;
	if (caller)
		close(fd);
	return -EBADF;
}

/* What he does not have is -1 here, and told in the order of the checks. */
static int fd_open(const struct request *request, uint32_t i,
		   struct dmabuf_caller *caller)
{
	uint32_t opener = opener_of(request, i);
	int fd;

	if (opener < i) {
		request->ranges[i].fd = request->ranges[opener].fd;
		return 0;
	}
	fd = memory_open(caller, (int)request->items[i].memfd);
	request->ranges[i].fd = fd < 0 ? -1 : fd;
	return caller && fd < 0 && fd != -EBADF ? fd : 0;
}

/* Not before the ranges are known to be sound: that comes first. */
static int fds_open(const struct request *request, struct dmabuf_caller *caller)
{
	size_t size;
	uint32_t i;
	int ret;

	ret = udmabuf_ranges_check(request->ranges, request->count, &size);
	if (ret)
		return ret;
	for (i = 0; i < request->count; i++) {
		ret = fd_open(request, i, caller);
		if (ret) {
			fds_close(request, i, caller);
			return ret;
		}
	}
	return 0;
}

static int buffer_make(const struct request *request,
		       struct dmabuf_caller *caller,
		       struct dma_buf **ret_dmabuf)
{
	uint32_t i;
	int ret;

	for (i = 0; i < request->count; i++)
		request->ranges[i] = (struct dmabuf_udmabuf_range){
			.offset = request->items[i].offset,
			.size = request->items[i].size,
		};
	ret = fds_open(request, caller);
	if (ret)
		return ret;
	ret = dmabuf_udmabuf_export(request->ranges, request->count,
				    ret_dmabuf);
	fds_close(request, request->count, caller);
	return ret;
}

static long buffer_give(struct dma_buf *dmabuf, uint32_t flags,
			struct dmabuf_caller *caller)
{
	int fd = caller_fd_room(caller);

	if (!fd)
		fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (fd < 0) {
		dma_buf_put(dmabuf);
		return fd;
	}
	return caller_fd_give(caller, fd, flags & UDMABUF_FLAGS_CLOEXEC ?
						  O_CLOEXEC : 0);
}

static long create(const struct request *request, struct dmabuf_caller *caller)
{
	struct dma_buf *dmabuf;
	int ret = buffer_make(request, caller, &dmabuf);

	return ret ? ret : buffer_give(dmabuf, request->flags, caller);
}

static long create_one(uint64_t arg, struct dmabuf_caller *caller)
{
	struct dmabuf_udmabuf_range range;
	struct udmabuf_create_item item;
	struct udmabuf_create one;
	struct request request = {
		.count = 1,
		.items = &item,
		.ranges = &range,
	};
	int ret = caller_read(caller, &one, arg, sizeof(one));

	if (ret)
		return ret;
	request.flags = one.flags;
	item = (struct udmabuf_create_item){
		.memfd = one.memfd,
		.offset = one.offset,
		.size = one.size,
	};
	return create(&request, caller);
}

static long create_list(uint64_t arg, struct dmabuf_caller *caller)
{
	struct request request = { 0 };
	struct udmabuf_create_list head;
	long ret = caller_read(caller, &head, arg, sizeof(head));

	if (ret)
		return ret;
	if (head.count > dmabuf_udmabuf_list_limit())
		return -EINVAL;
	request.flags = head.flags;
	request.count = head.count;
	ret = request_alloc(&request);
	if (!ret)
		ret = caller_read(caller, request.items, arg + sizeof(head),
				  request.count * sizeof(*request.items));
	if (!ret)
		ret = create(&request, caller);
	request_free(&request);
	return ret;
}

long dmabuf_udmabuf_ioctl(unsigned int cmd, uint64_t arg,
			  struct dmabuf_caller *caller)
{
	switch (cmd) {
	case UDMABUF_CREATE:
		return create_one(arg, caller);
	case UDMABUF_CREATE_LIST:
		return create_list(arg, caller);
	default:
		return -ENOTTY;
	}
}
