/* SPDX-License-Identifier: MIT */
/* test-process.c - buffers across processes, through sockets and exec */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "process.h"

#define SIZE ((size_t)16384)
#define RW (PROT_READ | PROT_WRITE)

/* fds in other processes */

/* Starts a peer, sends it the only fd, and waits for its first turn. */
static void only_fd_send(struct peer *peer, peer_fn keep,
			 struct backing *backing)
{
	int fd;

	peer_start(peer, keep, NULL);
	fd = fd_of(backing_export(backing, SIZE, O_RDWR));
	assert_true(fd_send(peer->sock, fd));
	close(fd);
	assert_true(turn_take(peer->sock));
	nothing_closed();
	assert_int_equal(backing->releases, 0);
}

/* The peer keeps the buffer until its second turn. */
static void sent_fd_holds_the_buffer(peer_fn keep)
{
	struct backing backing;
	struct peer peer;

	only_fd_send(&peer, keep, &backing);
	assert_true(turn_give(peer.sock) && turn_take(peer.sock));
	wait_for_live_buffers(0);
	assert_int_equal(backing.releases, 1);
	peer_join(&peer);
}

static int hold_an_fd(int sock, void *data)
{
	int fd = fd_recv(sock);

	(void)data;
	PEER_CHECK(fd >= 0);
	PEER_CHECK(turn_give(sock) && turn_take(sock));
	close(fd);
	PEER_CHECK(turn_give(sock));
	turn_take(sock);
	return 0;
}

static void fd_sent_through_a_socket_holds_the_buffer(void **state)
{
	(void)state;
	sent_fd_holds_the_buffer(hold_an_fd);
}

/* @next: the socket of the next one, 0 at the end of the line */
static int pass_on(int sock, void *next)
{
	int to = *(int *)next;
	int fd = fd_recv(sock);

	PEER_CHECK(fd >= 0);
	PEER_CHECK(to ? fd_send(to, fd) : turn_give(sock));
	if (to) {
		close(fd);
		PEER_CHECK(turn_take(to) && turn_give(sock));
	}
	/* The last one holds it until its end. */
	turn_take(sock);
	return 0;
}

static void fd_holds_the_buffer_over_several_hops(void **state)
{
	enum { NR_HOPS = 4 };
	struct peer peers[NR_HOPS];
	struct backing backing;
	int next = 0;
	int fd, i;

	(void)state;
	for (i = NR_HOPS; i-- > 0;) {
		peer_start(&peers[i], pass_on, &next);
		next = peers[i].sock;
	}
	fd = fd_of(backing_export(&backing, SIZE, O_RDWR));
	assert_true(fd_send(peers[0].sock, fd));
	close(fd);
	assert_true(turn_take(peers[0].sock));
	nothing_closed();
	assert_int_equal(backing.releases, 0);
	/* From the first one on: each inherited the sockets of those behind. */
	for (i = 0; i < NR_HOPS; i++)
		peer_join(&peers[i]);
	wait_for_live_buffers(0);
	assert_int_equal(backing.releases, 1);
}

static void fd_in_flight_holds_the_buffer(void **state)
{
	struct backing backing;
	int pair[2];
	int fd = fd_of(backing_export(&backing, SIZE, O_RDWR));

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				    pair), 0);
	assert_true(fd_send(pair[0], fd));
	close(fd);
	nothing_closed();
	close(pair[0]);
	nothing_closed();
	assert_int_equal(backing.releases, 0);
	close(pair[1]);
	wait_for_live_buffers(0);
	assert_int_equal(backing.releases, 1);
}

static int end_with_it(int sock, void *data)
{
	(void)data;
	PEER_CHECK(turn_give(sock));
	turn_take(sock);
	return 0;
}

static void inherited_fd_holds_the_buffer_until_the_child_ends(void **state)
{
	unsigned int releases = 0;
	int fd = fd_of(opaque_export(&releases, SIZE, O_RDWR));
	struct peer peer;

	(void)state;
	peer_start(&peer, end_with_it, NULL);
	close(fd);
	assert_true(turn_take(peer.sock));
	nothing_closed();
	peer_join(&peer);
	wait_for_live_buffers(0);
	assert_int_equal(releases, 1);
}

