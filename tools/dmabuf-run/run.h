/* SPDX-License-Identifier: MIT */
/* run.h - what the parts of dmabuf-run share */
#ifndef DMABUF_RUN_RUN_H
#define DMABUF_RUN_RUN_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <bsd/sys/queue.h>

#include <dmabuf/dmabuf.h>

/* Exit statuses of our own, as env(1) has them. */
#define STATUS_FAILED 125	/* dmabuf-run itself */
#define STATUS_NOT_RUN 126
#define STATUS_NOT_FOUND 127
#define STATUS_LEAKS 99		/* --leaks found some */

/*
 * fds of buffers are put here in the program, so that the filter can tell them
 * from others by their number alone.
 */
#define FD_BASE 768
#define FD_LIMIT 1024

/*
 * Flags that mmap(2) ignores: how the filter knows calls that inject.c makes in
 * the program's place, and lets them through.
 */
#define MAP_INJECTED (MAP_DENYWRITE | MAP_EXECUTABLE)

/* What a tracer is told by the filter where inject-loop.c has done its calls */
#define INJECT_LOOP_END 0xdb

enum devices_mode {
	DEVICES_AUTO,
	DEVICES_MOUNT,		/* nodes in a mount namespace */
	DEVICES_TRAP,		/* calls with paths are answered */
};

/* options.c; constant after options_parse() */
struct options {
	enum devices_mode devices;
	bool prefer_real;
	bool poll;
	bool low_fds;		/* no range for fds of buffers */
	bool small_pages;	/* memfds have no huge ones */
	bool stats;
	bool leaks;
	bool log;
	const char *log_file;	/* NULL: stderr */
	uint64_t limit;		/* bytes; 0: none */
	char **command;		/* NULL-terminated */
};

extern struct options options;

/* False: ended already, with *ret_status. */
bool options_parse(int argc, char **argv, int *ret_status);

/* "dmabuf-run: ..." and a newline, on stderr */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* notify.c: calls that threads of the program are stopped in */

/*
 * Every call is ended by exactly one of call_return(), call_continue() and
 * call_return_fd(), by the thread that handles it, or by one that it was handed
 * to with call_defer().
 */
struct call {
	struct dmabuf_caller caller;	/* target.c: memory and fds */
	uint64_t id;			/* of the notification */
	pid_t tid;			/* of the stopped thread */
	int nr;				/* __NR_... */
	uint64_t args[6];
	/*
	 * Of an ioctl's argument: as it was first read, and so for all who read
	 * it. Other threads of the program may change it meanwhile.
	 */
	char argument[64];
	size_t argument_size;
	int argument_error;		/* it could not be read: for good */
	struct dma_buf *dmabuf;		/* of one handed on that waits for it */
	const char *name;		/* of the call, for the log; may be NULL */
	char detail[256];		/* decoded arguments, for the log */
	bool ended;
};

/* The listener; only notify.c and target.c use it. */
extern int notify_fd;

/*
 * Held while a call is handled, by the thread that receives them: so who holds
 * it sees no reference that such a call has taken for itself.
 */
extern pthread_mutex_t notify_lock;

/* Answers calls until the program has no process left. */
void notify_loop(void);
bool notify_deserted(void);

/* Does the thread still wait for the answer? Not when it was killed. */
bool call_valid(const struct call *call);

void call_return(struct call *call, long result);	/* >= 0, or -errno */
void call_answer(struct call *call, long result);	/* and no line in the log */
void call_continue(struct call *call);			/* the kernel's business */

/*
 * The copy of @fd in the program is the answer, in the range or at the lowest
 * number; @fd is closed.
 */
void call_return_fd(struct call *call, int fd, int flags);
void call_return_low_fd(struct call *call, int fd, int flags);

/*
 * Go on in a thread of its own, since @handle may block. @call is copied; the
 * original is not to be used any more. False: it is ended, as there is no
 * memory.
 */
bool call_defer(struct call *call, void (*handle)(struct call *call));

/* target.c: the program's memory and fds */

extern const struct dmabuf_caller_ops target_ops;

/*
 * Read an ioctl's argument once, for all; and what was read, or 0 or -EFAULT.
 */
void call_fix_argument(struct call *call, size_t size);
int call_read_argument(const struct call *call, void *to, size_t size);

/* target_write(), unless the thread's number may be another's by now */
int call_write(const struct call *call, uint64_t to, const void *from,
	       size_t size);

static inline struct call *call_of(struct dmabuf_caller *caller)
{
	return (struct call *)caller;
}

/* 0 or -EFAULT */
int target_read(pid_t tid, void *to, uint64_t from, size_t size);
int target_write(pid_t tid, uint64_t to, const void *from, size_t size);

/* The process of a thread, and the thread's name */
pid_t target_process(pid_t tid);
void target_task_name(pid_t tid, char *name, int size);

/* A string with its end; -EFAULT, -ENAMETOOLONG. */
int target_read_string(pid_t tid, char *to, uint64_t from, size_t size);

/* "/proc/TID/fd/FD" */
#define TARGET_PATH_MAX 64
void target_fd_path(char path[TARGET_PATH_MAX], pid_t tid, int fd);

/* stat(2) of the program's fd; 0, -EBADF, or the error of stat(2) */
int target_fd_stat(pid_t tid, int fd, struct stat *st);

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

/*
 * A copy of @fd, which stays ours, at a free number of the range, or the lowest
 * one; the number or -errno. @flags: O_CLOEXEC or 0.
 */
