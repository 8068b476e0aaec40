/* SPDX-License-Identifier: MIT */
/* carrier.c - the socket pair that carries a fence into other processes */
#include "sync/carrier.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <dmabuf/err.h>

#include "base/clock.h"

/*
 * The holder's end is known by a pacing rate, which means nothing to a unix
 * socket, and is otherwise all ones: 16 bits that are the same for all pairs,
 * and the id. It is one call, where a mark and SO_COOKIE are two, and calls are
 * most of what a sync file costs.
 *
 * That is recognition, not authentication: whoever sets it makes a sync file,
 * and is believed what he sends through it, as with any other fence.
 */
#define MAGIC (UINT64_C(0x5f1e) << CARRIER_ID_BITS)

static int mark_holder(int fd, uint64_t id)
{
	const uint64_t mark = MAGIC | id;

	if (setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &mark, sizeof(mark)))
		return -errno;
	return 0;
}

int carrier_open(uint64_t id, struct carrier *carrier)
{
	int ends[2];
	int ret;

	/* The rate is a long of the kernel, and the mark would be cut. */
	if (sizeof(long) < sizeof(id))
		return -EOPNOTSUPP;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	carrier->holder = ends[0];
	carrier->signaller = ends[1];
	ret = mark_holder(carrier->holder, id);
	if (!ret)
		return 0;
	close(ends[0]);
	close(ends[1]);
	return ret;
}

static int int_option(int fd, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, SOL_SOCKET, option, &value, &len))
		return -1;
	return value;
}

int carrier_id(int fd, uint64_t *ret_id)
{
	uint64_t mark = 0;
	socklen_t len = sizeof(mark);

	if (getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &mark, &len))
		return errno == EBADF ? -EBADF : -ENOTTY;
	if ((mark & ~CARRIER_ID_MAX) != MAGIC)
		return -ENOTTY;
	if (int_option(fd, SO_DOMAIN) != AF_UNIX ||
	    int_option(fd, SO_TYPE) != SOCK_SEQPACKET)
		return -ENOTTY;
	*ret_id = mark & CARRIER_ID_MAX;
	return 0;
}

uint64_t carrier_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len))
		return 0;
	return cookie;
}

pid_t carrier_maker(int fd)
{
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return 0;
	return cred.pid;
}

bool carrier_send(int signaller, int status, int64_t timestamp_ns)
{
	const struct carrier_record record = {
		.status = status,
		.timestamp_ns = timestamp_ns,
	};

	/* send(2) is a cancellation point, and here are locks held. */
	return syscall(SYS_sendto, signaller, &record, sizeof(record),
		       MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0) ==
	       (long)sizeof(record);
}

/* Without room for control messages: fds that come along are dropped. */
static ssize_t peek(int holder, struct carrier_record *record)
{
	/* recv(2) is a cancellation point, and here may be locks held. */
	long len = syscall(SYS_recvfrom, holder, record, sizeof(*record),
			   MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT, NULL, NULL);

	return len < 0 ? -errno : len;
}

static bool record_is_valid(const struct carrier_record *record)
{
	if (record->zero)
		return false;
	return record->status == 1 ||
	       (record->status < 0 && record->status >= -MAX_ERRNO);
}

bool carrier_look(int holder, struct carrier_record *ret_record)
{
	ssize_t len = peek(holder, ret_record);

	/*
	 * Said once, before what was sent: the signaller went without having
	 * read what a holder sent him.
	 */
	if (len == -ECONNRESET)
		len = peek(holder, ret_record);
	if (len == -EAGAIN)
		return false;
	if (len == (ssize_t)sizeof(*ret_record) && record_is_valid(ret_record))
		return true;
	*ret_record = (struct carrier_record){
		.status = len ? -EBADMSG : -EOWNERDEAD,
		.timestamp_ns = now_ns(),
	};
	return true;
}
