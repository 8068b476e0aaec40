/* SPDX-License-Identifier: MIT */
/* job.c - work on a frame, between the fences it waits for and its own */
/*
 * A job says which frames it reads and which it writes, and takes the fences of
 * the others into the reservations of these (job_depend). Whom it has to wait
 * for is then what the reservations say:
 *
 * - work of the CPU waits in dma_buf_begin_cpu_access() (job_wait_cpu);
 * - work of a device, as a driver does it, collects first and waits later
 *   (job_collect, job_wait_device).
 *
 * job_arm() makes the job's own fence and leaves it in the reservations too. A
 * collecting job does that before it waits, so the fence goes to the others
 * while the work has not begun. A writer that waits in the bracket does it
 * after: the bracket would wait for its own fence.
 *
 * A reservation forgets a fence once it is signalled. How the work behind it
 * ended is asked of the fences themselves; a death shows as -EOWNERDEAD. The
 * job then fails with the same error, and so does its own fence.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "framepipe.h"

/* A job's own fence. */
struct job_fence {
	struct dma_fence base;	/* first: the library frees it */
	enum role role;
};

static pthread_mutex_t fence_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *driver_name(struct dma_fence *fence)
{
	(void)fence;
	return "framepipe";
}

static const char *timeline_name(struct dma_fence *fence)
{
	return role_names[((struct job_fence *)fence)->role];
}

static const struct dma_fence_ops job_fence_ops = {
	.get_driver_name = driver_name,
	.get_timeline_name = timeline_name,
};

/* A process has one timeline, with a point for each frame. */
static struct dma_fence *fence_create(enum role role, uint32_t number)
{
	static uint64_t context;
	struct job_fence *fence = malloc(sizeof(*fence));

	if (!fence)
		return NULL;
	if (!context)
		context = dma_fence_context_alloc(1);
	fence->role = role;
	dma_fence_init(&fence->base, &job_fence_ops, &fence_lock, context,
		       number + 1);
	return &fence->base;
}

void job_init(struct job *job, const struct stage *stage, uint32_t number)
{
	memset(job, 0, sizeof(*job));
	job->stage = stage;
	job->number = number;
	job->span = timeline_span(stage->timeline, stage->role, number);
	job->fd = -1;
}

void job_use(struct job *job, const struct frame *frame, bool write)
{
	job->uses[job->nr_uses].frame = frame;
	job->uses[job->nr_uses++].write = write;
}

/* The fence of @role's work on @frame, which came as @fd; @fd is closed. */
int job_depend(struct job *job, const struct frame *frame, bool write,
	       enum role role, uint32_t number, int fd)
{
	uint32_t usage = write ? DMA_BUF_SYNC_WRITE : DMA_BUF_SYNC_READ;
	struct dep *dep = &job->span->deps[job->span->nr_deps];
	struct dma_fence *fence = sync_file_get_fence(fd);
	int ret = -EINVAL;

	if (fence)
		ret = dma_buf_import_sync_file(frame->dmabuf, usage, fd);
	close(fd);
	if (ret) {
		dma_fence_put(fence);
		return stage_fail(job->stage, "the %s's fence: %s",
				  role_names[role], fence ? strerror(-ret) :
				  "none, or no room for it");
	}
	dep->role = role;
	dep->number = number;
	job->deps[job->span->nr_deps++] = fence;
	return 0;
}

int job_collect(struct job *job)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < job->nr_uses; i++)
		ret = dma_resv_get_singleton(job->uses[i].frame->dmabuf->resv,
				dma_resv_usage_rw(job->uses[i].write),
				&job->pending[i]);
	return ret ? stage_fail(job->stage, "the fences of a reservation: %s",
				strerror(-ret)) : 0;
}

int job_arm(struct job *job)
{
	int ret;

	job->fence = fence_create(job->stage->role, job->number);
	ret = job->fence ? dmabuf_sync_file_fd(job->fence, O_CLOEXEC) : -ENOMEM;
	if (ret >= 0)
		job->fd = ret;
	for (uint32_t i = 0; ret >= 0 && i < job->nr_uses; i++)
		ret = dma_buf_import_sync_file(job->uses[i].frame->dmabuf,
				job->uses[i].write ? DMA_BUF_SYNC_WRITE :
						     DMA_BUF_SYNC_READ,
				job->fd);
	return ret < 0 ? stage_fail(job->stage, "a fence of our own: %s",
				    strerror(-ret)) : 0;
}

/* All others are done. Did they all do well? */
static int job_begin(struct job *job)
{
	for (uint32_t i = 0; i < job->span->nr_deps; i++) {
		struct dep *dep = &job->span->deps[i];
		int status = dma_fence_get_status(job->deps[i]);

		if (status == 0)
			return stage_fail(job->stage, "nobody waited for the "
					  "%s's fence of frame %u",
					  role_names[dep->role], dep->number);
		dep->signalled = dma_fence_timestamp(job->deps[i]);
		dep->error = status < 0 ? status : 0;
		if (status < 0 && !job->error) {
			job->error = status;
			stage_error(job->stage, EVENT_FENCE_FAILED,
				    "waited for the %s's fence of frame %u: %s",
				    role_names[dep->role], dep->number,
				    strerror(-status));
		}
	}
	if (job->error)
		return -1;
	job->span->begin = now_ns();
	return 0;
}

static enum dma_data_direction use_dir(const struct job *job, uint32_t use)
{
	return job->uses[use].write ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
}

int job_wait_cpu(struct job *job)
{
	int ret = 0;

	job->span->wait = now_ns();
	while (!ret && job->nr_cpu < job->nr_uses) {
		uint32_t use = job->nr_cpu;

		ret = dma_buf_begin_cpu_access(job->uses[use].frame->dmabuf,
					       use_dir(job, use));
		if (!ret)
			job->nr_cpu++;
	}
	if (ret)
		return stage_fail(job->stage, "begin_cpu_access: %s",
				  strerror(-ret));
	return job_begin(job);
}

int job_wait_device(struct job *job)
{
	long ret = 0;

	job->span->wait = now_ns();
	for (uint32_t i = 0; !ret && i < job->nr_uses; i++)
		if (job->pending[i])
			ret = dma_fence_wait(job->pending[i], false);
	if (ret)
		return stage_fail(job->stage, "waiting for a fence: %s",
				  strerror((int)-ret));
	return job_begin(job);
}

/* Good or bad: nobody is left waiting for it. Gives @ret back. */
int job_end(struct job *job, int ret)
{
	while (job->nr_cpu) {
		uint32_t use = --job->nr_cpu;

		dma_buf_end_cpu_access(job->uses[use].frame->dmabuf,
				       use_dir(job, use));
	}
	if (job->span->begin && !job->span->end) {
		job->span->end = now_ns();
		job->span->failed = ret != 0;
	}
	if (job->fence && ret)
		dma_fence_set_error(job->fence, job->error ? job->error : -EIO);
	if (job->fence)
		dma_fence_signal(job->fence);
	if (job->fd >= 0)
		close(job->fd);
	dma_fence_put(job->fence);
	for (uint32_t i = 0; i < job->span->nr_deps; i++)
		dma_fence_put(job->deps[i]);
	for (uint32_t i = 0; i < job->nr_uses; i++)
		dma_fence_put(job->pending[i]);
	return ret;
}
