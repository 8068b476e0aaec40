/* SPDX-License-Identifier: MIT */
/*
 * test-uapi-caller.c - this thread as the caller: its memory, its fds, and what
 * its fds are
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "process.h"
#include "sanitized.h"
#include "sync-fds.h"

#define PAGE 4096
#define NR_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

static const struct dma_buf_sync start = { DMA_BUF_SYNC_RW };

/* Its memory */

/* A page, and none behind it. */
static char *page_alone(void)
{
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED || mprotect(page + PAGE, PAGE, PROT_NONE))
		return NULL;
	return page;
}

static long sync_at(struct dma_buf *dmabuf, const void *arg)
{
	return dmabuf_buffer_ioctl(dmabuf, DMA_BUF_IOCTL_SYNC, (uintptr_t)arg,
				   NULL);
}

/* In the middle of things and at the ends; what is there is right. */
static int copies_are_exact(int sock, void *data)
{
	struct dma_buf *dmabuf = data;
	char *page = page_alone();

	(void)sock;
	PEER_CHECK(page);
	PEER_CHECK(!sync_at(dmabuf, &start));
	memcpy(page + PAGE - 8, &start, 8);
	PEER_CHECK(!sync_at(dmabuf, page + PAGE - 8));
	PEER_CHECK(sync_at(dmabuf, page + PAGE - 7) == -EFAULT);
	PEER_CHECK(sync_at(dmabuf, page + PAGE) == -EFAULT);
	PEER_CHECK(sync_at(dmabuf, NULL) == -EFAULT);
	PEER_CHECK(sync_at(dmabuf, (void *)UINTPTR_MAX) == -EFAULT);
	PEER_CHECK(sync_at(dmabuf, (void *)(UINTPTR_MAX / 2)) == -EFAULT);
	memcpy(page + PAGE - 4, "end", 4);
	PEER_CHECK(!dmabuf_buffer_ioctl(dmabuf, DMA_BUF_SET_NAME,
					(uintptr_t)page + PAGE - 4, NULL));
	PEER_CHECK(!strcmp(dmabuf->name, "end"));
	munmap(page, 2 * PAGE);
	return 0;
}

static int writes_are_exact(int sock, void *data)
{
	const struct dma_buf_export_sync_file good = { DMA_BUF_SYNC_RW, -7 };
	struct dma_buf_export_sync_file *there;
	char *page = page_alone();
	int before;

	(void)sock;
	PEER_CHECK(page);
	memset(page, 'x', PAGE);
	there = (void *)(page + PAGE - sizeof(*there));
	memcpy(there, &good, sizeof(good));
	PEER_CHECK(!dmabuf_buffer_ioctl(data, DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
					(uintptr_t)there, NULL));
	PEER_CHECK(page[PAGE - sizeof(*there) - 1] == 'x');
	PEER_CHECK(there->flags == DMA_BUF_SYNC_RW);
	PEER_CHECK(fcntl(there->fd, F_GETFD) == FD_CLOEXEC);
	close(there->fd);
	memcpy(there, &good, sizeof(good));
	PEER_CHECK(!mprotect(page, PAGE, PROT_READ));
	before = dup(STDERR_FILENO);
	close(before);
	PEER_CHECK(dmabuf_buffer_ioctl(data, DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
				       (uintptr_t)there, NULL) == -EFAULT);
	PEER_CHECK(!memcmp(there, &good, sizeof(good)));
	/* The same number is free again. */
	PEER_CHECK(dup(STDERR_FILENO) == before);
	munmap(page, 2 * PAGE);
	return 0;
}

static int without_copies(int sock, void *data)
{
	PEER_CHECK(!copies_are_exact(sock, data));
	PEER_CHECK(!writes_are_exact(sock, data));
	return 0;
}

/* From now on the calls by which memory is copied fail with @error. */
static bool copies_forbid(int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_writev, 1,
			 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K,
			 SECCOMP_RET_ERRNO | (unsigned int)error),
	};
	const struct sock_fprog program = { NR_ELEMENTS(code), code };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) &&
	       syscall(SYS_process_vm_readv, getpid(), NULL, 0l, NULL, 0l,
		       0l) == -1 && errno == error;
}

static int where_the_call_is_forbidden(int sock, void *data)
{
	PEER_CHECK(copies_forbid(EPERM));
	return without_copies(sock, data);
}

static int where_there_is_no_such_call(int sock, void *data)
{
	struct rlimit none = { 0, 0 };

	PEER_CHECK(copies_forbid(ENOSYS));
	PEER_CHECK(!without_copies(sock, data));
	/* The way round it needs an fd, and says so. */
	PEER_CHECK(!setrlimit(RLIMIT_NOFILE, &none));
	PEER_CHECK(sync_at(data, &start) == -EMFILE);
	return 0;
}

