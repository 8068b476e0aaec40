/* SPDX-License-Identifier: MIT */
/* range.c - fds in the range where those of buffers are put */
#include "client.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define IN_RANGE 1000	/* and free, in a program with few buffers */

/* Another file's fd that is there does not hide a buffer's. */
void case_second_fds(void)
{
	int buffer = buffer_new();
	int pipes[2];

	CHECK(!pipe(pipes));
	CHECK(dup2(pipes[1], IN_RANGE) == IN_RANGE);
	errno = 0;
	CHECK(sendfile(IN_RANGE, buffer, NULL, 1) == -1 && errno == EINVAL);
	errno = 0;
	CHECK(splice(buffer, NULL, IN_RANGE, NULL, 1, 0) == -1 &&
	      errno == EINVAL);
}

static ino_t inode(int fd)
{
	struct stat st;

	CHECK(!fstat(fd, &st));
	return st.st_ino;
}

/* Its fds, and what is at their numbers for the others, are two things. */
static void *own_fds_run(void *data)
{
	int *others = data;
	int own, copy;

	CHECK(!unshare(CLONE_FILES));
	CHECK(!close(*others));
	own = buffer_new();
	CHECK(dup2(own, *others) == *others);
	copy = dup(*others);
	CHECK(copy >= 0 && inode(copy) == inode(own));
	return NULL;
}

void case_own_fds(void)
{
	int buffer = buffer_new();
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, own_fds_run, &buffer));
	CHECK(!pthread_join(thread, NULL));
	CHECK(inode(dup(buffer)) == inode(buffer));
}

/* Of a directory whose fd is there too */
void case_below_directory(void)
{
	int dev = open("/dev", O_RDONLY | O_DIRECTORY);
	struct statx stx;
	struct stat st;

	CHECK(dev >= 0 && dup2(dev, IN_RANGE) == IN_RANGE);
	CHECK(!fstatat(IN_RANGE, "udmabuf", &st, 0) && S_ISCHR(st.st_mode));
	CHECK(!statx(IN_RANGE, "udmabuf", 0, STATX_TYPE, &stx) &&
	      S_ISCHR(stx.stx_mode));
	CHECK(!fstatat(IN_RANGE, "", &st, AT_EMPTY_PATH) &&
	      S_ISDIR(st.st_mode));
}
