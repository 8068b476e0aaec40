/* SPDX-License-Identifier: MIT */
/*
 * filter.c - which calls of the program are stopped
 *
 * At any fd number: ioctl(2) with one of our letters, and shared mappings of
 * files. With an fd in [FD_BASE, FD_LIMIT): whatever a dma-buf answers
 * otherwise than a memfd. Nothing else is, so that bystanders pay for the
 * filter only. A foreign fd in the range goes on to the kernel.
 *
 * libseccomp makes the program; it is loaded here, as not every version knows
 * the flags that are wanted.
 */
#include "filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/*
 * FD_BASE to FD_LIMIT - 1 by a mask: the range is a power of two, and aligned.
 */
#define RANGE_MASK ((uint64_t)(uint32_t)~(FD_LIMIT - FD_BASE - 1))
_Static_assert(FD_LIMIT - FD_BASE == 256 && FD_BASE % 256 == 0,
	       "the range is one that a mask describes");

#define IN_RANGE(n) SCMP_CMP64(n, SCMP_CMP_MASKED_EQ, RANGE_MASK, FD_BASE)
#define HAS(n, mask, bits) SCMP_CMP64(n, SCMP_CMP_MASKED_EQ, mask, bits)

static const char letters[] = { 'b', 'H', 'u', '>', 'W' };

/* Their first argument is the fd. */
static const int fd_calls[] = {
	SCMP_SYS(lseek), SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(readv),
	SCMP_SYS(preadv), SCMP_SYS(preadv2), SCMP_SYS(write),
	SCMP_SYS(pwrite64), SCMP_SYS(writev), SCMP_SYS(pwritev),
	SCMP_SYS(pwritev2), SCMP_SYS(fstat), SCMP_SYS(ftruncate),
	SCMP_SYS(fallocate), SCMP_SYS(fcntl), SCMP_SYS(fstatfs),
	SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(dup),
	SCMP_SYS(ioctl), SCMP_SYS(sendfile), SCMP_SYS(splice),
	SCMP_SYS(copy_file_range), SCMP_SYS(readahead),
	SCMP_SYS(sync_file_range), SCMP_SYS(shutdown),
};

/* Where they have a second one, and which argument it is */
static const struct {
	int nr;
	unsigned int arg;
} second_calls[] = {
	{ SCMP_SYS(epoll_ctl), 2 },
	{ SCMP_SYS(sendfile), 1 },
	{ SCMP_SYS(splice), 2 },
	{ SCMP_SYS(copy_file_range), 2 },
};

static const int path_calls[] = {
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(creat),
	SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat),
	SCMP_SYS(statx), SCMP_SYS(access), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
	SCMP_SYS(statfs), SCMP_SYS(getxattr), SCMP_SYS(lgetxattr),
	SCMP_SYS(listxattr), SCMP_SYS(llistxattr),
	SCMP_SYS(chmod), SCMP_SYS(fchmodat), SYS_fchmodat2,
	SCMP_SYS(chown), SCMP_SYS(lchown), SCMP_SYS(fchownat),
};

static const int poll_calls[] = {
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6),
	SCMP_SYS(epoll_ctl),
};

/* What this machine does not have is no error. */
static int add(scmp_filter_ctx ctx, int nr, unsigned int nr_args,
	       const struct scmp_arg_cmp *args)
{
	int ret = seccomp_rule_add_array(ctx, SCMP_ACT_NOTIFY, nr, nr_args,
					 args);

	return ret == -EDOM ? 0 : ret;
}

static int add_all(scmp_filter_ctx ctx, const int *calls, size_t nr,
		   unsigned int nr_args, const struct scmp_arg_cmp *args)
{
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < nr; i++)
		ret = add(ctx, calls[i], nr_args, args);
	return ret;
}

static int add_ioctls(scmp_filter_ctx ctx)
{
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < sizeof(letters); i++) {
		struct scmp_arg_cmp letter =
			HAS(1, 0xff00, (uint64_t)letters[i] << 8);

		ret = add(ctx, SCMP_SYS(ioctl), 1, &letter);
	}
	return ret;
}

/* Without one of the bits of MAP_INJECTED: it is not ours. */
static int add_mmap(scmp_filter_ctx ctx)
{
	static const uint64_t marks[] = { MAP_DENYWRITE, MAP_EXECUTABLE };
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < 2; i++) {
		struct scmp_arg_cmp shared[] = {
			HAS(3, MAP_SHARED | MAP_ANONYMOUS | marks[i],
			    MAP_SHARED),
		};
		struct scmp_arg_cmp ranged[] = {
			HAS(3, MAP_ANONYMOUS | marks[i], 0),
			IN_RANGE(4),
		};

		ret = add(ctx, SCMP_SYS(mmap), 1, shared);
		if (!ret && !options.low_fds)
			ret = add(ctx, SCMP_SYS(mmap), 2, ranged);
	}
	return ret;
}

/* Without a type of mapping it is of no use, but to say that a loop ends. */
static int add_loop_end(scmp_filter_ctx ctx)
{
	return seccomp_rule_add(ctx, SCMP_ACT_TRACE(INJECT_LOOP_END),
				SCMP_SYS(mmap), 1,
				HAS(3, MAP_TYPE | MAP_INJECTED, MAP_INJECTED));
}

