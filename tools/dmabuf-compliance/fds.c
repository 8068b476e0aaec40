/* SPDX-License-Identifier: MIT */
/* fds.c - which fds are open, and what the system tells about one */
#define _GNU_SOURCE
#include "compliance.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

void fds_snapshot(struct fd_snapshot *snapshot)
{
	int fd, nr = (int)sizeof(snapshot->open) * 8;

	memset(snapshot, 0, sizeof(*snapshot));
	for (fd = 0; fd < nr; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			snapshot->open[fd / 8] |= 1 << fd % 8;
	}
}

/* Return: how many are open that were not; the last of them in @ret_fd. */
int fds_new(const struct fd_snapshot *snapshot, int *ret_fd)
{
	struct fd_snapshot now;
	int fd, nr = (int)sizeof(now.open) * 8, found = 0;

	fds_snapshot(&now);
	for (fd = 0; fd < nr; fd++) {
		if (now.open[fd / 8] & ~snapshot->open[fd / 8] & 1 << fd % 8) {
			*ret_fd = fd;
			found++;
		}
	}
	return found;
}

void expect_no_new_fd(const struct fd_snapshot *snapshot)
{
	int fd;

	expect_value(0, fds_new(snapshot, &fd), "fds left behind");
}

/* The lowest number of an fd that is not open. */
int free_fd(void)
{
	int fd = must(dup(0), "dup(0)");

	close(fd);
	return fd;
}

/* Every number below the first free one is in use: that is the limit now. */
void fds_use_up(void)
{
	struct rlimit limit;
	int fd;

	fd = free_fd();
	must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit(RLIMIT_NOFILE)");
	limit.rlim_cur = fd;
	must(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit(RLIMIT_NOFILE)");
}

void fds_allow_more(void)
{
	struct rlimit limit;

	must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit(RLIMIT_NOFILE)");
	limit.rlim_cur = limit.rlim_max < 1024 ? limit.rlim_max : 1024;
	must(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit(RLIMIT_NOFILE)");
}

/* Of a number that nothing that a row opens will get. */
int closed_fd(void)
{
	int fd = must(fcntl(0, F_DUPFD, 700), "fcntl(0, F_DUPFD, 700)");

	close(fd);
	return fd;
}

int a_pipe_fd(void)
{
	int fds[2];

	must(pipe(fds), "pipe()");
	return fds[0];
}

/* Return: what is ready of @events, without waiting. */
int fd_poll(int fd, short events)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	must(poll(&pollfd, 1, 0), "poll({%#x}, 0)", (unsigned int)events);
	return pollfd.revents;
}

/* The path of a link, or of a text; rows that need one skip without /proc. */
void proc_path(const char *dir, int fd, char *path, size_t size)
{
	if (access("/proc/self/fd", X_OK))
		skip("no /proc");
	snprintf(path, size, "/proc/self/%s/%d", dir, fd);
}

/* What stands in brackets is an inode number, which is not told. */
void expect_link(const char *want, int fd)
{
	char path[64], text[256], *bracket;
	int length;

	proc_path("fd", fd, path, sizeof(path));
	length = must(readlink(path, text, sizeof(text) - 1),
		      "readlink(/proc/self/fd)");
	text[length] = '\0';
	bracket = strchr(text, '[');
	if (bracket)
		strcpy(bracket, "[]");
	expect_text(want, text, "link text");
}

/*
 * The rest of the line that starts with @key and a colon, without the white
 * space between. A value may be empty.
 */
bool fdinfo_field(int fd, const char *key, char *value, size_t size)
{
	size_t length = strlen(key);
	char path[64], line[512];
	bool found = false;
	FILE *file;

	proc_path("fdinfo", fd, path, sizeof(path));
	file = fopen(path, "r");
	if (!file)
		fail("set-up: fdinfo: %s", errno_name(errno));
	while (!found && fgets(line, sizeof(line), file)) {
		found = !strncmp(line, key, length) && line[length] == ':';
		if (!found)
			continue;
		line[strcspn(line, "\n")] = '\0';
		length += 1 + strspn(line + length + 1, "\t ");
		snprintf(value, size, "%s", line + length);
	}
	fclose(file);
	return found;
}
