/* SPDX-License-Identifier: MIT */
/* decode-call.c - calls in words that are about an fd or a path */
#include "decode.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/openat2.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "decode-text.h"
#include "poll-set.h"
#include "run.h"
#include "target.h"

#define FDS_SHOWN 8

/* What the call's numbers alone do not tell */
struct known {
	pid_t tid;
	const char *path;		/* as the program gave it; NULL: none */
	int fd;				/* of @file */
	const struct file *file;	/* or NULL */
};

/* @arg: this one, and behind it those that follow */
typedef void (*print_fn)(FILE *out, const uint64_t *arg,
			 const struct known *known);

/* Numbers */

static void number_print(FILE *out, const uint64_t *arg,
			 const struct known *known)
{
	(void)known;
	fprintf(out, "%d", (int)*arg);
}

static void offset_print(FILE *out, const uint64_t *arg,
			 const struct known *known)
{
	(void)known;
	fprintf(out, "%" PRId64, (int64_t)*arg);
}

static void size_print(FILE *out, const uint64_t *arg,
		       const struct known *known)
{
	(void)known;
	fprintf(out, "%" PRIu64, *arg);
}

static void address_print(FILE *out, const uint64_t *arg,
			  const struct known *known)
{
	(void)known;
	if (*arg)
		fprintf(out, "%#" PRIx64, *arg);
	else
		fputs("NULL", out);
}

static void hex_print(FILE *out, const uint64_t *arg, const struct known *known)
{
	(void)known;
	fprintf(out, "%#" PRIx32, (uint32_t)*arg);
}

static void mode_print(FILE *out, const uint64_t *arg,
		       const struct known *known)
{
	(void)known;
	fprintf(out, "%#03" PRIo32, (uint32_t)*arg);
}

/* Files */

static void fd_print(FILE *out, const uint64_t *arg, const struct known *known)
{
	int fd = (int)*arg;

	if (known->file && fd == known->fd)
		fprintf(out, "%d<%s>", fd, file_text(known->file));
	else
		fprintf(out, "%d", fd);
}

static void dirfd_print(FILE *out, const uint64_t *arg,
			const struct known *known)
{
	if ((int)*arg == AT_FDCWD)
		fputs("AT_FDCWD", out);
	else
		fd_print(out, arg, known);
}

/* More than is shown may be there. */
static void cut_print(FILE *out, const char *string)
{
	string_print(out, string, DECODE_SHOWN);
	if (strnlen(string, DECODE_SHOWN + 1) > DECODE_SHOWN)
		fputs("...", out);
}

/* Without one it is about an fd, and the path is none or empty. */
static void path_print(FILE *out, const uint64_t *arg,
		       const struct known *known)
{
	if (known->path)
		cut_print(out, known->path);
	else
		fputs(*arg ? "\"\"" : "NULL", out);
}

static void string_there_print(FILE *out, const uint64_t *arg,
			       const struct known *known)
{
	char text[DECODE_SHOWN + 1];

	if (target_read_string(known->tid, text, *arg, sizeof(text)) == -EFAULT)
		address_print(out, arg, known);
	else
		cut_print(out, text);
}

/* Flags of open(2) */

static const struct flag_text access_modes[] = {
	FLAG_TEXT(O_RDONLY), FLAG_TEXT(O_WRONLY), FLAG_TEXT(O_RDWR),
	FLAG_TEXT(O_ACCMODE), { 0 }
};

/* Those that have others in them are first. */
static const struct flag_text open_flags[] = {
	FLAG_TEXT(O_CREAT), FLAG_TEXT(O_EXCL), FLAG_TEXT(O_NOCTTY),
	FLAG_TEXT(O_TRUNC), FLAG_TEXT(O_APPEND), FLAG_TEXT(O_NONBLOCK),
	FLAG_TEXT(O_SYNC), FLAG_TEXT(O_DSYNC), FLAG_TEXT(O_ASYNC),
	FLAG_TEXT(O_DIRECT), FLAG_TEXT(O_NOFOLLOW), FLAG_TEXT(O_NOATIME),
	FLAG_TEXT(O_CLOEXEC), FLAG_TEXT(O_PATH), FLAG_TEXT(O_TMPFILE),
	FLAG_TEXT(O_DIRECTORY), { 0 }
};

static void open_flags_print(FILE *out, uint64_t flags)
{
	uint64_t others = flags & ~(uint64_t)O_ACCMODE;

	value_print(out, (int)(flags & O_ACCMODE), access_modes);
	if (others)
		fputc('|', out);
	flags_print(out, others, open_flags, "");
}