static void in_a_child(peer_fn run)
{
	struct dma_buf *dmabuf = memfd_export(PAGE, O_RDWR);
	struct peer peer;

	peer_start(&peer, run, dmabuf);
	peer_join(&peer);
	dma_buf_put(dmabuf);
}

static void bad_addresses_are_efault(void **state)
{
	(void)state;
	in_a_child(without_copies);
}

static void unwatched_or_skip(void)
{
	if (!under_valgrind())
		return;
	print_message("skipped under valgrind: the bad address that write(2) "
		      "is given here would be a fault\n");
	skip();
}

static void bad_addresses_are_efault_without_the_call(void **state)
{
	(void)state;
	unwatched_or_skip();
	in_a_child(where_there_is_no_such_call);
}

static void bad_addresses_are_efault_where_it_is_forbidden(void **state)
{
	(void)state;
	unwatched_or_skip();
	in_a_child(where_the_call_is_forbidden);
}

/* Its fds */

static void without_fds_each_says_so_in_its_place(void **state)
{
	struct dma_heap_allocation_data alloc = { .len = PAGE };
	struct sync_merge_data merge = { .fd2 = -1 };
	struct dmabuf_sw_sync *timeline;
	struct rlimit old, none;
	struct sync_file file;
	int ret[4];

	(void)state;
	fds_run_out_or_skip();
	timeline = timeline_make("line");
	file = (struct sync_file){ .fence = point_make(timeline, 1) };
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){ 0, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	ret[0] = (int)dmabuf_heap_ioctl(dma_heap_find("system"),
					DMA_HEAP_IOCTL_ALLOC,
					(uintptr_t)&alloc, NULL);
	/* Before the argument is looked at. */
	ret[1] = (int)dmabuf_sync_file_ioctl(&file, SYNC_IOC_MERGE, 0, NULL);
	ret[2] = (int)dmabuf_sw_sync_ioctl(timeline,
					   DMABUF_SW_SYNC_IOC_CREATE_FENCE, 0,
					   NULL);
	ret[3] = (int)dmabuf_sync_file_ioctl(&file, SYNC_IOC_MERGE,
					     (uintptr_t)&merge, NULL);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(ret[0], -EMFILE);
	assert_int_equal(ret[1], -EMFILE);
	assert_int_equal(ret[2], -EMFILE);
	assert_int_equal(ret[3], -EMFILE);
	assert_int_equal(dmabuf_live_buffers(), 0);
	dma_fence_put(file.fence);
	dmabuf_sw_sync_destroy(timeline);
}

/* What an fd is */

static void an_fd_of_a_buffer_takes_its_calls(void **state)
{
	struct dma_buf *dmabuf = memfd_export(PAGE, O_RDWR);
	struct dma_buf_export_sync_file out = { DMA_BUF_SYNC_RW, -1 };
	struct dma_buf_sync sync = start;
	char name[] = "name";
	int fd;

	(void)state;
	get_dma_buf(dmabuf);
	fd = fd_of(dmabuf);
	assert_int_equal(dmabuf_ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync), 0);
	assert_int_equal(dmabuf_ioctl(fd, DMA_BUF_SET_NAME, name), 0);
	assert_string_equal(dmabuf->name, "name");
	assert_int_equal(dmabuf_ioctl(fd, DMA_BUF_IOCTL_SYNC, NULL), -EFAULT);
	assert_int_equal(dmabuf_ioctl(fd, SYNC_IOC_FILE_INFO, name), -ENOTTY);
	assert_int_equal(dmabuf_ioctl(fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &out),
			 0);
	assert_int_equal(events_of(out.fd), POLLIN);
	close(out.fd);
	close(fd);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
	dmabuf_dispatch();
}

static void an_fd_of_a_sync_file_takes_its_calls(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	int fd = point_fd(timeline, 1);
	struct sync_merge_data merge = { .name = "twice", .fd2 = fd };
	struct sync_file_info info = { 0 };
	struct dma_buf_sync sync = start;

	(void)state;
	assert_int_equal(dmabuf_ioctl(fd, SYNC_IOC_MERGE, &merge), 0);
	assert_int_equal(fcntl(merge.fence, F_GETFD), FD_CLOEXEC);
	assert_int_equal(dmabuf_ioctl(merge.fence, SYNC_IOC_FILE_INFO, &info),
			 0);
	assert_string_equal(info.name, "twice");
	/* Records that would go round the end of all addresses. */
	info = (struct sync_file_info){
		.num_fences = 1,
		.sync_fence_info = UINT64_MAX - 8,
	};
	assert_int_equal(dmabuf_ioctl(merge.fence, SYNC_IOC_FILE_INFO, &info),
			 -EFAULT);
	assert_int_equal(dmabuf_ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync), -ENOTTY);
	close(merge.fence);
	close(fd);
	dmabuf_sw_sync_destroy(timeline);
	dmabuf_dispatch();
}