int target_fd_add(struct call *call, int fd, int flags);

/* In the range only; -EBADF: it is full, or above the program's limit. */
int target_fd_add_in_range(struct call *call, int fd, int flags);

/* The same at @number, in place of what is there; -1: at the lowest one. */
int target_fd_put(struct call *call, int number, int fd, int flags);

/* files.c: what an fd of the program is */

struct device_node;
struct timeline;

enum file_kind {
	FILE_OTHER,		/* not ours */
	FILE_BUFFER,
	FILE_SYNC,
	FILE_TIMELINE,		/* an open sw_sync */
	FILE_DEVICE,		/* a node of devices.c */
};

struct file {
	enum file_kind kind;
	struct stat st;
	struct dma_buf *dmabuf;			/* with a reference */
	struct sync_file sync;			/* with a reference on its fence */
	struct timeline *timeline;		/* with a reference */
	const struct device_node *node;
};

/* 0 or -errno; of FILE_OTHER too. Given back to file_put(). */
int file_of(const struct call *call, int fd, struct file *ret_file);
void file_put(struct file *file);

/*
 * How a buffer's fd was opened: fcntl(2)'s flags, as from a kernel; or -errno
 */
int file_flags(pid_t tid, int fd, const struct file *file);

/* A sync file that was made for the program, before it gets there. */
int files_add_sync(int fd);

/* timeline.c: open sw_syncs. Closed when the program has no copy any more. */

/* An fd for the program, close-on-exec, or -errno; name: of the opening task */
int timeline_open(const char *name);
struct timeline *timeline_get(const struct stat *st);	/* NULL: none */
struct dmabuf_sw_sync *timeline_sw_sync(struct timeline *timeline);
void timeline_put(struct timeline *timeline);

/* For the event loop: fds whose hang-up is for timeline_closed(). */
extern int timelines_epoll_fd;
void timelines_dispatch(void);

/* devices.c: the nodes */

enum device_kind { DEVICE_HEAP, DEVICE_UDMABUF, DEVICE_SW_SYNC, DEVICE_BUFINFO };

struct device_node {
	TAILQ_ENTRY(device_node) link;
	enum device_kind kind;
	char path[128];			/* "/dev/dma_heap/system" */
	mode_t mode;			/* with the type, as on a real machine */
	unsigned int major, minor;	/* 0: a file */
	struct dma_heap *heap;		/* DEVICE_HEAP */
};

TAILQ_HEAD(device_list, device_node);
extern struct device_list device_nodes;

/*
 * In the supervisor, before the command is started: a node for each heap that
 * dmabuf_heap_next() knows, and the others; without those that exist here when
 * --prefer-real is given. 0 or -errno (complained about).
 */
int devices_init(void);

/*
 * In the process that will be the command, before the filter is installed: make
 * namespaces and nodes. 0; -errno: nothing has changed, or only things that do
 * not matter, and the paths have to be trapped. @why: what failed, for a
 * message.
 */
int devices_mount(const char **why);

/* In the supervisor: how it went there. */
void devices_set_mode(enum devices_mode mode);

/* The node that the program's fd is open on, by its stat; or NULL. */
const struct device_node *device_of_fd(pid_t tid, int fd, const struct stat *st);

/* At the end, in the supervisor: remove what devices_init() made. */
void devices_fini(void);

/* paths.c: calls with paths, in trap mode; the calls are listed in filter.c */
bool paths_handle(struct call *call);	/* false: no such call */

/* inject.c: mappings that the program cannot make by itself */

/*
 * @call is an mmap(2) of an fd of @dmabuf (a reference is the caller's own) that
 * dmabuf_buffer_mmap_check() has found right: make the mapping, piece by piece,
 * in the stopped thread, and end the call.
 */
void inject_mmap(struct call *call, struct dma_buf *dmabuf);

/*
 * Held while a thread of the program is traced: its stops are not to be taken
 * for the end of a child.
 */
extern pthread_mutex_t trace_lock;

/* calls.c: what is done with each call */
void call_handle(struct call *call);

/*
 * ioctls.c, mmap.c, memfd.c, rows.c (lseek, read and so on, for fds in the
 * range)
 */
void ioctl_handle(struct call *call);
void mmap_handle(struct call *call);
void memfd_handle(struct call *call);
bool rows_handle(struct call *call);

/* poll.c */
bool poll_handle(struct call *call);

/* decode.c: what a call is, in words; only when somebody wants to know */
void decode_ioctl(struct call *call, const struct file *file);
bool decode_knows(const char *name);	/* an ioctl's, in any case */
void decode_result(struct call *call);
void decode_mmap(struct call *call);
void decode_memfd(struct call *call, const char *name);
void decode_fd(struct call *call, const char *name);

/* log.c */
int log_open(void);
void log_call(const struct call *call, long result);
void log_passed(const struct call *call);	/* on to the kernel */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* account.c */

/* What --fail says to a call of this name: 0 or -errno. */
int account_fail(const char *name, bool allocates);

/* What --limit says to @fd, if it is a buffer's: 0 or -ENOMEM. */
int account_room(int fd);

/* The call has made @fd for the program; counted if it is a buffer's. */
void account_fd(const struct call *call, int fd);

/* A process is about to end: what does it leave behind? For --leaks. */
void account_exit(const struct call *call);

/* The command has ended: prints --stats and --leaks. Return: buffers leaked. */
unsigned int account_report(void);

#endif
