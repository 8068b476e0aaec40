/* SPDX-License-Identifier: MIT */
/*
 * paths-resolve.c - which paths are ours
 *
 * Every call with a path that the program makes comes here, so most have to be
 * found foreign by their text alone. Links on the way are not looked at.
 */
#include "paths-resolve.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bsd/string.h>

#include "target.h"

/*
 * An absolute path without "//", "/./" and "x/../", in place. True: it ended as
 * the path of a directory does.
 */
static bool shorten(char *path)
{
	const char *in = path;
	char *out = path;
	bool slash = false;

	while (*in) {
		size_t length;

		in += strspn(in, "/");
		length = strcspn(in, "/");
		slash = true;
		if (length == 2 && in[0] == '.' && in[1] == '.') {
			while (out > path && *--out != '/')
				;
		} else if (length > 1 || (length && in[0] != '.')) {
			*out++ = '/';
			memmove(out, in, length);
			out += length;
			slash = in[length] == '/';
		}
		in += length;
	}
	*out = '\0';
	return slash;
}

static bool is_number(const char *text)
{
	size_t length = strspn(text, "0123456789");

	return length && length < 10 && !text[length];
}

/* Can a relative path be ours, wherever it begins? */
static bool ends_well(const char *path)
{
	const char *name = strrchr(path, '/');
	struct device_node *device;

	name = name ? name + 1 : path;
	if (is_number(name) || directory_has_name(name))
		return true;
	TAILQ_FOREACH(device, &device_nodes, link)
		if (!strcmp(strrchr(device->path, '/') + 1, name))
			return true;
	return false;
}

/* Put what a relative path begins with before it. */
static bool make_absolute(pid_t tid, int dirfd, char path[PATH_MAX])
{
	char link[TARGET_PATH_MAX], whole[PATH_MAX];
	ssize_t size;

	if (dirfd == AT_FDCWD)
		snprintf(link, sizeof(link), "/proc/%d/cwd", tid);
	else
		target_fd_path(link, tid, dirfd);
	size = readlink(link, whole, sizeof(whole) - 1);
	if (size <= 0 || whole[0] != '/')
		return false;
	whole[size] = '\0';
	directory_translate(whole);
	if (strlcat(whole, "/", sizeof(whole)) >= sizeof(whole) ||
	    strlcat(whole, path, sizeof(whole)) >= sizeof(whole))
		return false;
	strlcpy(path, whole, PATH_MAX);
	return true;
}

static bool begins(const char **text, const char *with)
{
	size_t length = strlen(with);

	if (strncmp(*text, with, length))
		return false;
	*text += length;
	return true;
}

static bool number(const char **text, int *ret_number)
{
	char *end;
	long value;

	if (!isdigit((unsigned char)**text))
		return false;
	value = strtol(*text, &end, 10);
	if (value > INT_MAX)
		return false;
	*text = end;
	*ret_number = (int)value;
	return true;
}

/* "/proc/self/fd/7", and the like */
static bool is_proc(pid_t tid, const char *text, struct path *ret_path)
{
	ret_path->tid = tid;
	ret_path->kind = PATH_FD;
	/* A link to the next. */
	if (begins(&text, "/dev/fd/"))
		return number(&text, &ret_path->fd) && !*text;
	if (!begins(&text, "/proc/"))
		return false;
	if (!begins(&text, "thread-self") && !begins(&text, "self") &&
	    !number(&text, &ret_path->tid))
		return false;
	if (begins(&text, "/task/") && !number(&text, &ret_path->tid))
		return false;
	if (begins(&text, "/fdinfo/"))
		ret_path->kind = PATH_FDINFO;
	else if (!begins(&text, "/fd/"))
		return false;
	return number(&text, &ret_path->fd) && !*text;
}

static bool is_node(const char *text, struct path *ret_path)
{
	struct device_node *device;

	TAILQ_FOREACH(device, &device_nodes, link) {
		size_t length = strlen(device->path);

		if (strncmp(text, device->path, length) ||
		    (text[length] && text[length] != '/'))
			continue;
		ret_path->device = device;
		ret_path->kind = text[length] ? PATH_BELOW_NODE : PATH_NODE;
		return true;
	}
	return false;
}

static bool is_directory(const char *text, struct path *ret_path)
{
	ret_path->directory = directory_of_path(text);
	ret_path->kind = PATH_DIRECTORY;
	return ret_path->directory;
}

/* Of a directory that the machine has too, the kernel knows what is in it. */
static bool is_missing(const char *text, struct path *ret_path)
{
	const struct directory *directory = directory_above(text);

	ret_path->kind = PATH_MISSING;
	return directory && !directory->merged;
}

static bool is_outside(struct path *ret_path)
{
	ret_path->kind = PATH_OUTSIDE;
	if (!ret_path->text[0])
		strlcpy(ret_path->text, "/", sizeof(ret_path->text));
	return true;
}

bool path_resolve(pid_t tid, int dirfd, uint64_t address,
		  struct path *ret_path)
{
	char *text = ret_path->text;
	bool above;

	if (target_read_string(tid, text, address, PATH_MAX))
		return false;
	strlcpy(ret_path->given, text, sizeof(ret_path->given));
	if (text[0] != '/' && (!ends_well(text) ||
			       !make_absolute(tid, dirfd, text)))
		return false;
	directory_translate(text);
	above = directory_above(text);
	ret_path->slash = shorten(text);
	return is_node(text, ret_path) || is_directory(text, ret_path) ||
	       is_missing(text, ret_path) || is_proc(tid, text, ret_path) ||
	       (above && is_outside(ret_path));
}
