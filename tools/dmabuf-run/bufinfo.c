/* SPDX-License-Identifier: MIT */
/*
 * bufinfo.c - the file bufinfo, written when somebody opens it
 *
 * The program opens it without a call being trapped, so the kernel has to tell
 * of it: the supervisor holds a write lease on the file. An open(2) breaks the
 * lease and waits until the supervisor has written the text and given the lease
 * back; if the supervisor dies, the lease goes with it and nobody waits.
 *
 * While a reader has the file open no lease can be had on it again. So a new
 * empty file, with a lease, takes its place in the directory before the old one
 * is let go: each open(2) finds a file that nobody has opened yet, and reads
 * one state.
 */
#include "bufinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <dmabuf/dmabuf.h>

#include "call.h"
#include "log.h"
#include "poll-proxy.h"

#define NAME "bufinfo"
#define NEXT_NAME ".bufinfo"

/* Sent by the kernel to the one thread that waits for it. */
#define SIGNAL_LEASE (SIGRTMIN + 1)

struct bufinfo {
	int dir;
	int file;		/* has the lease */
};

static int lease(int file, int type)
{
	return fcntl(file, F_SETLEASE, type) ? -errno : 0;
}

int bufinfo_create(int dir)
{
	int file, ret;

	file = openat(dir, NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (file < 0)
		return -errno;
	/* Until the supervisor takes over: ignored, where SIGIO would kill. */
	if (fchmod(file, 0444) || fcntl(file, F_SETSIG, SIGURG)) {
		ret = -errno;
		close(file);
		return ret;
	}
	/* Where no leases can be had, the thread finds that out. */
	lease(file, F_WRLCK);
	return file;
}

/* Who opens @file makes this thread get the signal. */
static int listen_to(int file)
{
	struct f_owner_ex owner = { F_OWNER_TID, gettid() };

	if (fcntl(file, F_SETOWN_EX, &owner) ||
	    fcntl(file, F_SETSIG, SIGNAL_LEASE))
		return -errno;
	return 0;
}

/* Put @file in the place of the one before. */
static int replace(int dir, int file)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	unlinkat(dir, NEXT_NAME, 0);
	if (linkat(AT_FDCWD, path, dir, NEXT_NAME, AT_SYMLINK_FOLLOW) ||
	    renameat(dir, NEXT_NAME, dir, NAME))
		return -errno;
	return 0;
}

/*
 * The file for the next open(2), or -errno. It has no name before the lease,
 * as there would be none if somebody opened it.
 */
static int next_file(const struct bufinfo *bufinfo)
{
	int file, ret;

	file = openat(bufinfo->dir, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0444);
	if (file < 0)
		return -errno;
	ret = fchmod(file, 0444) ? -errno : 0;
	if (!ret)
		ret = listen_to(file);
	if (!ret)
		ret = lease(file, F_WRLCK);
	if (!ret)
		ret = replace(bufinfo->dir, file);
	if (!ret)
		return file;
	close(file);
	return ret;
}

static void text_write(int file)
{
	char *text = NULL;
	size_t size = 0, done = 0;
	FILE *stream;
	ssize_t n;

	stream = open_memstream(&text, &size);
	if (!stream)
		return;
	/* Not those that have just been closed. */
	polls_dispatch();
	pthread_mutex_lock(&call_lock);
	dmabuf_bufinfo(stream);
	pthread_mutex_unlock(&call_lock);
	if (fclose(stream))
		goto out;
	while (done < size) {
		n = pwrite(file, text + done, size - done, done);
		if (n <= 0)
			break;
		done += n;
	}
	/* When there was no next file this one is written again. */
	if (ftruncate(file, done))
		log_line("bufinfo: %s", strerror(errno));
out:
	free(text);
}

/* Somebody waits in open(2) of the file. False: there will be no more. */
static bool bufinfo_answer(struct bufinfo *bufinfo)
{
	int old = bufinfo->file;

	bufinfo->file = next_file(bufinfo);
	text_write(old);
	lease(old, F_UNLCK);
	close(old);
	if (bufinfo->file >= 0)
		return true;
	log_line("bufinfo stays as it is now: %s", strerror(-bufinfo->file));
	return false;
}

static void *bufinfo_thread(void *arg)
{
	struct bufinfo *bufinfo = arg;
	sigset_t set;
	int ret;

	/* Too many signals at once, and the kernel sends SIGIO instead. */
	sigemptyset(&set);
	sigaddset(&set, SIGNAL_LEASE);
	sigaddset(&set, SIGIO);
	ret = listen_to(bufinfo->file);
	if (ret)
		log_line("bufinfo stays empty: %s", strerror(-ret));
	while (!ret) {
		if (fcntl(bufinfo->file, F_GETLEASE) == F_WRLCK)
			sigwaitinfo(&set, NULL);
		else if (!bufinfo_answer(bufinfo))
			break;
	}
	if (bufinfo->file >= 0)
		close(bufinfo->file);
	close(bufinfo->dir);
	free(bufinfo);
	return NULL;
}

int bufinfo_serve(int dir, int file)
{
	struct bufinfo *bufinfo;
	sigset_t all, old;
	pthread_t thread;
	int ret;

	bufinfo = malloc(sizeof(*bufinfo));
	if (!bufinfo)
		return -ENOMEM;
	bufinfo->dir = dir;
	bufinfo->file = file;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = -pthread_create(&thread, NULL, bufinfo_thread, bufinfo);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret)
		free(bufinfo);
	else
		pthread_detach(thread);
	return ret;
}
