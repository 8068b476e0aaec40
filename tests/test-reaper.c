/* SPDX-License-Identifier: MIT */
/* test-reaper.c - the thread that dispatches */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <dmabuf/dmabuf.h>

#include "leaks.h"
#include "mock-exporter.h"
#include "process.h"
#include "sanitized.h"
#include "warns.h"

#define SIZE ((size_t)16384)

static void reaper_starts_once_and_stops(void **state)
{
	int before = nr_threads();

	(void)state;
	dmabuf_reaper_stop();
	assert_int_equal(dmabuf_reaper_start(), 0);
	assert_int_equal(nr_threads(), before + 1);
	assert_int_equal(dmabuf_reaper_start(), 0);
	assert_int_equal(nr_threads(), before + 1);
	dmabuf_reaper_stop();
	dmabuf_reaper_stop();
	assert_no_warning();
	assert_int_equal(dmabuf_reaper_start(), 0);
	assert_int_equal(dmabuf_reaper_start(), 0);
	dmabuf_reaper_stop();
}

struct reaped {
	sem_t done;
	pthread_t thread;
	sigset_t blocked;
	bool stop_inside;
};

static void reaped_hook(struct mock *mock, enum mock_op op,
			struct dma_buf_attachment *attach)
{
	struct reaped *reaped = mock->hook_data;

	(void)attach;
	if (op != MOCK_OP_RELEASE)
		return;
	reaped->thread = pthread_self();
	pthread_sigmask(SIG_SETMASK, NULL, &reaped->blocked);
	if (reaped->stop_inside)
		dmabuf_reaper_stop();
	sem_post(&reaped->done);
}

static void reap_one(struct reaped *reaped)
{
	static struct mock mock;
	struct dma_buf *dmabuf = mock_export(&mock, SIZE, MOCK_PAGES);

	sem_init(&reaped->done, 0, 0);
	mock.hook = reaped_hook;
	mock.hook_data = reaped;
	assert_int_equal(dmabuf_reaper_start(), 0);
	close(fd_of(dmabuf));
	sem_wait(&reaped->done);
	dmabuf_reaper_stop();
	assert_log(&mock, "backing_fd release");
	assert_int_equal(dmabuf_live_buffers(), 0);
	sem_destroy(&reaped->done);
}

static void release_runs_in_the_reaper_with_signals_blocked(void **state)
{
	struct reaped reaped = { .stop_inside = false };
	int signal;

	(void)state;
	reap_one(&reaped);
	assert_false(pthread_equal(reaped.thread, pthread_self()));
	for (signal = 1; signal < 32; signal++)
		if (signal != SIGKILL && signal != SIGSTOP)
			assert_int_equal(sigismember(&reaped.blocked, signal),
					 1);
}

