/* SPDX-License-Identifier: MIT */
/* output.c - the output file: written beside its place, put there at the end */
/*
 * Until the run has proved what it must, an older file stays as it is. What is
 * at the place and is no regular file (a device, a pipe) is refused: the rename
 * would replace it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "framepipe.h"

#define MAX_LINKS 40

/* Both are written before the signal handlers are set, and read by them. */
static char place[PATH_MAX];
static char temporary[PATH_MAX];

const int fatal_signals[NR_FATAL_SIGNALS] = {
	SIGINT, SIGTERM, SIGHUP, SIGQUIT,
};

static void remove_and_die(int sig)
{
	unlink(temporary);
	signal(sig, SIG_DFL);
	raise(sig);
}

static int dir_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (int)(slash - path) + 1 : 0;
}

/* @dst becomes the directory of @path and @name in it. */
static int beside(char dst[PATH_MAX], const char *path, const char *name)
{
	int len = snprintf(dst, PATH_MAX, "%.*s%s",
			   name[0] == '/' ? 0 : dir_length(path), path, name);

	if (len < PATH_MAX)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

/* The rename is to replace the file, and not a symbolic link to it. */
static int find_place(const char *path)
{
	char target[PATH_MAX], next[PATH_MAX];
	ssize_t len;

	if (beside(place, "", path))
		return -1;
	for (int i = 0; i < MAX_LINKS; i++) {
		len = readlink(place, target, sizeof(target) - 1);
		if (len < 0)
			return errno == EINVAL || errno == ENOENT ? 0 : -1;
		target[len] = '\0';
		if (beside(next, place, target))
			return -1;
		strcpy(place, next);
	}
	errno = ELOOP;
	return -1;
}

/* An older file's owner, where that is allowed, and its mode. */
static int keep_owner_and_mode(int fd, const struct stat *old)
{
	if (fchown(fd, old->st_uid, old->st_gid) && errno != EPERM)
		return -1;
	return fchmod(fd, old->st_mode & 0777);
}

static FILE *create(const struct stat *old)
{
	mode_t mode = old ? old->st_mode & 0777 : 0666;
	char name[40];
	FILE *file;
	int fd;

	snprintf(name, sizeof(name), ".framepipe.%ld.tmp", (long)getpid());
	if (beside(temporary, place, name))
		return NULL;
	for (int i = 0; i < NR_FATAL_SIGNALS; i++)
		signal(fatal_signals[i], remove_and_die);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return NULL;
	file = old && keep_owner_and_mode(fd, old) ? NULL : fdopen(fd, "wb");
	if (!file) {
		unlink(temporary);
		close(fd);
	}
	return file;
}

FILE *output_open(const char *path)
{
	const char *why = NULL;
	struct stat old;
	FILE *file = NULL;
	bool there = !stat(path, &old);

	if (there)
		why = irregular(&old);
	if (!why && (there ? !access(path, W_OK) : errno == ENOENT) &&
	    !find_place(path))
		file = create(there ? &old : NULL);
	if (!file)
		complain("'%s': %s", path, why ? why : strerror(errno));
	return file;
}

int output_finish(FILE *file, const char *path, bool good)
{
	int ret = fclose(file);

	if (good && !ret)
		ret = rename(temporary, place);
	if (good && ret)
		complain("'%s': %s", path, strerror(errno));
	if (!good || ret)
		unlink(temporary);
	return good && !ret ? 0 : -1;
}

/* The whole path, wherever the caller looks from. */
void output_print(void)
{
	char *whole = realpath(place, NULL);

	printf("%-30s %s\n", "written:", whole ? whole : place);
	free(whole);
}
