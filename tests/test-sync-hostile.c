/* SPDX-License-Identifier: MIT */
/* test-sync-hostile.c - sockets that pretend to be sync files */
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
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-fence.h"
#include "process.h"
#include "sync-fds.h"

/* The record, as the library sends it. */
struct record {
	int32_t status;
	uint32_t zero;
	int64_t timestamp_ns;
};

/*
 * What marks a sync file, as read from one that another process made: its own
 * would be known here.
 */
static uint64_t mark;

static int send_an_fd(int sock, void *data)
{
	int fd = dmabuf_sync_file_fd(dma_fence_get_stub(), O_CLOEXEC);

	(void)data;
	PEER_CHECK(fd_send(sock, fd));
	return 0;
}

static int read_the_mark(void **state)
{
	struct peer peer;
	socklen_t len = sizeof(mark);
	int fd;

	peer_start(&peer, send_an_fd, NULL);
	fd = fd_recv(peer.sock);
	peer_join(&peer);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &mark,
				    &len), 0);
	close(fd);
	return leaks_group_setup(state);
}

static void mark_it(int fd)
{
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &mark,
				    sizeof(mark)), 0);
}

/* 0 is the marked one. */
static void pair_make(int pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
				    pair), 0);
	mark_it(pair[0]);
}

/* Waits for it: whatever it is, the wait has an end. */
static int status_in_the_end(int fd)
{
	struct dma_fence *fence = fence_of(fd);
	int status;

	assert_int_equal(dma_fence_wait(fence, false), 0);
	status = dma_fence_get_status(fence);
	dma_fence_put(fence);
	return status;
}

static int status_after(const void *bytes, size_t len)
{
	int pair[2];
	int status;

	pair_make(pair);
	assert_int_equal(send(pair[1], bytes, len, 0), len);
	status = status_in_the_end(pair[0]);
	close(pair[0]);
	close(pair[1]);
	return status;
}

static void a_record_as_it_should_be_is_believed(void **state)
{
	struct record record = { .status = -EIO, .timestamp_ns = 5 };

	(void)state;
	assert_int_equal(status_after(&record, sizeof(record)), -EIO);
	record.status = 1;
	assert_int_equal(status_after(&record, sizeof(record)), 1);
	record.status = -4095;
	assert_int_equal(status_after(&record, sizeof(record)), -4095);
}

static void a_record_of_another_length_is_bad(void **state)
{
	static const size_t lengths[] = { 1, 8, 15, 17, 32, 4096, 60000 };
	struct record *records = calloc(60000 / sizeof(*records) + 1,
					sizeof(*records));
	size_t i;

	(void)state;
	records[0].status = 1;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		assert_int_equal(status_after(records, lengths[i]), -EBADMSG);
	/* An empty one looks like the end. */
	assert_int_equal(status_after(records, 0), -EOWNERDEAD);
	free(records);
}

static void a_record_of_nonsense_is_bad(void **state)
{
	static const struct record records[] = {
		{ .status = 0 },
		{ .status = 2 },
		{ .status = INT32_MIN },
		{ .status = INT32_MAX },
		{ .status = -4096 },
		{ .status = 1, .zero = 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		assert_int_equal(status_after(&records[i], sizeof(records[i])),
				 -EBADMSG);
}

/* They are neither received nor lost. */
static void fds_in_a_record_come_to_nothing(void **state)
{
	struct record record = { .status = 1 };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { &record, sizeof(record) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int pair[2];

	(void)state;
	pair_make(pair);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &pair[1], sizeof(int));
	assert_int_equal(sendmsg(pair[1], &msg, 0), sizeof(record));
	assert_int_equal(status_in_the_end(pair[0]), 1);
	close(pair[0]);
	close(pair[1]);
}

static void an_end_without_a_record_is_a_death(void **state)
{
	int pair[2];

	(void)state;
	pair_make(pair);
	close(pair[1]);
	assert_int_equal(status_in_the_end(pair[0]), -EOWNERDEAD);
	close(pair[0]);
	pair_make(pair);
	assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
	assert_int_equal(status_in_the_end(pair[0]), -EOWNERDEAD);
	close(pair[0]);
	close(pair[1]);
}

/* Which the kernel reports before the record, as a reset. */
static void a_record_is_found_though_the_end_left_mail_unread(void **state)
{
	struct record record = { .status = -EIO };
	int pair[2];

	(void)state;
	pair_make(pair);
	assert_int_equal(send(pair[0], "x", 1, 0), 1);
	assert_int_equal(send(pair[1], &record, sizeof(record), 0),
			 sizeof(record));
	close(pair[1]);
	assert_int_equal(status_in_the_end(pair[0]), -EIO);
	close(pair[0]);
	pair_make(pair);
	assert_int_equal(send(pair[0], "x", 1, 0), 1);
	close(pair[1]);
	assert_int_equal(status_in_the_end(pair[0]), -EOWNERDEAD);
	close(pair[0]);
}

static void a_socket_that_leads_nowhere_is_bad(void **state)
{
	struct sockaddr_un nowhere = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)state;
	mark_it(fd);
	assert_int_equal(status_in_the_end(fd), -EBADMSG);
	assert_int_equal(bind(fd, (struct sockaddr *)&nowhere,
			      sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(status_in_the_end(fd), -EBADMSG);
	close(fd);
}

static void other_sockets_with_the_mark_are_none(void **state)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM };
	int pair[2], fd;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		assert_int_equal(socketpair(AF_UNIX, types[i] | SOCK_CLOEXEC, 0,
					    pair), 0);
		mark_it(pair[0]);
		assert_true(is_no_sync_file(pair[0]));
		close(pair[0]);
		close(pair[1]);
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		mark_it(fd);
		assert_true(is_no_sync_file(fd));
		close(fd);
	}
}

