/* SPDX-License-Identifier: MIT */
/*
 * bench-run.c - what dmabuf-run costs those under it
 *
 * The same program works bare, under dmabuf-run, and under strace, in turns; it
 * is told what to do through a pipe. Whole commands are started both ways.
 *
 *	bench-run DMABUF_RUN [DIRECTORY]	a directory to make files in
 *
 * Prints a table; exit status 1 when a row is over its limit.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define FRAME_SIZE (4u << 20)
#define NR_PIECES 16
#define NR_FILES 5000

static void need(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench-run: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* What a peer does; it tells how much of the time is not to be counted. */

struct job {
	char what;
	unsigned int repeat;
};

static int heap = -1;		/* none: bare */

static int allocate(uint64_t size)
{
	struct dma_heap_allocation_data data = {
		.len = size,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};

	need(!ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data), "ALLOC");
	return (int)data.fd;
}

static int memfd_of(uint64_t size)
{
	int fd = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	need(fd >= 0 && !ftruncate(fd, (off_t)size) &&
	     !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), "memfd");
	return fd;
}

/* One buffer for all, of a heap where there is one */
static int frame_fd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = heap >= 0 ? allocate(FRAME_SIZE) : memfd_of(FRAME_SIZE);
	return fd;
}

static double frames(unsigned int repeat)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_RW };
	static char *frame;
	double ioctls = 0, start;

	if (!frame)
		frame = mmap(NULL, FRAME_SIZE, PROT_READ | PROT_WRITE,
			     MAP_SHARED, frame_fd(), 0);
	need(frame != MAP_FAILED, "mmap");
	while (repeat--) {
		start = now_ns();
		sync.flags = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_START;
		need(heap < 0 || !ioctl(frame_fd(), DMA_BUF_IOCTL_SYNC, &sync),
		     "SYNC");
		ioctls += now_ns() - start;
		memset(frame, (int)repeat, FRAME_SIZE);
		start = now_ns();
		sync.flags = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END;
		need(heap < 0 || !ioctl(frame_fd(), DMA_BUF_IOCTL_SYNC, &sync),
		     "SYNC");
		ioctls += now_ns() - start;
	}
	return ioctls;
}

static double syncs(unsigned int repeat)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_RW };

	/* Under strace it is refused, by the kernel, and as often. */
	while (repeat--)
		ioctl(frame_fd(), DMA_BUF_IOCTL_SYNC, &sync);
	return 0;
}

static double allocations(unsigned int repeat)
{
	while (repeat--)
		close(heap >= 0 ? allocate(10000) : memfd_of(12288));
	return 0;
}

static double file_opens(unsigned int repeat)
{
	while (repeat--) {
		int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

		need(fd >= 0, "open");
		close(fd);
	}
	return 0;
}

static double file_mappings(unsigned int repeat)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	while (repeat--) {
		void *pages = mmap(NULL, 65536, PROT_READ,
				   MAP_PRIVATE | MAP_POPULATE, fd, 0);

		need(pages != MAP_FAILED, "mmap");
		munmap(pages, 65536);
	}
	close(fd);
	return 0;
}

static double pipes(unsigned int repeat)
{
	static char block[65536];
	int fds[2];

	need(!pipe(fds), "pipe");
	fcntl(fds[1], F_SETPIPE_SZ, (int)sizeof(block));
	while (repeat--)
		need(write(fds[1], block, sizeof(block)) > 0 &&
		     read(fds[0], block, sizeof(block)) > 0, "pipe");
	close(fds[0]);
	close(fds[1]);
	return 0;
}

static double forks(unsigned int repeat)
{
	while (repeat--) {
		pid_t child = fork();

		need(child >= 0, "fork");
		if (!child)
			_exit(0);
		waitpid(child, NULL, 0);
	}
	return 0;
}

