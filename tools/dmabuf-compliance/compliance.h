/* SPDX-License-Identifier: MIT */
/* compliance.h - rows, their subjects, and what a row says about a call */
#ifndef COMPLIANCE_H
#define COMPLIANCE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define NR_ELEMS(array) (sizeof(array) / sizeof((array)[0]))

/* What a group of rows is run on, and how often. */
enum target {
	TARGET_HEAPS,		/* once, when there is a heap */
	TARGET_HEAP,		/* for each heap */
	TARGET_BUFFER,		/* for each heap, and for udmabuf */
	TARGET_UDMABUF,		/* once, when there is udmabuf */
	TARGET_SYNC_FILE,	/* once, when something makes sync files */
	TARGET_SW_SYNC,		/* once, when there is sw_sync */
};

/* One that hands out buffers: a heap, or udmabuf. */
struct subject {
	char name[64];
	char path[PATH_MAX];
	bool is_udmabuf;
	const char *why_not;	/* NULL: it can be opened */
};

/* One line of output for each of its subjects. */
struct row {
	const char *id;
	const char *title;
	void (*run)(void);
	/* What rows that share a function differ in. */
	long long a, b;
	long long want;
	const void *arg;
};

struct group {
	enum target target;
	bool linux_only;	/* needs more than POSIX and the ioctls */
	const struct row *rows;
	size_t nr_rows;
};

#define GROUP(target, rows) { target, false, rows, NR_ELEMS(rows) }
#define LINUX_GROUP(target, rows) { target, true, rows, NR_ELEMS(rows) }

extern const struct group heaps_group, heap_device_group, heap_alloc_group;
extern const struct group heap_device_linux_group;
extern const struct group heap_mode_group, heap_memory_group;
extern const struct group buf_file_group, buf_linux_group, buf_mmap_group;
extern const struct group buf_mmap_linux_group, buf_ioctl_group;
extern const struct group buf_name_group, buf_name_linux_group;
extern const struct group buf_share_group, buf_poll_group;
extern const struct group buf_poll_linux_group, buf_export_group;
extern const struct group buf_import_group, buf_fence_group;
extern const struct group bufinfo_group;
extern const struct group udmabuf_device_group, udmabuf_create_group;
extern const struct group udmabuf_list_group, udmabuf_memory_group;
extern const struct group udmabuf_linux_group;
extern const struct group sync_file_group, sync_info_group;
extern const struct group sync_merge_group, sync_linux_group;
extern const struct group sync_poll_linux_group;
extern const struct group sw_sync_group, sw_sync_info_group;
extern const struct group sw_sync_merge_group;

/* device.c: where things are, and what was found there */
#define MAX_HEAPS 128

struct devices {
	const char *heap_dir;
	const char *only_heap;	/* NULL: all */
	const char *udmabuf_path;
	const char *sw_sync_path;
	const char *bufinfo_path;
	/* An option says so: then it has to be there. */
	bool heap_dir_named, udmabuf_named, sw_sync_named, bufinfo_named;

	struct subject heaps[MAX_HEAPS];
	size_t nr_heaps;
	struct subject udmabuf;
	const char *no_sw_sync;	/* NULL: it can be opened */
};

extern struct devices devices;

bool devices_find(void);
bool devices_named_missing(char *text, size_t size);
void devices_none(char *text, size_t size);
size_t target_subjects(enum target target, const struct subject **subjects,
		       const char **ret_why_not);

/*
 * check.c. A row runs in a process of its own, so a check that fails ends that
 * process: what follows may rely on what was expected.
 *
 * Results are values, or errnos with a minus sign; ANY_FD is a number that no
 * call returns, and stands for an fd.
 */
#define ANY_FD (LLONG_MIN + 1)

/* Set before a row runs, in its process. */
extern const struct subject *the_subject;
extern const struct row *the_row;

struct reporting {
	int fd;			/* where a row says what went wrong */
	bool verbose;
	const char *prefix;	/* of the lines of --verbose */
};

extern struct reporting reporting;

const char *errno_name(int error);
long long expect(long long want, long long ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
long long expect_either(long long want, long long other, long long ret,
			const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void *expect_map(int want, void *addr, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void expect_value(long long want, long long got, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Modes and flags of files; what is ready. */
void expect_octal(unsigned int want, unsigned int got, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void expect_events(unsigned int want, unsigned int got, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void expect_text(const char *want, const char *got, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void fail(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));
void skip(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));
/* Numbers of fds */
void expect_lowest(int lowest, int fd, const char *what);
/* For set-up: the result, or the row is given up with that errno. */
int must(long long ret, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* memory.c: memory as the rows need it, and processes */
size_t page_size(void);
size_t too_long(void);
long raw_mmap(size_t length, int prot, int fd, size_t offset);
void *bad_pointer(void);
void *at_page_end(const void *data, size_t size);
void *read_only_copy(const void *data, size_t size);
int touch_read(const volatile void *addr);
int touch_write(volatile void *addr);
void expect_filled(const unsigned char *addr, int byte, size_t size,
		   const char *what);
void number_pages(unsigned char *addr, size_t pages, unsigned int first);
void expect_page_number(const unsigned char *addr, unsigned int number,
			const char *what);
void in_child(void (*fn)(void *), void *arg);
bool eventually(bool (*is_so)(void *), void *arg);

/* fds.c: the fd table */
struct fd_snapshot {
	unsigned char open[4096 / 8];
};

void fds_snapshot(struct fd_snapshot *snapshot);
int fds_new(const struct fd_snapshot *snapshot, int *ret_fd);
void expect_no_new_fd(const struct fd_snapshot *snapshot);
void fds_use_up(void);
void fds_allow_more(void);
int free_fd(void);
int closed_fd(void);
int a_pipe_fd(void);
int fd_poll(int fd, short events);
void proc_path(const char *dir, int fd, char *path, size_t size);
void expect_link(const char *want, int fd);
bool fdinfo_field(int fd, const char *key, char *value, size_t size);

/* buffer.c: buffers of the row's subject, memfds and fences */
#define BUFFER_PAGES 3

int heap_open(void);
int buffer(void);
int numbered_buffer(void);
int buffer_of(const struct subject *subject, size_t pages);
int buffer_with_mode(int mode);
size_t buffer_size(void);
unsigned char *buffer_map(int fd, size_t pages);
bool is_system_heap(void);
bool is_contiguous_heap(void);
int udmabuf_open(void);
int sealed_memfd(size_t pages);
unsigned long long udmabuf_size_limit(void);
int udmabuf_make(int memfd, size_t offset_pages, size_t pages);

/* fence.c: sync files and timelines */
int timeline_open(void);
int timeline_fence(int timeline, unsigned int value);
void timeline_inc(int timeline, unsigned int by);
int signalled_fence(void);
int buffer_export(int buf, unsigned int flags);
void buffer_import(int buf, unsigned int flags, int fence);
int fence_merge(int a, int b);
int fence_status(int fence);
int fence_leaves(int fence);
unsigned long long now_ns(void);
void expect_signalled(int fence, bool signalled, const char *what);
void expect_wait(int fd, short events, const char *what);

/* run.c */
struct choice {
	const char *only;	/* globs with commas, or NULL */
	const char *skip;
	bool tap;
	unsigned int seconds;		/* for each row */
};

bool globs_match(const char *globs, const char *id);
bool choice_wants(const struct choice *choice, const char *id);
int run_all(const struct group *const *groups, size_t nr_groups,
	    const struct choice *choice);

#endif