/* For all copies: the record is there, and is not shown. */
static void a_moved_peek_offset_does_not_hang_anybody(void **state)
{
	struct record record = { .status = 1 };
	struct dma_fence *fence;
	int offset = 16;
	int pair[2];

	(void)state;
	pair_make(pair);
	assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_PEEK_OFF, &offset,
				    sizeof(offset)), 0);
	fence = fence_of(pair[0]);
	assert_int_equal(send(pair[1], &record, sizeof(record), 0),
			 sizeof(record));
	assert_int_equal(dma_fence_wait(fence, false), 0);
	assert_int_equal(dma_fence_get_status(fence), -EBADMSG);
	dma_fence_put(fence);
	close(pair[0]);
	close(pair[1]);
}

/* Those who have seen it keep it; the others wait for the end of the maker. */
static void a_record_that_was_read_away_is_lost_for_those_who_come_later(
	void **state)
{
	struct record record = { .status = 1 };
	struct dma_fence *early, *late;
	int pair[2];

	(void)state;
	pair_make(pair);
	early = fence_of(pair[0]);
	assert_int_equal(send(pair[1], &record, sizeof(record), 0),
			 sizeof(record));
	assert_int_equal(dma_fence_get_status(early), 1);
	assert_int_equal(recv(pair[0], &record, sizeof(record), 0),
			 sizeof(record));
	assert_int_equal(dma_fence_get_status(early), 1);
	dma_fence_put(early);
	late = fence_of(pair[0]);
	assert_int_equal(dma_fence_get_status(late), 0);
	close(pair[1]);
	assert_int_equal(dma_fence_wait(late, false), 0);
	assert_int_equal(dma_fence_get_status(late), -EOWNERDEAD);
	dma_fence_put(late);
	close(pair[0]);
}

/* Against a fence of this process */

static void mail_to_the_signaller_is_nothing(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	int fd = sync_fd(&mock->base);
	unsigned int i;

	(void)state;
	for (i = 0; i < 1000; i++)
		if (send(fd, mock, sizeof(mock), MSG_DONTWAIT) < 0)
			break;
	dmabuf_dispatch();
	assert_int_equal(mock->base.refcount, 2);
	dma_fence_signal(&mock->base);
	assert_int_equal(events_of(fd), POLLIN);
	assert_int_equal(status_of(fd), 1);
	close(fd);
	dmabuf_dispatch();
	assert_int_equal(mock->base.refcount, 1);
	dma_fence_put(&mock->base);
}

static void a_holder_who_shuts_it_down_ends_it_for_all_holders(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	int fd = sync_fd(&mock->base);

	(void)state;
	assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
	dma_fence_signal(&mock->base);
	assert_true(refs_get_down_to(&mock->base, 1));
	assert_true(events_of(fd) & POLLIN);
	assert_int_equal(status_of(fd), -EOWNERDEAD);
	close(fd);
	dma_fence_put(&mock->base);
}

static int send_a_marked_one(int sock, void *data)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) ||
	    setsockopt(pair[0], SOL_SOCKET, SO_MAX_PACING_RATE, data,
		       sizeof(mark)))
		return 1;
	PEER_CHECK(fd_send(sock, pair[0]));
	turn_take(sock);
	return 0;
}