/* The mode is of a file that is made. */
static void open_print(FILE *out, const uint64_t *arg,
		       const struct known *known)
{
	uint32_t flags = (uint32_t)*arg;

	open_flags_print(out, flags);
	if (!(flags & O_CREAT) && (flags & O_TMPFILE) != O_TMPFILE)
		return;
	fputs(", ", out);
	mode_print(out, arg + 1, known);
}

static void how_print(FILE *out, const uint64_t *arg, const struct known *known)
{
	struct open_how how;

	if (arg[1] < sizeof(how) ||
	    target_read(known->tid, &how, *arg, sizeof(how))) {
		address_print(out, arg, known);
		return;
	}
	fputs("{flags=", out);
	open_flags_print(out, how.flags);
	fprintf(out, ", mode=%#03" PRIo64 ", resolve=%#" PRIx64 "}",
		(uint64_t)how.mode, (uint64_t)how.resolve);
}

/* Other flags and names */

static void access_print(FILE *out, const uint64_t *arg,
			 const struct known *known)
{
	static const struct flag_text flags[] = {
		FLAG_TEXT(R_OK), FLAG_TEXT(W_OK), FLAG_TEXT(X_OK), { 0 }
	};

	(void)known;
	flags_print(out, (uint32_t)*arg, flags, "F_OK");
}

static void at_print(FILE *out, const uint64_t *arg, const struct known *known)
{
	static const struct flag_text flags[] = {
		FLAG_TEXT(AT_SYMLINK_NOFOLLOW), FLAG_TEXT(AT_EACCESS),
		FLAG_TEXT(AT_NO_AUTOMOUNT), FLAG_TEXT(AT_EMPTY_PATH),
		FLAG_TEXT(AT_STATX_FORCE_SYNC), FLAG_TEXT(AT_STATX_DONT_SYNC),
		{ 0 }
	};

	(void)known;
	flags_print(out, (uint32_t)*arg, flags, "0");
}

static void statx_print(FILE *out, const uint64_t *arg,
			const struct known *known)
{
	static const struct flag_text flags[] = {
		FLAG_TEXT(STATX_BASIC_STATS), FLAG_TEXT(STATX_TYPE),
		FLAG_TEXT(STATX_MODE), FLAG_TEXT(STATX_NLINK),
		FLAG_TEXT(STATX_UID), FLAG_TEXT(STATX_GID),
		FLAG_TEXT(STATX_ATIME), FLAG_TEXT(STATX_MTIME),
		FLAG_TEXT(STATX_CTIME), FLAG_TEXT(STATX_INO),
		FLAG_TEXT(STATX_SIZE), FLAG_TEXT(STATX_BLOCKS),
		FLAG_TEXT(STATX_BTIME), FLAG_TEXT(STATX_MNT_ID), { 0 }
	};

	(void)known;
	flags_print(out, (uint32_t)*arg, flags, "0");
}

static void whence_print(FILE *out, const uint64_t *arg,
			 const struct known *known)
{
	static const struct flag_text names[] = {
		FLAG_TEXT(SEEK_SET), FLAG_TEXT(SEEK_CUR), FLAG_TEXT(SEEK_END),
		FLAG_TEXT(SEEK_DATA), FLAG_TEXT(SEEK_HOLE), { 0 }
	};

	(void)known;
	value_print(out, (int)*arg, names);
}

static void shutdown_print(FILE *out, const uint64_t *arg,
			   const struct known *known)
{
	static const struct flag_text names[] = {
		FLAG_TEXT(SHUT_RD), FLAG_TEXT(SHUT_WR), FLAG_TEXT(SHUT_RDWR),
		{ 0 }
	};

	(void)known;
	value_print(out, (int)*arg, names);
}

static void fallocate_print(FILE *out, const uint64_t *arg,
			    const struct known *known)
{
	static const struct flag_text flags[] = {
		FLAG_TEXT(FALLOC_FL_KEEP_SIZE), FLAG_TEXT(FALLOC_FL_PUNCH_HOLE),
		FLAG_TEXT(FALLOC_FL_COLLAPSE_RANGE),
		FLAG_TEXT(FALLOC_FL_ZERO_RANGE),
		FLAG_TEXT(FALLOC_FL_INSERT_RANGE),
		FLAG_TEXT(FALLOC_FL_UNSHARE_RANGE), { 0 }
	};

	(void)known;
	flags_print(out, (uint32_t)*arg, flags, "0");
}

