/* SPDX-License-Identifier: MIT */
/* options.c - the command line of dmabuf-run */
#include "options.h"

#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dmabuf/dmabuf.h>

#include "fail.h"
#include "run.h"

static const char usage[] =
"usage: dmabuf-run [OPTION...] COMMAND [ARGUMENT...]\n"
"\n"
"Runs COMMAND, and all that it starts, on a machine that has dma-buf devices:\n"
"/dev/dma_heap/*, /dev/udmabuf, and debugfs' sync/sw_sync and dma_buf/bufinfo.\n"
"\n"
"  --heap NAME=KIND    one more heap; KIND: system, contiguous, or a shared object\n"
"                      (with a slash in its name) that adds the heap by itself\n"
"  --prefer-real       leave devices alone that this machine has\n"
"  --devices=HOW       auto; mount: a mount namespace with the nodes in it; trap:\n"
"                      answer the calls with their paths (slower)\n"
"  --poll              poll(2), select(2) and epoll(7) wait for buffers' fences\n"
"                      (a little slower for all)\n"
"  --low-fds           fds of buffers get the lowest numbers, as from a kernel;\n"
"                      read(2), fstat(2) and others see a memfd then\n"
"  --small-pages       memfds with MFD_HUGETLB get small pages: no huge ones need\n"
"                      be reserved, and a udmabuf of a part can be mapped\n"
"  --log[=FILE]        a line for each call that is answered; on stderr, or to FILE\n"
"  --stats             at the end: buffers, bytes, peak, for each heap\n"
"  --leaks             at the end: buffers that a process made and still had when it\n"
"                      exited, and the calls that made them; the exit status is 99\n"
"                      then, instead of 0\n"
"  --fail CALL:N[:ERRNO]  the Nth CALL fails, with ENOMEM if nothing is said.\n"
"                      CALL: alloc (any allocation), mmap, or the name of an\n"
"                      ioctl as --log shows it. May come more than once\n"
"  --limit BYTES       no more than so much at a time, else ENOMEM; with K, M, G\n"
"  --help, --version\n"
"\n"
"The exit status is the command's. 125: dmabuf-run failed itself; 126: COMMAND\n"
"cannot be run; 127: there is no such command. See dmabuf-run(1).\n";

/* The object adds its heap when it is told the name; it stays loaded. */
static bool heap_added(const char *name, int error)
{
	if (error)
		complain("heap %s: %s", name, strerror(-error));
	return !error;
}

static bool heap_load(const char *name, const char *file)
{
	struct dma_heap *(*add)(const char *name);
	void *object = dlopen(file, RTLD_NOW);
	struct dma_heap *heap;

	if (!object) {
		complain("%s", dlerror());
		return false;
	}
	*(void **)&add = dlsym(object, "dmabuf_run_heap");
	if (!add) {
		complain("%s has no function dmabuf_run_heap", file);
		return false;
	}
	heap = add(name);
	if (!heap)
		complain("heap %s: dmabuf_run_heap returns NULL", name);
	return heap && heap_added(name, PTR_ERR_OR_ZERO(heap));
}

static bool heap_add(const char *name, const char *kind)
{
	struct dma_heap *heap;

	if (dma_heap_find(name)) {
		complain("--heap: there is a heap %s already", name);
		return false;
	}
	if (strchr(kind, '/'))
		return heap_load(name, kind);
	if (!strcmp(kind, "system"))
		return heap_added(name, dmabuf_heap_add(name,
					DMABUF_HEAP_SYSTEM, &heap));
	if (!strcmp(kind, "contiguous"))
		return heap_added(name, dmabuf_heap_add(name,
					DMABUF_HEAP_CONTIGUOUS, &heap));
	complain("--heap: %s is neither system, contiguous, nor a path", kind);
	return false;
}

/* On one line, as the log's are. */
static bool is_file_name(const char *name)
{
	return *name && strcmp(name, ".") && strcmp(name, "..") &&
	       !strpbrk(name, "/\n");
}

static bool heap_parse(char *arg)
{
	char *kind = strchr(arg, '=');

	if (kind)
		*kind++ = '\0';
	if (!kind || !is_file_name(arg)) {
		complain("--heap wants NAME=KIND, and NAME is that of a file, "
			 "on one line");
		return false;
	}
	return heap_add(arg, kind);
}