static int map_and_close(int sock, void *data)
{
	int fd = fd_recv(sock);
	char *map;

	(void)data;
	PEER_CHECK(fd >= 0);
	map = mmap(NULL, SIZE, RW, MAP_SHARED, fd, 0);
	PEER_CHECK(map != MAP_FAILED);
	close(fd);
	PEER_CHECK(turn_give(sock) && turn_take(sock));
	memset(map, 0x66, SIZE);
	munmap(map, SIZE);
	PEER_CHECK(turn_give(sock));
	turn_take(sock);
	return 0;
}

static void mapping_elsewhere_outlives_the_fd(void **state)
{
	(void)state;
	sent_fd_holds_the_buffer(map_and_close);
}

static int map_for_ever(int sock, void *data)
{
	int fd = fd_recv(sock);
	volatile char *map;

	(void)data;
	PEER_CHECK(fd >= 0);
	map = mmap(NULL, SIZE, RW, MAP_SHARED, fd, 0);
	PEER_CHECK(map != MAP_FAILED);
	close(fd);
	PEER_CHECK(turn_give(sock));
	for (;;)
		map[0]++;
}

/* The peer would keep it for ever. */
static void killed_peer_lets_go(peer_fn keep)
{
	struct backing backing;
	struct peer peer;

	only_fd_send(&peer, keep, &backing);
	peer_kill(&peer);
	wait_for_live_buffers(0);
	assert_int_equal(backing.releases, 1);
}

static void consumer_killed_while_it_maps_lets_go(void **state)
{
	(void)state;
	killed_peer_lets_go(map_for_ever);
}

static int import_for_ever(int sock, void *data)
{
	struct dma_buf *dmabuf = dma_buf_get(fd_recv(sock));

	(void)data;
	PEER_CHECK(!IS_ERR(dmabuf));
	PEER_CHECK(!IS_ERR_OR_NULL(dma_buf_vmap(dmabuf)));
	PEER_CHECK(turn_give(sock));
	for (;;)
		pause();
}

static void importer_killed_while_it_vmaps_lets_go(void **state)
{
	(void)state;
	killed_peer_lets_go(import_for_ever);
}

/* Many at once */

enum { FDS_AT_ONCE = 100 };

union fds_control {
	char bytes[CMSG_SPACE(FDS_AT_ONCE * sizeof(int))];
	struct cmsghdr align;
};

static void fds_send(int sock, const int *fds)
{
	union fds_control control = { { 0 } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(FDS_AT_ONCE * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, FDS_AT_ONCE * sizeof(int));
	assert_int_equal(sendmsg(sock, &msg, 0), 1);
}

static void fds_recv(int sock, int *fds)
{
	union fds_control control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	assert_int_equal(recvmsg(sock, &msg, MSG_CMSG_CLOEXEC), 1);
	assert_int_equal(msg.msg_flags & MSG_CTRUNC, 0);
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&msg)), FDS_AT_ONCE * sizeof(int));
}

static bool fds_allowed(rlim_t nr)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= nr)
		return true;
	limit.rlim_cur = limit.rlim_max < nr ? limit.rlim_max : nr;
	return !setrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur >= nr;
}

static void thousand_buffers_in_flight(void **state)
{
	enum { NR_ROUNDS = 10 };
	unsigned int releases = 0;
	int fds[FDS_AT_ONCE];
	int pair[2];
	int round, i;

	(void)state;
	if (!fds_allowed(2 * FDS_AT_ONCE * NR_ROUNDS + 100)) {
		print_message("skipped: the limit of open files is too low\n");
		skip();
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
				    pair), 0);
	for (round = 0; round < NR_ROUNDS; round++) {
		for (i = 0; i < FDS_AT_ONCE; i++)
			fds[i] = fd_of(opaque_export(&releases, SIZE, O_RDWR));
		fds_send(pair[0], fds);
		for (i = 0; i < FDS_AT_ONCE; i++)
			close(fds[i]);
	}
	nothing_closed();
	assert_int_equal(dmabuf_live_buffers(), FDS_AT_ONCE * NR_ROUNDS);
	/* Half of them arrive. */
	for (round = 0; round < NR_ROUNDS / 2; round++) {
		fds_recv(pair[1], fds);
		nothing_closed();
		for (i = 0; i < FDS_AT_ONCE; i++)
			close(fds[i]);
		wait_for_live_buffers((unsigned int)(FDS_AT_ONCE *
				      (NR_ROUNDS - round - 1)));
	}
	assert_int_equal(releases, FDS_AT_ONCE * NR_ROUNDS / 2);
	close(pair[0]);
	close(pair[1]);
	wait_for_live_buffers(0);
	assert_int_equal(releases, FDS_AT_ONCE * NR_ROUNDS);
}