/* Some have flags behind them, or a number, or an address, or nothing. */
static void fcntl_print(FILE *out, const uint64_t *arg,
			const struct known *known)
{
	static const struct flag_text names[] = {
		FLAG_TEXT(F_DUPFD), FLAG_TEXT(F_DUPFD_CLOEXEC),
		FLAG_TEXT(F_GETFD), FLAG_TEXT(F_SETFD), FLAG_TEXT(F_GETFL),
		FLAG_TEXT(F_SETFL), FLAG_TEXT(F_GETLK), FLAG_TEXT(F_SETLK),
		FLAG_TEXT(F_SETLKW), FLAG_TEXT(F_OFD_GETLK),
		FLAG_TEXT(F_OFD_SETLK), FLAG_TEXT(F_OFD_SETLKW),
		FLAG_TEXT(F_SETOWN), FLAG_TEXT(F_GETOWN), FLAG_TEXT(F_SETSIG),
		FLAG_TEXT(F_GETSIG), FLAG_TEXT(F_SETLEASE),
		FLAG_TEXT(F_GETLEASE), FLAG_TEXT(F_NOTIFY),
		FLAG_TEXT(F_ADD_SEALS), FLAG_TEXT(F_GET_SEALS), { 0 }
	};
	int cmd = (int)*arg;

	value_print(out, cmd, names);
	if (cmd == F_GETFD || cmd == F_GETFL || cmd == F_GET_SEALS)
		return;
	fputs(", ", out);
	if (cmd == F_SETFL)
		open_flags_print(out, (uint32_t)arg[1]);
	else if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
		number_print(out, arg + 1, known);
	else
		fprintf(out, "%#" PRIx64, arg[1]);
}

/* Calls; half of an offset, where the kernel takes two, is left out. */
static const struct shape {
	const char *name;
	print_fn args[6];
} shapes[] = {
	{ "open", { path_print, open_print } },
	{ "creat", { path_print, mode_print } },
	{ "stat", { path_print, address_print } },
	{ "lstat", { path_print, address_print } },
	{ "access", { path_print, access_print } },
	{ "readlink", { path_print, address_print, size_print } },
	{ "openat", { dirfd_print, path_print, open_print } },
	{ "openat2", { dirfd_print, path_print, how_print, size_print } },
	{ "newfstatat", { dirfd_print, path_print, address_print, at_print } },
	{ "statx", { dirfd_print, path_print, at_print, statx_print,
		     address_print } },
	{ "faccessat", { dirfd_print, path_print, access_print } },
	{ "faccessat2", { dirfd_print, path_print, access_print, at_print } },
	{ "readlinkat", { dirfd_print, path_print, address_print,
			  size_print } },
	{ "statfs", { path_print, address_print } },
	{ "getxattr", { path_print, string_there_print, address_print,
			size_print } },
	{ "lgetxattr", { path_print, string_there_print, address_print,
			 size_print } },
	{ "listxattr", { path_print, address_print, size_print } },
	{ "llistxattr", { path_print, address_print, size_print } },
	{ "chmod", { path_print, mode_print } },
	{ "fchmodat", { dirfd_print, path_print, mode_print } },
	{ "fchmodat2", { dirfd_print, path_print, mode_print, at_print } },
	{ "chown", { path_print, number_print, number_print } },
	{ "lchown", { path_print, number_print, number_print } },
	{ "fchownat", { dirfd_print, path_print, number_print, number_print,
			at_print } },
	{ "lseek", { fd_print, offset_print, whence_print } },
	{ "read", { fd_print, address_print, size_print } },
	{ "pread64", { fd_print, address_print, size_print, offset_print } },
	{ "readv", { fd_print, address_print, size_print } },
	{ "preadv", { fd_print, address_print, size_print, offset_print } },
	{ "preadv2", { fd_print, address_print, size_print, offset_print, NULL,
		       hex_print } },
	{ "write", { fd_print, address_print, size_print } },
	{ "pwrite64", { fd_print, address_print, size_print, offset_print } },
	{ "writev", { fd_print, address_print, size_print } },
	{ "pwritev", { fd_print, address_print, size_print, offset_print } },
	{ "pwritev2", { fd_print, address_print, size_print, offset_print, NULL,
			hex_print } },
	{ "fstat", { fd_print, address_print } },
	{ "ftruncate", { fd_print, offset_print } },
	{ "fallocate", { fd_print, fallocate_print, offset_print,
			 offset_print } },
	{ "fcntl", { fd_print, fcntl_print } },
	{ "dup", { fd_print } },
	{ "fstatfs", { fd_print, address_print } },
	{ "fsync", { fd_print } },
	{ "fdatasync", { fd_print } },
	{ "sendfile", { fd_print, fd_print, address_print, size_print } },
	{ "splice", { fd_print, address_print, fd_print, address_print,
		      size_print, hex_print } },
	{ "copy_file_range", { fd_print, address_print, fd_print, address_print,
			       size_print, hex_print } },
	{ "readahead", { fd_print, offset_print, size_print } },
	{ "sync_file_range", { fd_print, offset_print, offset_print,
			       hex_print } },
	{ "shutdown", { fd_print, shutdown_print } },
};

