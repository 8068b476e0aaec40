/* SPDX-License-Identifier: MIT */
/* output.c - the output files: written beside their places, put there last */
/*
 * Until the run has proved what it must, an older file stays as it is. What is
 * at the place and is no regular file (a device, a pipe) is refused: the rename
 * would replace it. So are two outputs that are one file.
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

/* The handlers read the names of those that count. */
static struct {
	const char *path;
	FILE *file;
	char place[PATH_MAX];
	char temporary[PATH_MAX];
	volatile sig_atomic_t counts;
} outputs[NR_OUTPUTS];

const int fatal_signals[NR_FATAL_SIGNALS] = {
	SIGINT, SIGTERM, SIGHUP, SIGQUIT,
};

static void remove_and_die(int sig)
{
	for (int i = 0; i < NR_OUTPUTS; i++)
		if (outputs[i].counts)
			unlink(outputs[i].temporary);
	signal(sig, SIG_DFL);
	raise(sig);
}

static size_t dir_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) + 1 : 0;
}

/* @dst becomes the directory of @path and @name in it. */
static int beside(char dst[PATH_MAX], const char *path, const char *name)
{
	size_t dir = name[0] == '/' ? 0 : dir_length(path);
	size_t len = strlen(name);

	if (dir + len >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(dst, path, dir);
	memcpy(dst + dir, name, len + 1);
	return 0;
}

/* The rename is to replace the file, and not a symbolic link to it. */
static int find_place(char place[PATH_MAX], const char *path)
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

static int dir_stat(const char *path, struct stat *st)
{
	char dir[PATH_MAX];

	return beside(dir, path, ".") ? -1 : stat(dir, st);
}

static const char *base_name(const char *path)
{
	return path + dir_length(path);
}

/* The same name in the same directory, however it is reached. */
static bool places_are_one(const char *a, const char *b)
{
	struct stat dir_a, dir_b;

	return !strcmp(base_name(a), base_name(b)) && !dir_stat(a, &dir_a) &&
	       !dir_stat(b, &dir_b) && dir_a.st_dev == dir_b.st_dev &&
	       dir_a.st_ino == dir_b.st_ino;
}

/* An older file's owner, where that is allowed, and its mode. */
static int keep_owner_and_mode(int fd, const struct stat *old)
{
	if (fchown(fd, old->st_uid, old->st_gid) && errno != EPERM)
		return -1;
	return fchmod(fd, old->st_mode & 0777);
}

static FILE *create(enum output output, const struct stat *old)
{
	char *temporary = outputs[output].temporary;
	mode_t mode = old ? old->st_mode & 0777 : 0666;
	char name[40];
	FILE *file;
	int fd;

	snprintf(name, sizeof(name), ".framepipe.%ld.%d.tmp", (long)getpid(),
		 (int)output);
	if (beside(temporary, outputs[output].place, name))
		return NULL;
	outputs[output].counts = 1;
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

FILE *output_open(enum output output, const char *path)
{
	const char *why = NULL;
	char *place = outputs[output].place;
	struct stat old;
	FILE *file = NULL;
	bool there = !stat(path, &old);

	outputs[output].path = path;
	if (there)
		why = irregular(&old);
	if (!why && (there ? !access(path, W_OK) : errno == ENOENT) &&
	    !find_place(place, path)) {
		for (int i = 0; i < (int)output; i++)
			if (places_are_one(place, outputs[i].place))
				why = "is the other output too";
		if (!why)
			file = create(output, there ? &old : NULL);
	}
	if (!file)
		complain("'%s': %s", path, why ? why : strerror(errno));
	outputs[output].file = file;
	return file;
}

int output_finish(enum output output, bool good)
{
	const char *temporary = outputs[output].temporary;
	bool failed = ferror(outputs[output].file);
	int ret = fclose(outputs[output].file);

	if (!ret && failed) {
		errno = EIO;
		ret = -1;
	}
	if (good && !ret)
		ret = rename(temporary, outputs[output].place);
	if (good && ret)
		complain("'%s': %s", outputs[output].path, strerror(errno));
	if (!good || ret)
		unlink(temporary);
	return good && !ret ? 0 : -1;
}

/* The whole path, wherever the caller looks from. */
void output_print(enum output output)
{
	char *whole = realpath(outputs[output].place, NULL);

	printf("%-30s %s\n", output == OUTPUT_PICTURE ? "written:" : "drawn:",
	       whole ? whole : outputs[output].place);
	free(whole);
}
