/* SPDX-License-Identifier: MIT */
/* bufinfo.h - the file bufinfo, written when somebody opens it */
#ifndef DMABUF_RUN_BUFINFO_H
#define DMABUF_RUN_BUFINFO_H

/* In the command's process, in the directory @dir: its fd, or -errno. */
int bufinfo_create(int dir);

/* In the supervisor: a thread does it, and has @dir and @file. 0 or -errno. */
int bufinfo_serve(int dir, int file);

#endif
