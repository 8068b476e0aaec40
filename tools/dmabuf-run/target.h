/* SPDX-License-Identifier: MIT */
/* target.h - the program's memory and fds, to look at and to write to */
#ifndef DMABUF_RUN_TARGET_H
#define DMABUF_RUN_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>

/* 0 or -EFAULT */
int target_read(pid_t tid, void *to, uint64_t from, size_t size);
int target_write(pid_t tid, uint64_t to, const void *from, size_t size);

/* A string with its end; -EFAULT, -ENAMETOOLONG. */
int target_read_string(pid_t tid, char *to, uint64_t from, size_t size);

/* "/proc/TID/fd/FD" */
#define TARGET_PATH_MAX 64
void target_fd_path(char path[TARGET_PATH_MAX], pid_t tid, int fd);

/* stat(2) of the program's fd; 0, -EBADF, or the error of stat(2) */
int target_fd_stat(pid_t tid, int fd, struct stat *st);

/* "/proc/TID/fdinfo/FD", to be read and closed; NULL and errno. */
FILE *target_fdinfo(pid_t tid, int fd);

/*
 * What F_GETFL says (access mode and status flags) and whether it closes on
 * exec (O_CLOEXEC), or -errno.
 */
int target_fd_flags(pid_t tid, int fd);

/*
 * The program's fd as one of ours, or -errno: not allowed in every container.
 * Before Linux 6.9 a thread has the fds of its process here.
 */
int target_fd_get(pid_t tid, int fd);

/* How many fds its process has, or -errno. 0 before Linux 6.2. */
off_t target_nr_fds(pid_t tid);

/* How many it may have, its soft limit, or -errno */
long target_max_fds(pid_t tid);

/* Is there one of this number? */
bool target_fd_taken(pid_t tid, int fd);

void stat_of_statx(const struct statx *stx, struct stat *st);

#endif
