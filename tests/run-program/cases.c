/* SPDX-License-Identifier: MIT */
/* cases.c - threads, processes, signals, and programs that mean no good */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define NR_THREADS 8
#define NR_PROCESSES 32
#define NR_KILLED 100

static void child_end(pid_t child)
{
	int status;

	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
}

static void *lives(void *data)
{
	int i;

	(void)data;
	for (i = 0; i < 100; i++)
		CHECK(!life());
	return NULL;
}

void case_threads(void)
{
	pthread_t threads[NR_THREADS];
	int i;

	for (i = 0; i < NR_THREADS; i++)
		CHECK(!pthread_create(&threads[i], NULL, lives, NULL));
	for (i = 0; i < NR_THREADS; i++)
		CHECK(!pthread_join(threads[i], NULL));
}

/* What the one writes the other reads, whoever closes first. */
void case_forks(void)
{
	int fd = buffer_new();
	char *view = buffer_map(fd);
	pid_t child = fork();

	CHECK(child >= 0);
	if (!child) {
		char *own = buffer_map(fd);

		munmap(view, SIZE);
		buffer_sync(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
		strcpy(own, "from the child");
		close(fd);
		CHECK(!life());
		_exit(0);
	}
	child_end(child);
	CHECK(!strcmp(view, "from the child"));
	buffer_sync(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
	close(fd);
	CHECK(buffers_listed() == 1);
	munmap(view, SIZE);
}

void case_vforks(void)
{
	int fd = buffer_new();
	volatile int ret = -1;
	pid_t child = vfork();

	CHECK(child >= 0);
	if (!child) {
		struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_RW };

		ret = ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync);
		_exit(0);
	}
	child_end(child);
	CHECK(!ret);
	CHECK(!life());
}

void case_execs(char *self)
{
	int fd = buffer_new();
	char number[16];
	char *view = buffer_map(fd);
	pid_t child = fork();

	CHECK(child >= 0);
	if (!child) {
		snprintf(number, sizeof(number), "%d", fd);
		execl(self, self, "inherited", number, NULL);
		CHECK(!"exec");
	}
	child_end(child);
	CHECK(!strcmp(view, "from the other program"));
}

void case_crowd(void)
{
	pid_t children[NR_PROCESSES];
	int i;

	for (i = 0; i < NR_PROCESSES; i++) {
		children[i] = fork();
		CHECK(children[i] >= 0);
		if (!children[i]) {
			lives(NULL);
			_exit(0);
		}
	}
	for (i = 0; i < NR_PROCESSES; i++)
		child_end(children[i]);
}

static void no_op(int signal)
{
	(void)signal;
}

/* Nothing restarts by itself: a call may end with EINTR, and with no harm. */
void case_signals(void)
{
	const struct sigaction action = { .sa_handler = no_op };
	const struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };

	CHECK(!sigaction(SIGALRM, &action, NULL));
	CHECK(!setitimer(ITIMER_REAL, &often, NULL));
	lives(NULL);
	lives(NULL);
	CHECK(!setitimer(ITIMER_REAL, &never, NULL));
}

/* The child is in some call or other when it is killed. */
void case_killed(void)
{
	char byte;
	int fds[2];
	int i, n;

	for (i = 0; i < NR_KILLED; i++) {
		pid_t child;

		CHECK(!pipe(fds));
		child = fork();
		CHECK(child >= 0);
		while (!child) {
			life();
			CHECK(write(fds[1], "", 1) == 1);
		}
		for (n = 0; n <= i % 5; n++)
			CHECK(read(fds[0], &byte, 1) == 1);
		CHECK(!kill(child, SIGKILL));
		CHECK(waitpid(child, NULL, 0) == child);
		close(fds[0]);
		close(fds[1]);
	}
	CHECK(!life());
}

