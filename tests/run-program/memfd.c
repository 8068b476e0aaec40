/* SPDX-License-Identifier: MIT */
/* memfd.c - memfds of huge pages, with and without --small-pages; a udmabuf */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of Linux 6.3 */
#ifndef MFD_EXEC
#define MFD_NOEXEC_SEAL 0x8U
#define MFD_EXEC 0x10U
#endif
#define UNKNOWN 0x100U
#define OTHER 65534

#define PAGE 4096
#define NAME_MAX_SIZE 250	/* with its end */
#define FAILS(call, error) (errno = 0, (call) == -1 && errno == (error))

/* Past libc, which need not know all flags */
static int memfd(const char *name, unsigned int flags)
{
	return (int)syscall(SYS_memfd_create, name, flags);
}

static void print_one(const char *name, unsigned int flags)
{
	int fd = memfd(name, flags);
	struct stat st;

	if (fd < 0) {
		printf("%#x: %s\n", flags, strerror(errno));
		return;
	}
	CHECK(!fstat(fd, &st));
	printf("%#x: %d, mode %o, blocks of %ld, seals %#x, fd flags %#x\n",
	       flags, fd, st.st_mode, (long)st.st_blksize,
	       (unsigned int)fcntl(fd, F_GET_SEALS),
	       (unsigned int)fcntl(fd, F_GETFD));
	close(fd);
}

/* What comes of any flags: to be held against what else does. */
void case_memfds(void)
{
	const unsigned int sizes[] = { 0, MFD_HUGE_2MB, MFD_HUGE_1GB,
				       63U << MFD_HUGE_SHIFT };
	unsigned int i, flags;

	for (i = 0; i < 4; i++)
		for (flags = 0; flags < 64; flags++)
			print_one("flags", flags | sizes[i]);
	print_one(NULL, MFD_HUGETLB);
	print_one(NULL, MFD_HUGETLB | UNKNOWN);
}

/* The same by who may not be looked into */
void case_memfds_hidden(void)
{
	CHECK(!prctl(PR_SET_DUMPABLE, 0));
	case_memfds();
}