static void signals_of_the_starting_thread_stay(void **state)
{
	sigset_t before, after;
	int signal;

	(void)state;
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(dmabuf_reaper_start(), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	dmabuf_reaper_stop();
	for (signal = 1; signal < 32; signal++)
		assert_int_equal(sigismember(&after, signal),
				 sigismember(&before, signal));
}

static void stop_inside_a_release_warns(void **state)
{
	struct reaped reaped = { .stop_inside = true };

	(void)state;
	reap_one(&reaped);
	assert_warned("dmabuf_reaper_stop");
}

static void reaper_reaps_many(void **state)
{
	enum { NR = 300 };
	struct reaped reaped = { .stop_inside = false };
	unsigned int releases = 0;
	int i;

	(void)state;
	assert_int_equal(dmabuf_reaper_start(), 0);
	for (i = 0; i < NR; i++)
		close(fd_of(opaque_export(&releases, SIZE, O_RDWR)));
	/* Two that dispatch are no harm. Not to wait: the other may be last. */
	while (dmabuf_live_buffers())
		assert_true(dmabuf_dispatch() >= 0);
	dmabuf_reaper_stop();
	assert_int_equal(__atomic_load_n(&releases, __ATOMIC_RELAXED), NR);
	reap_one(&reaped);
}

static int child_without_reaper(int sock, void *data)
{
	struct dma_buf *dmabuf;
	struct pollfd pfd;
	int fd;

	(void)sock;
	(void)data;
	PEER_CHECK(is_sanitized() || nr_threads() == 1);
	PEER_CHECK(!dmabuf_memfd_export(SIZE, O_RDWR, &dmabuf));
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	PEER_CHECK(fd >= 0);
	close(fd);
	pfd = (struct pollfd){ .fd = dmabuf_event_fd(), .events = POLLIN };
	while (dmabuf_live_buffers()) {
		PEER_CHECK(poll(&pfd, 1, -1) == 1);
		PEER_CHECK(dmabuf_dispatch() >= 0);
	}
	/* None runs: nothing to stop. Then one of its own. */
	dmabuf_reaper_stop();
	if (is_thread_sanitized()) {
		print_message("not looked at: the thread sanitizer ends "
			      "children that start threads\n");
		return 0;
	}
	PEER_CHECK(!dmabuf_reaper_start());
	PEER_CHECK(is_sanitized() || nr_threads() == 2);
	dmabuf_reaper_stop();
	return 0;
}

static void reaper_does_not_run_in_the_child(void **state)
{
	struct reaped reaped = { .stop_inside = false };
	struct peer peer;

	(void)state;
	assert_int_equal(dmabuf_reaper_start(), 0);
	peer_start(&peer, child_without_reaper, NULL);
	peer_join(&peer);
	/* In the parent it goes on. */
	reap_one(&reaped);
}

/* In poll(2)? /proc says which call it sleeps in. */
static bool is_polling(const char *tid)
{
	char path[64], line[128] = "";
	long call = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%.16s/syscall", tid);
	file = fopen(path, "re");
	assert_non_null(file);
	if (fgets(line, sizeof(line), file))
		sscanf(line, "%ld", &call);
	fclose(file);
#ifdef SYS_poll
	if (call == SYS_poll)
		return true;
#endif
	return call == SYS_ppoll;
}

static unsigned int nr_polling(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned int nr = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && is_polling(entry->d_name))
			nr++;
	closedir(dir);
	return nr;
}

static int raw_child_without_reaper(int sock, void *data)
{
	const int *parents_event_fd = data;

	(void)sock;
	dmabuf_reaper_stop();
	PEER_CHECK(fcntl(*parents_event_fd, F_GETFD) < 0);
	PEER_CHECK(!dmabuf_reaper_start());
	dmabuf_reaper_stop();
	return 0;
}

static void reaper_does_not_run_in_a_raw_child(void **state)
{
	int event_fd = dmabuf_event_fd();
	struct reaped reaped = { .stop_inside = false };
	struct peer peer;
	int status;

	(void)state;
	threads_unwatched_or_skip();
	assert_int_equal(dmabuf_reaper_start(), 0);
	/* No C library gives back the locks that it has just then. */
	while (!nr_polling())
		sched_yield();
	raw_peer_start(&peer, raw_child_without_reaper, &event_fd);
	status = peer_wait(&peer);
	reap_one(&reaped);
	assert_int_equal(status, 0);
}

static void *nothing(void *data)
{
	return data;
}

/* With the first thread, the thread sanitizer starts one of its own. */
static int group_setup(void **state)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, nothing, NULL))
		return -1;
	pthread_join(thread, NULL);
	return leaks_group_setup(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEAK_TEST(reaper_starts_once_and_stops),
		LEAK_TEST(release_runs_in_the_reaper_with_signals_blocked),
		LEAK_TEST(signals_of_the_starting_thread_stay),
		LEAK_TEST(stop_inside_a_release_warns),
		LEAK_TEST(reaper_reaps_many),
		LEAK_TEST(reaper_does_not_run_in_the_child),
		LEAK_TEST(reaper_does_not_run_in_a_raw_child),
	};

	alarm(240);
	return cmocka_run_group_tests_name("reaper", tests,
					   group_setup, NULL) != 0;
}
