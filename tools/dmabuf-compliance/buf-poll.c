/* SPDX-License-Identifier: MIT */
/* buf-poll.c - rows: waiting for a buffer that has no fences */
#define _GNU_SOURCE
#include "compliance.h"
#include "uapi.h"

#include <poll.h>
#include <sys/select.h>
#include <time.h>

/* @a: events, @want: which of them are ready. */
static void ready(void)
{
	expect_events(the_row->want, fd_poll(buffer(), (short)the_row->a),
		      "poll(buf, %#llx)", the_row->a);
}

static void waits_not(void)
{
	struct pollfd pollfd = {
		.fd = buffer(), .events = POLLIN | POLLOUT,
	};

	expect(1, poll(&pollfd, 1, -1), "poll(buf, POLLIN | POLLOUT, -1)");
	expect_events(POLLIN | POLLOUT, pollfd.revents, "revents");
}

static void selected(void)
{
	struct timeval now = { 0, 0 };
	fd_set in, out, except;
	int buf = buffer();

	if (buf >= FD_SETSIZE)
		skip("the fd does not fit into an fd_set");
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&except);
	FD_SET(buf, &in);
	FD_SET(buf, &out);
	FD_SET(buf, &except);
	expect(2, select(buf + 1, &in, &out, &except, &now), "select(buf)");
	if (!FD_ISSET(buf, &in) || !FD_ISSET(buf, &out))
		fail("select: expected readable and writable, got less");
}

static void poll_two(void)
{
	struct pollfd pollfds[2] = {
		{ .fd = buffer(), .events = POLLIN },
		{ .fd = buffer(), .events = POLLOUT },
	};

	expect(2, poll(pollfds, 2, 0), "poll(two buffers)");
	expect_events(POLLIN, pollfds[0].revents, "revents of the first");
	expect_events(POLLOUT, pollfds[1].revents, "revents of the second");
}

#define ROW(name, text, function, ...) \
	{ .id = "buf.poll." name, .title = text, .run = function, ##__VA_ARGS__ }

static const struct row buf_poll_rows[] = {
	ROW("in-out", "poll says readable and writable", ready, .a = POLLIN | POLLOUT, .want = POLLIN | POLLOUT),
	ROW("in", "poll for POLLIN says POLLIN", ready, .a = POLLIN, .want = POLLIN),
	ROW("out", "poll for POLLOUT says POLLOUT", ready, .a = POLLOUT, .want = POLLOUT),
	ROW("pri", "poll for POLLPRI says nothing", ready, .a = POLLPRI),
	ROW("none", "poll for nothing says nothing", ready, .a = 0),
	ROW("rdnorm", "poll for POLLRDNORM says nothing", ready, .a = POLLRDNORM),
	ROW("infinite", "poll without a timeout returns", waits_not),
	ROW("two", "two buffers, an event each", poll_two),
	ROW("select", "select says readable and writable", selected),
};

const struct group buf_poll_group = GROUP(TARGET_BUFFER, buf_poll_rows);
