/* SPDX-License-Identifier: MIT */
/* udmabuf-file.h - a memfd that a buffer has ranges of */
#ifndef LIB_EXPORTER_UDMABUF_FILE_H
#define LIB_EXPORTER_UDMABUF_FILE_H

#include <bsd/sys/queue.h>

#include <dmabuf/dmabuf.h>

#include "base/util.h"

/* (c) constant once the buffer is made  (r) resv held */
struct udmabuf_file {
	SLIST_ENTRY(udmabuf_file) link;
	int fd;				/* (c) ours, read-write */
	dev_t dev;			/* (c) */
	ino_t ino;			/* (c) */
	size_t block;			/* (c) bytes in a page of the file */
	uint64_t first, end;		/* (c) blocks that have the ranges */
	void *guard;			/* (c) one block of it */
	struct dmabuf_pages pages;	/* (r) of @first to @end, or none */
};

SLIST_HEAD(udmabuf_files, udmabuf_file);

/*
 * The memfd of a range that was checked to be of whole pages: found among
 * @files, or added; its pages are there. The errors are those of
 * dmabuf_udmabuf_export().
 */
int udmabuf_file_get(struct udmabuf_files *files,
		     const struct dmabuf_udmabuf_range *range,
		     struct udmabuf_file **ret_file);
void udmabuf_files_free(struct udmabuf_files *files);

/* Where the CPU sees the pages; a device reaches them there. */
int udmabuf_file_map_locked(struct udmabuf_file *file);

#endif
