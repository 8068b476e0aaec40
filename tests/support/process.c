/* SPDX-License-Identifier: MIT */
/* process.c - peers in other processes, and waiting for releases */
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sanitized.h"

/* Peers */

/* CMocka's handlers would go on with the next test, in the child. */
static void signals_default(void)
{
	static const int signals[] = {
		SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS,
	};
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
}

static void peer_make(struct peer *peer, pid_t (*make)(void), peer_fn run,
		      void *data)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				    pair), 0);
	fflush(NULL);
	peer->pid = make();
	assert_true(peer->pid >= 0);
	if (!peer->pid) {
		close(pair[0]);
		signals_default();
		alarm(60);
		_exit(run(pair[1], data));
	}
	close(pair[1]);
	peer->sock = pair[0];
}

void peer_start(struct peer *peer, peer_fn run, void *data)
{
	peer_make(peer, fork, run, data);
}

static pid_t raw_clone(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

void raw_peer_start(struct peer *peer, peer_fn run, void *data)
{
	peer_make(peer, raw_clone, run, data);
}

int peer_wait(struct peer *peer)
{
	int status = -1;

	close(peer->sock);
	while (waitpid(peer->pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

void peer_kill(struct peer *peer)
{
	int status;

	assert_int_equal(kill(peer->pid, SIGKILL), 0);
	status = peer_wait(peer);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

void peer_join(struct peer *peer)
{
	assert_int_equal(peer_wait(peer), 0);
}

union fd_control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

bool fd_send(int sock, int fd)
{
	union fd_control control = { { 0 } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == 1;
}

int fd_recv(int sock)
{
	union fd_control control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -2;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
	return fd;
}

bool turn_give(int sock)
{
	return fd_send(sock, -1);
}

bool turn_take(int sock)
{
	return fd_recv(sock) == -1;
}

/* Waiting */

void events_wait(void)
{
	struct pollfd pfd = { .fd = dmabuf_event_fd(), .events = POLLIN };

	assert_true(pfd.fd >= 0);
	while (poll(&pfd, 1, -1) < 0)
		assert_int_equal(errno, EINTR);
}

void dispatch_until_refs(const struct dma_buf *dmabuf, unsigned int nr)
{
	assert_true(dmabuf_dispatch() >= 0);
	while (dmabuf_refcount(dmabuf) > nr) {
		events_wait();
		assert_true(dmabuf_dispatch() >= 0);
	}
	assert_int_equal(dmabuf_refcount(dmabuf), nr);
}

int dispatch_until_closed(int nr)
{
	int closed = 0;
	int ret;

	for (;;) {
		ret = dmabuf_dispatch();
		assert_true(ret >= 0);
		closed += ret;
		if (closed >= nr)
			return closed;
		events_wait();
	}
}

void nothing_closed(void)
{
	int i;

	for (i = 0; i < 20; i++)
		assert_int_equal(dmabuf_dispatch(), 0);
}

void threads_unwatched_or_skip(void)
{
	if (!is_thread_sanitized())
		return;
	print_message("skipped under the thread sanitizer: for it a mutex "
		      "that is made anew is still locked\n");
	skip();
}

/* Exporters */

static struct sg_table *no_map(struct dma_buf_attachment *attach,
			       enum dma_data_direction dir)
{
	(void)attach;
	(void)dir;
	return ERR_PTR(-EOPNOTSUPP);
}

static void no_unmap(struct dma_buf_attachment *attach, struct sg_table *table,
		     enum dma_data_direction dir)
{
	(void)attach;
	(void)table;
	(void)dir;
}

static void backing_release(struct dma_buf *dmabuf)
{
	struct backing *backing = dmabuf->priv;

	backing->releases++;
	if (backing->close_fd >= 0)
		close(backing->close_fd);
}

static int backing_backing_fd(struct dma_buf *dmabuf)
{
	struct backing *backing = dmabuf->priv;

	backing->asked++;
	return backing->fd;
}

static int backing_mmap(struct dma_buf *dmabuf, void *addr, size_t length,
			int prot, int flags, off_t offset)
{
	(void)dmabuf;
	(void)addr;
	(void)length;
	(void)prot;
	(void)flags;
	(void)offset;
	return 0;
}

static const struct dma_buf_ops backing_ops = {
	.map_dma_buf = no_map,
	.unmap_dma_buf = no_unmap,
	.release = backing_release,
	.mmap = backing_mmap,
	.backing_fd = backing_backing_fd,
};

int memfd_make(const char *name, size_t size, int seals)
{
	int fd = memfd_create(name, MFD_CLOEXEC |
				    (seals < 0 ? 0 : MFD_ALLOW_SEALING));

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	if (seals > 0)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

int huge_memfd_make(const char *name, size_t size, int seals)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING |
				    MFD_HUGETLB);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

void *anon_map(size_t size)
{
	void *addr = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(addr, MAP_FAILED);
	return addr;
}

int fd_reopen(int fd, int flags)
{
	char path[32];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags | O_CLOEXEC);
	assert_true(again >= 0);
	return again;
}

int fd_of(struct dma_buf *dmabuf)
{
	int fd = dma_buf_fd(dmabuf, O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

struct dma_buf *memfd_export(size_t size, unsigned int flags)
{
	struct dma_buf *dmabuf;

	assert_int_equal(dmabuf_memfd_export(size, flags, &dmabuf), 0);
	return dmabuf;
}

struct dma_buf *backing_export_fd(struct backing *backing, size_t size,
				  int flags, int fd)
{
	const struct dma_buf_export_info info = {
		.exp_name = "backing",
		.ops = &backing_ops,
		.size = size,
		.flags = flags,
		.priv = backing,
	};
	struct dma_buf *dmabuf;

	*backing = (struct backing){ .fd = fd, .close_fd = -1 };
	dmabuf = dma_buf_export(&info);
	assert_false(IS_ERR_OR_NULL(dmabuf));
	return dmabuf;
}

struct dma_buf *backing_export(struct backing *backing, size_t size, int flags)
{
	int fd = memfd_make("dmabuf:test", size, 0);
	struct dma_buf *dmabuf = backing_export_fd(backing, size, flags, fd);

	backing->close_fd = fd;
	return dmabuf;
}

static void opaque_release(struct dma_buf *dmabuf)
{
	unsigned int *releases = dmabuf->priv;

	__atomic_fetch_add(releases, 1, __ATOMIC_RELAXED);
}

static const struct dma_buf_ops opaque_ops = {
	.map_dma_buf = no_map,
	.unmap_dma_buf = no_unmap,
	.release = opaque_release,
};

struct dma_buf *opaque_export(unsigned int *releases, size_t size, int flags)
{
	const struct dma_buf_export_info info = {
		.exp_name = "opaque",
		.ops = &opaque_ops,
		.size = size,
		.flags = flags,
		.priv = releases,
	};
	struct dma_buf *dmabuf = dma_buf_export(&info);

	assert_false(IS_ERR_OR_NULL(dmabuf));
	return dmabuf;
}

/* Memory */

bool bytes_are(const void *addr, int value, size_t size)
{
	const unsigned char *bytes = addr;
	size_t i;

	for (i = 0; i < size; i++)
		if (bytes[i] != value)
			return false;
	return true;
}

bool addr_is_mapped(const void *addr)
{
	unsigned char in_core;

	return !mincore((void *)(uintptr_t)addr, 1, &in_core);
}

/*
 * Huge pages. Tests of other processes that reserve some wait for each other:
 * else one would take, or give back, what the other has counted on.
 */
#define HUGE_PAGES_FILE "/proc/sys/vm/nr_hugepages"

static long huge_pages_before = -1;
static int huge_pages_lock = -1;	/* locked from need to done */

static long number_in_file(const char *path, const char *format)
{
	FILE *file = fopen(path, "re");
	long number = -1;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, format, &number) == 1)
			break;
	if (file)
		fclose(file);
	return number;
}

static void huge_pages_set(long nr)
{
	FILE *file = fopen(HUGE_PAGES_FILE, "we");

	if (!file)
		return;
	fprintf(file, "%ld\n", nr);
	fclose(file);
}

static long huge_pages_free(void)
{
	return number_in_file("/proc/meminfo", "HugePages_Free: %ld") -
	       number_in_file("/proc/meminfo", "HugePages_Rsvd: %ld");
}

size_t huge_pages_need(unsigned int nr)
{
	long size_kb = number_in_file("/proc/meminfo", "Hugepagesize: %ld");
	long now = number_in_file(HUGE_PAGES_FILE, "%ld");

	if (size_kb <= 0 || now < 0) {
		print_message("skipped: the kernel has no huge pages\n");
		return 0;
	}
	huge_pages_lock = open(HUGE_PAGES_FILE, O_RDONLY | O_CLOEXEC);
	if (huge_pages_lock >= 0)
		flock(huge_pages_lock, LOCK_EX);
	now = number_in_file(HUGE_PAGES_FILE, "%ld");
	if (huge_pages_free() < (long)nr) {
		huge_pages_before = now;
		huge_pages_set(now + (long)nr);
	}
	if (huge_pages_free() >= (long)nr)
		return (size_t)size_kb * 1024;
	huge_pages_done();
	print_message("skipped: %u huge pages cannot be reserved (be root, or "
		      "write to " HUGE_PAGES_FILE ")\n", nr);
	return 0;
}

void huge_pages_done(void)
{
	if (huge_pages_before >= 0)
		huge_pages_set(huge_pages_before);
	huge_pages_before = -1;
	if (huge_pages_lock >= 0)
		close(huge_pages_lock);
	huge_pages_lock = -1;
}

int nr_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	int nr = 0;

	while (dir && (entry = readdir(dir)))
		nr += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return nr;
}
