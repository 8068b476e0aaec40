/* SPDX-License-Identifier: MIT */
/* cover.h - a directory that nodes can be put into, in the place of another */
#ifndef DMABUF_RUN_COVER_H
#define DMABUF_RUN_COVER_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Put a tmpfs over @directory; with @keep, one that shows what was there, but
 * for our nodes. 0; -errno, and there is none.
 */
int cover(const char *directory, bool keep);

/*
 * A thing to mount on. It is of the type of what comes there, since that is
 * what readdir(3) tells of it; of devices only this one may be made by
 * everybody.
 */
int point_make(const char *path, mode_t mode);

#endif