static const struct shape *shape_of(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (!strcmp(shapes[i].name, name))
			return &shapes[i];
	return NULL;
}

static void decode(struct call *call, const char *name,
		   const struct known *known)
{
	const struct shape *shape;
	const char *sep = "";
	FILE *out;
	int i;

	call->name = name;
	shape = options.log ? shape_of(name) : NULL;
	out = shape ? detail_open(call) : NULL;
	if (!out)
		return;
	fprintf(out, "%s(", name);
	for (i = 0; i < 6; i++) {
		if (!shape->args[i])
			continue;
		fputs(sep, out);
		shape->args[i](out, &call->args[i], known);
		sep = ", ";
	}
	fputc(')', out);
	fclose(out);
}

void decode_fd(struct call *call, const char *name, int fd,
	       const struct file *file)
{
	const struct known known = {
		.tid = call->tid,
		.fd = fd,
		.file = file,
	};

	decode(call, name, &known);
}

/* Waiting; of many fds the first ones are shown. */

static void pollfds_print(FILE *out, const struct poll_set *set)
{
	static const struct flag_text events[] = {
		FLAG_TEXT(POLLIN), FLAG_TEXT(POLLPRI), FLAG_TEXT(POLLOUT),
		FLAG_TEXT(POLLRDNORM), FLAG_TEXT(POLLRDBAND),
		FLAG_TEXT(POLLWRNORM), FLAG_TEXT(POLLWRBAND),
		FLAG_TEXT(POLLRDHUP), FLAG_TEXT(POLLERR), FLAG_TEXT(POLLHUP),
		FLAG_TEXT(POLLNVAL), { 0 }
	};
	unsigned int i;

	fputc('[', out);
	for (i = 0; i < set->nr && i < FDS_SHOWN; i++) {
		fprintf(out, "%s{fd=%d, events=", i ? ", " : "",
			set->entries[i].fd);
		flags_print(out, (uint16_t)set->entries[i].events, events, "0");
		fputc('}', out);
	}
	fputs(i < set->nr ? ", ...]" : "]", out);
}

/* @which: for reading, writing, or exceptions */
static void fd_set_print(FILE *out, const struct poll_set *set, int which)
{
	static const short events[] = { POLLIN, POLLOUT, POLLPRI };
	unsigned int i, nr = 0;

	if (!set->addr[which]) {
		fputs("NULL, ", out);
		return;
	}
	fputc('[', out);
	for (i = 0; i < set->nr; i++)
		if (set->entries[i].events & events[which] &&
		    nr++ < FDS_SHOWN)
			fprintf(out, "%s%d", nr > 1 ? " " : "",
				set->entries[i].fd);
	fputs(nr > FDS_SHOWN ? " ...], " : "], ", out);
}

void decode_poll(struct call *call, const struct poll_set *set)
{
	FILE *out = options.log ? detail_open(call) : NULL;
	int i;

	if (!out)
		return;
	fprintf(out, "%s(", call->name);
	if (set->is_select) {
		fprintf(out, "%d, ", (int)call->args[0]);
		for (i = 0; i < 3; i++)
			fd_set_print(out, set, i);
		address_print(out, &call->args[4], NULL);
	} else {
		pollfds_print(out, set);
		fprintf(out, ", %u, ", (unsigned int)call->args[1]);
		/* Milliseconds, or where the time is */
		(strcmp(call->name, "poll") ? address_print : number_print)(
			out, &call->args[2], NULL);
	}
	fputc(')', out);
	fclose(out);
}

void decode_path(struct call *call, const char *name, const char *path)
{
	const struct known known = {
		.tid = call->tid,
		.path = path,
	};

	decode(call, name, &known);
}
