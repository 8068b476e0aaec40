/* SPDX-License-Identifier: MIT */
/*
 * inject.c - making the Nth allocation or syscall fail
 *
 * The linker sends calls of a name in wraps.txt to __wrap_name; __real_name is
 * the original. Where headers rename (open64), both names are wrapped.
 */
#include "inject.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <unistd.h>

static __thread bool armed;
static __thread unsigned int fail_at;
static __thread unsigned int seen;
static __thread const char *failed;
static __thread int failed_errno;
static __thread unsigned int bytes_taken;
static __thread unsigned int bytes_tried;
static int fd_errno = EMFILE;		/* one thread injects */

void inject_arm(unsigned int nth)
{
	fail_at = nth;
	seen = 0;
	failed = NULL;
	failed_errno = 0;
	armed = true;
}

void inject_set_fd_errno(int err)
{
	fd_errno = err;
}

unsigned int inject_disarm(void)
{
	armed = false;
	return seen;
}

const char *inject_failed(void)
{
	return failed;
}

int inject_failed_ret(void)
{
	return -failed_errno;
}

void inject_taken_bytes(unsigned int nr)
{
	bytes_taken = nr;
	bytes_tried = 0;
}

unsigned int inject_taken_tries(void)
{
	bytes_taken = 0;
	return bytes_tried;
}

/* Counts; true with errno set when this call shall fail. */
static bool fails(const char *name, int err)
{
	if (!armed || ++seen != fail_at)
		return false;
	failed = name;
	failed_errno = err;
	errno = err;
	return true;
}

/*
 * WRAP(type, name, parameters, arguments, errno, result): the result when it
 * fails.
 */
