/* SPDX-License-Identifier: MIT */
/* alloc.c - a buffer of the best memory that there is */
#include <dmabuf/dmabuf.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/util.h"
#include "exporter/device.h"

#define HEAP_PREFIX "heap:"

/* The name in "heap:NAME", if it is one that a device can have; else NULL. */
static const char *heap_name(const char *word)
{
	const char *name = word + strlen(HEAP_PREFIX);

	if (strncmp(word, HEAP_PREFIX, strlen(HEAP_PREFIX)))
		return NULL;
	if (!*name || strlen(name) > NAME_MAX || strchr(name, '/') ||
	    !strcmp(name, ".") || !strcmp(name, ".."))
		return NULL;
	return name;
}

static bool word_is_known(const char *word)
{
	return heap_name(word) || !strcmp(word, "udmabuf") ||
	       !strcmp(word, "memfd") || !strcmp(word, "anon");
}

static bool words_are_known(const char *const *words)
{
	const char *const *word;

	for (word = words; *word; word++)
		if (!word_is_known(*word))
			return false;
	return word > words;
}

static int word_alloc(const char *word, size_t size, unsigned int mode,
		      struct dma_buf **ret_dmabuf)
{
	const char *name = heap_name(word);

	if (name)
		return device_heap_alloc(name, size, (int)mode, ret_dmabuf);
	if (!strcmp(word, "udmabuf"))
		return device_udmabuf_alloc(size, (int)mode, ret_dmabuf);
	if (!strcmp(word, "memfd"))
		return dmabuf_memfd_export(size, mode, ret_dmabuf);
	return dmabuf_anon_export(size, mode, ret_dmabuf);
}

int dmabuf_alloc(size_t size, unsigned int flags,
		 const char *const *preference, struct dma_buf **ret_dmabuf)
{
	static const char *const usual[] = {
		"heap:system", "udmabuf", "memfd", NULL,
	};
	const char *const *words = preference ? preference : usual;
	int ret = 0;
	int i;

	if (!size || (flags != O_RDONLY && flags != O_WRONLY &&
		      flags != O_RDWR))
		return -EINVAL;
	if (!round_up(size, page_size(), &size) || size > LONG_MAX ||
	    !words_are_known(words))
		return -EINVAL;
	for (i = 0; words[i]; i++) {
		ret = word_alloc(words[i], size, flags, ret_dmabuf);
		if (!ret)
			return i;
	}
	return ret;
}