/* exec */

/* Ours; where valgrind runs it, only readlink(2) tells. Set by main(). */
static char program[PATH_MAX];

/* The program that is executed: test-process --hold FD SOCKET */
static int exec_hold(const char *fd_text, const char *sock_text)
{
	int fd = atoi(fd_text);
	int sock = atoi(sock_text);
	struct dma_buf *dmabuf;
	char *vaddr;

	if (fd < 0)
		goto wait;
	dmabuf = dma_buf_get(fd);
	PEER_CHECK(!IS_ERR(dmabuf));
	PEER_CHECK(dmabuf->size == SIZE);
	vaddr = dma_buf_vmap(dmabuf);
	PEER_CHECK(!IS_ERR_OR_NULL(vaddr));
	PEER_CHECK(vaddr[0] == 'e');
	dma_buf_vunmap(dmabuf, vaddr);
	dma_buf_put(dmabuf);
wait:
	PEER_CHECK(turn_give(sock));
	turn_take(sock);
	return 0;
}

struct exec_args {
	int fd;		/* told to the program; -1: nothing */
};

static int exec_self(int sock, void *data)
{
	struct exec_args *args = data;
	char fd[16];
	char to[16];

	snprintf(fd, sizeof(fd), "%d", args->fd);
	snprintf(to, sizeof(to), "%d", sock);
	fcntl(sock, F_SETFD, 0);
	execl(program, "test-process", "--hold", fd, to, (char *)NULL);
	PEER_CHECK(!"exec");
	return 1;
}

static void fd_without_cloexec_survives_exec(void **state)
{
	struct backing backing;
	struct dma_buf *dmabuf = backing_export(&backing, SIZE, O_RDWR);
	struct exec_args args = { dma_buf_fd(dmabuf, 0) };
	struct peer peer;

	(void)state;
	assert_true(args.fd >= 0);
	assert_int_equal(pwrite(backing.fd, "e", 1, 0), 1);
	peer_start(&peer, exec_self, &args);
	close(args.fd);
	assert_true(turn_take(peer.sock));
	nothing_closed();
	assert_int_equal(backing.releases, 0);
	peer_join(&peer);
	wait_for_live_buffers(0);
	assert_int_equal(backing.releases, 1);
}

static void fd_with_cloexec_ends_at_exec(void **state)
{
	struct exec_args args = { -1 };
	struct backing backing;
	struct peer peer;
	int fd = fd_of(backing_export(&backing, SIZE, O_RDWR));

	(void)state;
	peer_start(&peer, exec_self, &args);
	close(fd);
	/* The program runs and has no copy of it. */
	assert_true(turn_take(peer.sock));
	wait_for_live_buffers(0);
	assert_int_equal(backing.releases, 1);
	peer_join(&peer);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(fd_sent_through_a_socket_holds_the_buffer),
		LEAK_TEST(fd_holds_the_buffer_over_several_hops),
		LEAK_TEST(fd_in_flight_holds_the_buffer),
		LEAK_TEST(inherited_fd_holds_the_buffer_until_the_child_ends),
		LEAK_TEST(mapping_elsewhere_outlives_the_fd),
		LEAK_TEST(consumer_killed_while_it_maps_lets_go),
		LEAK_TEST(importer_killed_while_it_vmaps_lets_go),
		LEAK_TEST(thousand_buffers_in_flight),
		LEAK_TEST(fd_without_cloexec_survives_exec),
		LEAK_TEST(fd_with_cloexec_ends_at_exec),
	};

	if (argc == 4 && !strcmp(argv[1], "--hold"))
		return exec_hold(argv[2], argv[3]);
	if (readlink("/proc/self/exe", program, sizeof(program) - 1) < 0)
		return 1;
	alarm(240);
	return cmocka_run_group_tests_name("processes", tests,
					   leaks_group_setup, NULL) != 0;
}