#define WRAP(type, name, params, args, err, result) \
	type __real_##name params; \
	type __wrap_##name params; \
	type __wrap_##name params \
	{ \
		if (fails(#name, err)) \
			return result; \
		return __real_##name args; \
	}

#define FAILED ((void *)-1)

WRAP(void *, malloc, (size_t size), (size), ENOMEM, NULL)
WRAP(void *, calloc, (size_t nr, size_t size), (nr, size), ENOMEM, NULL)
WRAP(void *, realloc, (void *p, size_t size), (p, size), ENOMEM, NULL)
WRAP(void *, reallocarray, (void *p, size_t nr, size_t size), (p, nr, size),
     ENOMEM, NULL)
WRAP(char *, strdup, (const char *s), (s), ENOMEM, NULL)

WRAP(int, dup, (int fd), (fd), fd_errno, -1)
WRAP(int, memfd_create, (const char *name, unsigned int flags), (name, flags),
     fd_errno, -1)
WRAP(int, ftruncate, (int fd, off_t size), (fd, size), ENOMEM, -1)
WRAP(int, ftruncate64, (int fd, off_t size), (fd, size), ENOMEM, -1)
WRAP(int, fallocate, (int fd, int mode, off_t at, off_t size),
     (fd, mode, at, size), ENOMEM, -1)
WRAP(int, fallocate64, (int fd, int mode, off_t at, off_t size),
     (fd, mode, at, size), ENOMEM, -1)
WRAP(void *, mmap,
     (void *addr, size_t len, int prot, int flags, int fd, off_t at),
     (addr, len, prot, flags, fd, at), ENOMEM, FAILED)
WRAP(void *, mmap64,
     (void *addr, size_t len, int prot, int flags, int fd, off_t at),
     (addr, len, prot, flags, fd, at), ENOMEM, FAILED)
WRAP(int, mprotect, (void *addr, size_t len, int prot), (addr, len, prot),
     ENOMEM, -1)
WRAP(int, madvise, (void *addr, size_t len, int advice), (addr, len, advice),
     EAGAIN, -1)
WRAP(ssize_t, getrandom, (void *bits, size_t size, unsigned int flags),
     (bits, size, flags), EAGAIN, -1)
WRAP(int, statx,
     (int dir, const char *path, int flags, unsigned int mask,
      struct statx *stx),
     (dir, path, flags, mask, stx), ENOMEM, -1)
WRAP(int, fstat, (int fd, struct stat *st), (fd, st), ENOMEM, -1)
WRAP(int, fstat64, (int fd, struct stat *st), (fd, st), ENOMEM, -1)
WRAP(int, fstatfs, (int fd, struct statfs *st), (fd, st), ENOMEM, -1)
WRAP(int, fstatfs64, (int fd, struct statfs *st), (fd, st), ENOMEM, -1)
WRAP(ssize_t, readlink, (const char *path, char *text, size_t size),
     (path, text, size), ENOMEM, -1)

WRAP(int, inotify_init1, (int flags), (flags), fd_errno, -1)
WRAP(int, inotify_add_watch, (int fd, const char *path, uint32_t mask),
     (fd, path, mask), ENOSPC, -1)
WRAP(int, epoll_create1, (int flags), (flags), fd_errno, -1)
WRAP(int, epoll_ctl, (int epoll, int op, int fd, struct epoll_event *event),
     (epoll, op, fd, event), ENOMEM, -1)
WRAP(int, timerfd_create, (int clock, int flags), (clock, flags), fd_errno, -1)
WRAP(int, timerfd_settime,
     (int fd, int flags, const struct itimerspec *new, struct itimerspec *old),
     (fd, flags, new, old), ENOMEM, -1)
WRAP(int, eventfd, (unsigned int value, int flags), (value, flags), fd_errno,
     -1)

/* These two return their error. */
WRAP(int, pthread_create,
     (pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
      void *arg),
     (thread, attr, fn, arg), EAGAIN, EAGAIN)
/* With a variable argument: taken as the widest, which it is passed as. */

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);

#define WRAP_OPEN(name) \
	int __wrap_##name(const char *path, int flags, ...) \
	{ \
		mode_t mode; \
		va_list args; \
		va_start(args, flags); \
		mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : \
						       0; \
		va_end(args); \
		if (fails(#name, fd_errno)) \
			return -1; \
		return __real_##name(path, flags, mode); \
	}

WRAP_OPEN(open)
WRAP_OPEN(open64)

struct fcntl_failure {
	int cmd;
	const char *name;
	int err;	/* 0: fd_errno */
};

static const struct fcntl_failure fcntl_failures[] = {
	{ F_DUPFD, "fcntl(F_DUPFD)", 0 },
	{ F_DUPFD_CLOEXEC, "fcntl(F_DUPFD_CLOEXEC)", 0 },
	{ F_OFD_SETLK, "fcntl(F_OFD_SETLK)", ENOLCK },
	{ F_OFD_GETLK, "fcntl(F_OFD_GETLK)", EINVAL },
	{ F_ADD_SEALS, "fcntl(F_ADD_SEALS)", EBUSY },
	{ F_GET_SEALS, "fcntl(F_GET_SEALS)", EINVAL },
	{ F_GETFL, "fcntl(F_GETFL)", EBADF },
};

static __thread void (*before_munmap)(void);

void inject_before_munmap(void (*hook)(void))
{
	before_munmap = hook;
}

int __real_munmap(void *addr, size_t length);
int __wrap_munmap(void *addr, size_t length);

int __wrap_munmap(void *addr, size_t length)
{
	if (before_munmap)
		before_munmap();
	return __real_munmap(addr, length);
}

static bool byte_is_taken(int cmd)
{
	if (cmd != F_OFD_SETLK)
		return false;
	bytes_tried++;
	if (!bytes_taken)
		return false;
	bytes_taken--;
	errno = EAGAIN;
	return true;
}

static bool fcntl_fails(int cmd)
{
	const struct fcntl_failure *failure = fcntl_failures;
	size_t i;

	if (byte_is_taken(cmd))
		return true;
	for (i = 0; i < sizeof(fcntl_failures) / sizeof(*failure); i++)
		if (failure[i].cmd == cmd)
			return fails(failure[i].name, failure[i].err ?
							      failure[i].err :
							      fd_errno);
	return fails("fcntl(another)", EINVAL);
}

int __real_fcntl(int fd, int cmd, ...);
int __wrap_fcntl(int fd, int cmd, ...);
int __real_fcntl64(int fd, int cmd, ...);
int __wrap_fcntl64(int fd, int cmd, ...);

#define WRAP_FCNTL(name) \
	int __wrap_##name(int fd, int cmd, ...) \
	{ \
		void *arg; \
		va_list args; \
		va_start(args, cmd); \
		arg = va_arg(args, void *); \
		va_end(args); \
		if (fcntl_fails(cmd)) \
			return -1; \
		return __real_##name(fd, cmd, arg); \
	}

WRAP_FCNTL(fcntl)
WRAP_FCNTL(fcntl64)

void *__real_mremap(void *old, size_t old_size, size_t new_size, int flags,
		    ...);
void *__wrap_mremap(void *old, size_t old_size, size_t new_size, int flags,
		    ...);

void *__wrap_mremap(void *old, size_t old_size, size_t new_size, int flags, ...)
{
	void *at;
	va_list args;

	va_start(args, flags);
	at = flags & MREMAP_FIXED ? va_arg(args, void *) : NULL;
	va_end(args);
	if (fails("mremap", ENOMEM))
		return MAP_FAILED;
	return __real_mremap(old, old_size, new_size, flags, at);
}
