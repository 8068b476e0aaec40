/* SPDX-License-Identifier: MIT */
/*
 * nodes.c - an unmodified program looks at the device nodes, and uses them
 *
 * usage: nodes mount|trap: which rows are as on a machine that has them
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define HEAPS "/dev/dma_heap"
#define SYSTEM HEAPS "/system"
#define UDMABUF "/dev/udmabuf"
#define SW_SYNC "/sys/kernel/debug/sync/sw_sync"
#define BUFINFO "/sys/kernel/debug/dma_buf/bufinfo"

/* Since Linux 6.6; on every architecture. */
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/* Calls with paths are answered: then more is as on such a machine. */
static bool trapped;

/* The fd of a new buffer, or -1 */
static int allocate(int heap, uint64_t size)
{
	struct dma_heap_allocation_data data = {
		.len = size,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};

	return ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) ? -1 : (int)data.fd;
}

static bool is_heap(int fd)
{
	int buffer = allocate(fd, 8192);

	if (buffer < 0)
		return false;
	if (lseek(buffer, 0, SEEK_END) != 8192)
		return false;
	close(buffer);
	return true;
}

static void every_access_mode_opens_the_node(void)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		int heap = open(SYSTEM, modes[i] | O_CLOEXEC);
		int udmabuf = open(UDMABUF, modes[i]);

		CHECK(heap >= 0 && udmabuf >= 0);
		CHECK((fcntl(heap, F_GETFL) & O_ACCMODE) == modes[i]);
		CHECK(fcntl(heap, F_GETFD) == FD_CLOEXEC);
		CHECK(fcntl(udmabuf, F_GETFD) == 0);
		CHECK(is_heap(heap));
		CHECK_ERROR(allocate(udmabuf, 4096), ENOTTY);
		close(heap);
		close(udmabuf);
	}
}

/* The line of bufinfo that has a buffer's inode */
static void bufinfo_line(int fd, char *line, int size)
{
	FILE *file = fopen(BUFINFO, "r");
	char ino[32];
	struct stat st;

	CHECK(file && !fstat(fd, &st));
	if (!file)
		exit(1);
	snprintf(ino, sizeof(ino), "\t%08ju\t", (uintmax_t)st.st_ino);
	do {
		line[0] = '\0';
	} while (fgets(line, size, file) && !strstr(line, ino));
	fclose(file);
}

static void the_two_heaps_are_not_the_same(void)
{
	int a = open(SYSTEM, O_RDWR), b = open(HEAPS "/contiguous", O_RDWR);
	int fd[2] = { allocate(a, 4096), allocate(b, 4096) };
	char line[256];

	bufinfo_line(fd[0], line, sizeof(line));
	CHECK(strstr(line, "\tsystem\t"));
	bufinfo_line(fd[1], line, sizeof(line));
	CHECK(strstr(line, "\tcontiguous\t"));
	close(fd[0]);
	close(fd[1]);
	close(a);
	close(b);
}

static void a_path_may_take_detours(void)
{
	static const char *const paths[] = {
		"//dev//dma_heap///system", "/dev/./dma_heap/./system",
		"/dev/dma_heap/../dma_heap/system", "/../dev/dma_heap/system",
		"/dev/pts/../dma_heap/system",
	};
	unsigned int i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int fd = open(paths[i], O_RDWR);

		CHECK(fd >= 0 && is_heap(fd));
		close(fd);
	}
}

static void a_path_may_be_relative(void)
{
	int heaps = open(HEAPS, O_RDONLY | O_DIRECTORY);
	int here = open(".", O_PATH);
	int dev = open("/dev", O_PATH);
	int fd;

	fd = openat(heaps, "system", O_RDWR);
	CHECK(fd >= 0 && is_heap(fd));
	close(fd);
	fd = openat(dev, "dma_heap/system", O_RDWR);
	CHECK(fd >= 0 && is_heap(fd));
	close(fd);
	CHECK(!fchdir(heaps));
	fd = open("contiguous", O_RDWR);
	CHECK(fd >= 0 && is_heap(fd));
	close(fd);
	CHECK(!access("../udmabuf", R_OK | W_OK));
	CHECK(!fchdir(dev));
	CHECK(!access("udmabuf", R_OK | W_OK));
	CHECK(!fchdir(here));
	close(dev);
	close(here);
	close(heaps);
}