/* Every other page, so that each is a piece of its own */
static int scattered(void)
{
	static int fd = -1;
	struct udmabuf_create_list *list;
	int device, memfd, i;

	if (fd >= 0)
		return fd;
	list = calloc(1, sizeof(*list) + NR_PIECES * sizeof(list->list[0]));
	device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	memfd = memfd_of(2 * NR_PIECES * 4096);
	need(list && device >= 0, "/dev/udmabuf");
	list->count = NR_PIECES;
	for (i = 0; i < NR_PIECES; i++) {
		list->list[i].memfd = (uint32_t)memfd;
		list->list[i].offset = (uint64_t)i * 2 * 4096;
		list->list[i].size = 4096;
	}
	fd = ioctl(device, UDMABUF_CREATE_LIST, list);
	need(fd >= 0, "UDMABUF_CREATE_LIST");
	free(list);
	close(memfd);
	close(device);
	return fd;
}

/* By hand it is a mapping of the memfd for each piece. */
static double scattered_mappings(unsigned int repeat)
{
	static int memfd = -1;
	size_t size = NR_PIECES * 4096;
	char *view;
	int i;

	if (heap < 0 && memfd < 0)
		memfd = memfd_of(2 * size);
	while (repeat--) {
		view = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			    heap < 0 ? memfd : scattered(), 0);
		need(view != MAP_FAILED, "mmap");
		for (i = 0; heap < 0 && i < NR_PIECES; i++)
			need(mmap(view + i * 4096, 4096, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_FIXED, memfd,
				  (off_t)i * 2 * 4096) != MAP_FAILED, "mmap");
		munmap(view, size);
	}
	return 0;
}

static double (*job_of(char what))(unsigned int repeat)
{
	switch (what) {
	case 'f': return frames;
	case 'a': return allocations;
	case 'o': return file_opens;
	case 'm': return file_mappings;
	case 'p': return pipes;
	case 'k': return forks;
	case 's': return syncs;
	default: return scattered_mappings;
	}
}

/*
 * Calls that nobody answers are made on the last CPU: where the kernel puts a
 * process, and which of the CPUs the interrupts come to, makes more of a
 * difference than what is measured here.
 */
static double job_do_alone(const struct job *job)
{
	cpu_set_t before, one;
	int last = CPU_SETSIZE - 1;
	double excluded;

	need(!sched_getaffinity(0, sizeof(before), &before), "affinity");
	while (last && !CPU_ISSET(last, &before))
		last--;
	CPU_ZERO(&one);
	CPU_SET(last, &one);
	need(!sched_setaffinity(0, sizeof(one), &one), "affinity");
	excluded = job_of(job->what)(job->repeat);
	need(!sched_setaffinity(0, sizeof(before), &before), "affinity");
	return excluded;
}

static double job_do(const struct job *job)
{
	return strchr("ompk", job->what) ? job_do_alone(job) :
					   job_of(job->what)(job->repeat);
}

static int peer_run(void)
{
	struct job job;
	double excluded;

	heap = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);
	while (read(STDIN_FILENO, &job, sizeof(job)) == sizeof(job)) {
		excluded = job_do(&job);
		need(write(STDOUT_FILENO, &excluded, sizeof(excluded)) ==
		     sizeof(excluded), "answer");
	}
	return 0;
}

/* Peers, as the benchmark sees them */

struct peer {
	int to, from;
};

static struct peer bare, inside;

static struct peer peer_start(char *const command[])
{
	int to[2], from[2];

	need(!pipe2(to, O_CLOEXEC) && !pipe2(from, O_CLOEXEC), "pipe");
	switch (fork()) {
	case -1:
		need(0, "fork");
		break;
	case 0:
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		execvp(command[0], command);
		need(0, command[0]);
	}
	close(to[0]);
	close(from[1]);
	return (struct peer){ to[1], from[0] };
}

static void peer_do(const struct peer *peer, char what, unsigned int repeat)
{
	struct job job = { what, repeat };
	double excluded = 0;

	need(write(peer->to, &job, sizeof(job)) == sizeof(job) &&
	     read(peer->from, &excluded, sizeof(excluded)) == sizeof(excluded),
	     "a peer died");
	bench_exclude(excluded);
}

