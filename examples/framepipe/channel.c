/* SPDX-License-Identifier: MIT */
/* channel.c - frames and events over UNIX sockets */
/*
 * A frame is a buffer and four numbers. The numbers go as the bytes of a
 * message, the buffer as the fd beside it (SCM_RIGHTS), and no pixel goes at
 * all. The sockets keep messages apart (SOCK_SEQPACKET), so a header and its fd
 * are never torn, and a peer that dies is an end of file.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "framepipe.h"

#define FRAME_MAGIC 0x70726d66u
#define STRIDE_ALIGN 64u

const char *const role_names[NR_ROLES] = { "decoder", "filter", "viewer" };
const char *const frame_names[NR_FRAMES] = { "picture", "result" };

static const enum role link_peer[NR_LINKS][2] = {
	[DECODER_FILTER] = { DECODER, FILTER },
	[DECODER_VIEWER] = { DECODER, VIEWER },
	[FILTER_VIEWER] = { FILTER, VIEWER },
};

int stage_event(const struct stage *stage, struct event *event)
{
	event->role = stage->role;
	return send(stage->log, event, sizeof(*event), MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int stage_note(const struct stage *stage, const char *fmt, ...)
{
	struct event event = { .kind = EVENT_NOTE };
	va_list args;

	va_start(args, fmt);
	vsnprintf(event.text, sizeof(event.text), fmt, args);
	va_end(args);
	return stage_event(stage, &event);
}

int stage_fail(const struct stage *stage, const char *fmt, ...)
{
	struct event event = { .kind = EVENT_ERROR };
	va_list args;

	va_start(args, fmt);
	vsnprintf(event.text, sizeof(event.text), fmt, args);
	va_end(args);
	stage_event(stage, &event);
	return -1;
}

static int peer_gone(const struct stage *stage, enum link link)
{
	enum role sender = link_peer[link][0], receiver = link_peer[link][1];
	struct event event = { .kind = EVENT_PEER_GONE };

	snprintf(event.text, sizeof(event.text), "the %s is gone",
		 role_names[stage->role == sender ? receiver : sender]);
	stage_event(stage, &event);
	return -1;
}

/* For the tests: a process that dies at the worst moment. */
void stage_midway(const struct stage *stage)
{
	if (stage->options->kill == (int)stage->role)
		raise(SIGKILL);
}

int frame_create(const struct stage *stage, struct frame *frame,
		 enum frame_id id, uint32_t width, uint32_t height)
{
	int ret;

	frame->id = id;
	frame->width = width;
	frame->height = height;
	frame->stride = (width * 4 + STRIDE_ALIGN - 1) & ~(STRIDE_ALIGN - 1);
	ret = dmabuf_memfd_export((size_t)frame->stride * height, O_RDWR,
				  &frame->dmabuf);
	if (ret)
		return stage_fail(stage, "no buffer of %u x %u pixels: %s",
				  width, height, strerror(-ret));
	return 0;
}

static int tell_inode(const struct stage *stage, enum frame_id id, int fd)
{
	struct event event = { .kind = EVENT_INODE, .frame = id };
	struct stat st;

	if (fstat(fd, &st))
		return stage_fail(stage, "fstat: %s", strerror(errno));
	event.dev = st.st_dev;
	event.ino = st.st_ino;
	return stage_event(stage, &event);
}