static void other_fds_take_none(void **state)
{
	struct dma_buf_sync sync = start;
	int pair[2], fd = memfd_make("other", PAGE, 0);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
				    pair), 0);
	assert_int_equal(dmabuf_ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync), -ENOTTY);
	assert_int_equal(dmabuf_ioctl(pair[0], DMA_BUF_IOCTL_SYNC, &sync),
			 -ENOTTY);
	assert_int_equal(dmabuf_ioctl(pair[0], SYNC_IOC_FILE_INFO, NULL),
			 -ENOTTY);
	close(pair[0]);
	close(pair[1]);
	close(fd);
	assert_int_equal(dmabuf_ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync), -EBADF);
	assert_int_equal(dmabuf_ioctl(fd, 0, NULL), -EBADF);
	assert_int_equal(dmabuf_ioctl(-1, DMA_BUF_IOCTL_SYNC, &sync), -EBADF);
}

/* A child's buffer and sync file, by their fds. */

static int foreign_fds(int sock, void *data)
{
	struct dma_buf *dmabuf;
	struct dmabuf_sw_sync *timeline;
	struct dma_fence *fence;

	(void)data;
	PEER_CHECK(!dmabuf_memfd_export(PAGE, O_RDWR, &dmabuf));
	PEER_CHECK(fd_send(sock, dma_buf_fd(dmabuf, O_CLOEXEC)));
	PEER_CHECK(!dmabuf_sw_sync_create("line", &timeline));
	fence = dmabuf_sw_sync_fence(timeline, 1);
	PEER_CHECK(fd_send(sock, dmabuf_sync_file_fd(fence, O_CLOEXEC)));
	dma_fence_put(fence);
	PEER_CHECK(turn_take(sock));
	dmabuf_sw_sync_inc(timeline, 1);
	PEER_CHECK(turn_give(sock));
	turn_take(sock);
	dmabuf_sw_sync_destroy(timeline);
	return 0;
}

static void fds_of_another_process_take_calls_too(void **state)
{
	struct sync_file_info info = { 0 };
	struct dma_buf_sync sync = start;
	struct dma_buf_import_sync_file in = { DMA_BUF_SYNC_WRITE, -1 };
	struct peer peer;
	uint64_t id;
	int fd;

	(void)state;
	peer_start(&peer, foreign_fds, NULL);
	fd = fd_recv(peer.sock);
	in.fd = fd_recv(peer.sock);
	assert_int_equal(dmabuf_ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync), 0);
	assert_int_equal(dmabuf_ioctl(fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &in),
			 0);
	assert_int_equal(dmabuf_ioctl(in.fd, SYNC_IOC_FILE_INFO, &info), 0);
	assert_int_equal(info.status, 0);
	assert_true(turn_give(peer.sock));
	assert_true(turn_take(peer.sock));
	info.num_fences = 0;
	assert_int_equal(dmabuf_ioctl(in.fd, SYNC_IOC_FILE_INFO, &info), 0);
	assert_int_equal(info.status, 1);
	/* Only its own have a number. */
	assert_int_equal(dmabuf_sync_file_id(in.fd, &id), -ENOTTY);
	close(fd);
	close(in.fd);
	peer_join(&peer);
	dmabuf_dispatch();
}

/* By stat(2), and by number */

static void a_buffer_is_found_by_its_inode(void **state)
{
	struct dma_buf *dmabuf = memfd_export(PAGE, O_RDWR);
	struct stat st, other;
	int fd, memfd = memfd_make("other", PAGE, 0);

	(void)state;
	get_dma_buf(dmabuf);
	fd = fd_of(dmabuf);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(fstat(memfd, &other), 0);
	assert_ptr_equal(dmabuf_find(st.st_dev, st.st_ino), dmabuf);
	assert_null(dmabuf_find(other.st_dev, other.st_ino));
	assert_null(dmabuf_find(st.st_dev + 1, st.st_ino));
	assert_int_equal(dmabuf_refcount(dmabuf), 3);
	dma_buf_put(dmabuf);
	close(fd);
	close(memfd);
	dispatch_until_refs(dmabuf, 1);
	dma_buf_put(dmabuf);
	assert_null(dmabuf_find(st.st_dev, st.st_ino));
}

