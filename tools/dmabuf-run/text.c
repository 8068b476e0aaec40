/* SPDX-License-Identifier: MIT */
/* text.c - files with a text, for the program */
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

FILE *text_begin(void)
{
	FILE *text;
	int fd;

	fd = memfd_create("text", MFD_CLOEXEC);
	if (fd < 0)
		return NULL;
	text = fdopen(fd, "w");
	if (!text)
		close(fd);
	return text;
}

int text_end(FILE *text)
{
	char path[32];
	int fd;

	if (!text)
		return -ENOMEM;
	/* From its beginning, and not to be written. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fileno(text));
	fd = fflush(text) ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	fclose(text);
	return fd;
}