static bool devices_parse(const char *arg)
{
	static const char *const words[] = {
		[DEVICES_AUTO] = "auto",
		[DEVICES_MOUNT] = "mount",
		[DEVICES_TRAP] = "trap",
	};
	unsigned int i;

	for (i = 0; i < 3; i++) {
		if (strcmp(arg, words[i]))
			continue;
		options.devices = (enum devices_mode)i;
		return true;
	}
	complain("--devices wants auto, mount or trap");
	return false;
}

static bool limit_parse(const char *arg)
{
	static const char units[] = "KMG";
	unsigned long long bytes;
	const char *unit;
	unsigned int shift = 0;
	char *end;

	errno = 0;
	bytes = strtoull(arg, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		shift = 10 * (unsigned int)(unit - units + 1);
		end++;
	}
	if (end == arg || *arg == '-' || *end || errno || !bytes ||
	    bytes > UINT64_MAX >> shift) {
		complain("--limit wants a whole number of bytes from 1 on; K, M "
			 "or G may follow");
		return false;
	}
	options.limit = (uint64_t)bytes << shift;
	return true;
}

/* NULL: on stderr */
static bool log_parse(const char *arg)
{
	if (arg && !*arg) {
		complain("--log= wants a file's name; --log alone is for "
			 "stderr");
		return false;
	}
	options.log_file = arg;
	return options.log = true;
}

enum {
	OPTION_HEAP = 256, OPTION_PREFER_REAL, OPTION_DEVICES, OPTION_POLL,
	OPTION_LOW_FDS, OPTION_SMALL_PAGES, OPTION_LOG, OPTION_STATS,
	OPTION_LEAKS, OPTION_FAIL, OPTION_LIMIT, OPTION_HELP, OPTION_VERSION,
};

static const struct option long_options[] = {
	{ "heap", required_argument, NULL, OPTION_HEAP },
	{ "prefer-real", no_argument, NULL, OPTION_PREFER_REAL },
	{ "devices", required_argument, NULL, OPTION_DEVICES },
	{ "poll", no_argument, NULL, OPTION_POLL },
	{ "low-fds", no_argument, NULL, OPTION_LOW_FDS },
	{ "small-pages", no_argument, NULL, OPTION_SMALL_PAGES },
	{ "log", optional_argument, NULL, OPTION_LOG },
	{ "stats", no_argument, NULL, OPTION_STATS },
	{ "leaks", no_argument, NULL, OPTION_LEAKS },
	{ "fail", required_argument, NULL, OPTION_FAIL },
	{ "limit", required_argument, NULL, OPTION_LIMIT },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ 0 }
};

/* True: go on; false: end with *ret_status. */
static bool option_take(int option, int *ret_status)
{
	*ret_status = STATUS_FAILED;
	switch (option) {
	case OPTION_HEAP:
		return heap_parse(optarg);
	case OPTION_PREFER_REAL:
		return options.prefer_real = true;
	case OPTION_DEVICES:
		return devices_parse(optarg);
	case OPTION_POLL:
		return options.poll = true;
	case OPTION_LOW_FDS:
		return options.low_fds = true;
	case OPTION_SMALL_PAGES:
		return options.small_pages = true;
	case OPTION_LOG:
		return log_parse(optarg);
	case OPTION_STATS:
		return options.stats = true;
	case OPTION_LEAKS:
		return options.leaks = true;
	case OPTION_FAIL:
		return fail_parse(optarg);
	case OPTION_LIMIT:
		return limit_parse(optarg);
	case OPTION_HELP:
		fputs(usage, stdout);
		break;
	case OPTION_VERSION:
		puts("dmabuf-run " DMABUF_VERSION);
		break;
	default:
		fputs("Try dmabuf-run --help\n", stderr);
		return false;
	}
	*ret_status = fflush(stdout) || ferror(stdout) ? STATUS_FAILED : 0;
	return false;
}

bool options_parse(int argc, char **argv, int *ret_status)
{
	int option;

	while ((option = getopt_long(argc, argv, "+", long_options, NULL)) != -1)
		if (!option_take(option, ret_status))
			return false;
	if (optind == argc) {
		complain("what is to be run? Try dmabuf-run --help");
		*ret_status = STATUS_FAILED;
		return false;
	}
	options.command = argv + optind;
	return true;
}