static void do_inside(void *data, unsigned int repeat)
{
	peer_do(&inside, *(char *)data, repeat);
}

static void do_bare(void *data, unsigned int repeat)
{
	peer_do(&bare, *(char *)data, repeat);
}

static bool row(const char *what, char job, double limit, unsigned int repeat)
{
	const struct bench_row row = {
		.what = what,
		.against = "without dmabuf-run",
		.limit = limit,
		.rounds = 31,
		.repeat = repeat,
		.work = do_inside,
		.hand = do_bare,
		.data = &job,
	};

	return bench_compare(&row);
}

/*
 * Each time in a process of its own: from one to the next the same calls differ
 * by more than what is measured here. Only the calls are counted.
 */
struct rivals {
	char inside[PATH_MAX + 16];	/* what stands before the command */
	const char *outside;
	const char *self;
	char job;
};

static void job_of_own(const struct rivals *rivals, const char *before,
		       unsigned int repeat)
{
	double start = now_ns(), spent = 0;
	char line[2 * PATH_MAX + 64];
	FILE *answer;

	snprintf(line, sizeof(line), "%s %s --job %c %u 2>trace", before,
		 rivals->self, rivals->job, repeat);
	answer = popen(line, "r");
	need(answer && fscanf(answer, "%lf", &spent) == 1, line);
	pclose(answer);
	bench_exclude(now_ns() - start - spent);
}

static void rival_inside(void *data, unsigned int repeat)
{
	const struct rivals *rivals = data;

	job_of_own(rivals, rivals->inside, repeat);
}

static void rival_outside(void *data, unsigned int repeat)
{
	const struct rivals *rivals = data;

	job_of_own(rivals, rivals->outside, repeat);
}

/*
 * For long enough that the kernel has settled where it puts who answers and who
 * asks: on two CPUs, and then a stop is a wake-up of the other one for strace.
 * For an answer it is on one, as seccomp says who waits for whom.
 */
static bool strace_row(const char *what, struct rivals *rivals, double limit)
{
	const struct bench_row row = {
		.what = what,
		.against = "strace -f -e ioctl",
		.limit = limit,
		.rounds = 7,
		.repeat = 30000,
		.work = rival_inside,
		.hand = rival_outside,
		.data = rivals,
	};

	return bench_compare(&row);
}

static bool strace_rows(const char *run, const char *self)
{
	struct rivals rivals = {
		.outside = "strace -f -e ioctl",
		.self = self,
		.job = 's',
	};
	bool ok;

	snprintf(rivals.inside, sizeof(rivals.inside), "%s", run);
	ok = strace_row("an ioctl that is answered", &rivals, 0.2);
	snprintf(rivals.inside, sizeof(rivals.inside), "taskset -c 0 %s", run);
	rivals.outside = "taskset -c 0 strace -f -e ioctl";
	strace_row("the same, all on one CPU", &rivals, 0);
	return ok;
}

static bool fork_row(const char *run, const char *self)
{
	struct rivals rivals = { .outside = "", .self = self, .job = 'k' };
	const struct bench_row row = {
		.what = "fork and wait",
		.against = "without dmabuf-run",
		.limit = 1.05,
		.rounds = 31,
		.repeat = 300,
		.work = rival_inside,
		.hand = rival_outside,
		.data = &rivals,
	};

	snprintf(rivals.inside, sizeof(rivals.inside), "%s", run);
	return bench_compare(&row);
}

/* In a process that has a buffer */
static int job_print(const char *what, const char *repeat)
{
	const struct job job = { *what, (unsigned int)atoi(repeat) };
	double start;

	heap = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);
	frame_fd();
	start = now_ns();
	job_do(&job);
	printf("%f\n", now_ns() - start);
	return 0;
}

/* Whole commands */

struct command {
	const char *run;	/* dmabuf-run */
	const char *shell;
};

