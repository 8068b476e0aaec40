/* SPDX-License-Identifier: MIT */
/*
 * fs.c - a file system whose server is itself under dmabuf-run, and in a call
 * that waits for an answer while others wait for the server
 */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_NODE 2

static void reply(int fd, const struct fuse_in_header *in, int error,
		  void *data, size_t size)
{
	struct fuse_out_header out = {
		.len = (__u32)(sizeof(out) + size),
		.error = error,
		.unique = in->unique,
	};
	struct iovec parts[] = { { &out, sizeof(out) }, { data, size } };

	CHECK(writev(fd, parts, 2) >= 0);
}

static struct fuse_attr attributes(__u64 node)
{
	return (struct fuse_attr){
		.ino = node,
		.mode = node == FILE_NODE ? 0100644 : 0040755,
		.nlink = 1,
		.size = SIZE,
		.blksize = 4096,
	};
}

static void request_answer(int fd, const struct fuse_in_header *in)
{
	struct fuse_init_out init = { .major = 7, .minor = 31,
				      .max_write = 65536 };
	struct fuse_entry_out entry = { .nodeid = FILE_NODE,
					.attr = attributes(FILE_NODE) };
	struct fuse_attr_out attr = { .attr = attributes(in->nodeid) };
	struct fuse_open_out file = { .fh = 1 };

	switch (in->opcode) {
	case FUSE_INIT:
		reply(fd, in, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		reply(fd, in, 0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
		reply(fd, in, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		reply(fd, in, 0, &file, sizeof(file));
		break;
	case FUSE_FORGET:
		break;
	default:
		reply(fd, in, -ENOSYS, NULL, 0);
		break;
	}
}

static void serve(int fd)
{
	static char request[1 << 17]
		__attribute__((aligned(__alignof__(struct fuse_in_header))));
	int buffer = buffer_new();

	while (read(fd, request, sizeof(request)) > 0) {
		buffer_sync(buffer, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
		request_answer(fd, (const struct fuse_in_header *)request);
	}
}

void case_file_server(const char *directory)
{
	char options[64], path[256];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	int file, status;
	pid_t server;

	CHECK(fd >= 0);
	CHECK(!unshare(CLONE_NEWNS));
	CHECK(!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	CHECK(!mount("test", directory, "fuse", 0, options));
	server = fork();
	CHECK(server >= 0);
	if (!server) {
		serve(fd);
		_exit(0);
	}
	close(fd);
	snprintf(path, sizeof(path), "%s/file", directory);
	file = open(path, O_RDONLY);
	CHECK(file >= 0);
	CHECK(mmap(NULL, SIZE, PROT_READ, MAP_SHARED, file, 0) != MAP_FAILED);
	CHECK(ioctl(file, DMA_BUF_IOCTL_SYNC, NULL) == -1);
	CHECK(!kill(server, SIGKILL));
	CHECK(waitpid(server, &status, 0) == server && WIFSIGNALED(status));
}
