/* SPDX-License-Identifier: MIT */
/*
 * faults.c - signals of faults that are sent, while a mapping is being made
 *
 * Each arrives once, and says who sent it and with what: the next one is sent
 * when it has been seen.
 */
#include "client.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NR 16

static const int signals[] = {
	SIGTRAP, SIGSEGV, SIGSYS, SIGBUS, SIGILL, SIGFPE,
};

#define ALL (each * (int)(sizeof(signals) / sizeof(*signals)))

static int each;
static _Atomic int *seen;	/* both processes' */
static pid_t sender;

static void see(int signal, siginfo_t *info, void *context)
{
	(void)context;
	CHECK(signal == signals[*seen / each]);
	CHECK(info->si_code == SI_QUEUE);
	CHECK(info->si_pid == sender);
	CHECK(info->si_value.sival_int == *seen);
	++*seen;
}

static void process_tell(pid_t process, int signal, int value)
{
	CHECK(!sigqueue(process, signal, (union sigval){ value }));
}

/* Its first thread */
static void thread_tell(pid_t process, int signal, int value)
{
	siginfo_t info = { .si_signo = signal, .si_code = SI_QUEUE };

	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_int = value;
	CHECK(!syscall(SYS_rt_tgsigqueueinfo, process, process, signal, &info));
}

/* So that it comes at any time of a mapping, not right after it is made */
static void idle(int i)
{
	int calls = i * 31 % 2000;

	while (calls--)
		getppid();
}

static void send_one_by_one(void (*tell)(pid_t, int, int))
{
	pid_t parent = getppid();
	int i;

	alarm(60);
	for (i = 0; i < ALL && getppid() == parent; i++) {
		idle(i);
		tell(parent, signals[i / each], i);
		while (*seen == i && getppid() == parent)
			sched_yield();
	}
	_exit(0);
}

static void map_once(int fd, size_t nr)
{
	char *addr = client_map(fd, 0, nr);

	CHECK(addr != MAP_FAILED);
	CHECK(client_shows_scattered(addr, 1, 0, nr, NR));
	CHECK(!munmap(addr, nr * PAGE));
}

static void handlers_set(void)
{
	struct sigaction action = {
		.sa_sigaction = see,
		.sa_flags = SA_SIGINFO | SA_RESTART,
	};
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		CHECK(!sigaction(signals[i], &action, NULL));
}

static void every_one_arrives(void (*tell)(pid_t, int, int))
{
	int fd = client_scattered(client_memfd(1, 2 * NR), NR);
	sigset_t all, before;

	each = (int)client_rounds(200);
	seen = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(seen != MAP_FAILED);
	handlers_set();
	/* Until it is known who sends. */
	sigfillset(&all);
	CHECK(!sigprocmask(SIG_SETMASK, &all, &before));
	sender = fork();
	CHECK(sender >= 0);
	if (!sender)
		send_one_by_one(tell);
	CHECK(!sigprocmask(SIG_SETMASK, &before, NULL));
	while (*seen < ALL) {
		map_once(fd, NR);
		map_once(fd, 2);
	}
	CHECK(!client_wait(sender));
}

static void faults_sent_to_the_process(void)
{
	every_one_arrives(process_tell);
}

static void faults_sent_to_the_thread(void)
{
	every_one_arrives(thread_tell);
}

const struct client_case fault_cases[] = {
	{ "faults_sent_to_the_process", faults_sent_to_the_process },
	{ "faults_sent_to_the_thread", faults_sent_to_the_thread },
	{ NULL, NULL },
};
