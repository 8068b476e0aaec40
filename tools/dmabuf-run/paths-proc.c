/* SPDX-License-Identifier: MIT */
/*
 * paths-proc.c - what /proc shows of fds that are ours
 *
 * Links and fdinfo as a kernel with dma-bufs shows them. To open the link of a
 * buffer or a sync file is refused there, since they are not in a file system.
 */
#include "paths-proc.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bsd/string.h>

#include "answer.h"
#include "files.h"
#include "nodes.h"
#include "target.h"
#include "text.h"

/* Whose fds we may not look at is not one of the program's processes. */
static bool may_look(const struct path *path)
{
	char name[TARGET_PATH_MAX], byte;

	target_fd_path(name, path->tid, path->fd);
	return readlink(name, &byte, 1) > 0;
}

/* The file that the path is about; false: the kernel's business. */
static bool file_of_path(const struct call *call, const struct path *path,
			 struct file *ret_file)
{
	if (path->tid != call->tid && !may_look(path))
		return false;
	if (file_of(path->tid, path->fd, ret_file))
		return false;
	if (ret_file->kind != FILE_OTHER)
		return true;
	file_put(ret_file);
	return false;
}

static void link_text(const struct file *file, char *text, size_t size)
{
	struct dma_buf *dmabuf = file->dmabuf;

	switch (file->kind) {
	case FILE_BUFFER:
		pthread_mutex_lock(&dmabuf->lock);
		snprintf(text, size, "/dmabuf:%s",
			 dmabuf->name ? dmabuf->name : "");
		pthread_mutex_unlock(&dmabuf->lock);
		break;
	case FILE_SYNC:
		strlcpy(text, "anon_inode:sync_file", size);
		break;
	case FILE_TIMELINE:
		strlcpy(text, SYNC_DIRECTORY "/sw_sync", size);
		break;
	case FILE_DEVICE:
		strlcpy(text, file->node->path, size);
		break;
	case FILE_OTHER:
		text[0] = '\0';
		break;
	}
}

bool path_fd_readlink(struct call *call, const struct path *path, uint64_t to,
		      size_t size)
{
	char text[PATH_MAX];
	struct file file;
	size_t length;
	int ret;

	if (path->kind != PATH_FD || !file_of_path(call, path, &file))
		return false;
	link_text(&file, text, sizeof(text));
	file_put(&file);
	length = strlen(text);
	if (length > size)
		length = size;
	ret = call_write(call, to, text, length);
	call_return(call, ret ? ret : (long)length);
	return true;
}

/* The lines that every file has; there are others, for locks. */
static void generic_lines(const struct path *path, const struct file *file,
			  FILE *to)
{
	static const char *const keys[] = { "pos:", "mnt_id:", "ino:" };
	char line[256];
	int flags = file_flags(path->tid, path->fd, file);
	FILE *from;
	size_t i;

	from = target_fdinfo(path->tid, path->fd);
	if (!from)
		return;
	while (fgets(line, sizeof(line), from)) {
		if (!strncmp(line, "flags:", strlen("flags:")) && flags >= 0)
			fprintf(to, "flags:\t0%o\n", (unsigned int)flags);
		for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			if (!strncmp(line, keys[i], strlen(keys[i])))
				fputs(line, to);
	}
	fclose(from);
}

static bool fdinfo_open(struct call *call, const struct path *path,
			const struct file *file, int flags)
{
	FILE *text;

	if ((flags & O_ACCMODE) != O_RDONLY || flags & (O_DIRECTORY | O_PATH))
		return false;
	text = text_begin();
	if (text) {
		generic_lines(path, file, text);
		dmabuf_buffer_fdinfo(file->dmabuf, text);
	}
	call_return_low_fd(call, text_end(text), flags & O_CLOEXEC);
	return true;
}

bool path_fd_open(struct call *call, const struct path *path, int flags)
{
	struct file file;
	bool ours = false;

	if (flags & (O_PATH | O_NOFOLLOW) || !file_of_path(call, path, &file))
		return false;
	if (path->kind == PATH_FDINFO && file.kind == FILE_BUFFER) {
		ours = fdinfo_open(call, path, &file, flags);
	} else if (path->kind == PATH_FD && flags & O_DIRECTORY) {
		call_return(call, -ENOTDIR);
		ours = true;
	} else if (path->kind == PATH_FD &&
		   (file.kind == FILE_BUFFER || file.kind == FILE_SYNC)) {
		call_return(call, -ENXIO);
		ours = true;
	}
	file_put(&file);
	return ours;
}
