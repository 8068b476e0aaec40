/* SPDX-License-Identifier: MIT */
/* caller.c - whom a system call comes from: his memory and his fds */
#include "uapi/caller.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <dmabuf/err.h>

#include "sync/sync-file.h"

/*
 * The calling thread's own memory
 *
 * The kernel copies, and says what cannot be copied; a copy by hand would be a
 * SIGSEGV. The calls are made by number: wrappers that check for sanitizers
 * would take the bad address for a bug of ours.
 */

/* Of a filter, or of a kernel without the call. */
static bool is_forbidden(void)
{
	return errno == ENOSYS || errno == EPERM;
}

/* No cancellation point, as nothing here is. */
static void close_quietly(int fd)
{
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	close(fd);
	pthread_setcancelstate(cancel, NULL);
}

/* Through a file, which takes from and gives to bad addresses nothing. */
static int copy_through_file(uint64_t to, uint64_t from, size_t size)
{
	int fd = memfd_create("dmabuf-copy", MFD_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (syscall(SYS_write, fd, (uintptr_t)from, size) != (long)size ||
	    syscall(SYS_pread64, fd, (uintptr_t)to, size, (off_t)0) !=
		    (long)size)
		ret = -EFAULT;
	close_quietly(fd);
	return ret;
}

static struct iovec iovec_of(uint64_t addr, size_t size)
{
	return (struct iovec){ (void *)(uintptr_t)addr, size };
}

static bool is_address(uint64_t addr, size_t size)
{
	uintptr_t end;

	return !__builtin_add_overflow(addr, size, &end);
}

static int self_read(struct dmabuf_caller *caller, void *to, uint64_t from,
		     size_t size)
{
	const struct iovec here = { to, size };
	const struct iovec there = iovec_of(from, size);
	long done;

	(void)caller;
	if (!is_address(from, size))
		return -EFAULT;
	done = syscall(SYS_process_vm_readv, getpid(), &here, 1ul, &there, 1ul,
		       0ul);
	if (done < 0 && is_forbidden())
		return copy_through_file((uintptr_t)to, from, size);
	return done == (long)size ? 0 : -EFAULT;
}

static int self_write(struct dmabuf_caller *caller, uint64_t to,
		      const void *from, size_t size)
{
	const struct iovec here = iovec_of((uintptr_t)from, size);
	const struct iovec there = iovec_of(to, size);
	long done;

	(void)caller;
	if (!is_address(to, size))
		return -EFAULT;
	done = syscall(SYS_process_vm_writev, getpid(), &here, 1ul, &there, 1ul,
		       0ul);
	if (done < 0 && is_forbidden())
		return copy_through_file(to, (uintptr_t)from, size);
	return done == (long)size ? 0 : -EFAULT;
}

/* Its fds */

static int self_fd_room(struct dmabuf_caller *caller)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	(void)caller;
	if (fd < 0)
		return -errno;
	close_quietly(fd);
	return 0;
}

/* It was made with the flag: so no other thread's exec(3) takes it along. */
static int self_fd_give(struct dmabuf_caller *caller, int fd, int flags)
{
	(void)caller;
	if (!(flags & O_CLOEXEC))
		fcntl(fd, F_SETFD, 0);
	return fd;
}

static int self_sync_file(struct dmabuf_caller *caller, int fd,
			  struct sync_file *ret_file)
{
	(void)caller;
	return sync_file_look(fd, ret_file);
}

static const struct dmabuf_caller_ops self_ops = {
	.read = self_read,
	.write = self_write,
	.fd_room = self_fd_room,
	.fd_give = self_fd_give,
	.sync_file = self_sync_file,
};

/* Anybody's */

static const struct dmabuf_caller_ops *ops_of(struct dmabuf_caller *caller)
{
	return caller ? caller->ops : &self_ops;
}

int caller_read(struct dmabuf_caller *caller, void *to, uint64_t from,
		size_t size)
{
	return size ? ops_of(caller)->read(caller, to, from, size) : 0;
}

int caller_write(struct dmabuf_caller *caller, uint64_t to, const void *from,
		 size_t size)
{
	return size ? ops_of(caller)->write(caller, to, from, size) : 0;
}

int caller_fd_room(struct dmabuf_caller *caller)
{
	return ops_of(caller)->fd_room ? ops_of(caller)->fd_room(caller) : 0;
}

int caller_fd_give(struct dmabuf_caller *caller, int fd, int flags)
{
	return ops_of(caller)->fd_give(caller, fd, flags);
}

int caller_sync_file(struct dmabuf_caller *caller, int fd,
		     struct sync_file *ret_file)
{
	return ops_of(caller)->sync_file(caller, fd, ret_file);
}

/* Answers */

int answer_try(const struct answer *answer)
{
	return caller_write(answer->caller, answer->arg, answer->data,
			    answer->size);
}

long answer_fd(const struct answer *answer, int fd, int flags, void *number)
{
	int32_t given = caller_fd_give(answer->caller, fd, flags);

	if (given < 0)
		return given;
	memcpy(number, &given, sizeof(given));
	return caller_write(answer->caller, answer->arg, answer->data,
			    answer->size);
}

int answer_reserve(struct dmabuf_caller *caller,
		   struct fd_reservation *reservation)
{
	/* Of this thread the reservation itself finds it out. */
	int ret = caller ? caller_fd_room(caller) : 0;

	return ret ? ret : fd_reserve(reservation);
}

long answer_fence(const struct answer *answer,
		  struct fd_reservation *reservation, struct dma_fence *fence,
		  const char *name, void *number)
{
	int ret = fence && reservation->signaller ? 0 : -ENOMEM;
	int fd;

	if (!ret)
		ret = answer_try(answer);
	if (ret) {
		dma_fence_put(fence);
		fd_unreserve(reservation);
		return ret;
	}
	fd = fd_install(reservation, fence, name);
	if (fd < 0)
		return fd;
	return answer_fd(answer, fd, O_CLOEXEC, number);
}
