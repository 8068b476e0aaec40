/* SPDX-License-Identifier: MIT */
/*
 * client.c - maps udmabufs in every way, and says what it sees
 *
 * usage: client [CASE...]
 *        client --huge-pages [CASE...]	those that need some reserved
 *        client --be-killed AFTER	maps until it is killed, after so many
 *        client --orphan AFTER		its parent is
 *        client --show-error		maps, and prints what was wrong
 *
 * INJECT_SLOW says how many times slower than usual the machine is: then what
 * is done often is done that many times less, and what interrupts comes later.
 *
 * Each case runs in a process of its own. Output is TAP. It is for any machine
 * that has /dev/udmabuf, and debugfs for those cases that count buffers; what
 * happens to those that are traced, in processes.c, or have filters that do not
 * like unusual flags is for dmabuf-run alone.
 */
#include "client.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEVICE "/dev/udmabuf"
#define BUFINFO "/sys/kernel/debug/dma_buf/bufinfo"

/* A case, and a wait for something that must happen, on a slow machine */
#define CASE_SECONDS 120
#define WAIT_SECONDS 30

_Noreturn void client_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not so: %s (errno %d: %s)\n", file, line, what,
		errno, strerror(errno));
	_exit(1);
}

static size_t slow(void)
{
	const char *text = getenv("INJECT_SLOW");
	size_t times = text ? strtoul(text, NULL, 10) : 1;

	return times ? times : 1;
}

size_t client_rounds(size_t nr)
{
	return (nr + slow() - 1) / slow();
}

long client_usec(long usec)
{
	return usec * (long)slow();
}

/* Buffers */

static uint32_t page_word(unsigned int number, size_t which)
{
	return (uint32_t)(number << 16 | which);
}

int client_memfd(unsigned int number, size_t nr_pages)
{
	int fd = memfd_create("client", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint32_t word;
	size_t i;

	CHECK(fd >= 0);
	CHECK(!ftruncate(fd, (off_t)(nr_pages * PAGE)));
	CHECK(!fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	for (i = 0; i < nr_pages; i++) {
		word = page_word(number, i);
		CHECK(pwrite(fd, &word, sizeof(word), (off_t)(i * PAGE)) ==
		      sizeof(word));
	}
	return fd;
}

int client_list(const struct udmabuf_create_item *items, size_t nr)
{
	struct udmabuf_create_list *list;
	size_t size = nr * sizeof(*items);
	int device = open(DEVICE, O_RDWR | O_CLOEXEC);
	int fd;

	CHECK(device >= 0);
	list = calloc(1, sizeof(*list) + size);
	CHECK(list);
	list->flags = UDMABUF_FLAGS_CLOEXEC;
	list->count = (uint32_t)nr;
	memcpy(list->list, items, size);
	fd = ioctl(device, UDMABUF_CREATE_LIST, list);
	CHECK(fd >= 0);
	close(device);
	free(list);
	return fd;
}

int client_udmabuf(int memfd, size_t first, size_t nr_pages)
{
	const struct udmabuf_create_item item = {
		.memfd = (uint32_t)memfd,
		.offset = first * PAGE,
		.size = nr_pages * PAGE,
	};

	return client_list(&item, 1);
}

/* Every other one, from the back, so that no two are neighbours. */
size_t client_scatter(size_t n, size_t nr_pages)
{
	return 2 * (nr_pages - n) - 1;
}

int client_scattered(int memfd, size_t nr_pages)
{
	struct udmabuf_create_item *items = calloc(nr_pages, sizeof(*items));
	size_t i;
	int fd;

	CHECK(items);
	for (i = 0; i < nr_pages; i++)
		items[i] = (struct udmabuf_create_item){
			.memfd = (uint32_t)memfd,
			.offset = client_scatter(i, nr_pages) * PAGE,
			.size = PAGE,
		};
	fd = client_list(items, nr_pages);
	free(items);
	return fd;
}

/* Mappings */

void *client_map(int fd, size_t first, size_t nr_pages)
{
	return mmap(NULL, nr_pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		    fd, (off_t)(first * PAGE));
}

bool client_shows(const void *page, unsigned int number, size_t which)
{
	return *(const volatile uint32_t *)page == page_word(number, which);
}

bool client_shows_scattered(const void *addr, unsigned int number, size_t n,
			    size_t nr_pages, size_t all)
{
	size_t i;

	for (i = 0; i < nr_pages; i++)
		if (!client_shows((const char *)addr + i * PAGE, number,
				  client_scatter(n + i, all)))
			return false;
	return true;
}

bool client_mapped(const void *addr)
{
	return !msync((void *)(uintptr_t)addr, PAGE, MS_ASYNC);
}

/* State of the machine */

size_t client_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t nr = 0;

	CHECK(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

/* Without memory that is allocated: it would be counted. */
size_t client_count_mappings(void)
{
	static char text[65536];
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t nr = 0;
	ssize_t size, i;

	CHECK(fd >= 0);
	while ((size = read(fd, text, sizeof(text))) > 0)
		for (i = 0; i < size; i++)
			nr += text[i] == '\n';
	CHECK(!size);
	close(fd);
	return nr;
}

static size_t count_buffers(void)
{
	FILE *file = fopen(BUFINFO, "re");
	char line[256];
	size_t nr = 0;

	CHECK(file);
	while (fgets(line, sizeof(line), file))
		nr += strstr(line, "\tudmabuf\t") != NULL;
	fclose(file);
	return nr;
}

void client_wait_buffers(size_t nr)
{
	time_t end = time(NULL) + WAIT_SECONDS;

	while (count_buffers() != nr) {
		CHECK(time(NULL) < end);
		sched_yield();
	}
}

int client_wait(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

/* Running the cases */

static bool wanted(const char *name, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return false;
}

static bool case_run(const struct client_case *one)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		alarm(CASE_SECONDS);
		one->run();
		_exit(0);
	}
	return !client_wait(pid);
}

/* The exit status */
static int groups_run(const struct client_case *const *groups, char **names)
{
	unsigned int nr = 0, nr_failed = 0;
	const struct client_case *one;
	bool ok;

	for (; *groups; groups++) {
		for (one = *groups; one->name; one++) {
			if (!wanted(one->name, names))
				continue;
			ok = case_run(one);
			nr_failed += !ok;
			printf("%sok %u - %s\n", ok ? "" : "not ", ++nr,
			       one->name);
		}
	}
	printf("1..%u\n", nr);
	return nr_failed || !nr;
}

int main(int argc, char **argv)
{
	static const struct client_case *const all[] = {
		map_cases, place_cases, signal_cases, fault_cases,
		thread_cases, process_cases, filter_cases, NULL,
	};
	static const struct client_case *const huge[] = { huge_cases, NULL };

	if (argc > 1 && !strcmp(argv[1], "--huge-pages"))
		return groups_run(huge, argv + 2);
	if (argc > 1)
		client_option(argv[1], argc > 2 ? strtoul(argv[2], NULL, 10) :
						  0);
	return groups_run(all, argv + 1);
}