/* The mark of one of ours, on a socket of another process. */
static void another_process_cannot_pretend_to_have_our_fence(void **state)
{
	struct mock_fence *mock = mock_fence_new();
	int fd = sync_fd(&mock->base);
	uint64_t ours = 0;
	socklen_t len = sizeof(ours);
	struct dma_fence *fence;
	struct peer peer;
	int forged;

	(void)state;
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &ours,
				    &len), 0);
	peer_start(&peer, send_a_marked_one, &ours);
	forged = fd_recv(peer.sock);
	fence = fence_of(forged);
	assert_ptr_not_equal(fence, &mock->base);
	dma_fence_put(fence);
	fence = fence_of(fd);
	assert_ptr_equal(fence, &mock->base);
	dma_fence_put(fence);
	close(forged);
	close(fd);
	/* The peer inherited it. */
	peer_join(&peer);
	dmabuf_dispatch();
	dma_fence_put(&mock->base);
}

static void set_mark(int fd, uint64_t to)
{
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &to,
				    sizeof(to)), 0);
}

/* Not even who has one of ours, and writes to it what may be that of another. */
static void a_holder_does_not_reach_our_other_fences(void **state)
{
	enum { NR = 8, NEAR = 200 };
	struct mock_fence *mocks[NR];
	int fds[NR];
	struct dma_fence *fence;
	uint64_t first = 0;
	socklen_t len = sizeof(first);
	int i;

	(void)state;
	for (i = 0; i < NR; i++) {
		mocks[i] = mock_fence_new();
		fds[i] = sync_fd(&mocks[i]->base);
	}
	assert_int_equal(getsockopt(fds[0], SOL_SOCKET, SO_MAX_PACING_RATE,
				    &first, &len), 0);
	for (i = -NEAR; i <= NEAR; i++) {
		set_mark(fds[0], first + (uint64_t)(int64_t)i);
		fence = sync_file_get_fence(fds[0]);
		if (i)
			assert_false(fence && fence->ops == &mock_fence_ops);
		else
			assert_ptr_equal(fence, &mocks[0]->base);
		dma_fence_put(fence);
	}
	for (i = 0; i < NR; i++)
		close(fds[i]);
	dmabuf_dispatch();
	for (i = 0; i < NR; i++)
		dma_fence_put(&mocks[i]->base);
}

/* Nor is one fence of another process taken for another by it. */
static void the_same_mark_twice_is_two_fences(void **state)
{
	struct record record = { .status = 1 };
	struct dma_fence *one, *two;
	int a[2], b[2];

	(void)state;
	pair_make(a);
	pair_make(b);
	one = fence_of(a[0]);
	two = fence_of(b[0]);
	assert_ptr_not_equal(one, two);
	assert_int_equal(send(a[1], &record, sizeof(record), 0),
			 sizeof(record));
	assert_int_equal(dma_fence_get_status(one), 1);
	assert_int_equal(dma_fence_get_status(two), 0);
	dma_fence_put(one);
	dma_fence_put(two);
	close(a[0]);
	close(a[1]);
	close(b[0]);
	close(b[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(a_record_as_it_should_be_is_believed),
		LEAK_TEST(a_record_of_another_length_is_bad),
		LEAK_TEST(a_record_of_nonsense_is_bad),
		LEAK_TEST(fds_in_a_record_come_to_nothing),
		LEAK_TEST(an_end_without_a_record_is_a_death),
		LEAK_TEST(a_record_is_found_though_the_end_left_mail_unread),
		LEAK_TEST(a_socket_that_leads_nowhere_is_bad),
		LEAK_TEST(other_sockets_with_the_mark_are_none),
		LEAK_TEST(a_moved_peek_offset_does_not_hang_anybody),
		LEAK_TEST(a_record_that_was_read_away_is_lost_for_those_who_come_later),
		LEAK_TEST(mail_to_the_signaller_is_nothing),
		LEAK_TEST(a_holder_who_shuts_it_down_ends_it_for_all_holders),
		LEAK_TEST(another_process_cannot_pretend_to_have_our_fence),
		LEAK_TEST(a_holder_does_not_reach_our_other_fences),
		LEAK_TEST(the_same_mark_twice_is_two_fences),
	};

	return cmocka_run_group_tests_name("sync/hostile", tests,
					   read_the_mark, NULL) != 0;
}
