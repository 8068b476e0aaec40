/* SPDX-License-Identifier: MIT */
/*
 * readers.c - many processes read bufinfo while buffers come and go
 *
 * Each reading shows one state, whole: what its last line counts is there. And
 * a buffer that is there before the file is opened is seen.
 */
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define READERS 6
#define ROUNDS 40
#define MEDDLERS 4
#define DIRECTORY "/sys/kernel/debug/dma_buf"
#define BUFINFO DIRECTORY "/bufinfo"

/* The file that is going to take its place */
#define NEXT DIRECTORY "/.bufinfo"

static int allocate(int heap)
{
	struct dma_heap_allocation_data data = {
		.len = 4096,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};

	return ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) ? -1 : (int)data.fd;
}

/* Lines of buffers, and the number in the last line */
static bool counts_match(FILE *file, unsigned long long ino)
{
	unsigned int lines = 0, total = ~0U;
	bool seen = false;
	char line[256], text[32];

	snprintf(text, sizeof(text), "%llu", ino);
	while (fgets(line, sizeof(line), file)) {
		if (strstr(line, "\tsystem\t"))
			lines++;
		if (strstr(line, text))
			seen = true;
		if (strstr(line, "objects"))
			sscanf(line, "Total %u", &total);
	}
	if (lines != total || !seen)
		printf("FAIL %u lines, %u counted, %s\n", lines, total,
		       seen ? "with ours" : "without ours");
	return lines == total && seen;
}

static int reader(void)
{
	int heap = open("/dev/dma_heap/system", O_RDWR);
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		int fd = allocate(heap);
		struct stat st;
		FILE *file;
		bool right;

		if (fd < 0 || fstat(fd, &st))
			return 1;
		file = fopen(BUFINFO, "r");
		if (!file)
			return 1;
		right = counts_match(file, st.st_ino);
		fclose(file);
		close(fd);
		if (!right)
			return 1;
	}
	return 0;
}

/* Opens what is not to be opened by anybody, until it is killed. */
static _Noreturn void meddler(void)
{
	for (;;)
		close(open(NEXT, O_RDONLY));
}

int main(void)
{
	pid_t pids[READERS], meddling[MEDDLERS];
	int status, i;

	for (i = 0; i < MEDDLERS; i++) {
		meddling[i] = fork();
		if (!meddling[i])
			meddler();
	}
	for (i = 0; i < READERS; i++) {
		pids[i] = fork();
		if (!pids[i])
			exit(reader());
	}
	for (i = 0; i < READERS; i++)
		CHECK(waitpid(pids[i], &status, 0) == pids[i] && !status);
	for (i = 0; i < MEDDLERS; i++) {
		kill(meddling[i], SIGKILL);
		CHECK(waitpid(meddling[i], &status, 0) == meddling[i]);
	}
	return failures ? 1 : 0;
}