/* Not the size of a huge page, and more than anybody reserves */
static void is_small(void)
{
	int fd = memfd("small", MFD_HUGETLB | MFD_HUGE_1GB);
	size_t size = ((size_t)64 << 30) + PAGE;
	char path[32], link[64] = "";
	char *view;

	CHECK(fd >= 0 && !ftruncate(fd, (off_t)size));
	view = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(view != MAP_FAILED);
	view[size - 1] = 'x';
	CHECK(view[size - 1] == 'x' && view[0] == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK(readlink(path, link, sizeof(link) - 1) > 0);
	CHECK(!strcmp(link, "/memfd:small (deleted)"));
	CHECK(!munmap(view, size) && !close(fd));
}

static void flags_are_kept(void)
{
	int open_fd = memfd("flags", MFD_HUGETLB);
	int sealable = memfd("flags", MFD_HUGETLB | MFD_CLOEXEC |
				      MFD_ALLOW_SEALING);
	int data = memfd("flags", MFD_HUGETLB | MFD_NOEXEC_SEAL);
	struct stat st;

	CHECK(fcntl(open_fd, F_GETFD) == 0);
	CHECK(fcntl(open_fd, F_GET_SEALS) == F_SEAL_SEAL);
	CHECK(FAILS(fcntl(open_fd, F_ADD_SEALS, F_SEAL_SHRINK), EPERM));
	CHECK(fcntl(sealable, F_GETFD) == FD_CLOEXEC);
	CHECK(fcntl(sealable, F_GET_SEALS) == 0);
	CHECK(!ftruncate(sealable, 2 * PAGE));
	CHECK(!fcntl(sealable, F_ADD_SEALS, F_SEAL_SHRINK));
	CHECK(FAILS(ftruncate(sealable, PAGE), EPERM));
	/* Before Linux 6.3 there is no such flag. */
	CHECK(data < 0 || (!fstat(data, &st) && !(st.st_mode & 0111)));
	close(open_fd);
	close(sealable);
	close(data);
}

/* Two pages with a name that ends where memory does, or does not end there. */
static void errors(void)
{
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char name[NAME_MAX_SIZE + 1];
	int fd;

	CHECK(page != MAP_FAILED && !mprotect(page + PAGE, PAGE, PROT_NONE));
	memset(page, 'n', PAGE);
	memset(name, 'n', sizeof(name));
	name[NAME_MAX_SIZE] = '\0';
	CHECK(FAILS(memfd(name, MFD_HUGETLB), EINVAL));
	name[NAME_MAX_SIZE - 1] = '\0';
	fd = memfd(name, MFD_HUGETLB);
	CHECK(fd >= 0 && !ftruncate(fd, PAGE) && !close(fd));
	CHECK(FAILS(memfd(NULL, MFD_HUGETLB), EFAULT));
	CHECK(FAILS(memfd(page + PAGE, MFD_HUGETLB), EFAULT));
	CHECK(FAILS(memfd(page + PAGE - 9, MFD_HUGETLB), EFAULT));
	page[PAGE - 1] = '\0';
	fd = memfd(page + PAGE - 9, MFD_HUGETLB);
	CHECK(fd >= 0 && !ftruncate(fd, PAGE) && !close(fd));
	CHECK(FAILS(memfd("name", MFD_HUGETLB | UNKNOWN), EINVAL));
	CHECK(FAILS(memfd(NULL, MFD_HUGETLB | UNKNOWN), EINVAL));
	CHECK(FAILS(memfd("name", MFD_HUGETLB | MFD_EXEC | MFD_NOEXEC_SEAL),
		    EINVAL));
	CHECK(FAILS(memfd("name", MFD_HUGE_2MB), EINVAL));
}

static void no_more_fds(void)
{
	struct rlimit limit = { 3, 3 }, before;

	CHECK(!getrlimit(RLIMIT_NOFILE, &before));
	limit.rlim_max = before.rlim_max;
	CHECK(!setrlimit(RLIMIT_NOFILE, &limit));
	CHECK(FAILS(memfd("name", MFD_HUGETLB), EMFILE));
	CHECK(!setrlimit(RLIMIT_NOFILE, &before));
}

/*
 * One that root made as another user; that is made dumpable again, so that who
 * answers need not have CAP_SYS_PTRACE.
 */
static void is_its_makers(void)
{
	struct stat st;
	pid_t child;
	int status;

	child = fork();
	CHECK(child >= 0);
	if (!child) {
		uid_t user;
		gid_t group;
		int fd;

		/* In a namespace without that one we stay who we are. */
		setfsgid(OTHER);
		setfsuid(OTHER);
		group = (gid_t)setfsgid((gid_t)-1);
		user = (uid_t)setfsuid((uid_t)-1);
		CHECK(!prctl(PR_SET_DUMPABLE, 1));
		fd = memfd("whose", MFD_HUGETLB);
		CHECK(fd >= 0 && !fstat(fd, &st));
		CHECK(st.st_uid == user && st.st_gid == group);
		CHECK(!fchmod(fd, 0600));
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && !status);
}

static int udmabuf_of(int fd, __u64 offset, __u64 size)
{
	struct udmabuf_create create = {
		.memfd = (__u32)fd,
		.offset = offset,
		.size = size,
	};
	int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	int buffer = ioctl(device, UDMABUF_CREATE, &create);

	CHECK(device >= 0 && buffer >= 0);
	close(device);
	return buffer;
}

static char *map(int fd, size_t pages)
{
	char *view = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, 0);

	CHECK(view != MAP_FAILED);
	return view;
}

/* The third and fourth small page of a huge one, in another process */
static void part_of_one_is_mapped(void)
{
	int fd = memfd("part", MFD_HUGETLB | MFD_ALLOW_SEALING), buffer, status;
	pid_t child;
	char *view;

	CHECK(!ftruncate(fd, 512 * PAGE));
	CHECK(!fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	view = map(fd, 512);
	strcpy(view + 3 * PAGE, "third");
	strcpy(view + 4 * PAGE, "fourth");
	buffer = udmabuf_of(fd, 3 * PAGE, 2 * PAGE);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		char *part = map(buffer, 2);

		CHECK(!strcmp(part, "third") && !strcmp(part + PAGE, "fourth"));
		strcpy(part + PAGE, "from the child");
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && !status);
	CHECK(!strcmp(view + 4 * PAGE, "from the child"));
}

/* The first five pages of one, as a list of pieces */
void case_list(void)
{
	int fd = memfd("list", MFD_ALLOW_SEALING), device, i;
	struct udmabuf_create_list *list;

	list = calloc(1, sizeof(*list) + 5 * sizeof(list->list[0]));
	CHECK(list);
	list->count = 5;
	CHECK(!ftruncate(fd, 5 * PAGE));
	CHECK(!fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	for (i = 0; i < 5; i++) {
		list->list[i].memfd = (__u32)fd;
		list->list[i].offset = (__u64)i * PAGE;
		list->list[i].size = PAGE;
	}
	device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	CHECK(ioctl(device, UDMABUF_CREATE_LIST, list) >= 0);
	free(list);
}

void case_small_pages(void)
{
	is_small();
	flags_are_kept();
	errors();
	is_its_makers();
	no_more_fds();
	part_of_one_is_mapped();
}