static void command_run(const char *before, const char *shell,
			unsigned int repeat)
{
	char line[2 * PATH_MAX];

	snprintf(line, sizeof(line),
		 "%s sh -c 'i=0; while [ $i -lt %u ]; do %s; i=$((i + 1)); done'",
		 before, repeat, shell);
	need(!system(line), line);
}

static void command_inside(void *data, unsigned int repeat)
{
	const struct command *command = data;

	command_run(command->run, command->shell, repeat);
}

static void command_bare(void *data, unsigned int repeat)
{
	const struct command *command = data;

	command_run("", command->shell, repeat);
}

/* @repeat of them, one after the other, under one dmabuf-run */
static bool command_row(const char *what, const char *run, const char *shell,
			double limit, unsigned int repeat)
{
	struct command command = { run, shell };
	const struct bench_row row = {
		.what = what,
		.against = "without dmabuf-run",
		.limit = limit,
		.rounds = 9,
		.repeat = repeat,
		.work = command_inside,
		.hand = command_bare,
		.data = &command,
	};

	return bench_compare(&row);
}

static void files_make(void)
{
	char name[32];
	FILE *file;
	int i;

	need(!system("git init -q . && mkdir files"), "git");
	for (i = 0; i < NR_FILES; i++) {
		snprintf(name, sizeof(name), "files/%d", i);
		file = fopen(name, "w");
		need(file && fprintf(file, "%d\n", i) > 0, name);
		fclose(file);
	}
	file = fopen("code.c", "w");
	need(file && fputs("#include <stdio.h>\n#include <stdlib.h>\n"
			   "#include <string.h>\n#include <unistd.h>\n"
			   "int main(void) { puts(\"hi\"); return 0; }\n", file)
	     >= 0, "code.c");
	fclose(file);
	need(!system("git add -A"), "git add");
}

static bool command_rows(const char *run)
{
	bool ok;

	files_make();
	ok = command_row("gcc -c", run, "gcc -O2 -c code.c -o code.o", 1.1, 10);
	ok &= command_row("git status, 5000 files", run, "git status -s >out",
			  1.1, 30);
	ok &= command_row("tar, 5000 files", run, "tar cf files.tar files", 1.1,
			  10);
	command_row("true, with the start", run, "true", 0, 1);
	return ok;
}

static bool rows(const char *run, const char *self)
{
	bool ok = row("frames of 4 MiB, outside of SYNC", 'f', 1.02, 20);

	ok &= row("64 KiB of a file, mapped and read", 'm', 1.05, 500);
	ok &= row("64 KiB through a pipe", 'p', 1.05, 500);
	ok &= fork_row(run, self);
	row("open and close", 'o', 0, 2000);
	ok &= strace_rows(run, self);
	row("allocate and close", 'a', 0, 500);
	row("mapping of 16 pieces", 'x', 0, 50);
	return ok & command_rows(run);
}

static void directory_remove(char *directory)
{
	char line[PATH_MAX];

	need(!chdir("/"), "chdir");
	snprintf(line, sizeof(line), "rm -rf '%s'", directory);
	need(!system(line), line);
}

int main(int argc, char **argv)
{
	char directory[] = "/tmp/bench-run.XXXXXX";
	char run[PATH_MAX], self[PATH_MAX];
	bool ok;

	if (argc == 2 && !strcmp(argv[1], "--peer"))
		return peer_run();
	if (argc == 4 && !strcmp(argv[1], "--job"))
		return job_print(argv[2], argv[3]);
	need(argc == 2 && realpath(argv[1], run) &&
	     realpath("/proc/self/exe", self) && mkdtemp(directory) &&
	     !chdir(directory), "usage: bench-run DMABUF_RUN");
	bare = peer_start((char *[]){ self, "--peer", NULL });
	inside = peer_start((char *[]){ run, self, "--peer", NULL });
	bench_begin();
	ok = rows(run, self);
	directory_remove(directory);
	return !ok;
}
