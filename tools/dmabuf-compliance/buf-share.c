/* SPDX-License-Identifier: MIT */
/* buf-share.c - rows: a buffer in several processes, and copies of its fd */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void sync_works(int buf)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_RW };

	expect(0, ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync),
	       "ioctl(buf, DMA_BUF_IOCTL_SYNC, START | RW)");
}

/* What programs rely on, and a memfd of the same size does not do. */
static void is_buffer(int buf)
{
	sync_works(buf);
	expect(buffer_size(), lseek(buf, 0, SEEK_END),
	       "lseek(buf, 0, SEEK_END)");
	expect_map(-EINVAL, mmap(NULL, page_size(), PROT_READ, MAP_SHARED, buf,
				 (off_t)buffer_size()),
		   "mmap(page at offset = size)");
}

struct shared {
	int buf;
	unsigned char *addr;
};

static void child_writes(void *arg)
{
	struct shared *shared = arg;

	expect_page_number(shared->addr, 1, "the child's mapping");
	number_pages(shared->addr, BUFFER_PAGES, 40);
}

static void mapping_inherited(void)
{
	struct shared shared = { .buf = buffer() };

	shared.addr = buffer_map(shared.buf, BUFFER_PAGES);
	number_pages(shared.addr, BUFFER_PAGES, 1);
	in_child(child_writes, &shared);
	expect_page_number(shared.addr + page_size(), 41,
			   "the parent's mapping");
}

static void child_maps(void *arg)
{
	struct shared *shared = arg;
	unsigned char *addr;

	is_buffer(shared->buf);
	addr = buffer_map(shared->buf, BUFFER_PAGES);
	expect_page_number(addr, 1, "the child's mapping");
	number_pages(addr, BUFFER_PAGES, 40);
}

static void fd_inherited(void)
{
	struct shared shared = { .buf = buffer() };

	shared.addr = buffer_map(shared.buf, BUFFER_PAGES);
	number_pages(shared.addr, BUFFER_PAGES, 1);
	in_child(child_maps, &shared);
	expect_page_number(shared.addr + 2 * page_size(), 42,
			   "the parent's mapping");
}

static void child_closes(void *arg)
{
	expect(0, close(*(int *)arg), "close(buf) in the child");
}

static void closed_in_child(void)
{
	int buf = buffer();

	in_child(child_closes, &buf);
	is_buffer(buf);
}

/* Two fds of one buffer: @copy outlives @buf. */
static void same_buffer(int buf, int copy)
{
	struct stat a, b;
	unsigned char *addr;

	expect(0, fstat(buf, &a), "fstat(buf)");
	expect(0, fstat(copy, &b), "fstat(copy)");
	if (a.st_ino != b.st_ino)
		fail("expected the inode of the original, got another");
	addr = buffer_map(buf, BUFFER_PAGES);
	number_pages(addr, BUFFER_PAGES, 70);
	munmap(addr, buffer_size());
	expect(0, close(buf), "close(buf)");
	is_buffer(copy);
	addr = buffer_map(copy, BUFFER_PAGES);
	expect_page_number(addr + page_size(), 71, "the copy");
}

static void copy_by_dup(void)
{
	int buf = buffer();

	same_buffer(buf, (int)expect(ANY_FD, dup(buf), "dup(buf)"));
}

/* Far below the numbers that new buffers may get. */
static void copy_by_dup2(void)
{
	int buf = buffer();

	expect(10, dup2(buf, 10), "dup2(buf, 10)");
	same_buffer(buf, 10);
}

/* The rest of it, too. */
static void copy_is_exact(void)
{
	struct stat st;
	char byte;

	expect(10, dup2(buffer(), 10), "dup2(buf, 10)");
	expect(-EINVAL, lseek(10, 0, SEEK_CUR), "lseek(copy, 0, SEEK_CUR)");
	expect(-EINVAL, read(10, &byte, 1), "read(copy, 1)");
	expect(-EINVAL, ftruncate(10, 0), "ftruncate(copy, 0)");
	expect(0, fstat(10, &st), "fstat(copy)");
	expect_octal(0600, st.st_mode, "st_mode");
}