static int add_range(scmp_filter_ctx ctx)
{
	struct scmp_arg_cmp first = IN_RANGE(0);
	struct scmp_arg_cmp at[] = {
		HAS(3, AT_EMPTY_PATH, AT_EMPTY_PATH), IN_RANGE(0),
	};
	struct scmp_arg_cmp statx_at[] = {
		HAS(2, AT_EMPTY_PATH, AT_EMPTY_PATH), IN_RANGE(0),
	};
	int ret = add_all(ctx, fd_calls, sizeof(fd_calls) / sizeof(int), 1,
			  &first);
	size_t i;

	for (i = 0; !ret && i < sizeof(second_calls) / sizeof(second_calls[0]);
	     i++) {
		struct scmp_arg_cmp second = IN_RANGE(second_calls[i].arg);

		ret = add(ctx, second_calls[i].nr, 1, &second);
	}
	if (!ret)
		ret = add(ctx, SCMP_SYS(newfstatat), 2, at);
	return ret ? ret : add(ctx, SCMP_SYS(statx), 2, statx_at);
}

static int rules(scmp_filter_ctx ctx, bool paths)
{
	struct scmp_arg_cmp huge = HAS(1, MFD_HUGETLB, MFD_HUGETLB);
	int ret = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
				   SCMP_ACT_ALLOW);

	/* Few of the calls are stopped: find them by halves. */
	if (!ret)
		ret = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!ret)
		ret = add_ioctls(ctx);
	if (!ret)
		ret = add_mmap(ctx);
	if (!ret)
		ret = add_loop_end(ctx);
	if (!ret && paths)
		ret = add_all(ctx, path_calls, sizeof(path_calls) / sizeof(int),
			      0, NULL);
	if (!ret && options.poll)
		ret = add_all(ctx, poll_calls, sizeof(poll_calls) / sizeof(int),
			      0, NULL);
	if (!ret && options.small_pages)
		ret = add(ctx, SCMP_SYS(memfd_create), 1, &huge);
	if (!ret && options.leaks)
		ret = add(ctx, SCMP_SYS(exit_group), 0, NULL);
	if (!ret && !options.low_fds)
		ret = add_range(ctx);
	return ret;
}

/* The program in a memfd: the one way out of every libseccomp. */
static int export(scmp_filter_ctx ctx, struct sock_fprog *prog)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	struct rlimit limit;
	off_t size;
	int ret;

	if (fd < 0)
		return -errno;
	ret = seccomp_export_bpf(ctx, fd);
	size = lseek(fd, 0, SEEK_CUR);
	/* It was cut short then, and nobody said so. */
	if (!ret && !getrlimit(RLIMIT_FSIZE, &limit) &&
	    (rlim_t)size >= limit.rlim_cur)
		ret = -EFBIG;
	prog->len = (unsigned short)(size / (off_t)sizeof(*prog->filter));
	prog->filter = ret ? NULL : malloc((size_t)size);
	if (!ret && !prog->filter)
		ret = -ENOMEM;
	if (!ret && pread(fd, prog->filter, (size_t)size, 0) != size)
		ret = -EIO;
	close(fd);
	return ret;
}

static int make(bool paths, struct sock_fprog *prog)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int ret;

	if (!ctx)
		return -ENOMEM;
	ret = rules(ctx, paths);
	if (!ret)
		ret = export(ctx, prog);
	seccomp_release(ctx);
	return ret;
}

static int load_with(const struct sock_fprog *prog, unsigned long flags)
{
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, prog);

	return fd < 0 ? -errno : (int)fd;
}

/*
 * It keeps nobody in: before Linux 5.16 a program that is filtered is slowed
 * down against speculation, unless the filter does not ask for it.
 */
static int load(const struct sock_fprog *prog)
{
	unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER |
			      SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	unsigned long killable = flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	int fd = load_with(prog, killable);

	/* Who may not do that otherwise may when he gives up privileges. */
	if (fd == -EACCES && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		fd = load_with(prog, killable);
	/* Before Linux 5.19 signals interrupt a call that is being answered. */
	return fd == -EINVAL ? load_with(prog, flags) : fd;
}

static const char *why(int ret)
{
	switch (ret) {
	case -EBUSY:
		return "somebody else answers calls of this process already "
		       "(another dmabuf-run?), and there can be only one";
	case -ENOSYS:
	case -EPERM:
		return "seccomp(2) is not allowed here (a container's profile?)";
	case -EINVAL:
		return "this kernel has no seccomp user notification: "
		       "Linux 5.9 or later is needed";
	default:
		return "the filter cannot be made";
	}
}

/* Asked here, as libseccomp gives the same answer to everything. */
static int can_notify(void)
{
	uint32_t action = SECCOMP_RET_USER_NOTIF;

	if (!syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action))
		return 0;
	return errno == EOPNOTSUPP ? -EINVAL : -errno;
}

int filter_install(bool paths, const char **ret_why)
{
	struct sock_fprog prog = { 0 };
	int ret = can_notify();

	if (!ret)
		ret = make(paths, &prog);
	if (!ret)
		ret = load(&prog);
	free(prog.filter);
	if (ret < 0)
		*ret_why = why(ret);
	return ret;
}