static void a_sync_file_is_found_by_its_number(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	struct dma_fence *fence = point_make(timeline, 1);
	int fd = sync_fd(fence), copy = dup(fd), another = sync_fd(fence);
	struct sync_file file = { NULL, "" };
	uint64_t id, same, different;

	(void)state;
	assert_int_equal(dmabuf_sync_file_id(fd, &id), 0);
	assert_int_equal(dmabuf_sync_file_id(copy, &same), 0);
	assert_int_equal(dmabuf_sync_file_id(another, &different), 0);
	assert_true(id == same);
	assert_true(id != different);
	/* Asking took no reference: there are ours, and two files. */
	assert_int_equal(fence->refcount, 3);
	assert_int_equal(dmabuf_sync_file_find(id, &file), 0);
	assert_ptr_equal(file.fence, fence);
	dma_fence_put(file.fence);
	close(fd);
	close(another);
	dmabuf_dispatch();
	assert_int_equal(dmabuf_sync_file_find(id, &file), 0);
	dma_fence_put(file.fence);
	close(copy);
	dmabuf_dispatch();
	file.fence = NULL;
	assert_int_equal(dmabuf_sync_file_find(id, &file), -ENOENT);
	assert_null(file.fence);
	dma_fence_put(fence);
	dmabuf_sw_sync_destroy(timeline);
}

static void a_sync_file_has_its_name_by_number_too(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	int fd = point_fd(timeline, 1), merged = merge_fds(fd, fd);
	struct sync_file file;
	uint64_t id;

	(void)state;
	assert_int_equal(dmabuf_sync_file_id(merged, &id), 0);
	assert_int_equal(dmabuf_sync_file_find(id, &file), 0);
	assert_string_equal(file.user_name, "merged");
	dma_fence_put(file.fence);
	close(fd);
	close(merged);
	dmabuf_sw_sync_destroy(timeline);
	dmabuf_dispatch();
}

/* A child's socket pair, that claims to be a sync file of its parent. */
static int forged_fd(int sock, void *data)
{
	uint64_t mark = *(const uint64_t *)data;
	int ends[2];

	PEER_CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
	PEER_CHECK(!setsockopt(ends[0], SOL_SOCKET, SO_MAX_PACING_RATE, &mark,
			       sizeof(mark)));
	PEER_CHECK(fd_send(sock, ends[0]));
	turn_take(sock);
	return 0;
}

static void a_number_cannot_be_claimed(void **state)
{
	struct dmabuf_sw_sync *timeline = timeline_make("line");
	int fd = point_fd(timeline, 1), forged;
	uint64_t mark, id;
	socklen_t len = sizeof(mark);
	struct peer peer;

	(void)state;
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &mark,
				    &len), 0);
	peer_start(&peer, forged_fd, &mark);
	forged = fd_recv(peer.sock);
	assert_int_equal(dmabuf_sync_file_id(forged, &id), -ENOTTY);
	assert_int_equal(dmabuf_sync_file_id(fd, &id), 0);
	close(forged);
	close(fd);
	peer_join(&peer);
	dmabuf_sw_sync_destroy(timeline);
	dmabuf_dispatch();
}

static void other_fds_have_no_number(void **state)
{
	int fd = memfd_make("other", PAGE, 0);
	uint64_t id = 7;

	(void)state;
	assert_int_equal(dmabuf_sync_file_id(fd, &id), -ENOTTY);
	close(fd);
	assert_int_equal(dmabuf_sync_file_id(fd, &id), -EBADF);
	assert_int_equal(dmabuf_sync_file_id(-1, &id), -EBADF);
	assert_int_equal(id, 7);
	assert_int_equal(dmabuf_sync_file_find(0, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(bad_addresses_are_efault),
		LEAK_TEST(bad_addresses_are_efault_without_the_call),
		LEAK_TEST(bad_addresses_are_efault_where_it_is_forbidden),
		LEAK_TEST(without_fds_each_says_so_in_its_place),
		LEAK_TEST(an_fd_of_a_buffer_takes_its_calls),
		LEAK_TEST(an_fd_of_a_sync_file_takes_its_calls),
		LEAK_TEST(other_fds_take_none),
		LEAK_TEST(fds_of_another_process_take_calls_too),
		LEAK_TEST(a_buffer_is_found_by_its_inode),
		LEAK_TEST(a_sync_file_is_found_by_its_number),
		LEAK_TEST(a_sync_file_has_its_name_by_number_too),
		LEAK_TEST(a_number_cannot_be_claimed),
		LEAK_TEST(other_fds_have_no_number),
	};

	/* Before fds run out. */
	if (!dma_heap_find("system"))
		return 1;
	return cmocka_run_group_tests_name("uapi/caller", tests,
					   leaks_group_setup, NULL) != 0;
}