static void openat2_opens_the_node(void)
{
	struct open_how how = {
		.flags = O_RDWR | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS,
	};
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, SYSTEM, &how, sizeof(how));

	CHECK(fd >= 0 && is_heap(fd));
	close(fd);
}

static void creat_opens_the_node(void)
{
	int fd = creat(SYSTEM, 0600);

	CHECK(fd >= 0 && is_heap(fd));
	close(fd);
}

static void errors_of_open_are_those_of_a_device(void)
{
	CHECK_ERROR(open(UDMABUF, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_ERROR(open(UDMABUF, O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERROR(open(UDMABUF "/", O_RDWR), ENOTDIR);
	CHECK_ERROR(open(UDMABUF "/x", O_RDWR), ENOTDIR);
	CHECK_ERROR(open(HEAPS "/nosuch", O_RDWR), ENOENT);
	CHECK_ERROR(open(HEAPS, O_RDWR), EISDIR);
	CHECK_ERROR(open(BUFINFO, O_RDONLY | O_DIRECTORY), ENOTDIR);
	if (getuid())
		CHECK_ERROR(open(BUFINFO, O_RDWR), EACCES);
}

static void a_heap_does_not_know_other_commands(void)
{
	int fd = open(SYSTEM, O_RDWR);

	CHECK_ERROR(ioctl(fd, _IO('H', 1)), EINVAL);
	close(fd);
}

static void a_path_can_be_held(void)
{
	int fd = open(UDMABUF, O_PATH | O_CLOEXEC);
	struct stat a, b;

	CHECK(fd >= 0);
	CHECK(!stat(UDMABUF, &a) && !fstat(fd, &b) && a.st_ino == b.st_ino);
	CHECK(!fstatat(fd, "", &b, AT_EMPTY_PATH) && S_ISCHR(b.st_mode));
	close(fd);
}

static void stat_tells_of_devices(void)
{
	struct statx stx;
	struct stat a, b;
	int fd;

	CHECK(!stat(SYSTEM, &a) && S_ISCHR(a.st_mode));
	CHECK(!lstat(UDMABUF, &a) && S_ISCHR(a.st_mode));
	if (trapped)
		CHECK(major(a.st_rdev) == 10 && (a.st_mode & 0777) == 0600);
	CHECK(!stat(SW_SYNC, &a) && S_ISREG(a.st_mode) &&
	      (a.st_mode & 0777) == 0644);
	CHECK(!stat(BUFINFO, &a) && S_ISREG(a.st_mode) &&
	      (a.st_mode & 0777) == 0444 && !a.st_size);
	CHECK(!statx(AT_FDCWD, SYSTEM, 0, STATX_BASIC_STATS, &stx) &&
	      S_ISCHR(stx.stx_mode));
	CHECK_ERROR(stat(UDMABUF "/x", &a), ENOTDIR);
	CHECK_ERROR(stat(UDMABUF "/", &a), ENOTDIR);
	fd = open(SYSTEM, O_RDWR);
	CHECK(!stat(SYSTEM, &a) && !fstat(fd, &b));
	CHECK(a.st_mode == b.st_mode && a.st_ino == b.st_ino &&
	      a.st_dev == b.st_dev && a.st_rdev == b.st_rdev);
	CHECK(a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
	      a.st_mtim.tv_nsec == b.st_mtim.tv_nsec);
	close(fd);
	fd = open(HEAPS, O_RDONLY);
	CHECK(!stat(HEAPS, &a) && !fstat(fd, &b) && S_ISDIR(a.st_mode));
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	close(fd);
	CHECK(!stat(HEAPS "/..", &a) && !stat("/dev", &b) &&
	      a.st_ino == b.st_ino && a.st_dev == b.st_dev);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	CHECK(!stat(path, &st));
	return st.st_mode & 07777;
}

/*
 * As somebody who does not own them, where there is one, and who has devices:
 * in a container he has not.
 */
static void change_as_another(void)
{
	if (setresuid(1234, 1234, 1234) || access(UDMABUF, F_OK))
		exit(0);
	CHECK_ERROR(chmod(UDMABUF, 0644), EPERM);
	CHECK_ERROR(chmod(HEAPS, 0700), EPERM);
	CHECK_ERROR(chown(UDMABUF, 1234, (gid_t)-1), EPERM);
	CHECK_ERROR(chown(UDMABUF, (uid_t)-1, (gid_t)-1), EPERM);
	exit(failures ? 1 : 0);
}

static void modes_and_owners_can_be_changed(void)
{
	int heaps = open(HEAPS, O_RDONLY | O_DIRECTORY);
	int fd = open(UDMABUF, O_RDWR), status;
	struct stat a, b;
	pid_t child;

	CHECK(!chmod(UDMABUF, 0640) && mode_of(UDMABUF) == 0640);
	CHECK(!fstat(fd, &a) && S_ISCHR(a.st_mode) &&
	      (a.st_mode & 07777) == 0640);
	CHECK(!fchmod(fd, 0600) && mode_of(UDMABUF) == 0600);
	CHECK(!fchmodat(heaps, "system", 0660, 0) && mode_of(SYSTEM) == 0660);
	CHECK(!fchmodat(AT_FDCWD, SYSTEM, 0600, 0) && mode_of(SYSTEM) == 0600);
	CHECK(!syscall(SYS_fchmodat2, heaps, "system", 0640,
		       AT_SYMLINK_NOFOLLOW) && mode_of(SYSTEM) == 0640);
	CHECK(!chmod(SYSTEM, 0600));
	CHECK(!chmod(HEAPS, 0711) && mode_of(HEAPS) == 0711);
	CHECK(!chmod(HEAPS, 0755));
	CHECK(!stat(UDMABUF, &a));
	CHECK(!chown(UDMABUF, a.st_uid, (gid_t)-1));
	CHECK(!lchown(UDMABUF, (uid_t)-1, a.st_gid));
	CHECK(!fchownat(heaps, "system", (uid_t)-1, (gid_t)-1, 0));
	CHECK(!stat(UDMABUF, &b) && a.st_uid == b.st_uid &&
	      a.st_gid == b.st_gid);
	CHECK_ERROR(chmod(UDMABUF "/x", 0600), ENOTDIR);
	CHECK_ERROR(chmod(UDMABUF "/", 0600), ENOTDIR);
	CHECK_ERROR(chmod(HEAPS "/nosuch", 0600), ENOENT);
	CHECK_ERROR(chown(HEAPS "/nosuch", 0, 0), ENOENT);
	CHECK_ERROR(fchownat(heaps, "system", 0, 0, 1), EINVAL);
	child = fork();
	if (!child)
		change_as_another();
	CHECK(waitpid(child, &status, 0) == child && !status);
	close(heaps);
	close(fd);
}

static bool is_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Of what is trapped: a mode is shown, and stops nobody. */
static void whatever_its_mode_a_node_opens(void)
{
	mode_t node = mode_of(UDMABUF), heaps = mode_of(HEAPS);

	CHECK(!chmod(UDMABUF, 0) && is_open(UDMABUF));
	CHECK(!chmod(UDMABUF, node) && mode_of(UDMABUF) == node);
	CHECK(!chmod(HEAPS, 0) && !access(SYSTEM, F_OK) && is_open(SYSTEM));
	CHECK(!chmod(HEAPS, 0555) && is_open(SYSTEM));
	CHECK(!chmod(HEAPS, heaps) && mode_of(HEAPS) == heaps);
}

static bool is_null(const char *path)
{
	struct stat a, b;

	CHECK(!stat(path, &a) && !stat("/dev/null", &b));
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* One is the machine's own /dev/null, and the other is root's. */
static void a_bound_node_stays_and_a_made_one_changes(void)
{
	mode_t mode = mode_of(UDMABUF);

	if (is_null(UDMABUF)) {
		CHECK_ERROR(chmod(UDMABUF, mode), EROFS);
		CHECK_ERROR(chown(UDMABUF, (uid_t)-1, (gid_t)-1), EROFS);
		return;
	}
	CHECK(!chmod(UDMABUF, 0) && mode_of(UDMABUF) == 0);
	CHECK(!chmod(UDMABUF, mode) && mode_of(UDMABUF) == mode);
	CHECK(!chown(UDMABUF, (uid_t)-1, (gid_t)-1));
}

static void access_and_readlink_tell_of_devices(void)
{
	struct statfs fs;
	struct stat st;
	char text[64];

	CHECK(!access(SYSTEM, R_OK | W_OK));
	CHECK_ERROR(access(SYSTEM, X_OK), EACCES);
	CHECK(!access(HEAPS, R_OK | X_OK));
	/* Root's: in a namespace of a user it is his. */
	CHECK(!stat(SW_SYNC, &st));
	CHECK(!access(SW_SYNC, R_OK));
	if (!getuid() || st.st_uid == getuid())
		CHECK(!access(SW_SYNC, W_OK));
	CHECK(!access(BUFINFO, R_OK));
	if (getuid())
		CHECK_ERROR(access(BUFINFO, W_OK), EACCES);
	CHECK_ERROR(access(UDMABUF "/x", F_OK), ENOTDIR);
	CHECK(!faccessat(AT_FDCWD, UDMABUF, R_OK | W_OK, AT_EACCESS));
	CHECK_ERROR(readlink(UDMABUF, text, sizeof(text)), EINVAL);
	CHECK_ERROR(readlink(UDMABUF "/", text, sizeof(text)), ENOTDIR);
	CHECK(!statfs(UDMABUF, &fs));
}

static void directories_list_the_nodes(void)
{
	unsigned int devices = 0, others = 0;
	struct dirent *entry;
	DIR *dir;

	dir = opendir(HEAPS);
	CHECK(dir);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (entry->d_type == DT_CHR &&
		    (!strcmp(entry->d_name, "system") ||
		     !strcmp(entry->d_name, "contiguous")))
			devices++;
		else
			others++;
	}
	CHECK(devices == 2 && !others);
	closedir(dir);
}

static void copies_of_the_fd_are_the_heap(void)
{
	int heap = open(SYSTEM, O_RDWR);
	int copy = dup(heap);
	int status;
	pid_t pid;

	CHECK(is_heap(copy));
	CHECK(dup2(heap, 20) == 20 && is_heap(20));
	close(20);
	close(heap);
	pid = fork();
	if (!pid)
		_exit(is_heap(copy) ? 0 : 1);
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	close(copy);
}

/* Where the kernel answers for a copy, the file is nobody's memory. */
static void a_node_takes_no_data(void)
{
	int heap = open(SYSTEM, O_RDWR);
	struct stat st;

	CHECK(dup2(heap, 20) == 20);
	if (trapped)
		CHECK(write(20, "x", 1) == -1 && ftruncate(20, 4096) == -1);
	CHECK(!fstat(20, &st) && !st.st_size && is_heap(20));
	close(20);
	close(heap);
}

/* As for readlink(2) the size is an int. */
static void the_text_of_a_link_is_cut(void)
{
	char path[64], text[16] = "xxxxxxxx";
	int heap = open(SYSTEM, O_RDWR);
	int fd = allocate(heap, 4096);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK(syscall(SYS_readlinkat, AT_FDCWD, path, text, 0x100000004UL) ==
	      4);
	CHECK(!strcmp(text + 4, "xxxx"));
	close(fd);
	close(heap);
}

static const char *temporary(void)
{
	const char *directory = getenv("TMPDIR");

	return directory ? directory : "/tmp";
}

/* The way there leads through a folder of ours, and then far away. */
static void a_detour_may_be_long(void)
{
	char name[200], path[PATH_MAX], detour[PATH_MAX + 32];
	struct stat a, b;

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(path, sizeof(path), "%s/%d%s", temporary(), getpid(), name);
	snprintf(detour, sizeof(detour), HEAPS "/../..%s", path);
	CHECK(!mkdir(path, 0755) && !stat(path, &a));
	CHECK(!stat(detour, &b) && a.st_ino == b.st_ino &&
	      a.st_dev == b.st_dev);
	CHECK(!rmdir(path));
}

static void null_stays_what_it_is(void)
{
	int fd = open("/dev/null", O_RDWR);

	CHECK_ERROR(allocate(fd, 4096), ENOTTY);
	CHECK(write(fd, "x", 1) == 1);
	close(fd);
}

/* Other namespaces have mounts of their own. Returns an exit status. */
static int node_bound_is_the_node(const char *path)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS)) {
		printf("not tried, a node bound elsewhere: unshare: %m\n");
		return 0;
	}
	return mount(SYSTEM, path, NULL, MS_BIND, NULL) ||
	       !is_heap(open(path, O_RDWR));
}

static void node_made_is_the_node(const char *path, const struct stat *st)
{
	int fd;

	/* Root's alone, and not of a namespace */
	if (mknod(path, st->st_mode, st->st_rdev)) {
		CHECK(errno == EPERM);
		return;
	}
	fd = open(path, O_RDWR);
	CHECK(fd >= 0 ? is_heap(fd) : errno == EACCES);
	close(fd);
	CHECK(!unlink(path));
}

/* As for a container: cp -a, podman run --device; mount --bind */
static void a_copy_of_a_node_is_the_node(void)
{
	char root[PATH_MAX], path[PATH_MAX + 32];
	struct stat st;
	int status;
	pid_t pid;

	snprintf(root, sizeof(root), "%s/nodes.XXXXXX", temporary());
	CHECK(mkdtemp(root) && !chdir(root) && !stat(SYSTEM, &st));
	CHECK(!mkdir("dev", 0700) && !mkdir("dev/dma_heap", 0700));
	snprintf(path, sizeof(path), "%s" SYSTEM, root);
	node_made_is_the_node(path, &st);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	pid = fork();
	if (!pid)
		_exit(node_bound_is_the_node(path));
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	CHECK(!unlink(path) && !rmdir("dev/dma_heap") && !rmdir("dev"));
	CHECK(!chdir("/") && !rmdir(root));
}

static void links_and_fdinfo_tell_of_the_buffer(void)
{
	char path[64], text[512];
	int heap = open(SYSTEM, O_RDWR);
	int fd = allocate(heap, 4096);
	ssize_t size;
	int info;

	if (!trapped)
		goto out;
	CHECK(!ioctl(fd, DMA_BUF_SET_NAME_B, "frame"));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	size = readlink(path, text, sizeof(text));
	CHECK(size == 13 && !memcmp(text, "/dmabuf:frame", 13));
	CHECK(readlink(path, text, 4) == 4 && !memcmp(text, "/dma", 4));
	CHECK_ERROR(readlink(path, text, 0), EINVAL);
	CHECK_ERROR(syscall(SYS_readlink, path, 8, 100), EFAULT);
	CHECK_ERROR(open(path, O_RDWR), ENXIO);
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", getpid(), fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	size = read(info, text, sizeof(text) - 1);
	text[size > 0 ? size : 0] = '\0';
	CHECK(strstr(text, "pos:") && strstr(text, "size:\t4096\n") &&
	      strstr(text, "name:\tframe\n") && !strstr(text, "lock:"));
	close(info);
out:
	close(fd);
	close(heap);
}

static void bad_pointers_are_the_kernels_business(void)
{
	struct stat st;

	CHECK_ERROR(open((const char *)8, O_RDONLY), EFAULT);
	CHECK_ERROR(stat((const char *)8, &st), EFAULT);
	CHECK_ERROR(syscall(SYS_newfstatat, AT_FDCWD, SYSTEM, (void *)8, 0),
		    EFAULT);
	CHECK_ERROR(open("", O_RDONLY), ENOENT);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	trapped = !strcmp(argv[1], "trap");
	every_access_mode_opens_the_node();
	the_two_heaps_are_not_the_same();
	a_path_may_take_detours();
	a_path_may_be_relative();
	openat2_opens_the_node();
	creat_opens_the_node();
	errors_of_open_are_those_of_a_device();
	a_heap_does_not_know_other_commands();
	a_path_can_be_held();
	if (trapped) {
		modes_and_owners_can_be_changed();
		whatever_its_mode_a_node_opens();
	} else {
		a_bound_node_stays_and_a_made_one_changes();
	}
	stat_tells_of_devices();
	access_and_readlink_tell_of_devices();
	directories_list_the_nodes();
	copies_of_the_fd_are_the_heap();
	a_node_takes_no_data();
	the_text_of_a_link_is_cut();
	a_detour_may_be_long();
	null_stays_what_it_is();
	if (!trapped)
		a_copy_of_a_node_is_the_node();
	links_and_fdinfo_tell_of_the_buffer();
	bad_pointers_are_the_kernels_business();
	return failures ? 1 : 0;
}
