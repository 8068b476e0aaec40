/* SPDX-License-Identifier: MIT */
/* channel.c - numbers and fds over UNIX sockets */
/*
 * Numbers go as the bytes of a message, buffers and fences as the fds beside it
 * (SCM_RIGHTS), and no pixel goes at all. The sockets keep messages apart
 * (SOCK_SEQPACKET), so a message and its fds are never torn.
 *
 * That a peer is dead shows when nothing more comes from it. A message to it is
 * dropped without a word: what it owes us is a fence, and that one tells.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "framepipe.h"

#define MESSAGE_MAGIC 0x70726d66u
#define MAX_FDS 2

static const enum role link_ends[NR_LINKS][2] = {
	[DECODER_FILTER] = { DECODER, FILTER },
	[DECODER_VIEWER] = { DECODER, VIEWER },
	[FILTER_VIEWER] = { FILTER, VIEWER },
};

enum role link_peer(const struct stage *stage, enum link link)
{
	return link_ends[link][stage->role == link_ends[link][0]];
}

/* Room for the fds, aligned as the kernel wants it. */
union fd_control {
	struct cmsghdr header;
	char room[CMSG_SPACE(MAX_FDS * sizeof(int))];
};

int message_send(const struct stage *stage, enum link link,
		 struct message *message, const int *fds, size_t nr_fds)
{
	struct iovec iov = { message, sizeof(*message) };
	union fd_control control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control.room };

	msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
	message->magic = MESSAGE_MAGIC;
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, nr_fds * sizeof(int));
	if (sendmsg(stage->links[link], &msg, MSG_NOSIGNAL) < 0 &&
	    errno != EPIPE && errno != ECONNRESET)
		return stage_fail(stage, "sendmsg: %s", strerror(errno));
	return 0;
}

/* The fds that came along; true when they are as many as there should be. */
static bool take_fds(struct msghdr *msg, int *fds, size_t nr_fds)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	int came[MAX_FDS];
	size_t nr = 0;

	if (cmsg && cmsg->cmsg_type == SCM_RIGHTS)
		nr = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	if (nr)
		memcpy(came, CMSG_DATA(cmsg), nr * sizeof(int));
	if (nr == nr_fds) {
		memcpy(fds, came, sizeof(int) * nr);
		return true;
	}
	while (nr)
		close(came[--nr]);
	return false;
}

/*
 * A peer that dies with something unread is an error once. What it had sent
 * before can be received after that, and then comes the end.
 */
static ssize_t receive(int sock, struct msghdr *msg)
{
	ssize_t len;

	do
		len = recvmsg(sock, msg, MSG_CMSG_CLOEXEC);
	while (len < 0 && (errno == ECONNRESET || errno == EINTR));
	return len;
}

int message_receive(const struct stage *stage, enum link link,
		    struct message *message, int *fds, size_t nr_fds)
{
	struct iovec iov = { message, sizeof(*message) };
	union fd_control control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control.room,
			      .msg_controllen = sizeof(control.room) };
	ssize_t len = receive(stage->links[link], &msg);

	if (len == 0)
		return stage_error(stage, EVENT_PEER_GONE, "the %s is gone",
				   role_names[link_peer(stage, link)]);
	if (len < 0)
		return stage_fail(stage, "recvmsg: %s", strerror(errno));
	if (!take_fds(&msg, fds, nr_fds))
		return stage_fail(stage, "a message without its fds");
	if (len == sizeof(*message) && message->magic == MESSAGE_MAGIC)
		return 0;
	while (nr_fds)
		close(fds[--nr_fds]);
	return stage_fail(stage, "a message that is none of ours");
}

/* Until the process at the other end has ended, or died. */
int link_wait_closed(const struct stage *stage, enum link link)
{
	struct msghdr msg = { 0 };

	if (receive(stage->links[link], &msg) > 0)
		return stage_fail(stage, "a message that nobody expects");
	return 0;
}