static void copy_by_fcntl(void)
{
	int buf = buffer(), copy;

	copy = (int)expect(ANY_FD, fcntl(buf, F_DUPFD_CLOEXEC, 100),
			   "fcntl(buf, F_DUPFD_CLOEXEC, 100)");
	expect(FD_CLOEXEC, fcntl(copy, F_GETFD), "fcntl(copy, F_GETFD)");
	same_buffer(buf, copy);
}

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int))];
};

static void send_fd(int sock, int fd)
{
	union control control = { .room = "" };
	struct iovec iov = { "x", 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	expect(1, sendmsg(sock, &msg, 0), "sendmsg(SCM_RIGHTS)");
}

static int receive_fd(int sock)
{
	union control control = { .room = "" };
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *header;
	int fd = -1;

	expect(1, recvmsg(sock, &msg, 0), "recvmsg(SCM_RIGHTS)");
	header = CMSG_FIRSTHDR(&msg);
	if (!header || header->cmsg_type != SCM_RIGHTS)
		fail("recvmsg: expected an fd, got none");
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

static void passed(void)
{
	int socks[2], buf = buffer();

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), "socketpair()");
	send_fd(socks[0], buf);
	same_buffer(buf, receive_fd(socks[1]));
}

/* The only fd is in the socket meanwhile. */
static void passed_and_closed(void)
{
	unsigned char *addr;
	int socks[2], buf = buffer();

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), "socketpair()");
	addr = buffer_map(buf, BUFFER_PAGES);
	number_pages(addr, BUFFER_PAGES, 80);
	munmap(addr, buffer_size());
	send_fd(socks[0], buf);
	expect(0, close(buf), "close(buf)");
	buf = receive_fd(socks[1]);
	is_buffer(buf);
	addr = buffer_map(buf, BUFFER_PAGES);
	expect_page_number(addr + page_size(), 81, "the received buffer");
}

static void child_sends(void *arg)
{
	unsigned char *addr;
	int buf = buffer();

	addr = buffer_map(buf, BUFFER_PAGES);
	number_pages(addr, BUFFER_PAGES, 90);
	send_fd(*(int *)arg, buf);
}

static void outlives_maker(void)
{
	unsigned char *addr;
	int socks[2], buf;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), "socketpair()");
	in_child(child_sends, &socks[0]);
	buf = receive_fd(socks[1]);
	is_buffer(buf);
	addr = buffer_map(buf, BUFFER_PAGES);
	expect_page_number(addr + 2 * page_size(), 92, "the child's buffer");
}

#define ROW(name, text, function, ...) \
	{ .id = "buf.share." name, .title = text, .run = function, ##__VA_ARGS__ }

static const struct row buf_share_rows[] = {
	ROW("mapping", "a mapping is shared with a child", mapping_inherited),
	ROW("fd", "an inherited fd is the same buffer", fd_inherited),
	ROW("close", "a child's close does not matter", closed_in_child),
	ROW("dup", "a copy by dup is the same buffer", copy_by_dup),
	ROW("dup2", "a copy by dup2 is the same buffer", copy_by_dup2),
	ROW("dup2-exact", "such a copy refuses lseek, read and ftruncate", copy_is_exact),
	ROW("dupfd", "a copy by F_DUPFD_CLOEXEC is the same buffer", copy_by_fcntl),
	ROW("pass", "an fd passed by SCM_RIGHTS is the same buffer", passed),
	ROW("pass-close", "a buffer outlives its fds within a socket", passed_and_closed),
	ROW("pass-exit", "a buffer outlives the process that made it", outlives_maker),
};

const struct group buf_share_group = GROUP(TARGET_BUFFER, buf_share_rows);
