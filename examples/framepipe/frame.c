/* SPDX-License-Identifier: MIT */
/* frame.c - frames: buffers that go to others, each time with a fence */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "framepipe.h"

#define STRIDE_ALIGN 64u

static int tell_inode(const struct stage *stage, const struct frame *frame,
		      int fd)
{
	struct event event = { .kind = EVENT_INODE, .frame = frame->id,
			       .slot = frame->slot };
	struct stat st;

	if (fstat(fd, &st))
		return stage_fail(stage, "fstat: %s", strerror(errno));
	event.dev = st.st_dev;
	event.ino = st.st_ino;
	return stage_event(stage, &event);
}

/* On success the caller owes a frames_close(). */
int frame_create(const struct stage *stage, struct frame *frame,
		 enum frame_id id, uint32_t width, uint32_t height,
		 uint32_t slot)
{
	uint32_t stride = (width * 4 + STRIDE_ALIGN - 1) & ~(STRIDE_ALIGN - 1);
	struct dma_buf *dmabuf;
	int ret;

	ret = dmabuf_memfd_export((size_t)stride * height, O_RDWR, &dmabuf);
	if (ret)
		return stage_fail(stage, "no buffer of %u x %u pixels: %s",
				  width, height, strerror(-ret));
	get_dma_buf(dmabuf);		/* ours; the fd takes the first one */
	ret = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (ret < 0) {
		dma_buf_put(dmabuf);
		dma_buf_put(dmabuf);
		return stage_fail(stage, "dma_buf_fd: %s", strerror(-ret));
	}
	*frame = (struct frame){ id, slot, width, height, stride, dmabuf, ret };
	return tell_inode(stage, frame, frame->fd);
}

static int tell_sent(const struct job *job, enum link link, enum frame_id id,
		     bool fence_only)
{
	struct event event = { .kind = EVENT_SENT, .frame = id,
			       .number = job->number, .fence_only = fence_only,
			       .receiver = link_peer(job->stage, link),
			       .bytes = sizeof(struct message) };

	return stage_event(job->stage, &event);
}

/* The buffer, and the fence of what this job does to it. */
int frame_send(const struct job *job, enum link link,
	       const struct frame *frame)
{
	struct message message = { 0, job->number, frame->width, frame->height,
				   frame->stride };
	const int fds[2] = { frame->fd, job->fd };

	if (tell_sent(job, link, frame->id, false))
		return -1;
	return message_send(job->stage, link, &message, fds, 2);
}

/* Back to whom a frame came from: when this job has read it. */
int release_send(const struct job *job, enum link link, enum frame_id id)
{
	struct message message = { .number = job->number };

	if (tell_sent(job, link, id, true))
		return -1;
	return message_send(job->stage, link, &message, &job->fd, 1);
}

/* The numbers come from another process: they must fit what the fd holds. */
static bool message_fits(const struct message *message, size_t size)
{
	uint64_t row = (uint64_t)message->width * 4;

	return message->width && message->height && message->stride >= row &&
	       (uint64_t)message->stride * message->height <= size;
}

/* A buffer that was here before is the same object again. */
static int frame_take(const struct stage *stage, struct frame *frame,
		      const struct message *message, int fd)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);
	const char *wrong = NULL;

	if (IS_ERR(dmabuf))
		return stage_fail(stage, "dma_buf_get: %s",
				  strerror((int)-PTR_ERR(dmabuf)));
	if (frame->dmabuf && frame->dmabuf != dmabuf)
		wrong = "a frame in another buffer";
	else if (!message_fits(message, dmabuf->size))
		wrong = "a frame larger than its buffer";
	if (frame->dmabuf || wrong)
		dma_buf_put(dmabuf);
	if (wrong)
		return stage_fail(stage, "%s", wrong);
	frame->dmabuf = dmabuf;
	frame->width = message->width;
	frame->height = message->height;
	frame->stride = message->stride;
	return tell_inode(stage, frame, fd);
}

/* The job depends on the fence that comes with it. */
int frame_receive(struct job *job, enum link link, struct frame *frame,
		  enum frame_id id)
{
	const struct stage *stage = job->stage;
	struct message message;
	int fds[2], ret;

	if (message_receive(stage, link, &message, fds, 2))
		return -1;
	if (!frame->dmabuf)
		*frame = (struct frame){ .id = id, .fd = -1,
					 .slot = job->number % NR_SLOTS };
	if (message.number != job->number)
		ret = stage_fail(stage, "frame %u instead of %u",
				 message.number, job->number);
	else
		ret = frame_take(stage, frame, &message, fds[0]);
	close(fds[0]);
	if (!ret)
		return job_depend(job, frame, true, link_peer(stage, link),
				  job->number, fds[1]);
	close(fds[1]);
	return ret;
}

/* When the last user of @frame has read it; none has before the first use. */
int release_receive(struct job *job, enum link link, const struct frame *frame)
{
	const struct stage *stage = job->stage;
	struct message message;
	int fd;

	if (job->number < NR_SLOTS)
		return 0;
	if (message_receive(stage, link, &message, &fd, 1))
		return -1;
	if (message.number == job->number - NR_SLOTS)
		return job_depend(job, frame, false, link_peer(stage, link),
				  message.number, fd);
	close(fd);
	return stage_fail(stage, "a fence of frame %u instead of %u",
			  message.number, job->number - NR_SLOTS);
}

/* The event goes first: whatever the close sets off is told after it. */
int frames_close(const struct stage *stage, struct frame frames[NR_SLOTS])
{
	int ret = 0;

	for (uint32_t slot = 0; slot < NR_SLOTS; slot++) {
		struct frame *frame = &frames[slot];
		struct event event = { .kind = EVENT_CLOSING,
				       .frame = frame->id, .slot = slot };

		if (!frame->dmabuf)
			continue;
		if (stage_event(stage, &event))
			ret = -1;
		if (frame->fd >= 0)
			close(frame->fd);
		dma_buf_put(frame->dmabuf);
		frame->dmabuf = NULL;
	}
	return ret;
}

/* The exporter's side: sleep until no process has anything of its frames. */
int frames_wait_released(const struct stage *stage, enum frame_id id)
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

/* Depends on the place of each pixel too. Begins with 0. */
uint64_t sum_row(uint64_t sum, const uint8_t *row, uint32_t width)
{
	for (uint32_t x = 0; x < width; x++) {
		uint32_t pixel;

		memcpy(&pixel, row + (size_t)x * 4, sizeof(pixel));
		sum = (sum ^ pixel) * UINT64_C(0x100000001b3) + 1;
	}
	return sum;
}