static int memfd_sealed(void)
{
	int fd = memfd_create("sealed", MFD_ALLOW_SEALING);

	CHECK(!ftruncate(fd, 4096) && !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	return fd;
}

/* As open(2) with O_PATH shows it */
static int memfd_path(void)
{
	int fd = memfd_sealed(), path;
	char name[32];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	path = open(name, O_PATH | O_CLOEXEC);
	CHECK(path >= 0);
	close(fd);
	return path;
}

/* Such that an ordinary user cannot open it again; the fd is what it was. */
static int memfd_shut(mode_t mode)
{
	int fd = memfd_sealed();

	CHECK(!fchmod(fd, mode));
	return fd;
}

static int udmabuf_new(int udmabuf, int memfd)
{
	struct udmabuf_create create = {
		.memfd = (uint32_t)memfd,
		.size = 4096,
	};

	return ioctl(udmabuf, UDMABUF_CREATE, &create);
}

#define FAILS(call, error) (errno = 0, (call) == -1 && errno == (error))

void case_hostile(void)
{
	struct dma_heap_allocation_data huge = {
		.len = UINT64_MAX - 4095,
		.fd_flags = O_RDWR,
	};
	struct udmabuf_create_list list = { .count = UINT32_MAX };
	int heap = heap_open();
	int fd = buffer_new();
	int udmabuf = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	void *bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0);

	CHECK(FAILS(ioctl(heap, DMA_HEAP_IOCTL_ALLOC, bad), EFAULT));
	CHECK(FAILS(ioctl(heap, DMA_HEAP_IOCTL_ALLOC, UINTPTR_MAX), EFAULT));
	CHECK(FAILS(ioctl(heap, DMA_HEAP_IOCTL_ALLOC, NULL), EFAULT));
	CHECK(ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &huge) == -1);
	huge.len = UINT64_MAX;
	CHECK(FAILS(ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &huge), EINVAL));
	CHECK(FAILS(ioctl(heap, _IOC(3u, 'H', 0, 16383), bad), EFAULT));
	CHECK(FAILS(ioctl(fd, DMA_BUF_IOCTL_SYNC, bad), EFAULT));
	CHECK(FAILS(ioctl(fd, DMA_BUF_SET_NAME, bad), EFAULT));
	CHECK(FAILS(ioctl(fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, bad), EFAULT));
	CHECK(FAILS(ioctl(fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, bad), EFAULT));
	CHECK(FAILS(ioctl(udmabuf, UDMABUF_CREATE, bad), EFAULT));
	CHECK(FAILS(ioctl(udmabuf, UDMABUF_CREATE_LIST, &list), EINVAL));
	CHECK(FAILS(udmabuf_new(udmabuf, memfd_path()), EBADFD));
	CHECK(udmabuf_new(udmabuf, memfd_shut(0)) >= 0);
	CHECK(udmabuf_new(udmabuf, memfd_shut(0400)) >= 0);
	CHECK(mmap(NULL, SIZE_MAX - 4095, PROT_READ, MAP_SHARED, fd, 0) ==
	      MAP_FAILED);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd,
		   (off_t)INT64_MAX - 4095) == MAP_FAILED);
	CHECK(!life());
}

/*
 * A copy is at the number that was asked for, or above, when the range of
 * dmabuf-run is full too.
 */
void case_copies(void)
{
	int fd = buffer_new();
	int i;

	for (i = 0; i < 100; i++)
		CHECK(open("/dev/zero", O_RDONLY) >= 0);
	for (i = 0; i < 300; i++)
		CHECK(RETRY(fcntl(fd, F_DUPFD, 200)) >= 200);
}

/* What it opens itself may soon be in the range: nothing is put there. */
void case_many_fds(void)
{
	int fd;

	do {
		fd = open("/dev/zero", O_RDONLY);
		CHECK(fd >= 0);
	} while (fd < 740);
	CHECK(buffer_new() < 768);
}

/*
 * With few fds for dmabuf-run: those of what was closed are to be had at once.
 */
void case_few_fds(void)
{
	struct dma_heap_allocation_data data = {
		.len = 4096,
		.fd_flags = O_RDWR,
	};
	int heap = heap_open();

	while (!ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data))
		data.fd = 0;
	CHECK(errno == EMFILE);
	closefrom(heap + 1);
	CHECK(!ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data));
}

/* It is the user's who made it, as whom root has started the program, or not. */
void case_owned(void)
{
	int fd = buffer_new();
	struct stat st;

	CHECK(!fstat(fd, &st) && st.st_uid == geteuid() &&
	      st.st_gid == getegid());
	CHECK(!fchmod(fd, 0640));
}

/*
 * Without room for an fd the kernel looks no further: else it would be EFAULT,
 * as the argument can only be read.
 */
void case_no_room(void)
{
	static const struct dma_buf_export_sync_file argument = {
		.flags = DMA_BUF_SYNC_READ,
		.fd = -1,
	};
	struct rlimit limit;
	int fd = buffer_new();

	CHECK(!getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max < 100 ? limit.rlim_max : 100;
	CHECK(!setrlimit(RLIMIT_NOFILE, &limit));
	while (dup(fd) >= 0)
		;
	CHECK(errno == EMFILE);
	CHECK(FAILS(ioctl(fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &argument),
		    EMFILE));
}

/* The receiver's copy has a low number. */
void case_passed(void)
{
	int sockets[2];
	pid_t child;
	int fd;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		fd = buffer_new();
		strcpy(buffer_map(fd), "passed on");
		fd_send(sockets[1], fd);
		_exit(0);
	}
	child_end(child);
	fd = fd_receive(sockets[0]);
	CHECK(!strcmp(buffer_map(fd), "passed on"));
	buffer_sync(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
	CHECK(lseek(fd, 0, SEEK_END) == SIZE);
	CHECK(mmap(NULL, SIZE + 1, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK(buffers_listed() == 1);
}