/* An fd of a frame of one's own; the frame keeps its reference. */
int frame_fd(const struct stage *stage, const struct frame *frame)
{
	int fd;

	get_dma_buf(frame->dmabuf);
	fd = dma_buf_fd(frame->dmabuf, O_CLOEXEC);
	if (fd < 0) {
		dma_buf_put(frame->dmabuf);
		return stage_fail(stage, "dma_buf_fd: %s", strerror(-fd));
	}
	if (tell_inode(stage, frame->id, fd)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Room for one fd, aligned as the kernel wants it. */
union fd_control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

int frame_send(const struct stage *stage, enum link link,
	       const struct frame *frame, int fd)
{
	struct event event = { .kind = EVENT_SENT, .frame = frame->id,
			       .receiver = link_peer[link][1],
			       .bytes = sizeof(struct frame_header) };
	struct frame_header header = { FRAME_MAGIC, frame->width,
				       frame->height, frame->stride };
	struct iovec iov = { &header, sizeof(header) };
	union fd_control control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control.room,
			      .msg_controllen = sizeof(control.room) };
	ssize_t sent;

	if (stage_event(stage, &event))
		return -1;
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	sent = sendmsg(stage->links[link], &msg, MSG_NOSIGNAL);
	if (sent < 0 && errno == EPIPE)
		return peer_gone(stage, link);
	if (sent < 0)
		return stage_fail(stage, "sendmsg: %s", strerror(errno));
	if ((size_t)sent != event.bytes)
		return stage_fail(stage, "a message of %zd bytes", sent);
	return 0;
}

/* 1 with a header and an fd, 0 when the peer is gone, -1 for anything else. */
static int receive_header(int sock, struct frame_header *header, int *ret_fd)
{
	struct iovec iov = { header, sizeof(*header) };
	union fd_control control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control.room,
			      .msg_controllen = sizeof(control.room) };
	struct cmsghdr *cmsg;
	ssize_t len;

	len = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	if (len == 0 || (len < 0 && errno == ECONNRESET))
		return 0;
	cmsg = len < 0 ? NULL : CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS ||
	    cmsg->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(ret_fd, CMSG_DATA(cmsg), sizeof(int));
	if (len == sizeof(*header) && header->magic == FRAME_MAGIC)
		return 1;
	close(*ret_fd);
	return -1;
}

/* The numbers come from another process: they must fit what the fd holds. */
static bool header_fits(const struct frame_header *header, size_t size)
{
	uint64_t row = (uint64_t)header->width * 4;

	return header->width && header->height && header->stride >= row &&
	       (uint64_t)header->stride * header->height <= size;
}

int frame_receive(const struct stage *stage, enum link link,
		  struct frame *frame, enum frame_id id)
{
	struct frame_header header;
	int fd, ret;

	ret = receive_header(stage->links[link], &header, &fd);
	if (ret == 0)
		return peer_gone(stage, link);
	if (ret < 0)
		return stage_fail(stage, "a message that is no frame");
	frame->id = id;
	frame->width = header.width;
	frame->height = header.height;
	frame->stride = header.stride;
	frame->dmabuf = dma_buf_get(fd);
	ret = IS_ERR(frame->dmabuf) ? 0 : tell_inode(stage, id, fd);
	close(fd);
	if (IS_ERR(frame->dmabuf))
		return stage_fail(stage, "dma_buf_get: %s",
				  strerror((int)-PTR_ERR(frame->dmabuf)));
	if (!ret && !header_fits(&header, frame->dmabuf->size))
		ret = stage_fail(stage, "a frame larger than its buffer");
	if (ret)
		dma_buf_put(frame->dmabuf);
	return ret;
}

/* The event goes first: whatever the close sets off is told after it. */
int frame_close(const struct stage *stage, struct frame *frame)
{
	struct event event = { .kind = EVENT_CLOSING, .frame = frame->id };
	int ret = stage_event(stage, &event);

	dma_buf_put(frame->dmabuf);
	frame->dmabuf = NULL;
	return ret;
}

/* The exporter's side: sleep until no process has anything of the frame. */
int frame_wait_released(const struct stage *stage, enum frame_id id)
{
	struct event event = { .kind = EVENT_RELEASED, .frame = id };
	struct pollfd pfd = { .fd = dmabuf_event_fd(), .events = POLLIN };
	int ret = pfd.fd < 0 ? pfd.fd : dmabuf_dispatch();

	while (ret >= 0 && dmabuf_live_buffers()) {
		if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
			ret = -errno;
		else
			ret = dmabuf_dispatch();
	}
	if (ret < 0)
		return stage_fail(stage, "waiting for the release: %s",
				  strerror(-ret));
	return stage_event(stage, &event);
}

/* Until the process at the other end has ended, or died. */
int link_wait_closed(const struct stage *stage, enum link link)
{
	char byte;

	if (recv(stage->links[link], &byte, 1, 0) > 0)
		return stage_fail(stage, "a message that nobody expects");
	return 0;
}
