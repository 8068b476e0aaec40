/* SPDX-License-Identifier: MIT */
/* decoded.c - calls with a path or an fd, for the log to show in words */
#include "client.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Since Linux 6.6; on every architecture. */
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

#define NODE "/dev/udmabuf"
#define DIRECTORY "/dev/dma_heap"

/* With an address that is long enough to be known as one */
static void *somewhere(void)
{
	static __thread char room[4096];

	return room;
}

/* What only older machines have */
#ifdef SYS_open
static void old_calls(void)
{
	void *to = somewhere();

	syscall(SYS_open, NODE, O_RDWR | O_CLOEXEC);
	syscall(SYS_open, NODE, O_WRONLY | O_CREAT | O_EXCL, 0640);
	syscall(SYS_creat, NODE "/", 0600);
	syscall(SYS_stat, NODE, to);
	syscall(SYS_lstat, DIRECTORY "/system", to);
	syscall(SYS_access, NODE, R_OK | W_OK);
	syscall(SYS_access, DIRECTORY, F_OK);
	syscall(SYS_readlink, NODE, to, 4096UL);
	syscall(SYS_chmod, NODE, 0640);
	syscall(SYS_chown, NODE, -1, -1);
	syscall(SYS_lchown, NODE, -1, -1);
}
#else
static void old_calls(void)
{
}
#endif

static void open_calls(void)
{
	struct open_how how = { .flags = O_RDONLY | O_PATH };
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev",
			      O_PATH | O_DIRECTORY | O_CLOEXEC);

	CHECK(fd >= 0 && dup2(fd, 100) == 100);
	syscall(SYS_openat, AT_FDCWD, NODE, O_RDWR | O_CLOEXEC);
	syscall(SYS_openat, 100, "udmabuf", O_RDONLY | O_NONBLOCK);
	syscall(SYS_openat2, AT_FDCWD, NODE, &how, sizeof(how));
	syscall(SYS_openat2, AT_FDCWD, NODE "/", &how, sizeof(how));
}

static void at_calls(void)
{
	void *to = somewhere();

	syscall(SYS_newfstatat, AT_FDCWD, NODE, to, AT_SYMLINK_NOFOLLOW);
	syscall(SYS_newfstatat, AT_FDCWD, NODE, NULL, 0);
	syscall(SYS_statx, AT_FDCWD, NODE, AT_STATX_DONT_SYNC,
		STATX_BASIC_STATS | STATX_BTIME, to);
	syscall(SYS_faccessat, AT_FDCWD, NODE, R_OK | X_OK);
	syscall(SYS_faccessat2, AT_FDCWD, NODE, W_OK, AT_EACCESS);
	syscall(SYS_readlinkat, AT_FDCWD, NODE, to, 100UL);
	syscall(SYS_fchmodat, AT_FDCWD, NODE, 04600);
	syscall(SYS_fchmodat2, AT_FDCWD, NODE, 0, AT_SYMLINK_NOFOLLOW);
	syscall(SYS_fchownat, AT_FDCWD, NODE, -1, -1, 0);
}

static void other_calls(void)
{
	void *to = somewhere();

	syscall(SYS_statfs, NODE, to);
	syscall(SYS_getxattr, NODE, "user.\n", to, 16UL);
	syscall(SYS_lgetxattr, NODE, NULL, to, 16UL);
	syscall(SYS_listxattr, NODE, to, 4096UL);
	syscall(SYS_llistxattr, NODE, NULL, 0UL);
}

/* What is in it is to be seen and nothing else, and not all of it. */
static void hostile_paths(void)
{
	char path[128] = NODE "/";

	syscall(SYS_openat, AT_FDCWD, NODE "/\033[31m\n\"\\\302\233", O_RDONLY);
	memset(path + strlen(path), 1, 67);
	syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
	memset(path + strlen(path), 1, 1);
	syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
}

static void fd_calls(void)
{
	void *to = somewhere();
	int fd = buffer_new();
	int device = open(NODE, O_RDWR | O_CLOEXEC);

	syscall(SYS_lseek, fd, 0L, SEEK_END);
	syscall(SYS_lseek, fd, -1L, 77);
	syscall(SYS_read, fd, to, 16UL);
	syscall(SYS_pread64, fd, to, 16UL, -1L);
	syscall(SYS_preadv2, fd, NULL, 0UL, 1UL, 0UL, RWF_NOWAIT);
	syscall(SYS_fstat, device, to);
	syscall(SYS_newfstatat, fd, "", to, AT_EMPTY_PATH);
	syscall(SYS_statx, fd, NULL, AT_EMPTY_PATH, STATX_SIZE, NULL);
	syscall(SYS_ftruncate, fd, 4096L);
	syscall(SYS_fallocate, fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
		0L, 4096L);
	syscall(SYS_fcntl, fd, F_GETFL);
	syscall(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_SHRINK);
	syscall(SYS_sendfile, 1, fd, NULL, 4096UL);
	syscall(SYS_shutdown, fd, SHUT_RDWR);
}

void case_decoded(void)
{
	old_calls();
	open_calls();
	at_calls();
	other_calls();
	hostile_paths();
	fd_calls();
}
