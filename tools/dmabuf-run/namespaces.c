/* SPDX-License-Identifier: MIT */
/*
 * namespaces.c - a mount namespace for the command, by whatever right there is
 *
 * Who may makes just that. Others make a user namespace first, which has the
 * rights that it takes, but none over what is outside: ports below 1024, raw
 * sockets, devices. An ordinary user has no such rights to lose. Root without
 * CAP_SYS_ADMIN, as in most containers, has; since a program is to find what it
 * would find without dmabuf-run, he has to ask for it with --devices=mount.
 *
 * What root's programs need all the time they have there too: all users and
 * groups are mapped, to themselves, so that files show their owners, and
 * chown(2) and setuid(2) do what they do. An ordinary user maps himself only.
 */
#include "namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <bsd/string.h>

#include "run.h"

/* For an errno: what was not allowed is to map everybody. */
#define EUNMAPPED 250

/* The kernel takes less than a page of text. */
#define MAP_TEXT_MAX 4096

struct maps {
	char uids[MAP_TEXT_MAX];
	char gids[MAP_TEXT_MAX];
	bool self_only;
};

/* All that @path maps, each id to itself. */
static int map_copy(const char *path, char text[MAP_TEXT_MAX])
{
	unsigned int first, count;
	char line[40];
	FILE *file;
	int ret = 0;

	file = fopen(path, "re");
	if (!file)
		return -errno;
	text[0] = '\0';
	while (!ret && fscanf(file, "%u %*u %u", &first, &count) == 2) {
		snprintf(line, sizeof(line), "%u %u %u\n", first, first, count);
		if (strlcat(text, line, MAP_TEXT_MAX) >= MAP_TEXT_MAX)
			ret = -E2BIG;
	}
	fclose(file);
	return ret;
}

static int maps_init(struct maps *maps)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int ret;

	maps->self_only = uid != 0;
	if (maps->self_only) {
		snprintf(maps->uids, MAP_TEXT_MAX, "%u %u 1", uid, uid);
		snprintf(maps->gids, MAP_TEXT_MAX, "%u %u 1", gid, gid);
		return 0;
	}
	ret = map_copy("/proc/self/uid_map", maps->uids);
	return ret ? ret : map_copy("/proc/self/gid_map", maps->gids);
}

static int file_write(const char *process, const char *name, const char *text)
{
	char path[64];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "/proc/%s/%s", process, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int maps_write(const char *process, const struct maps *maps)
{
	int ret = file_write(process, "uid_map", maps->uids);

	/* Without it, a group may not be mapped by everybody. */
	if (!ret && maps->self_only)
		ret = file_write(process, "setgroups", "deny");
	return ret ? ret : file_write(process, "gid_map", maps->gids);
}

/* A child's exit status is an errno. */
static int child_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EPERM;
}

/* Waits until its parent has the namespace, or is gone. */
static _Noreturn void mapper_run(int socket, const struct maps *maps)
{
	char process[16], go;

	snprintf(process, sizeof(process), "%d", (int)getppid());
	if (recv(socket, &go, 1, 0) != 1)
		_exit(EPERM);
	_exit(-maps_write(process, maps));
}

/*
 * More than oneself is mapped from outside only, by a process that has
 * CAP_SETUID and CAP_SETGID there.
 */
static int unshare_mapped(const struct maps *maps)
{
	int sockets[2], ret = 0, mapped;
	pid_t mapper;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		return -errno;
	mapper = fork();
	if (!mapper) {
		close(sockets[0]);
		mapper_run(sockets[1], maps);
	}
	close(sockets[1]);
	if (mapper < 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) ||
	    send(sockets[0], "", 1, MSG_NOSIGNAL) != 1)
		ret = -errno;
	close(sockets[0]);
	mapped = mapper < 0 ? 0 : child_wait(mapper);
	if (ret)
		return ret;
	return mapped == -EPERM ? -EUNMAPPED : mapped;
}

/*
 * A new namespace has all capabilities. A program is not to see more of them
 * than it would have otherwise: root has these after exec(2).
 */
static int capabilities_bound(uint64_t bounds)
{
	unsigned long i;

	for (i = 0; i < 64 && prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		if (!(bounds >> i & 1) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0))
			return -errno;
	return 0;
}

static uint64_t capabilities_bounds(void)
{
	uint64_t bounds = 0;
	unsigned long i;

	for (i = 0; i < 64; i++)
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
			bounds |= UINT64_C(1) << i;
	return bounds;
}

static int user_namespace(void)
{
	uint64_t bounds = capabilities_bounds();
	struct maps maps;
	int ret;

	ret = maps_init(&maps);
	if (ret)
		return ret;
	if (!maps.self_only)
		ret = unshare_mapped(&maps);
	else if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		ret = -errno;
	else
		ret = maps_write("self", &maps);
	return ret ? ret : capabilities_bound(bounds);
}

/* What is mounted outside later on comes in, and nothing goes out. */
static int mounts_part(void)
{
	return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) ? -errno : 0;
}

/*
 * A user namespace cannot be left, and some systems let one be made in which
 * nothing is allowed. So a child tries it first.
 */
static int user_namespace_try(void)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		int ret = user_namespace();

		if (!ret)
			ret = mounts_part();
		if (!ret && mount("tmpfs", "/dev", "tmpfs", MS_NOSUID, NULL))
			ret = -errno;
		_exit(-ret);
	}
	return child_wait(pid);
}

int namespaces_make(const char **why)
{
	int ret;

	*why = "mount namespace";
	if (!unshare(CLONE_NEWNS))
		return mounts_part();
	if (!geteuid() && options.devices != DEVICES_MOUNT)
		return -errno;
	/*
	 * Root who may not map all users gets none at all: one in which
	 * setuid(2) fails is worse than paths that are trapped.
	 */
	*why = "user namespace";
	ret = user_namespace_try();
	if (!ret)
		ret = user_namespace();
	if (ret == -EUNMAPPED) {
		*why = "all users cannot be mapped, which takes CAP_SETUID, "
		       "CAP_SETGID and CAP_SETFCAP";
		ret = -EPERM;
	}
	return ret ? ret : mounts_part();
}
